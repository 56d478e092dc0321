"""Recordings: written interval by interval, of a real exchange too, read back as they were."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ringbus.core import DUTY, STALLS
from ringbus.histogram import Histogram
from ringbus.metrics import Metrics, page_bytes
from ringbus.segment import Segment, listing, segment_name, unlink
from ringbus.status import FormatError, NotFoundError
from tests.tools.conftest import Maker
from tests.tools.test_command import order
from tests.tools.test_placement import DEMO, ROWS, placements, topology
from tools.curves import draw
from tools.exchange import launched
from tools.follow import Plan, follow
from tools.hist import main
from tools.hist_live import Live, sparkline
from tools.hops import collect, sampling
from tools.intervals import Intervals
from tools.load import HOP
from tools.pictures import draw_over_time
from tools.recording import Recorder, read, read_all

ROOT = Path(__file__).resolve().parents[2]


def recorded(*values: int) -> Histogram:
    histogram = Histogram()
    histogram.record_many(np.array(values, np.uint64))
    return histogram


class Page:
    """The metrics page of a core of an exchange that has no launcher."""

    def __init__(self, exchange: str, core: str) -> None:
        self.name = segment_name(exchange, f"metrics.{core}")
        self.segment = Segment.create(self.name, page_bytes())
        self.metrics = Metrics.create(self.segment)

    def close(self) -> None:
        self.segment.close()
        unlink(self.name)


def write(exchange: str, directory: Path, intervals: list[list[int]]) -> None:
    """A recording of the hop `whole`, an interval a second from 1000 s on."""
    page = Page(exchange, "core0")
    whole = page.metrics.histogram("whole")
    page.metrics.histogram("never")
    watch = Intervals(exchange)
    with Recorder(watch, directory, 1000.0, "a note") as recorder:
        for n, values in enumerate(intervals):
            whole.record_many(np.array(values, np.uint64))
            recorder.add(watch.step(), 1001.0 + n)
        recorder.finish()
    page.close()


def test_a_recording_reads_back(exchange: str, tmp_path: Path) -> None:
    write(exchange, tmp_path, [[5, 7], [], [1_000_000]])
    recording = read(tmp_path)
    assert recording.histograms() == {"whole": recorded(5, 7, 1_000_000), "never": Histogram()}
    assert recording.histograms()["whole"].max == 1_000_000
    assert recording.seconds == 3.0
    assert recording.about["note"] == "a note"
    assert recording.about["date"] == "1970-01-01T00:16:40+00:00"
    assert recording.about["jitter"] is None
    assert recording.host["settings"]
    # A hop without records has no line but the first, so that it is known by name.
    tags = [one.tag for one in recording.intervals()]
    assert sorted(tags) == ["never", "whole", "whole"]
    assert {path.name for path in tmp_path.glob("*.hgrm")} == {"whole.hgrm"}


def test_percentiles_over_time(exchange: str, tmp_path: Path) -> None:
    write(exchange, tmp_path, [[100 + n] * 10 for n in range(12)])
    moments = read(tmp_path).over_time(4, [50.0])["whole"]
    assert [(one.start_s, one.end_s, one.total) for one in moments] == [
        (1000 + 3 * n, 1003 + 3 * n, 30) for n in range(4)
    ]
    assert [one.values_ns for one in moments] == [(101,), (104,), (107,), (110,)]
    assert [one.max_ns for one in moments] == [102, 105, 108, 111]
    assert len(read(tmp_path).over_time(100, [50.0])["whole"]) == 12


def test_main_shows_a_recording_over_time(
    exchange: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(exchange, tmp_path, [[100] * 10, [90_000] * 10])
    assert main([str(tmp_path), "--over-time", "--picture", str(tmp_path / "a.svg")]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["whole,", "s", "count", "p50", "p99", "p99.9", "max"]
    assert lines[2] == ["0.0", "…", "1.0", "10", *["100", "ns"] * 4]
    assert lines[3] == ["1.0", "…", "2.0", "10", *["90.0", "µs"] * 4]
    assert "p99.9" in (tmp_path / "a.svg").read_text()


def test_a_killed_recorder_leaves_what_it_had(exchange: str, tmp_path: Path) -> None:
    """SIGKILL of the process in the middle; the log and what is said of it are whole."""
    page = Page(exchange, "core0")
    command = [sys.executable, "-m", "tools.hist", exchange, "--seconds", "600"]
    command += ["--interval", "0.05", "--output", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as recorder:
        assert recorder.stdout is not None
        assert recorder.stdout.readline().startswith("recording")
        log = tmp_path / "out" / "latency.hlog"
        deadline = time.monotonic() + 60
        while len(log.read_text().splitlines()) < 12:
            assert time.monotonic() < deadline
            page.metrics.histogram("whole").record(50)
            time.sleep(0.01)
        recorder.kill()
    page.close()
    recording = read(tmp_path / "out")
    assert recording.histograms()["whole"].total > 5
    assert recording.about["exchange"] == exchange


def test_a_core_that_was_started_anew_goes_on(exchange: str) -> None:
    """Its page is the same; one that was made anew counts from nothing, and nothing is lost."""
    page = Page(exchange, "core0")
    page.metrics.histogram("whole").record(100)
    watch = Intervals(exchange)
    page.metrics.histogram("whole").record(200)
    assert watch.step() == {"whole": recorded(200)}
    page.close()
    page = Page(exchange, "core0")
    page.metrics.histogram("whole").record(300)
    page.metrics.histogram("another").record(1)
    assert watch.step() == {"whole": recorded(300), "another": recorded(1)}
    assert watch.totals == {"whole": recorded(200, 300), "another": recorded(1)}
    page.close()
    with pytest.raises(NotFoundError):
        watch.step()


def test_what_is_no_recording_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no recording"):
        read(tmp_path)
    (tmp_path / "latency.hlog").write_text("")
    assert read(tmp_path).histograms() == {}
    assert read(tmp_path).seconds == 0.0
    (tmp_path / "recording.json").write_text('{"format": 77}')
    with pytest.raises(FormatError, match="another format"):
        read_all(tmp_path)
    (tmp_path / "recording.json").write_text("{")
    with pytest.raises(FormatError):
        read(tmp_path)


def test_sparklines_show_factors() -> None:
    assert sparkline([100, 1000, 10_000]) == "▁▄█"
    assert sparkline([0, 100, 0]) == " ▁ "
    # A change of 1 % is no storm.
    assert sparkline([1000, 1010]) == "▁▁"
    assert sparkline([]) == ""


def test_the_live_view_shows_the_last_interval_and_the_tail_before_it() -> None:
    live = Live("x", {f"{DUTY}shard.0": 16})
    console = Console(width=140, record=True, file=io.StringIO())
    for n in range(3):
        interval = {
            "whole": recorded(*[1000 * 10**n] * 50),
            f"{DUTY}shard.0": recorded(1_000_000),
            f"{STALLS}engine": recorded(50_000),
        }
        live.update(interval, 0.5)
    for table in live.tables():
        console.print(table)
    text = console.export_text()
    rows = {
        line.split("│")[1].strip(): line.split("│") for line in text.splitlines() if "│" in line
    }
    assert [cell.strip() for cell in rows["whole"][2:4]] == ["100", "100 µs"]
    assert rows["whole"][7].strip() in ("▁▄█", "▁▅█")
    assert rows["shard.0"][2].strip() == "3.20 %"
    assert rows["engine, stalls"][2].strip() == "0.010 %"


@pytest.mark.xdist_group("processes")
def test_a_real_exchange_is_recorded_with_all_that_belongs_to_it(
    make: Maker, tmp_path: Path
) -> None:
    """R105: every hop, every agent's turns, every core's stalls; host, configuration and jitter."""
    path = make(ports=1)
    with launched(path) as exchange:
        plan = Plan(0.6, 0.2, False, tmp_path / "out", "orders", None)
        sent = 0

        def wait(seconds: float) -> None:
            nonlocal sent
            for _ in range(40):
                sent += 1
                order(exchange, sent)

        clock = iter([1000.0 + 0.2 * n for n in range(10)])
        found = follow(exchange.name, plan, clock.__next__, wait, Console())
        hash_ = exchange.configuration.hash
        assert found.ended == ""
        every = sampling(exchange.name)
    recording = read(tmp_path / "out")
    hops = recording.histograms()
    for hop in ("port to sequencer", "whole"):
        assert hops[hop].total >= sent
    for hop in ("sequencer to shard", "shard to publisher", "publisher to reader"):
        assert 0 < hops[hop].total < hops["whole"].total
    assert hops["publisher to journal"].total > 0
    assert hops["journal to disk"].total > 0
    agents = ["sequencer", "shard.0", "shard.1", "publisher", "journal", "port.0"]
    assert {f"{DUTY}{agent}" for agent in agents} <= set(hops)
    assert {f"{STALLS}engine", f"{STALLS}edge"} <= set(hops)
    assert set(every.values()) == {16}
    assert recording.sampling == every
    about = recording.about
    assert about["configuration"] == f"{hash_:016x}"
    assert about["cores"]["engine"]["agents"] == agents[:4]
    assert about["jitter"]["when"].startswith("after")
    assert [one["cpu"] for one in about["jitter"]["cpus"]] == about["cpus"]
    assert json.loads((tmp_path / "out" / "host.json").read_text()) == recording.host
    draw_over_time(recording, tmp_path / "a.png", "t")
    draw(hops, tmp_path / "b.png", "t")


@pytest.mark.xdist_group("processes")
@pytest.mark.parametrize("how", ["down", "kill", "interrupt"])
def test_the_live_view_ends_with_the_exchange(make: Maker, how: str) -> None:
    """In a real terminal: the exchange goes, its launcher is killed, or Ctrl-C; a table is left."""
    with launched(make(ports=1)) as exchange:
        order(exchange, 1)
        master, slave = pty.openpty()
        command = [sys.executable, "-m", "tools.hist", exchange.name, "--live", "--interval", "0.1"]
        with subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "150"},
        ) as live:
            os.close(slave)
            screen = bytearray()
            reader = threading.Thread(target=drain, args=(master, screen))
            reader.start()
            await_text(screen, b"intervals", live)
            if how == "down":
                exchange.down()
            elif how == "kill":
                exchange.state.launcher.send(signal.SIGKILL)
            else:
                live.send_signal(signal.SIGINT)
            _, said = live.communicate(timeout=60)
            reader.join(60)
        os.close(master)
    assert live.returncode == 0, said
    assert ("interrupted" in said) == (how == "interrupt")
    left = screen.decode(errors="replace").rpartition("hop ")[2]
    assert "core's stalls" in left
    assert "Traceback" not in said


@pytest.mark.xdist_group("processes")
def test_a_paced_load_is_recorded_while_it_runs(tmp_path: Path) -> None:
    """Its clients' own latency among the hops, all of it, and nothing left behind."""
    name = f"load-{os.getpid()}"
    clients = (DEMO / "clients.csv").read_text().splitlines()[:5]
    (tmp_path / "clients.csv").write_text("\n".join(clients) + "\n")
    path = topology(tmp_path, name, 2, placements(2)["two-cores"])
    with launched(path):
        command = [sys.executable, "-m", "tools.cli", "load", name, str(ROWS), "--mode", "paced"]
        command += ["--clients", str(tmp_path / "clients.csv"), "--rate", "1000", "--limit", "300"]
        command += ["--output", str(tmp_path / "out"), "--note", "four clients"]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=200, cwd=ROOT, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert [one for one in listing(name) if "metrics.load" in one] == []
    recording = read(tmp_path / "out")
    assert recording.histograms()[HOP].total == 300
    assert recording.histograms()["port to sequencer"].total == 300
    assert recording.about["note"] == "four clients"
    assert recording.about["jitter"] is not None


def drain(descriptor: int, into: bytearray) -> None:
    """Everything that comes out of a terminal, until its other end is closed."""
    try:
        while data := os.read(descriptor, 65536):
            into += data
    except OSError:
        return


def await_text(screen: bytearray, text: bytes, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while text not in screen:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_collect_sees_a_page_that_is_not_a_cores(exchange: str) -> None:
    """A load shows its clients' latency among the hops for as long as it runs."""
    page = Page(exchange, "load-77")
    page.metrics.histogram("client, from the intended time").record(5)
    assert collect(exchange) == {"client, from the intended time": recorded(5)}
    page.close()
