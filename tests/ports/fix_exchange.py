"""A whole exchange in one thread for the tests of the FIX port: real engine, real TCP sockets.

Nothing moves but by `until` and `settle`; time is what the test says it is. What clients send is
made by hand and what they get is taken apart by simplefix: the port's own codec is not trusted.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from simplefix import FixParser

from engine.fused import Size
from ports.authenticator import Authenticator
from ports.client import ClientSession
from ports.fix import FIX42, FIX44, Pair, time_text
from ports.fix_port import FixLimits, FixPort
from ringbus.contributor import Contributor
from ringbus.core import Core, create_page, page_bytes
from ringbus.journal import Journal
from ringbus.marks import Marks, create_marks, marks_bytes
from ringbus.memory import Block
from ringbus.messages import MESSAGE
from ringbus.replay import Replay, Stream
from tests.ports.exchange import (
    INSTRUMENTS,
    PASSWORD,
    QUIET_ROUNDS,
    SECRET,
    SEGMENT_MESSAGES,
    START_NS,
    USERS,
    make_engine,
    rounds,
)

COMP_ID = "RINGBUS"
OPEN = FixLimits(passwords=False)
INTRUDER = 1
HEADER = (34, 49, 52, 56)


def frame(begin: str, body: bytes, length: int | None = None, checksum: int | None = None) -> bytes:
    """Bytes as they go over the wire; length and checksum are right unless they are given."""
    data = f"8={begin}|9={len(body) if length is None else length}|".encode().replace(b"|", b"\1")
    data += body
    right = sum(data) % 256
    return data + f"10={right if checksum is None else checksum:03}\1".encode()


class Client:
    """One TCP connection and what came over it; it answers nothing by itself."""

    def __init__(self, exchange: FixExchange, user: str, begin: str) -> None:
        self.exchange = exchange
        self.user = user
        self.begin = begin
        self.number = 1  # of the next message
        self.got: list[dict[int, str]] = []
        self.raw_got = b""
        self.closed = False
        self.reading = True
        self._parser = FixParser()
        self.socket = socket.create_connection(("127.0.0.1", exchange.tcp))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)

    def body(self, type_: str, *fields: Pair, **changes: str | None) -> bytes:
        """A body; `changes` are of header fields, such as `h34` (None: left out)."""
        header: dict[int, str] = {
            34: str(self.number),
            49: self.user,
            52: time_text(self.exchange.now_ns),
            56: COMP_ID,
        }
        for name, value in changes.items():
            if value is None:
                header.pop(int(name[1:]))
            else:
                header[int(name[1:])] = value
        pairs: list[Pair] = [(35, type_), *header.items(), *fields]
        return b"".join(f"{tag}={text}\1".encode("latin-1") for tag, text in pairs)

    def send(self, type_: str, *fields: Pair, **changes: str | None) -> None:
        """Send a message and count it, unless `changes` give its number."""
        self.raw(frame(self.begin, self.body(type_, *fields, **changes)))
        self.number += "h34" not in changes

    def raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def logon(self, heartbeat: int = 30, *fields: Pair, **changes: str | None) -> None:
        """Send a Logon."""
        self.send("A", (98, "0"), (108, str(heartbeat)), *fields, **changes)

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
            self.close()
            return 1
        self.raw_got += data
        self._parser.append_buffer(data)
        while (message := self._parser.get_message()) is not None:
            self.got.append({int(tag): value.decode("latin-1") for tag, value in message.pairs})
        return len(data)

    def take(self, count: int = 1) -> list[dict[int, str]]:
        """The next `count` messages, and no more."""
        self.exchange.until(lambda: len(self.got) >= count or self.closed)
        self.exchange.settle()
        assert len(self.got) == count, self.got
        out, self.got = self.got, []
        return out

    def one(self, type_: str) -> dict[int, str]:
        """The next message, which is of that type, and the only one."""
        (message,) = self.take()
        assert message[35] == type_, message
        return message

    def ended(self) -> None:
        """Nothing comes any more: the connection is closed."""
        self.exchange.until(lambda: self.closed)
        assert self.got == []

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.socket.close()


class FixExchange:
    """Engine, FIX port and authenticator; use it with `with`.

    Args: directory: of a journal, None for none; copies: journals whose marks are waited for;
    clock: manual, or real for clients that have their own; contributors: lanes, the port's the
    first; engine: see `make_engine`; rights: of every session.
    """

    def __init__(
        self,
        limits: FixLimits = OPEN,
        directory: Path | None = None,
        copies: int = 0,
        stream_slots: int = 1 << 16,
        lane_slots: int = 4096,
        clock: str = "manual",
        engine: Mapping[str, Any] | None = None,
        contributors: int = 2,
        **rights: object,
    ) -> None:
        self._rights = rights
        self._clock = clock
        self.tcp = 0
        marks = Block(marks_bytes())
        create_marks(marks, "marks")
        self.marks = Marks(marks)
        size = Size(2, 2, len(USERS) + 1, contributors, stream_slots, lane_slots)
        self.engine = make_engine(size, clock, engine or {})
        self.engine.core.set_time(START_NS)
        self.now_ns = START_NS
        self.limits = limits
        self.clients: list[Client] = []
        self._copies = copies
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
        page = Block(page_bytes())
        create_page(page, "fix")
        self.core = Core(page, self.engine.bells, "fix", "spin", self._clock)
        self.core.set_time(self.now_ns)
        self.port = FixPort(
            self.core,
            COMP_ID,
            2,
            Contributor(self.engine.lane_memory[0], 0, self.engine.doorbell),
            Stream(
                self.engine.ring,
                self._directory,
                SEGMENT_MESSAGES,
                self.marks.memory,
                self._copies,
            ),
            INSTRUMENTS,
            [self._session(n, user) for n, user in enumerate(USERS)],
            self.limits,
        )
        self.core.host("fix", self.port)
        self.authenticator = Authenticator(self.port.logins, dict.fromkeys(USERS, SECRET))
        # A successor has the address of the one that died.
        self.tcp = self.port.listen(port=self.tcp)

    def _session(self, n: int, user: str) -> ClientSession:
        return replace(ClientSession(n + 1, user, n + 1, 1), **self._rights)  # type: ignore[arg-type]

    def kill_port(self) -> None:
        """The port's process is gone: sockets, memory, whatever it had in flight."""
        self.core.close()
        self.port.close()
        for client in self.clients:
            client.receive()
            client.close()
        self.clients.clear()

    def restart_port(self, engine: bool = True) -> None:
        """Another port takes its place: same lane, same stream, same TCP port."""
        self.kill_port()
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
        return work + sum(client.receive() for client in self.clients)

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
                os.sched_yield()
            if quiet == QUIET_ROUNDS:
                return
        raise AssertionError(f"it never came to rest: {self.port.counts}")

    def connect(self, user: str = "ALICE", begin: str = FIX44) -> Client:
        """A connection that has not logged on."""
        client = Client(self, user, begin)
        self.clients.append(client)
        return client

    def login(
        self, user: str = "ALICE", begin: str = FIX44, number: int = 1, heartbeat: int = 30
    ) -> Client:
        """A connection that has; its Logon was answered and nothing else said."""
        client = self.connect(user, begin)
        client.number = number
        password = [(554, PASSWORD)] if self.limits.passwords else []
        client.logon(heartbeat, *password)
        answer = client.one("A")
        assert (answer[49], answer[56], answer[98]) == (COMP_ID, user, "0")
        return client

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


def limits(**changes: object) -> FixLimits:
    """Without passwords, but for the changes."""
    return replace(OPEN, **changes)  # type: ignore[arg-type]


def order(
    clordid: str,
    side: str = "1",
    quantity: str = "100",
    price: str = "1.5",
    /,
    **changes: str | None,
) -> list[Pair]:
    """The fields of a NewOrderSingle for AAPL, ascending; `changes` are called `f59` and so on."""
    fields: dict[int, str] = {
        11: clordid,
        21: "1",
        38: quantity,
        40: "2",
        44: price,
        54: side,
        55: "AAPL",
        60: time_text(START_NS),
    }
    for name, value in changes.items():
        if value is None:
            fields.pop(int(name[1:]))
        else:
            fields[int(name[1:])] = value
    return sorted(fields.items())


__all__ = ["COMP_ID", "FIX42", "FIX44", "Client", "FixExchange", "frame", "limits", "order"]
