"""The client port over real TCP sockets, with the real engine behind it."""

from __future__ import annotations

import random
import select
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ports.authenticator import Authenticator, hash_secret, verify
from ports.client import ClientPort, ClientSession, Contributor, Instrument, Limits, Stream
from ports.ouch import (
    CancelOrder,
    CancelReject,
    EnterOrder,
    Inbound,
    OrderAccepted,
    OrderCanceled,
    OrderExecuted,
    OrderRejected,
    OrderReplaced,
    ReplaceOrder,
    SystemEvent,
)
from ports.soup import (
    CLIENT_HEARTBEAT,
    LOGOUT,
    SERVER_HEARTBEAT,
    UNSEQUENCED,
    LoginRequest,
    encode_packet,
)
from ringbus.core import Core, CorePage, create_page, page_bytes
from ringbus.histogram import Histogram
from ringbus.memory import Block
from ringbus.messages import (
    BUILD_RECORD,
    CANCEL,
    END_OF_DAY,
    INSTRUMENT_NONE,
    MASS_CANCEL,
    NEW_ORDER,
    ORDER_TAG,
    ORDER_TERMS,
    SESSION_EVENT,
    Flag,
    MassCancelScope,
    SessionEventKind,
    Side,
    Template,
)
from ringbus.metrics import Metrics
from ringbus.metrics import page_bytes as metrics_bytes
from ringbus.status import NotFoundError, SystemCallError, UsageError
from tests.ports.exchange import (
    INSTRUMENTS,
    PRICE,
    SECOND_NS,
    SECRET,
    START_NS,
    TICK,
    USERS,
    Client,
    Exchange,
    Steady,
    line,
    said,
)

NONE = 2**32 - 1
# Time stands still but where a test moves it.
NOW = START_NS % (86400 * SECOND_NS)


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange() as made:
        yield made


def enter(user_ref: int, side: str = "B", quantity: int = 100, **changes: object) -> EnterOrder:
    fields: dict[str, object] = {"symbol": "AAPL", "price": PRICE, **changes}
    return EnterOrder(user_ref, side, quantity, **fields)  # type: ignore[arg-type]


def events(exchange: Exchange, topic: int = 1) -> list[SessionEventKind]:
    stream = exchange.stream().view(SESSION_EVENT)
    mine = (stream["template_id"] == Template.SESSION_EVENT) & (stream["topic"] == topic)
    return [SessionEventKind(kind) for kind in stream["kind"][mine]]


# What a client asks and what it is told.


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


# One in flight, and others on the same topic.


def test_a_burst_is_answered_in_order_one_at_a_time(exchange: Exchange) -> None:
    alice, steady = exchange.login(), Steady(exchange)
    count = 300
    burst = b"".join(
        alice.session.unsequenced(enter(n + 1, symbol=("AAPL", "MSFT")[n % 2]).encode())
        for n in range(count)
    )
    # While nothing comes back, one is in flight, however much was sent.
    sent = 0
    before = exchange.port.counts["proposals"]
    for _ in range(200):
        try:
            sent += alice.socket.send(burst[sent : sent + 1000])
        except BlockingIOError:
            break
        exchange.step(engine=False)
    exchange.settle(engine=False)
    assert exchange.port.counts["proposals"] == before + 1
    steady.trade()
    while sent < len(burst):
        exchange.step()
        try:
            sent += alice.socket.send(burst[sent:])
        except BlockingIOError:
            continue
    exchange.until(lambda: len(alice.messages) == count)
    numbers = [message.user_ref for message in alice.ouch if isinstance(message, OrderAccepted)]
    assert numbers == list(range(1, count + 1))
    steady.trade()


def test_a_client_that_is_too_quick_is_stopped_by_tcp() -> None:
    with Exchange() as exchange:
        alice, steady = exchange.login(), Steady(exchange)
        flood = alice.session.unsequenced(enter(1).encode()) * 1000
        sent = 0
        stuck = 0
        while stuck < 50:
            try:
                sent += alice.socket.send(flood)
                stuck = 0
            except BlockingIOError:
                stuck += 1
            exchange.step(engine=False)
            assert sent < 100 << 20, "it was never stopped"
        # It costs no rounds, is not taken for dead, and others are served all the while.
        exchange.settle(engine=False)
        steady.trade()
        alice.reading = False
        exchange.until(lambda: exchange.port.counts["duplicate requests"] > 1000)
        assert exchange.port.counts["silent connections"] == 0


