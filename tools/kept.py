"""What a closed day has kept: its good-till orders with all their terms, in their priority.

The books are those of a replay, which is also the proof that the day is whole. A book knows of an
order what it needs; what else its client said of it (and hears again) is on the stream, in the
lines that entered and replaced it.

    journal ─▶ replay ─▶ books: who is where in the queue, and how much is open
       └──────▶ NewOrder ▶ Replace ▶ Replace: terms, tag, letters, as they are now
                    Executed, TradeChanged: what has traded of it
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.book import Book
from ringbus.journal import map_day
from ringbus.messages import (
    CANCEL,
    EXECUTED,
    MESSAGE,
    NEW_ORDER,
    ORDER_TAG,
    ORDER_TERMS,
    REJECTED,
    REPLACE,
    SESSION_EVENT,
    STOP_ORDER,
    TRADE_CHANGED,
    Flag,
    OrderOption,
    SessionEventKind,
    Side,
    Template,
    TimeInForce,
    TradeChangeKind,
)
from ringbus.status import DataError
from tools.configuration import Configuration
from tools.replay_day import replay_day

KEEPS: Final = (int(TimeInForce.GOOD_TILL_CANCEL), int(TimeInForce.GOOD_TILL_TIME))
ENTRIES: Final = (Template.NEW_ORDER, Template.REPLACE, Template.STOP_ORDER)
# What says of an order how much of it has traded.
HISTORY: Final = (Template.EXECUTED, Template.TRADE_CHANGED, Template.SESSION_EVENT)
# Of one entry: a Replace without terms keeps neither.
_OF_ONE_ENTRY: Final = OrderOption.POST_ONLY | OrderOption.SLIDE
# A Replace has them too, in other places than the order.
_OF_A_REPLACE: Final = (
    *("price_ticks", "quantity", "client_order_id", "account", "firm"),
    *("time_in_force", "display", "sweep"),
)
Key = int  # topic and the client's number
Lines = NDArray[np.void]


@dataclass(slots=True)
class Kept:
    """An order or a stop order that outlives its day.

    `lines`: NewOrder or StopOrder, its terms and its tag if it has them, shape (1 to 3,), dtype
    MESSAGE, with what is open as quantity; numbers are those of the day that is over. `executed`,
    `notional_1e4`: what has traded since it was first entered, on whatever day.
    """

    user: str
    symbol: str
    tick_1e4: int
    lines: Lines
    executed: int
    notional_1e4: int

    @property
    def order(self) -> Lines:
        """The first line: shape (1,), dtype NEW_ORDER, which a StopOrder shares but for `locate`
        and the letters."""
        return self.lines[:1].view(NEW_ORDER)

    @property
    def is_stop(self) -> bool:
        """Whether it waits for a trade."""
        return int(self.lines["template_id"][0]) == Template.STOP_ORDER

    @property
    def quantity(self) -> int:
        """All that is open."""
        return int(self.order["quantity"][0])

    @property
    def price_1e4(self) -> int:
        """Its limit."""
        return int(self.order["price_ticks"][0]) * self.tick_1e4

    @property
    def client_order_id(self) -> int:
        """The client's number."""
        return int(self.order["client_order_id"][0])

    @property
    def expire_ns(self) -> int:
        """When its time is over, since the epoch; 0: never."""
        for line in self.lines[1:]:
            if int(line["template_id"]) == Template.ORDER_TERMS:
                return int(np.array([line]).view(ORDER_TERMS)["expire_time_ns"][0])
        return 0


@dataclass(slots=True)
class KeptDay:
    """All of a day: of each instrument its orders in priority, then its stop orders as given."""

    by_symbol: dict[str, list[Kept]] = field(default_factory=dict)

    @property
    def every(self) -> list[Kept]:
        """All of them."""
        return [one for orders in self.by_symbol.values() for one in orders]

    @property
    def quantity(self) -> int:
        """Open quantity of all of them."""
        return sum(one.quantity for one in self.every)


@dataclass(slots=True)
class _Entry:
    """An order as its lines leave it; each of shape (1,)."""

    first: Lines
    terms: Lines | None
    tag: Lines | None
    executed: int = 0
    notional_1e4: int = 0


