"""The sections of a day's report: what was counted, in words and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum

from ringbus.describe import named
from ringbus.histogram import Histogram
from ringbus.messages import (
    CancelReason,
    GuardianAction,
    GuardianRule,
    RejectReason,
    RiskLimit,
    SessionEventKind,
    Template,
)
from tools.day_counts import REFUSALS, Counts, DayCounts, Used, Volume, looks_apart
from tools.dump import time_text
from tools.hops import HEADINGS
from tools.hops import figures as figures_of
from tools.kept_figures import Figures

# Of instruments, firms and operators' words, so many rows.
ROWS_MAX = 50
NOTIONALS = (
    *(RiskLimit.OPEN_LONG, RiskLimit.OPEN_SHORT, RiskLimit.NET_POSITION),
    *(RiskLimit.GROSS_POSITION, RiskLimit.TRADED_NOTIONAL),
)


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, what is to be said, and a table, whose numbers are texts already."""

    title: str
    notes: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


def sections(
    day: DayCounts,
    used: Sequence[Used],
    figures: Figures | None,
    operators: Sequence[Mapping[str, object]],
) -> Iterator[Section]:
    """All of a report, in order."""
    yield _overview(day, figures)
    yield _open_orders(day)
    yield _volumes("Instruments", "instrument", day.by_instrument, _symbols(day))
    yield _volumes("Firms", "firm", day.by_firm, day.firms)
    yield _limits(used, looks_apart(day))
    yield _refusals(day)
    yield Section("Messages", (), ("template", "messages"), _counted(Template, day.templates))
    yield Section("Sessions", (), ("event", "messages"), _counted(SessionEventKind, day.events))
    yield _alarms(day)
    yield _operators(operators)
    yield from _of_processes(figures)


def _overview(day: DayCounts, figures: Figures | None) -> Section:
    trades = int(day.by_instrument.sides.sum()) // 2
    build = day.build
    begun = time_text(day.first_ns)[:15] if day.messages else "–"
    rows = [
        ("messages", f"{day.messages:,}"),
        ("first, last", f"{begun}, {time_text(day.last_ns)[:15]}"),
        ("ended", "yes" if day.end is not None else "no: it has no EndOfDay"),
        ("orders taken", f"{int(day.by_instrument.orders.sum()):,}"),
        ("trades", f"{trades:,}, {day.void:,} of them void, {day.corrected:,} corrected"),
        ("volume", f"{int(day.by_instrument.quantity.sum()) // 2:,}"),
        ("refusals", f"{int(sum(day.templates[one] for one in REFUSALS)):,}"),
        ("expired", f"{int(day.canceled[CancelReason.EXPIRED]):,} orders"),
        ("gaps", f"{day.gaps:,} in the sequence, {day.backwards:,} where time goes back"),
        ("engines", f"{1 + len(day.epochs)}"),
        ("alarms", f"{len(day.alarms):,}"),
    ]
    if build is not None:
        rows.append(("shards", f"{int(build['shards'])}"))
        for name in ("build", "schema", "configuration"):
            rows.append((name, f"{int(build[f'{name}_hash']):016x}"))
    if figures is not None:
        rows.append(("restarts", f"{sum(figures.restarts.values())}"))
    return Section("The day", (), ("", ""), rows)


def _open_orders(day: DayCounts) -> Section:
    notes = []
    if day.carried is not None:
        one = day.carried
        notes.append(
            f"From the former day {int(one['orders']):,} orders ({int(one['quantity']):,}) were "
            f"carried over, {int(one['left_orders']):,} were not."
        )
    if day.end is not None:
        one = day.end
        notes.append(
            f"To the next day go {int(one['kept_orders']):,} orders "
            f"({int(one['kept_quantity']):,})."
        )
    rows = _counted(CancelReason, day.canceled)
    return Section("Carried, canceled and expired", notes, ("canceled because", "lines"), rows)


