"""Ticker: says that time passes when nobody else speaks.

Whatever waits for a time (a good-till-time order, an auction) hears it from the next message on
the stream. On an idle exchange there is none: so a ticker proposes a Tick when it has heard nothing
for a while, and the sequencer stamps the time on it. Any number of them may run; each has its own
topic, so they never race, and whoever is first keeps the others quiet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ringbus.application import Application
from ringbus.core import Core
from ringbus.messages import INSTRUMENT_NONE, MESSAGE, TICK, Template
from ringbus.proposer import Proposal, Proposer
from ringbus.replay import Stream


class Ticker(Application):
    """A worker for `Core.host`.

    Args: topic: its own; every_ns: how long the stream may be silent. Its clock is the core's: the
    one application that has one, since it only asks for the time that others act on.
    """

    def __init__(
        self,
        stream: Stream,
        proposer: Proposer,
        core: Core,
        topic: int,
        every_ns: int,
        opening: int = 0,
    ) -> None:
        super().__init__(stream, None, proposer, opening)
        self._clock = core
        self._topic = topic
        self._every_ns = every_ns
        self._heard_ns = 0
        self._tick: NDArray[np.void] = np.zeros(1, MESSAGE)
        tick = self._tick.view(TICK)
        tick["template_id"] = Template.TICK
        tick["instrument"] = INSTRUMENT_NONE
        tick["every_ns"] = every_ns

    def on_batch(self, batch: NDArray[np.void]) -> None:
        """Whatever it is, it carried the time."""
        self._heard_ns = self._clock.now_ns

    def wish(self) -> Proposal | None:
        """A Tick, when it was silent for long enough."""
        due_ns = self._heard_ns + self._every_ns
        if self._clock.now_ns < due_ns:
            self._clock.wake_at(due_ns)
            return None
        return Proposal(self._topic, 0, self._tick)
