"""Market data over SoupBinTCP: the whole day from any message on, and GLIMPSE 5.0 snapshots.

The bytes are made in C (`ports/market.h`); here are connections, logins and heartbeats. A message's
number is the one that it has in MoldUDP64. A snapshot ends with G, which names the first message
that is not in it: from there on a client goes on with the packets.
"""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ports.market import MarketData
from ports.soup import (
    CLIENT_HEARTBEAT,
    DEBUG,
    END_OF_SESSION,
    FROM_CLIENT,
    LOGIN_REJECTED,
    LOGIN_REQUEST,
    LOGOUT,
    SERVER_HEARTBEAT,
    LoginAccepted,
    LoginRequest,
    SoupDecoder,
    encode_packet,
)
from ringbus.status import FormatError

# Longest packet that a client has a reason to send: a login.
CLIENT_PAYLOAD_MAX = 64
RECEIVE_BYTES = 4096
ACCEPTS_MAX = 64
BACKLOG = 1024
HEARTBEAT_NS = 1_000_000_000
# Silence after which a client is cut off, and the limit of its login.
DEAD_NS = 15_000_000_000
# Connections that have been told everything have so long to go.
FAREWELL_NS = 1_000_000_000
NOT_AUTHORISED = b"A"
NO_SESSION = b"S"
# The first letter of a live exchange's session, as ports/entrance.c has it.
LIVE_SESSION = "L"


@dataclass(slots=True)
class _Connection:
    """`next_number`: of the day; 0: it is not shown the day. `leaving`: nothing follows `out`."""

    socket: socket.socket
    generation: int
    snapshots: bool
    since_ns: int
    received_ns: int
    sent_ns: int
    decoder: SoupDecoder = field(
        default_factory=lambda: SoupDecoder(FROM_CLIENT, CLIENT_PAYLOAD_MAX)
    )
    request: LoginRequest | None = None
    entered: bool = False
    next_number: int = 0
    wants_snapshot: bool = False
    leaving: bool = False
    out: memoryview = field(default_factory=lambda: memoryview(b""))
    waiting: list[bytes] = field(default_factory=list)


