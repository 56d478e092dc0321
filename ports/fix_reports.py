"""What a FIX client is told of its orders: the four application messages, for either version.

A report holds whole numbers and the texts of the client; `type` and `fields` say how it goes out in
4.2 and 4.4. Prices are in 1/10,000 of the currency, average prices in 1/100,000,000.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ports.fix import FIX42, FIX44, Pair, decimal_text, time_text
from ringbus.messages import RejectReason

PRICE_DIGITS: Final = 4
AVERAGE_DIGITS: Final = 8
NO_ORDER: Final = "NONE"
# OrdStatus.
NEW, PARTIAL, FILLED, CANCELED, REPLACED, REJECTED = "0", "1", "2", "4", "5", "8"
# CxlRejReason.
TOO_LATE, UNKNOWN = 0, 1


class Event(Enum):
    """ExecType as 4.4 has it."""

    NEW = "0"
    CANCELED = "4"
    REPLACED = "5"
    REJECTED = "8"
    RESTATED = "D"
    TRADE = "F"
    CORRECT = "G"
    BUST = "H"
    STATUS = "I"
    # Both say Restated: a stop order has come in (there is no type of its own before FIX 5.0), and
    # an order has come over from a former day.
    TRIGGERED = "triggered"
    CARRIED = "carried"


@dataclass(frozen=True, slots=True)
class ExecutionReport:
    """35=8; `exec_id` is the place on the stream that it was made from."""

    event: Event
    status: str
    order_id: str
    exec_id: int
    clordid: str
    original: str  # ClOrdID before; "": none
    symbol: str
    side: str
    quantity: int  # 0: not known
    price_1e4: int  # 0: none
    is_market: bool
    time_in_force: str
    remaining: int
    executed: int
    average_1e8: int
    time_ns: int
    last_quantity: int = 0
    last_price_1e4: int = 0
    added: bool = False  # the order rested
    match_id: int = 0  # the same for both sides
    refers_to: int = 0  # of a bust or correction: the exec_id that it takes the place of
    reason: int = 0  # RejectReason
    text: str = ""
    secondary: str = ""  # the client's own name of an order that has none in FIX
    stop_1e4: int = 0  # 0: it is no stop order
    is_held: bool = False  # a stop order that has not come in

    def type(self, version: str) -> str:
        """MsgType; "": the version has no such message."""
        return "8"

    def fields(self, version: str) -> list[Pair]:
        """The body, by tag."""
        event, status = self.event.value, self.status
        out = {
            6: decimal_text(self.average_1e8, AVERAGE_DIGITS),
            11: self.clordid,
            14: str(self.executed),
            17: str(self.exec_id),
            37: self.order_id,
            54: self.side,
            55: self.symbol,
            60: time_text(self.time_ns),
            151: str(self.remaining),
        }
        if self.event in _RESTATED:
            event = Event.RESTATED.value
            out[378] = _RESTATED[self.event][version != FIX42]
        if self.event is not Event.REJECTED or self.stop_1e4:
            out[40] = _ORD_TYPES[self.is_market, self.stop_1e4 > 0]
            out[59] = self.time_in_force
        if self.stop_1e4:
            out[99] = decimal_text(self.stop_1e4, PRICE_DIGITS)
        if self.stop_1e4 and version == FIX44 and status == NEW:
            out[636] = "N" if self.is_held else "Y"
        if version == FIX42:
            out[20] = _TRANSACTIONS.get(self.event, "0")
            if self.event is Event.REPLACED:
                status = REPLACED
            if self.event in (Event.TRADE, Event.STATUS, Event.CORRECT, Event.BUST):
                event = status
        elif self.match_id:
            out[527] = str(self.match_id)
            out[851] = "1" if self.added else "2"
        if self.refers_to:
            out[19] = str(self.refers_to)
        if self.secondary and version == FIX44:
            out[526] = self.secondary
        out[39], out[150] = status, event
        if self.last_quantity:
            out[31] = decimal_text(self.last_price_1e4, PRICE_DIGITS)
            out[32] = str(self.last_quantity)
        if self.quantity:
            out[38] = str(self.quantity)
        if self.original:
            out[41] = self.original
        if self.price_1e4:
            out[44] = decimal_text(self.price_1e4, PRICE_DIGITS)
        if self.reason:
            out[103] = str(order_reason(self.reason, version))
        if self.text:
            out[58] = self.text
        return sorted(out.items())


@dataclass(frozen=True, slots=True)
class CancelReject:
    """35=9: a cancel or replace that is not done; `why` is CxlRejReason, None: that of `reason`."""

    order_id: str
    clordid: str
    original: str
    status: str
    is_replace: bool
    why: int | None
    reason: int
    time_ns: int

    def type(self, version: str) -> str:
        """MsgType; "": the version has no such message."""
        return "9"

    def fields(self, version: str) -> list[Pair]:
        """The body, by tag."""
        why = cancel_reason(self.reason, version) if self.why is None else self.why
        return [
            (11, self.clordid),
            (37, self.order_id),
            (39, self.status),
            (41, self.original),
            (58, "too late" if self.why == TOO_LATE else reason_text(self.reason)),
            (60, time_text(self.time_ns)),
            (102, str(why)),
            (434, "2" if self.is_replace else "1"),
        ]


@dataclass(frozen=True, slots=True)
class MassCancelReport:
    """35=r, which 4.2 does not have; the cancels themselves are reported one by one behind it."""

    order_id: str
    clordid: str
    request: str  # MassCancelRequestType
    affected: int
    reason: int  # RejectReason, 0: it is done
    symbol: str
    side: str
    time_ns: int

    def type(self, version: str) -> str:
        """MsgType; "": the version has no such message."""
        return "r" if version == FIX44 else ""

    def fields(self, version: str) -> list[Pair]:
        """The body, by tag."""
        out = {
            11: self.clordid,
            37: self.order_id,
            60: time_text(self.time_ns),
            530: self.request,
            531: "0" if self.reason else self.request,
        }
        if self.reason:
            out[58] = reason_text(self.reason)
            out[532] = _MASS_CANCEL.get(self.reason, "99")
        else:
            out[533] = str(self.affected)
        if self.symbol:
            out[55] = self.symbol
        if self.side:
            out[54] = self.side
        return sorted(out.items())


@dataclass(frozen=True, slots=True)
class BusinessReject:
    """35=j: a message that FIX knows and this exchange does not take."""

    number: int
    refused_type: str

    def type(self, version: str) -> str:
        """MsgType; "": the version has no such message."""
        return "j"

    def fields(self, version: str) -> list[Pair]:
        """The body, by tag."""
        return [
            (45, str(self.number)),
            (58, "Unsupported Message Type"),
            (372, self.refused_type),
            (380, "3"),
        ]


# OrdType, by whether it is a market order, and a stop order.
_ORD_TYPES: Final = {
    (True, False): "1",
    (False, False): "2",
    (True, True): "3",
    (False, True): "4",
}

Report = ExecutionReport | CancelReject | MassCancelReport | BusinessReject

# ExecRestatementReason of 4.2 and of 4.4: partial decline of OrderQty, other, renewal.
_RESTATED: Final = {
    Event.RESTATED: ("5", "5"),
    Event.TRIGGERED: ("4", "99"),
    Event.CARRIED: ("1", "1"),
}
# ExecTransType of 4.2.
_TRANSACTIONS: Final = {Event.BUST: "1", Event.CORRECT: "2", Event.STATUS: "3"}
_MASS_CANCEL: Final = {
    int(RejectReason.NOT_SUPPORTED): "0",
    int(RejectReason.UNKNOWN_INSTRUMENT): "1",
}
# OrdRejReason of 4.2, then of 4.4; what is not here is the exchange's own business.
_ORDER: Final[Mapping[RejectReason, tuple[int, int]]] = {
    RejectReason.UNKNOWN_INSTRUMENT: (1, 1),
    RejectReason.INSTRUMENT_STATE: (2, 2),
    RejectReason.DAY_CLOSED: (2, 2),
    RejectReason.UNKNOWN_ORDER: (5, 5),
    RejectReason.INVALID_CLIENT_ORDER_ID: (6, 6),
    RejectReason.INVALID_QUANTITY: (0, 13),
    RejectReason.QUANTITY_EXCEEDED: (3, 3),
    RejectReason.NOTIONAL_EXCEEDED: (3, 3),
    RejectReason.THROTTLED: (3, 3),
    RejectReason.OPEN_LONG_LIMIT: (3, 3),
    RejectReason.OPEN_SHORT_LIMIT: (3, 3),
    RejectReason.NET_POSITION_LIMIT: (3, 3),
    RejectReason.GROSS_POSITION_LIMIT: (3, 3),
    RejectReason.TRADED_NOTIONAL_LIMIT: (3, 3),
    RejectReason.TRADED_QUANTITY_LIMIT: (3, 3),
    RejectReason.OPEN_ORDERS_LIMIT: (3, 3),
    RejectReason.MESSAGE_RATE_LIMIT: (3, 3),
    RejectReason.FAT_FINGER: (3, 3),
    RejectReason.OFF_LOT: (0, 13),
    RejectReason.INVALID_TIME_IN_FORCE: (0, 11),
    RejectReason.INVALID_DISPLAY: (0, 11),
    RejectReason.INVALID_OPTIONS: (0, 11),
    RejectReason.INVALID_MINIMUM_QUANTITY: (0, 11),
    RejectReason.NOT_SUPPORTED: (0, 11),
}
_ORDER_OTHER: Final = (0, 99)
# CxlRejReason.
_CANCEL: Final[Mapping[RejectReason, tuple[int, int]]] = {
    RejectReason.UNKNOWN_ORDER: (1, 1),
    RejectReason.INVALID_CLIENT_ORDER_ID: (2, 6),
}
_CANCEL_OTHER: Final = (2, 99)


def order_reason(reason: int, version: str) -> int:
    """OrdRejReason for a RejectReason."""
    return _of(_ORDER, _ORDER_OTHER, reason, version)


def cancel_reason(reason: int, version: str) -> int:
    """CxlRejReason for a RejectReason."""
    return _of(_CANCEL, _CANCEL_OTHER, reason, version)


def _of(
    table: Mapping[RejectReason, tuple[int, int]], other: tuple[int, int], reason: int, version: str
) -> int:
    known = reason in RejectReason.__members__.values()
    row = table.get(RejectReason(reason), other) if known else other
    return row[0] if version == FIX42 else row[1]


def reason_text(reason: int) -> str:
    """A RejectReason in words."""
    if reason == RejectReason.INVALID_CLIENT_ORDER_ID:
        return "duplicate ClOrdID"
    known = reason in RejectReason.__members__.values()
    return RejectReason(reason).name.lower().replace("_", " ") if known else f"reason {reason}"
