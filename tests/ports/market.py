"""A fused engine, a contributor that the test speaks for, applications that hang on its stream."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.fused import FusedEngine, Size
from engine.risk import Risk
from ringbus.application import Application
from ringbus.contributor import Contributor
from ringbus.messages import (
    COMMAND,
    INSTRUMENT_NONE,
    MESSAGE,
    NEW_ORDER,
    ORDER_TERMS,
    TICK,
    CommandKind,
    Flag,
    InstrumentState,
    Side,
    Template,
    TimeInForce,
)
from ringbus.multicast import Reader
from ringbus.proposer import Proposer
from ringbus.replay import Stream
from ringbus.topics import Topics
from tests.engine.trader import lines

Lines = NDArray[np.void]
DAY_NS = 86_400_000_000_000
START_NS = 20_000 * DAY_NS + 9 * 3_600_000_000_000
SHARDS, INSTRUMENTS, TOPICS, ORDERS = 2, 4, 8, 512
CLOCK, OPERATOR = 7, 0  # topics
GTT, DAY, GTC = TimeInForce.GOOD_TILL_TIME, TimeInForce.DAY, TimeInForce.GOOD_TILL_CANCEL


class Market:
    """An exchange in one thread; lane 0 is the test's, the others are the applications'."""

    def __init__(
        self,
        applications: int,
        topics: int = TOPICS,
        orders: int = ORDERS,
        risk: Risk | None = None,
    ) -> None:
        size = Size(INSTRUMENTS, SHARDS, topics, 1 + applications, orders=orders, lane_slots=64)
        self.engine = FusedEngine(size, "manual", risk=risk)
        self.stream = Stream(self.engine.ring)
        self.topics = Topics(topics, SHARDS)
        self.reader = Reader(self.engine.ring)
        self.said: list[Lines] = []
        self.at(START_NS)

    def proposer(self, number: int) -> Proposer:
        """The way of the application `number`, from 0; its publisher id is 2 more."""
        engine = self.engine
        return Proposer(self.way(number), engine.core, Topics(engine.size.topics, SHARDS))

    def way(self, number: int) -> Contributor:
        """Its lane."""
        lane = self.engine.lane_memory[number + 1]
        return Contributor(lane, number + 1, self.engine.doorbell)

    def at(self, now_ns: int) -> None:
        self.engine.core.set_time(now_ns)

    def say(self, group: Lines, topic: int) -> None:
        """A proposal of the test, which knows all that is on the stream."""
        self.look()
        group = group.copy()
        instrument = int(group.view(NEW_ORDER)["instrument"][0])
        shard = self.engine.shard_of[instrument] if instrument < INSTRUMENTS else 0
        group["topic"] = topic
        group["topic_sequence"] = self.topics.next(topic, shard)
        group["flags"] = Flag.CONTINUED
        group["flags"][-1] = Flag.LAST_OF_GROUP
        self.engine.propose(group)

    def tick(self, now_ns: int) -> None:
        self.at(now_ns)
        self.say(lines(TICK, Template.TICK, instrument=INSTRUMENT_NONE), CLOCK)

    def look(self) -> Lines:
        """What is new on the stream."""
        new: Lines = np.zeros(0, MESSAGE)
        while len(batch := self.reader.poll()):
            new = np.concatenate((new, batch))
        self.topics.hear(new)
        self.said.append(new)
        return new

    def settle(
        self, applications: Sequence[Application], draw: random.Random | None = None
    ) -> None:
        """Everybody works, in any order, until nothing is left to do."""
        quiet = 0
        while quiet < 3:
            agents: list[Callable[[], int]] = [self.engine.step]
            agents += [lambda one=one: one.do_work(7) for one in applications]  # type: ignore[misc]
            if draw is not None:
                draw.shuffle(agents)
            quiet = 0 if sum(agent() for agent in agents) else quiet + 1

    def day(self) -> Lines:
        """All that was said."""
        self.look()
        return np.concatenate(self.said)


def order(number: int, until_ns: int = 0, instrument: int = 0, **fields: object) -> Lines:
    """A buy of 10 at 100, good until a time or for the day."""
    told = {"side": Side.BUY, "price_ticks": 100, "quantity": 10, **fields}
    told.setdefault("time_in_force", GTT if until_ns else DAY)
    first = lines(
        NEW_ORDER, Template.NEW_ORDER, client_order_id=number, instrument=instrument, **told
    )
    if not until_ns:
        return first
    return np.concatenate((first, terms(instrument, until_ns)))


def terms(instrument: int, until_ns: int) -> Lines:
    return lines(ORDER_TERMS, Template.ORDER_TERMS, instrument=instrument, expire_time_ns=until_ns)


def state(instrument: int, to: InstrumentState) -> Lines:
    return lines(
        COMMAND,
        Template.COMMAND,
        instrument=instrument,
        kind=CommandKind.INSTRUMENT_STATE,
        state=to,
    )
