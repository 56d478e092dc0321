"""Lines of the stream as FIX reads and writes them: any line by the same names, and its tag.

Who wants a line by the fields of its own template takes ringbus/lines.py.
"""

from __future__ import annotations

import re
import struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ringbus.messages import MESSAGE, Flag, Template

# Header and the body that orders, executions and refusals have in common.
LAYOUT: Final = struct.Struct("<QQIHHBBBBIIiIIIHHBBHI")
assert LAYOUT.size == MESSAGE.itemsize

# A ClOrdID is 1 to 20 printable characters that neither begins nor ends with a blank. Behind it in
# a tag stands the number of the client's message: four digits to the base 94, printable too.
CLORDID_MAX: Final = 20
CLORDID: Final = re.compile(r"[!-~](?:[ -~]{0,18}[!-~])?")
BASE: Final = 94
FIRST_DIGIT: Final = 33
NUMBER_MAX: Final = BASE**4 - 1


class Line(NamedTuple):
    """One line; the last four fields are named after what most bodies have there.

    `detail` is time in force, reason, liquidity, refused template, scope or options; `small` is the
    reason of a refusal; `last` is what remains, what was replaced, or four characters.
    """

    sequence: int
    time_ns: int
    topic_sequence: int
    topic: int
    publisher: int
    template: int
    flags: int
    shard: int
    reserved: int
    checksum: int
    instrument: int
    price_ticks: int
    quantity: int
    locate: int
    client_order_id: int
    account: int
    firm: int
    side: int
    detail: int
    small: int
    last: int

    @classmethod
    def read(cls, data: bytes) -> Line:
        """The line in 64 bytes."""
        return cls._make(LAYOUT.unpack(data))


class Tag(NamedTuple):
    """An OrderTag line: what the client wants to hear again.

    `number` is that of the FIX client's message, None behind the lines of others.
    """

    sequence: int
    text: str
    number: int | None
    original_side: str
    cross_type: str
    total_quantity: int

    @classmethod
    def read(cls, data: bytes) -> Tag:
        """The tag in 64 bytes."""
        text = data[32:56]
        clordid = text[:CLORDID_MAX].rstrip(b" \0").decode("latin-1")
        digits = [byte - FIRST_DIGIT for byte in text[CLORDID_MAX:]]
        number = None
        if all(0 <= digit < BASE for digit in digits):
            number = ((digits[0] * BASE + digits[1]) * BASE + digits[2]) * BASE + digits[3]
        sequence = int.from_bytes(data[:8], "little")
        total = int.from_bytes(data[56:60], "little")
        return cls(sequence, clordid, number, chr(data[62]), chr(data[61]), total)


def tag_text(text: str, number: int) -> bytes:
    """The text of a tag for a FIX message: a ClOrdID (or what stands for it) and its number."""
    digits = []
    for _ in range(4):
        number, digit = divmod(number, BASE)
        digits.append(digit + FIRST_DIGIT)
    return text.encode("ascii").ljust(CLORDID_MAX) + bytes(reversed(digits))


def line(
    kind: np.dtype[np.void], template: Template, topic: int, /, **fields: int | str | bytes
) -> NDArray[np.void]:
    """A line of a proposal, shape (1,), dtype MESSAGE; what is not given is zero."""
    out: NDArray[np.void] = np.zeros(1, kind)
    out["topic"] = topic
    out["template_id"] = template
    for name, value in fields.items():
        out[name] = value
    return out.view(MESSAGE)


def group(*lines: NDArray[np.void]) -> NDArray[np.void]:
    """The lines of one proposal, shape (n,), marked as such."""
    out = np.concatenate(lines)
    out["flags"] = Flag.CONTINUED
    out["flags"][-1] = Flag.LAST_OF_GROUP
    return out
