"""OUCH 5.0 in Python: every message of both directions, bytes to dataclass and back.

Prices are integers in 1/10,000, timestamps nanoseconds since midnight. Text is padded with spaces
on the wire and without them here; its characters are bytes one to one (latin-1), so that whatever a
peer sent is shown and goes back as it was. An appendage is a tuple of (tag, value bytes); `option`
makes an element, `find_option` reads one. It shares nothing with `ports/ouch.c`, which the tests
check against it. Source: Nasdaq, OUCH 5.0 (2023-04).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import ClassVar, Final, Self, cast

from ringbus.status import FormatError, UsageError

Appendage = tuple[tuple[int, bytes], ...]


class Tag(IntEnum):
    """Options of an appendage."""

    SECONDARY_ORDER_REFERENCE = 1
    FIRM = 2
    MIN_QUANTITY = 3
    CUSTOMER_TYPE = 4
    MAX_FLOOR = 5
    PRICE_TYPE = 6
    PEG_OFFSET = 7
    DISCRETION_PRICE = 9
    DISCRETION_PRICE_TYPE = 10
    DISCRETION_PEG_OFFSET = 11
    POST_ONLY = 12
    RANDOM_RESERVES = 13
    ROUTE = 14
    EXPIRE_TIME = 15
    TRADE_NOW = 16
    HANDLE_INST = 17
    BBO_WEIGHT = 18
    REFERENCE_PRICE = 19
    REFERENCE_PRICE_TYPE = 20
    DISPLAY_QUANTITY = 22
    DISPLAY_PRICE = 23
    GROUP_ID = 24
    SHARES_LOCATED = 25


# struct codes: s is text, lower case i a signed price, the others unsigned numbers.
TAG_FORMATS: Final[dict[int, str]] = {
    Tag.SECONDARY_ORDER_REFERENCE: ">Q",
    Tag.FIRM: ">4s",
    Tag.MIN_QUANTITY: ">I",
    Tag.CUSTOMER_TYPE: ">1s",
    Tag.MAX_FLOOR: ">I",
    Tag.PRICE_TYPE: ">1s",
    Tag.PEG_OFFSET: ">i",
    Tag.DISCRETION_PRICE: ">Q",
    Tag.DISCRETION_PRICE_TYPE: ">1s",
    Tag.DISCRETION_PEG_OFFSET: ">i",
    Tag.POST_ONLY: ">1s",
    Tag.RANDOM_RESERVES: ">I",
    Tag.ROUTE: ">4s",
    Tag.EXPIRE_TIME: ">I",
    Tag.TRADE_NOW: ">1s",
    Tag.HANDLE_INST: ">1s",
    Tag.BBO_WEIGHT: ">1s",
    Tag.REFERENCE_PRICE: ">Q",
    Tag.REFERENCE_PRICE_TYPE: ">1s",
    Tag.DISPLAY_QUANTITY: ">I",
    Tag.DISPLAY_PRICE: ">Q",
    Tag.GROUP_ID: ">H",
    Tag.SHARES_LOCATED: ">1s",
}

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


def option(tag: int, value: int | str) -> tuple[int, bytes]:
    """One element of an appendage.

    Args: tag: one of Tag; value: a number, or text for the tags that hold text.
    Raises: UsageError: the tag is not known, or the value does not fit it.
    """
    form = TAG_FORMATS.get(tag)
    if form is None:
        raise UsageError(f"OUCH 5.0 has no option {tag}; give the element as (tag, bytes)")
    if isinstance(value, str):
        if not form.endswith("s"):
            raise UsageError(f"option {Tag(tag).name} takes a number, not {value!r}")
        return int(tag), _pad(Tag(tag).name, value, struct.calcsize(form))
    if form.endswith("s"):
        raise UsageError(f"option {Tag(tag).name} takes text, not {value}")
    try:
        return int(tag), struct.pack(form, value)
    except struct.error as error:
        raise UsageError(f"option {Tag(tag).name} = {value}: {error}") from None


def find_option(appendage: Appendage, tag: int) -> int | str | None:
    """Value of the first element with a known `tag`: a number or unpadded text; None if absent."""
    for number, raw in appendage:
        if number == tag and tag in TAG_FORMATS:
            (value,) = struct.unpack(TAG_FORMATS[tag], raw)
            return _unpad(value) if isinstance(value, bytes) else int(value)
    return None


def encode_appendage(appendage: Appendage) -> bytes:
    """The elements' bytes, without the length before them.

    Raises: UsageError: a tag outside 0..255, a value above 254 bytes or not of its known tag's
    size.
    """
    out = bytearray()
    for tag, value in appendage:
        if not 0 <= tag <= 255 or len(value) > 254:
            raise UsageError(f"option {tag} of {len(value)} bytes does not fit an element")
        if tag in TAG_FORMATS and len(value) != struct.calcsize(TAG_FORMATS[tag]):
            raise UsageError(f"option {Tag(tag).name} has another size than {len(value)} bytes")
        out += bytes((len(value) + 1, tag)) + value
    return bytes(out)


def decode_appendage(data: bytes) -> Appendage:
    """The elements of an appendage; those with unknown tags are kept.

    Raises: FormatError: not a list of whole elements, or a known tag has another size than its own.
    """
    elements = []
    at = 0
    while at < len(data):
        length = data[at]
        behind = at + 1 + length
        if length == 0 or behind > len(data):
            raise FormatError(f"the appendage {data.hex()} breaks at byte {at}")
        tag = data[at + 1]
        value = data[at + 2 : behind]
        if tag in TAG_FORMATS and len(value) != struct.calcsize(TAG_FORMATS[tag]):
            raise FormatError(f"option {Tag(tag).name} has {len(value)} bytes")
        elements.append((tag, value))
        at = behind
    return tuple(elements)


def _pad(name: str, text: str, width: int) -> bytes:
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        raise UsageError(f"{name} {text!r} has characters that are no single byte") from None
    if len(raw) > width:
        raise UsageError(f"{name} {text!r} is longer than {width}")
    return raw.ljust(width)


def _unpad(raw: bytes) -> str:
    return raw.decode("latin-1").rstrip(" ")


class Message:
    """What every message can do; its fields stand in the order of the wire."""

    __slots__ = ()
    TYPE: ClassVar[bytes]
    LAYOUT: ClassVar[struct.Struct]
    """The fields behind the type, without the appendage."""
    APPENDED: ClassVar[bool] = False
    """The last field is an appendage."""

    def encode(self) -> bytes:
        """The message's bytes. Raises: UsageError: a field does not fit."""
        names, widths = _plan(type(self))
        values = [
            _pad(name, getattr(self, name), width) if width else getattr(self, name)
            for name, width in zip(names, widths, strict=True)
        ]
        try:
            out = self.TYPE + self.LAYOUT.pack(*values)
        except struct.error as error:
            raise UsageError(f"{self}: {error}") from None
        if self.APPENDED:
            appendage = encode_appendage(cast(Appendage, getattr(self, "appendage")))  # noqa: B009
            if len(appendage) > 0xFFFF:
                raise UsageError(f"an appendage of {len(appendage)} bytes is too long")
            out += len(appendage).to_bytes(2, "big") + appendage
        return out

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """From a message's bytes. Raises: FormatError: another type or length, broken appendage."""
        if data[:1] != cls.TYPE:
            raise FormatError(f"{cls.__name__} begins with {cls.TYPE!r}, not {data[:1]!r}")
        fixed = 1 + cls.LAYOUT.size
        if cls.APPENDED:
            if len(data) < fixed + 2:
                raise FormatError(f"{cls.__name__} has at least {fixed + 2} bytes, not {len(data)}")
            end = fixed + 2 + int.from_bytes(data[fixed : fixed + 2], "big")
        else:
            end = fixed
        if len(data) != end:
            raise FormatError(f"this {cls.__name__} has {end} bytes, not {len(data)}")
        _, widths = _plan(cls)
        raw = cls.LAYOUT.unpack_from(data, 1)
        values = [_unpad(v) if width else v for v, width in zip(raw, widths, strict=True)]
        if cls.APPENDED:
            values.append(decode_appendage(data[fixed + 2 :]))
        return cast(Callable[..., Self], cls)(*values)


