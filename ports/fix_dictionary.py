"""What is wrong with a message of a FIX client, as far as FIX itself says so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from ports.fix import FIX42, FIX44, Message, Pair, decimal, is_number, time_ns
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
    Dictionary,
)

# SessionRejectReason, with the text that goes with it.
INVALID_TAG: Final = 0
TAG_MISSING: Final = 1
NOT_OF_THIS_TYPE: Final = 2
NO_VALUE: Final = 4
WRONG_VALUE: Final = 5
WRONG_FORMAT: Final = 6
COMP_ID: Final = 9
SENDING_TIME: Final = 10
INVALID_TYPE: Final = 11
REPEATED: Final = 13
OUT_OF_ORDER: Final = 14
WRONG_COUNT: Final = 16
TEXTS: Final = {
    INVALID_TAG: "Invalid tag number",
    TAG_MISSING: "Required tag missing",
    NOT_OF_THIS_TYPE: "Tag not defined for this message type",
    NO_VALUE: "Tag specified without a value",
    WRONG_VALUE: "Value is incorrect (out of range) for this tag",
    WRONG_FORMAT: "Incorrect data format for value",
    COMP_ID: "CompID problem",
    SENDING_TIME: "SendingTime accuracy problem",
    INVALID_TYPE: "Invalid MsgType",
    REPEATED: "Tag appears more than once",
    OUT_OF_ORDER: "Tag specified out of required order",
    WRONG_COUNT: "Incorrect NumInGroup count for repeating group",
}
# What 4.2 has no number for goes out with the text alone.
REASON_MAX: Final = {FIX42: 11, FIX44: 99}


INTEGER: Final = re.compile(r"-?\d{1,18}", re.ASCII)
DATE: Final = re.compile(r"\d{8}", re.ASCII)
# Of a decimal field as it may be written; a price has far fewer decimals that count.
DECIMAL_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a message is rejected: SessionRejectReason, and the tag if it is about one."""

    reason: int
    tag: int | None = None


def check(message: Message) -> Fault | None:
    """The first thing that is wrong with a message of a version that is known; None: nothing is.

    Sequence number, CompIDs and SendingTime are not judged here but for their form.
    """
    dictionary = DICTIONARIES[message.begin]
    if message.type not in dictionary.types:
        return Fault(INVALID_TYPE)
    for tag, text in message.pairs:
        if tag <= 0 or not _is_known(dictionary, message.type, tag):
            return Fault(INVALID_TAG, tag)
        if text == "":
            return Fault(NO_VALUE, tag)
    allowed = dictionary.allowed.get(message.type)
    return (
        next(_missing(dictionary, message), None)
        or next(_misplaced(dictionary, message.pairs), None)
        or (None if allowed is None else next(_bad(dictionary, allowed, message), None))
    )


def _is_known(dictionary: Dictionary, type_: str, tag: int) -> bool:
    return tag in dictionary.tags or tag in dictionary.allowed.get(type_, ())


def _missing(dictionary: Dictionary, message: Message) -> Iterator[Fault]:
    for tag in HEADER_REQUIRED + dictionary.required.get(message.type, ()):
        if tag not in message.fields:
            yield Fault(TAG_MISSING, tag)


def _misplaced(dictionary: Dictionary, pairs: tuple[Pair, ...]) -> Iterator[Fault]:
    """Header fields come before all others, trailer fields behind them."""
    place = 0
    for tag, _ in pairs:
        now = 0 if tag in dictionary.header else 2 if tag in TRAILER else 1
        if now < place:
            yield Fault(OUT_OF_ORDER, tag)
        place = now


def _bad(dictionary: Dictionary, allowed: frozenset[int], message: Message) -> Iterator[Fault]:
    yield from _repeated(dictionary, message.pairs)
    for tag, text in message.pairs:
        if tag not in allowed and tag not in dictionary.header and tag not in TRAILER:
            yield Fault(NOT_OF_THIS_TYPE, tag)
        values = dictionary.values.get(tag)
        if not _is_well_formed(tag, text):
            yield Fault(WRONG_FORMAT, tag)
        elif values is not None and text not in values:
            yield Fault(WRONG_VALUE, tag)


def _repeated(dictionary: Dictionary, pairs: tuple[Pair, ...]) -> Iterator[Fault]:
    """Tags that stand twice outside of a group, groups that do not have as many entries as said."""
    seen = {8, 9, 35, 10}
    at = 0
    while at < len(pairs):
        tag, text = pairs[at]
        if tag in seen:
            yield Fault(REPEATED, tag)
        seen.add(tag)
        at += 1
        if tag in dictionary.groups and is_number(text):
            first, members = dictionary.groups[tag]
            end = at
            while end < len(pairs) and pairs[end][0] in members:
                end += 1
            if sum(other == first for other, _ in pairs[at:end]) != int(text):
                yield Fault(WRONG_COUNT, tag)
            at = end


def _is_well_formed(tag: int, text: str) -> bool:
    for tags, is_one in _FORMS:
        if tag in tags:
            return is_one(text)
    return True


_FORMS: Final[tuple[tuple[frozenset[int], Callable[[str], bool]], ...]] = (
    (NUMBERS, is_number),
    (DECIMALS, lambda text: decimal(text, DECIMAL_DIGITS) is not None),
    (TIMES, lambda text: time_ns(text) is not None),
    (CHARACTERS, lambda text: len(text) == 1),
    (BOOLEANS, lambda text: text in ("Y", "N")),
    (INTEGERS, lambda text: INTEGER.fullmatch(text) is not None),
    (DATES, lambda text: DATE.fullmatch(text) is not None),
)
