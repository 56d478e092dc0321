"""OUCH 5.0 over real sockets with the real engine: what each message and option does."""

from __future__ import annotations

import pytest

from ports.ouch import (
    AccountQuery,
    AccountQueryResponse,
    AiqCanceled,
    CancelOrder,
    CancelReject,
    DisableOrderEntry,
    DisableOrderEntryResponse,
    EnableOrderEntry,
    EnableOrderEntryResponse,
    MassCancel,
    MassCancelResponse,
    ModifyOrder,
    OrderAccepted,
    OrderCanceled,
    OrderExecuted,
    OrderModified,
    OrderRejected,
    OrderReplaced,
    OrderRestated,
    Outbound,
    ReplaceOrder,
    Tag,
    find_option,
    option,
)
from ringbus.messages import (
    COMMAND,
    CROSS_RESULT,
    NEW_ORDER,
    ORDER_TERMS,
    STOP_ORDER,
    CommandKind,
    CrossType,
    InstrumentState,
    OrderOption,
    Side,
    Template,
    TimeInForce,
)
from tests.ports.exchange import FIRM, NOW, Client, Exchange, enter, said
from tests.ports.venue import PRICE, SECOND_NS, START_NS, TICK, line

MARKET = 0x7FFFFFFF


def replayed(exchange: Exchange, client: Client, user: str = "ALICE") -> Client:
    """Another port's client, who is told all from the first message on: the same bytes."""
    before = [message.payload for message in client.messages]
    exchange.restart_port()
    again = exchange.login(user, next_sequence=1)
    exchange.until(lambda: len(again.messages) >= len(before))
    assert [message.payload for message in again.messages] == before
    return again


def set_state(exchange: Exchange, number: int, state: InstrumentState) -> None:
    exchange.intrude(
        line(
            COMMAND, Template.COMMAND, 0, number, instrument=0,
            kind=CommandKind.INSTRUMENT_STATE, state=state,
        )
    )  # fmt: skip
    exchange.settle()


# Options of an order.


def test_a_reserve_shows_itself_in_parts(exchange: Exchange) -> None:
    alice, bob = exchange.login("ALICE"), exchange.login("BOB")
    floor = (option(Tag.MAX_FLOOR, 20),)
    (answer,) = exchange.say(alice, enter(1, "S", 50, appendage=floor))
    assert said(OrderAccepted, answer).appendage == floor
    exchange.say(bob, enter(1, "B", 50), 4)
    exchange.until(lambda: len(alice.messages) == 6)
    told = alice.ouch[1:]
    assert [type(one) for one in told] == [
        OrderExecuted, OrderRestated, OrderExecuted, OrderRestated, OrderExecuted,
    ]  # fmt: skip
    restated = [one for one in told if isinstance(one, OrderRestated)]
    assert [find_option(one.appendage, Tag.DISPLAY_QUANTITY) for one in restated] == [20, 10]
    assert [one.reason for one in restated] == ["R", "R"]
    replayed(exchange, alice)


def test_a_hidden_order_trades_behind_and_says_so(exchange: Exchange) -> None:
    alice, bob = exchange.login("ALICE"), exchange.login("BOB")
    (answer,) = exchange.say(alice, enter(1, "S", 10, display="N"))
    assert said(OrderAccepted, answer).display == "N"
    exchange.say(alice, enter(2, "S", 10))
    executed = exchange.say(bob, enter(1, "B", 20), 3)[1:]
    exchange.until(lambda: len(alice.messages) == 4)
    mine = [said(OrderExecuted, one) for one in alice.ouch[2:]]
    assert [(one.user_ref, one.liquidity) for one in mine] == [(2, "A"), (1, "J")]
    assert [said(OrderExecuted, one).liquidity for one in executed] == ["R", "R"]
    # An order that never rests has nothing to hide, and is taken.
    (answer, gone) = exchange.say(bob, enter(2, "B", 10, display="N", time_in_force="3"), 2)
    assert said(OrderAccepted, answer).display == "N"
    assert said(OrderCanceled, gone).reason == "I"


