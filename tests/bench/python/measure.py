"""One round of one contender, between two looks at the bare line."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import numpy as np

from tests.bench.python.contender import BATCH, SLOTS, Connect, Contender, End, Messages

FORK = multiprocessing.get_context("fork")
BARE_LINE = Path(__file__).resolve().parents[3] / "build" / "ctest" / "tests" / "bare_line"
BARE_TRIPS = 20_000
# What is sent before the sender of a lossy one asks for word, of which two may be on the way.
BLOCK = SLOTS // 4
BLOCK_SUM = BLOCK * (BLOCK - 1) // 2
# Blocks of a burst: of single messages, and of batches, each some milliseconds for the fastest.
SINGLE_BLOCKS = 4
BATCH_BLOCKS = 64
REST_S = 0.002
PATIENCE_S = 300


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of each a round does, and where."""

    bursts: int
    trips: int
    first_cpu: int
    second_cpu: int

    def warm_up(self, contender: Contender) -> int:
        """Round trips before those that are timed: once round the ring, whose pages fault once."""
        return min(SLOTS if contender.share >= 0.05 else 256, 4 * self.trips)


@dataclass(frozen=True, slots=True)
class Round:
    """Round trips in ns; M messages/s of each burst of single messages, of batches that were only
    counted, and of batches summed; the last two if it has them. `bare_ns` < 0: the line moved."""

    p50_ns: float
    p99_ns: float
    rates: list[list[float]]
    bare_ns: float


class Meeting:
    """Both sides rest, then wait for each other without sleeping: a burst begins with both at work.

    Where others want the CPUs too, that is what makes a burst, of a few milliseconds, its own.
    """

    def __init__(self) -> None:
        # A cache line for each side.
        self._turns = FORK.RawArray("Q", 16)

    def wait(self, side: int) -> None:
        """`side`: 0 or 1."""
        time.sleep(REST_S)
        end = time.monotonic() + PATIENCE_S
        turn = self._turns[8 * side] + 1
        self._turns[8 * side] = turn
        while self._turns[8 * (1 - side)] < turn:
            assert time.monotonic() < end, "the other side did not come"


def bare_line(plan: Plan) -> float:
    """The bare cache line there and back, p50 in ns; 0: the C program was not built."""
    if not BARE_LINE.exists():
        return 0.0
    told = [str(n) for n in (BARE_TRIPS, plan.first_cpu, plan.second_cpu)]
    done = subprocess.run([BARE_LINE, *told], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[0])


def numbered(contender: Contender) -> Messages:
    """A block of messages that carry their number in it."""
    out: Messages = np.zeros(BLOCK, contender.message)
    out["n"] = np.arange(BLOCK)
    return out


def put_blocks(end: End, lossy: bool, blocks: int, put: Callable[[], None]) -> None:
    """Send; no more than two blocks ahead of a receiver that could not hold it back itself."""
    ahead = 0
    for _ in range(blocks):
        if lossy and ahead == 2:
            end.receive()
            ahead -= 1
        put()
        ahead += 1
    for _ in range(ahead if lossy else 0):
        end.receive()


def streams_of(end: End, contender: Contender) -> list[int]:
    """Blocks of a burst of each stream."""
    batches = 0 if end.receive_batch is None else 2
    return [max(1, int(SINGLE_BLOCKS * contender.share))] + batches * [
        max(1, int(BATCH_BLOCKS * contender.share))
    ]


def other_process(
    contender: Contender, connect: Connect, plan: Plan, meeting: Meeting, told: SimpleQueue[int]
) -> None:
    """Echoes, then sends what the first process receives; `told`: when each burst began, in ns."""
    os.sched_setaffinity(0, {plan.second_cpu})
    end = connect(False)
    send, receive, send_batch = end.send, end.receive, end.send_batch
    meeting.wait(1)
    for _ in range(plan.warm_up(contender) + plan.trips):
        send(receive() or b"")
    block = numbered(contender)
    raw = [one.tobytes() for one in block]
    batches = [block[n : n + BATCH] for n in range(0, BLOCK, BATCH)]

    def put_single() -> None:
        for message in raw:
            send(message)

    def put_batches() -> None:
        assert send_batch is not None
        for batch in batches:
            send_batch(batch)

    for n, blocks in enumerate(streams_of(end, contender)):
        for _ in range(plan.bursts):
            meeting.wait(1)
            told.put(time.perf_counter_ns())
            put_blocks(end, contender.lossy, blocks, put_batches if n > 0 else put_single)
    # What it opened stays open until all was received.
    meeting.wait(1)


def trip(end: End, contender: Contender, trips: int) -> list[int]:
    """Nanoseconds of each round trip, sorted."""
    send, receive, clock = end.send, end.receive, time.perf_counter_ns
    message = numbered(contender)[0].tobytes()
    samples = []
    for _ in range(trips):
        sent = clock()
        send(message)
        receive()
        samples.append(clock() - sent)
    return sorted(samples)


def take_single(end: End, contender: Contender) -> None:
    """A block; its last message is the one that was sent last."""
    receive = end.receive
    for _ in range(BLOCK):
        message = receive()
    assert message is not None
    assert message[8:16] == (BLOCK - 1).to_bytes(8, "little"), contender.name


def take_batches(end: End, contender: Contender, touch: bool) -> None:
    """A block; with a look at every message their sum is checked."""
    receive = end.receive_batch
    assert receive is not None
    total = 0
    left = BLOCK
    while left > 0:
        got = receive(min(BATCH, left))
        left -= len(got)
        if touch:
            total += int(got["n"].sum())
    assert not touch or total == BLOCK_SUM, contender.name


def take_bursts(
    end: End, contender: Contender, plan: Plan, meeting: Meeting, told: SimpleQueue[int]
) -> list[list[float]]:
    """M/s of each burst of each stream, from the first send to the last receive."""
    takes = [
        partial(take_single, end, contender),
        partial(take_batches, end, contender, False),
        partial(take_batches, end, contender, True),
    ]
    word = bytes(contender.message.itemsize)
    out = []
    for blocks, take in zip(streams_of(end, contender), takes, strict=False):
        rates = []
        for _ in range(plan.bursts):
            meeting.wait(0)
            for _ in range(blocks):
                take()
                if contender.lossy:
                    end.send(word)
            # The clock is one for all processes of a host.
            rates.append(blocks * BLOCK * 1e3 / (time.perf_counter_ns() - told.get()))
        out.append(rates)
    return out


def run(contender: Contender, plan: Plan, directory: Path) -> Round:
    """One round, and the bare line around it."""
    before = bare_line(plan)
    meeting, told = Meeting(), FORK.SimpleQueue()
    with contender.make(directory) as connect:
        child = FORK.Process(target=other_process, args=(contender, connect, plan, meeting, told))
        child.start()
        os.sched_setaffinity(0, {plan.first_cpu})
        end = connect(True)
        meeting.wait(0)
        trip(end, contender, plan.warm_up(contender))
        samples = trip(end, contender, plan.trips)
        rates = take_bursts(end, contender, plan, meeting, told)
        meeting.wait(0)
        del end
        child.join()
        assert child.exitcode == 0, contender.name
    after = bare_line(plan)
    return Round(
        p50_ns=samples[len(samples) // 2],
        p99_ns=samples[len(samples) * 99 // 100],
        rates=rates,
        bare_ns=(before + after) / 2 if has_stayed(before, after) else -1.0,
    )


def has_stayed(before: float, after: float) -> bool:
    """Whether the two CPUs were where they were: the bare line moved by 20 % at most."""
    return max(before, after) <= 1.2 * min(before, after)