def kept_of(journals: Sequence[Path], configuration: Configuration) -> KeptDay:
    """What the day in these journals has kept.

    Args: configuration: of that day; it names users and symbols.
    Raises: DataError: the day does not replay, or holds an order that it should not; as map_day.
    """
    instruments = configuration.instruments
    resting: list[Lines] = []

    def look(books: Sequence[Book]) -> None:
        for one in instruments:
            book = books[one.shard]
            resting.extend(book.walk(one.index, int(side)) for side in Side)
            resting.append(book.walk_held(one.index))

    limits = configuration.topology.limits
    report = replay_day(
        journals[0], orders=limits.orders, price_nodes=limits.price_nodes, look=look
    )
    if report.divergence is not None:
        raise DataError(f"{journals[0]} does not replay: {report.divergence}")
    open_orders = np.concatenate(resting).view(NEW_ORDER)
    days = map_day(journals[0], verify=False)
    stops = _open_stops(days)
    ticks = [one.tick_1e4 for one in instruments]
    entries = _entries(days, {*_keys(open_orders).tolist(), *stops}, ticks)
    return _day_of(configuration, open_orders, stops, entries)


def _day_of(
    configuration: Configuration, open_orders: Lines, stops: list[Key], entries: dict[Key, _Entry]
) -> KeptDay:
    users = {one.session: one.user for one in configuration.participants}
    instruments = configuration.instruments
    out = KeptDay()

    def keep(entry: _Entry) -> None:
        instrument = instruments[int(entry.first["instrument"][0])]
        lines = [part for part in (entry.first, entry.terms, entry.tag) if part is not None]
        kept = Kept(
            users[int(entry.first["topic"][0])],
            instrument.symbol,
            instrument.tick_1e4,
            np.concatenate([part.view(MESSAGE) for part in lines]),
            entry.executed,
            entry.notional_1e4,
        )
        out.by_symbol.setdefault(instrument.symbol, []).append(kept)

    for order, key in zip(open_orders, _keys(open_orders).tolist(), strict=True):
        keep(_as_booked(entries[key], order))
    for key in stops:
        keep(entries[key])
    for one in out.every:
        if int(one.order["time_in_force"][0]) not in KEEPS:
            raise DataError(
                f"order {one.client_order_id} of {one.user} is open and was not to outlive the day"
            )
    return out


def _as_booked(entry: _Entry, order: np.void) -> _Entry:
    """With what the book knows of it. Raises: DataError: the two are not the same order."""
    first = entry.first
    for name in ("instrument", "topic", "client_order_id", "account", "firm", "side"):
        if int(first[name][0]) != int(order[name]):
            raise DataError(
                f"the book and the lines of order {int(order['client_order_id'])} of session "
                f"{int(order['topic'])} do not agree about its {name}"
            )
    first["price_ticks"], first["quantity"] = order["price_ticks"], order["quantity"]
    if entry.terms is not None:
        shown = np.minimum(entry.terms["display_quantity"], order["quantity"])
        entry.terms["display_quantity"] = shown
    return entry


def _keys(lines: Lines, name: str = "client_order_id") -> NDArray[np.uint64]:
    out: NDArray[np.uint64] = lines["topic"].astype(np.uint64) << np.uint64(32) | lines[name]
    return out


def _of(part: Lines, template: Template, dtype: np.dtype[np.void]) -> Lines:
    out: Lines = part[part["template_id"] == template].view(dtype)
    return out


def _open_stops(days: Sequence[Lines]) -> list[Key]:
    """Stop orders that have neither come in nor been taken back, in the order given."""
    waiting: dict[Key, None] = {}
    for part in days:
        template = part["template_id"]
        if not waiting and not (template == Template.STOP_ORDER).any():
            continue
        # All of these have the client's number in the same place.
        numbers = part.view(NEW_ORDER)
        ends = np.isin(template, (Template.STOP_CANCEL, Template.NEW_ORDER))
        refused = np.isin(template, (Template.REJECT, Template.REJECTED))
        of = part.view(REJECTED)["refused_template"]
        ends |= refused & np.isin(of, (Template.NEW_ORDER, Template.STOP_ORDER))
        said = np.flatnonzero(ends | (template == Template.STOP_ORDER))
        for n, key in zip(said.tolist(), _keys(numbers[said]).tolist(), strict=True):
            if ends[n]:
                waiting.pop(key, None)
            else:
                waiting[key] = None
    return list(waiting)


assert NEW_ORDER.fields is not None
assert all(
    dtype.fields is not None
    and dtype.fields["client_order_id"][1] == NEW_ORDER.fields["client_order_id"][1]
    for dtype in (CANCEL, EXECUTED, REPLACE, REJECTED, SESSION_EVENT, STOP_ORDER, TRADE_CHANGED)
)