def test_who_is_not_read_is_not_taken_for_dead(exchange: Exchange) -> None:
    alice = exchange.login()
    alice.raw(alice.session.unsequenced(enter(1).encode()) * 200)
    exchange.settle(engine=False)
    exchange.advance(60 * SECOND_NS)
    exchange.settle(engine=False)
    assert not alice.closed
    exchange.until(lambda: exchange.port.counts["duplicate requests"] == 199)
    assert len(exchange.say(alice, enter(2))) == 1


def test_a_full_lane_is_waited_for() -> None:
    with Exchange(lane_slots=8) as exchange:
        clients = [exchange.login(user) for user in USERS]
        before = exchange.port.counts["proposals"]
        clients[0].send(enter(1))
        exchange.settle(engine=False)
        for client in clients[1:]:
            client.send(enter(1, clordid="two lines"))
        # 1 + 3 * 2 of 8 slots are taken, and half an order is none.
        exchange.until(lambda: exchange.port.counts["full lane"] > 10, engine=False)
        assert exchange.port.counts["proposals"] == before + 4
        exchange.until(lambda: all(len(client.messages) == 1 for client in clients))
        for client in clients[1:]:
            assert said(OrderAccepted, client.ouch[0]).clordid == "two lines"


def test_a_sequencer_that_has_stopped_looking_is_rung(exchange: Exchange) -> None:
    alice = exchange.login()
    for _ in range(10_000):
        exchange.engine.step()
    alice.send(enter(1))
    for _ in range(100):
        exchange.step()
    assert len(alice.messages) == 1


def test_a_lost_race_is_tried_again(exchange: Exchange) -> None:
    alice = exchange.login()
    (accepted,) = exchange.say(alice, enter(1))
    assert isinstance(accepted, OrderAccepted)
    locate = exchange.stream().view(CANCEL)["locate"][accepted.order_reference - 1]

    def reduce(number: int, quantity: int) -> None:
        exchange.intrude(
            line(
                CANCEL, Template.CANCEL, 1, number, quantity=quantity, locate=locate,
                client_order_id=1, reason=1,
            )
        )  # fmt: skip

    # The Login took 1, the order 2. The port reads one line a round when it is idle, so that what
    # it proposes behind the first of these is too late.
    exchange.settle()
    for number in (3, 4, 5):
        reduce(number, 20)
    answers = exchange.say(alice, enter(2), 4)
    assert answers[:3] == [OrderCanceled(NOW, 1, 20, "U")] * 3
    assert isinstance(answers[3], OrderAccepted)
    assert exchange.port.counts["retries"] >= 1
    # A cancel of what is gone when it is looked at again becomes a cancel reject.
    retries = exchange.port.counts["retries"]
    exchange.settle()
    reduce(7, 20)
    reduce(8, 20)
    answers = exchange.say(alice, CancelOrder(1), 3)
    assert answers[2] == CancelReject(NOW, 1)
    assert exchange.port.counts["retries"] > retries


def test_a_mass_cancel_in_all_shards_is_heard_and_counted_in_all_of_them() -> None:
    """On the client's own topic: what it has in flight in either shard comes too late."""
    with Exchange() as exchange:
        alice = exchange.login()
        for number, symbol in ((1, "AAPL"), (2, "MSFT")):
            exchange.say(alice, enter(number, symbol=symbol))
        reason = line(
            MASS_CANCEL,
            Template.MASS_CANCEL,
            1,
            0,
            instrument=INSTRUMENT_NONE,
            scope=MassCancelScope.SESSION,
            session=1,
        )
        reason["flags"] = Flag.CONTINUED
        exchange.settle()
        for _ in range(3):
            # The port reads one line a round when it is idle.
            exchange.intrude(reason, line(ORDER_TAG, Template.ORDER_TAG, 1, 0, text="why"))
        answers = exchange.say(alice, enter(3, symbol="MSFT"), 3)
        assert [said(OrderCanceled, one).user_ref for one in answers[:2]] == [1, 2]
        assert said(OrderAccepted, answers[2]).user_ref == 3
        assert exchange.port.counts["retries"] >= 1
        # Each shard goes on with the number that the port expects, and so does a successor's.
        for number, symbol in ((4, "AAPL"), (5, "MSFT")):
            exchange.say(alice, enter(number, symbol=symbol))
        exchange.restart_port()
        alice = exchange.login(next_sequence=1)
        exchange.until(lambda: len(alice.messages) == 7)
        assert [type(one) for one in alice.ouch][2:5] == [
            OrderCanceled,
            OrderCanceled,
            OrderAccepted,
        ]
        for number, symbol in ((6, "AAPL"), (7, "MSFT")):
            exchange.say(alice, enter(number, symbol=symbol))


