"""Whether a run of `ringbus bench` is slower than a stored one, or only differs as runs do.

A figure is judged if the same work was done (command and result hash), between CPUs as near or far,
in at least three runs and rounds each. It is *slower* if its medians lie further apart than the
middle halves of both runs' rounds are wide, taken together, and by more than the tolerance: a noisy
run says less, it does not say wrong. Rounds outside of the middle half (another job took the CPU)
count for nothing. (Runs that are made in turns for the purpose can be told apart more finely: see
tools/verdict.py, by which recordings are compared.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tools.results import Figure, Part, Results
from tools.verdict import Verdict

ROUNDS_MIN: Final = 3
# Rounds of one run are alike in what the host did meanwhile: the same program, in two runs of three
# rounds at loads of 14 and 19, had 8 of 24 figures outside of the spread of its rounds.
RUNS_MIN: Final = 3
TOLERANCE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of two runs; `change` of its median, 0.1: a tenth more; `why` it cannot tell."""

    part: str
    figure: Figure
    before: Figure | None
    verdict: Verdict
    change: float
    why: str


def compare(before: Results, after: Results, tolerance: float = TOLERANCE) -> list[Compared]:
    """Every figure of `after` beside that of `before`."""
    return [
        one
        for name, part in after.parts.items()
        for one in _of_part(name, before.parts.get(name), part, tolerance)
    ]


def _of_part(name: str, before: Part | None, after: Part, tolerance: float) -> Iterator[Compared]:
    why = _other_work(before, after)
    known = {(one.name, one.distance): one for one in before.figures} if before else {}
    for figure in after.figures:
        old = known.get((figure.name, figure.distance))
        if why or old is None or old.unit != figure.unit:
            said = why or _not_there(figure, known)
            yield Compared(name, figure, None, Verdict.UNKNOWN, 0.0, said)
        else:
            yield _judge(name, old, figure, tolerance)


def _other_work(before: Part | None, after: Part) -> str:
    if before is None:
        return "not in the stored run"
    if before.command != after.command:
        return f"other work: {' '.join(before.command)}"
    if min(before.runs, after.runs) < RUNS_MIN:
        return f"fewer than {RUNS_MIN} runs"
    for name, digest in after.results.items():
        if before.results.get(name, digest) != digest:
            return f"another result: {name} was {before.results[name]}, is {digest}"
    return ""


def _not_there(figure: Figure, known: dict[tuple[str, str], Figure]) -> str:
    distances = [distance for name, distance in known if name == figure.name]
    if distances and figure.distance not in distances:
        return f"timed {figure.distance or 'anywhere'}, stored {', '.join(distances)}"
    return "not in the stored run"


def _judge(part: str, old: Figure, new: Figure, tolerance: float) -> Compared:
    apart = new.median - old.median
    change = apart / old.median if old.median else 0.0
    why = ""
    if new.sign == 0:
        why = "neither more nor less is better"
    elif new.distance == "moved":
        why = "the CPUs moved"
    elif min(len(old.rounds), len(new.rounds)) < ROUNDS_MIN:
        why = f"fewer than {ROUNDS_MIN} rounds"
    if why:
        return Compared(part, new, old, Verdict.UNKNOWN, change, why)
    verdict = Verdict.SAME
    if abs(apart) > max(old.quartiles + new.quartiles, tolerance * abs(old.median)):
        verdict = Verdict.FASTER if apart * new.sign > 0 else Verdict.SLOWER
    return Compared(part, new, old, verdict, change, "")