def _volumes(title: str, what: str, volume: Volume, names: Mapping[int, str]) -> Section:
    """By notional; of firms both sides of a trade count."""
    is_side = what == "firm"
    part = 1 if is_side else 2
    busy = [n for n in names if volume.orders[n] or volume.sides[n]]
    busy.sort(key=lambda n: (-volume.notional_1e4(n), names[n]))
    rows = [
        (
            names[n],
            f"{int(volume.orders[n]):,}",
            f"{int(volume.sides[n]) // part:,}",
            f"{int(volume.quantity[n]) // part:,}",
            _money(volume.notional_1e4(n) // part),
        )
        for n in busy[:ROWS_MAX]
    ]
    notes = [f"The first {ROWS_MAX} of {len(busy):,}, by notional."] * (len(busy) > ROWS_MAX)
    trades = "sides of trades" if is_side else "trades"
    return Section(title, notes, (what, "orders", trades, "volume", "notional"), rows)


def _limits(used: Sequence[Used], every: int) -> Section:
    if not used:
        return Section("Limits", ("No limit was set.",))
    rows = []
    for one in used:
        shown = _money if one.limit in NOTIONALS else "{:,}".format
        share = f"{100 * one.peak / one.lowest:.1f} %" if one.lowest else "–"
        limit = one.limit.name.lower().replace("_", "-")
        rows.append((one.owner, limit, shown(one.peak), shown(one.lowest), share))
    looked = "behind every order" if every == 1 else f"behind every {every:,}th order"
    notes = (f"The highest use, looked at {looked}, and the lowest value that the limit had.",)
    return Section("Limits", notes, ("of", "limit", "peak", "limit was", "used"), rows)


def _refusals(day: DayCounts) -> Section:
    rows = [
        (named(RejectReason, reason), named(Template, template), f"{count:,}")
        for template, reasons in enumerate(day.refused.tolist())
        for reason, count in enumerate(reasons)
        if count
    ]
    rows.sort(key=lambda row: -int(row[2].replace(",", "")))
    return Section("Refusals", (), ("reason", "of", "refused"), rows)


def _alarms(day: DayCounts) -> Section:
    rows = [
        (
            f"{int(one['sequence']):,}",
            time_text(int(one["time_ns"]))[:12],
            named(GuardianRule, int(one["kind"])),
            f"{int(one['value']):,}",
            f"{int(one['bound']):,}",
            named(GuardianAction, int(one["action"])),
        )
        for one in day.alarms[:ROWS_MAX]
    ]
    columns = ("message", "time", "rule", "found", "bound", "action")
    return Section("Alarms", () if rows else ("None.",), columns, rows)


def _operators(changes: Sequence[Mapping[str, object]]) -> Section:
    rows = [
        (
            f"{one['message']:,}",
            time_text(int(str(one["time_ns"])))[:12],
            str(one["author"] or "the exchange"),
            str(one["what"]),
            str(one["why"]),
            str(one["effect"]),
        )
        for one in changes[:ROWS_MAX]
    ]
    notes = [f"The first {ROWS_MAX} of {len(changes):,}; `ringbus log` has all."] * (
        len(changes) > ROWS_MAX
    )
    return Section("Operators", notes, ("message", "time", "who", "what", "why", "effect"), rows)


def _of_processes(figures: Figures | None) -> Iterator[Section]:
    """What no journal has."""
    if figures is None:
        yield Section(
            "Latency, readers, restarts",
            (
                "Not kept: `ringbus close-day` keeps them when it closes a day, and an exchange "
                "that is up is asked.",
            ),
        )
        return
    yield _latency(figures.latency)
    rows = [
        [str(name), *(f"{int(str(one)):,}" for one in counts)] for name, *counts in figures.readers
    ]
    notes = ("A reader that was overtaken has fetched from the journals what it had lost.",)
    columns = ("reader", "received", "lost", "overtaken")
    yield Section("Readers", notes, columns, rows)
    restarts = [(name, str(count)) for name, count in figures.restarts.items()]
    yield Section("Restarts", (), ("core", "started again"), restarts)


def _latency(latency: Mapping[str, Histogram]) -> Section:
    rows = [[name, f"{one.total:,}", *figures_of(one)] for name, one in latency.items()]
    notes = () if rows else ("Nothing was recorded.",)
    return Section("Latency", notes, HEADINGS, rows)


def _counted(kinds: type[IntEnum], counts: Counts) -> list[tuple[str, str]]:
    """By how many there are."""
    found = [(named(kinds, n), int(one)) for n, one in enumerate(counts.tolist()) if one]
    found.sort(key=lambda row: (-row[1], row[0]))
    return [(name, f"{one:,}") for name, one in found]


def _symbols(day: DayCounts) -> dict[int, str]:
    return {n: symbol for n, (symbol, _, _) in enumerate(day.instruments)}


def _money(value_1e4: int) -> str:
    return f"{Decimal(value_1e4) / 10_000:,.2f}"
