"""The applications of a trading day, and who closes it: the shipped classes, each in a process.

A process can be killed at any step; its successor remembers nothing but what is on the stream. The
only clock that one of them has is the ticker's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ports.auction import Auction, Collars
from ports.auction_orders import AuctionOrders
from ports.auction_plan import DAY_NS, SECOND_NS, AuctionPlan, Schedule
from ports.fairy import CancelFairy
from ports.open_orders import NEVER, OpenOrders
from ports.stops import StopOrders
from ports.ticker import Ticker
from ringbus.application import Application
from ringbus.contributor import Contributor
from ringbus.core import Core, create_page, page_bytes
from ringbus.memory import Block
from ringbus.messages import COMMAND, CommandKind, Template
from ringbus.proposer import Proposer
from ringbus.replay import Stream
from ringbus.status import Lapped
from ringbus.topics import Topics
from ringbus.volley import Volley
from tests.sim.archive import SEGMENT
from tests.sim.crosses import Crosses
from tests.sim.expiry import Expiry
from tests.sim.operators import PRICE_MAX_TICKS, Operator, Quiet, console_of
from tests.sim.options import Day
from tests.sim.processes import Tap
from tests.sim.stop_watch import StopWatch
from tools.closing import Closing
from tools.console.desk import Console
from tools.opening import opening_lines

if TYPE_CHECKING:
    from tests.sim.world import World

FAIRIES = ("fairy.0", "fairy.1", "fairy.2")
AUCTIONS = ("auction.0", "auction.1")
STOPS = ("stops.0", "stops.1")
TICKER, CLOSER = "ticker.0", "closer"
KINDS: dict[str, Sequence[str]] = {
    "fairy": FAIRIES, "auction": AUCTIONS, "stops": STOPS, "ticker": (TICKER,), "closer": (CLOSER,),
}  # fmt: skip
STAFF = (*FAIRIES, *AUCTIONS, *STOPS, TICKER, CLOSER)
# Both are more rounds of the liveness phase than it is quiet for at its end.
IMBALANCE_NS, TICK_NS = 2 * SECOND_NS, 10 * SECOND_NS
EXTENSIONS = 2
# Of the engine, in which it has taken a line of the opening.
ROUNDS_MAX = 100


def sections(price_nodes: int) -> str:
    """What a topology says of them."""
    names = [name for name in STAFF if name != CLOSER]
    out = [f"price_nodes = {price_nodes}"]
    for name in names:
        out += ["[[application]]", f'name = "{name}"', f'kind = "{name.split(".")[0]}"']
    return "\n".join([*out, "[[core]]", 'name = "staff"', f"agents = {names}\n"])


def schedule_of(day: Day, start_ns: int) -> Schedule:
    """Times of a day that begins at `start_ns`."""
    since_midnight_ns = start_ns % DAY_NS

    def at(seconds: int) -> int:
        return since_midnight_ns + seconds * SECOND_NS if seconds else NEVER

    return Schedule(
        0, at(day.opens_s), at(day.closing_call_s), at(day.closes_s), day.halt_s * SECOND_NS,
        day.resume_s * SECOND_NS, IMBALANCE_NS,
    )  # fmt: skip


def collars_of(day: Day) -> Collars:
    return Collars(day.collar_ticks, 0, 3 * SECOND_NS, EXTENSIONS)


class Member:
    """A process with an application, alive or dead.

    Args: make: a new one; lane: what it says is heard there.
    """

    def __init__(self, name: str, make: Callable[[], Application | Closer], tap: Tap) -> None:
        self.name = name
        self.tap = tap
        self.agent: Application | Closer | None = None
        self._make = make

    def step(self, limit: int) -> int:
        return 0 if self.agent is None else self.agent.do_work(limit)

    def start(self) -> None:
        if self.agent is None:
            self.agent = self._make()

    def kill(self) -> bool:
        """False: it was dead."""
        if self.agent is None:
            return False
        self.agent.close()
        self.agent = None
        return True


class Closer:
    """`ringbus close-day`, given again when it was killed: CloseDay by a console, then the end."""

    def __init__(self, world: World, way: Contributor, stream: Stream) -> None:
        self._world, self._way, self._stream = world, way, stream
        self._closing: Closing | None = None
        self._console: Console | None = None
        self._who = Operator("ann", 0, world.draw, has_limits=True)
        if _has_said(stream):
            self._closing = self._end()
        else:
            self._who.wanted = {"verb": "close-day", "author": "ann", "reason": "it is late"}
            self._console = console_of(
                world.configuration, way.lane, way.number, way.doorbell, stream, world.size.topics,
                lambda: world.now_ns,
            )  # fmt: skip

    def do_work(self, limit: int) -> int:
        if self._console is None:
            assert self._closing is not None
            return self._closing.do_work(limit)
        work = self._console.do_work(limit)
        work += self._who.step(self._console, self._world.promised)
        assert not self._who.refused, self._who.refused
        if self._who.wanted is None:
            self._console.close()
            self._console, self._closing = None, self._end()
        return work

    def close(self) -> None:
        for one in (self._console, self._closing):
            if one is not None:
                one.close()

    def _end(self) -> Closing:
        """Another contributor on the same lane."""
        size = self._world.size
        return Closing(
            self._stream, Volley(self._way, Quiet(), Topics(size.topics, size.shards)),
            OpenOrders(size.shards, size.orders), self._world.shard_of,
            self._world.configuration.opening,
        )  # fmt: skip


def _has_said(stream: Stream) -> bool:
    """Whether the day is closed already, as far as it can see."""
    replay = stream.replay()
    has = False
    try:
        while len(batch := replay.poll()):
            commands = batch[batch["template_id"] == Template.COMMAND].view(COMMAND)
            has |= bool((commands["kind"] == CommandKind.CLOSE_DAY).any())
    except Lapped:
        # It cannot be read just now: who says it once more says what is true.
        pass
    replay.close()
    return has


class Staff:
    """All of them, on lanes from `first` on and wires from `wire` on; none is started yet."""

    def __init__(self, world: World, day: Day, first: int, wire: int) -> None:
        self.day = day
        self.is_closing = False
        self.start_ns = world.now_ns
        self.schedule = schedule_of(day, world.now_ns)
        page = Block(page_bytes())
        create_page(page, TICKER)
        self._clock = Core(page, world.memory.bells, TICKER, "spin", "manual")
        self._clock.set_time(world.now_ns)
        self._world = world
        self._numbers = {name: first + n for n, name in enumerate(STAFF)}
        self._wires = {name: wire + n for n, name in enumerate(STAFF)}
        self.members = {
            name: Member(name, partial(self._make, name), Tap(world.memory.lanes[number]))
            for name, number in self._numbers.items()
        }

        self.expiry = Expiry(self.publishers(FAIRIES), self.number(CLOSER) + 1, self.day_ends_ns)
        self.crosses = Crosses(
            self.publishers(AUCTIONS), world.configuration.topic_of_instrument(0),
            world.auditor.markets.instruments, self.schedule, self.start_ns // DAY_NS * DAY_NS,
            collars_of(day), (1, PRICE_MAX_TICKS),
        )  # fmt: skip
        self.stop_watch = StopWatch(self.publishers(STOPS))
        world.auditor.judges += [self.expiry, self.crosses, self.stop_watch]

    def at_rest(self) -> None:
        """What must be so when nothing is left to be done. Raises: AssertionError."""
        self.expiry.at_rest()
        self.crosses.at_rest()
        self.stop_watch.at_rest()

    def at_the_end(self) -> None:
        """What must be so when the day is over. Raises: AssertionError."""
        self.expiry.at_the_end()

    def advance(self, now_ns: int) -> None:
        """Let time pass."""
        self._clock.set_time(now_ns)

    def step(self, name: str, limit: int) -> int:
        member = self.members[name]
        work = member.step(limit)
        self.listen(name)
        return work

    def listen(self, name: str) -> None:
        """The auditor hears what one of them proposes."""
        for proposal in self.members[name].tap.hear():
            self._world.auditor.propose(self._numbers[name], proposal)

    def start(self, name: str) -> None:
        """One that is dead; nobody closes the day before it is time."""
        if name != CLOSER or self.is_closing:
            self.members[name].start()

    def start_all(self) -> None:
        for name in STAFF:
            self.start(name)

    def kill_one(self, names: Sequence[str]) -> bool:
        """False: it was dead."""
        return self.members[self._world.draw.choice(names)].kill()

    def close_day(self) -> None:
        """Somebody begins to close the day."""
        self.is_closing = True
        self.start(CLOSER)

    def publishers(self, names: Sequence[str]) -> tuple[int, ...]:
        """What the sequencer stamps on what they say."""
        return tuple(self._numbers[name] + 1 for name in names)

    def number(self, name: str) -> int:
        """Of the lane."""
        return self._numbers[name]

    def close(self) -> None:
        for member in self.members.values():
            member.kill()
        self._clock.close()

    def _make(self, name: str) -> Application | Closer:
        world, number = self._world, self._numbers[name]
        size, memory, opening = world.size, world.memory, world.configuration.opening
        way = Contributor(memory.lane_memory[number], number, memory.doorbell)
        stream = Stream(world.seen_by(self._wires[name]), world.directories, SEGMENT)
        topics = Topics(size.topics, size.shards)
        if name == CLOSER:
            return Closer(world, way, stream)
        if name in FAIRIES:
            orders = OpenOrders(size.shards, size.orders)
            ends_ns = self.day_ends_ns % DAY_NS
            proposer = Proposer(way, Quiet(), topics)
            return CancelFairy(stream, proposer, orders, size.instruments, opening, ends_ns)
        if name in AUCTIONS:
            return Auction(
                stream, Volley(way, Quiet(), topics),
                AuctionOrders(size.shards, size.orders, size.instruments),
                AuctionPlan(
                    self.schedule, size.instruments, world.configuration.topic_of_instrument(0)
                ),
                np.array(list(world.shard_of), np.intp),
                np.full((size.instruments, 2), (1, PRICE_MAX_TICKS), np.int64),
                collars_of(self.day), opening,
            )  # fmt: skip
        proposer = Proposer(way, Quiet(), topics)
        if name in STOPS:
            return StopOrders(stream, proposer, size.instruments, opening=opening)
        topic = world.configuration.topic_of(TICKER)
        return Ticker(stream, proposer, self._clock, topic, TICK_NS, opening)

    @property
    def day_ends_ns(self) -> int:
        """When day orders are over, since the epoch; 0: only with their instrument."""
        seconds = self.day.day_ends_s
        return self.start_ns + seconds * SECOND_NS if seconds else 0


def open_day(world: World, staff: Staff, build: int) -> None:
    """Say the first lines of the day, as a launcher does, before anything can go wrong."""
    number = staff.number(CLOSER)
    for line in opening_lines(world.configuration, build):
        world.memory.offer(line.reshape(1), number)
        staff.listen(CLOSER)
        before = world.auditor.groups
        for _ in range(ROUNDS_MAX):
            for n in range(world.engine_agents):
                world.step_engine(n, 64)
            for one in world.archives:
                one.step(64)
            if world.auditor.groups > before:
                break
