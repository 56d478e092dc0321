"""Auctions: states, imbalances, crosses and collars by the stream's time; races between two."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ports.auction import Auction, Collars
from ports.auction_orders import AuctionOrders
from ports.auction_plan import SECOND_NS, STALE_MAX, AuctionPlan, Schedule
from ringbus.messages import (
    AUCTION_EXTENSION,
    COMMAND,
    CROSS_RESULT,
    EXECUTED,
    IMBALANCE,
    ORDER_TAG,
    ORDER_TERMS,
    REJECTED,
    STATE_CHANGED,
    AuctionOption,
    CommandKind,
    CrossType,
    InstrumentState,
    OrderOption,
    RejectReason,
    Side,
    Template,
    TimeInForce,
)
from ringbus.topics import Topics
from ringbus.volley import Volley
from tests.engine.trader import lines
from tests.ports import market
from tests.ports.market import (
    DAY_NS,
    INSTRUMENTS,
    OPERATOR,
    ORDERS,
    SHARDS,
    START_NS,
    TOPICS,
    Lines,
    order,
    state,
)

MIDNIGHT_NS = START_NS // DAY_NS * DAY_NS
NOW = START_NS % DAY_NS  # since midnight
OPENS, CALL, CLOSES = NOW + 100 * SECOND_NS, NOW + 200 * SECOND_NS, NOW + 260 * SECOND_NS
WHOLE = Schedule(0, OPENS, CALL, CLOSES, halt_ns=20 * SECOND_NS)
HALTS = Schedule(halt_ns=20 * SECOND_NS)
FIELDS = {
    Template.CROSS_RESULT: CROSS_RESULT,
    Template.IMBALANCE: IMBALANCE,
    Template.AUCTION_EXTENSION: AUCTION_EXTENSION,
    Template.STATE_CHANGED: STATE_CHANGED,
    Template.REJECTED: REJECTED,
    Template.EXECUTED: EXECUTED,
}


class Market(market.Market):
    """With some auctions; instrument n has the topic TOPICS + n."""

    def __init__(
        self,
        schedule: Schedule = HALTS,
        count: int = 1,
        collars: Collars = Collars(),  # noqa: B008  frozen
        orders: int = ORDERS,
    ) -> None:
        super().__init__(count, TOPICS + INSTRUMENTS, orders)
        self.schedule, self.collars = schedule, collars
        self.auctions = [self.auction(n) for n in range(count)]

    def auction(self, number: int) -> Auction:
        """One that begins at message 1, on the lane of the number."""
        engine = self.engine
        return Auction(
            self.stream,
            Volley(self.way(number), engine.core, Topics(engine.size.topics, SHARDS)),
            AuctionOrders(SHARDS, self.engine.size.orders, INSTRUMENTS),
            AuctionPlan(self.schedule, INSTRUMENTS, TOPICS),
            np.array(list(engine.shard_of), np.intp),
            np.full((INSTRUMENTS, 2), (1, 100_000), np.int64),
            self.collars,
        )

    def rest(self, draw: random.Random | None = None) -> None:
        self.settle(self.auctions, draw)

    def after(self, seconds: float, draw: random.Random | None = None) -> None:
        """The stream's time is so much behind the start."""
        self.tick(START_NS + int(seconds * SECOND_NS))
        self.rest(draw)

    def enter(self, number: int, side: Side, price_ticks: int, **told: int) -> None:
        """An order of a session, with terms if it has an option of auctions."""
        auction = told.pop("auction", 0)
        first = order(number, side=side, price_ticks=price_ticks, **told)
        if auction:
            more = {"instrument": told.get("instrument", 0), "auction": auction}
            first = np.concatenate((first, lines(ORDER_TERMS, Template.ORDER_TERMS, **more)))
        self.say(first, 1 + number % 5)

    def set(self, to: InstrumentState, instrument: int = 0) -> None:
        """An operator's command."""
        self.say(state(instrument, to), OPERATOR)

    def all(self, template: Template) -> Lines:
        """Every line of a template so far."""
        day = self.day()
        said: Lines = day[day["template_id"] == template].view(FIELDS[template])
        return said

    def states(self, instrument: int = 0) -> list[InstrumentState]:
        said = self.all(Template.STATE_CHANGED)
        return [InstrumentState(one) for one in said["state"][said["instrument"] == instrument]]

    def crosses(self, instrument: int = 0) -> list[tuple[CrossType, int, int]]:
        """Kind, price and quantity of those that were executed."""
        said = self.all(Template.CROSS_RESULT)
        said = said[said["instrument"] == instrument]
        return [
            (CrossType(one["cross_type"]), int(one["price_ticks"]), int(one["quantity"]))
            for one in said
        ]


