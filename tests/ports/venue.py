"""An engine, its journal and its time in one thread: what every exchange of these tests is made of.

Nothing moves but by `until` and `settle`; time is what the test says it is.
"""

from __future__ import annotations

import itertools
import os
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from engine.fused import FusedEngine, Size
from engine.risk import Risk, RiskInstrument, RiskSize
from ports.authenticator import hash_secret
from ports.client import Contributor, Instrument, Stream
from ringbus.core import Core, create_page, page_bytes
from ringbus.journal import Journal
from ringbus.marks import Marks, create_marks, marks_bytes
from ringbus.memory import Block
from ringbus.messages import MESSAGE, Flag, Template
from ringbus.replay import Replay

START_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000
ROUNDS_MAX = 50_000
PATIENCE_S = 60
QUIET_ROUNDS = 40
SEGMENT_MESSAGES = 1024
TICK = 100
PRICE = 150 * TICK
PASSWORD = "SECRET"
FIRM = "FRM1"
USERS = ("ALICE", "BOB", "CAROL", "DAVE", "ERIN", "FRANK")
# Of a contributor that no port knows.
INTRUDER = 1
# Cheap to verify: it is the port that is tested.
SECRET = hash_secret(PASSWORD, b"salt", cost=2)
INSTRUMENTS = (
    Instrument("AAPL", TICK, 100, 1_000_000, lot=10, quantity_max=100_000),
    Instrument("MSFT", TICK, 100, 1_000_000, lot=1, quantity_max=100_000, shard=1),
)


def rounds() -> Iterator[int]:
    """As many as a test is patient for: what goes by the kernel's own timers, such as a window that
    was full, does not come sooner on a machine whose rounds are fast."""
    deadline = time.monotonic() + PATIENCE_S
    for n in itertools.count():
        if n >= ROUNDS_MAX:
            if time.monotonic() > deadline:
                return
            time.sleep(0.001)
        yield n


def received(connection: socket.socket) -> bytes | None:
    """What came over it; None: nothing yet, empty: it has ended."""
    try:
        return connection.recv(1 << 16)
    except BlockingIOError:
        return None
    except ConnectionResetError:
        return b""


def make_engine(size: Size, clock: str, changes: Mapping[str, Any]) -> FusedEngine:
    """An engine that keeps limits; `changes` are of its bounds, `risk` of those of its owners."""
    bounds = dict(changes)
    owners = bounds.pop("risk", RiskSize(accounts=4096, firms=16, positions=1 << 14))
    size = replace(size, **bounds)
    table = [RiskInstrument(one.tick_1e4, one.price_ticks_max) for one in INSTRUMENTS]
    risk = Risk(table, size.shards, size.orders, owners, size.topics)
    return FusedEngine(size, clock, risk=risk)


def line(
    kind: np.dtype[np.void], template: Template, topic: int, number: int, /, **fields: int | str
) -> NDArray[np.void]:
    """A proposal of one line, `number` being its topic sequence."""
    out = np.zeros(1, kind)
    out["topic"] = topic
    out["topic_sequence"] = number
    out["template_id"] = template
    out["flags"] = Flag.LAST_OF_GROUP
    for name, value in fields.items():
        out[name] = value
    return out.view(MESSAGE)


class Counting(Protocol):
    """A port, as far as its exchange is concerned."""

    @property
    def counts(self) -> Mapping[str, int]: ...


class Venue(ABC):
    """Engine and journal; who derives from it adds ports and clients. Use it with `with`.

    Args: size: of the engine; clock: manual, or real for clients that have their own; directory: of
    a journal, None for none; copies: journals whose marks a client's answers wait for; engine: see
    `make_engine`.
    """

    port: Counting  # the one that the tests are about

    def __init__(
        self, size: Size, clock: str, directory: Path | None, copies: int, engine: Mapping[str, Any]
    ) -> None:
        self._directory, self._copies = directory, copies
        marks = Block(marks_bytes())
        create_marks(marks, "marks")
        self.marks = Marks(marks)
        self.engine = make_engine(size, clock, engine)
        self.engine.core.set_time(START_NS)
        self.now_ns = START_NS
        self._journal = None
        if directory is not None:
            self._journal = Journal(
                directory, self.engine.ring, self.engine.readers, SEGMENT_MESSAGES
            )
            self.engine.core.add("journal", self._journal)

    @abstractmethod
    def serve(self) -> int:
        """One round of everything but the engine; returns the work done."""

    @abstractmethod
    def kill_port(self) -> None:
        """The port's process is gone, and whatever it had in flight; its clients see it."""

    @abstractmethod
    def start_port(self) -> None:
        """A port over the stream that is there."""

    def restart_port(self, engine: bool = True) -> None:
        """Another port takes its place: same lane, same stream."""
        self.kill_port()
        self.start_port()
        self.settle(engine)

    def make_core(self, name: str, clock: str = "manual") -> Core:
        """A core for a port, at the exchange's time."""
        page = Block(page_bytes())
        create_page(page, name)
        core = Core(page, self.engine.bells, name, "spin", clock)
        core.set_time(self.now_ns)
        return core

    def contributor(self, lane: int) -> Contributor:
        """What a port on this lane proposes with."""
        return Contributor(self.engine.lane_memory[lane], lane, self.engine.doorbell)

    def reading(self) -> Stream:
        """The stream, for one that follows it."""
        return Stream(
            self.engine.ring, self._directory, SEGMENT_MESSAGES, self.marks.memory, self._copies
        )

    def advance(self, nanoseconds: int) -> None:
        """Let time pass."""
        self.now_ns += nanoseconds
        self.engine.core.set_time(self.now_ns)

    def step(self, engine: bool = True) -> int:
        """One round of everything; returns the work done."""
        work = self.engine.step() if engine else 0
        return work + self.serve()

    def until(self, condition: Callable[[], bool], engine: bool = True) -> None:
        """Rounds until the condition holds."""
        for _ in rounds():
            if condition():
                return
            self.step(engine)
        raise AssertionError(f"it never came to that: {self.port.counts}")

    def settle(self, engine: bool = True) -> None:
        """Rounds until nobody has had anything to do for a while."""
        quiet = 0
        for _ in rounds():
            quiet = 0 if self.step(engine) else quiet + 1
            if quiet == QUIET_ROUNDS // 2:
                # On a busy host what was sent may wait for a thread of the kernel.
                os.sched_yield()
            if quiet == QUIET_ROUNDS:
                return
        raise AssertionError(f"it never came to rest: {self.port.counts}")

    def intrude(self, *lines: NDArray[np.void]) -> None:
        """Somebody else proposes something, which is published before the port looks."""
        self.engine.propose(np.concatenate(lines), INTRUDER)

    def stream(self) -> NDArray[np.void]:
        """Everything that was ever published."""
        replay = Replay(self.engine.ring, self._directory, 1, SEGMENT_MESSAGES)
        out = []
        while len(batch := replay.poll()):
            out.append(batch.copy())
        replay.close()
        return np.concatenate(out) if out else np.zeros(0, MESSAGE)

    def close(self) -> None:
        """Ports and clients are gone by now."""
        if self._journal is not None:
            self._journal.close()
        self.engine.close()

    def __enter__(self) -> Self:
        self.settle()
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()
