"""Whole exchanges in real processes: up, status, down, and every way of dying."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ports.soup import SoupClientSession
from ringbus.journal import read_day
from ringbus.messages import (
    BUILD_RECORD,
    INSTRUMENT_DEFINITION,
    PARTICIPANT_DEFINITION,
    SCHEMA_HASH,
    Template,
)
from ringbus.segment import listing
from ringbus.status import NotFoundError
from tests.tools import test_guardian
from tests.tools.conftest import Maker
from tests.tools.test_day import kill_all
from tests.tools.test_owner_rules import ruled
from tests.tools.watching import PATIENCE_S, paused
from tools.build import build_hash
from tools.configuration import Configuration
from tools.exchange import Exchange, launched, start_detached
from tools.launcher import LaunchError, ready_line
from tools.memory import Attachment
from tools.process import Process
from tools.state import State, find
from tools.status import look


def ringbus(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def is_well(target: str | Path) -> bool:
    return ringbus("status", target).returncode == 0


def until(condition: Callable[[], bool], seconds: float = PATIENCE_S) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def processes(state: State) -> list[Process]:
    return [state.launcher, *(core.process for core in state.cores.values())]


def journal_holds(exchange: Exchange, count: int) -> bool:
    try:
        return len(read_day(exchange.directory / "journal")) >= count
    except NotFoundError:
        return False


def test_up_status_down(make: Maker) -> None:
    path = make()
    up = ringbus("up", "--detach", path)
    assert up.returncode == 0, up.stderr
    name = Configuration.load(path).topology.name
    assert up.stdout.startswith(f"READY {name}")
    state = find(name)
    assert state is not None
    assert state.ready
    assert all(process.alive for process in processes(state))
    for target in (name, path):
        # Of a core that waits for a CPU the last beat may be old.
        assert until(partial(is_well, target))
        status = ringbus("status", target)
        for word in ("engine", "edge", "running", "sequencer", "shard.1", "stream: 6 messages"):
            assert word in status.stdout
    down = ringbus("down", name)
    assert (down.returncode, down.stdout) == (0, f"{name} is down\n")
    assert listing(name) == []
    assert not any(process.alive for process in processes(state))
    assert not state.path.exists()
    status = ringbus("status", name)
    assert status.returncode == 1
    assert "is not up" in status.stdout
    again = ringbus("down", path)
    assert (again.returncode, again.stdout) == (0, f"nothing of an exchange {name} is here\n")


def test_the_day_opens_with_build_instruments_and_participants(make: Maker) -> None:
    # More lines than the console may have on their way at once, over an odd number of shards.
    path = make(shards=3, instruments=700)
    with launched(path) as exchange:
        assert until(lambda: journal_holds(exchange, 703))
        day = read_day(exchange.directory / "journal")
        configuration = exchange.configuration
    assert len(day) == 703
    assert np.array_equal(day["sequence"], np.arange(1, 704))
    assert set(day["publisher"].tolist()) == {1}
    assert set(day["topic"].tolist()) == {0}
    for shard in range(3):
        numbers = day["topic_sequence"][day["shard"] == shard]
        assert np.array_equal(numbers, np.arange(1, len(numbers) + 1))
    first = day[:1].view(BUILD_RECORD)[0]
    assert first["template_id"] == Template.BUILD_RECORD
    assert first["shards"] == 3
    assert first["schema_hash"] == SCHEMA_HASH
    assert first["configuration_hash"] == configuration.hash
    assert first["build_hash"] == build_hash()
    table = day[1:701].view(INSTRUMENT_DEFINITION)
    assert set(table["template_id"].tolist()) == {Template.INSTRUMENT_DEFINITION}
    assert np.array_equal(table["instrument"], np.arange(700))
    assert np.array_equal(table["shard"], np.arange(700) % 3)
    assert table["symbol"][699] == b"S699    "
    assert (table["tick_1e4"][5], table["price_ticks_max"][5]) == (100, 199999)
    people = day[701:].view(PARTICIPANT_DEFINITION)
    assert people["user"].tolist() == [b"ALICE", b"BOB"]
    assert people["session"].tolist() == [1, 7]
    assert people["firm_name"].tolist() == [b"ACME", b"BETA"]
    assert people["firm"].tolist() == [1, 2]


def test_a_killed_edge_core_comes_back(make: Maker) -> None:
    with launched(make()) as exchange:
        former = exchange.kill("edge")
        process = exchange.await_restart("edge", former)
        assert process.pid != former.pid
        assert exchange.state.cores["edge"].restarts == 1
        assert until(lambda: ringbus("status", exchange.name).returncode == 0)
        # Once more: this time after a pause.
        exchange.await_restart("edge", exchange.kill("edge"))
        assert exchange.state.cores["edge"].restarts == 2
        log = (exchange.directory / "logs" / "launcher.log").read_text()
        assert "core edge was ended by SIGKILL; it is started again in 0.0 s" in log
        assert "core edge was ended by SIGKILL; it is started again in 0.1 s" in log
        assert until(lambda: journal_holds(exchange, 6))


def test_a_core_that_hangs_is_killed_and_comes_back(make: Maker) -> None:
    with launched(make()) as exchange:

        def is_silent() -> bool:
            status = ringbus("status", exchange.name)
            return status.returncode == 1 and "silent" in status.stdout

        with paused(exchange, "edge") as (former,):
            assert until(is_silent)
            # The launcher goes on, and finds it as it is.
            exchange.state.launcher.send(signal.SIGCONT)
            exchange.await_restart("edge", former)
        log = (exchange.directory / "logs" / "launcher.log").read_text()
        assert "core edge does not beat any more: it is killed" in log
        assert until(lambda: ringbus("status", exchange.name).returncode == 0)


def test_cores_are_where_the_topology_says(make: Maker) -> None:
    path = make()
    cpu = max(os.sched_getaffinity(0))
    path.write_text(path.read_text().replace('name = "edge"', f'name = "edge"\ncpu = {cpu}'))
    with launched(path) as exchange:
        assert os.sched_getaffinity(exchange.process("edge").pid) == {cpu}
        everywhere = os.sched_getaffinity(0)
        assert os.sched_getaffinity(exchange.process("engine").pid) == everywhere
        status = look(exchange.name, time.time_ns())
        assert status is not None
        assert [core.cpu for core in status.sample.cores] == [None, cpu]


def test_with_a_stopped_clock_two_days_are_the_same_bytes(make: Maker) -> None:
    path = make(shards=2)
    text = path.read_text().replace("shards = 2", 'shards = 2\nclock = "stopped"')
    path.write_text(text)
    days = []
    for _ in range(2):
        with launched(path) as exchange:
            pass
        days.append(read_day(exchange.directory / "journal"))
    assert set(days[0]["time_ns"].tolist()) == {10**18}
    assert days[0].tobytes() == days[1].tobytes()


def test_a_killed_engine_stops_everything(make: Maker) -> None:
    with launched(make()) as exchange:
        state = exchange.state
        exchange.kill("engine")
        assert until(lambda: not any(process.alive for process in processes(state)))
        assert listing(exchange.name) == []
        assert not state.path.exists()
        log = (exchange.directory / "logs" / "launcher.log").read_text()
        assert "core engine was ended by SIGKILL: it runs sequencer, shard.0, shard.1" in log
        with pytest.raises(LaunchError, match="is not up"):
            exchange.kill("edge")


def test_a_killed_launcher_leaves_nothing_running(make: Maker) -> None:
    path = make()
    with launched(path) as exchange:
        state = exchange.state
        state.launcher.send(signal.SIGKILL)
        assert until(lambda: not any(process.alive for process in processes(state)))
        assert listing(exchange.name) != []
        status = ringbus("status", exchange.name)
        assert status.returncode == 1
        assert "dead" in status.stdout
        refused = ringbus("up", path)
        assert refused.returncode == 1
        assert f"`ringbus down {exchange.name}` removes them" in refused.stderr
        down = ringbus("down", exchange.name)
        assert "segments of shared memory removed" in down.stdout
        assert listing(exchange.name) == []
        assert not state.path.exists()


def test_everything_killed_then_down(make: Maker) -> None:
    with launched(make()) as exchange:
        state = exchange.state
        for process in processes(state):
            process.send(signal.SIGKILL)
        down = ringbus("down", exchange.name)
        assert down.returncode == 0
        assert listing(exchange.name) == []
        assert not any(process.alive for process in processes(state))


def test_a_second_one_of_the_same_name_is_refused(make: Maker) -> None:
    path = make()
    with launched(path) as exchange:
        for words in (["up"], ["up", "--detach"]):
            refused = ringbus(*words, path)
            assert refused.returncode == 1
            assert f"is up already (launcher {exchange.state.launcher.pid}" in refused.stderr
            assert f"`ringbus down {exchange.name}` stops it" in refused.stderr
        assert until(lambda: ringbus("status", exchange.name).returncode == 0)


def test_an_exchange_that_was_up_comes_up_again(make: Maker) -> None:
    path = make()
    for _ in range(2):
        with launched(path) as exchange:
            pass
    # The former day is kept, and each was recorded to its end, however soon it ended.
    assert len(read_day(exchange.directory / "journal.1")) == 6
    assert len(read_day(exchange.directory / "journal")) == 6


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_a_launcher_in_the_foreground(make: Maker, number: int) -> None:
    path = make()
    command = [sys.executable, "-m", "tools.cli", "up", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        ready = next(line for line in lines if line.startswith("READY"))
        name = ready.split()[1]
        assert listing(name) != []
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait() == 0
    assert f"{name} is down" in rest
    assert "killed" not in rest
    assert listing(name) == []


def test_an_exchange_ends_with_who_holds_it(make: Maker) -> None:
    path = make()
    program = (
        "import os, sys; from tools.exchange import launched\n"
        "with launched(sys.argv[1]) as exchange:\n"
        "    print(exchange.name, flush=True); sys.stdin.readline()\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        state = find(name)
        assert state is not None
        process.kill()
    assert until(lambda: listing(name) == [])
    assert until(lambda: not any(process.alive for process in processes(state)))


def test_a_wrong_topology_is_an_error_and_leaves_nothing(make: Maker) -> None:
    path = make()
    name = Configuration.load(path).topology.name
    path.write_text(path.read_text().replace("slots = 4096", "slots = 5000"))
    for words in (["up"], ["up", "--detach"]):
        refused = ringbus(*words, path)
        assert refused.returncode == 1
        assert refused.stderr.startswith(f"ringbus up: {path}:9: [stream] slots: found 5000")
    assert listing(name) == []


def test_a_core_that_cannot_start_is_an_error_with_its_last_words(make: Maker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        path = make(ports=1)
        text = path.read_text().replace(
            'name = "port.0"', f'name = "port.0"\ntcp = {taken.getsockname()[1]}'
        )
        path.write_text(text)
        name = Configuration.load(path).topology.name
        for words in (["up"], ["up", "--detach"]):
            refused = ringbus(*words, path)
            assert refused.returncode == 1
            assert "core edge ended with status 1 at its start" in refused.stderr
            assert "edge.log:" in refused.stderr
            # Only what this start said.
            assert refused.stderr.count("Address already in use") == 1
            assert listing(name) == []
            assert find(name) is None


def log_in(exchange: Exchange, user: str, password: str) -> SoupClientSession:
    session = SoupClientSession(user, password)
    with socket.create_connection(exchange.port("port.0"), timeout=PATIENCE_S) as connection:
        connection.sendall(session.login())
        while not session.accepted and session.reject_code is None:
            session.feed(connection.recv(4096))
    return session


def test_clients_log_in_at_the_port_that_was_said(make: Maker) -> None:
    path = make(ports=2)
    with launched(path) as exchange:
        addresses = [exchange.port(f"port.{n}") for n in range(2)]
        assert addresses[0] != addresses[1]
        status = ringbus("status", exchange.name)
        assert f"port port.1: TCP {addresses[1][1]}" in status.stdout
        said = (exchange.directory / "logs" / "launcher.log").read_text().splitlines()[-1]
        assert said == ready_line(exchange.configuration, exchange.state)
        assert f"port.0 127.0.0.1:{addresses[0][1]}" in said
        session = log_in(exchange, "ALICE", "SECRET")
        assert session.accepted
        assert session.session == "20230711"
        assert log_in(exchange, "BOB", "WRONG").reject_code == "A"


def test_a_killed_port_comes_back_where_it_was(make: Maker) -> None:
    with launched(make(ports=1)) as exchange:
        address = exchange.port("port.0")
        assert log_in(exchange, "ALICE", "SECRET").accepted
        exchange.await_restart("edge", exchange.kill("edge"))
        assert exchange.port("port.0") == address
        assert log_in(exchange, "ALICE", "SECRET").accepted
        assert exchange.state.cores["edge"].restarts == 1


def test_a_core_refuses_other_code_than_its_exchange(make: Maker, tmp_path: Path) -> None:
    with launched(make()) as exchange:
        state = exchange.state
        other = tmp_path / "other"
        other.mkdir()
        saved = (exchange.directory / "configuration.json").read_text()
        (other / "configuration.json").write_text(saved)
        text = state.path.read_text().replace(state.build, "0123456789abcdef")
        (other / "state.json").write_text(text)
        command = [sys.executable, "-m", "tools.core", str(other / "configuration.json"), "edge"]
        core = subprocess.run(
            [*command, str(os.getpid())], capture_output=True, text=True, timeout=60, check=False
        )
        assert core.returncode == 1
        assert f"the installed code ({state.build}) is not that" in core.stderr
        # The live one was not disturbed.
        assert until(lambda: ringbus("status", exchange.name).returncode == 0)


SAVED = {
    "environment (test, now live)": ('"environment": "test"', '"environment": "live"'),
    "configuration (": ('"orders": 1024', '"orders": 2048'),
    "number of shards (2, now 1)": ('"shards": 2', '"shards": 1'),
}


@pytest.mark.parametrize("differs", SAVED)
def test_a_core_refuses_another_configuration_than_its_day(make: Maker, differs: str) -> None:
    """R107: the day's first line says with what it was begun; what differs is named."""
    with launched(make(ports=1)) as exchange:
        saved = exchange.directory / "configuration.json"
        text = saved.read_text()
        assert SAVED[differs][0] in text
        saved.write_text(text.replace(*SAVED[differs], 1))
        exchange.kill("edge")
        log = exchange.directory / "logs" / "edge.log"
        assert until(lambda: f"begun with another {differs}" in log.read_text())


