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
from engine.risk import Risk, RiskInstrument, RiskSize
from engine.standby import Estate, Standby
from ports.client import ClientPort, ClientSession, Instrument, Limits
from ports.guardian import Guardian, Owners
from ports.guardian_ledger import Ledger
from ports.guardian_rules import OF_A_BOOK, OF_A_WINDOW, SECOND_NS, Rule
from ringbus._ringbus import lib
from ringbus.application import Application
from ringbus.contributor import Contributor
from ringbus.core import Core, create_page, page_bytes
from ringbus.idle import bells_bytes, create_bells
from ringbus.journal import Journal, segment_files
from ringbus.lane import create_lane, lane_bytes
from ringbus.lines import Executed, Line
from ringbus.memory import Block
from ringbus.messages import EXECUTED, GuardianRule, MassCancelScope, Side, Template
from ringbus.multicast import Reader
from ringbus.proposer import Proposer
from ringbus.replay import Replay, Stream
from ringbus.topics import Topics
from tests.bench import day as days
from tests.bench import records
from tests.bench.day import Day

LANE = 4096
# Messages an application is given at once.
LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Seconds that it took, of them the CPU's, and what shows that the agent is as it should be."""

    seconds: float
    cpu_s: float
    state: object


class Watch:
    """Runs from when it is made; `stop` gives seconds by the clock and of this thread's CPU."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), time.thread_time()

    def stop(self) -> tuple[float, float]:
        return time.perf_counter() - self._start[0], time.thread_time() - self._start[1]


def read(day: Day) -> Rebuilt:
    """The stream alone, in C: from the files, every sequence and checksum compared."""
    replay = Replay(None, day.directory, 1, day.segment_messages)
    watch = Watch()
    while len(replay.poll()):
        pass
    took = watch.stop()
    replay.close()
    return Rebuilt(*took, replay.next - 1)


def port(day: Day) -> Rebuilt:
    """A client port with every session of the day, until it takes logins."""
    bells, page, lane = Block(bells_bytes()), Block(page_bytes()), Block(lane_bytes(LANE))
    doorbell = Block(int(lib.rb_doorbell_bytes()))
    create_bells(bells, "port")
    create_page(page, "port")
    create_lane(lane, LANE, "port")
    lib.rb_doorbell_init(doorbell.address, doorbell.size, b"port")
    core = Core(page, bells, "port", "spin")
    watch = Watch()
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
        took = watch.stop()
        made.validate()
        state = (made.open_orders, sum(made.messages(n + 1) for n in range(days.SESSIONS)))
    core.close()
    return Rebuilt(*took, state)


def journal(day: Day) -> Rebuilt:
    """A journal whose predecessor was killed, until it writes on."""
    watch = Watch()
    made = Journal(day.directory, day.engine.ring, day.engine.readers, day.segment_messages)
    made.step()
    took = watch.stop()
    made.close()
    return Rebuilt(*took, made.written)


def _risk(day: Day) -> Risk:
    """The state behind market-wide limits, new."""
    size, table = day.engine.size, [RiskInstrument(1, 2 * days.MIDDLE)] * days.INSTRUMENTS
    owners = RiskSize(days.ACCOUNTS, days.FIRMS, 1 << 18)
    return Risk(table, 1, size.orders, owners, size.topics)


def limits(day: Day) -> Rebuilt:
    """What the sequencer knows besides: what every account and firm has at stake."""
    watch = Watch()
    replay, risk = Replay(None, day.directory, 1, day.segment_messages), _risk(day)
    while len(batch := replay.poll()):
        risk.apply(batch)
    took = watch.stop()
    replay.close()
    return Rebuilt(*took, (risk.hash, sum(risk.firm(n).open_orders for n in range(days.FIRMS))))


def _standby(day: Day) -> Standby:
    size, ring = day.engine.size, day.engine.ring
    room = Size(size.instruments, orders=size.orders, price_nodes=size.price_nodes)
    where = day.engine.shard_of, ring, day.directory, day.segment_messages
    return Standby(room, *where, _risk(day))


def standby(day: Day) -> Rebuilt:
    """A passive engine: books, topic numbers, limits, and every byte of the day made once more."""
    watch = Watch()
    made = _standby(day)
    while made.follow():
        pass
    took = watch.stop()
    assert made.risk is not None
    state = made.passive.books[0].hash(), made.risk.hash
    made.close()
    return Rebuilt(*took, state)


class Volumes(Application):
    """A vectorised application: lines by session, volume and value by instrument."""

    lines = np.zeros(days.SESSIONS + 1, np.int64)
    volume = np.zeros(days.INSTRUMENTS)
    value = np.zeros(days.INSTRUMENTS)

    def on_batch(self, batch: NDArray[np.void]) -> None:
        """Count it all; sums of whole numbers this small are exact in 53 bits."""
        self.lines = self.lines + np.bincount(batch["topic"], minlength=len(self.lines))
        trades = batch[batch["template_id"] == Template.EXECUTED].view(EXECUTED)
        where, many = trades["instrument"], len(self.volume)
        quantity = trades["quantity"].astype(np.float64)
        self.volume = self.volume + np.bincount(where, quantity, many)
        self.value = self.value + np.bincount(where, quantity * trades["price_ticks"], many)


class Positions(Application):
    """One call an execution: what each session holds of each instrument, and what was paid."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self.bought = 0
        self.paid = 0
        self.held: dict[tuple[int, int], int] = {}

    def on_executed(self, line: Executed, *behind: Line) -> None:
        """One side of a trade."""
        key = line.topic, line.instrument
        if line.side == Side.BUY:
            self.bought += line.quantity
            self.paid += line.quantity * line.price_ticks
            self.held[key] = self.held.get(key, 0) + line.quantity
        else:
            self.held[key] = self.held.get(key, 0) - line.quantity


