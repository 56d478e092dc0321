"""Trade reporter: tells a facility of every trade, bust and correction, each once.

    stream ──▶ rows ──▶ window ──AE──▶ facility          what it knows is in two places only:
                          │ ▲            │               the stream says up to where all is
                          ▼ └────AR──────┘               answered (TradeReported), and the facility
    stream ◀── TradeReported (up to here)                knows a report that it has by its name

It remembers nothing of its own. A report's name follows from the stream, so one that was sent and
whose answer was lost is sent again under the same name, and the facility, which keeps one of each
name, answers as before. Killed at any moment, either side goes on; no report is missing, none is
there twice.

A report that the facility refuses is answered too: TradeReported names it and the reason, for a
person to look at, and the others go on. One reads ahead no further than a window of reports; who is
behind reads the journal, so a facility that is away for hours costs no memory. Nothing is reported
before as many journals have it as were promised to clients.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ports.client import Instrument
from ports.fix import Pair
from ports.reporter_link import Link
from ports.trade_reports import REPORT, Answer, Names, report
from ports.trades import TEMPLATES, Trades
from ringbus.application import Application
from ringbus.core import Core
from ringbus.filter import Filter
from ringbus.lines import BuildRecord, TradeReported
from ringbus.marks import Marks
from ringbus.messages import INSTRUMENT_NONE, TRADE_REPORTED, Template
from ringbus.metrics import Counter, Metrics
from ringbus.proposer import Proposal, Proposer
from ringbus.replay import Replay, Stream
from ringbus.status import Lapped

WINDOW: Final = 1024
NEVER: Final = (1 << 64) - 1


@dataclass(slots=True)
class Pending:
    """A report that is not on the stream as answered."""

    last: int
    sequence: int
    fields: list[Pair]
    answer: Answer | None = None

    @property
    def id(self) -> str:
        """What it is called."""
        return self.fields[0][1]


class TradeReporter(Application):
    """A worker for `Core.host`.

    Args: core: whose clock its connection uses; topic: its own; session: of the exchange, which
    reports are named after; link: its facility, closed with it; window: reports that may wait for
    their answer.
    Memory: `window` reports and those of one batch of the stream.
    """

    def __init__(
        self,
        stream: Stream,
        proposer: Proposer,
        core: Core,
        topic: int,
        session: str,
        instruments: Sequence[Instrument],
        link: Link,
        window: int = WINDOW,
        opening: int = 0,
    ) -> None:
        self.reported = 0  # all up to there are on the stream as answered
        self.link = link
        self._stream = stream
        self._core = core
        self._topic = topic
        self._names = Names(session, 0)
        self._instruments = instruments
        self._window = window
        self._marks = Marks(stream.marks) if stream.marks is not None and stream.copies else None
        self._source: Replay | None = None
        self._filter = Filter(TEMPLATES)
        self._trades = Trades()
        # In the stream's order: those that are not on it as answered, those that are to be sent.
        self._pending: deque[Pending] = deque()
        self._to_send: deque[Pending] = deque()
        self._by_id: dict[str, Pending] = {}
        self._generation = 0
        # What is answered and not on the stream yet.
        self._answered = 0
        self._count = 0
        self._refused: Pending | None = None
        self._counters: dict[str, Counter] = {}
        self._calls = 0
        super().__init__(stream, None, proposer, opening)

    def measure(self, metrics: Metrics, name: str) -> None:
        """Count into a metrics page: `name sent`, `name answered`, `refused`, `calls`."""
        for what in ("sent", "answered", "refused", "calls"):
            self._counters[what] = metrics.counter(f"{name} {what}")

    def on_build_record(self, line: BuildRecord) -> None:
        """The day begins."""
        self._names = Names(self._names.session, line.time_ns)

    def on_trade_reported(self, line: TradeReported) -> None:
        """It, or one that was it before, has said how far it is."""
        if line.topic != self._topic:
            return
        self.reported = max(self.reported, line.reported)
        self._answered = max(self._answered, line.reported)
        self._count = max(0, self._count - line.reports)
        if self._refused is not None and self._refused.last <= line.reported:
            self._refused = None
        while self._pending and self._pending[0].last <= line.reported:
            # A predecessor's word was still on its way.
            del self._by_id[self._pending.popleft().id]

    def wish(self) -> Proposal | None:
        """To say how far the facility's answers go."""
        if self._answered <= self.reported:
            return None
        line: NDArray[np.void] = np.zeros(1, TRADE_REPORTED)
        line["template_id"] = Template.TRADE_REPORTED
        line["instrument"] = INSTRUMENT_NONE
        line["reported"], line["reports"] = self._answered, self._count
        if self._refused is not None and self._refused.answer is not None:
            line["refused"] = self._refused.sequence
            line["reason"] = self._refused.answer.reason
        return Proposal(self._topic, 0, line)

    def do_work(self, limit: int) -> int:
        """Follow the stream, then the facility; returns pieces of work done."""
        done = super().do_work(limit)
        if not self.is_live:
            return done
        now_ns = self._core.now_ns
        answers = self.link.work(now_ns)
        for answer in answers:
            self._take(answer)
        done += len(answers) + self._settle()
        self._tell("calls", self.link.counts["calls"] - self._calls)
        self._calls = self.link.counts["calls"]
        if self.link.generation != self._generation:
            self._generation = self.link.generation
            self._to_send = deque(one for one in self._pending if one.answer is None)
        done += self._read()
        done += self._send(now_ns)
        return done + self.link.flush(now_ns)

    def close(self) -> None:
        """Close files and the connection."""
        if self._source is not None:
            self._source.close()
        self.link.close()
        super().close()

    def _take(self, answer: Answer) -> None:
        """The first answer to a report counts; one to none of ours is of a former connection."""
        one = self._by_id.get(answer.id)
        if one is not None and one.answer is None:
            one.answer = answer

    def _settle(self) -> int:
        """Reports are answered up to the first that is not, or that was refused."""
        done = 0
        while self._pending and self._refused is None:
            one = self._pending[0]
            if one.answer is None:
                break
            del self._by_id[self._pending.popleft().id]
            self._answered = one.last
            self._count += 1
            self._refused = one if one.answer.reason else None
            done += 1
        self._tell("answered", done)
        self._tell("refused", self._refused is not None and done > 0)
        return done

    def _read(self) -> int:
        """Make reports of what is next on the stream, if there is room for them."""
        if len(self._pending) >= self._window:
            return 0
        if self._source is None:
            self._source = self._stream.replay(self.reported + 1)
        try:
            batch = self._source.poll()
        except Lapped:
            # What the ring has lost will be in the files in a moment.
            return 0
        heard = len(batch)
        if heard:
            for row in self._trades.take(self._filter.keep(batch)):
                fields = report(self._names, self._instruments, row)
                one = Pending(int(row["last"]), int(row["sequence"]), fields)
                self._pending.append(one)
                self._to_send.append(one)
                self._by_id[one.id] = one
        return heard

    def _send(self, now_ns: int) -> int:
        allowed = self._marks.reached(self._stream.copies) if self._marks else NEVER
        done = 0
        while self._to_send and self.link.has_room and self._to_send[0].last <= allowed:
            one = self._to_send.popleft()
            if one.last > self.reported:
                self.link.send(REPORT, one.fields, now_ns)
                done += 1
        self._tell("sent", done)
        return done

    def _tell(self, what: str, more: int) -> None:
        if more and what in self._counters:
            self._counters[what].add(more)
