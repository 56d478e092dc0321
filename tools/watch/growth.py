"""Growth: what counters have grown by from one look to the next."""

from __future__ import annotations

from collections.abc import Hashable


class Growth:
    """What counters have grown by since the last look, also over the death of who counts.

    Thread: one.
    """

    def __init__(self) -> None:
        self._before: dict[Hashable, int] = {}
        self._now: dict[Hashable, int] = {}
        self._interval_ns = 0

    def turn(self, interval_ns: int) -> None:
        """Begin another look, so much later."""
        self._before, self._now = self._now, {}
        self._interval_ns = interval_ns

    def of(self, key: Hashable, value: int) -> int:
        """By how much; 0 of one that was not there before."""
        self._now[key] = value
        before = self._before.get(key, value)
        # Less than before: a successor has begun at 0.
        return value - before if value >= before else value

    def per_s(self, key: Hashable, value: int) -> float:
        """The same in a second."""
        grown = self.of(key, value)
        return grown * 1e9 / self._interval_ns if self._interval_ns else 0.0

    def share(self, key: Hashable, value_ns: int) -> float:
        """Of the interval, for a counter of nanoseconds."""
        grown = self.of(key, value_ns)
        return grown / self._interval_ns if self._interval_ns else 0.0
