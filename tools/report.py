"""`ringbus report`: what a day was, by its journal: orders, trades, limits, refusals, alarms.

Of a day that was closed, or of an exchange that is up, also what only its processes know.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ringbus.journal import batches
from ringbus.status import RingbusError
from tools import kept_figures
from tools.closed import CLOSED
from tools.day_counts import count, limits_used
from tools.kept_figures import Figures
from tools.log import WIDTH, changes_of, rows, running
from tools.manual import Parser
from tools.replay_day import journal_of
from tools.report_sections import Section, sections
from tools.state import exchange_name, find
from tools.topology import ConfigurationError, load_topology

STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:72em;color:#222}"
    "h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #ccc}"
    "table{border-collapse:collapse}td,th{padding:.15em 1em .15em 0;text-align:left;"
    "vertical-align:top}th{color:#666;font-weight:500}td.n{text-align:right;"
    "font-variant-numeric:tabular-nums}p{color:#555}"
)
Batches = Iterator[NDArray[np.void]]


def report_of(target: str) -> tuple[str, list[Section]]:
    """A title and all sections, of an exchange (its name or topology file) or a journal.

    Raises: ConfigurationError: nothing of that name is there; RingbusError: the day is damaged.
    """
    title, read, figures = _source(target)
    day = count(read())
    used = limits_used(day, read()) if day.limits else []
    operators = rows(*changes_of(read()))
    return title, list(sections(day, used, figures, operators))


def _source(target: str) -> tuple[str, Callable[[], Batches], Figures | None]:
    path = Path(target)
    if not path.is_dir():
        state = find(exchange_name(target))
        if state is not None:
            return state.name, lambda: running(state), kept_figures.look(state)
        if path.suffix != ".toml":
            raise ConfigurationError(
                f"exchange {target} is not up; name its topology file or a journal"
            )
        path = load_topology(path).directory
    journal = journal_of(path)
    return str(journal), lambda: batches(journal), kept_figures.find(_record_of(journal))


def _record_of(journal: Path) -> Path:
    """Where the record of a journal's day is: beside it, `day-NAME` of `journal-NAME`."""
    name = journal.name.partition("-")[2]
    return journal.parent / (f"day-{name}" if name else CLOSED)


def show(title: str, found: Sequence[Section], console: Console) -> None:
    """For a terminal."""
    console.print(title, style="bold", highlight=False)
    for one in found:
        console.print(f"\n{one.title}", style="bold")
        for note in one.notes:
            console.print(note, highlight=False)
        if one.rows:
            table = Table(box=None, pad_edge=False)
            for n, column in enumerate(one.columns):
                is_number = all(_is_number(row[n]) for row in one.rows)
                table.add_column(column, justify="right" if is_number else "left", overflow="fold")
            for row in one.rows:
                table.add_row(*row)
            console.print(table)


def html_of(title: str, found: Sequence[Section]) -> str:
    """One file that needs no other."""
    out = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{html.escape(title)}</h1>",
    ]
    for one in found:
        out.append(f"<h2>{html.escape(one.title)}</h2>")
        out += [f"<p>{html.escape(note)}</p>" for note in one.notes]
        if one.rows:
            out.append("<table><tr>")
            out += [f"<th>{html.escape(column)}</th>" for column in one.columns]
            out.append("</tr>")
            for row in one.rows:
                cells = [
                    f"<td{' class=n' if _is_number(cell) else ''}>{html.escape(cell)}</td>"
                    for cell in row
                ]
                out.append(f"<tr>{''.join(cells)}</tr>")
            out.append("</table>")
    return "\n".join([*out, "</body></html>", ""])


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").replace("-", "").removesuffix(" %").isdigit()


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus report`: 0; 2: the day cannot be read, or the file not written."""
    parser = Parser(prog="ringbus report", description=__doc__)
    parser.add_argument("day", help="an exchange, its topology file, or a directory of a journal")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it there")
    parser.add_argument("--text", action="store_true", help="print it, beside --html too")
    options = parser.parse_args(argv)
    try:
        title, found = report_of(options.day)
        if options.html is not None:
            options.html.write_text(html_of(title, found), encoding="utf-8")
    except (ConfigurationError, RingbusError, OSError) as error:
        print(f"ringbus report: {error}", file=sys.stderr)
        return 2
    if options.text or options.html is None:
        show(title, found, Console(width=None if sys.stdout.isatty() else WIDTH, markup=False))
    return 0
