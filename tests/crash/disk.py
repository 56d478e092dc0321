"""What a host that dies may do to its disks: all that was durable stays, of the rest anything."""

from __future__ import annotations

import random
from pathlib import Path

from ringbus.journal import HEADER_BYTES
from ringbus.messages import MESSAGE
from tools.topology import Topology

PAGE_MESSAGES = 64


def lose_tails(topology: Topology, durable: dict[str, int], draw: random.Random) -> None:
    """Tear every journal behind its mark; of two that both had to have it, lose one whole."""
    for name in topology.journals:
        _tear(topology.journal_path(name), topology.journal.segment_messages, durable[name], draw)
    if topology.copies_awaited == 2 and draw.random() < 0.3:
        for path in topology.journal_path(draw.choice(topology.journals)).iterdir():
            path.unlink()


def _tear(directory: Path, segment_messages: int, durable: int, draw: random.Random) -> None:
    for path in sorted(directory.glob("stream-*.rbj")):
        first = int(path.stem.removeprefix("stream-")) * segment_messages + 1
        safe = min(max(durable - first + 1, 0), segment_messages)
        if safe == segment_messages:
            continue
        kind = draw.choice(("kept", "cut", "cut inside", "holes"))
        with path.open("r+b") as file:
            if kind.startswith("cut"):
                keep = draw.randrange(safe, min(safe + 200, segment_messages))
                inside = draw.randrange(1, 64) if kind == "cut inside" else 0
                file.truncate(HEADER_BYTES + keep * MESSAGE.itemsize + inside)
            elif kind == "holes":
                # Pages reach the disk in any order, the page of the last durable message as it was.
                page = safe // PAGE_MESSAGES + 1
                for n in range(page, page + 8):
                    if draw.random() < 0.5 and (n + 1) * PAGE_MESSAGES <= segment_messages:
                        file.seek(HEADER_BYTES + n * PAGE_MESSAGES * MESSAGE.itemsize)
                        file.write(bytes(PAGE_MESSAGES * MESSAGE.itemsize))
                if draw.random() < 0.5:
                    keep = page * PAGE_MESSAGES
                    file.seek(HEADER_BYTES + safe * MESSAGE.itemsize)
                    file.write(bytes((min(keep, segment_messages) - safe) * MESSAGE.itemsize))
