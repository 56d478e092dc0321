"""The trade reporter's connection to its facility: FIX 4.4, and it is the one that calls.

    DOWN --back-off over--> CONNECTING --connected--> GREETING --Logon answered--> LIVE
      ^                         |                         |                         |
      +-------------------------+--- whatever is wrong ---+-------------------------+

Both sides count from 1 in each connection (ResetSeqNumFlag). So there is nothing to ask for again:
a number that is not the next one, like everything else that should not be, ends the connection, and
on the next one the reporter begins with the first report that was not answered. It calls again
after a wait, which doubles until an answer has come.
"""

from __future__ import annotations

import select

# An exception to the rule against sockets: it calls a facility.
import socket
from collections import Counter
from collections.abc import Sequence
from enum import Enum
from typing import Final

from ports.fix import FIX44, SECOND_NS, Decoder, Message, Pair, encode, time_text
from ports.fix_session import (
    ASK_AFTER,
    GONE_AFTER,
    HEARTBEAT,
    LOGON,
    LOGON_NS,
    LOGOUT,
    TEST_REQUEST,
)
from ports.trade_reports import ANSWER, Answer

WAIT_NS_MIN: Final = SECOND_NS // 10
WAIT_NS_MAX: Final = 5 * SECOND_NS
RECEIVE_BYTES: Final = 65536
# Nothing more is put behind so many bytes that the facility has not taken.
SEND_BYTES: Final = 65536


class State(Enum):
    """Of the connection."""

    DOWN = 0
    CONNECTING = 1
    GREETING = 2
    LIVE = 3


