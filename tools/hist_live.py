"""`ringbus hist --live`: every hop in the terminal, refreshed, with the tail of the last minute."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from rich.table import Table

from ringbus.core import DUTY, STALLS
from ringbus.histogram import Histogram
from tools.hops import busy_share, is_duty, is_hop, is_stall, ordered
from tools.units import duration

KEPT: Final = 60
BARS: Final = "▁▂▃▄▅▆▇█"
COLUMNS: Final = ("p50", "p99", "p99.9", "max")
TAIL: Final = 99.0


class Live:
    """What is shown: the last interval, and the tail of those before it.

    Args: exchange: its name; every: of how many turns of an agent one is timed, by histogram.
    """

    def __init__(self, exchange: str, every: Mapping[str, int]) -> None:
        self._exchange = exchange
        self._every = every
        self._tails: dict[str, deque[int]] = {}
        self._interval: dict[str, Histogram] = {}
        self._seconds = 0.0
        self._total_s = 0.0

    def update(self, interval: Mapping[str, Histogram], seconds: float) -> None:
        """Take what an interval of `seconds` has recorded."""
        self._interval = dict(interval)
        self._seconds = seconds
        self._total_s += seconds
        for name, histogram in interval.items():
            tail = self._tails.setdefault(name, deque(maxlen=KEPT))
            tail.append(histogram.percentile(TAIL))

    def tables(self) -> list[Table]:
        """What is on the screen: hops, then agents and cores."""
        title = f"{self._exchange}: the last {self._seconds:.1f} s, {self._total_s:,.0f} s in all"
        hops = self._table(title, "hop", "a second")
        turns = self._table("", "agent's turn, core's stalls", "of the time")
        for name in ordered(self._interval):
            one = self._interval[name]
            if is_hop(name):
                self._row(hops, name, f"{one.total / self._seconds:,.0f}", name)
            elif is_duty(name):
                busy = busy_share(one, self._seconds, self._every.get(name, 0))
                said = "–" if busy is None else f"{100 * busy:.2f} %"
                self._row(turns, name.removeprefix(DUTY), said, name)
            elif is_stall(name):
                lost = one.sum / (self._seconds * 1e7)
                self._row(turns, f"{name.removeprefix(STALLS)}, stalls", f"{lost:.3f} %", name)
        return [one for one in (hops, turns) if one.row_count]

    def _table(self, title: str, first: str, second: str) -> Table:
        table = Table(title=title, title_justify="left", expand=False)
        table.add_column(first, no_wrap=True)
        for column in (second, *COLUMNS):
            table.add_column(column, justify="right", no_wrap=True)
        table.add_column(f"p{TAIL:g}, {KEPT} intervals", no_wrap=True)
        return table

    def _row(self, table: Table, label: str, amount: str, name: str) -> None:
        one = self._interval[name]
        values = [*one.percentiles([50, 99, 99.9]), one.max]
        said = [duration(min(value, one.max)) if one.total else "–" for value in values]
        table.add_row(label, amount, *said, sparkline(self._tails[name]))


def sparkline(values: Sequence[int] | deque[int]) -> str:
    """One bar a value, on a scale of logarithms from the least to the most; nothing is a blank."""
    known = [math.log(value) for value in values if value > 0]
    if not known:
        return " " * len(values)
    low, high = min(known), max(known)
    # A factor of 1.2 is the least that fills the height, or noise would look like a storm.
    span = max(high - low, math.log(1.2))
    out = ""
    for value in values:
        step = (math.log(value) - low) / span * (len(BARS) - 1) if value > 0 else -1.0
        out += BARS[round(step)] if step >= 0 else " "
    return out
