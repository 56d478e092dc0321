"""The market maker of ports/README.md is the one that ships; it trades, over a killed port too."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ports.ouch import OrderExecuted
from ports.ouch_client import OuchClient
from tests.tools.test_placement import placements, topology
from tools.exchange import Exchange, launched

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "ports" / "README.md").read_text()
MAKER = (ROOT / "tools" / "demo" / "market_maker.py").read_text()
FAIR, TICK = 217_000, 100
LIMIT_S = 60


def test_the_page_shows_what_ships() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert MAKER.endswith(example)
    assert len(MAKER.splitlines()) <= 60


def test_what_the_page_names_is_there() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / "ports" / link).exists(), link
    for path in re.findall(r"`((?:ports|tools)/[\w/.]+)`", README):
        assert (ROOT / path).exists(), path


async def take(exchange: Exchange, ports: int) -> list[int]:
    """Buy three times from the market maker; the port is killed after the first."""
    host, tcp = exchange.port("port.0")
    prices: list[int] = []
    async with asyncio.timeout(LIMIT_S), OuchClient(host, tcp, "CLI001", "DEMO000001") as client:
        for n in range(3):
            # Whatever is offered up to here, and the rest is not wanted.
            bid = {"symbol": "600761", "side": "B", "quantity": 100, "price": FAIR + 10 * TICK}
            while len(prices) == n:
                ref = await client.enter(**bid, tif="3")  # type: ignore[arg-type]
                async for _, message in client.events():
                    if isinstance(message, OrderExecuted):
                        prices.append(message.price)
                    if message.TYPE in (b"E", b"C") and getattr(message, "user_ref", 0) == ref:
                        break
            if n == 0 and ports:
                former = exchange.kill("core4")
                await asyncio.to_thread(exchange.await_restart, "core4", former)
    return prices


@pytest.mark.xdist_group("processes")
def test_the_market_maker_trades_over_a_killed_port(tmp_path: Path) -> None:
    name = f"maker-{os.getpid()}"
    cores = placements(1)["one-process-each"]
    with launched(topology(tmp_path, name, 1, cores)) as exchange:
        _, tcp = exchange.port("port.0")
        command = [sys.executable, "-m", "tools.demo.market_maker", str(tcp)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as maker:
            try:
                prices = asyncio.run(take(exchange, ports=1))
                assert maker.stdout is not None
                said = [maker.stdout.readline().strip() for _ in range(3)]
                assert maker.poll() is None
            finally:
                maker.terminate()
    # Each time a tick higher: its price moves with what trades.
    assert prices == [FAIR + n * TICK for n in (1, 2, 3)]
    assert said == [f"100 at {price / 10_000:.2f}" for price in prices]
