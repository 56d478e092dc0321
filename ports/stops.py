"""Stop orders: held outside the engine until a trade reaches their price, then entered.

A client's port puts the StopOrder onto the stream, on the session's topic, where the engine only
repeats it. This application keeps it, and when a trade is at its stop or beyond, proposes the
NewOrder on the same topic, with the same number, account and options: the client sees its order
come in. What was asked is on the stream before anything else happens, so several of these run side
by side, and one that dies has nothing that its successor would miss.

    StopOrder ──▶ held ──trade at its stop──▶ triggered ──NewOrder on the stream──▶ the book's
                   └─────────StopCancel──────────┴──────▶ gone

Which of a StopCancel and the NewOrder comes first, the topic's lock decides: the later of the two
named a number that was taken. A mass cancel takes stop orders too: for each of them that it names,
one of these says a StopCancel, so that its client hears of it. An entry that was on its way then
comes in behind it, as a client's own order does; a kill refuses both. Orders triggered by one trade
come in in the order in which they were given; trades of theirs trigger others behind them.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ringbus.application import Application, line_of
from ringbus.filter import Filter
from ringbus.lines import Executed, MassCancel, NewOrder, Reject, Rejected, StopCancel, StopOrder
from ringbus.messages import (
    EXECUTED,
    MESSAGE,
    NEW_ORDER,
    REJECT,
    STOP_CANCEL,
    MassCancelScope,
    RejectReason,
    Side,
    Template,
)
from ringbus.proposer import Proposal, Proposer
from ringbus.replay import Stream

WANTED: Final = (
    *(Template.STOP_ORDER, Template.STOP_CANCEL, Template.MASS_CANCEL),
    *(Template.NEW_ORDER, Template.EXECUTED, Template.REJECT, Template.REJECTED),
)
# What a NewOrder has from its stop order.
_SAME: Final = (
    *("instrument", "price_ticks", "quantity", "client_order_id", "account", "firm", "side"),
    *("time_in_force", "display", "capacity", "sweep", "cross_type", "original_side", "options"),
)
# Topic and the client's number.
Name = tuple[int, int]
# How soon it is reached, sequence on the stream, name: sorted.
Waiting = list[tuple[int, int, Name]]


class StopOrders(Application):
    """A worker for `Core.host`.

    Args: instruments: how many there are; room: stop orders that are held at a time: one more is
    refused, by a Reject on its topic. Memory: that of `room` orders.
    """

    def __init__(
        self,
        stream: Stream,
        proposer: Proposer,
        instruments: int,
        room: int = 1 << 16,
        opening: int = 0,
    ) -> None:
        super().__init__(stream, Filter(WANTED), proposer, opening)
        self._room = room
        self._held: dict[Name, StopOrder] = {}
        self._waiting: dict[tuple[int, int], Waiting] = {}  # by instrument and side
        self._has = np.zeros(instruments, np.bool_)  # instruments that had one
        self._triggered: dict[Name, StopOrder] = {}  # in the order in which they come in
        self._refused: dict[Name, StopOrder] = {}
        self._revoked: dict[Name, StopOrder] = {}  # of a mass cancel, to be said so

    @property
    def held(self) -> int:
        """Stop orders that wait for a trade."""
        return len(self._held)

    def on_batch(self, batch: NDArray[np.void]) -> None:
        """Of most batches nothing is looked at: no instrument in them has a stop order."""
        lines, template = batch.view(EXECUTED), batch["template_id"]
        is_stop = (template == Template.STOP_ORDER) | (template == Template.STOP_CANCEL)
        self._has[lines["instrument"][is_stop]] = True
        # A mass cancel may name none, and what the sequencer refuses never does.
        is_of_none = lines["instrument"] >= len(self._has)
        instruments = np.where(is_of_none, 0, lines["instrument"])
        is_looked_at = self._has[instruments] | is_of_none | (template == Template.MASS_CANCEL)
        for n in np.flatnonzero(is_looked_at).tolist():
            line = line_of(batch, n)
            if isinstance(line, Executed):
                self._trade(line)
            elif isinstance(line, StopOrder):
                self._hold(line)
            elif isinstance(line, StopCancel):
                self._forget((line.topic, line.client_order_id))
            elif isinstance(line, MassCancel):
                self._revoke(line)
            elif isinstance(line, NewOrder | Rejected | Reject) and _is_an_end(line):
                self._entered((line.topic, line.client_order_id))

    def wish(self) -> Proposal | None:
        """The refusal of one too many, the end of a revoked one, or a triggered one's entry."""
        for line in self._refused.values():
            return Proposal(line.topic, line.shard, _refusal(line))
        for line in self._revoked.values():
            return Proposal(line.topic, line.shard, _end(line))
        for line in self._triggered.values():
            return Proposal(line.topic, line.shard, _entry(line))
        return None

    def gave_up(self, proposal: Proposal) -> None:
        """Another one goes first."""
        if not self._refused and not self._revoked and self._triggered:
            name, line = next(iter(self._triggered.items()))
            del self._triggered[name]
            self._triggered[name] = line

    def _hold(self, line: StopOrder) -> None:
        name = (line.topic, line.client_order_id)
        if len(self._held) >= self._room or name in self._held or name in self._triggered:
            self._refused[name] = line
            return
        self._held[name] = line
        insort(self._waiting.setdefault((line.instrument, line.side), []), _place(line))

    def _trade(self, line: Executed) -> None:
        """Whatever the trade's price has reached is triggered, in the order in which it was given.

        Both sides of a trade say its price: the second one finds nothing more.
        """
        reached: list[tuple[int, Name]] = []
        for side in (Side.BUY, Side.SELL):
            waiting = self._waiting.get((line.instrument, side))
            soon = line.price_ticks if side == Side.BUY else -line.price_ticks
            if not waiting or waiting[0][0] > soon:
                continue
            end = bisect_left(waiting, (soon + 1, 0, (0, 0)))
            reached += [(sequence, name) for _, sequence, name in waiting[:end]]
            del waiting[:end]
        for _, name in sorted(reached):
            self._triggered[name] = self._held.pop(name)

    def _forget(self, name: Name) -> None:
        """Taken back, before it came in."""
        self._triggered.pop(name, None)
        self._revoked.pop(name, None)
        if (line := self._held.pop(name, None)) is not None:
            waiting = self._waiting[line.instrument, line.side]
            del waiting[bisect_left(waiting, _place(line))]

    def _revoke(self, line: MassCancel) -> None:
        """All that a mass cancel names come in no more; each is to be said so on its topic."""
        for name, stop in [*self._held.items(), *self._triggered.items()]:
            if _is_named(line, stop):
                self._forget(name)
                self._revoked[name] = stop

    def _entered(self, name: Name) -> None:
        """It is the book's, or was refused: whoever said so."""
        self._triggered.pop(name, None)
        self._refused.pop(name, None)
        self._revoked.pop(name, None)


