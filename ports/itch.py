"""ITCH 5.0 in Python: every message of the format, in both directions.

No sockets and no clock: bytes in, messages out, and back byte for byte. It shares nothing with
`ports/itch.c`, which the tests check against it. Any thread. Source: Nasdaq, TotalView-ITCH 5.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ringbus.status import FormatError

# Fields behind the common head: name and width. A positive width is a number of so many bytes, a
# negative one text of so many characters.
_SYMBOL: Final = ("symbol", -8)
_REFERENCE: Final = ("reference", 8)
_ADD: Final = (_REFERENCE, ("side", -1), ("shares", 4), _SYMBOL, ("price", 4))
_EXECUTED: Final = (_REFERENCE, ("shares", 4), ("match", 8))
LAYOUTS: Final[dict[str, tuple[tuple[str, int], ...]]] = {
    "S": (("event", -1),),
    "R": (
        *(_SYMBOL, ("category", -1), ("status", -1), ("lot", 4), ("lots_only", -1)),
        *(("classification", -1), ("subtype", -2), ("authenticity", -1), ("short_sale", -1)),
        *(("ipo", -1), ("tier", -1), ("etp", -1), ("leverage", 4), ("inverse", -1)),
    ),
    "H": (_SYMBOL, ("state", -1), ("reserved", -1), ("reason", -4)),
    "Y": (_SYMBOL, ("action", -1)),
    "L": (("mpid", -4), _SYMBOL, ("primary", -1), ("mode", -1), ("state", -1)),
    "V": (("level_1", 8), ("level_2", 8), ("level_3", 8)),
    "W": (("level", -1),),
    "K": (_SYMBOL, ("release_seconds", 4), ("qualifier", -1), ("price", 4)),
    "J": (_SYMBOL, ("reference_price", 4), ("upper", 4), ("lower", 4), ("extension", 4)),
    "h": (_SYMBOL, ("market", -1), ("action", -1)),
    "A": _ADD,
    "F": (*_ADD, ("mpid", -4)),
    "E": _EXECUTED,
    "C": (*_EXECUTED, ("printable", -1), ("price", 4)),
    "X": (_REFERENCE, ("shares", 4)),
    "D": (_REFERENCE,),
    "U": (("original", 8), _REFERENCE, ("shares", 4), ("price", 4)),
    "P": (*_ADD, ("match", 8)),
    "Q": (("shares", 8), _SYMBOL, ("price", 4), ("match", 8), ("cross", -1)),
    "B": (("match", 8),),
    "I": (
        *(("paired", 8), ("imbalance", 8), ("direction", -1), _SYMBOL, ("far", 4), ("near", 4)),
        *(("reference_price", 4), ("cross", -1), ("variation", -1)),
    ),
    "N": (_SYMBOL, ("interest", -1)),
    "O": (
        *(_SYMBOL, ("open", -1), ("minimum", 4), ("maximum", 4), ("near", 4), ("near_time", 8)),
        *(("lower", 4), ("upper", 4)),
    ),
}
# Type, stock locate, tracking number, timestamp.
HEAD_BYTES: Final = 11
LENGTHS: Final = {
    kind: HEAD_BYTES + sum(abs(width) for _, width in fields) for kind, fields in LAYOUTS.items()
}
# GLIMPSE's last message has no head.
SNAPSHOT_END: Final = b"G"
SNAPSHOT_END_BYTES: Final = 21


@dataclass(frozen=True, slots=True)
class ItchMessage:
    """One message; prices in 1/10,000 of the currency, times in nanoseconds since midnight.

    `values`: what its LAYOUTS name, in that order; text without the spaces behind it.
    """

    kind: str
    locate: int
    time_ns: int
    values: tuple[int | str, ...]
    tracking: int = 0

    def number(self, name: str) -> int:
        """The value of a field of digits."""
        value = self.values[_PLACES[self.kind][name]]
        assert isinstance(value, int)
        return value

    def text(self, name: str) -> str:
        """The value of a field of characters."""
        value = self.values[_PLACES[self.kind][name]]
        assert isinstance(value, str)
        return value

    def encode(self) -> bytes:
        """The message as it is on the wire. Raises: FormatError: a value does not fit."""
        fields = LAYOUTS[self.kind]
        parts = [self.kind.encode("ascii")]
        try:
            parts += [self.locate.to_bytes(2, "big"), self.tracking.to_bytes(2, "big")]
            parts.append(self.time_ns.to_bytes(6, "big"))
            for (_, width), value in zip(fields, self.values, strict=True):
                if isinstance(value, int):
                    parts.append(value.to_bytes(width, "big"))
                else:
                    parts.append(value.encode("latin-1").ljust(-width))
        except (OverflowError, ValueError) as error:
            raise FormatError(f"an ITCH message of type {self.kind}: {error}") from None
        message = b"".join(parts)
        if len(message) != LENGTHS[self.kind]:
            raise FormatError(f"an ITCH message of type {self.kind} has a text that is too long")
        return message


_PLACES: Final = {
    kind: {name: n for n, (name, _) in enumerate(fields)} for kind, fields in LAYOUTS.items()
}


def decode(message: bytes) -> ItchMessage:
    """A message of any type but GLIMPSE's G. Raises: FormatError: unknown type, wrong length."""
    kind = chr(message[0]) if message else ""
    if LENGTHS.get(kind) != len(message):
        raise FormatError(f"{len(message)} bytes are no ITCH message of type {kind!r}")
    values: list[int | str] = []
    at = HEAD_BYTES
    for _, width in LAYOUTS[kind]:
        field = message[at : at + abs(width)]
        at += abs(width)
        values.append(
            int.from_bytes(field, "big") if width > 0 else field.decode("latin-1").rstrip(" ")
        )
    return ItchMessage(
        kind,
        int.from_bytes(message[1:3], "big"),
        int.from_bytes(message[5:11], "big"),
        tuple(values),
        int.from_bytes(message[3:5], "big"),
    )


def decode_snapshot_end(message: bytes) -> int:
    """Of GLIMPSE's G: the number of the first message that is not in the snapshot.

    Raises: FormatError: it is no such message.
    """
    digits = message[1:].decode("latin-1").strip(" ")
    if len(message) != SNAPSHOT_END_BYTES or message[:1] != SNAPSHOT_END or not digits.isdecimal():
        raise FormatError(f"{message!r} is not the end of a snapshot")
    return int(digits)


def split(data: bytes) -> Iterator[bytes]:
    """Messages with a length of two bytes before each: a BinaryFILE, or a packet's blocks.

    Raises: FormatError: the bytes end inside a message.
    """
    at = 0
    while at < len(data):
        behind = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or behind > len(data):
            raise FormatError("the bytes end inside a message")
        yield data[at + 2 : behind]
        at = behind
