"""The night: what a closed day has kept is what the next one begins with, and nothing else.

The shipped code reads the closed day's journal, plans, and makes the next day's first lines; an
engine takes them. What must come of it is made anew from the oracle's books of the evening.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.book import Book
from engine.fused import FusedEngine, Size
from ports.open_orders import NEVER
from ringbus.messages import END_OF_DAY, STOP_ORDER, OrderOption, Side, Template
from ringbus.multicast import Reader
from tests.engine.oracle.market import Order, badness
from tests.sim.expiry import FOR_GOOD
from tools.carry import numbered, plan
from tools.closed import Closed
from tools.kept import KeptDay, kept_of
from tools.opening import opening_lines

if TYPE_CHECKING:
    from tests.sim.staff import Staff
    from tests.sim.world import World

Lines = NDArray[np.void]
SLOTS = 1 << 13
TAKEN = (Template.CANCEL, Template.CANCELED, Template.STOP_CANCEL)
CLOSER = "closer"
# Topic, the client's number, account, price, open quantity, whether it is hidden.
Row = tuple[int, int, int, int, int, bool]
Books = dict[tuple[int, int], list[Row]]  # by instrument and side, in priority
NAMES = ("topic", "client_order_id", "account", "price_ticks", "quantity")


@dataclass(slots=True)
class Morning:
    """The next day behind its first lines."""

    stream: Lines
    books: Books
    left: int


def check_night(world: World, staff: Staff, stream: Lines) -> Morning:
    """Everything that must hold from the end of the day to the first client of the next one."""
    end = stream[-1:].view(END_OF_DAY)[0]
    assert int(end["template_id"]) == Template.END_OF_DAY, "the last line is another one"
    kept = kept_of(world.directories[:1], world.configuration)
    less = int(end["kept_orders"]) - len(kept.every), int(end["kept_quantity"]) - kept.quantity
    assert min(less) >= 0, "more than EndOfDay says"
    assert max(less) == 0 or was_taken_back(stream, staff), "not as many as EndOfDay says"
    morning = begin(world, kept, stream)
    books, stops = evening_of(world, staff)
    assert morning.books == books, "other orders than the day has kept, or in another priority"
    given = morning.stream[morning.stream["template_id"] == Template.STOP_ORDER].view(STOP_ORDER)
    assert sorted(given[["topic", "client_order_id"]].tolist()) == stops, "other stop orders"
    told = int((morning.stream["template_id"] == Template.REJECT).sum())
    kinds = morning.stream["template_id"]
    assert told == morning.left == len(kept.every) - len(stops) - sum(map(len, books.values()))
    assert not np.isin(kinds, (Template.EXECUTED, Template.REJECTED)).any(), "traded at night"
    return morning


def was_taken_back(stream: Lines, staff: Staff) -> bool:
    """Whether something went behind the last word but EndOfDay of who closed the day."""
    closer = stream["publisher"] == staff.number(CLOSER) + 1
    last = np.flatnonzero(closer[:-1]).max()
    return bool(np.isin(stream["template_id"][last:], TAKEN).any())


def begin(world: World, kept: KeptDay, stream: Lines) -> Morning:
    """The next day's first lines, through an engine of its own."""
    configuration, size = world.configuration, world.size
    digest = hashlib.sha256(stream.tobytes()).hexdigest()
    former = Closed("DAY1", "DAY1", len(stream), digest, len(kept.every), kept.quantity)
    made = plan(kept, former, configuration, world.now_ns)
    wide = Size(
        size.instruments, size.shards, size.topics, 1, SLOTS, SLOTS, size.orders, size.price_nodes
    )
    engine = FusedEngine(wide, shard_of=world.shard_of, risk=configuration.risk())
    engine.propose(numbered(made, opening_lines(configuration, 0)))
    said = Reader(engine.ring, 1).poll(SLOTS)
    books = books_of(engine.books, world)
    engine.close()
    return Morning(said, books, len(made.left))


def evening_of(world: World, staff: Staff) -> tuple[Books, list[tuple[int, int]]]:
    """What has to be there: of the accounts that their sessions trade for, and not over by now."""
    accounts = {one.session: one.account for one in world.configuration.participants}
    books: Books = {}
    for instrument in world.auditor.markets.instruments:
        for side in (Side.BUY, Side.SELL):
            held = [one for one in instrument.held if one.side == side]
            every = [*instrument.sides[side], *held]
            every.sort(key=lambda one: one.rank)
            rows = [
                (one.topic, one.client_order_id, one.account, one.price, one.quantity, one.hidden)
                for one in every
                if accounts[one.topic] == one.account and not _is_over(one, staff, world.now_ns)
            ]
            if rows:
                books[instrument.number, int(side)] = rows
    stops = [
        key
        for key, stop in staff.stop_watch.waiting.items()
        if accounts[key[0]] == stop["account"] and stop["time_in_force"] in FOR_GOOD
    ]
    return books, sorted(stops)


def _is_over(order: Order, staff: Staff, now_ns: int) -> bool:
    timed = staff.expiry.orders[order.topic, order.client_order_id]
    return timed.expire_ns != NEVER and timed.expire_ns <= now_ns


def _place(side: int, row: Row) -> tuple[int, bool]:
    """Who trades first: the better price; at one price who is shown."""
    return badness(side, row[3]), row[5]


def books_of(books: list[Book], world: World) -> Books:
    """The same of real books; who is held comes behind who rests."""
    out: Books = {}
    for instrument, shard in enumerate(world.shard_of):
        book = books[shard]
        for side in (Side.BUY, Side.SELL):
            held = book.walk_held(instrument)
            every = np.concatenate((book.walk(instrument, side), held[held["side"] == side]))
            rows: list[Row] = [
                (*row, bool(options & OrderOption.HIDDEN))
                for row, options in zip(
                    every[list(NAMES)].tolist(), every["options"].tolist(), strict=True
                )
            ]
            rows.sort(key=partial(_place, side))
            if rows:
                out[instrument, int(side)] = rows
    return out
