"""Cancel fairy: takes away orders whose time is over.

Good-till-time orders when a message of the stream carries their time or a later one; day orders
when their instrument is closed, or at the end of the day where the topology says when that is.

Any number of fairies run, each knowing nothing of the others. All want the same, and the topic's
lock sees to it that it is done once: one of them wins, the others are dropped without a word, see
the order go, and want it no longer. A fairy that dies has nothing that another one would miss.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ports.open_orders import NEVER, TEMPLATES, OpenOrders
from ringbus.application import Application
from ringbus.filter import Filter
from ringbus.messages import (
    STATE_CHANGED,
    CancelReason,
    InstrumentState,
    Template,
    TimeInForce,
)
from ringbus.proposer import Proposal, Proposer
from ringbus.replay import Stream

DAY_NS: Final = 86_400_000_000_000


class CancelFairy(Application):
    """A worker for `Core.host`.

    Args: orders: an empty table, its own; instruments: how many there are; day_ends_ns: when day
    orders are over, since midnight (UTC); 0: only when their instrument is closed.
    Memory: the table.
    """

    def __init__(
        self,
        stream: Stream,
        proposer: Proposer,
        orders: OpenOrders,
        instruments: int,
        opening: int = 0,
        day_ends_ns: int = 0,
    ) -> None:
        wants = Filter([*TEMPLATES, Template.STATE_CHANGED, Template.TICK])
        super().__init__(stream, wants, proposer, opening)
        self._orders = orders
        self._own = proposer
        self._day_ends_ns = day_ends_ns
        self._end_ns = 0  # of day orders; 0 before the first message
        self._closed = np.zeros(instruments, np.bool_)
        self._first_ns = NEVER  # no order's time is earlier
        self._has_closed = False  # another instrument was closed
        self._due: list[int] = []  # places to be looked at, last one first

    def on_batch(self, batch: NDArray[np.void]) -> None:
        """Orders, and states of instruments."""
        if not self._end_ns:
            # A day that spans midnight is none.
            midnight_ns = int(batch["time_ns"][0]) // DAY_NS * DAY_NS
            self._end_ns = midnight_ns + self._day_ends_ns if self._day_ends_ns else NEVER
        places = self._orders.hear(batch)
        if len(places):
            self._first_ns = min(self._first_ns, int(self._times(places).min()))
        changes = batch.view(STATE_CHANGED)
        for n in np.flatnonzero(batch["template_id"] == Template.STATE_CHANGED):
            is_closed = bool(changes["state"][n] == InstrumentState.CLOSED)
            self._closed[changes["instrument"][n]] = is_closed
            self._has_closed |= is_closed

    def wish(self) -> Proposal | None:
        """The cancel of an order that is over and still open."""
        if self.now_ns >= self._first_ns or self._has_closed:
            self._collect()
        while self._due:
            place = self._due[-1]
            if len(self._over(np.array([place]))):
                return self._orders.cancel(place, CancelReason.EXPIRED)
            self._due.pop()
        return None

    def gave_up(self, proposal: Proposal) -> None:
        """Others go first."""
        self._due.insert(0, self._due.pop())

    def _times(self, places: NDArray[np.intp]) -> NDArray[np.uint64]:
        """When the orders of these places are over; it may be replaced by one of another kind."""
        rows = self._orders.rows[places]
        of_day = rows["time_in_force"] == TimeInForce.DAY
        times: NDArray[np.uint64] = np.where(of_day, np.uint64(self._end_ns), rows["expire_ns"])
        return times

    def _over(self, places: NDArray[np.intp]) -> NDArray[np.intp]:
        """Those of the places whose order is open and over."""
        rows = self._orders.rows[places]
        closed = self._closed[rows["instrument"]] & (rows["time_in_force"] == TimeInForce.DAY)
        over: NDArray[np.intp] = places[
            (rows["open"] > 0) & (closed | (self._times(places) <= self.now_ns))
        ]
        return over

    def _collect(self) -> None:
        """Look through the table; what is over now is due, and the next time is known again."""
        self._has_closed = False
        every = np.flatnonzero(self._orders.rows["open"][: self._orders.used])
        over = self._over(every)
        times = self._times(every)
        later = times[times > self.now_ns]
        self._first_ns = int(later.min()) if len(later) else NEVER
        # Each begins elsewhere, so that many fairies share many orders; the last one is the first.
        publisher = self._own.publisher
        self._due = np.roll(over, publisher * 7919 % max(1, len(over))).tolist()
