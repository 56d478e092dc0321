"""Ledger: every open order as the stream tells of it, and whether each line follows from the last.

Nothing of the engine is asked. A row is an order's place, its shard and locate; orders that never
rest (immediate ones, legs) have none, and since the stream answers one message after the other, one
row an instrument is enough for them. A batch is sorted by row: what a line should have left is then
its neighbour's business, a few operations on whole columns.

What is checked of every line: a place is free when an order comes, its quantity is what the lines
before leave, its owner is the one who came; a trade has two sides that say the same, at the resting
order's price and within the incoming one's limit. What is checked at times, of the whole book: no
bid meets an offer in continuous trading, and nothing traded past a better order that lay there all
the while.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ringbus.messages import (
    EXECUTED,
    INSTRUMENT_DEFINITION,
    MESSAGE,
    NEW_ORDER,
    STATE_CHANGED,
    Flag,
    GuardianRule,
    InstrumentState,
    Liquidity,
    MassCancelScope,
    Side,
    Template,
    TimeInForce,
)
from ringbus.status import CapacityError

Ints = NDArray[np.int64]
Places = NDArray[np.intp]
# Scope → the column that says whose a line is.
OWNERS: Final = {
    MassCancelScope.SESSION: "topic",
    MassCancelScope.ACCOUNT: "account",
    MassCancelScope.FIRM: "firm",
}
# An order counts for so much at most (1.7 billion of a currency), so that no sum overflows.
NOTIONAL_MAX: Final = 1 << 44
NO_BID, NO_OFFER = np.int64(-1), np.int64(1 << 40)
_CROSS_ONLY: Final = (int(TimeInForce.AT_OPENING), int(TimeInForce.AT_CLOSE))


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that cannot be, if every line was made by the rules; see GuardianRule."""

    kind: GuardianRule
    instrument: int
    value: int
    bound: int


@dataclass(frozen=True, slots=True)
class Moves:
    """What the lines of a batch changed: shape (n,) each, one a line that moved an order.

    `orders` and `notional`: what is added for `owners`, and in `off_*` taken off whoever had it.
    """

    owners: dict[MassCancelScope, NDArray[np.uint16]]
    off_owners: dict[MassCancelScope, NDArray[np.uint16]]
    orders: Ints
    off_orders: Ints
    notional: Ints
    off_notional: Ints


def heads(batch: NDArray[np.void]) -> Places:
    """For each line of whole messages the place of its message's first line."""
    follows = (batch["flags"] & int(Flag.CONTINUED)) != 0
    place = np.arange(len(batch))
    place[1:][follows[:-1]] = 0
    out: Places = np.maximum.accumulate(place)
    return out


def notional(quantity: Ints, price_ticks: Ints, tick_1e4: Ints) -> Ints:
    """In 1/10,000 of the currency, at most NOTIONAL_MAX."""
    # A float only says whether the whole number would be too large.
    is_huge = quantity * (price_ticks * 1.0 * tick_1e4) >= NOTIONAL_MAX
    with np.errstate(over="ignore"):
        product = quantity * (price_ticks * tick_1e4)
    return np.where(is_huge, NOTIONAL_MAX, product)


def _former(first: NDArray[np.bool_], now: NDArray[np.generic], table: NDArray[np.generic]) -> Ints:
    """What was before each line: the line before it in the same row, or what the table has."""
    out: Ints = np.empty(len(now), np.int64)
    out[1:] = now[:-1]
    out[first] = table[first]
    return out


