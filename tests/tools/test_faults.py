"""Page faults of warm cores: counted for each, an error where there are to be none."""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ports.ouch import EnterOrder, OrderAccepted
from ports.ouch_client import OuchClient
from ringbus.backing import SMALL, TMPFS
from ringbus.messages import MESSAGE
from ringbus.multicast import multicast_bytes
from ringbus.segment import segment_name
from tests.tools.conftest import Maker
from tools.exchange import Exchange, launched
from tools.process import Faults, Process
from tools.status import look
from tools.watch.sample import CoreSample

pytestmark = pytest.mark.xdist_group("processes")
ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 120
ORDERS = 200
# fallocate(2): FALLOC_FL_KEEP_SIZE and FALLOC_FL_PUNCH_HOLE.
PUNCH_HOLE = 3


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.01)


def take_pages(exchange: Exchange) -> None:
    """Take the stream's pages that nothing was written to out of everybody's memory."""
    path = TMPFS / segment_name(exchange.name, "stream")
    size = path.stat().st_size
    slots = exchange.configuration.topology.stream.slots
    unused = multicast_bytes(slots) - slots * MESSAGE.itemsize + 64 * MESSAGE.itemsize
    first = -(-unused // SMALL) * SMALL
    fallocate = ctypes.CDLL(None, use_errno=True).fallocate
    fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    descriptor = os.open(path, os.O_RDWR)
    try:
        assert fallocate(descriptor, PUNCH_HOLE, first, size - first) == 0
    finally:
        os.close(descriptor)


async def enter_orders(exchange: Exchange) -> None:
    async with (
        asyncio.timeout(WAIT_SECONDS),
        OuchClient(*exchange.port("port.0"), "ALICE", "SECRET", 1) as client,
    ):
        answered = 0
        for number in range(1, ORDERS + 1):
            await client.send(EnterOrder(number, "B", 100, "S1", 1_000_000, "0"))
        while answered < ORDERS and (event := await client.next_event()) is not None:
            answered += isinstance(event[1], OrderAccepted)


def core_of(exchange: Exchange, name: str) -> CoreSample:
    status = look(exchange.name, time.time_ns())
    assert status is not None
    (found,) = (core for core in status.sample.cores if core.name == name)
    return found


@pytest.mark.parametrize(("lock", "returncode"), [(True, 2), (False, 0)])
def test_planted_page_faults_are_counted(make: Maker, lock: bool, returncode: int) -> None:
    """Where memory is locked it is an error, and says so; a parked one on a laptop only counts."""
    path = make(ports=1, extra="[memory]\nlock = true\nrequired = false" if lock else "")
    with launched(path) as exchange:
        until(lambda: all(core.warm for core in exchange.state.cores.values()))
        before = core_of(exchange, "engine").faults
        assert before is not None
        take_pages(exchange)
        asyncio.run(enter_orders(exchange))
        engine = core_of(exchange, "engine")
        assert engine.faults is not None
        assert engine.faults.minor > before.minor
        assert engine.is_late == lock
        status = subprocess.run(
            [sys.executable, "-m", "tools.cli", "status", exchange.name],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
        assert status.returncode == returncode, status.stdout
        assert "since it was warm" in status.stdout
        said = "core engine: waited for pages that were to be in memory"
        assert (said in status.stdout) == lock
        # Who is started again has to become warm again.
        exchange.await_restart("edge", exchange.kill("edge"))
        until(lambda: exchange.state.cores["edge"].warm is not None)
        assert core_of(exchange, "edge").faults is not None


def test_the_kernels_count_of_this_process() -> None:
    me = Process.of(os.getpid())
    before = me.faults
    fresh = bytearray(1 << 24)
    assert me.faults.since(before).minor > 0
    assert len(fresh) == 1 << 24
    with pytest.raises(ProcessLookupError):
        _ = Process(me.pid, me.started_ticks + 1).faults


def test_in_words() -> None:
    assert Faults(0, 0).words == "0 page faults"
    assert Faults(1, 0).words == "1 page fault"
    assert Faults(1200, 34).words == "1,234 page faults (34 from disk)"
