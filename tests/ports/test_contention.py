"""One session's topic, and all on it: its port, three fairies and an operator's mass cancels."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from ports.fairy import DAY_NS, CancelFairy
from ports.open_orders import OpenOrders
from ports.ouch import CancelOrder, CancelReject, EnterOrder, OrderAccepted, OrderCanceled
from ringbus.application import Application
from ringbus.contributor import Contributor
from ringbus.lines import NewOrder
from ringbus.messages import (
    CANCELED,
    EXECUTED,
    MASS_CANCEL,
    CancelReason,
    MassCancelScope,
    Template,
)
from ringbus.proposer import Proposal, Proposer
from ringbus.replay import Stream
from ringbus.topics import Topics
from tests.engine.trader import lines
from tests.ports.exchange import Exchange
from tests.ports.venue import INSTRUMENTS, START_NS, TICK, USERS

Lines = NDArray[np.void]
TOPIC, SHARDS, FAIRIES = 1, 2, 3
ORDERS = 120


class Sweeper(Application):
    """An operator who cancels all of one session in one instrument, at every third order."""

    def __init__(self, stream: Stream, proposer: Proposer) -> None:
        self.orders = 0
        self.asked: list[int] = []
        super().__init__(stream, None, proposer)

    def on_new_order(self, line: NewOrder) -> None:
        self.orders += 1
        if self.orders % 3 == 0:
            self.asked.append(line.instrument)

    def wish(self) -> Proposal | None:
        if not self.asked:
            return None
        instrument = self.asked[0]
        scope = MassCancelScope.SESSION | MassCancelScope.INSTRUMENT
        sweep = lines(
            MASS_CANCEL, Template.MASS_CANCEL, instrument=instrument, session=TOPIC, scope=scope
        )
        return Proposal(TOPIC, INSTRUMENTS[instrument].shard, sweep)

    def answered(self, proposal: Proposal) -> None:
        self.asked.pop(0)


def contributors(exchange: Exchange) -> tuple[list[CancelFairy], Sweeper]:
    """Three fairies to whom the day is over, and the sweeper."""
    engine = exchange.engine
    stream = Stream(engine.ring)

    def proposer(number: int) -> Proposer:
        way = Contributor(engine.lane_memory[number], number, engine.doorbell)
        return Proposer(way, engine.core, Topics(len(USERS) + 1, SHARDS))

    day_ends_ns = START_NS % DAY_NS
    fairies = [
        CancelFairy(stream, proposer(n + 1), OpenOrders(SHARDS, 65536), 2, day_ends_ns=day_ends_ns)
        for n in range(FAIRIES)
    ]
    return fairies, Sweeper(stream, proposer(FAIRIES + 1))


def ask(seed: int) -> list[EnterOrder | CancelOrder]:
    """Orders that meet nothing, most of them canceled a little later by their client too."""
    draw = random.Random(seed)
    out: list[EnterOrder | CancelOrder] = []
    for number in range(1, ORDERS + 1):
        symbol, price = draw.choice(INSTRUMENTS).symbol, draw.randrange(100, 160) * TICK
        out.append(EnterOrder(number, "B", 10 * draw.randrange(1, 9), symbol, price))
        if number > 3 and draw.random() < 0.7:
            out.append(CancelOrder(number - draw.randrange(3)))
    return out


@pytest.mark.parametrize("seed", range(4))
def test_everybody_on_one_topic(seed: int) -> None:
    """All get through, nothing is done twice, and what is lost is said again or wanted no more."""
    draw = random.Random(seed)
    with Exchange(contributors=FAIRIES + 2) as exchange:
        fairies, sweeper = contributors(exchange)
        client = exchange.login()
        exchange.settle()
        for request in ask(seed):
            client.send(request)
        agents: list[Callable[[], int]] = [exchange.engine.step, exchange.step]
        agents += [lambda one=one: one.do_work(5) for one in (*fairies, sweeper)]  # type: ignore[misc]
        quiet = 0
        while quiet < 40:
            draw.shuffle(agents)
            quiet = 0 if sum(agent() for agent in agents) else quiet + 1
        stream = exchange.stream()
        port = exchange.port.counts
        assert exchange.port.open_orders == 0
        exchange.port.validate()
    # Every order was accepted once, and went once: canceled in full by whoever was first.
    accepted = {one.user_ref: one.quantity for one in client.ouch if isinstance(one, OrderAccepted)}
    assert sorted(accepted) == list(range(1, ORDERS + 1))
    gone = Counter(one.user_ref for one in client.ouch if isinstance(one, OrderCanceled))
    assert gone == dict.fromkeys(accepted, 1)
    for one in client.ouch:
        if isinstance(one, OrderCanceled):
            assert one.quantity == accepted[one.user_ref]
    # Only a cancel of the client's own that came too late is refused, and that by its port.
    kinds = {type(one) for one in client.ouch[1:]}
    assert kinds <= {OrderAccepted, OrderCanceled, CancelReject}
    assert Template.REJECTED not in stream["template_id"]
    # Whose words they are that took the orders away.
    said = stream.view(EXECUTED)
    by_fairies = (said["template_id"] == Template.CANCEL) & (said["publisher"] > 1)
    swept = said["template_id"] == Template.CANCELED
    assert (stream.view(CANCELED)["reason"][swept] == CancelReason.MASS_CANCEL).all()
    assert np.count_nonzero(by_fairies) > 0
    assert np.count_nonzero(swept) > 0
    assert np.count_nonzero(said["template_id"] == Template.MASS_CANCEL) == ORDERS // 3
    # Each of them lost, tried again, and none needed to give up.
    lost = {"port": port["retries"], "sweeper": sweeper.counts.lost}
    lost |= {f"fairy {n}": fairy.counts.lost for n, fairy in enumerate(fairies)}
    print(f"seed {seed}: {len(stream)} messages, proposals lost: {lost}")
    assert all(lost.values()), lost
    assert all(one.counts.given_up == 0 for one in (*fairies, sweeper))
    # A loss is somebody else's success: nobody loses more often than numbers were taken.
    taken = np.count_nonzero(stream["topic"] == TOPIC)
    assert max(lost.values()) <= taken
