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
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np

from tests.bench.python.contender import BATCH, SLOTS, Connect, Contender, End, Messages

FORK = multiprocessing.get_context("fork")
BARE_LINE = Path(__file__).resolve().parents[3] / "build" / "ctest" / "tests" / "bare_line"
BARE_TRIPS = 20_000
# What is sent before the sender of a lossy one asks for word, of which two may be on the way.
BLOCK = SLOTS // 4
BLOCK_SUM = BLOCK * (BLOCK - 1) // 2
# Batches are so much faster that a run of them would be over before the CPU is awake.
MORE_BATCHES = 16
PATIENCE_S = 300


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of each a round does, and where."""

    messages: int
    trips: int
    first_cpu: int
    second_cpu: int

    def blocks(self, contender: Contender) -> int:
        """Blocks of a stream of single messages."""
        return max(2, int(self.messages * contender.share) // BLOCK)


@dataclass(frozen=True, slots=True)
class Rate:
    """Millions of messages: a second of the clock, and a second of the busier side's CPU.

    Where others want the CPUs too, a side that spins for one who does not run spends no less CPU
    than on a quiet machine; the clock's rate is then that of the scheduler.
    """

    clock: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Round:
    """Of streams: single messages, batches counted, batches summed; the last two if it has them.

    `bare_ns` < 0: the bare line moved.
    """

    p50_ns: float
    p99_ns: float
    rates: list[Rate]
    bare_ns: float


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


def other_process(
    contender: Contender, connect: Connect, plan: Plan, meet: Barrier, spent: SimpleQueue[list[int]]
) -> None:
    """Echoes, then sends what the first process receives; `spent`: CPU of each stream, ns."""
    os.sched_setaffinity(0, {plan.second_cpu})
    end = connect(False)
    meet.wait(PATIENCE_S)
    send, receive, send_batch = end.send, end.receive, end.send_batch
    for _ in range(plan.trips):
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

    blocks = plan.blocks(contender)
    streams = [(blocks, put_single)]
    if send_batch is not None:
        streams += [(blocks * MORE_BATCHES, put_batches)] * 2
    cpu_ns = []
    for count, put in streams:
        meet.wait(PATIENCE_S)
        before = time.process_time_ns()
        put_blocks(end, contender.lossy, count, put)
        cpu_ns.append(time.process_time_ns() - before)
    spent.put(cpu_ns)
    # What it opened stays open until all was received.
    meet.wait(PATIENCE_S)


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


def take_single(end: End, contender: Contender, blocks: int) -> None:
    """The last message of each block is the one that was sent last."""
    receive = end.receive
    last = numbered(contender)[-1].tobytes()[8:16]
    for _ in range(blocks):
        for _ in range(BLOCK):
            message = receive()
        assert message is not None
        assert message[8:16] == last, contender.name
        if contender.lossy:
            end.send(message)


def take_batches(end: End, contender: Contender, blocks: int, touch: bool) -> None:
    """With a look at every message their sum is checked."""
    receive = end.receive_batch
    assert receive is not None
    word = bytes(contender.message.itemsize)
    total = 0
    for _ in range(blocks):
        left = BLOCK
        while left > 0:
            got = receive(min(BATCH, left))
            left -= len(got)
            if touch:
                total += int(got["n"].sum())
        if contender.lossy:
            end.send(word)
    assert not touch or total == blocks * BLOCK_SUM, contender.name


def take_streams(
    end: End, contender: Contender, blocks: int, meet: Barrier, spent: SimpleQueue[list[int]]
) -> list[Rate]:
    """Receive what the other process sends, stream by stream."""
    more = blocks * MORE_BATCHES
    streams: list[tuple[int, Callable[[], None]]] = [
        (blocks, partial(take_single, end, contender, blocks))
    ]
    if end.receive_batch is not None:
        streams += [
            (more, partial(take_batches, end, contender, more, touch)) for touch in (False, True)
        ]
    clock_ns, cpu_ns = [], []
    for _, take in streams:
        meet.wait(PATIENCE_S)
        before, cpu_before = time.perf_counter_ns(), time.process_time_ns()
        take()
        clock_ns.append(time.perf_counter_ns() - before)
        cpu_ns.append(time.process_time_ns() - cpu_before)
    return [
        Rate(count * BLOCK * 1e3 / clock, count * BLOCK * 1e3 / max(mine, others))
        for (count, _), clock, mine, others in zip(
            streams, clock_ns, cpu_ns, spent.get(), strict=True
        )
    ]


def run(contender: Contender, plan: Plan, directory: Path) -> Round:
    """One round, and the bare line around it."""
    before = bare_line(plan)
    meet, spent = FORK.Barrier(2), FORK.SimpleQueue()
    with contender.make(directory) as connect:
        child = FORK.Process(target=other_process, args=(contender, connect, plan, meet, spent))
        child.start()
        os.sched_setaffinity(0, {plan.first_cpu})
        end = connect(True)
        meet.wait(PATIENCE_S)
        samples = trip(end, contender, plan.trips)
        rates = take_streams(end, contender, plan.blocks(contender), meet, spent)
        meet.wait(PATIENCE_S)
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
