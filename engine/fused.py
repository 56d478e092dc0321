"""The whole engine in one process and one thread: for tests, replay and benchmarks.

The same agents as in production, over private memory, stepped by whoever holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.book import Book
from engine.publisher import Publisher
from engine.risk import Admission, Risk, create_settled, settled_bytes
from engine.sequencer import Sequencer
from engine.shard import Shard
from ringbus._ringbus import lib
from ringbus.core import Core, create_page, page_bytes
from ringbus.idle import bells_bytes, create_bells
from ringbus.lane import Lane, create_lane, lane_bytes
from ringbus.memory import Block
from ringbus.multicast import create_multicast, multicast_bytes, readers_bytes
from ringbus.status import CapacityError, UsageError, check

IDLE_ROUNDS_MAX = 1_000_000
# As engine/sequencer.h has it.
SHARD_LANE_MIN = 32


@dataclass(frozen=True, slots=True)
class Size:
    """Bounds of an engine: instruments, shards, topics, contributors; slots are powers of two.

    `lane_slots` is of every lane; those to and from a shard have SHARD_LANE_MIN at least.
    """

    instruments: int
    shards: int = 1
    topics: int = 64
    contributors: int = 1
    stream_slots: int = 65536
    lane_slots: int = 4096
    orders: int = 65536
    price_nodes: int = 16384


class FusedEngine:
    """Sequencer, shards and publisher on one core object.

    Args: size: bounds; clock: counted (repeatable), manual or real; shard_of: shard by
    instrument, by default the instrument's number modulo the shards; group_of: group by instrument,
    0 for none; risk: keeps the limits, None: there are none.
    Thread: one.
    """

    def __init__(
        self,
        size: Size,
        clock: str = "counted",
        shard_of: bytes | None = None,
        name: str = "fused",
        group_of: Sequence[int] = (),
        risk: Risk | None = None,
    ) -> None:
        self.size = size
        if shard_of is None:
            shard_of = bytes(n % size.shards for n in range(size.instruments))
        if len(shard_of) != size.instruments or any(n >= size.shards for n in shard_of):
            raise UsageError("shard_of must name a shard below `shards` for each instrument")
        self.shard_of = shard_of
        self.bells = Block(bells_bytes())
        create_bells(self.bells, name)
        self.page = Block(page_bytes())
        create_page(self.page, name)
        self.core = Core(self.page, self.bells, name, "spin", clock)
        self.doorbell = Block(int(lib.rb_doorbell_bytes()))
        check(lib.rb_doorbell_init(self.doorbell.address, self.doorbell.size, name.encode()))
        self.ring = Block(multicast_bytes(size.stream_slots))
        self.readers = Block(readers_bytes())
        create_multicast(self.ring, self.readers, size.stream_slots, "stream")
        self.lane_memory = make_lanes("contributor", size.contributors, size.lane_slots)
        shard_slots = max(size.lane_slots, SHARD_LANE_MIN)
        self.settled = Block(settled_bytes())
        create_settled(self.settled)
        self.inward = inward = make_lanes("in", size.shards, shard_slots)
        self.outward = outward = make_lanes("out", size.shards, shard_slots)
        self.lanes = [Lane(memory) for memory in self.lane_memory]
        self.books = [
            Book(size.instruments, size.orders, size.price_nodes) for _ in range(size.shards)
        ]
        self.sequencer = Sequencer(
            self.core,
            self.doorbell,
            self.lane_memory,
            [(memory, 0) for memory in inward],
            shard_of,
            size.topics,
            group_of,
            Admission(risk, self.settled, self.ring, self.readers) if risk is not None else None,
        )
        self.shards = [
            Shard(self.core, n, inward[n], outward[n], self.books[n], size.topics)
            for n in range(size.shards)
        ]
        self.publisher = Publisher(self.core, self.ring, self.readers, outward)
        self.publisher.settle(self.settled)
        self.core.add("sequencer", self.sequencer)
        for n, shard in enumerate(self.shards):
            self.core.add(f"shard.{n}", shard)
        self.core.add("publisher", self.publisher)

    def offer(self, messages: NDArray[np.void], contributor: int = 0) -> int:
        """Put proposals on a contributor's lane, all or none; returns how many."""
        count = self.lanes[contributor].offer(messages)
        check(lib.rb_doorbell_press(self.doorbell.address, contributor))
        return count

    def propose(self, messages: NDArray[np.void], contributor: int = 0) -> None:
        """Put proposals on a contributor's lane and run until all is published.

        Raises: CapacityError: they do not fit on the lane at once.
        """
        if self.offer(messages, contributor) != len(messages):
            raise CapacityError(f"{len(messages)} messages do not fit on the lane")
        self.settle()

    def step(self) -> int:
        """One round over all agents."""
        return self.core.round()

    def settle(self) -> int:
        """Rounds until nothing is left to do; returns the work done."""
        total = 0
        for _ in range(IDLE_ROUNDS_MAX):
            work = self.core.round()
            if work == 0:
                return total
            total += work
        raise CapacityError("the engine does not come to rest: does a gating reader release?")

    def close(self) -> None:
        """Give the bell back."""
        self.core.close()


def make_lanes(name: str, count: int, slots: int) -> list[Block]:
    """Memory of `count` empty lanes."""
    out = []
    for n in range(count):
        block = Block(lane_bytes(slots))
        create_lane(block, slots, f"{name}.{n}")
        out.append(block)
    return out
