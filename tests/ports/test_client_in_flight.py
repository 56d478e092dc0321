"""One request of a session is in flight, whatever is asked and whoever speaks on its topic."""

from __future__ import annotations

from ports.ouch import (
    CancelOrder,
    CancelReject,
    OrderAccepted,
    OrderCanceled,
)
from ringbus.messages import (
    CANCEL,
    INSTRUMENT_NONE,
    MASS_CANCEL,
    NEW_ORDER,
    ORDER_TAG,
    ORDER_TERMS,
    Flag,
    MassCancelScope,
    Side,
    Template,
)
from tests.ports.exchange import NOW, Exchange, Steady, enter, said
from tests.ports.venue import PRICE, SECOND_NS, TICK, USERS, line


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
