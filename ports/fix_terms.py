"""The terms of a FIX order: what NewOrderSingle and OrderCancelReplaceRequest have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ports.client import Instrument
from ports.fix import Message, decimal, time_ns
from ports.fix_reports import PRICE_DIGITS
from ringbus.messages import OrderOption, RejectReason, TimeInForce

MARKET, LIMIT, STOP, STOP_LIMIT = "1", "2", "3", "4"
BUY: Final = "1"
POST_ONLY: Final = "6"
# Instructions that ask for nothing that would be different here: not held, work, and the like.
HARMLESS: Final = frozenset("1258")
PRICE_TICKS_MAX: Final = (1 << 30) - 1
# Of a decimal text that says something, though nothing that a price here can be.
DIGITS_MAX: Final = 18


@dataclass(slots=True)
class Terms:
    """What the engine is told; `read` fills it from a message.

    `takes_stops`: somebody holds stop orders here; `stop_ticks` is 0 but for one.
    """

    takes_stops: bool = False
    price_ticks: int = 0
    stop_ticks: int = 0
    quantity: int = 0
    time_in_force: int = 0
    options: int = 0
    display: int = 0
    minimum: int = 0
    expire_ns: int = 0

    @property
    def has_line(self) -> bool:
        """Whether an OrderTerms line is needed."""
        return bool(self.display or self.minimum or self.expire_ns)

    def read(self, message: Message, instrument: Instrument) -> int:
        """Take the terms of D or G; returns the RejectReason, or 0."""
        return (
            self._read_quantity(message, instrument)
            or self._read_stop(message, instrument)
            or self._read_price(message, instrument)
            or self._read_time(message)
            or self._read_instructions(message)
            or self._read_display(message)
            or self._stop_fault()
        )

    def _read_quantity(self, message: Message, instrument: Instrument) -> int:
        quantity = decimal(message.get(38), 0)
        if quantity is None or quantity <= 0:
            return RejectReason.INVALID_QUANTITY
        if quantity > instrument.quantity_max:
            return RejectReason.QUANTITY_EXCEEDED
        self.quantity = quantity
        return RejectReason.OFF_LOT if quantity % instrument.lot else 0

    def _read_stop(self, message: Message, instrument: Instrument) -> int:
        if message.get(40) not in (STOP, STOP_LIMIT):
            return RejectReason.NOT_SUPPORTED if 99 in message.fields else 0
        if not self.takes_stops:
            return RejectReason.NOT_SUPPORTED
        self.stop_ticks, reason = ticks_of(message.get(99), instrument)
        return reason

    def _stop_fault(self) -> int:
        """A stop order is one line: what would need another is not kept until it comes in."""
        if self.stop_ticks == 0:
            return 0
        if self.time_in_force in (TimeInForce.AT_OPENING, TimeInForce.AT_CLOSE):
            return RejectReason.INVALID_TIME_IN_FORCE
        return RejectReason.NOT_SUPPORTED if self.has_line else 0

    def _read_price(self, message: Message, instrument: Instrument) -> int:
        """A market order's price is the worst that it may trade at."""
        if message.get(40) in (MARKET, STOP):
            is_buy = message.get(54) == BUY
            self.price_ticks = instrument.price_ticks_max if is_buy else instrument.price_ticks_min
            self.options |= OrderOption.MARKET
            return 0
        if message.get(40) not in (LIMIT, STOP_LIMIT):
            return RejectReason.NOT_SUPPORTED
        self.price_ticks, reason = ticks_of(message.get(44), instrument)
        return reason

    def _read_time(self, message: Message) -> int:
        kind = message.get(59, "0")
        if kind not in [str(int(one)) for one in TimeInForce]:
            return RejectReason.INVALID_TIME_IN_FORCE
        self.time_in_force = int(kind)
        if self.options & OrderOption.MARKET and self.time_in_force == TimeInForce.DAY:
            # It does not rest: what it cannot get at once is canceled.
            self.time_in_force = TimeInForce.IMMEDIATE_OR_CANCEL
        if self.time_in_force == TimeInForce.GOOD_TILL_TIME:
            self.expire_ns = time_ns(message.get(126)) or 0
            return 0 if self.expire_ns else RejectReason.INVALID_TIME_IN_FORCE
        return 0

    def _read_instructions(self, message: Message) -> int:
        for instruction in message.get(18).split():
            if instruction == POST_ONLY:
                self.options |= OrderOption.POST_ONLY
            elif instruction not in HARMLESS:
                return RejectReason.NOT_SUPPORTED
        return 0

    def _read_display(self, message: Message) -> int:
        """MaxFloor 0 hides the order."""
        display = decimal(message.get(111, str(self.quantity)), 0)
        minimum = decimal(message.get(110, "0"), 0)
        if display is None or not 0 <= display <= self.quantity:
            return RejectReason.INVALID_DISPLAY
        if minimum is None or not 0 <= minimum <= self.quantity:
            return RejectReason.INVALID_MINIMUM_QUANTITY
        self.minimum = minimum
        if display == 0:
            self.options |= OrderOption.HIDDEN
        elif display < self.quantity:
            self.display = display
        return 0


def ticks_of(text: str, instrument: Instrument) -> tuple[int, int]:
    """A price in ticks, and why it is none of the instrument's, or 0."""
    price = decimal(text, PRICE_DIGITS)
    if price is None:
        is_fine = decimal(text, DIGITS_MAX) is not None
        return 0, RejectReason.OFF_TICK if is_fine else RejectReason.INVALID_PRICE
    ticks, rest = divmod(price, instrument.tick_1e4)
    if not instrument.price_ticks_min <= ticks <= instrument.price_ticks_max:
        return 0, RejectReason.INVALID_PRICE
    return ticks, RejectReason.OFF_TICK if rest else 0


def price_if_any(message: Message, instrument: Instrument) -> int:
    """The price of a message in ticks, 0 where it has none that the instrument knows."""
    price = decimal(message.get(44), PRICE_DIGITS)
    ticks, rest = divmod(price or 0, instrument.tick_1e4)
    return ticks if rest == 0 and 0 < ticks <= PRICE_TICKS_MAX else 0
