"""A share of the simulation, and every seed that ever failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sim import mutants
from tests.sim.disk import disk
from tests.sim.options import CONSOLE_SEEDS, DAY_SEEDS, LOSSY_SEEDS
from tests.sim.run import run

STEPS = 1500
# Seeds in one test: a hundred tests of one each would mostly be set-up.
BATCH = 25
# Planted bugs in the tests: each means that something is compiled anew.
FEW = 5
SEEDS = (
    *(*range(0, 300, BATCH), LOSSY_SEEDS, LOSSY_SEEDS + BATCH),
    *range(CONSOLE_SEEDS, CONSOLE_SEEDS + 4 * BATCH, BATCH),
    *range(DAY_SEEDS, DAY_SEEDS + 2 * BATCH, BATCH),
)


def kept() -> list[tuple[int, int]]:
    """The seeds that ever failed."""
    text = Path(__file__).with_name("seeds.txt").read_text(encoding="utf-8")
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return [(int(row[0]), int(row[1])) for row in rows]


@pytest.mark.parametrize("first", SEEDS)
def test_seeds(first: int) -> None:
    """R98, R83: whatever dies, stalls or tears, every promise holds when it has come to rest."""
    for seed in range(first, first + BATCH):
        with disk() as directory:
            try:
                run(seed, directory, STEPS)
            except Exception as error:
                raise AssertionError(f"make sim SEED={seed} STEPS={STEPS}: {error}") from error


@pytest.mark.parametrize(("seed", "steps"), kept())
def test_seeds_that_failed_once(seed: int, steps: int) -> None:
    with disk() as directory:
        run(seed, directory, steps)


def test_the_same_seed_is_the_same_run() -> None:
    """R98: one seed, one trace, whatever else the machine does."""
    traces = []
    for _ in range(3):
        with disk() as directory:
            traces.append(run(77, directory, STEPS))
    assert traces[0] == traces[1] == traces[2]
    assert traces[0].messages > 50
    assert traces[0].faults.total() > 0


def test_every_bug_can_still_be_planted() -> None:
    """The code that a mutant changes is as it was when the mutant was written."""
    for mutant in mutants.MUTANTS:
        text = (mutants.ROOT / mutant.file).read_text(encoding="utf-8")
        for before, _ in mutant.changes:
            assert before in text, f"{mutant.file} does not say `{before}`: {mutant.name}"


def test_planted_bugs_are_found(capfd: pytest.CaptureFixture[str]) -> None:
    """R98: in journal recovery, topic lock, publisher merge, promise, switch-over; each is found.

    `make sim-mutants` plants the others too.
    """
    some = mutants.MUTANTS[:FEW]
    assert mutants.main(some) == 0
    assert f"{FEW} of {FEW} bugs found" in capfd.readouterr().out
