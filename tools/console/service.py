"""The console as operators reach it: a Unix socket, which the file's permissions guard.

Whoever may write to the socket may command; who that was on this host the kernel says, and it
stands on the stream beside the name that the operator gave. A connection is one request and its
answer, both bounded; one that is slow about it is cut off.
"""

from __future__ import annotations

import grp
import json
import os
import select

# An exception to the rule against sockets: this is where operators connect.
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ringbus.marks import Marks
from ringbus.replay import Stream
from tools.console.conversation import REQUEST_BYTES_MAX, Answer, Conversation
from tools.console.desk import Console

if TYPE_CHECKING:
    from tools.topology import Topology

CONNECTIONS_MAX: Final = 16
# An operator's program sends its request at once; an answer takes milliseconds.
CONNECTION_NS: Final = 30_000_000_000
MODE: Final = 0o660
# Of [[application]].
KIND: Final = "console"


def socket_of(topology: Topology) -> Path | None:
    """Where the console of an exchange listens, if its topology has one."""
    for one in topology.applications:
        if one.kind == KIND:
            return topology.directory / f"{one.name}.sock"
    return None


def clock_of(topology: Topology, clock: Callable[[], int]) -> Callable[[], int]:
    """The clock by which commands wait: none where the stream's own stands still."""
    return (lambda: 0) if topology.exchange.clock == "stopped" else clock


class _Connection:
    """An operator's; `conversation` once the request is there, `out` once its answer is."""

    def __init__(self, one: socket.socket, now_ns: int) -> None:
        self.socket = one
        self.since_ns = now_ns
        self.text = b""
        self.conversation: Conversation | None = None
        self.out = b""

    @property
    def user(self) -> int:
        """The number of the local user at the other end, as the kernel knows it."""
        size = struct.calcsize("3i")
        said = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        return int(struct.unpack("3I", said)[1])


class ConsoleService:
    """A worker for `Core.host`.

    Args: now_ns: the core's clock, for connections that do nothing.
    Thread: the core's.
    """

    def __init__(self, console: Console, stream: Stream, now_ns: Callable[[], int]) -> None:
        self.console = console
        self._now_ns = now_ns
        self._marks = Marks(stream.marks) if stream.marks is not None and stream.copies else None
        self._copies = stream.copies
        self._epoll = select.epoll()
        self._listener: socket.socket | None = None
        self._path = Path()
        self._connections: dict[int, _Connection] = {}

    @property
    def epoll_fd(self) -> int:
        """The epoll set of its sockets; a core can wait in one that holds it."""
        return self._epoll.fileno()

    def listen(self, path: Path, group: str) -> None:
        """Take connections at `path`, from its owner and this group ("": the process's).

        Raises: OSError: it cannot be made there; KeyError: there is no such group.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with short_path(path) as place:
            Path(place).unlink(missing_ok=True)
            # Nobody may connect before it has the mode that it is to have.
            former = os.umask(0o777)
            try:
                listener.bind(place)
            finally:
                os.umask(former)
            if group:
                os.chown(place, -1, grp.getgrnam(group).gr_gid)
            Path(place).chmod(MODE)
        listener.listen(CONNECTIONS_MAX)
        listener.setblocking(False)
        self._listener, self._path = listener, path
        self._epoll.register(listener, select.EPOLLIN)

    def do_work(self, limit: int) -> int:
        """Follow the stream, then serve the operators; returns pieces of work done."""
        done = self.console.do_work(limit)
        for fd, _ in self._epoll.poll(0, CONNECTIONS_MAX + 1):
            done += 1
            if self._listener is not None and fd == self._listener.fileno():
                self._accept()
            else:
                self._ready(self._connections[fd])
        for one in list(self._connections.values()):
            done += self._serve(one)
        return done

    def close(self) -> None:
        """Close all connections."""
        for one in list(self._connections.values()):
            self._drop(one)
        if self._listener is not None:
            self._listener.close()
            # Who asks from here on is told so at once.
            self._path.unlink(missing_ok=True)
        self._epoll.close()
        self.console.close()

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            one, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        one.setblocking(False)
        if len(self._connections) >= CONNECTIONS_MAX:
            one.close()
            return
        self._connections[one.fileno()] = _Connection(one, self._now_ns())
        self._epoll.register(one, select.EPOLLIN)

    def _ready(self, one: _Connection) -> None:
        """Take what came: the request, or that the other side is gone."""
        try:
            came = one.socket.recv(REQUEST_BYTES_MAX + 1)
        except BlockingIOError:
            return
        except OSError:
            came = b""
        one.text += came
        if not came or len(one.text) > REQUEST_BYTES_MAX:
            # A command that is on its way goes on: its answer is on the stream.
            self._drop(one)
        elif b"\n" in one.text and one.conversation is None:
            one.conversation = Conversation(self.console, one.user, self._durable)
            self._answer(one, one.conversation.begin(one.text.partition(b"\n")[0]))

    def _serve(self, one: _Connection) -> int:
        if one.conversation is not None and not one.out:
            self._answer(one, one.conversation.go_on())
        if one.out:
            try:
                one.out = one.out[one.socket.send(one.out) :]
            except BlockingIOError:
                pass
            except OSError:
                one.out = b""
            if not one.out:
                self._drop(one)
                return 1
        if self._now_ns() - one.since_ns > CONNECTION_NS:
            self._drop(one)
        return 0

    def _answer(self, one: _Connection, answer: Answer | None) -> None:
        if answer is not None:
            one.out = json.dumps(answer).encode() + b"\n"

    def _drop(self, one: _Connection) -> None:
        del self._connections[one.socket.fileno()]
        self._epoll.unregister(one.socket)
        one.socket.close()

    def _durable(self) -> int:
        return self._marks.reached(self._copies) if self._marks else 1 << 64


class short_path:
    """A name for a path of a socket, however long the path: sockets take 107 bytes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> str:
        self._fd = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._fd}/{self._path.name}"

    def __exit__(self, *unused: object) -> None:
        os.close(self._fd)
