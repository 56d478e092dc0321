"""Counters and histograms of a process by name, in shared memory for anybody to read.

The owner makes its entries before its loop runs and passes their addresses to its C agents; whoever
may map it reads them without stopping anyone. `metrics.h` says what survives a crash.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ringbus._ringbus import ffi, lib
from ringbus.histogram import BYTES, Histogram
from ringbus.memory import Memory
from ringbus.status import CapacityError, NotFoundError, UsageError, check

NAME_BYTES_MAX = 47
# Above what the tables hold: a bound for loops over their names.
ENTRIES_MAX = 1024


class Table(NamedTuple):
    """The C functions of one of the two tables of a page."""

    find_or_make: Callable[[object, bytes], object]
    name_at: Callable[[object, int], object]


COUNTERS = Table(lib.rb_metrics_counter, lib.rb_metrics_counter_name)
HISTOGRAMS = Table(lib.rb_metrics_histogram, lib.rb_metrics_histogram_name)


def page_bytes(histograms: int = 16) -> int:
    """Bytes that a metrics page takes in memory, with room for so many histograms, 64 at most."""
    return int(lib.rb_metrics_bytes(histograms))


class Counter:
    """One counter of a metrics page; only its owner adds. Use ends with that of the memory."""

    __slots__ = ("_address", "_memory", "name")

    def __init__(self, memory: Memory, name: str, address: object) -> None:
        self.name = name
        self._memory = memory
        self._address = address

    def add(self, more: int = 1) -> None:
        """Add to the counter, 0 or more. Raises: UsageError: the page was attached for reading."""
        if not self._memory.writable or more < 0:
            raise UsageError(f"counter {self.name}: it only grows, and only its owner adds to it")
        lib.rb_metrics_add(self._open(), more)

    @property
    def value(self) -> int:
        """What was counted."""
        return int(lib.rb_metrics_value(self._open()))

    def _open(self) -> object:
        if self._memory.closed:
            raise UsageError(f"the memory {self._memory.name} of counter {self.name} is closed")
        return self._address


class Metrics:
    """The metrics page at the start of a segment or block.

    Thread: entries are made by one thread of the owner; anybody reads. It closes nothing: the
    memory is its maker's.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._page = memory.address

    @classmethod
    def create(cls, memory: Memory) -> Metrics:
        """Lay out an empty page in new memory of `page_bytes(n)`: it has room for n histograms.

        It is named after the last part of the memory's name, the core.
        Raises: LayoutError: the memory is too small.
        """
        if not memory.writable:
            raise UsageError(f"the memory {memory.name} was attached for reading only")
        name = memory.name.rpartition(".")[2].encode()[:31]
        check(lib.rb_metrics_init(memory.address, memory.size, name), memory.name)
        return cls(memory)

    @classmethod
    def attach(cls, memory: Memory) -> Metrics:
        """The page that is in the memory.

        Raises: LayoutError: there is none, or one of another version; CorruptionError: its tables
        cannot be walked.
        """
        check(lib.rb_metrics_verify(memory.address, memory.size), memory.name)
        return cls(memory)

    def counter(self, name: str) -> Counter:
        """The counter of that name, made if it is not there and the memory is writable.

        Raises: UsageError: no such name can be; CapacityError: the page is full; NotFoundError: it
        is not there and cannot be made, because the page is only read.
        """
        return Counter(self._memory, name, self._find(name, COUNTERS))

    def counter_address(self, name: str) -> object:
        """The same as a cffi `void *` to its uint64_t, for a C agent."""
        return ffi.cast("void *", self._find(name, COUNTERS))

    def histogram(self, name: str) -> Histogram:
        """A view of the histogram of that name, made if it is not there; raises as `counter`."""
        address = ffi.cast("uintptr_t", self._find(name, HISTOGRAMS))
        return Histogram.view(self._memory, int(address) - self._at(0))

    def histogram_address(self, name: str) -> object:
        """The same as a cffi `void *` to its rb_histogram, for a C agent."""
        return ffi.cast("void *", self._find(name, HISTOGRAMS))

    def counters(self) -> dict[str, int]:
        """All counters and what they have counted, in the order they were made."""
        first = ffi.cast("uint64_t *", self._at(lib.rb_metrics_counters_at()))
        names = self._names(COUNTERS)
        return {name: int(lib.rb_metrics_value(first + n)) for n, name in enumerate(names)}

    def histograms(self) -> dict[str, Histogram]:
        """Views of all histograms, in the order they were made."""
        first = int(lib.rb_metrics_histograms_at())
        names = self._names(HISTOGRAMS)
        return {
            name: Histogram.view(self._memory, first + n * BYTES) for n, name in enumerate(names)
        }

    def validate(self) -> None:
        """Check every entry, while nobody records. Raises: CorruptionError."""
        self._at(0)
        check(lib.rb_metrics_valid(self._page), self._memory.name)

    def repair(self) -> int:
        """Mend what a killed owner left half-recorded; for its successor, before anybody records.

        Returns: by how many records the totals were wrong.
        """
        self._at(0)
        if not self._memory.writable:
            raise UsageError(f"the memory {self._memory.name} was attached for reading only")
        return check(lib.rb_metrics_repair(self._page), self._memory.name)

    def _at(self, offset: int) -> int:
        """Address in the page; where everything asks whether the page is still mapped."""
        if self._memory.closed:
            raise UsageError(f"the memory {self._memory.name} of these metrics is closed")
        return int(ffi.cast("uintptr_t", self._page)) + offset

    def _names(self, table: Table) -> list[str]:
        self._at(0)
        out: list[str] = []
        for n in range(ENTRIES_MAX):
            name = table.name_at(self._page, n)
            if name == ffi.NULL:
                break
            out.append(ffi.string(name).decode())
        return out

    def _find(self, name: str, table: Table) -> object:
        encoded = name.encode()
        if not encoded or b"\0" in encoded or len(encoded) > NAME_BYTES_MAX:
            raise UsageError(f"'{name}' cannot name a metric: 1 to {NAME_BYTES_MAX} bytes")
        # Asked before, because making one would write into memory that is mapped for reading.
        if name not in self._names(table) and not self._memory.writable:
            raise NotFoundError(f"{self._memory.name} has no metric '{name}'")
        address = table.find_or_make(self._page, encoded)
        if address == ffi.NULL:
            raise CapacityError(f"{self._memory.name} has no room for the metric '{name}'")
        return address
