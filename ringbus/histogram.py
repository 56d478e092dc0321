"""Latencies as counts: reading and merging the histograms that `histogram.h` records.

A histogram counts values from 0 to 2^36 - 1 with three significant digits in HdrHistogram's own
layout, so a copy of its counts is all that its file formats need. Percentiles, mean and the total
of a snapshot are worked out from the counts: they agree even if the recorder goes on meanwhile.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import ffi, lib
from ringbus.memory import Memory
from ringbus.status import FormatError, UsageError, check

with warnings.catch_warnings():
    # From Python 3.14 on its ctypes structures warn about `_pack_` at import.
    warnings.simplefilter("ignore", DeprecationWarning)
    from hdrh.histogram import HdrHistogram

DIGITS = 3
BYTES = int(lib.rb_histogram_bytes())
# The words of rb_histogram: four of its own, then the counts.
TOTAL, SATURATED, MAX, SUM, COUNTS_AT = range(5)
COUNTS = BYTES // 8 - COUNTS_AT
VALUE_MAX = int(lib.rb_histogram_value(COUNTS)) - 1

Words = NDArray[np.uint64]


@cache
def lowest_values() -> Words:
    """Lowest value of every count, shape (COUNTS + 1,); the last is the end, VALUE_MAX + 1."""
    values = np.array([lib.rb_histogram_value(n) for n in range(COUNTS + 1)], np.uint64)
    values.flags.writeable = False
    return values


class Histogram:
    """Counts of values, private to this process or in memory where another one records.

    A view (`Histogram.view`) reads what is there at each call: take a `snapshot` to have several
    figures of the same moment. Thread: any for reading; one for recording.
    """

    __slots__ = ("_memory", "_offset", "_private")

    def __init__(self) -> None:
        """An empty private histogram."""
        self._private: Words = np.zeros(COUNTS_AT + COUNTS, np.uint64)
        self._memory: Memory | None = None
        self._offset = 0

    @classmethod
    def view(cls, memory: Memory, offset: int) -> Histogram:
        """The rb_histogram at `offset` bytes into some memory.

        Raises: UsageError: the memory does not reach that far, or no word starts there; later, in
        every method, that the memory was closed.
        """
        if offset < 0 or offset % 8 or offset + BYTES > memory.size:
            raise UsageError(f"there is no histogram at {offset} of {memory.size} bytes")
        out = cls.__new__(cls)
        out._private = np.zeros(0, np.uint64)
        out._memory = memory
        out._offset = offset
        return out

    @classmethod
    def from_counts(cls, counts: NDArray[np.uint64], max_value: int = 0) -> Histogram:
        """A private histogram of given counts.

        Args: counts: shape (COUNTS,); max_value: the highest value, exactly, where it is known.
        """
        if counts.shape != (COUNTS,):
            raise UsageError(f"counts have the shape {counts.shape} instead of ({COUNTS},)")
        out = cls()
        out._private[COUNTS_AT:] = counts
        out._private[MAX] = max_value
        out._settle()
        out._private[SUM] = round(out.mean * out.total)
        return out

    @classmethod
    def merged(cls, histograms: Iterable[Histogram]) -> Histogram:
        """All records of several histograms in a private one."""
        out = cls()
        for histogram in histograms:
            out = out + histogram
        return out

    def _words(self) -> Words:
        """The memory itself; never handed out, so that no array outlives its mapping."""
        if self._memory is None:
            return self._private
        if self._memory.closed:
            raise UsageError(f"the memory {self._memory.name} of this histogram is closed")
        memory = ffi.cast("char *", self._memory.address) + self._offset
        return np.frombuffer(ffi.buffer(memory, BYTES), np.uint64)

    def _settle(self) -> None:
        """Make total and max of a private copy those of its counts."""
        words, counts = self._private, self._private[COUNTS_AT:]
        words[TOTAL] = counts.sum()
        words[SATURATED] = min(words[SATURATED], words[TOTAL])
        used = np.flatnonzero(counts)
        if used.size == 0:
            words[MAX] = 0
            return
        lowest, end = lowest_values()[used[-1]], lowest_values()[used[-1] + 1]
        if not lowest <= words[MAX] < end:
            words[MAX] = end - np.uint64(1)

    @property
    def counts(self) -> Words:
        """A copy of the counts, shape (COUNTS,); `lowest_values` says of what."""
        return self._words()[COUNTS_AT:].copy()

    @property
    def total(self) -> int:
        """Number of records."""
        return int(self._words()[TOTAL])

    @property
    def saturated(self) -> int:
        """Records above VALUE_MAX, counted there."""
        return int(self._words()[SATURATED])

    @property
    def sum(self) -> int:
        """Sum of all values, exactly; what was above VALUE_MAX adds VALUE_MAX."""
        return int(self._words()[SUM])

    @property
    def max(self) -> int:
        """Highest value, exactly; after a subtraction only as far as the counts tell. 0 if none."""
        return int(self._words()[MAX])

    @property
    def min(self) -> int:
        """Lowest value to three digits, rounded down; 0 if there is none."""
        used = np.flatnonzero(self._words()[COUNTS_AT:])
        return int(lowest_values()[used[0]]) if used.size else 0

    @property
    def mean(self) -> float:
        """Mean, each value taken as the middle of its count's range as HdrHistogram does."""
        counts = self.counts
        used = np.flatnonzero(counts)
        if used.size == 0:
            return 0.0
        lowest = lowest_values()
        middle = lowest[used] + (lowest[used + 1] - lowest[used]) // np.uint64(2)
        return float(np.average(middle.astype(np.float64), weights=counts[used]))

    def percentile(self, percent: float) -> int:
        """Value that `percent` of all records do not exceed, to three digits, rounded up.

        Args: percent: 0..100. Returns: 0 if there are no records; 0 percent is the minimum.
        """
        return self.percentiles([percent])[0]

    def percentiles(self, percents: Iterable[float]) -> list[int]:
        """Value at each percentile; one pass over the counts.

        Raises: UsageError: a percentile is outside 0..100.
        Source: HdrHistogram getValueAtPercentile, highest equivalent value.
        """
        wanted = np.asarray(list(percents), np.float64)
        if not np.all((wanted >= 0) & (wanted <= 100)):
            raise UsageError("a percentile is from 0 to 100")
        running = np.cumsum(self.counts)
        total = int(running[-1])
        if total == 0:
            return [0] * wanted.size
        ranks = np.maximum((wanted * total / 100 + 0.5).astype(np.uint64), 1)
        index = np.searchsorted(running, np.minimum(ranks, running[-1]), side="left")
        lowest = lowest_values()
        values = np.where(wanted > 0, lowest[index + 1] - np.uint64(1), lowest[index])
        return [int(value) for value in values]

    def snapshot(self) -> Histogram:
        """A private copy of this moment; its total and max agree with its counts."""
        out = Histogram()
        out._private[:] = self._words()
        out._settle()
        return out

    def record(self, value: int) -> None:
        """Count one value; above VALUE_MAX it counts there and as saturated.

        Raises: UsageError: it is negative, or the histogram is a read-only view.
        """
        if not 0 <= value < 1 << 64:
            raise UsageError(f"a histogram counts values from 0 to 2^64 - 1, not {value}")
        lib.rb_histogram_add(self._recordable(), value)

    def record_many(self, values: Words) -> None:
        """Count values, shape (n,), n < 2^32. One cffi call. Raises: UsageError: as `record`."""
        if values.dtype != np.uint64 or values.ndim != 1:
            raise UsageError("record_many takes a one-dimensional array of uint64")
        contiguous = np.ascontiguousarray(values)
        data = ffi.cast("const uint64_t *", ffi.from_buffer(contiguous))
        memory = self._recordable()
        check(lib.rb_histogram_add_many(memory, data, contiguous.size), "record_many")

    def _recordable(self) -> object:
        """The memory as C takes it, for writing."""
        if self._memory is not None and not self._memory.writable:
            raise UsageError(f"the memory {self._memory.name} was attached for reading only")
        return ffi.from_buffer(self._words(), require_writable=True)

    def __add__(self, other: Histogram) -> Histogram:
        """The records of both, private."""
        out, more = self.snapshot(), other.snapshot()
        highest = max(out._private[MAX], more._private[MAX])
        out._private += more._private
        out._private[MAX] = highest
        out._settle()
        return out

    def __sub__(self, earlier: Histogram) -> Histogram:
        """The records made since an earlier snapshot of the same histogram, private.

        Raises: UsageError: the earlier one has records that this one has not.
        """
        out, less = self.snapshot(), earlier.snapshot()
        if np.any(less._private[COUNTS_AT:] > out._private[COUNTS_AT:]):
            raise UsageError("the histogram to subtract is not an earlier one of the same records")
        for word in (SATURATED, SUM):
            less._private[word] = min(less._private[word], out._private[word])
        highest = out._private[MAX]
        out._private -= less._private
        out._private[MAX] = highest
        out._settle()
        return out

    def __eq__(self, other: object) -> bool:
        """Whether the same values were counted the same number of times."""
        if not isinstance(other, Histogram):
            return NotImplemented
        return bool(np.array_equal(self.counts, other.counts))

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        median, tail = self.percentiles([50, 99])
        return f"Histogram(total={self.total}, p50={median}, p99={tail}, max={self.max})"

    def to_hdr(self) -> HdrHistogram:
        """The same as a histogram of the package hdrhistogram (1..2^36 - 1, three digits)."""
        copy = self.snapshot()
        hdr = HdrHistogram(1, VALUE_MAX, DIGITS)
        counts = np.frombuffer(hdr.counts, np.uint64)
        counts[:] = copy._private[COUNTS_AT:]
        used = np.flatnonzero(counts)
        if used.size:
            hdr.set_internal_tacking_values(int(used[0]), int(used[-1]), copy.total)
            hdr.max_value = copy.max
        return hdr

    @classmethod
    def from_hdr(cls, hdr: HdrHistogram) -> Histogram:
        """A private copy of a histogram of the package hdrhistogram.

        Raises: FormatError: it has not the range and the digits of ours.
        """
        if hdr.counts_len != COUNTS or hdr.significant_figures != DIGITS or hdr.unit_magnitude:
            raise FormatError(f"only histograms of 1..{VALUE_MAX} with {DIGITS} digits can be read")
        counts = np.frombuffer(hdr.counts, np.uint64)
        return cls.from_counts(counts, int(hdr.max_value))

    def write_hgrm(self, path: Path) -> None:
        """Write the percentile distribution for HdrHistogram's plotter, in the unit recorded."""
        with path.open("wb") as file:
            self.to_hdr().output_percentile_distribution(file, 1)
