"""The picture of `ringbus hist`: latency by percentile, one line per hop, labelled at its end."""

from __future__ import annotations

import html
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringbus.histogram import Histogram
from ringbus.status import UsageError
from tools.hops import table
from tools.units import duration

if TYPE_CHECKING:  # Taken when something is drawn: it costs half a second.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
# The same picture from the same figures, byte by byte.
SALT: Final[Any] = {"svg.hashsalt": "ringbus", "svg.fonttype": "none"}
PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body{{margin:2em;color:#1b1b1f}} svg{{max-width:100%;height:auto}} pre{{font-size:13px}}
</style>
</head><body>
{drawn}
<pre>{text}</pre>
</body></html>
"""


@dataclass(frozen=True, slots=True)
class Curve:
    """One hop as it is drawn: x in nines (-log10 of what lies above), y in ns."""

    name: str
    colour: str
    x: Sequence[float]
    y: Sequence[float]
    summary: str


def draw(histograms: Mapping[str, Histogram], path: Path, title: str) -> None:
    """Draw latency (log) by percentile (every decade is one more nine).

    Args: histograms: by hop, in ns, empty ones are left out; path: .png, .svg or .html; title: its
    heading.
    """
    curves = _curves(histograms)
    figure = new_figure(*FIGURE_INCHES, dpi=160)
    axes = figure.add_axes(FRAME)
    total = max((histogram.total for histogram in histograms.values()), default=0)
    heading = f"Time a message takes, by percentile; {total:,} messages; both axes logarithmic"
    figure.text(0.022, 0.948, title, fontsize=15, fontweight="bold", color=INK, va="center")
    figure.text(0.022, 0.902, heading, fontsize=10, color=QUIET, va="center")
    for curve in curves:
        _line(axes, curve)
    right = max([NINES_MIN, *(curve.x[-1] for curve in curves)])
    lowest = min((min(curve.y) for curve in curves), default=100)
    highest = max((max(curve.y) for curve in curves), default=10_000)
    frame(axes, right, lowest, highest)
    axes.set_xlabel("percent of messages that were at least as fast", color=QUIET, fontsize=10)
    _labels(axes, curves)
    save(figure, path, title, table(histograms))


def new_figure(width: float, height: float, dpi: int = 120) -> Figure:
    """An empty figure of so many inches."""
    # Not by pyplot, which keeps figures alive and picks a backend for the whole process.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=dpi, facecolor="white")


def save(figure: Figure, path: Path, title: str = "", text: str = "") -> None:
    """Write a figure; a page of HTML holds the figure itself and the text below it, and no links.

    Args: path: its ending says .png, .svg or .html. Raises: UsageError: it says something else.
    """
    import matplotlib

    kind = path.suffix.removeprefix(".") or "svg"
    if kind not in ("png", "svg", "html"):
        raise UsageError(f"{path}: pictures are .png, .svg or .html")
    out = io.BytesIO()
    with matplotlib.rc_context(SALT):
        if kind == "png":
            figure.savefig(out, format="png", metadata={"Software": "ringbus"})
        else:
            figure.savefig(out, format="svg", metadata={"Date": None})
    content = out.getvalue()
    if kind == "html":
        drawn = content.decode()
        page = PAGE.format(
            title=html.escape(title), drawn=drawn[drawn.index("<svg") :], text=html.escape(text)
        )
        content = page.encode()
    path.write_bytes(content)


def _curves(histograms: Mapping[str, Histogram]) -> list[Curve]:
    """What is to be drawn of each hop that has records."""
    out: list[Curve] = []
    for name, histogram in histograms.items():
        if histogram.total == 0:
            continue
        colour = INK if name == WHOLE else COLOURS[len(out) % len(COLOURS)]
        x, y = by_nines(histogram)
        p50, p99 = histogram.percentiles([50, 99])
        highest = duration(histogram.max)
        summary = f"p50 {duration(p50)} · p99 {duration(p99)} · max {highest}"
        out.append(Curve(name, colour, x, y, summary))
    return out


def by_nines(histogram: Histogram, points: int = POINTS) -> tuple[list[float], list[float]]:
    """Latency in ns at each of `points` places from 0 nines to the slowest message's."""
    # The slowest message of N is what lies above log10(N) nines: the curve ends on it.
    x = np.linspace(0, math.log10(histogram.total), points)
    percents = [*(100 * (1 - 10.0 ** -x[:-1])), 100.0]
    values = histogram.percentiles(percents)
    return [float(nines) for nines in x], [
        float(max(min(value, histogram.max), 1)) for value in values
    ]


def _line(axes: Axes, curve: Curve) -> None:
    width = 2.6 if curve.name == WHOLE else 1.8
    axes.plot(curve.x, curve.y, color=curve.colour, linewidth=width, solid_capstyle="round")
    axes.plot(curve.x[-1:], curve.y[-1:], "o", color=curve.colour, markersize=4.5, clip_on=False)


def frame(axes: Axes, right: float, lowest: float, highest: float) -> None:
    """Axes, ticks and grid of latency by percentile: only what helps to read a value off.

    Args: right: nines of the last tick; lowest, highest: what is drawn, ns.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter

    axes.set_xlim(0, right)
    ticks = [0.0, math.log10(2), *(float(n) for n in range(1, int(right) + 1))]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda nines, _: _percentile(nines)))
    frame_latency(axes, lowest, highest)


def frame_latency(axes: Axes, lowest: float, highest: float) -> None:
    """The axis of latency, logarithmic, and what surrounds a picture."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.set_ylim(lowest / 1.6, highest * 1.6)
    axes.yaxis.set_major_locator(LogLocator(numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    # Few decades leave room for 2 and 5, which then are needed.
    near = highest / lowest < 300
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
