"""What clients are shown waits for the journals as was promised; what they ask does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ports.client import Limits
from ports.ouch import EnterOrder, OrderAccepted
from tests.ports.exchange import Client, Exchange, said
from tests.ports.venue import PRICE


def enter(user_ref: int, side: str = "B", price: int = PRICE) -> EnterOrder:
    return EnterOrder(user_ref, side, 10, "AAPL", price, clordid="tagged")


class Journals:
    """Two journals, whose marks go where a test says."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._places = [exchange.marks.place(name) for name in ("journal", "journal.b")]

    def have(self, *sequences: int) -> None:
        """What each has durably now."""
        for place, sequence in zip(self._places, sequences, strict=True):
            self._exchange.marks.set(place, sequence)
        self._exchange.settle()

    def have_all(self) -> None:
        tail = len(self._exchange.stream())
        self.have(tail, tail)


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    with Exchange(copies=2) as made:
        yield made


def login(exchange: Exchange, journals: Journals, user: str) -> Client:
    client = exchange.connect(user)
    client.login()
    exchange.until(lambda: client.session.accepted)
    journals.have_all()
    return client


def refs(client: Client) -> list[int]:
    return [said(OrderAccepted, message).user_ref for message in client.ouch]


def test_an_answer_waits_for_as_many_journals_as_were_promised(exchange: Exchange) -> None:
    """R31: with "replicated" a client sees an answer when two journals have it, not before."""
    journals = Journals(exchange)
    alice = login(exchange, journals, "ALICE")
    before = len(exchange.stream())
    alice.send(enter(1))
    exchange.settle()
    assert len(exchange.stream()) == before + 2  # the order and its tag
    journals.have(before + 2, before)
    assert alice.messages == []
    # The order's line is there, its tag is not.
    journals.have(before + 2, before + 1)
    assert alice.messages == []
    journals.have(before + 2, before + 2)
    assert refs(alice) == [1]


def test_the_pipeline_does_not_wait(exchange: Exchange) -> None:
    """R31: requests go on being proposed and answered on the stream while no answer is shown."""
    journals = Journals(exchange)
    alice = login(exchange, journals, "ALICE")
    for n in range(20):
        alice.send(enter(n + 1))
    exchange.settle()
    stream = len(exchange.stream())
    assert alice.messages == []
    # Shown as far as the mark goes, in order, and then the rest.
    # Two lines an order.
    journals.have(stream - 20, stream - 20)
    assert refs(alice) == list(range(1, 11))
    journals.have(stream, stream)
    assert refs(alice) == list(range(1, 21))


def test_everybody_waits_for_a_trade(exchange: Exchange) -> None:
    journals = Journals(exchange)
    alice, bob = (login(exchange, journals, user) for user in ("ALICE", "BOB"))
    alice.send(enter(1))
    exchange.settle()
    bob.send(enter(1, "S"))
    exchange.settle()
    assert alice.messages == [] == bob.messages
    journals.have_all()
    assert [len(client.messages) for client in (alice, bob)] == [2, 2]


def test_a_login_is_shown_no_more_than_the_others(exchange: Exchange) -> None:
    """What is asked for again at a login is not shown before its mark either."""
    journals = Journals(exchange)
    alice = login(exchange, journals, "ALICE")
    alice.send(enter(1))
    exchange.settle()
    alice.close()
    exchange.clients.remove(alice)
    exchange.settle()
    again = exchange.connect("ALICE")
    again.login()
    exchange.until(lambda: again.session.accepted)
    exchange.settle()
    assert again.messages == []
    journals.have_all()
    assert refs(again) == [1]


def test_who_goes_while_its_answers_wait_is_forgotten(exchange: Exchange) -> None:
    journals = Journals(exchange)
    for user in ("ALICE", "BOB", "ALICE", "BOB"):
        client = exchange.connect(user)
        client.login()
        exchange.until(lambda client=client: client.session.accepted)  # type: ignore[misc]
        client.send(enter(exchange.port.messages(1) + exchange.port.messages(2) + 1))
        exchange.settle()
        client.close()
        exchange.clients.remove(client)
        exchange.settle()
    journals.have_all()
    alice = login(exchange, journals, "ALICE")
    assert refs(alice) == [1, 3]


def test_a_reader_that_waits_for_a_mark_is_not_a_slow_one() -> None:
    """Beyond its backlog a slow reader is cut off; one that may not be shown more yet is not."""
    with Exchange(Limits(backlog=8), copies=1) as exchange:
        journals = Journals(exchange)
        alice = login(exchange, journals, "ALICE")
        for n in range(40):
            alice.send(enter(n + 1))
        exchange.settle()
        assert not alice.closed
        # A few are shown; the next answers come while it has the others to take.
        half = len(exchange.stream()) // 2
        journals.have(half, half)
        alice.reading = False
        journals.have_all()
        for n in range(40, 45):
            alice.send(enter(n + 1))
        exchange.settle()
        alice.reading = True
        assert exchange.port.counts["slow connections"] == 0
        journals.have_all()
        exchange.settle()
        assert refs(alice) == list(range(1, 46))