AUCTION, CONTINUOUS = InstrumentState.AUCTION, InstrumentState.CONTINUOUS
HALTED, CLOSED = InstrumentState.HALTED, InstrumentState.CLOSED


def test_a_day_goes_from_the_opening_cross_to_the_closing_one() -> None:
    """Each change of state is on the stream, at its time and in its order, with a reason."""
    at = Market(WHOLE)
    at.after(0)
    assert [at.states(n) for n in range(INSTRUMENTS)] == [[AUCTION]] * INSTRUMENTS
    at.enter(1, Side.BUY, 105)
    at.enter(2, Side.SELL, 103)
    at.after(99.9)
    assert at.crosses() == []
    at.after(100)
    assert at.crosses() == [(CrossType.OPENING, 103, 10)]
    assert at.crosses(1) == [(CrossType.OPENING, 0, 0)]
    at.enter(3, Side.BUY, 110)
    at.enter(4, Side.SELL, 108)
    at.after(199)
    assert at.states() == [AUCTION, CONTINUOUS]
    at.after(200)
    assert at.states() == [AUCTION, CONTINUOUS, AUCTION]
    at.enter(5, Side.BUY, 101, time_in_force=TimeInForce.AT_CLOSE)
    at.enter(6, Side.SELL, 101)
    at.after(259)
    assert len(at.crosses()) == 1
    at.after(260)
    # Nearest to the last trade, which was at 110.
    assert at.crosses()[1:] == [(CrossType.CLOSING, 101, 10)]
    assert at.states() == [AUCTION, CONTINUOUS, AUCTION, CLOSED]
    at.after(300)
    assert len(at.crosses()) == 2
    day = at.day()
    commands = day[day["template_id"] == Template.COMMAND]
    assert (commands["publisher"] == 2).all()
    behind = day[np.flatnonzero(day["template_id"] == Template.COMMAND) + 1].view(ORDER_TAG)
    assert set(behind["text"].tolist()) == {b"auction:collect"}
    assert Template.REJECTED not in day["template_id"]


def test_the_imbalance_is_said_once_a_second() -> None:
    """R74: what everybody is shown of an auction is on the stream, of the book that it names."""
    at = Market()
    at.enter(1, Side.BUY, 105, quantity=30)
    at.set(AUCTION)
    at.after(0.5)
    assert len(at.all(Template.IMBALANCE)) == 0
    at.enter(2, Side.SELL, 103, time_in_force=TimeInForce.AT_OPENING)
    at.after(1)
    (one,) = at.all(Template.IMBALANCE)
    assert (one["topic"], one["instrument"], one["publisher"]) == (TOPICS, 0, 2)
    assert (one["reference_ticks"], one["paired"], one["imbalance"]) == (103, 10, 20)
    assert (one["side"], one["near_ticks"], one["far_ticks"]) == (Side.BUY, 103, 0)
    assert (one["cross_type"], one["changes"]) == (CrossType.HALT, 3)
    for n in range(2, 60):
        at.after(n / 4)
    times = at.all(Template.IMBALANCE)["time_ns"].astype(np.int64)
    assert len(times) == 14
    assert (np.diff(times) == SECOND_NS).all()


def test_nothing_is_said_of_an_opening_before_its_call() -> None:
    """Orders are held from the start of the day; the auction itself begins later."""
    at = Market(Schedule(NOW + 50 * SECOND_NS, OPENS))
    at.after(0)
    at.enter(1, Side.BUY, 105)
    for second in range(1, 50):
        at.after(second)
    assert at.states() == [InstrumentState.PRE_OPEN]
    assert len(at.all(Template.IMBALANCE)) == 0
    at.after(50)
    assert at.states() == [InstrumentState.PRE_OPEN, AUCTION]
    at.after(51)
    assert len(at.all(Template.IMBALANCE)) == INSTRUMENTS
    at.after(100)
    assert at.crosses() == [(CrossType.OPENING, 0, 0)]


def test_on_close_orders_wait_for_the_closing_cross() -> None:
    at = Market()
    at.set(AUCTION)
    at.enter(1, Side.BUY, 105, time_in_force=TimeInForce.AT_CLOSE)
    at.enter(2, Side.SELL, 103)
    at.after(20)
    assert at.crosses() == [(CrossType.HALT, 0, 0)]


