"""A handful of rounds of real kills, and every seed that ever failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.plan import plan
from tests.crash.round import run

SEEDS = range(101, 104)


def kept() -> list[int]:
    """The seeds that ever failed."""
    text = Path(__file__).with_name("seeds.txt").read_text(encoding="utf-8")
    return [int(line.split()[0]) for line in text.splitlines() if line[:1].isdigit()]


@pytest.mark.parametrize("seed", [*SEEDS, *kept()])
def test_what_was_promised_survives_real_kills(seed: int) -> None:
    """Journals, a replay and all that clients were told agree, whoever died when."""
    result = run(plan(seed))
    assert result.messages > 0
    assert result.told > 0
