"""`ringbus ls`: rings and exchanges on this host: what their shared memory is and who uses it.

Everything is read from the beginning of each segment's file; nothing is mapped or written.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from ringbus._ringbus import ffi, lib
from ringbus.attachment import PUBLISHER, Part
from ringbus.backing import Mapped, mapped
from ringbus.lock import ByteLocks
from ringbus.memory import Block
from ringbus.multicast import Gate, gates, readers_bytes
from ringbus.segment import PREFIX, listing, segment_path
from ringbus.status import RingbusError, check
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
}
READERS = 3
RING = 9
LAYOUT_BYTES = 128


@dataclass(frozen=True, slots=True)
class Found:
    """One segment; `readers` are those that gate, `publisher_pid` 0 if a ring has none.

    `memory` is what the first has got that is known to use it: publisher, owner or a reader.
    """

    name: str
    kind: str
    capacity: int
    record_bytes: int
    owner_pid: int
    owner_alive: bool
    publisher_pid: int
    readers: tuple[Gate, ...]
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
            publisher = _publisher(memory, file.fileno()) if kind == RING else 0
            readers = _readers(memory, kind)
            users = [publisher, int(layout.owner_pid), *(gate.pid for gate in readers)]
            return Found(
                name=segment.removeprefix(PREFIX),
                kind=KINDS[kind],
                capacity=int(layout.capacity),
                record_bytes=int(layout.record_bytes),
                owner_pid=int(layout.owner_pid),
                owner_alive=alive(int(layout.owner_pid)),
                publisher_pid=publisher,
                readers=readers,
                memory=next(filter(None, (mapped(path, pid) for pid in users if pid)), None),
            )
        finally:
            memory.close()


def _readers(memory: Block, kind: int) -> tuple[Gate, ...]:
    if kind == READERS:
        return tuple(gates(memory))
    if kind == RING:
        return tuple(gates(Part(memory, lib.rb_ring_readers(memory.address), readers_bytes())))
    return ()


def _publisher(memory: Block, descriptor: int) -> int:
    locks = ByteLocks(descriptor)
    try:
        if not locks.held(PUBLISHER):
            return 0
    finally:
        locks.close()
    pid = ffi.new("uint32_t *")
    lib.rb_bells_get(lib.rb_ring_bells(memory.address), 0, pid)
    return int(pid[0])


def show(found: Sequence[Found], console: Console) -> None:
    """Print the table."""
    table = Table(
        "name", "kind", "slots", "record", "owner", "publisher", "memory", "gating readers"
    )
    for one in found:
        owner = str(one.owner_pid) if one.owner_alive else f"{one.owner_pid} (gone)"
        table.add_row(
            one.name,
            one.kind,
            f"{one.capacity:,}",
            f"{one.record_bytes} B",
            owner,
            str(one.publisher_pid) if one.publisher_pid else "–",
            one.memory.words if one.memory else "–",
            "\n".join(f"{gate.name} at {gate.cursor:,} ({_whose(gate)})" for gate in one.readers),
        )
    console.print(table)


def _whose(gate: Gate) -> str:
    return f"pid {gate.pid}" if alive(gate.pid) else f"pid {gate.pid}, gone"


def main(argv: Sequence[str]) -> int:
    """List; 0."""
    argparse.ArgumentParser(
        prog="ringbus ls", description="Rings and exchanges on this host."
    ).parse_args(argv)
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    show(look(), console)
    return 0