GUARDED = test_guardian.HEAD + test_guardian.RULES + test_guardian.CORE


def of_kind(kind: str, options: str) -> str:
    head = f'[[application]]\nname = "{kind}.0"\nkind = "{kind}"\n'
    return f'{head}{options}\n[[core]]\nname = "watch"\nagents = ["{kind}.0"]\n'


# By kind: its section and core, and what another process of it holds to be one of its options.
BOUND = {
    "guardian": (GUARDED, '"bound": 9,', '"bound": 99,'),
    "auction": (of_kind("auction", "halt_s = 61"), '"halt_s": 61,', '"halt_s": 60,'),
    "fairy": (of_kind("fairy", 'day_ends = "23:59:58"'), '"23:59:58"', '"23:59:59"'),
    "ticker": (of_kind("ticker", "every_ms = 101"), '"every_ms": 101', '"every_ms": 102'),
}


@pytest.mark.parametrize("kind", BOUND)
def test_a_core_with_another_table_of_rules_is_refused(make: Maker, kind: str) -> None:
    """R107: all options of applications are of the day that was begun; both are named."""
    section, was, now = BOUND[kind]
    path = make(extra=section)
    with launched(path) as exchange:
        saved = exchange.directory / "configuration.json"
        text = saved.read_text()
        assert text.count(was) == 1
        saved.write_text(text.replace(was, now))
        exchange.kill("watch")
        log = exchange.directory / "logs" / "watch.log"
        assert until(lambda: f": application {kind}.0 ({path});" in log.read_text())
        assert "was begun with another configuration (" in log.read_text()


