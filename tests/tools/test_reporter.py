"""Trades reported to a facility in a process of its own; both sides are killed under flow."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ports.ouch import OrderExecuted
from ports.ouch_client import OuchClient
from ports.trade_reports import Names
from ports.trades import Trades
from ringbus.messages import TRADE_REPORTED, Template, TradeChangeKind
from ringbus.metrics import Metrics
from tests.tools.conftest import Maker
from tests.tools.test_applications import stream_of
from tests.tools.test_bust import said
from tests.tools.test_launcher import ringbus
from tests.tools.watching import PATIENCE_S, free_port
from tools.exchange import Exchange, launched
from tools.memory import Attachment

KILLS = 3  # of either side
SESSION = "20230711"


def reporter(tcp: int, window: int = 16) -> str:
    """The topology's part; a small window, so that it is full and goes on."""
    return (
        f'[[application]]\nname = "reporter.0"\nkind = "reporter"\ntcp = {tcp}\n'
        f"heartbeat_s = 1\nwindow = {window}\n"
        f'[[core]]\nname = "reporter"\nagents = ["reporter.0"]\n'
    )


class Facility:
    """`ringbus facility` in a process of its own."""

    def __init__(self, output: Path, tcp: int, *more: str) -> None:
        self.output = output
        self._command = [sys.executable, "-m", "tools.cli", "facility"]
        self._command += ["--tcp", str(tcp), "--output", str(output), *more]
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert "FACILITY at" in process.stdout.readline()
        return process

    def kill(self) -> None:
        """With SIGKILL; the next one finds its file."""
        self.process.kill()
        self.end()
        self.process = self._start()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def reports(self) -> list[dict[str, object]]:
        """What stands in its file."""
        return [json.loads(line) for line in self.output.read_text().splitlines()]


@contextmanager
def facility(output: Path, tcp: int, *more: str) -> Iterator[Facility]:
    one = Facility(output, tcp, *more)
    try:
        yield one
    finally:
        one.end()


def trades_of(stream: NDArray[np.void]) -> NDArray[np.void]:
    return Trades().take(stream)


def reported(stream: NDArray[np.void]) -> NDArray[np.void]:
    """What the reporter has said."""
    out: NDArray[np.void] = stream[stream["template_id"] == Template.TRADE_REPORTED]
    return out.view(TRADE_REPORTED)


def await_reported(exchange: Exchange) -> NDArray[np.void]:
    """The stream, once it says that all its trades are reported."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        stream = stream_of(exchange)
        said_, trades = reported(stream), trades_of(stream)
        if len(trades) == 0 or (len(said_) and said_["reported"][-1] >= trades["last"][-1]):
            return stream
        time.sleep(0.05)
    raise AssertionError(f"reported up to {reported(stream)[-1:]}, traded {trades['last'][-1]}")


def assert_same(reports: list[dict[str, object]], trades: NDArray[np.void], by: Names) -> None:
    """Each row of the stream's trades is in the file once, and nothing else is."""
    names = [one["id"] for one in reports]
    assert len(set(names)) == len(names)
    assert sorted(map(str, names)) == sorted(by.of(int(row["sequence"])) for row in trades)
    by_name = {one["id"]: one for one in reports}
    for row in trades:
        one = by_name[by.of(int(row["sequence"]))]
        # A tick is a hundredth.
        assert one["symbol"] == f"S{row['instrument']}"
        assert (one["quantity"], one["price"]) == (row["quantity"], row["price_ticks"] * 100)
        assert one["transaction"] == {0: "0", 1: "1", 2: "2"}[int(row["kind"])]
        refers_to = by.of(int(row["match"])) if row["kind"] else ""
        assert one["refers_to"] == refers_to
        assert one["sides"] == [
            {
                "side": str(n + 1),
                "order": f"{row[f'{side}_session']}-{row[f'{side}_order']}",
                "firm": str(row[f"{side}_firm"]),
                "account": str(row[f"{side}_account"]),
            }
            for n, side in enumerate(("buyer", "seller"))
        ]


