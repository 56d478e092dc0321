"""The ledger: every order, from the stream alone, and what must hold of them at every message.

It shares nothing with the oracle and the book: it knows no rule of matching, only that shares are
neither made nor lost, that a trade has two sides, and that no book may be crossed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ringbus.messages import (
    EXECUTED,
    CommandKind,
    Flag,
    InstrumentState,
    Liquidity,
    OrderOption,
    Side,
    Template,
    TimeInForce,
    TradeChangeKind,
)

AT_ONCE = (TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL)
FOR_A_CROSS = (TimeInForce.AT_OPENING, TimeInForce.AT_CLOSE)
LAST_OF_GROUP = int(Flag.LAST_OF_GROUP)
Row = tuple[int, ...]
# Places in a line seen as Executed; other templates have the same there.
TOPIC, TEMPLATE, FLAGS, INSTRUMENT, PRICE, QUANTITY, NUMBER = 3, 5, 6, 10, 11, 12, 14
SIDE, FORCE, LIQUIDITY, REMAINING = 17, 18, 18, 20
LOCATE, ACCOUNT, FIRM, DETAIL = 13, 15, 16, 19
# A market order has no price of its own.
FREE_OF_COLLARS = int(OrderOption.MARKET)


@dataclass(slots=True)
class Entry:
    """An open order."""

    instrument: int
    side: int
    price: int
    open: int
    force: int


class Ledger:
    """Takes the stream; raises AssertionError at the first message that cannot be."""

    def __init__(self) -> None:
        self.orders: dict[tuple[int, ...], Entry] = {}
        self._books: dict[int, dict[tuple[int, ...], Entry]] = defaultdict(dict)
        self._states: dict[int, int] = defaultdict(lambda: int(InstrumentState.CONTINUOUS))
        self._swept: dict[tuple[int, int, int], bool] = {}
        self._first: Row | None = None  # of two sides of a trade
        self._fresh: list[tuple[int, ...]] = []
        self._touched: dict[int, bool] = {}
        self._head = 0  # the last line that stands for itself
        # Sides of trades by the sequence of their lines, until the trade is void.
        self._sides: dict[int, Row] = {}
        # Lowest and highest price by instrument and whether it trades continuously.
        self._collars: dict[tuple[int, bool], tuple[int, int]] = {}

    def take(self, stream: NDArray[np.void]) -> None:
        """Lines of the stream, whole groups."""
        for row in stream.view(EXECUTED).tolist():
            try:
                self._take(row)
                if row[FLAGS] & LAST_OF_GROUP:
                    self._close()
            except AssertionError as error:
                raise AssertionError(f"message {row[0]}: {error}") from error

    def state(self, instrument: int) -> int:
        """What an instrument does now."""
        return self._states[instrument]

    def _take(self, row: Row) -> None:
        template = row[TEMPLATE]
        assert self._first is None or template == Template.EXECUTED, "a trade with one side"
        if template == Template.LEG and self._head != Template.MULTI_LEG_ORDER:
            return
        if template != Template.LEG:
            self._head = template
        if template in (Template.NEW_ORDER, Template.LEG):
            options = row[REMAINING] >> 24 if template == Template.NEW_ORDER else 0
            assert options & FREE_OF_COLLARS or self._is_in_collar(row), "outside its collar"
            key: tuple[int, ...] = row[TOPIC], row[NUMBER]
            key += (row[INSTRUMENT],) if template == Template.LEG else ()
            assert key not in self.orders, "the number was used before"
            force = TimeInForce.FILL_OR_KILL if template == Template.LEG else row[FORCE]
            self._add(key, Entry(row[INSTRUMENT], row[SIDE], row[PRICE], row[QUANTITY], force))
        elif template == Template.REPLACE:
            # Where an Executed has what remains, a Replace has the number of the order that goes.
            old = self._remove((row[TOPIC], row[REMAINING]))
            assert old.side == row[SIDE], "another side"
            entry = Entry(row[INSTRUMENT], old.side, row[PRICE], row[QUANTITY], row[FORCE])
            self._add((row[TOPIC], row[NUMBER]), entry)
        elif template in (Template.CANCEL, Template.CANCELED, Template.EXECUTED):
            self._less(row)
        elif template == Template.REPLENISHED:
            key = self._key(row)
            assert (
                row[QUANTITY] <= row[REMAINING] == self.orders[key].open
            ), "shows what is not there"
        elif template == Template.STATE_CHANGED:
            assert row[SIDE] == self._states[row[INSTRUMENT]], "from a state that it was not in"
            self._states[row[INSTRUMENT]] = row[FORCE]
            self._touched[row[INSTRUMENT]] = True
        elif template == Template.TRADE_CHANGED:
            self._change(row)
        elif template == Template.COMMAND and row[SIDE] == CommandKind.COLLAR:
            is_continuous = row[FORCE] == InstrumentState.CONTINUOUS
            self._collars[row[INSTRUMENT], is_continuous] = row[QUANTITY], row[LOCATE]
        elif template == Template.MASS_CANCEL and row[INSTRUMENT] >= 1 << 31:
            done = row[4], row[TOPIC], row[NUMBER]
            assert done not in self._swept, "a mass cancel that was done before"
            self._swept[done] = True

    def _is_in_collar(self, row: Row) -> bool:
        """From the command's own line on, and never before it."""
        instrument = row[INSTRUMENT]
        is_continuous = self._states[instrument] == InstrumentState.CONTINUOUS
        low, high = self._collars.get((instrument, is_continuous), (0, 0))
        return low <= row[PRICE] and (high == 0 or row[PRICE] <= high)

    def _change(self, row: Row) -> None:
        """A side of a trade is void or has another price: told to whoever's it is, void once."""
        match = row[QUANTITY] | row[LOCATE] << 32
        sides = [self._sides.get(match), self._sides.get(match + 1)]
        own = [one for one in sides if one is not None and one[SIDE] == row[SIDE]]
        assert own, f"trade {match} was void, or none"
        for name in (INSTRUMENT, TOPIC, NUMBER, ACCOUNT, FIRM):
            assert own[0][name] == row[name], f"trade {match}: somebody else's"
        assert own[0][QUANTITY] == row[REMAINING], f"trade {match}: another quantity"
        if row[DETAIL] & 0xFF == TradeChangeKind.BUST:
            del self._sides[own[0][0]]

    def _less(self, row: Row) -> None:
        key = self._key(row)
        entry = self.orders[key]
        entry.open -= row[QUANTITY]
        assert row[QUANTITY] > 0, "of nothing"
        assert entry.open == row[REMAINING], f"{entry.open} are open, not {row[REMAINING]}"
        assert entry.side == row[SIDE], "another side"
        if row[TEMPLATE] == Template.EXECUTED:
            assert self._is_within(row, entry), "beyond the limit"
            self._match(row)
        if entry.open == 0:
            self._remove(key)

    @staticmethod
    def _is_within(row: Row, entry: Entry) -> bool:
        if row[LIQUIDITY] == Liquidity.CROSS and entry.force in FOR_A_CROSS:
            # It may be a market order, whose price means nothing in a cross.
            return True
        better = entry.price - row[PRICE]
        return better >= 0 if entry.side == Side.BUY else better <= 0

    def _match(self, row: Row) -> None:
        self._sides[row[0]] = row
        if self._first is None:
            self._first = row
            return
        one, self._first = self._first, None
        for name in (INSTRUMENT, PRICE, QUANTITY):
            assert one[name] == row[name], "two sides that differ"
        assert one[SIDE] != row[SIDE], "both on one side"

    def _key(self, row: Row) -> tuple[int, ...]:
        key = row[TOPIC], row[NUMBER]
        return key if key in self.orders else (*key, row[INSTRUMENT])

    def _add(self, key: tuple[int, ...], entry: Entry) -> None:
        assert entry.open > 0, "of nothing"
        self.orders[key] = entry
        self._books[entry.instrument][key] = entry
        self._touched[entry.instrument] = True
        if entry.force in AT_ONCE:
            self._fresh.append(key)

    def _remove(self, key: tuple[int, ...]) -> Entry:
        entry = self.orders.pop(key)
        del self._books[entry.instrument][key]
        return entry

    def _close(self) -> None:
        """Behind the last line of a group."""
        assert self._first is None, "a trade with one side"
        for key in self._fresh:
            assert key not in self.orders, "rests, though it may not"
        self._fresh.clear()
        for instrument in self._touched:
            if self._states[instrument] == InstrumentState.CONTINUOUS:
                self._look_for_crossed(instrument)
        self._touched.clear()

    def _look_for_crossed(self, instrument: int) -> None:
        bid, ask = 0, 1 << 62
        for entry in self._books[instrument].values():
            if entry.force in FOR_A_CROSS:
                continue
            if entry.side == Side.BUY:
                bid = max(bid, entry.price)
            else:
                ask = min(ask, entry.price)
        assert bid < ask, f"instrument {instrument} is crossed: {bid} bid, {ask} asked"
