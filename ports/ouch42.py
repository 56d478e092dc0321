"""OUCH 4.2 in Python: every message of both directions, bytes to dataclass and back.

As `ports/ouch.py` for OUCH 5.0, whose base it shares, but that orders have tokens instead of
numbers, prices 4 bytes, and nothing an appendage. Source: Nasdaq, OUCH 4.2 (2019-07).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Final, get_args

from ports.ouch_base import Message
from ringbus.status import FormatError

IMMEDIATE: Final = 0
MARKET_HOURS: Final = 99998
SYSTEM_HOURS: Final = 99999
MARKET_PRICE: Final = 0x7FFFFFFF

REJECT_REASONS: Final[dict[str, str]] = {
    "S": "invalid stock",
    "X": "invalid price",
    "D": "invalid display",
    "H": "halted",
    "N": "invalid minimum quantity",
    "Z": "shares exceed safety threshold",
    "n": "dollar limit",
    "R": "not allowed in this cross",
    "L": "firm not authorised",
    "O": "other",
}


@dataclass(frozen=True, slots=True)
class EnterOrder(Message):
    """Client: a new order. `time_in_force`: seconds, or one of the names above."""

    TYPE: ClassVar[bytes] = b"O"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">14s1sI8sII4s1s1s1sI1s1s")
    token: str
    side: str
    shares: int
    stock: str
    price: int
    time_in_force: int = MARKET_HOURS
    firm: str = ""
    display: str = "Y"
    capacity: str = "A"
    sweep: str = "N"
    minimum_quantity: int = 0
    cross_type: str = "N"
    customer_type: str = ""


@dataclass(frozen=True, slots=True)
class ReplaceOrder(Message):
    """Client: an order in place of `existing_token`; `shares` includes what was executed."""

    TYPE: ClassVar[bytes] = b"U"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">14s14sIII1s1sI")
    existing_token: str
    token: str
    shares: int
    price: int
    time_in_force: int = MARKET_HOURS
    display: str = "Y"
    sweep: str = "N"
    minimum_quantity: int = 0


@dataclass(frozen=True, slots=True)
class CancelOrder(Message):
    """Client: no more than `shares` of the order may ever execute; 0 cancels it."""

    TYPE: ClassVar[bytes] = b"X"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">14sI")
    token: str
    shares: int = 0


@dataclass(frozen=True, slots=True)
class ModifyOrder(Message):
    """Client: another side among the sells, or another total of shares."""

    TYPE: ClassVar[bytes] = b"M"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">14s1sI")
    token: str
    side: str
    shares: int


@dataclass(frozen=True, slots=True)
class TradeNow(Message):
    """Client: let the resting order take."""

    TYPE: ClassVar[bytes] = b"N"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">14s")
    token: str


@dataclass(frozen=True, slots=True)
class SystemEvent(Message):
    """Exchange: S start of day, E end of day."""

    TYPE: ClassVar[bytes] = b"S"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">Q1s")
    timestamp_ns: int
    event: str


@dataclass(frozen=True, slots=True)
class Accepted(Message):
    """Exchange: the order is in. `state`: L live, D already dead."""

    TYPE: ClassVar[bytes] = b"A"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">Q14s1sI8sII4s1sQ1s1sI1s1s1s")
    timestamp_ns: int
    token: str
    side: str
    shares: int
    stock: str
    price: int
    time_in_force: int
    firm: str
    display: str
    order_reference: int
    capacity: str
    sweep: str
    minimum_quantity: int
    cross_type: str
    state: str
    bbo_weight: str = ""


@dataclass(frozen=True, slots=True)
class Replaced(Message):
    """Exchange: `token` stands where `previous_token` was."""

    TYPE: ClassVar[bytes] = b"U"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">Q14s1sI8sII4s1sQ1s1sI1s1s14s1s")
    timestamp_ns: int
    token: str
    side: str
    shares: int
    stock: str
    price: int
    time_in_force: int
    firm: str
    display: str
    order_reference: int
    capacity: str
    sweep: str
    minimum_quantity: int
    cross_type: str
    state: str
    previous_token: str
    bbo_weight: str = ""


@dataclass(frozen=True, slots=True)
class Canceled(Message):
    """Exchange: `shares` were taken off."""

    TYPE: ClassVar[bytes] = b"C"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">Q14sI1s")
    timestamp_ns: int
    token: str
    shares: int
    reason: str


@dataclass(frozen=True, slots=True)
class AiqCanceled(Message):
    """Exchange: canceled because it would have traded with its own account."""

    TYPE: ClassVar[bytes] = b"D"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">Q14sI1sII1s")
    timestamp_ns: int
    token: str
    shares: int
    reason: str
    shares_prevented: int
    price: int
    liquidity: str


@dataclass(frozen=True, slots=True)
class Executed(Message):
    """Exchange: a trade."""

    TYPE: ClassVar[bytes] = b"E"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">Q14sII1sQ")
    timestamp_ns: int
    token: str
    shares: int
    price: int
    liquidity: str
    match_number: int


@dataclass(frozen=True, slots=True)
class BrokenTrade(Message):
    """Exchange: a trade is void."""

    TYPE: ClassVar[bytes] = b"B"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">Q14sQ1s")
    timestamp_ns: int
    token: str
    match_number: int
    reason: str


@dataclass(frozen=True, slots=True)
class TradeCorrection(Message):
    """Exchange: a trade's price was corrected."""

    TYPE: ClassVar[bytes] = b"F"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">Q14sII1sQ1s")
    timestamp_ns: int
    token: str
    shares: int
    price: int
    liquidity: str
    match_number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Rejected(Message):
    """Exchange: the order or replace was refused; `reason_text` says why."""

    TYPE: ClassVar[bytes] = b"J"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">Q14s1s")
    timestamp_ns: int
    token: str
    reason: str

    @property
    def reason_text(self) -> str:
        """Meaning of `reason`."""
        return REJECT_REASONS.get(self.reason, f"reason {self.reason}")


@dataclass(frozen=True, slots=True)
class CancelReject(Message):
    """Exchange: the cancel or modify was refused, the order is as it was."""

    TYPE: ClassVar[bytes] = b"I"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">Q14s")
    timestamp_ns: int
    token: str


@dataclass(frozen=True, slots=True)
class Modified(Message):
    """Exchange: the order has another side or total of shares."""

    TYPE: ClassVar[bytes] = b"M"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">Q14s1sI")
    timestamp_ns: int
    token: str
    side: str
    shares: int


Inbound = EnterOrder | ReplaceOrder | CancelOrder | ModifyOrder | TradeNow
Outbound = (
    SystemEvent
    | Accepted
    | Replaced
    | Canceled
    | AiqCanceled
    | Executed
    | BrokenTrade
    | TradeCorrection
    | Rejected
    | CancelReject
    | Modified
)
OUTBOUND: Final[dict[bytes, type[Outbound]]] = {kind.TYPE: kind for kind in get_args(Outbound)}


def decode_outbound(data: bytes) -> Outbound:
    """The exchange's message from the payload of Sequenced Data. Raises: FormatError."""
    kind = OUTBOUND.get(data[:1])
    if kind is None:
        raise FormatError(f"no exchange sends an OUCH 4.2 message of type {data[:1]!r}")
    return kind.decode(data)
