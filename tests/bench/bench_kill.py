"""A kill, through the whole engine: how long to the last cancel, and how many a second.

usage: python -m tests.bench.bench_kill [rounds] [orders]

`orders` are open of the killed session, account or firm, and as many of somebody else (of all, none
of anybody else). Sequencer with limits, shard, book and publisher share this process's core; from
the kill on its lane to the last Canceled on the stream, in CPU time.
"""

from __future__ import annotations

import statistics
import sys

# An exception to the rule against time: this is a benchmark.
import time

import numpy as np
from numpy.typing import NDArray

from engine.fused import FusedEngine, Size
from engine.risk import Risk, RiskInstrument, RiskSize
from ringbus.messages import (
    CANCELED,
    INSTRUMENT_NONE,
    MASS_CANCEL,
    MESSAGE,
    NEW_ORDER,
    CancelReason,
    MassCancelScope,
    Template,
    TimeInForce,
)
from ringbus.multicast import Reader

SEED = 88172645463325252
ROUNDS, ORDERS = 5, 100_000
BATCH = 4096
TOUCH, AWAY = 5_000, 40
SCOPES = (
    MassCancelScope.SESSION,
    MassCancelScope.ACCOUNT,
    MassCancelScope.FIRM,
    MassCancelScope.EVERYTHING,
)


def orders(count: int, topic: int, first: int, instruments: int) -> NDArray[np.void]:
    """Of one session, whose account and firm have its number; no two trade."""
    dice = np.random.default_rng(SEED + topic)
    out: NDArray[np.void] = np.zeros(count, NEW_ORDER)
    out["template_id"], out["topic"] = Template.NEW_ORDER, topic
    out["account"] = out["firm"] = topic
    out["topic_sequence"] = out["client_order_id"] = np.arange(first, first + count)
    out["instrument"] = dice.integers(0, instruments, count)
    out["side"] = dice.integers(1, 3, count)
    away = dice.integers(0, AWAY, count)
    out["price_ticks"] = np.where(out["side"] == 1, TOUCH - 1 - away, TOUCH + away)
    out["quantity"], out["time_in_force"] = 100, TimeInForce.DAY
    return out.view(MESSAGE)


def full(instruments: int, count: int, others: int, pool: int) -> tuple[FusedEngine, Risk]:
    """An engine with so many open orders, those of topics 1 and 2 mixed."""
    size = Size(instruments, 1, 8, 1, 1 << 18, 1 << 13, pool, 16 * instruments + 1024)
    table = [RiskInstrument(100, 10_000)] * instruments
    owners = RiskSize(8, 8, 1 << 17)
    risk = Risk(table, 1, pool, owners, 8)
    engine = FusedEngine(size, risk=risk)
    for at in range(0, max(count, others), BATCH):
        for topic, most in ((1, count), (2, others)):
            if at < most:
                engine.propose(orders(min(BATCH, most - at), topic, at + 1, instruments))
    return engine, risk


def kill(engine: FusedEngine, scope: MassCancelScope) -> float:
    """Seconds to the last cancel."""
    line = np.zeros(1, MASS_CANCEL)
    line["template_id"], line["instrument"] = Template.MASS_CANCEL, INSTRUMENT_NONE
    line["scope"], line["topic_sequence"] = scope | MassCancelScope.KILL, 1
    line["session"] = line["account"] = line["firm"] = 1
    engine.offer(line.view(MESSAGE))
    start = time.process_time_ns()
    engine.settle()
    return (time.process_time_ns() - start) / 1e9


def measure(instruments: int, scope: MassCancelScope, count: int, pool: int) -> float:
    """Seconds of one kill; that it did what it is for is looked at."""
    others = 0 if scope == MassCancelScope.EVERYTHING else count
    engine, risk = full(instruments, count, others, pool)
    try:
        assert (risk.account(1).open_orders, risk.account(2).open_orders) == (count, others)
        reader = Reader(engine.ring)
        while len(reader.poll()):
            pass
        seconds = kill(engine, scope)
        gone = 0
        while len(batch := reader.poll()):
            canceled = batch[batch["template_id"] == Template.CANCELED].view(CANCELED)
            gone += int((canceled["reason"] == CancelReason.SUPERVISORY).sum())
        assert gone == count
        assert (risk.account(1).open_orders, risk.account(2).open_orders) == (0, others)
        engine.propose(orders(1, 1, 2 * count + 2, 1))
        assert risk.account(1).open_orders == 0
    finally:
        engine.close()
    return seconds


def main(rounds: int = ROUNDS, count: int = ORDERS) -> None:
    """One line a case: median, lowest and highest round."""
    for instruments in (8, 10_000):
        for pool in (1 << 18, 1 << 21):
            for scope in SCOPES:
                seconds = sorted(measure(instruments, scope, count, pool) for _ in range(rounds))
                middle = statistics.median(seconds)
                print(
                    f"{count:,} orders of {str(scope.name).lower():10} over {instruments:6,} "
                    f"instruments, room for {pool:9,}: last cancel after {middle * 1e3:6.2f} ms "
                    f"({seconds[0] * 1e3:.2f}-{seconds[-1] * 1e3:.2f}), "
                    f"{count / middle / 1e6:5.2f} M/s"
                )


if __name__ == "__main__":
    main(*(int(one) for one in sys.argv[1:3]))
