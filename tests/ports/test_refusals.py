"""Every bad message over a real socket, and what it got: the list is tests/ports/refusals.py."""

from __future__ import annotations

import pytest

from ports.client import Limits
from ports.ouch import (
    CancelOrder,
    CancelReject,
    DisableOrderEntry,
    DisableOrderEntryResponse,
    EnterOrder,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
)
from ports.soup import UNSEQUENCED, LoginRequest, encode_packet
from ringbus.messages import (
    COMMAND,
    REJECT,
    CommandKind,
    InstrumentState,
    RejectReason,
    Template,
)
from tests.ports import refusals
from tests.ports.exchange import Client, Exchange, Steady
from tests.ports.refusals import REFUSALS, SILENT, Refusal, enter, replace
from tests.ports.venue import PRICE, line

NO_PACKET = "the bytes are not a SoupBinTCP packet"
NO_MESSAGE = "the OUCH message cannot be read"
FIRST = "the first packet must be a login request"
GOOD = enter().encode()
CUT_OFF: dict[str, tuple[bytes, str]] = {
    "bytes that are no packet": (b"\xff\xfe\xfd GET / HTTP/1.1\r\n\r\n", NO_PACKET),
    "a packet of length 0": (b"\0\0", NO_PACKET),
    "a packet longer than any request": (b"\xff\xffU", NO_PACKET),
    "a packet of the server's": (encode_packet(b"S", b"x"), NO_PACKET),
    "a heartbeat with a payload": (b"\0\2Rx", NO_PACKET),
    "a second login": (LoginRequest("ALICE", "SECRET").encode(), "already logged in"),
    "a message of no known type": (encode_packet(UNSEQUENCED, b"Z123"), NO_MESSAGE),
    "an empty message": (encode_packet(UNSEQUENCED), NO_MESSAGE),
    "an Enter Order that is a byte short": (encode_packet(UNSEQUENCED, GOOD[:-1]), NO_MESSAGE),
    "an Enter Order that is a byte long": (encode_packet(UNSEQUENCED, GOOD + b"x"), NO_MESSAGE),
    "an appendage that does not add up": (
        encode_packet(UNSEQUENCED, GOOD[:45] + b"\0\3\2\2L"),
        NO_MESSAGE,
    ),
    "a known option of another size": (
        encode_packet(UNSEQUENCED, GOOD[:45] + b"\0\4\3\2LI"),
        NO_MESSAGE,
    ),
    "a Cancel that is a byte long": (
        encode_packet(UNSEQUENCED, CancelOrder(1).encode() + b"x"),
        NO_MESSAGE,
    ),
    "a Mass Cancel that is a byte short": (
        encode_packet(UNSEQUENCED, b"C" + bytes(17)),
        NO_MESSAGE,
    ),
}


def open_one(client: Client, exchange: Exchange) -> None:
    """The order that every case finds."""
    (accepted,) = exchange.say(client, EnterOrder(refusals.OPEN, "S", 100, "AAPL", PRICE))
    assert isinstance(accepted, OrderAccepted)


def check_refused(exchange: Exchange, client: Client, refusal: Refusal) -> None:
    """Send it: the client hears the number, the stream has the reason, nothing else happens."""
    (answer,) = exchange.say(client, refusal.message)
    if refusal.number is None:
        assert isinstance(answer, CancelReject), answer
    else:
        assert isinstance(answer, OrderRejected), answer
        assert answer.reason == refusal.number, answer.reason_text
        assert answer.clordid == getattr(refusal.message, "clordid", "")
    assert answer.user_ref == getattr(refusal.message, "user_ref")  # noqa: B009
    stream = exchange.stream().view(REJECT)
    refused = stream[(stream["template_id"] == Template.REJECT)
                     | (stream["template_id"] == Template.REJECTED)]  # fmt: skip
    assert [RejectReason(one) for one in refused["reason"]] == [refusal.reason]


