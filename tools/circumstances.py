"""What two sets of recordings differ in beside their figures: hosts, jitter, stalls, times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ringbus.histogram import Histogram
from tools.hops import is_stall
from tools.recording import Document, Recording
from tools.units import duration

# Of a host's fingerprint, what moves while it is the same host.
MOVING: Final = ("load",)
# CPUs that lost twice as much in one set are worth a sentence, from a thousandth of the time on.
JITTER_FACTOR, JITTER_LOST_MIN = 2.0, 0.001


def warnings(before: Sequence[Recording], after: Sequence[Recording]) -> Iterator[str]:
    """What has to be said beside the figures of two sets of recordings, a sentence each."""
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
