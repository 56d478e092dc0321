"""A journal's disk is full, for real: a small file system of its own, in a mount namespace."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ringbus.journal import read_day
from ringbus.messages import NEW_ORDER, Template
from ringbus.segment import listing
from ringbus.status import RingbusError
from tests.tools.conftest import Maker
from tests.tools.test_day import enter, two_journals
from tests.tools.watching import PATIENCE_S, until
from tools.exchange import Exchange
from tools.launcher import LaunchError
from tools.state import remove

# One segment file of 1,024 messages fits, two do not.
SEGMENT = 1024
SMALL, LARGE = "100k", "8m"
# Two lines each: more than a file and the ring take.
ORDERS = 1500
ROOT = Path(__file__).resolve().parents[2]


class Disk:
    """A namespace in which a directory is a disk of its own, for as long as this is open."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True)
        program = f"mount -t tmpfs -o size={SMALL} tmpfs '{directory}' && echo ready && exec cat"
        self._holder = subprocess.Popen(
            ["unshare", "--map-root-user", "--mount", "sh", "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "ready\n":
            self.close()
            pytest.skip("no mount namespaces here")

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """A command as one says it on a host with that disk."""
        inside = ["nsenter", "--preserve-credentials", "--user", "--mount", "--target"]
        command = [*inside, str(self._holder.pid), *map(str, words)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT
        )

    def ringbus(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "tools.cli", *words)

    def grow(self) -> None:
        done = self.run("mount", "-o", f"remount,size={LARGE}", self.directory)
        assert done.returncode == 0, done.stderr

    @property
    def seen(self) -> Path:
        """Where its files are for who is not in the namespace."""
        return Path(f"/proc/{self._holder.pid}/root{self.directory}")

    def close(self) -> None:
        self._holder.communicate()


@pytest.fixture
def disk_of() -> Iterator[Callable[[Path], Disk]]:
    disks: list[Disk] = []

    def make(directory: Path) -> Disk:
        disks.append(Disk(directory))
        return disks[-1]

    yield make
    for disk in disks:
        disk.close()


def roomy(path: Path) -> Path:
    """With limits that these orders do not reach; its files and its ring are full soon."""
    text = path.read_text().replace("orders = 1024", "orders = 65536")
    path.write_text(text.replace("= 4096", f"= {SEGMENT}"))
    return path


def orders_of(directory: Path) -> list[int]:
    day = read_day(directory)
    orders = day[day["template_id"] == Template.NEW_ORDER].view(NEW_ORDER)
    numbers: list[int] = orders["client_order_id"].tolist()
    return numbers


async def fill(exchange: Exchange, answered: list[int]) -> None:
    """Orders until the exchange has stopped; two lines each."""
    launcher = exchange.state.launcher
    async with asyncio.timeout(4 * PATIENCE_S):
        while launcher.alive:
            batch = range(len(answered) + 1, len(answered) + 201)
            entering = asyncio.create_task(enter(exchange, batch.start, len(batch)))
            while launcher.alive and not entering.done():
                await asyncio.wait([entering], timeout=0.05)
            entering.cancel()
            with contextlib.suppress(asyncio.CancelledError, RingbusError, LaunchError):
                await entering
                answered += batch


def test_the_only_journal_is_full(make: Maker, disk_of: Callable[[Path], Disk]) -> None:
    """R30: it stops with the cure; all that was acknowledged, and the rest, is there afterwards."""
    path = roomy(make(ports=1))
    disk = disk_of(path.parent / "out" / "journal")
    up = disk.ringbus("up", "--detach", path)
    assert up.returncode == 0, up.stderr
    exchange = Exchange.running(path.stem)
    answered: list[int] = []
    try:
        asyncio.run(fill(exchange, answered))
        log = exchange.directory / "logs" / "launcher.log"
        assert "shared memory only, which stays" in log.read_text()
        assert "No space left on device" in log.read_text()
        assert "make room there, nothing that was acknowledged is lost" in log.read_text()
        assert listing(exchange.name) != []
        full = disk.ringbus("down", exchange.name)
        assert full.returncode == 1
        assert "journal cannot be finished: " in full.stderr
        disk.grow()
        assert disk.ringbus("down", exchange.name).returncode == 0
        assert len(read_day(disk.seen)) > SEGMENT
        assert set(answered) <= set(orders_of(disk.seen))
        again = disk.ringbus("up", "--detach", "--continue", path)
        assert again.returncode == 0, again.stderr
        last = max(orders_of(disk.seen))
        asyncio.run(enter(exchange, last + 1, 10))
        assert disk.ringbus("down", exchange.name).returncode == 0
        assert orders_of(disk.seen) == list(range(1, last + 11))
        # A new day leaves the old one where it is: on the disk.
        assert disk.ringbus("up", "--detach", path).returncode == 0
        assert orders_of(disk.seen / "day.1") == list(range(1, last + 11))
    finally:
        disk.ringbus("down", "--lose", exchange.name)


def test_the_others_go_on_without_a_full_one(make: Maker, disk_of: Callable[[Path], Disk]) -> None:
    """R31: what was promised needs one journal, and one is there."""
    path = roomy(two_journals(make, "journaled"))
    disk = disk_of(path.parent / "out" / "journal.b")
    up = disk.ringbus("up", "--detach", path)
    assert up.returncode == 0, up.stderr
    exchange = Exchange.running(path.stem)
    try:
        asyncio.run(enter(exchange, 1, ORDERS))
        log = exchange.directory / "logs" / "launcher.log"
        # It lets the engine go on first, and says so then.
        until(lambda: "is given up; journal still records the stream" in log.read_text())
        assert "ALARM: core second ended with status 1" in log.read_text()
        status = disk.ringbus("status", exchange.name)
        assert status.returncode == 1
        disk.grow()
        assert disk.ringbus("down", exchange.name).returncode == 0
        # It was finished from the ring as far as that goes, and the rest comes from the other.
        assert disk.ringbus("up", "--detach", "--continue", path).returncode == 0
        assert disk.ringbus("down", exchange.name).returncode == 0
        whole = read_day(exchange.directory / "journal")
        assert np.array_equal(whole, read_day(disk.seen))
        assert orders_of(disk.seen) == list(range(1, ORDERS + 1))
    finally:
        remove(exchange.name)


def test_replicated_needs_both(make: Maker, disk_of: Callable[[Path], Disk]) -> None:
    """R31: with one of two disks full nothing is acknowledged that only one has."""
    path = roomy(two_journals(make, "replicated"))
    disk = disk_of(path.parent / "out" / "journal.b")
    up = disk.ringbus("up", "--detach", path)
    assert up.returncode == 0, up.stderr
    exchange = Exchange.running(path.stem)
    answered: list[int] = []
    try:
        asyncio.run(fill(exchange, answered))
        log = exchange.directory / "logs" / "launcher.log"
        assert "journal.b cannot be finished" in log.read_text()
        assert set(answered) <= set(orders_of(disk.seen))
    finally:
        remove(exchange.name)