def _entries(days: Sequence[Lines], wanted: set[Key], ticks: Sequence[int]) -> dict[Key, _Entry]:
    """The orders of those numbers, as the lines of the day leave them."""
    # By every number that one ever had: a trade may be changed after its order was replaced.
    out: dict[Key, _Entry] = {}
    former: dict[Key, tuple[int, int]] = {}
    for group in _groups(days, _with_former(days, wanted)):
        first = group[:1]
        template = int(first["template_id"][0])
        key = int(_keys(first.view(NEW_ORDER))[0])
        parts = {int(line["template_id"]): group[n : n + 1] for n, line in enumerate(group)}
        terms, tag = parts.get(Template.ORDER_TERMS), parts.get(Template.ORDER_TAG)
        terms = None if terms is None else terms.view(ORDER_TERMS)
        tag = None if tag is None else tag.view(ORDER_TAG)
        if template == Template.SESSION_EVENT:
            former[key] = _carried(first.view(SESSION_EVENT)[0])
        elif template in HISTORY:
            _count(out[key], group, ticks)
        elif template == Template.REPLACE:
            change = first.view(REPLACE)
            entry = out[int(_keys(change, "original_client_order_id")[0])]
            _replace(entry, change, terms, tag)
            out[key] = entry
        else:
            if tag is None and key in out:
                # A stop order that comes in: its client's words are behind the StopOrder.
                tag = out[key].tag
            # A StopOrder has its stop where an order has its locate.
            out[key] = _Entry(first.view(NEW_ORDER), terms, tag, *former.get(key, (0, 0)))
    return out


def _carried(event: np.void) -> tuple[int, int]:
    """Executed and notional of former days."""
    return int(event["connection"]), int(event["next_message"])


def _count(entry: _Entry, group: Lines, ticks: Sequence[int]) -> None:
    """A trade, or a change of one."""
    if int(group["template_id"][0]) == Template.EXECUTED:
        trade = group[:1].view(EXECUTED)[0]
        quantity, price = int(trade["quantity"]), int(trade["price_ticks"])
        entry.executed += quantity
    else:
        trade = group[:1].view(TRADE_CHANGED)[0]
        before = int(group[1:2].view(ORDER_TAG)["total_quantity"][0])
        quantity, price = int(trade["quantity"]), int(trade["price_ticks"]) - before
        if int(trade["kind"]) == TradeChangeKind.BUST:
            entry.executed -= quantity
            price = -before
    entry.notional_1e4 += quantity * price * ticks[int(trade["instrument"])]


def _replace(entry: _Entry, change: Lines, terms: Lines | None, tag: Lines | None) -> None:
    first = entry.first
    for name in _OF_A_REPLACE:
        first[name] = change[name]
    if terms is None:
        first["options"] &= ~np.uint8(_OF_ONE_ENTRY)
        if entry.terms is not None:
            entry.terms["options"], entry.terms["minimum_quantity"] = first["options"], 0
    else:
        first["options"] = terms["options"]
        entry.terms = terms
    if tag is not None:
        letter = tag["original_side"][0]
        if letter:
            first["original_side"] = letter
        entry.tag = _as_of_an_order(tag, entry.tag)


def _as_of_an_order(tag: Lines, former: Lines | None) -> Lines:
    """The tag behind a Replace as it would stand behind a NewOrder."""
    out: Lines = np.zeros(1, ORDER_TAG)
    out["template_id"], out["text"] = Template.ORDER_TAG, tag["text"]
    if former is not None:
        out["total_quantity"] = former["total_quantity"]
    return out


def _with_former(days: Sequence[Lines], wanted: set[Key]) -> NDArray[np.uint64]:
    """Those numbers, and all from which they were replaced."""
    replaces = [_of(part, Template.REPLACE, REPLACE) for part in days]
    now = np.concatenate([_keys(part) for part in replaces])
    before = np.concatenate([_keys(part, "original_client_order_id") for part in replaces])
    known = np.array(sorted(wanted), np.uint64)
    fresh = known
    while len(fresh):
        fresh = np.setdiff1d(before[np.isin(now, fresh)], known)
        known = np.union1d(known, fresh)
    return known


def _groups(days: Sequence[Lines], known: NDArray[np.uint64]) -> Iterator[Lines]:
    """Copies of the whole messages that tell of one of them, in the day's order."""
    for nth, part in enumerate(days):
        is_said = np.isin(part["template_id"], (*ENTRIES, *HISTORY))
        kinds = part.view(SESSION_EVENT)["kind"]
        is_said &= (part["template_id"] != Template.SESSION_EVENT) | (
            kinds == SessionEventKind.CARRIED
        )
        entries = np.flatnonzero(is_said)
        own = entries[np.isin(_keys(part[entries].view(NEW_ORDER)), known)]
        for at in own.tolist():
            lines = part[at : at + 3]
            if len(lines) < 3 and nth + 1 < len(days):
                lines = np.concatenate((lines, days[nth + 1][: 3 - len(lines)]))
            yield _whole(lines)


def _whole(lines: Lines) -> Lines:
    """The first message of these lines; a legless one has three lines at most."""
    follows = (lines["flags"] & int(Flag.CONTINUED)) != 0
    count = 1 + int(np.argmin(follows)) if not follows.all() else len(lines)
    return lines[:count].copy()
