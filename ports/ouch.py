"""OUCH 5.0 in Python: every message of both directions, bytes to dataclass and back.

Prices are integers in 1/10,000, timestamps nanoseconds since midnight; text and appendages are as
in `ports/ouch_base.py`. It shares nothing with `ports/ouch.c`, which the tests check against it.
Source: Nasdaq, OUCH 5.0 (2023-04, and for mass cancel and order entry its later revisions).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Final, get_args

from ports.ouch_base import TAG_FORMATS as TAG_FORMATS
from ports.ouch_base import Appendage as Appendage
from ports.ouch_base import Message as Message
from ports.ouch_base import Tag as Tag
from ports.ouch_base import decode_appendage as decode_appendage
from ports.ouch_base import encode_appendage as encode_appendage
from ports.ouch_base import find_option as find_option
from ports.ouch_base import option as option
from ringbus.status import FormatError

REJECT_REASONS: Final[dict[int, str]] = {
    1: "quote unavailable",
    2: "destination closed",
    3: "invalid display",
    4: "invalid max floor",
    5: "invalid peg type",
    6: "fat finger",
    7: "halted",
    8: "ISO not allowed",
    9: "invalid side",
    10: "processing error",
    11: "cancel pending",
    12: "firm not authorised",
    13: "invalid min quantity",
    14: "no closing reference price",
    15: "other",
    16: "cancel not allowed",
    17: "pegging not allowed",
    18: "crossed market",
    19: "invalid quantity",
    20: "invalid cross order",
    21: "replace not allowed",
    22: "routing not allowed",
    23: "invalid symbol",
    24: "test",
    25: "late LOC too aggressive",
    26: "retail not allowed",
    27: "invalid midpoint post-only price",
    28: "invalid destination",
    29: "invalid price",
    30: "shares exceed threshold",
    31: "exceeds maximum notional",
}


@dataclass(frozen=True, slots=True)
class EnterOrder(Message):
    """Client: a new order.

    `side`: B buy, S sell, T sell short, E sell short exempt. `time_in_force`: 0 day, 3 immediate or
    cancel, 5 extended hours, 6 until ExpireTime, E after hours. `display`: Y visible, N hidden,
    A attributable. `capacity`: A agency, P principal, R riskless, O other.
    """

    TYPE: ClassVar[bytes] = b"O"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">I1sI8sQ1s1s1s1s1s14s")
    APPENDED: ClassVar[bool] = True
    user_ref: int
    side: str
    quantity: int
    symbol: str
    price: int
    time_in_force: str = "0"
    display: str = "Y"
    capacity: str = "A"
    sweep: str = "N"
    cross_type: str = "N"
    clordid: str = ""
    appendage: Appendage = ()


@dataclass(frozen=True, slots=True)
class ReplaceOrder(Message):
    """Client: an order in place of `original_user_ref`; `quantity` includes what was executed."""

    TYPE: ClassVar[bytes] = b"U"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">IIIQ1s1s1s14s")
    APPENDED: ClassVar[bool] = True
    original_user_ref: int
    user_ref: int
    quantity: int
    price: int
    time_in_force: str = "0"
    display: str = "Y"
    sweep: str = "N"
    clordid: str = ""
    appendage: Appendage = ()


@dataclass(frozen=True, slots=True)
class CancelOrder(Message):
    """Client: no more than `quantity` of the order may ever execute; 0 cancels it."""

    TYPE: ClassVar[bytes] = b"X"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">II")
    APPENDED: ClassVar[bool] = True
    LATE: ClassVar[bool] = True
    user_ref: int
    quantity: int = 0
    appendage: Appendage | None = None


@dataclass(frozen=True, slots=True)
class ModifyOrder(Message):
    """Client: another side among the sells, or another total quantity."""

    TYPE: ClassVar[bytes] = b"M"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">I1sI")
    APPENDED: ClassVar[bool] = True
    LATE: ClassVar[bool] = True
    user_ref: int
    side: str
    quantity: int
    appendage: Appendage | None = None


@dataclass(frozen=True, slots=True)
class MassCancel(Message):
    """Client: cancel all my orders; of one symbol if named, of one side if Side is appended."""

    TYPE: ClassVar[bytes] = b"C"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">I4s8s")
    APPENDED: ClassVar[bool] = True
    user_ref: int
    firm: str = ""
    symbol: str = ""
    appendage: Appendage = ()


@dataclass(frozen=True, slots=True)
class DisableOrderEntry(Message):
    """Client: take no more orders of mine; those that are open stay."""

    TYPE: ClassVar[bytes] = b"D"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">I4s")
    APPENDED: ClassVar[bool] = True
    user_ref: int
    firm: str = ""
    appendage: Appendage = ()


@dataclass(frozen=True, slots=True)
class EnableOrderEntry(Message):
    """Client: take orders again."""

    TYPE: ClassVar[bytes] = b"E"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">I4s")
    APPENDED: ClassVar[bool] = True
    user_ref: int
    firm: str = ""
    appendage: Appendage = ()


@dataclass(frozen=True, slots=True)
class AccountQuery(Message):
    """Client: which user_ref comes next?"""

    TYPE: ClassVar[bytes] = b"Q"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">")
    APPENDED: ClassVar[bool] = True
    LATE: ClassVar[bool] = True
    appendage: Appendage | None = None


@dataclass(frozen=True, slots=True)
class SystemEvent(Message):
    """Exchange: S start of day, E end of day."""

    TYPE: ClassVar[bytes] = b"S"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">Q1s")
    timestamp_ns: int
    event: str


@dataclass(frozen=True, slots=True)
class OrderAccepted(Message):
    """Exchange: the order is in. `state`: L live, D already dead."""

    TYPE: ClassVar[bytes] = b"A"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QI1sI8sQ1s1sQ1s1s1s1s14s")
    APPENDED: ClassVar[bool] = True
    timestamp_ns: int
    user_ref: int
    side: str
    quantity: int
    symbol: str
    price: int
    time_in_force: str
    display: str
    order_reference: int
    capacity: str
    sweep: str
    cross_type: str
    state: str
    clordid: str = ""
    appendage: Appendage = ()


@dataclass(frozen=True, slots=True)
class OrderReplaced(Message):
    """Exchange: `user_ref` stands where `original_user_ref` was."""

    TYPE: ClassVar[bytes] = b"U"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QII1sI8sQ1s1sQ1s1s1s1s14s")
    APPENDED: ClassVar[bool] = True
    timestamp_ns: int
    original_user_ref: int
    user_ref: int
    side: str
    quantity: int
    symbol: str
    price: int
    time_in_force: str
    display: str
    order_reference: int
    capacity: str
    sweep: str
    cross_type: str
    state: str
    clordid: str = ""
    appendage: Appendage = ()


@dataclass(frozen=True, slots=True)
class OrderCanceled(Message):
    """Exchange: `quantity` was taken off. `reason`: U user, I immediate or cancel, …"""

    TYPE: ClassVar[bytes] = b"C"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QII1s")
    timestamp_ns: int
    user_ref: int
    quantity: int
    reason: str


@dataclass(frozen=True, slots=True)
class AiqCanceled(Message):
    """Exchange: canceled because it would have traded with its own account."""

    TYPE: ClassVar[bytes] = b"D"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QII1sIQ1s")
    timestamp_ns: int
    user_ref: int
    quantity: int
    reason: str
    quantity_prevented: int
    price: int
    liquidity: str


@dataclass(frozen=True, slots=True)
class OrderExecuted(Message):
    """Exchange: a trade. `liquidity`: A added, R removed, …"""

    TYPE: ClassVar[bytes] = b"E"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QIIQ1sQ")
    APPENDED: ClassVar[bool] = True
    timestamp_ns: int
    user_ref: int
    quantity: int
    price: int
    liquidity: str
    match_number: int
    appendage: Appendage = ()


@dataclass(frozen=True, slots=True)
class BrokenTrade(Message):
    """Exchange: a trade is void. `reason`: E erroneous, C consent, S supervisory, X external."""

    TYPE: ClassVar[bytes] = b"B"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QIQ1s14s")
    timestamp_ns: int
    user_ref: int
    match_number: int
    reason: str
    clordid: str = ""


@dataclass(frozen=True, slots=True)
class TradeCorrection(Message):
    """Exchange: a trade's price was corrected. `reason`: N adjusted to net asset value."""

    TYPE: ClassVar[bytes] = b"F"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QIIQ1sQ1s14s")
    timestamp_ns: int
    user_ref: int
    quantity: int
    price: int
    liquidity: str
    match_number: int
    reason: str
    clordid: str = ""


