"""A whole exchange in one thread for the tests of the client port: real engine, real TCP sockets.

Nothing moves but by `until` and `settle`; time is what the test says it is.
"""

from __future__ import annotations

import itertools
import os
import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.fused import FusedEngine, Size
from engine.risk import Risk, RiskInstrument, RiskSize
from ports.authenticator import Authenticator, hash_secret
from ports.client import ClientPort, ClientSession, Contributor, Instrument, Limits, Stream
from ports.ouch import (
    CancelOrder,
    EnterOrder,
    Inbound,
    OrderAccepted,
    OrderCanceled,
    Outbound,
    decode_outbound,
)
from ports.soup import DEBUG, FROM_SERVER, SEQUENCED, SoupClientSession, SoupDecoder
from ringbus.core import Core, create_page, page_bytes
from ringbus.journal import Journal
from ringbus.marks import Marks, create_marks, marks_bytes
from ringbus.memory import Block
from ringbus.messages import MESSAGE, Flag, Template
from ringbus.replay import Replay

T = TypeVar("T")
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
# Unknown contributors' messages on a client's topic come from here.
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


def make_engine(size: Size, clock: str, changes: Mapping[str, Any]) -> FusedEngine:
    """An engine that keeps limits; `changes` are of its bounds, `risk` of those of its owners."""
    bounds = dict(changes)
    owners = bounds.pop("risk", RiskSize(accounts=4096, firms=16, positions=1 << 14))
    size = replace(size, **bounds)
    table = [RiskInstrument(one.tick_1e4, one.price_ticks_max) for one in INSTRUMENTS]
    risk = Risk(table, size.shards, size.orders, owners, size.topics)
    return FusedEngine(size, clock, risk=risk)


@dataclass(frozen=True, slots=True)
class Message:
    """A sequenced message as a client saw it."""

    sequence: int
    payload: bytes

    @property
    def ouch(self) -> Outbound:
        """What it says."""
        return decode_outbound(self.payload)


class Client:
    """One TCP connection and what came over it; a bad one if `reading` is set to False."""

    def __init__(
        self, port: int, user: str = "ALICE", next_sequence: int = 1, receive_bytes: int = 0
    ) -> None:
        self.user, self.first = user, next_sequence
        self.bytes = bytearray()
        self.session = SoupClientSession(user, PASSWORD, next_sequence=next_sequence)
        self.messages: list[Message] = []
        self.debug: list[str] = []
        self.packets: list[bytes] = []
        self.closed = False
        self.reading = True
        self._decoder = SoupDecoder(FROM_SERVER)
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)

    def login(self) -> None:
        self.raw(self.session.login())

    def raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send(self, message: Inbound) -> None:
        self.raw(self.session.unsequenced(message.encode()))

    def receive(self) -> int:
        """Take what is there; returns bytes, and 1 for an end."""
        if self.closed or not self.reading:
            return 0
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return 0
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            self.socket.close()
            return 1
        self.bytes += data
        for kind, payload in self._decoder.feed(data):
            self.packets.append(kind)
            if kind == DEBUG:
                self.debug.append(payload.decode())
        self.messages += [Message(*one) for one in self.session.feed(data)]
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.socket.close()

    @property
    def ouch(self) -> list[Outbound]:
        return [message.ouch for message in self.messages]


