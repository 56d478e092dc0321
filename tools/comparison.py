"""`ringbus hist --compare A B`: two sets of recordings, hop by hop and percentile by percentile.

What a figure alone does not say stands below it: tools/circumstances.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ringbus.histogram import Histogram
from ringbus.status import UsageError
from tools import circumstances
from tools.hops import aligned, is_hop, ordered
from tools.recording import Moment, Recording
from tools.units import duration
from tools.verdict import ALPHA, LEAST, Figure, Judged, Verdict, judge

PERCENTS: Final = (50.0, 90.0, 99.0, 99.9)
BLOCKS: Final = 8
# A percentile is a figure of a run if so many of its records lie above it.
ABOVE_MIN: Final = 10
# Exit statuses; what cannot be compared cannot be told.
NOT_SLOWER, SLOWER, UNKNOWN = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Row:
    """One percentile of one hop, and what came of it."""

    hop: str
    percent: float
    judged: Judged


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that was judged; `warnings` are sentences. `runs` of A and of B."""

    rows: tuple[Row, ...]
    warnings: tuple[str, ...]
    runs: tuple[int, int]
    least: float

    @property
    def status(self) -> int:
        """0: nothing is slower, and all could be told; 1: something is slower; 2: neither."""
        found = {row.judged.verdict for row in self.rows}
        if Verdict.SLOWER in found:
            return SLOWER
        return UNKNOWN if Verdict.UNKNOWN in found or not found else NOT_SLOWER


def compare(
    before: Sequence[Recording],
    after: Sequence[Recording],
    least: float = LEAST,
    percents: Sequence[float] = (),
    hops: Sequence[str] = (),
) -> Comparison:
    """Compare two sets of recordings, each recording a run.

    Args: least: the smallest change that counts, as a part; percents: a row each, whether it can be
    told or not; unless given those of PERCENTS that there are records for; hops: of these alone,
    all unless given.
    Raises: UsageError: they have no hop in common; FormatError: a log is damaged.
    """
    runs = [[one.histograms() for one in side] for side in (before, after)]
    names, shared = _hops(runs, hops)
    warnings = list(circumstances.warnings(before, after))
    if alone := [name for name in names if name not in shared]:
        warnings.append(f"not in every recording, left out: {', '.join(alone)}")
    wanted = percents or PERCENTS
    blocks = [
        side[0].over_time(BLOCKS, wanted) if len(side) == 1 else {} for side in (before, after)
    ]
    rows, figures, thin = [], [], []
    for name in shared:
        for n, percent in enumerate(wanted):
            figure = _figure([[run[name] for run in side] for side in runs], percent)
            if figure is not None:
                parts = [_block_values(side.get(name, ()), n, percent) for side in blocks]
                figures.append((name, percent, Figure(*figure, *parts)))
            elif percents:
                rows.append(Row(name, percent, _too_few(runs, name, percent)))
            else:
                thin.append(f"{name} p{percent:g}")
    if thin:
        warnings.append(f"a run has too few records, left out: {', '.join(thin)}")
    judged = judge([figure for _, _, figure in figures], least)
    rows += [Row(n, p, one) for (n, p, _), one in zip(figures, judged, strict=True)]
    rows.sort(key=lambda row: (shared.index(row.hop), row.percent))
    return Comparison(tuple(rows), tuple(warnings), (len(before), len(after)), least)


def _hops(
    runs: Sequence[Sequence[dict[str, Histogram]]], hops: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The hops that are to be compared, and of them those that every run has records of.

    Raises: UsageError: there are none.
    """
    every = [run for side in runs for run in side]
    names = [
        name
        for name in ordered({name: None for run in every for name in run})
        if is_hop(name) and (not hops or name in hops)
    ]
    shared = [name for name in names if all(name in run and run[name].total for run in every)]
    if not shared:
        raise UsageError("the recordings have no hop in common with records in each of them")
    return names, shared


def _block_values(blocks: Sequence[Moment], nth: int, percent: float) -> list[float]:
    """The nth percentile of those stretches of a run that have enough records for it."""
    return [float(max(1, one.values_ns[nth])) for one in blocks if _has(one, percent)]


def _figure(
    sides: Sequence[Sequence[Histogram]], percent: float
) -> tuple[list[float], list[float]] | None:
    """The percentile of every run of both sides; None: one has too few records for it."""
    if not all(_has(one, percent) for side in sides for one in side):
        return None
    before, after = ([float(_value(one, percent)) for one in side] for side in sides)
    return before, after


def _has(one: Histogram | Moment, percent: float) -> bool:
    return one.total * (100 - percent) / 100 >= ABOVE_MIN * (1 - 1e-9)


def _value(histogram: Histogram, percent: float) -> int:
    return max(1, histogram.percentile(percent))


def _too_few(runs: Sequence[Sequence[dict[str, Histogram]]], name: str, percent: float) -> Judged:
    values = [Histogram.merged(run[name] for run in side).percentile(percent) for side in runs]
    fewest = min(run[name].total for side in runs for run in side)
    change = values[1] / max(1, values[0]) - 1
    return Judged(
        float(values[0]),
        float(values[1]),
        change,
        -math.inf,
        math.inf,
        math.nan,
        Verdict.UNKNOWN,
        f"a run has {fewest:,} records, too few for it",
    )


def text(comparison: Comparison) -> str:
    """The comparison as a table, then what has to be said about it."""
    rows = [["hop", "percentile", "A", "B", "change", "95 % between", "verdict"]]
    reasons: dict[str, int] = {}
    for row in comparison.rows:
        one = row.judged
        bounds = "–" if math.isinf(one.low) else f"{_percent(one.low)} … {_percent(one.high)}"
        why = f" ({reasons.setdefault(one.why, len(reasons) + 1)})" if one.why else ""
        values = [duration(one.before), duration(one.after), _percent(one.change)]
        rows.append([row.hop, f"p{row.percent:g}", *values, bounds, one.verdict.value + why])
    out = [*aligned(rows), ""]
    first, second = comparison.runs
    out.append(
        f"A: {_runs(first)}, B: {_runs(second)}; a figure is the middle of its runs. Changes below "
        f"{100 * comparison.least:g} % do not count."
    )
    out.append(f"The chance that any row is wrongly called different is {100 * ALPHA:g} %.")
    out += [f"({number}) {why}" for why, number in reasons.items()]
    out += [f"note: {warning}" for warning in comparison.warnings]
    return "\n".join([*out, _overall(comparison)]) + "\n"


def _overall(comparison: Comparison) -> str:
    """The last line: what it comes to."""
    called = [
        f"{verdict.value}: {', '.join(rows)}"
        for verdict in (Verdict.SLOWER, Verdict.FASTER)
        if (rows := [_where(row) for row in comparison.rows if row.judged.verdict is verdict])
    ]
    unknown = sum(row.judged.verdict is Verdict.UNKNOWN for row in comparison.rows)
    said = [f"B is {'; '.join(called)}"] if called else ["no difference shown"]
    if unknown:
        said.append(f"{unknown} of {len(comparison.rows)} rows cannot be told")
    return "; ".join(said)


def _where(row: Row) -> str:
    return f"{row.hop} p{row.percent:g}"


def _percent(change: float) -> str:
    return f"{100 * change:+.1f} %"


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
