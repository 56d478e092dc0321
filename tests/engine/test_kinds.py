"""One test for each rule of engine/README.md about single orders, with its answer written out.

Every message goes into two books: one with plenty of room for the answer, one whose sink has the
least that it may have. They must say the same and end the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from engine.book import Book
from ringbus.messages import (
    CANCEL,
    CANCELED,
    DTYPES,
    EXECUTED,
    NEW_ORDER,
    ORDER_TAG,
    ORDER_TERMS,
    AuctionOption,
    CancelReason,
    Flag,
    InstrumentState,
    Liquidity,
    OrderOption,
    RejectReason,
    Side,
    Template,
    TimeInForce,
)
from ringbus.status import NotFoundError, UsageError
from tests.engine.oracle import PRICE_TICKS_MAX
from tests.engine.test_book import Event, Line, cancel, line, new, replace, tagged

BUY, SELL = Side.BUY, Side.SELL
DAY, GOOD_TILL_CANCEL = TimeInForce.DAY, TimeInForce.GOOD_TILL_CANCEL
GOOD_TILL_TIME = TimeInForce.GOOD_TILL_TIME
IMMEDIATE, KILL = TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL
AT_OPENING, AT_CLOSE = TimeInForce.AT_OPENING, TimeInForce.AT_CLOSE
RESTING = (DAY, GOOD_TILL_CANCEL, GOOD_TILL_TIME)
HIDDEN, MARKET = OrderOption.HIDDEN, OrderOption.MARKET
POST_ONLY, SLIDE = OrderOption.POST_ONLY, OrderOption.SLIDE
NEWEST, OLDEST = OrderOption.SELF_TRADE_NEWEST, OrderOption.SELF_TRADE_OLDEST
DECREMENT, FIRM = OrderOption.SELF_TRADE_DECREMENT, OrderOption.SELF_TRADE_FIRM
IMBALANCE_ONLY = AuctionOption.IMBALANCE_ONLY
SINK_LINES_MIN = 2


def groups(batch: Line) -> Iterator[Line]:
    """The proposals of a batch, each with the lines that belong to it."""
    start = 0
    for n, flags in enumerate(batch["flags"].tolist()):
        if not flags & Flag.CONTINUED:
            yield batch[start : n + 1]
            start = n + 1


def with_terms(message: Line, /, **fields: object) -> Line:
    """A message with its line of terms; their options are the first line's unless given."""
    first = message.copy()
    first["flags"] |= np.uint8(Flag.CONTINUED)
    if message["template_id"][0] == Template.NEW_ORDER:
        fields = {"options": message.view(NEW_ORDER)["options"][0]} | fields
    return np.concatenate([first, line(ORDER_TERMS, Template.ORDER_TERMS, topic=1, **fields)])


def reserve(
    number: int, side: int, quantity: int, price: int, shown: int, **fields: object
) -> Line:
    return with_terms(new(number, side, quantity, price, **fields), display_quantity=shown)


def told(message: np.void) -> Event:
    """What one answer line says, in a few words."""
    template = Template(int(message["template_id"]))
    body = np.array([message]).view(DTYPES[template])[0]
    names: tuple[str, ...] = ("client_order_id", "quantity", "price_ticks", "remaining")
    match template:
        case Template.NEW_ORDER:
            return "new", int(body["client_order_id"]), int(body["price_ticks"])
        case Template.CANCEL:
            return "cancel", int(body["client_order_id"]), int(body["remaining"])
        case Template.REPLACE:
            kept = bool(body["flags"] & Flag.KEPT_PRIORITY)
            name = "kept" if kept else "moved"
            return name, int(body["client_order_id"]), int(body["price_ticks"])
        case Template.EXECUTED:
            mark = "takes" if body["liquidity"] == Liquidity.REMOVED else "gives"
            return mark, *(int(body[name]) for name in names)
        case Template.CANCELED:
            names = ("client_order_id", "quantity", "remaining")
            return "canceled", *(int(body[name]) for name in names), CancelReason(body["reason"])
        case Template.REPLENISHED:
            names = ("client_order_id", "quantity", "remaining")
            return "shows", *(int(body[name]) for name in names)
        case Template.REJECTED:
            return "rejected", int(body["client_order_id"]), RejectReason(int(body["reason"]))
        case _:
            return (template.name,)


class Desk:
    """Two books that hear the same."""

    def __init__(self, instruments: int = 2, orders: int = 100, nodes: int = 500) -> None:
        self.book = Book(instruments, orders, nodes)
        self.tight = Book(instruments, orders, nodes)

    def close(self) -> None:
        self.book.close()
        self.tight.close()

    def lines(self, *messages: Line) -> Line:
        batch = np.concatenate(messages)
        answers = self.book.submit(batch)
        tight = [self.tight.submit(one, max(SINK_LINES_MIN, len(one))) for one in groups(batch)]
        assert np.concatenate(tight).tobytes() == answers.tobytes()
        for book in (self.book, self.tight):
            book.verify()
        assert self.book.hash() == self.tight.hash()
        return answers

    def submit(self, *messages: Line) -> list[Event]:
        return [told(one) for one in self.lines(*messages) if one["template_id"] != 16]

    def queue(self, side: int, instrument: int = 0) -> list[tuple[int, int, int]]:
        """Resting orders in priority order: number, quantity, price."""
        walked = self.book.walk(instrument, side)
        names = ("client_order_id", "quantity", "price_ticks")
        return list(zip(*(walked[name].tolist() for name in names), strict=True))

    def held(self, instrument: int = 0) -> list[tuple[int, int]]:
        """Held orders in their order: number, quantity."""
        walked = self.book.walk_held(instrument)
        names = ("client_order_id", "quantity")
        return list(zip(*(walked[name].tolist() for name in names), strict=True))


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


def refused(desk: Desk, message: Line, reason: RejectReason) -> None:
    """The message is refused, and nothing else has happened."""
    before = desk.book.hash()
    number = int(message.view(NEW_ORDER)["client_order_id"][0])
    assert desk.submit(message) == [("rejected", number, reason)]
    assert desk.book.hash() == before


# Times in force


