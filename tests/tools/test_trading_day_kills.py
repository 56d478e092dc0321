"""Killed while a day is closed or begun: given again, it goes on, and nothing is doubled."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ringbus.journal import read_day
from ringbus.messages import CANCEL, COMMAND, NEW_ORDER, CancelReason, CommandKind, Template
from ringbus.replay import Replay
from ringbus.status import RingbusError
from tests.tools.conftest import Maker
from tests.tools.test_day import kill_host
from tests.tools.test_trading_day import GTC, WHO, ask, closed_of, next_day, ringbus, table_of
from tools.exchange import Exchange, start_detached
from tools.memory import Attachment
from tools.replay_day import replay_day
from tools.state import find, remove

ORDERS = 60
KEPT = 20
PATIENCE_S = 90.0


def stream_of(exchange: Exchange) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """All that is on the stream of an exchange that is up."""
    topology = exchange.configuration.topology
    with Attachment(exchange.name) as shared:
        segment = topology.journal.segment_messages
        replay = Replay(shared.attach("stream"), topology.journal_paths, 1, segment)
        parts = []
        while len(batch := replay.poll()):
            parts.append(batch.copy())
        replay.close()
    return np.concatenate(parts)


def has_closed(exchange: Exchange) -> bool:
    lines = stream_of(exchange)
    commands = lines[lines["template_id"] == Template.COMMAND].view(COMMAND)
    return bool((commands["kind"] == CommandKind.CLOSE_DAY).any())


def expired(exchange: Exchange) -> int:
    return int((stream_of(exchange)["template_id"] == Template.CANCEL).sum())


def has_ended(exchange: Exchange) -> bool:
    return bool((stream_of(exchange)["template_id"] == Template.END_OF_DAY).any())


# What the stream or the directory shows when the kill comes.
MOMENTS: dict[str, Callable[[Exchange], bool]] = {
    "closed": has_closed,
    "some have expired": lambda exchange: expired(exchange) > ORDERS // 3,
    "most have expired": lambda exchange: expired(exchange) > 2 * ORDERS // 3,
    "it has ended": has_ended,
    "it is down": lambda exchange: find(exchange.name) is None,
    "it is kept": lambda exchange: (exchange.directory / "closed" / "record.json").exists(),
}


def await_moment(exchange: Exchange, is_there: Callable[[Exchange], bool]) -> None:
    """Until it is so, or so much later that the exchange has gone."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        time.sleep(0.002)
        try:
            if is_there(exchange):
                return
        except (RingbusError, OSError):
            if find(exchange.name) is None:
                return
    raise AssertionError("it never came to that")


def begin_close(exchange: Exchange) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-m", "tools.cli", "close-day", exchange.name, *WHO]
    return subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def busy(path: Path) -> Exchange:
    """An exchange with orders of the day and others, in the background."""
    exchange = start_detached(path, bound=True)
    orders = [{"quantity": n + 1, "symbol": f"S{n % 3}"} for n in range(ORDERS)]
    kept = [{**GTC, "quantity": n + 1, "symbol": f"S{n % 3}"} for n in range(KEPT)]
    ask("ALICE", exchange, *orders)
    ask("BOB", exchange, *kept)
    return exchange


def check_closed(exchange: Exchange) -> None:
    """Everything was done, and once."""
    journal = exchange.directory / "journal"
    day = read_day(journal)
    count = dict(zip(*np.unique(day["template_id"], return_counts=True), strict=True))
    assert count[Template.END_OF_DAY] == 1
    assert day["template_id"][-1] == Template.END_OF_DAY
    commands = day[day["template_id"] == Template.COMMAND].view(COMMAND)
    assert (commands["kind"] == CommandKind.CLOSE_DAY).sum() == 1
    gone = day[day["template_id"] == Template.CANCEL].view(CANCEL)
    assert sorted(gone["client_order_id"].tolist()) == list(range(1, ORDERS + 1))
    assert set(gone["reason"].tolist()) == {CancelReason.EXPIRED}
    record = closed_of(exchange)
    assert (record["kept_orders"], record["messages"]) == (KEPT, len(day))
    assert not (exchange.directory / "unfinished").exists()
    assert replay_day(journal, verify=True).identical


