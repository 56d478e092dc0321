"""More agents than CPUs: sixteen and more processes on two of them, and what is said of it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ports.ouch import EnterOrder, OrderAccepted, OrderExecuted
from ports.ouch_client import OuchClient
from ringbus.segment import listing
from tests.tools.conftest import Maker
from tools.exchange import Exchange
from tools.state import find

ROOT = Path(__file__).resolve().parents[2]
SHARDS = 4
APPLICATIONS = ("fairy", "stops", "guardian", "ticker", "auction", "market")
AGENTS = (
    "sequencer", *(f"shard.{n}" for n in range(SHARDS)), "publisher", "journal", "journal.b",
    "port.0", "port.1", "passive", *(f"{kind}.0" for kind in APPLICATIONS),
)  # fmt: skip
ANSWER_SECONDS = 120


def crowded(make: Maker, wait: str) -> Path:
    """Every agent a core of its own, each on a CPU that is found for it."""
    path = make(shards=SHARDS, ports=2, extra="copies = 2")
    kept = (
        path.read_text()
        .partition("[[core]]")[0]
        .replace("shards = 4", 'shards = 4\nacknowledge = "replicated"')
    )
    placed = [f'[[application]]\nname = "{kind}.0"\nkind = "{kind}"' for kind in APPLICATIONS]
    placed[-1] += "\ntape_bytes = 65536"
    placed += [
        f'[[core]]\nname = "{agent.replace(".", "-")}"\ncpu = "auto"\nwait = "{wait}"\n'
        f'agents = ["{agent}"]'
        for agent in AGENTS
    ]
    path.write_text(kept + "\n".join(placed) + "\n")
    return path


def ringbus(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """On two CPUs at most, whatever this machine has."""
    two = sorted(os.sched_getaffinity(0))[:2]
    return subprocess.run(
        [sys.executable, "-m", "tools.cli", *map(str, words)],
        cwd=ROOT,
        preexec_fn=lambda: os.sched_setaffinity(0, two),
        capture_output=True,
        text=True,
        timeout=ANSWER_SECONDS,
        check=False,
    )


async def trade(exchange: Exchange) -> list[str]:
    """A buys through one port, B sells through the other; what A is told, until it has traded."""
    told = []
    async with (
        asyncio.timeout(ANSWER_SECONDS),
        OuchClient(*exchange.port("port.0"), "ALICE", "SECRET", 1) as alice,
        OuchClient(*exchange.port("port.1"), "BOB", "SECRET", 1) as bob,
    ):
        await alice.send(EnterOrder(1, "B", 100, "S2", 1_000_000, "0"))
        while (event := await alice.next_event()) is not None:
            told.append(type(event[1]).__name__)
            if isinstance(event[1], OrderAccepted):
                await bob.send(EnterOrder(1, "S", 100, "S2", 1_000_000, "0"))
            if isinstance(event[1], OrderExecuted):
                break
    return told


@pytest.mark.xdist_group("processes")
def test_seventeen_agents_trade_on_two_cpus(make: Maker) -> None:
    """Parked they all fit; who shares which CPU and what a wake-up adds is said before the start.

    An order goes through both journals and is executed, and nothing is left of it.
    """
    path = crowded(make, "park")
    plan = ringbus("plan", path)
    assert plan.returncode == 0, plan.stderr
    assert "cores share CPU" in plan.stdout
    try:
        up = ringbus("up", "--detach", path)
        assert up.returncode == 0, up.stderr
        exchange = Exchange.running(up.stdout.split()[1])
        state = exchange.state
        assert len(state.cores) == len(AGENTS) == 17
        cpus = sorted(os.sched_getaffinity(0))[:2]
        for core in state.cores.values():
            (cpu,) = os.sched_getaffinity(core.process.pid)
            assert cpu in cpus
        said = up.stderr.splitlines()
        assert f"note: {17 // len(cpus) + 17 % len(cpus)} cores share CPU {cpus[0]}: " in up.stderr
        assert any("an order through port.0 changes cores 5 times" in line for line in said)
        assert any("µs more than with cores that spin" in line for line in said)
        told = asyncio.run(trade(exchange))
        assert told[-2:] == ["OrderAccepted", "OrderExecuted"]
    finally:
        down = ringbus("down", path)
    assert down.returncode == 0, down.stderr
    assert not any(core.process.alive for core in state.cores.values())
    assert listing(exchange.name) == []


@pytest.mark.xdist_group("processes")
def test_seventeen_that_spin_are_refused_by_name(make: Maker) -> None:
    path = crowded(make, "spin")
    for words in (("up", path), ("up", "--detach", path), ("plan", path)):
        refused = ringbus(*words)
        assert refused.returncode == 1
        assert "17 cores never sleep, and " in refused.stderr
        assert '[host] allow = ["sharing"]' in refused.stderr
    assert find(path.stem) is None
    assert listing(path.stem) == []
