"""Auction: finds the price at which most is matched, outside the engine, and hands the result over.

It follows the orders of all instruments and counts the changes of each book as the engine does
(engine/README.md, "CrossResult"). While an instrument collects orders it says once a second what
the cross would come to (Imbalance); at its time it proposes the CrossResult on the instrument's own
topic. The engine executes that, tells everybody, and trades on.

    book ──changes──▶ price ──CrossResult(changes)──▶ engine: is it still the book that was seen?
     ▲                                                   ├─ yes: executed
     └───────────────── looked at again ◀────────────────┴─ no: StaleCross, or the number was taken

Any number of auctions run. All wish for the same, the topic's lock sees to it that it is done once,
and one that dies has nothing that another one would miss. Where orders come in faster than a price
is found and handed over, the instrument is halted after some tries: then the book only shrinks, and
the cross gets through. What a price costs is paid when a book has changed and its price is asked
for, at most once a second and at the cross; all instruments that are due are done together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ports import open_orders
from ports.auction_orders import AuctionOrders
from ports.auction_plan import TEMPLATES, AuctionPlan
from ports.uncross import PRICE_TICKS_MAX, uncross_each
from ringbus.application import Application
from ringbus.filter import Filter
from ringbus.messages import (
    AUCTION_EXTENSION,
    COMMAND,
    CROSS_RESULT,
    EXECUTED,
    IMBALANCE,
    MESSAGE,
    ORDER_TAG,
    CommandKind,
    CrossType,
    InstrumentState,
    Template,
)
from ringbus.replay import Stream
from ringbus.volley import Volley

# Prices found in one turn: others of the core have theirs in between.
TURN: Final = 512
# What a field holds.
QUANTITY_MAX: Final = (1 << 32) - 1
# By template: whether it changes a book, or its state.
_MOVES: Final = np.zeros(256, np.bool_)
_MOVES[[*open_orders.TEMPLATES, Template.STATE_CHANGED]] = True
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Collars:
    """How far from the reference the price of a cross may be: the wider of both; 0 and 0: anywhere.

    basis_points: of the reference, 1/100 per cent. A price outside puts the cross off by
    extension_ns, `extensions` times; then it is the best price inside.
    """

    ticks: int = 0
    basis_points: int = 0
    extension_ns: int = 0
    extensions: int = 0


class Auction(Application):
    """A worker for `Core.host`.

    Args: orders: an empty table, its own; plan: likewise; shards: of each instrument, shape (n,);
    bounds: lowest and highest price of each, shape (n, 2). Memory: the table's.
    """

    def __init__(
        self,
        stream: Stream,
        volley: Volley,
        orders: AuctionOrders,
        plan: AuctionPlan,
        shards: Places,
        bounds: NDArray[np.int64],
        collars: Collars = Collars(),  # noqa: B008  frozen
        opening: int = 0,
    ) -> None:
        # Of the day's first line and of a tick the time.
        timely = (Template.BUILD_RECORD, Template.TICK)
        wants = Filter([*open_orders.TEMPLATES, *TEMPLATES, Template.COMMAND, *timely])
        super().__init__(stream, wants, None, opening, volley)
        self._volley = volley
        self._orders = orders
        self._plan = plan
        self._shards = shards
        self._bounds = bounds
        self._collars = collars
        count = len(shards)
        self._changes = np.zeros(count, np.uint32)
        self._reference = np.zeros(count, np.int64)
        # What uncross has found: price, quantity, imbalance, side, near, far; for which cross.
        self._found = np.zeros((6, count), np.int64)
        self._found_for = np.zeros(count, np.uint8)  # 0: the book has changed since
        self._next_ns = 0
        self._is_stirred = True
        self._lost = 0

    def on_batch(self, batch: NDArray[np.void]) -> None:
        """Books, references and states."""
        self._plan.begin(int(batch["time_ns"][0]))
        self._orders.hear(batch)
        lines, template = batch.view(EXECUTED), batch["template_id"]
        at = lines["instrument"][_MOVES[template]]
        self._changes += np.bincount(at, minlength=len(self._changes)).astype(np.uint32)
        self._found_for[at] = 0
        self._plan.moved(at)
        # The last trade, or what an operator has set since.
        is_set = template == Template.COMMAND
        is_set &= batch.view(COMMAND)["kind"] == CommandKind.REFERENCE_PRICE
        is_set |= template == Template.EXECUTED
        at = lines["instrument"][is_set]
        self._reference[at] = lines["price_ticks"][is_set]
        self._found_for[at] = 0
        self._is_stirred |= self._plan.hear(batch)

    def fire(self) -> int:
        """States that have to change, then crosses, then imbalances."""
        if self.now_ns < self._next_ns and not self._is_stirred and self._lost == self.counts.lost:
            return 0
        plan, now_ns = self._plan, self.now_ns
        self._is_stirred, self._lost = False, self.counts.lost
        free = self._volley.is_free(plan.topics, self._shards)
        to_freeze, to_cross = plan.is_to_freeze(now_ns), plan.is_to_cross(now_ns)
        sent = self._set(to_freeze & free, InstrumentState.HALTED, b"auction:freeze")
        sent += self._set(plan.is_to_close(now_ns) & free, InstrumentState.CLOSED, b"auction:close")
        sent += self._set(
            plan.is_to_wait(now_ns) & free, InstrumentState.PRE_OPEN, b"auction:pre-open"
        )
        collects = plan.is_to_collect(now_ns) & free
        sent += self._set(collects, InstrumentState.AUCTION, b"auction:collect")
        sent += self._cross(to_cross & ~to_freeze & free)
        sent += self._say(plan.is_to_say(now_ns) & ~to_cross & ~collects & free)
        self._next_ns = plan.next_ns(now_ns)
        return sent

    # Saying.

    def _set(self, which: NDArray[np.bool_], state: InstrumentState, text: bytes) -> int:
        """Change the state of instruments, with who and why behind it."""
        at = self._turn(which)
        lines: NDArray[np.void] = np.zeros((len(at), 2), MESSAGE)
        first, tag = lines[:, :1].view(COMMAND), lines[:, 1:].view(ORDER_TAG)
        first["template_id"], tag["template_id"] = Template.COMMAND, Template.ORDER_TAG
        first["instrument"][:, 0] = at
        first["kind"], first["state"] = CommandKind.INSTRUMENT_STATE, state
        tag["text"] = text
        return self._send(lines, at)

    def _cross(self, which: NDArray[np.bool_]) -> int:
        """Hand over results; where the price is outside the collars, put it off instead."""
        at = self._turn(which)
        if not len(at):
            return 0
        kinds = self._find(at)
        near, collars = self._found[4, at], self._collars
        low, high = self._inside(at)
        is_out = (near != 0) & ((near < low) | (near > high))
        is_out &= ~self._plan.is_frozen[at] & (self._plan.extensions[at] < collars.extensions)
        sent = self._extend(at[is_out], kinds[is_out], low[is_out], high[is_out])
        at, kinds = at[~is_out], kinds[~is_out]
        lines: NDArray[np.void] = np.zeros((len(at), 1), CROSS_RESULT)
        line = lines[:, 0]
        line["template_id"], line["instrument"] = Template.CROSS_RESULT, at
        line["price_ticks"] = self._found[0, at]
        line["quantity"] = np.minimum(self._found[1, at], QUANTITY_MAX)
        line["cross_type"], line["changes"] = kinds, self._changes[at]
        is_last = kinds == CrossType.CLOSING
        line["state"] = np.where(is_last, InstrumentState.CLOSED, InstrumentState.CONTINUOUS)
        return sent + self._send(lines, at)

    def _extend(
        self, at: Places, kinds: NDArray[np.uint8], low: NDArray[np.int64], high: NDArray[np.int64]
    ) -> int:
        lines: NDArray[np.void] = np.zeros((len(at), 1), AUCTION_EXTENSION)
        line = lines[:, 0]
        line["template_id"], line["instrument"] = Template.AUCTION_EXTENSION, at
        line["price_ticks"], line["cross_type"] = self._found[4, at], kinds
        line["low_ticks"], line["high_ticks"] = low, high
        line["extension"] = self._plan.extensions[at] + 1
        line["until_ns"] = self.now_ns + self._collars.extension_ns
        return self._send(lines, at)

    def _say(self, which: NDArray[np.bool_]) -> int:
        """What the crosses would come to."""
        at = self._turn(which)
        if not len(at):
            return 0
        kinds = self._find(at)
        price, paired, left, side, near, far = self._found[:, at]
        lines: NDArray[np.void] = np.zeros((len(at), 1), IMBALANCE)
        line = lines[:, 0]
        line["template_id"], line["instrument"] = Template.IMBALANCE, at
        line["reference_ticks"] = np.where(price != 0, price, self._reference[at])
        line["paired"] = np.minimum(paired, QUANTITY_MAX)
        line["imbalance"] = np.minimum(left, QUANTITY_MAX)
        line["near_ticks"], line["far_ticks"] = near, far
        line["side"], line["cross_type"], line["changes"] = side, kinds, self._changes[at]
        return self._send(lines, at)

    def _turn(self, which: NDArray[np.bool_]) -> Places:
        """Those to be done now; each auction begins elsewhere, so that many of them share."""
        at = np.flatnonzero(which)
        if len(at) > TURN:
            self._is_stirred = True
            at = np.sort(np.roll(at, self._volley.publisher * 7919 % len(at))[:TURN])
        return at

    def _send(self, lines: NDArray[np.void], at: Places) -> int:
        sent = self._volley.send(lines, self._plan.topics[at], self._shards[at])
        self._is_stirred |= sent < len(at)
        return sent

    # Prices.

    def _inside(self, at: Places) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The collars of instruments, both of them prices that it takes."""
        reference, collars = self._reference[at], self._collars
        width = np.maximum(collars.ticks, reference * collars.basis_points // 10_000)
        has = (width != 0) & (reference != 0)
        least, most = self._bounds[at, 0], self._bounds[at, 1]
        low = np.clip(np.where(has, reference - width, least), least, most)
        high = np.clip(np.where(has, reference + width, most), least, most)
        return low, high

    def _find(self, at: Places) -> NDArray[np.uint8]:
        """Find the prices of instruments whose books have changed; returns the cross of each."""
        kinds = self._plan.crosses(self.now_ns)
        old = at[self._found_for[at] != kinds[at]]
        orders, ends = self._orders.of(old, kinds[old])
        reference = np.clip(self._reference[old], 0, PRICE_TICKS_MAX)
        self._found[:, old] = uncross_each(orders, ends, reference, *self._inside(old))
        self._found_for[old] = kinds[old]
        found: NDArray[np.uint8] = kinds[at]
        return found
