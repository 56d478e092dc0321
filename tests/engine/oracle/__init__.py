"""The matching rules of engine/README.md in plain Python: sorted lists, one function a rule.

It speaks the bytes of the book, so that whole answers can be compared. What the C code does for
speed has no counterpart here: a side is a list of orders, best first, and what is held is a list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ringbus.messages import RejectReason, Template
from tests.engine.oracle.auction import command, cross_result
from tests.engine.oracle.entry import PRICE_TICKS_MAX, cancel, new_order, replace_order
from tests.engine.oracle.many import mass_cancel, multi_leg_order
from tests.engine.oracle.market import BUY, SELL, Instrument, Market, Order
from tests.engine.oracle.wire import LINE_BYTES, Group

__all__ = ["BUY", "LINE_BYTES", "PRICE_TICKS_MAX", "SELL", "Instrument", "Oracle", "Order"]

# Those of one instrument, which must exist.
OF_AN_INSTRUMENT: dict[int, Callable[[Market], None]] = {
    Template.NEW_ORDER: new_order,
    Template.CANCEL: cancel,
    Template.REPLACE: replace_order,
    Template.CROSS_RESULT: cross_result,
    Template.COMMAND: command,
}
OF_SEVERAL: dict[int, Callable[[Market], None]] = {
    Template.MASS_CANCEL: mass_cancel,
    Template.MULTI_LEG_ORDER: multi_leg_order,
}


class Oracle:
    """The book as it must be; `submit` answers the bytes that it must answer."""

    def __init__(
        self, instruments: int, orders: int, nodes: int, groups: Sequence[int] = ()
    ) -> None:
        """`groups`: the group of each instrument, as the sequencer knows it; none: all of one."""
        self.market = Market(instruments, orders, nodes)
        for instrument, group in zip(self.market.instruments, groups, strict=False):
            instrument.group = group

    def submit(self, lines: list[bytes]) -> bytes:
        """Apply one message of one or more lines; returns its answer, 64 bytes a line."""
        market = self.market
        market.answer = []
        market.group = Group.of(lines)
        template, number = market.group.first["template_id"], market.group.first["instrument"]
        if not market.group.is_well_formed:
            market.refuse(RejectReason.INVALID_PROPOSAL)
        elif template in OF_SEVERAL:
            OF_SEVERAL[template](market)
        elif number >= len(market.instruments):
            market.refuse(RejectReason.UNKNOWN_INSTRUMENT)
        else:
            OF_AN_INSTRUMENT[template](market)
        return b"".join(market.answer)

    @property
    def open(self) -> dict[int, Order]:
        """Orders that rest or are held, by locate."""
        return self.market.open

    def best(self, instrument: int, side: int) -> tuple[int, int]:
        """Best displayed price of a side and what is displayed there; (0, 0): nothing is."""
        depth = self.depth(instrument, side)
        return (depth[0][0], depth[0][2]) if depth else (0, 0)

    def depth(self, instrument: int, side: int) -> list[tuple[int, int, int]]:
        """Of each displayed price, best first: the price, by how many orders, how much."""
        shown = [one for one in self.market.instruments[instrument].sides[side] if not one.hidden]
        prices = list(dict.fromkeys(order.price for order in shown))
        levels = [[order for order in shown if order.price == price] for price in prices]
        return [
            (price, len(level), sum(order.shown for order in level))
            for price, level in zip(prices, levels, strict=True)
        ]