class Link:
    """One facility, called again and again.

    Args: place: its host and port; comp_id, facility: CompIDs; heartbeat_s: HeartBtInt.
    `generation` counts the connections that came to be LIVE.
    Thread: one. Memory: SEND_BYTES and one message out, one message and RECEIVE_BYTES in.
    """

    def __init__(
        self, place: tuple[str, int], comp_id: str, facility: str, heartbeat_s: int
    ) -> None:
        self.state = State.DOWN
        self.generation = 0
        self.counts: Counter[str] = Counter()
        self._place = place
        self._comp_ids = comp_id, facility
        self._heartbeat_s = heartbeat_s
        self._epoll = select.epoll()
        self._socket: socket.socket | None = None
        self._decoder = Decoder()
        self._out = bytearray()
        self._number = self._expected = 1
        self._wait_ns = WAIT_NS_MIN
        self._due_ns = 0  # it calls then
        self._since_ns = self._received_ns = self._sent_ns = 0
        self._has_asked = False
        self._events = 0

    @property
    def epoll_fd(self) -> int:
        """The epoll set of its socket; a core can wait in one that holds it."""
        return self._epoll.fileno()

    @property
    def has_room(self) -> bool:
        """Whether a report can go out now."""
        return self.state is State.LIVE and len(self._out) < SEND_BYTES

    def work(self, now_ns: int) -> list[Answer]:
        """Connect, take what came, see what is due; returns the answers to reports."""
        if self.state is State.DOWN:
            if now_ns >= self._due_ns:
                self._call(now_ns)
            return []
        answers = self._receive(now_ns)
        self._tick(now_ns)
        return answers

    def send(self, type_: str, fields: Sequence[Pair], now_ns: int) -> None:
        """Put a message behind all others."""
        header: list[Pair] = [
            (34, str(self._number)),
            (49, self._comp_ids[0]),
            (52, time_text(now_ns)),
            (56, self._comp_ids[1]),
        ]
        self._number += 1
        self._out += encode(FIX44, type_, [*header, *fields])

    def flush(self, now_ns: int) -> int:
        """Give the socket what it takes; returns bytes."""
        if self._socket is None or self.state is State.CONNECTING:
            return 0
        sent = 0
        try:
            if self._out:
                sent = self._socket.send(self._out)
        except BlockingIOError:
            pass
        except OSError:
            self.drop("lost", now_ns)
            return 0
        if sent:
            del self._out[:sent]
            self._sent_ns = now_ns
        self._wait_for(select.EPOLLIN | (select.EPOLLOUT if self._out else 0))
        return sent

    def drop(self, why: str, now_ns: int) -> None:
        """End the connection, and call again after a wait."""
        self.counts[why] += 1
        self._close()
        self._due_ns = now_ns + self._wait_ns
        self._wait_ns = min(2 * self._wait_ns, WAIT_NS_MAX)

    def close(self) -> None:
        """Close everything."""
        self._close()
        self._epoll.close()

    # --- the socket

    def _call(self, now_ns: int) -> None:
        self.counts["calls"] += 1
        one = socket.socket()
        one.setblocking(False)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = one
        self._events = select.EPOLLOUT
        self._epoll.register(one, self._events)
        self.state, self._since_ns = State.CONNECTING, now_ns
        try:
            one.connect(self._place)
        except BlockingIOError:
            return
        except OSError:
            self.drop("refused", now_ns)

    def _greet(self, now_ns: int) -> None:
        self.state, self._since_ns = State.GREETING, now_ns
        self._decoder, self._out = Decoder(), bytearray()
        self._number = self._expected = 1
        self._received_ns, self._has_asked = now_ns, False
        fields: list[Pair] = [(98, "0"), (108, str(self._heartbeat_s)), (141, "Y")]
        self.send(LOGON, fields, now_ns)

    def _close(self) -> None:
        if self._socket is not None:
            self._epoll.unregister(self._socket)
            self._socket.close()
            self._socket = None
        self.state = State.DOWN
        self._out.clear()

    def _wait_for(self, events: int) -> None:
        if self._socket is not None and events != self._events:
            self._events = events
            self._epoll.modify(self._socket, events)

    def _receive(self, now_ns: int) -> list[Answer]:
        assert self._socket is not None
        answers: list[Answer] = []
        if not self._epoll.poll(0):
            return answers
        if self.state is State.CONNECTING:
            if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.drop("refused", now_ns)
            else:
                self._greet(now_ns)
            return answers
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return answers
        except OSError:
            data = b""
        self._decoder.feed(data)
        for message in self._decoder:
            self._take(message, answers, now_ns)
            if self._socket is None:
                return answers
        if not data:
            self.drop("lost", now_ns)
        elif self._decoder.garbled:
            self.drop("garbled", now_ns)
        return answers

    # --- the session

    def _take(self, message: Message, answers: list[Answer], now_ns: int) -> None:
        self._received_ns, self._has_asked = now_ns, False
        if message.number != self._expected or message.begin != FIX44:
            self.drop("out of order", now_ns)
            return
        self._expected += 1
        is_first = self.state is State.GREETING
        if is_first != (message.type == LOGON):
            self.drop("out of turn", now_ns)
        elif is_first:
            self.state = State.LIVE
            self.generation += 1
        elif message.type == TEST_REQUEST:
            self.send(HEARTBEAT, [(112, message.get(112))], now_ns)
        elif message.type == ANSWER and (answer := Answer.read(message)) is not None:
            self._wait_ns = WAIT_NS_MIN
            answers.append(answer)
        elif message.type == LOGOUT:
            self.send(LOGOUT, [], now_ns)
            self.flush(now_ns)
            self.drop("logged out", now_ns)
        elif message.type != HEARTBEAT:
            # A rejection of the session, a request to send again: neither can be, here.
            self.drop(f"type {message.type}", now_ns)

    def _tick(self, now_ns: int) -> None:
        silence_ns = now_ns - self._received_ns
        heartbeat_ns = self._heartbeat_s * SECOND_NS
        if self.state in (State.CONNECTING, State.GREETING):
            if now_ns - self._since_ns >= LOGON_NS:
                self.drop("no answer", now_ns)
        elif self.state is State.LIVE:
            if 10 * silence_ns >= GONE_AFTER * heartbeat_ns:
                self.drop("silent", now_ns)
            elif 10 * silence_ns >= ASK_AFTER * heartbeat_ns and not self._has_asked:
                self._has_asked = True
                self.send(TEST_REQUEST, [(112, "TEST")], now_ns)
            elif now_ns - self._sent_ns >= heartbeat_ns and not self._out:
                self.send(HEARTBEAT, [], now_ns)