def test_terms_between_an_order_and_its_tag_are_read_over(exchange: Exchange) -> None:
    alice = exchange.login()
    order = line(
        NEW_ORDER,
        Template.NEW_ORDER,
        1,
        2,
        quantity=100,
        price_ticks=PRICE // TICK,
        side=Side.BUY,
        client_order_id=1,
        original_side="B",
        display="Y",
        capacity="P",
        cross_type="N",
        sweep="N",
    )
    terms = line(ORDER_TERMS, Template.ORDER_TERMS, 1, 2, display_quantity=10)
    order["flags"] = terms["flags"] = Flag.CONTINUED
    exchange.settle()
    exchange.intrude(order, terms, line(ORDER_TAG, Template.ORDER_TAG, 1, 2, text="three lines   "))
    exchange.until(lambda: len(alice.messages) == 1)
    assert said(OrderAccepted, alice.ouch[0]).clordid == "three lines"
    # And from the stream, to somebody who asks for it again.
    exchange.restart_port()
    again = exchange.login(next_sequence=1)
    exchange.until(lambda: len(again.messages) == 1)
    assert said(OrderAccepted, again.ouch[0]).clordid == "three lines"


# Bytes that are not what they should be; a well-behaved client goes on all the while.


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
    assert events(exchange) == [SessionEventKind.LOGIN, SessionEventKind.DISCONNECT]
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
    assert events(exchange) == []
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
    assert events(exchange) == [SessionEventKind.LOGIN, SessionEventKind.DISCONNECT]
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


# Logins.


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
    assert events(exchange) == []
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
    assert events(exchange) == kinds


def test_a_connection_that_breaks_while_its_login_is_verified(exchange: Exchange) -> None:
    client = exchange.connect()
    client.login()
    for _ in range(20):
        exchange.core.round()
    client.close()
    for _ in range(20):
        exchange.core.round()
    exchange.settle()
    assert events(exchange) == []
    exchange.login()


def test_a_connection_that_breaks_while_its_login_is_sequenced(exchange: Exchange) -> None:
    client = exchange.connect()
    client.login()
    exchange.until(lambda: exchange.port.counts["proposals"] == 1, engine=False)
    client.close()
    exchange.settle(engine=False)
    exchange.settle()
    assert events(exchange) == [SessionEventKind.LOGIN, SessionEventKind.DISCONNECT]
    exchange.login()


def test_a_request_in_flight_outlives_its_connection(exchange: Exchange) -> None:
    alice = exchange.login()
    before = exchange.port.counts["proposals"]
    alice.send(enter(1))
    exchange.until(lambda: exchange.port.counts["proposals"] == before + 1, engine=False)
    alice.close()
    exchange.settle(engine=False)
    exchange.settle()
    assert events(exchange) == [SessionEventKind.LOGIN, SessionEventKind.DISCONNECT]
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
    assert events(exchange) == [SessionEventKind.LOGIN, SessionEventKind.LOGOUT]
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


# Slow readers, replay, restarts.


CUT_OFF = (
    "cut off: too many messages wait for you to read them; log in again with the next number to "
    "get them"
)


