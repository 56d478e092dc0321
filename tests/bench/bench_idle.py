"""What an exchange costs that has nothing to do, and how long it takes to wake: `make bench-idle`.

The demo's topology in real processes, parked and adaptive: CPU time of each process as the kernel
counts it (schedstat, all threads), times that it was woken, and the time from an order sent after a
silence to its answer. Beside it an echo over the same loopback between two processes that were as
silent: what the kernel alone takes to wake somebody, twice. The client asks for short turns as the
exchange's cores do: what is measured is not how long it waits itself behind others.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import select
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ports.ouch import EnterOrder, OrderAccepted, decode_outbound
from ports.soup import UNSEQUENCED, encode_packet
from tools.exchange import Exchange, launched
from tools.load_session import LoadSession
from tools.turns import SHORT_NS, ask_for_turns

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "tools" / "demo"
BUDGET_PERCENT = 3.0
# Longer than any timeout of a parked core: all of them sleep as deep as they can.
SILENCE_SECONDS = 0.05
# Not in step with anybody's timer.
STEP_SECONDS = 0.00037
WARM_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process had of the CPU: ns, and times that it went to sleep."""

    cpu_ns: int
    sleeps: int

    @classmethod
    def of(cls, pid: int) -> Spent:
        """So far, all its threads."""
        cpu_ns = sleeps = 0
        for task in Path(f"/proc/{pid}/task").iterdir():
            cpu_ns += int((task / "schedstat").read_text().split()[0])
            status = (task / "status").read_text()
            sleeps += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
        return cls(cpu_ns, sleeps)


def topology(directory: Path, wait: str) -> Path:
    """The demo's exchange under another name, its cores waiting so."""
    for file in ("instruments.csv", "participants.csv"):
        shutil.copy(DEMO / file, directory / file)
    text = (DEMO / "demo.toml").read_text()
    text = text.replace('name = "demo"', f'name = "idle-{wait}-{os.getpid()}"')
    text = text.replace('directory = "../../demo-output"', 'directory = "out"')
    text = text.replace('wait = "park"', f'wait = "{wait}"')
    path = directory / "idle.toml"
    path.write_text(text)
    return path


def rest(exchange: Exchange, seconds: float) -> float:
    """CPU of every process while nothing happens; returns per cent of one core in all."""
    state = exchange.state
    pids = {"launcher": state.launcher.pid}
    pids |= {name: core.process.pid for name, core in sorted(state.cores.items())}
    before, begun_ns = {name: Spent.of(pid) for name, pid in pids.items()}, time.monotonic_ns()
    time.sleep(seconds)
    after, ended_ns = {name: Spent.of(pid) for name, pid in pids.items()}, time.monotonic_ns()
    total = 0.0
    for name in pids:
        percent = 100 * (after[name].cpu_ns - before[name].cpu_ns) / (ended_ns - begun_ns)
        sleeps = (after[name].sleeps - before[name].sleeps) / ((ended_ns - begun_ns) / 1e9)
        total += percent
        print(f"  {name:12} {percent:6.2f} % of one CPU, woken {sleeps:6.0f} times a second")
    word = "within" if total <= BUDGET_PERCENT else "OVER"
    print(f"  {'all':12} {total:6.2f} %, {word} the budget of {BUDGET_PERCENT:.0f} %", flush=True)
    return total


def wake(exchange: Exchange, orders: int) -> None:
    """An order after each silence."""
    with (DEMO / "clients.csv").open() as file:
        user, password = next(iter(csv.reader(list(file)[1:])))[:2]
    session = LoadSession(exchange.port("port.0"), user, password, 0)
    session.connect()
    accepted: list[int] = []

    def told(payload: bytes) -> None:
        message = decode_outbound(payload)
        if isinstance(message, OrderAccepted):
            accepted.append(message.user_ref)

    def enter(number: int) -> None:
        order = EnterOrder(number, "B", 100, "600761", 217000, "0").encode()
        session.send(encode_packet(UNSEQUENCED, order))
        while not accepted or accepted[-1] != number:
            select.select([session], [], [])
            if not session.receive(told):
                raise SystemExit("the port has closed the connection")

    took_ns = times(enter, orders)
    session.logout()
    if accepted != list(range(1, orders + 1)):
        raise SystemExit(f"{orders} orders, and {len(accepted)} were accepted")
    show("order to answer, all asleep", took_ns)


def echo(rounds: int) -> None:
    """A byte there and back between two processes that were as silent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = os.fork()
        if child == 0:
            peer = socket.create_connection(server.getsockname())
            while byte := peer.recv(1):
                peer.send(byte)
            os._exit(0)
        one, _ = server.accept()
        with one:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def trip(_: int) -> None:
                one.send(b"x")
                one.recv(1)

            show("the kernel's own, there and back", times(trip, rounds))
        os.waitpid(child, 0)


def times(act: Callable[[int], None], count: int) -> list[int]:
    """How long each took, ns, with a silence before it."""
    out = []
    for number in range(1, count + 1):
        time.sleep(SILENCE_SECONDS + STEP_SECONDS * (number % 29))
        begun_ns = time.perf_counter_ns()
        act(number)
        out.append(time.perf_counter_ns() - begun_ns)
    return out


def show(what: str, took_ns: list[int]) -> None:
    """Percentiles, µs."""
    p50, p99 = np.percentile(took_ns, (50, 99)) / 1000
    most = max(took_ns) / 1000
    print(f"  {what}: p50 {p50:.0f} µs, p99 {p99:.0f} µs, most {most:.0f} µs", flush=True)


def main() -> int:
    """Both ways of waiting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=15.0)
    parser.add_argument("orders", type=int, nargs="?", default=300)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{platform.system()} {platform.release()}, {os.cpu_count()} CPUs, load {load:.2f}")
    for wait in ("park", "adaptive"):
        with (
            tempfile.TemporaryDirectory(prefix="ringbus-idle-") as directory,
            launched(topology(Path(directory), wait)) as exchange,
        ):
            deadline = time.monotonic() + WARM_SECONDS
            while not all(core.warm for core in exchange.state.cores.values()):
                if time.monotonic() > deadline:
                    raise SystemExit("the exchange does not come to rest")
                time.sleep(0.05)
            ask_for_turns(SHORT_NS)
            print(f"{wait}, {options.orders} orders, {len(exchange.state.cores)} cores")
            rest(exchange, options.seconds)
            wake(exchange, options.orders)
    echo(options.orders)
    return 0


if __name__ == "__main__":
    sys.exit(main())