@dataclass(frozen=True, slots=True)
class OrderRejected(Message):
    """Exchange: the order or replace was refused; `reason_text` says why."""

    TYPE: ClassVar[bytes] = b"J"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QIH14s")
    timestamp_ns: int
    user_ref: int
    reason: int
    clordid: str = ""

    @property
    def reason_text(self) -> str:
        """Meaning of `reason`."""
        return REJECT_REASONS.get(self.reason, f"reason {self.reason}")


@dataclass(frozen=True, slots=True)
class CancelPending(Message):
    """Exchange: the cancel waits until a cross is over."""

    TYPE: ClassVar[bytes] = b"P"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QI")
    timestamp_ns: int
    user_ref: int


@dataclass(frozen=True, slots=True)
class CancelReject(Message):
    """Exchange: the cancel was refused."""

    TYPE: ClassVar[bytes] = b"I"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QI")
    timestamp_ns: int
    user_ref: int


@dataclass(frozen=True, slots=True)
class OrderPriorityUpdate(Message):
    """Exchange: the order has another price, display or reference number."""

    TYPE: ClassVar[bytes] = b"T"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QIQ1sQ")
    timestamp_ns: int
    user_ref: int
    price: int
    display: str
    order_reference: int


@dataclass(frozen=True, slots=True)
class OrderModified(Message):
    """Exchange: the order has another side or quantity."""

    TYPE: ClassVar[bytes] = b"M"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QI1sI")
    timestamp_ns: int
    user_ref: int
    side: str
    quantity: int


