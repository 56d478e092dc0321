"""What must come of a day: compared with what came.

An independent reading of the stream in Python: which OUCH messages each client must have been
sent, which trades the market made, which orders rest. The port in C and the book in C are held
against it.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.book import Book
from ports._ports import lib
from ports.ouch import (
    CancelReject,
    Message,
    OrderAccepted,
    OrderCanceled,
    OrderExecuted,
    OrderRejected,
    SystemEvent,
)
from ringbus.messages import DTYPES, EXECUTED, NEW_ORDER, Liquidity, Side, Template, TradeDetail
from tools.instruments import Instrument

DAY_NS = 86_400_000_000_000
TIME_IN_FORCE = {0: "0", 3: "3"}
CROSSES: Final[dict[int, str]] = {
    TradeDetail.OPENING_CROSS: "opening",
    TradeDetail.CLOSING_CROSS: "closing",
    TradeDetail.HALT_CROSS: "halt",
}
CROSS_LETTERS: Final[dict[int, str]] = {
    TradeDetail.OPENING_CROSS: "O",
    TradeDetail.CLOSING_CROSS: "C",
    TradeDetail.HALT_CROSS: "H",
}


def client_messages(
    stream: NDArray[np.void], topic: int, instruments: Sequence[Instrument]
) -> list[bytes]:
    """The payloads of all sequenced messages that a session must have been sent, first first.

    Covers what an order file can cause (orders, cancels, executions, refusals), not replaces.
    """
    wanted = (stream["topic"] == topic) | (
        (stream["topic"] == 0)
        & np.isin(stream["template_id"], (Template.BUILD_RECORD, Template.END_OF_DAY))
    )
    out = []
    for line in stream[wanted]:
        message = _message(line, instruments)
        if message is not None:
            out.append(message.encode())
    return out


def _message(line: np.void, instruments: Sequence[Instrument]) -> Message | None:
    template = Template(int(line["template_id"]))
    fields = np.array([line]).view(DTYPES[template])[0]
    time = int(line["time_ns"]) % DAY_NS
    if template in (Template.BUILD_RECORD, Template.END_OF_DAY):
        return SystemEvent(time, "S" if template == Template.BUILD_RECORD else "E")
    if template in (Template.SESSION_EVENT, Template.ORDER_TAG):
        return None
    user_ref = int(fields["client_order_id"])
    if template in (Template.REJECT, Template.REJECTED):
        if int(fields["refused_template"]) == Template.CANCEL:
            return CancelReject(time, user_ref)
        return OrderRejected(time, user_ref, _ouch_reason(int(fields["reason"])))
    instrument = instruments[int(fields["instrument"])]
    price = int(fields["price_ticks"]) * instrument.tick_1e4
    if template == Template.NEW_ORDER:
        return OrderAccepted(
            timestamp_ns=time,
            user_ref=user_ref,
            side=bytes(fields["original_side"]).decode(),
            quantity=int(fields["quantity"]),
            symbol=instrument.symbol,
            price=price,
            time_in_force=TIME_IN_FORCE[int(fields["time_in_force"])],
            display=bytes(fields["display"]).decode(),
            order_reference=int(line["sequence"]),
            capacity=bytes(fields["capacity"]).decode(),
            sweep=bytes(fields["sweep"]).decode(),
            cross_type=bytes(fields["cross_type"]).decode(),
            state="L",
        )
    if template == Template.EXECUTED:
        # The number of a trade is the sequence of its first line: the incoming side's or the buy.
        is_removed = int(fields["liquidity"]) == Liquidity.REMOVED
        detail = int(fields["detail"])
        is_first = int(fields["side"]) == Side.BUY if detail in CROSS_LETTERS else is_removed
        letter = CROSS_LETTERS.get(detail, "R" if is_removed else "A")
        match = int(line["sequence"]) - (0 if is_first else 1)
        return OrderExecuted(time, user_ref, int(fields["quantity"]), price, letter, match)
    if template in (Template.CANCEL, Template.CANCELED):
        reason = "U" if template == Template.CANCEL else "I"
        return OrderCanceled(time, user_ref, int(fields["quantity"]), reason)
    raise ValueError(f"sequence {line['sequence']}: a client cannot be shown {template.name}")


def _ouch_reason(reason: int) -> int:
    return int(lib.prt_ouch_reject_reason(reason))


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade, in the terms of the order file."""

    symbol: str
    maker: int
    taker: int
    taker_side: str
    price_1e4: int
    quantity: int


@dataclass(frozen=True, slots=True)
class CrossTrade:
    """One trade of an auction: neither side came to the other."""

    cross: str
    symbol: str
    buy: int
    sell: int
    price_1e4: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Resting:
    """One resting order, in the terms of the order file."""

    symbol: str
    side: str
    price_1e4: int
    order_id: int
    quantity: int


class OrderIds:
    """Order ids of the file by (topic, client_order_id): those that a Dealer dealt out."""

    def __init__(self, topics: Sequence[int], order_ids: Sequence[Sequence[int]]) -> None:
        width = max(len(row) for row in order_ids)
        self._table = np.zeros((max(topics) + 1, width), np.int64)
        for topic, row in zip(topics, order_ids, strict=True):
            self._table[topic, : len(row)] = row

    def of(self, lines: NDArray[np.void]) -> NDArray[np.int64]:
        """The order id of each line (n,), 0 where the load never sent such an order."""
        topic, number = lines["topic"].astype(np.int64), lines["client_order_id"].astype(np.int64)
        known = (topic < self._table.shape[0]) & (number < self._table.shape[1])
        out: NDArray[np.int64] = np.zeros(len(lines), np.int64)
        out[known] = self._table[topic[known], number[known]]
        return out


