"""Market-wide limits: exact, atomic across shards, and a function of the stream."""

from __future__ import annotations

import numpy as np
import pytest

from engine.risk import Risk, RiskSize
from ringbus.messages import RejectReason, RiskLimit, Template
from tests.engine.risk_market import ACCOUNTS, FIRMS, TABLE, Market


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
