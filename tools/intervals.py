"""A running exchange as `ringbus hist` follows it: what each interval has recorded, and all."""

from __future__ import annotations

from ringbus.histogram import Histogram
from ringbus.status import NotFoundError, UsageError
from tools.hops import collect, ordered, sampling
from tools.state import find


class Intervals:
    """The histograms of an exchange, interval by interval; three copies of each at most.

    Raises: NotFoundError: the exchange is not up.
    """

    def __init__(self, exchange: str) -> None:
        self.exchange = exchange
        self.state = find(exchange)
        self.sampling = sampling(exchange)
        self._last = collect(exchange)
        self._totals = {name: Histogram() for name in self._last}

    def step(self) -> dict[str, Histogram]:
        """What was recorded since the last step.

        Raises: NotFoundError: the exchange went down, or it is another one of that name.
        """
        state = find(self.exchange)
        # Cores may have been started anew; with another launcher it is another exchange.
        if (state and state.launcher) != (self.state and self.state.launcher):
            raise NotFoundError(f"{self.exchange} went down")
        if state is not None and not state.launcher.alive:
            raise NotFoundError(f"the launcher of {self.exchange} is dead")
        now = collect(self.exchange)
        self.sampling |= sampling(self.exchange)
        interval = {name: _grown(self._last.get(name), one) for name, one in now.items()}
        for name, one in interval.items():
            self._totals[name] = self._totals.get(name, Histogram()) + one
        self._last = now
        return interval

    @property
    def totals(self) -> dict[str, Histogram]:
        """Everything that was recorded since the watch began."""
        return {name: self._totals[name] for name in ordered(self._totals)}

    @property
    def is_live(self) -> bool:
        """Whether orders are meant there."""
        return self.state is not None and bool(self.state.banner)


def _grown(before: Histogram | None, now: Histogram) -> Histogram:
    """What a histogram has more than before; of one that was made anew, all of it."""
    if before is None:
        return now
    try:
        return now - before
    except UsageError:
        return now