def _sides(stream: NDArray[np.void], is_cross: bool) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """Both lines of every trade in or outside of crosses; the incoming side or the buy is first.

    Raises: ValueError: an execution does not come as such a pair.
    """
    lines = stream[stream["template_id"] == Template.EXECUTED].view(EXECUTED)
    lines = lines[(lines["liquidity"] == Liquidity.CROSS) == is_cross]
    one, other = lines[0::2], lines[1::2]
    by = "side" if is_cross else "liquidity"
    first, second = (Side.BUY, Side.SELL) if is_cross else (Liquidity.REMOVED, Liquidity.ADDED)
    paired = (
        len(one) == len(other)
        and bool(np.all(other["sequence"] == one["sequence"] + 1))
        and bool(np.all(one[by] == first))
        and bool(np.all(other[by] == second))
    )
    if not paired:
        raise ValueError("executions on the stream do not come in pairs, the incoming or buy first")
    for name in ("instrument", "price_ticks", "quantity"):
        differs = np.flatnonzero(one[name] != other[name])
        if len(differs):
            raise ValueError(f"sequence {one['sequence'][differs[0]]}: {name} differs in a trade")
    return one, other


def trades(
    stream: NDArray[np.void], ids: OrderIds, instruments: Sequence[Instrument]
) -> Iterator[Trade]:
    """Every trade of an incoming with a resting order on the stream, in its order.

    Raises: ValueError: an execution does not come as a pair, incoming side first.
    """
    taker, maker = _sides(stream, is_cross=False)
    for t, maker_id, taker_id in zip(taker, ids.of(maker), ids.of(taker), strict=True):
        instrument = instruments[int(t["instrument"])]
        yield Trade(
            instrument.symbol,
            int(maker_id),
            int(taker_id),
            "B" if t["side"] == Side.BUY else "S",
            int(t["price_ticks"]) * instrument.tick_1e4,
            int(t["quantity"]),
        )


def crosses(
    stream: NDArray[np.void], ids: OrderIds, instruments: Sequence[Instrument]
) -> Iterator[CrossTrade]:
    """Every trade of an auction on the stream, cross by cross, symbols ascending.

    Raises: ValueError: an execution does not come as a pair, the buy first.
    """
    buys, sells = _sides(stream, is_cross=True)
    found = []
    for buy, buy_id, sell_id in zip(buys, ids.of(buys), ids.of(sells), strict=True):
        instrument = instruments[int(buy["instrument"])]
        found.append(
            CrossTrade(
                CROSSES[int(buy["detail"])],
                instrument.symbol,
                int(buy_id),
                int(sell_id),
                int(buy["price_ticks"]) * instrument.tick_1e4,
                int(buy["quantity"]),
            )
        )
    return by_cross(found)


def by_cross(found: Iterable[CrossTrade]) -> Iterator[CrossTrade]:
    """Which instrument is crossed first is nobody's rule; the order within a cross is."""
    return iter(sorted(found, key=lambda one: (one.cross, one.symbol)))


def resting(
    books: Sequence[Book], ids: OrderIds, instruments: Sequence[Instrument]
) -> Iterator[Resting]:
    """Every resting order by symbol, buys first, the best and oldest first."""
    for instrument in sorted(instruments, key=lambda one: one.symbol):
        for side, letter in ((Side.BUY, "B"), (Side.SELL, "S")):
            lines = books[instrument.shard].walk(instrument.index, int(side)).view(NEW_ORDER)
            for line, order_id in zip(lines, ids.of(lines), strict=True):
                yield Resting(
                    instrument.symbol,
                    letter,
                    int(line["price_ticks"]) * instrument.tick_1e4,
                    int(order_id),
                    int(line["quantity"]),
                )


def expected_trades(path: Path) -> Iterator[Trade]:
    """The trades that a file says must be made."""
    with gzip.open(path, "rt", newline="", encoding="ascii") as file:
        for row in csv.DictReader(file):
            yield Trade(
                row["symbol"].partition(".")[0],
                int(row["maker_order_id"]),
                int(row["taker_order_id"]),
                row["taker_side"],
                int(row["price_1e4"]),
                int(row["qty"]),
            )


def expected_crosses(path: Path) -> Iterator[CrossTrade]:
    """The trades of auctions that a file says must be made, as `crosses` has them."""
    with gzip.open(path, "rt", newline="", encoding="ascii") as file:
        return by_cross(
            CrossTrade(
                row["cross"],
                row["symbol"].partition(".")[0],
                int(row["buy_order_id"]),
                int(row["sell_order_id"]),
                int(row["price_1e4"]),
                int(row["qty"]),
            )
            for row in csv.DictReader(file)
        )


def expected_book(path: Path) -> Iterator[Resting]:
    """The orders that a file says must rest."""
    with gzip.open(path, "rt", newline="", encoding="ascii") as file:
        next(file)
        for symbol, side, price, order_id, quantity in csv.reader(file):
            yield Resting(symbol.partition(".")[0], side, int(price), int(order_id), int(quantity))


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many there are, and the first that differs: (number, expected, found)."""

    count: int
    difference: tuple[int, object, object] | None

    @property
    def identical(self) -> bool:
        """Whether all are as expected."""
        return self.difference is None

    def __str__(self) -> str:
        if self.difference is None:
            return f"{self.count:,} identical"
        number, expected, found = self.difference
        return f"number {number:,} differs: expected {expected}, found {found}"


def compare(expected: Iterator[object], found: Iterator[object]) -> Comparison:
    """Compare two sequences item by item, up to the first difference."""
    count = 0
    for count, (wanted, got) in enumerate(zip_longest(expected, found), 1):
        if wanted != got:
            return Comparison(count, (count, wanted, got))
    return Comparison(count, None)
