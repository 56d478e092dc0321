"""The open connections of a FIX port, its listener, and what epoll says of them."""

from __future__ import annotations

import select

# An exception to the rule against sockets: an acceptor listens.
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ports.fix_connection import Connection
from ringbus.status import CapacityError

# Connections taken in one round.
ACCEPTS_MAX: Final = 64
LISTEN_BACKLOG: Final = 128


@dataclass(frozen=True, slots=True)
class FixLimits:
    """What a port allows.

    `backlog` is how many messages a connection may be behind. With `passwords` a Logon carries one
    (Password 554, or RawData 96). `stops`: somebody holds stop orders.
    """

    connections: int = 256
    backlog: int = 65536
    receive_bytes: int = 4096
    send_bytes: int = 16384
    socket_receive_bytes: int = 4096
    socket_send_bytes: int = 0  # the kernel's choice
    passwords: bool = True
    is_live: bool = False  # the exchange's environment
    stops: bool = False


class OpenConnections:
    """A table of connections by file, a listener, and the epoll set of all of them.

    Args: verdict_fd: rings when a login has been judged, and is watched too; make: a connection of
    a socket, with a number that no other one has had; gone: told of one that has ended.
    Thread: the port's.
    """

    def __init__(
        self,
        limits: FixLimits,
        counts: Counter[str],
        verdict_fd: int,
        make: Callable[[socket.socket, int], Connection],
        gone: Callable[[Connection], None],
    ) -> None:
        self._limits, self._counts, self._make, self._gone = limits, counts, make, gone
        self._by_fd: dict[int, Connection] = {}
        self._made = 0
        self._listener: socket.socket | None = None
        self._epoll = select.epoll()
        self._epoll.register(verdict_fd, select.EPOLLIN)

    @property
    def epoll_fd(self) -> int:
        """A core can wait in an epoll set that holds this one."""
        return self._epoll.fileno()

    def all(self) -> list[Connection]:
        """Those that are open now, the oldest first."""
        return list(self._by_fd.values())

    def find(self, fd: int, number: int) -> Connection | None:
        """The connection that was given this number, if it is still there."""
        connection = self._by_fd.get(fd)
        return connection if connection is not None and connection.number == number else None

    def listen(self, host: str, port: int) -> int:
        """Take connections from now on; returns the TCP port. Raises: OSError: it is taken."""
        listener = socket.create_server((host, port), backlog=LISTEN_BACKLOG)
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._limits.socket_receive_bytes)
        self._listener = listener
        self._epoll.register(listener, select.EPOLLIN)
        return int(listener.getsockname()[1])

    def adopt(self, one: socket.socket) -> None:
        """Serve a connected socket. Raises: CapacityError: no room; it is closed."""
        if len(self._by_fd) >= self._limits.connections:
            self._counts["refused connections"] += 1
            one.close()
            raise CapacityError(f"{self._limits.connections} connections are open")
        one.setblocking(False)
        if one.family == socket.AF_INET:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._limits.socket_send_bytes:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._limits.socket_send_bytes)
        self._made += 1
        made = self._make(one, self._made)
        self._by_fd[made.fd] = made
        self._epoll.register(made.fd, made.events)
        self._counts["connections"] += 1

    def poll(self) -> int:
        """Take what epoll has; returns pieces of work."""
        done = 0
        for fd, events in self._epoll.poll(0):
            done += 1
            connection = self._by_fd.get(fd)
            if connection is not None:
                if events & select.EPOLLOUT:
                    connection.is_blocked = False
                if events & ~select.EPOLLOUT and not connection.read():
                    self._gone(connection)
            elif self._listener is not None and fd == self._listener.fileno():
                self._accept()
        return done

    def _accept(self) -> None:
        assert self._listener is not None
        for _ in range(ACCEPTS_MAX):
            try:
                one, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:
                # It went away while it waited.
                continue
            try:
                self.adopt(one)
            except CapacityError:
                continue

    def watch(self, connection: Connection) -> None:
        """Let epoll tell what the connection wants to know by now."""
        if connection.wants != connection.events:
            connection.events = connection.wants
            self._epoll.modify(connection.fd, connection.events)

    def remove(self, connection: Connection) -> None:
        """Close it."""
        del self._by_fd[connection.fd]
        self._epoll.unregister(connection.fd)
        connection.close()

    def close(self) -> None:
        """Close all at once."""
        for connection in self._by_fd.values():
            connection.close()
        self._by_fd.clear()
        if self._listener is not None:
            self._listener.close()
        self._epoll.close()