@pytest.mark.parametrize("force", RESTING)
def test_times_in_force_that_rest(desk: Desk, force: TimeInForce) -> None:
    desk.submit(new(1, SELL, 10, 100, time_in_force=force))
    assert desk.submit(new(2, BUY, 15, 100, time_in_force=force)) == [
        ("new", 2, 100),
        ("takes", 2, 10, 100, 5),
        ("gives", 1, 10, 100, 0),
    ]
    assert desk.queue(BUY) == [(2, 5, 100)]


@pytest.mark.parametrize("force", [5, 8, 32, 33, 64, 255])
def test_time_in_force_that_has_no_name(desk: Desk, force: int) -> None:
    refused(desk, new(1, BUY, 10, 100, time_in_force=force), RejectReason.INVALID_TIME_IN_FORCE)


@pytest.mark.parametrize(("quantity", "fills"), [(25, True), (30, True), (31, False)])
def test_fill_or_kill(desk: Desk, quantity: int, fills: bool) -> None:
    desk.submit(new(1, SELL, 10, 100), new(2, SELL, 20, 101), new(3, SELL, 50, 102))
    before = desk.queue(SELL)
    events = desk.submit(new(9, BUY, quantity, 101, time_in_force=KILL))
    if fills:
        assert [one[:3] for one in events if one[0] == "takes"] == [
            ("takes", 9, 10),
            ("takes", 9, quantity - 10),
        ]
        assert events[-2][4] == 0
    else:
        canceled = ("canceled", 9, quantity, 0, CancelReason.FILL_OR_KILL)
        assert events == [("new", 9, 101), canceled]
        assert desk.queue(SELL) == before


def test_fill_or_kill_counts_hidden_and_reserve(desk: Desk) -> None:
    desk.submit(reserve(1, SELL, 40, 100, 10), new(2, SELL, 7, 100, options=HIDDEN))
    desk.submit(new(3, SELL, 3, 101, options=HIDDEN))
    killed = ("canceled", 9, 51, 0, CancelReason.FILL_OR_KILL)
    assert desk.submit(new(9, BUY, 51, 101, time_in_force=KILL))[1:] == [killed]
    events = desk.submit(new(9, BUY, 50, 101, time_in_force=KILL))
    assert [one[1:3] for one in events if one[0] == "gives"] == [
        *[(1, 10)] * 4,
        (2, 7),
        (3, 3),
    ]
    assert desk.queue(SELL) == []


def test_minimum_quantity(desk: Desk) -> None:
    desk.submit(new(1, SELL, 10, 100))
    wanted = new(2, BUY, 30, 100, time_in_force=IMMEDIATE)
    assert desk.submit(with_terms(wanted, minimum_quantity=11)) == [
        ("new", 2, 100),
        ("canceled", 2, 30, 0, CancelReason.MINIMUM_QUANTITY),
    ]
    assert desk.submit(with_terms(wanted, minimum_quantity=10))[1:] == [
        ("takes", 2, 10, 100, 20),
        ("gives", 1, 10, 100, 0),
        ("canceled", 2, 20, 0, CancelReason.IMMEDIATE_OR_CANCEL),
    ]


def test_count_goes_no_further_than_the_limit(desk: Desk) -> None:
    desk.submit(new(1, BUY, 10, 100), new(2, BUY, 10, 99, options=HIDDEN), new(3, BUY, 9, 98))
    assert desk.submit(new(9, SELL, 21, 99, time_in_force=KILL))[1][0] == "canceled"
    assert len(desk.submit(new(9, SELL, 20, 99, time_in_force=KILL))) == 5
    assert desk.queue(BUY) == [(3, 9, 98)]


# Market


@pytest.mark.parametrize("force", [IMMEDIATE, KILL])
def test_market_order_stops_at_its_collar(desk: Desk, force: TimeInForce) -> None:
    desk.submit(new(1, SELL, 10, 100), new(2, SELL, 10, 105))
    events = desk.submit(new(9, BUY, 15, 104, options=MARKET, time_in_force=force))
    if force == KILL:
        assert events[1:] == [("canceled", 9, 15, 0, CancelReason.FILL_OR_KILL)]
    else:
        assert events[1:] == [
            ("takes", 9, 10, 100, 5),
            ("gives", 1, 10, 100, 0),
            ("canceled", 9, 5, 0, CancelReason.COLLAR),
        ]


# Post-only and slide


@pytest.mark.parametrize("hidden", [0, HIDDEN])
@pytest.mark.parametrize(("side", "best", "slid"), [(BUY, 100, 99), (SELL, 100, 101)])
def test_post_only_is_refused_and_slide_moves(
    desk: Desk, hidden: int, side: Side, best: int, slid: int
) -> None:
    other = SELL if side == BUY else BUY
    desk.submit(new(1, other, 10, best, options=hidden))
    for price in (best, best + (5 if side == BUY else -5)):
        refused(desk, new(2, side, 10, price, options=POST_ONLY), RejectReason.WOULD_TRADE)
    assert desk.submit(new(2, side, 10, slid, options=POST_ONLY)) == [("new", 2, slid)]
    assert desk.submit(new(3, side, 10, best, options=SLIDE)) == [("new", 3, slid)]
    assert desk.submit(new(4, side, 10, 100, options=SLIDE | HIDDEN)) == [("new", 4, slid)]
    assert desk.queue(side) == [(2, 10, slid), (3, 10, slid), (4, 10, slid)]


def test_post_only_meets_its_own_account_too(desk: Desk) -> None:
    desk.submit(new(1, SELL, 10, 100))
    refused(desk, new(2, BUY, 10, 100, options=POST_ONLY | OLDEST), RejectReason.WOULD_TRADE)


def test_slide_with_no_price_left(desk: Desk) -> None:
    desk.submit(new(1, SELL, 10, 1))
    refused(desk, new(2, BUY, 10, 5, options=SLIDE), RejectReason.WOULD_TRADE)
    desk.submit(cancel(1, 1, 10), new(3, BUY, 10, PRICE_TICKS_MAX))
    refused(desk, new(4, SELL, 10, 5, options=SLIDE), RejectReason.WOULD_TRADE)


