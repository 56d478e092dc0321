"""A dead engine's place is taken by the passive one, in real processes with real clients."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ports.ouch import OrderAccepted
from ports.ouch_client import OuchClient
from ringbus.journal import read_day
from ringbus.messages import EPOCH_START, NEW_ORDER, Template
from ringbus.multicast import lock_writer
from ringbus.status import UsageError
from tests.tools.conftest import Maker
from tests.tools.watching import PATIENCE_S
from tools.exchange import Exchange, launched
from tools.memory import Attachment
from tools.replay_day import replay_day
from tools.topology import ConfigurationError, load_topology


def with_passive(make: Maker, failover: str = "operator", **options: int) -> Path:
    path = make(ports=1, **options)
    text = path.read_text().replace(
        "[stream]", f'failover = "{failover}"\nacknowledge = "published"\n[stream]'
    )
    path.write_text(text + '[[core]]\nname = "passive"\nagents = ["passive"]\n')
    return path


def ringbus(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def until(condition: Callable[[], bool], seconds: float = PATIENCE_S) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


class Trader:
    """One client that sends orders one at a time, and knows what was answered."""

    def __init__(self, client: OuchClient) -> None:
        self.client = client
        self.accepted: list[int] = []

    async def enter(self, within_s: float = PATIENCE_S) -> None:
        ref = await self.client.enter(symbol="S1", side="B", quantity=1, price=10_000, clordid="x")
        async with asyncio.timeout(within_s):
            async for _, message in self.client.events():
                if isinstance(message, OrderAccepted):
                    assert message.user_ref == ref
                    assert message.clordid == "x"
                    self.accepted.append(ref)
                    return


async def trader_of(exchange: Exchange) -> Trader:
    host, tcp = exchange.port("port.0")
    client = OuchClient(host, tcp, "ALICE", "SECRET")
    await client.connect()
    return Trader(client)


def launcher_log(exchange: Exchange) -> str:
    return (exchange.directory / "logs" / "launcher.log").read_text()


def journal_is_whole(exchange: Exchange, accepted: list[int], reigns: int) -> None:
    """Every order once and in its order, one EpochStart a change, and the day replays."""
    assert until(lambda: len(orders_of(exchange)) == len(accepted))
    day = read_day(exchange.directory / "journal")
    assert orders_of(exchange) == accepted == list(range(1, len(accepted) + 1))
    starts = day[day["template_id"] == Template.EPOCH_START].view(EPOCH_START)
    assert starts["epoch"].tolist() == list(range(2, reigns + 1))
    assert np.all(np.diff(day["time_ns"].astype(np.int64)) >= 0)
    assert replay_day(exchange.directory / "journal").identical


def orders_of(exchange: Exchange) -> list[int]:
    day = read_day(exchange.directory / "journal")
    orders = day[day["template_id"] == Template.NEW_ORDER].view(NEW_ORDER)
    numbers: list[int] = orders["client_order_id"].tolist()
    return numbers


def test_the_operator_promotes_the_passive_engine(make: Maker) -> None:
    """R81: SIGKILL of the engine under load; after `ringbus promote` trading goes on."""

    async def run(exchange: Exchange) -> list[int]:
        trader = await trader_of(exchange)
        for _ in range(20):
            await trader.enter()
        exchange.kill("engine")
        assert until(lambda: "the engine is down" in launcher_log(exchange))
        waiting = asyncio.create_task(trader.enter())
        await asyncio.sleep(0.1)
        assert not waiting.done()
        done = await asyncio.to_thread(ringbus, "promote", exchange.name)
        assert done.returncode == 0, done.stderr
        assert "is the engine, after" in done.stdout
        await waiting
        for _ in range(20):
            await trader.enter()
        await trader.client.close()
        return trader.accepted

    with launched(with_passive(make)) as exchange:
        accepted = asyncio.run(run(exchange))
        assert len(accepted) == 41
        journal_is_whole(exchange, accepted, 2)
        assert "`ringbus promote" in launcher_log(exchange)
        assert until(lambda: "runs again, in process" in launcher_log(exchange))
        # The log's line comes before the new process' first beat.
        assert until(lambda: ringbus("status", exchange.name).returncode == 0)


def test_it_takes_over_by_itself_and_again(make: Maker) -> None:
    """R79, R33: three engines die in the middle of trading; nothing is lost or done twice."""

    async def run(exchange: Exchange) -> list[int]:
        trader = await trader_of(exchange)
        for n in range(80):
            if n in (20, 40, 60):
                former = exchange.process("engine")
                # In flight while the engine dies.
                waiting = asyncio.create_task(trader.enter())
                await asyncio.sleep(0.0003 * (n // 20))
                former.send(signal.SIGKILL)
                await waiting
                exchange.await_restart("engine", former)
                exchange.await_restart("passive", exchange.process("engine"))
            else:
                await trader.enter()
        await trader.client.close()
        return trader.accepted

    with launched(with_passive(make, "automatic")) as exchange:
        accepted = asyncio.run(run(exchange))
        assert len(accepted) == 80
        journal_is_whole(exchange, accepted, 4)


def test_there_is_one_active_engine(make: Maker) -> None:
    """Two cannot be: the stream's lock is the active one's, whoever is told to take over."""
    with launched(with_passive(make)) as exchange:
        done = ringbus("promote", exchange.name)
        assert done.returncode == 1
        assert "lives (core engine)" in done.stderr
        # Past the command's own check: the passive engine asks the kernel.
        exchange.kill("passive", signal.SIGUSR1)
        log = exchange.directory / "logs" / "passive.log"
        assert until(lambda: "not promoted" in log.read_text())
        assert "has a publisher already" in log.read_text()
        with Attachment(exchange.name) as shared, pytest.raises(UsageError, match="publisher"):
            lock_writer(shared.attach("stream", writable=True))
        assert exchange.process("passive").alive
        assert exchange.process("engine").alive


def test_an_active_engine_is_changed_for_the_passive_one(make: Maker) -> None:
    """A planned change: what the operator stops is taken over as what died."""
    with launched(with_passive(make)) as exchange:
        active, former = exchange.process("engine"), exchange.process("passive")
        done = ringbus("promote", exchange.name, "--stop-active")
        assert done.returncode == 0, done.stderr
        assert exchange.await_restart("engine", active) == former
        exchange.await_restart("passive", former)
        again = ringbus("promote", exchange.name, "--stop-active")
        assert again.returncode == 0, again.stderr


def test_a_passive_engine_that_dies_is_started_again(make: Maker) -> None:
    with launched(with_passive(make)) as exchange:
        former = exchange.kill("passive")
        exchange.await_restart("passive", former)
        exchange.kill("engine")
        assert until(lambda: "the engine is down" in launcher_log(exchange))
        assert ringbus("promote", exchange.name).returncode == 0


def test_an_engine_that_dies_while_the_passive_one_starts(make: Maker) -> None:
    """Nobody hears the order then: it is given again, to whoever runs next."""
    with launched(with_passive(make, "automatic")) as exchange:
        engine = exchange.process("engine")
        exchange.kill("passive")
        exchange.kill("engine")
        exchange.await_restart("engine", engine)
        log = launcher_log(exchange)
        assert log.count("is started again") == 1, log
        assert "SIGUSR1" not in log


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("agents = ['journal'", "agents = ['passive', 'journal'"), '"passive" shares its core'),
        (("[stream]", 'failover = "automatic"\n[stream]'), "no passive engine to fail over to"),
    ],
)
def test_impossible_topologies(make: Maker, change: tuple[str, str], problem: str) -> None:
    path = make(ports=1)
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(ConfigurationError, match=problem):
        load_topology(path)