def test_market_hidden_and_imbalance_only_orders_count_as_they_are_executed() -> None:
    """R13: hidden orders take part; the engine takes what was found, at the first try."""
    at = Market()
    at.enter(1, Side.BUY, 101, options=OrderOption.HIDDEN, quantity=7)
    at.set(AUCTION)
    opening: dict[str, int] = {"time_in_force": TimeInForce.AT_OPENING}
    only: dict[str, int] = {"auction": AuctionOption.IMBALANCE_ONLY, **opening}
    at.enter(2, Side.BUY, 1, options=OrderOption.MARKET, quantity=5, **opening)
    at.enter(3, Side.SELL, 99, quantity=20)
    at.enter(4, Side.BUY, 120, quantity=100, **only)
    at.enter(5, Side.SELL, 90, quantity=50, **only)
    at.after(20)
    # Buys without imbalance-only 12, sells 20: the imbalance-only buy fills the other 8.
    (cross,) = at.crosses()
    assert cross[2] == 20
    assert len(at.all(Template.REJECTED)) == 0
    traded = at.all(Template.EXECUTED)
    by = {n: int(traded["quantity"][traded["client_order_id"] == n].sum()) for n in range(1, 6)}
    assert by == {1: 7, 2: 5, 3: 20, 4: 8, 5: 0}


def test_an_operator_ends_a_halt_by_an_auction() -> None:
    at = Market()
    at.after(0)
    at.set(HALTED)
    at.after(50)
    assert at.states() == [HALTED]
    at.set(AUCTION)
    at.after(69)
    assert at.states() == [HALTED, AUCTION]
    at.after(70.1)
    assert at.states() == [HALTED, AUCTION, CONTINUOUS]
    assert at.crosses() == [(CrossType.HALT, 0, 0)]


def test_an_operator_opens_by_hand_where_no_time_is_known() -> None:
    """Out of PreOpen, as long after it as an auction after a halt; the next one is of a halt."""
    at = Market(HALTS)
    at.set(InstrumentState.PRE_OPEN)
    at.enter(1, Side.BUY, 105)
    at.enter(2, Side.SELL, 103, time_in_force=TimeInForce.AT_OPENING)
    at.after(50)
    assert at.states() == [InstrumentState.PRE_OPEN]
    at.set(AUCTION)
    at.after(69)
    assert at.crosses() == []
    at.after(70)
    assert at.crosses() == [(CrossType.OPENING, 103, 10)]
    at.set(AUCTION)
    at.after(90)
    assert [one[0] for one in at.crosses()] == [CrossType.OPENING, CrossType.HALT]
    assert at.states()[-1] == CONTINUOUS


def test_a_halt_ends_by_itself_where_that_is_configured() -> None:
    at = Market(Schedule(halt_ns=20 * SECOND_NS, resume_ns=5 * SECOND_NS))
    at.after(0)
    at.set(HALTED)
    at.after(4.9)
    assert at.states() == [HALTED]
    at.after(5)
    assert at.states() == [HALTED, AUCTION]
    at.after(25)
    assert at.states() == [HALTED, AUCTION, CONTINUOUS]


def test_who_is_halted_when_the_day_closes_has_no_cross() -> None:
    at = Market(WHOLE)
    at.after(0)
    at.after(100)
    at.set(HALTED)
    at.after(230)
    assert at.states()[2:] == [HALTED]
    at.after(260)
    assert at.states()[2:] == [HALTED, CLOSED]
    assert [kind for kind, *_ in at.crosses()] == [CrossType.OPENING]


def test_without_a_call_the_day_closes_out_of_continuous_trading() -> None:
    at = Market(Schedule(closes_ns=CLOSES))
    at.enter(1, Side.BUY, 105, time_in_force=TimeInForce.AT_CLOSE)
    at.enter(2, Side.SELL, 103)
    at.after(260)
    assert at.crosses() == [(CrossType.CLOSING, 103, 10)]
    assert at.states() == [CLOSED]


# --- collars -----------------------------------------------------------------------------------


def reference(price_ticks: int) -> Lines:
    """An operator's word of yesterday's price."""
    told = {"kind": CommandKind.REFERENCE_PRICE, "price_ticks": price_ticks}
    return lines(COMMAND, Template.COMMAND, instrument=0, **told)


