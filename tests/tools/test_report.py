"""A day's report: every number is one that a plain reading of the messages comes to."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from ringbus.application import line_of
from ringbus.journal import read_day
from ringbus.lines import Canceled, Executed, InstrumentDefinition, NewOrder, Reject, Rejected
from ringbus.messages import RejectReason, RiskLimit, Template
from tests.tools import days
from tests.tools.conftest import Maker
from tests.tools.test_command import command
from tests.tools.test_trading_day import GTC, WHO, ask, next_day, ringbus
from tools.day_counts import DayCounts, count, limits_used
from tools.exchange import launched
from tools.report import html_of, report_of


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return days.record(tmp_path_factory.mktemp("report"))


def test_counts_are_those_of_a_plain_reading(journal: Path) -> None:
    stream = read_day(journal)
    day = DayCounts()
    # Cut anywhere: half of a trade may be in the next batch.
    for at in range(0, len(stream), 97):
        day.hear(stream[at : at + 97])
    lines = [line_of(stream, n) for n in range(len(stream))]
    ticks = {one.instrument: one.tick_1e4 for one in lines if isinstance(one, InstrumentDefinition)}
    orders, trades, volume, notional = Counter(), Counter(), Counter(), Counter()  # type: ignore[var-annotated]
    refused: Counter[tuple[int, int]] = Counter()
    canceled: Counter[int] = Counter()
    for one in lines:
        if isinstance(one, NewOrder):
            orders[one.instrument] += 1
        elif isinstance(one, Executed):
            trades[one.instrument] += 1
            volume[one.instrument] += one.quantity
            notional[one.instrument] += one.quantity * one.price_ticks * ticks[one.instrument]
        elif isinstance(one, Rejected | Reject):
            refused[one.refused_template, one.reason] += 1
        elif isinstance(one, Canceled):
            canceled[one.reason] += 1
    assert sum(trades.values()) > 500
    of = day.by_instrument
    for n in ticks:
        assert (int(of.orders[n]), int(of.sides[n])) == (orders[n], trades[n])
        assert (int(of.quantity[n]), of.notional_1e4(n)) == (volume[n], notional[n])
    assert {
        (template, reason): int(day.refused[template, reason]) for template, reason in refused
    } == refused
    assert int(day.refused.sum()) == sum(refused.values())
    assert all(int(day.canceled[reason]) >= times for reason, times in canceled.items())
    counted = Counter(stream["template_id"].tolist())
    assert {n: int(times) for n, times in enumerate(day.templates) if times} == counted
    assert (day.messages, day.gaps, day.backwards) == (len(stream), 0, 0)


def test_gaps_and_time_that_goes_back_are_found(journal: Path) -> None:
    stream = read_day(journal).copy()
    lacking = stream[[*range(50), *range(60, 200)]]
    lacking["time_ns"][100] = 1
    day = count([lacking[:120], lacking[120:]])
    assert (day.gaps, day.backwards) == (1, 1)


@pytest.mark.xdist_group("processes")
def test_the_report_of_a_closed_day(make: Maker, tmp_path: Path) -> None:
    """R56: limits used, orders kept, latency and readers as the processes had them, as one file."""
    path = make(ports=1, shards=2)
    with launched(path) as exchange:
        account = str(exchange.configuration.participants[0].account)
        assert command(exchange, "limit", "--account", account, "open-orders", "4").returncode == 0
        ask("ALICE", exchange, {**GTC, "quantity": 7}, {"symbol": "S2"}, {"symbol": "S0"})
        ask("BOB", exchange, {"side": "S", "quantity": 5, "tif": "3"})
        up = ringbus("report", exchange.name)
        assert up.returncode == 0, up.stderr
        assert re.search(r"ended +no: it has no EndOfDay", up.stdout)
        rolled = ringbus("roll", next_day(path, "20230712"), *WHO)
        assert rolled.returncode == 0, rolled.stderr
        exchange.down()
    out = exchange.directory
    file = tmp_path / "day.html"
    done = ringbus("report", out / "journal-20230711", "--html", file, "--text")
    assert done.returncode == 0, done.stderr
    for said in (
        r"ended +yes",
        r"expired +2 orders",
        r"To the next day go 1 orders \(2\)\.",
        r"account 101 \(ALICE\) +open-orders +3 +4 +75.0 %",
        r"S1 +2 +1 +5 +5.00",
        r"ACME +3 +1 +5 +5.00",
        r"close the day: take no more orders +end of the day",
        r"shard to publisher +\d+",
        r"journal +\d+ +0 +0",
    ):
        assert re.search(said, done.stdout), (said, done.stdout)
    page = file.read_text()
    assert page.startswith("<!doctype html>")
    assert "open-orders" in page
    assert not re.search(r"(src|href)=", page)
    today = ringbus("report", out)
    assert "1 orders (2) were carried over, 0 were not" in today.stdout
    assert "Not kept: `ringbus close-day` keeps them" in today.stdout


def test_what_others_wrote_is_not_html() -> None:
    from tools.report_sections import Section

    page = html_of("a<b", [Section("Operators", ("<i>",), ("who",), [("<script>",)])])
    assert "<script>" not in page
    assert "<i>" not in page
    assert "a&lt;b" in page


def test_a_limit_is_seen_where_it_was_reached(make: Maker) -> None:
    """The worst case as the sequencer reckons it: what refused an order is what is shown."""
    with launched(make(ports=1, shards=1)) as exchange:
        account = str(exchange.configuration.participants[0].account)
        command(exchange, "limit", "--account", account, "open-long", "250000")
        shown = ask("ALICE", exchange, {"quantity": 20}, {"quantity": 5}, {"quantity": 6})
        assert [type(one).__name__ for one in shown[-3:]] == [
            "OrderAccepted",
            "OrderAccepted",
            "OrderRejected",
        ]
    stream = read_day(exchange.directory / "journal")
    day = count([stream])
    (used,) = limits_used(day, iter([stream]))
    assert (used.limit, used.lowest, used.peak) == (RiskLimit.OPEN_LONG, 250_000, 250_000)
    assert int(day.refused[Template.NEW_ORDER, RejectReason.OPEN_LONG_LIMIT]) == 1
    title, found = report_of(str(exchange.directory))
    assert "Limits" in [one.title for one in found], title