# Hidden


def test_hidden_ranks_behind_displayed_at_its_price(desk: Desk) -> None:
    desk.submit(
        *(new(1, SELL, 10, 100, options=HIDDEN), new(2, SELL, 10, 101)),
        *(new(3, SELL, 10, 100), new(4, SELL, 10, 99, options=HIDDEN)),
        new(5, SELL, 10, 100, options=HIDDEN),
    )
    order = [(4, 10, 99), (3, 10, 100), (1, 10, 100), (5, 10, 100), (2, 10, 101)]
    assert desk.queue(SELL) == order
    # Not shown, but traded, at its own price.
    assert desk.book.best(0, SELL) == (100, 10)
    assert desk.book.depth(0, SELL).tolist() == [(100, 1, 10), (101, 1, 10)]
    events = desk.submit(new(9, BUY, 50, 101))
    assert [(one[1], one[2], one[3]) for one in events if one[0] == "gives"] == order
    assert desk.book.best(0, SELL) == (0, 0)


def test_hidden_is_canceled_and_partly_filled(desk: Desk) -> None:
    desk.submit(*(new(n, BUY, 10, 100, options=HIDDEN) for n in (1, 2, 3)))
    assert desk.submit(cancel(2, 2, 10)) == [("cancel", 2, 0)]
    assert desk.submit(new(9, SELL, 14, 100, time_in_force=IMMEDIATE))[-1] == (
        *("gives", 3, 4, 100),
        6,
    )
    assert desk.queue(BUY) == [(3, 6, 100)]
    answer = desk.lines(cancel(3, 3, 1)).view(CANCEL)[0]
    assert (answer["price_ticks"], answer["side"], answer["remaining"]) == (100, BUY, 5)


def test_hidden_orders_of_one_instrument_do_not_touch_the_other(desk: Desk) -> None:
    desk.submit(new(1, SELL, 10, 100, options=HIDDEN, instrument=1))
    assert desk.submit(new(2, BUY, 10, 100)) == [("new", 2, 100)]
    assert desk.submit(new(3, BUY, 10, 100, instrument=1))[1][0] == "takes"


# Reserve


def test_reserve_shows_its_next_part_at_the_back(desk: Desk) -> None:
    desk.submit(reserve(1, SELL, 25, 100, 10), new(2, SELL, 10, 100))
    assert desk.queue(SELL) == [(1, 25, 100), (2, 10, 100)]
    assert desk.book.best(0, SELL) == (100, 20)
    assert desk.submit(new(9, BUY, 32, 100))[1:] == [
        *(("takes", 9, 10, 100, 22), ("gives", 1, 10, 100, 15)),
        ("shows", 1, 10, 15),
        *(("takes", 9, 10, 100, 12), ("gives", 2, 10, 100, 0)),
        *(("takes", 9, 10, 100, 2), ("gives", 1, 10, 100, 5)),
        ("shows", 1, 5, 5),
        *(("takes", 9, 2, 100, 0), ("gives", 1, 2, 100, 3)),
    ]
    assert desk.book.depth(0, SELL).tolist() == [(100, 1, 3)]
    assert desk.submit(new(9, BUY, 3, 100))[-1] == ("gives", 1, 3, 100, 0)
    assert desk.queue(SELL) == []


def test_reserve_line_is_the_resting_order_s(desk: Desk) -> None:
    desk.submit(reserve(1, SELL, 25, 100, 10, topic=7, account=21, firm=22))
    shows = desk.lines(new(9, BUY, 10, 100, topic=8))[3:].view(DTYPES[Template.REPLENISHED])[0]
    assert (shows["topic"], shows["account"], shows["firm"]) == (7, 21, 22)
    assert (shows["time_ns"], shows["checksum"]) == (1_009, 40_009)
    assert (shows["flags"], shows["locate"], shows["side"]) == (Flag.GENERATED, 1, SELL)
    assert shows["price_ticks"] == 100


def test_cancel_takes_off_the_reserve_first(desk: Desk) -> None:
    desk.submit(reserve(1, BUY, 25, 100, 10), new(2, BUY, 5, 100))
    assert desk.submit(cancel(1, 1, 12)) == [("cancel", 1, 13)]
    assert desk.book.best(0, BUY) == (100, 15)
    assert desk.submit(cancel(1, 1, 5)) == [("cancel", 1, 8)]
    assert desk.book.best(0, BUY) == (100, 13)
    refused(desk, cancel(1, 1, 9), RejectReason.INVALID_QUANTITY)
    assert desk.queue(BUY) == [(1, 8, 100), (2, 5, 100)]
    assert desk.submit(cancel(1, 1, 8)) == [("cancel", 1, 0)]


def test_what_is_left_of_a_reserve_order_rests(desk: Desk) -> None:
    desk.submit(new(1, SELL, 12, 100))
    events = desk.submit(reserve(2, BUY, 30, 100, 10))
    assert events[1:] == [("takes", 2, 12, 100, 18), ("gives", 1, 12, 100, 0)]
    assert desk.queue(BUY) == [(2, 18, 100)]
    assert desk.book.best(0, BUY) == (100, 10)


def test_display_of_the_whole_quantity_has_no_reserve(desk: Desk) -> None:
    desk.submit(reserve(1, SELL, 10, 100, 10))
    assert desk.submit(new(9, BUY, 10, 100))[1:] == [
        ("takes", 9, 10, 100, 0),
        ("gives", 1, 10, 100, 0),
    ]


# Self-trade prevention. Orders of `new` have account 11 and firm 12.


def test_self_trade_newest(desk: Desk) -> None:
    desk.submit(new(1, SELL, 10, 100, account=1), new(2, SELL, 10, 100), new(3, SELL, 5, 100))
    assert desk.submit(new(9, BUY, 30, 100, options=NEWEST))[1:] == [
        *(("takes", 9, 10, 100, 20), ("gives", 1, 10, 100, 0)),
        ("canceled", 9, 20, 0, CancelReason.SELF_TRADE),
    ]
    assert desk.queue(SELL) == [(2, 10, 100), (3, 5, 100)]
    assert desk.queue(BUY) == []


