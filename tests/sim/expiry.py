"""Orders whose time passes: none is taken away before, and none is there behind it.

Made anew from the stream, line by line: what an order's time is, what is open of it, which
instruments are closed. Fairies hear the time from messages, so the one before theirs must carry it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ports.open_orders import NEVER
from ringbus.messages import CancelReason, CommandKind, InstrumentState, Template, TimeInForce
from tests.engine.mix import Message
from tests.engine.oracle.wire import Fields, decode

FOR_GOOD = (TimeInForce.GOOD_TILL_CANCEL, TimeInForce.GOOD_TILL_TIME)
LESS = (Template.CANCEL, Template.CANCELED, Template.EXECUTED)
Key = tuple[int, int]  # topic and the client's number


@dataclass(slots=True)
class Timed:
    """An open order."""

    instrument: int
    force: int
    expire_ns: int
    open: int
    has_closed: bool = False  # its instrument, since it came in; that may be open again


class Expiry:
    """Judges fairies and who closes the day.

    Args: fairies, closer: their publishers; day_ends_ns: of day orders, 0: with their instrument.
    """

    def __init__(self, fairies: Sequence[int], closer: int, day_ends_ns: int) -> None:
        self._fairies, self._closer = fairies, closer
        self._day_ends_ns = day_ends_ns or NEVER
        self.orders: dict[Key, Timed] = {}
        self._closed: dict[int, bool] = {}
        self._is_closing = False
        self._closed_ns = 0
        self.heard_ns = 0
        self.taken: dict[int, int] = {}  # orders by who took them away

    def expect(self, first: bytes) -> None:
        """Nothing: what it says is judged when it is said."""

    def hear(self, group: Message) -> None:
        first = decode(group[0]) if group[0][24] in KNOWN else None
        if first is not None:
            self._take(first, group)
        self.heard_ns = int.from_bytes(group[-1][8:16], "little")

    def at_rest(self) -> None:
        """Nothing is left to be done: whatever is over is gone."""
        for key, order in self.orders.items():
            assert not self._is_over(order), f"order {key} is over and still open"

    def at_the_end(self) -> None:
        """Of the day: what stays is good beyond it."""
        for key, order in self.orders.items():
            # One whose time comes while the end is on its way is over on the next morning.
            stays = order.force in FOR_GOOD and order.expire_ns > self._closed_ns
            assert stays, f"order {key} does not outlive the day"

    def _is_over(self, order: Timed) -> bool:
        if order.force == TimeInForce.DAY:
            is_closed = self._closed.get(order.instrument, False)
            return is_closed or self._day_ends_ns <= self.heard_ns
        return order.expire_ns <= self.heard_ns

    def _stays(self, order: Timed) -> bool:
        return order.force in FOR_GOOD and order.expire_ns > self.heard_ns

    def _take(self, first: Fields, group: Message) -> None:
        template = first["template_id"]
        if template == Template.NEW_ORDER:
            key = first["topic"], first["client_order_id"]
            self.orders[key] = _entered(first, group, NEVER)
        elif template == Template.REPLACE:
            old = self.orders.pop((first["topic"], first["original_client_order_id"]))
            keeps = old.force == TimeInForce.GOOD_TILL_TIME
            key = first["topic"], first["client_order_id"]
            self.orders[key] = _entered(first, group, old.expire_ns if keeps else NEVER)
        elif template == Template.CANCEL and first["reason"] == CancelReason.EXPIRED:
            self._expire(first)
        elif template == Template.REJECTED and first["refused_template"] == Template.CANCEL:
            # Its number was the topic's next: it had heard all that was said of the order.
            speaks = (*self._fairies, self._closer)
            assert first["publisher"] not in speaks, "a cancel of what was not there"
        elif template == Template.COMMAND and first["kind"] == CommandKind.CLOSE_DAY:
            self._is_closing = True
            self._closed_ns = first["time_ns"]
        for raw in group:
            if raw[24] in LESS:
                line = decode(raw)
                self._less((line["topic"], line["client_order_id"]), line["remaining"])
            elif raw[24] == Template.STATE_CHANGED:
                line = decode(raw)
                self._change(line["instrument"], line["state"] == InstrumentState.CLOSED)

    def _change(self, instrument: int, is_closed: bool) -> None:
        self._closed[instrument] = is_closed
        for order in self.orders.values():
            is_its = order.instrument == instrument and order.force == TimeInForce.DAY
            order.has_closed |= is_its and is_closed

    def _expire(self, line: Fields) -> None:
        key = line["topic"], line["client_order_id"]
        order = self.orders[key]
        publisher = line["publisher"]
        if publisher == self._closer:
            assert self._is_closing, f"order {key} was taken away before the day was closed"
            assert not self._stays(order), f"order {key} outlives the day"
        else:
            assert publisher in self._fairies, "who else may say so?"
            assert order.has_closed or self._is_over(
                order
            ), f"order {key} was taken away before its time"
        assert line["remaining"] == 0, f"of order {key} something was left"
        self.taken[publisher] = self.taken.get(publisher, 0) + 1

    def _less(self, key: Key, remaining: int) -> None:
        # Legs are not there: they never rest.
        if remaining == 0:
            self.orders.pop(key, None)
        elif key in self.orders:
            self.orders[key].open = remaining


KNOWN = (
    *(*LESS, Template.NEW_ORDER, Template.REPLACE, Template.REJECTED, Template.COMMAND),
    *(Template.CROSS_RESULT, Template.MASS_CANCEL, Template.MULTI_LEG_ORDER),
)


def _entered(first: Fields, group: Message, kept_ns: int) -> Timed:
    force = first["time_in_force"]
    expire_ns = kept_ns
    if len(group) > 1 and group[1][24] == Template.ORDER_TERMS:
        expire_ns = decode(group[1])["expire_time_ns"]
    if force != TimeInForce.GOOD_TILL_TIME:
        expire_ns = NEVER
    return Timed(first["instrument"], force, expire_ns, first["quantity"])
