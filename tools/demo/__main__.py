"""`make demo`: a day of the Shanghai Stock Exchange through this exchange, trade for trade.

Starts the exchange, sends the orders and cancels of the opening call, of the continuous day and of
the closing call through 32 real TCP clients in their exact order, kills the client port half-way
with SIGKILL, and compares with the exchange's own record: every trade, in crosses and outside, the
final book, every message that every client got. Replays the journal through a fresh engine and
compares every byte. Then paced load for latency. Exit code 1 on any difference.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ringbus.journal import read_day
from ringbus.messages import InstrumentState
from ringbus.multicast import Reader
from tools.curves import draw
from tools.demo.calls import Calls
from tools.exchange import Exchange, launched
from tools.expected import (
    Comparison,
    OrderIds,
    client_messages,
    compare,
    crosses,
    expected_book,
    expected_crosses,
    expected_trades,
    resting,
    trades,
)
from tools.hops import collect, collect_since, of_hops, table
from tools.load import Load, Report, read_clients
from tools.memory import Attachment
from tools.orders import load_orders
from tools.recording import about, write_snapshot
from tools.replay_day import replay_day

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DATA = ROOT / "tests" / "data" / "sse_20230711"
OUTPUT = ROOT / "demo-output"
JOURNAL_SECONDS = 10.0
# The first rows of the continuous day: the book that the opening leaves, which is there already.
OPENBOOK_ROWS = 1905


@dataclass(slots=True)
class Outcome:
    """One line of the summary."""

    what: str
    result: str
    good: bool


@dataclass(slots=True)
class Demo:
    """What the demo is run with, and what came of it."""

    exchange: Exchange
    console: Console
    rows: int | None
    rate: float
    paced_rows: int
    outcomes: list[Outcome] = field(default_factory=list)

    def note(self, what: str, result: str, good: bool = True) -> None:
        """Add a line to the summary."""
        self.outcomes.append(Outcome(what, result, good))

    def compared(self, what: str, comparison: Comparison) -> None:
        """Add a comparison to the summary."""
        self.note(what, str(comparison), comparison.identical)

    @property
    def good(self) -> bool:
        """Whether everything was as it must be."""
        return all(outcome.good for outcome in self.outcomes)


def bar(console: Console) -> Progress:
    """A progress bar with a count and a clock."""
    return Progress(
        TextColumn("{task.description:<34}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def recorded(demo: Demo) -> NDArray[np.void]:
    """The stream up to now, from the journal's files, once they hold all of it.

    Raises: TimeoutError: the journal does not catch up.
    """
    directory = demo.exchange.configuration.topology.journal_directory
    with Attachment(demo.exchange.name) as shared:
        tail = Reader(shared.attach("stream")).tail
    deadline = time.monotonic() + JOURNAL_SECONDS
    while len(day := read_day(directory)) < tail:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the journal holds {len(day):,} of {tail:,} messages")
        time.sleep(0.05)
    return day


def hold_call(demo: Demo, load: Load, name: str) -> None:
    """Orders of a call are collected, and crossed by the auction application."""
    requests = load.dealer.deal(load_orders(DATA / f"{name}.csv.gz"))
    with Calls(demo.exchange) as calls:
        if name == "opening":
            calls.refer()
        calls.become(InstrumentState.PRE_OPEN, f"{name} call")
        report = load.exact(requests)
        calls.become(InstrumentState.AUCTION, f"{name} ends")
        calls.await_state(InstrumentState.CONTINUOUS)
    load.settle()
    demo.note(
        f"{name} call: orders and cancels sent", f"{report.requests:,} in {report.seconds:.1f} s"
    )


def check_cross(demo: Demo, load: Load, stream: NDArray[np.void], name: str) -> None:
    """The trades of a call, pair by pair; the second of the day is none of an opening."""
    ids = OrderIds([session.topic for session in load.sessions], load.dealer.order_ids)
    found = crosses(stream, ids, demo.exchange.configuration.instruments)
    by = {"opening": "opening", "halt": "closing"}
    named = (replace(one, cross=by[one.cross]) for one in found)
    wanted = expected_crosses(DATA / "expected_crosses.csv.gz")
    comparison = compare(
        (one for one in wanted if one.cross == name), (one for one in named if one.cross == name)
    )
    demo.compared(f"{name} cross against the exchange's own", comparison)


def send_day(demo: Demo, load: Load) -> Report:
    """The continuous day in exact order; half-way the client port is shot in the head."""
    rows = load_orders(DATA / "inbound.csv.gz", demo.rows)
    requests = load.dealer.deal(rows[OPENBOOK_ROWS:])
    half = len(requests) // 2
    with bar(demo.console) as progress:
        task = progress.add_task("Shanghai day, exact order", total=len(requests))

        def on_row(n: int) -> None:
            if n == half:
                demo.exchange.kill("edge")
                progress.console.print("client port killed with SIGKILL; clients come back …")
            if n % 256 == 0:
                progress.update(task, completed=n)

        report = load.exact(requests, on_row)
        progress.update(task, completed=len(requests))
    load.settle()
    demo.note(
        "orders and cancels sent",
        f"{report.requests:,} in {report.seconds:.1f} s ({report.rate:,.0f}/s, one at a time)",
    )
    came_back = report.reconnects >= len(load.sessions)
    demo.note("client port killed, clients back", f"{report.reconnects} sessions", came_back)
    return report


def check_day(demo: Demo, load: Load) -> None:
    """Trades, and replay of the journal with the final book."""
    configuration = demo.exchange.configuration
    stream = recorded(demo)
    ids = OrderIds([session.topic for session in load.sessions], load.dealer.order_ids)
    whole = demo.rows is None
    check_cross(demo, load, stream, "opening")
    wanted: Iterator[object] = expected_trades(DATA / "expected_trades.csv.gz")
    found = trades(stream, ids, configuration.instruments)
    if not whole:
        made = list(found)
        wanted, found = islice(wanted, len(made)), iter(made)
    demo.compared("trades against the exchange's own", compare(wanted, found))
    final: list[object] = []
    report = replay_day(
        configuration.topology.journal_directory,
        look=lambda books: final.extend(resting(books, ids, configuration.instruments)),
    )
    demo.note(
        "journal through a fresh engine",
        f"{report.messages:,} messages byte-identical ({report.rate / 1e6:.1f} M/s)"
        if report.identical
        else str(report.divergence),
        report.identical,
    )
    if whole and report.identical:
        wanted = expected_book(DATA / "expected_final_book.csv.gz")
        demo.compared("final book", compare(wanted, iter(final)))


def check_clients(demo: Demo, load: Load, stream: NDArray[np.void]) -> None:
    """What every client was sent, from the first call on."""
    messages = 0
    wrong = []
    instruments = demo.exchange.configuration.instruments
    wanted = [client_messages(stream, one.topic, instruments) for one in load.sessions]
    load.await_messages([len(one) for one in wanted])
    for session, expected in zip(load.sessions, wanted, strict=True):
        comparison = compare(iter(expected), iter(session.received))
        messages += comparison.count
        if not comparison.identical:
            wrong.append(f"{session.user}: {comparison}")
    demo.note(
        "messages to 32 clients, none missing or twice",
        wrong[0] if wrong else f"{messages:,} identical",
        not wrong,
    )


def measure(demo: Demo, load: Load) -> None:
    """Paced load, and the latency of every hop under it."""
    rows = load_orders(DATA / "inbound.csv.gz", demo.paced_rows)
    requests = load.dealer.deal(rows)
    title = f"{len(requests):,} requests at {demo.rate:,.0f}/s through {len(load.sessions)} clients"
    name, start_s = demo.exchange.name, time.time()
    document = about(name, demo.exchange.state, start_s, title)
    before = collect(name)
    with bar(demo.console) as progress:
        task = progress.add_task(f"paced load, {demo.rate:,.0f}/s", total=len(requests))
        report = load.paced(requests, demo.rate, lambda n: progress.update(task, completed=n))
    hops = collect_since(name, before)
    end_s = time.time()
    write_snapshot(hops, OUTPUT / "latency", document, end_s)
    draw(of_hops(hops), OUTPUT / "latency" / "latency.png", title)
    demo.note(
        "paced load answered",
        f"{report.answered:,} of {report.requests:,} at {demo.rate:,.0f}/s",
        report.answered == report.requests,
    )
    text = table(hops, end_s - start_s, document["sampling"])
    demo.console.print(text, highlight=False, soft_wrap=True)


def summary(demo: Demo) -> Table:
    """The table at the end."""
    table = Table(title="a market day, reproduced", title_justify="left")
    table.add_column("what")
    table.add_column("result")
    table.add_column("")
    for outcome in demo.outcomes:
        mark = "[green]ok[/green]" if outcome.good else "[red]DIFFERS[/red]"
        table.add_row(outcome.what, outcome.result, mark)
    return table


def main(argv: list[str] | None = None) -> int:
    """Run the demo; 0 when everything was identical."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--rows", type=int, help="first rows of the day only (quick look)")
    parser.add_argument("--rate", type=float, default=2000.0, help="paced load, requests a second")
    parser.add_argument("--paced-rows", type=int, default=20000)
    args = parser.parse_args(argv)
    # A pipe has no width: the summary gets what it needs.
    console = Console() if sys.stdout.isatty() else Console(width=110)
    shutil.rmtree(OUTPUT, ignore_errors=True)
    start = time.monotonic()
    with launched(HERE / "demo.toml") as exchange:
        demo = Demo(exchange, console, args.rows, args.rate, args.paced_rows)
        with Load(exchange, read_clients(HERE / "clients.csv")) as load:
            load.login()
            hold_call(demo, load, "opening")
            send_day(demo, load)
            check_day(demo, load)
            if demo.rows is None:
                hold_call(demo, load, "closing")
            stream = recorded(demo)
            if demo.rows is None:
                check_cross(demo, load, stream, "closing")
            check_clients(demo, load, stream)
            measure(demo, load)
    console.print(summary(demo))
    console.print(f"latency: {OUTPUT / 'latency' / 'latency.png'}", soft_wrap=True)
    console.print(f"{time.monotonic() - start:.0f} s in all", highlight=False)
    return 0 if demo.good else 1


if __name__ == "__main__":
    sys.exit(main())
