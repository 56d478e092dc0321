"""What OUCH's messages in Python are made of: dataclasses to bytes and back, and appendages.

Text is padded with spaces on the wire and without them here; its characters are bytes one to one
(latin-1), so that whatever a peer sent is shown and goes back as it was. An appendage is a tuple of
(tag, value bytes); `option` makes an element, `find_option` reads one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import fields
from enum import IntEnum
from typing import Any, ClassVar, Final, Self, cast

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
    LOCATE_BROKER = 26
    SIDE = 27
    USER_REF_INDEX = 28
    SELF_TRADE = 29
    SELF_TRADE_GROUP = 30


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
    Tag.LOCATE_BROKER: ">4s",
    Tag.SIDE: ">1s",
    Tag.USER_REF_INDEX: ">B",
    Tag.SELF_TRADE: ">1s",
    Tag.SELF_TRADE_GROUP: ">2s",
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
    LATE: ClassVar[bool] = False
    """The appendage came with a later revision: where it is None, not even its length is said."""

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
        elements = cast("Appendage | None", getattr(self, "appendage", None))
        if self.APPENDED and elements is not None:
            appendage = encode_appendage(elements)
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
        has_appendage = cls.APPENDED and not (cls.LATE and len(data) == fixed)
        if has_appendage:
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
        if has_appendage:
            values.append(decode_appendage(data[fixed + 2 :]))
        return cast(Callable[..., Self], cls)(*values)


_plans: dict[type[Message], tuple[tuple[str, ...], tuple[int, ...]]] = {}


def _plan(kind: type[Message]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names of the fields before the appendage; widths of those that are text, 0 for numbers."""
    plan = _plans.get(kind)
    if plan is None:
        names = tuple(field.name for field in fields(cast(Any, kind)) if field.name != "appendage")
        zero = kind.LAYOUT.unpack(bytes(kind.LAYOUT.size))
        plan = names, tuple(len(value) if isinstance(value, bytes) else 0 for value in zero)
        _plans[kind] = plan
    return plan
