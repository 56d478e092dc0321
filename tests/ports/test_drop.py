"""Drop copies in OUCH 5.0: what others were shown, once more and in one list."""

from __future__ import annotations

from pathlib import Path

import pytest

from ports import ouch42
from ports.client import ClientSession, Limits
from ports.drop import DropReader
from ports.ouch import (
    AccountQuery,
    CancelOrder,
    EnterOrder,
    MassCancel,
    OrderAccepted,
    ReplaceOrder,
    SystemEvent,
)
from ports.soup import SoupClientSession
from ringbus.status import UsageError
from tests.ports.drop import DROPS, DropExchange
from tests.ports.exchange import Client
from tests.ports.venue import PASSWORD, TICK

QUANTITY = 10
PRICE = 120 * TICK
TRADERS = {"ALICE": "B", "BOB": "S", "CAROL": "B"}


def clients_of(exchange: DropExchange) -> dict[str, Client]:
    """Three who trade, logged in."""
    return {user: exchange.login(user) for user in TRADERS}


def trade(exchange: DropExchange, clients: dict[str, Client], rounds: int, first: int = 1) -> None:
    """Trades, orders that rest, replaces, cancels and refusals of all kinds, by all of them."""
    for n in range(first, first + 5 * rounds, 5):
        for user, client in clients.items():
            side = TRADERS[user]
            away = PRICE // 2 if side == "B" else PRICE * 2
            for message in (
                EnterOrder(n, side, QUANTITY, "MSFT", PRICE, clordid=f"{user}{n}"),
                EnterOrder(n + 1, side, QUANTITY, "NONE", PRICE),
                EnterOrder(n + 2, side, QUANTITY, "AAPL", away),
                ReplaceOrder(n + 2, n + 3, 2 * QUANTITY, away),
                CancelOrder(n + 3, 10),
                CancelOrder(n),
            ):
                client.send(message)
        exchange.settle()


def payloads(client: Client) -> list[bytes]:
    """What it was shown, in order."""
    return [message.payload for message in client.messages]


def union(*clients: Client) -> list[bytes]:
    """What any of them was shown, in no order; system events once."""
    events = [one.payload for one in clients[0].messages if isinstance(one.ouch, SystemEvent)]
    rest = [
        one.payload
        for client in clients
        for one in client.messages
        if not isinstance(one.ouch, SystemEvent)
    ]
    return sorted(events + rest)


def whose(client: Client) -> list[tuple[str, bytes]]:
    """Each message with its client, as the connection said it, read as a reader reads it."""
    reader = DropReader(SoupClientSession(client.user, PASSWORD, next_sequence=client.first))
    copies = list(reader.feed(bytes(client.bytes)))
    return [("" if one.whose is None else one.whose.user, one.payload) for one in copies]


def test_a_drop_copy_is_what_the_clients_were_shown_byte_for_byte() -> None:
    """Of one session and of several; each message says whose it is."""
    with DropExchange() as exchange:
        clients = clients_of(exchange)
        live = {user: exchange.listen(user) for user in DROPS}
        trade(exchange, clients, 5)
        alice, bob = clients["ALICE"], clients["BOB"]
        alice.send(AccountQuery())
        bob.send(MassCancel(100))
        exchange.settle()
        assert payloads(live["DROPA"]) == payloads(alice)
        assert payloads(live["DROPB"]) == payloads(bob)
        both = live["DROPAB"]
        assert sorted(payloads(both)) == union(alice, bob)
        # Of each of them in the order in which it was shown.
        for user, client in (("ALICE", alice), ("BOB", bob)):
            own = [payload for name, payload in whose(both) if name == user]
            assert own == payloads(client)[-len(own) :]
        assert {name for name, _ in whose(both)} == {"ALICE", "BOB"}
        assert len(alice.messages) > 20


