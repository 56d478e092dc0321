"""Messages of every kind through the whole engine: the oracle's answers, whatever the shards."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from engine.canonical import canonical
from engine.fused import FusedEngine, Size
from ringbus.messages import (
    INSTRUMENT_NONE,
    REJECTED,
    CommandKind,
    Flag,
    RejectReason,
    Template,
)
from ringbus.multicast import Reader
from tests.engine.mix import Message, Mix
from tests.engine.oracle import LINE_BYTES, Oracle
from tests.engine.oracle.wire import LAYOUTS, decode, encode
from tests.engine.parts import EMPTY, Lines, is_sealed
from tests.engine.profiles import NARROW, PROFILES, Profile
from tests.engine.trial import as_lines, described

SEED = 6
MESSAGES = 4_000
INSTRUMENTS, GROUP = 16, 2
TOPICS = 8
# Room for all in any shard: a pool that is used up is used up sooner with more shards.
PROFILE = Profile(
    PROFILES["nasty"].kinds | {"mass_cancel": 1.5},
    instruments=INSTRUMENTS,
    group=GROUP,
    orders=300,
    nodes=20_000,
    prices=NARROW,
    topics=TOPICS - 1,
    texts=0.3,
)
LOCATE_UNKNOWN = 2**32 - 1
# Commands that the oracle of the book knows nothing of.
OF_THE_SEQUENCER = {*CommandKind} - {CommandKind.INSTRUMENT_STATE}
NAMES_AN_ORDER = (Template.CANCEL, Template.REPLACE)


class Venue:
    """An engine of some shards, a contributor that is always right about its numbers, an oracle."""

    def __init__(self, shards: int) -> None:
        self.shards = shards
        group_of = [1 + n // GROUP for n in range(INSTRUMENTS)]
        self.shard_of = bytes((group - 1) % shards for group in group_of)
        size = Size(INSTRUMENTS, shards, TOPICS, stream_slots=1 << 16, price_nodes=20_000)
        self.engine = FusedEngine(size, shard_of=self.shard_of, group_of=group_of)
        self.reader = Reader(self.engine.ring)
        self.oracle = Oracle(INSTRUMENTS, PROFILE.orders, PROFILE.nodes, group_of)
        self.numbers: dict[tuple[int, int], int] = {}
        # The engine's locates of the oracle's: each shard has a pool of its own.
        self.locates: dict[int, int] = {}
        self.stream: list[Lines] = []

    def propose(self, message: Message) -> None:
        """One message through both; the answers are the same but for who said what when."""
        first = decode(message[0])
        if first["template_id"] == Template.COMMAND and first["kind"] in OF_THE_SEQUENCER:
            return
        proposal = self._proposal(message)
        expected = as_lines(self.oracle.submit(message))
        self.engine.propose(proposal)
        answer = self.reader.poll().copy()
        by_sequencer = is_refused_by_sequencer(answer)
        if bare(answer, by_sequencer).tobytes() != bare(expected, by_sequencer).tobytes():
            raise AssertionError(
                f"{self.shards} shards\nmessage:\n{described(b''.join(message))}"
                f"oracle:\n{described(expected.tobytes())}engine:\n{described(answer.tobytes())}"
            )
        self.stream.append(answer)
        self._learn(answer, expected)

    def _proposal(self, message: Message) -> Lines:
        """With the topic's next number, and the locate that its shard gave."""
        first = decode(message[0])
        topic, instrument = first["topic"], first["instrument"]
        number = self.numbers.get((topic, self._shard(instrument)), 0) + 1
        if first["template_id"] in NAMES_AN_ORDER:
            ours = first["locate"]
            # Of an order that is gone: its shard may have given that locate to another.
            is_open = ours in self.oracle.open
            first["locate"] = self.locates[ours] if is_open else LOCATE_UNKNOWN
        lines = as_lines(b"".join([encode(first), *message[1:]])).copy()
        lines["topic_sequence"] = number
        lines["sequence"] = 0
        return lines

    def _shard(self, instrument: int) -> int:
        return self.shard_of[instrument] if instrument < INSTRUMENTS else 0

    def _learn(self, answer: Lines, expected: Lines) -> None:
        first = answer[0]
        if first["flags"] & Flag.BROADCAST:
            for shard in range(self.shards):
                where = int(first["topic"]), shard
                self.numbers[where] = self.numbers.get(where, 0) + 1
        for line in answer:
            where = int(line["topic"]), int(line["shard"])
            self.numbers[where] = max(self.numbers.get(where, 0), int(line["topic_sequence"]))
        if first["template_id"] == Template.NEW_ORDER:
            ours, theirs = (decode(lines[0].tobytes())["locate"] for lines in (expected, answer))
            self.locates[ours] = theirs


