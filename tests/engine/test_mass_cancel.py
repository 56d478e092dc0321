"""Mass cancels: what is in their scope, in which order it goes, and what they leave alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

from ringbus.messages import CANCELED, INSTRUMENT_NONE, Template
from ringbus.messages import MassCancelScope as Scope
from tests.engine.proposals import (
    AT_CLOSE,
    AUCTION,
    BUY,
    HIDDEN,
    SELL,
    Desk,
    command,
    mass_cancel,
    order,
    tagged,
)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


def canceled(desk: Desk, *args: int, **fields: int) -> list[int]:
    """Numbers of the orders that a mass cancel takes away, in the order of its answer."""
    events = desk.say(mass_cancel(*args, **fields))
    assert events[0] == ("MASS_CANCEL",)
    assert {one[0] for one in events[1:]} <= {"canceled"}
    return [int(str(one[1])) for one in events[1:]]


def test_everything_goes_by_instrument_side_and_priority(desk: Desk) -> None:
    first = {"instrument": 1}
    desk.say(
        *(order(1, SELL, 1, 110, **first), order(2, BUY, 1, 100, **first), order(3, BUY, 1, 101)),
        *(order(4, SELL, 1, 109, HIDDEN, **first), order(5, BUY, 1, 100, **first)),
        *(order(6, BUY, 1, 101, **first), order(7, SELL, 1, 105, **first)),
        *(order(8, BUY, 1, 104, HIDDEN, **first), order(9, SELL, 1, 111)),
        order(10, SELL, 1, 100, time_in_force=AT_CLOSE, **first),
        order(11, BUY, 1, 200, time_in_force=AT_CLOSE, **first),
    )
    assert canceled(desk) == [3, 9, 6, 2, 5, 7, 1, 8, 4, 10, 11]
    assert desk.book.open_orders == 0
    assert canceled(desk) == []


def test_the_canceled_line(desk: Desk) -> None:
    desk.say(order(1, BUY, 10, 100, topic=3, account=4, firm=5), order(2, SELL, 4, 100))
    desk.say(tagged(mass_cancel(), b"why"))
    request, tag, line = desk.said[-1]
    assert (request["template_id"], tag["template_id"]) == (
        Template.MASS_CANCEL,
        Template.ORDER_TAG,
    )
    body = desk.said[-1][2:].view(CANCELED)[0]
    assert (line["topic"], body["account"], body["firm"], body["side"]) == (3, 4, 5, BUY)
    assert (body["price_ticks"], body["quantity"], body["remaining"]) == (100, 6, 0)
    assert (body["locate"], body["client_order_id"]) == (1, 1)


def test_a_reserve_goes_with_its_order(desk: Desk) -> None:
    desk.say(order(1, BUY, 50, 100, display=10))
    assert desk.say(mass_cancel())[1:] == [("canceled", 1, 50, "SUPERVISORY")]


def test_who_asks_for_its_own_orders_hears_so(desk: Desk) -> None:
    """The others hear that it was not they."""
    desk.say(order(1, BUY, 50, 100), order(2, BUY, 50, 100, topic=7))
    assert desk.say(mass_cancel())[1:] == [
        ("canceled", 1, 50, "SUPERVISORY"),
        ("canceled", 2, 50, "MASS_CANCEL"),
    ]


SCOPES = {
    Scope.SESSION: ("topic", "session"),
    Scope.ACCOUNT: ("account", "account"),
    Scope.FIRM: ("firm", "firm"),
    Scope.SIDE: ("side", "side"),
    Scope.INSTRUMENT: ("instrument", "instrument"),
}


@pytest.mark.parametrize("scope", range(2, 64, 2))
def test_an_order_must_have_all_that_the_scope_names(scope: int) -> None:
    desk = Desk(orders=64)
    having = list(product((3, 4), (5, 6), (7, 8), (BUY, SELL), (0, 1)))
    names = ("topic", "account", "firm", "side", "instrument")
    orders = [dict(zip(names, one, strict=True)) for one in having]
    for number, fields in enumerate(orders):
        rest = {name: fields[name] for name in ("topic", "account", "firm", "instrument")}
        price = 100 if fields["side"] == BUY else 101
        desk.say(order(number + 1, fields["side"], 1, price, **rest))
    asked = {"session": 4, "account": 5, "firm": 8, "side": SELL, "instrument": 1}
    named = [names for bit, names in SCOPES.items() if scope & bit]
    expected = [
        number + 1
        for number, fields in enumerate(orders)
        if all(fields[has] == asked[wanted] for has, wanted in named)
    ]
    if not scope & Scope.INSTRUMENT:
        asked["instrument"] = INSTRUMENT_NONE
    assert sorted(canceled(desk, scope, **asked)) == expected
    assert desk.book.open_orders == len(orders) - len(expected)
    desk.close()


def test_held_orders_are_in_scope_too(desk: Desk) -> None:
    desk.say(order(1, BUY, 1, 100, topic=2), command(AUCTION), order(2, SELL, 1, 50, topic=2))
    desk.say(order(3, BUY, 1, 100, topic=3))
    assert canceled(desk, Scope.SESSION, session=2) == [1, 2]
    assert desk.drain() == [3]


def test_queues_keep_what_is_not_in_scope(desk: Desk) -> None:
    """First, middle and last of a queue go; best prices and trades are right afterwards."""
    desk.say(*(order(n, SELL, 10, 100 + n // 6, topic=1 + n % 2) for n in range(12)))
    assert canceled(desk, Scope.SESSION, session=1) == [0, 2, 4, 6, 8, 10]
    answer = desk.say(order(20, BUY, 70, 200, topic=9))
    assert [one[1] for one in answer if one[0] == "sells"] == [1, 3, 5, 7, 9, 11]
    assert desk.book.best(0, BUY) == (200, 10)


@pytest.mark.parametrize("count", [1, 255, 256, 257, 512, 513, 1024, 1100])
def test_more_than_is_kept_at_a_time(count: int) -> None:
    """Long queues, and more of them than are gone through at once; every third order stays."""
    desk = Desk(instruments=3, orders=4 * count, nodes=500)
    batch, wanted = [], []
    for instrument, side in ((2, BUY), (0, SELL)):
        for n in range(count):
            # The queues of one side are of one order each.
            price = 500 if side == BUY else 600 + n
            topic, number = 1 + (n % 3 != 0), 10_000 * instrument + n
            batch.append(order(number, side, 1, price, topic=topic, instrument=instrument))
            if topic == 2:
                wanted.append((instrument, number))
    for book in desk.books:
        book.submit(np.concatenate(batch))
    assert canceled(desk, Scope.SESSION, session=2) == [number for _, number in sorted(wanted)]
    assert desk.book.open_orders == 2 * count - len(wanted)
    desk.close()


def test_with_more_instruments_than_a_word_has_bits() -> None:
    desk = Desk(instruments=200, orders=20, nodes=200)
    for n, instrument in enumerate((199, 64, 63, 0, 128, 127)):
        desk.say(order(n, BUY, 1, 100, instrument=instrument))
    assert canceled(desk) == [3, 2, 1, 5, 4, 0]
    desk.close()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"scope": 0}, "INVALID_OPTIONS"),
        ({"scope": 64}, "INVALID_OPTIONS"),
        ({"scope": 128 | Scope.SESSION}, "INVALID_OPTIONS"),
        ({"scope": Scope.EVERYTHING | Scope.SESSION}, "INVALID_OPTIONS"),
        ({"scope": Scope.EVERYTHING, "instrument": 0}, "INVALID_OPTIONS"),
        ({"scope": Scope.SIDE}, "INVALID_OPTIONS"),
        ({"scope": Scope.SIDE, "side": 3}, "INVALID_OPTIONS"),
        ({"scope": Scope.INSTRUMENT}, "INVALID_OPTIONS"),
        ({"scope": Scope.SESSION, "instrument": 1}, "INVALID_OPTIONS"),
        ({"scope": Scope.INSTRUMENT, "instrument": 2}, "UNKNOWN_INSTRUMENT"),
    ],
)
def test_mass_cancels_that_are_refused(desk: Desk, fields: dict[str, int], reason: str) -> None:
    desk.say(order(1, BUY, 1, 100, topic=0))
    assert desk.say(mass_cancel(**fields)) == [("rejected", reason)]
    assert desk.drain() == [1]
