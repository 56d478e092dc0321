"""The Shanghai day of 2023-07-11 through the book that ships, both call auctions included.

Until 09:25 orders are held; the price that `uncross` finds is the exchange's, the trades of the
cross are the exchange's, pair by pair in its order, and the book that it leaves is the one with
which the continuous day begins. At 14:57 orders are held again, for the cross at 15:00. First by
hand over the whole day, then both calls by the auction application, at the times of the files. All
of it through real processes and sockets: `make demo`.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.book import Book
from ports.auction_plan import SECOND_NS, Schedule
from ports.uncross import INTEREST, PRICE_TICKS_MAX, Uncross, uncross
from ringbus.messages import (
    CANCEL,
    COMMAND,
    DTYPES,
    EXECUTED,
    NEW_ORDER,
    CommandKind,
    CrossType,
    InstrumentState,
    Liquidity,
    Side,
    Template,
)
from tests.engine.proposals import AUCTION, CLOSED, CONTINUOUS, command, cross
from tests.engine.trader import Lines, lines
from tests.ports.market import OPERATOR, order
from tests.ports.test_auction import MIDNIGHT_NS, Market
from tools.expected import (
    CROSSES,
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
    *(Template.EXECUTED, Template.CANCELED, Template.STATE_CHANGED),
)


def cross_trades(executed: Lines) -> Iterator[CrossTrade]:
    """Of crosses alone, pair by pair."""
    for buy, sell in zip(executed[0::2], executed[1::2], strict=True):
        yield CrossTrade(
            CROSSES[int(buy["detail"])],
            SYMBOLS[buy["instrument"]],
            int(buy["client_order_id"]),
            int(sell["client_order_id"]),
            int(buy["price_ticks"]) * TICK_1E4,
            int(buy["quantity"]),
        )


def resting(books: Sequence[Book]) -> Iterator[Resting]:
    """All orders, best and oldest first; `books`: of each instrument."""
    for instrument, symbol in enumerate(SYMBOLS):
        for side, letter in LETTERS.items():
            for one in books[instrument].walk(instrument, side):
                price = int(one["price_ticks"]) * TICK_1E4
                number, left = int(one["client_order_id"]), int(one["quantity"])
                yield Resting(symbol, letter, price, number, left)


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
        buys, sells = self.pairs(crossed=True)
        return cross_trades(np.stack((buys, sells), axis=1).ravel())

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
        return resting([self.book] * len(SYMBOLS))


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


# The auction application, by the stream's time


def time_of_day(text: str) -> int:
    """09:15:00.030 in nanoseconds since midnight; the exchange's clock is taken as UTC."""
    hours, minutes, seconds = text.split(":")
    return (int(hours) * 3600 + int(minutes) * 60) * SECOND_NS + round(
        float(seconds) * 1000
    ) * 10**6


CALLS = Schedule(
    opening_call_ns=time_of_day("09:15:00"),
    opens_ns=time_of_day("09:25:00"),
    closing_call_ns=time_of_day("14:57:00"),
    closes_ns=time_of_day("15:00:00"),
)


def times(path: Path) -> list[int]:
    """When the rows of an order file came, since midnight."""
    with gzip.open(path, "rt", newline="", encoding="ascii") as file:
        return [time_of_day(row["time"]) for row in csv.DictReader(file)]


class Calls(Market):
    """The market of the tests of auctions, told the rows of order files at their times."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule, count=2, orders=1 << 13)

    def reference(self, instrument: int, price_ticks: int) -> None:
        """An operator's."""
        kind = CommandKind.REFERENCE_PRICE
        told = {"instrument": instrument, "price_ticks": price_ticks, "kind": kind}
        self.say(lines(COMMAND, Template.COMMAND, **told), OPERATOR)

    def clock(self, text: str) -> None:
        self.tick(MIDNIGHT_NS + time_of_day(text))
        self.rest()

    def send(self, row: Row) -> None:
        told = {"instrument": SYMBOLS.index(row.symbol), "quantity": row.quantity}
        if row.verb == "NEW":
            told |= {"side": SIDES[row.side], "price_ticks": row.price_1e4 // TICK_1E4}
            self.say(order(row.order_id, **told), 1)
            return
        day = self.day()
        known = day[day["template_id"] == Template.NEW_ORDER].view(NEW_ORDER)
        known = known[known["client_order_id"] == row.order_id]
        told |= {"locate": int(known["locate"][-1]), "client_order_id": row.order_id}
        self.say(lines(CANCEL, Template.CANCEL, **told), 1)

    def call(self, path: Path) -> None:
        """All rows of a file, each at its time, and the auctions at work all the while."""
        for row, since_midnight in zip(load_orders(path), times(path), strict=True):
            self.at(MIDNIGHT_NS + since_midnight)
            self.send(row)
            self.rest()

    def resting(self) -> Iterator[Resting]:
        books = self.engine.books
        return resting([books[self.engine.shard_of[n]] for n in range(len(SYMBOLS))])

    def check(self, cross: str) -> None:
        """Its trades are the exchange's, and what was said last before it is what it came to."""
        wanted = expected_crosses(DATA / "expected_crosses.csv.gz")
        compared = compare(
            iter([one for one in wanted if one.cross == cross]),
            by_cross(cross_trades(self.all(Template.EXECUTED))),
        )
        assert compared.difference is None
        said = self.all(Template.IMBALANCE)
        told = 0
        for one in self.all(Template.CROSS_RESULT):
            of_it = said["instrument"] == one["instrument"]
            of_it &= said["changes"] == one["changes"]
            for before in said[of_it]:
                told += 1
                assert before["near_ticks"] == before["reference_ticks"] == one["price_ticks"]
                assert before["paired"] == one["quantity"]
        assert told >= 1


def test_the_application_opens_the_day() -> None:
    """Orders of 09:15 to 09:25 and their cancels, two auctions that race for every word."""
    at = Calls(CALLS)
    for instrument, symbol in enumerate(SYMBOLS):
        at.reference(instrument, REFERENCE[symbol])
    at.clock("09:14:00")
    assert at.states() == [InstrumentState.PRE_OPEN]
    at.clock("09:15:00")
    at.call(DATA / "opening.csv.gz")
    assert at.states() == [InstrumentState.PRE_OPEN, AUCTION]
    assert at.crosses() == []
    at.clock("09:25:00")
    assert at.states()[-1] == CONTINUOUS
    at.check("opening")
    wanted = in_priority(load_orders(DATA / "inbound.csv.gz", OPENBOOK_ROWS))
    compared = compare(wanted, at.resting())
    assert (compared.count, compared.difference) == (OPENBOOK_ROWS, None)


def test_the_application_closes_the_day() -> None:
    """The book of 14:57 in continuous trading, the orders of the last three minutes, the cross."""
    at = Calls(Schedule(closing_call_ns=CALLS.closing_call_ns, closes_ns=CALLS.closes_ns))
    at.clock("14:56:00")
    for one in expected_book(DATA / "expected_final_book.csv.gz"):
        at.send(Row(0, one.symbol, "NEW", one.order_id, one.side, one.price_1e4, one.quantity))
        at.rest()
    assert at.states() == []
    at.clock("14:57:00")
    at.call(DATA / "closing.csv.gz")
    assert at.states() == [AUCTION]
    at.clock("15:00:00")
    assert at.states() == [AUCTION, CLOSED]
    at.check("closing")