def test_a_price_outside_the_collars_puts_the_cross_off_and_then_stays_inside() -> None:
    at = Market(collars=Collars(ticks=5, extension_ns=10 * SECOND_NS, extensions=2))
    at.say(reference(100), OPERATOR)
    at.set(AUCTION)
    at.enter(1, Side.BUY, 130, quantity=50)
    at.enter(2, Side.SELL, 120, quantity=50)
    at.enter(3, Side.SELL, 104, quantity=10)
    at.after(20)
    (said,) = at.all(Template.AUCTION_EXTENSION)
    assert (said["price_ticks"], said["low_ticks"], said["high_ticks"]) == (120, 95, 105)
    assert (said["until_ns"], said["extension"]) == (START_NS + 30 * SECOND_NS, 1)
    at.after(29)
    assert len(at.all(Template.IMBALANCE)) > 0
    at.after(30)
    assert at.all(Template.AUCTION_EXTENSION)["extension"].tolist() == [1, 2]
    at.after(40)
    assert at.crosses() == [(CrossType.HALT, 104, 10)]
    assert at.states() == [AUCTION, CONTINUOUS]


def test_a_price_that_comes_back_inside_is_crossed() -> None:
    at = Market(collars=Collars(basis_points=500, extension_ns=10 * SECOND_NS, extensions=1))
    at.say(reference(1000), OPERATOR)
    at.set(AUCTION)
    at.enter(1, Side.BUY, 1200, quantity=10)
    at.enter(2, Side.SELL, 1100, quantity=10)
    at.after(20)
    assert len(at.all(Template.AUCTION_EXTENSION)) == 1
    at.enter(3, Side.SELL, 1040, quantity=10)
    at.after(30)
    assert at.crosses() == [(CrossType.HALT, 1040, 10)]


# --- races -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_of_three_auctions_one_wins_and_the_others_lose_gracefully(seed: int) -> None:
    """R66-R72, R75: each instrument is crossed once, each second said once, whoever is first."""
    draw = random.Random(seed)
    at = Market(WHOLE, count=3)
    at.after(0, draw)
    for number in range(60):
        side = draw.choice((Side.BUY, Side.SELL))
        told = {"instrument": number % INSTRUMENTS, "quantity": draw.randrange(1, 50)}
        at.enter(number, side, draw.randrange(90, 110), **told)
        at.after(number, draw)
    at.after(99.999, draw)
    at.after(100, draw)
    for instrument in range(INSTRUMENTS):
        assert at.states(instrument) == [AUCTION, CONTINUOUS]
        assert [kind for kind, *_ in at.crosses(instrument)] == [CrossType.OPENING]
    said = at.all(Template.IMBALANCE)
    for instrument in range(INSTRUMENTS):
        times = said["time_ns"][said["instrument"] == instrument].astype(np.int64)
        assert (np.diff(times) >= SECOND_NS).all()
        assert len(times) > 50
    assert Template.REJECTED not in at.day()["template_id"]
    assert set(said["publisher"].tolist()) == {2, 3, 4}
    assert all(one.counts.lost > 0 for one in at.auctions)
    print("lost", [one.counts.lost for one in at.auctions])


def test_an_operator_who_was_faster_changes_nothing() -> None:
    """R71: what is refused since it was done already is not wished again, nor is what follows."""
    at = Market(Schedule(closing_call_ns=CALL, closes_ns=CLOSES))
    at.after(0)
    at.tick(START_NS + 200 * SECOND_NS)
    at.set(AUCTION)
    # It hears of the time, not of the operator.
    at.auctions[0].do_work(1)
    at.rest()
    refused = at.all(Template.REJECTED)
    assert refused["reason"].tolist() == [RejectReason.INSTRUMENT_STATE]
    at.after(260)
    assert [at.states(n) for n in range(INSTRUMENTS)] == [[AUCTION, CLOSED]] * INSTRUMENTS


def test_what_is_refused_for_good_is_not_said_on_and_on() -> None:
    """R75: a cross that the engine does not take is tried again when the book has changed."""
    at = Market()
    at.set(AUCTION)
    at.enter(1, Side.BUY, 105)
    at.enter(2, Side.SELL, 103)
    at.rest()
    wrong = np.full((6, INSTRUMENTS), 1000)
    at.auctions[0]._found[:] = wrong
    at.auctions[0]._found_for[:] = CrossType.HALT
    at.after(20)
    assert at.all(Template.REJECTED)["reason"].tolist() == [RejectReason.INVALID_CROSS]
    at.enter(3, Side.SELL, 103)
    at.after(21)
    assert at.crosses() == [(CrossType.HALT, 103, 10)]


