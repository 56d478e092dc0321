"""Every reason for a refusal, over real sockets in OUCH 5.0 and FIX: tests/ports/reasons.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from ports.ouch import EnterOrder, OrderAccepted, OrderRejected
from ringbus.messages import COMMAND, REJECT, REJECTED, RejectReason, Template
from tests.ports import reasons
from tests.ports.exchange import Exchange, said
from tests.ports.fix_client import order
from tests.ports.fix_exchange import FixExchange
from tests.ports.reasons import CXL_REJ, ROWS, Row, Told
from tests.ports.venue import PRICE

OUCH = [one for one in ROWS if isinstance(one.ouch, Told)]
FIX = [one for one in ROWS if isinstance(one.fix, Told)]


def obey(row: Row, intrude: Callable[[NDArray[np.void]], None]) -> None:
    """The operator's commands, each taken."""
    for number, command in enumerate(row.commands, 1):
        one = command.copy()
        one["topic_sequence"] = number
        intrude(one)


def refused(stream: NDArray[np.void]) -> list[RejectReason]:
    """What the stream says of refusals: a port's, the sequencer's, the book's."""
    ports = stream["template_id"] == Template.REJECT
    others = stream["template_id"] == Template.REJECTED
    told = stream[ports].view(REJECT)["reason"], stream[others].view(REJECTED)["reason"]
    return [RejectReason(one) for one in np.concatenate(told)]


def obeyed(row: Row, stream: NDArray[np.void]) -> bool:
    operators = stream[stream["topic"] == 0].view(COMMAND)["template_id"]
    return len(operators) >= len(row.commands) and Template.REJECTED not in operators


@pytest.mark.parametrize("row", OUCH, ids=[one.reason.name for one in OUCH])
def test_in_ouch(row: Row) -> None:
    """R29, R94: the stream has the reason, the client the number."""
    assert isinstance(row.ouch, Told)
    assert not isinstance(row.ouch.message, Mapping)
    with Exchange(rules={"ALICE": row.rules}, engine=row.setup) as exchange:
        alice = exchange.login()
        if row.meets:
            bob = exchange.login("BOB")
            said(OrderAccepted, exchange.say(bob, EnterOrder(1, "S", 100, "AAPL", PRICE))[0])
        obey(row, exchange.intrude)
        for number in range(row.first):
            good = EnterOrder(number + 1, "B", 100, "AAPL", PRICE)
            said(OrderAccepted, exchange.say(alice, good)[0])
        if row.before is not None:
            exchange.say(alice, row.before)
        answer = said(OrderRejected, exchange.say(alice, row.ouch.message)[0])
        assert answer.reason == row.ouch.code, answer.reason_text
        stream = exchange.stream()
        assert refused(stream) == [row.reason]
        assert obeyed(row, stream)
        exchange.port.validate()


@pytest.mark.parametrize("row", FIX, ids=[one.reason.name for one in FIX])
def test_in_fix(row: Row) -> None:
    """R29, R94: the stream has the reason, the client the number and the words."""
    assert isinstance(row.fix, Told)
    assert isinstance(row.fix.message, Mapping)
    with FixExchange(engine=row.setup, **row.rules) as exchange:
        alice = exchange.login()
        if row.meets:
            bob = exchange.login("BOB")
            bob.send("D", *order("S", "2"))
            assert bob.one("8")[39] == "0"
        obey(row, exchange.intrude)
        for _ in range(row.first):
            alice.send("D", *order("A"))
            assert alice.one("8")[39] == "0"
        is_change = row.fix.tag == CXL_REJ
        alice.send("G" if is_change else "D", *order("A", **row.fix.message))
        answer = alice.one("9" if is_change else "8")
        assert (int(answer[row.fix.tag]), answer[58]) == (row.fix.code, reasons.text(row.reason))
        assert answer[39] == "8"
        stream = exchange.stream()
        assert refused(stream) == [row.reason]
        assert obeyed(row, stream)


def test_every_reason_has_its_row() -> None:
    assert [one.reason for one in ROWS] == list(RejectReason)


def test_the_page_is_fresh() -> None:
    assert reasons.PAGE.read_text() == reasons.page(), "python -m tests.ports.reasons"
