"""Whether one set of runs is slower than another, given how much runs differ among themselves.

A figure of a run (the 99th percentile of a hop, say) is one number; a run is what repeats, so runs
are what is compared, not messages: a million messages of one run are one look at one mood of the
host. All figures are compared as logarithms: a change is a factor.

*Is there a difference?* If there were none, it would not matter which runs are called A and which
B. So all ways to deal the same runs to two sets are tried (or 20,000 of them), and in each the
largest t statistic of any figure is noted. A figure's difference is believed when fewer than 5 % of
these are as large: the chance that *any* figure of a comparison is wrongly called different is 5 %,
not of each (Westfall and Young's single-step maxT). Nothing is assumed of how figures are
distributed; only that runs are alike but for their set, which is why they should be made in turns.

*How large is it?* The interval holds every shift that the same test, for the figure alone, would
not refuse (the permutation test of Fisher and Pitman, inverted exactly).

Five runs of each can be dealt in 252 ways, so the least p is 2/252. Fewer than about four of each
can show nothing in this way. Then only what is far beyond all spread that was seen is told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

Logs = NDArray[np.float64]

ALPHA: Final = 0.05
# A change below it does not count, whoever is sure of it.
LEAST: Final = 0.05
DEALS_MAX: Final = 20_000
# Three digits of a histogram: no two figures are closer.
RESOLUTION: Final = 0.001
# Too few runs: the gap between two sets, in ranges of the wider one, and the change at least.
# Whether two CPUs are near or far from one another alone makes a factor of two in some hops.
FAR_RANGES: Final = 2.0
FAR_LEAST: Final = 0.5
BLOCKS_MIN: Final = 4


class Verdict(Enum):
    """What a comparison of one figure comes to."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "no difference shown"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, slots=True)
class Judged:
    """One figure: its middle in both sets (geometric mean), the change as a factor less one.

    `low` and `high` bound the change with 95 %; `p` is that of all figures together; `why` says in
    words what the verdict could not be told for.
    """

    before: float
    after: float
    change: float
    low: float
    high: float
    p: float
    verdict: Verdict
    why: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of every run of both sets; for sets of one run, of that run's blocks too."""

    before: Sequence[float]
    after: Sequence[float]
    before_blocks: Sequence[float] = ()
    after_blocks: Sequence[float] = ()


def judge(figures: Sequence[Figure], least: float = LEAST, seed: int = 1) -> list[Judged]:
    """Compare two sets of runs, figure by figure.

    Args: figures: each with as many runs as the others; values above 0; least: the smallest change
    that counts, as a part; seed: of the deals, where there are too many to try all.
    """
    if not figures:
        return []
    first, second = len(figures[0].before), len(figures[0].after)
    logs = np.log(np.array([[*one.before, *one.after] for one in figures], np.float64))
    if 2 / math.comb(first + second, first) > ALPHA:
        return [_judge_far(one, row, first, least) for one, row in zip(figures, logs, strict=True)]
    deals = _deals(first, second, seed)
    p = _chances(logs, deals)
    return [
        _judge_runs(row, first, deals, float(chance), least)
        for row, chance in zip(logs, p, strict=True)
    ]


def _deals(first: int, second: int, seed: int) -> NDArray[np.bool_]:
    """Which runs are B's, one way a row; the way it was comes first."""
    total = first + second
    count = math.comb(total, second)
    actual = np.arange(total) >= first
    if count <= DEALS_MAX:
        every = np.zeros((count, total), np.bool_)
        for row, chosen in enumerate(combinations(reversed(range(total)), second)):
            every[row, list(chosen)] = True
        return every
    generator = np.random.default_rng(seed)
    drawn = generator.permuted(np.tile(actual, (DEALS_MAX - 1, 1)), axis=1)
    return np.vstack([actual, drawn])


