"""Application: the base of everything that hangs on the stream and is written in Python.

    class Largest(Application):
        largest = 0

        def on_executed(self, line: Executed, *behind: Line) -> None:
            self.largest = max(self.largest, line.quantity)

A subclass has one method for each template that it wants, `on_` and the template's name, or
`on_batch` for whole numpy batches; what its filter does not let through it never sees. It starts at
message 1, so a restarted one is where the dead one was: it remembers nothing that the stream does
not say. The only time is that of the messages.

It proposes by `wish`: what it wants said now, given all that it has heard. One proposal is in
flight. When its number is taken on the stream, by itself or by another, or when another engine
begins to reign, it is asked again, and a reason that is gone is simply no longer wished for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import lib
from ringbus.contributor import Contributor
from ringbus.core import Core
from ringbus.filter import Filter
from ringbus.lane import Lane
from ringbus.lines import LINES, Line
from ringbus.messages import DTYPES, MESSAGE, Flag, Template
from ringbus.replay import Stream
from ringbus.status import Lapped, UsageError, check
from ringbus.topics import Topics

# Lost so often in a row, a proposal is given up: whoever wins makes progress, this one does not.
TRIES_MAX: Final = 64
LINES_MAX: Final = 10
TEMPLATES_MAX: Final = 256
Handler = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is to be said on a topic of a shard: one group of lines, shape (n,), of 64 bytes each.

    Their header needs the template only.
    """

    topic: int
    shard: int
    lines: NDArray[np.void]


@dataclass(slots=True)
class Counts:
    """What an application has done."""

    heard: int = 0  # messages of the stream
    wanted: int = 0  # of them that the filter let through
    proposals: int = 0
    answered: int = 0  # proposals that the stream said
    lost: int = 0  # numbers that somebody else took
    given_up: int = 0  # after TRIES_MAX of them in a row


