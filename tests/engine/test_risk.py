"""Market-wide limits: exact, atomic across shards, and a function of the stream."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from engine.fused import FusedEngine, Size
from engine.risk import Risk, RiskSize
from ringbus.messages import (
    COMMAND,
    EXECUTED,
    INSTRUMENT_NONE,
    REJECTED,
    SESSION_EVENT,
    CommandKind,
    MassCancelScope,
    RejectReason,
    RiskLimit,
    SessionEventKind,
    Side,
    Template,
    TradeChangeKind,
)
from ringbus.multicast import Reader
from tests.engine.parts import grouped
from tests.engine.risk_market import ACCOUNTS, FIRMS, OPERATOR, TABLE, Market
from tests.engine.trader import Lines, lines, new_order
from tools.console.trades import Trade, change


@pytest.mark.parametrize("shards", [1, 2, 4])
@pytest.mark.parametrize("seed", (1, 3, 4, 9))
def test_every_decision_is_that_of_an_engine_that_does_one_thing_at_a_time(
    shards: int, seed: int
) -> None:
    """R94: no limit is exceeded, none refuses too early, whatever is on its way where."""
    market = Market(seed, shards)
    market.run(6000)
    assert market.reasons[0] > 50
    assert len(market.reasons) > 2
    market.close()


@pytest.mark.parametrize("limit", RiskLimit)
def test_a_limit_that_is_alone_is_kept(limit: RiskLimit) -> None:
    """R94: what an owner may add before the next look at its limits is never too much of any."""
    refused = 0
    for seed in (limit, 10 + limit):
        market = Market(seed, 2, [limit])
        market.run(6000)
        refused += market.reasons[RejectReason.OPEN_LONG_LIMIT + limit - 1]
        market.close()
    assert refused > 0


def test_restrictions_and_rules_of_self_trade_are_kept_at_their_input_number() -> None:
    """R94: nobody gets past a restriction; who does not say does as its owner's rule says."""
    market = Market(6, 2)
    market.run(6000)
    assert market.reasons[RejectReason.RESTRICTED] > 0
    assert market.filled_in > 0
    market.close()


def test_a_bust_takes_back_what_its_trade_had_made() -> None:
    """Whatever is on its way; a correction takes nothing, one of too much is refused."""
    market = Market(2, 2)
    market.run(20_000)
    assert market.changes[Template.TRADE_CHANGE] > 5
    assert market.changes[Template.REJECTED] > 0
    market.close()


def test_a_replay_ends_with_the_same_state() -> None:
    market = Market(7, 2)
    market.run(3000)
    lines = np.concatenate(market.lines)
    again = Risk(TABLE, 2, 256, RiskSize(ACCOUNTS, FIRMS, 64), 16)
    for n in range(0, len(lines), 37):
        again.apply(lines[n : n + 37])
    again.verify()
    assert again.hash == market.risk.hash
    market.close()


def test_after_a_bust_its_owners_are_looked_at_whole() -> None:
    """R94: what an owner might still add before it is not what it may add with its old position."""
    risk = Risk(TABLE, 1, 256, RiskSize(ACCOUNTS, FIRMS, 64), 16)
    engine = FusedEngine(Size(len(TABLE), topics=16), risk=risk)
    reader = Reader(engine.ring)
    numbers: Counter[int] = Counter()

    def say(made: Lines) -> Lines:
        topic = int(made["topic"][0])
        made["topic_sequence"] = numbers[topic] + 1
        engine.propose(made)
        answer = reader.poll().copy()
        for line in answer[answer["template_id"] != Template.TRADE_PARTY]:
            number = int(line["topic_sequence"])
            numbers[int(line["topic"])] = max(numbers[int(line["topic"])], number)
        return answer

    def order(account: int, side: int, quantity: int = 10, price: int = 100) -> Lines:
        return say(
            new_order(account, 0, numbers[account] + 1, 0, side, price, quantity,
                      account=account, firm=account)
        )  # fmt: skip

    def command(kind: CommandKind, **fields: int) -> None:
        say(lines(COMMAND, Template.COMMAND, kind=kind, topic=OPERATOR, **fields))

    command(CommandKind.REFERENCE_PRICE, price_ticks=100)
    command(
        CommandKind.LIMIT, instrument=INSTRUMENT_NONE, scope=MassCancelScope.ACCOUNT, account=1,
        limit=RiskLimit.NET_POSITION, value=2_500,
    )  # fmt: skip
    order(2, Side.SELL)
    order(1, Side.BUY)
    order(2, Side.BUY)
    sold = order(1, Side.SELL)
    assert risk.account(1).net == 0
    assert order(1, Side.BUY, 600, 1)["template_id"][0] == Template.NEW_ORDER
    sides = sold[sold["template_id"] == Template.EXECUTED].view(EXECUTED)
    trade = Trade(sides, 100, notional_1e4=[1000, 1000])
    bust = grouped(change(trade, TradeChangeKind.BUST, 100, b"E"))
    bust["topic"] = OPERATOR
    assert say(bust)["template_id"][0] == Template.TRADE_CHANGE
    assert risk.account(1).net == 1000
    refused = order(1, Side.BUY, 16)
    assert refused["template_id"][0] == Template.REJECTED
    assert refused.view(REJECTED)["reason"][0] == RejectReason.NET_POSITION_LIMIT
    engine.close()


def test_who_waited_for_a_rule_holds_nobody_up_once_it_is_true() -> None:
    """What only waited for a rule needs no look when that is true; others go on behind it."""
    risk = Risk(TABLE, 1, 64, RiskSize(ACCOUNTS, FIRMS, 64), 16)
    # So few slots that the sequencer reads what is published before it looks at its lanes.
    size = Size(len(TABLE), 1, topics=16, contributors=3, orders=64, stream_slots=16)
    engine, turns = FusedEngine(size, risk=risk), 7
    reader = Reader(engine.ring)
    rule = lines(
        COMMAND,
        Template.COMMAND,
        instrument=INSTRUMENT_NONE,
        kind=CommandKind.LIMIT,
        limit=RiskLimit.OPEN_ORDERS,
        scope=MassCancelScope.ACCOUNT,
        account=1,
        value=5,
        topic_sequence=turns,
    )

    def event(topic: int, number: int) -> Lines:
        kind, none = SessionEventKind.LOGIN, INSTRUMENT_NONE
        of = Template.SESSION_EVENT
        out = lines(SESSION_EVENT, of, instrument=none, kind=kind, topic_sequence=number)
        out["topic"] = topic
        return out

    # One of each a turn: in the last one the rule is first.
    for number in range(1, turns + 1):
        assert engine.offer(event(0, number) if number < turns else rule, 0) == 1
        assert engine.offer(event(1, number), 1) == 1
    engine.settle()
    assert engine.offer(event(2, 1), 2) == 1
    engine.settle()
    assert reader.poll()["topic"].tolist() == [0, 1] * turns + [2]
    engine.close()
