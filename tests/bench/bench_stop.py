"""How long a stop takes: from the command to nothing left: `make bench-stop`.

Seventeen processes, parked on the CPUs that there are: an engine in six, two journals that both
have to have an answer, two client ports, a passive engine, six applications. `ringbus down` is run
as an operator does, once nobody trades and once while two clients send all they can. Then every
process is looked for, every name in /dev/shm, and the exchange's state; what was told to the
clients must be in the journals.
"""

from __future__ import annotations

import argparse
import os
import platform
import select
import subprocess
import sys
import tempfile
import time
from functools import partial
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from ports.ouch import EnterOrder
from ports.soup import UNSEQUENCED, encode_packet
from ringbus.journal import read_day
from ringbus.messages import NEW_ORDER, Template
from ringbus.segment import listing
from tests.bench.records import figure
from tests.tools.conftest import write_exchange
from tests.tools.test_crowded import AGENTS, crowded
from tools.exchange import Exchange, start_detached
from tools.load_session import LoadSession
from tools.state import find

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = {"port.0": ("ALICE", 1), "port.1": ("BOB", 7)}
BUDGET_MS = 1000.0
LOAD_SECONDS = 1.0
WINDOW = 64
IMMEDIATE = "3"


def trade(exchange: Exchange, port: str, said: Connection) -> None:
    """Orders that find nobody, as many as the port takes, until it is gone; says how many were
    answered.
    """
    user, number = CLIENTS[port]
    session = LoadSession(exchange.port(port), user, "SECRET", number)
    session.connect()
    sent, has_said = 0, False
    while session.receive():
        answered = len(session.received)
        # Each is accepted and then canceled.
        while sent < answered // 2 + WINDOW:
            sent += 1
            order = EnterOrder(sent, "B", 1, "S1", 100_000, IMMEDIATE).encode()
            session.send(encode_packet(UNSEQUENCED, order))
        if answered and not has_said:
            said.send(0)
            has_said = True
        select.select([session] if session.fileno() >= 0 else [], [], [], 0.1)
    said.send(len(session.received) // 2)


def down(exchange: Exchange) -> float:
    """Stop it by the command; returns ms until nothing of it is left. Raises: SystemExit."""
    state = exchange.state
    pids = [state.launcher, *(core.process for core in state.cores.values())]
    begun_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tools.cli", "down", exchange.name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    took_ms = 1000 * (time.monotonic() - begun_s)
    left = [one.pid for one in pids if one.alive]
    if done.returncode or left or listing(exchange.name) or find(exchange.name) is not None:
        raise SystemExit(f"{done.stdout}{done.stderr}{left} and {listing(exchange.name)} are left")
    return took_ms


def one_round(directory: Path, is_loaded: bool) -> tuple[float, int]:
    """A start and a stop: ms that the stop took, orders that were answered before."""
    name = f"stop-{os.getpid()}"
    exchange = start_detached(crowded(partial(write_exchange, directory, name), "park"), bound=True)
    heard: list[Connection] = []
    clients: list[Process] = []
    for port in CLIENTS if is_loaded else ():
        here, there = Pipe()
        clients.append(Process(target=trade, args=(exchange, port, there)))
        clients[-1].start()
        heard.append(here)
    for one in heard:
        one.recv()
    time.sleep(LOAD_SECONDS)
    try:
        took_ms = down(exchange)
    finally:
        exchange.down()
    answered = sum(one.recv() for one in heard)
    for client in clients:
        client.join()
    for journal in ("journal", "journal.b"):
        day = read_day(exchange.configuration.topology.journal_path(journal))
        orders = day[day["template_id"] == Template.NEW_ORDER].view(NEW_ORDER)
        if len(orders) < answered:
            raise SystemExit(f"{journal} has {len(orders)} orders, {answered} were answered")
    return took_ms, answered


def started_ms() -> float:
    """What a command of this kind takes that finds nothing to do."""
    begun_s = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "tools.cli", "down", f"nobody-{os.getpid()}"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return 1000 * (time.monotonic() - begun_s)


def main() -> int:
    """Rounds of both kinds in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=int, nargs="?", default=20)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{platform.system()} {platform.release()}, {os.cpu_count()} CPUs, load {load:.2f}")
    print(f"{len(AGENTS)} cores; `ringbus down` from the command to nothing left", flush=True)
    took: dict[bool, list[float]] = {False: [], True: []}
    orders, bare = 0, []
    for _ in range(options.rounds):
        bare.append(started_ms())
        for is_loaded in took:
            with tempfile.TemporaryDirectory(prefix="ringbus-stop-") as directory:
                took_ms, answered = one_round(Path(directory), is_loaded)
                took[is_loaded].append(took_ms)
                orders += answered
    for is_loaded, what in ((False, "nobody trades"), (True, "under full load")):
        rounds = sorted(took[is_loaded])
        word = "within" if rounds[-1] <= BUDGET_MS else "OVER"
        print(
            f"  {what:16} median {median(rounds):5.0f} ms, worst {rounds[-1]:5.0f} ms of "
            f"{len(rounds)}: {word} the budget of {BUDGET_MS:.0f} ms"
        )
        figure(f"stop of 17 processes, {what}", rounds, "ms", f"<= {BUDGET_MS:.0f}")
    print(f"  of it the command itself: median {median(bare):.0f} ms, worst {max(bare):.0f} ms")
    print(
        f"  {orders} orders were answered, all are in both journals; load {os.getloadavg()[0]:.2f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
