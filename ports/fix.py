"""FIX 4.2 and 4.4 on the wire: framing, fields, times, decimals. No session, no sockets.

A message is `8=FIX.4.x|9=length|35=type|…|10=checksum|`, `|` being SOH. Whatever has another frame
is garbled: it is dropped without a word, and what comes behind it is looked at anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from simplefix import FixMessage

SOH: Final = b"\x01"
FIX42: Final = "FIX.4.2"
FIX44: Final = "FIX.4.4"
VERSIONS: Final = (FIX42, FIX44)
# Longer ones are garbled: nothing that is taken here comes near it.
BODY_BYTES_MAX: Final = 16384
# `8=FIX.4.4|9=12345|` and `10=123|`.
FRAME_BYTES_MAX: Final = BODY_BYTES_MAX + 32
# A field's value that may hold SOH, by the field that says how long it is.
DATA_OF: Final = {
    90: 91,
    93: 89,
    95: 96,
    212: 213,
    348: 349,
    350: 351,
    354: 355,
    362: 363,
    364: 365,
}
SECOND_NS: Final = 1_000_000_000
TIMESTAMP: Final = re.compile(r"(\d{8}-\d\d:\d\d:\d\d)(?:\.(\d{3,9}))?", re.ASCII)
NUMBER_MAX: Final = (1 << 32) - 1

Pair = tuple[int, str]


class Garbled(Exception):
    """The bytes are no message; never leaves this module."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message with a sound frame; `pairs` is without 8, 9, 35 and 10. Texts are Latin-1."""

    begin: str
    type: str
    pairs: tuple[Pair, ...]
    fields: dict[int, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Of a tag that stands there twice the first one counts, until that is found.
        object.__setattr__(self, "fields", dict(reversed(self.pairs)))

    def get(self, tag: int, default: str = "") -> str:
        """A field's text."""
        return self.fields.get(tag, default)

    @property
    def number(self) -> int | None:
        """MsgSeqNum; None: there is none, or it is no number."""
        text = self.get(34)
        return int(text) if is_number(text) else None

    @property
    def is_duplicate(self) -> bool:
        """Whether PossDupFlag is set."""
        return self.get(43) == "Y"


class Decoder:
    """Cuts a stream of bytes into messages.

    Thread: one. `garbled` counts what was dropped.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.garbled = 0

    @property
    def pending(self) -> int:
        """Bytes that no message was made of yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take bytes as they came."""
        self._buffer += data

    def __iter__(self) -> Iterator[Message]:
        while (message := self.next()) is not None:
            yield message

    def next(self) -> Message | None:
        """The next message; None: it has not come yet."""
        while True:
            frame = self._frame()
            if frame is None:
                return None
            try:
                return parse(frame)
            except Garbled:
                self.garbled += 1

    def _frame(self) -> bytes | None:
        """The next bytes that begin and end as a message does."""
        buffer = self._buffer
        while True:
            start = buffer.find(b"8=FIX")
            if start < 0:
                # The last bytes may be the beginning of one.
                del buffer[: max(0, len(buffer) - 4)]
                return None
            del buffer[:start]
            begin = _body_begin(buffer)
            if begin is None and len(buffer) < 64:
                return None
            if begin is None or begin[1] > BODY_BYTES_MAX:
                self._skip()
                continue
            # A length that is too short ends at the next checksum, one that is too long swallows.
            body_end = begin[0] + begin[1]
            trailer = buffer.find(b"\x0110=", body_end - 1)
            end = -1 if trailer < 0 else buffer.find(SOH, trailer + 4)
            if end >= 0:
                frame = bytes(buffer[: end + 1])
                del buffer[: end + 1]
                return frame
            if len(buffer) < FRAME_BYTES_MAX:
                return None
            self._skip()

    def _skip(self) -> None:
        self.garbled += 1
        del self._buffer[:5]


def _body_begin(buffer: bytearray) -> tuple[int, int] | None:
    """Where the body begins and how long it is said to be."""
    at = buffer.find(b"\x019=", 0, 32)
    end = buffer.find(SOH, at + 1, at + 12) if at >= 0 else -1
    digits = bytes(buffer[at + 3 : end])
    if end < 0 or not digits.isdigit():
        return None
    return end + 1, int(digits)


def parse(frame: bytes) -> Message:
    """The message that `frame` is. Raises: Garbled."""
    pairs = _pairs(frame)
    if len(pairs) < 4 or [tag for tag, _ in pairs[:3]] != [8, 9, 35] or pairs[-1][0] != 10:
        raise Garbled
    trailer = frame.rfind(b"\x0110=") + 1
    body = frame.find(SOH, frame.find(b"\x019=") + 1) + 1
    length, checksum = pairs[1][1], pairs[-1][1]
    if not length.isdigit() or int(length) != trailer - body:
        raise Garbled
    if len(checksum) != 3 or not checksum.isdigit() or int(checksum) != sum(frame[:trailer]) % 256:
        raise Garbled
    return Message(pairs[0][1], pairs[2][1], tuple(pairs[3:-1]))


def _pairs(frame: bytes) -> list[Pair]:
    out: list[Pair] = []
    at = 0
    # The field that may hold anything, and how long it is.
    data: tuple[int, int] | None = None
    while at < len(frame):
        equals = frame.find(b"=", at)
        text = frame[at:equals]
        if equals < 0 or not text.lstrip(b"-").isdigit() or len(text) > 9:
            raise Garbled
        try:
            tag = int(text)
        except ValueError:
            raise Garbled from None
        begin = equals + 1
        known = data is not None and data[0] == tag
        end = begin + data[1] if known and data is not None else frame.find(SOH, begin)
        if end < 0 or frame[end : end + 1] != SOH:
            raise Garbled
        value = frame[begin:end].decode("latin-1")
        out.append((tag, value))
        data = (DATA_OF[tag], int(value)) if tag in DATA_OF and is_number(value) else None
        at = end + 1
    return out


def encode(begin: str, type_: str, pairs: Sequence[Pair]) -> bytes:
    """A message; `pairs` are all fields but 8, 9, 35 and 10, in the order in which they go."""
    message = FixMessage()
    for tag, text in ((8, begin), (35, type_), *pairs):
        message.append_pair(tag, text.encode("latin-1", "replace"))
    return bytes(message.encode())


def is_number(text: str) -> bool:
    """Whether it is a whole number that a sequence number or a length can be."""
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= NUMBER_MAX


def time_text(time_ns: int) -> str:
    """UTCTimestamp with milliseconds of a time since the epoch."""
    seconds, rest_ns = divmod(time_ns, SECOND_NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d-%H:%M:%S}.{rest_ns // 1_000_000:03}"


def time_ns(text: str) -> int | None:
    """Time since the epoch of a UTCTimestamp, with 0 or 3 to 9 decimals; None: it is none."""
    match = TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    try:
        whole = datetime.strptime(match[1], "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(whole.timestamp()) * SECOND_NS + int((match[2] or "").ljust(9, "0"))


def decimal(text: str, digits: int) -> int | None:
    """A decimal text in units of 10^-digits; None: it has more decimals that count, or is none."""
    whole, _, decimals = text.lstrip("-").partition(".")
    if not (whole + decimals).isascii() or not (whole + decimals).isdigit() or len(text) > 20:
        return None
    if text.startswith("--") or decimals[digits:].strip("0"):
        return None
    value = int((whole or "0") + decimals[:digits].ljust(digits, "0"))
    return -value if text.startswith("-") else value


def decimal_text(value: int, digits: int) -> str:
    """The text of `value` units of 10^-digits, without zeros at its end."""
    whole, rest = divmod(value, 10**digits)
    decimals = f"{rest:0{digits}}".rstrip("0") if digits else ""
    return f"{whole}.{decimals}" if decimals else str(whole)