def test_self_trade_oldest(desk: Desk) -> None:
    desk.submit(new(1, SELL, 10, 100), new(2, SELL, 10, 100, account=1), new(3, SELL, 9, 101))
    assert desk.submit(new(9, BUY, 15, 101, options=OLDEST))[1:] == [
        ("canceled", 1, 10, 0, CancelReason.SELF_TRADE),
        *(("takes", 9, 10, 100, 5), ("gives", 2, 10, 100, 0)),
        ("canceled", 3, 9, 0, CancelReason.SELF_TRADE),
    ]
    assert desk.queue(BUY) == [(9, 5, 101)]


def test_self_trade_both(desk: Desk) -> None:
    desk.submit(reserve(1, SELL, 20, 100, 5), new(2, SELL, 10, 100))
    lines = desk.lines(new(9, BUY, 15, 101, options=NEWEST | OLDEST, topic=8))
    assert [told(one) for one in lines[1:]] == [
        ("canceled", 9, 15, 0, CancelReason.SELF_TRADE),
        ("canceled", 1, 20, 0, CancelReason.SELF_TRADE),
    ]
    canceled = lines[1:].view(CANCELED)
    assert canceled["topic"].tolist() == [8, 1]
    assert canceled["price_ticks"].tolist() == [101, 100]
    assert desk.queue(SELL) == [(2, 10, 100)]


def test_self_trade_decrement(desk: Desk) -> None:
    desk.submit(reserve(1, SELL, 20, 100, 5), new(2, SELL, 10, 100))
    assert desk.submit(new(9, BUY, 17, 100, options=DECREMENT))[1:] == [
        ("canceled", 9, 17, 0, CancelReason.SELF_TRADE),
        ("canceled", 1, 17, 3, CancelReason.SELF_TRADE),
    ]
    # It kept its place; the reserve went first.
    assert desk.queue(SELL) == [(1, 3, 100), (2, 10, 100)]
    assert desk.submit(new(10, BUY, 15, 100, options=DECREMENT))[1:] == [
        ("canceled", 10, 3, 12, CancelReason.SELF_TRADE),
        ("canceled", 1, 3, 0, CancelReason.SELF_TRADE),
        ("canceled", 10, 10, 2, CancelReason.SELF_TRADE),
        ("canceled", 2, 10, 0, CancelReason.SELF_TRADE),
    ]
    assert desk.queue(BUY) == [(10, 2, 100)]


@pytest.mark.parametrize("option", [NEWEST, OLDEST, DECREMENT])
def test_self_is_the_account_or_the_firm(desk: Desk, option: int) -> None:
    desk.submit(new(1, SELL, 5, 100, account=1), new(2, SELL, 5, 100, firm=1))
    events = desk.submit(new(9, BUY, 5, 100, options=option))
    assert events[1:3] == [("takes", 9, 5, 100, 0), ("gives", 1, 5, 100, 0)]
    desk.submit(new(3, SELL, 5, 99, account=1))
    events = desk.submit(new(9, BUY, 5, 100, options=option | FIRM))
    assert events[1][0] == "canceled"
    assert events[1][-1] == CancelReason.SELF_TRADE


def test_only_the_incoming_order_s_option_counts(desk: Desk) -> None:
    desk.submit(new(1, SELL, 5, 100, options=NEWEST))
    assert desk.submit(new(9, BUY, 5, 100))[1][0] == "takes"


def test_immediate_order_after_self_trade(desk: Desk) -> None:
    desk.submit(new(1, SELL, 5, 100))
    assert desk.submit(new(9, BUY, 8, 100, options=OLDEST, time_in_force=IMMEDIATE))[1:] == [
        ("canceled", 1, 5, 0, CancelReason.SELF_TRADE),
        ("canceled", 9, 8, 0, CancelReason.IMMEDIATE_OR_CANCEL),
    ]


def test_count_without_orders_that_it_is_kept_from(desk: Desk) -> None:
    desk.submit(new(1, SELL, 10, 100, account=1), new(2, SELL, 10, 100))
    desk.submit(new(3, SELL, 10, 100, account=1))
    # SelfTradeOldest goes on behind its own order, the others end the count there.
    kill: dict[str, object] = {"time_in_force": KILL}
    for option in (NEWEST, DECREMENT, NEWEST | OLDEST):
        events = desk.submit(new(9, BUY, 11, 100, options=option, **kill))
        assert events[1:] == [("canceled", 9, 11, 0, CancelReason.FILL_OR_KILL)]
    assert desk.submit(new(9, BUY, 21, 100, options=OLDEST, **kill))[1][0] == "canceled"
    assert desk.submit(new(9, BUY, 20, 100, options=OLDEST, **kill))[-2:] == [
        ("takes", 9, 10, 100, 0),
        ("gives", 3, 10, 100, 0),
    ]


def test_count_knows_that_reserve_comes_in_behind(desk: Desk) -> None:
    """The reserve of an order before one's own would be reached only behind it."""
    desk.submit(reserve(1, SELL, 30, 100, 10, account=1), new(2, SELL, 10, 100))
    desk.submit(reserve(3, SELL, 30, 99, 10, account=1))
    kill: dict[str, object] = {"time_in_force": KILL, "options": NEWEST}
    assert desk.submit(new(9, BUY, 41, 100, **kill))[1:] == [
        ("canceled", 9, 41, 0, CancelReason.FILL_OR_KILL)
    ]
    events = desk.submit(new(9, BUY, 40, 100, **kill))
    assert sum(int(str(one[2])) for one in events if one[0] == "takes") == 40
    assert events[-1] == ("shows", 1, 10, 20)
    # One's own hidden order lies behind all that is displayed.
    desk.submit(cancel(2, 2, 10), new(5, SELL, 10, 100, options=HIDDEN))
    assert desk.submit(new(9, BUY, 21, 100, **kill))[1][0] == "canceled"
    assert desk.submit(new(9, BUY, 20, 100, **kill))[-2:] == [
        ("takes", 9, 10, 100, 0),
        ("gives", 1, 10, 100, 0),
    ]


# Contradictions, and the order of checks


