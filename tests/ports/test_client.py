"""What a client asks and what it is told: over real TCP sockets, with the real engine."""

from __future__ import annotations

import pytest

from ports.client import ClientPort, ClientSession, Contributor, Instrument, Limits, Stream
from ports.ouch import (
    CancelOrder,
    CancelReject,
    OrderAccepted,
    OrderCanceled,
    OrderExecuted,
    OrderRejected,
    OrderReplaced,
    ReplaceOrder,
    SystemEvent,
)
from ringbus.histogram import Histogram
from ringbus.memory import Block
from ringbus.messages import (
    BUILD_RECORD,
    END_OF_DAY,
    Template,
)
from ringbus.metrics import Metrics
from ringbus.metrics import page_bytes as metrics_bytes
from ringbus.status import NotFoundError, SystemCallError, UsageError
from tests.ports.exchange import NOW, Exchange, Steady, enter, said
from tests.ports.venue import INSTRUMENTS, PRICE, TICK, line

NONE = 2**32 - 1


def test_an_order_lives_and_dies(exchange: Exchange) -> None:
    alice, bob = exchange.login("ALICE"), exchange.login("BOB")
    (answer,) = exchange.say(alice, enter(1, clordid="first", capacity="P"))
    accepted = said(OrderAccepted, answer)
    assert accepted == OrderAccepted(
        NOW, 1, "B", 100, "AAPL", PRICE, "0", "Y",
        accepted.order_reference, "P", "N", "N", "L", "first",
    )  # fmt: skip
    answers = exchange.say(bob, enter(1, "T", 40, price=PRICE - TICK), 2)
    sold, executed = answers
    assert isinstance(sold, OrderAccepted)
    assert (sold.side, sold.price, sold.clordid) == ("T", PRICE - TICK, "")
    assert isinstance(executed, OrderExecuted)
    # At the resting order's price, under one number for both.
    assert (executed.quantity, executed.price, executed.liquidity) == (40, PRICE, "R")
    exchange.until(lambda: len(alice.messages) == 2)
    assert alice.ouch[1] == OrderExecuted(NOW, 1, 40, PRICE, "A", executed.match_number)
    # Intended total 70, 40 have executed: 30 stay open, 30 go.
    (canceled,) = exchange.say(alice, CancelOrder(1, 70))
    assert canceled == OrderCanceled(NOW, 1, 30, "U")
    assert exchange.port.open_orders == 1
    (canceled,) = exchange.say(alice, CancelOrder(1))
    assert canceled == OrderCanceled(NOW, 1, 30, "U")
    assert exchange.port.open_orders == 0
    assert [message.sequence for message in alice.messages] == [1, 2, 3, 4]
    exchange.port.validate()


def test_an_order_reference_is_the_place_on_the_stream(exchange: Exchange) -> None:
    alice = exchange.login()
    (accepted,) = exchange.say(alice, enter(1))
    assert isinstance(accepted, OrderAccepted)
    found = exchange.stream()[accepted.order_reference - 1]
    assert found["template_id"] == Template.NEW_ORDER


def test_immediate_or_cancel(exchange: Exchange) -> None:
    alice, bob = exchange.login("ALICE"), exchange.login("BOB")
    exchange.say(alice, enter(1, "S", 30))
    answers = exchange.say(bob, enter(1, "B", 100, time_in_force="3"), 3)
    assert isinstance(answers[0], OrderAccepted)
    assert answers[0].time_in_force == "3"
    assert isinstance(answers[1], OrderExecuted)
    assert answers[2] == OrderCanceled(NOW, 1, 70, "I")
    assert exchange.port.open_orders == 0
    (gone,) = exchange.say(bob, CancelOrder(1))
    assert isinstance(gone, CancelReject)


