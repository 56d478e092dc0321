"""Busts and corrections of trades: what the engine says to both parties, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from engine.fused import FusedEngine, Size
from engine.passive import PassiveEngine
from ringbus.messages import (
    EXECUTED,
    INSTRUMENT_NONE,
    ORDER_TAG,
    REJECTED,
    TRADE_CHANGED,
    TRADE_PARTY,
    Flag,
    RejectReason,
    Side,
    Template,
    TradeChangeKind,
)
from ringbus.multicast import Reader
from ringbus.texts import texts
from tests.engine.parts import Lines, grouped, templates, view
from tests.engine.trader import new_order, tagged
from tools.console.record import AUTHOR_BYTES_MAX, REASON_BYTES_MAX
from tools.console.trades import Trade, change

OPERATOR = 9
WHO = texts("ann", 1000, "INC-7")


class Exchange:
    """An engine in which topic 2 has bought 10 of topic 1."""

    def __init__(self) -> None:
        self.engine = FusedEngine(Size(instruments=4, contributors=1, topics=10))
        self.reader = Reader(self.engine.ring)
        self.stream: list[Lines] = []
        self.say(new_order(1, 1, 71, 2, Side.SELL, account=5, firm=6))
        self.trade = self.say(new_order(2, 1, 72, 2, account=7, firm=8))[1:]

    def say(self, group: Lines) -> Lines:
        self.engine.propose(group)
        self.stream.append(self.reader.poll().copy())
        return self.stream[-1]

    def change(
        self,
        kind: TradeChangeKind = TradeChangeKind.BUST,
        price_ticks: int = 100,
        reason: bytes = b"E",
        number: int = 1,
        who: Lines = WHO,
    ) -> Lines:
        """A proposal that is right."""
        seen = Trade(view(self.trade, EXECUTED), 100, [b"buy", b""], [10_000, 10_000])
        out = grouped(change(seen, kind, price_ticks, reason), who)
        out["topic"], out["topic_sequence"] = OPERATOR, number
        return out


def test_a_bust_is_told_on_both_topics() -> None:
    """R47: both parties are told at once, each with its own order's text and number."""
    exchange = Exchange()
    answer = exchange.say(exchange.change())
    told = [Template.TRADE_CHANGED, Template.ORDER_TAG]
    asked = [Template.TRADE_CHANGE, *[Template.TRADE_PARTY, Template.ORDER_TAG] * 2]
    assert templates(answer) == [*asked, Template.TEXT, *told, *told]
    assert answer["topic"].tolist() == [OPERATOR] * 6 + [2, 2, 1, 1]
    assert answer["topic_sequence"].tolist() == [1] * 6 + [3] * 4
    made, goes_on = Flag.GENERATED, Flag.CONTINUED
    flags = [*[goes_on] * 5, 0, made | goes_on, made, made | goes_on, made | Flag.LAST_OF_GROUP]
    assert answer["flags"].tolist() == flags
    assert answer["publisher"].tolist() == [1] * 6 + [0] * 4
    both = view(answer[[6, 8]], TRADE_CHANGED)
    match = int(exchange.trade["sequence"][0])
    names = ["instrument", "price_ticks", "quantity", "match", "kind", "reason"]
    assert both[names].tolist() == [(2, 100, 10, match, TradeChangeKind.BUST, b"E")] * 2
    names = ["side", "liquidity", "client_order_id", "account", "firm"]
    assert both[names].tolist() == [(Side.BUY, b"R", 72, 7, 8), (Side.SELL, b"A", 71, 5, 6)]
    tags = view(answer[[7, 9]], ORDER_TAG)
    assert tags[["text", "total_quantity"]].tolist() == [(b"buy", 100), (b"", 100)]


def test_a_correction_says_the_new_price_and_the_one_before() -> None:
    exchange = Exchange()
    answer = exchange.say(exchange.change(TradeChangeKind.CORRECT, 90, b"N"))
    both = view(answer[[6, 8]], TRADE_CHANGED)
    assert both["price_ticks"].tolist() == [90, 90]
    assert both["kind"].tolist() == [TradeChangeKind.CORRECT] * 2
    assert view(answer[[7, 9]], ORDER_TAG)["total_quantity"].tolist() == [100, 100]
    # What comes on the parties' topics next has the number behind it.
    number = int(exchange.say(new_order(1, 4, 73, 2))["topic_sequence"][0])
    assert number == 4