@pytest.mark.parametrize(
    ("options", "force", "fields", "reason"),
    [
        (POST_ONLY | SLIDE, DAY, {}, "InvalidOptions"),
        (POST_ONLY | MARKET, DAY, {}, "InvalidOptions"),
        (SLIDE | MARKET, IMMEDIATE, {}, "InvalidOptions"),
        (POST_ONLY, IMMEDIATE, {}, "InvalidOptions"),
        (POST_ONLY, AT_CLOSE, {}, "InvalidOptions"),
        (SLIDE, KILL, {}, "InvalidOptions"),
        (SLIDE, AT_OPENING, {}, "InvalidOptions"),
        (DECREMENT | NEWEST, DAY, {}, "InvalidOptions"),
        (DECREMENT | OLDEST, DAY, {}, "InvalidOptions"),
        (DECREMENT | NEWEST | OLDEST | FIRM, DAY, {}, "InvalidOptions"),
        (FIRM, DAY, {}, "InvalidOptions"),
        (MARKET, DAY, {}, "InvalidOptions"),
        (MARKET, GOOD_TILL_TIME, {}, "InvalidOptions"),
        (HIDDEN, IMMEDIATE, {}, "InvalidOptions"),
        (HIDDEN, AT_OPENING, {}, "InvalidOptions"),
        (HIDDEN, DAY, {"display_quantity": 5}, "InvalidOptions"),
        (0, DAY, {"auction": IMBALANCE_ONLY}, "InvalidOptions"),
        (0, IMMEDIATE, {"auction": IMBALANCE_ONLY}, "InvalidOptions"),
        (MARKET, AT_OPENING, {"auction": IMBALANCE_ONLY}, "InvalidOptions"),
        (0, AT_OPENING, {"auction": 2}, "InvalidOptions"),
        (0, AT_OPENING, {"auction": 3}, "InvalidOptions"),
        (NEWEST, DAY, {"options": OLDEST}, "InvalidOptions"),
        (0, DAY, {"options": HIDDEN}, "InvalidOptions"),
        (0, DAY, {"display_quantity": 11}, "InvalidDisplay"),
        (0, IMMEDIATE, {"display_quantity": 5}, "InvalidDisplay"),
        (0, AT_CLOSE, {"display_quantity": 5}, "InvalidDisplay"),
        (0, IMMEDIATE, {"minimum_quantity": 11}, "InvalidMinimumQuantity"),
        (0, DAY, {"minimum_quantity": 5}, "InvalidMinimumQuantity"),
        (0, KILL, {"minimum_quantity": 5}, "InvalidMinimumQuantity"),
        # The first of two.
        (FIRM, DAY, {"display_quantity": 11, "minimum_quantity": 11}, "InvalidOptions"),
        (0, DAY, {"display_quantity": 11, "minimum_quantity": 11}, "InvalidDisplay"),
    ],
)
def test_contradictions(
    desk: Desk, options: int, force: int, fields: dict[str, object], reason: str
) -> None:
    message = new(1, BUY, 10, 100, options=options, time_in_force=force)
    words = {
        "InvalidOptions": RejectReason.INVALID_OPTIONS,
        "InvalidDisplay": RejectReason.INVALID_DISPLAY,
        "InvalidMinimumQuantity": RejectReason.INVALID_MINIMUM_QUANTITY,
    }
    refused(desk, with_terms(message, **fields), words[reason])


@pytest.mark.parametrize(
    ("options", "force", "fields"),
    [
        (NEWEST | FIRM, DAY, {}),
        (NEWEST | OLDEST | FIRM, GOOD_TILL_CANCEL, {}),
        (DECREMENT | FIRM | HIDDEN | POST_ONLY, DAY, {}),
        (SLIDE, GOOD_TILL_TIME, {"display_quantity": 10, "expire_time_ns": 7}),
        (MARKET | NEWEST, IMMEDIATE, {"minimum_quantity": 10}),
        (MARKET, AT_CLOSE, {}),
        (DECREMENT, AT_OPENING, {"auction": IMBALANCE_ONLY}),
    ],
)
def test_what_goes_together(
    desk: Desk, options: int, force: int, fields: dict[str, object]
) -> None:
    message = with_terms(new(1, BUY, 10, 100, options=options, time_in_force=force), **fields)
    assert desk.submit(message)[0] == ("new", 1, 100)


def test_checks_are_made_in_their_order() -> None:
    """Everything wrong at once; then, one after the other, the first of it is put right."""
    full, node_full = Desk(orders=1, nodes=5), Desk(orders=2, nodes=5)
    bid: dict[str, object] = {
        **{"instrument": 9, "side": 3, "quantity": 0, "price_ticks": 0},
        **{"time_in_force": 5, "options": POST_ONLY | SLIDE},
    }
    steps: list[tuple[dict[str, object], RejectReason]] = [
        ({}, RejectReason.UNKNOWN_INSTRUMENT),
        ({"instrument": 0}, RejectReason.INVALID_SIDE),
        ({"side": BUY}, RejectReason.INVALID_QUANTITY),
        ({"quantity": 10}, RejectReason.INVALID_PRICE),
        ({"price_ticks": 2**29}, RejectReason.INVALID_TIME_IN_FORCE),
        ({"time_in_force": DAY}, RejectReason.INVALID_OPTIONS),
        ({"options": POST_ONLY}, RejectReason.WOULD_TRADE),
        ({"options": NEWEST}, RejectReason.ORDER_CAPACITY),
    ]
    for desk in (full, node_full):
        desk.submit(new(1, SELL, 10, 100))
        fields = dict(bid)
        for right, reason in steps[: 8 if desk is full else 7]:
            fields |= right
            refused(desk, new(2, 0, 0, 0, **fields), reason)
    fields["options"] = NEWEST
    refused(node_full, new(2, 0, 0, 0, **fields), RejectReason.PRICE_CAPACITY)
    # A hidden price needs nodes of its own; one that slides needs those of where it goes.
    refused(node_full, new(2, SELL, 10, 100, options=HIDDEN), RejectReason.PRICE_CAPACITY)
    assert node_full.submit(new(2, BUY, 10, 2**29, options=SLIDE)) == [("new", 2, 99)]
    full.close()
    node_full.close()