def test_minimum_quantity(exchange: Exchange) -> None:
    alice, bob = exchange.login("ALICE"), exchange.login("BOB")
    exchange.say(alice, enter(1, "S", 30))
    least = (option(Tag.MIN_QUANTITY, 50),)
    order = enter(1, "B", 100, time_in_force="3", appendage=least)
    accepted, canceled = exchange.say(bob, order, 2)
    assert said(OrderAccepted, accepted).appendage == least
    assert canceled == OrderCanceled(NOW, 1, 100, "I")


def test_post_only_rests_or_is_refused(exchange: Exchange) -> None:
    alice = exchange.login()
    passive = (option(Tag.POST_ONLY, "P"),)
    (answer,) = exchange.say(alice, enter(1, "B", appendage=passive))
    assert said(OrderAccepted, answer).appendage == passive
    # It stays so over a Replace, until that says otherwise.
    exchange.say(alice, enter(2, "S", 10, price=PRICE + TICK))
    (answer,) = exchange.say(alice, ReplaceOrder(1, 3, 100, PRICE + TICK))
    assert answer == OrderRejected(NOW, 3, 18)
    (answer,) = exchange.say(alice, ReplaceOrder(1, 4, 90, PRICE))
    assert said(OrderReplaced, answer).appendage == passive
    taking = (option(Tag.POST_ONLY, "N"),)
    answers = exchange.say(alice, ReplaceOrder(4, 5, 90, PRICE + TICK, appendage=taking), 3)
    assert said(OrderReplaced, answers[0]).appendage == ()
    assert said(OrderExecuted, answers[1]).quantity == 10


def test_good_till_time(exchange: Exchange) -> None:
    alice = exchange.login()
    minute = (option(Tag.EXPIRE_TIME, 60),)
    (answer,) = exchange.say(alice, enter(1, time_in_force="6", appendage=minute))
    accepted = said(OrderAccepted, answer)
    assert (accepted.time_in_force, accepted.appendage) == ("6", minute)
    terms = exchange.stream()[accepted.order_reference].view(ORDER_TERMS)
    assert terms["template_id"] == Template.ORDER_TERMS
    assert terms["expire_time_ns"] == START_NS + 60 * SECOND_NS
    # A Replace later on keeps the time unless it names another; what is left is said.
    exchange.advance(10 * SECOND_NS)
    (answer,) = exchange.say(alice, ReplaceOrder(1, 2, 90, PRICE, "6"))
    assert said(OrderReplaced, answer).appendage == (option(Tag.EXPIRE_TIME, 50),)
    (answer,) = exchange.say(alice, ReplaceOrder(2, 3, 90, PRICE, "0"))
    assert said(OrderReplaced, answer).appendage == ()
    replayed(exchange, alice)


def test_extended_hours_are_the_whole_day(exchange: Exchange) -> None:
    (answer,) = exchange.say(exchange.login(), enter(1, time_in_force="5"))
    assert said(OrderAccepted, answer).time_in_force == "5"


def test_a_market_order_stops_at_the_collar(exchange: Exchange) -> None:
    alice, bob = exchange.login("ALICE"), exchange.login("BOB")
    exchange.say(alice, enter(1, "S", 10, price=PRICE + 50 * TICK))
    answers = exchange.say(bob, enter(1, "B", 30, price=MARKET, time_in_force="3"), 3)
    assert said(OrderAccepted, answers[0]).price == MARKET
    assert said(OrderExecuted, answers[1]).price == PRICE + 50 * TICK
    assert answers[2] == OrderCanceled(NOW, 1, 20, "K")


