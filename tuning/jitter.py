"""Measures what every CPU takes away from a loop that wants all of it, and the cache line's price.

One thread a CPU spins in C, without the GIL, all at the same time; meanwhile this process sleeps.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

# One thread spins on each CPU, in C: what is measured is the CPU, not Python.
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ringbus.histogram import BYTES, COUNTS_AT, MAX, Histogram
from ringbus.status import UsageError, check
from tuning._tuning import ffi, lib
from tuning.causes import Counts, counts
from tuning.host import Host

GAPS_KEPT: Final = 20_000
THRESHOLD_NS: Final = 1_000
GAP = np.dtype([("at_ns", "<u8"), ("length_ns", "<u8"), ("switched", "<u8")])
# A pair of CPUs that does not answer for so long is not measured.
PATIENCE_NS: Final = 2_000_000_000
LINE_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class CpuJitter:
    """What one CPU took away: `gaps` (dtype GAP) are the first ones, the histogram has all.

    `switched` and `switched_ns` are of those in which another task ran; `noting_ns` was spent on
    notes, and nothing was seen in it.
    """

    cpu: int
    histogram: Histogram
    gaps: NDArray[np.void]
    total: int
    switched: int
    lost_ns: int
    switched_ns: int
    noting_ns: int
    spun_ns: int
    readings: int
    causes: Counts

    @property
    def lost(self) -> float:
        """The part of the time that was lost, 0 to 1."""
        return self.lost_ns / max(1, self.spun_ns)

    @property
    def reading_ns(self) -> float:
        """What the loop itself takes a reading: no gap below it can be seen."""
        return (self.spun_ns - self.lost_ns) / max(1, self.readings)


class Spinner:
    """One CPU's spinner and what it writes into. Thread: `run` any one; `stop` any."""

    def __init__(self, cpu: int, seconds: float, threshold_ns: int) -> None:
        self.cpu = cpu
        self._words = np.zeros(BYTES // 8, np.uint64)
        self._gaps = np.zeros(GAPS_KEPT, GAP)
        self._spinner = ffi.new("tun_spinner *")
        self._spinner.duration_ns = round(seconds * 1e9)
        self._spinner.threshold_ns = threshold_ns
        self._spinner.gaps_max = GAPS_KEPT

    def run(self) -> None:
        """Pin this thread and spin. Raises: OSError: the CPU is not this process's."""
        os.sched_setaffinity(0, {self.cpu})
        status = lib.tun_spin(
            self._spinner,
            ffi.from_buffer(self._words),
            ffi.cast("tun_gap *", ffi.from_buffer(self._gaps)),
        )
        check(status, f"spinning on CPU {self.cpu}")

    def stop(self) -> None:
        """End it early."""
        self._spinner.stop = 1

    def result(self, causes: Counts) -> CpuJitter:
        """What it has found, once it has ended."""
        found = self._spinner
        return CpuJitter(
            cpu=self.cpu,
            histogram=Histogram.from_counts(self._words[COUNTS_AT:], int(self._words[MAX])),
            gaps=self._gaps[: found.gaps_kept].copy(),
            total=found.gaps_total,
            switched=found.gaps_switched,
            lost_ns=found.lost_ns,
            switched_ns=found.lost_switched_ns,
            noting_ns=found.noting_ns,
            spun_ns=found.spun_ns,
            readings=found.readings,
            causes=causes,
        )


def measure(
    cpus: Iterable[int], seconds: float, threshold_ns: int = THRESHOLD_NS, host: Host | None = None
) -> list[CpuJitter]:
    """Spin on all the CPUs at once. Ctrl-C ends it early, and what was seen is returned.

    Raises: OSError: a CPU is not this process's; UsageError: seconds or threshold are not positive.
    """
    if seconds <= 0 or threshold_ns < 1:
        raise UsageError("seconds and threshold must be above 0")
    host = host or Host()
    spinners = [Spinner(cpu, seconds, threshold_ns) for cpu in cpus]
    before = counts(host)
    with ThreadPoolExecutor(len(spinners)) as threads:
        running = [threads.submit(spinner.run) for spinner in spinners]
        try:
            _await(running)
        except BaseException as error:
            for spinner in spinners:
                spinner.stop()
            if not isinstance(error, KeyboardInterrupt):
                raise
            _await(running)
    after = counts(host)
    return [one.result(after[one.cpu].since(before[one.cpu])) for one in spinners]


def _await(running: Sequence[Future[None]]) -> None:
    for one in running:
        one.result()


def line(first: int, second: int, trips: int) -> NDArray[np.float64]:
    """Round trips of one cache line between two CPUs, ns, shape (trips,); fewer if one stood still.

    Raises: OSError: a CPU is not this process's.
    """
    memory = np.zeros(2 * LINE_BYTES, np.uint8)
    times = np.zeros(trips, np.float64)
    start = memory.ctypes.data
    # A line of its own, and the next one too: lines are fetched in pairs.
    word = ffi.cast("uint64_t *", start + -start % LINE_BYTES)
    with ThreadPoolExecutor(2) as threads:
        answering = threads.submit(_pinned, second, lib.tun_line_answer, word, trips, PATIENCE_NS)
        into = ffi.cast("double *", ffi.from_buffer(times))
        asking = threads.submit(_pinned, first, lib.tun_line_ask, word, trips, PATIENCE_NS, into)
        done = asking.result()
        answering.result()
    return times[:done]


def _pinned(cpu: int, run: object, *arguments: object) -> int:
    os.sched_setaffinity(0, {cpu})
    return int(run(*arguments))  # type: ignore[operator]


def matrix(cpus: Sequence[int], trips: int = 2000, rounds: int = 3) -> NDArray[np.float64]:
    """Median round trip of a cache line in ns between all pairs of CPUs, shape (n, n), or NaN.

    The least of several rounds, so that a moment's noise is not taken for distance.
    """
    out = np.full((len(cpus), len(cpus)), np.nan)
    for one, other in combinations(range(len(cpus)), 2):
        medians = []
        for _ in range(rounds):
            times = line(cpus[one], cpus[other], trips)
            if times.size:
                medians.append(float(np.median(times)))
        if medians:
            out[one, other] = out[other, one] = min(medians)
    return out
