"""A recorded day goes through this build's engine once more and is compared.

The first lines of a day say how many shards there were and which instrument was on which, so that
its journal is all that is needed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.book import Book
from engine.fused import Size
from engine.passive import Divergence, PassiveEngine
from ringbus.journal import map_day, segment_files
from ringbus.messages import BUILD_RECORD, INSTRUMENT_DEFINITION, Template
from ringbus.status import NotFoundError, UsageError

# Per shard; as in a topology file that does not say.
ORDERS = 1 << 20
PRICE_NODES = 1 << 16
# Messages between two steps of the progress bar: some 10 ms.
BATCH = 1 << 16
OPENING = (Template.BUILD_RECORD, Template.INSTRUMENT_DEFINITION, Template.PARTICIPANT_DEFINITION)
# The first lines of a day: instruments, participants and one more.
OPENING_MAX = (1 << 20) + (1 << 16) + 1


@dataclass(frozen=True, slots=True)
class Report:
    """What a replay found: `messages` of `recorded` are identical; all of them if no divergence.

    `unsaid` counts lines that the engine would have said behind the last one recorded: the rest of
    a group that a killed engine left half-said. `book_hash` is over the books of all shards.
    """

    shards: int
    instruments: int
    recorded: int
    messages: int
    unsaid: int
    seconds: float
    open_orders: int
    book_hash: str
    divergence: Divergence | None

    @property
    def identical(self) -> bool:
        """Whether every recorded byte was made once more."""
        return self.divergence is None

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.messages / self.seconds if self.seconds > 0 else 0.0


def replay_day(
    directory: Path,
    shards: int | None = None,
    instruments: int | None = None,
    shard_of: bytes | None = None,
    orders: int = ORDERS,
    price_nodes: int = PRICE_NODES,
    verify: bool = False,
    until: int | None = None,
    now_ns: Callable[[], int] = time.perf_counter_ns,
    progress: Callable[[int, int], None] | None = None,
    look: Callable[[Sequence[Book]], None] | None = None,
) -> Report:
    """Replay a day of a journal through a fresh engine and compare it byte for byte.

    Args: directory: of the segment files; shards, instruments: by default as the day's first lines
    say; shard_of: shard by instrument, by default as those lines say, or the instrument's number
    modulo `shards` if that is given; orders, price_nodes: room of each shard's book, the recorded
    one's or more; verify: compare every checksum first, so that damage on the disk is told from a
    divergence; until: the last sequence wanted, by default the day's; now_ns: a clock; progress:
    called with messages done and recorded; look: called with the books of all shards at the end.
    Raises: UsageError: the day does not say its shards; NotFoundError, DataError, LayoutError: as
    ringbus.journal.map_day. A divergence is in the report.
    """
    parts = map_day(directory, verify)
    if until is not None:
        parts = [
            part[: max(until + 1 - int(part["sequence"][0]), 0)] for part in parts if len(part)
        ]
    recorded = sum(len(part) for part in parts)
    if shards is None and instruments is None and shard_of is None:
        shards, shard_of = placement(parts[0])
    if shard_of is None:
        if shards is None or instruments is None:
            raise UsageError("shards and instruments must both be given, or neither")
        shard_of = bytes(n % shards for n in range(instruments))
    if shards is None:
        shards = max(shard_of, default=0) + 1
    if instruments is not None and instruments != len(shard_of):
        raise UsageError(f"shard_of is of {len(shard_of)} instruments, not {instruments}")
    size = Size(len(shard_of), shards, orders=orders, price_nodes=price_nodes)
    divergence = None
    with PassiveEngine(size, shard_of) as engine:
        start_ns = now_ns()
        try:
            for part in parts:
                for at in range(0, len(part), BATCH):
                    engine.feed(part[at : at + BATCH])
                    if progress is not None:
                        progress(engine.lines, recorded)
        except Divergence as error:
            divergence = error
        seconds = (now_ns() - start_ns) / 1e9
        if look is not None:
            look(engine.books)
        return Report(
            shards,
            len(shard_of),
            recorded,
            engine.lines,
            len(engine.ahead),
            seconds,
            sum(book.open_orders for book in engine.books),
            _hash(engine.books),
            divergence,
        )


def placement(lines: NDArray[np.void]) -> tuple[int, bytes]:
    """How many shards a day had, and the shard of each instrument.

    Args: lines: the first ones of the day, dtype MESSAGE.
    Raises: UsageError: they do not say so.
    """
    if len(lines) == 0:
        raise UsageError("the day holds no message")
    if lines["template_id"][0] != Template.BUILD_RECORD:
        raise UsageError(
            "the day does not begin with a BuildRecord: say --shards and --instruments"
        )
    head = lines[:OPENING_MAX]
    others = np.flatnonzero(~np.isin(head["template_id"], OPENING))
    head = head[: others[0]] if len(others) else head
    shards = int(head[:1].view(BUILD_RECORD)["shards"][0])
    table = head[head["template_id"] == Template.INSTRUMENT_DEFINITION].view(INSTRUMENT_DEFINITION)
    if not np.array_equal(table["instrument"], np.arange(len(table))) or len(table) == 0:
        raise UsageError("the day's instruments are not 0, 1, 2, …: say --shards and --instruments")
    return shards, table["shard"].tobytes()


def journal_of(directory: Path) -> Path:
    """The directory of the segment files: the one named, or `journal` in it."""
    for one in (directory, directory / "journal"):
        if segment_files(one):
            return one
    raise NotFoundError(f"{directory}: no journal there (stream-00000000.rbj)")


def _hash(books: Sequence[Book]) -> str:
    content = b"".join(book.hash().to_bytes(8, "little") for book in books)
    return hashlib.blake2b(content, digest_size=8).hexdigest()
