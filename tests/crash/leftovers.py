"""What an exchange has on this host, by its own names: memory, processes, sockets, files.

Behind a `ringbus down` nothing of it may be there but the day's files, whoever died before.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ringbus.backing import TMPFS, hugetlb_mounts
from tools.process import Process

# Of the exchange's directory, what a day leaves on purpose.
KEPT = re.compile(r"(journal(\.[a-d])?(\.\d+)?|logs|unfinished|told\..*)")
LISTENING = "0A"


def processes(directory: Path) -> list[Process]:
    """Every process that was started with a file of that directory."""
    out = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace")
            process = Process.of(int(entry.name))
        except OSError:
            continue
        if f"{directory}/" in words and process.alive:
            out.append(process)
    return sorted(out, key=lambda process: process.started_ticks)


def listeners() -> set[tuple[int, str]]:
    """Every TCP port that somebody listens on, and the socket's inode."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {(int(row[1].split(":")[1], 16), row[9]) for row in rows if row[3] == LISTENING}


def leftovers(
    name: str, directory: Path, temporary: Path, heard: set[tuple[int, str]]
) -> Iterator[str]:
    """What is still there of an exchange, a line each.

    Args: directory: of its topology; temporary: where its processes were told to put temporary
    files; heard: ports and sockets on which it has listened.
    """
    places = [TMPFS, *(place for place, _ in hugetlb_mounts())]
    for place in places:
        yield from (f"memory {path}" for path in place.glob(f"*{name}.*"))
    yield from (f"process {one.pid}" for one in processes(directory))
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        if f"ringbus.{name}." in line or f"{directory}/" in line:
            yield f"socket {line.split()[-1]}"
    yield from (f"port {port}" for port, _ in sorted(heard & listeners()))
    yield from (f"temporary file {path}" for path in temporary.rglob("*"))
    yield from (
        f"file {path}" for path in (directory / "out").glob("*") if not KEPT.fullmatch(path.name)
    )
