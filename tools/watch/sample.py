"""Sample: all that a watcher knows of an exchange at one moment, as plain numbers with units.

Counts grow for ever (`_count`), or since a process began where that is said; rates are of the last
interval; prices and notional are in 1/10,000 of the currency. What nobody knows is None.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from ringbus.core import CoreState
from ringbus.histogram import Histogram
from ringbus.messages import InstrumentState, RiskLimit
from ringbus.places import Place
from tools.process import Faults

# A core that has not beaten for so long is silent.
BEAT_NS_MAX = 1_000_000_000


@dataclass(frozen=True, slots=True)
class AgentSample:
    """One agent of a core.

    `work_count`: pieces of work since its process began, most of them messages; `duty_share`: how
    much of the interval it was at work, told by turns timed by chance; `lag_count`: messages on the
    stream that it has not taken; `waiting_count`: messages in the lanes towards it.
    """

    name: str
    work_count: int
    work_per_s: float
    duty_share: float | None
    lag_count: int | None
    waiting_count: int | None


@dataclass(frozen=True, slots=True)
class CoreSample:
    """One process of the exchange.

    `cpu`: where it is pinned; `beat_age_ns`: None if it never beat. `cpu_share`: of one CPU, all
    its threads. `duty_share`: how much of the interval its loop ran, or, where it never sleeps, its
    agents were at work. `waited_ns`: how long in the interval its loop was ready to run and had no
    CPU. `stalls_count`: times of the day that none of its agents had a turn for long, `stalled_ns`:
    how long that was in the interval. `cpu_ns`, `waited_total_ns`, `rounds_count` and `parks_count`
    are since it began.
    `faults`: page faults since it was warm, None before; `forbids` them: it never sleeps, or has
    locked its memory, so each is a pause that its topology says there is none of.
    """

    name: str
    wait: str
    pid: int
    alive: bool
    state: CoreState
    cpu: int | None
    beat_age_ns: int | None
    restarts_count: int
    failure: str
    cpu_share: float
    duty_share: float
    waited_ns: int
    stalls_count: int
    stalled_ns: int
    cpu_ns: int
    waited_total_ns: int
    stalled_total_ns: int
    rounds_count: int
    parks_count: int
    faults: Faults | None
    forbids: bool
    agents: tuple[AgentSample, ...]
    counters: Mapping[str, int]

    @property
    def faults_count(self) -> int | None:
        """Page faults since it was warm; None before."""
        return None if self.faults is None else self.faults.total

    @property
    def is_late(self) -> bool:
        """Whether it has waited for pages that were to be in memory."""
        return self.forbids and self.faults is not None and self.faults.total > 0

    @property
    def beats(self) -> bool:
        """Whether it is alive, runs, and beat within the last second."""
        return (
            self.alive
            and self.state == CoreState.RUNNING
            and self.beat_age_ns is not None
            and self.beat_age_ns < BEAT_NS_MAX
        )

    @property
    def condition(self) -> str:
        """The same in a word."""
        if self.beats:
            return "running"
        if not self.alive:
            return "dead"
        return "silent" if self.state == CoreState.RUNNING else self.state.name.lower()


@dataclass(frozen=True, slots=True)
class ReaderSample(Place):
    """A reader of the stream in its place, and the messages that it has not taken."""

    lag_count: int = 0


@dataclass(frozen=True, slots=True)
class RingSample:
    """The stream or a lane.

    `fill_count`: messages that cannot be overwritten yet, of `capacity_count`; `written_count`: of
    the stream, its last sequence; `waits_count`: times that gating readers held the publisher up.
    """

    name: str
    capacity_count: int
    fill_count: int
    written_count: int | None = None
    waits_count: int | None = None
    readers: tuple[ReaderSample, ...] = ()


@dataclass(frozen=True, slots=True)
class JournalSample:
    """One journal: the last sequence on its disk, and how many messages are not."""

    name: str
    durable: int
    behind_count: int


@dataclass(frozen=True, slots=True)
class SessionSample:
    """One client's session of the day, as the stream tells of it.

    `requests_count`: what it asked for, refused or not; `answers_count`: what it was told;
    `port`: where it last logged in.
    """

    user: str
    session: int
    account: int
    firm: str
    protocol: str
    port: str
    is_connected: bool
    logins_count: int
    requests_count: int
    answers_count: int
    rejects_count: int
    executions_count: int
    requests_per_s: float
    answers_per_s: float


@dataclass(frozen=True, slots=True)
class InstrumentSample:
    """One instrument; bid and offer are the best that are shown, while it trades continuously.

    `volume` (shares) and `trades_count` are of the day, as printed: a bust takes nothing off.
    """

    symbol: str
    state: InstrumentState
    bid_1e4: int | None
    offer_1e4: int | None
    last_1e4: int | None
    last_quantity: int
    volume: int
    trades_count: int
    orders_count: int
    trades_per_s: float


@dataclass(frozen=True, slots=True)
class LimitSample:
    """What an account or a firm uses of a limit; `bound` None: there is none.

    `unit` of both: "1e-4" of the currency, or "count" of orders, shares or messages.
    """

    owner: str
    number: int
    name: str
    limit: RiskLimit
    unit: str
    used: int
    bound: int | None

    @property
    def used_share(self) -> float:
        """Of the bound; 0 without one."""
        if self.bound is None:
            return 0.0
        return self.used / self.bound if self.bound else 1.0


@dataclass(frozen=True, slots=True)
class HopSample:
    """How long messages took over one hop in the last interval; `whole`: all that was recorded."""

    name: str
    count: int
    p50_ns: int
    p99_ns: int
    max_ns: int
    whole: Histogram = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class EventSample:
    """An alarm, or what an operator or the exchange itself said."""

    sequence: int
    time_ns: int
    kind: str
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A whole exchange; `heard`: what sessions, instruments, limits and events know of the stream.

    `interval_ns` is 0 in the first one, which has no rates. `own_cpu_share`: of one CPU, what the
    watching itself took.
    """

    name: str
    banner: str
    build: str
    directory: str
    time_ns: int
    interval_ns: int
    launcher_pid: int
    launcher_alive: bool
    ready: bool
    ports: Mapping[str, int]
    tail: int
    messages_per_s: float
    heard: int
    own_cpu_share: float
    alarms_count: int
    commands_count: int
    cores: tuple[CoreSample, ...]
    rings: tuple[RingSample, ...]
    journals: tuple[JournalSample, ...]
    hops: tuple[HopSample, ...]
    sessions: tuple[SessionSample, ...]
    instruments: tuple[InstrumentSample, ...]
    limits: tuple[LimitSample, ...]
    events: tuple[EventSample, ...]

    @property
    def healthy(self) -> bool:
        """Whether the day is open and every process is at work."""
        return self.ready and self.launcher_alive and all(core.beats for core in self.cores)

    @property
    def behind_count(self) -> int:
        """Messages of the stream that the watcher has not heard."""
        return max(0, self.tail - self.heard)


def plain(value: object) -> object:
    """The same as JSON has it: records are objects, enumerations words, histograms left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((one.name, getattr(value, one.name)) for one in dataclasses.fields(value))
        return {name: plain(one) for name, one in fields if not isinstance(one, Histogram)}
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    return value
