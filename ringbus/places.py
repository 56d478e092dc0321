"""Places in a table of readers, each held by a lock that the kernel frees with its process.

A place in use whose byte nobody has locked is a dead one's. A successor of the same name takes it
over; one that is in nobody's interest any more is reclaimed when a place is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ringbus._ringbus import ffi, lib
from ringbus.lock import ByteLocks
from ringbus.memory import Memory
from ringbus.status import CapacityError, UsageError, check

READERS_MAX: Final = 64
# rb_reader_state of ringbus/readers.h.
GATING: Final = 2
# By rb_distance_known of ringbus/distance.h.
DISTANCES: Final = ("", "near", "far")


@dataclass(frozen=True, slots=True)
class Place:
    """A reader as a watcher sees it; `cursor` is the last sequence that it is done with.

    `gates`: the writer waits for it; `received`, `lost` and `laps` (times overtaken) are what it
    has counted; `distance` from the writer is near or far, empty while it has not found out.
    """

    name: str
    cursor: int
    pid: int
    gates: bool
    received: int
    lost: int
    laps: int
    distance: str = ""

    @property
    def counts(self) -> str:
        """What it has counted, and how far it is from the writer, for a human."""
        said = f"{self.received:,} received, {self.lost:,} lost, overtaken {self.laps:,} times"
        return f"{said}, {self.distance}" if self.distance else said


def create_readers(memory: Memory, name: str) -> None:
    """Lay out an empty table in zeroed memory."""
    check(lib.rb_readers_init(memory.address, memory.size, name.encode()), f"readers of {name}")


def places(table: Memory) -> dict[int, Place]:
    """Every place in use, by its number. Thread: any, while the readers work."""
    out = {}
    name, cursor, pid = ffi.new("char[33]"), ffi.new("uint64_t *"), ffi.new("uint32_t *")
    counts = [ffi.new("uint64_t *") for _ in range(3)]
    for n in range(READERS_MAX):
        state = check(lib.rb_readers_get(table.address, n, name, cursor, pid))
        if state != 0:
            lib.rb_readers_statistics(table.address, n, *counts)
            received, lost, laps = (int(count[0]) for count in counts)
            who = ffi.string(name).decode(), int(cursor[0]), int(pid[0])
            distance = DISTANCES[check(lib.rb_readers_distance(table.address, n))]
            out[n] = Place(*who, state == GATING, received, lost, laps, distance)
    return out


class Places:
    """The table `table` through `locks`, where place n is the byte `first` + n.

    `keeps`: a dead one's place is for its successor, and nobody else gets it.
    """

    def __init__(self, locks: ByteLocks, table: Memory, first: int, keeps: bool = False) -> None:
        self._locks = locks
        self._table = table
        self._first = first
        self._keeps = keeps

    def take(self, name: str, attach: Callable[[], int]) -> bool:
        """Become the reader `name`.

        Args: attach: claims the place in C and returns its number. Returns: whether it was a dead
        one's. Raises: UsageError: one of that name is alive; CapacityError: all 64 are in use.
        """
        with self._locks.administer():
            successor = self._succeeds(name)
            try:
                number = attach()
            except CapacityError:
                if self._keeps or self.reclaim() == 0:
                    raise
                number = attach()
            self._locks.take(self._first + number)
        return successor

    def reclaim(self) -> int:
        """Free the places of the dead; the caller administers. Returns how many there were."""
        freed = 0
        for n in range(READERS_MAX):
            used = lib.rb_readers_used(self._table.address, n)
            if used and not self._locks.held(self._first + n):
                lib.rb_readers_reclaim(self._table.address, n)
                freed += 1
        return freed

    def _succeeds(self, name: str) -> bool:
        for n, place in places(self._table).items():
            if place.name == name:
                if self._locks.held(self._first + n):
                    raise UsageError(f"reader {name} is at work already, process {place.pid}")
                return True
        return False
