"""Market-wide limits: exact, atomic across shards, and a function of the stream."""

from __future__ import annotations

import numpy as np
import pytest

from engine.risk import Risk, RiskSize
from ringbus.messages import Template
from tests.engine.risk_market import ACCOUNTS, FIRMS, TABLE, Market


@pytest.mark.parametrize("shards", [1, 2, 4])
@pytest.mark.parametrize("seed", range(4))
def test_every_decision_is_that_of_an_engine_that_does_one_thing_at_a_time(
    shards: int, seed: int
) -> None:
    """R94: no limit is exceeded, none refuses too early, whatever is on its way where."""
    market = Market(seed, shards)
    market.run(6000)
    assert market.reasons[0] > 50
    assert len(market.reasons) > 2
    market.close()


def test_a_bust_takes_back_what_its_trade_had_made() -> None:
    """Whatever is on its way; a correction takes nothing, one of too much is refused."""
    market = Market(1, 2)
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