def messages_of(exchange: Exchange, user: str) -> list[tuple[int, bytes]]:
    """What a client that asks for everything is shown."""
    client = exchange.login(user)
    out = [(message.sequence, message.payload) for message in client.messages]
    client.raw(encode_packet(LOGOUT))
    exchange.until(lambda: client.closed)
    return out


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
        whole = messages_of(exchange, "ALICE")
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
    assert events(exchange, 1) == events(exchange, 2) == kinds
    assert events(exchange, 3) == []
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
    assert events(exchange) == []
    # It is sequenced when the successor has long been live.
    exchange.settle()
    assert events(exchange) == [SessionEventKind.LOGIN, SessionEventKind.DISCONNECT]
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
            whole = messages_of(exchange, trader.user)
            assert len(trader.seen) > 300
            assert trader.seen == whole[: len(trader.seen)]
            assert [sequence for sequence, _ in whole] == list(range(1, len(whole) + 1))
        # The orders that the port thinks are open are those in the books.
        assert exchange.port.open_orders == sum(book.open_orders for book in exchange.engine.books)


# The parts around it.


def test_secrets() -> None:
    secret = hash_secret("Secret", b"0123456789abcdef", cost=16)
    assert secret == hash_secret("SECRET", b"0123456789abcdef", cost=16)
    assert secret.startswith("scrypt$16$8$1$30313233343536373839616263646566$")
    assert verify(secret, "secret")
    assert not verify(secret, "SECRET1")
    assert hash_secret("A", cost=2) != hash_secret("A", cost=2)
    for bad in ("", "plain", "scrypt$16$8$1$00", secret + "$", secret.replace("$16$", "$17$")):
        with pytest.raises(UsageError):
            verify(bad, "SECRET")
    for password in ("", "x" * 11, "é", "a\n", " a"):
        with pytest.raises(UsageError):
            hash_secret(password, cost=2)


def test_the_authenticator_remembers_what_was_right() -> None:
    class NoPort:
        login_fd = -1

        def next_login(self) -> None:
            return None

        def answer_login(self, connection: int, generation: int, good: bool) -> bool:
            return True

        def hush_logins(self) -> None:
            """Nothing."""

        def wake_logins(self) -> None:
            """Nothing."""

    authenticator = Authenticator(NoPort(), {"alice": SECRET})
    for _ in range(2):
        assert authenticator.is_good("ALICE", "SECRET")
        assert not authenticator.is_good("ALICE", "SECRETS")
        assert not authenticator.is_good("BOB", "SECRET")
    with pytest.raises(UsageError):
        Authenticator(NoPort(), {"ALICE": "secret"})


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


def test_a_parked_core_is_woken_by_sockets_stream_and_verdicts() -> None:
    """The loop of production: the port's core sleeps in epoll, in a thread of its own."""
    exchange = Exchange()
    exchange.kill_port()
    engine = exchange.engine
    page = Block(page_bytes())
    create_page(page, "live")
    outer = select.epoll()
    core = Core(page, engine.bells, "live", "park", "real", epoll_fd=outer.fileno())
    # It must be woken: by itself it would look only every ten seconds.
    core.idle.set_timeout(10_000_000)
    port = ClientPort(
        core, "DAY1", 2, Contributor(engine.lane_memory[0], 0, engine.doorbell),
        Stream(engine.ring), INSTRUMENTS, [ClientSession(1, "ALICE", 1, 1)],
    )  # fmt: skip
    outer.register(port.epoll_fd, select.EPOLLIN)
    core.add("port", port)
    tcp = port.listen()
    authenticator = Authenticator(port, {"ALICE": SECRET})
    threads = [threading.Thread(target=core.run), threading.Thread(target=authenticator.run)]
    for thread in threads:
        thread.start()
    try:
        alice = Client(tcp)
        alice.login()
        poll = select.poll()
        poll.register(alice.socket, select.POLLIN)

        def wait(count: int) -> None:
            for _ in range(100_000):
                engine.step()
                if poll.poll(1):
                    alice.receive()
                if alice.session.accepted and len(alice.messages) >= count:
                    return
            raise AssertionError(f"nobody woke it: {port.counts}")

        wait(0)
        for n in range(1, 51):
            alice.send(enter(n))
            wait(n)
        alice.close()
    finally:
        authenticator.stop()
        CorePage(page).stop()
        # A connection wakes it once more, to see that.
        Client(tcp).close()
        for thread in threads:
            thread.join()
        port.close()
        core.close()
        outer.close()
        engine.close()
    assert core.idle.parks > 0
