"""What clients and market data are told when a trade is void or has another price."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.fused import FusedEngine, Size
from ports import itch, ouch, ouch42
from ports.fix import FIX42, FIX44
from ports.market import MarketData, MarketSize
from ports.market_book import MarketBook
from ringbus.messages import EXECUTED, ORDER_TAG, Side, Template, TradeChangeKind
from ringbus.multicast import Reader
from ringbus.texts import texts
from tests.engine.parts import grouped
from tests.engine.trader import new_order
from tests.ports.exchange import Exchange
from tests.ports.fix_client import order
from tests.ports.fix_exchange import FixExchange
from tests.ports.market_day import opening
from tests.ports.venue import PRICE, TICK
from tools.console.trades import Trade, change

Lines = NDArray[np.void]
WHO = texts("ann", 1000, "INC-7")
BUST, CORRECT = TradeChangeKind.BUST, TradeChangeKind.CORRECT


def changed(
    stream: Lines, kind: TradeChangeKind, to_ticks: int, texts: list[bytes], topic: int = 0
) -> Lines:
    """The operator's word about the last trade of the stream, which has `to_ticks` from now on."""
    sides = stream[stream["template_id"] == Template.EXECUTED][-2:].view(EXECUTED)
    before = stream[stream["template_id"] == Template.TRADE_CHANGED].view(EXECUTED)
    price = int((before if len(before) else sides)["price_ticks"][-1])
    seen = Trade(sides.copy(), price, texts, [1, 1])
    reason = b"X" if kind is BUST else b"N"
    out = grouped(change(seen, kind, price if kind is BUST else to_ticks, reason), WHO)
    own = stream[(stream["topic"] == topic) & (stream["shard"] == seen.shard)]
    out["topic"] = topic
    out["topic_sequence"] = int(own["topic_sequence"].max(initial=0)) + 1
    return out


def text_of(stream: Lines, topic: int) -> bytes:
    """The last tag on a topic."""
    tags = stream[(stream["template_id"] == Template.ORDER_TAG) & (stream["topic"] == topic)]
    return bytes(tags.view(ORDER_TAG)["text"][-1])


@pytest.mark.parametrize("begin", [FIX42, FIX44])
def test_fix_clients_hear_of_corrections_and_of_a_bust(begin: str) -> None:
    """Sums of the order and its average price follow; each names the report before it."""
    with FixExchange() as exchange:
        alice, bob = exchange.login("ALICE", begin), exchange.login("BOB", begin)
        alice.send("D", *order("A-1", "1", "100", "1.5"))
        alice.one("8")
        bob.send("D", *order("B-1", "2", "40", "1.5"))
        _, sold = bob.take(2)
        bought = alice.one("8")
        texts = [text_of(exchange.stream(), 2), text_of(exchange.stream(), 1)]
        exchange.intrude(changed(exchange.stream(), CORRECT, 140, texts))
        first = alice.one("8"), bob.one("8")
        exchange.intrude(changed(exchange.stream(), CORRECT, 145, texts))
        second = alice.one("8"), bob.one("8")
        exchange.intrude(changed(exchange.stream(), BUST, 0, texts))
        void = alice.one("8"), bob.one("8")
        for before, told, price in (
            ((bought, sold), first, "1.4"),
            (first, second, "1.45"),
        ):
            for one, other in zip(before, told, strict=True):
                assert (other[19], other[11]) == (one[17], one[11])
                assert (other[31], other[32], other[6], other[14]) == (price, "40", price, "40")
        for one, other in zip(second, void, strict=True):
            assert (other[19], other[14], other[6]) == (one[17], "0", "0")
        assert (void[0][151], void[0][39]) == ("60", "0")
        assert (void[1][151], void[1][11]) == ("0", "B-1")
        if begin == FIX44:
            assert [one[150] for one in (first[0], second[1], void[0])] == ["G", "G", "H"]
            assert len({one[527] for one in (bought, sold, *first, *second, *void)}) == 1
        else:
            assert [one[20] for one in (first[0], second[1], void[0])] == ["2", "2", "1"]
        # A successor tells the same.
        raw = exchange.port.desk.by_user["ALICE"].sent
        exchange.restart_port()
        assert exchange.port.desk.by_user["ALICE"].sent == raw


def test_ouch_42_clients_hear_of_it_under_their_tokens() -> None:
    with Exchange(rules={"ALICE": {"protocol": "ouch42"}}) as exchange:
        alice, bob = exchange.login("ALICE"), exchange.login("BOB")
        enter = ouch42.EnterOrder("mine", "S", 30, "AAPL", PRICE)
        alice.raw(alice.session.unsequenced(enter.encode()))
        exchange.until(lambda: len(alice.messages) == 1)
        exchange.say(bob, ouch.EnterOrder(1, "B", 30, "AAPL", PRICE, clordid="his"), 2)
        exchange.until(lambda: len(alice.messages) == 2)
        texts = [text_of(exchange.stream(), 2), text_of(exchange.stream(), 1)]
        for kind, to_ticks in ((CORRECT, PRICE // TICK - 2), (BUST, 0)):
            exchange.intrude(changed(exchange.stream(), kind, to_ticks, texts))
        exchange.until(lambda: len(alice.messages) == 4)
        _, executed, corrected, broken = [ouch42.decode_outbound(m.payload) for m in alice.messages]
        assert isinstance(executed, ouch42.Executed)
        match, now = executed.match_number, executed.timestamp_ns
        price = PRICE - 2 * TICK
        assert corrected == ouch42.TradeCorrection(now, "mine", 30, price, "A", match, "N")
        assert broken == ouch42.BrokenTrade(now, "mine", match, "X")
        exchange.until(lambda: len(bob.messages) == 4)
        his = [ouch.decode_outbound(m.payload) for m in bob.messages[2:]]
        assert his == [
            ouch.TradeCorrection(now, 1, 30, price, "R", match, "N", "his"),
            ouch.BrokenTrade(now, 1, match, "X", "his"),
        ]


def test_market_data_says_that_a_trade_is_broken() -> None:
    """R47: under the number that it was told by; a correction says the trade again behind it."""
    engine = FusedEngine(Size(instruments=2, contributors=1, topics=10))
    reader = Reader(engine.ring)
    market = MarketData("DAY1", MarketSize(2, 1, 1 << 16, 1 << 20, 1 << 16))
    stream = np.zeros(0, EXECUTED)

    def say(group: Lines) -> None:
        nonlocal stream
        engine.propose(group)
        new = reader.poll().copy()
        market.hear(new)
        stream = np.concatenate((stream.view(new.dtype), new))

    for n, line in enumerate(opening(2)):
        definition = np.array([line])
        definition["topic_sequence"] = n + 1
        say(definition)
    say(new_order(1, 1, 1, 1, Side.SELL))
    say(new_order(2, 1, 2, 1))
    match = int(stream[stream["template_id"] == Template.EXECUTED]["sequence"][0])
    before = market.messages
    say(changed(stream, CORRECT, 90, [b"", b""]))
    say(changed(stream, BUST, 0, [b"", b""]))
    book = MarketBook()
    said = [itch.decode(one) for one in itch.split(market.copy(1))]
    for one in said:
        book.apply(one)
    told = said[before:]
    assert [one.kind for one in told] == ["B", "P", "B"]
    assert {one.number("match") for one in told} == {match}
    assert (told[1].number("price"), told[1].number("shares")) == (90, 10)
    assert told[1].locate == 2
    market.close()
    engine.close()
