"""OUCH 4.2 over real sockets: tokens, its own letters, and OUCH 5.0 beside it on one port."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ports import ouch, ouch42
from ports.client import Limits
from ports.ouch42 import (
    IMMEDIATE,
    MARKET_HOURS,
    MARKET_PRICE,
    SYSTEM_HOURS,
    Accepted,
    AiqCanceled,
    Canceled,
    CancelOrder,
    CancelReject,
    EnterOrder,
    Executed,
    Inbound,
    Modified,
    ModifyOrder,
    Outbound,
    Rejected,
    Replaced,
    ReplaceOrder,
    TradeNow,
)
from ports.soup import UNSEQUENCED, encode_packet
from ringbus.messages import ORDER_TERMS, OrderOption, Template
from tests.ports.exchange import FIRM, NOW, Client, Exchange, Steady
from tests.ports.venue import PRICE, TICK

OLD = {"protocol": "ouch42"}


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange(rules={"ALICE": OLD, "CAROL": {**OLD, "self_trade": "O"}}) as made:
        yield made


def told(client: Client) -> list[Outbound]:
    return [ouch42.decode_outbound(message.payload) for message in client.messages]


def say(exchange: Exchange, client: Client, message: Inbound, answers: int = 1) -> list[Outbound]:
    before = len(client.messages)
    client.raw(client.session.unsequenced(message.encode()))
    exchange.until(lambda: len(client.messages) >= before + answers)
    return told(client)[before:]


def enter(token: str, side: str = "B", shares: int = 100, **changes: Any) -> EnterOrder:
    return EnterOrder(token, side, shares, **{"stock": "AAPL", "price": PRICE, **changes})


def replayed(exchange: Exchange, client: Client) -> Client:
    before = [message.payload for message in client.messages]
    exchange.restart_port()
    again = exchange.login("ALICE", next_sequence=1)
    exchange.until(lambda: len(again.messages) >= len(before))
    assert [message.payload for message in again.messages] == before
    return again


def test_an_order_lives_and_dies_under_its_tokens(exchange: Exchange) -> None:
    alice, bob = exchange.login("ALICE"), exchange.login("BOB")
    (answer,) = say(exchange, alice, enter("first", "T", capacity="P", firm=FIRM))
    assert isinstance(answer, Accepted)
    assert answer == Accepted(
        NOW, "first", "T", 100, "AAPL", PRICE, MARKET_HOURS, FIRM, "Y",
        answer.order_reference, "P", "N", 0, "N", "L",
    )  # fmt: skip
    (bought, executed) = exchange.say(bob, ouch.EnterOrder(1, "B", 30, "AAPL", PRICE), 2)
    assert isinstance(executed, ouch.OrderExecuted)
    exchange.until(lambda: len(alice.messages) == 2)
    assert told(alice)[1] == Executed(NOW, "first", 30, PRICE, "A", executed.match_number)
    (answer,) = say(exchange, alice, ReplaceOrder("first", "second", 90, PRICE + TICK))
    assert isinstance(answer, Replaced)
    assert answer == Replaced(
        NOW, "second", "T", 90, "AAPL", PRICE + TICK, MARKET_HOURS, "", "Y",
        answer.order_reference, "P", "N", 0, "N", "L", "first",
    )  # fmt: skip
    (answer,) = say(exchange, alice, ModifyOrder("second", "S", 80))
    assert answer == Modified(NOW, "second", "S", 80)
    (answer,) = say(exchange, alice, CancelOrder("second", 50))
    assert answer == Canceled(NOW, "second", 30, "U")
    (answer,) = say(exchange, alice, CancelOrder("second"))
    assert answer == Canceled(NOW, "second", 20, "U")
    # Tokens that name nothing any more, or never did.
    for token in ("first", "second", "never"):
        (answer,) = say(exchange, alice, CancelOrder(token))
        assert answer == CancelReject(NOW, token)
    (answer,) = say(exchange, alice, ReplaceOrder("first", "third", 100, PRICE))
    assert answer == Rejected(NOW, "third", "O")
    replayed(exchange, alice)


def test_a_token_is_used_once(exchange: Exchange) -> None:
    alice, steady = exchange.login("ALICE"), Steady(exchange)
    say(exchange, alice, enter("one"))
    say(exchange, alice, enter("bad", stock="NOPE"))
    for token in ("one", "bad"):
        alice.raw(alice.session.unsequenced(enter(token).encode()))
        alice.raw(alice.session.unsequenced(ReplaceOrder("one", token, 50, PRICE).encode()))
    steady.trade()
    exchange.settle()
    assert len(alice.messages) == 2
    assert exchange.port.counts["duplicate requests"] == 4
    # Case matters, and so does every character.
    for token in ("ONE", "fourteen chars", "fourteen charS"):
        assert isinstance(say(exchange, alice, enter(token))[0], Accepted)
    alice = replayed(exchange, alice)
    alice.raw(alice.session.unsequenced(enter("fourteen charS").encode()))
    exchange.settle()
    assert exchange.port.counts["duplicate requests"] == 1
    assert isinstance(say(exchange, alice, CancelOrder("fourteen charS"))[0], Canceled)


TIMES = {IMMEDIATE: "I", MARKET_HOURS: "", SYSTEM_HOURS: "", 60: ""}


@pytest.mark.parametrize("seconds", TIMES)
def test_times_in_force(exchange: Exchange, seconds: int) -> None:
    alice = exchange.login("ALICE")
    ends = TIMES[seconds]
    answers = say(exchange, alice, enter("x", time_in_force=seconds), 2 if ends else 1)
    assert isinstance(answers[0], Accepted)
    assert answers[0].time_in_force == seconds
    assert answers[1:] == ([Canceled(NOW, "x", 100, ends)] if ends else [])


def test_letters_of_display(exchange: Exchange) -> None:
    alice = exchange.login("ALICE")
    for display in "AYNPL":
        (answer,) = say(exchange, alice, enter(display, display=display))
        assert isinstance(answer, Accepted)
        assert answer.display == display
    (answer,) = say(exchange, alice, enter("i", display="I", cross_type="O"))
    assert isinstance(answer, Accepted)
    assert answer.cross_type == "O"
    # Post-only would trade; a Replace with another display is not post-only any more.
    say(exchange, alice, enter("s", "S", 10, price=PRICE + TICK))
    (answer,) = say(exchange, alice, enter("p2", price=PRICE + TICK, display="P"))
    assert answer == Rejected(NOW, "p2", "O")
    answers = say(exchange, alice, ReplaceOrder("P", "y", 10, PRICE + TICK), 3)
    assert [type(one) for one in answers] == [Replaced, Executed, Executed]
    terms = exchange.stream().view(ORDER_TERMS)
    terms = terms[terms["template_id"] == Template.ORDER_TERMS]
    assert not terms["options"][-1] & OrderOption.POST_ONLY


def test_what_only_the_session_can_say(exchange: Exchange) -> None:
    """OUCH 4.2 has no letter for self-trade prevention: the participants' file has."""
    carol = exchange.login("CAROL")
    say(exchange, carol, enter("sell", "S", 40))
    answers = say(exchange, carol, enter("buy", "B", 30), 2)
    assert answers[1] == AiqCanceled(NOW, "sell", 40, "Q", 40, PRICE, "A")