def test_capacity_is_not_asked_for_by_orders_that_cannot_rest() -> None:
    desk = Desk(orders=1, nodes=5)
    desk.submit(new(1, SELL, 10, 100))
    for force in (IMMEDIATE, KILL):
        events = desk.submit(new(2, BUY, 1, 2**29, options=NEWEST, time_in_force=force, account=2))
        assert events[1][0] == "takes"
    # One that waits for a cross needs room for itself, not for its price.
    refused(desk, new(3, BUY, 1, 5, time_in_force=AT_OPENING), RejectReason.ORDER_CAPACITY)
    desk.close()
    desk = Desk(orders=2, nodes=5)
    desk.submit(new(1, SELL, 10, 100), new(2, BUY, 1, 2**29, time_in_force=AT_OPENING))
    assert desk.held() == [(2, 1)]
    desk.close()


# Groups


def test_terms_and_tag_are_said_again(desk: Desk) -> None:
    group = np.concatenate([with_terms(new(1, BUY, 10, 100), display_quantity=4)] * 1)
    group["flags"][1] = Flag.CONTINUED
    tag = line(ORDER_TAG, Template.ORDER_TAG, topic=1, text=b"mine")
    for first, template in ((group, Template.NEW_ORDER), (group.copy(), Template.REJECTED)):
        if template == Template.REJECTED:
            first.view(ORDER_TERMS)["display_quantity"][1] = 11
        answers = desk.lines(np.concatenate([first, tag]))
        assert answers["template_id"].tolist() == [template, 16, 4]
        assert answers[1:].tobytes()[8:] == np.concatenate([first, tag])[1:].tobytes()[8:]
        assert (answers["flags"] & Flag.CONTINUED != 0).tolist() == [True, True, False]
    assert desk.book.best(0, BUY) == (100, 4)


@pytest.mark.parametrize("kind", ["two terms", "tag before terms", "terms", "legs", "two tags"])
def test_lines_that_do_not_belong_there(desk: Desk, kind: str) -> None:
    desk.submit(new(1, BUY, 10, 100))
    terms = line(ORDER_TERMS, Template.ORDER_TERMS, topic=1)
    tag = line(ORDER_TAG, Template.ORDER_TAG, topic=1)
    leg = line(ORDER_TAG, Template.LEG, topic=1)
    # Before any other check: the order's side is wrong too.
    first, behind = {
        "two terms": (new(2, 7, 10, 100), [terms, terms]),
        "tag before terms": (new(2, 7, 10, 100), [tag, terms]),
        "terms": (cancel(1, 1, 5), [terms]),
        "legs": (new(2, 7, 10, 100), [leg]),
        "two tags": (cancel(1, 1, 5), [tag, tag]),
    }[kind]
    group = np.concatenate([first, *behind])
    group["flags"][:-1] |= np.uint8(Flag.CONTINUED)
    before = desk.book.hash()
    answers = desk.lines(group)
    number = int(first.view(NEW_ORDER)["client_order_id"][0])
    assert told(answers[0]) == ("rejected", number, RejectReason.INVALID_PROPOSAL)
    assert answers[1:].tobytes()[8:] == group[1:].tobytes()[8:]
    assert desk.book.hash() == before


def test_a_sink_smaller_than_a_group_is_a_mistake(desk: Desk) -> None:
    group = np.concatenate([with_terms(new(1, BUY, 10, 100)), tagged(new(2, BUY, 1, 1), b"")[1:]])
    group["flags"][1] = Flag.CONTINUED
    with pytest.raises(UsageError):
        desk.book.submit(group, 2)
    assert desk.book.open_orders == 0
    assert len(desk.book.submit(group, 3)) == 3


# Replace


@pytest.mark.parametrize(
    ("quantity", "price", "fields", "kept"),
    [
        (10, 100, {}, True),
        (4, 100, {}, True),
        (11, 100, {}, False),
        (10, 99, {}, False),
        (10, 101, {}, False),
        (4, 100, {"time_in_force": GOOD_TILL_CANCEL}, True),
    ],
)
def test_replace_keeps_or_loses_its_place(
    desk: Desk, quantity: int, price: int, fields: dict[str, object], kept: bool
) -> None:
    desk.submit(new(1, BUY, 10, 100, options=NEWEST), new(2, BUY, 10, 100))
    event = desk.submit(replace(1, 1, 3, quantity, price, **fields))
    assert event == [("kept" if kept else "moved", 3, price)]
    first = (3, quantity, price)
    rest = (2, 10, 100)
    assert desk.queue(BUY) == ([first, rest] if kept or price > 100 else [rest, first])
    # The option stayed; account and firm are new.
    rows = desk.book.walk(0, BUY)
    row = rows[rows["client_order_id"] == 3]
    assert row[["options", "account", "firm"]].tolist() == [(NEWEST, 13, 14)]


@pytest.mark.parametrize(
    ("terms", "kept"),
    [
        ({"options": HIDDEN}, True),
        ({"options": HIDDEN | OLDEST}, True),
        ({"options": 0}, False),
        ({"options": 0, "display_quantity": 5}, False),
    ],
)
def test_replace_of_hidden(desk: Desk, terms: dict[str, object], kept: bool) -> None:
    desk.submit(*(new(n, BUY, 10, 100, options=HIDDEN) for n in (1, 2)))
    assert desk.submit(with_terms(replace(1, 1, 3, 10, 100), **terms))[0][0] == (
        "kept" if kept else "moved"
    )
    # Displayed now, it is before the other.
    assert desk.queue(BUY) == [(3, 10, 100), (2, 10, 100)]
    assert desk.book.best(0, BUY)[0] == (0 if kept else 100)
    assert desk.submit(new(9, SELL, 12, 100))[-1] == ("gives", 2, 2, 100, 8)