class Exchange:
    """Engine, port and authenticator; use it with `with`.

    Args: directory: of a journal, None for none; stream_slots: how long the ring remembers;
    lane_slots: of every lane; copies: journals whose marks a client's answers wait for; users: its
    participants, the first on topic 1; contributors: lanes, the port's the first; rules: what a
    user's session is configured to, but for its names; engine: see `make_engine`.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        directory: Path | None = None,
        stream_slots: int = 1 << 16,
        lane_slots: int = 4096,
        copies: int = 0,
        users: Sequence[str] = USERS,
        contributors: int = 2,
        rules: Mapping[str, dict[str, Any]] | None = None,
        engine: Mapping[str, Any] | None = None,
    ) -> None:
        self._copies = copies
        self.topics = {user: n + 1 for n, user in enumerate(users)}
        self._rules = rules or {}
        marks = Block(marks_bytes())
        create_marks(marks, "marks")
        self.marks = Marks(marks)
        size = Size(2, 2, len(users) + 1, contributors, stream_slots, lane_slots)
        self.engine = make_engine(size, "manual", engine or {})
        self.engine.core.set_time(START_NS)
        self.now_ns = START_NS
        self.limits = limits or Limits()
        self.clients: list[Client] = []
        # Two thousand that have nothing to read are not asked one by one.
        self._ready = select.epoll()
        self._by_file: dict[int, Client] = {}
        self._directory = directory
        self._journal = None
        if directory is not None:
            self._journal = Journal(
                directory, self.engine.ring, self.engine.readers, SEGMENT_MESSAGES
            )
            self.engine.core.add("journal", self._journal)
        self.start_port()

    def start_port(self) -> None:
        """A port over the stream that is there."""
        self._page = Block(page_bytes())
        create_page(self._page, "port")
        self.core = Core(self._page, self.engine.bells, "port", "spin", "manual")
        self.core.set_time(self.now_ns)
        self.port = ClientPort(
            self.core,
            "DAY1",
            2,
            Contributor(self.engine.lane_memory[0], 0, self.engine.doorbell),
            self.reading(),
            INSTRUMENTS,
            [
                ClientSession(topic, user, topic, 1, FIRM, **self._rules.get(user, {}))
                for user, topic in self.topics.items()
            ],
            self.limits,
        )
        self.core.add("port", self.port)
        self.authenticator = Authenticator(self.port, dict.fromkeys(self.topics, SECRET))
        self.tcp = self.port.listen()

    def reading(self) -> Stream:
        """The stream, for one that follows it."""
        return Stream(
            self.engine.ring, self._directory, SEGMENT_MESSAGES, self.marks.memory, self._copies
        )

    def kill_port(self) -> None:
        """The port's process is gone: sockets, memory, whatever it had in flight."""
        self.core.close()
        self.port.close()

    def restart_port(self, engine: bool = True) -> None:
        """Another port takes its place: same lane, same stream, another TCP port."""
        self.kill_port()
        for client in self.clients:
            client.receive()
            client.close()
        self.clients.clear()
        self.start_port()
        self.settle(engine)

    def advance(self, nanoseconds: int) -> None:
        """Let time pass."""
        self.now_ns += nanoseconds
        self.engine.core.set_time(self.now_ns)
        self.core.set_time(self.now_ns)

    def step(self, engine: bool = True) -> int:
        """One round of everything; returns the work done."""
        work = self.engine.step() if engine else 0
        work += self.core.round() + self.authenticator.step()
        ready = self._ready.poll(0)
        return work + sum(self._by_file[file].receive() for file, _ in ready)

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

    def connect(
        self, user: str = "ALICE", next_sequence: int = 1, receive_bytes: int = 0
    ) -> Client:
        """A connection that has not logged in."""
        return self.follow(Client(self.tcp, user, next_sequence, receive_bytes))

    def follow(self, client: Client) -> Client:
        """Let a connection receive what comes for it, in every round."""
        self.clients.append(client)
        self._ready.register(client.socket, select.EPOLLIN)
        self._by_file[client.socket.fileno()] = client
        return client

    def login(self, user: str = "ALICE", next_sequence: int = 1, receive_bytes: int = 0) -> Client:
        """A connection that has, and has all that it asked for."""
        client = self.connect(user, next_sequence, receive_bytes)
        client.login()
        self.until(lambda: client.session.accepted)
        topic = self.topics[user]
        self.until(lambda: client.session.next_sequence > self.port.messages(topic))
        return client

    def say(self, client: Client, message: Inbound, answers: int = 1) -> list[Outbound]:
        """Send a message and wait for so many answers; returns them."""
        before = len(client.messages)
        client.send(message)
        self.until(lambda: len(client.messages) >= before + answers)
        return [message.ouch for message in client.messages[before:]]

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
        for client in self.clients:
            client.close()
        self._ready.close()
        self.port.close()
        self.core.close()
        if self._journal is not None:
            self._journal.close()
        self.engine.close()

    def __enter__(self) -> Self:
        self.settle()
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


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


def said(kind: type[T], message: Outbound) -> T:
    """The message, which must be of that kind."""
    assert isinstance(message, kind), message
    return message


class Steady:
    """A client that does everything right, while others do not."""

    def __init__(self, exchange: Exchange, user: str = "BOB") -> None:
        self._exchange = exchange
        self._client = exchange.login(user)
        self._user_ref = 0

    def trade(self) -> None:
        """One order and its cancel, with both answers as they must be."""
        self._user_ref += 1
        number = len(self._client.messages)
        order = EnterOrder(self._user_ref, "B", 10, "MSFT", 120 * TICK, clordid="steady")
        accepted = said(OrderAccepted, self._exchange.say(self._client, order)[0])
        assert (accepted.user_ref, accepted.clordid) == (self._user_ref, "steady")
        answer = self._exchange.say(self._client, CancelOrder(self._user_ref))
        canceled = said(OrderCanceled, answer[0])
        assert (canceled.user_ref, canceled.quantity) == (self._user_ref, 10)
        sequences = [message.sequence for message in self._client.messages[number:]]
        assert sequences == [number + 1, number + 2]
        assert self._client.packets.count(SEQUENCED) == len(self._client.messages)