_plans: dict[type[Message], tuple[tuple[str, ...], tuple[int, ...]]] = {}


def _plan(kind: type[Message]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names of the fields before the appendage; widths of those that are text, 0 for numbers."""
    plan = _plans.get(kind)
    if plan is None:
        names = tuple(
            field.name
            for field in fields(cast("type[EnterOrder]", kind))
            if field.name != "appendage"
        )
        zero = kind.LAYOUT.unpack(bytes(kind.LAYOUT.size))
        plan = names, tuple(len(value) if isinstance(value, bytes) else 0 for value in zero)
        _plans[kind] = plan
    return plan


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
    user_ref: int
    quantity: int = 0


@dataclass(frozen=True, slots=True)
class ModifyOrder(Message):
    """Client: another side among the sells, or another total quantity."""

    TYPE: ClassVar[bytes] = b"M"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">I1sI")
    user_ref: int
    side: str
    quantity: int


@dataclass(frozen=True, slots=True)
class AccountQuery(Message):
    """Client: which user_ref comes next?"""

    TYPE: ClassVar[bytes] = b"Q"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">")


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
class AccountQueryResponse(Message):
    """Exchange: the next user_ref that would be accepted."""

    TYPE: ClassVar[bytes] = b"Q"
    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QI")
    timestamp_ns: int
    next_user_ref: int


Inbound = EnterOrder | ReplaceOrder | CancelOrder | ModifyOrder | AccountQuery
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
    | AccountQueryResponse
)

INBOUND: Final[dict[bytes, type[Inbound]]] = {
    kind.TYPE: kind for kind in (EnterOrder, ReplaceOrder, CancelOrder, ModifyOrder, AccountQuery)
}
OUTBOUND: Final[dict[bytes, type[Outbound]]] = {
    kind.TYPE: kind
    for kind in (
        SystemEvent,
        OrderAccepted,
        OrderReplaced,
        OrderCanceled,
        AiqCanceled,
        OrderExecuted,
        BrokenTrade,
        TradeCorrection,
        OrderRejected,
        CancelPending,
        CancelReject,
        OrderPriorityUpdate,
        OrderModified,
        OrderRestated,
        AccountQueryResponse,
    )
}


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
