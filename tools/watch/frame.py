"""Frames: panels as text below each other, for scripts and pages, and one subject in full."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Final, Literal, cast

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ringbus.histogram import Histogram
from tools.dump import time_text
from tools.units import duration, price_text, rate_text, share_text
from tools.watch.panels import NOTHING, Panel, Row, summary
from tools.watch.sample import Sample

# Rows of a panel that are shown at most: what is behind them nobody reads.
ROWS_MAX: Final = 500


def table(panel: Panel, rows: Sequence[Row]) -> RenderableType:
    """One panel."""
    if not rows:
        return Text(panel.empty)
    out = Table(box=None, pad_edge=False)
    for n, name in enumerate(panel.columns):
        # Where there is no room for all, the last column gives way.
        gives_way = n + 1 == len(panel.columns)
        side: Literal["left", "right"] = "left" if name in panel.words else "right"
        out.add_column(name, justify=side, no_wrap=not gives_way)
    for row in rows[:ROWS_MAX]:
        cells = (Text(one.text, one.style, no_wrap=True, overflow="ellipsis") for one in row.cells)
        out.add_row(*cells)
    return out


def frame(sample: Sample, panels: Sequence[Panel]) -> Group:
    """The summary, and the panels below each other."""
    parts: list[RenderableType] = [Text(sample.banner, "bold red")] if sample.banner else []
    parts += [Text(line) for line in summary(sample)]
    for panel in panels:
        rows = panel.rows(sample, {})
        parts += [Text(f"\n{panel.name}"), table(panel, rows)]
        if len(rows) > ROWS_MAX:
            parts.append(Text(f"{len(rows) - ROWS_MAX:,} more"))
    return Group(*parts)


def details(subject: object, indent: str = "") -> Iterator[str]:
    """All that is known of a subject, a line a number, those of its parts behind it."""
    assert dataclasses.is_dataclass(subject)
    parts = []
    for one in dataclasses.fields(subject):
        value = getattr(subject, one.name)
        if isinstance(value, Histogram):
            continue
        if isinstance(value, tuple | Mapping):
            parts.append((one.name, value))
        else:
            name, said = _said(one.name, value)
            yield f"{indent}{name:<18} {said}"
    for name, part in parts:
        if part:
            yield f"{indent}{name}"
        if isinstance(part, Mapping):
            yield from (f"{indent}  {key:<40} {value:,}" for key, value in part.items())
        else:
            for one in part:
                yield from details(one, indent + "  ")
                yield ""


def _said(name: str, value: object) -> tuple[str, str]:
    """A field's name without its unit, and its value with it."""
    stem, _, unit = name.rpartition("_")
    shown = stem.replace("_", " ")
    if value is None or value == "":
        return (shown if stem else name), NOTHING
    if isinstance(value, IntEnum):
        return name.replace("_", " "), value.name.lower()
    if name == "time_ns":
        return "time", time_text(cast(int, value))
    if isinstance(value, int) and unit == "ns":
        return shown, duration(value)
    if isinstance(value, int) and unit == "1e4":
        return shown, price_text(value)
    if isinstance(value, float) and unit == "share":
        return shown, share_text(value)
    if isinstance(value, float):
        return name.replace("_per_s", " a second").replace("_", " "), rate_text(value)
    if isinstance(value, bool):
        return name.removeprefix("is_").replace("_", " "), "yes" if value else "no"
    if isinstance(value, int):
        is_count = unit == "count"
        return (shown if is_count else name.replace("_", " ")), f"{value:,}"
    return name.replace("_", " "), str(value)
