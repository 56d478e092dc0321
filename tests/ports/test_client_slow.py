"""A client that does not read is cut off, and can come back."""

from __future__ import annotations

from ports.client import Limits
from ports.ouch import (
    CancelOrder,
    OrderExecuted,
)
from tests.ports.exchange import Exchange, Steady, enter

CUT_OFF = (
    "cut off: too many messages wait for you to read them; log in again with the next number to "
    "get them"
)


def test_a_slow_reader_is_cut_off_and_can_come_back() -> None:
    limits = Limits(backlog=200, send_bytes=1024, socket_send_bytes=4096)
    with Exchange(limits) as exchange:
        alice, steady = exchange.login(receive_bytes=2048), Steady(exchange)
        trader = exchange.login("CAROL")
        alice.send(enter(1, "B", 100_000))
        exchange.until(lambda: len(alice.messages) == 1)
        alice.reading = False
        trades = 0
        while exchange.port.counts["slow connections"] == 0:
            trades += 1
            assert trades < 2000, "it was never cut off"
            assert isinstance(exchange.say(trader, enter(trades, "S", 10), 2)[1], OrderExecuted)
            if trades % 20 == 0:
                steady.trade()
        assert trades > limits.backlog
        alice.reading = True
        exchange.until(lambda: alice.closed)
        assert alice.debug == [CUT_OFF]
        # What it got before it was cut off has no holes, and it gets the rest.
        seen = alice.messages
        assert [message.sequence for message in seen] == list(range(1, len(seen) + 1))
        assert len(seen) < trades + 1
        again = exchange.login(next_sequence=len(seen) + 1)
        assert [message.sequence for message in again.messages] == list(
            range(len(seen) + 1, trades + 2)
        )
        assert len(exchange.say(again, CancelOrder(1))) == 1
        again.close()
        whole = exchange.messages_of("ALICE")
        both = [(m.sequence, m.payload) for m in seen + again.messages]
        assert both == whole


def test_who_asks_on_and_on_and_reads_nothing_is_cut_off() -> None:
    """R29: it is its own answers that are too many; the port and the others go on."""
    limits = Limits(backlog=20, send_bytes=512, socket_send_bytes=4096)
    with Exchange(limits) as exchange:
        alice, steady = exchange.login(receive_bytes=2048), Steady(exchange)
        alice.reading = False
        requests = 0
        while exchange.port.counts["slow connections"] == 0:
            requests += 1
            assert requests < 5000, "it was never cut off"
            alice.send(enter(requests, symbol="MSFT"))
            exchange.settle()
        steady.trade()
        again = exchange.login()
        assert len(again.messages) >= requests - 1
