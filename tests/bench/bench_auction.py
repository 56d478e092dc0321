"""Ten thousand instruments opened at the same second: `make bench-auction`.

A fused engine and one auction take turns in one thread, and nobody waits: every time below is all
the work of both, in seconds of that thread's CPU, and the engine's own part stands beside it. Rows:
everything from the tick that says the time until the last answer is heard. Medians of the rounds,
lowest to highest.

`python -m tests.bench.bench_auction [ROUNDS] [INSTRUMENTS] [ORDERS]`, ORDERS of each instrument on
average.
"""

from __future__ import annotations

import hashlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.fused import FusedEngine, Size
from ports.auction import Auction
from ports.auction_orders import AuctionOrders
from ports.auction_plan import DAY_NS, SECOND_NS, AuctionPlan, Schedule
from ports.uncross import uncross
from ringbus.contributor import Contributor
from ringbus.messages import (
    CROSS_RESULT,
    INSTRUMENT_NONE,
    MESSAGE,
    NEW_ORDER,
    TICK,
    CrossType,
    Flag,
    Side,
    Template,
    TimeInForce,
)
from ringbus.multicast import Reader
from ringbus.replay import Stream
from ringbus.topics import Topics
from ringbus.volley import Volley
from tests.bench import records

SEED: Final = 20261122
SHARDS, SESSIONS, SLOTS = 2, 63, 4096
MIDNIGHT_NS: Final = 20_000 * DAY_NS
OPENS_NS: Final = 34_200 * SECOND_NS
Lines = NDArray[np.void]


