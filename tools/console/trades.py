"""A trade as the stream has it, and the lines of a TradeChange that makes it void or corrects it.

The engine keeps no trades, so whoever changes one hands in all of it: both parties, their texts,
and what the trade counted against their limits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ringbus.messages import (
    MESSAGE,
    ORDER_TAG,
    TRADE_CHANGE,
    TRADE_PARTY,
    Liquidity,
    Template,
    TradeChangeKind,
    TradeDetail,
)
from tools.console.words import CommandError, Order, Request, ticks_of
from tools.rules import meant

if TYPE_CHECKING:
    from tools.configuration import Configuration

# What clients hear of a bust; a correction has the one letter that there is.
WHY: Final = {"erroneous": b"E", "consent": b"C", "supervisory": b"S", "external": b"X"}
CORRECTED: Final = b"N"
_CROSSES: Final = {
    TradeDetail.OPENING_CROSS: b"O",
    TradeDetail.CLOSING_CROSS: b"C",
    TradeDetail.HALT_CROSS: b"H",
}


@dataclass(slots=True)
class Trade:
    """A trade: its two Executed lines, and what else is to be said of it.

    `price_ticks`: as it is now; `texts`, `notional_1e4`: of each side, the text of its order and
    what the trade counted at risk.
    """

    sides: NDArray[np.void]
    price_ticks: int
    texts: list[bytes] = field(default_factory=lambda: [b"", b""])
    notional_1e4: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def match(self) -> int:
        """The trade's number."""
        return int(self.sides["sequence"][0])

    @property
    def shard(self) -> int:
        """Where it was made."""
        return int(self.sides["shard"][0])

    @property
    def instrument(self) -> int:
        """What was traded."""
        return int(self.sides["instrument"][0])


def change(
    trade: Trade, kind: TradeChangeKind, price_ticks: int, reason: bytes
) -> NDArray[np.void]:
    """The lines of the proposal but for author and reason: shape (5,), dtype MESSAGE."""
    one = trade.sides[0]
    first: NDArray[np.void] = np.zeros(1, TRADE_CHANGE)
    first["template_id"], first["kind"], first["reason"] = Template.TRADE_CHANGE, kind, reason
    first["match"], first["price_ticks"] = trade.match, price_ticks
    first["instrument"], first["quantity"] = one["instrument"], one["quantity"]
    out = [first.view(MESSAGE)]
    for n, side in enumerate(trade.sides):
        party: NDArray[np.void] = np.zeros(1, TRADE_PARTY)
        party["template_id"], party["session"] = Template.TRADE_PARTY, side["topic"]
        for name in ("instrument", "side", "quantity", "client_order_id", "account", "firm"):
            party[name] = side[name]
        party["liquidity"] = letter_of(side)
        if kind is TradeChangeKind.BUST:
            party["notional_1e4"] = trade.notional_1e4[n]
        tag: NDArray[np.void] = np.zeros(1, ORDER_TAG)
        tag["template_id"], tag["text"] = Template.ORDER_TAG, trade.texts[n]
        tag["total_quantity"] = trade.price_ticks
        out += [party.view(MESSAGE), tag.view(MESSAGE)]
    return np.concatenate(out)


def wanted(
    configuration: Configuration, request: Request, trade: Trade
) -> tuple[TradeChangeKind, int, bytes]:
    """What `bust` or `correct` is to make of a trade. Raises: CommandError."""
    if request.verb == "bust":
        if request.why not in WHY:
            found = str(request.why)
            raise CommandError(f"why: found {request.why!r}{meant(found, list(WHY))}")
        return TradeChangeKind.BUST, trade.price_ticks, WHY[request.why]
    one = configuration.instruments[trade.instrument]
    ticks = ticks_of(str(request.price), one.tick_1e4)
    if not one.price_ticks_min <= ticks <= one.price_ticks_max:
        raise CommandError(f"{request.price} is outside what {one.symbol} may cost")
    return TradeChangeKind.CORRECT, ticks, CORRECTED


def order_of_change(
    configuration: Configuration,
    trade: Trade,
    kind: TradeChangeKind,
    price_ticks: int,
    reason: bytes,
) -> Order:
    """A change of a trade as it is now. Raises: CommandError: it has that price."""
    was = ""
    if kind is TradeChangeKind.BUST:
        price_ticks = trade.price_ticks
    else:
        tick_1e4 = configuration.instruments[trade.instrument].tick_1e4
        before = Decimal(trade.price_ticks * tick_1e4) / 10_000
        if price_ticks == trade.price_ticks:
            raise CommandError(f"{before} is the price that it has")
        was = f", which was {before}"
    lines = change(trade, kind, price_ticks, reason)
    return Order(lines[0].tobytes(), trade.shard, lines[1:].tobytes(), was)


def letter_of(side: np.void) -> bytes:
    """What the client of an Executed line heard as its liquidity, as prt_liquidity_letter."""
    detail = int(side["detail"])
    if detail in _CROSSES:
        return _CROSSES[TradeDetail(detail)]
    if detail == TradeDetail.HIDDEN:
        return b"J"
    return b"R" if int(side["liquidity"]) == Liquidity.REMOVED else b"A"
