"""A crowd of clients that hear when the kernel took each message for them, to the nanosecond."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ports.soup import SoupClientSession

PASSWORD = "FAIRNESS"
PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.05
QUIET_SECONDS = 0.3
# socket(7); not every Python knows its name. The kernel answers with a struct timespec.
SO_TIMESTAMPNS = 35
STAMP = struct.Struct("qq")
PAGE = 65536


class FairnessError(Exception):
    """It could not be measured; the text says why."""


class Server(Protocol):
    """What is judged: a port where clients log in, and a way to tell all of them something."""

    address: tuple[str, int]

    def tell_all(self) -> None:
        """Make the port send one message to every client."""


class Ear:
    """One client: it logs in, and knows when the kernel took each message for it."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.stamps: list[int] = []
        self._socket: socket.socket | None = None

    def connect(self, address: tuple[str, int]) -> socket.socket:
        """Begin to connect and ask for a login as soon as that is done; does not wait."""
        self.close()
        self.session = SoupClientSession(self.user, PASSWORD, next_sequence=0)
        self._socket = wire = socket.socket()
        wire.setblocking(False)
        wire.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        wire.connect_ex(address)
        return wire

    def login(self) -> None:
        """Ask for the login; the socket is connected."""
        if self._socket is not None:
            self._socket.sendall(self.session.login())

    def receive(self) -> None:
        """Take what is there. Raises: FairnessError: the port has closed, or there is no stamp."""
        if self._socket is None:
            return
        try:
            data, ancillary, _, _ = self._socket.recvmsg(PAGE, 64)
        except BlockingIOError:
            return
        except OSError as error:
            raise FairnessError(f"{self.user}: {error}") from None
        if not data:
            raise FairnessError(f"the port closed the connection of {self.user}")
        for _ in self.session.feed(data):
            if not ancillary:
                raise FairnessError("this kernel does not stamp what arrives (SO_TIMESTAMPNS)")
            seconds, nanoseconds = STAMP.unpack_from(ancillary[0][2])
            self.stamps.append(seconds * 1_000_000_000 + nanoseconds)

    def heartbeat(self) -> None:
        """Say that this client lives."""
        if self._socket is not None:
            self._socket.send(self.session.heartbeat())

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Crowd:
    """Clients that connect in a given order and listen; use it with `with`."""

    def __init__(self, users: Sequence[str]) -> None:
        self.ears = [Ear(user) for user in users]
        self._poll = select.epoll()
        self._by_file: dict[int, Ear] = {}

    def connect(self, server: Server, order: Sequence[int]) -> None:
        """All connect at once, in this order; returns when all are logged in and it is quiet."""
        wires = [(self.ears[n], self.ears[n].connect(server.address)) for n in order]
        self._by_file = {wire.fileno(): ear for ear, wire in wires}
        for ear, wire in wires:
            connected = select.poll()
            connected.register(wire, select.POLLOUT)
            connected.poll(PATIENCE_SECONDS * 1000)
            ear.login()
            self._poll.register(wire, select.EPOLLIN)
        self._await(lambda: all(ear.session.accepted for ear in self.ears), "were all logged in")
        # Each is told its last message once more.
        heard = -1
        while heard < (heard := self._heard()):
            quiet = time.monotonic() + QUIET_SECONDS
            while time.monotonic() < quiet:
                self._take()
        for ear in self.ears:
            ear.stamps.clear()

    def listen(self, server: Server, messages: int) -> NDArray[np.int64]:
        """Have so many messages told; when each reached each client: shape (messages, clients)."""
        beat = time.monotonic()
        for n in range(1, messages + 1):
            server.tell_all()
            self._await(
                lambda n=n: self._heard() >= n * len(self.ears),  # type: ignore[misc]
                "heard a message that all must see",
            )
            if time.monotonic() > beat + 1:
                beat = time.monotonic()
                for ear in self.ears:
                    ear.heartbeat()
        return np.array([ear.stamps[:messages] for ear in self.ears], np.int64).T

    def _heard(self) -> int:
        return sum(len(ear.stamps) for ear in self.ears)

    def _take(self) -> None:
        for file, _ in self._poll.poll(POLL_SECONDS):
            ear = self._by_file[file]
            ear.receive()
            if ear.session.reject_code is not None:
                raise FairnessError(f"the login of {ear.user} was refused")

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            self._take()
            if time.monotonic() > deadline:
                raise FairnessError(f"the clients never {what} ({PATIENCE_SECONDS:.0f} s)")

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *unused: object) -> None:
        for ear in self.ears:
            ear.close()
        self._poll.close()