def test_what_is_only_said_again(exchange: Exchange) -> None:
    alice = exchange.login()
    appendage = (
        option(Tag.FIRM, FIRM), option(Tag.CUSTOMER_TYPE, "R"), option(Tag.GROUP_ID, 7),
        option(Tag.SHARES_LOCATED, "Y"), option(Tag.SELF_TRADE, "O"),
    )  # fmt: skip
    (answer,) = exchange.say(alice, enter(1, "T", appendage=(*appendage, (77, b"unknown"))))
    assert said(OrderAccepted, answer).appendage == appendage
    replayed(exchange, alice)


SELF_TRADES: dict[str, tuple[list[tuple[str, int, int, str]], str]] = {
    # Strategy: who is canceled (message of, user_ref, quantity, liquidity), the day's rule.
    "O": ([("D", 1, 40, "A")], "N"),
    "W": ([("D", 2, 30, "R")], "N"),
    "D": ([("D", 2, 30, "R"), ("D", 1, 30, "A")], "N"),
    "*": ([("D", 1, 40, "A")], "O"),
    "d": ([("D", 2, 30, "R"), ("D", 1, 30, "A")], "N"),
}


@pytest.mark.parametrize("strategy", SELF_TRADES)
def test_a_self_trade_is_prevented(strategy: str) -> None:
    expected, rule = SELF_TRADES[strategy]
    with Exchange(rules={"ALICE": {"self_trade": rule}}) as exchange:
        alice = exchange.login()
        exchange.say(alice, enter(1, "S", 40))
        own = (option(Tag.SELF_TRADE, strategy),)
        order = enter(2, "B", 30, price=PRICE + TICK, appendage=own)
        answers = exchange.say(alice, order, 1 + len(expected))
        told = [said(AiqCanceled, one) for one in answers[1:]]
        assert [(one.TYPE.decode(), one.user_ref, one.quantity, one.liquidity) for one in told] == (
            expected
        )
        # The price at which it would have traded: the resting order's.
        assert {(one.price, one.reason) for one in told} == {(PRICE, "Q")}
        replayed(exchange, alice)


def test_the_firms_own_orders_do_not_meet(exchange: Exchange) -> None:
    """Small letters: of the firm, whichever account."""
    alice, bob = exchange.login("ALICE"), exchange.login("BOB")
    exchange.say(alice, enter(1, "S", 10))
    (_, canceled) = exchange.say(bob, enter(1, appendage=(option(Tag.SELF_TRADE, "w"),)), 2)
    assert said(AiqCanceled, canceled).quantity == 100
    # Capitals: of the account.
    answers = exchange.say(bob, enter(2, appendage=(option(Tag.SELF_TRADE, "W"),)), 2)
    assert said(OrderExecuted, answers[1]).quantity == 10


# Orders for a cross.


def test_orders_for_a_cross_wait_for_it(exchange: Exchange) -> None:
    alice, bob = exchange.login("ALICE"), exchange.login("BOB")
    set_state(exchange, 1, InstrumentState.AUCTION)
    told: list[Outbound] = []
    told += exchange.say(alice, enter(1, "B", 50, cross_type="O", time_in_force="3"))
    imbalance = (option(Tag.HANDLE_INST, "I"),)
    told += exchange.say(alice, enter(2, "B", 20, cross_type="O", appendage=imbalance))
    told += exchange.say(bob, enter(1, "S", 30, cross_type="H", price=MARKET))
    told += exchange.say(bob, enter(2, "S", 10, cross_type="C"))
    accepted = [said(OrderAccepted, one) for one in told]
    assert [(one.cross_type, one.time_in_force) for one in accepted] == [
        ("O", "3"), ("O", "0"), ("H", "0"), ("C", "0"),
    ]  # fmt: skip
    assert accepted[1].appendage == imbalance
    assert accepted[2].price == MARKET
    stream = exchange.stream().view(NEW_ORDER)
    forces = [stream["time_in_force"][one.order_reference - 1] for one in accepted]
    assert forces == [TimeInForce.AT_OPENING] * 3 + [TimeInForce.AT_CLOSE]
    exchange.intrude(
        line(
            CROSS_RESULT, Template.CROSS_RESULT, 0, 3, instrument=0, price_ticks=PRICE // TICK,
            quantity=30, cross_type=CrossType.OPENING, state=InstrumentState.CONTINUOUS, changes=5,
        )
    )  # fmt: skip
    exchange.until(lambda: len(alice.messages) == 5)
    executed = said(OrderExecuted, alice.ouch[2])
    assert (executed.user_ref, executed.quantity, executed.liquidity) == (1, 30, "O")
    assert alice.ouch[3:] == [OrderCanceled(NOW, 1, 20, "C"), OrderCanceled(NOW, 2, 20, "C")]
    exchange.until(lambda: len(bob.messages) == 3)
    sold = said(OrderExecuted, bob.ouch[2])
    # Both sides of a trade know it by one number.
    assert (sold.match_number, sold.liquidity) == (executed.match_number, "O")
    # The order for the close is still there.
    (canceled,) = exchange.say(bob, CancelOrder(2))
    assert said(OrderCanceled, canceled).quantity == 10
    replayed(exchange, alice)


