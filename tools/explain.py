"""`ringbus explain`: one message of a recorded day, what caused it, and what it changed.

The day is run through the engine up to the message's group, so that the book and the session's open
orders are those of that moment, not what somebody remembers of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.book import Book
from engine.fused import Size
from engine.passive import PassiveEngine
from ringbus.describe import describe
from ringbus.journal import read_day
from ringbus.messages import (
    INSTRUMENT_DEFINITION,
    INSTRUMENT_NONE,
    NEW_ORDER,
    PARTICIPANT_DEFINITION,
    Flag,
    Side,
    Template,
)
from ringbus.status import RingbusError, UsageError
from tools.dump import time_text
from tools.manual import Parser
from tools.replay_day import ORDERS, PRICE_NODES, journal_of, placement

DEPTH = 5


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What can be seen at one moment: levels (price, quantity, orders) and a session's orders."""

    bids: list[tuple[int, int, int]]
    asks: list[tuple[int, int, int]]
    orders: list[str]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A message and its moment: places are indices into `day`."""

    day: NDArray[np.void]
    place: int
    first: int  # of its group
    last: int
    before: Snapshot
    after: Snapshot
    origin: int | None  # the line that entered the order that the message is about

    @property
    def line(self) -> np.void:
        """The message itself."""
        found: np.void = self.day[self.place]
        return found


def explain(directory: Path, sequence: int) -> Explanation:
    """Find a message of a day and rebuild the moment before and after its group.

    Args: directory: of the segment files; sequence: of the message.
    Raises: UsageError: the day has no such message, or does not say its shards; Divergence: this
    build does not make the day as it was recorded; NotFoundError, DataError, LayoutError.
    """
    day = read_day(directory)
    if not 1 <= sequence <= len(day):
        raise UsageError(f"message {sequence}: the day has messages 1 to {len(day)}")
    place = sequence - 1
    first, last = _group(day, place)
    shards, shard_of = placement(day)
    size = Size(len(shard_of), shards, orders=ORDERS, price_nodes=PRICE_NODES)
    instrument, topic = _instrument(day[place]), int(day["topic"][place])
    with PassiveEngine(size, shard_of) as engine:
        engine.feed(day[:first])
        before = _look(engine.books, shard_of, instrument, topic)
        engine.feed(day[first : last + 1])
        after = _look(engine.books, shard_of, instrument, topic)
    return Explanation(day, place, first, last, before, after, _origin(day, place))


def _group(day: NDArray[np.void], place: int) -> tuple[int, int]:
    """First and last line of the group that a line belongs to."""
    ends = np.flatnonzero((day["flags"] & Flag.LAST_OF_GROUP) != 0)
    at = int(np.searchsorted(ends, place))
    first = int(ends[at - 1]) + 1 if at > 0 else 0
    return first, int(ends[at]) if at < len(ends) else len(day) - 1


def _instrument(line: np.void) -> int | None:
    """The instrument that a line names, None if it names none."""
    if int(line["template_id"]) == Template.ORDER_TAG:
        return None
    instrument = int(np.frombuffer(line.tobytes(), NEW_ORDER)[0]["instrument"])
    return None if instrument == INSTRUMENT_NONE else instrument


def _origin(day: NDArray[np.void], place: int) -> int | None:
    """The line that entered the order of a line: the last NewOrder or Replace of its number."""
    lines = day[: place + 1].view(NEW_ORDER)
    one = lines[place]
    if int(one["template_id"]) == Template.ORDER_TAG:
        return None
    entered = np.isin(lines["template_id"], (Template.NEW_ORDER, Template.REPLACE))
    same = (lines["topic"] == one["topic"]) & (lines["client_order_id"] == one["client_order_id"])
    found = np.flatnonzero(entered & same)
    return int(found[-1]) if len(found) else None


def _look(books: Sequence[Book], shard_of: bytes, instrument: int | None, topic: int) -> Snapshot:
    bids: list[tuple[int, int, int]] = []
    asks: list[tuple[int, int, int]] = []
    if instrument is not None and instrument < len(shard_of):
        book = books[shard_of[instrument]]
        bids, asks = (_levels(book, instrument, side) for side in (Side.BUY, Side.SELL))
    orders = [
        describe(order)
        for one, shard in enumerate(shard_of)
        for side in (Side.BUY, Side.SELL)
        for order in books[shard].walk(one, side)
        if int(order["topic"]) == topic
    ]
    return Snapshot(bids, asks, orders)


def _levels(book: Book, instrument: int, side: Side) -> list[tuple[int, int, int]]:
    levels: dict[int, tuple[int, int]] = {}
    for one in book.walk(instrument, side):
        price = int(one["price_ticks"])
        if price not in levels and len(levels) == DEPTH:
            break
        quantity, count = levels.get(price, (0, 0))
        levels[price] = (quantity + int(one["quantity"]), count + 1)
    return [(price, *rest) for price, rest in levels.items()]


def text(one: Explanation) -> Iterator[str]:
    """What `ringbus explain` prints, a line each."""
    line, day = one.line, one.day
    yield f"message {int(line['sequence'])} at {time_text(int(line['time_ns']))} UTC"
    yield f"  {describe(line)}"
    yield f"its group: {one.last - one.first + 1} lines, one proposal of {_who(day, one.first)}"
    for n in range(one.first, one.last + 1):
        yield f"{'>' if n == one.place else ' '} {describe(day[n])}"
    if one.origin is not None and not one.first <= one.origin <= one.last:
        yield "the order that it is about was entered by"
        yield f"  {describe(day[one.origin])}"
    for title, moment in (("before", one.before), ("after", one.after)):
        yield f"book {_symbol(day, line)} {title} the group (price in ticks, quantity, orders)"
        yield from _ladder(moment)
    yield f"session: {_session(day, int(line['topic']))}"
    for title, moment in (("before", one.before), ("after", one.after)):
        yield f"its open orders {title} the group: {len(moment.orders)}"
        yield from (f"  {order}" for order in moment.orders)


def _ladder(moment: Snapshot) -> Iterator[str]:
    for n in range(max(len(moment.bids), len(moment.asks), 1)):
        cells = []
        for levels in (moment.bids, moment.asks):
            cells += [f"{value:>10}" for value in levels[n]] if n < len(levels) else [" " * 10] * 3
        bid, ask = cells[:3], cells[3:]
        yield "  " + " ".join([*reversed(bid), "|", *ask]).rstrip()


def _who(day: NDArray[np.void], first: int) -> str:
    publisher = int(day["publisher"][first])
    return f"contributor {publisher}, session {_session(day, int(day['topic'][first]))}"


def _session(day: NDArray[np.void], topic: int) -> str:
    """A topic by the name that the day's first lines gave it."""
    if topic == 0:
        return "0 (operator)"
    people = day[day["template_id"] == Template.PARTICIPANT_DEFINITION].view(PARTICIPANT_DEFINITION)
    found = people[people["session"] == topic]
    if len(found) == 0:
        return str(topic)
    user, firm = (found[name][0].decode("latin-1").rstrip("\0 ") for name in ("user", "firm_name"))
    return f"{topic} ({user} of {firm}, account {int(found['account'][0])})"


def _symbol(day: NDArray[np.void], line: np.void) -> str:
    instrument = _instrument(line)
    table = day[day["template_id"] == Template.INSTRUMENT_DEFINITION].view(INSTRUMENT_DEFINITION)
    found = table[table["instrument"] == instrument] if instrument is not None else table[:0]
    if len(found) == 0:
        return "of no instrument"
    return f"{found['symbol'][0].decode('latin-1').strip()} ({instrument})"


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus explain`: 0; 2: it cannot be said."""
    parser = Parser(prog="ringbus explain", description=__doc__)
    parser.add_argument("sequence", type=int, help="of the message")
    parser.add_argument("directory", type=Path, help="directory of the journal")
    options = parser.parse_args(argv)
    try:
        for said in text(explain(journal_of(options.directory), options.sequence)):
            print(said)
    except (RingbusError, OSError) as error:
        print(f"ringbus explain: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
