"""Bytes that are not what they should be, and silence; other clients go on all the while."""

from __future__ import annotations

import pytest

from ports.client import Limits
from ports.ouch import CancelOrder
from ports.soup import (
    CLIENT_HEARTBEAT,
    SERVER_HEARTBEAT,
    UNSEQUENCED,
    LoginRequest,
    encode_packet,
)
from ringbus.messages import SessionEventKind
from tests.ports.exchange import Exchange, Steady, enter
from tests.ports.venue import SECOND_NS

NO_PACKET = "the bytes are not a SoupBinTCP packet"
NO_MESSAGE = "the OUCH message cannot be read"
BAD_BYTES: dict[str, tuple[bytes, str]] = {
    "garbage": (b"\xff\xfe\xfd GET / HTTP/1.1\r\n\r\n", NO_PACKET),
    "no length": (b"\0\0", NO_PACKET),
    "too long": (b"\xff\xffU", NO_PACKET),
    "server's packet": (encode_packet(b"S", b"x"), NO_PACKET),
    "heartbeat with payload": (b"\0\2Rx", NO_PACKET),
    "unknown message": (encode_packet(UNSEQUENCED, b"Z123"), NO_MESSAGE),
    "empty message": (encode_packet(UNSEQUENCED), NO_MESSAGE),
    "short message": (encode_packet(UNSEQUENCED, enter(1).encode()[:-1]), NO_MESSAGE),
    "long message": (encode_packet(UNSEQUENCED, enter(1).encode() + b"x"), NO_MESSAGE),
    "second login": (LoginRequest("ALICE", "SECRET").encode(), "already logged in"),
}


@pytest.mark.parametrize("fault", BAD_BYTES)
def test_bad_bytes_end_the_connection(exchange: Exchange, fault: str) -> None:
    data, reason = BAD_BYTES[fault]
    alice, steady = exchange.login(), Steady(exchange)
    exchange.say(alice, enter(1))
    steady.trade()
    alice.raw(data)
    exchange.until(lambda: alice.closed)
    assert alice.debug == [reason]
    assert exchange.port.counts["malformed connections"] == 1
    steady.trade()
    exchange.settle()
    assert exchange.events() == [SessionEventKind.LOGIN, SessionEventKind.DISCONNECT]
    # The session goes on, its open order too.
    alice = exchange.login(next_sequence=2)
    assert len(exchange.say(alice, CancelOrder(1))) == 1
    steady.trade()


FIRST_PACKETS = {
    "heartbeat": encode_packet(CLIENT_HEARTBEAT),
    "order": encode_packet(UNSEQUENCED, enter(1).encode()),
    "short login": encode_packet(b"L", b"ALICE"),
    "garbage": b"\xff" * 5000,
}


@pytest.mark.parametrize("fault", FIRST_PACKETS)
def test_the_first_packet_is_a_login(exchange: Exchange, fault: str) -> None:
    steady = Steady(exchange)
    client = exchange.connect()
    client.raw(FIRST_PACKETS[fault])
    exchange.until(lambda: client.closed)
    assert len(client.debug) == 1
    assert not client.session.accepted
    assert exchange.events() == []
    steady.trade()


def test_who_was_told_to_go_does_not_stay() -> None:
    with Exchange(Limits(connections=2)) as exchange:
        steady = Steady(exchange)
        rude = exchange.connect()
        rude.reading = False
        rude.raw(b"garbage")
        exchange.until(lambda: exchange.port.counts["malformed connections"] == 1)
        exchange.settle()
        late = exchange.connect("ALICE")
        exchange.until(lambda: late.closed)
        exchange.advance(2 * SECOND_NS)
        steady.trade()
        exchange.login("ALICE")


def test_packets_come_in_pieces(exchange: Exchange) -> None:
    steady = Steady(exchange)
    alice = exchange.connect()
    for byte in alice.session.login():
        alice.raw(bytes([byte]))
        exchange.step()
    exchange.until(lambda: alice.session.accepted)
    packet = alice.session.unsequenced(enter(1).encode())
    alice.raw(packet[:20])
    exchange.settle()
    assert alice.messages == []
    steady.trade()
    alice.raw(packet[20:] + alice.session.unsequenced(CancelOrder(1).encode())[:5])
    exchange.until(lambda: len(alice.messages) == 1)
    alice.raw(alice.session.unsequenced(CancelOrder(1).encode())[5:])
    exchange.until(lambda: len(alice.messages) == 2)


def test_half_a_packet_and_then_silence(exchange: Exchange) -> None:
    alice, bob = exchange.login("ALICE"), exchange.login("BOB")
    exchange.say(bob, enter(1))
    alice.raw(alice.session.unsequenced(enter(1).encode())[:20])
    exchange.settle()
    for _ in range(16):
        assert not alice.closed
        exchange.advance(SECOND_NS)
        bob.raw(bob.session.heartbeat())
        exchange.settle()
        if alice.closed:
            break
    assert alice.closed
    assert exchange.port.counts["silent connections"] == 1
    # 15 s of heartbeats came before that.
    assert alice.packets.count(SERVER_HEARTBEAT) >= 14
    assert exchange.events() == [SessionEventKind.LOGIN, SessionEventKind.DISCONNECT]
    assert not bob.closed
    assert len(exchange.say(bob, CancelOrder(1))) == 1


def test_who_does_not_log_in_is_cut_off(exchange: Exchange) -> None:
    client = exchange.connect()
    exchange.settle()
    exchange.advance(14 * SECOND_NS)
    client.raw(client.session.login()[:10])
    exchange.settle()
    assert not client.closed
    exchange.advance(2 * SECOND_NS)
    exchange.until(lambda: client.closed)
    assert client.packets == []


def test_heartbeats_keep_a_connection(exchange: Exchange) -> None:
    alice = exchange.login()
    for _ in range(40):
        exchange.advance(SECOND_NS)
        alice.raw(encode_packet(CLIENT_HEARTBEAT))
        exchange.settle()
    assert not alice.closed
    assert alice.packets.count(SERVER_HEARTBEAT) >= 35
