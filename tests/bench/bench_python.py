"""What a Python process gets out of the rings, beside what else it could use between two processes.

Stream: one process sends 64-byte messages, the other gets them as numpy arrays and sums a field of
each by a vectorised sum; the sum is checked. Round trip: one message there and back, one in flight.
Two processes on two CPUs. Peers that are not installed are left out (`make bench-python` installs
the dependency group `peers`).

usage: python -m tests.bench.bench_python [rounds] [messages] [round trips] [first CPU] [second CPU]
"""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.queues import Queue
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ringbus.lane import Lane, create_lane, lane_bytes
from ringbus.memory import Block
from ringbus.messages import MESSAGE
from ringbus.multicast import (
    GatingReader,
    Writer,
    create_multicast,
    multicast_bytes,
    readers_bytes,
)

BATCH = 1024
SLOTS = 1 << 14
SIZE = MESSAGE.itemsize
FORK = multiprocessing.get_context("fork")
Messages = NDArray[np.void]


class End(ABC):
    """One side of a connection; `send` and `receive` wait until they can."""

    @abstractmethod
    def send(self, message: bytes) -> None: ...

    @abstractmethod
    def receive(self) -> bytes: ...

    def send_batch(self, messages: Messages) -> None:
        raw = messages.tobytes()
        for start in range(0, len(raw), SIZE):
            self.send(raw[start : start + SIZE])

    def receive_batch(self, limit: int) -> Messages:
        """1..limit messages."""
        return np.frombuffer(b"".join([self.receive() for _ in range(limit)]), MESSAGE)


Connect = Callable[[bool], End]


@dataclass(frozen=True, slots=True)
class Contender:
    """Something that carries messages; `make` runs before the fork, its result on each side."""

    name: str
    module: str
    can: str
    make: Callable[[Path], Connect]
    touches: bool = True


# --- ringbus -------------------------------------------------------------------------------------


class LaneEnd(End):
    def __init__(self, out: Block, into: Block) -> None:
        self._out, self._in = Lane(out), Lane(into)

    def send(self, message: bytes) -> None:
        self.send_batch(np.frombuffer(message, MESSAGE))

    def receive(self) -> bytes:
        return self.receive_batch(1).tobytes()

    def send_batch(self, messages: Messages) -> None:
        while self._out.offer(messages) == 0:
            pass

    def receive_batch(self, limit: int) -> Messages:
        while len(got := self._in.take(limit)) == 0:
            pass
        return got


def make_lanes(_: Path) -> Connect:
    blocks = [Block(lane_bytes(SLOTS)) for _ in range(2)]
    for block in blocks:
        create_lane(block, SLOTS, "bench")
    return lambda first: LaneEnd(*(blocks if first else blocks[::-1]))


class RingEnd(End):
    def __init__(self, out: tuple[Block, Block], into: tuple[Block, Block]) -> None:
        self._writer, self._reader = Writer(*out), GatingReader(*into, "bench")

    def send(self, message: bytes) -> None:
        self.send_batch(np.frombuffer(message, MESSAGE))

    def receive(self) -> bytes:
        return self.receive_batch(1).tobytes()

    def send_batch(self, messages: Messages) -> None:
        while len(messages) > 0:
            messages = messages[self._writer.publish(messages) :]

    def receive_batch(self, limit: int) -> Messages:
        while len(got := self._reader.poll(limit)) == 0:
            pass
        # Copied out already, so it may be overwritten from here on.
        self._reader.release()
        return got


def make_rings(_: Path) -> Connect:
    rings = [(Block(multicast_bytes(SLOTS)), Block(readers_bytes())) for _ in range(2)]
    for ring, readers in rings:
        create_multicast(ring, readers, SLOTS, "bench")
        # Claimed here, so that no writer is ahead of its reader.
        GatingReader(ring, readers, "bench")
    return lambda first: RingEnd(*(rings if first else rings[::-1]))


# --- peers ---------------------------------------------------------------------------------------


class QueueEnd(End):
    def __init__(self, out: Queue[bytes], into: Queue[bytes]) -> None:
        self._out, self._in = out, into

    def send(self, message: bytes) -> None:
        self._out.put(message)

    def receive(self) -> bytes:
        return self._in.get()