async def trade(exchange: Exchange, count: int, stop: asyncio.Event | None = None) -> list[int]:
    """Two clients trade so often, and until they are told to stop; returns the match numbers."""
    host, tcp = exchange.port("port.0")
    matches: list[int] = []
    async with (
        OuchClient(host, tcp, "ALICE", "SECRET") as alice,
        OuchClient(host, tcp, "BOB", "SECRET") as bob,
    ):
        while len(matches) < count or (stop is not None and not stop.is_set()):
            price = 10_000 + 100 * (len(matches) % 7)
            symbol = f"S{len(matches) % 3}"
            await bob.enter(symbol=symbol, side="S", quantity=1, price=price)
            await alice.enter(symbol=symbol, side="B", quantity=1, price=price)
            async with asyncio.timeout(PATIENCE_S):
                async for _, message in alice.events():
                    if isinstance(message, OrderExecuted):
                        matches.append(message.match_number)
                        break
    return matches


def torment(exchange: Exchange, of: Facility) -> None:
    """Kill one side, then the other, with what is on its way between them."""
    for _ in range(KILLS):
        of.kill()
        former = exchange.kill("reporter")
        exchange.await_restart("reporter", former)


async def _day(exchange: Exchange, of: Facility) -> None:
    stop = asyncio.Event()
    trading = asyncio.create_task(trade(exchange, 50, stop))
    await asyncio.to_thread(torment, exchange, of)
    stop.set()
    matches = await trading
    for words in (
        ("bust", str(matches[3])),
        ("correct", str(matches[5]), "2"),
        ("correct", str(matches[5]), "3"),
        ("bust", str(matches[5]), "--why", "external"),
    ):
        done = await asyncio.to_thread(said, exchange, *words)
        assert done.returncode == 0, done.stderr
        if words[0] == "correct":
            former = exchange.kill("reporter")
            await asyncio.to_thread(exchange.await_restart, "reporter", former)


@pytest.mark.xdist_group("processes")
def test_each_trade_is_reported_once_whoever_is_killed(make: Maker, tmp_path: Path) -> None:
    """R38: the facility's file and the stream's trades are the same, after kills of both sides."""
    tcp = free_port()
    with (
        facility(tmp_path / "reports.jsonl", tcp) as of,
        launched(make(ports=1, extra=reporter(tcp))) as exchange,
    ):
        asyncio.run(_day(exchange, of))
        stream = await_reported(exchange)
        reports = of.reports()
        directory = exchange.directory / "journal"
    trades = trades_of(stream)
    assert (trades["kind"] == TradeChangeKind.BUST).sum() == 2
    assert (trades["kind"] == TradeChangeKind.CORRECT).sum() == 2
    assert_same(reports, trades, Names(SESSION, int(stream["time_ns"][0])))
    told = reported(stream)
    assert set(told["refused"].tolist()) == {0}
    # One line speaks of many.
    assert len(told) < len(trades)
    # What it said goes through the engine again, byte for byte.
    replayed = ringbus("replay", directory)
    assert replayed.returncode == 0, replayed.stdout


@pytest.mark.xdist_group("processes")
def test_a_facility_that_is_away_is_told_later_and_what_it_refuses_is_said(
    make: Maker, tmp_path: Path
) -> None:
    """More trades than the window holds wait in the journal; refusals are on the stream."""
    tcp = free_port()
    with launched(make(ports=1, extra=reporter(tcp))) as exchange:
        matches = asyncio.run(trade(exchange, 60))
        assert len(reported(stream_of(exchange))) == 0
        with facility(tmp_path / "reports.jsonl", tcp, "--unknown", "S1") as of:
            stream = await_reported(exchange)
            reports = of.reports()
        with Attachment(exchange.name) as shared:
            counters = Metrics.attach(shared.attach("metrics.reporter")).counters()
    told = reported(stream)
    refused = told[told["refused"] > 0]
    # Every third trade is of S1; each is named, with FIX's word for an unknown instrument.
    assert refused["refused"].tolist() == matches[1::3]
    assert set(refused["reason"].tolist()) == {2}
    assert int(told["reports"].sum()) == len(matches)
    counted = [counters[f"reporter.0 {what}"] for what in ("sent", "answered", "refused")]
    assert counted == [60, 60, 20]
    assert counters["reporter.0 calls"] > 1
    names = {str(one["id"]).rpartition("-")[2] for one in reports}
    assert names == {str(match) for n, match in enumerate(matches) if n % 3 != 1}
