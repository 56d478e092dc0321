"""Stop orders: they come in once, in their order, whoever of those that hold them lives."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ports.stops import StopOrders
from ringbus.messages import (
    EXECUTED,
    INSTRUMENT_NONE,
    MASS_CANCEL,
    NEW_ORDER,
    REJECT,
    STOP_CANCEL,
    STOP_ORDER,
    InstrumentState,
    OrderOption,
    RejectReason,
    Side,
    Template,
    TimeInForce,
)
from ringbus.messages import MassCancelScope as Scope
from tests.engine.trader import lines
from tests.ports import market
from tests.ports.market import INSTRUMENTS, OPERATOR, Lines, order, state

IOC = TimeInForce.IMMEDIATE_OR_CANCEL


class Market(market.Market):
    """With some who hold stop orders."""

    def __init__(self, count: int, room: int = 100) -> None:
        super().__init__(count)
        self.room = room
        self.holders = [self.holder(n) for n in range(count)]

    def holder(self, number: int) -> StopOrders:
        return StopOrders(self.stream, self.proposer(number), INSTRUMENTS, self.room)

    def rest(self, draw: random.Random | None = None) -> None:
        self.settle(self.holders, draw)

    def trade(self, price_ticks: int, instrument: int = 0, number: int = 900) -> None:
        """Two orders of sessions 5 and 6 meet there."""
        for topic, side in ((5, Side.SELL), (6, Side.BUY)):
            told = {"price_ticks": price_ticks, "quantity": 1, "instrument": instrument}
            self.say(order(number, side=side, **told), topic)

    def entered(self) -> list[int]:
        """Orders that came in by one of them, in the stream's order."""
        said = self.day().view(NEW_ORDER)
        own = (said["template_id"] == Template.NEW_ORDER) & (said["publisher"] > 1)
        return [int(number) for number in said["client_order_id"][own]]


def stop(number: int, side: Side, stop_ticks: int, price_ticks: int, **fields: object) -> Lines:
    told = {"instrument": 0, "quantity": 10, "time_in_force": TimeInForce.DAY, **fields}
    return lines(
        STOP_ORDER, Template.STOP_ORDER, client_order_id=number, side=side,
        stop_ticks=stop_ticks, price_ticks=price_ticks, **told,
    )  # fmt: skip


def take_back(number: int, instrument: int = 0) -> Lines:
    return lines(STOP_CANCEL, Template.STOP_CANCEL, client_order_id=number, instrument=instrument)


def test_a_trade_at_the_stop_lets_it_in() -> None:
    """A buy from below, a sell from above; not a trade elsewhere, nor one beside its stop."""
    at = Market(1)
    at.say(stop(1, Side.BUY, 105, 107, account=3, display=b"A", time_in_force=IOC), 1)
    at.say(stop(2, Side.SELL, 95, 90), 2)
    at.trade(104)
    at.trade(105, instrument=1)
    at.rest()
    assert at.entered() == []
    at.trade(105)
    at.rest()
    assert at.entered() == [1]
    came = at.day()[-2:].view(NEW_ORDER)[0]
    assert (came["topic"], came["side"], came["price_ticks"]) == (1, Side.BUY, 107)
    assert (came["account"], came["time_in_force"], came["display"]) == (3, IOC, b"A")
    at.trade(93)
    at.rest()
    assert at.entered() == [1, 2]
    assert at.holders[0].held == 0


def test_those_that_one_trade_lets_in_come_in_the_order_in_which_they_were_given() -> None:
    at = Market(1)
    for number, stop_ticks in ((1, 103), (2, 101), (3, 102), (4, 104)):
        at.say(stop(number, Side.BUY, stop_ticks, 90), 1 + number % 3)
    at.say(stop(5, Side.SELL, 110, 120), 1)
    at.trade(103)
    at.rest()
    assert at.entered() == [1, 2, 3, 5]


