"""The Shanghai day of 2023-07-11 through the book that ships, both call auctions included.

Until 09:25 orders are held; the price that `uncross` finds is the exchange's, the trades of the
cross are the exchange's, pair by pair in its order, and the book that it leaves is the one with
which the continuous day begins. At 14:57 orders are held again, for the cross at 15:00.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.book import Book
from ports.uncross import INTEREST, PRICE_TICKS_MAX, Uncross, uncross
from ringbus.messages import (
    CANCEL,
    DTYPES,
    EXECUTED,
    NEW_ORDER,
    CrossType,
    InstrumentState,
    Liquidity,
    Side,
    Template,
)
from tests.engine.proposals import AUCTION, CLOSED, CONTINUOUS, command, cross
from tests.engine.trader import Lines, lines
from tools.expected import (
    CrossTrade,
    Resting,
    Trade,
    by_cross,
    compare,
    expected_book,
    expected_crosses,
    expected_trades,
)
from tools.orders import Row, load_orders

DATA = Path(__file__).resolve().parents[1] / "data" / "sse_20230711"
# The day's reference of each: what it closed at on the day before (README.md of the data).
REFERENCE = {"600761": 2138, "600961": 909, "601825": 546}
SYMBOLS = tuple(REFERENCE)
# The rows of inbound.csv.gz that are the book after the opening.
OPENBOOK_ROWS = 1_905
TICK_1E4 = 100
SIDES = {"B": Side.BUY, "S": Side.SELL}
LETTERS = {Side.BUY: "B", Side.SELL: "S"}
COUNTED = (
    *(Template.NEW_ORDER, Template.CANCEL, Template.REPLACE),
    *(Template.EXECUTED, Template.CANCELED),
)


class Day:
    """A book, what it said, and where it keeps the orders of the files."""

    def __init__(self) -> None:
        self.book = Book(len(SYMBOLS), 1 << 15, 1 << 15)
        self.said: list[Lines] = []
        self.locates: dict[int, int] = {}

    def say(self, proposal: Lines) -> Lines:
        answer = self.book.submit(proposal)
        assert answer["template_id"][0] != Template.REJECTED
        self.said.append(answer)
        return answer

    def become(self, state: InstrumentState) -> None:
        for instrument in range(len(SYMBOLS)):
            self.say(command(state, instrument))

    def enter(self, rows: list[Row]) -> None:
        for row in rows:
            known = {
                "instrument": SYMBOLS.index(row.symbol),
                "client_order_id": row.order_id,
                "quantity": row.quantity,
                "topic": 1,
            }
            if row.verb == "REDUCE":
                known["locate"] = self.locates[row.order_id]
                self.say(lines(CANCEL, Template.CANCEL, **known))
                continue
            known |= {"side": SIDES[row.side], "price_ticks": row.price_1e4 // TICK_1E4}
            answer = self.say(lines(NEW_ORDER, Template.NEW_ORDER, **known))
            self.locates[row.order_id] = int(answer.view(NEW_ORDER)["locate"][0])

    def uncross(self, instrument: int, traded: Lines) -> Uncross:
        """Of all orders that are held; the reference is the last trade's price."""
        held = self.book.walk_held(instrument)
        orders: NDArray[np.void] = np.zeros(len(held), INTEREST)
        for name in ("price_ticks", "side", "time_in_force", "options"):
            orders[name] = held[name]
        orders["open"] = held["quantity"]
        prices = traded["price_ticks"][traded["instrument"] == instrument]
        reference = int(prices[-1]) if len(prices) else REFERENCE[SYMBOLS[instrument]]
        return uncross(orders, reference, 1, PRICE_TICKS_MAX)

    def cross(self, kind: CrossType, state: InstrumentState) -> dict[str, Uncross]:
        """Execute what `uncross` finds, instrument by instrument."""
        stream = np.concatenate(self.said)
        counted = stream[np.isin(stream["template_id"], COUNTED)].view(DTYPES[Template.SKIP])
        changes = np.bincount(counted["instrument"], minlength=len(SYMBOLS))
        traded, _ = self.pairs(crossed=False)
        results = {}
        for instrument, symbol in enumerate(SYMBOLS):
            one = results[symbol] = self.uncross(instrument, traded)
            seen = int(changes[instrument])
            self.say(cross(one.price_ticks, one.quantity, seen, kind, state, instrument))
        return results

    def pairs(self, crossed: bool) -> tuple[Lines, Lines]:
        """Both sides of all trades so far, inside or outside of crosses."""
        stream = np.concatenate(self.said)
        executed = stream[stream["template_id"] == Template.EXECUTED].view(EXECUTED)
        executed = executed[(executed["liquidity"] == Liquidity.CROSS) == crossed]
        return executed[0::2], executed[1::2]

    def crosses(self) -> Iterator[CrossTrade]:
        for buy, sell in zip(*self.pairs(crossed=True), strict=True):
            yield CrossTrade(
                CrossType(int(buy["detail"])).name.lower(),
                SYMBOLS[buy["instrument"]],
                int(buy["client_order_id"]),
                int(sell["client_order_id"]),
                int(buy["price_ticks"]) * TICK_1E4,
                int(buy["quantity"]),
            )

    def trades(self) -> Iterator[Trade]:
        for taker, maker in zip(*self.pairs(crossed=False), strict=True):
            yield Trade(
                SYMBOLS[taker["instrument"]],
                int(maker["client_order_id"]),
                int(taker["client_order_id"]),
                LETTERS[Side(int(taker["side"]))],
                int(taker["price_ticks"]) * TICK_1E4,
                int(taker["quantity"]),
            )

    def resting(self) -> Iterator[Resting]:
        for instrument, symbol in enumerate(SYMBOLS):
            for side, letter in LETTERS.items():
                for order in self.book.walk(instrument, side):
                    price = int(order["price_ticks"]) * TICK_1E4
                    number, left = int(order["client_order_id"]), int(order["quantity"])
                    yield Resting(symbol, letter, price, number, left)


