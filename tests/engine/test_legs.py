"""Orders in several instruments: all legs trade in full, or none does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from ringbus.messages import EXECUTED, LEG, ORDER_TERMS, Liquidity, OrderOption, Template
from tests.engine.proposals import (
    AUCTION,
    BUY,
    HALTED,
    HIDDEN,
    SELL,
    Desk,
    command,
    group,
    legs,
    order,
    tagged,
)
from tests.engine.trader import Lines, lines

NEWEST, OLDEST = OrderOption.SELF_TRADE_NEWEST, OrderOption.SELF_TRADE_OLDEST


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Ten offered at 100 in each of nine instruments."""
    made = Desk(instruments=9)
    made.say(*(order(n + 1, SELL, 10, 100, instrument=n) for n in range(9)))
    yield made
    made.close()


def test_all_legs_trade_one_after_the_other(desk: Desk) -> None:
    desk.say(order(50, BUY, 4, 90, instrument=2), order(51, SELL, 3, 101, instrument=0))
    assert desk.say(legs((0, BUY, 12, 101), (2, SELL, 4, 90), (1, BUY, 10, 100))) == [
        *(("MULTI_LEG_ORDER",), ("LEG",), ("LEG",), ("LEG",)),
        *(("buys", 100, 10, 100, 2), ("sells", 1, 10, 100, 0)),
        *(("buys", 100, 2, 101, 0), ("sells", 51, 2, 101, 1)),
        *(("sells", 101, 4, 90, 0), ("buys", 50, 4, 90, 0)),
        *(("buys", 102, 10, 100, 0), ("sells", 2, 10, 100, 0)),
    ]
    taker = desk.said[-1][4:5].view(EXECUTED)[0]
    assert (taker["topic"], taker["account"], taker["locate"]) == (6, 5, 0)
    assert taker["liquidity"] == Liquidity.REMOVED


def test_none_trades_when_one_cannot(desk: Desk) -> None:
    assert desk.say(tagged(legs((0, BUY, 10, 100), (1, BUY, 11, 100)), b"pair"))[3:] == [
        *(("ORDER_TAG",), ("canceled", 100, 10, "LEGS"), ("canceled", 101, 11, "LEGS"))
    ]
    assert desk.say(legs((0, BUY, 10, 100), (1, BUY, 10, 99)))[3] == ("canceled", 100, 10, "LEGS")
    assert desk.book.best(0, SELL) == desk.book.best(1, SELL) == (100, 10)


def test_eight_legs_and_a_tag(desk: Desk) -> None:
    answer = desk.say(tagged(legs(*((n, BUY, 10, 100) for n in range(8))), b"basket"))
    assert len(answer) == 10 + 16
    assert desk.drain(8) == [9]


def test_reserve_and_hidden_count(desk: Desk) -> None:
    desk.say(order(50, BUY, 30, 90, display=10, instrument=0), order(51, BUY, 5, 90, HIDDEN))
    answer = desk.say(legs((0, SELL, 35, 90), (1, BUY, 1, 100)))
    assert [one for one in answer if one[0] in ("sells", "shows")][:5] == [
        *(("sells", 100, 10, 90, 25), ("shows", 50, 10), ("sells", 100, 10, 90, 15)),
        *(("shows", 50, 10), ("sells", 100, 10, 90, 5)),
    ]
    assert desk.drain() == [1]


def test_own_orders_are_passed_over_or_end_the_count(desk: Desk) -> None:
    """Instrument 0 has an order of the legs' account in front."""
    desk.say(order(50, SELL, 5, 99, account=5))
    pair = ((0, BUY, 10, 100), (1, BUY, 1, 100))
    assert desk.say(legs(*pair, options=NEWEST))[3:] == [
        ("canceled", 100, 10, "LEGS"),
        ("canceled", 101, 1, "LEGS"),
    ]
    assert desk.say(legs(*pair, options=OLDEST))[3:6] == [
        ("canceled", 50, 5, "SELF_TRADE"),
        ("buys", 100, 10, 100, 0),
        ("sells", 1, 10, 100, 0),
    ]


def test_without_an_option_own_orders_trade(desk: Desk) -> None:
    desk.say(order(50, SELL, 5, 99, account=5))
    answer = desk.say(legs((0, BUY, 5, 100), (1, BUY, 1, 100)))
    assert answer[3:5] == [("buys", 100, 5, 99, 0), ("sells", 50, 5, 99, 0)]


def leg_with(**fields: int) -> Lines:
    """Two legs, the second with something wrong."""
    made = legs((0, BUY, 1, 100), (1, BUY, 1, 100))
    view = made[2:].view(LEG)
    for name, value in fields.items():
        view[name] = value
    return made


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (legs((0, BUY, 1, 100), leg_count=1), "INVALID_LEGS"),
        (legs(*((n, BUY, 1, 100) for n in range(8)), leg_count=9), "INVALID_LEGS"),
        (legs((0, BUY, 1, 100), (1, BUY, 1, 100), leg_count=3), "INVALID_LEGS"),
        (legs((0, BUY, 1, 100), (1, BUY, 1, 100), leg_count=0), "INVALID_LEGS"),
        (leg_with(instrument=0), "INVALID_LEGS"),
        (leg_with(instrument=9), "INVALID_LEGS"),
        (leg_with(side=0), "INVALID_LEGS"),
        (leg_with(side=3), "INVALID_LEGS"),
        (leg_with(quantity=0), "INVALID_LEGS"),
        (leg_with(price_ticks=0), "INVALID_LEGS"),
        (leg_with(price_ticks=1 << 30), "INVALID_LEGS"),
        (legs((0, BUY, 1, 100), (1, BUY, 1, 100), options=HIDDEN), "INVALID_OPTIONS"),
        (legs((0, BUY, 1, 100), (1, BUY, 1, 100), options=OrderOption.MARKET), "INVALID_OPTIONS"),
        (legs((0, BUY, 1, 100), (1, BUY, 1, 100), options=128), "INVALID_OPTIONS"),
        (legs((0, BUY, 1, 100), (1, BUY, 1, 100), options=64 | 16), "INVALID_OPTIONS"),
        (
            group(legs((0, BUY, 1, 100)), lines(ORDER_TERMS, Template.ORDER_TERMS)),
            "INVALID_PROPOSAL",
        ),
    ],
)
def test_legs_that_are_refused(desk: Desk, wrong: Lines, reason: str) -> None:
    before = desk.book.hash()
    answer = desk.say(wrong)
    assert answer[0] == ("rejected", reason)
    assert len(answer) == len(wrong)
    assert desk.book.hash() == before


@pytest.mark.parametrize("state", [AUCTION, HALTED])
def test_every_instrument_must_trade(desk: Desk, state: int) -> None:
    desk.say(command(state, instrument=3))
    assert desk.say(legs((0, BUY, 1, 100), (3, BUY, 1, 100)))[0] == ("rejected", "INSTRUMENT_STATE")


def test_a_refusal_names_what_was_refused_and_repeats_the_legs(desk: Desk) -> None:
    wrong = leg_with(side=3)
    desk.say(wrong)
    answer = desk.said[-1]
    assert [int(one) for one in answer["template_id"]] == [
        *(Template.REJECTED, Template.LEG, Template.LEG)
    ]
    said, asked = (one.view("<u8").reshape(-1, 8)[1:, 1:] for one in (answer, wrong))
    assert np.array_equal(said, asked)
