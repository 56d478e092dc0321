"""The picture of `ringbus hist`: latency by percentile, one line per hop, labelled at its end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ringbus.histogram import Histogram
from tools.units import duration

if TYPE_CHECKING:  # Taken when something is drawn: it costs half a second.
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which the colour-blind can tell apart; the whole way is in ink.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK, QUIET, RULE = "#1b1b1f", "#6b6f76", "#e4e6ea"
WHOLE = "whole"
NINES_MIN = 2.0
POINTS = 400
FIGURE_INCHES = (11.0, 6.2)
# Of the curves within the figure: left, bottom, width, height. The labels stand right of it.
FRAME = (0.072, 0.105, 0.672, 0.735)
# Two lines of text and air.
LABEL_HEIGHT_POINTS = 30.0


@dataclass(frozen=True, slots=True)
class Curve:
    """One hop as it is drawn: x in nines (-log10 of what lies above), y in ns."""

    name: str
    colour: str
    x: Sequence[float]
    y: Sequence[float]
    summary: str


def draw(histograms: Mapping[str, Histogram], path: Path, title: str) -> None:
    """Write a PNG of latency (log) by percentile (every decade is one more nine).

    Args: histograms: by hop, in ns, empty ones are left out; path: of the PNG; title: its heading.
    """
    # Not by pyplot, which keeps figures alive and picks a backend for the whole process.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curves = _curves(histograms)
    figure = Figure(figsize=FIGURE_INCHES, dpi=160, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes(FRAME)
    total = max((histogram.total for histogram in histograms.values()), default=0)
    heading = f"Time a message takes, by percentile; {total:,} messages; both axes logarithmic"
    figure.text(0.022, 0.948, title, fontsize=15, fontweight="bold", color=INK, va="center")
    figure.text(0.022, 0.902, heading, fontsize=10, color=QUIET, va="center")
    for curve in curves:
        _line(axes, curve)
    _frame(axes, curves)
    _labels(axes, curves)
    figure.savefig(path, format="png", metadata={"Software": "ringbus"})


def _curves(histograms: Mapping[str, Histogram]) -> list[Curve]:
    """What is to be drawn of each hop that has records."""
    out: list[Curve] = []
    for name, histogram in histograms.items():
        if histogram.total == 0:
            continue
        colour = INK if name == WHOLE else COLOURS[len(out) % len(COLOURS)]
        # The slowest message of N is what lies above log10(N) nines: the curve ends on it.
        x = np.linspace(0, math.log10(histogram.total), POINTS)
        percents = [*(100 * (1 - 10.0 ** -x[:-1])), 100.0]
        y = [max(min(value, histogram.max), 1) for value in histogram.percentiles(percents)]
        p50, p99 = histogram.percentiles([50, 99])
        highest = duration(histogram.max)
        summary = f"p50 {duration(p50)} · p99 {duration(p99)} · max {highest}"
        out.append(Curve(name, colour, [float(nines) for nines in x], y, summary))
    return out


def _line(axes: Axes, curve: Curve) -> None:
    width = 2.6 if curve.name == WHOLE else 1.8
    axes.plot(curve.x, curve.y, color=curve.colour, linewidth=width, solid_capstyle="round")
    axes.plot(curve.x[-1:], curve.y[-1:], "o", color=curve.colour, markersize=4.5, clip_on=False)


def _frame(axes: Axes, curves: Sequence[Curve]) -> None:
    """Axes, ticks and grid: only what helps to read a value off."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

    right = max([NINES_MIN, *(curve.x[-1] for curve in curves)])
    low = min((min(curve.y) for curve in curves), default=100)
    high = max((max(curve.y) for curve in curves), default=10_000)
    axes.set_xlim(0, right)
    axes.set_yscale("log")
    axes.set_ylim(low / 1.6, high * 1.6)
    ticks = [0.0, math.log10(2), *(float(n) for n in range(1, int(right) + 1))]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda nines, _: _percentile(nines)))
    axes.yaxis.set_major_locator(LogLocator(numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    # Few decades leave room for 2 and 5, which then are needed.
    near = high / low < 300
    axes.yaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0), numticks=24))
    axes.yaxis.set_minor_formatter(
        FuncFormatter(lambda value, _: _tick(value)) if near else NullFormatter()
    )
    axes.grid(True, which="major", color=RULE, linewidth=1.0)
    if near:
        axes.grid(True, which="minor", axis="y", color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, labelsize=9.5, labelcolor=QUIET, pad=6)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(QUIET)
    axes.set_xlabel("percent of messages that were at least as fast", color=QUIET, fontsize=10)


def _labels(axes: Axes, curves: Sequence[Curve]) -> None:
    """Name and figures of every line to the right of the frame, spread so that none overlap."""
    if not curves:
        return
    height = FIGURE_INCHES[1] * FRAME[3] * 72
    low, high = (math.log(limit) for limit in axes.get_ylim())
    ordered = sorted(curves, key=lambda curve: curve.y[-1])
    wanted = [(math.log(curve.y[-1]) - low) / (high - low) * height for curve in ordered]
    for curve, at in zip(ordered, spread(wanted, height, LABEL_HEIGHT_POINTS), strict=True):
        _leader(axes, curve, at / height)
        _text(axes, curve.name, at / height, 0.5, curve.colour)
        _text(axes, curve.summary, at / height, -1.0, QUIET)


def _leader(axes: Axes, curve: Curve, height: float) -> None:
    """A thin line from the end of the curve to its label."""
    axes.annotate(
        "",
        xy=(curve.x[-1], curve.y[-1]),
        xytext=(1.02, height),
        textcoords=axes.transAxes,
        arrowprops={
            "arrowstyle": "-",
            "color": curve.colour,
            "alpha": 0.45,
            "linewidth": 0.9,
            "shrinkA": 0,
            "shrinkB": 3,
        },
        annotation_clip=False,
    )


def _text(axes: Axes, text: str, height: float, rise_points: float, colour: str) -> None:
    """One line of a label: the name above its height, in bold, or the figures below it."""
    above = rise_points > 0
    axes.annotate(
        text,
        xy=(1.026, height),
        xytext=(0, rise_points),
        xycoords=axes.transAxes,
        textcoords="offset points",
        va="bottom" if above else "top",
        fontsize=10 if above else 7.8,
        fontweight="bold" if above else "normal",
        color=colour,
    )


def spread(wanted: Sequence[float], height: float, gap: float) -> list[float]:
    """Places near the wanted ones (ascending), `gap` apart and inside 0..height if they all fit."""
    gap = min(gap, height / len(wanted))
    out: list[float] = []
    for place in wanted:
        out.append(max(place, out[-1] + gap if out else gap / 2))
    ceiling = height - gap / 2
    for n in reversed(range(len(out))):
        out[n] = min(out[n], ceiling)
        ceiling = out[n] - gap
    return out


def _percentile(nines: float) -> str:
    """Text of a tick of the x axis: 0, 50, 90, 99, 99.9, ..."""
    digits = max(round(nines) - 2, 0)
    return f"{100 * (1 - 10.0**-nines):.{digits}f} %"


def _tick(value_ns: float) -> str:
    """Text of a tick of the y axis: 1, 2 or 5 of a unit."""
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if value_ns >= scale:
            return f"{value_ns / scale:g} {unit}"
    return f"{value_ns:g} ns"