def _live(application: Application) -> None:
    while not application.is_live:
        application.do_work(LIMIT)
    application.close()


def batches(day: Day) -> Rebuilt:
    """A Python application that takes numpy batches of everything."""
    watch = Watch()
    made = Volumes(Stream(day.engine.ring, day.directory, day.segment_messages))
    _live(made)
    took = watch.stop()
    assert made.lines.sum() == made.counts.heard == day.messages
    # Both sides of a trade are on the stream.
    return Rebuilt(*took, (int(made.volume.sum()) // 2, int(made.value.sum()) // 2))


def messages(day: Day) -> Rebuilt:
    """A Python application whose filter lets executions through, one call each."""
    watch = Watch()
    made = Positions(Stream(day.engine.ring, day.directory, day.segment_messages))
    _live(made)
    took = watch.stop()
    # Everybody's counterparty is here.
    assert sum(made.held.values()) == 0
    return Rebuilt(*took, (made.bought, made.paid, made.counts.wanted))


def guardian(day: Day) -> Rebuilt:
    """A guardian with a rule of every kind, by session, account or firm: Python over numpy."""
    size, owners = day.engine.size, Owners(day.engine.size.topics, days.ACCOUNTS, days.FIRMS)
    scopes = MassCancelScope.SESSION, MassCancelScope.ACCOUNT, MassCancelScope.FIRM
    rules = [
        Rule(kind, scopes[kind % 3], 1 << 60, SECOND_NS if kind in OF_A_WINDOW else 0)
        for kind in GuardianRule
        if kind not in OF_A_BOOK
    ]
    rules += [Rule(kind, MassCancelScope.INSTRUMENT, 0) for kind in OF_A_BOOK]
    bells, page, lane = Block(bells_bytes()), Block(page_bytes()), Block(lane_bytes(64))
    doorbell = Block(int(lib.rb_doorbell_bytes()))
    create_bells(bells, "guardian")
    create_page(page, "guardian")
    create_lane(lane, 64, "guardian")
    lib.rb_doorbell_init(doorbell.address, doorbell.size, b"guardian")
    core = Core(page, bells, "guardian", "spin")
    watch = Watch()
    ledger = Ledger(1, size.orders, size.instruments)
    made = Guardian(
        Stream(day.engine.ring, day.directory, day.segment_messages),
        Proposer(Contributor(lane, 0, doorbell), core, Topics(size.topics, 1)),
        *(0, rules, ledger, owners, bytes(size.instruments)),
    )
    _live(made)
    took = watch.stop()
    core.close()
    # The last rows are of orders that never rest.
    return Rebuilt(*took, (int((ledger.open > 0).sum()), made.wish()))


def takeover(day: Day) -> float:
    """Milliseconds from the word to promote a passive engine until its first line is published."""
    engine, made = day.engine, _standby(day)
    while made.follow():
        pass
    estate = Estate(
        *(engine.doorbell, engine.lane_memory, engine.inward, engine.outward),
        *(engine.ring, engine.readers, engine.size.topics),
        settled=engine.settled,
    )
    bells, page = Block(bells_bytes()), Block(page_bytes())
    create_bells(bells, "next")
    create_page(page, "next")
    core = Core(page, bells, "next", "spin", "counted")
    watch = Watch()
    made.promote(core, estate, 0, 0, wait=lambda: None)
    core.round()
    took_ms = watch.stop()[0] * 1e3
    assert Reader(engine.ring).tail == day.messages + 1
    core.close()
    made.close()
    return took_ms


AGENTS: tuple[tuple[str, Callable[[Day], Rebuilt]], ...] = (
    ("stream read, C", read),
    ("client port, C", port),
    ("journal recovery, C", journal),
    ("limits of sequencer, C", limits),
    ("passive engine, C", standby),
    ("Python, batches", batches),
    ("Python, each execution", messages),
    ("guardian, 12 rules", guardian),
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
    done: dict[str, list[Rebuilt]] = {name: [] for name, _ in AGENTS}
    stayed = 0.0
    for _ in range(rounds):
        for name, rebuild in AGENTS:
            if cold:
                stayed = max(stayed, evict(day.directory))
            done[name].append(rebuild(day))
            if done[name][-1].state != done[name][0].state:
                raise RuntimeError(f"{name}: {done[name][-1].state}, {done[name][0].state} before")
    states = {name: rebuilt[0].state for name, rebuilt in done.items()}
    expect(day, states)
    kind = f"cold ({stayed:.1%} of the files stayed in memory)" if cold else "warm"
    print(f"\n{kind}, {rounds} rounds: by the clock (lowest .. highest), of it the CPU's")
    for name, rebuilt in done.items():
        took = [one.seconds for one in rebuilt]
        cpu_s = statistics.median(one.cpu_s for one in rebuilt)
        row = f"{name}, {'cold' if cold else 'warm'}"
        records.figure(row, took, "s")
        rates = [day.messages / one.cpu_s / 1e6 for one in rebuilt]
        records.figure(f"{row}: messages by CPU time", rates, "M/s")
        print(
            f"{name:24}{statistics.median(took):8.3f} s ({min(took):.3f} .. {max(took):.3f})"
            f"{cpu_s:8.3f} s{day.messages / cpu_s / 1e6:7.1f} M/s  {states[name]}"
        )
    calls = states["Python, each execution"]
    assert isinstance(calls, tuple)
    rate = calls[2] / statistics.median(one.cpu_s for one in done["Python, each execution"])
    print(f"  {calls[2]} calls of its method, {rate / 1e6:.2f} M/s")


def expect(day: Day, states: dict[str, object]) -> None:
    """Compare what the agents came to with the engine that lived through the day."""
    book = day.engine.books[0]
    shown, owed = states["client port, C"], states["limits of sequencer, C"]
    traded = states["Python, each execution"]
    assert isinstance(shown, tuple)
    assert isinstance(owed, tuple)
    assert isinstance(traded, tuple)
    wanted = {
        "stream read, C": day.messages,
        "client port, C": (book.open_orders, shown[1]),
        "journal recovery, C": day.messages,
        "limits of sequencer, C": (owed[0], book.open_orders),
        "passive engine, C": (book.hash(), owed[0]),
        "Python, batches": traded[:2],
        "guardian, 12 rules": (book.open_orders, None),
    }
    for name, state in wanted.items():
        if states[name] != state:
            raise RuntimeError(f"{name}: {states[name]}, and the day says {state}")


def main(count: int = 10_000_000, rounds: int = 5) -> None:
    """Make the day, then measure."""
    with tempfile.TemporaryDirectory(prefix="ringbus-rebuild-") as directory:
        watch = Watch()
        day = days.make(Path(directory), count)
        records.result("day", f"{day.checksum:08x}")
        print(
            f"day: result hash {day.checksum:08x}, {day.messages} messages, seed {days.SEED}, "
            f"{day.engine.books[0].open_orders} open orders, {days.SESSIONS} sessions; "
            f"made in {watch.stop()[0]:.1f} s"
        )
        measure(day, rounds, cold=False)
        measure(day, max(1, rounds // 2), cold=True)
        took_ms = takeover(day)
        records.figure("a passive engine that follows: reigns after", [took_ms], "ms")
        print(f"\nsequencer of a passive engine that follows: reigns after {took_ms:.1f} ms")
        day.engine.close()


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
