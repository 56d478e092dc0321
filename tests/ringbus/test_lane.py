"""The lane against a list, and between real processes."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ringbus.lane import Lane, create_lane, lane_bytes
from ringbus.memory import Block
from ringbus.messages import MESSAGE
from ringbus.segment import Segment, segment_name
from ringbus.status import LayoutError, UsageError
from tests.ringbus.children import TAIL_OFFSET
from tests.ringbus.support import Child, make_lane, numbered, numbers_of, patch, run_of, word

SLOTS_OFFSET = 384


class AgainstAList(RuleBasedStateMachine):
    """Two handles on one lane, and a deque that does what a lane must do."""

    @initialize(capacity=st.sampled_from([8, 16]))
    def start(self, capacity: int) -> None:
        self.capacity = capacity
        self.memory = make_lane(capacity)
        self.producer, self.consumer = Lane(self.memory), Lane(self.memory)
        self.model: deque[int] = deque()
        self.sent = 0
        self.taken = 0

    @rule(count=st.integers(0, 18))
    def offer(self, count: int) -> None:
        messages = numbered(self.sent, count)
        if count > self.capacity:
            with pytest.raises(UsageError):
                self.producer.offer(messages)
            return
        fits = count <= self.capacity - len(self.model)
        assert self.producer.offer(messages) == (count if fits else 0)
        if fits:
            self.model.extend(range(self.sent, self.sent + count))
            self.sent += count

    @rule(limit=st.integers(0, 20))
    def take(self, limit: int) -> None:
        got = self.consumer.take(limit)
        expected = [self.model.popleft() for _ in range(min(limit, len(self.model)))]
        assert numbers_of(got) == expected
        # On a lane, `sequence` is its own position + 1.
        assert got["sequence"].tolist() == run_of(self.taken + 1, self.taken + len(expected))
        self.taken += len(expected)

    @rule()
    def send(self) -> None:
        """One message at a time, between batches."""
        fits = len(self.model) < self.capacity
        assert self.producer.send(numbered(self.sent, 1)) == fits
        if fits:
            self.model.append(self.sent)
            self.sent += 1

    @rule()
    def receive(self) -> None:
        raw = self.consumer.receive()
        assert (raw is None) == (len(self.model) == 0)
        if raw is not None:
            got = np.frombuffer(raw, MESSAGE)
            assert numbers_of(got) == [self.model.popleft()]
            assert got["sequence"].tolist() == [self.taken + 1]
            self.taken += 1

    @rule()
    def another_producer(self) -> None:
        self.producer = Lane(self.memory)
        assert self.producer.repair() == 0

    @rule()
    def another_consumer(self) -> None:
        self.consumer = Lane(self.memory)

    @invariant()
    def whole(self) -> None:
        assert self.producer.depth == len(self.model)
        self.consumer.valid()


TestAgainstAList = AgainstAList.TestCase
TestAgainstAList.settings = settings(max_examples=60, stateful_step_count=40)


@pytest.mark.parametrize("capacity", [0, 4, 9, 1 << 27])
def test_capacities_that_are_refused(capacity: int) -> None:
    with pytest.raises(UsageError, match="power of two"):
        lane_bytes(capacity)


def test_memory_too_small() -> None:
    with pytest.raises(LayoutError, match="lane x"):
        create_lane(Block(lane_bytes(8)), 4096, "x")


def test_messages_of_another_size_are_refused() -> None:
    lane = Lane(make_lane(8))
    with pytest.raises(UsageError, match="64 bytes"):
        lane.offer(np.zeros(1, np.dtype([("a", "u8")])))
    with pytest.raises(UsageError, match="contiguous"):
        lane.offer(numbered(0, 8)[::2])


def test_repair_counts_what_was_committed_and_erases_half_a_group() -> None:
    """R80: a message is whole or absent, at whatever instruction its producer died."""
    memory = make_lane(8)
    lane = Lane(memory)
    lane.offer(numbered(0, 2))
    # It died behind the guard of the third message, before it counted it.
    for n in range(8):
        patch(memory, SLOTS_OFFSET + 2 * 64 + 8 * n, numbered(2, 1).tobytes()[8 * n : 8 * n + 8])
    patch(memory, SLOTS_OFFSET + 2 * 64, (3).to_bytes(8, "little"))
    # And of a group of two behind it, only the last guard is there: it is written first.
    patch(memory, SLOTS_OFFSET + 4 * 64, (5).to_bytes(8, "little"))
    successor = Lane(memory)
    assert successor.repair() == 1
    successor.valid()
    assert successor.depth == 3
    assert numbers_of(Lane(memory).take()) == [0, 1, 2]


def test_two_processes_lose_nothing(exchange: str) -> None:
    """R80: 200,000 messages between two processes, in order, each whole, over a small lane."""
    count = 200_000
    name = segment_name(exchange, "lane")
    with Segment.create(name, lane_bytes(4096)) as memory:
        create_lane(memory, 4096, "lane")
        lane = Lane(memory)
        with Child("lane_produce", name, count) as child:
            received = 0
            while received < count:
                numbers = numbers_of(lane.take())
                assert numbers == run_of(received, received + len(numbers) - 1)
                received += len(numbers)
            assert child.line() == "done"
        assert lane.depth == 0
        lane.valid()


def test_producers_are_killed_and_the_lane_goes_on(exchange: str) -> None:
    """R33, R80: SIGKILL in mid-stream; what was committed arrives once, whole and in order."""
    name = segment_name(exchange, "lane")
    with Segment.create(name, lane_bytes(64)) as memory:
        create_lane(memory, 64, "lane")
        lane = Lane(memory)
        received = 0
        for reign in range(5):
            with Child("lane_produce_for_ever", name) as child:
                # It goes on where the dead one stopped, and the consumer is never ahead of it.
                start = int(child.line().removeprefix("from "))
                assert received <= start <= received + 64
                goal = received + 1000 * (reign + 1) + 7
                while received < goal:
                    numbers = numbers_of(lane.take(17))
                    assert numbers == run_of(received, received + len(numbers) - 1)
                    received += len(numbers)
                child.kill()
        producer = Lane(memory)
        producer.repair()
        producer.valid()
        last = word(memory, TAIL_OFFSET)
        assert numbers_of(lane.take()) == run_of(received, last - 1)
        assert lane.depth == 0
