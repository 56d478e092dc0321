"""`ringbus ls`: rings and exchanges on this host: what their shared memory is and who uses it.

Everything is read from the beginning of each segment's file; nothing is mapped or written.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from rich.console import Console
from rich.table import Table

from ringbus._ringbus import ffi, lib
from ringbus.attachment import Part
from ringbus.backing import Mapped, mapped
from ringbus.lock import PUBLISHER, ByteLocks
from ringbus.marks import Marks
from ringbus.memory import Block
from ringbus.multicast import gates, readers_bytes
from ringbus.places import Place
from ringbus.segment import PREFIX, listing, segment_path
from ringbus.status import RingbusError, check
from tools.manual import Parser
from tools.process import Process

# By rb_kind of ringbus/layout.h.
KINDS = {
    1: "lane",
    2: "stream",
    3: "readers",
    4: "bells",
    5: "core",
    6: "metrics",
    8: "doorbell",
    9: "ring",
    10: "marks",
    11: "settled",
}
STREAM = 2
READERS = 3
RING = 9
MARKS = 10
LAYOUT_BYTES = 128


@dataclass(frozen=True, slots=True)
class Found:
    """One segment; `publisher_pid` is 0 if a ring or stream has none.

    `waits` is how often gates kept a publisher waiting; `readers` are those that gate, `lossy` the
    others that can be seen; `durable` is by journal what is on its disk; `memory` is what the first
    has got that is known to use it: publisher, owner or a reader.
    """

    name: str
    kind: str
    capacity: int
    record_bytes: int
    owner_pid: int
    owner_alive: bool
    publisher_pid: int
    waits: int
    readers: tuple[Place, ...]
    lossy: tuple[Place, ...]
    durable: dict[str, int]
    memory: Mapped | None


def alive(pid: int) -> bool:
    """Whether a process of that id runs."""
    try:
        return Process.of(pid).alive
    except ProcessLookupError:
        return False


def look() -> list[Found]:
    """Every segment of this host that holds a structure of ringbus and may be read, by name."""
    out = []
    for segment in listing():
        try:
            found = _look_at(segment)
        except (OSError, RingbusError):
            # Gone meanwhile, not ours to read, or not laid out (yet).
            continue
        if found is not None:
            out.append(found)
    return out


def _look_at(segment: str) -> Found | None:
    path = segment_path(segment)
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < LAYOUT_BYTES:
            return None
        memory = Block(min(size, max(readers_bytes(), int(lib.rb_ring_records_offset()))))
        try:
            file.readinto(memory.buffer())
            layout = ffi.cast("rb_layout *", memory.address)
            kind = int(layout.kind)
            if kind not in KINDS:
                return None
            check(lib.rb_layout_verify(memory.address, size, kind), segment)
            stream = _stream(memory, kind)
            publisher = _publisher(stream, file.fileno()) if stream else 0
            readers, lossy = _readers(memory, kind)
            users = [publisher, int(layout.owner_pid), *(place.pid for place in readers + lossy)]
            return Found(
                name=segment.removeprefix(PREFIX),
                kind=KINDS[kind],
                capacity=int(layout.capacity),
                record_bytes=int(layout.record_bytes),
                owner_pid=int(layout.owner_pid),
                owner_alive=alive(int(layout.owner_pid)),
                publisher_pid=publisher,
                waits=int(lib.rb_multicast_waits(stream)) if stream else 0,
                readers=readers,
                lossy=lossy,
                durable=Marks(memory).durable() if kind == MARKS else {},
                memory=next(filter(None, (mapped(path, pid) for pid in users if pid)), None),
            )
        finally:
            memory.close()


def _stream(memory: Block, kind: int) -> object | None:
    """Where the header of a multicast ring is, if there is one."""
    if kind == RING:
        return cast(object, lib.rb_ring_stream(memory.address))
    return memory.address if kind == STREAM else None


def _readers(memory: Block, kind: int) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
    """Readers that gate, and others."""
    if kind == RING:
        both = lib.rb_ring_readers(memory.address), lib.rb_ring_lossy(memory.address)
        gating, lossy = (tuple(gates(Part(memory, table, readers_bytes()))) for table in both)
        return gating, lossy
    every = gates(memory) if kind == READERS else []
    # The two tables of an exchange are of one kind; only gates are opened by a writer's reader.
    return tuple(one for one in every if one.gates), tuple(one for one in every if not one.gates)


def _publisher(stream: object, descriptor: int) -> int:
    locks = ByteLocks(descriptor)
    try:
        return int(lib.rb_multicast_writer_pid(stream)) if locks.held(PUBLISHER) else 0
    finally:
        locks.close()


def show(found: Sequence[Found], console: Console) -> None:
    """Print the table."""
    table = Table("name", "kind", "slots", "record", "owner", "publisher", "memory", "readers")
    for one in found:
        owner = str(one.owner_pid) if one.owner_alive else f"{one.owner_pid} (gone)"
        table.add_row(
            one.name,
            one.kind,
            f"{one.capacity:,}",
            f"{one.record_bytes} B",
            owner,
            _publishing(one),
            one.memory.words if one.memory else "–",
            "\n".join(
                [_reading(place) for place in one.readers + one.lossy]
                + [f"{name}: {last:,} durable" for name, last in one.durable.items()]
            ),
        )
    console.print(table)


def _publishing(one: Found) -> str:
    waits = f"waited {one.waits:,} times" if one.waits else ""
    pid = str(one.publisher_pid) if one.publisher_pid else "–"
    return f"{pid}\n{waits}".strip()


def _reading(place: Place) -> str:
    gone = "" if alive(place.pid) else ", gone"
    kind = "gate" if place.gates else "lossy"
    return f"{place.name} at {place.cursor:,} ({kind}, pid {place.pid}{gone}): {place.counts}"


def main(argv: Sequence[str]) -> int:
    """List; 0."""
    Parser(prog="ringbus ls", description="Rings and exchanges on this host.").parse_args(argv)
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    show(look(), console)
    return 0
