"""The pictures of `ringbus tune`: every gap of every CPU over time, the cache line's heat map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tools.curves import COLOURS, INK, QUIET, RULE, new_figure, save
from tools.units import duration
from tuning.jitter import CpuJitter

if TYPE_CHECKING:  # Taken when something is drawn: it costs half a second.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_INCHES = 11.0
ROW_INCHES = 1.5
MARGIN_INCHES = 1.9
ROWS_MAX = 32
INTERRUPTED, SWITCHED = COLOURS[0], COLOURS[1]


def draw_jitter(results: Sequence[CpuJitter], threshold_ns: int, path: Path) -> None:
    """Write a picture of every gap: time to the right, length up, a row a CPU.

    Args: path: of an .svg or .png; of more than ROWS_MAX CPUs, those that lost most are drawn.
    """
    most = sorted(results, key=lambda one: -one.lost_ns)[:ROWS_MAX]
    rows = sorted(most, key=lambda one: one.cpu)
    figure = new_figure(WIDTH_INCHES, MARGIN_INCHES + ROW_INCHES * max(1, len(rows)))
    height = figure.get_figheight()
    top = 1 - 1.15 / height
    figure.text(
        0.03,
        1 - 0.35 / height,
        "What the CPUs took away",
        fontsize=15,
        fontweight="bold",
        color=INK,
        va="center",
    )
    text = f"gaps of more than {duration(threshold_ns)} in a loop that only reads the counter"
    figure.text(0.03, 1 - 0.65 / height, text, fontsize=10, color=QUIET, va="center")
    _legend(figure, 1 - 0.93 / height)
    seconds = max((one.spun_ns for one in rows), default=1) / 1e9
    longest = max((one.histogram.max for one in rows), default=threshold_ns)
    bottom = 0.6 / height
    row = (top - bottom) / max(1, len(rows))
    for n, one in enumerate(rows):
        axes = figure.add_axes((0.1, top - (n + 1) * row + 0.14 * row, 0.62, row * 0.82))
        _row(axes, one, seconds, (threshold_ns, max(longest, 10 * threshold_ns)))
        if n == len(rows) - 1:
            axes.set_xlabel("seconds", color=QUIET, fontsize=10)
        else:
            axes.tick_params(labelbottom=False)
        _say(figure, one, 0.745, top - (n + 0.5) * row)
    save(figure, path)


def _row(axes: Axes, one: CpuJitter, seconds: float, span: tuple[float, float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for switched, colour in ((0, INTERRUPTED), (1, SWITCHED)):
        gaps = one.gaps[one.gaps["switched"] == switched]
        axes.scatter(
            gaps["at_ns"] / 1e9, gaps["length_ns"], s=7, color=colour, linewidths=0, rasterized=True
        )
    axes.set_xlim(0, seconds)
    axes.set_yscale("log")
    axes.set_ylim(span[0] / 1.3, span[1] * 1.6)
    axes.yaxis.set_major_locator(LogLocator(numticks=5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: duration(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(True, which="major", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, labelsize=8.5, labelcolor=QUIET)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)


def _say(figure: Figure, one: CpuJitter, left: float, middle: float) -> None:
    """A CPU's figures, to the right of its row."""
    p50, p99 = one.histogram.percentiles([50, 99]) if one.total else (0, 0)
    figure.text(
        left, middle, f"CPU {one.cpu}", fontsize=11, fontweight="bold", color=INK, va="bottom"
    )
    figures = f"{one.total:,} gaps, {100 * one.lost:.3f} % lost"
    if one.total:
        figures += (
            f"\np50 {duration(p50)} · p99 {duration(p99)} · max {duration(one.histogram.max)}"
        )
    figure.text(left, middle - 0.004, figures, fontsize=8.5, color=QUIET, va="top")


def _legend(figure: Figure, height: float) -> None:
    for left, colour, text in (
        (0.03, INTERRUPTED, "interrupted: no other task ran"),
        (0.30, SWITCHED, "another task ran"),
    ):
        figure.text(left, height, "●", fontsize=10, color=colour, va="center")
        figure.text(left + 0.016, height, text, fontsize=9, color=QUIET, va="center")


def draw_lines(cpus: Sequence[int], round_trips_ns: NDArray[np.float64], path: Path) -> None:
    """Write a heat map of the cache line's round trip between all pairs of CPUs.

    Args: path: of an .svg or .png.
    """
    count = len(cpus)
    side = min(8.5, max(3.4, 0.36 * count))
    figure = new_figure(side + 2.6, side + 1.7)
    width, height = figure.get_figwidth(), figure.get_figheight()
    axes = figure.add_axes((0.8 / width, 0.5 / height, side / width, side / height))
    image = axes.imshow(round_trips_ns, cmap="YlGnBu", vmin=0)
    ticks = range(0, count, max(1, count // 32))
    axes.set_xticks(list(ticks), [str(cpus[n]) for n in ticks])
    axes.set_yticks(list(ticks), [str(cpus[n]) for n in ticks])
    axes.tick_params(length=0, labelsize=9, labelcolor=QUIET)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if count <= 16:
        _numbers(axes, round_trips_ns)
    bar = figure.colorbar(
        image,
        cax=figure.add_axes(((side + 1.0) / width, 0.5 / height, 0.16 / width, side / height)),
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8.5, labelcolor=QUIET)
    figure.text(
        0.03,
        1 - 0.35 / height,
        "A cache line there and back",
        fontsize=15,
        fontweight="bold",
        color=INK,
        va="center",
    )
    known = round_trips_ns[~np.isnan(round_trips_ns)]
    text = "between two CPUs, median, ns"
    if known.size:
        text += f"; {known.min():.0f} to {known.max():.0f}"
    figure.text(0.03, 1 - 0.68 / height, text, fontsize=10, color=QUIET, va="center")
    save(figure, path)


def _numbers(axes: Axes, values: NDArray[np.float64]) -> None:
    highest = np.nanmax(values) if not np.isnan(values).all() else 1.0
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            colour = "white" if value > 0.6 * highest else INK
            axes.text(
                column, row, f"{value:.0f}", ha="center", va="center", color=colour, fontsize=9
            )