def test_trades_of_stop_orders_let_others_in() -> None:
    """A cascade: each one's trade reaches the next one's stop."""
    at = Market(1)
    for number in range(1, 5):
        offer = {"side": Side.SELL, "quantity": 5, "price_ticks": 100 + number}
        at.say(order(50 + number, **offer), 4)
        at.say(stop(number, Side.BUY, 100 + number - 1, 100 + number, quantity=5), number % 3 + 1)
    at.trade(100)
    at.rest()
    assert at.entered() == [1, 2, 3, 4]
    traded = at.day().view(EXECUTED)
    prices = traded["price_ticks"][traded["template_id"] == Template.EXECUTED]
    assert sorted(set(prices.tolist())) == [100, 101, 102, 103, 104]


def test_a_market_order_that_was_stopped_has_a_collar() -> None:
    at = Market(1)
    at.say(order(50, side=Side.SELL, quantity=5, price_ticks=106), 4)
    market_order = {"options": OrderOption.MARKET, "time_in_force": IOC}
    at.say(stop(1, Side.BUY, 102, 110, **market_order), 1)
    at.trade(102)
    at.rest()
    said = at.day()["template_id"].tolist()
    assert said[-4:] == [
        *(Template.NEW_ORDER, Template.EXECUTED, Template.EXECUTED, Template.CANCELED)
    ]


def test_what_is_taken_back_does_not_come_in() -> None:
    at = Market(1)
    for number in (1, 2):
        at.say(stop(number, Side.BUY, 105, 107), 1)
    at.say(take_back(1), 1)
    at.trade(105)
    at.rest()
    assert at.entered() == [2]
    at.say(take_back(1), 1)
    at.rest()
    assert at.entered() == [2]


def test_a_client_that_takes_it_back_and_the_trade_race_for_the_topic() -> None:
    """The holder proposes the entry; the client's word is on the stream first: the entry is not."""
    at = Market(1)
    at.say(stop(1, Side.BUY, 105, 107), 1)
    at.trade(105)
    while at.holders[0].do_work(100):
        pass
    assert at.holders[0].counts.proposals == 1
    # Lanes are served in turn from the first; the test's own is in front.
    at.engine.sequencer.begin(at.engine.sequencer.inputs, market.START_NS, 1)
    at.say(take_back(1), 1)
    at.rest()
    outcome = (at.entered(), at.holders[0].counts.lost)
    assert outcome in (([], 1), ([1], 0))
    assert at.day()["template_id"].tolist().count(Template.STOP_CANCEL) == (outcome[0] == [])


def test_an_entry_that_the_engine_refuses_is_done() -> None:
    at = Market(2)
    at.say(stop(1, Side.BUY, 105, 107, quantity=0), 1)
    at.trade(105)
    at.rest()
    refused = at.day().view(NEW_ORDER)
    refused = refused[refused["template_id"] == Template.REJECTED]
    assert (refused["client_order_id"].tolist(), refused["topic"].tolist()) == ([1], [1])


def test_one_too_many_is_refused_on_the_stream() -> None:
    """Also a number that is held already; by one of them, once."""
    at = Market(2, room=2)
    for number in (1, 2, 3, 2):
        at.say(stop(number, Side.BUY, 105, 107), 1)
    at.rest()
    said = at.day().view(REJECT)
    said = said[said["template_id"] == Template.REJECT]
    assert said["client_order_id"].tolist() == [3, 2]
    assert set(said["reason"].tolist()) == {RejectReason.ORDER_CAPACITY}
    assert set(said["refused_template"].tolist()) == {Template.STOP_ORDER}
    assert [holder.held for holder in at.holders] == [2, 2]


