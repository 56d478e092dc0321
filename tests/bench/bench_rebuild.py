"""How long each kind of agent takes to rebuild itself from a day: `make bench-rebuild`.

    python -m tests.bench.bench_rebuild [messages] [rounds]

A day is made through the real engine and recorded by a real journal; then every agent starts at
message 1 and goes on until it has the last one. All of it is on one port, one shard and one
journal: the worst case of each. Rounds are interleaved, and done once more with the journal thrown
out of the page cache before each agent (what the disk or the host behind it still holds is not
ours to know). An agent that ends in another state than those that were there fails the run.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.fused import Size
from engine.standby import Estate, Standby
from ports.client import ClientPort, ClientSession, Contributor, Instrument, Limits, Stream
from ringbus._ringbus import lib
from ringbus.core import Core, create_page, page_bytes
from ringbus.filter import Filter
from ringbus.idle import bells_bytes, create_bells
from ringbus.journal import Journal, segment_files
from ringbus.lane import create_lane, lane_bytes
from ringbus.memory import Block
from ringbus.messages import EXECUTED, Side, Template
from ringbus.multicast import Reader
from ringbus.replay import Replay
from tests.bench import day as days
from tests.bench.day import Day

LANE = 4096


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Seconds that it took, and what shows that the agent is what it should be."""

    seconds: float
    state: object


def read(day: Day) -> Rebuilt:
    """The stream alone, in C: from the files, every sequence and checksum compared."""
    replay = Replay(None, day.directory, 1, day.segment_messages)
    start_s = time.perf_counter()
    while len(replay.poll()):
        pass
    seconds = time.perf_counter() - start_s
    replay.close()
    return Rebuilt(seconds, replay.next - 1)


def port(day: Day) -> Rebuilt:
    """A client port with every session of the day, until it takes logins."""
    bells, page, lane = Block(bells_bytes()), Block(page_bytes()), Block(lane_bytes(LANE))
    doorbell = Block(int(lib.rb_doorbell_bytes()))
    create_bells(bells, "port")
    create_page(page, "port")
    create_lane(lane, LANE, "port")
    lib.rb_doorbell_init(doorbell.address, doorbell.size, b"port")
    core = Core(page, bells, "port", "spin")
    start_s = time.perf_counter()
    made = ClientPort(
        core,
        "REBUILD",
        1,
        Contributor(lane, 0, doorbell),
        Stream(day.engine.ring, day.directory, day.segment_messages),
        [Instrument(f"I{n}", 1, 1, 2 * days.MIDDLE) for n in range(days.INSTRUMENTS)],
        [ClientSession(topic, f"U{topic:05}", 1, 1) for topic in range(1, days.SESSIONS + 1)],
        Limits(orders=day.engine.size.orders, messages=2 * day.messages),
    )
    with made:
        core.add("port", made)
        while not made.is_live:
            core.round()
        seconds = time.perf_counter() - start_s
        made.validate()
        state = (made.open_orders, sum(made.messages(n + 1) for n in range(days.SESSIONS)))
    core.close()
    return Rebuilt(seconds, state)


def journal(day: Day) -> Rebuilt:
    """A journal whose predecessor was killed, until it writes on."""
    start_s = time.perf_counter()
    made = Journal(day.directory, day.engine.ring, day.engine.readers, day.segment_messages)
    made.step()
    seconds = time.perf_counter() - start_s
    made.close()
    return Rebuilt(seconds, made.written)


def _standby(day: Day) -> Standby:
    size, ring = day.engine.size, day.engine.ring
    room = Size(size.instruments, orders=size.orders, price_nodes=size.price_nodes)
    return Standby(room, day.engine.shard_of, ring, day.directory, day.segment_messages)


def standby(day: Day) -> Rebuilt:
    """A passive engine: books and topic numbers, and every byte of the day made once more."""
    start_s = time.perf_counter()
    made = _standby(day)
    while made.follow():
        pass
    seconds = time.perf_counter() - start_s
    state = made.passive.books[0].hash()
    made.close()
    return Rebuilt(seconds, state)