def is_refused_by_sequencer(answer: Lines) -> bool:
    """What the sequencer refuses names no instrument: nobody has to look for one that is not."""
    first = answer[:1].view(REJECTED)[0]
    is_rejected = first["template_id"] == Template.REJECTED
    return bool(is_rejected and first["instrument"] == INSTRUMENT_NONE)


def bare(lines: Lines, by_sequencer: bool) -> Lines:
    """Canonical form without what only a stream has: place, time, publisher, marks."""
    out = canonical(lines)
    for name in ("sequence", "time_ns", "publisher"):
        out[name] = 0
    out["flags"] &= np.uint8(Flag.CONTINUED | Flag.GENERATED | Flag.KEPT_PRIORITY)
    if by_sequencer:
        # It says whose proposal it was and why, and does not repeat what may be nonsense.
        reason = out.view(REJECTED)["reason"][0]
        out["body"][0] = bytes(LINE_BYTES // 2)
        out.view(REJECTED)["reason"][0] = reason
        if reason == RejectReason.INVALID_PROPOSAL:
            out["flags"][0] = 0
            return out[:1]
    return out


def is_sendable(message: Message) -> bool:
    """Whether the sequencer asks no more than the rules do.

    Nobody can be told of a topic that does not exist; a MultiLegOrder is on its way by the
    instrument of its first line, which must be the first leg's; an unknown instrument is refused
    before the scope of a MassCancel is looked at.
    """
    first, *behind = (decode(one) for one in message if one[24] in LAYOUTS)
    instrument = first["instrument"]
    if first["template_id"] == Template.MASS_CANCEL and instrument != INSTRUMENT_NONE:
        return instrument < INSTRUMENTS
    legs = [line for line in behind if line["template_id"] == Template.LEG]
    names_first_leg = not legs or legs[0]["instrument"] == instrument
    return first["topic"] < TOPICS and names_first_leg


@cache
def day(shards: int) -> Lines:
    """The stream of the same messages for a number of shards."""
    venue = Venue(shards)
    mix = Mix(SEED, PROFILE, venue.oracle)
    while mix.number < MESSAGES:
        message = mix.message()
        if is_sendable(message):
            venue.propose(message)
    for book in venue.engine.books:
        book.verify()
    opened = sum(book.open_orders for book in venue.engine.books)
    assert opened == len(venue.oracle.open) > 0
    venue.engine.close()
    return np.concatenate([EMPTY, *venue.stream])


@pytest.mark.parametrize("shards", [1, 2, 4, 8])
def test_every_kind_is_answered_as_the_oracle_answers(shards: int) -> None:
    stream = day(shards)
    assert is_sealed(stream)
    assert set(stream["shard"]) == set(range(shards))


@pytest.mark.parametrize("shards", [2, 4, 8])
def test_the_stream_of_every_kind_is_the_same_in_canonical_form(shards: int) -> None:
    one, many = day(1), day(shards)
    assert canonical(one).tobytes() == canonical(many).tobytes()
    assert one.tobytes() != many.tobytes()


def test_the_day_holds_every_kind() -> None:
    came = day(1)["template_id"].tolist()
    for template in (
        *(Template.MASS_CANCEL, Template.CROSS_RESULT, Template.COMMAND, Template.MULTI_LEG_ORDER),
        *(Template.STATE_CHANGED, Template.REPLENISHED, Template.CANCELED, Template.EXECUTED),
    ):
        assert came.count(template) > 20, template.name
    broadcasts = (day(1)["flags"] & Flag.BROADCAST) != 0
    assert broadcasts.sum() > 10