def test_a_day_does_not_go_on_with_other_rules(make: Maker) -> None:
    """R107: neither a guardian's nor the limits of owners; both files are named."""
    path = ruled(make(extra=GUARDED), "account:101,5,,,")
    with launched(path) as exchange:
        assert until(lambda: journal_holds(exchange, 1))
        kill_all(exchange)
    path.write_text(path.read_text().replace("bound = 9", "bound = 99"))
    ruled(path, "account:101,6,,,")
    up = ringbus("up", "--detach", "--continue", path)
    assert up.returncode == 1
    owners = path.with_name("owners.csv")
    named = f": owners ({owners}), application guardian.0 ({path}); go on with that one"
    assert named in up.stderr


def test_a_core_whose_parent_is_gone_does_not_start(make: Maker) -> None:
    with launched(make()) as exchange:
        saved = exchange.directory / "configuration.json"
        command = [sys.executable, "-m", "tools.core", str(saved), "edge", "1"]
        core = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (core.returncode, core.stderr) == (1, "")


def test_down_does_not_touch_a_stranger_with_a_reused_pid(make: Maker) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=-1)
    try:
        with launched(make()) as exchange:
            state = exchange.state
            for process in processes(state):
                process.send(signal.SIGKILL)
            assert until(lambda: not any(process.alive for process in processes(state)))
            # As if the dead engine's id had been given to somebody else since.
            text = state.path.read_text()
            pid = state.cores["engine"].process.pid
            state.path.write_text(text.replace(f'"pid": {pid}', f'"pid": {stranger.pid}'))
            assert ringbus("down", exchange.name).returncode == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.communicate()


def test_start_detached_outlives_the_one_who_starts_it(make: Maker) -> None:
    path = make()
    program = "import sys; from tools.exchange import start_detached; start_detached(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    name = Configuration.load(path).topology.name
    assert until(lambda: ringbus("status", name).returncode == 0)
    with pytest.raises(LaunchError, match="is up already"):
        start_detached(path)
    assert ringbus("down", name).returncode == 0


def test_the_stream_is_mapped_for_writing_by_the_publisher_alone(make: Maker) -> None:
    with launched(make()) as exchange, Attachment(exchange.name) as shared:
        name = shared.attach("stream").name
        for core, writable in (("engine", True), ("edge", False)):
            maps = Path(f"/proc/{exchange.process(core).pid}/maps").read_text().splitlines()
            modes = {line.split()[1] for line in maps if line.endswith(f"/dev/shm/{name}")}
            assert modes == {"rw-s"} if writable else modes == {"r--s"}