@pytest.mark.parametrize("refusal", REFUSALS, ids=[one.what for one in REFUSALS])
def test_it_is_refused_with_its_reason(refusal: Refusal) -> None:
    """R36, R58: the order that was open is as it was, and so is everybody else."""
    with Exchange(rules={"ALICE": refusal.rules}) as exchange:
        alice, steady = exchange.login(), Steady(exchange)
        if "notional_max_1e4" in refusal.rules:
            (accepted,) = exchange.say(alice, EnterOrder(1, "S", 10, "AAPL", PRICE))
            assert isinstance(accepted, OrderAccepted)
            check_refused(exchange, alice, refusal)
            return
        open_one(alice, exchange)
        check_refused(exchange, alice, refusal)
        steady.trade()
        (canceled,) = exchange.say(alice, CancelOrder(refusals.OPEN))
        assert isinstance(canceled, OrderCanceled)
        assert canceled.quantity == 100
        exchange.port.validate()


@pytest.mark.parametrize("what", [what for what, _ in SILENT])
def test_it_is_ignored(what: str) -> None:
    message = dict(SILENT)[what]()
    with Exchange() as exchange:
        alice = exchange.login()
        open_one(alice, exchange)
        counts = exchange.port.counts
        alice.send(message)
        exchange.settle()
        assert len(alice.messages) == 1
        after = exchange.port.counts
        ignored = ("duplicate requests", "requests without effect")
        assert sum(after[name] - counts[name] for name in ignored) == 1
        assert after["proposals"] == counts["proposals"]


@pytest.mark.parametrize("what", CUT_OFF)
def test_it_ends_the_connection(what: str) -> None:
    data, why = CUT_OFF[what]
    with Exchange() as exchange:
        alice, steady = exchange.login(), Steady(exchange)
        open_one(alice, exchange)
        alice.raw(data)
        exchange.until(lambda: alice.closed)
        assert alice.debug == [why]
        assert exchange.port.counts["malformed connections"] == 1
        steady.trade()
        # The session goes on, its open order too.
        alice = exchange.login(next_sequence=2)
        (canceled,) = exchange.say(alice, CancelOrder(refusals.OPEN))
        assert isinstance(canceled, OrderCanceled)


def test_entry_that_its_client_has_disabled() -> None:
    by_state = {what: number for what, _, number in refusals.BY_STATE}
    with Exchange() as exchange:
        alice = exchange.login()
        open_one(alice, exchange)
        (disabled,) = exchange.say(alice, DisableOrderEntry(2))
        assert isinstance(disabled, DisableOrderEntryResponse)
        for message, what in (
            (enter(user_ref=3), "an order after Disable Order Entry"),
            (replace(user_ref=4), "a Replace after Disable Order Entry"),
        ):
            (answer,) = exchange.say(alice, message)
            assert isinstance(answer, OrderRejected)
            assert answer.reason == by_state[what]


@pytest.mark.parametrize("state", [InstrumentState.HALTED, InstrumentState.CLOSED])
def test_an_instrument_that_does_not_trade(state: InstrumentState) -> None:
    with Exchange() as exchange:
        alice = exchange.login()
        exchange.intrude(
            line(
                COMMAND, Template.COMMAND, 0, 1, instrument=0,
                kind=CommandKind.INSTRUMENT_STATE, state=state,
            )
        )  # fmt: skip
        (answer,) = exchange.say(alice, enter())
        assert isinstance(answer, OrderRejected)
        assert answer.reason == 7


def test_orders_beyond_the_capacity() -> None:
    with Exchange(Limits(orders=1)) as exchange:
        alice = exchange.login()
        open_one(alice, exchange)
        (answer,) = exchange.say(alice, enter())
        assert isinstance(answer, OrderRejected)
        assert answer.reason == 10


def test_the_page_is_fresh() -> None:
    made = refusals.page({what: why for what, (_, why) in CUT_OFF.items()})
    assert refusals.PAGE.read_text() == made, "python -m tests.ports.refusals"


def test_every_number_of_ouch_that_has_a_meaning_here_was_tried() -> None:
    """The others cannot happen on this exchange, and are named with why."""
    cannot = {
        1: "no quotes of other markets", 2: "a closed book says halted (7)",
        6: "an instrument's rule: reasons.md",
        8: "no other markets", 11: "cancels do not wait", 14: "crosses need no reference price",
        16: "every cancel is taken", 24: "no test symbols", 25: "no late orders for a cross",
        27: "no midpoint orders", 28: "no destinations",
    }  # fmt: skip
    tried = {one.number for one in REFUSALS} | {number for _, _, number in refusals.BY_STATE}
    assert tried - {None} == set(range(1, 32)) - set(cannot)