class Opening:
    """An exchange on the morning of a day."""

    def __init__(self, instruments: int, orders: int) -> None:
        topics = 1 + SESSIONS + instruments
        self.instruments = instruments
        # Half the orders may rest in one shard when they are released, with a little more.
        pool = instruments * orders // SHARDS * 5 // 4 + 4096
        size = Size(instruments, SHARDS, topics, 2, 1 << 21, SLOTS, pool, 1 << 19)
        self.engine = FusedEngine(size, "manual")
        self.shards = np.array(list(self.engine.shard_of), np.intp)
        self.topics = Topics(topics, SHARDS)
        self.reader = Reader(self.engine.ring)
        self.draw = np.random.default_rng(SEED)
        way = Contributor(self.engine.lane_memory[1], 1, self.engine.doorbell)
        plan = AuctionPlan(Schedule(0, OPENS_NS), instruments, 1 + SESSIONS)
        self.orders = AuctionOrders(SHARDS, pool, instruments)
        self.auction = Auction(
            Stream(self.engine.ring),
            Volley(way, self.engine.core, Topics(topics, SHARDS)),
            self.orders,
            plan,
            self.shards,
            np.full((instruments, 2), (1, 1 << 20), np.int64),
        )
        self.engine_s = 0.0
        self.heard: list[Lines] = []
        self.tick(-60.0)
        self.settle()

    def tick(self, seconds: float) -> None:
        """The stream's time is so much before or behind the opening."""
        self.engine.core.set_time(MIDNIGHT_NS + OPENS_NS + int(seconds * SECOND_NS))
        line = np.zeros(1, TICK)
        line["template_id"], line["instrument"] = Template.TICK, INSTRUMENT_NONE
        self.say(line.view(MESSAGE), np.zeros(1, np.intp), np.zeros(1, np.intp))

    def say(self, lines: Lines, topics: NDArray[np.intp], shards: NDArray[np.intp]) -> None:
        """Put these on the stream, each with the number of its topic."""
        for first in range(0, len(lines), SLOTS // 2):
            some = slice(first, first + SLOTS // 2)
            part, topic, shard = lines[some], topics[some], shards[some]
            key = shard * self.topics.last.shape[1] + topic
            order = np.argsort(key, kind="stable")
            begins = np.r_[0, np.flatnonzero(np.diff(key[order])) + 1]
            within = np.arange(len(part)) - np.repeat(begins, np.diff(np.r_[begins, len(part)]))
            part["topic"], part["flags"] = topic, Flag.LAST_OF_GROUP
            part["topic_sequence"][order] = self.topics.last.reshape(-1)[key[order]] + within + 1
            assert self.engine.offer(part) == len(part)
            self.engine.settle()
            self.listen()

    def listen(self) -> None:
        """Count what is new on the stream, and keep what was crossed."""
        while len(batch := self.reader.poll()):
            self.topics.hear(batch)
            self.heard.append(batch[batch["template_id"] == Template.CROSS_RESULT].copy())

    def enter(self, count: int) -> None:
        """Orders of all instruments round one price."""
        lines: Lines = np.zeros(count, NEW_ORDER)
        draw = self.draw
        lines["template_id"], lines["time_in_force"] = Template.NEW_ORDER, TimeInForce.DAY
        lines["instrument"] = draw.integers(0, self.instruments, count)
        lines["side"] = draw.choice((Side.BUY, Side.SELL), count)
        away = np.where(lines["side"] == Side.BUY, 3, -3) + draw.integers(-10, 11, count)
        lines["price_ticks"] = 1000 + away
        lines["quantity"] = draw.integers(1, 1000, count)
        lines["client_order_id"] = 1 + np.arange(count)
        topics = draw.integers(1, 1 + SESSIONS, count)
        shards = self.shards[lines["instrument"]]
        for first in range(0, count, SLOTS):
            some = slice(first, first + SLOTS)
            self.say(lines[some].view(MESSAGE), topics[some], shards[some])
            # Before the ring forgets what was said.
            while self.auction.do_work(4096):
                pass

    def settle(self) -> float:
        """Turns until nobody has anything to do; returns the seconds that took."""
        self.engine_s = 0.0
        start_s = time.thread_time()
        while True:
            said = self.auction.do_work(4096)
            before_s = time.thread_time()
            done = self.engine.settle()
            self.engine_s += time.thread_time() - before_s
            if not said and not done:
                break
        took_s = time.thread_time() - start_s
        self.listen()
        return took_s

    def one(self) -> dict[str, float]:
        """Microseconds that one instrument takes by itself."""
        which, kind = np.array([self.instruments // 2]), np.array([CrossType.OPENING], np.uint8)
        own, _ = self.orders.of(which, kind)
        return {
            "find the orders of one instrument": time_of(lambda: self.orders.of(which, kind), 200),
            "find its price": time_of(lambda: uncross(own, 0, 1, 1 << 20), 200),
        }

    def crossed(self) -> Lines:
        """What has been crossed, by instrument."""
        said: Lines = np.concatenate(self.heard).view(CROSS_RESULT)
        return said[np.argsort(said["instrument"], kind="stable")]


def time_of(work: Callable[[], object], times: int) -> float:
    """Microseconds of one."""
    start_s = time.thread_time()
    for _ in range(times):
        work()
    return (time.thread_time() - start_s) / times * 1e6


def main(rounds: int = 3, instruments: int = 10_000, orders: int = 50) -> int:
    """Print the table."""
    took: dict[str, list[tuple[float, float]]] = {}
    single: dict[str, list[float]] = {}
    digest = ""
    for _ in range(rounds):
        at = Opening(instruments, orders)
        at.enter(instruments * orders * 9 // 10)
        for name, seconds, more in (
            ("imbalance of all, every book has changed", -3.0, 0),
            ("imbalance of all, no book has changed", -2.0, 0),
            ("imbalance of all, a tenth of the orders is new", -1.0, instruments * orders // 10),
            ("cross of all, no book has changed since", 0.0, 0),
        ):
            at.enter(more) if more else None
            at.tick(seconds)
            took.setdefault(name, []).append((at.settle(), at.engine_s))
            if seconds == -1.0:
                for what, microseconds in at.one().items():
                    single.setdefault(what, []).append(microseconds)
        said = at.crossed()
        assert len(said) == instruments, f"{len(said)} of {instruments} were crossed"
        fields = [said[name].tobytes() for name in ("instrument", "price_ticks", "quantity")]
        round_digest = hashlib.sha256(b"".join(fields)).hexdigest()[:16]
        assert digest in ("", round_digest)
        digest = round_digest
        at.engine.close()
    records.result("crosses", digest)
    print(f"result {digest}: {instruments} instruments, {orders} orders each, {rounds} rounds")
    print("| | seconds | of it the engine | each |")
    print("|---|---|---|---|")
    for name, times in took.items():
        both = sorted(one for one, _ in times)
        records.figure(name, [one for one, _ in times], "s")
        middle, engine = statistics.median(both), statistics.median(one for _, one in times)
        print(
            f"| {name} | {middle:.2f} ({both[0]:.2f}-{both[-1]:.2f}) | {engine:.2f} "
            f"| {middle / instruments * 1e6:.0f} us |"
        )
    for name, each in single.items():
        records.figure(name, each, "us")
        print(f"| {name} | | | {statistics.median(each):.0f} us |")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
