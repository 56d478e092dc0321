"""Ways in which order books fail that no other file has: ids, walking prices, large sums.

The others of that list: a queue's head, middle and tail canceled and then swept, partial fill then
cancel, stale cancel and replace after a full fill, replace into a cross, a best level emptied by a
cancel, a residual that becomes the touch, sweeps of thousands, both ends of the range, a limit that
stops at its own price are in test_book.py.
"""

from __future__ import annotations

import pytest

from ringbus.messages import OrderOption, RejectReason, Template
from ringbus.messages import TimeInForce as Force
from tests.engine.mix import Message
from tests.engine.oracle import BUY, LINE_BYTES, PRICE_TICKS_MAX, SELL
from tests.engine.oracle.wire import Fields, decode, encode
from tests.engine.profiles import Profile
from tests.engine.trial import Trial

QUANTITY_MAX = 2**32 - 1


def new(number: int, side: int, quantity: int, price: int, **fields: int) -> Message:
    line = {"template_id": Template.NEW_ORDER, "topic": 1, "client_order_id": number}
    line |= {"side": side, "quantity": quantity, "price_ticks": price, "account": 1}
    return [encode(line | fields)]


def cancel(locate: int, number: int, quantity: int) -> Message:
    line = {"template_id": Template.CANCEL, "topic": 1, "client_order_id": number}
    return [encode(line | {"locate": locate, "quantity": quantity})]


def replace(locate: int, original: int, number: int, quantity: int, price: int) -> Message:
    line = {"template_id": Template.REPLACE, "topic": 1, "client_order_id": number}
    line |= {"locate": locate, "original_client_order_id": original}
    return [encode(line | {"quantity": quantity, "price_ticks": price})]


def told(trial: Trial, message: Message) -> list[Fields]:
    """The lines of the answer, compared, and all state."""
    answer = trial.send(message, is_tight=True)
    trial.compare()
    return [decode(answer[at : at + LINE_BYTES]) for at in range(0, len(answer), LINE_BYTES)]


def refused(lines: list[Fields]) -> int:
    assert [line["template_id"] for line in lines] == [Template.REJECTED]
    return lines[0]["reason"]


def test_the_number_and_locate_of_a_filled_order_are_used_again() -> None:
    with Trial(Profile({}, instruments=1)) as trial:
        told(trial, new(1, BUY, 10, 100))
        told(trial, new(2, SELL, 10, 100))
        assert refused(told(trial, cancel(1, 1, 10))) == RejectReason.UNKNOWN_ORDER
        # Freed last, given next: the incoming order's, then the resting one's.
        assert told(trial, new(1, BUY, 7, 99))[0]["locate"] == 2
        assert refused(told(trial, cancel(1, 1, 7))) == RejectReason.UNKNOWN_ORDER
        assert told(trial, new(3, BUY, 7, 99))[0]["locate"] == 1
        assert refused(told(trial, cancel(1, 1, 7))) == RejectReason.UNKNOWN_ORDER
        assert told(trial, cancel(2, 1, 7))[0]["remaining"] == 0


def test_the_number_of_a_canceled_order_is_used_again() -> None:
    with Trial(Profile({}, instruments=1)) as trial:
        told(trial, new(1, BUY, 10, 100))
        told(trial, cancel(1, 1, 10))
        assert told(trial, new(1, SELL, 5, 105))[0]["locate"] == 1
        # It is the new order that this means: nothing else tells them apart.
        assert told(trial, cancel(1, 1, 2))[0]["side"] == SELL
        assert refused(told(trial, cancel(1, 1, 4))) == RejectReason.INVALID_QUANTITY


def test_two_open_orders_of_one_number_are_told_apart_by_their_locates() -> None:
    with Trial(Profile({}, instruments=1)) as trial:
        told(trial, new(5, BUY, 10, 100))
        told(trial, new(5, BUY, 20, 101))
        assert told(trial, cancel(2, 5, 20))[0]["price_ticks"] == 101
        assert told(trial, replace(1, 5, 5, 10, 102))[0]["price_ticks"] == 102
        assert told(trial, replace(1, 5, 6, 10, 103))[0]["price_ticks"] == 103
        assert refused(told(trial, cancel(1, 5, 10))) == RejectReason.UNKNOWN_ORDER


@pytest.mark.parametrize("up", [1, -1])
def test_prices_walk_away_from_standing_orders_and_come_back(up: int) -> None:
    """Levels are found again whatever was there meanwhile; 60,000 ticks there and back."""
    start, step, depth = 100_000, 257, 4
    with Trial(Profile({}, instruments=1, orders=2_000, nodes=8_000)) as trial:
        number = 0
        standing = [start + offset for offset in (-90_000, -64, -1, 1, 63, 64, 90_000)]
        for price in standing:
            number += 1
            told(trial, new(number, BUY if price < start else SELL, 1, price))
        # Orders at every stop of the way, then the touch comes back through all of them.
        for stop in range(1, 240):
            middle = start + up * stop * step
            for away in range(1, depth):
                for side in (BUY, SELL):
                    number += 1
                    price = middle - away if side == BUY else middle + away
                    trial.send(new(number, side, 3, price), is_tight=True)
            if stop % 60 == 0:
                trial.compare()
        trial.compare()
        for stop in range(240, 0, -1):
            middle = start + up * stop * step
            for side in (BUY, SELL):
                number += 1
                force = {"time_in_force": Force.IMMEDIATE_OR_CANCEL}
                trial.send(new(number, side, 7, middle, **force), is_tight=True)
        # And all of it in one sweep each way.
        sweep = {"time_in_force": Force.IMMEDIATE_OR_CANCEL}
        told(trial, new(number + 1, BUY, 10_000, PRICE_TICKS_MAX, **sweep))
        told(trial, new(number + 2, SELL, 10_000, 1, **sweep))
        assert trial.book.open_orders == 0


def test_sums_of_quantities_do_not_wrap() -> None:
    """Three orders hold more than 32 bits; counts and depth say so."""
    with Trial(Profile({}, instruments=1)) as trial:
        for number in (1, 2, 3):
            told(trial, new(number, SELL, QUANTITY_MAX, 100))
        assert trial.book.best(0, SELL) == (100, 3 * QUANTITY_MAX)
        own = {"options": OrderOption.SELF_TRADE_OLDEST, "account": 9}
        lines = told(trial, new(4, BUY, QUANTITY_MAX, 100, time_in_force=Force.FILL_OR_KILL, **own))
        assert [line["quantity"] for line in lines[1:]] == [QUANTITY_MAX, QUANTITY_MAX]


def test_a_replace_to_more_than_32_bits_hold_is_one_to_its_quantity() -> None:
    """Executed and open together may pass 2^32; each by itself does not."""
    with Trial(Profile({}, instruments=1)) as trial:
        told(trial, new(1, SELL, QUANTITY_MAX, 100))
        told(trial, new(2, BUY, QUANTITY_MAX - 1, 100))
        assert told(trial, replace(1, 1, 3, QUANTITY_MAX, 100))[0]["quantity"] == QUANTITY_MAX
        assert trial.book.best(0, SELL) == (100, QUANTITY_MAX)
