"""Logins at the client port: who is let in, where each goes on, and how a session ends."""

from __future__ import annotations

import pytest

from ports.client import Limits
from ports.ouch import (
    CancelOrder,
    OrderAccepted,
)
from ports.soup import (
    LOGOUT,
    LoginRequest,
    encode_packet,
)
from ringbus.messages import SessionEventKind
from tests.ports.exchange import Exchange, Steady, enter


@pytest.mark.parametrize(
    ("user", "password", "session", "code"),
    [
        ("ALICE", "WRONG", "", "A"),
        ("NOBODY", "SECRET", "", "A"),
        ("", "", "", "A"),
        ("ALICE", "SECRET", "DAY2", "S"),
    ],
)
def test_a_login_is_refused(
    exchange: Exchange, user: str, password: str, session: str, code: str
) -> None:
    steady = Steady(exchange)
    client = exchange.connect()
    client.raw(LoginRequest(user, password, session).encode())
    exchange.until(lambda: client.closed)
    assert client.session.reject_code == code
    assert exchange.port.counts["refused logins"] == 1
    assert exchange.events() == []
    steady.trade()
    assert exchange.login("ALICE").session.session == "DAY1"


def test_names_and_passwords_know_no_case(exchange: Exchange) -> None:
    client = exchange.connect()
    client.raw(LoginRequest("alice", "secret", "DAY1", 1, 1000).encode())
    exchange.until(lambda: client.session.accepted)


def test_a_second_login_is_refused_while_the_first_is_there(exchange: Exchange) -> None:
    first, steady = exchange.login(), Steady(exchange)
    second = exchange.connect()
    second.login()
    exchange.until(lambda: second.closed)
    assert second.session.reject_code == "S"
    assert len(exchange.say(first, enter(1))) == 1
    steady.trade()
    # Who comes right behind the end of the first waits for it to be sequenced, and is let in.
    first.close()
    third = exchange.connect(next_sequence=2)
    third.login()
    exchange.until(lambda: third.session.accepted)
    assert len(exchange.say(third, CancelOrder(1))) == 1
    kinds = [SessionEventKind.LOGIN, SessionEventKind.DISCONNECT, SessionEventKind.LOGIN]
    assert exchange.events() == kinds


def test_a_connection_that_breaks_while_its_login_is_verified(exchange: Exchange) -> None:
    client = exchange.connect()
    client.login()
    for _ in range(20):
        exchange.core.round()
    client.close()
    for _ in range(20):
        exchange.core.round()
    exchange.settle()
    assert exchange.events() == []
    exchange.login()


def test_a_connection_that_breaks_while_its_login_is_sequenced(exchange: Exchange) -> None:
    client = exchange.connect()
    client.login()
    exchange.until(lambda: exchange.port.counts["proposals"] == 1, engine=False)
    client.close()
    exchange.settle(engine=False)
    exchange.settle()
    assert exchange.events() == [SessionEventKind.LOGIN, SessionEventKind.DISCONNECT]
    exchange.login()


def test_a_request_in_flight_outlives_its_connection(exchange: Exchange) -> None:
    alice = exchange.login()
    before = exchange.port.counts["proposals"]
    alice.send(enter(1))
    exchange.until(lambda: exchange.port.counts["proposals"] == before + 1, engine=False)
    alice.close()
    exchange.settle(engine=False)
    exchange.settle()
    assert exchange.events() == [SessionEventKind.LOGIN, SessionEventKind.DISCONNECT]
    assert exchange.port.open_orders == 1
    alice = exchange.login()
    assert isinstance(alice.ouch[0], OrderAccepted)


def test_logout(exchange: Exchange) -> None:
    alice = exchange.login()
    alice.send(enter(1))
    alice.raw(encode_packet(LOGOUT))
    exchange.until(lambda: alice.closed)
    # What was asked before was answered before.
    assert len(alice.messages) == 1
    assert exchange.events() == [SessionEventKind.LOGIN, SessionEventKind.LOGOUT]
    assert exchange.port.counts["broken connections"] == 0
    exchange.login(next_sequence=2)


@pytest.mark.parametrize(
    ("wanted", "first"), [(1, 1), (3, 3), (5, 5), (6, 6), (0, 5), (7, 6), (2**64 - 1, 6)]
)
def test_a_login_says_where_to_begin(exchange: Exchange, wanted: int, first: int) -> None:
    alice = exchange.login()
    for n in range(1, 6):
        exchange.say(alice, enter(n))
    everything = alice.messages
    alice.close()
    again = exchange.connect(next_sequence=wanted)
    # What the client's library says about an answer that it did not ask for is not the matter here.
    again.session = type(again.session)("ALICE", "SECRET", next_sequence=0)
    again.raw(LoginRequest("ALICE", "SECRET", "", wanted).encode())
    exchange.until(lambda: again.session.accepted)
    exchange.say(again, enter(6))
    assert again.messages[0].sequence == first
    assert again.messages[:-1] == everything[first - 1 :]
    assert again.messages[-1].sequence == 6


def test_the_first_login_of_a_day_may_ask_for_the_last_message(exchange: Exchange) -> None:
    alice = exchange.login(next_sequence=0)
    assert alice.session.next_sequence == 1
    exchange.say(alice, enter(1))
    assert alice.messages[0].sequence == 1


def test_many_connections_at_once() -> None:
    with Exchange(Limits(connections=100)) as exchange:
        steady = Steady(exchange)
        crowd = [exchange.connect() for _ in range(200)]
        steady.trade()
        exchange.until(lambda: exchange.port.counts["connections"] == 100)
        exchange.until(lambda: exchange.port.counts["refused connections"] == 101)
        exchange.until(lambda: sum(client.closed for client in crowd) == 101)
        for client in crowd:
            if not client.closed:
                client.login()
        exchange.until(lambda: sum(client.closed for client in crowd) == 199)
        # One is in; the others heard that the session is taken, or found no room.
        (alice,) = [client for client in crowd if client.session.accepted]
        assert sum(client.session.reject_code == "S" for client in crowd) == 98
        exchange.say(alice, enter(1))
        steady.trade()
        # There is room again.
        exchange.login("CAROL")