class Ledger:
    """Rows of all orders of all shards.

    Args: shards: of the engine; orders: that a shard has room for; instruments: how many there are.
    Memory: 28 bytes an order. Thread: one.
    """

    def __init__(self, shards: int, orders: int, instruments: int) -> None:
        self._stride = orders + 1
        self._fleeting = shards * self._stride  # rows from here on: one an instrument
        rows = self._fleeting + instruments
        self.open = np.zeros(rows, np.int64)
        self._price = np.zeros(rows, np.int32)
        self._side = np.zeros(rows, np.uint8)
        self._is_held = np.zeros(rows, np.bool_)  # for a cross: never in the continuous book
        self._instrument = np.zeros(rows, np.uint32)
        self._owners = {scope: np.zeros(rows, np.uint16) for scope in OWNERS}
        self._heard_in = np.zeros(rows, np.uint32)  # the interval in which it was last heard of
        self._used = 0
        self._interval = 1
        self.tick_1e4 = np.ones(instruments, np.int64)
        self._is_continuous = np.ones(instruments, np.bool_)
        self._was_continuous = np.ones(instruments, np.bool_)  # all the interval
        self._worst_bid = np.full(instruments, NO_OFFER)  # that traded in the interval
        self._worst_offer = np.full(instruments, NO_BID)
        self._half: NDArray[np.void] = np.zeros(
            0, EXECUTED
        )  # a trade's first side, without the second
        self.faults: list[Fault] = []

    def hear(self, batch: NDArray[np.void]) -> Moves:
        """Apply whole messages, in the order of the stream; what cannot be is put onto `faults`.

        Args: batch: shape (n,), dtype MESSAGE. Raises: CapacityError: a locate beyond the rows.
        """
        self._define(batch)
        template = batch["template_id"]
        is_leg = template == Template.LEG
        if is_leg.any():
            # Behind a refusal they are only repeated.
            is_leg &= template[heads(batch)] == Template.MULTI_LEG_ORDER
        enters = (template == Template.NEW_ORDER) | (template == Template.REPLACE) | is_leg
        lessens = (template == Template.EXECUTED) | (template == Template.CANCELED)
        said: Places = np.flatnonzero(enters | lessens | (template == Template.CANCEL))
        lines = batch.view(EXECUTED)
        self._trades(lines[template == Template.EXECUTED])
        return self._apply(lines, said, template[said], enters[said])

    # Inside.

    def _define(self, batch: NDArray[np.void]) -> None:
        template = batch["template_id"]
        defined = batch.view(INSTRUMENT_DEFINITION)[template == Template.INSTRUMENT_DEFINITION]
        self.tick_1e4[defined["instrument"]] = defined["tick_1e4"]
        changed = batch.view(STATE_CHANGED)[template == Template.STATE_CHANGED]
        if len(changed):
            states = changed["state"] == InstrumentState.CONTINUOUS
            self._is_continuous[changed["instrument"]] = states
            self._was_continuous[changed["instrument"]] = False

    def _rows(self, lines: NDArray[np.void], said: Places) -> Places:
        locates = lines["locate"][said].astype(np.intp)
        if len(locates) and int(locates.max()) >= self._stride:
            raise CapacityError(f"locate {locates.max()}: there is room for {self._stride - 1}")
        places = lines["shard"][said].astype(np.intp) * self._stride + locates
        fleeting = self._fleeting + lines["instrument"][said].astype(np.intp)
        return np.where(locates > 0, places, fleeting)

    def _apply(
        self,
        lines: NDArray[np.void],
        said: Places,
        template: NDArray[np.uint8],
        enters: NDArray[np.bool_],
    ) -> Moves:
        count, bits = len(said), max(1, len(said)).bit_length()
        # A plain sort of row and place together is four times quicker than a stable argsort.
        keys = np.sort(self._rows(lines, said) << bits | np.arange(count))
        by_row = keys & ((1 << bits) - 1)
        row, said = keys >> bits, said[by_row]
        template, enters = template[by_row], enters[by_row]
        changes = np.ones(count + 1, np.bool_)
        changes[1:-1] = row[1:] != row[:-1]
        first, last = changes[:-1], changes[1:]
        place = np.arange(count)

        quantity = lines["quantity"][said].astype(np.int64)
        prices = lines["price_ticks"][said].astype(np.int64)
        after = np.where(enters, quantity, lines["remaining"][said])
        before = _former(first, after, self.open[row])
        # An order's price is that of its last entry.
        entry = np.maximum.accumulate(np.where(enters, place, -1))
        is_new_here = entry >= np.maximum.accumulate(np.where(first, place, 0))
        price = np.where(is_new_here, prices[entry], self._price[row])
        price_before = _former(first, price, self._price[row])
        instrument = lines["instrument"][said]
        tick = self.tick_1e4[instrument]
        owners = {scope: lines[name][said] for scope, name in OWNERS.items()}
        off = {
            scope: _former(first, owners[scope], self._owners[scope][row]).astype(np.uint16)
            for scope in OWNERS
        }
        self._check_quantities(template, quantity, before, after, instrument, owners, off)
        self._check_prices(lines, said, template, prices, price, instrument)

        rows = row[last]
        self.open[rows], self._price[rows] = after[last], price[last]
        self._side[rows] = lines["side"][said][last]
        self._instrument[rows], self._heard_in[rows] = instrument[last], self._interval
        for scope, column in owners.items():
            self._owners[scope][rows] = column[last]
        kept = last & is_new_here
        self._is_held[row[kept]] = np.isin(
            lines.view(NEW_ORDER)["time_in_force"][said[entry[kept]]], _CROSS_ONLY
        )
        resting = row[row < self._fleeting]
        self._used = max(self._used, int(resting[-1]) + 1 if len(resting) else 0)
        return Moves(
            owners,
            off,
            (after > 0).astype(np.int64),
            (before > 0).astype(np.int64),
            notional(after, price, tick),
            notional(before, price_before, tick),
        )

    def _fault(
        self,
        kind: GuardianRule,
        wrong: NDArray[np.bool_],
        instrument: NDArray[np.uint32],
        value: NDArray[np.generic],
        bound: NDArray[np.generic],
    ) -> None:
        for n in np.flatnonzero(wrong):
            self.faults.append(Fault(kind, int(instrument[n]), int(value[n]), int(bound[n])))

    def _check_quantities(
        self,
        template: NDArray[np.uint8],
        quantity: Ints,
        before: Ints,
        after: Ints,
        instrument: NDArray[np.uint32],
        owners: dict[MassCancelScope, NDArray[np.uint16]],
        off: dict[MassCancelScope, NDArray[np.uint16]],
    ) -> None:
        """A free place for who comes, what is left for who stays, and the same session."""
        comes = (template == Template.NEW_ORDER) | (template == Template.LEG)
        is_replace = template == Template.REPLACE
        expected = np.where(comes, after, before - quantity)
        expected[is_replace] = after[is_replace]
        session = MassCancelScope.SESSION
        wrong = np.where(comes, before != 0, before == 0) | (after != expected)
        wrong |= ~comes & (owners[session] != off[session])
        self._fault(GuardianRule.BALANCE, wrong, instrument, after, expected)

    def _check_prices(
        self,
        lines: NDArray[np.void],
        said: Places,
        template: NDArray[np.uint8],
        prices: Ints,
        limit: Ints,
        instrument: NDArray[np.uint32],
    ) -> None:
        """A resting order trades at its own price, an incoming one within its limit."""
        is_trade = template == Template.EXECUTED
        if not is_trade.any():
            return
        liquidity, side = lines["liquidity"][said], lines["side"][said]
        rests = is_trade & (liquidity == Liquidity.ADDED)
        comes = is_trade & (liquidity == Liquidity.REMOVED)
        beyond = np.where(side == Side.BUY, prices > limit, prices < limit)
        wrong = (rests & (prices != limit)) | (comes & beyond)
        self._fault(GuardianRule.TRADE_THROUGH, wrong, instrument, prices, limit)
        bought, sold = rests & (side == Side.BUY), rests & (side == Side.SELL)
        np.minimum.at(self._worst_bid, instrument[bought], prices[bought])
        np.maximum.at(self._worst_offer, instrument[sold], prices[sold])

    def _trades(self, executed: NDArray[np.void]) -> None:
        """Two lines a trade, one behind the other: a buy and a sell that say the same."""
        if not len(executed):
            return
        both = np.concatenate((self._half, executed))
        pairs = len(both) // 2 * 2
        self._half = both[pairs:].copy()
        one, other = both[:pairs:2], both[1:pairs:2]
        wrong = (one["side"] ^ other["side"]) != Side.BUY ^ Side.SELL
        for name in ("instrument", "price_ticks", "quantity"):
            wrong |= one[name] != other[name]
        self._fault(
            GuardianRule.BALANCE, wrong, one["instrument"], other["quantity"], one["quantity"]
        )

    def look(self) -> None:
        """Compare bids and offers, and what traded since the last look with who was passed over."""
        rows = np.flatnonzero(self.open[: self._used])
        instrument = self._instrument[rows]
        shown = self._is_continuous[instrument] & ~self._is_held[rows]
        rows, instrument = rows[shown], instrument[shown]
        bid, offer = self._best(rows, instrument)
        of_each = np.arange(len(bid), dtype=np.uint32)
        self._fault(GuardianRule.CROSSED_BOOK, bid >= offer, of_each, bid, offer)
        stayed = self._heard_in[rows] < self._interval
        bid, offer = self._best(rows[stayed], instrument[stayed])
        was, traded = self._was_continuous, GuardianRule.TRADE_THROUGH
        self._fault(traded, was & (self._worst_bid < bid), of_each, self._worst_bid, bid)
        self._fault(traded, was & (self._worst_offer > offer), of_each, self._worst_offer, offer)
        self._worst_bid[:], self._worst_offer[:] = NO_OFFER, NO_BID
        self._was_continuous[:] = self._is_continuous
        self._interval += 1

    def _best(self, rows: Places, instrument: NDArray[np.uint32]) -> tuple[Ints, Ints]:
        price, buys = self._price[rows].astype(np.int64), self._side[rows] == Side.BUY
        bid = np.full(len(self.tick_1e4), NO_BID)
        offer = np.full(len(self.tick_1e4), NO_OFFER)
        np.maximum.at(bid, instrument[buys], price[buys])
        np.minimum.at(offer, instrument[~buys], price[~buys])
        return bid, offer


assert NEW_ORDER.fields is not None and MESSAGE.itemsize == EXECUTED.itemsize
