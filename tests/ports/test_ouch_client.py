"""The asyncio client against a SoupBinTCP server of this file, over loopback."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

import ports.soup_connection
from ports.ouch import (
    AccountQuery,
    AccountQueryResponse,
    CancelOrder,
    EnterOrder,
    ModifyOrder,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    Outbound,
    ReplaceOrder,
    SystemEvent,
    decode_inbound,
)
from ports.ouch_client import ConnectionLost, LoginRejected, OuchClient, ProtocolError
from ports.soup import (
    CLIENT_HEARTBEAT,
    END_OF_SESSION,
    FROM_CLIENT,
    LOGIN_REJECTED,
    LOGIN_REQUEST,
    LOGOUT,
    SEQUENCED,
    SERVER_HEARTBEAT,
    UNSEQUENCED,
    LoginAccepted,
    LoginRequest,
    SoupDecoder,
    encode_packet,
)
from ringbus.status import UsageError

LIMIT_S = 20.0
"""No test takes so long; one that hangs ends here."""
GRACE_S = 0.005
"""What was written to loopback is there within that."""


class Hourglass(selectors.DefaultSelector):
    """Waits for bytes only: where nothing comes, time goes on instead.

    So whoever is silent has been silent, however busy the machine is, and no test waits.
    """

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; without that the time of the next timer has come."""
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        events = super().select(GRACE_S)
        if not events:
            # A timer is never called before its time.
            self.now_s += timeout + 1e-6
        return events


class Loop(asyncio.SelectorEventLoop):
    """A loop whose time is an hourglass's."""

    def __init__(self) -> None:
        self._hourglass = Hourglass()
        super().__init__(self._hourglass)

    def time(self) -> float:
        """Seconds since it was made."""
        return self._hourglass.now_s


class Peer:
    """The server's end of one connection: what arrived, and how to answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = SoupDecoder(FROM_CLIENT)
        self._packets: list[tuple[bytes, bytes]] = []
        self.heartbeats = 0

    async def packet(self) -> tuple[bytes, bytes] | None:
        """The next packet that is no heartbeat; None: the client closed."""
        while True:
            while not self._packets:
                try:
                    data = await self._reader.read(65536)
                except ConnectionResetError:
                    return None
                if not data:
                    return None
                self._packets = self._decoder.feed(data)
            packet = self._packets.pop(0)
            if packet[0] != CLIENT_HEARTBEAT:
                return packet
            self.heartbeats += 1

    async def login(self) -> LoginRequest:
        packet = await self.packet()
        assert packet is not None
        assert packet[0] == LOGIN_REQUEST
        return LoginRequest.decode(packet[1])

    async def accept(self, session: str = "DAY1") -> LoginRequest:
        request = await self.login()
        self.send(LoginAccepted(session, request.sequence or 1).encode())
        return request

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def tell(self, *messages: Outbound) -> None:
        for message in messages:
            self.send(encode_packet(SEQUENCED, message.encode()))

    async def close(self) -> None:
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)


Script = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def exchange(*scripts: Script) -> AsyncIterator[int]:
    """A server that runs the n-th script on the n-th connection; its failure is the test's."""
    failures: list[BaseException] = []
    waiting = list(scripts)
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        peer = Peer(reader, writer)
        try:
            await waiting.pop(0)(peer)
        except (Exception, asyncio.CancelledError) as error:
            failures.append(error)
        finally:
            await peer.close()
            running.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
        if running:
            await asyncio.wait(running)
    finally:
        server.close()
        await server.wait_closed()
    assert failures == []
    assert waiting == []


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(LIMIT_S):
            await test()

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(bounded())


def client_of(port: int, next_sequence: int = 1, **options: float) -> OuchClient:
    return OuchClient(
        "127.0.0.1",
        port,
        "alice",
        "secret",
        next_sequence,
        heartbeat_s=options.get("heartbeat_s", 1.0),
        silence_s=options.get("silence_s", 15.0),
        resume_s=options.get("resume_s", 0.0),
    )


def canceled(n: int) -> OrderCanceled:
    return OrderCanceled(1000 + n, n, 10, "U")


def accepted(user_ref: int) -> OrderAccepted:
    return OrderAccepted(
        1, user_ref, "B", 100, "AAPL", 1_500_000, "0", "Y", 77, "A", "N", "N", "L", "mine"
    )