REFUSED: dict[str, tuple[Inbound, str]] = {
    "stock": (enter("x", stock="NOPE"), "S"),
    "side": (enter("x", "X"), "O"),
    "no shares": (enter("x", shares=0), "O"),
    "too many": (enter("x", shares=100_010), "Z"),
    "lot": (enter("x", shares=15), "O"),
    "price": (enter("x", price=0), "X"),
    "tick": (enter("x", price=PRICE + 1), "X"),
    "display": (enter("x", display="Z"), "D"),
    "peg": (enter("x", display="M"), "O"),
    "retail": (enter("x", display="O"), "O"),
    "firm": (enter("x", firm="FRM9"), "L"),
    "minimum": (enter("x", minimum_quantity=50), "N"),
    "cross": (enter("x", cross_type="S"), "R"),
    "time": (enter("x", time_in_force=86400), "O"),
    "customer": (enter("x", customer_type="x"), "O"),
    "market order that rests": (enter("x", price=MARKET_PRICE), "O"),
    "replace of nothing": (ReplaceOrder("nothing", "x", 100, PRICE), "O"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_with_its_letter(exchange: Exchange, what: str) -> None:
    message, letter = REFUSED[what]
    alice = exchange.login("ALICE")
    (answer,) = say(exchange, alice, message)
    assert answer == Rejected(NOW, "x", letter)
    assert isinstance(answer, Rejected)
    assert answer.reason_text == ouch42.REJECT_REASONS[letter]
    assert isinstance(say(exchange, alice, enter("y"))[0], Accepted)


@pytest.mark.parametrize("message", [TradeNow("x"), ModifyOrder("x", "B", 50)])
def test_an_order_lives_on_after(exchange: Exchange, message: Inbound) -> None:
    alice = exchange.login("ALICE")
    say(exchange, alice, enter("x", "S"))
    (answer,) = say(exchange, alice, message)
    assert answer == CancelReject(NOW, "x")
    assert say(exchange, alice, CancelOrder("x")) == [Canceled(NOW, "x", 100, "U")]


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"Z", b"Q", enter("x").encode()[:-1], enter("x").encode() + b"x",
        ReplaceOrder("a", "b", 1, 1).encode()[:-1], CancelOrder("x").encode()[:-1],
        ModifyOrder("x", "S", 1).encode() + b"x", TradeNow("x").encode()[:-1],
        ouch.EnterOrder(1, "B", 100, "AAPL", PRICE).encode(),
    ],
)  # fmt: skip
def test_bytes_that_are_no_message(exchange: Exchange, payload: bytes) -> None:
    alice, steady = exchange.login("ALICE"), Steady(exchange)
    alice.raw(encode_packet(UNSEQUENCED, payload))
    exchange.until(lambda: alice.closed)
    assert alice.debug == ["the OUCH message cannot be read"]
    steady.trade()


def test_tokens_beyond_the_capacity_are_refused() -> None:
    with Exchange(Limits(tokens=2), rules={"ALICE": OLD}) as exchange:
        alice = exchange.login("ALICE")
        assert isinstance(say(exchange, alice, enter("a"))[0], Accepted)
        assert isinstance(say(exchange, alice, enter("b"))[0], Accepted)
        for token in ("c", "d"):
            assert say(exchange, alice, enter(token)) == [Rejected(NOW, token, "O")]
        assert say(exchange, alice, CancelOrder("a")) == [Canceled(NOW, "a", 100, "U")]
        exchange.port.validate()
