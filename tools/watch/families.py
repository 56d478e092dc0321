"""Families: a sample as Prometheus metrics, each with its type, unit, help and labels.

Label sets are bounded: agents, rings and hops by the topology; sessions and instruments stand there
up to SESSIONS_MAX and INSTRUMENTS_MAX, in the order of their files, what is behind them summed up
under OTHERS; of accounts and firms those with a limit, at most OWNERS_MAX.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

import numpy as np
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from ringbus.histogram import Histogram, lowest_values
from ringbus.messages import InstrumentState
from tools.memory import tcp_counter
from tools.watch.sample import InstrumentSample, LimitSample, Sample, SessionSample

SESSIONS_MAX: Final = 256
INSTRUMENTS_MAX: Final = 256
OWNERS_MAX: Final = 256
OTHERS: Final = "(others)"
# Upper bounds of the latency buckets: 1, 2, 5 of each decade from 100 ns to 10 s.
BUCKETS_NS: Final = (
    *(digit * 10**power for power in range(2, 10) for digit in (1, 2, 5)),
    10**10,
)
Labels = tuple[str, ...]
Values = Iterator[tuple[Labels, float]]
_One = TypeVar("_One")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric; a counter's samples are called NAME_total. Every one has the label `exchange`."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    labels: Labels
    values: Callable[[Sample], Values]


def _cores(of: str, scale: float = 1.0) -> Callable[[Sample], Values]:
    """A field of every core, where it is known."""

    def values(sample: Sample) -> Values:
        for one in sample.cores:
            value = getattr(one, of)
            if value is not None:
                yield (one.name,), value * scale

    return values


def _agents(of: str) -> Callable[[Sample], Values]:
    def values(sample: Sample) -> Values:
        for core in sample.cores:
            for one in core.agents:
                value = getattr(one, of)
                if value is not None:
                    yield (core.name, one.name), value

    return values


def _rings(of: str) -> Callable[[Sample], Values]:
    def values(sample: Sample) -> Values:
        for one in sample.rings:
            yield (one.name,), getattr(one, of)

    return values


def _readers(of: str) -> Callable[[Sample], Values]:
    def values(sample: Sample) -> Values:
        for ring in sample.rings:
            for one in ring.readers:
                yield (one.name, "gating" if one.gates else "lossy"), getattr(one, of)

    return values


def _journals(of: str) -> Callable[[Sample], Values]:
    def values(sample: Sample) -> Values:
        for one in sample.journals:
            yield (one.name,), getattr(one, of)

    return values


def _capped(
    rows: Sequence[_One],
    most: int,
    labels: Callable[[_One], Labels],
    value: Callable[[_One], float | None],
    others: Labels = (),
) -> Values:
    """The first `most` rows, and what those behind come to under the labels `others`."""
    for one in rows[:most]:
        if (known := value(one)) is not None:
            yield labels(one), known
    if others and len(rows) > most:
        yield others, sum(value(one) or 0 for one in rows[most:])


def _sessions(of: str) -> Callable[[Sample], Values]:
    def labels(one: SessionSample) -> Labels:
        return one.user, one.firm

    return lambda sample: _capped(
        sample.sessions, SESSIONS_MAX, labels, lambda one: getattr(one, of), (OTHERS, OTHERS)
    )


def _instruments(of: str, scale: float = 1.0, summed: bool = True) -> Callable[[Sample], Values]:
    def value(one: InstrumentSample) -> float | None:
        found = getattr(one, of)
        return None if found is None else float(found * scale)

    return lambda sample: _capped(
        sample.instruments,
        INSTRUMENTS_MAX,
        lambda one: (one.symbol,),
        value,
        (OTHERS,) if summed else (),
    )


def _trading(sample: Sample) -> Values:
    return _capped(
        sample.instruments,
        INSTRUMENTS_MAX,
        lambda one: (one.symbol,),
        lambda one: one.state == InstrumentState.CONTINUOUS,
        (OTHERS,),
    )


def _limits(value: Callable[[LimitSample], float]) -> Callable[[Sample], Values]:
    def values(sample: Sample) -> Values:
        owners: dict[tuple[str, int], None] = {}
        for one in sample.limits:
            if one.bound is not None:
                owners.setdefault((one.owner, one.number))
                if len(owners) > OWNERS_MAX:
                    return
                yield (one.owner, one.name, one.limit.name.lower()), value(one)

    return values


def _in_unit(one: LimitSample, value: int | None) -> float:
    return float(value or 0) / (1 if one.unit == "count" else 10_000)


def _events(sample: Sample) -> Values:
    """Counters of the metrics pages, but for those that only tell a TCP port."""
    ports = {tcp_counter(name) for name in sample.ports}
    for core in sample.cores:
        for name, value in core.counters.items():
            if name not in ports:
                yield (core.name, name), value


def _exchange(value: Callable[[Sample], float]) -> Callable[[Sample], Values]:
    return lambda sample: iter([((), value(sample))])


_CORE, _AGENT, _RING = ("core",), ("core", "agent"), ("ring",)
_READER, _SESSION, _SYMBOL = ("reader", "kind"), ("user", "firm"), ("symbol",)
_LIMIT = ("owner", "name", "limit")

FAMILIES: Final = (
    # The exchange and its stream.
    Family(
        "ringbus_day_open", "gauge", "1 from the day's opening on.", (),
        _exchange(lambda one: one.ready),
    ),
    Family(
        "ringbus_launcher_up", "gauge", "Whether the launcher's process lives.", (),
        _exchange(lambda one: one.launcher_alive),
    ),
    Family(
        "ringbus_stream_messages", "counter", "Messages published on the stream today.", (),
        _exchange(lambda one: one.tail),
    ),
    Family(
        "ringbus_alarms", "counter", "Alarms of guardians on the stream today.", (),
        _exchange(lambda one: one.alarms_count),
    ),
    Family(
        "ringbus_commands", "counter", "Commands of operators on the stream today.", (),
        _exchange(lambda one: one.commands_count),
    ),
    Family(
        "ringbus_watch_behind_messages", "gauge",
        "Messages that this endpoint has not heard: what it says of sessions, instruments and "
        "limits is so old.", (),
        _exchange(lambda one: one.behind_count),
    ),
    # Cores and agents.
    Family("ringbus_core_up", "gauge", "Whether a core lives, runs and has beaten within 1 s.",
           _CORE, _cores("beats")),
    Family("ringbus_core_beat_age_seconds", "gauge", "Time since a core's last beat.",
           _CORE, _cores("beat_age_ns", 1e-9)),
    Family("ringbus_core_restarts", "counter", "Times that a core was started again.",
           _CORE, _cores("restarts_count")),
    Family("ringbus_core_cpu_seconds", "counter", "CPU time of a core's process, all threads.",
           _CORE, _cores("cpu_ns", 1e-9)),
    Family("ringbus_core_waited_seconds", "counter",
           "Time that a core's loop was ready to run and had no CPU.",
           _CORE, _cores("waited_total_ns", 1e-9)),
    Family("ringbus_core_duty_ratio", "gauge",
           "How much of the time since the last scrape a core's loop was at work.",
           _CORE, _cores("duty_share")),
    Family("ringbus_core_stalls", "counter",
           "Times that none of a core's agents had a turn for long.",
           _CORE, _cores("stalls_count")),
    Family("ringbus_core_stalled_seconds", "counter", "How long that was.",
           _CORE, _cores("stalled_total_ns", 1e-9)),
    Family("ringbus_core_page_faults", "counter",
           "Page faults of a core since it was warm; of one that never sleeps each is a pause.",
           _CORE, _cores("faults_count")),
    Family("ringbus_core_rounds", "counter", "Rounds of a core over its agents.",
           _CORE, _cores("rounds_count")),
    Family("ringbus_core_parks", "counter", "Times that a core slept.",
           _CORE, _cores("parks_count")),
    Family("ringbus_core_events", "counter", "Counters of a core's metrics page, by their names.",
           ("core", "event"), _events),
    Family("ringbus_agent_work", "counter", "Pieces of work, most of them messages, of an agent.",
           _AGENT, _agents("work_count")),
    Family("ringbus_agent_duty_ratio", "gauge",
           "How much of the time since the last scrape an agent was at work.",
           _AGENT, _agents("duty_share")),
    Family("ringbus_agent_lag_messages", "gauge",
           "Messages on the stream that an agent has not taken.", _AGENT, _agents("lag_count")),
    Family("ringbus_agent_waiting_messages", "gauge",
           "Messages in the lanes towards an agent of the engine.",
           _AGENT, _agents("waiting_count")),
    # Rings.
    Family("ringbus_ring_held_messages", "gauge",
           "Messages of a ring that cannot be overwritten yet.", _RING, _rings("fill_count")),
    Family("ringbus_ring_capacity_messages", "gauge", "Slots of a ring.",
           _RING, _rings("capacity_count")),
    Family("ringbus_publisher_waits", "counter",
           "Times that gating readers held the publisher up.", (),
           _exchange(lambda one: one.rings[0].waits_count or 0)),
    Family("ringbus_reader_lag_messages", "gauge",
           "Messages on the stream that a reader has not taken.", _READER, _readers("lag_count")),
    Family("ringbus_reader_received_messages", "counter", "Messages that a reader has got.",
           _READER, _readers("received")),
    Family("ringbus_reader_lost_messages", "counter",
           "Messages that a lossy reader has missed on the ring.",
           _READER, _readers("lost")),
    Family("ringbus_reader_laps", "counter", "Times that a lossy reader was overtaken.",
           _READER, _readers("laps")),
    Family("ringbus_journal_behind_messages", "gauge",
           "Messages that a journal does not have on its disk.",
           ("journal",), _journals("behind_count")),
    # Clients and prices.
    Family("ringbus_session_connected", "gauge", "Whether a client's session is connected.",
           _SESSION, _sessions("is_connected")),
    Family("ringbus_session_requests", "counter", "What a client asked for, refused or not.",
           _SESSION, _sessions("requests_count")),
    Family("ringbus_session_answers", "counter", "Messages that a client was told.",
           _SESSION, _sessions("answers_count")),
    Family("ringbus_session_rejects", "counter", "Refusals that a client was told.",
           _SESSION, _sessions("rejects_count")),
    Family("ringbus_session_executions", "counter", "Executions of a client's orders.",
           _SESSION, _sessions("executions_count")),
    Family("ringbus_instrument_trading", "gauge",
           "Whether an instrument trades continuously; of others, how many do.",
           _SYMBOL, _trading),
    Family("ringbus_instrument_bid_price", "gauge", "Best bid that is shown, in the currency.",
           _SYMBOL, _instruments("bid_1e4", 1e-4, summed=False)),
    Family("ringbus_instrument_offer_price", "gauge", "Best offer that is shown, in the currency.",
           _SYMBOL, _instruments("offer_1e4", 1e-4, summed=False)),
    Family("ringbus_instrument_last_price", "gauge", "Price of the last trade, in the currency.",
           _SYMBOL, _instruments("last_1e4", 1e-4, summed=False)),
    Family("ringbus_instrument_volume_shares", "counter", "Shares traded today, busts included.",
           _SYMBOL, _instruments("volume")),
    Family("ringbus_instrument_trades", "counter", "Trades today, busts included.",
           _SYMBOL, _instruments("trades_count")),
    Family("ringbus_instrument_open_orders", "gauge", "Open orders.",
           _SYMBOL, _instruments("orders_count")),
    Family("ringbus_limit_used", "gauge",
           "What an account or a firm uses of a limit: notional in the currency, or a count.",
           _LIMIT, _limits(lambda one: _in_unit(one, one.used))),
    Family("ringbus_limit_bound", "gauge", "The limit itself, in the same unit.",
           _LIMIT, _limits(lambda one: _in_unit(one, one.bound))),
    Family("ringbus_limit_used_ratio", "gauge", "How much of a limit is used.",
           _LIMIT, _limits(lambda one: one.used_share)),
)  # fmt: skip
UP: Final = Family(
    "ringbus_up", "gauge", "Whether the exchange could be looked at.", (), lambda one: iter(())
)
LATENCY: Final = "ringbus_hop_latency_seconds"


def metrics(exchange: str, sample: Sample | None) -> Iterator[Metric]:
    """All families of a sample; of an exchange that is not there only that it is not."""
    yield _metric(UP, exchange, [((), sample is not None)])
    if sample is None:
        return
    for family in FAMILIES:
        yield _metric(family, exchange, family.values(sample))
    latency = HistogramMetricFamily(
        LATENCY, "How long messages took over one hop.", labels=("exchange", "hop")
    )
    for hop in sample.hops:
        latency.add_metric((exchange, hop.name), buckets(hop.whole), hop.whole.sum * 1e-9)
    yield latency


def _metric(family: Family, exchange: str, values: Iterable[tuple[Labels, float]]) -> Metric:
    kind = GaugeMetricFamily if family.kind == "gauge" else CounterMetricFamily
    out = kind(family.name, family.help, labels=("exchange", *family.labels))
    for labels, value in values:
        out.add_metric((exchange, *labels), float(value))
    return out


def buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Records up to each bound, which is in seconds, as Prometheus counts them."""
    running = np.concatenate(([0], np.cumsum(histogram.counts)))
    # Counts whose highest value is not above the bound.
    bounds = np.array(BUCKETS_NS, np.uint64) + np.uint64(1)
    whole = np.searchsorted(lowest_values(), bounds, side="right") - 1
    out = [
        (f"{bound / 1e9:g}", float(running[n])) for bound, n in zip(BUCKETS_NS, whole, strict=True)
    ]
    return [*out, ("+Inf", float(running[-1]))]