def _statistics(logs: Logs, deals: NDArray[np.bool_]) -> Logs:
    """The t statistic of every figure in every deal, shape (deals, figures)."""
    second = int(deals[0].sum())
    first = deals.shape[1] - second
    centered = logs - logs.mean(axis=1, keepdims=True)
    b = deals.astype(np.float64)
    sum_b = b @ centered.T
    # Centered: what B has in sum, A lacks.
    difference = sum_b / second + sum_b / first
    squares = (centered**2).sum(axis=1)
    within = squares - sum_b**2 / second - sum_b**2 / first
    variance = np.maximum(within, 0) / (first + second - 2) * (1 / first + 1 / second)
    out: Logs = difference / np.sqrt(variance + RESOLUTION**2)
    return out


def _chances(logs: Logs, deals: NDArray[np.bool_]) -> Logs:
    """For each figure, the part of the deals in which any figure differs at least as much."""
    statistics = np.abs(_statistics(logs, deals))
    largest = statistics.max(axis=1)
    # Sums in another order differ in their last digits.
    out: Logs = (largest[:, None] >= statistics[0] * (1 - 1e-9)).mean(axis=0)
    return out


def _shifts(logs: Logs, first: int, deals: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Difference of the mean logarithms of one figure, and the bounds of its interval.

    With B shifted back by s, another deal's difference is d' - s c (c: how much of B it leaves in
    place), the actual one's d - s. They are equal at s = (d - d') / (1 - c): there that deal
    changes sides, so these are the steps of p, and the bounds are the K-th from either end.
    """
    second = len(logs) - first
    signs = np.where(deals, 1 / second, -1 / first)
    means = signs @ logs
    kept = signs @ (np.arange(len(logs)) >= first)
    steps = np.sort((means[0] - means[1:]) / np.maximum(1 - kept[1:], 1e-12))
    k = int(ALPHA / 2 * len(deals) + 1e-9)
    return float(means[0]), float(steps[k - 1]), float(steps[-k])


def _judge_runs(logs: Logs, first: int, deals: NDArray[np.bool_], p: float, least: float) -> Judged:
    shift, low, high = _shifts(logs, first, deals)
    before = float(np.exp(logs[:first].mean()))
    change = math.expm1(shift)
    verdict, why = Verdict.UNKNOWN, ""
    if p <= ALPHA and abs(change) >= least:
        verdict = Verdict.SLOWER if shift > 0 else Verdict.FASTER
    elif math.expm1(low) > -least and math.expm1(high) < least:
        verdict = Verdict.SAME
    else:
        why = f"runs differ too much among themselves to tell {100 * least:g} %"
    bounds = (math.expm1(low), math.expm1(high))
    return Judged(before, before * math.exp(shift), change, *bounds, p, verdict, why)


def _judge_far(figure: Figure, logs: Logs, first: int, least: float) -> Judged:
    """Too few runs for chance to be reckoned with: only what is far beyond all spread is told."""
    second = len(logs) - first
    before, after = logs[:first], logs[first:]
    change = math.expm1(float(after.mean() - before.mean()))
    blocks = first == 1 or second == 1
    sets = (
        np.log(np.array(figure.before_blocks)) if first == 1 else before,
        np.log(np.array(figure.after_blocks)) if second == 1 else after,
    )
    verdict, why = Verdict.UNKNOWN, "how much runs differ is unknown; four of each would tell"
    if min(map(len, sets)) >= (BLOCKS_MIN if blocks else 2):
        apart = max(sets[1].min() - sets[0].max(), sets[0].min() - sets[1].max())
        widest = max(RESOLUTION, *(float(np.ptp(one)) for one in sets))
        if apart > FAR_RANGES * widest and abs(change) >= max(FAR_LEAST, least):
            verdict = Verdict.SLOWER if change > 0 else Verdict.FASTER
            why = "far beyond all spread seen, though runs are few"
    middle = float(np.exp(before.mean()))
    return Judged(
        middle, middle * (1 + change), change, -math.inf, math.inf, math.nan, verdict, why
    )
