"""`ringbus dump`: the messages of a recorded day, to read, to search, or for another program."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ringbus.describe import Value, record, shown
from ringbus.journal import batches
from ringbus.messages import DTYPES, MESSAGE, NEW_ORDER, Template
from ringbus.status import RingbusError, UsageError
from tools.manual import Parser
from tools.replay_day import journal_of

BATCH = 1 << 16
FORMATS = ("table", "jsonl", "csv", "parquet")
# Columns of the terminal's table; what else a message says follows them.
TABLE = ("sequence", "time", "template", "topic", "instrument", "side", "price_ticks", "quantity")
WIDTHS = (9, 18, 21, 5, 10, 4, 11, 8)
# What the table leaves out, since it says nothing to a human.
DULL = ("time_ns", "checksum", "topic_sequence", "flags", "shard")


def columns() -> dict[str, np.dtype[np.generic]]:
    """Every field that any template has, with a type that holds all of them."""
    out: dict[str, np.dtype[np.generic]] = {}
    for dtype in DTYPES.values():
        for name, field in (dtype.fields or {}).items():
            if shown(name) and name != "template_id":
                out[name] = np.result_type(out[name], field[0]) if name in out else field[0]
    return out


def select(
    lines: NDArray[np.void],
    templates: Sequence[Template],
    instrument: int | None,
    topic: int | None,
) -> NDArray[np.void]:
    """The lines of these templates (none: all), of this instrument, on this topic."""
    wanted = np.ones(len(lines), np.bool_)
    if templates:
        wanted &= np.isin(lines["template_id"], list(templates))
    if topic is not None:
        wanted &= lines["topic"] == topic
    if instrument is not None:
        wanted &= lines.view(NEW_ORDER)["instrument"] == instrument
        wanted &= lines["template_id"] != Template.ORDER_TAG
    return lines if wanted.all() else lines[wanted]


def between(directory: Path, first: int, last: int | None) -> Iterator[NDArray[np.void]]:
    """The day's messages from sequence `first` to `last`, in batches, without a copy."""
    for batch in batches(directory, BATCH):
        start = int(batch["sequence"][0])
        low = max(first - start, 0)
        high = len(batch) if last is None else min(last + 1 - start, len(batch))
        if low < high:
            yield batch[low:high]
        if high < len(batch):
            return


def time_text(time_ns: int) -> str:
    """Time of day in UTC, to the nanosecond."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S}.{rest:09d}"


def table_row(fields: dict[str, Value]) -> str:
    """One message in the columns of the terminal's table."""
    fields = {**fields, "time": time_text(int(fields["time_ns"])) if "time_ns" in fields else ""}
    cells = []
    for name, width in zip(TABLE, WIDTHS, strict=True):
        value = fields.get(name, "")
        cells.append(f"{value:>{width}}" if isinstance(value, int) else f"{value:<{width}}")
    rest = [
        f"{name}={value}"
        for name, value in fields.items()
        if name not in TABLE and name not in DULL and value not in ("", 0)
    ]
    return "  ".join([*cells, " ".join(rest)]).rstrip()


class TextWriter:
    """Writes messages as a table, as JSON lines, or as CSV."""

    def __init__(self, out: TextIO, kind: str) -> None:
        self._out = out
        self._csv: csv.DictWriter[str] | None = None
        if kind == "csv":
            names = ["template", *columns(), "bytes"]
            self._csv = csv.DictWriter(out, names, restval="", lineterminator="\n")
            self._csv.writeheader()
        elif kind == "table":
            heads = [f"{name:<{width}}" for name, width in zip(TABLE, WIDTHS, strict=True)]
            out.write("  ".join([*heads, "more"]) + "\n")
        self._json = kind == "jsonl"

    def write(self, lines: NDArray[np.void]) -> None:
        """Write a batch of dtype MESSAGE."""
        for line in lines:
            fields = record(line)
            if self._csv is not None:
                self._csv.writerow(fields)
            elif self._json:
                self._out.write(json.dumps(fields) + "\n")
            else:
                self._out.write(table_row(fields) + "\n")

    def close(self) -> None:
        """Nothing is left to be written."""