@dataclass(frozen=True, slots=True)
class OrderRestated(Message):
    """Exchange: R the reserve order's display was refreshed, P its displayed price changed."""

    TYPE: ClassVar[bytes] = b"R"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QI1s")
    APPENDED: ClassVar[bool] = True
    timestamp_ns: int
    user_ref: int
    reason: str
    appendage: Appendage = ()


@dataclass(frozen=True, slots=True)
class MassCancelResponse(Message):
    """Exchange: the mass cancel is done; an OrderCanceled for each order follows."""

    TYPE: ClassVar[bytes] = b"X"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QI4s8s")
    APPENDED: ClassVar[bool] = True
    timestamp_ns: int
    user_ref: int
    firm: str = ""
    symbol: str = ""
    appendage: Appendage = ()


@dataclass(frozen=True, slots=True)
class DisableOrderEntryResponse(Message):
    """Exchange: no more orders are taken."""

    TYPE: ClassVar[bytes] = b"G"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QI4s")
    APPENDED: ClassVar[bool] = True
    timestamp_ns: int
    user_ref: int
    firm: str = ""
    appendage: Appendage = ()


@dataclass(frozen=True, slots=True)
class EnableOrderEntryResponse(Message):
    """Exchange: orders are taken again."""

    TYPE: ClassVar[bytes] = b"K"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QI4s")
    APPENDED: ClassVar[bool] = True
    timestamp_ns: int
    user_ref: int
    firm: str = ""
    appendage: Appendage = ()


@dataclass(frozen=True, slots=True)
class AccountQueryResponse(Message):
    """Exchange: the next user_ref that would be accepted."""

    TYPE: ClassVar[bytes] = b"Q"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QI")
    timestamp_ns: int
    next_user_ref: int


Inbound = (
    EnterOrder
    | ReplaceOrder
    | CancelOrder
    | ModifyOrder
    | MassCancel
    | DisableOrderEntry
    | EnableOrderEntry
    | AccountQuery
)
Outbound = (
    SystemEvent
    | OrderAccepted
    | OrderReplaced
    | OrderCanceled
    | AiqCanceled
    | OrderExecuted
    | BrokenTrade
    | TradeCorrection
    | OrderRejected
    | CancelPending
    | CancelReject
    | OrderPriorityUpdate
    | OrderModified
    | OrderRestated
    | MassCancelResponse
    | DisableOrderEntryResponse
    | EnableOrderEntryResponse
    | AccountQueryResponse
)

INBOUND: Final[dict[bytes, type[Inbound]]] = {kind.TYPE: kind for kind in get_args(Inbound)}
OUTBOUND: Final[dict[bytes, type[Outbound]]] = {kind.TYPE: kind for kind in get_args(Outbound)}


def decode_inbound(data: bytes) -> Inbound:
    """A client's message from the payload of Unsequenced Data. Raises: FormatError."""
    kind = INBOUND.get(data[:1])
    if kind is None:
        raise FormatError(f"no client sends an OUCH message of type {data[:1]!r}")
    return kind.decode(data)


def decode_outbound(data: bytes) -> Outbound:
    """The exchange's message from the payload of Sequenced Data. Raises: FormatError."""
    kind = OUTBOUND.get(data[:1])
    if kind is None:
        raise FormatError(f"no exchange sends an OUCH message of type {data[:1]!r}")
    return kind.decode(data)