def test_replace_without_terms_keeps_hidden(desk: Desk) -> None:
    desk.submit(new(1, BUY, 10, 100, options=HIDDEN), replace(1, 1, 2, 20, 101))
    assert desk.book.best(0, BUY) == (0, 0)
    assert desk.queue(BUY) == [(2, 20, 101)]
    # Hidden does not go with a time in force that does not rest, unless it is given up.
    message = replace(1, 2, 3, 20, 101, time_in_force=IMMEDIATE)
    refused(desk, message, RejectReason.INVALID_OPTIONS)
    assert desk.submit(with_terms(message, minimum_quantity=1)) == [
        ("moved", 3, 101),
        ("canceled", 3, 20, 0, CancelReason.MINIMUM_QUANTITY),
    ]


@pytest.mark.parametrize(
    ("quantity", "terms", "kept", "shown"),
    [
        (30, None, True, 10),
        (20, None, True, 10),
        (6, None, True, 6),
        (31, None, False, 10),
        (6, {"display_quantity": 6}, True, 6),
        (30, {"display_quantity": 10}, True, 10),
        (30, {"display_quantity": 9}, False, 9),
        (30, {"display_quantity": 11}, False, 11),
        (30, {}, False, 30),
        (6, {}, False, 6),
    ],
)
def test_replace_of_reserve(
    desk: Desk, quantity: int, terms: dict[str, object] | None, kept: bool, shown: int
) -> None:
    desk.submit(reserve(1, SELL, 30, 100, 10), new(2, SELL, 5, 100))
    message = replace(1, 1, 3, quantity, 100)
    message = message if terms is None else with_terms(message, **terms)
    assert desk.submit(message) == [("kept" if kept else "moved", 3, 100)]
    order = [(3, quantity, 100), (2, 5, 100)]
    assert desk.queue(SELL) == (order if kept else order[::-1])
    assert desk.book.best(0, SELL) == (100, 5 + shown)


def test_replace_into_a_cross_with_its_options(desk: Desk) -> None:
    desk.submit(new(1, SELL, 10, 105), new(2, BUY, 10, 100, options=OLDEST))
    assert desk.submit(replace(2, 2, 3, 15, 110, account=11)) == [
        ("moved", 3, 110),
        ("canceled", 1, 10, 0, CancelReason.SELF_TRADE),
    ]
    assert desk.queue(BUY) == [(3, 15, 110)]


def test_replace_post_only_and_slide(desk: Desk) -> None:
    desk.submit(new(1, SELL, 10, 105), new(2, BUY, 10, 100, options=POST_ONLY))
    # PostOnly was of its entry only.
    message = replace(2, 2, 3, 10, 110)
    refused(desk, with_terms(message, options=POST_ONLY), RejectReason.WOULD_TRADE)
    assert desk.submit(with_terms(message, options=SLIDE)) == [("moved", 3, 104)]
    # Slid to where it is: it stays there.
    assert desk.submit(
        new(5, BUY, 5, 104), with_terms(replace(2, 3, 4, 9, 120), options=SLIDE)
    ) == [
        ("new", 5, 104),
        ("kept", 4, 104),
    ]
    assert desk.queue(BUY) == [(4, 9, 104), (5, 5, 104)]
    assert desk.submit(replace(2, 4, 6, 10, 110))[1][0] == "takes"


@pytest.mark.parametrize("force", [KILL, AT_OPENING, AT_CLOSE, 5, 200])
def test_replace_to_a_time_in_force_that_it_cannot_have(desk: Desk, force: int) -> None:
    desk.submit(new(1, BUY, 10, 100))
    message = replace(1, 1, 2, 10, 100, time_in_force=force)
    refused(desk, message, RejectReason.INVALID_TIME_IN_FORCE)


def test_checks_of_replace_are_made_in_their_order() -> None:
    desk = Desk(orders=2, nodes=5)
    desk.submit(new(1, SELL, 10, 100), new(2, BUY, 10, 99))
    fields: dict[str, object] = {"instrument": 5, "quantity": 0, "price_ticks": 0}
    fields |= {"time_in_force": 9, "topic": 4}
    steps: list[tuple[dict[str, object], int, RejectReason]] = [
        ({}, FIRM, RejectReason.UNKNOWN_INSTRUMENT),
        ({"instrument": 0}, FIRM, RejectReason.UNKNOWN_ORDER),
        ({"topic": 1}, FIRM, RejectReason.INVALID_QUANTITY),
        ({"quantity": 10}, FIRM, RejectReason.INVALID_PRICE),
        ({"price_ticks": 2**29}, FIRM, RejectReason.INVALID_TIME_IN_FORCE),
        ({"time_in_force": DAY}, FIRM, RejectReason.INVALID_OPTIONS),
        ({}, POST_ONLY, RejectReason.WOULD_TRADE),
        ({}, 0, RejectReason.PRICE_CAPACITY),
    ]
    for right, options, reason in steps:
        fields |= right
        refused(desk, with_terms(replace(2, 2, 3, 0, 0, **fields), options=options), reason)
    # Its own place cannot be full.
    assert desk.submit(replace(2, 2, 3, 10, 99)) == [("kept", 3, 99)]
    desk.close()


# Orders for a cross


@pytest.mark.parametrize("force", [AT_OPENING, AT_CLOSE])
def test_orders_for_a_cross_are_held(desk: Desk, force: TimeInForce) -> None:
    desk.submit(new(1, SELL, 10, 100))
    held: dict[str, object] = {"time_in_force": force}
    lines = desk.lines(new(2, BUY, 10, 200, **held), new(3, SELL, 5, 1, options=MARKET, **held))
    assert lines.view(NEW_ORDER)["locate"].tolist() == [2, 3]
    assert desk.held() == [(2, 10), (3, 5)]
    rows = desk.book.walk_held(0)
    assert rows["time_in_force"].tolist() == [force, force]
    assert rows["options"].tolist() == [0, MARKET]
    # Nobody trades with them.
    assert desk.submit(new(4, BUY, 10, 99), new(5, SELL, 10, 101)) == [
        ("new", 4, 99),
        ("new", 5, 101),
    ]
    assert desk.book.open_orders == 5
    assert desk.submit(cancel(2, 2, 4)) == [("cancel", 2, 6)]
    answer = desk.lines(cancel(3, 3, 5)).view(CANCEL)[0]
    assert (answer["price_ticks"], answer["side"], answer["remaining"]) == (1, SELL, 0)
    assert desk.held() == [(2, 6)]