class Application:
    """A worker for `Core.host`.

    Args: stream: where it reads; wants: the filter, by default the templates that it has methods
    for; core, contributor, topics: for one that proposes; opening: messages of the day's opening,
    before which it does not speak.
    Raises: UsageError: it has a method for no template, or has methods and `on_batch`.
    Thread: the core's. Source: ringbus/replay.h, ringbus/filter.h, ringbus/topics.h.
    """

    def __init__(
        self,
        stream: Stream,
        wants: Filter | None = None,
        core: Core | None = None,
        contributor: Contributor | None = None,
        topics: Topics | None = None,
        opening: int = 0,
    ) -> None:
        self.counts = Counts()
        self.now_ns = 0
        self.is_live = False
        self._handlers = self._find_handlers()
        self._batches = cast(
            "Callable[[NDArray[np.void]], None] | None", getattr(self, "on_batch", None)
        )
        if (self._batches is None) == (not self._handlers):
            raise UsageError("an application has on_batch, or one method a template, not both")
        if wants is None and self._batches is None:
            wants = Filter(templates=list(self._handlers))
        self._filter = wants
        self._head: list[Line] = []
        self._head_id = 0
        self._opening = opening
        self._replay = stream.replay()
        self.topics = topics
        self._contributor = contributor
        self._core = core
        self._flying: Proposal | None = None
        self._number = 0
        self._epoch = 1
        self._tries = 0
        if contributor is not None:
            if core is None or topics is None:
                raise UsageError("an application that proposes needs its core and topics")
            self._lane = Lane(contributor.lane)
            self._lane.repair()

    # What a subclass may have besides its handlers.

    def wish(self) -> Proposal | None:
        """What it wants to be said now; asked whenever nothing is in flight, and live."""
        return None

    def caught_up(self) -> None:
        """Live from here on: all that is on the stream was heard."""

    def answered(self, proposal: Proposal) -> None:
        """The stream has said what it proposed, or the engine's refusal of it."""

    def gave_up(self, proposal: Proposal) -> None:
        """Its number was taken by others too often in a row."""

    # The agent.

    def do_work(self, limit: int) -> int:
        """Hear what is new, then propose; returns messages heard and proposals made."""
        try:
            batch = self._replay.poll(limit)
        except Lapped:
            # What the ring has lost will be in the files in a moment.
            return 0
        heard = len(batch)
        if heard:
            self._hear(batch)
        if not self.is_live:
            if self._replay.next <= self._opening or self._replay.lag:
                return heard
            self.is_live = True
            self.caught_up()
        return heard + self._propose()

    @property
    def next(self) -> int:
        """Sequence of the message that comes next."""
        return self._replay.next

    @property
    def in_flight(self) -> Proposal | None:
        """What was proposed and is not answered."""
        return self._flying

    def show(self, show: Callable[[object], None]) -> None:
        """Hand its reader to whoever lets watchers see it."""
        show(lib.rb_replay_reader(self._replay.handle))

    def close(self) -> None:
        """Close the files."""
        self._replay.close()

    # Hearing.

    def _find_handlers(self) -> dict[Template, Handler]:
        return {
            template: getattr(self, name)
            for template in Template
            if hasattr(self, name := f"on_{template.name.lower()}")
        }

    def _hear(self, batch: NDArray[np.void]) -> None:
        self.counts.heard += len(batch)
        last_ns = int(batch["time_ns"][-1])
        taken = self._taken(batch)
        if self._filter is not None:
            batch = self._filter.keep(batch)
        self.counts.wanted += len(batch)
        if self._batches is not None:
            if len(batch):
                self._batches(batch)
        else:
            self._dispatch(batch)
        self.now_ns = last_ns
        if taken is not None:
            self._resolve(taken)

    def _dispatch(self, batch: NDArray[np.void]) -> None:
        """Call the handlers, each with a line and those that belong to it behind it."""
        for number, line in self._lines(batch):
            if not self._head:
                self._head_id = number
            self._head.append(line)
            if line.flags & Flag.CONTINUED:
                continue
            self.now_ns = line.time_ns
            handler = self._handlers.get(cast(Template, self._head_id))
            if handler is not None:
                handler(*self._head)
            self._head = []

    def _lines(self, batch: NDArray[np.void]) -> list[tuple[int, Line]]:
        """The lines of a batch as tuples; template by template, since numpy converts in bulk."""
        numbers = batch["template_id"]
        out: list[tuple[int, Line]] = [cast(Any, None)] * len(batch)
        for number in np.flatnonzero(np.bincount(numbers, minlength=TEMPLATES_MAX)).tolist():
            places = np.flatnonzero(numbers == number)
            make = LINES[Template(number)]._make
            values = batch[places].view(DTYPES[Template(number)]).tolist()
            for place, value in zip(places.tolist(), values, strict=True):
                out[place] = (number, make(value))
        return out

    # Proposing.

    def _taken(self, batch: NDArray[np.void]) -> np.void | None:
        """Count all numbers; the line that took the number of what is in flight, if one did."""
        if self.topics is None:
            return None
        self.topics.hear(batch)
        flying = self._flying
        if flying is None or self.topics.next(flying.topic, flying.shard) <= self._number:
            return None
        same = (batch["topic"] == flying.topic) & (batch["shard"] == flying.shard)
        same &= batch["topic_sequence"] == self._number
        places = np.flatnonzero(same)
        # A broadcast took it in this shard, and names another.
        return cast(np.void, batch[places[0] if len(places) else 0].copy())

    def _resolve(self, taken: np.void) -> None:
        flying = self._flying
        assert flying is not None
        self._flying = None
        if self._is_own(taken, flying):
            self._tries = 0
            self.counts.answered += 1
            self.answered(flying)
            return
        self.counts.lost += 1
        self._tries += 1
        if self._tries >= TRIES_MAX:
            self._tries = 0
            self.counts.given_up += 1
            self.gave_up(flying)

    def _is_own(self, taken: np.void, flying: Proposal) -> bool:
        assert self._contributor is not None
        said = int(taken["template_id"])
        if said == Template.REJECTED:
            said = int(taken.reshape(1).view(DTYPES[Template.REJECTED])["refused_template"][0])
        asked = int(flying.lines["template_id"][0])
        return int(taken["publisher"]) == self._contributor.publisher and said == asked

    def _propose(self) -> int:
        topics = self.topics
        if self._contributor is None or topics is None:
            return 0
        if topics.epoch != self._epoch:
            # The engine that it was said to is dead.
            self._epoch = topics.epoch
            self._flying = None
        if self._flying is not None:
            return 0
        wished = self.wish()
        if wished is None:
            self._tries = 0
            return 0
        return self._send(wished, topics)

    def _send(self, wished: Proposal, topics: Topics) -> int:
        assert self._contributor is not None
        assert self._core is not None
        number = topics.next(wished.topic, wished.shard)
        lines: NDArray[np.void] = np.ascontiguousarray(wished.lines).view(MESSAGE).copy()
        if not 1 <= len(lines) <= LINES_MAX:
            raise UsageError(f"a proposal has 1 to {LINES_MAX} lines, not {len(lines)}")
        lines["topic"], lines["topic_sequence"] = wished.topic, number
        lines["flags"] = Flag.CONTINUED
        lines["flags"][-1] = Flag.LAST_OF_GROUP
        lines["reserved"] = 0
        lines["reserved"][0] = topics.reign
        if not self._lane.offer(lines):
            return 0
        contributor = self._contributor
        check(lib.rb_doorbell_press(contributor.doorbell.address, contributor.number), "doorbell")
        self._core.ring(contributor.bells)
        self._flying, self._number = wished, number
        self.counts.proposals += 1
        return 1
