"""More pictures of `ringbus hist`: two sets of runs over one another, and percentiles over time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from ringbus.histogram import Histogram
from tools.comparison import Comparison, text
from tools.curves import (
    COLOURS,
    INK,
    NINES_MIN,
    QUIET,
    by_nines,
    frame,
    frame_latency,
    new_figure,
    save,
)
from tools.hops import is_hop
from tools.recording import Moment, Recording

if TYPE_CHECKING:  # Taken when something is drawn: it costs half a second.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH: Final = 11.0
ROW: Final = 3.3
# Above the rows, where panels have a second line or not; below them.
TOP_LINES, TOP, BOTTOM = 0.55, 0.95, 0.55
POINTS: Final = 160
SIDES: Final = (("A", COLOURS[0]), ("B", COLOURS[1]))
STRETCHES: Final = 120
LINES: Final = ((50.0, "p50", COLOURS[0]), (99.0, "p99", COLOURS[2]), (99.9, "p99.9", COLOURS[1]))
MAX_NAME, MAX_COLOUR = "max", COLOURS[3]


def draw_comparison(
    before: Sequence[Recording],
    after: Sequence[Recording],
    comparison: Comparison,
    path: Path,
    title: str = "",
) -> None:
    """Draw every run of two sets, a panel a hop, and what the comparison says of it.

    Args: path: .png, .svg or .html.
    """
    hops = list(dict.fromkeys(row.hop for row in comparison.rows))
    runs = [[one.histograms() for one in side] for side in (before, after)]
    rows = -(-len(hops) // 2)
    height = TOP_LINES + BOTTOM + ROW * rows
    figure = new_figure(WIDTH, height, 100)
    names = [title] if title else [_name(side) for side in (before, after)]
    _head(figure, " against ".join(names), "Time a message takes, by percentile")
    said = [
        (f"{label}: {len(side)} runs, each thin; the middle of them thick", colour)
        for (label, colour), side in zip(SIDES, runs, strict=True)
    ]
    _legend(figure, said)
    for n, hop in enumerate(hops):
        left = 0.07 + 0.5 * (n % 2)
        bottom = (BOTTOM + ROW * (rows - 1 - n // 2) + 0.1) / height
        axes = figure.add_axes((left, bottom, 0.41, (ROW - 1.0) / height))
        _panel(axes, [[run[hop] for run in side] for side in runs])
        axes.set_title(hop, loc="left", fontsize=10.5, fontweight="bold", color=INK, pad=20)
        axes.text(
            0, 1.03, _verdicts(comparison, hop), transform=axes.transAxes, fontsize=7.4, color=QUIET
        )
    save(figure, path, " against ".join(names), text(comparison))


def _name(side: Sequence[Recording]) -> str:
    """What a set of recordings is called: its note, or its directory."""
    first = side[0]
    return str(
        first.about.get("note") or (first.path if len(side) == 1 else first.path.parent).name
    )


def _verdicts(comparison: Comparison, hop: str) -> str:
    return " · ".join(
        f"p{row.percent:g} {100 * row.judged.change:+.0f} % {row.judged.verdict.value}"
        for row in comparison.rows
        if row.hop == hop
    )


def _panel(axes: Axes, sides: Sequence[Sequence[Histogram]]) -> None:
    """Curves of all runs of one hop, and of each set the geometric mean of its runs."""
    fewest = min(one.total for side in sides for one in side)
    right = max(NINES_MIN, math.log10(fewest))
    x = np.linspace(0, math.log10(fewest), POINTS)
    lowest, highest = math.inf, 1.0
    for side, (_, colour) in zip(sides, SIDES, strict=True):
        curves = []
        for one in side:
            nines, values = by_nines(one)
            curves.append(np.log(np.interp(x, nines, values)))
            axes.plot(x, np.exp(curves[-1]), color=colour, linewidth=0.8, alpha=0.45)
            lowest = min(lowest, float(np.exp(curves[-1][0])))
            highest = max(highest, float(np.exp(curves[-1][-1])))
        axes.plot(x, np.exp(np.mean(curves, axis=0)), color=colour, linewidth=2.2)
    frame(axes, right, lowest, highest)
    axes.tick_params(which="both", labelsize=8)


def draw_over_time(recording: Recording, path: Path, title: str, hops: Sequence[str] = ()) -> None:
    """Draw the percentiles of every stretch of a recording, a row a hop.

    Args: path: .png, .svg or .html; hops: those alone, all unless given.
    """
    found = {
        name: moments
        for name, moments in recording.over_time(STRETCHES, [one[0] for one in LINES]).items()
        if moments and (name in hops or (not hops and is_hop(name)))
    }
    rows = max(1, len(found))
    row = ROW if rows == 1 else 0.6 * ROW
    height = TOP + BOTTOM + row * rows
    figure = new_figure(WIDTH, height, 100)
    stretch = _stretch_s(found.values())
    _head(figure, title, f"Percentiles of every {stretch:.3g} s")
    _legend(figure, [(name, colour) for _, name, colour in LINES] + [(MAX_NAME, MAX_COLOUR)])
    start_s = min((moments[0].start_s for moments in found.values()), default=0.0)
    for n, (name, moments) in enumerate(found.items()):
        bottom = (BOTTOM + row * (rows - 1 - n) + 0.1) / height
        axes = figure.add_axes((0.08, bottom, 0.89, (row - 0.5) / height))
        _timeline(axes, moments, start_s)
        axes.set_title(name, loc="left", fontsize=10.5, fontweight="bold", color=INK)
        if n + 1 == rows:
            axes.set_xlabel("seconds", color=QUIET, fontsize=9)
    save(figure, path, title)


def _stretch_s(found: Iterable[Sequence[Moment]]) -> float:
    """How long the stretches are, in the middle."""
    lengths = sorted(one.end_s - one.start_s for moments in found for one in moments)
    return lengths[len(lengths) // 2] if lengths else 0.0


def _timeline(axes: Axes, moments: Sequence[Moment], start_s: float) -> None:
    x = [(one.start_s + one.end_s) / 2 - start_s for one in moments]
    for n, (_, _, colour) in enumerate(LINES):
        axes.plot(x, [max(1, one.values_ns[n]) for one in moments], color=colour, linewidth=1.4)
    axes.plot(x, [max(1, one.max_ns) for one in moments], ".", color=MAX_COLOUR, markersize=4)
    frame_latency(
        axes,
        min(max(1, one.values_ns[0]) for one in moments),
        max(max(1, one.max_ns) for one in moments),
    )
    axes.tick_params(which="both", labelsize=8)
    axes.set_xlim(0, max(one.end_s for one in moments) - start_s)


def _head(figure: Figure, title: str, heading: str) -> None:
    height = figure.get_figheight()
    figure.text(
        0.022, 1 - 0.3 / height, title, fontsize=14, fontweight="bold", color=INK, va="center"
    )
    figure.text(0.022, 1 - 0.58 / height, heading, fontsize=9.5, color=QUIET, va="center")


def _legend(figure: Figure, entries: Sequence[tuple[str, str]]) -> None:
    """What the colours mean, in one line below the heading."""
    left, height = 0.022, 1 - 0.84 / figure.get_figheight()
    for name, colour in entries:
        figure.text(left, height, "━", fontsize=11, color=colour, va="center")
        figure.text(left + 0.02, height, name, fontsize=9, color=QUIET, va="center")
        left += 0.05 + 0.0075 * len(name)