def make_queues(_: Path) -> Connect:
    queues: list[Queue[bytes]] = [FORK.Queue(SLOTS) for _ in range(2)]
    return lambda first: QueueEnd(*(queues if first else queues[::-1]))


class PipeEnd(End):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def send(self, message: bytes) -> None:
        self._connection.send_bytes(message)

    def receive(self) -> bytes:
        return self._connection.recv_bytes()


def make_pipe(_: Path) -> Connect:
    ends = FORK.Pipe()
    return lambda first: PipeEnd(ends[0 if first else 1])


class ZmqEnd(End):
    def __init__(self, path: Path, first: bool) -> None:
        zmq = importlib.import_module("zmq")
        self._socket = zmq.Context().socket(zmq.PAIR)
        if first:
            self._socket.bind(f"ipc://{path}")
        else:
            self._socket.connect(f"ipc://{path}")

    def send(self, message: bytes) -> None:
        self._socket.send(message)

    def receive(self) -> bytes:
        return bytes(self._socket.recv())


def make_zmq(directory: Path) -> Connect:
    return lambda first: ZmqEnd(directory / "zmq", first)


class ZeroqEnd(End):
    def __init__(self, names: list[str], first: bool) -> None:
        zeroq = importlib.import_module("zeroq")
        queues = [zeroq.Queue(name=name, create=False) for name in names]
        self._out, self._in = queues if first else queues[::-1]

    def send(self, message: bytes) -> None:
        self._out.put(message)

    def receive(self) -> bytes:
        return bytes(self._in.get())


def make_zeroq(directory: Path) -> Connect:
    zeroq = importlib.import_module("zeroq")
    names = [f"{directory.name}-{n}" for n in range(2)]
    owners = [zeroq.Queue(name=name, element_size=SIZE, capacity=SLOTS) for name in names]

    def connect(first: bool) -> End:
        assert len(owners) == 2
        return ZeroqEnd(names, first)

    return connect


class SubethaEnd(End):
    def __init__(self, paths: list[str], first: bool) -> None:
        subetha = importlib.import_module("subetha")
        rings = [subetha.SpscRing.open(path, SLOTS) for path in paths]
        self._out, self._in = rings if first else rings[::-1]

    def send(self, message: bytes) -> None:
        while not self._out.push(message):
            pass

    def receive(self) -> bytes:
        while (got := self._in.pop()) is None:
            pass
        return bytes(got)

    def send_batch(self, messages: Messages) -> None:
        raw = messages.tobytes()
        while len(raw) > 0:
            raw = raw[self._out.push_buffer(raw, SIZE) * SIZE :]

    def receive_batch(self, limit: int) -> Messages:
        while len(got := self._in.pop_buffer(limit)[0]) == 0:
            pass
        return np.frombuffer(got, MESSAGE)


def make_subetha(directory: Path) -> Connect:
    subetha = importlib.import_module("subetha")
    paths = [str(directory / f"subetha-{n}") for n in range(2)]
    owners = [subetha.SpscRing(path, SLOTS) for path in paths]

    def connect(first: bool) -> End:
        assert len(owners) == 2
        return SubethaEnd(paths, first)

    return connect


# --- measuring -----------------------------------------------------------------------------------


def numbered(first: int) -> Messages:
    out: Messages = np.zeros(BATCH, MESSAGE)
    out["time_ns"] = np.arange(first, first + BATCH)
    return out


def other_process(connect: Connect, count: int, trips: int, cpu: int) -> None:
    """Sends `count` messages when told to, then echoes `trips`."""
    os.sched_setaffinity(0, {cpu})
    end = connect(False)
    end.receive()
    messages = numbered(0)
    for _ in range(0, count, BATCH):
        end.send_batch(messages)
        messages["time_ns"] += BATCH
    for _ in range(trips):
        end.send(end.receive())


@dataclass(frozen=True, slots=True)
class Round:
    rate: float  # M messages/s
    p50_us: float
    p99_us: float


