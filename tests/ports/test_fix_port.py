"""The FIX port over real TCP sockets, with the real engine behind it: orders and their reports."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ports.fix import time_text
from tests.ports.exchange import START_NS
from tests.ports.fix_exchange import FIX42, FIX44, FixExchange, order


@pytest.fixture
def exchange() -> Iterator[FixExchange]:
    with FixExchange() as made:
        yield made


@pytest.mark.parametrize("begin", [FIX42, FIX44])
def test_an_order_lives_and_dies(exchange: FixExchange, begin: str) -> None:
    alice, bob = exchange.login("ALICE", begin), exchange.login("BOB", begin)
    alice.send("D", *order("A-1"))
    new = alice.one("8")
    assert {tag: new[tag] for tag in (11, 14, 38, 39, 44, 54, 55, 150, 151)} == {
        11: "A-1", 14: "0", 38: "100", 39: "0", 44: "1.5", 54: "1", 55: "AAPL", 150: "0", 151: "100"
    }  # fmt: skip
    bob.send("D", *order("B-1", "5", "40", "1.45"))
    sold, traded = bob.take(2)
    assert (sold[39], sold[54], traded[39]) == ("0", "5", "2")
    bought = alice.one("8")
    assert (bought[31], bought[32], bought[6], bought[14], bought[151]) == (
        "1.5", "40", "1.5", "40", "60",
    )  # fmt: skip
    assert bought[150] == ("1" if begin == FIX42 else "F")
    alice.send(
        "F",
        (11, "A-2"),
        (38, "100"),
        (41, "A-1"),
        (54, "1"),
        (55, "AAPL"),
        (60, time_text(START_NS)),
    )
    canceled = alice.one("8")
    assert (canceled[11], canceled[41], canceled[39], canceled[151], canceled[14]) == (
        "A-2", "A-1", "4", "0", "40",
    )  # fmt: skip