def test_any_number_can_be_asked_for_and_is_the_same_after_a_kill(tmp_path: Path) -> None:
    """N is a function of the stream: live, later, and from a successor."""
    with DropExchange(directory=tmp_path, stream_slots=1 << 10) as exchange:
        clients = clients_of(exchange)
        live = exchange.listen("DROPAB")
        trade(exchange, clients, 40)
        said = payloads(live)
        names = [name for name, _ in whose(live)]
        live.close()
        exchange.settle()
        for first in (1, 2, len(said) // 2, len(said), len(said) + 1):
            again = exchange.listen("DROPAB", first)
            assert payloads(again) == said[first - 1 :]
            assert [name for name, _ in whose(again)] == names[first - 1 :]
            again.close()
            exchange.settle()
        exchange.kill_drop()
        trade(exchange, clients, 3, first=1000)
        exchange.start_drop()
        exchange.settle()
        after = exchange.listen("DROPAB", len(said) // 2)
        old = len(said) - len(said) // 2 + 1
        assert payloads(after)[:old] == said[len(said) // 2 - 1 :]
        whole = exchange.listen("DROPA")
        assert payloads(whole) == [one.payload for one in clients["ALICE"].messages]


def test_who_does_not_read_is_cut_off_and_comes_back_for_the_rest() -> None:
    """Nobody else waits for it, and nothing is lost."""
    with DropExchange(Limits(backlog=64, send_bytes=1024, socket_send_bytes=4096)) as exchange:
        clients = clients_of(exchange)
        good = exchange.listen("DROPAB")
        slow = exchange.listen("DROPA", receive_bytes=4096)
        slow.reading = False
        trade(exchange, clients, 200)
        assert exchange.drop is not None
        assert exchange.drop.counts["slow connections"] == 1
        assert len(good.messages) == len(union(clients["ALICE"], clients["BOB"]))
        slow.reading = True
        exchange.until(lambda: slow.closed)
        assert "cut off" in slow.debug[-1]
        back = exchange.listen("DROPA", slow.session.next_sequence)
        alice = payloads(clients["ALICE"])
        assert [one.payload for one in [*slow.messages, *back.messages]] == alice


def test_it_asks_for_nothing_and_is_asked_for_a_password() -> None:
    """Requests are refused; clients of other ports cannot log in here."""
    with DropExchange() as exchange:
        drop = exchange.listen("DROPA")
        drop.send(EnterOrder(1, "B", QUANTITY, "MSFT", PRICE))
        exchange.until(lambda: drop.closed)
        assert drop.debug == ["a drop copy takes no requests"]
        trader = exchange.connect_drop("ALICE")
        trader.login()
        exchange.until(lambda: trader.closed)
        assert trader.session.reject_code == "A"


def test_what_is_not_durable_is_not_shown_to_a_drop_copy_either(tmp_path: Path) -> None:
    """A copy waits for the same marks as its client's own port."""
    with DropExchange(directory=tmp_path, copies=1) as exchange:
        # Nothing was made durable: logins are held too, so only the lists are looked at.
        drop = exchange.connect_drop("DROPA")
        drop.login()
        exchange.settle()
        alice = exchange.connect("ALICE")
        alice.login()
        exchange.settle()
        alice.send(EnterOrder(1, "B", QUANTITY, "MSFT", PRICE))
        exchange.settle()
        assert (drop.messages, alice.messages) == ([], [])
        exchange.marks.set(exchange.marks.place("journal"), 1 << 40)
        exchange.settle()
        assert payloads(drop) == payloads(alice)
        assert len(drop.messages) == 1


def test_a_client_of_another_protocol_is_copied_in_ouch_5() -> None:
    """Its orders have the numbers that its port gave them, and its tokens as their ClOrdIDs."""
    with DropExchange(rules={"BOB": {"protocol": "ouch42"}}) as exchange:
        drop = exchange.listen("DROPB")
        bob = exchange.login("BOB")
        order = ouch42.EnterOrder("TOKEN7", "S", QUANTITY, "MSFT", PRICE)
        bob.raw(bob.session.unsequenced(order.encode()))
        exchange.settle()
        (accepted,) = drop.ouch
        assert isinstance(accepted, OrderAccepted)
        assert (accepted.user_ref, accepted.clordid, accepted.price) == (1, "TOKEN7", PRICE)
        assert whose(drop)[0][0] == "BOB"
        assert payloads(bob) != payloads(drop)


@pytest.mark.parametrize("fault", ["itself", "twice", "protocol"])
def test_what_cannot_be_heard(fault: str) -> None:
    """UsageError: a listener hears others, each once, in OUCH 5.0."""
    alice = ClientSession(1, "ALICE", 1, 1)
    listener = {
        "itself": ClientSession(1, "DROP", 9, 1, hears=(alice,)),
        "twice": ClientSession(9, "DROP", 9, 1, hears=(alice, alice)),
        "protocol": ClientSession(9, "DROP", 9, 1, protocol="ouch42", hears=(alice,)),
    }[fault]
    with DropExchange() as exchange:
        exchange.kill_drop()
        with pytest.raises(UsageError):
            exchange.make_drop([listener])
