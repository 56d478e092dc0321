"""A whole exchange in one thread for tests of the client port: real engine, real TCP sockets."""

from __future__ import annotations

import select
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from engine.fused import Size
from ports.authenticator import Authenticator
from ports.client import ClientPort, ClientSession, Limits
from ports.ouch import (
    CancelOrder,
    EnterOrder,
    Inbound,
    OrderAccepted,
    OrderCanceled,
    Outbound,
    decode_outbound,
)
from ports.soup import (
    DEBUG,
    FROM_SERVER,
    LOGOUT,
    SEQUENCED,
    SoupClientSession,
    SoupDecoder,
    encode_packet,
)
from ringbus.messages import SESSION_EVENT, SessionEventKind, Template
from tests.ports.venue import (
    INSTRUMENTS,
    PASSWORD,
    PRICE,
    SECOND_NS,
    SECRET,
    START_NS,
    TICK,
    USERS,
    Venue,
    received,
)

T = TypeVar("T")
FIRM = "FRM1"
# Time stands still but where a test moves it; a client is told nanoseconds since midnight.
NOW = START_NS % (86400 * SECOND_NS)


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
        data = received(self.socket)
        if data is None:
            return 0
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


class Exchange(Venue):
    """Engine, port and authenticator; use it with `with`.

    Args: directory: of a journal, None for none; stream_slots: how long the ring remembers;
    lane_slots: of every lane; copies: journals whose marks a client's answers wait for; users: its
    participants, the first on topic 1; contributors: lanes, the port's the first; rules: what a
    user's session is configured to, but for its names; engine: see `make_engine`.
    """

    port: ClientPort

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
        size = Size(2, 2, len(users) + 1, contributors, stream_slots, lane_slots)
        super().__init__(size, "manual", directory, copies, engine or {})
        self.topics = {user: n + 1 for n, user in enumerate(users)}
        self._rules = rules or {}
        self.limits = limits or Limits()
        self.clients: list[Client] = []
        # Two thousand that have nothing to read are not asked one by one.
        self._ready = select.epoll()
        self._by_file: dict[int, Client] = {}
        self.start_port()

    def start_port(self) -> None:
        self.core = self.make_core("port")
        self.port = ClientPort(
            self.core,
            "DAY1",
            2,
            self.contributor(0),
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

    def kill_port(self) -> None:
        self.core.close()
        self.port.close()
        for client in self.clients:
            client.receive()
            client.close()
        self.clients.clear()

    def advance(self, nanoseconds: int) -> None:
        super().advance(nanoseconds)
        self.core.set_time(self.now_ns)

    def serve(self) -> int:
        work = self.core.round() + self.authenticator.step()
        return work + sum(self._by_file[file].receive() for file, _ in self._ready.poll(0))

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

    def events(self, topic: int = 1) -> list[SessionEventKind]:
        """What the stream says of a session's connections."""
        stream = self.stream().view(SESSION_EVENT)
        mine = (stream["template_id"] == Template.SESSION_EVENT) & (stream["topic"] == topic)
        return [SessionEventKind(kind) for kind in stream["kind"][mine]]

    def messages_of(self, user: str) -> list[tuple[int, bytes]]:
        """What a client that asks for everything is shown."""
        client = self.login(user)
        out = [(message.sequence, message.payload) for message in client.messages]
        client.raw(encode_packet(LOGOUT))
        self.until(lambda: client.closed)
        return out

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self._ready.close()
        self.port.close()
        self.core.close()
        super().close()


def enter(user_ref: int, side: str = "B", quantity: int = 100, **changes: Any) -> EnterOrder:
    """An order for AAPL, but for the changes."""
    return EnterOrder(user_ref, side, quantity, **{"symbol": "AAPL", "price": PRICE, **changes})


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