def _is_an_end(line: NewOrder | Rejected | Reject) -> bool:
    """Whether it is an entry, or the refusal of one or of a stop order."""
    if isinstance(line, NewOrder):
        return True
    return line.refused_template in (Template.NEW_ORDER, Template.STOP_ORDER)


def _is_named(line: MassCancel, stop: StopOrder) -> bool:
    """Whether the order has all that the scope says, as the book sees it."""
    return all(
        not line.scope & part or there
        for part, there in (
            (MassCancelScope.SESSION, line.session == stop.topic),
            (MassCancelScope.ACCOUNT, line.account == stop.account),
            (MassCancelScope.FIRM, line.firm == stop.firm),
            (MassCancelScope.INSTRUMENT, line.instrument == stop.instrument),
            (MassCancelScope.SIDE, line.side == stop.side),
        )
    )


def _place(line: StopOrder) -> tuple[int, int, Name]:
    """Buys are reached from below, sells from above."""
    soon = line.stop_ticks if line.side == Side.BUY else -line.stop_ticks
    return soon, line.sequence, (line.topic, line.client_order_id)


def _entry(line: StopOrder) -> NDArray[np.void]:
    out: NDArray[np.void] = np.zeros(1, NEW_ORDER)
    out["template_id"] = Template.NEW_ORDER
    for name in _SAME:
        out[name] = getattr(line, name)
    return out.view(MESSAGE)


def _end(line: StopOrder) -> NDArray[np.void]:
    out: NDArray[np.void] = np.zeros(1, STOP_CANCEL)
    out["template_id"] = Template.STOP_CANCEL
    for name in ("instrument", "client_order_id", "account", "firm"):
        out[name] = getattr(line, name)
    return out.view(MESSAGE)


def _refusal(line: StopOrder) -> NDArray[np.void]:
    out: NDArray[np.void] = np.zeros(1, REJECT)
    out["template_id"], out["refused_template"] = Template.REJECT, Template.STOP_ORDER
    out["reason"] = RejectReason.ORDER_CAPACITY
    for name in ("instrument", "quantity", "client_order_id", "account", "firm", "side"):
        out[name] = getattr(line, name)
    return out.view(MESSAGE)
