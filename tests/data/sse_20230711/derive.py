"""Makes the files of the two call auctions from the exchange's own: python derive.py RAW_FOLDER.

RAW_FOLDER holds SHorders.csv.gz and SHtrans.csv.gz (README.md says where from).
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
OPENING = ("09:15", "09:25:00")
CLOSING = ("14:57:00", "15:00:00")
VERBS = {"2": "NEW", "10": "REDUCE"}
SIDES = {"1": "B", "2": "S"}
Row = dict[str, str]


def read(path: Path) -> list[Row]:
    """All rows of a file of one channel, in its total order."""
    with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return sorted(rows, key=lambda row: int(row["ApplSeqNum"]))


def write(name: str, head: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    """A file that is the same each time: gzip keeps no time of its own."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    packed = gzip.compress(text.getvalue().encode("ascii"), 9, mtime=0)
    (HERE / name).write_bytes(packed)


def price_1e4(text: str) -> int:
    """9.109999999999999 is 9.11: prices have two decimals."""
    return round(float(text) * 100) * 100


def main() -> None:
    """Write opening, closing and the trades of both crosses."""
    raw = Path(sys.argv[1])
    orders, trades = read(raw / "SHorders.csv.gz"), read(raw / "SHtrans.csv.gz")
    head: tuple[str, ...]
    head = ("exch_seq", "time", "phase", "symbol", "verb", "order_id", "side", "price_1e4", "qty")
    for name, (first, last) in (("opening", OPENING), ("closing", CLOSING)):
        rows: list[tuple[object, ...]] = [
            (
                *(row["ApplSeqNum"], row["MDTime"], f"{name.upper()}CALL", row["SecurityID"]),
                *(VERBS[row["OrderType"]], row["OrderNO"], SIDES[row["OrderBSFlag"]]),
                *(price_1e4(row["OrderPrice"]), row["OrderQty"]),
            )
            for row in orders
            if first <= row["MDTime"] < last
        ]
        write(f"{name}.csv.gz", head, rows)
    crossed: list[tuple[object, ...]] = [
        (
            *("opening" if row["MDTime"] < "09:30" else "closing", row["SecurityID"]),
            *(row["TradeBuyNo"], row["TradeSellNo"], price_1e4(row["TradePrice"]), row["TradeQty"]),
        )
        for row in trades
        if not "09:30" <= row["MDTime"] < "14:57"
    ]
    head = ("cross", "symbol", "buy_order_id", "sell_order_id", "price_1e4", "qty")
    write("expected_crosses.csv.gz", head, crossed)


if __name__ == "__main__":
    main()