def test_replace_of_held_orders(desk: Desk) -> None:
    held: dict[str, object] = {"time_in_force": AT_CLOSE}
    desk.submit(*(new(n, BUY, 10, 100, **held) for n in (1, 2, 3)))
    for force in (DAY, IMMEDIATE, AT_OPENING):
        message = replace(1, 1, 4, 10, 100, time_in_force=force)
        refused(desk, message, RejectReason.INVALID_TIME_IN_FORCE)
    assert desk.submit(replace(1, 1, 4, 5, 100, **held)) == [("kept", 4, 100)]
    assert desk.held() == [(4, 5), (2, 10), (3, 10)]
    assert desk.submit(replace(1, 4, 5, 5, 101, **held)) == [("moved", 5, 101)]
    assert desk.held() == [(2, 10), (3, 10), (5, 5)]
    message = with_terms(replace(2, 2, 6, 10, 100, **held), auction=IMBALANCE_ONLY)
    assert desk.submit(message) == [("moved", 6, 100)]
    # ImbalanceOnly stays until it is taken back.
    assert desk.submit(replace(2, 6, 7, 9, 100, **held)) == [("kept", 7, 100)]
    assert desk.submit(with_terms(replace(2, 7, 8, 9, 100, **held))) == [("moved", 8, 100)]
    message = with_terms(replace(3, 3, 9, 10, 100, **held), options=MARKET)
    assert desk.submit(message) == [("moved", 9, 100)]
    assert desk.held() == [(5, 5), (8, 9), (9, 10)]


# What a book says of itself


def test_changes_count_what_an_auction_has_to_have_seen(desk: Desk) -> None:
    def changes_by(*messages: Line) -> int:
        before = desk.book.changes(0)
        desk.submit(*messages)
        return desk.book.changes(0) - before

    assert desk.book.changes(0) == desk.book.changes(1) == 0
    assert changes_by(new(1, SELL, 10, 100)) == 1
    assert changes_by(new(2, SELL, 0, 100), cancel(7, 7, 1)) == 0
    assert changes_by(cancel(1, 1, 1), replace(1, 1, 3, 8, 100), replace(1, 3, 4, 9, 101)) == 3
    assert changes_by(new(5, BUY, 4, 101)) == 3
    assert changes_by(new(6, BUY, 9, 101, time_in_force=IMMEDIATE)) == 4
    assert changes_by(reserve(7, SELL, 20, 100, 5)) == 1
    assert changes_by(new(8, BUY, 20, 100)) == 1 + 4 * 2
    assert changes_by(new(9, BUY, 5, 90), new(10, SELL, 5, 90, options=DECREMENT)) == 4
    assert desk.book.changes(1) == 0
    assert desk.book.state(0) == InstrumentState.CONTINUOUS


def test_depth(desk: Desk) -> None:
    for n in range(1, 7):
        desk.submit(new(n, BUY, n, 100 - n // 2), new(10 + n, SELL, n, 200 + n // 2))
    desk.submit(reserve(20, BUY, 50, 98, 5), new(21, BUY, 50, 98, options=HIDDEN))
    desk.submit(new(22, BUY, 9, 150, options=HIDDEN))
    bids = [(100, 1, 1), (99, 2, 5), (98, 3, 14), (97, 1, 6)]
    assert desk.book.depth(0, BUY).tolist() == bids
    assert desk.book.depth(0, BUY, 2).tolist() == bids[:2]
    assert desk.book.depth(0, BUY, 0).tolist() == []
    assert [row[0] for row in desk.book.depth(0, SELL).tolist()] == [200, 201, 202, 203]
    assert desk.book.depth(1, SELL).tolist() == []
    with pytest.raises(UsageError):
        desk.book.depth(0, BUY, -1)
    with pytest.raises(UsageError):
        desk.book.depth(0, 0)
    for question in (desk.book.walk_held, desk.book.state, desk.book.changes):
        with pytest.raises(NotFoundError):
            question(2)
    with pytest.raises(NotFoundError):
        desk.book.depth(2, BUY)


def test_hash_tells_what_answers_would_tell(desk: Desk) -> None:
    def hash_of(*messages: Line) -> int:
        with Book(1, 10, 50) as book:
            book.submit(np.concatenate(messages))
            return book.hash()

    plain = new(1, BUY, 10, 100)
    variants = [
        plain,
        new(1, BUY, 10, 100, options=HIDDEN),
        new(1, BUY, 10, 100, options=NEWEST),
        reserve(1, BUY, 10, 100, 4),
        reserve(1, BUY, 10, 100, 5),
        new(1, BUY, 10, 100, time_in_force=AT_OPENING),
        new(1, BUY, 10, 100, time_in_force=AT_CLOSE),
        with_terms(new(1, BUY, 10, 100, time_in_force=AT_CLOSE), auction=IMBALANCE_ONLY),
        np.concatenate([plain, cancel(1, 1, 10), plain]),
    ]
    assert len({hash_of(one) for one in variants}) == len(variants)
    # What only the entry needed is forgotten.
    assert hash_of(plain) == hash_of(new(1, BUY, 10, 100, options=POST_ONLY))
    assert hash_of(plain) == hash_of(new(1, BUY, 10, 100, time_in_force=GOOD_TILL_CANCEL))


def test_executed_lines_name_all_that_is_open(desk: Desk) -> None:
    desk.submit(reserve(1, SELL, 30, 100, 10))
    lines = desk.lines(new(2, BUY, 4, 100))[1:].view(EXECUTED)
    assert lines["remaining"].tolist() == [0, 26]
    assert lines["quantity"].tolist() == [4, 4]


def test_ten_thousand_instruments_fit(desk: Desk) -> None:
    """10,000 instruments with everything take at most 100 MB, an order at most 64 bytes."""
    orders, nodes = 200_000, 100_000
    with Book(10_000, orders, nodes) as book, Book(10_000, 2 * orders, nodes) as twice:
        assert book.size_bytes <= 100_000_000
        assert (twice.size_bytes - book.size_bytes) / orders <= 64