def test_a_chain_of_replaces(exchange: Exchange) -> None:
    alice, bob = exchange.login("ALICE"), exchange.login("BOB")
    exchange.say(alice, enter(1, "E", 100, capacity="P", clordid="one"))
    exchange.say(bob, enter(1, "B", 20), 2)
    exchange.until(lambda: len(alice.messages) == 2)
    (answer,) = exchange.say(alice, ReplaceOrder(1, 2, 150, PRICE + TICK, clordid="two"))
    second = said(OrderReplaced, answer)
    assert second == OrderReplaced(
        NOW, 1, 2, "E", 150, "AAPL", PRICE + TICK, "0", "Y",
        second.order_reference, "P", "N", "N", "L", "two",
    )  # fmt: skip
    (third,) = exchange.say(alice, ReplaceOrder(2, 3, 50, PRICE))
    assert isinstance(third, OrderReplaced)
    assert (third.original_user_ref, third.user_ref, third.quantity) == (2, 3, 50)
    # The last one is open with 30; those that were replaced are gone.
    executed = exchange.say(bob, enter(2, "B", 100), 2)[1]
    assert isinstance(executed, OrderExecuted)
    assert executed.quantity == 30
    exchange.until(lambda: len(alice.messages) == 5)
    (gone,) = exchange.say(alice, ReplaceOrder(3, 4, 500, PRICE, clordid="late"))
    assert gone == OrderRejected(NOW, 4, 21, "late")
    for old in (1, 2, 3):
        (gone,) = exchange.say(alice, CancelOrder(old))
        assert gone == CancelReject(NOW, old)


def test_a_replace_below_what_executed_cancels_the_rest(exchange: Exchange) -> None:
    alice, bob = exchange.login("ALICE"), exchange.login("BOB")
    exchange.say(alice, enter(1, "S", 100))
    exchange.say(bob, enter(1, "B", 60), 2)
    exchange.until(lambda: len(alice.messages) == 2)
    (canceled,) = exchange.say(alice, ReplaceOrder(1, 2, 50, PRICE))
    assert canceled == OrderCanceled(NOW, 1, 40, "U")


def test_a_refusal_uses_up_its_number(exchange: Exchange) -> None:
    alice, steady = exchange.login(), Steady(exchange)
    order = enter(1, symbol="NOPE", clordid="x")
    (rejected,) = exchange.say(alice, order)
    assert rejected == OrderRejected(NOW, 1, 23, "x")
    steady.trade()
    stream = exchange.stream()
    assert Template.REJECT in stream["template_id"]
    # A resend is silence, the next one is taken.
    alice.send(order)
    assert len(exchange.say(alice, enter(2))) == 1
    assert [message.sequence for message in alice.messages] == [1, 2]
    assert exchange.port.counts["duplicate requests"] == 1


def test_used_numbers_are_ignored(exchange: Exchange) -> None:
    alice, steady = exchange.login(), Steady(exchange)
    exchange.say(alice, enter(5))
    for user_ref in (5, 4, 0):
        alice.send(enter(user_ref))
        alice.send(ReplaceOrder(5, user_ref, 50, PRICE))
    steady.trade()
    exchange.settle()
    assert len(alice.messages) == 1
    assert exchange.port.counts["duplicate requests"] == 6
    assert len(exchange.say(alice, enter(6))) == 1


def test_a_cancel_that_takes_nothing_is_silent(exchange: Exchange) -> None:
    alice = exchange.login()
    exchange.say(alice, enter(1))
    alice.send(CancelOrder(1, 100))
    alice.send(CancelOrder(1, 500))
    exchange.settle()
    assert len(alice.messages) == 1
    assert exchange.port.counts["requests without effect"] == 2


def test_orders_beyond_the_capacity_are_refused() -> None:
    with Exchange(Limits(orders=2)) as exchange:
        alice = exchange.login()
        exchange.say(alice, enter(1))
        exchange.say(alice, enter(2))
        (rejected,) = exchange.say(alice, enter(3))
        assert rejected == OrderRejected(NOW, 3, 10, "")
        exchange.say(alice, CancelOrder(1))
        assert isinstance(exchange.say(alice, enter(4))[0], OrderAccepted)


