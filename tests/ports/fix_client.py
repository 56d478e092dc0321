"""A FIX client of the tests: its bytes are made by hand, and simplefix takes apart what comes back.

The port's own codec is not trusted.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

from simplefix import FixParser

from ports.fix import Pair, time_text
from tests.ports.venue import START_NS, received

COMP_ID = "RINGBUS"


def frame(begin: str, body: bytes, length: int | None = None, checksum: int | None = None) -> bytes:
    """Bytes as they go over the wire; length and checksum are right unless they are given."""
    data = f"8={begin}|9={len(body) if length is None else length}|".encode().replace(b"|", b"\1")
    data += body
    right = sum(data) % 256
    return data + f"10={right if checksum is None else checksum:03}\1".encode()


class Stage(Protocol):
    """What a client needs of an exchange."""

    @property
    def tcp(self) -> int: ...

    @property
    def now_ns(self) -> int: ...

    def until(self, condition: Callable[[], bool]) -> None: ...

    def settle(self) -> None: ...


class Client:
    """One TCP connection and what came over it; it answers nothing by itself."""

    def __init__(self, stage: Stage, user: str, begin: str) -> None:
        self.stage = stage
        self.user = user
        self.begin = begin
        self.number = 1  # of the next message
        self.got: list[dict[int, str]] = []
        self.raw_got = b""
        self.closed = False
        self.reading = True
        self._parser = FixParser()
        self.socket = socket.create_connection(("127.0.0.1", stage.tcp))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)

    def body(self, type_: str, *fields: Pair, **changes: str | None) -> bytes:
        """A body; `changes` are of header fields, such as `h34` (None: left out)."""
        header: dict[int, str] = {
            34: str(self.number),
            49: self.user,
            52: time_text(self.stage.now_ns),
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
        data = received(self.socket)
        if data is None:
            return 0
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
        self.stage.until(lambda: len(self.got) >= count or self.closed)
        self.stage.settle()
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
        self.stage.until(lambda: self.closed)
        assert self.got == []

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.socket.close()


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
