"""What a start costs: an exchange that comes up, and each of its cores after a SIGKILL.

usage: python -m tests.bench.bench_start [rounds]

An engine, a client port, and applications of several kinds with a core each. A killed core is
missed from the kill to its successor's first beat: the launcher hears of the death, starts an
interpreter, which imports, restores the configuration, maps the memory and reads the day (which is
short here: `make bench-rebuild` is about long ones). CPU is that of all processes together.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from ringbus.core import CorePage, CoreState
from tests.bench.records import figure
from tests.tools.conftest import write_exchange
from tools.exchange import Exchange, start_detached
from tools.memory import Attachment

ROUNDS = 5
KINDS = ("ticker", "fairy", "stops", "guardian", "auction", "console", "fix")
BUDGET_MS = 2000.0
LOOK_SECONDS = 0.0005
PATIENCE_SECONDS = 120.0
PR_SET_CHILD_SUBREAPER = 36


def applications() -> str:
    """One of each kind, each on a core of its own."""
    return "".join(
        f'[[application]]\nname = "{kind}.0"\nkind = "{kind}"\n'
        f'[[core]]\nname = "{kind}-0"\nagents = ["{kind}.0"]\n'
        for kind in KINDS
    )


def missed_ms(page: CorePage) -> float:
    """Kill a core; ms until its successor beats. Raises: SystemExit: none came."""
    pid, begun_s = page.pid, time.monotonic()
    os.kill(pid, signal.SIGKILL)
    while page.pid == pid or page.state != CoreState.RUNNING or page.beat_ns == 0:
        if time.monotonic() - begun_s > PATIENCE_SECONDS:
            raise SystemExit(f"nobody came in the place of process {pid}")
        time.sleep(LOOK_SECONDS)
    return 1000 * (time.monotonic() - begun_s)


def kill_each(exchange: Exchange) -> dict[str, float]:
    """Every core that may die, once: its name and how long it was missed."""
    topology = exchange.configuration.topology
    with Attachment(exchange.name) as shared:
        return {
            core.name: missed_ms(CorePage(shared.attach(f"core.{core.name}")))
            for core in topology.cores
            if topology.restartable(core)
        }


def one_round() -> tuple[float, dict[str, float]]:
    """ms until it is ready, and what each killed core came to."""
    with tempfile.TemporaryDirectory(prefix="ringbus-start-") as directory:
        path = write_exchange(Path(directory), f"start-{os.getpid()}", extra=applications())
        begun_s = time.monotonic()
        exchange = start_detached(path, bound=True)
        up_ms = 1000 * (time.monotonic() - begun_s)
        try:
            return up_ms, kill_each(exchange)
        finally:
            exchange.down()


def cpu_s() -> float:
    """CPU of all processes that have ended below this one, whoever started them."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(rounds: int = ROUNDS) -> int:
    """Rounds, one after the other."""
    # What a dead launcher leaves becomes a child of this process, so that its CPU is counted too.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    print(f"{platform.system()} {platform.release()}, {os.cpu_count()} CPUs, ", end="")
    print(f"load {os.getloadavg()[0]:.2f}", flush=True)
    up, used = [], []
    missed: dict[str, list[float]] = {}
    for _ in range(rounds):
        before_s = cpu_s()
        up_ms, one = one_round()
        used.append(cpu_s() - before_s)
        up.append(up_ms)
        for name, took_ms in one.items():
            missed.setdefault(name, []).append(took_ms)
    print(f"  up: median {median(up):.0f} ms, worst {max(up):.0f} of {rounds}")
    print(f"  CPU of a round, {len(missed)} kills in it: median {median(used):.2f} s")
    for name, each in missed.items():
        print(f"  {name:12} missed for {median(each):5.0f} ms, worst {max(each):5.0f}")
    every = [took_ms for each in missed.values() for took_ms in each]
    word = "within" if max(every) <= BUDGET_MS else "OVER"
    print(f"  worst of all {max(every):.0f} ms: {word} the budget of {BUDGET_MS:.0f} ms")
    figure("a killed core is missed", every, "ms", f"<= {BUDGET_MS:.0f}")
    figure("CPU of a start, a kill of each core, a stop", used, "s")
    return 0


if __name__ == "__main__":
    sys.exit(main(*(int(one) for one in sys.argv[1:2])))
