"""Application: the base of everything that hangs on the stream and is written in Python.

A subclass has one method for each template that it wants, `on_` and the template's name, or
`on_batch` for whole numpy batches (never cut inside a message); what its filter does not let
through it never sees. It starts at
message 1 and ends up live, so a restarted one is where the dead one was: it remembers nothing that
the stream does not say. The only time is that of the messages.

It proposes by `wish`: what it wants said now, given all that it has heard. That is asked whenever
nothing is in flight: at first, when what was wished for is on the stream, when another took its
number, and when another engine begins to reign. So proposing again is wishing the same once more,
and giving up is wishing it no longer; no proposal is remembered that could outlive its reason.
One that speaks of many topics at once has a volley instead of a proposer, and `fire` is asked.

ports/applications.md shows a whole one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import lib
from ringbus.filter import Filter
from ringbus.lines import LINES, Line
from ringbus.messages import DTYPES, MESSAGE, Flag, Template
from ringbus.multicast import show_reader
from ringbus.proposer import Outcome, Proposal, Proposer
from ringbus.replay import Stream
from ringbus.segment import Segment
from ringbus.status import Lapped, UsageError
from ringbus.volley import Volley

# Lost so often in a row, a wish is refused once: those who win make progress, this one does not.
TRIES_MAX: Final = 64
# Plain numbers: an IntFlag takes a microsecond to be asked for one.
CONTINUED: Final = int(Flag.CONTINUED)
LINE_BYTES: Final = MESSAGE.itemsize
CODES: Final = {"i": "i", "B": "B", "H": "H", "I": "I", "L": "Q", "Q": "Q", "l": "q"}
Handler = Callable[..., None]
BatchHandler = Callable[[NDArray[np.void]], None]


def _layout(dtype: np.dtype[np.void]) -> struct.Struct:
    """The same for `struct`, which is quicker with one line than numpy (0.5 us, not 2)."""
    kinds = [dtype[name] for name in dtype.names or ()]
    texts = [f"{one.itemsize}s" if one.char == "S" else CODES[one.char] for one in kinds]
    return struct.Struct("<" + "".join(texts))


# By template: takes a line out of a buffer, makes the tuple of it.
_DECODERS: Final = {
    int(template): (_layout(dtype).unpack_from, LINES[template]._make)
    for template, dtype in DTYPES.items()
}


def line_of(batch: NDArray[np.void], n: int) -> Line:
    """The n-th line of a batch as a plain tuple, for an `on_batch` that wants few of them."""
    unpack, make = _DECODERS[int(batch["template_id"][n])]
    return make(unpack(batch.view(np.uint8).data, n * LINE_BYTES))


@dataclass(slots=True)
class Counts:
    """What an application has done."""

    heard: int = 0  # messages of the stream
    wanted: int = 0  # of them that the filter let through
    proposals: int = 0
    answered: int = 0  # proposals that the stream said
    lost: int = 0  # proposals whose number another took, or whose engine died
    given_up: int = 0  # wishes that were refused after TRIES_MAX losses in a row


class Application:
    """A worker for `Core.host`.

    Args: stream: where it reads; wants: the filter, by default the templates that it has methods
    for; proposer or volley: of one that proposes; opening: messages of the day's opening: it speaks
    behind that.
    Raises: UsageError: it has neither methods nor `on_batch`, or both, or one of no template.
    Thread: the core's. Source: ringbus/replay.h, ringbus/filter.h, ringbus/topics.h.
    """

    def __init__(
        self,
        stream: Stream,
        wants: Filter | None = None,
        proposer: Proposer | None = None,
        opening: int = 0,
        volley: Volley | None = None,
    ) -> None:
        # Two underscores are for a base whose subclasses have names of their own.
        self.counts = Counts()
        self.now_ns = 0
        self.is_live = False
        self.proposer = proposer
        self.volley = volley
        self.__handlers, self.__batch_handler = _handlers(self)
        if wants is None and self.__handlers:
            wants = Filter(templates=list(self.__handlers))
        self.__filter = wants
        self.__opening = opening
        self.__replay = stream.replay()
        self.__group: list[Line] = []
        self.__held: NDArray[np.void] | None = None
        self.__settled: tuple[Proposal, Outcome] | None = None
        # What has to be answered first, and what it was said for.
        self.__marked: tuple[Proposal, Proposal] | None = None
        self.__tries = 0

    # What a subclass may have besides its handlers.

    def wish(self) -> Proposal | None:
        """What it wants to be said now; asked when it is live and nothing is in flight."""
        return None

    def fire(self) -> int:
        """Send what it wants to be said on many topics by its volley; returns how much that was."""
        return 0

    def caught_up(self) -> None:
        """Live from here on: all that is on the stream was heard."""

    def answered(self, proposal: Proposal) -> None:
        """The stream has said what it proposed, or the engine's refusal of it."""

    def gave_up(self, proposal: Proposal) -> None:
        """It was lost TRIES_MAX times in a row: what is wished for next had better be another."""

    # The agent.

    def do_work(self, limit: int) -> int:
        """Hear what is new, then propose; returns messages heard and proposals made."""
        try:
            batch = self.__replay.poll(limit)
        except Lapped:
            # What the ring has lost will be in the files in a moment.
            return 0
        heard = len(batch)
        if heard:
            self.__hear(batch)
        if not self.is_live:
            if self.__replay.next <= self.__opening or self.__replay.lag:
                return heard
            self.is_live = True
            self.caught_up()
        return heard + self.__propose()

    @property
    def next(self) -> int:
        """Sequence of the message that comes next."""
        return self.__replay.next

    @property
    def lag(self) -> int:
        """Messages published and not yet heard."""
        return self.__replay.lag

    def show(self, table: Segment, name: str) -> None:
        """Let watchers see how its reader of the stream does. Raises: as show_reader."""
        self.__shown = show_reader(lib.rb_replay_reader(self.__replay.handle), table, name)

    def close(self) -> None:
        """Close the files."""
        self.__replay.close()

    # Inside.

    def __hear(self, batch: NDArray[np.void]) -> None:
        counts = self.counts
        counts.heard += len(batch)
        flying = self.proposer.flying if self.proposer else None
        outcome = self.proposer.hear(batch) if self.proposer else None
        if self.volley is not None:
            landed = self.volley.hear(batch)
            counts.answered += landed.answered
            counts.lost += landed.lost
        last_ns = int(batch["time_ns"][-1])
        kept = batch if self.__filter is None else self.__filter.keep(batch)
        counts.wanted += len(kept)
        if self.__batch_handler is None:
            self.__dispatch(kept)
        elif len(kept := self.__whole(kept)):
            self.now_ns = int(kept["time_ns"][-1])
            self.__batch_handler(kept)
        self.now_ns = last_ns
        if flying is not None and outcome is not None:
            self.__settled = flying, outcome
        # Of an answer of several lines the first may come alone: what it says was not heard yet,
        # and whoever were asked now would wish for the same again.
        if self.__settled is not None and not self.__is_inside:
            self.__settle(*self.__settled)
            self.__settled = None

    @property
    def __is_inside(self) -> bool:
        """Whether a message has begun of which not all lines have come."""
        return self.__held is not None or bool(self.__group)

    def __whole(self, batch: NDArray[np.void]) -> NDArray[np.void]:
        """Whole messages: the lines of one that goes on in the next batch are held back."""
        if self.__held is not None:
            batch, self.__held = np.concatenate((self.__held, batch)), None
        if not len(batch) or not batch["flags"][-1] & CONTINUED:
            return batch
        ends = np.flatnonzero(batch["flags"] & CONTINUED == 0)
        first = int(ends[-1]) + 1 if len(ends) else 0
        self.__held = batch[first:].copy()
        return batch[:first]

    def __dispatch(self, batch: NDArray[np.void]) -> None:
        """Call the handlers, each with a line and those that belong to it behind it."""
        group, handlers = self.__group, self.__handlers
        memory = batch.view(np.uint8).data
        templates, times = batch["template_id"].tolist(), batch["time_ns"].tolist()
        follows = (batch["flags"] & CONTINUED).tolist()
        place = 0
        for template, time_ns, is_followed in zip(templates, times, follows, strict=True):
            unpack, make = _DECODERS[template]
            line = make(unpack(memory, place))
            place += LINE_BYTES
            if is_followed or group:
                group.append(line)
                if is_followed:
                    continue
            self.now_ns = time_ns
            if group:
                whole = tuple(group)
                group.clear()
                if (handler := handlers.get(whole[0].template_id)) is not None:
                    handler(*whole)
            elif (handler := handlers.get(template)) is not None:
                handler(line)

    def __settle(self, flying: Proposal, outcome: Outcome) -> None:
        if self.__marked is not None and flying is self.__marked[0]:
            if outcome is Outcome.ANSWERED:
                return
            flying = self.__marked[1]
        if outcome is Outcome.ANSWERED:
            self.__tries = 0
            self.counts.answered += 1
            self.answered(flying)
            return
        self.counts.lost += 1
        self.__tries += 1
        if self.__tries == TRIES_MAX:
            self.__tries = 0
            self.counts.given_up += 1
            self.gave_up(flying)

    def __propose(self) -> int:
        if self.volley is not None:
            count = self.fire()
            self.counts.proposals += count
            return count
        proposer = self.proposer
        if proposer is None or proposer.flying is not None or self.__settled is not None:
            return 0
        if self.__is_inside:
            # Its number is counted already, what it says was not heard yet.
            return 0
        wished = self.wish()
        if wished is None:
            self.__tries = 0
            return 0
        mark = proposer.mark(wished)
        self.__marked = (mark, wished) if mark else None
        if not proposer.send(mark or wished):
            return 0
        self.counts.proposals += 1
        return 1


def _handlers(of: Application) -> tuple[dict[int, Handler], BatchHandler | None]:
    """Its methods by template, and `on_batch`."""
    known = {f"on_{template.name.lower()}": int(template) for template in Template}
    said = [name for name in dir(of) if name.startswith("on_") and callable(getattr(of, name))]
    batch = cast("BatchHandler | None", getattr(of, "on_batch", None))
    found = {known[name]: getattr(of, name) for name in said if name in known}
    unknown = [name for name in said if name not in known and name != "on_batch"]
    if unknown:
        raise UsageError(f"{unknown[0]}: there is no such template")
    if (batch is None) == (not found):
        raise UsageError("an application has on_batch, or a method for each template, not both")
    return found, batch