def script(seed: int) -> list[tuple[int, Lines]]:
    """Stop orders, orders that trade, those that are taken back, halts."""
    draw = random.Random(seed)
    out: list[tuple[int, Lines]] = []
    for number in range(1, 90):
        topic, side = draw.randrange(1, 4), draw.choice((Side.BUY, Side.SELL))
        instrument, price = draw.randrange(2), draw.randrange(95, 106)
        kind = draw.random()
        if kind < 0.4:
            quantity = draw.randrange(1, 9)
            told = {"instrument": instrument, "quantity": quantity}
            out.append((topic, stop(number, side, draw.randrange(95, 106), price, **told)))
        elif kind < 0.5:
            out.append((topic, take_back(draw.randrange(1, number + 1), instrument)))
        elif kind < 0.55:
            to = draw.choice((InstrumentState.HALTED, InstrumentState.CONTINUOUS))
            out.append((OPERATOR, state(instrument, to)))
        else:
            told = {"side": side, "price_ticks": price, "quantity": draw.randrange(1, 9)}
            out.append((topic, order(number, instrument=instrument, **told)))
    return out


def seen(at: Market, plan: list[tuple[int, Lines]], seed: int | None) -> list[object]:
    """All that the stream says of it, but who said it; with a seed holders die all the time."""
    draw = None if seed is None else random.Random(seed)
    for topic, proposal in plan:
        at.say(proposal, topic)
        for _ in range(0 if draw is None else draw.randrange(4)):
            assert draw is not None
            n = draw.randrange(len(at.holders))
            for _ in range(draw.randrange(4)):
                _ = at.engine.step() if draw.random() < 0.5 else at.holders[n].do_work(3)
            at.holders[n] = at.holder(n)
        at.rest(draw)
    day = at.day().copy()
    day["publisher"] = day["checksum"] = 0
    return [line.tobytes() for line in day]


@pytest.mark.parametrize("seed", range(12))
def test_nobody_sees_how_many_there_are_or_that_they_die(seed: int) -> None:
    """One that never dies, and three that die at any moment: the same stream, byte for byte."""
    plan = script(seed)
    calm = Market(1)
    wild = Market(3)
    assert seen(wild, plan, seed) == seen(calm, plan, None)
    assert wild.entered() == calm.entered()
    assert len(calm.entered()) > 0
    assert {holder.held for holder in wild.holders} == {calm.holders[0].held}
    assert np.unique(wild.entered()).size == len(wild.entered())


SCOPES = {
    "everything": ({"scope": Scope.EVERYTHING}, {1, 2, 3, 4}),
    "a session's": ({"scope": Scope.SESSION, "session": 2}, {2, 4}),
    "an account's side": ({"scope": Scope.ACCOUNT | Scope.SIDE, "account": 3, "side": 2}, {4}),
    "a firm's, killed": ({"scope": Scope.FIRM | Scope.KILL, "firm": 7}, {1}),
    "an instrument's": ({"scope": Scope.INSTRUMENT, "instrument": 1}, {3}),
}


@pytest.mark.parametrize("row", SCOPES.values(), ids=SCOPES)
def test_a_mass_cancel_takes_stop_orders_too(row: tuple[dict[str, int], set[int]]) -> None:
    """Two who hold them: each is taken back once, on its topic; the others come in."""
    told, gone = row
    at = Market(2)
    at.say(stop(1, Side.BUY, 105, 107, firm=7), 1)
    at.say(stop(2, Side.BUY, 105, 107), 2)
    at.say(stop(3, Side.BUY, 105, 107, instrument=1), 3)
    at.say(stop(4, Side.SELL, 110, 90, account=3), 2)
    at.rest(random.Random(5))
    fields = {"instrument": INSTRUMENT_NONE, **told}
    at.say(lines(MASS_CANCEL, Template.MASS_CANCEL, **fields), OPERATOR)
    at.rest(random.Random(6))
    said = at.day().view(STOP_CANCEL)
    ended = said["client_order_id"][said["template_id"] == Template.STOP_CANCEL].tolist()
    assert (set(ended), len(ended)) == (gone, len(gone))
    at.trade(107, instrument=0)
    at.trade(107, instrument=1, number=901)
    at.rest(random.Random(7))
    assert set(at.entered()) == {1, 2, 3, 4} - gone
