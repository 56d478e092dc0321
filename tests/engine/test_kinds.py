"""One test for each rule of engine/README.md about kinds of orders, with its answer written out."""

from __future__ import annotations

import pytest

from ringbus.messages import (
    CANCEL,
    CANCELED,
    DTYPES,
    CancelReason,
    Flag,
    Liquidity,
    RejectReason,
    Side,
    Template,
    TimeInForce,
)
from tests.engine.oracle import PRICE_TICKS_MAX
from tests.engine.pair import (
    BUY,
    DECREMENT,
    FIRM,
    HIDDEN,
    IMMEDIATE,
    KILL,
    MARKET,
    NEWEST,
    OLDEST,
    POST_ONLY,
    RESTING,
    SELL,
    SLIDE,
    Pair,
    refused,
    reserve,
    told,
    with_terms,
)
from tests.engine.test_book import cancel, new

# Times in force


@pytest.mark.parametrize("force", RESTING)
def test_times_in_force_that_rest(pair: Pair, force: TimeInForce) -> None:
    pair.submit(new(1, SELL, 10, 100, time_in_force=force))
    assert pair.submit(new(2, BUY, 15, 100, time_in_force=force)) == [
        ("new", 2, 100),
        ("takes", 2, 10, 100, 5),
        ("gives", 1, 10, 100, 0),
    ]
    assert pair.queue(BUY) == [(2, 5, 100)]


@pytest.mark.parametrize("force", [5, 8, 32, 33, 64, 255])
def test_time_in_force_that_has_no_name(pair: Pair, force: int) -> None:
    refused(pair, new(1, BUY, 10, 100, time_in_force=force), RejectReason.INVALID_TIME_IN_FORCE)


@pytest.mark.parametrize(("quantity", "fills"), [(25, True), (30, True), (31, False)])
def test_fill_or_kill(pair: Pair, quantity: int, fills: bool) -> None:
    pair.submit(new(1, SELL, 10, 100), new(2, SELL, 20, 101), new(3, SELL, 50, 102))
    before = pair.queue(SELL)
    events = pair.submit(new(9, BUY, quantity, 101, time_in_force=KILL))
    if fills:
        assert [one[:3] for one in events if one[0] == "takes"] == [
            ("takes", 9, 10),
            ("takes", 9, quantity - 10),
        ]
        assert events[-2][4] == 0
    else:
        canceled = ("canceled", 9, quantity, 0, CancelReason.FILL_OR_KILL)
        assert events == [("new", 9, 101), canceled]
        assert pair.queue(SELL) == before


def test_fill_or_kill_counts_hidden_and_reserve(pair: Pair) -> None:
    pair.submit(reserve(1, SELL, 40, 100, 10), new(2, SELL, 7, 100, options=HIDDEN))
    pair.submit(new(3, SELL, 3, 101, options=HIDDEN))
    killed = ("canceled", 9, 51, 0, CancelReason.FILL_OR_KILL)
    assert pair.submit(new(9, BUY, 51, 101, time_in_force=KILL))[1:] == [killed]
    events = pair.submit(new(9, BUY, 50, 101, time_in_force=KILL))
    assert [one[1:3] for one in events if one[0] == "gives"] == [
        *[(1, 10)] * 4,
        (2, 7),
        (3, 3),
    ]
    assert pair.queue(SELL) == []


def test_minimum_quantity(pair: Pair) -> None:
    pair.submit(new(1, SELL, 10, 100))
    wanted = new(2, BUY, 30, 100, time_in_force=IMMEDIATE)
    assert pair.submit(with_terms(wanted, minimum_quantity=11)) == [
        ("new", 2, 100),
        ("canceled", 2, 30, 0, CancelReason.MINIMUM_QUANTITY),
    ]
    assert pair.submit(with_terms(wanted, minimum_quantity=10))[1:] == [
        ("takes", 2, 10, 100, 20),
        ("gives", 1, 10, 100, 0),
        ("canceled", 2, 20, 0, CancelReason.IMMEDIATE_OR_CANCEL),
    ]


def test_count_goes_no_further_than_the_limit(pair: Pair) -> None:
    pair.submit(new(1, BUY, 10, 100), new(2, BUY, 10, 99, options=HIDDEN), new(3, BUY, 9, 98))
    assert pair.submit(new(9, SELL, 21, 99, time_in_force=KILL))[1][0] == "canceled"
    assert len(pair.submit(new(9, SELL, 20, 99, time_in_force=KILL))) == 5
    assert pair.queue(BUY) == [(3, 9, 98)]


# Market


