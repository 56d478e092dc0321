"""One client of the load: a real TCP connection that survives the death of its port."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ports.soup import SoupClientSession
from ringbus.status import FormatError

RECEIVE_BYTES = 65536
RETRY_SECONDS = 0.01


class LoadError(Exception):
    """The load cannot go on; the text says where it was and what happened."""


@dataclass(slots=True)
class LoadSession:
    """A client session.

    `received` holds the payload of every sequenced message, first first; over reconnects nothing is
    missing in it and nothing is there twice, because the next number is asked for at login.
    """

    address: tuple[str, int]
    user: str
    password: str
    topic: int
    session: str = ""  # of the exchange; "": the active one
    received: list[bytes] = field(default_factory=list)
    reconnects: int = 0
    logged_in: bool = False
    out: bytearray = field(default_factory=bytearray)
    _socket: socket.socket | None = None
    _soup: SoupClientSession | None = None

    def connect(self, timeout_s: float = 60.0) -> None:
        """Connect and log in, asking for the message after the last one received; retries while
        nobody listens.

        Raises: LoadError: refused, or nobody there in time.
        """
        deadline = time.monotonic() + timeout_s
        while not self._attempt(deadline):
            if time.monotonic() > deadline:
                raise LoadError(
                    f"session {self.user}: no login at {self.address[0]}:{self.address[1]} "
                    f"within {timeout_s:.0f} s: is the port up? (`ringbus status`)"
                )
            time.sleep(RETRY_SECONDS)

    def _attempt(self, deadline: float) -> bool:
        self.close()
        self.out.clear()
        try:
            self._socket = socket.create_connection(self.address, timeout=1.0)
        except OSError:
            return False
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._soup = SoupClientSession(
            self.user,
            self.password,
            session=self.session,
            next_sequence=len(self.received) + 1,
        )
        self.send(self._soup.login())
        while self._socket is not None and time.monotonic() < deadline:
            select.select([self._socket], [], [], 0.1)
            self.receive()
            if self._soup.accepted:
                self.logged_in = True
                return True
            if self._soup.reject_code == "A":
                raise LoadError(
                    f"session {self.user}: not authorised: the password does not fit the "
                    "participants file"
                )
            if self._soup.reject_code is not None:
                # The port has not noticed yet that our last connection is gone.
                return False
        return False

    def fileno(self) -> int:
        """Of the socket, -1 while there is no connection."""
        return -1 if self._socket is None else self._socket.fileno()

    def send(self, packet: bytes) -> None:
        """Send, or keep what the socket does not take; a dead connection keeps nothing."""
        self.out += packet
        self.flush()

    def flush(self) -> None:
        """Send what is kept."""
        if self._socket is None:
            self.out.clear()
            return
        try:
            while self.out:
                del self.out[: self._socket.send(self.out)]
        except BlockingIOError:
            pass
        except OSError:
            self._lost()

    def receive(self, on_message: Callable[[bytes], None] | None = None) -> bool:
        """Take what arrived. False: the connection is gone.

        Raises: LoadError: the port broke the protocol.
        """
        if self._socket is None or self._soup is None:
            return False
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            self._lost()
            return False
        try:
            messages = self._soup.feed(data)
        except FormatError as error:
            raise LoadError(f"session {self.user}: {error}") from None
        for _, payload in messages:
            self.received.append(payload)
            if on_message is not None:
                on_message(payload)
        return True

    def heartbeat(self) -> None:
        """Say that this client lives."""
        if self._soup is not None and self.logged_in:
            self.send(self._soup.heartbeat())

    def logout(self) -> None:
        """Ask for the end of the connection and wait for it."""
        if self._soup is None or self._socket is None:
            return
        self.send(self._soup.logout())
        deadline = time.monotonic() + 5
        while self._socket is not None and time.monotonic() < deadline:
            select.select([self._socket], [], [], 0.1)
            self.receive()
        self.close()

    def _lost(self) -> None:
        self.close()
        self.reconnects += 1

    def close(self) -> None:
        """Close the socket."""
        self.logged_in = False
        if self._socket is not None:
            self._socket.close()
            self._socket = None
