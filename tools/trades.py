"""`ringbus trades`: every trade of a recorded day, and what became of it, as CSV or Parquet.

One row a trade, in the day's order: what it was, whether it is void or has another price by the end
of the day, and whether the trade reporter's facility has answered for it.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

import numpy as np
from numpy.typing import NDArray

from ports.fix import decimal_text
from ports.fix_reports import PRICE_DIGITS
from ports.trades import SIDES, Trades
from ringbus.journal import batches
from ringbus.messages import (
    INSTRUMENT_DEFINITION,
    PARTICIPANT_DEFINITION,
    TRADE_REPORTED,
    Template,
    TradeChangeKind,
)
from tools.dump import arrow, export, text_of, time_text
from tools.manual import Parser
from tools.replay_day import journal_of

BATCH: Final = 1 << 16
COLUMNS: Final = (
    "match", "time_ns", "time", "symbol", "quantity", "price", "aggressor",
    *(f"{side}_{name}" for side in SIDES for name in ("user", "account", "firm", "order")),
    "status", "price_corrected", "changed_at", "reported",
)  # fmt: skip
STATUS: Final = ("", "void", "corrected")


@dataclass(slots=True)
class Day:
    """What must be known of a day before its trades can be written.

    `changes`: by match number, the last change's kind, place and price; `users`: by session.
    """

    symbols: dict[int, str] = field(default_factory=dict)
    ticks: dict[int, int] = field(default_factory=dict)
    users: dict[int, str] = field(default_factory=dict)
    changes: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    reported: int = 0

    @classmethod
    def read(cls, directory: Path) -> Day:
        """From the journal in `directory`."""
        day = cls()
        trades = Trades()
        for batch in batches(directory, BATCH):
            day._define(batch)
            rows = trades.take(batch)
            for row in rows[rows["kind"] != 0]:
                day.changes[int(row["match"])] = (
                    int(row["kind"]),
                    int(row["sequence"]),
                    int(row["price_ticks"]),
                )
        return day

    def _define(self, batch: NDArray[np.void]) -> None:
        template = batch["template_id"]
        for row in batch[template == Template.INSTRUMENT_DEFINITION].view(INSTRUMENT_DEFINITION):
            number = int(row["instrument"])
            self.symbols[number] = bytes(row["symbol"]).decode("latin-1").rstrip(" \0")
            self.ticks[number] = int(row["tick_1e4"])
        for row in batch[template == Template.PARTICIPANT_DEFINITION].view(PARTICIPANT_DEFINITION):
            self.users[int(row["session"])] = bytes(row["user"]).decode("latin-1").rstrip(" \0")
        for row in batch[template == Template.TRADE_REPORTED].view(TRADE_REPORTED):
            self.reported = max(self.reported, int(row["reported"]))


def rows_of(directory: Path, day: Day) -> Iterator[list[dict[str, object]]]:
    """The day's trades, in batches; a price is a decimal text, one that is not there is ""."""
    trades = Trades()
    for batch in batches(directory, BATCH):
        rows = trades.take(batch)
        rows = rows[rows["kind"] == 0]
        if len(rows):
            yield [_row(day, row) for row in rows]


def _row(day: Day, row: np.void) -> dict[str, object]:
    instrument, match, time_ns = int(row["instrument"]), int(row["match"]), int(row["time_ns"])
    kind, changed_at, price_ticks = day.changes.get(match, (0, 0, 0))
    tick = day.ticks.get(instrument, 0)
    is_corrected = kind == TradeChangeKind.CORRECT
    aggressor = "buyer" if row["buyer_removed"] else "seller" if row["seller_removed"] else ""
    out: dict[str, object] = {
        "match": match,
        "time_ns": time_ns,
        "time": time_text(time_ns),
        "symbol": day.symbols.get(instrument, str(instrument)),
        "quantity": int(row["quantity"]),
        "price": decimal_text(int(row["price_ticks"]) * tick, PRICE_DIGITS),
        "aggressor": aggressor,
        "status": STATUS[kind],
        "price_corrected": decimal_text(price_ticks * tick, PRICE_DIGITS) if is_corrected else "",
        "changed_at": changed_at,
        "reported": int(row["last"]) <= day.reported,
    }
    for side in SIDES:
        out[f"{side}_user"] = day.users.get(int(row[f"{side}_session"]), "")
        for name in ("account", "firm", "order"):
            out[f"{side}_{name}"] = int(row[f"{side}_{name}"])
    return out


class CsvWriter:
    """Writes rows as CSV."""

    def __init__(self, out: TextIO) -> None:
        self._csv = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        self._csv.writeheader()

    def write(self, rows: list[dict[str, object]]) -> None:
        """Write some rows."""
        self._csv.writerows(rows)

    def close(self) -> None:
        """Nothing is left to be written."""


class ParquetWriter:
    """Writes rows as one Parquet table; prices are decimals. Needs pyarrow."""

    def __init__(self, path: Path) -> None:
        self._arrow = pyarrow = arrow()
        whole = ("match", "time_ns", "quantity", "changed_at")
        numbers = tuple(f"{side}_{name}" for side in SIDES for name in ("account", "firm", "order"))

        def kind(name: str) -> object:
            if name.startswith("price"):
                return pyarrow.decimal128(18, PRICE_DIGITS)
            if name in whole or name in numbers:
                return pyarrow.uint64()
            return pyarrow.bool_() if name == "reported" else pyarrow.string()

        self._schema = pyarrow.schema([(name, kind(name)) for name in COLUMNS])
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema)

    def write(self, rows: list[dict[str, object]]) -> None:
        """Write some rows as one row group."""
        arrow = self._arrow
        arrays = []
        for name, column in zip(COLUMNS, self._schema, strict=True):
            values = [row[name] for row in rows]
            if name.startswith("price"):
                texts = arrow.array([value or None for value in values], arrow.string())
                arrays.append(texts.cast(column.type))
            else:
                arrays.append(arrow.array(values, column.type))
        self._writer.write_table(arrow.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus trades`: 0; 2: there is no such day, it is damaged, or it cannot be written."""
    options = _parser().parse_args(argv)
    return export("trades", lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    directory = journal_of(options.directory)
    path: Path | None = options.output
    day = Day.read(directory)
    with ExitStack() as stack:
        writer: CsvWriter | ParquetWriter
        if path is not None and path.suffix == ".parquet":
            writer = ParquetWriter(path)
        else:
            writer = CsvWriter(text_of(path, stack))
        stack.callback(writer.close)
        for rows in rows_of(directory, day):
            writer.write(rows)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="ringbus trades",
        description="All trades of a recorded day, with busts, corrections and what is reported.",
    )
    parser.add_argument("directory", type=Path, help="directory of the journal")
    parser.add_argument(
        "--output", type=Path, metavar="FILE",
        help="instead of the terminal; Parquet if its name ends with .parquet, else CSV",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
