"""README, Collars: what prices and sizes of an instrument must be, against its last trade."""

from __future__ import annotations

from dataclasses import dataclass, field

from ringbus.messages import CommandKind, InstrumentState, OrderOption, RejectReason, Side
from tests.engine.oracle.wire import Fields

PRICE_TICKS_MAX = 2**30 - 1
PHASES = (InstrumentState.CONTINUOUS, InstrumentState.AUCTION)
RULES = (CommandKind.REFERENCE_PRICE, CommandKind.COLLAR, CommandKind.FAT_FINGER)


@dataclass(slots=True)
class Collar:
    """Of an instrument; 0 and None: there is no such rule."""

    last: int = 0
    reference: int = 0
    finger: int = 0
    value: int = 0
    # Lowest, highest, and how far from the reference; by phase.
    ranges: dict[int, tuple[int, int, int]] = field(
        default_factory=lambda: dict.fromkeys(PHASES, (0, 0, 0))
    )

    @property
    def against(self) -> int:
        """What prices are held against."""
        return self.last or self.reference

    def reason(
        self, state: int, side: int, price: int, quantity: int, options: int
    ) -> RejectReason | None:
        """Why an order may not come in."""
        low, high, width = self.ranges[PHASES[state != PHASES[0]]]
        is_market = bool(options & OrderOption.MARKET)
        against = self.against
        outside = price < low or bool(high and price > high)
        if not is_market and (outside or bool(against and 0 < width < abs(price - against))):
            return RejectReason.PRICE_COLLAR
        past = price - against if side == Side.BUY else against - price
        too_far = not is_market and bool(against and 0 < self.finger < past)
        if too_far or 0 < self.value < quantity * against:
            return RejectReason.FAT_FINGER
        return None

    def worst(self, side: int, price: int) -> int:
        """The worst price at which a market order trades in Continuous."""
        low, high, width = self.ranges[PHASES[0]]
        ends = [high if side == Side.BUY else low]
        for away in (width, self.finger):
            if away and self.against:
                ends.append(self.against + away if side == Side.BUY else self.against - away)
        # An end of 0 is no rule; one below 0 is one that nothing meets.
        ends = [ends[0]] * bool(ends[0]) + ends[1:]
        return min([price, *ends]) if side == Side.BUY else max([price, *ends])

    def obey(self, line: Fields) -> RejectReason | None:
        """A Command of one of the rules; why it is refused."""
        price, value = line["price_ticks"], line["value"]
        if not 0 <= price <= PRICE_TICKS_MAX:
            return RejectReason.INVALID_PRICE
        if line["kind"] == CommandKind.REFERENCE_PRICE:
            self.reference = price
        elif line["kind"] == CommandKind.FAT_FINGER:
            self.finger, self.value = price, value
        else:
            low, high = value & 0xFFFFFFFF, value >> 32
            if line["state"] not in PHASES or max(low, high) > PRICE_TICKS_MAX:
                return RejectReason.INVALID_OPTIONS
            if high and low > high:
                return RejectReason.INVALID_OPTIONS
            self.ranges[line["state"]] = (low, high, price)
        return None