@pytest.mark.xdist_group("processes")
def test_close_day_is_killed_and_given_again(make: Maker) -> None:
    """R33, R56: at each of its steps in turn."""
    path = make(ports=1, shards=2)
    exchange = busy(path)
    try:
        for is_there in MOMENTS.values():
            if find(exchange.name) is None:
                break
            closing = begin_close(exchange)
            await_moment(exchange, is_there)
            closing.kill()
            closing.wait()
        # By its topology, whether it is up or not.
        done = ringbus("close-day", path, *WHO)
        assert done.returncode == 0, done.stderr
        check_closed(exchange)
    finally:
        exchange.down()


KILLS: dict[str, Callable[[Exchange], None]] = {
    "the host": kill_host,
    "the engine": lambda exchange: _kill_core(exchange, "engine"),
    "the launcher": lambda exchange: exchange.state.launcher.send(signal.SIGKILL),
    "journal and port": lambda exchange: _kill_core(exchange, "edge"),
}


def _kill_core(exchange: Exchange, core: str) -> None:
    exchange.kill(core)


@pytest.mark.xdist_group("processes")
@pytest.mark.parametrize(
    ("what", "moment"),
    [
        ("the host", "some have expired"),
        ("the host", "it has ended"),
        ("the engine", "some have expired"),
        ("the launcher", "it has ended"),
        ("journal and port", "some have expired"),
    ],
)
def test_what_is_killed_meanwhile(make: Maker, what: str, moment: str) -> None:
    """R30, R33, R56: the day goes on where it was, or is over and only kept."""
    path = make(ports=1, shards=2)
    exchange = busy(path)
    try:
        closing = begin_close(exchange)
        await_moment(exchange, MOMENTS[moment])
        if (state := find(exchange.name)) is not None and state.launcher.alive:
            KILLS[what](exchange)
        closing.wait()
        for _ in range(4):
            done = ringbus("close-day", path, *WHO)
            if done.returncode == 0:
                break
            remove_dead(exchange)
            if "--continue" in done.stderr and find(exchange.name) is None:
                exchange.down()
                exchange = start_detached(path, bound=True, goes_on=True)
        assert done.returncode == 0, done.stderr
        check_closed(exchange)
    finally:
        exchange.down()


def remove_dead(exchange: Exchange) -> None:
    """What an operator is told to do when the launcher is gone or the exchange has stopped."""
    state = find(exchange.name)
    if state is not None and not state.launcher.alive:
        assert ringbus("down", exchange.name).returncode == 0


@pytest.mark.xdist_group("processes")
def test_the_opening_is_killed_and_begun_again(make: Maker) -> None:
    """R33, R56: what was kept comes in once, however often the next day is begun."""
    path = make(ports=1, shards=2)
    exchange = busy(path)
    try:
        assert ringbus("close-day", exchange.name, *WHO).returncode == 0
        other = next_day(path, "20230712")
        out = exchange.directory
        for shown in ("journal-20230711", "configuration.json", "closed/carried.csv"):
            line = [sys.executable, "-m", "tools.cli", "up", str(other)]
            launcher = subprocess.Popen(
                line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            )
            deadline = time.monotonic() + PATIENCE_S
            while not (out / shown).exists() and not (out / "day-20230711").exists():
                assert time.monotonic() < deadline
                time.sleep(0.001)
            launcher.kill()
            launcher.wait()
            remove(exchange.name)
        exchange.down()
        exchange = _begun(other, out)
        ask("BOB", exchange)
        assert ringbus("down", exchange.name).returncode == 0
        day = read_day(out / "journal")
        orders = day[day["template_id"] == Template.NEW_ORDER].view(NEW_ORDER)
        assert sorted(orders["client_order_id"].tolist()) == list(range(1, KEPT + 1))
        assert [row["outcome"] for row in table_of(out)] == ["carried"] * KEPT
        assert replay_day(out / "journal", verify=True).identical
    finally:
        exchange.down()


def _begun(path: Path, directory: Path) -> Exchange:
    """As an operator who reads what is said: the day begins, or goes on if it had been opened."""
    goes_on = (directory / "unfinished").exists()
    return start_detached(path, bound=True, goes_on=goes_on)
