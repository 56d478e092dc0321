"""A book built from market data alone, as any client can: ITCH messages in, prices out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ports.itch import ItchMessage
from ringbus.status import DataError

ADDS: Final = ("A", "F")
EXECUTIONS: Final = ("E", "C")


@dataclass(slots=True)
class ShownOrder:
    """One order that is shown; price in 1/10,000 of the currency."""

    reference: int
    locate: int
    side: str
    price: int
    shares: int


@dataclass(frozen=True, slots=True)
class Imbalance:
    """What the cross of an auction would come to; `side`: B, S, N or O as in ITCH."""

    paired: int
    shares: int
    side: str
    price: int


@dataclass(slots=True)
class Instrument:
    """What the directory and the trading actions say."""

    symbol: str
    lot: int
    state: str = ""
    last_price: int = 0
    last_shares: int = 0
    volume: int = 0
    imbalance: Imbalance | None = None  # of the auction that it is in
    orders: dict[int, ShownOrder] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Level:
    """One price of one side."""

    price: int
    shares: int
    orders: int


class MarketBook:
    """Every order that is shown, by instrument, in the order of time.

    Raises, from `apply`: DataError: a message that does not fit what came before it. Thread: one.
    """

    def __init__(self) -> None:
        self.instruments: dict[int, Instrument] = {}
        self.orders: dict[int, ShownOrder] = {}
        self.event = ""

    def apply(self, message: ItchMessage) -> None:
        """The next message."""
        kind = message.kind
        if kind in ADDS:
            side, shares = message.text("side"), message.number("shares")
            self._add(message.locate, message.number("reference"), side, shares, message)
        elif kind in EXECUTIONS:
            self._execute(message)
        elif kind == "X":
            self._reduce(message.number("reference"), message.number("shares"))
        elif kind == "D":
            self._remove(self._order(message.number("reference")))
        elif kind == "U":
            old = self._order(message.number("original"))
            self._remove(old)
            shares, reference = message.number("shares"), message.number("reference")
            self._add(old.locate, reference, old.side, shares, message)
        elif kind in ("P", "Q"):
            self._trade(message.locate, message.number("price"), message.number("shares"))
        elif kind == "R":
            known = self.instruments.get(message.locate)
            if known is None:
                symbol, lot = message.text("symbol"), message.number("lot")
                self.instruments[message.locate] = Instrument(symbol, lot)
        elif kind == "H":
            instrument = self._instrument(message.locate)
            instrument.state, instrument.imbalance = message.text("state"), None
        elif kind == "I":
            paired, shares = message.number("paired"), message.number("imbalance")
            self._instrument(message.locate).imbalance = Imbalance(
                paired, shares, message.text("direction"), message.number("reference_price")
            )
        elif kind == "S":
            self.event = message.text("event")

    def find(self, symbol: str) -> int:
        """The stock locate of a symbol. Raises: DataError: the directory does not have it."""
        for locate, instrument in self.instruments.items():
            if instrument.symbol == symbol:
                return locate
        raise DataError(f"the market data's directory has no symbol {symbol!r}")

    def queue(self, locate: int, side: str) -> list[ShownOrder]:
        """The orders of a side ("B", "S") by price, then time."""
        orders = [one for one in self._instrument(locate).orders.values() if one.side == side]
        # Sorting keeps the order of time among equals.
        return sorted(orders, key=lambda one: -one.price if side == "B" else one.price)

    def depth(self, locate: int, side: str, limit: int = 10) -> list[Level]:
        """The best prices of a side with all that is shown there."""
        levels: dict[int, list[int]] = {}
        for order in self.queue(locate, side):
            level = levels.setdefault(order.price, [0, 0])
            level[0] += order.shares
            level[1] += 1
        best = list(levels.items())[:limit]
        return [Level(price, shares, orders) for price, (shares, orders) in best]

    def _instrument(self, locate: int) -> Instrument:
        instrument = self.instruments.get(locate)
        if instrument is None:
            raise DataError(f"stock locate {locate} is not in the directory")
        return instrument

    def _order(self, reference: int) -> ShownOrder:
        order = self.orders.get(reference)
        if order is None:
            raise DataError(f"order {reference} is not shown")
        return order

    def _add(
        self, locate: int, reference: int, side: str, shares: int, message: ItchMessage
    ) -> None:
        if reference in self.orders or shares == 0:
            raise DataError(f"order {reference} of {shares} shares cannot be added")
        order = ShownOrder(reference, locate, side, message.number("price"), shares)
        self.orders[reference] = self._instrument(locate).orders[reference] = order

    def _execute(self, message: ItchMessage) -> None:
        order, shares = self._order(message.number("reference")), message.number("shares")
        price = message.number("price") if message.kind == "C" else order.price
        self._reduce(order.reference, shares)
        if message.kind == "E" or message.text("printable") == "Y":
            self._trade(order.locate, price, shares)

    def _trade(self, locate: int, price: int, shares: int) -> None:
        instrument = self._instrument(locate)
        if shares:
            instrument.last_price, instrument.last_shares = price, shares
            instrument.volume += shares

    def _reduce(self, reference: int, shares: int) -> None:
        order = self._order(reference)
        if shares > order.shares:
            raise DataError(f"order {reference} has {order.shares} shares, not {shares}")
        order.shares -= shares
        if order.shares == 0:
            self._remove(order)

    def _remove(self, order: ShownOrder) -> None:
        del self.orders[order.reference]
        del self._instrument(order.locate).orders[order.reference]
