"""What must hold of a day behind it: journals, a replay, and what every client was told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ports.ouch import (
    EnterOrder,
    OrderAccepted,
    OrderExecuted,
    OrderRejected,
    SystemEvent,
)
from ringbus.journal import read_day
from tests.crash.plan import Plan
from tests.crash.trader import Trader
from tests.sim.checks import (
    Told,
    client_got_its_messages,
    groups_are_whole,
    numbers_are_dense,
    topics_are_in_order,
)
from tests.sim.ledger import Ledger
from tools.replay_day import replay_day
from tools.sections import JOURNALS


def check_all(directory: Path, plan: Plan, traders: Sequence[Trader]) -> NDArray[np.void]:
    """Every promise; returns the stream. Raises: AssertionError."""
    stream = read_day(directory / JOURNALS[0])
    for name in JOURNALS[1 : plan.copies]:
        other = read_day(directory / name)
        assert np.array_equal(stream, other), f"{name} holds another day"
    report = replay_day(directory / JOURNALS[0], verify=True)
    assert report.identical, str(report.divergence)
    assert report.unsaid == 0, "the day ends inside a group"
    numbers_are_dense(stream)
    topics_are_in_order(stream, plan.shards)
    groups_are_whole(stream)
    # Quantity, both sides of every trade, books that are not crossed.
    Ledger().take(stream)
    for trader in traders:
        _is_as_told(trader, stream)
    _trades_have_two_sides(traders)
    return stream


def _is_as_told(trader: Trader, stream: NDArray[np.void]) -> None:
    """Its list is its part of the stream, and every order of it was decided once."""
    assert isinstance(trader.got[0], SystemEvent), "the day begins with its start"
    payloads = [message.encode() for message in trader.got]
    client_got_its_messages(Told(trader.user, trader.topic, trader.sent, payloads), stream)
    decided = [one.user_ref for one in trader.got if isinstance(one, OrderAccepted | OrderRejected)]
    assert len(set(decided)) == len(decided), f"{trader.user}: an order was decided twice"
    entered = {one.user_ref for one in trader.sent if isinstance(one, EnterOrder)}
    assert entered <= set(decided), f"{trader.user}: an order was never decided"


def _trades_have_two_sides(traders: Sequence[Trader]) -> None:
    """Every trade was told to both, with the same price and quantity."""
    sides: dict[int, list[tuple[int, int]]] = {}
    for trader in traders:
        for one in trader.got:
            if isinstance(one, OrderExecuted):
                sides.setdefault(one.match_number, []).append((one.quantity, one.price))
    for match, told in sides.items():
        assert len(told) == 2, f"trade {match} was told to {len(told)} sides"
        assert told[0] == told[1], f"trade {match} was told in two ways"