def test_a_book_that_moves_while_the_result_is_on_its_way_is_computed_again() -> None:
    """R69, R71: StaleCross is heard, and the cross is that of the book as it is."""
    at = Market()
    at.set(AUCTION)
    at.enter(1, Side.BUY, 105, quantity=10)
    at.enter(2, Side.SELL, 103, quantity=10)
    at.rest()
    at.tick(START_NS + 20 * SECOND_NS)
    at.enter(3, Side.SELL, 101, quantity=5)
    # It hears of its time, not of the order behind.
    at.auctions[0].do_work(1)
    at.rest()
    refused = at.all(Template.REJECTED)
    assert refused["reason"].tolist() == [RejectReason.STALE_CROSS]
    assert at.crosses() == [(CrossType.HALT, 103, 10)]


def test_a_book_that_never_stands_still_is_halted_and_then_crossed() -> None:
    """R75: retries end; what is refused meanwhile is new, what leaves has an end."""
    at = Market()
    at.set(AUCTION)
    at.rest()
    at.tick(START_NS + 20 * SECOND_NS)
    number = 0
    while not at.crosses():
        number += 1
        assert number < 200
        at.enter(number, Side.BUY, 100, quantity=1)
        # Always behind: an order has come in that it does not know.
        at.auctions[0].do_work(1)
        at.engine.settle()
    assert at.crosses() == [(CrossType.HALT, 0, 0)]
    assert at.states() == [AUCTION, HALTED, CONTINUOUS]
    refused = at.all(Template.REJECTED)["reason"].tolist()
    assert refused.count(RejectReason.STALE_CROSS) >= STALE_MAX
    assert RejectReason.INSTRUMENT_STATE in refused


@pytest.mark.parametrize("seed", range(4))
def test_one_that_dies_is_another_one_from_message_1(seed: int) -> None:
    """Killed at any moment, restarted with nothing of its own: the day is the same."""
    draw = random.Random(seed)
    at = Market(WHOLE, count=2, collars=Collars(ticks=3, extension_ns=SECOND_NS, extensions=1))
    for number in range(1, 300):
        second = number
        if draw.random() < 0.6 and second not in range(98, 110):
            told = {"instrument": draw.randrange(INSTRUMENTS), "quantity": draw.randrange(1, 50)}
            at.enter(number, draw.choice((Side.BUY, Side.SELL)), draw.randrange(90, 110), **told)
        at.tick(START_NS + second * SECOND_NS)
        for _ in range(draw.randrange(6)):
            draw.choice(at.auctions).do_work(5)
            if draw.random() < 0.5:
                at.engine.step()
        if draw.random() < 0.1:
            victim = draw.randrange(2)
            at.auctions[victim] = at.auction(victim)
    at.rest(draw)
    for instrument in range(INSTRUMENTS):
        kinds = [kind for kind, *_ in at.crosses(instrument)]
        assert kinds == [CrossType.OPENING, CrossType.CLOSING]
        assert at.states(instrument)[-1] == CLOSED


def test_never_is_never() -> None:
    at = Market(Schedule())
    at.after(0)
    at.after(86_000)
    assert [at.states(n) for n in range(INSTRUMENTS)] == [[]] * INSTRUMENTS


def cross_with_a_death(dies_at: int) -> tuple[int, list[tuple[int, ...]]]:
    """One auction of an instrument, of which the process dies at a step; steps, what was said."""
    at = Market(count=2)
    at.auctions.pop()  # the other one's lane stays silent
    at.set(AUCTION)
    for number in range(1, 9):
        side = Side.BUY if number % 2 else Side.SELL
        at.enter(number, side, 100 + number, quantity=number)
    at.rest()
    at.tick(START_NS + 20 * SECOND_NS)
    steps = quiet = 0
    while quiet < 3:
        steps += 1
        if steps == dies_at:
            at.auctions[0] = at.auction(0)
        done = at.auctions[0].do_work(2) if steps % 2 else at.engine.step()
        quiet = 0 if done else quiet + 1
    said = at.day().view(EXECUTED)
    names = ("template_id", "instrument", "price_ticks", "quantity", "client_order_id", "time_ns")
    kinds = (Template.CROSS_RESULT, Template.EXECUTED, Template.STATE_CHANGED)
    said = said[np.isin(said["template_id"], kinds)]
    return steps, [tuple(int(one[name]) for name in names) for one in said]


def test_whenever_it_dies_the_cross_is_the_same() -> None:
    """Before its proposal, while that is on its lane, after the answer: at every step."""
    steps, alive = cross_with_a_death(0)
    assert [line for line in alive if line[0] == Template.EXECUTED]
    for dies_at in range(1, steps + 1):
        assert cross_with_a_death(dies_at)[1] == alive, f"died at step {dies_at}"
