"""Counters and histograms of a process by name, in shared memory for anybody to read.

The owner makes its entries before its loop runs and passes their addresses to its C agents; whoever
may map the segment reads them without stopping anyone. `metrics.h` says what survives a crash.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ringbus._ringbus import ffi, lib
from ringbus.histogram import BYTES, Histogram
from ringbus.segment import Segment
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


def page_bytes() -> int:
    """Bytes that a metrics page takes in a segment."""
    return int(lib.rb_metrics_bytes())


class Counter:
    """One counter of a metrics page; only its owner adds. Use ends with that of the segment."""

    __slots__ = ("_address", "_segment", "name")

    def __init__(self, segment: Segment, name: str, address: object) -> None:
        self.name = name
        self._segment = segment
        self._address = address

    def add(self, more: int = 1) -> None:
        """Add to the counter, 0 or more. Raises: UsageError: the page was attached for reading."""
        if not self._segment.writable or more < 0:
            raise UsageError(f"counter {self.name}: it only grows, and only its owner adds to it")
        lib.rb_metrics_add(self._open(), more)

    @property
    def value(self) -> int:
        """What was counted."""
        return int(lib.rb_metrics_value(self._open()))

    def _open(self) -> object:
        if self._segment.closed:
            raise UsageError(f"the segment {self._segment.name} of counter {self.name} is closed")
        return self._address


class Metrics:
    """The metrics page at the start of a segment.

    Thread: entries are made by one thread of the owner; anybody reads. It closes nothing: the
    segment is its maker's.
    """

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._page = segment.address

    @classmethod
    def create(cls, segment: Segment) -> Metrics:
        """Lay out an empty page in a new segment of `page_bytes()` or more.

        It is named after the last part of the segment's name, the core.
        Raises: LayoutError: the segment is too small.
        """
        if not segment.writable:
            raise UsageError(f"the segment {segment.name} was attached for reading only")
        name = segment.name.rpartition(".")[2].encode()[:31]
        check(lib.rb_metrics_init(segment.address, segment.size, name), segment.name)
        return cls(segment)

    @classmethod
    def attach(cls, segment: Segment) -> Metrics:
        """The page that is in the segment.

        Raises: LayoutError: there is none, or one of another version; CorruptionError: its tables
        cannot be walked.
        """
        check(lib.rb_metrics_verify(segment.address, segment.size), segment.name)
        return cls(segment)

    def counter(self, name: str) -> Counter:
        """The counter of that name, made if it is not there and the segment is writable.

        Raises: UsageError: no such name can be; CapacityError: the page is full; NotFoundError: it
        is not there and cannot be made, because the page is only read.
        """
        return Counter(self._segment, name, self._find(name, COUNTERS))

    def counter_address(self, name: str) -> object:
        """The same as a cffi `void *` to its uint64_t, for a C agent."""
        return ffi.cast("void *", self._find(name, COUNTERS))

    def histogram(self, name: str) -> Histogram:
        """A view of the histogram of that name, made if it is not there; raises as `counter`."""
        address = ffi.cast("uintptr_t", self._find(name, HISTOGRAMS))
        return Histogram.view(self._segment, int(address) - self._at(0))

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
            name: Histogram.view(self._segment, first + n * BYTES) for n, name in enumerate(names)
        }

    def validate(self) -> None:
        """Check every entry, while nobody records. Raises: CorruptionError."""
        self._at(0)
        check(lib.rb_metrics_valid(self._page), self._segment.name)

    def repair(self) -> int:
        """Mend what a killed owner left half-recorded; for its successor, before anybody records.

        Returns: by how many records the totals were wrong.
        """
        self._at(0)
        if not self._segment.writable:
            raise UsageError(f"the segment {self._segment.name} was attached for reading only")
        return check(lib.rb_metrics_repair(self._page), self._segment.name)

    def _at(self, offset: int) -> int:
        """Address in the page; where everything asks whether the page is still mapped."""
        if self._segment.closed:
            raise UsageError(f"the segment {self._segment.name} of these metrics is closed")
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
        if name not in self._names(table) and not self._segment.writable:
            raise NotFoundError(f"{self._segment.name} has no metric '{name}'")
        address = table.find_or_make(self._page, encoded)
        if address == ffi.NULL:
            raise CapacityError(f"{self._segment.name} has no room for the metric '{name}'")
        return address