async def end(peer: Peer) -> None:
    """Wait for the logout, then close as a server does."""
    assert await peer.packet() == (LOGOUT, b"")


async def beat(peer: Peer) -> None:
    while True:
        peer.send(encode_packet(SERVER_HEARTBEAT))
        await asyncio.sleep(0.05)


def test_orders_and_events() -> None:
    got: list[object] = []

    async def script(peer: Peer) -> None:
        got.append(await peer.accept())
        for _ in range(5):
            packet = await peer.packet()
            assert packet is not None
            assert packet[0] == UNSEQUENCED
            got.append(decode_inbound(packet[1]))
        peer.tell(SystemEvent(1, "S"), accepted(1), canceled(1))
        await end(peer)

    async def test() -> None:
        async with exchange(script) as port:
            async with client_of(port) as client:
                assert client.connected
                assert client.session == "DAY1"
                first = await client.enter(
                    symbol="AAPL", side="B", quantity=100, price=1_500_000, clordid="mine"
                )
                second = await client.replace(first, quantity=50, price=1_490_000, tif="3")
                assert (first, second) == (1, 2)
                await client.cancel(second)
                await client.modify(second, side="T", quantity=20)
                await client.account_query()
                events = [await client.next_event() for _ in range(3)]
                assert events == [(1, SystemEvent(1, "S")), (2, accepted(1)), (3, canceled(1))]
                assert client.next_sequence == 4
                assert client.next_user_ref == 3
            assert not client.connected
        assert got == [
            LoginRequest("ALICE", "SECRET", "", 1),
            EnterOrder(1, "B", 100, "AAPL", 1_500_000, clordid="mine"),
            ReplaceOrder(1, 2, 50, 1_490_000, "3"),
            CancelOrder(2, 0),
            ModifyOrder(2, "T", 20),
            AccountQuery(),
        ]

    run(test)


