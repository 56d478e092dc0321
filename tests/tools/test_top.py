"""`ringbus top`: the real view, pressed by keys, while real clients trade and real cores die."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from tests.tools.conftest import Maker
from tests.tools.test_command import command
from tests.tools.test_placement import DEMO, ROWS, placements, topology
from tests.tools.watching import PATIENCE_S, Wish, beating, enter
from tools import cli
from tools.exchange import Exchange, launched
from tools.load import Load, Report, read_clients
from tools.orders import load_orders
from tools.units import rate_text, share_text
from tools.watch.aside import NICENESS
from tools.watch.lookout import Lookout
from tools.watch.panels import PANELS, Panel, spark
from tools.watch.screen import Top, Words

pytestmark = pytest.mark.xdist_group("processes")
ROOT = Path(__file__).resolve().parents[2]
Drive = Callable[[Top, Pilot[int]], Awaitable[None]]


def look_on(name: str, drive: Drive, size: tuple[int, int] = (80, 24), leaves: bool = False) -> Top:
    """Run the view in a terminal of that size for as long as `drive` takes."""

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await drive(app, pilot)

    lookout = Lookout(name)
    app = Top(lookout, time.time_ns, interval_s=0.1, leaves=leaves)
    try:
        asyncio.run(asyncio.wait_for(run(), 2 * PATIENCE_S))
    finally:
        lookout.close()
    return app


async def until(pilot: Pilot[int], is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, shown(pilot)
        await pilot.pause(0.05)


def cells(app: Top) -> dict[str, list[str]]:
    """The lines of the table by their first cell."""
    table = app.screen_stack[0].query_one("#table", DataTable)
    rows = [[str(cell) for cell in table.get_row_at(n)] for n in range(table.row_count)]
    return {row[0]: row for row in rows}


def said(app: Top) -> str:
    """What stands above the table."""
    return str(app.screen_stack[0].query_one("#summary", Static).render())


def shown(pilot: Pilot[int]) -> str:
    """All that is on the screen, as text."""
    app = pilot.app
    return "\n".join(
        "".join(segment.text for segment in strip)
        for strip in app.screen._compositor.render_strips()
    )


def is_on(app: Top, panel: Panel) -> bool:
    return app.panel is panel


def says(pilot: Pilot[int], text: str) -> bool:
    return text in shown(pilot)


def test_every_panel_fits_a_small_terminal(make: Maker) -> None:
    """80 by 24: the summary, the names of all panels, the table and the keys."""

    async def drive(app: Top, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: app.sample is not None and app.sample.healthy)
        for n, (name, panel) in enumerate(PANELS.items(), 1):
            await pilot.press(str(n))
            await until(pilot, partial(is_on, app, panel))
            # A screen is drawn some time after a key.
            every = [f"{at}{one}" for at, one in enumerate(PANELS, 1)]
            for text in ("day open", f"{n}{name}", *every, panel.columns[0]):
                await until(pilot, partial(says, pilot, text))
            screen = shown(pilot)
            assert "quit" in screen.splitlines()[-1]
            assert len(screen.splitlines()) == 24
            assert max(map(len, screen.splitlines())) == 80
        await pilot.press("tab")
        await until(pilot, lambda: app.panel is PANELS["cores"])
        await pilot.press("shift+tab")
        await until(pilot, lambda: app.panel is PANELS["events"])

    with launched(make(ports=1)) as exchange:
        look_on(exchange.name, drive)


def test_real_load_and_a_core_that_is_killed_meanwhile(tmp_path: Path) -> None:
    """Thirty-two clients trade while the view looks on and the port dies by SIGKILL."""
    name = f"top-{os.getpid()}"
    cores = [*placements(2)["two-cores"][:1], ["journal"], ["port.0"]]
    path = topology(tmp_path, name, 2, cores)

    is_seen = threading.Event()

    def trade() -> Report:
        """Half of the rows, then the others once the clients were seen connected."""
        with Load(exchange, read_clients(DEMO / "clients.csv")) as load:
            load.login()
            requests = load.dealer.deal(load_orders(ROWS, 4000))

            def wait(n: int) -> None:
                if n == 2000:
                    with beating(load.sessions):
                        assert is_seen.wait(PATIENCE_S)

            return load.exact(requests, wait)

    async def drive(app: Top, pilot: Pilot[int]) -> None:
        trading = asyncio.create_task(asyncio.to_thread(trade))
        await pilot.press("5")
        await until(pilot, lambda: traded(app) == 2000)
        await until(pilot, lambda: cells(app).get("CLI000", ["", ""])[1] == "connected")
        former = exchange.kill("core2")
        is_seen.set()
        await pilot.press("1")
        await until(pilot, lambda: cells(app).get("core2", [""] * 8)[7] == "1")
        await until(pilot, lambda: cells(app)["core2"][1] == "running")
        assert int(cells(app)["core2"][10].replace(",", "")) != former.pid
        report = await trading
        assert report.answered == 4000
        assert report.reconnects > 0
        await until(pilot, lambda: traded(app) == 4000)
        await pilot.press("6")
        await until(pilot, lambda: any(row[5] != "0" for row in cells(app).values()))
        await pilot.press("8")
        await until(pilot, lambda: "whole" in cells(app))
        await until(pilot, lambda: app.sample is not None and app.sample.behind_count == 0)

    def traded(app: Top) -> int:
        return 0 if app.sample is None else sum(one.requests_count for one in app.sample.sessions)

    with launched(path) as exchange:
        look_on(name, drive)


def test_keys_sort_look_into_hold_and_explain(make: Maker) -> None:
    async def drive(app: Top, pilot: Pilot[int]) -> None:
        await pilot.press("6")
        await until(pilot, lambda: cells(app).get("S1", ["", "", ""])[2] == "1.00")
        await until(pilot, lambda: [*cells(app)] == ["S0", "S1", "S2"])
        # By bid, the highest first; the cursor stays on its line.
        await pilot.press("down", *"sss")
        await until(pilot, lambda: [*cells(app)][:2] == ["S2", "S1"])
        await until(pilot, lambda: "bid▼" in shown(pilot))
        await pilot.press("r")
        await until(pilot, lambda: [*cells(app)] == ["S0", "S1", "S2"])
        await until(pilot, lambda: "bid▲" in shown(pilot))
        table = app.query_one("#table", DataTable)
        await until(pilot, lambda: str(table.get_row_at(table.cursor_row)[0]) == "S1")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Words))
        await until(pilot, lambda: "orders" in shown(pilot) and "1.00" in shown(pilot))
        # It goes on meanwhile.
        await asyncio.to_thread(order, Wish("ALICE", "B", 1, 10_300))
        await until(pilot, lambda: "1.03" in shown(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, Words))
        await pilot.press("question_mark")
        await until(pilot, lambda: "another panel" in shown(pilot))
        await pilot.press("q")
        await until(pilot, lambda: not isinstance(app.screen, Words))
        await pilot.press("space")
        await until(pilot, lambda: "HELD" in said(app))
        await asyncio.to_thread(order, Wish("ALICE", "B", 1, 10_400))
        await pilot.pause(0.5)
        assert cells(app)["S1"][2] == "1.03"
        await pilot.press("space")
        await until(pilot, lambda: cells(app)["S1"][2] == "1.04")
        await pilot.press("q")
        assert app.return_value is None

    def order(wish: Wish) -> None:
        enter(exchange, wish)

    with launched(make(ports=1)) as exchange:
        order(Wish("ALICE", "B", 1, 10_000))
        order(Wish("BOB", "B", 1, 20_000, "S2"))
        look_on(exchange.name, drive)


def test_a_large_terminal_shows_latency_and_events_too(make: Maker) -> None:
    """Commands come as they are said, wherever one looks."""

    async def drive(app: Top, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "the day begins" in shown(pilot))
        done = command(exchange, "state", "S1", "halted")
        assert done.returncode == 0, done.stderr
        await until(pilot, lambda: "set S1 to halted" in shown(pilot))
        await until(pilot, lambda: "port to sequencer" in shown(pilot))
        await until(pilot, lambda: "commands 1" in said(app))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "set S1 to halted" not in shown(pilot))
        await until(pilot, lambda: "engine" in app.export_screenshot(title="top"))
        assert "<svg" in app.export_screenshot(title="top")

    with launched(make(ports=1)) as exchange:
        look_on(exchange.name, drive, (140, 48))


def test_it_says_when_the_exchange_goes_and_when_it_comes(make: Maker) -> None:
    path = make()
    running: list[Exchange] = []

    async def drive(app: Top, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "day open" in said(app))
        running.pop().down()
        await until(pilot, lambda: "is not up" in said(app))
        await until(pilot, lambda: "waiting for it to come up" in said(app))
        # What was last seen stays.
        assert "engine" in cells(app)
        path.write_text(path.read_text().replace('"out"', '"again"'))
        with launched(path):
            await until(pilot, lambda: "day open" in said(app))
            assert app.sample is not None
            await until(pilot, lambda: app.sample is not None and app.sample.healthy)

    with launched(path) as exchange:
        running.append(exchange)
        look_on(exchange.name, drive)


def test_it_ends_with_the_exchange_if_it_is_told_to(make: Maker) -> None:
    async def drive(app: Top, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "day open" in said(app))
        exchange.down()
        await until(pilot, lambda: app.return_value == 1)

    with launched(make()) as exchange:
        assert look_on(exchange.name, drive, leaves=True).return_value == 1


def test_once_as_text_and_as_json(make: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    def ringbus(*words: str) -> str:
        line = [sys.executable, "-m", "tools.cli", "top", exchange.name, "--interval", "0.1"]
        return subprocess.run(
            [*line, *words], capture_output=True, text=True, check=True, timeout=90, cwd=ROOT
        ).stdout

    with launched(make(ports=1)) as exchange:
        enter(exchange, Wish("ALICE", "B", 5, 10_000), Wish("BOB", "S", 2, 10_000))
        text = ringbus("--once")
        sessions = ringbus("--once", "--panel", "sessions", "--panel", "limits")
        document = json.loads(ringbus("--json"))
    assert "day open" in text.splitlines()[0]
    assert [line for line in text.splitlines() if line in PANELS] == [*PANELS]
    assert "the day begins, test" in text
    assert [line for line in sessions.splitlines() if line in PANELS] == ["sessions", "limits"]
    assert [one["executions_count"] for one in document["sessions"]] == [1, 1]
    assert document["heard"] == document["tail"]
    assert cli.main(["top", "nobody-is-called-so", "--once"]) == 1
    assert "is not up" in capsys.readouterr().err
    assert cli.main(["top", "a b"]) == 1
    assert "cannot name shared memory" in capsys.readouterr().err


def test_it_stands_aside() -> None:
    """In a process of its own: low priority, and off the CPUs of cores that never sleep."""
    cpus = sorted(os.sched_getaffinity(0))
    program = (
        "import os; from tools.watch.aside import stand_aside; "
        f"stand_aside({{{cpus[0]}}}); print(os.nice(0), *sorted(os.sched_getaffinity(0)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    niceness, *left = map(int, done.stdout.split())
    assert niceness >= NICENESS
    assert left == (cpus[1:] or cpus)


def test_numbers_as_people_read_them() -> None:
    rates = {0.0: "0", 0.25: "0.25", 12.34: "12.3", 999.6: "1,000", 45_600.0: "45.6 k"}
    rates |= {999_499.0: "999 k", 999_500.0: "1.00 M", 12_345_678.0: "12.3 M"}
    assert {value: rate_text(value) for value in rates} == rates
    assert (share_text(None), share_text(0.1234)) == ("–", "12.3 %")
    assert spark([0, 5, 10]) == "▁▄█"
    assert spark([]) == spark([0])[:0]
