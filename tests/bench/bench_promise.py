"""What a promise costs a client, and how long a dead engine is missed: `make bench-promise`.

Real processes, two journals on this disk, a passive engine; the orders of the Shanghai day over 32
TCP clients. Latency is from the time a request was due to its answer at the client.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from ports.ouch import OrderAccepted
from ports.ouch_client import OuchClient
from tools import load
from tools.exchange import Exchange, launched
from tools.sections import ACKNOWLEDGE

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "tools" / "demo"
ORDERS = ROOT / "tests" / "data" / "sse_20230711" / "inbound.csv.gz"


def topology(directory: Path, acknowledge: str, name: str) -> Path:
    """The demo's exchange with two journals and a passive engine, under another name."""
    for file in ("instruments.csv", "participants.csv"):
        shutil.copy(DEMO / file, directory / file)
    # Without those who hold the calls: nobody trades there.
    text = (DEMO / "demo.toml").read_text().partition("[[application]]")[0]
    text = text.replace('name = "demo"', f'name = "{name}"')
    text = text.replace('directory = "../../demo-output"', 'directory = "out"')
    text = text.replace('acknowledge = "published"', f'acknowledge = "{acknowledge}"')
    text = text.replace("[stream]", 'failover = "automatic"\n\n[stream]', 1)
    text = text.replace("[journal]", "[journal]\ncopies = 2", 1)
    for agent in ("journal.b", "passive"):
        core = agent.replace(".", "-")
        text += f'\n[[core]]\nname = "{core}"\nwait = "park"\nagents = ["{agent}"]\n'
    path = directory / f"{name}.toml"
    path.write_text(text)
    return path


async def enter(client: OuchClient) -> None:
    """An order, until it is accepted."""
    ref = await client.enter(symbol="600761", side="B", quantity=100, price=217000)
    async for _, message in client.events():
        if isinstance(message, OrderAccepted) and message.user_ref == ref:
            return


async def outages(exchange: Exchange, rounds: int) -> list[tuple[float, float]]:
    """Kill the engine between two orders, again and again: ms until the launcher said so, ms until
    the next order was answered.
    """
    with (DEMO / "clients.csv").open() as file:
        user, password = next(iter(csv.reader(list(file)[1:])))[:2]
    out = []
    async with OuchClient(*exchange.port("port.0"), user, password) as client:
        for _ in range(rounds):
            for _ in range(3):
                await enter(client)
            former = exchange.process("engine")
            start_s = time.monotonic()
            exchange.kill("engine")
            answer = asyncio.create_task(enter(client))
            while (record := exchange.state.cores.get("engine")) and record.process == former:
                await asyncio.sleep(0.001)
            noticed_s = time.monotonic()
            await answer
            ended_s = time.monotonic()
            out.append(((noticed_s - start_s) * 1000, (ended_s - start_s) * 1000))
            await asyncio.to_thread(exchange.await_restart, "engine", former)
            engine = exchange.process("engine")
            await asyncio.to_thread(exchange.await_restart, "passive", engine)
    return out


def main() -> int:
    """Load in each mode, then deaths of the engine; 1 if not everything was answered."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--limit", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--deaths", action="store_true", help="of the engine only, no load")
    options = parser.parse_args()
    told = ["--clients", str(DEMO / "clients.csv"), "--mode", "paced"]
    told += ["--rate", str(options.rate), "--limit", str(options.limit)]
    for mode in () if options.deaths else ACKNOWLEDGE:
        with tempfile.TemporaryDirectory(prefix="ringbus-promise-") as directory:
            path = topology(Path(directory), mode, f"promise-{mode}")
            with launched(path) as exchange:
                print(f'acknowledge = "{mode}"', flush=True)
                if load.main([exchange.name, str(ORDERS), *told]) != 0:
                    return 1
    with tempfile.TemporaryDirectory(prefix="ringbus-promise-") as directory:
        path = topology(Path(directory), "published", "promise-outage")
        with launched(path) as exchange:
            for noticed_ms, answered_ms in asyncio.run(outages(exchange, options.rounds)):
                print(f"engine killed: noticed {noticed_ms:.0f} ms, answered {answered_ms:.0f} ms")
            print(f"load {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