@pytest.mark.parametrize(
    ("code", "words"), [("A", "check user and password"), ("S", "it may be left blank")]
)
def test_login_rejected(code: str, words: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.login()
        peer.send(encode_packet(LOGIN_REJECTED, code.encode()))

    async def test() -> None:
        async with exchange(script) as port:
            client = client_of(port)
            with pytest.raises(LoginRejected, match=words) as caught:
                await client.connect()
            assert caught.value.code == code
            assert not client.connected

    run(test)


def test_login_that_does_not_fit() -> None:
    async def test() -> None:
        with pytest.raises(UsageError, match="user"):
            await OuchClient("127.0.0.1", 1, "SEVENCH", "x").connect()

    run(test)


def test_nobody_listens() -> None:
    async def test() -> None:
        server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        with pytest.raises(ConnectionLost, match="is the exchange up.*next_sequence=9"):
            await client_of(port, 9).connect()

    run(test)


def test_no_answer_to_the_login() -> None:
    async def script(peer: Peer) -> None:
        await peer.login()
        assert await peer.packet() is None

    async def test() -> None:
        async with exchange(script) as port:
            with pytest.raises(ConnectionLost, match=r"no answer|nothing was heard"):
                await client_of(port, silence_s=0.1).connect()

    run(test)


def test_closed_before_the_answer() -> None:
    async def script(peer: Peer) -> None:
        await peer.login()

    async def test() -> None:
        async with exchange(script) as port:
            with pytest.raises(ConnectionLost, match="was closed"):
                await client_of(port).connect()

    run(test)


def test_events_until_the_session_ends() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        peer.tell(*(canceled(n) for n in range(1, 101)))
        peer.send(encode_packet(END_OF_SESSION))
        assert await peer.packet() is None

    async def test() -> None:
        async with exchange(script) as port, client_of(port) as client:
            events = [event async for event in client.events()]
            assert events == [(n, canceled(n)) for n in range(1, 101)]
            assert await client.next_event() is None
            with pytest.raises(ConnectionLost, match="ended the session.*next_sequence=101"):
                await client.cancel(1)

    run(test)


def test_events_after_logout() -> None:
    """What the exchange still says after the logout is handed out, then events() ends."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await end(peer)
        peer.tell(canceled(1))

    async def test() -> None:
        async with exchange(script) as port, client_of(port) as client:
            await client.logout()
            assert [event async for event in client.events()] == [(1, canceled(1))]

    run(test)


def test_reconnect_goes_on_with_the_next_number() -> None:
    """Three messages arrive, two are taken, the link breaks: the third comes, nothing twice."""
    logins: list[LoginRequest] = []

    async def first(peer: Peer) -> None:
        logins.append(await peer.accept())
        peer.tell(canceled(1), canceled(2), canceled(3))

    async def second(peer: Peer) -> None:
        logins.append(await peer.accept())
        peer.tell(canceled(3), canceled(4))
        await end(peer)

    async def test() -> None:
        async with exchange(first, second) as port, client_of(port) as client:
            assert await client.next_event() == (1, canceled(1))
            assert await client.next_event() == (2, canceled(2))
            await client.reconnect()
            assert await client.next_event() == (3, canceled(3))
            assert await client.next_event() == (4, canceled(4))
        assert [(login.session, login.sequence) for login in logins] == [("", 1), ("DAY1", 3)]

    run(test)


def test_connection_lost_says_where_to_go_on() -> None:
    async def first(peer: Peer) -> None:
        await peer.accept()
        peer.tell(canceled(1), canceled(2))

    async def second(peer: Peer) -> None:
        assert (await peer.accept()).sequence == 3
        peer.tell(canceled(3))
        await end(peer)

    async def test() -> None:
        async with exchange(first, second) as port:
            events = []
            async with client_of(port) as client:
                with pytest.raises(ConnectionLost, match="was closed.*next_sequence=3") as caught:
                    async for event in client.events():
                        events.append(event)
                with pytest.raises(ConnectionLost):
                    await client.cancel(1)
            assert events == [(1, canceled(1)), (2, canceled(2))]
            async with client_of(port, caught.value.next_sequence) as client:
                assert await client.next_event() == (3, canceled(3))

    run(test)


def test_only_what_is_to_come() -> None:
    async def script(peer: Peer) -> None:
        assert (await peer.login()).sequence == 0
        peer.send(LoginAccepted("DAY1", 500).encode())
        peer.tell(canceled(1))
        await end(peer)

    async def test() -> None:
        async with exchange(script) as port, client_of(port, 0) as client:
            assert await client.next_event() == (500, canceled(1))
            assert client.next_sequence == 501

    run(test)


def test_login_accepted_at_another_number() -> None:
    async def script(peer: Peer) -> None:
        await peer.login()
        peer.send(LoginAccepted("DAY2", 1).encode())

    async def test() -> None:
        async with exchange(script) as port:
            with pytest.raises(ProtocolError, match="asked for message 7"):
                await client_of(port, 7).connect()

    run(test)


def test_heartbeats_both_ways() -> None:
    """A quiet client is heard, and a server that only sends heartbeats is not given up."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        beating = asyncio.create_task(beat(peer))
        await end(peer)
        beating.cancel()
        # 1.5 s at one every 0.1 s, and one when the connection was made.
        assert 14 <= peer.heartbeats <= 16

    async def test() -> None:
        async with (
            exchange(script) as port,
            client_of(port, heartbeat_s=0.1, silence_s=1.0) as client,
        ):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.5):
                    await client.next_event()
            assert client.connected

    run(test)


def test_a_busy_client_sends_no_heartbeats() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        for _ in range(20):
            packet = await peer.packet()
            assert packet is not None
            assert packet[0] == UNSEQUENCED
        assert peer.heartbeats == 0
        await end(peer)

    async def test() -> None:
        async with exchange(script) as port, client_of(port, heartbeat_s=0.5) as client:
            for _ in range(20):
                await client.account_query()
                await asyncio.sleep(0.03)

    run(test)


def test_a_silent_server_is_given_up() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        peer.tell(canceled(1))
        assert await peer.packet() is None

    async def test() -> None:
        async with exchange(script) as port, client_of(port, silence_s=0.2) as client:
            assert await client.next_event() == (1, canceled(1))
            with pytest.raises(ConnectionLost, match=r"nothing was heard for 0.2 s.*sequence=2"):
                await client.next_event()
            assert not client.connected

    run(test)


def test_a_message_that_is_no_ouch() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        peer.tell(canceled(1))
        peer.send(encode_packet(SEQUENCED, b"what?"))
        peer.tell(canceled(3))
        assert await peer.packet() is None

    async def test() -> None:
        async with exchange(script) as port, client_of(port) as client:
            assert await client.next_event() == (1, canceled(1))
            for _ in range(2):
                with pytest.raises(ProtocolError, match="message 2"):
                    await client.next_event()
            assert client.next_sequence == 2

    run(test)