@pytest.mark.parametrize("force", [IMMEDIATE, KILL])
def test_market_order_stops_at_its_collar(pair: Pair, force: TimeInForce) -> None:
    pair.submit(new(1, SELL, 10, 100), new(2, SELL, 10, 105))
    events = pair.submit(new(9, BUY, 15, 104, options=MARKET, time_in_force=force))
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
    pair: Pair, hidden: int, side: Side, best: int, slid: int
) -> None:
    other = SELL if side == BUY else BUY
    pair.submit(new(1, other, 10, best, options=hidden))
    for price in (best, best + (5 if side == BUY else -5)):
        refused(pair, new(2, side, 10, price, options=POST_ONLY), RejectReason.WOULD_TRADE)
    assert pair.submit(new(2, side, 10, slid, options=POST_ONLY)) == [("new", 2, slid)]
    assert pair.submit(new(3, side, 10, best, options=SLIDE)) == [("new", 3, slid)]
    assert pair.submit(new(4, side, 10, 100, options=SLIDE | HIDDEN)) == [("new", 4, slid)]
    assert pair.queue(side) == [(2, 10, slid), (3, 10, slid), (4, 10, slid)]


def test_post_only_meets_its_own_account_too(pair: Pair) -> None:
    pair.submit(new(1, SELL, 10, 100))
    refused(pair, new(2, BUY, 10, 100, options=POST_ONLY | OLDEST), RejectReason.WOULD_TRADE)


def test_slide_with_no_price_left(pair: Pair) -> None:
    pair.submit(new(1, SELL, 10, 1))
    refused(pair, new(2, BUY, 10, 5, options=SLIDE), RejectReason.WOULD_TRADE)
    pair.submit(cancel(1, 1, 10), new(3, BUY, 10, PRICE_TICKS_MAX))
    refused(pair, new(4, SELL, 10, 5, options=SLIDE), RejectReason.WOULD_TRADE)


# Hidden


def test_hidden_ranks_behind_displayed_at_its_price(pair: Pair) -> None:
    pair.submit(
        *(new(1, SELL, 10, 100, options=HIDDEN), new(2, SELL, 10, 101)),
        *(new(3, SELL, 10, 100), new(4, SELL, 10, 99, options=HIDDEN)),
        new(5, SELL, 10, 100, options=HIDDEN),
    )
    order = [(4, 10, 99), (3, 10, 100), (1, 10, 100), (5, 10, 100), (2, 10, 101)]
    assert pair.queue(SELL) == order
    # Not shown, but traded, at its own price.
    assert pair.book.best(0, SELL) == (100, 10)
    assert pair.book.depth(0, SELL).tolist() == [(100, 1, 10), (101, 1, 10)]
    events = pair.submit(new(9, BUY, 50, 101))
    assert [(one[1], one[2], one[3]) for one in events if one[0] == "gives"] == order
    assert pair.book.best(0, SELL) == (0, 0)


def test_hidden_is_canceled_and_partly_filled(pair: Pair) -> None:
    pair.submit(*(new(n, BUY, 10, 100, options=HIDDEN) for n in (1, 2, 3)))
    assert pair.submit(cancel(2, 2, 10)) == [("cancel", 2, 0)]
    assert pair.submit(new(9, SELL, 14, 100, time_in_force=IMMEDIATE))[-1] == (
        *("gives", 3, 4, 100),
        6,
    )
    assert pair.queue(BUY) == [(3, 6, 100)]
    answer = pair.lines(cancel(3, 3, 1)).view(CANCEL)[0]
    assert (answer["price_ticks"], answer["side"], answer["remaining"]) == (100, BUY, 5)


def test_hidden_orders_of_one_instrument_do_not_touch_the_other(pair: Pair) -> None:
    pair.submit(new(1, SELL, 10, 100, options=HIDDEN, instrument=1))
    assert pair.submit(new(2, BUY, 10, 100)) == [("new", 2, 100)]
    assert pair.submit(new(3, BUY, 10, 100, instrument=1))[1][0] == "takes"


# Reserve


def test_reserve_shows_its_next_part_at_the_back(pair: Pair) -> None:
    pair.submit(reserve(1, SELL, 25, 100, 10), new(2, SELL, 10, 100))
    assert pair.queue(SELL) == [(1, 25, 100), (2, 10, 100)]
    assert pair.book.best(0, SELL) == (100, 20)
    assert pair.submit(new(9, BUY, 32, 100))[1:] == [
        *(("takes", 9, 10, 100, 22), ("gives", 1, 10, 100, 15)),
        ("shows", 1, 10, 15),
        *(("takes", 9, 10, 100, 12), ("gives", 2, 10, 100, 0)),
        *(("takes", 9, 10, 100, 2), ("gives", 1, 10, 100, 5)),
        ("shows", 1, 5, 5),
        *(("takes", 9, 2, 100, 0), ("gives", 1, 2, 100, 3)),
    ]
    assert pair.book.depth(0, SELL).tolist() == [(100, 1, 3)]
    assert pair.submit(new(9, BUY, 3, 100))[-1] == ("gives", 1, 3, 100, 0)
    assert pair.queue(SELL) == []


