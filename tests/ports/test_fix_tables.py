"""The tables of FIX against the dictionaries that QuickFIX comes with."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest

from ports.fix import FIX42, FIX44
from ports.fix_tables import (
    BOOLEANS,
    CHARACTERS,
    DATES,
    DECIMALS,
    DICTIONARIES,
    HEADER_REQUIRED,
    INTEGERS,
    NUMBERS,
    TIMES,
    TRAILER,
)
from tests.ports.quickfix_client import dictionary

KINDS = {
    "BOOLEAN": BOOLEANS,
    "CHAR": CHARACTERS,
    "UTCTIMESTAMP": TIMES,
    "LOCALMKTDATE": DATES,
    "SEQNUM": NUMBERS,
    "LENGTH": NUMBERS,
    "NUMINGROUP": NUMBERS,
    "INT": INTEGERS | NUMBERS,
    **dict.fromkeys(("QTY", "PRICE", "AMT", "FLOAT", "PERCENTAGE", "PRICEOFFSET"), DECIMALS),
}
# 4.2 has them too by everybody's agreement; for QuickFIX they come with 4.3.
AGREED = {FIX42: {"A": {553, 554}}, FIX44: {}}
# Where QuickFIX asks for less than we do: the standard requires Symbol.
STRICTER = {55}


class Xml:
    """One of QuickFIX's dictionaries."""

    def __init__(self, version: str) -> None:
        root = ET.parse(dictionary(version)).getroot()
        self.root = root
        fields = root.find("fields")
        assert fields is not None
        self.numbers = {one.get("name", ""): int(one.get("number", "")) for one in fields}
        self.types = {int(one.get("number", "")): one.get("type", "") for one in fields}
        self.values = {
            int(one.get("number", "")): {value.get("enum", "") for value in one} for one in fields
        }
        components = root.find("components")
        self.components = {one.get("name", ""): one for one in components or ()}
        self.groups: dict[int, list[int]] = {}

    def tags(self, part: ET.Element) -> Iterator[int]:
        """All tags of a message, group or component."""
        for one in part:
            name = one.get("name", "")
            if one.tag == "component":
                yield from self.tags(self.components[name])
                continue
            yield self.numbers[name]
            if one.tag == "group":
                inner = list(self.tags(one))
                self.groups.setdefault(self.numbers[name], inner)
                yield from inner

    def required(self, part: ET.Element) -> set[int]:
        """Tags that must be there, outside of groups."""
        out = set()
        for one in part:
            if one.get("required") == "Y" and one.tag == "field":
                out.add(self.numbers[one.get("name", "")])
            elif one.get("required") == "Y" and one.tag == "component":
                out |= self.required(self.components[one.get("name", "")])
        return out


@pytest.mark.parametrize("version", [FIX42, FIX44])
def test_tags_types_and_values_are_the_standards(version: str) -> None:
    ours, theirs = DICTIONARIES[version], Xml(version)
    assert ours.tags == set(theirs.types)
    messages = theirs.root.find("messages")
    header, trailer = theirs.root.find("header"), theirs.root.find("trailer")
    assert messages is not None and header is not None and trailer is not None
    assert ours.types == {one.get("msgtype") for one in messages}
    assert ours.header | {8, 9, 35} == set(theirs.tags(header))
    assert set(HEADER_REQUIRED) | {8, 9, 35} == theirs.required(header)
    assert set(theirs.tags(trailer)) == TRAILER
    taken = {one.get("msgtype", ""): one for one in messages if one.get("msgtype") in ours.allowed}
    assert set(taken) == set(ours.allowed)
    used: set[int] = set(ours.header)
    for type_, message in taken.items():
        tags = set(theirs.tags(message))
        assert ours.allowed[type_] == tags | AGREED[version].get(type_, set())
        assert set(ours.required[type_]) - theirs.required(message) <= STRICTER
        assert theirs.required(message) <= set(ours.required[type_])
        used |= tags
    for tag in used:
        for kind, known in KINDS.items():
            if theirs.types[tag] == kind:
                assert tag in known, (tag, kind)
        if tag in ours.values:
            assert ours.values[tag] == theirs.values[tag]
    for count, (first, members) in ours.groups.items():
        assert first == theirs.groups[count][0]
        assert members == set(theirs.groups[count])
    assert set(theirs.groups) & used == set(ours.groups)