# Replace and Modify.


def test_a_replace_changes_what_it_names(exchange: Exchange) -> None:
    alice = exchange.login()
    floor = (option(Tag.MAX_FLOOR, 20),)
    exchange.say(alice, enter(1, "S", 100, appendage=floor))
    (answer,) = exchange.say(alice, ReplaceOrder(1, 2, 60, PRICE))
    assert said(OrderReplaced, answer).appendage == floor
    (answer,) = exchange.say(alice, ReplaceOrder(2, 3, 60, PRICE, display="N"))
    replaced = said(OrderReplaced, answer)
    assert (replaced.display, replaced.appendage) == ("N", ())
    side = (option(Tag.SIDE, "T"),)
    (answer,) = exchange.say(alice, ReplaceOrder(3, 4, 60, PRICE, appendage=side))
    replaced = said(OrderReplaced, answer)
    assert (replaced.display, replaced.side) == ("Y", "T")
    terms = exchange.stream().view(ORDER_TERMS)
    options = terms["options"][terms["template_id"] == Template.ORDER_TERMS]
    assert list(options) == [0, 0, OrderOption.HIDDEN, 0]
    again = replayed(exchange, alice)
    assert isinstance(exchange.say(again, CancelOrder(4))[0], OrderCanceled)


def test_a_modify_keeps_the_number_and_the_place(exchange: Exchange) -> None:
    alice, bob = exchange.login("ALICE"), exchange.login("BOB")
    exchange.say(alice, enter(1, "S", 100))
    exchange.say(bob, enter(1, "S", 100))
    (answer,) = exchange.say(alice, ModifyOrder(1, "T", 40))
    assert answer == OrderModified(NOW, 1, "T", 40)
    # First in the queue still.
    carol = exchange.login("CAROL")
    exchange.say(carol, enter(1, "B", 10), 2)
    exchange.until(lambda: len(alice.messages) == 3)
    assert said(OrderExecuted, alice.ouch[2]).quantity == 10
    # More than there was: behind the other one.
    (answer,) = exchange.say(alice, ModifyOrder(1, "E", 200))
    assert answer == OrderModified(NOW, 1, "E", 200)
    exchange.say(carol, enter(2, "B", 100), 2)
    exchange.until(lambda: len(bob.messages) == 2)
    assert said(OrderExecuted, bob.ouch[1]).quantity == 100
    # What has executed counts: 10 are gone already.
    (answer,) = exchange.say(alice, ModifyOrder(1, "E", 10))
    assert answer == OrderCanceled(NOW, 1, 190, "U")
    replayed(exchange, alice)


def test_a_modify_keeps_terms(exchange: Exchange) -> None:
    alice = exchange.login()
    appendage = (option(Tag.MAX_FLOOR, 30), option(Tag.EXPIRE_TIME, 60))
    exchange.say(alice, enter(1, "S", 100, time_in_force="6", appendage=appendage))
    exchange.say(alice, ModifyOrder(1, "S", 50))
    (answer,) = exchange.say(alice, ReplaceOrder(1, 2, 50, PRICE, "6"))
    assert said(OrderReplaced, answer).appendage == appendage