def test_bytes_that_are_no_soup() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        peer.tell(canceled(1))
        await asyncio.sleep(0.05)
        peer.send(b"\x00\x05Xyyyy")
        assert await peer.packet() is None

    async def test() -> None:
        async with exchange(script) as port, client_of(port) as client:
            assert await client.next_event() == (1, canceled(1))
            with pytest.raises(ProtocolError, match="type b'X'"):
                await client.next_event()
            with pytest.raises(ProtocolError):
                await client.cancel(1)

    run(test)


def test_a_cancelled_wait_loses_nothing() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        assert (await peer.packet()) == (UNSEQUENCED, b"Q")
        peer.tell(canceled(1))
        await end(peer)

    async def test() -> None:
        async with exchange(script) as port, client_of(port) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.next_event(), 0.05)
            await client.account_query()
            assert await client.next_event() == (1, canceled(1))

    run(test)


def test_user_refs_rise_past_those_of_the_exchange() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        peer.tell(accepted(41), OrderRejected(1, 44, 23), AccountQueryResponse(1, 60))
        peer.tell(accepted(3))
        for _ in range(11):
            packet = await peer.packet()
            assert packet is not None
            assert packet[0] == UNSEQUENCED
        await end(peer)

    async def test() -> None:
        async with exchange(script) as port, client_of(port) as client:
            expected = []
            for _ in range(4):
                await client.next_event()
                expected.append(client.next_user_ref)
            assert expected == [42, 45, 60, 60]
            assert await client.enter(symbol="AAPL", side="S", quantity=1, price=1) == 60
            client.next_user_ref = 1000
            refs = await asyncio.gather(
                *(client.enter(symbol="AAPL", side="S", quantity=1, price=1) for _ in range(10))
            )
            assert refs == list(range(1000, 1010))

    run(test)


def test_a_field_that_does_not_fit_uses_no_number_up() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        assert await peer.packet() == (LOGOUT, b"")

    async def test() -> None:
        async with exchange(script) as port, client_of(port) as client:
            with pytest.raises(UsageError, match="symbol"):
                await client.enter(symbol="NINECHARS", side="B", quantity=1, price=1)
            assert client.next_user_ref == 1

    run(test)


def test_a_full_queue_stops_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket is left alone until events are taken; silence does not count, nothing is lost."""
    monkeypatch.setattr(ports.soup_connection, "QUEUE_HIGH", 8)
    monkeypatch.setattr(ports.soup_connection, "QUEUE_LOW", 4)
    count = 4_000
    blocked = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.accept()
        for first in range(1, count, 1000):
            peer.tell(*(canceled(n) for n in range(first, first + 1000)))
        blocked.set()
        await end(peer)

    async def test() -> None:
        async with (
            exchange(script) as port,
            client_of(port, heartbeat_s=0.05, silence_s=0.2) as client,
        ):
            await blocked.wait()
            # Twice the silence that would end a connection that is being read.
            await asyncio.sleep(0.4)
            assert client.connected
            for n in range(1, count + 1):
                assert await client.next_event() == (n, canceled(n))

    run(test)


def test_logout_with_a_full_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports.soup_connection, "QUEUE_HIGH", 8)

    async def script(peer: Peer) -> None:
        await peer.accept()
        peer.tell(*(canceled(n) for n in range(1, 101)))
        await end(peer)

    async def test() -> None:
        async with exchange(script) as port, client_of(port) as client:
            await client.next_event()
            await client.logout()
            assert [n async for n, _ in client.events()] == list(range(2, 101))

    run(test)


def test_a_server_that_ignores_the_logout() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await end(peer)
        beating = asyncio.create_task(beat(peer))
        assert await peer.packet() is None
        beating.cancel()

    async def test() -> None:
        async with exchange(script) as port, client_of(port, silence_s=0.3) as client:
            await client.logout()
            with pytest.raises(ConnectionLost, match="did not close"):
                await client.next_event()

    run(test)


def test_misuse() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await end(peer)

    async def test() -> None:
        async with exchange(script) as port:
            client = client_of(port)
            with pytest.raises(ConnectionLost, match="not connected"):
                await client.next_event()
            with pytest.raises(ConnectionLost, match="not connected"):
                await client.account_query()
            await client.connect()
            with pytest.raises(UsageError, match="connected already"):
                await client.connect()
            await client.close()
            await client.close()

    run(test)
