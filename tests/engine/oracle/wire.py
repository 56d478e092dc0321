"""Lines as dictionaries of numbers, by the tables of messages.md, and groups of them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

from ringbus.messages import DTYPES, MESSAGE, Flag, Template

Fields = dict[str, int]

LINE_BYTES = MESSAGE.itemsize
_TEMPLATE_AT = 24
# Who says one of these may say why.
OF_THE_OPERATOR = (Template.COMMAND, Template.MASS_CANCEL, Template.COMMAND_ASKED)
# Every template but those with longer text in them, which nobody here looks into.
_NUMBERS = {1: "B", 2: "H", 4: "I", 8: "Q"}


def _layout(dtype: np.dtype[np.void]) -> tuple[tuple[str, ...], struct.Struct] | None:
    assert dtype.fields is not None
    assert dtype.names is not None
    codes = "<"
    for name in dtype.names:
        kind, offset = dtype.fields[name][:2]
        assert struct.calcsize(codes) == offset
        code = _NUMBERS.get(kind.itemsize)
        if code is None or (kind.kind == "S" and kind.itemsize > 4):
            return None
        codes += code.lower() if kind.kind == "i" else code
    assert struct.calcsize(codes) == LINE_BYTES
    return dtype.names, struct.Struct(codes)


LAYOUTS = {
    int(template): layout
    for template, dtype in DTYPES.items()
    if (layout := _layout(dtype)) is not None
}


def decode(raw: bytes) -> Fields:
    """All fields of a line by name."""
    names, codes = LAYOUTS[raw[_TEMPLATE_AT]]
    return dict(zip(names, codes.unpack(raw), strict=True))


def encode(line: Fields) -> bytes:
    """The line's bytes; fields that are not named are zero."""
    names, codes = LAYOUTS[line["template_id"]]
    assert line.keys() <= set(names)
    return codes.pack(*(line.get(name, 0) for name in names))


def without_sequence(raw: bytes) -> bytes:
    """A line of an answer has no place on the stream yet."""
    return bytes(8) + raw[8:]


@dataclass(slots=True)
class Group:
    """A message and the lines behind it (README, Groups)."""

    first: Fields
    # The lines behind the first, as they came.
    behind: list[bytes]
    is_well_formed: bool
    terms: Fields | None = None
    legs: list[Fields] = field(default_factory=list)

    @classmethod
    def of(cls, lines: list[bytes]) -> Group:
        """The lines of one message, in their order."""
        first, behind = decode(lines[0]), lines[1:]
        templates = [line[_TEMPLATE_AT] for line in behind]
        if lines[0][_TEMPLATE_AT] in OF_THE_OPERATOR:
            while templates[-1:] == [Template.TEXT]:
                templates.pop()
        untagged = templates[:-1] if templates[-1:] == [Template.ORDER_TAG] else templates
        group = cls(first, behind, untagged in allowed_behind(first["template_id"], len(untagged)))
        if not group.is_well_formed:
            return group
        for line in behind[: len(untagged)]:
            if line[_TEMPLATE_AT] == Template.LEG:
                group.legs.append(decode(line))
            else:
                group.terms = decode(line)
        return group

    @property
    def continued(self) -> int:
        """The flag of a first line that others follow."""
        return Flag.CONTINUED if self.behind else 0


def allowed_behind(template: int, count: int) -> list[list[int]]:
    """Which templates may stand behind a first line and before its tag."""
    if template == Template.MULTI_LEG_ORDER:
        return [[Template.LEG] * count]
    if template in (Template.NEW_ORDER, Template.REPLACE):
        return [[], [Template.ORDER_TERMS]]
    return [[]]
