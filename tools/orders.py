"""Order files: what a market was told, row by row, dealt out to sessions."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from ports.ouch import CancelOrder, EnterOrder
from ports.soup import UNSEQUENCED, encode_packet
from tools.topology import ConfigurationError

FIELDS: Final = ("symbol", "verb", "order_id", "side", "price_1e4", "qty")
VERBS: Final = ("NEW", "REDUCE")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of an order file; the quantity of a REDUCE is what it takes off."""

    line: int
    symbol: str
    verb: str
    order_id: int
    side: str
    price_1e4: int
    quantity: int


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", newline="", encoding="ascii")
    return path.open(newline="", encoding="ascii")


def load_orders(path: Path, limit: int | None = None) -> list[Row]:
    """Read an order file (CSV, plain or gzip) with at least the columns of FIELDS.

    Symbols lose their exchange suffix (600761.SH is 600761). Raises: ConfigurationError: with file,
    line, and what was expected there.
    """
    rows: list[Row] = []
    try:
        with _open(path) as file:
            reader = csv.DictReader(file)
            missing = [name for name in FIELDS if name not in (reader.fieldnames or ())]
            if missing:
                raise ConfigurationError(
                    f"{path}:1: no column '{missing[0]}'; needed are {', '.join(FIELDS)}"
                )
            for line, record in enumerate(reader, 2):
                if limit is not None and len(rows) >= limit:
                    break
                rows.append(_row(path, line, record))
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
    return rows


def _row(path: Path, line: int, record: dict[str, str]) -> Row:
    verb, side = record["verb"], record["side"]
    if verb not in VERBS:
        raise ConfigurationError(f"{path}:{line}: verb '{verb}': NEW or REDUCE was expected")
    if side not in ("B", "S"):
        raise ConfigurationError(f"{path}:{line}: side '{side}': B or S was expected")
    try:
        return Row(
            line,
            record["symbol"].partition(".")[0],
            verb,
            int(record["order_id"]),
            side,
            int(record["price_1e4"]) if verb == "NEW" else 0,
            int(record["qty"]),
        )
    except ValueError as error:
        raise ConfigurationError(f"{path}:{line}: {error}") from None


@dataclass(frozen=True, slots=True)
class Request:
    """One row as its session sends it: a whole SoupBinTCP packet."""

    row: Row
    session: int
    user_ref: int
    packet: bytes


class Dealer:
    """Deals rows out to `sessions` sessions by order id and turns them into OUCH 5.0 packets.

    It remembers the user_ref and the total of every order, so one dealer serves one trading day:
    `order_ids[session][user_ref]` is the file's order id, 0 where there is none.
    """

    def __init__(self, sessions: int) -> None:
        self.order_ids: list[list[int]] = [[0] for _ in range(sessions)]
        self._orders: dict[int, tuple[int, int]] = {}

    def deal(self, rows: list[Row]) -> list[Request]:
        """The requests of `rows`, in their order. A later NEW of a known order id is a new order.

        Raises: ConfigurationError: a REDUCE of an order that no row before it entered.
        """
        return [self._deal(row) for row in rows]

    def _deal(self, row: Row) -> Request:
        session = row.order_id % len(self.order_ids)
        if row.verb == "NEW":
            user_ref = len(self.order_ids[session])
            self.order_ids[session].append(row.order_id)
            total = row.quantity
            payload = EnterOrder(
                user_ref=user_ref,
                side=row.side,
                quantity=row.quantity,
                symbol=row.symbol,
                price=row.price_1e4,
            ).encode()
        else:
            if row.order_id not in self._orders:
                raise ConfigurationError(f"line {row.line}: order {row.order_id} was never entered")
            user_ref, total = self._orders[row.order_id]
            # OUCH names the total that may ever execute, so that sending it twice does no harm.
            total -= row.quantity
            payload = CancelOrder(user_ref=user_ref, quantity=max(total, 0)).encode()
        self._orders[row.order_id] = (user_ref, total)
        return Request(row, session, user_ref, encode_packet(UNSEQUENCED, payload))