def test_who_has_not_heard_of_another_change_is_dropped() -> None:
    """The lock by which a trade is changed by nobody but who knows what became of it."""
    exchange = Exchange()
    assert len(exchange.say(exchange.change())) == 10
    assert len(exchange.say(exchange.change())) == 0
    assert len(exchange.say(exchange.change(number=2))) == 10


def _set(group: Lines, row: int, name: str, value: object) -> Lines:
    dtype = TRADE_PARTY if row else TRADE_CHANGED
    out = group.copy()
    rows = out[row : row + 1].view(dtype)
    rows[name] = value
    return out


INVALID_TRADE = RejectReason.INVALID_TRADE


@pytest.mark.parametrize(
    ("row", "name", "value", "reason"),
    [
        (0, "instrument", 4, RejectReason.UNKNOWN_INSTRUMENT),
        (0, "instrument", INSTRUMENT_NONE, RejectReason.UNKNOWN_INSTRUMENT),
        (0, "price_ticks", 0, RejectReason.INVALID_PRICE),
        (0, "price_ticks", 1 << 30, RejectReason.INVALID_PRICE),
        (0, "match", 0, INVALID_TRADE),
        (0, "quantity", 0, INVALID_TRADE),
        (0, "quantity", 11, INVALID_TRADE),
        (1, "instrument", 1, INVALID_TRADE),
        (1, "session", 0, INVALID_TRADE),
        (1, "session", 10, INVALID_TRADE),
        (1, "side", Side.SELL, INVALID_TRADE),
        (1, "side", 3, INVALID_TRADE),
        (3, "quantity", 9, INVALID_TRADE),
        (3, "notional_1e4", 0, INVALID_TRADE),
    ],
)
def test_what_contradicts_itself_is_refused(
    row: int, name: str, value: int, reason: RejectReason
) -> None:
    exchange = Exchange()
    answer = exchange.say(_set(exchange.change(), row, name, value))
    assert templates(answer)[0] == Template.REJECTED
    assert Template.TRADE_CHANGED not in templates(answer)
    assert view(answer[:1], REJECTED)["reason"][0] == reason
    assert view(answer[:1], REJECTED)["refused_template"][0] == Template.TRADE_CHANGE


@pytest.mark.parametrize(
    ("kind", "letter"),
    [(TradeChangeKind.BUST, b"N"), (TradeChangeKind.CORRECT, b"E"), (0, b"E"), (3, b"N")],
)
def test_a_change_has_a_reason_of_its_kind(kind: int, letter: bytes) -> None:
    exchange = Exchange()
    proposal = exchange.change()
    head = proposal[:1].view(TRADE_CHANGED)
    # Both have the quantity last, and the reason before it.
    raw = head.view(np.uint8)
    raw[32 + 24], raw[32 + 25] = kind, letter[0]
    answer = exchange.say(proposal)
    assert view(answer[:1], REJECTED)["reason"].tolist() == [INVALID_TRADE]


@pytest.mark.parametrize("lines_left", [1, 3, 4])
def test_a_change_without_both_parties_is_no_proposal(lines_left: int) -> None:
    exchange = Exchange()
    part = exchange.change()[:lines_left]
    part["flags"][-1] = Flag.LAST_OF_GROUP
    answer = exchange.say(part)
    assert templates(answer) == [Template.REJECTED]
    assert view(answer, REJECTED)["reason"].tolist() == [RejectReason.INVALID_PROPOSAL]


LONGEST = texts("a" * AUTHOR_BYTES_MAX, 2**32 - 1, "r" * REASON_BYTES_MAX)


def test_the_longest_author_and_reason_fit_behind_a_change() -> None:
    exchange = Exchange()
    answer = exchange.say(exchange.change(who=LONGEST))
    behind = templates(answer)[5:-4]
    assert behind == [Template.TEXT] * len(LONGEST)
    assert len(behind) == 9
    assert templates(answer).count(Template.TRADE_CHANGED) == 2


def test_the_passive_engine_says_it_too_wherever_the_active_one_died() -> None:
    exchange = Exchange()
    exchange.say(tagged(new_order(2, 3, 80), b"before"))
    exchange.say(exchange.change(who=LONGEST))
    exchange.say(new_order(1, 4, 81))
    stream = np.concatenate(exchange.stream)
    for cut in range(1, len(stream)):
        with PassiveEngine(exchange.engine.size, bytes(4)) as passive:
            passive.feed(stream[:cut])
            ahead = passive.ahead
            assert ahead.tobytes() == stream[cut : cut + len(ahead)].tobytes()
            passive.feed(stream[cut:])
            assert passive.lines == len(stream)
