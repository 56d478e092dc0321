"""A lost connection comes back by itself, and nothing is lost or done twice."""

from __future__ import annotations

import pytest

from ports.ouch import (
    CancelOrder,
    DisableOrderEntry,
    EnableOrderEntry,
    EnterOrder,
    Inbound,
    MassCancel,
    SystemEvent,
    decode_inbound,
)
from ports.ouch_client import ConnectionLost, LoginRejected
from ports.soup import LOGIN_REJECTED, encode_packet
from tests.ports.test_ouch_client import Peer, accepted, canceled, client_of, end, exchange, run


def test_it_comes_back_and_says_again_what_was_not_answered() -> None:
    said: list[Inbound] = []

    async def hear(peer: Peer) -> None:
        packet = await peer.packet()
        assert packet is not None
        said.append(decode_inbound(packet[1]))

    async def first(peer: Peer) -> None:
        await peer.accept()
        for _ in range(3):
            await hear(peer)
        peer.tell(accepted(1))

    async def refused(peer: Peer) -> None:
        await peer.login()
        peer.send(encode_packet(LOGIN_REJECTED, b"S"))

    async def second(peer: Peer) -> None:
        assert (await peer.accept()).sequence == 2
        for _ in range(2):
            await hear(peer)
        peer.tell(accepted(2), canceled(1))
        await end(peer)

    async def test() -> None:
        async with exchange(first, refused, second) as port, client_of(port, resume_s=10) as client:
            one = await client.enter(symbol="AAPL", side="B", quantity=100, price=1)
            two = await client.enter(symbol="AAPL", side="B", quantity=100, price=2)
            await client.cancel(one)
            got = [await client.next_event() for _ in range(3)]
            assert [event[0] for event in got if event] == [1, 2, 3]
            assert (one, two) == (1, 2)

    run(test)
    # The first was answered; the other two are said again, in their order.
    kinds = [type(message) for message in said]
    assert kinds == [EnterOrder, EnterOrder, CancelOrder, EnterOrder, CancelOrder]
    assert said[1:3] == said[3:]


def test_it_gives_up_and_says_where_to_go_on() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        peer.tell(SystemEvent(1, "S"))

    async def test() -> None:
        async with exchange(script) as port:
            client = client_of(port, resume_s=0.2)
            await client.connect()
            assert await client.next_event() == (1, SystemEvent(1, "S"))
        with pytest.raises(ConnectionLost, match="is the exchange up.*next_sequence=2"):
            await client.next_event()
        with pytest.raises(ConnectionLost):
            await client.enter(symbol="AAPL", side="B", quantity=100, price=1)
        await client.close()

    run(test)


def test_it_does_not_come_back_where_it_may_not() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()

    async def refused(peer: Peer) -> None:
        await peer.login()
        peer.send(encode_packet(LOGIN_REJECTED, b"A"))

    async def test() -> None:
        async with exchange(script, refused) as port:
            client = client_of(port, resume_s=10)
            await client.connect()
            with pytest.raises(LoginRejected, match="check user and password"):
                await client.next_event()
            await client.close()

    run(test)


def test_session_wide_requests() -> None:
    said: list[Inbound] = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        for _ in range(3):
            packet = await peer.packet()
            assert packet is not None
            said.append(decode_inbound(packet[1]))
        await end(peer)

    async def test() -> None:
        async with exchange(script) as port, client_of(port) as client:
            assert await client.mass_cancel("AAPL") == 1
            assert await client.disable_entry() == 2
            assert await client.enable_entry() == 3

    run(test)
    assert said == [MassCancel(1, "", "AAPL"), DisableOrderEntry(2), EnableOrderEntry(3)]
