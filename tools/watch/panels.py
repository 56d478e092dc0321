"""Panels: a sample as tables of text, one a subject, for the terminal and for scripts.

A cell knows what it is sorted by beside what it says, a row what it is about; nothing here knows
where it will be shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ringbus.messages import InstrumentState
from tools.dump import time_text
from tools.units import duration, price_text, rate_text, share_text
from tools.watch.sample import CoreSample, LimitSample, Sample

BLOCKS: Final = "▁▂▃▄▅▆▇█"
NOTHING: Final = "–"
# From here on a limit, or a ring, is shown as nearly used up.
NEARLY: Final = 0.8
# So many messages to hear are no more than what has come since.
CATCHING_UP: Final = 1 << 14
BAD, WARN, GOOD, QUIET = "red", "yellow", "green", "dim"
# p99 by hop, ns, oldest first.
History = Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell says, what it is sorted by, and how it looks."""

    text: str
    order: float | str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table; `key` is the same in every sample, `subject` what it is about."""

    key: str
    cells: tuple[Cell, ...]
    subject: object


@dataclass(frozen=True, slots=True)
class Panel:
    """A table; `words` are those columns that stand to the left, `order` what it is sorted by.

    Without an `order` rows stay as they are, in the order of the topology or of a file.
    """

    name: str
    columns: tuple[str, ...]
    words: frozenset[str]
    rows: Callable[[Sample, History], list[Row]]
    empty: str = "nothing"


def word(text: str, style: str = "") -> Cell:
    """A cell of text."""
    return Cell(text or NOTHING, text, style)


def count(value: int | None, style: str = "") -> Cell:
    """A cell of a whole number."""
    return Cell(NOTHING, -1.0) if value is None else Cell(f"{value:,}", float(value), style)


def per_s(value: float) -> Cell:
    """A cell of a rate."""
    return Cell(rate_text(value), value, "" if value else QUIET)


def time(value_ns: int | None, style: str = "") -> Cell:
    """A cell of a duration."""
    return Cell(NOTHING, -1.0) if value_ns is None else Cell(duration(value_ns), value_ns, style)


def share(value: float | None) -> Cell:
    """A cell of a share."""
    order = -1.0 if value is None else value
    return Cell(share_text(value), order, WARN if order >= NEARLY else "")


def price(value_1e4: int | None) -> Cell:
    """A cell of a price."""
    return Cell(NOTHING, -1.0) if value_1e4 is None else Cell(price_text(value_1e4), value_1e4)


def spark(values: Sequence[int]) -> str:
    """A line of blocks, the highest value as high as a line is."""
    most = max(values, default=0)
    return "".join(BLOCKS[(one * (len(BLOCKS) - 1)) // most if most else 0] for one in values)


def _condition(core: CoreSample) -> Cell:
    return word(core.condition, GOOD if core.beats else BAD)


def _cores(sample: Sample, history: History) -> list[Row]:
    return [
        Row(
            one.name,
            (
                word(one.name),
                _condition(one),
                share(one.cpu_share),
                share(one.duty_share),
                share(one.waited_ns / sample.interval_ns if sample.interval_ns else None),
                count(one.stalls_count),
                count(one.faults_count, BAD if one.is_late else ""),
                count(one.restarts_count, WARN if one.restarts_count else ""),
                time(one.beat_age_ns),
                word("any" if one.cpu is None else str(one.cpu)),
                count(one.pid),
                word(one.wait),
            ),
            one,
        )
        for one in sample.cores
    ]


def _agents(sample: Sample, history: History) -> list[Row]:
    return [
        Row(
            f"{core.name} {one.name}",
            (
                word(one.name, "" if core.beats else BAD),
                word(core.name),
                per_s(one.work_per_s),
                share(one.duty_share),
                count(one.work_count),
                count(one.lag_count),
                count(one.waiting_count),
            ),
            one,
        )
        for core in sample.cores
        for one in core.agents
    ]


def _rings(sample: Sample, history: History) -> list[Row]:
    return [
        Row(
            one.name,
            (
                word(one.name),
                count(one.fill_count),
                count(one.capacity_count),
                share(one.fill_count / one.capacity_count),
                count(one.written_count),
                count(one.waits_count, WARN if one.waits_count else ""),
            ),
            one,
        )
        for one in sample.rings
    ]


def _readers(sample: Sample, history: History) -> list[Row]:
    durable = {one.name: one.behind_count for one in sample.journals}
    return [
        Row(
            one.name,
            (
                word(one.name),
                word("gating" if one.gates else "lossy"),
                count(one.lag_count),
                count(durable.get(one.name)),
                count(one.received),
                count(one.lost, WARN if one.lost else ""),
                count(one.laps, WARN if one.laps else ""),
                word(one.distance),
                count(one.pid),
            ),
            one,
        )
        for ring in sample.rings
        for one in ring.readers
    ]


def _sessions(sample: Sample, history: History) -> list[Row]:
    return [
        Row(
            one.user,
            (
                word(one.user),
                word("connected", GOOD) if one.is_connected else word("away", QUIET),
                per_s(one.requests_per_s),
                per_s(one.answers_per_s),
                count(one.requests_count),
                count(one.rejects_count),
                count(one.executions_count),
                word(one.firm),
                count(one.account),
                word(one.port),
            ),
            one,
        )
        for one in sample.sessions
    ]


def _instruments(sample: Sample, history: History) -> list[Row]:
    return [
        Row(
            one.symbol,
            (
                word(one.symbol),
                word(
                    one.state.name.lower(),
                    GOOD if one.state == InstrumentState.CONTINUOUS else WARN,
                ),
                price(one.bid_1e4),
                price(one.offer_1e4),
                price(one.last_1e4),
                count(one.volume),
                count(one.trades_count),
                per_s(one.trades_per_s),
                count(one.orders_count),
            ),
            one,
        )
        for one in sample.instruments
    ]


def limit_value(one: LimitSample, value: int | None) -> Cell:
    """A use or a bound in the limit's unit: the currency, or a count."""
    return count(value) if one.unit == "count" else price(value)