def in_priority(rows: list[Row]) -> Iterator[Resting]:
    """Orders of a file that all rest, which is in the order of time."""

    def priority(row: Row) -> tuple[str, str, int]:
        return row.symbol, row.side, -row.price_1e4 if row.side == "B" else row.price_1e4

    for row in sorted(rows, key=priority):
        yield Resting(row.symbol, row.side, row.price_1e4, row.order_id, row.quantity)


def test_the_whole_day_with_both_auctions() -> None:
    """Every trade of the day, 59,067 with those of the crosses, is the exchange's own."""
    day = Day()
    day.become(AUCTION)
    day.enter(load_orders(DATA / "opening.csv.gz"))
    opened = day.cross(CrossType.OPENING, CONTINUOUS)
    assert {name: (one.price_ticks, one.quantity) for name, one in opened.items()} == {
        "600761": (2130, 30_700),
        "600961": (911, 580_100),
        "601825": (548, 2_800),
    }
    inbound = load_orders(DATA / "inbound.csv.gz")
    compared = compare(in_priority(inbound[:OPENBOOK_ROWS]), day.resting())
    assert (compared.count, compared.difference) == (OPENBOOK_ROWS, None)
    day.enter(inbound[OPENBOOK_ROWS:])
    compared = compare(expected_trades(DATA / "expected_trades.csv.gz"), day.trades())
    assert (compared.count, compared.difference) == (58_528, None)
    compared = compare(expected_book(DATA / "expected_final_book.csv.gz"), day.resting())
    assert compared.identical
    day.become(AUCTION)
    day.enter(load_orders(DATA / "closing.csv.gz"))
    closed = day.cross(CrossType.CLOSING, CLOSED)
    assert {name: (one.price_ticks, one.quantity) for name, one in closed.items()} == {
        "600761": (2150, 14_200),
        "600961": (915, 312_300),
        "601825": (548, 25_000),
    }
    wanted = expected_crosses(DATA / "expected_crosses.csv.gz")
    compared = compare(wanted, by_cross(day.crosses()))
    assert (compared.count, compared.difference) == (539, None)
    day.book.close()
