"""Two thousand clients of one port, and what one of them can cost the others."""

from __future__ import annotations

import ctypes
import resource
import socket
from collections.abc import Iterator
from typing import ClassVar

import pytest

from ports.client import ClientPort, ClientSession, Contributor, Limits, Stream, port_size
from ports.ouch import EnterOrder, OrderAccepted, OrderExecuted
from ringbus.messages import BUILD_RECORD, INSTRUMENT_NONE, Template
from tests.ports.exchange import Exchange, Steady
from tests.ports.venue import INSTRUMENTS, PRICE, SECOND_NS, line

CROWD = 2000
USERS = [f"U{n:04}" for n in range(CROWD)]
# Both ends of each connection are in this process.
FILES = 2 * CROWD + 256


@pytest.fixture
def files() -> Iterator[None]:
    """As many open files as the test needs; the host must allow them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        pytest.skip(f"{FILES} open files are needed, {hard} are allowed (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def exchange_with_small_buffers() -> Iterator[Exchange]:
    with Exchange(Limits(backlog=100_000, send_bytes=1024, socket_send_bytes=4096)) as made:
        yield made


def event_for_all(exchange: Exchange, number: int) -> None:
    """A message that every client is shown."""
    exchange.intrude(
        line(BUILD_RECORD, Template.BUILD_RECORD, 0, number, instrument=INSTRUMENT_NONE)
    )


def enter(user_ref: int, side: str = "B", **changes: object) -> EnterOrder:
    fields: dict[str, object] = {"symbol": "MSFT", "price": PRICE, **changes}
    return EnterOrder(user_ref, side, 10, **fields)  # type: ignore[arg-type]


def test_two_thousand_connect_at_once_and_all_are_served(files: None) -> None:
    """A storm of connects, then orders of all, then a message to all."""
    limits = Limits(connections=CROWD, orders=CROWD, messages=1 << 20)
    with Exchange(limits, lane_slots=1024, users=USERS) as exchange:
        crowd = [exchange.connect(user) for user in USERS]
        for client in crowd:
            client.login()
        exchange.until(lambda: exchange.port.counts["logins"] == CROWD)
        assert exchange.port.counts["refused connections"] == 0
        assert all(client.session.accepted for client in crowd)
        for client in crowd:
            client.send(enter(1, "BS"[client is crowd[0]], price=PRICE))
        exchange.until(lambda: sum(len(client.messages) for client in crowd) == CROWD + 2)
        assert all(isinstance(client.ouch[0], OrderAccepted) for client in crowd)
        traded = [client for client in crowd if len(client.messages) == 2]
        assert crowd[0] in traded
        assert all(isinstance(client.ouch[1], OrderExecuted) for client in traded)
        event_for_all(exchange, 1)
        exchange.until(lambda: sum(len(client.messages) for client in crowd) == 2 * CROWD + 2)
        # All alive, however long: two thousand heartbeats a second each way.
        for _ in range(20):
            exchange.advance(SECOND_NS)
            for client in crowd:
                client.raw(client.session.heartbeat())
            exchange.settle()
        assert exchange.port.counts["silent connections"] == 0
        assert not any(client.closed for client in crowd)
        exchange.port.validate()


def test_a_storm_leaves_room_for_those_who_are_there(files: None) -> None:
    """While hundreds connect, a round takes a few of them and does the rest."""
    limits = Limits(connections=CROWD, orders=CROWD, messages=1 << 20)
    with Exchange(limits, users=["BOB", *USERS]) as exchange:
        steady = Steady(exchange)
        crowd = [exchange.connect(user) for user in USERS[:500]]
        rounds = 0
        while (before := exchange.port.counts["connections"]) < 501:
            exchange.step()
            assert exchange.port.counts["connections"] - before <= 16
            rounds += 1
            if rounds % 4 == 0:
                steady.trade()
        for client in crowd:
            client.login()
            if client is crowd[250]:
                steady.trade()
        steady.trade()
        exchange.until(lambda: exchange.port.counts["logins"] == 501)


def test_who_waits_for_its_password_to_be_verified_is_not_silent() -> None:
    """At the open thousands wait, tens of milliseconds each: that is not theirs to answer for."""
    with Exchange() as exchange:
        alice = exchange.connect()
        alice.login()
        for _ in range(60):
            exchange.advance(SECOND_NS)
            for _ in range(3):
                exchange.core.round()
                alice.receive()
        assert not alice.closed
        # Nor is it told anything before it is in.
        assert alice.packets == []
        exchange.until(lambda: alice.session.accepted)
        assert len(exchange.say(alice, enter(1))) == 1
        assert exchange.port.counts["silent connections"] == 0


def test_one_that_floods_has_one_turn_where_the_others_have_one() -> None:
    """However much of it waits to be taken: one in flight, and behind the others each time."""
    with Exchange(users=USERS[:12]) as exchange:
        flood, *others = (exchange.login(user) for user in USERS[:12])
        exchange.settle()
        flood.raw(b"".join(flood.session.unsequenced(enter(n).encode()) for n in range(1, 61)))
        exchange.until(lambda: len(flood.messages) > 3)
        for turn in range(1, 4):
            before = len(flood.messages)
            for client in others:
                client.send(enter(turn))
            exchange.until(lambda turn=turn: all(len(one.messages) == turn for one in others))  # type: ignore[misc]
            # One that was ahead of them, one beside them, one that came back with the last of them.
            assert len(flood.messages) - before <= 4
        exchange.until(lambda: len(flood.messages) == 60)


def test_nothing_is_read_while_a_proposal_is_out() -> None:
    """TCP blocks who sends on: what is taken of it is bounded by small buffers."""
    limits = Limits(receive_bytes=2056, socket_receive_bytes=4096)
    with Exchange(limits) as exchange:
        alice = exchange.login()
        alice.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        packet = alice.session.unsequenced(enter(1).encode())
        alice.raw(packet)
        exchange.until(lambda: exchange.port.counts["proposals"] == 2, engine=False)
        sent, stuck = 0, 0
        while stuck < 50:
            try:
                sent += alice.socket.send(packet * 100)
                stuck = 0
            except BlockingIOError:
                stuck += 1
            exchange.step(engine=False)
        # The two buffers of the kernel, at least twice what it was told; none of it is in the port.
        assert 4096 <= sent <= 4 * (4096 + 4096)
        assert exchange.port.counts["requests"] == 1
        # The answer lets go of it.
        exchange.until(lambda: exchange.port.counts["requests"] > 20)


def test_idle_connections_are_looked_at_a_few_a_round(files: None) -> None:
    """A round's work for heartbeats is the same for 50 idle connections and for 500."""
    limits = Limits(connections=CROWD, messages=1 << 20)
    with Exchange(limits, users=USERS) as exchange:
        for user in USERS[:500]:
            exchange.login(user)
        exchange.settle()
        exchange.advance(SECOND_NS)
        beats = []
        for _ in range(200):
            # The port's round alone: what the clients received is what it sent.
            exchange.core.round()
            beats.append(sum(client.receive() for client in exchange.clients) // 3)
        assert sum(beats) == 500
        assert max(beats) <= 16


class _Mallinfo(ctypes.Structure):
    """struct mallinfo2."""

    _fields_: ClassVar = [
        (name, ctypes.c_size_t)
        for name in (
            "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
        ).split()
    ]


def allocated() -> int:
    """Bytes that this process has from malloc."""
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = _Mallinfo
    info = libc.mallinfo2()
    return int(info.hblkhd + info.uordblks)


@pytest.mark.parametrize(
    ("limits", "sessions"),
    [(Limits(), 6), (Limits(connections=2000, orders=20_000, messages=1 << 20), 2000)],
)
def test_a_port_takes_the_memory_that_it_says(limits: Limits, sessions: int) -> None:
    """All of it when it is made, and not a byte for a login, an order or a message."""
    said_bytes = port_size(limits, len(INSTRUMENTS), sessions, 2).bytes
    with Exchange() as exchange:
        engine = exchange.engine
        clients = [ClientSession(n + 1, f"U{n:04}", 1, 1) for n in range(sessions)]
        before = allocated()
        port = ClientPort(
            exchange.core, "DAY1", 2, Contributor(engine.lane_memory[1], 1, engine.doorbell),
            Stream(engine.ring), INSTRUMENTS, clients, limits,
        )  # fmt: skip
        taken = allocated() - before
        port.close()
        assert said_bytes <= taken <= said_bytes * 1.01 + 65536


def test_a_session_costs_what_is_said_and_no_more() -> None:
    small, large = (port_size(Limits(), 2, sessions) for sessions in (1000, 2000))
    per_session = (large.bytes - small.bytes) / 1000
    assert per_session <= large.session_bytes + 16
    small, large = (port_size(Limits(connections=n), 2, 10) for n in (1024, 2048))
    assert (large.bytes - small.bytes) / 1024 <= large.connection_bytes + 16


def test_the_kernels_share_of_a_connection_is_bounded(
    exchange_with_small_buffers: Exchange,
) -> None:
    """A client that reads nothing fills no more of the kernel than the port says."""
    exchange = exchange_with_small_buffers
    size = port_size(exchange.limits, len(INSTRUMENTS), 6)
    alice = exchange.login("ALICE", receive_bytes=2048)
    alice.reading = False
    count = 3000
    for number in range(1, count + 1):
        event_for_all(exchange, number)
    exchange.settle()
    # A system event is 13 bytes. What was not taken is a place on the stream, not a copy of it.
    shown = 13 * exchange.port.counts["messages shown"]
    assert 0 < shown <= size.kernel_bytes + exchange.limits.send_bytes < 13 * count
    assert exchange.port.counts["slow connections"] == 0
    alice.reading = True
    exchange.until(lambda: len(alice.messages) == count)
