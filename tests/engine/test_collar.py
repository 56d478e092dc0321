"""Collars and fat fingers: one test for each rule of engine/README.md."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.fused import FusedEngine, Size
from engine.passive import PassiveEngine
from ringbus.messages import (
    COMMAND,
    CommandKind,
    OrderOption,
    RejectReason,
    Side,
    Template,
    TimeInForce,
)
from ringbus.messages import InstrumentState as State
from ringbus.multicast import Reader
from tests.engine.mix import Message
from tests.engine.oracle import BUY, PRICE_TICKS_MAX, SELL
from tests.engine.oracle.wire import Fields, encode
from tests.engine.profiles import Profile
from tests.engine.proposals import MARKET
from tests.engine.test_oracle_directed import new, refused, replace, told
from tests.engine.trader import lines, new_order
from tests.engine.trial import Trial

COLLAR, FINGER = RejectReason.PRICE_COLLAR, RejectReason.FAT_FINGER


@pytest.fixture
def trial() -> Iterator[Trial]:
    with Trial(Profile({}, instruments=2)) as made:
        yield made


def rule(kind: int, price: int = 0, value: int = 0, state: int = State.CONTINUOUS) -> Message:
    line: Fields = {"template_id": Template.COMMAND, "kind": kind, "price_ticks": price}
    return [encode(line | {"value": value, "state": state})]


def collar(width: int = 0, low: int = 0, high: int = 0, state: int = State.CONTINUOUS) -> Message:
    return rule(CommandKind.COLLAR, width, high << 32 | low, state)


def traded(trial: Trial, price: int) -> None:
    told(trial, new(1, BUY, 1, price))
    told(trial, new(2, SELL, 1, price))


def comes_in(trial: Trial, message: Message) -> bool:
    answer = told(trial, message)
    return answer[0]["template_id"] != Template.REJECTED


def test_prices_outside_the_range_are_refused(trial: Trial) -> None:
    """R29: whoever contributes them, and on either side."""
    told(trial, collar(low=90, high=110))
    assert refused(told(trial, new(1, SELL, 1, 89))) == COLLAR
    assert refused(told(trial, new(1, BUY, 1, 111))) == COLLAR
    assert comes_in(trial, new(1, BUY, 1, 90))
    assert comes_in(trial, new(2, SELL, 1, 110))
    told(trial, collar())
    assert comes_in(trial, new(3, BUY, 1, 1))


def test_the_width_is_held_against_the_last_trade_at_the_orders_own_place(trial: Trial) -> None:
    told(trial, collar(5))
    assert comes_in(trial, new(9, BUY, 1, 50))  # nothing to hold it against
    told(trial, rule(CommandKind.REFERENCE_PRICE, 100))
    assert refused(told(trial, new(1, BUY, 1, 106))) == COLLAR
    traded(trial, 103)
    assert comes_in(trial, new(3, BUY, 1, 106))
    assert refused(told(trial, new(4, SELL, 1, 97))) == COLLAR
    assert comes_in(trial, new(4, SELL, 1, 98))  # which trades at 106
    assert refused(told(trial, new(5, BUY, 1, 98))) == COLLAR


def test_a_replace_is_held_to_it_with_the_side_of_its_order(trial: Trial) -> None:
    told(trial, new(1, BUY, 1, 100))
    told(trial, collar(low=95, high=105))
    assert refused(told(trial, replace(1, 1, 2, 1, 106))) == COLLAR
    assert comes_in(trial, replace(1, 1, 2, 1, 105))


def test_each_phase_has_its_own(trial: Trial) -> None:
    told(trial, collar(low=90, high=110))
    told(trial, collar(low=50, high=150, state=State.AUCTION))
    assert refused(told(trial, new(1, BUY, 1, 60))) == COLLAR
    told(trial, rule(CommandKind.INSTRUMENT_STATE, state=State.AUCTION))
    assert comes_in(trial, new(1, BUY, 1, 60))
    assert refused(told(trial, new(2, BUY, 1, 151))) == COLLAR


def test_a_fat_finger_is_far_past_the_last_trade(trial: Trial) -> None:
    told(trial, rule(CommandKind.FAT_FINGER, 10))
    traded(trial, 100)
    assert refused(told(trial, new(3, BUY, 1, 111))) == FINGER
    assert refused(told(trial, new(3, SELL, 1, 89))) == FINGER
    assert comes_in(trial, new(3, BUY, 1, 1))
    assert comes_in(trial, new(4, SELL, 1, 500))


def test_a_fat_finger_is_too_large_at_the_last_trade(trial: Trial) -> None:
    told(trial, rule(CommandKind.FAT_FINGER, value=1_000))
    assert comes_in(trial, new(9, BUY, 1_000, 1))  # nothing to reckon with
    traded(trial, 100)
    assert refused(told(trial, new(3, BUY, 11, 1))) == FINGER
    assert comes_in(trial, new(3, BUY, 10, 500))


def test_a_market_order_trades_no_further_than_the_collar(trial: Trial) -> None:
    told(trial, new(1, SELL, 1, 104))
    told(trial, new(2, SELL, 1, 106))
    told(trial, rule(CommandKind.REFERENCE_PRICE, 100))
    told(trial, collar(5))
    force = int(TimeInForce.IMMEDIATE_OR_CANCEL)
    market = new(3, BUY, 5, PRICE_TICKS_MAX, time_in_force=force, options=int(MARKET))
    lines = told(trial, market)
    assert [line["template_id"] for line in lines[1:]] == [
        Template.EXECUTED,
        Template.EXECUTED,
        Template.CANCELED,
    ]
    assert lines[0]["price_ticks"] == PRICE_TICKS_MAX
    assert (lines[1]["price_ticks"], lines[3]["quantity"]) == (104, 4)


def test_another_instrument_has_no_rule(trial: Trial) -> None:
    told(trial, collar(low=90, high=110))
    assert comes_in(trial, new(1, BUY, 1, 1, instrument=1))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (collar(low=5, high=4), RejectReason.INVALID_OPTIONS),
        (collar(low=2**30), RejectReason.INVALID_OPTIONS),
        (collar(5, state=State.HALTED), RejectReason.INVALID_OPTIONS),
        (collar(2**30), RejectReason.INVALID_PRICE),
        (rule(CommandKind.FAT_FINGER, -1), RejectReason.INVALID_PRICE),
    ],
)
def test_rules_that_are_refused_change_nothing(
    trial: Trial, wrong: Message, reason: RejectReason
) -> None:
    assert refused(told(trial, wrong)) == reason
    assert comes_in(trial, new(1, BUY, 1, 1))


@pytest.mark.parametrize(("side", "slid"), [(SELL, 101), (BUY, 99)])
def test_one_that_slides_is_held_against_the_price_that_a_replay_sees(
    side: Side, slid: int
) -> None:
    """The stream has no other: a passive engine would refuse what the active one had taken."""
    best, other = 100, Side(BUY + SELL - side)
    for low, high in ((best, 0), (0, best), (slid, 0), (0, slid), (best, best), (slid, slid)):
        engine = FusedEngine(Size(instruments=1, contributors=1, topics=4))
        collar = lines(
            COMMAND, Template.COMMAND, topic=3, topic_sequence=1, kind=CommandKind.COLLAR,
            state=State.CONTINUOUS, value=low | high << 32,
        )  # fmt: skip
        engine.propose(new_order(1, 1, 1, 0, other, best))
        engine.propose(collar)
        engine.propose(new_order(2, 1, 2, 0, side, best, options=OrderOption.SLIDE))
        stream = Reader(engine.ring).poll().copy()
        is_in = low <= slid and (high == 0 or slid <= high)
        assert (stream["template_id"][-1] == Template.NEW_ORDER) == is_in
        with PassiveEngine(engine.size, bytes(1)) as passive:
            passive.feed(stream)
            assert passive.lines == len(stream)
