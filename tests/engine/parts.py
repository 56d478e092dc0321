"""The agents one by one, with both ends of their lanes in the hands of the test."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine._engine import ffi, lib
from engine.book import Book
from engine.fused import FusedEngine
from engine.publisher import Publisher
from engine.sequencer import Sequencer
from engine.shard import Shard
from ringbus._ringbus import ffi as ringbus_ffi
from ringbus._ringbus import lib as ringbus
from ringbus.core import Core, create_page, page_bytes
from ringbus.idle import bells_bytes, create_bells
from ringbus.lane import Lane, create_lane, lane_bytes
from ringbus.memory import Block
from ringbus.messages import MESSAGE, Flag
from ringbus.multicast import Reader, create_multicast, multicast_bytes, readers_bytes
from ringbus.status import check

Lines = NDArray[np.void]
NULL = ffi.NULL
STEPS_MAX = 1_000_000


def lane_block(slots: int, name: str) -> Block:
    block = Block(lane_bytes(slots))
    create_lane(block, slots, name)
    return block


def bells_block() -> Block:
    block = Block(bells_bytes())
    create_bells(block, "test")
    return block


def make_core(bells: Block, name: str = "test", wait: str = "spin", clock: str = "manual") -> Core:
    page = Block(page_bytes())
    create_page(page, name)
    return Core(page, bells, name, wait, clock)


def counter() -> object:
    return ffi.new("uint64_t *")


def count(of: object) -> int:
    return int(ffi.cast("uint64_t *", of)[0])


class SequencerBench:
    """A sequencer whose contributors and shards are the test."""

    def __init__(
        self,
        contributors: int = 2,
        shards: int = 1,
        instruments: int = 4,
        topics: int = 16,
        slots: int = 64,
        shard_slots: int = 1024,
        clock: str = "manual",
        group_of: Sequence[int] = (),
        shard_of: bytes = b"",
    ) -> None:
        self.core = make_core(bells_block(), clock=clock)
        self.doorbell = Block(int(ringbus.rb_doorbell_bytes()))
        check(ringbus.rb_doorbell_init(self.doorbell.address, self.doorbell.size, b"test"))
        inward = [lane_block(slots, f"contributor.{n}") for n in range(contributors)]
        outward = [lane_block(shard_slots, f"shard.{n}") for n in range(shards)]
        self.lanes = [Lane(memory) for memory in inward]
        self.shards = [Lane(memory) for memory in outward]
        self.agent = Sequencer(
            self.core,
            self.doorbell,
            inward,
            [(memory, 0) for memory in outward],
            shard_of or bytes(n % shards for n in range(instruments)),
            topics,
            group_of,
        )
        self.refused, self.dropped = counter(), counter()
        self.agent.measure(NULL, self.refused, self.dropped)

    def offer(self, contributor: int, *groups: Lines, ring: bool = True) -> None:
        for group in groups:
            assert self.lanes[contributor].offer(group) == len(group)
        if ring:
            self.ring(contributor)

    def ring(self, contributor: int) -> None:
        check(ringbus.rb_doorbell_press(self.doorbell.address, contributor))

    def work(self, limit: int = 256) -> int:
        return check(lib.eng_sequencer_work(self.agent.state, limit), "sequencer", lib)

    def take(self, shard: int = 0) -> Lines:
        return self.shards[shard].take()


class ShardBench:
    """A shard whose sequencer and publisher are the test."""

    def __init__(
        self, slots: int = 64, out_slots: int = 64, number: int = 3, orders: int = 8192
    ) -> None:
        self.core = make_core(bells_block())
        inward, outward = lane_block(slots, "in"), lane_block(out_slots, "out")
        self.lane, self.out = Lane(inward), Lane(outward)
        self.book = Book(4, orders, 1024)
        self.agent = Shard(self.core, number, inward, outward, self.book, 16)
        self.dropped = counter()
        self.agent.measure(NULL, self.dropped)
        self.inputs = 0

    def offer(self, group: Lines, publisher: int = 7) -> None:
        """A group as the sequencer would stamp it."""
        group = group.copy()
        self.inputs += 1
        group["checksum"] = self.inputs
        group["publisher"] = publisher
        group["time_ns"] = 1000 * self.inputs
        group["topic"] = group["topic"][0]
        group["topic_sequence"] = group["topic_sequence"][0]
        assert self.lane.offer(group) == len(group)

    def work(self, limit: int = 256) -> int:
        return check(lib.eng_shard_work(self.agent.state, limit), "shard", lib)

    def answer(self, group: Lines, publisher: int = 7) -> Lines:
        """What the shard says to a group; its lane to the publisher must hold it."""
        self.offer(group, publisher)
        self.work()
        return self.out.take()


class PublisherBench:
    """A publisher whose shards are the test."""

    def __init__(self, shards: int = 2, slots: int = 64, ring_slots: int = 64) -> None:
        self.core = make_core(bells_block())
        self.ring = Block(multicast_bytes(ring_slots))
        self.readers = Block(readers_bytes())
        create_multicast(self.ring, self.readers, ring_slots, "stream")
        memory = [lane_block(slots, f"shard.{n}") for n in range(shards)]
        self.lanes = [Lane(one) for one in memory]
        self.agent = Publisher(self.core, self.ring, self.readers, memory)
        self.reader = Reader(self.ring)

    def work(self, limit: int = 256) -> int:
        return check(lib.eng_publisher_work(self.agent.state, limit), "publisher", lib)


class Scheduler:
    """Runs the shards and the publisher of a fused engine in an order drawn from a seed."""

    def __init__(self, engine: FusedEngine, seed: int) -> None:
        self._random = random.Random(seed)
        self._agents: list[Callable[[int], int]] = [
            *(self._shard(shard) for shard in engine.shards),
            lambda limit: int(lib.eng_publisher_work(engine.publisher.state, limit)),
        ]

    @staticmethod
    def _shard(shard: Shard) -> Callable[[int], int]:
        return lambda limit: int(lib.eng_shard_work(shard.state, limit))

    def some(self, times: int) -> None:
        """That many times any agent with any limit."""
        for _ in range(times):
            check(self._random.choice(self._agents)(self._random.choice((1, 2, 5, 64))))

    def rest(self) -> None:
        """Until none of them has anything to do."""
        for _ in range(STEPS_MAX):
            if sum(check(agent(1 + self._random.randrange(4))) for agent in self._agents) == 0:
                return
        raise AssertionError("the agents do not come to rest")


def sequence_one(engine: FusedEngine, contributor: int, group: Lines) -> bool:
    """Put a group on its lane and let the sequencer alone take it; whether it found room behind."""
    if engine.lanes[contributor].depth == 0:
        assert engine.offer(group, contributor) == len(group)
    check(lib.eng_sequencer_work(engine.sequencer.state, 4))
    return engine.lanes[contributor].depth == 0


def is_sealed(stream: Lines) -> bool:
    """Whether sequences are 1, 2, 3 … and all checksums right."""
    whole = np.ascontiguousarray(stream)
    pointer = ringbus_ffi.cast("void *", whole.ctypes.data)
    dense = np.array_equal(whole["sequence"], np.arange(1, len(whole) + 1))
    return dense and int(ringbus.rb_messages_verify(pointer, len(whole))) == len(whole)


def grouped(*parts: Lines) -> Lines:
    """One proposal of several lines."""
    out = np.concatenate(parts)
    out["flags"][:-1] |= np.uint8(Flag.CONTINUED)
    return out


def templates(stream: Lines) -> Sequence[int]:
    return [int(one) for one in stream["template_id"]]


def view(stream: Lines, dtype: np.dtype[np.void]) -> Lines:
    """Lines seen as of one template."""
    return np.ascontiguousarray(stream).view(dtype)


EMPTY: Lines = np.zeros(0, MESSAGE)
