"""Cancel fairies: what is over goes, once, whoever of them lives."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ports.fairy import CancelFairy
from ports.open_orders import NEVER, TEMPLATES, OpenOrders
from ringbus.filter import Filter
from ringbus.messages import (
    CANCEL,
    CANCELED,
    NEW_ORDER,
    ORDER_TERMS,
    REPLACE,
    CancelReason,
    Flag,
    InstrumentState,
    Side,
    Template,
    TimeInForce,
)
from ringbus.status import CapacityError
from tests.engine.trader import lines
from tests.ports import market
from tests.ports.market import (
    DAY,
    DAY_NS,
    GTC,
    GTT,
    INSTRUMENTS,
    OPERATOR,
    ORDERS,
    SHARDS,
    START_NS,
    Lines,
    order,
    state,
    terms,
)


class Market(market.Market):
    """With fairies."""

    def __init__(self, fairies: int, day_ends_ns: int = 0) -> None:
        super().__init__(fairies)
        self.day_ends_ns = day_ends_ns
        self.fairies = [self.fairy(n) for n in range(fairies)]

    def fairy(self, number: int) -> CancelFairy:
        return CancelFairy(
            self.stream, self.proposer(number), OpenOrders(SHARDS, ORDERS), INSTRUMENTS,
            day_ends_ns=self.day_ends_ns,
        )  # fmt: skip

    def rest(self, draw: random.Random | None = None) -> None:
        self.settle(self.fairies, draw)

    def expired(self) -> list[int]:
        """Orders that a fairy took away, by their clients' numbers."""
        said = self.day().view(CANCEL)
        by_fairy = (said["template_id"] == Template.CANCEL) & (said["publisher"] > 1)
        assert (said["reason"][by_fairy] == CancelReason.EXPIRED).all()
        return [int(number) for number in said["client_order_id"][by_fairy]]


def test_an_order_goes_when_its_time_has_come() -> None:
    market = Market(1)
    market.say(order(1, START_NS + 1000), 1)
    market.say(order(2, START_NS + 2000, instrument=1), 2)
    market.say(order(3), 1)
    market.tick(START_NS + 999)
    market.rest()
    assert market.expired() == []
    # Any message tells the time.
    market.at(START_NS + 1000)
    market.say(order(4), 3)
    market.rest()
    assert market.expired() == [1]
    market.tick(START_NS + 5000)
    market.rest()
    assert market.expired() == [1, 2]
    last = market.day()[-1:].view(CANCEL)
    assert (last["quantity"][0], last["remaining"][0], last["topic"][0]) == (10, 0, 2)
    assert sum(book.open_orders for book in market.engine.books) == 2


def test_what_is_open_of_it_goes() -> None:
    market = Market(1)
    market.say(order(1, START_NS + 1000), 1)
    market.say(order(9, side=Side.SELL, quantity=4), 2)
    market.tick(START_NS + 1000)
    market.rest()
    assert market.day()[-1:].view(CANCEL)["quantity"].tolist() == [6]


def test_a_replaced_order_has_the_time_that_it_was_last_given() -> None:
    market = Market(1)
    for number in (1, 2, 3):
        market.say(order(number, START_NS + 1000), 1)
    locates = {
        int(line["client_order_id"]): int(line["locate"])
        for line in market.day().view(NEW_ORDER)
        if line["template_id"] == Template.NEW_ORDER
    }

    def replaced(number: int, time_in_force: TimeInForce) -> Lines:
        return lines(
            REPLACE, Template.REPLACE, instrument=0, price_ticks=90, quantity=5,
            locate=locates[number], client_order_id=number + 10,
            original_client_order_id=number, time_in_force=time_in_force,
        )  # fmt: skip

    market.say(np.concatenate((replaced(1, GTT), terms(0, START_NS + 9000))), 1)
    market.say(replaced(2, GTT), 1)
    market.say(replaced(3, GTC), 1)
    market.tick(START_NS + 1000)
    market.rest()
    assert market.expired() == [12]
    market.tick(START_NS + 9000)
    market.rest()
    assert market.expired() == [12, 11]


def test_day_orders_go_when_their_instrument_is_closed() -> None:
    market = Market(1)
    for number in (1, 2):
        market.say(order(number, instrument=number), 1)
    market.say(order(3, time_in_force=GTC, instrument=1), 1)
    market.say(state(1, InstrumentState.CLOSED), OPERATOR)
    market.rest()
    assert market.expired() == [1]
    market.say(state(1, InstrumentState.CONTINUOUS), OPERATOR)
    market.say(order(4, instrument=1), 1)
    market.rest()
    assert market.expired() == [1]


def test_day_orders_go_at_the_end_of_the_day() -> None:
    ends_ns = 15 * 3_600_000_000_000
    market = Market(2, ends_ns)
    market.say(order(1), 1)
    market.say(order(2, time_in_force=GTC), 1)
    market.tick(20_000 * DAY_NS + ends_ns - 1)
    market.rest()
    assert market.expired() == []
    market.tick(20_000 * DAY_NS + ends_ns)
    market.rest()
    assert market.expired() == [1]