def test_system_events_reach_everyone(exchange: Exchange) -> None:
    alice = exchange.login("ALICE")
    exchange.intrude(line(BUILD_RECORD, Template.BUILD_RECORD, 0, 1, instrument=NONE))
    exchange.until(lambda: len(alice.messages) == 1)
    # One who comes later, but not after the end: nobody is let in then.
    bob = exchange.login("BOB")
    exchange.intrude(line(END_OF_DAY, Template.END_OF_DAY, 0, 2, instrument=NONE))
    exchange.until(lambda: len(alice.messages) == len(bob.messages) == 2)
    told = [message.event for message in alice.ouch if isinstance(message, SystemEvent)]
    assert told == ["S", "E"]
    assert [message.payload for message in bob.messages] == [
        message.payload for message in alice.messages
    ]


def test_metrics(exchange: Exchange) -> None:
    memory = Block(metrics_bytes())
    metrics = Metrics.create(memory)
    exchange.port.measure(metrics, "port.0")
    alice = exchange.login()
    exchange.say(alice, enter(1))
    assert metrics.counters()["port.0 logins"] == exchange.port.counts["logins"] == 1
    whole = metrics.histograms()["whole"]
    assert isinstance(whole, Histogram)
    assert whole.total == 1


def test_arguments_are_checked(exchange: Exchange) -> None:
    def make(
        session: str = "DAY1",
        shards: int = 2,
        number: int = 1,
        instruments: tuple[Instrument, ...] = INSTRUMENTS,
        sessions: tuple[ClientSession, ...] = (ClientSession(1, "ALICE", 1, 1),),
        limits: Limits | None = None,
    ) -> None:
        engine = exchange.engine
        ClientPort(
            exchange.core, session, shards,
            Contributor(engine.lane_memory[1], number, engine.doorbell),
            Stream(engine.ring), instruments, sessions, limits,
        ).close()  # fmt: skip

    make()
    one = INSTRUMENTS[0]
    for bad in (
        {"session": ""},
        {"session": "ELEVENCHARS"},
        {"shards": 0},
        {"shards": 1},
        {"shards": 17},
        {"number": 256},
        {"instruments": ()},
        {"instruments": (one, one)},
        {"instruments": (Instrument("TOOLONGNAME", 1, 1, 1),)},
        {"instruments": (Instrument("A", 0, 1, 1),)},
        {"instruments": (Instrument("A", 1, 2, 1),)},
        {"instruments": (Instrument("A", 1, 1, 1, lot=0),)},
        {"sessions": ()},
        {"sessions": (ClientSession(0, "ALICE", 1, 1),)},
        {"sessions": (ClientSession(1, "TOOLONG", 1, 1),)},
        {"sessions": (ClientSession(1, "A", 1, 1), ClientSession(1, "B", 1, 1))},
        {"sessions": (ClientSession(1, "A", 1, 1), ClientSession(2, "a", 1, 1))},
        {"limits": Limits(connections=0)},
        {"limits": Limits(orders=0)},
        {"limits": Limits(messages=0)},
        {"limits": Limits(backlog=0)},
        {"limits": Limits(backlog=-1)},
        {"limits": Limits(receive_bytes=100)},
        {"limits": Limits(send_bytes=100)},
        {"limits": Limits(heartbeat_ns=0)},
    ):
        with pytest.raises(UsageError):
            make(**bad)
    with pytest.raises(NotFoundError):
        exchange.port.messages(99)
    with pytest.raises(UsageError):
        exchange.port.listen("127.0.0.1", 0)


def test_an_address_that_cannot_be_had(exchange: Exchange) -> None:
    engine = exchange.engine
    with ClientPort(
        exchange.core, "DAY1", 2, Contributor(engine.lane_memory[1], 1, engine.doorbell),
        Stream(engine.ring), INSTRUMENTS, [ClientSession(1, "ALICE", 1, 1)],
    ) as port:  # fmt: skip
        with pytest.raises(SystemCallError):
            port.listen("127.0.0.1", exchange.tcp)
        with pytest.raises(UsageError):
            port.listen("not an address")
        assert port.listen("::1") > 0