def test_the_engine_refuses_a_modify_and_the_order_lives(exchange: Exchange) -> None:
    alice = exchange.login()
    exchange.say(alice, enter(1, "S", 100))
    set_state(exchange, 1, InstrumentState.HALTED)
    (answer,) = exchange.say(alice, ModifyOrder(1, "T", 50))
    assert answer == CancelReject(NOW, 1)
    (answer,) = exchange.say(alice, CancelOrder(1))
    assert answer == OrderCanceled(NOW, 1, 100, "U")


# What concerns a whole session.


def test_a_mass_cancel(exchange: Exchange) -> None:
    alice, bob = exchange.login("ALICE"), exchange.login("BOB")
    for number, (side, symbol) in enumerate((("B", "AAPL"), ("S", "AAPL"), ("B", "MSFT")), 1):
        price = PRICE + (number == 2) * TICK
        exchange.say(alice, enter(number, side, symbol=symbol, price=price))
    exchange.say(bob, enter(1, "B"))
    answers = exchange.say(alice, MassCancel(4, FIRM, "AAPL", (option(Tag.SIDE, "E"),)), 2)
    assert answers == [MassCancelResponse(NOW, 4, FIRM, "AAPL"), OrderCanceled(NOW, 2, 100, "U")]
    answers = exchange.say(alice, MassCancel(5), 3)
    assert answers[0] == MassCancelResponse(NOW, 5)
    assert [said(OrderCanceled, one).user_ref for one in answers[1:]] == [1, 3]
    # Nothing is left of it, and nobody else's order is gone.
    (answer,) = exchange.say(alice, MassCancel(6))
    assert answer == MassCancelResponse(NOW, 6)
    assert exchange.port.open_orders == 1
    # Its number is used up, as any.
    (answer,) = exchange.say(alice, enter(7))
    assert isinstance(answer, OrderAccepted)
    again = replayed(exchange, alice)
    assert isinstance(exchange.say(again, enter(8))[0], OrderAccepted)


def test_disabled_entry_survives_a_killed_port(exchange: Exchange) -> None:
    alice = exchange.login()
    exchange.say(alice, enter(1, "S"))
    (answer,) = exchange.say(alice, DisableOrderEntry(2, FIRM))
    assert answer == DisableOrderEntryResponse(NOW, 2, FIRM)
    alice = replayed(exchange, alice)
    (answer,) = exchange.say(alice, enter(3, price=PRICE - TICK))
    assert said(OrderRejected, answer).reason == 12
    # Less is always allowed, more is not.
    (answer,) = exchange.say(alice, ModifyOrder(1, "S", 50))
    assert isinstance(answer, OrderModified)
    (answer,) = exchange.say(alice, ModifyOrder(1, "S", 500))
    assert isinstance(answer, CancelReject)
    (answer,) = exchange.say(alice, EnableOrderEntry(4))
    assert answer == EnableOrderEntryResponse(NOW, 4)
    assert isinstance(exchange.say(alice, enter(5, price=PRICE - TICK))[0], OrderAccepted)
    alice = replayed(exchange, alice)
    assert isinstance(exchange.say(alice, enter(6, price=PRICE - TICK))[0], OrderAccepted)


def test_the_account_query_says_which_number_comes_next(exchange: Exchange) -> None:
    alice = exchange.login()
    (answer,) = exchange.say(alice, AccountQuery())
    assert answer == AccountQueryResponse(NOW, 1)
    exchange.say(alice, enter(41))
    (answer,) = exchange.say(alice, AccountQuery(()))
    assert answer == AccountQueryResponse(NOW, 42)
    replayed(exchange, alice)