def test_of_three_one_wins_and_the_others_lose_without_a_word() -> None:
    """All three say it before the engine hears one of them."""
    market = Market(3)
    market.say(order(1, START_NS + 1000), 1)
    market.tick(START_NS + 1000)
    for fairy in market.fairies:
        while fairy.do_work(64):
            pass
    assert [fairy.counts.proposals for fairy in market.fairies] == [1, 1, 1]
    market.rest()
    assert market.expired() == [1]
    assert sorted(fairy.counts.answered for fairy in market.fairies) == [0, 0, 1]
    assert sorted(fairy.counts.lost for fairy in market.fairies) == [0, 1, 1]
    assert Template.REJECTED not in market.day()["template_id"]


def script(seed: int) -> list[tuple[int, Lines | None]]:
    """What happens in a market: (topic, proposal), or (nanoseconds, None) for time that passes."""
    draw = random.Random(seed)
    out: list[tuple[int, Lines | None]] = []
    number, now_ns = 0, START_NS
    for _ in range(80):
        kind = draw.random()
        if kind < 0.3:
            now_ns += draw.randrange(1, 4000)
            out.append((now_ns, None))
        elif kind < 0.35:
            to = draw.choice((InstrumentState.CLOSED, InstrumentState.CONTINUOUS))
            out.append((OPERATOR, state(draw.randrange(INSTRUMENTS), to)))
        else:
            number += 1
            until_ns = now_ns + draw.randrange(1, 9000) if draw.random() < 0.7 else 0
            new = order(
                number, until_ns, draw.randrange(INSTRUMENTS),
                side=draw.choice((Side.BUY, Side.SELL)), price_ticks=draw.randrange(98, 103),
                quantity=draw.randrange(1, 20),
            )  # fmt: skip
            out.append((draw.randrange(1, 4), new))
    return [*out, (now_ns + 10_000, None)]


def seen(market: Market, plan: list[tuple[int, Lines | None]], seed: int | None) -> list[object]:
    """What clients see of it, step by step; with a seed fairies die and come back all the time."""
    draw = None if seed is None else random.Random(seed)
    out: list[object] = []
    for topic, proposal in plan:
        if proposal is None:
            market.tick(topic)
        else:
            market.say(proposal, topic)
        for _ in range(0 if draw is None else draw.randrange(4)):
            assert draw is not None
            n = draw.randrange(len(market.fairies))
            for _ in range(draw.randrange(4)):
                _ = market.engine.step() if draw.random() < 0.5 else market.fairies[n].do_work(3)
            market.fairies[n] = market.fairy(n)
        market.rest(draw)
        new = market.look().view(CANCELED)
        fields = ("topic", "template_id", "client_order_id", "quantity", "remaining", "reason")
        # Fairies begin at different orders: what goes in one breath goes in any order.
        out.append(sorted(tuple(int(line[name]) for name in fields) for line in new))
    return out


@pytest.mark.parametrize("seed", range(12))
def test_nobody_sees_how_many_there_are_or_that_they_die(seed: int) -> None:
    """One that never dies, against three that die at any moment, a proposal under way or not."""
    plan = script(seed)
    calm = seen(Market(1), plan, None)
    wild = Market(3)
    assert seen(wild, plan, seed) == calm
    expired = wild.expired()
    assert len(expired) == len(set(expired)) > 0
    day = wild.day().view(NEW_ORDER)
    ended = {
        one["client_order_id"]: one["time_ns"] for one in day.view(CANCEL) if one["publisher"] > 1
    }
    timed = np.flatnonzero(day["template_id"] == Template.ORDER_TERMS)
    for n in timed:
        if (number := day["client_order_id"][n - 1]) in ended:
            assert ended[number] >= day[n : n + 1].view(ORDER_TERMS)["expire_time_ns"][0]


def test_the_table_of_open_orders_is_the_books() -> None:
    """Whatever batches it takes, it has what the books have."""
    plan = script(99)
    market = Market(3)
    seen(market, plan, 99)
    day = market.day()
    for cuts in (1, 3, 1000):
        table = OpenOrders(SHARDS, ORDERS)
        wants = Filter(TEMPLATES)
        end = 0
        while end < len(day):
            start, end = end, min(end + cuts, len(day))
            while day["flags"][end - 1] & Flag.CONTINUED:
                end += 1
            table.hear(wants.keep(day[start:end].copy()))
        count = sum(book.open_orders for book in market.engine.books)
        assert count == np.count_nonzero(table.rows["open"])
        for shard, book in enumerate(market.engine.books):
            for instrument in range(INSTRUMENTS):
                for side in (Side.BUY, Side.SELL):
                    for line in book.walk(instrument, side):
                        row = table.rows[shard * (ORDERS + 1) + int(line["locate"])]
                        assert row["open"] == line["quantity"]
                        assert row["client_order_id"] == line["client_order_id"]
                        assert (row["expire_ns"] == NEVER) == (row["time_in_force"] == DAY)


def test_a_locate_beyond_the_table_is_refused() -> None:
    with pytest.raises(CapacityError, match="locate 600"):
        OpenOrders(1, 512).hear(lines(NEW_ORDER, Template.NEW_ORDER, locate=600))