class TapeServer:
    """A worker that serves the tape of `market` and runs that agent too; use it with `with`.

    Args: market: whose tape; now_ns: the time; connections: at once.
    Thread: its core's; the functions for logins are an authenticator's (`ports/authenticator.py`).
    A slow reader costs its place in the tape: nothing is kept for it. Passwords are verified in a
    thread of their own.
    """

    def __init__(
        self, market: MarketData, now_ns: Callable[[], int], connections: int = 256
    ) -> None:
        self._market = market
        self._now_ns = now_ns
        self._most = connections
        self._epoll = select.epoll()
        self._epoll.register(market.epoll_fd, select.EPOLLIN)
        self._listeners: dict[int, tuple[socket.socket, bool]] = {}
        self._connections: dict[int, _Connection] = {}
        self._generation = 0
        self._snapshot: tuple[int, bytes] = (-1, b"")
        self._questions: deque[tuple[int, int, str, str]] = deque()
        self._verdicts: deque[tuple[int, int, bool]] = deque()
        self.login_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        """Readable when a login waits to be verified."""
        self._verdict_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._verdict_fd, select.EPOLLIN)
        self.counts = dict.fromkeys(("connections", "logins", "refused", "snapshots", "cut"), 0)

    def listen(self, snapshots: bool, host: str = "127.0.0.1", port: int = 0) -> int:
        """Take connections, for snapshots or for the whole day; returns the TCP port."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
        self._listeners[listener.fileno()] = listener, snapshots
        self._epoll.register(listener.fileno(), select.EPOLLIN)
        return int(listener.getsockname()[1])

    @property
    def epoll_fd(self) -> int:
        """Readable when there is something to do for a client."""
        return self._epoll.fileno()

    def do_work(self, limit: int) -> int:
        """One round of the market data agent and of everybody who is connected."""
        done = self._market.do_work(limit)
        now_ns = self._now_ns()
        for descriptor, events in self._epoll.poll(0):
            done += self._on_event(descriptor, events, now_ns)
        if self._market.is_live:
            # Before that the day seems to end early.
            done += self._take_verdicts()
        for one in list(self._connections.values()):
            done += self._serve(one, now_ns)
        return done

    # --- logins ---------------------------------------------------------------------------------

    def next_login(self) -> tuple[int, int, str, str] | None:
        """Connection, generation, user and password of the next login; None: none waits."""
        return self._questions.popleft() if self._questions else None

    def answer_login(self, connection: int, generation: int, good: bool) -> bool:
        """Say whether the login was good."""
        self._verdicts.append((connection, generation, good))
        os.eventfd_write(self._verdict_fd, 1)
        return True

    def hush_logins(self) -> None:
        """Make `login_fd` unreadable; before looking for logins."""
        _hush(self.login_fd)

    def wake_logins(self) -> None:
        """Make `login_fd` readable, though there may be none."""
        os.eventfd_write(self.login_fd, 1)

    def _take_verdicts(self) -> int:
        done = 0
        while self._verdicts:
            number, generation, good = self._verdicts.popleft()
            one = self._connections.get(number)
            done += 1
            if one is None or one.generation != generation or one.request is None:
                continue
            if not good:
                self._refuse(one, NOT_AUTHORISED)
            elif not self._is_session(one.request.session):
                self._refuse(one, NO_SESSION)
            else:
                self._enter(one, one.request.sequence)
        return done

    def _is_session(self, wanted: str) -> bool:
        """Whether a client may come in that asks for it; a live one has to be named."""
        own = self._market.session
        return wanted == own if wanted else not own.startswith(LIVE_SESSION)

    def _refuse(self, one: _Connection, code: bytes) -> None:
        self.counts["refused"] += 1
        one.waiting.append(encode_packet(LOGIN_REJECTED, code))
        one.leaving = True

    def _enter(self, one: _Connection, wanted: int) -> None:
        """A snapshot begins at 1; the day where the client wants, or with the last message."""
        self.counts["logins"] += 1
        one.entered = True
        if one.snapshots:
            one.wants_snapshot = True
            first = 1
        else:
            there = self._market.messages
            first = min(wanted, there + 1) if wanted else max(there, 1)
            one.next_number = first
        one.waiting.append(LoginAccepted(self._market.session, first).encode())

    # --- connections ----------------------------------------------------------------------------

    def _on_event(self, descriptor: int, events: int, now_ns: int) -> int:
        if descriptor == self._verdict_fd:
            _hush(self._verdict_fd)
        elif descriptor in self._listeners:
            self._accept(*self._listeners[descriptor], now_ns)
        elif (one := self._connections.get(descriptor)) is not None:
            if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                self._receive(one, now_ns)
        else:
            # A request, which the agent has answered.
            return 0
        return 1

    def _accept(self, listener: socket.socket, snapshots: bool, now_ns: int) -> None:
        for _ in range(ACCEPTS_MAX):
            try:
                client, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            if len(self._connections) >= self._most:
                client.close()
                continue
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._generation += 1
            self.counts["connections"] += 1
            one = _Connection(client, self._generation, snapshots, now_ns, now_ns, now_ns)
            self._connections[client.fileno()] = one
            self._epoll.register(client.fileno(), select.EPOLLIN)

    def _receive(self, one: _Connection, now_ns: int) -> None:
        try:
            data = one.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(one)
            return
        one.received_ns = now_ns
        try:
            for kind, payload in one.decoder.feed(data):
                self._take(one, kind, payload)
        except FormatError as error:
            self.counts["cut"] += 1
            one.waiting.append(encode_packet(DEBUG, str(error)[:100].encode("ascii", "replace")))
            one.leaving = True

    def _take(self, one: _Connection, kind: bytes, payload: bytes) -> None:
        if one.leaving or kind in (CLIENT_HEARTBEAT, DEBUG):
            return
        if kind == LOGOUT and one.entered:
            one.leaving = True
            one.next_number, one.wants_snapshot = 0, False
        elif kind == LOGIN_REQUEST and one.request is None:
            one.request = LoginRequest.decode(payload)
            user, password = one.request.user, one.request.password
            one.request = LoginRequest(user, "", one.request.session, one.request.sequence)
            self._questions.append((one.socket.fileno(), one.generation, user, password))
            self.wake_logins()
        else:
            raise FormatError(f"a packet of type {kind!r} has no place here")

    def _serve(self, one: _Connection, now_ns: int) -> int:
        """What is due to one connection; returns pieces of work."""
        if self._is_late(one, now_ns):
            self._drop(one)
            return 1
        if not one.out and not one.waiting and not one.leaving:
            self._find(one, now_ns)
        if not one.out and one.waiting:
            one.out = memoryview(one.waiting.pop(0))
        if not one.out:
            return 0
        try:
            one.out = one.out[one.socket.send(one.out) :]
            one.sent_ns = now_ns
            if one.leaving and not one.out and not one.waiting:
                one.since_ns = now_ns
                one.socket.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return 0
        except OSError:
            # It is gone, perhaps with the last byte: a client may close when it has what it wants.
            self._drop(one)
        return 1

    def _find(self, one: _Connection, now_ns: int) -> None:
        """The next that it is to be told."""
        if one.wants_snapshot:
            snapshot = self._take_snapshot()
            if snapshot is not None:
                one.wants_snapshot = False
                one.waiting += [snapshot, encode_packet(END_OF_SESSION)]
                one.leaving = True
        elif one.next_number:
            data, one.next_number = self._market.copy_soup(one.next_number)
            if data:
                one.out = memoryview(data)
            elif self._market.is_over:
                one.waiting.append(encode_packet(END_OF_SESSION))
                one.leaving = True
        if one.entered and not one.out and not one.waiting and now_ns - one.sent_ns > HEARTBEAT_NS:
            one.waiting.append(encode_packet(SERVER_HEARTBEAT))

    def _take_snapshot(self) -> bytes | None:
        """Who comes before the next message is given the same."""
        number, data = self._snapshot
        if number != self._market.messages:
            made = self._market.snapshot()
            if made is None:
                return None
            self.counts["snapshots"] += 1
            number, data = self._snapshot = self._market.messages, made
        return data

    def _is_late(self, one: _Connection, now_ns: int) -> bool:
        if one.leaving and not one.out and not one.waiting:
            return now_ns - one.since_ns > FAREWELL_NS
        late = now_ns - one.received_ns > DEAD_NS
        self.counts["cut"] += late
        return late

    def _drop(self, one: _Connection) -> None:
        del self._connections[one.socket.fileno()]
        one.socket.close()

    def close(self) -> None:
        """Close all connections at once; the market data agent stays its owner's."""
        for one in list(self._connections.values()):
            self._drop(one)
        for listener, _ in self._listeners.values():
            listener.close()
        self._epoll.close()
        os.close(self.login_fd)
        os.close(self._verdict_fd)

    def __enter__(self) -> TapeServer:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


def _hush(descriptor: int) -> None:
    try:
        os.eventfd_read(descriptor)
    except BlockingIOError:
        return