def test_the_number_of_a_stop_order_that_waits_is_used(exchange: Exchange) -> None:
    """R59: it came by FIX, of the same session; its order comes in later, under that number."""
    alice = exchange.login()
    held: dict[str, int | str] = {"instrument": 0, "client_order_id": 5}
    held |= {"side": Side.BUY, "quantity": 10}
    exchange.intrude(line(STOP_ORDER, Template.STOP_ORDER, 1, 2, stop_ticks=1, **held))
    (answer,) = exchange.say(alice, AccountQuery())
    assert answer == AccountQueryResponse(NOW, 6)
    alice.send(enter(5))
    exchange.settle()
    assert exchange.port.counts["duplicate requests"] == 1
    comes = {**held, "price_ticks": PRICE // TICK, "display": "Y", "capacity": "A"}
    exchange.intrude(line(NEW_ORDER, Template.NEW_ORDER, 1, 4, **comes))
    exchange.settle()
    assert [type(one) for one in alice.ouch] == [AccountQueryResponse, OrderAccepted]
    exchange.port.validate()


def test_a_rate_is_kept(exchange: Exchange) -> None:
    with Exchange(rules={"ALICE": {"rate": 5}}) as exchange:
        alice = exchange.login()
        told = [exchange.say(alice, enter(n))[0] for n in range(1, 8)]
        assert [type(one) for one in told] == [OrderAccepted] * 5 + [OrderRejected] * 2
        assert said(OrderRejected, told[5]).reason == 15
        assert exchange.port.counts["throttled requests"] == 2
        # Taking risk away is never above it.
        (answer,) = exchange.say(alice, CancelOrder(1))
        assert isinstance(answer, OrderCanceled)
        exchange.advance(SECOND_NS // 5)
        told = [exchange.say(alice, enter(n))[0] for n in (8, 9)]
        assert [type(one) for one in told] == [OrderAccepted, OrderRejected]


# Cancel on disconnect.

LEAVING = {"ALICE": {"cancels_on_disconnect": True}}


@pytest.mark.parametrize("way", ["close", "logout"])
def test_orders_go_with_their_client(way: str) -> None:
    with Exchange(rules=LEAVING) as exchange:
        alice, bob = exchange.login("ALICE"), exchange.login("BOB")
        exchange.say(alice, enter(1))
        exchange.say(alice, enter(2, symbol="MSFT"))
        exchange.say(bob, enter(1))
        if way == "close":
            alice.close()
        else:
            alice.raw(alice.session.logout())
        exchange.until(lambda: exchange.port.open_orders == 1)
        again = exchange.login(next_sequence=3)
        exchange.until(lambda: len(again.messages) == 2)
        assert again.ouch == [OrderCanceled(NOW, 1, 100, "U"), OrderCanceled(NOW, 2, 100, "U")]
        # Who leaves with nothing open says nothing.
        again.close()
        exchange.settle()
        assert list(exchange.stream()["template_id"]).count(Template.MASS_CANCEL) == 1


def test_orders_go_with_their_client_when_the_port_is_killed_too() -> None:
    with Exchange(rules=LEAVING) as exchange:
        alice = exchange.login()
        exchange.say(alice, enter(1))
        # The Disconnect is on the stream, what must follow is not.
        alice.close()
        exchange.until(
            lambda: list(exchange.stream()["template_id"]).count(Template.SESSION_EVENT) == 2
        )
        assert Template.MASS_CANCEL not in exchange.stream()["template_id"]
        exchange.restart_port()
        exchange.until(lambda: exchange.port.open_orders == 0)
        exchange.settle()
        assert list(exchange.stream()["template_id"]).count(Template.MASS_CANCEL) == 1


def test_who_comes_back_at_once_finds_its_orders_gone() -> None:
    with Exchange(rules=LEAVING) as exchange:
        alice = exchange.login()
        exchange.say(alice, enter(1))
        alice.close()
        again = exchange.connect(next_sequence=1)
        again.login()
        exchange.until(lambda: again.session.accepted and len(again.messages) == 2)
        assert isinstance(again.ouch[1], OrderCanceled)
        assert exchange.port.open_orders == 0
