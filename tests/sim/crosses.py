"""Auctions: one cross each, at its time, at the best price for what is there, unless broken off.

The price is found by trying every price at which something could change, with the oracle's own
account of who takes part; it shares nothing with ports/uncross.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ports.auction import Collars
from ports.auction_plan import Schedule
from ports.open_orders import NEVER
from ringbus.messages import CommandKind, CrossType, InstrumentState, Liquidity, Template
from tests.engine.mix import Message
from tests.engine.oracle import BUY, PRICE_TICKS_MAX, SELL, Instrument
from tests.engine.oracle.auction import can_be_matched, taking_part
from tests.engine.oracle.wire import Fields, decode

CONTINUOUS, AUCTION = InstrumentState.CONTINUOUS, InstrumentState.AUCTION
HALTED = InstrumentState.HALTED
EVERYWHERE = 1, PRICE_TICKS_MAX


@dataclass(frozen=True, slots=True)
class Best:
    """What an auction must come to; price 0: nothing can be matched."""

    price: int
    quantity: int
    imbalance: int


def best_of(instrument: Instrument, cross: int, reference: int, low: int, high: int) -> Best:
    """Most is matched; then least is left over; then nearest to the reference; then the lower."""
    limits = {
        order.price
        for side, price in ((BUY, 1), (SELL, PRICE_TICKS_MAX))
        for order in taking_part(instrument, side, price, cross)
    }
    near = (reference, low, high, *(price + step for price in limits for step in (-1, 0, 1)))
    found = []
    for price in sorted({min(max(one, low), high) for one in near}):
        quantity = can_be_matched(instrument, price, cross)
        left = max(_plain(instrument, side, price, cross) for side in (BUY, SELL)) - quantity
        found.append((-quantity, left, abs(price - reference), price))
    if all(quantity == 0 for quantity, *_ in found):
        # What is left over is said as of the reference then.
        found = [(0, 0, away, price) for _, _, away, price in found]
    quantity, _, _, price = min(found)
    left = max(_plain(instrument, side, price, cross) for side in (BUY, SELL)) + quantity
    return Best(price if quantity else 0, -quantity, left)


def _plain(instrument: Instrument, side: int, price: int, cross: int) -> int:
    """What orders that are not imbalance-only would trade at a price."""
    some = taking_part(instrument, side, price, cross)
    return sum(order.quantity for order in some if not order.imbalance_only)


class Crosses:
    """Judges auctions.

    Args: auctions: their publishers; topic: of the first instrument; instruments: the oracle's;
    prices: lowest and highest.
    """

    def __init__(
        self,
        auctions: Sequence[int],
        topic: int,
        instruments: Sequence[Instrument],
        schedule: Schedule,
        midnight_ns: int,
        collars: Collars,
        prices: tuple[int, int],
    ) -> None:
        self._auctions, self._topic = auctions, topic
        self._instruments = instruments
        self._schedule, self._midnight_ns = schedule, midnight_ns
        self._collars, self._prices = collars, prices
        self._states: dict[int, int] = defaultdict(lambda: int(CONTINUOUS))
        self._since_ns: dict[int, int] = defaultdict(int)
        self._until_ns: dict[int, int] = defaultdict(int)
        self._extensions: dict[int, int] = defaultdict(int)
        self._is_frozen: dict[int, bool] = {}
        self._had: dict[tuple[int, int], bool] = {}
        # The last one, and before it those of this auction that an operator has set: who speaks may
        # not have heard of that yet.
        self._references: dict[int, list[int]] = defaultdict(lambda: [0])
        self._wanted: list[Best] = []
        self._heard_ns = 0
        self.done: list[tuple[int, Best]] = []  # kind of cross, and what it came to
        self.broken_off = 0

    def expect(self, first: bytes) -> None:
        """What a cross or an imbalance has to say, by the book as it is now."""
        self._wanted = []
        if first[24] in (Template.CROSS_RESULT, Template.IMBALANCE) and self._is_ours(first):
            line = decode(first)
            instrument = self._instruments[line["instrument"]]
            if line["changes"] == instrument.changes:
                for reference in self._references[line["instrument"]]:
                    inside = self._inside(reference)
                    self._wanted.append(best_of(instrument, line["cross_type"], reference, *inside))

    def hear(self, group: Message) -> None:
        template = group[0][24]
        if template == Template.CROSS_RESULT and self._is_ours(group[0]):
            self._cross(decode(group[0]))
        elif template == Template.AUCTION_EXTENSION and self._is_ours(group[0]):
            line = decode(group[0])
            self._extensions[line["instrument"]] = line["extension"]
            self._until_ns[line["instrument"]] = line["until_ns"]
        elif template == Template.IMBALANCE and self._wanted:
            line = decode(group[0])
            wanted = [(one.quantity, one.imbalance) for one in self._wanted]
            assert (line["paired"], line["imbalance"]) in wanted, "another imbalance"
        elif template == Template.COMMAND:
            line = decode(group[0])
            if line["kind"] == CommandKind.REFERENCE_PRICE:
                self._references[line["instrument"]].append(line["price_ticks"])
        for raw in group:
            if raw[24] == Template.EXECUTED:
                self._execute(decode(raw), template)
            elif raw[24] == Template.STATE_CHANGED:
                self._change(decode(raw))
        self._heard_ns = int.from_bytes(group[-1][8:16], "little")

    def at_rest(self) -> None:
        """Every auction has had its cross, or was broken off."""
        for instrument, state in self._states.items():
            assert state != AUCTION, f"instrument {instrument} was never crossed"
            assert not self._is_frozen.get(instrument), f"instrument {instrument} is frozen"

    def _is_ours(self, raw: bytes) -> bool:
        return int.from_bytes(raw[22:24], "little") in self._auctions

    def _inside(self, reference: int) -> tuple[int, int]:
        low, high = self._prices
        width = self._collars.ticks
        if width and reference:
            low, high = max(low, reference - width), min(high, reference + width)
        return low, high

    def _cross(self, line: Fields) -> None:
        instrument, kind = line["instrument"], line["cross_type"]
        assert self._wanted, "a cross of another book was taken"
        said = line["price_ticks"], line["quantity"]
        found = [best for best in self._wanted if (best.price, best.quantity) == said]
        assert found, f"crossed at {said}, the best is {self._wanted}"
        assert self._heard_ns >= self._due_ns(instrument, kind), "before its time"
        state = self._states[instrument]
        had, self._had[instrument, kind] = self._had.get((instrument, kind)), True
        assert not (kind == CrossType.OPENING and had), "opened twice"
        # Once for who traded until then; an operator may have called an auction since.
        is_at_close = kind == CrossType.CLOSING and state == CONTINUOUS and not had
        is_frozen = self._is_frozen.get(instrument, False)
        if not is_frozen and self._extensions[instrument] < self._collars.extensions:
            near = [
                (best_of(self._instruments[instrument], kind, one, *EVERYWHERE).price, one)
                for one in self._references[instrument]
            ]
            is_inside = [
                price == 0 or self._inside(one)[0] <= price <= self._inside(one)[1]
                for price, one in near
            ]
            assert any(is_inside), "outside the collars, and not put off"
        assert state == AUCTION or is_at_close or is_frozen, "a cross without an auction"
        self.done.append((kind, found[0]))

    def _due_ns(self, instrument: int, kind: int) -> int:
        due_ns = self._since_ns[instrument] + self._schedule.halt_ns
        if kind == CrossType.CLOSING:
            due_ns = self._midnight_ns + self._schedule.closes_ns
        elif kind == CrossType.OPENING and self._schedule.opens_ns != NEVER:
            due_ns = self._midnight_ns + self._schedule.opens_ns
        return max(due_ns, self._until_ns[instrument])

    def _execute(self, line: Fields, template: int) -> None:
        instrument = line["instrument"]
        if line["liquidity"] == Liquidity.CROSS:
            assert template == Template.CROSS_RESULT, "a cross that nobody said"
        else:
            is_open = self._states[instrument] == CONTINUOUS
            assert is_open, f"instrument {instrument}: executed during an auction"
        self._references[instrument] = [line["price_ticks"]]

    def _change(self, line: Fields) -> None:
        instrument, state = line["instrument"], line["state"]
        is_ours = line["topic"] == self._topic + instrument
        is_frozen = is_ours and state == HALTED
        self.broken_off += self._states[instrument] == AUCTION and not is_ours
        self._states[instrument] = state
        self._is_frozen[instrument] = is_frozen
        if not is_frozen:
            self._since_ns[instrument] = line["time_ns"]
            self._until_ns[instrument] = self._extensions[instrument] = 0
            self._references[instrument] = self._references[instrument][-1:]
