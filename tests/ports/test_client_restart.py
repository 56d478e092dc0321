"""The client port is killed and started again; clients come back: nothing lost or doubled."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ports.client import Limits
from ports.ouch import (
    CancelOrder,
    EnterOrder,
    Inbound,
    OrderAccepted,
    OrderCanceled,
    OrderReplaced,
    ReplaceOrder,
)
from ringbus.messages import SessionEventKind
from tests.ports.exchange import NOW, Client, Exchange, enter
from tests.ports.venue import PRICE, TICK, USERS


def test_a_long_replay_is_not_a_backlog() -> None:
    limits = Limits(backlog=10, send_bytes=512, socket_send_bytes=4096)
    with Exchange(limits) as exchange:
        alice, bob = exchange.login("ALICE"), exchange.login("BOB")
        exchange.say(alice, enter(1, "B", 1000))
        for n in range(2, 402):
            exchange.say(alice, enter(n, symbol="MSFT"))
            exchange.say(alice, CancelOrder(n))
        alice.close()
        again = exchange.connect(receive_bytes=2048)
        again.login()
        exchange.until(lambda: again.session.accepted)
        # It takes its time, and meanwhile something happens to it.
        again.reading = False
        exchange.settle()
        for n in range(1, 6):
            exchange.say(bob, enter(n, "S", 10), 2)
        exchange.settle()
        assert exchange.port.counts["slow connections"] == 0
        again.reading = True
        exchange.until(lambda: len(again.messages) == len(alice.messages) + 5)
        assert again.messages[:-5] == alice.messages


def test_replay_from_the_files(tmp_path: Path) -> None:
    with Exchange(directory=tmp_path, stream_slots=256) as exchange:
        alice = exchange.login()
        for n in range(1, 801):
            exchange.say(alice, enter(n, symbol="MSFT", clordid=f"order {n}"))
            exchange.say(alice, CancelOrder(n))
        assert len(alice.messages) == 1600
        alice.close()
        again = exchange.login(next_sequence=101)
        assert again.messages == alice.messages[100:]
        # A successor reads the same files.
        exchange.restart_port()
        assert exchange.login().messages == alice.messages


def test_a_restarted_port_goes_on(exchange: Exchange) -> None:
    alice, bob = exchange.login("ALICE"), exchange.login("BOB")
    exchange.say(alice, enter(1, "S", 100, clordid="mine"))
    exchange.say(bob, enter(1, "B", 30), 2)
    exchange.until(lambda: len(alice.messages) == 2)
    exchange.restart_port()
    # Its clients are gone, and it says so.
    kinds = [SessionEventKind.LOGIN, SessionEventKind.DISCONNECT]
    assert exchange.events(1) == exchange.events(2) == kinds
    assert exchange.events(3) == []
    again = exchange.login("ALICE", 3)
    assert again.messages == []
    # Used numbers, open orders and their executed part are known.
    again.send(enter(1))
    (replaced,) = exchange.say(again, ReplaceOrder(1, 2, 80, PRICE))
    assert isinstance(replaced, OrderReplaced)
    assert exchange.port.counts["duplicate requests"] == 1
    (canceled,) = exchange.say(again, CancelOrder(2))
    assert canceled == OrderCanceled(NOW, 2, 50, "U")
    assert [message.sequence for message in again.messages] == [3, 4]


def test_a_proposal_of_a_dead_port_is_not_said_twice(exchange: Exchange) -> None:
    alice = exchange.login()
    exchange.say(alice, enter(1))
    before = exchange.port.counts["proposals"]
    alice.send(enter(2))
    exchange.until(lambda: exchange.port.counts["proposals"] == before + 1, engine=False)
    # It lies on the lane; the port dies before it hears of it, and the client asks again.
    exchange.restart_port(engine=False)
    again = exchange.connect(next_sequence=2)
    again.login()
    exchange.until(lambda: again.session.accepted)
    again.send(enter(2))
    exchange.settle()
    accepted = [m.ouch.user_ref for m in again.messages if isinstance(m.ouch, OrderAccepted)]
    assert accepted == [2]
    assert len(exchange.say(again, enter(3))) == 1
    assert exchange.port.open_orders == 3


def test_a_login_of_a_dead_port_is_ended(exchange: Exchange) -> None:
    alice = exchange.connect()
    alice.login()
    exchange.until(lambda: exchange.port.counts["proposals"] == 1, engine=False)
    exchange.restart_port(engine=False)
    assert exchange.port.is_live
    assert exchange.events() == []
    # It is sequenced when the successor has long been live.
    exchange.settle()
    assert exchange.events() == [SessionEventKind.LOGIN, SessionEventKind.DISCONNECT]
    exchange.login()


class Trader:
    """Does something, remembers everything it is shown, comes back at N + 1."""

    def __init__(self, exchange: Exchange, user: str, source: random.Random) -> None:
        self._exchange = exchange
        self.user = user
        self._random = source
        self._user_ref = 0
        self._client: Client | None = None
        self.seen: list[tuple[int, bytes]] = []

    def act(self) -> None:
        client = self._client
        if client is None or client.closed:
            self.leave()
            client = self._client = self._exchange.connect(self.user, len(self.seen) + 1)
            client.login()
        elif self._random.random() < 0.02:
            self.leave()
        elif client.session.accepted:
            client.send(self._request())

    def _request(self) -> Inbound:
        roll = self._random.random()
        some = self._random.randint(1, max(1, self._user_ref))
        if roll < 0.3:
            return CancelOrder(some, 10 * self._random.randint(0, 5))
        price = PRICE + TICK * self._random.randint(-3, 3)
        quantity = 10 * self._random.randint(0, 20)
        tif = self._random.choice("0003")
        self._user_ref += 1
        if roll < 0.45:
            return ReplaceOrder(some, self._user_ref, quantity, price, tif)
        symbol = self._random.choice(("AAPL", "MSFT", "AAPL", "MSFT", "NOPE"))
        side = self._random.choice("BSTE")
        return EnterOrder(
            self._user_ref, side, quantity, symbol, price, tif, clordid=str(self._user_ref)
        )

    def leave(self) -> None:
        """Drop the connection; what it has brought is kept."""
        if self._client is not None:
            self._client.receive()
            self.seen += [(m.sequence, m.payload) for m in self._client.messages]
            self._client.close()
            self._client = None


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_lost_and_nothing_is_said_twice(seed: int) -> None:
    source = random.Random(seed)
    with Exchange() as exchange:
        traders = [Trader(exchange, user, source) for user in USERS]
        for step in range(6000):
            source.choice(traders).act()
            if source.random() < 0.7:
                exchange.step(engine=source.random() < 0.8)
            if step % 1500 == 1499:
                for trader in traders:
                    trader.leave()
                exchange.restart_port()
            exchange.clients = [one for one in exchange.clients if not one.closed]
        for trader in traders:
            trader.leave()
        exchange.settle()
        exchange.port.validate()
        counts = exchange.port.counts
        assert counts["malformed connections"] == 0
        for trader in traders:
            whole = exchange.messages_of(trader.user)
            assert len(trader.seen) > 300
            assert trader.seen == whole[: len(trader.seen)]
            assert [sequence for sequence, _ in whole] == list(range(1, len(whole) + 1))
        # The orders that the port thinks are open are those in the books.
        assert exchange.port.open_orders == sum(book.open_orders for book in exchange.engine.books)