def arrow() -> Any:
    """The module that writes Parquet. Raises: UsageError: it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            "Parquet needs pyarrow, which is not installed: pip install 'ringbus[parquet]'"
        ) from None
    return pyarrow


class ParquetWriter:
    """Writes messages as one Parquet table: a column a field, null where a template has none.

    Numbers stay numbers; the template is a text. Needs pyarrow.
    """

    def __init__(self, path: Path) -> None:
        self._arrow = pyarrow = arrow()
        self._columns = columns()
        kinds = [
            (name, pyarrow.string() if dtype.kind == "S" else pyarrow.from_numpy_dtype(dtype))
            for name, dtype in self._columns.items()
        ]
        schema = pyarrow.schema([("template", pyarrow.string()), *kinds])
        self._writer = pyarrow.parquet.ParquetWriter(path, schema)

    def write(self, lines: NDArray[np.void]) -> None:
        """Write a batch of dtype MESSAGE as one row group."""
        arrow = self._arrow
        names = np.array([""] * 256, object)
        for template in Template:
            names[template] = template.name
        arrays = [arrow.array(names[lines["template_id"]], arrow.string())]
        kinds = {
            number: lines["template_id"] == number for number in np.unique(lines["template_id"])
        }
        for name, dtype in self._columns.items():
            values = np.zeros(len(lines), dtype)
            missing = np.ones(len(lines), np.bool_)
            for number, mask in kinds.items():
                fields = DTYPES.get(number, MESSAGE)
                if name in (fields.names or ()):
                    values[mask] = lines.view(fields)[name][mask]
                    missing &= ~mask
            if dtype.kind == "S":
                text = np.char.decode(np.char.rstrip(values, b" "), "latin-1").astype(object)
                arrays.append(arrow.array(text, arrow.string(), mask=missing))
            else:
                arrays.append(arrow.array(values, mask=missing))
        self._writer.write_table(arrow.Table.from_arrays(arrays, schema=self._writer.schema))

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus dump`: 0; 2: there is no such day, it is damaged, or it cannot be written."""
    options = _parser().parse_args(argv)
    return export("dump", lambda: _run(options))


def export(word: str, run: Callable[[], None]) -> int:
    """Exit status of a word that writes what a recorded day holds; what stops it is said."""
    try:
        run()
    except BrokenPipeError:
        raise
    except (RingbusError, OSError) as error:
        print(f"ringbus {word}: {error}", file=sys.stderr)
        return 2
    return 0


def text_of(path: Path | None, stack: ExitStack) -> TextIO:
    """Where text goes: a file, that the stack closes, or the terminal."""
    return sys.stdout if path is None else stack.enter_context(path.open("w", newline=""))


def _run(options: argparse.Namespace) -> None:
    directory = journal_of(options.directory)
    path: Path | None = options.output
    if options.format == "parquet" and path is None:
        raise UsageError("Parquet goes into a file: say --output FILE")
    templates = [Template[name.upper()] for name in options.template]
    with ExitStack() as stack:
        writer: TextWriter | ParquetWriter
        if options.format == "parquet" and path is not None:
            writer = ParquetWriter(path)
        else:
            writer = TextWriter(text_of(path, stack), options.format)
        stack.callback(writer.close)
        head = (TextColumn("dump"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(stderr=True)
        bar = stack.enter_context(
            Progress(*head, console=console, transient=True, disable=path is None)
        )
        task = bar.add_task("dump", total=None)
        for lines in between(directory, options.first, options.last):
            writer.write(select(lines, templates, options.instrument, options.topic))
            bar.update(task, advance=len(lines))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="ringbus dump", description=__doc__)
    parser.add_argument("directory", type=Path, help="directory of the journal")
    parser.add_argument(
        "--from", dest="first", type=int, default=1, metavar="SEQUENCE", help="the first one"
    )
    parser.add_argument("--to", dest="last", type=int, metavar="SEQUENCE", help="the last one")
    names = [template.name.lower() for template in Template]
    parser.add_argument(
        "--template", action="append", default=[], choices=names, metavar="NAME",
        help=f"only these, may be said several times: {', '.join(names)}",
    )  # fmt: skip
    parser.add_argument("--instrument", type=int, metavar="N", help="only of this one")
    parser.add_argument("--topic", type=int, metavar="N", help="only on this one")
    parser.add_argument(
        "--format", choices=FORMATS, default="table",
        help="jsonl and csv name the values of enums; parquet keeps their numbers",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="FILE", help="instead of the terminal")
    return parser


if __name__ == "__main__":
    sys.exit(main())