def test_reserve_line_is_the_resting_order_s(pair: Pair) -> None:
    pair.submit(reserve(1, SELL, 25, 100, 10, topic=7, account=21, firm=22))
    shows = pair.lines(new(9, BUY, 10, 100, topic=8))[3:].view(DTYPES[Template.REPLENISHED])[0]
    assert (shows["topic"], shows["account"], shows["firm"]) == (7, 21, 22)
    assert (shows["time_ns"], shows["checksum"]) == (1_009, 40_009)
    assert (shows["flags"], shows["locate"], shows["side"]) == (Flag.GENERATED, 1, SELL)
    assert shows["price_ticks"] == 100


def test_cancel_takes_off_the_reserve_first(pair: Pair) -> None:
    pair.submit(reserve(1, BUY, 25, 100, 10), new(2, BUY, 5, 100))
    assert pair.submit(cancel(1, 1, 12)) == [("cancel", 1, 13)]
    assert pair.book.best(0, BUY) == (100, 15)
    assert pair.submit(cancel(1, 1, 5)) == [("cancel", 1, 8)]
    assert pair.book.best(0, BUY) == (100, 13)
    refused(pair, cancel(1, 1, 9), RejectReason.INVALID_QUANTITY)
    assert pair.queue(BUY) == [(1, 8, 100), (2, 5, 100)]
    assert pair.submit(cancel(1, 1, 8)) == [("cancel", 1, 0)]


def test_what_is_left_of_a_reserve_order_rests(pair: Pair) -> None:
    pair.submit(new(1, SELL, 12, 100))
    events = pair.submit(reserve(2, BUY, 30, 100, 10))
    assert events[1:] == [("takes", 2, 12, 100, 18), ("gives", 1, 12, 100, 0)]
    assert pair.queue(BUY) == [(2, 18, 100)]
    assert pair.book.best(0, BUY) == (100, 10)


def test_display_of_the_whole_quantity_has_no_reserve(pair: Pair) -> None:
    pair.submit(reserve(1, SELL, 10, 100, 10))
    assert pair.submit(new(9, BUY, 10, 100))[1:] == [
        ("takes", 9, 10, 100, 0),
        ("gives", 1, 10, 100, 0),
    ]


# Self-trade prevention. Orders of `new` have account 11 and firm 12.


def test_self_trade_newest(pair: Pair) -> None:
    pair.submit(new(1, SELL, 10, 100, account=1), new(2, SELL, 10, 100), new(3, SELL, 5, 100))
    assert pair.submit(new(9, BUY, 30, 100, options=NEWEST))[1:] == [
        *(("takes", 9, 10, 100, 20), ("gives", 1, 10, 100, 0)),
        ("canceled", 9, 20, 0, CancelReason.SELF_TRADE),
    ]
    assert pair.queue(SELL) == [(2, 10, 100), (3, 5, 100)]
    assert pair.queue(BUY) == []


def test_self_trade_oldest(pair: Pair) -> None:
    pair.submit(new(1, SELL, 10, 100), new(2, SELL, 10, 100, account=1), new(3, SELL, 9, 101))
    assert pair.submit(new(9, BUY, 15, 101, options=OLDEST))[1:] == [
        ("canceled", 1, 10, 0, CancelReason.SELF_TRADE),
        *(("takes", 9, 10, 100, 5), ("gives", 2, 10, 100, 0)),
        ("canceled", 3, 9, 0, CancelReason.SELF_TRADE),
    ]
    assert pair.queue(BUY) == [(9, 5, 101)]


def test_self_trade_both(pair: Pair) -> None:
    pair.submit(reserve(1, SELL, 20, 100, 5), new(2, SELL, 10, 100))
    lines = pair.lines(new(9, BUY, 15, 101, options=NEWEST | OLDEST, topic=8))
    assert [told(one) for one in lines[1:]] == [
        ("canceled", 9, 15, 0, CancelReason.SELF_TRADE),
        ("canceled", 1, 20, 0, CancelReason.SELF_TRADE),
    ]
    canceled = lines[1:].view(CANCELED)
    assert canceled["topic"].tolist() == [8, 1]
    # The price that the trade would have had, and which side it was.
    assert canceled["price_ticks"].tolist() == [100, 100]
    assert canceled["liquidity"].tolist() == [Liquidity.REMOVED, Liquidity.ADDED]
    assert pair.queue(SELL) == [(2, 10, 100)]


