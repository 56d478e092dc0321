"""Proposer: one proposal in flight, from the lane to what the stream makes of it.

A proposal names the next number of its topic, as its contributor knows it. Whoever takes that
number, it was either this very proposal or this one was dropped without a word: so when the number
is taken, nothing is in flight any more, and what is still wanted can be said again from what is
known then. The same holds when another engine begins to reign. Nothing is ever done twice, and all
that a rollback has to forget is the one proposal.

What goes to all shards has no such number: nothing on the stream says that a predecessor's is still
on the lane. So a successor first says a line that has one (`mark`): lanes keep their order, and
when that line is on the stream, so is all that was said before it. A predecessor may have said such
a line with the same number: each says where on the lane it is, and no two are in one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import lib
from ringbus.contributor import Contributor
from ringbus.lane import Lane
from ringbus.messages import INSTRUMENT_NONE, MESSAGE, REJECTED, TICK, Flag, Template
from ringbus.status import UsageError, check
from ringbus.topics import Topics

# A TradeChange with both parties, their tags, and who says why.
LINES_MAX: Final = 14


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is to be said on a topic in a shard: the lines of one message.

    `lines`: shape (n,), items of 64 bytes, any dtype of ringbus.messages; of the header only the
    template is theirs. Thread: any; it is not changed.
    """

    topic: int
    shard: int
    lines: NDArray[np.void]

    @property
    def template(self) -> int:
        """Of its first line."""
        return int(self.lines["template_id"][0])

    @property
    def is_for_all(self) -> bool:
        """Whether every shard answers it; then its shard is 0."""
        none = INSTRUMENT_NONE.to_bytes(4, "little")
        return self.template == Template.MASS_CANCEL and self.lines[0].tobytes()[32:36] == none


class Rings(Protocol):
    """Who wakes others: a core at the end of its turn, or an Idle at once."""

    def ring(self, mask: int) -> None:
        """Wake those cores."""


class Outcome(Enum):
    """What became of a proposal."""

    ANSWERED = auto()  # it is on the stream, or the engine's refusal of it
    LOST = auto()  # somebody else took its number, or its engine died


class Proposer:
    """A contributor's lane, and what is on its way there.

    Args: contributor: the lane; core: wakes the sequencer; topics: the numbers, which it counts.
    Thread: the core's.
    """

    def __init__(self, contributor: Contributor, core: Rings, topics: Topics) -> None:
        self.topics = topics
        self.flying: Proposal | None = None
        self._contributor = contributor
        self._core = core
        self._number = 0
        self._epoch = topics.epoch
        self._lane = Lane(contributor.lane)
        # A predecessor may have died half-way through a group.
        self._lane.repair()
        # Something of a predecessor's may be on its way yet.
        self._is_heir = self._lane.written > 0
        self.marks_all = False
        """Whether all that it says depends on all that a predecessor said, whatever the shard."""

    @property
    def publisher(self) -> int:
        """What the sequencer stamps on what it says."""
        return self._contributor.publisher

    def hear(self, batch: NDArray[np.void]) -> Outcome | None:
        """Count the next messages of the stream, all of them.

        Args: batch: shape (n,), dtype MESSAGE. Returns: what became of what was in flight, None
        while it is; then `flying` is None. Raises: CorruptionError: a number is not the next one.
        """
        self.topics.hear(batch)
        flying = self.flying
        if flying is None:
            self._epoch = self.topics.epoch
            return None
        if flying.is_for_all:
            # It takes no lock, so that nobody can take its number.
            if self._is_said_to_all(batch, flying):
                self.flying = None
                return Outcome.ANSWERED
        elif self.topics.next(flying.topic, flying.shard) > self._number:
            self.flying = None
            if not self._is_own(batch, flying):
                return Outcome.LOST
            self._is_heir = False
            return Outcome.ANSWERED
        if self.topics.epoch != self._epoch:
            self._epoch = self.topics.epoch
            self.flying = None
            return Outcome.LOST
        return None

    def mark(self, wished: Proposal) -> Proposal | None:
        """What has to be said, and answered, before `wished` may be; None: nothing has to."""
        if not (self._is_heir and (wished.is_for_all or self.marks_all)):
            return None
        tick = np.zeros(1, TICK)
        tick["template_id"], tick["instrument"] = Template.TICK, INSTRUMENT_NONE
        tick["mark"] = self._lane.written & 0xFFFF_FFFF
        return Proposal(wished.topic, 0, tick)

    def send(self, proposal: Proposal) -> bool:
        """Put it onto the lane, as the next of its topic; nothing may be in flight.

        Returns: False: the lane has no room now. Raises: UsageError: it is no message.
        """
        if self.flying is not None:
            raise UsageError("a proposal is in flight")
        number = self.topics.next(proposal.topic, proposal.shard)
        if not self._lane.offer(_addressed(proposal, number, self.topics.reign)):
            return False
        own = self._contributor
        check(lib.rb_doorbell_press(own.doorbell.address, own.number), "doorbell")
        self._core.ring(own.bells)
        self.flying, self._number = proposal, number
        return True

    def _is_own(self, batch: NDArray[np.void], flying: Proposal) -> bool:
        """Whether the line that took the number is what the proposal became.

        A predecessor of the same name may have said something else with the same number: whoever
        cares looks at the line itself, in a handler.
        """
        took = batch["topic_sequence"] == self._number
        took &= (batch["topic"] == flying.topic) & (batch["shard"] == flying.shard)
        places = np.flatnonzero(took)
        if len(places) == 0:
            # A broadcast takes a number in every shard, and names one of them.
            return False
        line = batch[places[:1]]
        said = int(line["template_id"][0])
        if said == Template.REJECTED:
            said = int(line.view(REJECTED)["refused_template"][0])
        is_own = int(line["publisher"][0]) == self.publisher and said == flying.template
        if is_own and line["template_id"][0] == Template.TICK:
            # A predecessor's mark says nothing of what was said behind it.
            is_own = bool(line.view(TICK)["mark"][0] == flying.lines.view(TICK)["mark"][0])
        return is_own

    def _is_said_to_all(self, batch: NDArray[np.void], flying: Proposal) -> bool:
        """Whether a broadcast of its own is among the lines."""
        own = (batch["flags"] & Flag.BROADCAST != 0) & (batch["topic"] == flying.topic)
        return bool((own & (batch["publisher"] == self._contributor.publisher)).any())


def _addressed(proposal: Proposal, number: int, reign: int) -> NDArray[np.void]:
    """The lines as they go onto the lane."""
    lines: NDArray[np.void] = np.array(proposal.lines).view(MESSAGE)
    if not 1 <= len(lines) <= LINES_MAX:
        raise UsageError(f"a proposal has 1 to {LINES_MAX} lines, not {len(lines)}")
    lines["topic"], lines["topic_sequence"] = proposal.topic, number
    lines["flags"] = Flag.CONTINUED
    lines["flags"][-1] = Flag.LAST_OF_GROUP
    lines["reserved"] = 0
    lines["reserved"][0] = reign
    return lines
