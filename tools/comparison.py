"""`ringbus hist --compare A B`: two sets of recordings, hop by hop and percentile by percentile.

Says besides what a figure alone does not: that the hosts differ, that the CPUs took more away in
one set, that all of A was recorded before all of B.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ringbus.histogram import Histogram
from ringbus.status import UsageError
from tools.hops import aligned, is_hop, is_stall, ordered
from tools.recording import Document, Moment, Recording
from tools.units import duration
from tools.verdict import ALPHA, LEAST, Figure, Judged, Verdict, judge

PERCENTS: Final = (50.0, 90.0, 99.0, 99.9)
BLOCKS: Final = 8
# A percentile is a figure of a run if so many of its records lie above it.
ABOVE_MIN: Final = 10
# Exit statuses; what cannot be compared cannot be told.
NOT_SLOWER, SLOWER, UNKNOWN = 0, 1, 2
# Of a host's fingerprint, what moves while it is the same host.
MOVING: Final = ("load",)
# CPUs that lost twice as much in one set are worth a sentence, from a thousandth of the time on.
JITTER_FACTOR, JITTER_LOST_MIN = 2.0, 0.001


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
    warnings = list(_warnings(before, after))
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


# --- what is not a figure ------------------------------------------------------------------------


def _warnings(before: Sequence[Recording], after: Sequence[Recording]) -> Iterator[str]:
    every = [*before, *after]
    if any(not one.about for one in every):
        yield "some of it is logs alone: nobody knows of what exchange, host and jitter"
        return
    yield from _differing_hosts(before, after)
    for what in ("configuration", "environment", "note"):
        values = [
            sorted({str(one.about.get(what, "")) for one in side}) for side in (before, after)
        ]
        if values[0] != values[1]:
            what = "recorded as" if what == "note" else what
            yield f"{what}: A {_said(values[0])}, B {_said(values[1])}"
    if any(len({str(one.about.get("build")) for one in side}) > 1 for side in (before, after)):
        yield "the runs of one set are of several builds"
    times = [[one.start_s for one in side] for side in (before, after)]
    if len(before) + len(after) > 2 and (
        max(times[0]) < min(times[1]) or max(times[1]) < min(times[0])
    ):
        yield (
            "one set was recorded before the other: what changed on the host in between counts as "
            "a difference too; record them in turns (A B A B ...)"
        )
    yield from _jitter(before, after)
    yield from _stalled(before, after)


def _differing_hosts(before: Sequence[Recording], after: Sequence[Recording]) -> Iterator[str]:
    """What differs between the hosts of two sets, or inside one."""
    flat = [[_flat(one.host) for one in side] for side in (before, after)]
    every = [one for side in flat for one in side]
    keys = list(dict.fromkeys(key for one in every for key in one))
    differing = []
    for key in keys:
        values = [sorted({one.get(key, "nothing") for one in side}) for side in flat]
        if values[0] != values[1] or len(values[0]) > 1:
            differing.append(f"{key}: A {_said(values[0])}, B {_said(values[1])}")
    if differing:
        yield "the hosts differ, and a difference may be theirs:"
        yield from (f"  {one}" for one in differing)


def _flat(host: Document) -> dict[str, str]:
    """A fingerprint as texts by key."""
    out = {k: str(v) for k, v in host.items() if k not in (*MOVING, "settings")}
    settings = host.get("settings", {})
    return out | {f"setting {name}": str(one["found"]) for name, one in settings.items()}


def _said(values: Sequence[str]) -> str:
    return " or ".join(value or "nothing" for value in values)


def _lost(recordings: Sequence[Recording]) -> list[float]:
    """The part of the time that the CPUs of each recording took away, where it was measured."""
    out = []
    for one in recordings:
        jitter = one.about.get("jitter")
        if jitter:
            spun = sum(cpu["spun_ns"] for cpu in jitter["cpus"])
            # What other tasks took includes the exchange's own: what is left is the host's.
            lost = sum(cpu["lost_ns"] - cpu["lost_to_other_tasks_ns"] for cpu in jitter["cpus"])
            out.append(lost / max(1, spun))
    return out


def _jitter(before: Sequence[Recording], after: Sequence[Recording]) -> Iterator[str]:
    """Whether the CPUs themselves took more away in one set than in the other."""
    lost = [_lost(side) for side in (before, after)]
    if not all(lost):
        yield "jitter was not measured with all of it: a slower tail may be the host's"
        return
    means = [sum(side) / len(side) for side in lost]
    shares = f"A {100 * means[0]:.3f} %, B {100 * means[1]:.3f} % of the CPUs' time"
    most = max(means)
    if most >= JITTER_LOST_MIN and most > JITTER_FACTOR * min(means):
        worse = "B" if means[1] > means[0] else "A"
        yield f"jitter: {shares}: more with {worse}, so a slower tail of it may be the host's"
    else:
        yield f"jitter: {shares}: much alike"


def _stalled(before: Sequence[Recording], after: Sequence[Recording]) -> Iterator[str]:
    """How long cores did not look, as they saw it themselves."""
    said = []
    for label, side in (("A", before), ("B", after)):
        stalls = [
            histogram
            for one in side
            for name, histogram in one.histograms().items()
            if is_stall(name)
        ]
        seconds = sum(one.seconds for one in side)
        total = Histogram.merged(stalls)
        if stalls and seconds > 0:
            rate = total.total / seconds
            said.append(f"{label} {rate:.2f} a second, the longest {duration(total.max)}")
    if said:
        yield f"stalls of cores: {'; '.join(said)}"