def test_self_trade_decrement(pair: Pair) -> None:
    pair.submit(reserve(1, SELL, 20, 100, 5), new(2, SELL, 10, 100))
    assert pair.submit(new(9, BUY, 17, 100, options=DECREMENT))[1:] == [
        ("canceled", 9, 17, 0, CancelReason.SELF_TRADE),
        ("canceled", 1, 17, 3, CancelReason.SELF_TRADE),
    ]
    # It kept its place; the reserve went first.
    assert pair.queue(SELL) == [(1, 3, 100), (2, 10, 100)]
    assert pair.submit(new(10, BUY, 15, 100, options=DECREMENT))[1:] == [
        ("canceled", 10, 3, 12, CancelReason.SELF_TRADE),
        ("canceled", 1, 3, 0, CancelReason.SELF_TRADE),
        ("canceled", 10, 10, 2, CancelReason.SELF_TRADE),
        ("canceled", 2, 10, 0, CancelReason.SELF_TRADE),
    ]
    assert pair.queue(BUY) == [(10, 2, 100)]


@pytest.mark.parametrize("option", [NEWEST, OLDEST, DECREMENT])
def test_self_is_the_account_or_the_firm(pair: Pair, option: int) -> None:
    pair.submit(new(1, SELL, 5, 100, account=1), new(2, SELL, 5, 100, firm=1))
    events = pair.submit(new(9, BUY, 5, 100, options=option))
    assert events[1:3] == [("takes", 9, 5, 100, 0), ("gives", 1, 5, 100, 0)]
    pair.submit(new(3, SELL, 5, 99, account=1))
    events = pair.submit(new(9, BUY, 5, 100, options=option | FIRM))
    assert events[1][0] == "canceled"
    assert events[1][-1] == CancelReason.SELF_TRADE


def test_only_the_incoming_order_s_option_counts(pair: Pair) -> None:
    pair.submit(new(1, SELL, 5, 100, options=NEWEST))
    assert pair.submit(new(9, BUY, 5, 100))[1][0] == "takes"


def test_immediate_order_after_self_trade(pair: Pair) -> None:
    pair.submit(new(1, SELL, 5, 100))
    assert pair.submit(new(9, BUY, 8, 100, options=OLDEST, time_in_force=IMMEDIATE))[1:] == [
        ("canceled", 1, 5, 0, CancelReason.SELF_TRADE),
        ("canceled", 9, 8, 0, CancelReason.IMMEDIATE_OR_CANCEL),
    ]


def test_count_without_orders_that_it_is_kept_from(pair: Pair) -> None:
    pair.submit(new(1, SELL, 10, 100, account=1), new(2, SELL, 10, 100))
    pair.submit(new(3, SELL, 10, 100, account=1))
    # SelfTradeOldest goes on behind its own order, the others end the count there.
    kill: dict[str, object] = {"time_in_force": KILL}
    for option in (NEWEST, DECREMENT, NEWEST | OLDEST):
        events = pair.submit(new(9, BUY, 11, 100, options=option, **kill))
        assert events[1:] == [("canceled", 9, 11, 0, CancelReason.FILL_OR_KILL)]
    assert pair.submit(new(9, BUY, 21, 100, options=OLDEST, **kill))[1][0] == "canceled"
    assert pair.submit(new(9, BUY, 20, 100, options=OLDEST, **kill))[-2:] == [
        ("takes", 9, 10, 100, 0),
        ("gives", 3, 10, 100, 0),
    ]


def test_count_knows_that_reserve_comes_in_behind(pair: Pair) -> None:
    """The reserve of an order before one's own would be reached only behind it."""
    pair.submit(reserve(1, SELL, 30, 100, 10, account=1), new(2, SELL, 10, 100))
    pair.submit(reserve(3, SELL, 30, 99, 10, account=1))
    kill: dict[str, object] = {"time_in_force": KILL, "options": NEWEST}
    assert pair.submit(new(9, BUY, 41, 100, **kill))[1:] == [
        ("canceled", 9, 41, 0, CancelReason.FILL_OR_KILL)
    ]
    events = pair.submit(new(9, BUY, 40, 100, **kill))
    assert sum(int(str(one[2])) for one in events if one[0] == "takes") == 40
    assert events[-1] == ("shows", 1, 10, 20)
    # One's own hidden order lies behind all that is displayed.
    pair.submit(cancel(2, 2, 10), new(5, SELL, 10, 100, options=HIDDEN))
    assert pair.submit(new(9, BUY, 21, 100, **kill))[1][0] == "canceled"
    assert pair.submit(new(9, BUY, 20, 100, **kill))[-2:] == [
        ("takes", 9, 10, 100, 0),
        ("gives", 1, 10, 100, 0),
    ]
