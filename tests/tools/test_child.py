"""When a core is started again, when it counts as hanging, and how processes are told apart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from ringbus.core import CorePage, CoreState
from tools.child import Child, ending, log_tail
from tools.process import Process, end
from tools.sections import CoreSection


class Page:
    """What a child asks of its core's page."""

    def __init__(self) -> None:
        self.state = CoreState.RUNNING
        self.beat_ns = 1
        self.failure = ""
        self.pid = 0


@pytest.fixture
def page() -> Page:
    return Page()


@pytest.fixture
def child(page: Page, tmp_path: Path) -> Child:
    section = CoreSection("edge", ("journal",))
    return Child(section, cast(CorePage, page), tmp_path / "edge.log", True)


def test_the_first_restart_is_at_once_then_pauses_double(child: Child) -> None:
    now_s, pauses = 100.0, []
    for _ in range(5):
        pause_s = child.plan_restart(now_s)
        assert pause_s is not None
        assert child.due_s == now_s + pause_s
        pauses.append(pause_s)
        now_s += 1
    assert pauses == [0.0, 0.1, 0.2, 0.4, 0.8]
    assert child.plan_restart(now_s) is None
    assert child.restarts == 5


def test_restarts_of_long_ago_are_forgotten(child: Child) -> None:
    for n in range(50):
        assert child.plan_restart(100.0 * n) == 0.0
    assert child.restarts == 50


def test_the_time_of_a_start_does_not_count(child: Child, page: Page) -> None:
    """On a slow host five starts take longer than the minute, and yet it is given up."""
    now_s = 100.0
    for _ in range(5):
        assert child.plan_restart(now_s) is not None
        child.spawn([sys.executable, "-c", ""], now_s)
        assert not child.is_silent(now_s + 0.1)
        # After twenty seconds it beats for the first time, and dies.
        page.beat_ns += 1
        assert not child.is_silent(now_s + 20.0)
        child.kill()
        now_s += 21.0
    assert child.plan_restart(now_s) is None
    # Twenty seconds in which it ran do count.
    now_s += 100.0
    for _ in range(20):
        assert child.plan_restart(now_s) is not None
        child.spawn([sys.executable, "-c", ""], now_s)
        page.beat_ns += 1
        assert not child.is_silent(now_s + 1.0)
        child.kill()
        now_s += 21.0


def test_a_core_that_does_not_beat_is_silent_after_five_seconds(child: Child, page: Page) -> None:
    times = [n / 10 for n in range(1, 200)]
    silent = [now_s for now_s in times if child.is_silent(now_s)]
    # The first look sees a new beat; then 5 s have to add up.
    assert silent[0] == pytest.approx(5.2, abs=0.11)
    page.beat_ns = 2
    assert not child.is_silent(20.0)


def test_a_core_that_starts_has_longer(child: Child, page: Page) -> None:
    page.state = CoreState.STARTING
    page.beat_ns = 0
    silent = [n / 10 for n in range(1, 700) if child.is_silent(n / 10)]
    assert silent[0] == pytest.approx(60.1, abs=0.11)


def test_a_core_that_is_started_again_has_longer(child: Child, page: Page) -> None:
    """Whom SIGKILL ended left its last beat and its state behind; the next has to start first."""
    assert not child.is_silent(0.1)
    child.spawn([sys.executable, "-c", ""], 1.0)
    times = [1.0 + n / 10 for n in range(1, 700)]
    silent = [now_s for now_s in times if child.is_silent(now_s)]
    assert silent[0] == pytest.approx(61.1, abs=0.11)
    page.beat_ns += 1
    assert not child.is_silent(100.0)
    times = [100.0 + n / 10 for n in range(1, 100)]
    silent = [now_s for now_s in times if child.is_silent(now_s)]
    assert silent[0] == pytest.approx(105.1, abs=0.11)
    child.kill()


def test_a_pause_of_the_whole_host_is_no_silence(child: Child) -> None:
    assert not child.is_silent(1.0)
    assert not child.is_silent(1000.0)
    assert not child.is_silent(2000.0)


def test_a_beating_core_is_never_silent(child: Child, page: Page) -> None:
    for n in range(1000):
        page.beat_ns += 1
        assert not child.is_silent(n * 0.1)


def test_a_core_is_warm_two_seconds_after_it_runs(child: Child, page: Page) -> None:
    """Once for each process: its page faults so far are what the later ones are counted from."""
    child.process = Process.of(os.getpid())
    page.pid = os.getpid()
    page.state = CoreState.STARTING
    assert not child.warms_up(1.0)
    page.state = CoreState.RUNNING
    assert not child.warms_up(100.0)
    assert not child.warms_up(101.9)
    assert child.warms_up(102.0)
    assert child.warm is not None
    assert child.warm.total <= child.process.faults.total
    assert not child.warms_up(103.0)
    child.spawn([sys.executable, "-c", ""], 200.0)
    assert child.warm is None
    # The page still says that it runs, but that was another process.
    assert not child.warms_up(201.0)
    assert not child.warms_up(204.0)
    child.kill()


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0, "ended with status 0"),
        (1, "ended with status 1"),
        (-9, "was ended by SIGKILL"),
        (-99, "was ended by signal 99"),
    ],
)
def test_how_a_process_ended(status: int, text: str) -> None:
    assert ending(status) == text


def test_why_repeats_what_the_core_said(child: Child, page: Page) -> None:
    page.failure = "journal: no space"
    assert child.why(1) == "ended with status 1 (journal: no space)"


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert log_tail(log) == ""
    log.write_text("\n".join(f"line {n}" for n in range(100)))
    lines = log_tail(log).splitlines()
    assert lines[1] == f"last lines of {log}:"
    assert lines[2:] == [f"  line {n}" for n in range(88, 100)]


def test_a_process_is_known_by_its_start_too() -> None:
    me = Process.of(os.getpid())
    assert me.alive
    assert not Process(me.pid, me.started_ticks + 1).alive
    with pytest.raises(ProcessLookupError):
        Process.of(2**22 + 1)


def test_one_that_waits_to_be_reaped_is_not_alive() -> None:
    popen = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = Process.of(popen.pid)
    assert process.alive
    os.kill(popen.pid, signal.SIGKILL)
    # Not reaped: only told when it is over.
    os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
    assert not process.alive
    popen.communicate()


def test_who_does_not_end_is_killed() -> None:
    program = "import signal; signal.signal(15, signal.SIG_IGN); print(flush=True); input()"
    stubborn = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    willing = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert stubborn.stdout is not None
    stubborn.stdout.readline()
    processes = [Process.of(stubborn.pid), Process.of(willing.pid)]
    assert end(processes, 0.3) == processes[:1]
    assert stubborn.wait() == -signal.SIGKILL
    assert willing.wait() == -signal.SIGTERM
    for popen in (stubborn, willing):
        popen.communicate()
