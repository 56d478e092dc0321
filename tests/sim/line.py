"""A line of the stream as bytes: where its fields are, and whether one may have become another."""

from __future__ import annotations

from ringbus.messages import (
    INSTRUMENT_NONE,
    CommandKind,
    Flag,
    RejectReason,
    Restriction,
    RiskLimit,
    Template,
)
from ringbus.messages import MassCancelScope as Scope
from tests.engine.mix import Message
from tests.engine.oracle import BUY, LINE_BYTES, SELL
from tests.engine.oracle.wire import Fields

# Where things are in a line.
TOPIC, PUBLISHER, TEMPLATE, FLAGS, SHARD = slice(20, 22), slice(22, 24), 24, 25, 26
TIME, LOCK, BODY, INSTRUMENT = slice(8, 16), slice(16, 22), slice(32, 64), slice(32, 36)
KIND = SIDE = 56
# Of a Rejected line: what it keeps of the proposal, and the template that was refused.
KEPT, REFUSED, REASON = slice(36, 57), 57, slice(58, 60)
ONE_OWNER = (Scope.ACCOUNT, Scope.FIRM)
# Where the options of self-trade are, which the sequencer fills in.
OPTIONS_AT = {
    int(Template.NEW_ORDER): 63,
    int(Template.MULTI_LEG_ORDER): 57,
    int(Template.ORDER_TERMS): 44,
}
# What has a number of an operator.
NUMBER, ASKED = slice(48, 52), 62
# What the book fills in, which is something else in a proposal.
FILLED_IN: dict[int, tuple[slice, ...]] = {
    Template.NEW_ORDER: (slice(36, 40), slice(44, 48)),
    Template.CANCEL: (slice(36, 40), slice(56, 57), slice(60, 64)),
    Template.REPLACE: (slice(36, 40), slice(56, 57)),
}
# Of the flags, those that the oracle gives too.
SAID = int(Flag.CONTINUED | Flag.GENERATED | Flag.KEPT_PRIORITY)
LAST_OF_GROUP, BROADCAST = int(Flag.LAST_OF_GROUP), int(Flag.BROADCAST)
NONE = INSTRUMENT_NONE.to_bytes(4, "little")


def has_sides(proposal: Message) -> bool:
    """Whether each order is of one side."""
    orders = [line for line in proposal if line[TEMPLATE] in (Template.NEW_ORDER, Template.LEG)]
    return all(line[SIDE] in (BUY, SELL) for line in orders)


def command_fault(line: Fields, instruments: int) -> RejectReason | None:
    """Why the sequencer refuses a command that is for itself (engine/risk.h)."""
    is_none = line["instrument"] == INSTRUMENT_NONE
    if line["kind"] == CommandKind.REFERENCE_PRICE:
        if line["instrument"] >= instruments:
            return RejectReason.UNKNOWN_INSTRUMENT
        return None if 0 <= line["price_ticks"] < 1 << 30 else RejectReason.INVALID_PRICE
    if line["kind"] == CommandKind.RESTRICTION:
        if line["instrument"] >= instruments:
            return RejectReason.UNKNOWN_INSTRUMENT
        is_right = line["scope"] in ONE_OWNER and line["value"] in (0, *Restriction)
    elif line["kind"] == CommandKind.SELF_TRADE:
        is_right = is_none and line["scope"] in ONE_OWNER
    elif line["kind"] == CommandKind.LIMIT:
        is_right = is_none and line["scope"] in ONE_OWNER and line["limit"] in tuple(RiskLimit)
    elif line["kind"] == CommandKind.CLOSE_DAY:
        is_right = is_none
    else:
        is_right = is_none and line["scope"] in (*ONE_OWNER, Scope.EVERYTHING, Scope.SESSION)
    return None if is_right else RejectReason.INVALID_OPTIONS


def own_number(first: bytes) -> bytes:
    """What goes to all shards takes no lock, and is known by its own number."""
    return first[48:52] + first[TOPIC]


def may_become(proposal: Message, group: Message) -> bool:
    asked, said = proposal[0], group[0]
    if said[TEMPLATE] == Template.REJECTED:
        if asked[TEMPLATE] != said[REFUSED]:
            return False
        if int.from_bytes(said[REASON], "little") == RejectReason.INVALID_PROPOSAL:
            return True
        return asked[KEPT] == said[KEPT] and said[INSTRUMENT] in (asked[INSTRUMENT], NONE)
    if asked[TEMPLATE] != said[TEMPLATE]:
        return False
    one, other = bytearray(asked), bytearray(said)
    for part in FILLED_IN.get(asked[TEMPLATE], ()):
        one[part] = other[part] = bytes(part.stop - part.start)
    behind = [line[BODY] for line in proposal[1:]]
    return one[BODY] == other[BODY] and behind == [line[BODY] for line in group[1 : len(proposal)]]


def said(line: bytes) -> tuple[bytes, int, int, bytes]:
    """A line without its place, time, numbers, and who said it in which shard."""
    return line[TOPIC], line[TEMPLATE], line[FLAGS] & SAID, line[BODY]


def with_options(line: bytes, rule: int) -> bytes:
    at = OPTIONS_AT.get(line[TEMPLATE])
    return line if at is None else line[:at] + bytes([line[at] | rule]) + line[at + 1 :]


def lines_of(answer: bytes) -> Message:
    return [answer[at : at + LINE_BYTES] for at in range(0, len(answer), LINE_BYTES)]
