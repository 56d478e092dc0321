"""States of instruments, held orders and crosses: one test for each rule of engine/README.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ringbus.messages import (
    CANCEL,
    ORDER_TERMS,
    REPLACE,
    AuctionOption,
    CrossType,
    MassCancelScope,
    OrderOption,
    Template,
    TimeInForce,
)
from tests.engine.proposals import (
    AT_CLOSE,
    AT_OPENING,
    AUCTION,
    BUY,
    CLOSED,
    CONTINUOUS,
    HALTED,
    HIDDEN,
    MARKET,
    SELL,
    Desk,
    Event,
    command,
    cross,
    group,
    mass_cancel,
    order,
    tagged,
)
from tests.engine.trader import Lines, lines

IMBALANCE_ONLY = AuctionOption.IMBALANCE_ONLY
TO_AUCTION: list[Event] = [("COMMAND",), ("state", CONTINUOUS, AUCTION)]


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


def cancel(number: int, locate: int, quantity: int) -> Lines:
    fields = {"client_order_id": number, "locate": locate, "quantity": quantity, "topic": 1}
    return lines(CANCEL, Template.CANCEL, **fields)


def replace(number: int, locate: int, new: int, quantity: int, price: int, **more: int) -> Lines:
    fields = {"original_client_order_id": number, "client_order_id": new, "locate": locate}
    fields |= {"quantity": quantity, "price_ticks": price, "topic": 1}
    return lines(REPLACE, Template.REPLACE, **(fields | more))


# States


def test_a_change_of_state_is_said(desk: Desk) -> None:
    assert desk.say(command(HALTED)) == [("COMMAND",), ("state", CONTINUOUS, HALTED)]
    answer = desk.say(tagged(command(CONTINUOUS), b"news is out"))
    assert answer == [("COMMAND",), ("ORDER_TAG",), ("state", HALTED, CONTINUOUS)]
    changed = desk.said[-1][2]
    assert (changed["topic"], changed["publisher"]) == (9, 0)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (command(CONTINUOUS), "INSTRUMENT_STATE"),
        (command(0), "INSTRUMENT_STATE"),
        (command(6), "INSTRUMENT_STATE"),
        (command(HALTED, instrument=2), "UNKNOWN_INSTRUMENT"),
        (command(HALTED, kind=2), "INVALID_PROPOSAL"),
        (group(command(HALTED), lines(ORDER_TERMS, Template.ORDER_TERMS)), "INVALID_PROPOSAL"),
    ],
)
def test_commands_that_are_refused(desk: Desk, wrong: Lines, reason: str) -> None:
    assert desk.say(wrong)[0] == ("rejected", reason)
    assert desk.say(command(HALTED))[0] == ("COMMAND",)


@pytest.mark.parametrize("state", [HALTED, CLOSED])
def test_only_cancels_are_taken_in_a_halt(desk: Desk, state: int) -> None:
    desk.say(order(1, BUY, 10, 100), order(2, BUY, 10, 100), command(state))
    assert desk.say(order(3, BUY, 1, 1)) == [("rejected", "INSTRUMENT_STATE")]
    assert desk.say(order(4, BUY, 1, 1, time_in_force=AT_CLOSE)) == [
        ("rejected", "INSTRUMENT_STATE")
    ]
    assert desk.say(replace(1, 1, 5, 5, 100)) == [("rejected", "INSTRUMENT_STATE")]
    assert desk.say(cancel(1, 1, 10)) == [("CANCEL", 1)]
    assert desk.drain() == [2]


def test_a_halt_may_end_in_a_cross(desk: Desk) -> None:
    """What was halted while it rested, and what was held then, take part."""
    desk.say(command(AUCTION), order(1, BUY, 10, 101), order(2, SELL, 4, 100), command(HALTED))
    assert desk.cross(100, 4) == [
        *(("CROSS_RESULT",), ("buys", 1, 4, 100, 6), ("sells", 2, 4, 100, 0)),
        ("state", HALTED, CONTINUOUS),
    ]
    desk.say(order(3, SELL, 3, 102), command(HALTED))
    assert desk.cross(0, 0) == [("CROSS_RESULT",), ("state", HALTED, CONTINUOUS)]
    assert desk.book.best(0, BUY) == (101, 6)
    assert desk.book.best(0, SELL) == (102, 3)


def test_what_is_closed_is_not_crossed(desk: Desk) -> None:
    desk.say(order(1, BUY, 10, 100), command(CLOSED))
    assert desk.cross(100, 0) == [("rejected", "INSTRUMENT_STATE")]


def test_a_halt_moves_nothing(desk: Desk) -> None:
    desk.say(order(1, BUY, 10, 100), order(2, SELL, 10, 101), command(HALTED))
    assert desk.book.best(0, BUY) == (100, 10)
    assert desk.say(command(CONTINUOUS))[1:] == [("state", HALTED, CONTINUOUS)]
    assert desk.say(order(3, SELL, 4, 100))[1:] == [("sells", 3, 4, 100, 0), ("buys", 1, 4, 100, 6)]


def test_other_instruments_go_on(desk: Desk) -> None:
    desk.say(command(HALTED), order(1, SELL, 10, 100, instrument=1))
    assert desk.say(order(2, BUY, 10, 100, instrument=1))[1:] == [
        ("buys", 2, 10, 100, 0),
        ("sells", 1, 10, 100, 0),
    ]


# Held orders


def test_nothing_trades_in_an_auction(desk: Desk) -> None:
    assert desk.say(command(AUCTION)) == TO_AUCTION
    assert desk.say(order(1, BUY, 10, 105), order(2, SELL, 10, 95)) == [("NEW_ORDER", 2)]
    assert desk.book.best(0, BUY) == desk.book.best(0, SELL) == (0, 0)
    assert desk.book.open_orders == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL},
        {"time_in_force": TimeInForce.FILL_OR_KILL},
        {"options": OrderOption.POST_ONLY},
        {"options": OrderOption.SLIDE},
    ],
)
def test_what_an_auction_does_not_take(desk: Desk, fields: dict[str, int]) -> None:
    desk.say(command(AUCTION))
    assert desk.say(order(1, BUY, 1, 1, **fields)) == [("rejected", "INSTRUMENT_STATE")]


def test_resting_orders_are_held_by_side_and_priority_behind_what_is_held(desk: Desk) -> None:
    desk.say(
        *(order(1, BUY, 1, 90, HIDDEN), order(2, SELL, 1, 110), order(3, BUY, 1, 91)),
        *(order(4, SELL, 1, 109, HIDDEN), order(5, BUY, 1, 92), order(6, SELL, 1, 108)),
        *(order(7, BUY, 1, 91), order(8, BUY, 1, 80, time_in_force=AT_OPENING)),
        *(command(AUCTION), order(9, BUY, 1, 99)),
    )
    assert desk.drain() == [8, 5, 3, 7, 6, 2, 1, 4, 9]


def test_held_orders_are_released_in_the_order_in_which_they_were_held(desk: Desk) -> None:
    desk.say(command(AUCTION), order(1, SELL, 10, 100), order(2, SELL, 10, 99))
    desk.say(order(3, BUY, 15, 100))
    assert desk.say(command(CONTINUOUS)) == [
        *(("COMMAND",), ("state", AUCTION, CONTINUOUS)),
        *(("buys", 3, 10, 99, 5), ("sells", 2, 10, 99, 0)),
        *(("buys", 3, 5, 100, 0), ("sells", 1, 5, 100, 5)),
    ]
    assert desk.drain() == [1]


def test_a_released_order_takes_what_rests_whatever_its_age(desk: Desk) -> None:
    """The older of two held orders rests first, so the younger one is the incoming side."""
    desk.say(command(AUCTION), order(1, BUY, 10, 105), order(2, SELL, 10, 95))
    assert desk.say(command(CONTINUOUS))[2:] == [("sells", 2, 10, 105, 0), ("buys", 1, 10, 105, 0)]


def test_orders_for_a_cross_stay_held(desk: Desk) -> None:
    desk.say(order(1, BUY, 10, 100, time_in_force=AT_CLOSE), order(2, SELL, 10, 100))
    assert desk.book.best(0, BUY) == (0, 0)
    desk.say(command(AUCTION))
    assert desk.say(command(CONTINUOUS)) == [("COMMAND",), ("state", AUCTION, CONTINUOUS)]
    assert desk.book.best(0, SELL) == (100, 10)
    assert desk.drain() == [2, 1]


def test_an_auction_may_end_in_a_halt_and_go_on_afterwards(desk: Desk) -> None:
    desk.say(order(1, BUY, 10, 100), command(AUCTION), command(HALTED))
    assert desk.book.best(0, BUY) == (0, 0)
    assert desk.say(cancel(1, 1, 4)) == [("CANCEL", 1)]
    desk.say(command(AUCTION), command(CLOSED))
    desk.say(command(CONTINUOUS))
    assert desk.book.best(0, BUY) == (100, 6)


def test_self_trade_prevention_counts_at_release(desk: Desk) -> None:
    desk.say(command(AUCTION), order(1, SELL, 10, 100, account=5))
    desk.say(order(2, BUY, 10, 100, OrderOption.SELF_TRADE_NEWEST, account=5))
    assert desk.say(command(CONTINUOUS))[2:] == [("canceled", 2, 10, "SELF_TRADE")]
    assert desk.drain() == [1]


def test_a_reserve_order_is_held_whole_and_shows_a_part_when_it_rests_again(desk: Desk) -> None:
    desk.say(order(1, SELL, 100, 50, display=10), order(2, BUY, 15, 50))
    assert desk.book.best(0, SELL) == (50, 5)
    desk.say(command(AUCTION))
    assert desk.say(cancel(1, 1, 20)) == [("CANCEL", 1)]
    desk.say(command(CONTINUOUS))
    assert desk.book.best(0, SELL) == (50, 10)
    assert desk.say(mass_cancel())[1:] == [("canceled", 1, 65, "SUPERVISORY")]


def test_without_room_for_its_price_a_released_order_is_canceled() -> None:
    desk = Desk(instruments=2, orders=20, nodes=5)
    desk.say(command(AUCTION), order(1, BUY, 1, 100), order(2, BUY, 2, 1 << 29))
    desk.say(order(3, BUY, 3, 101), order(4, SELL, 4, 1 << 29, HIDDEN))
    assert desk.say(command(CONTINUOUS))[2:] == [
        ("canceled", 2, 2, "CAPACITY"),
        ("canceled", 4, 4, "CAPACITY"),
    ]
    assert desk.drain() == [3, 1]
    desk.close()


def test_cancel_and_replace_of_held_orders(desk: Desk) -> None:
    desk.say(command(AUCTION), *(order(n, BUY, 10, 100) for n in range(1, 6)))
    # In the middle, first, last; a reduction keeps the place, an increase or another price not.
    desk.say(cancel(3, 3, 10), cancel(1, 1, 10), cancel(5, 5, 10), cancel(2, 2, 4))
    assert desk.say(cancel(2, 2, 7)) == [("rejected", "INVALID_QUANTITY")]
    desk.say(replace(2, 2, 12, 5, 100))
    assert desk.drain() == [12, 4]
    desk.say(*(order(n, BUY, 10, 100) for n in range(21, 24)))
    locates = [int(answer.view(CANCEL)["locate"][0]) for answer in desk.said[-3:]]
    desk.say(replace(21, locates[0], 31, 11, 100), replace(22, locates[1], 32, 10, 101))
    assert desk.drain() == [23, 31, 32]


def test_a_held_order_stays_what_it_is(desk: Desk) -> None:
    desk.say(command(AUCTION), order(1, BUY, 10, 100), order(2, BUY, 10, 100, time_in_force=2))
    wrong = [("rejected", "INVALID_TIME_IN_FORCE")]
    ioc = TimeInForce.IMMEDIATE_OR_CANCEL
    assert desk.say(replace(1, 1, 3, 10, 100, time_in_force=ioc)) == wrong
    assert desk.say(replace(1, 1, 3, 10, 100, time_in_force=AT_CLOSE)) == wrong
    assert desk.say(replace(2, 2, 3, 10, 100, time_in_force=AT_CLOSE)) == wrong
    assert desk.say(replace(2, 2, 3, 10, 100)) == wrong
    assert desk.say(replace(2, 2, 3, 20, 101, time_in_force=AT_OPENING)) == [("REPLACE", 3)]


# Crosses


def test_a_cross_trades_at_its_one_price(desk: Desk) -> None:
    desk.say(command(AUCTION), order(1, BUY, 10, 105), order(2, SELL, 4, 95), order(3, SELL, 9, 99))
    assert desk.cross(100, 10) == [
        *(("CROSS_RESULT",), ("buys", 1, 4, 100, 6), ("sells", 2, 4, 100, 0)),
        *(("buys", 1, 6, 100, 0), ("sells", 3, 6, 100, 3), ("state", AUCTION, CONTINUOUS)),
    ]
    assert desk.book.best(0, SELL) == (99, 3)


def test_priority_in_a_cross(desk: Desk) -> None:
    """Market orders by time, then price, displayed before hidden, time; imbalance-only last."""
    desk.say(command(AUCTION))
    opening = {"time_in_force": AT_OPENING}
    desk.say(
        *(order(1, BUY, 1, 101), order(2, BUY, 1, 102, HIDDEN), order(3, BUY, 1, 102)),
        order(4, BUY, 1, 104, auction=IMBALANCE_ONLY, **opening),
        *(order(5, BUY, 1, 50, MARKET, **opening), order(6, BUY, 1, 99, MARKET, **opening)),
        order(7, BUY, 1, 105, auction=IMBALANCE_ONLY, **opening),
        *(order(8, BUY, 1, 102), order(9, BUY, 1, 101), order(10, BUY, 1, 102, HIDDEN)),
        *(order(11, BUY, 1, 99), order(12, SELL, 100, 100)),
        order(13, BUY, 1, 105, auction=IMBALANCE_ONLY, **opening),
    )
    answer = desk.cross(100, 11)
    buyers = [one[1] for one in answer if one[0] == "buys"]
    assert buyers == [5, 6, 3, 8, 2, 10, 1, 9, 7, 13, 4]
    assert {one[3] for one in answer if one[0] in ("buys", "sells")} == {100}


def test_priority_of_sells_in_a_cross(desk: Desk) -> None:
    desk.say(command(AUCTION))
    desk.say(
        *(order(1, SELL, 1, 99), order(2, SELL, 1, 98, HIDDEN), order(3, SELL, 1, 98)),
        order(4, SELL, 1, 200, MARKET, time_in_force=AT_OPENING),
        order(5, SELL, 1, 97, auction=IMBALANCE_ONLY, time_in_force=AT_OPENING),
        *(order(6, SELL, 1, 98), order(7, BUY, 100, 100)),
    )
    sellers = [one[1] for one in desk.cross(98, 5, state=AUCTION) if one[0] == "sells"]
    assert sellers == [4, 3, 6, 2, 5]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 97])
def test_priority_of_many(count: int) -> None:
    """Prices that rise, fall, repeat: every shape that the sort can meet."""
    desk = Desk(orders=2 * count + 2, nodes=500)
    desk.say(command(AUCTION))
    shapes: list[Callable[[int], int]] = [
        *(lambda n: n, lambda n: count - n, lambda n: n * 37 % 11, lambda n: n // 5 % 2)
    ]
    for shape in shapes:
        prices = [100 + shape(n) for n in range(count)]
        desk.say(*(order(n + 1, BUY, 1, price) for n, price in enumerate(prices)))
        desk.say(order(1000, SELL, count, 1))
        buyers = [one[1] for one in desk.cross(50, count, state=AUCTION) if one[0] == "buys"]
        assert buyers == sorted(range(1, count + 1), key=lambda n: (-prices[n - 1], n))
    desk.close()


def test_what_a_cross_leaves_keeps_the_order_in_which_it_was_held(desk: Desk) -> None:
    desk.say(command(AUCTION))
    desk.say(
        *(order(1, BUY, 10, 99), order(2, BUY, 10, 101), order(3, SELL, 5, 100)),
        *(order(4, BUY, 10, 103), order(5, SELL, 30, 99), order(6, BUY, 10, 102)),
    )
    answer = desk.cross(100, 25, state=AUCTION)
    assert answer[-1] == ("state", AUCTION, AUCTION)
    assert [one[1] for one in answer if one[0] == "buys"] == [4, 6, 2]
    assert desk.drain() == [1, 2, 3, 5]


def test_quantity_of_a_cross_ends_in_the_middle_of_orders(desk: Desk) -> None:
    desk.say(command(AUCTION), order(1, BUY, 10, 100), order(2, SELL, 10, 100))
    desk.cross(100, 3, state=AUCTION)
    assert desk.say(mass_cancel())[1:] == [
        ("canceled", 1, 7, "SUPERVISORY"),
        ("canceled", 2, 7, "SUPERVISORY"),
    ]


def test_an_imbalance_only_order_trades_with_none_of_its_kind(desk: Desk) -> None:
    desk.say(command(AUCTION))
    only: dict[str, int] = {"auction": IMBALANCE_ONLY, "time_in_force": AT_OPENING}
    desk.say(order(1, BUY, 10, 100, **only), order(2, SELL, 10, 100, **only))
    assert desk.cross(100, 1) == [("rejected", "INVALID_CROSS")]
    desk.say(order(3, SELL, 4, 100), order(4, BUY, 6, 100))
    assert desk.cross(100, 7) == [("rejected", "INVALID_CROSS")]
    answer = desk.cross(100, 6)
    assert answer[1:7] == [
        *(("buys", 4, 4, 100, 2), ("sells", 3, 4, 100, 0)),
        *(("buys", 4, 2, 100, 0), ("sells", 2, 2, 100, 8)),
        *(("canceled", 1, 10, "CROSS"), ("canceled", 2, 8, "CROSS")),
    ]


def test_orders_of_the_cross_that_are_left_are_canceled_in_the_order_held(desk: Desk) -> None:
    desk.say(
        *(order(1, SELL, 5, 200, time_in_force=AT_CLOSE), order(2, BUY, 5, 100)),
        *(order(3, BUY, 9, 300, MARKET, time_in_force=AT_CLOSE), order(4, SELL, 5, 101)),
        order(5, BUY, 5, 100, time_in_force=AT_OPENING),
    )
    assert desk.cross(101, 5, cross_type=CrossType.CLOSING, state=CLOSED) == [
        *(("CROSS_RESULT",), ("buys", 3, 5, 101, 4), ("sells", 4, 5, 101, 0)),
        *(("canceled", 1, 5, "CROSS"), ("canceled", 3, 4, "CROSS"), ("state", CONTINUOUS, CLOSED)),
    ]
    assert desk.drain() == [5, 2]


@pytest.mark.parametrize(
    ("cross_type", "takes"),
    [
        (CrossType.OPENING, AT_OPENING),
        (CrossType.HALT, AT_OPENING),
        (CrossType.CLOSING, AT_CLOSE),
    ],
)
def test_which_orders_wait_for_which_cross(desk: Desk, cross_type: int, takes: int) -> None:
    other = AT_OPENING + AT_CLOSE - takes
    desk.say(order(1, BUY, 5, 100, time_in_force=takes), order(2, BUY, 5, 100, time_in_force=other))
    desk.say(order(3, SELL, 20, 100))
    assert desk.cross(100, 6, cross_type=cross_type) == [("rejected", "INVALID_CROSS")]
    answer = desk.cross(100, 5, cross_type=cross_type)
    assert answer[1:3] == [("buys", 1, 5, 100, 0), ("sells", 3, 5, 100, 15)]
    assert desk.drain() == [3, 2]


def test_a_market_order_trades_whatever_its_collar(desk: Desk) -> None:
    desk.say(order(1, BUY, 5, 1, MARKET, time_in_force=AT_OPENING), order(2, SELL, 5, 100))
    assert desk.cross(100, 5)[1] == ("buys", 1, 5, 100, 0)


def test_a_cross_in_continuous_trading_takes_reserve_and_hidden(desk: Desk) -> None:
    desk.say(order(1, BUY, 50, 100, display=10), order(2, BUY, 20, 100, HIDDEN))
    desk.say(order(3, BUY, 5, 100), order(4, SELL, 80, 100, time_in_force=AT_CLOSE))
    assert desk.cross(100, 76, cross_type=CrossType.CLOSING) == [("rejected", "INVALID_CROSS")]
    answer = desk.cross(100, 70, cross_type=CrossType.CLOSING)
    assert [one for one in answer if one[0] == "buys"] == [
        ("buys", 1, 50, 100, 0),
        ("buys", 3, 5, 100, 0),
        ("buys", 2, 15, 100, 5),
    ]
    assert answer[-2:] == [("canceled", 4, 10, "CROSS"), ("state", CONTINUOUS, CONTINUOUS)]
    assert desk.drain() == [2]


def test_a_cross_without_trades_changes_the_state(desk: Desk) -> None:
    """Its price means nothing: it may be zero."""
    desk.say(order(1, BUY, 5, 100), command(AUCTION))
    assert desk.cross(0, 0) == [("CROSS_RESULT",), ("state", AUCTION, CONTINUOUS)]
    assert desk.book.best(0, BUY) == (100, 5)


def test_nothing_prevents_self_trade_in_a_cross(desk: Desk) -> None:
    desk.say(command(AUCTION), order(1, SELL, 5, 100, account=5))
    desk.say(order(2, BUY, 5, 100, OrderOption.SELF_TRADE_NEWEST, account=5))
    assert desk.cross(100, 5)[1:3] == [("buys", 2, 5, 100, 0), ("sells", 1, 5, 100, 0)]


def test_locates_come_back_in_the_order_in_which_orders_were_used_up(desk: Desk) -> None:
    """Last freed, first taken: the next orders show in which order a cross freed them."""
    desk.say(
        command(AUCTION), order(1, SELL, 5, 100), order(2, SELL, 5, 100), order(3, BUY, 9, 100)
    )
    desk.say(order(4, BUY, 1, 100))
    desk.cross(100, 10)
    desk.say(*(order(n, BUY, 1, 50) for n in range(5, 9)))
    assert [int(answer.view(CANCEL)["locate"][0]) for answer in desk.said[-4:]] == [2, 4, 3, 1]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"instrument": 2}, "UNKNOWN_INSTRUMENT"),
        ({"cross_type": 0}, "INVALID_CROSS"),
        ({"cross_type": 4}, "INVALID_CROSS"),
        ({"state": 0}, "INVALID_CROSS"),
        ({"state": 6}, "INVALID_CROSS"),
        ({"changes": 1}, "STALE_CROSS"),
        ({"changes": 9, "quantity": 99}, "STALE_CROSS"),
        ({"price_ticks": 0}, "INVALID_PRICE"),
        ({"price_ticks": -1}, "INVALID_PRICE"),
        ({"price_ticks": 1 << 30}, "INVALID_PRICE"),
        ({"quantity": 11}, "INVALID_CROSS"),
        ({"price_ticks": 101}, "INVALID_CROSS"),
        ({"price_ticks": 99}, "INVALID_CROSS"),
    ],
)
@pytest.mark.parametrize("state", [CONTINUOUS, AUCTION])
def test_crosses_that_are_refused_change_nothing(
    desk: Desk, state: int, fields: dict[str, int], reason: str
) -> None:
    desk.say(order(1, BUY, 10, 100), order(2, SELL, 10, 100, time_in_force=AT_OPENING))
    if state == AUCTION:
        desk.say(command(AUCTION))
    before, changes = desk.book.hash(), desk.changes()
    right = {"price_ticks": 100, "quantity": 10, "changes": changes}
    assert desk.say(cross(**(right | fields))) == [("rejected", reason)]
    assert (desk.book.hash(), desk.changes()) == (before, changes)
    assert desk.say(cross(**right))[0] == ("CROSS_RESULT",)


def test_a_cross_on_its_way_does_not_end_a_halt(desk: Desk) -> None:
    """Who found it had not heard that an operator has halted the instrument meanwhile."""
    desk.say(command(AUCTION), order(1, BUY, 10, 100), order(2, SELL, 10, 100))
    on_its_way = cross(100, 10, desk.changes())
    desk.say(command(HALTED))
    assert desk.say(on_its_way) == [("rejected", "STALE_CROSS")]
    assert desk.book.state(0) == HALTED
    assert desk.cross(100, 10)[0] == ("CROSS_RESULT",)


def test_what_counts_as_a_change(desk: Desk) -> None:
    """NewOrder, Cancel, Replace, Executed, Canceled, StateChanged of it; refusals do not."""
    counts = [desk.changes()]
    for group_of_lines in (
        *(order(1, BUY, 10, 100), order(2, SELL, 4, 100), order(3, SELL, 1, 0)),
        *(order(4, BUY, 1, 1, instrument=1), cancel(1, 1, 1), replace(1, 1, 5, 5, 100)),
        *(order(6, SELL, 3, 100, time_in_force=3), order(7, SELL, 3, 100, time_in_force=3)),
        *(command(AUCTION), order(8, BUY, 30, 90, display=5)),
        *(command(CONTINUOUS), order(9, SELL, 7, 90), tagged(order(10, BUY, 1, 2), b"")),
        mass_cancel(MassCancelScope.SIDE, side=BUY),
    ):
        desk.say(group_of_lines)
        counts.append(desk.changes())
        assert desk.say(cross(1, 0, counts[-1] + 1))[0] == ("rejected", "STALE_CROSS")
    assert len(set(counts)) == 13
    assert desk.cross(1, 0)[0] == ("CROSS_RESULT",)