def _limits(sample: Sample, history: History) -> list[Row]:
    rows = [
        Row(
            f"{one.owner} {one.number} {int(one.limit)}",
            (
                word(f"{one.owner} {one.name}"),
                word(one.limit.name.lower().replace("_", "-")),
                limit_value(one, one.used),
                limit_value(one, one.bound),
                share(None if one.bound is None else one.used_share),
            ),
            one,
        )
        for one in sample.limits
    ]
    # Who is nearest to a limit stands first.
    return sorted(rows, key=lambda row: -float(row.cells[-1].order))


def _latency(sample: Sample, history: History) -> list[Row]:
    return [
        Row(
            one.name,
            (
                word(one.name),
                count(one.count),
                *(
                    time(value if one.count else None)
                    for value in (one.p50_ns, one.p99_ns, one.max_ns)
                ),
                word(spark(history.get(one.name, ()))),
            ),
            one,
        )
        for one in sample.hops
    ]


def _events(sample: Sample, history: History) -> list[Row]:
    return [
        Row(
            str(one.sequence),
            (
                count(one.sequence),
                word(time_text(one.time_ns)[:12]),
                word(one.kind, BAD if one.kind == "alarm" else ""),
                word(one.who),
                word(one.text),
            ),
            one,
        )
        for one in reversed(sample.events)
    ]


PANELS: Final = {
    panel.name: panel
    for panel in (
        Panel(
            "cores",
            (
                *("core", "state", "CPU", "duty", "waited", "stalls", "faults", "restarts"),
                *("beat", "at", "pid", "wait"),
            ),
            frozenset(("core", "state", "wait")),
            _cores,
        ),
        Panel(
            "agents",
            ("agent", "core", "work/s", "duty", "work", "behind", "waiting"),
            frozenset(("agent", "core")),
            _agents,
            "no core runs",
        ),
        Panel(
            "rings",
            ("ring", "held", "slots", "full", "written", "waits"),
            frozenset(("ring",)),
            _rings,
        ),
        Panel(
            "readers",
            (
                *("reader", "kind", "behind", "undurable", "received", "lost", "laps"),
                *("distance", "pid"),
            ),
            frozenset(("reader", "kind", "distance")),
            _readers,
            "nobody reads the stream",
        ),
        Panel(
            "sessions",
            (
                *("user", "state", "in/s", "out/s", "requests", "rejects", "executions"),
                *("firm", "account", "port"),
            ),
            frozenset(("user", "state", "firm", "port")),
            _sessions,
        ),
        Panel(
            "instruments",
            (
                *("symbol", "state", "bid", "offer", "last", "volume", "trades"),
                *("trades/s", "orders"),
            ),
            frozenset(("symbol", "state")),
            _instruments,
        ),
        Panel(
            "limits",
            ("owner", "limit", "used", "bound", "of it"),
            frozenset(("owner", "limit")),
            _limits,
            "nobody has a limit, or uses anything of one",
        ),
        Panel(
            "latency",
            ("hop", "messages", "p50", "p99", "max", "p99 before"),
            frozenset(("hop", "p99 before")),
            _latency,
            "nothing has been measured yet",
        ),
        Panel(
            "events",
            ("message", "time", "kind", "who", "what"),
            frozenset(("time", "kind", "who", "what")),
            _events,
            "no alarm, no command",
        ),
    )
}


def summary(sample: Sample) -> tuple[str, str]:
    """Two lines above every panel: the exchange, and what is the matter with it."""
    launcher = "alive" if sample.launcher_alive else "dead"
    state = "day open" if sample.ready else "starting"
    first = (
        f"{sample.name}  {state}  launcher {sample.launcher_pid} ({launcher})  "
        f"{sample.tail:,} messages  {rate_text(sample.messages_per_s)}/s"
    )
    wrong = [f"{one.name} {one.condition}" for one in sample.cores if not one.beats]
    said = [f"cores: {', '.join(wrong)}" if wrong else f"{len(sample.cores)} cores running"]
    said.append(f"alarms {sample.alarms_count:,}")
    said.append(f"commands {sample.commands_count:,}")
    if sample.behind_count > CATCHING_UP:
        said.append(f"catching up, {sample.behind_count:,} to hear")
    return first, "  ".join(said)