def measure(contender: Contender, count: int, trips: int, cpu: int, directory: Path) -> Round:
    connect = contender.make(directory)
    child = FORK.Process(target=other_process, args=(connect, count, trips, cpu))
    child.start()
    end = connect(True)
    message = bytes(SIZE)
    total = received = 0
    start_ns = time.perf_counter_ns()
    end.send(message)
    while received < count:
        got = end.receive_batch(min(BATCH, count - received))
        received += len(got)
        if contender.touches:
            total += int(got["time_ns"].sum())
    stream_ns = time.perf_counter_ns() - start_ns
    assert not contender.touches or total == count * (count - 1) // 2, contender.name
    samples = []
    for _ in range(trips):
        sent_ns = time.perf_counter_ns()
        end.send(message)
        end.receive()
        samples.append(time.perf_counter_ns() - sent_ns)
    child.join()
    assert child.exitcode == 0, contender.name
    samples.sort()
    return Round(
        count * 1e3 / stream_ns, samples[trips // 2] / 1e3, samples[trips * 99 // 100] / 1e3
    )


CONTENDERS = (
    Contender(
        "ringbus multicast, untouched",
        "ringbus",
        "as below, batches only counted",
        make_rings,
        touches=False,
    ),
    Contender(
        "ringbus multicast",
        "ringbus",
        "many readers, gating or lossy, told what they missed; numpy batches; CRC; journal; wakes",
        make_rings,
    ),
    Contender(
        "ringbus lane",
        "ringbus",
        "one to one, lossless, groups at once; numpy batches; survives either side's death",
        make_lanes,
    ),
    Contender(
        "multiprocessing.Queue",
        "multiprocessing",
        "many to many, any picklable object, blocks; no numpy batches, no broadcast",
        make_queues,
    ),
    Contender(
        "multiprocessing.Pipe",
        "multiprocessing",
        "one to one, any bytes, blocks; a system call each; no broadcast",
        make_pipe,
    ),
    Contender(
        "pyzmq PAIR over ipc",
        "zmq",
        "any bytes, other hosts, patterns, reconnects; no shared memory, PUB drops untold",
        make_zmq,
    ),
    Contender(
        "zeroq",
        "zeroq",
        "many to many in shared memory, fixed size, blocks; no batches, no broadcast",
        make_zeroq,
    ),
    Contender(
        "subetha SpscRing",
        "subetha",
        "one to one in a mapped file, batches of bytes; many other structures; no wait but polling",
        make_subetha,
    ),
)


def spread(values: list[float], form: str) -> str:
    return (
        f"{statistics.median(values):{form}} ({min(values):{form}} .. {max(values):{form}})".rjust(
            24
        )
    )


def main() -> None:
    given = [int(argument) for argument in sys.argv[1:]]
    rounds, count, trips, first_cpu, second_cpu = given + [5, 1 << 18, 20000, 0, 1][len(given) :]
    count = count // BATCH * BATCH
    os.sched_setaffinity(0, {first_cpu})
    there = [c for c in CONTENDERS if importlib.util.find_spec(c.module) is not None]
    results: dict[str, list[Round]] = {contender.name: [] for contender in there}
    for _ in range(rounds):
        for contender in there:
            # The interpreter of the slower ones would take minutes for what the rings do at once.
            more = 16 if contender.module == "ringbus" else 1
            with tempfile.TemporaryDirectory(prefix="ringbus-bench-") as directory:
                results[contender.name].append(
                    measure(contender, count * more, trips, second_cpu, Path(directory))
                )
    print(f"{rounds} rounds of {count} messages (ringbus: 16 times that), {trips} round trips")
    print(f"{'':30} {'stream, M/s':>24} {'round trip p50, us':>24} {'p99, us':>24}  can, cannot")
    for contender in there:
        mine = results[contender.name]
        print(
            f"{contender.name:30} {spread([r.rate for r in mine], '.3f')}"
            f" {spread([r.p50_us for r in mine], '.1f')}"
            f" {spread([r.p99_us for r in mine], '.1f')}  {contender.can}"
        )
    for contender in CONTENDERS:
        if contender not in there:
            print(f"{contender.name:30} not installed")


if __name__ == "__main__":
    main()
