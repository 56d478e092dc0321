"""The verdict against runs whose truth is known, over several hundred seeded comparisons."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from tools.verdict import ALPHA, Figure, Judged, Verdict, judge

HOPS, PERCENTILES = 5, 4
CALLED = (Verdict.FASTER, Verdict.SLOWER)
Runs = NDArray[np.float64]


def runs(generator: np.random.Generator, count: int, spread: float, common: float = 0.5) -> Runs:
    """Percentiles of `count` runs, shape (figures, count): a run's mood moves all of its figures.

    Args: spread: of a figure over runs (standard deviation of its logarithm); common: how much of
    the variance is the run's mood.
    """
    figures = HOPS * PERCENTILES
    mood = generator.normal(size=(1, count)) * math.sqrt(common)
    own = generator.normal(size=(figures, count)) * math.sqrt(1 - common)
    middle = np.log(np.geomspace(300, 3_000_000, figures))[:, None]
    return np.exp(middle + spread * (mood + own))


def compared(before: Runs, after: Runs, least: float = 0.05) -> list[Judged]:
    return judge([Figure(list(a), list(b)) for a, b in zip(before, after, strict=True)], least)


def false_alarms(
    comparisons: int, counts: tuple[int, int], spread: float, common: float, heavy: bool = False
) -> int:
    """How many comparisons of equal runs call any of their figures different."""
    wrong = 0
    for seed in range(comparisons):
        generator = np.random.default_rng(seed)
        sides = [runs(generator, count, spread, common) for count in counts]
        if heavy:
            # Near or far: a run is on CPUs twice as far apart in one of three cases.
            sides = [one * np.where(generator.random(one.shape[1]) < 1 / 3, 2, 1) for one in sides]
        wrong += any(one.verdict in CALLED for one in compared(sides[0], sides[1], 0.0))
    return wrong


def bound(comparisons: int) -> float:
    """Three standard deviations above what ALPHA allows."""
    return comparisons * ALPHA + 3 * math.sqrt(comparisons * ALPHA * (1 - ALPHA))


@pytest.mark.parametrize(
    ("counts", "spread", "common", "heavy"),
    [
        ((5, 5), 0.03, 0.5, False),
        ((5, 5), 0.3, 0.0, False),
        ((4, 4), 0.1, 0.9, False),
        ((6, 4), 0.05, 0.5, False),
        ((5, 5), 0.03, 0.5, True),
    ],
    ids=["alike", "independent", "one mood", "uneven", "near or far"],
)
def test_equal_runs_are_rarely_called_different(
    counts: tuple[int, int], spread: float, common: float, heavy: bool
) -> None:
    """400 comparisons of 20 figures each: any wrong call in one counts against it."""
    assert false_alarms(400, counts, spread, common, heavy) <= bound(400)


def test_a_change_that_does_not_count_is_never_called() -> None:
    for seed in range(50):
        generator = np.random.default_rng(seed)
        before, after = (runs(generator, 6, 0.002) for _ in range(2))
        after *= 1.03
        found = compared(before, after)
        assert {one.verdict for one in found} == {Verdict.SAME}


def test_a_planted_shift_of_the_tail_is_found_there_and_only_there() -> None:
    """10 % more at one percentile, with runs that differ by 2 % among themselves."""
    found = elsewhere = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        before, after = (runs(generator, 6, 0.02) for _ in range(2))
        after[10] *= 1.10
        verdicts = [one.verdict for one in compared(before, after)]
        found += verdicts[10] is Verdict.SLOWER
        elsewhere += any(one in CALLED for n, one in enumerate(verdicts) if n != 10)
        assert verdicts[10] is not Verdict.FASTER
    assert found >= 180
    assert elsewhere <= bound(200)


def test_what_got_faster_is_called_so() -> None:
    generator = np.random.default_rng(7)
    before, after = (runs(generator, 5, 0.02) for _ in range(2))
    found = compared(before, after / 1.5)
    assert {one.verdict for one in found} == {Verdict.FASTER}
    assert all(one.low < one.change < one.high < 0 for one in found)


def test_runs_that_differ_too_much_cannot_tell() -> None:
    generator = np.random.default_rng(8)
    before, after = (runs(generator, 5, 0.3) for _ in range(2))
    found = compared(before, after)
    assert {one.verdict for one in found} == {Verdict.UNKNOWN}
    assert all("differ too much" in one.why for one in found)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """95 % of the intervals, of each figure alone; deals are whole numbers, so a little more."""
    held = total = 0
    for seed in range(300):
        generator = np.random.default_rng(seed)
        before, after = (runs(generator, 5, 0.1) for _ in range(2))
        for one in compared(before, after * 1.2):
            held += one.low <= 0.2 <= one.high
            total += 1
    assert 0.93 <= held / total <= 0.99


def plain_p(values: list[float], first: int, shift: float) -> float:
    """The permutation test of a shift in the mean, the plain way, for one figure."""
    moved = [value - (shift if n >= first else 0.0) for n, value in enumerate(values)]

    def difference(chosen: tuple[int, ...]) -> float:
        b = [moved[n] for n in chosen]
        a = [value for n, value in enumerate(moved) if n not in chosen]
        return sum(b) / len(b) - sum(a) / len(a)

    places = range(len(values))
    actual = difference(tuple(places[first:]))
    deals = [difference(chosen) for chosen in combinations(places, len(values) - first)]
    above = sum(one >= actual - 1e-12 for one in deals) / len(deals)
    below = sum(one <= actual + 1e-12 for one in deals) / len(deals)
    return min(above, below)


@pytest.mark.parametrize("counts", [(4, 4), (5, 5), (3, 5), (6, 4)])
def test_the_interval_is_what_the_plain_test_does_not_refuse(counts: tuple[int, int]) -> None:
    """The closed form against the test itself: just inside not refused, just outside refused."""
    first, second = counts
    for seed in range(10):
        generator = np.random.default_rng(seed)
        values = list(generator.normal(5, 0.2, first + second))
        (one,) = judge(
            [Figure([math.exp(v) for v in values[:first]], [math.exp(v) for v in values[first:]])]
        )
        low, high = math.log1p(one.low), math.log1p(one.high)
        for bound_, inwards in ((low, 1e-6), (high, -1e-6)):
            assert plain_p(values, first, bound_ + inwards) > ALPHA / 2
            assert plain_p(values, first, bound_ - inwards) <= ALPHA / 2


def test_many_runs_are_dealt_by_chance_and_come_to_the_same() -> None:
    generator = np.random.default_rng(3)
    before, after = (runs(generator, 12, 0.02) for _ in range(2))
    after[3] *= 1.2
    verdicts = [one.verdict for one in compared(before, after)]
    assert verdicts[3] is Verdict.SLOWER
    assert set(verdicts[:3] + verdicts[4:]) == {Verdict.SAME}
    again = judge([Figure(list(a), list(b)) for a, b in zip(before, after, strict=True)], seed=2)
    assert [one.verdict for one in again] == verdicts


def blocks(middle: float, spread: float, seed: int, count: int = 8) -> list[float]:
    generator = np.random.default_rng(seed)
    return [float(value) for value in middle * np.exp(generator.normal(0, spread, count))]


def one_each(before: list[float], after: list[float]) -> Judged:
    (found,) = judge([Figure([float(np.median(before))], [float(np.median(after))], before, after)])
    return found


def test_one_run_each_tells_only_what_is_far_beyond_its_own_spread() -> None:
    calm, later = blocks(1000, 0.03, 1), blocks(1000, 0.03, 2)
    assert one_each(calm, later).verdict is Verdict.UNKNOWN
    # A tenth or a third more may be another mood of the host: nobody knows how much runs differ.
    assert one_each(calm, [1.1 * one for one in later]).verdict is Verdict.UNKNOWN
    assert one_each(calm, [1.3 * one for one in later]).verdict is Verdict.UNKNOWN
    far = one_each(calm, [3 * one for one in later])
    assert far.verdict is Verdict.SLOWER
    assert "runs are few" in far.why
    assert one_each([3 * one for one in later], calm).verdict is Verdict.FASTER
    # The same factor inside runs that are as wild themselves is nothing.
    wild, wilder = blocks(1000, 0.5, 1), blocks(3000, 0.5, 2)
    assert one_each(wild, wilder).verdict is Verdict.UNKNOWN


def test_one_run_each_without_blocks_tells_nothing() -> None:
    assert one_each([100.0], [10_000.0]).verdict is Verdict.UNKNOWN


def test_equal_single_runs_are_rarely_called_different() -> None:
    """Runs that differ by 10 % while their blocks differ by 2 %: what is inside says too little."""
    wrong = 0
    for seed in range(400):
        generator = np.random.default_rng(seed)
        moods = np.exp(generator.normal(0, 0.1, 2))
        sides = [blocks(1000 * mood, 0.02, 1000 * seed + n) for n, mood in enumerate(moods)]
        wrong += one_each(*sides).verdict in CALLED
    assert wrong <= 400 * ALPHA


def test_too_few_runs_say_how_many_are_needed() -> None:
    generator = np.random.default_rng(1)
    before, after = (runs(generator, 3, 0.02) for _ in range(2))
    found = compared(before, after * 1.2)
    assert {one.verdict for one in found} == {Verdict.UNKNOWN}
    assert all("four of each" in one.why for one in found)
    assert {one.verdict for one in compared(before, after * 4)} == {Verdict.SLOWER}


def test_nothing_is_judged_of_nothing() -> None:
    assert judge([]) == []


def test_identical_runs_are_the_same() -> None:
    (one,) = judge([Figure([100.0] * 5, [100.0] * 5)])
    assert (one.verdict, one.change) == (Verdict.SAME, 0.0)