def batches(day: Day) -> Rebuilt:
    """A vectorised Python application: lines by session, volume and value by instrument."""
    start_s = time.perf_counter()
    replay = Replay(day.engine.ring, day.directory, 1, day.segment_messages)
    lines = np.zeros(days.SESSIONS + 1, np.int64)
    volume, value = np.zeros((2, days.INSTRUMENTS), np.int64)
    while len(batch := replay.poll()):
        lines += np.bincount(batch["topic"], minlength=len(lines))
        trades = batch[batch["template_id"] == Template.EXECUTED].view(EXECUTED)
        where, quantity = trades["instrument"], trades["quantity"].astype(np.int64)
        np.add.at(volume, where, quantity)
        np.add.at(value, where, quantity * trades["price_ticks"])
    seconds = time.perf_counter() - start_s
    assert lines.sum() == day.messages
    # Both sides of a trade are on the stream.
    return Rebuilt(seconds, (int(volume.sum()) // 2, int(value.sum()) // 2))


class Positions:
    """One method call a message: what each session holds of each instrument, and has paid."""

    def __init__(self) -> None:
        self.calls = 0
        self.bought = 0
        self.paid = 0
        self._held: dict[tuple[int, int], int] = {}

    def executed(self, session: int, instrument: int, side: int, price: int, quantity: int) -> None:
        """One side of a trade."""
        self.calls += 1
        key = session, instrument
        if side == Side.BUY:
            self.bought += quantity
            self.paid += quantity * price
            self._held[key] = self._held.get(key, 0) + quantity
        else:
            self._held[key] = self._held.get(key, 0) - quantity

    @property
    def flat(self) -> bool:
        """Whether all positions together are none: everybody's counterparty is here."""
        return sum(self._held.values()) == 0


def _each(batch: NDArray[np.void], call: Callable[..., None]) -> None:
    for fields in zip(
        *(batch[name].tolist() for name in ("topic", "instrument", "side", "price_ticks")),
        batch["quantity"].tolist(),
        strict=True,
    ):
        call(*fields)


def messages(day: Day) -> Rebuilt:
    """A Python application that sees executions only, one call each."""
    start_s = time.perf_counter()
    replay = Replay(day.engine.ring, day.directory, 1, day.segment_messages)
    wanted, positions = Filter(templates=[Template.EXECUTED]), Positions()
    while len(batch := replay.poll()):
        _each(wanted.keep(batch).view(EXECUTED), positions.executed)
    seconds = time.perf_counter() - start_s
    assert positions.flat
    return Rebuilt(seconds, (positions.bought, positions.paid, positions.calls))


def takeover(day: Day) -> float:
    """Milliseconds from the word to promote a passive engine until its first line is published."""
    engine, made = day.engine, _standby(day)
    while made.follow():
        pass
    estate = Estate(
        *(engine.doorbell, engine.lane_memory, engine.inward, engine.outward),
        *(engine.ring, engine.readers, engine.size.topics),
    )
    bells, page = Block(bells_bytes()), Block(page_bytes())
    create_bells(bells, "next")
    create_page(page, "next")
    core = Core(page, bells, "next", "spin", "counted")
    start_s = time.perf_counter()
    made.promote(core, estate, 0, 0, wait=lambda: None)
    core.round()
    took_ms = (time.perf_counter() - start_s) * 1e3
    assert Reader(engine.ring).tail == day.messages + 1
    core.close()
    made.close()
    return took_ms


AGENTS: tuple[tuple[str, Callable[[Day], Rebuilt]], ...] = (
    ("stream read, C", read),
    ("client port, C", port),
    ("journal recovery, C", journal),
    ("passive engine", standby),
    ("Python, batches", batches),
    ("Python, each execution", messages),
)


def evict(directory: Path) -> float:
    """Throw the journal out of the page cache; returns the part of it that stayed."""
    stayed = whole = 0
    libc = ctypes.CDLL(None, use_errno=True)
    for path in segment_files(directory):
        with path.open("r+b") as file:
            os.fdatasync(file)
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            with mmap.mmap(file.fileno(), 0) as mapping:
                pages = (len(mapping) + mmap.PAGESIZE - 1) // mmap.PAGESIZE
                here = (ctypes.c_ubyte * pages)()
                anchor = ctypes.c_char.from_buffer(mapping)
                if libc.mincore(ctypes.byref(anchor), ctypes.c_size_t(len(mapping)), here) != 0:
                    raise OSError(ctypes.get_errno(), "mincore")
                del anchor
                stayed += sum(page & 1 for page in bytes(here))
                whole += pages
    return stayed / whole


def measure(day: Day, rounds: int, cold: bool) -> None:
    """Print the table: one line an agent."""
    seconds: dict[str, list[float]] = {name: [] for name, _ in AGENTS}
    states: dict[str, object] = {}
    stayed = 0.0
    for _ in range(rounds):
        for name, rebuild in AGENTS:
            if cold:
                stayed = max(stayed, evict(day.directory))
            done = rebuild(day)
            seconds[name].append(done.seconds)
            if states.setdefault(name, done.state) != done.state:
                raise RuntimeError(f"{name}: {done.state}, {states[name]} before")
    expect(day, states)
    kind = f"cold ({stayed:.1%} of the files stayed in memory)" if cold else "warm"
    print(f"\n{kind}, {rounds} rounds")
    for name, took in seconds.items():
        middle = statistics.median(took)
        print(
            f"{name:24}{middle:8.3f} s ({min(took):.3f} .. {max(took):.3f})"
            f"{day.messages / middle / 1e6:8.1f} M/s  {states[name]}"
        )
    calls = states["Python, each execution"]
    assert isinstance(calls, tuple)
    rate = calls[2] / statistics.median(seconds["Python, each execution"])
    print(f"{'  calls of its method':24}{calls[2]:8} , {rate / 1e6:.2f} M/s")


def expect(day: Day, states: dict[str, object]) -> None:
    """Compare what the agents came to with the engine that lived through the day."""
    book = day.engine.books[0]
    shown = states["client port, C"]
    traded = states["Python, each execution"]
    assert isinstance(shown, tuple)
    assert isinstance(traded, tuple)
    wanted = {
        "stream read, C": day.messages,
        "client port, C": (book.open_orders, shown[1]),
        "journal recovery, C": day.messages,
        "passive engine": book.hash(),
        "Python, batches": traded[:2],
    }
    for name, state in wanted.items():
        if states[name] != state:
            raise RuntimeError(f"{name}: {states[name]}, and the day says {state}")


def main(count: int = 10_000_000, rounds: int = 5) -> None:
    """Make the day, then measure."""
    with tempfile.TemporaryDirectory(prefix="ringbus-rebuild-") as directory:
        start_s = time.perf_counter()
        day = days.make(Path(directory), count)
        print(
            f"day: result hash {day.checksum:08x}, {day.messages} messages, seed {days.SEED}, "
            f"{day.engine.books[0].open_orders} open orders, {days.SESSIONS} sessions; "
            f"made in {time.perf_counter() - start_s:.1f} s"
        )
        measure(day, rounds, cold=False)
        measure(day, max(1, rounds // 2), cold=True)
        print(f"\nsequencer of a passive engine that follows: reigns after {takeover(day):.1f} ms")
        day.engine.close()


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
