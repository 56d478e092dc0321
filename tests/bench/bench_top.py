"""What it costs an exchange to be watched: `make bench-top`.

Real processes: an exchange, `ringbus top` in a terminal of its own, `ringbus metrics` scraped once
a second. The watchers are there all the time and are stopped and let go on in turn, so that every
round without them has one with them beside it. First the orders of a real day one at a time, which
is throughput, then paced, which is latency.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import pty
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from ringbus.journal import read_day
from ringbus.messages import NEW_ORDER, Template
from tests.tools.test_load import journal_of
from tests.tools.test_placement import DEMO, ROWS, topology
from tools.exchange import Exchange, launched
from tools.hops import collect, collect_since
from tools.load import Load, read_clients
from tools.orders import Request, load_orders
from tools.watch.usage import usage

CORES = [["sequencer", "shard.0", "shard.1", "publisher"], ["journal"], ["port.0"]]
HASHED = ("template_id", "instrument", "price_ticks", "quantity", "client_order_id", "side")
DECIDED = (Template.NEW_ORDER, Template.EXECUTED, Template.CANCEL, Template.REJECTED)
# Watchers that go on after a stop hear first what they have missed.
SETTLE_S = 1.0


@dataclass
class Figures:
    """What was measured in the rounds of one kind; times in us."""

    per_s: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    whole_p99: list[float] = field(default_factory=list)


class Watchers:
    """Both, as people and Prometheus use them."""

    def __init__(self, name: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
        ringbus = [sys.executable, "-m", "tools.cli"]
        environment = {**os.environ, "TERM": "xterm-256color"}
        self._top = subprocess.Popen(
            [*ringbus, "top", name], stdin=slave, stdout=slave, stderr=slave, env=environment
        )
        os.close(slave)
        self._metrics = subprocess.Popen(
            [*ringbus, "metrics", name, "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._metrics.stdout is not None
        self._url = self._metrics.stdout.readline().split()[-1]
        self._drawn = 0
        self.scrapes = 0
        self._watches = threading.Event()
        self._ended = threading.Event()
        self._drainer = threading.Thread(target=self._drain)
        self._scraper = threading.Thread(target=self._scrape)
        self._drainer.start()
        self._scraper.start()

    def _drain(self) -> None:
        """Take what `top` draws, as a terminal does."""
        while True:
            try:
                self._drawn += len(os.read(self._master, 1 << 16))
            except OSError:
                return

    def _scrape(self) -> None:
        while not self._ended.wait(1.0):
            if self._watches.is_set():
                with urllib.request.urlopen(self._url, timeout=60) as answer:
                    assert b"ringbus_up" in answer.read()
                self.scrapes += 1

    def _send(self, number: int) -> None:
        for one in (self._top, self._metrics):
            one.send_signal(number)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Let them look on."""
        self._send(signal.SIGCONT)
        self._watches.set()
        time.sleep(SETTLE_S)
        try:
            yield
        finally:
            self._watches.clear()
            self._send(signal.SIGSTOP)

    def await_first(self) -> None:
        """Until the view stands on the screen; then they wait."""
        while self._drawn < 4096:
            assert self._top.poll() is None
            time.sleep(0.05)
        self._send(signal.SIGSTOP)

    def cpu_s(self) -> tuple[float, float]:
        """CPU time of `top` and of `metrics` so far."""
        return usage(self._top.pid).cpu_ns / 1e9, usage(self._metrics.pid).cpu_ns / 1e9

    def close(self) -> None:
        self._ended.set()
        self._send(signal.SIGCONT)
        self._scraper.join()
        self._send(signal.SIGTERM)
        self._top.wait()
        self._metrics.wait()
        self._drainer.join()
        os.close(self._master)


def result_hash(exchange: Exchange) -> str:
    """Of what the engine decided, without times and places."""
    day = read_day(journal_of(exchange))
    lines = day[[one in DECIDED for one in day["template_id"].tolist()]].view(NEW_ORDER)
    digest = hashlib.sha256()
    for name in HASHED:
        digest.update(lines[name].tobytes())
    return digest.hexdigest()[:8]


def report(name: str, unit: str, alone: list[float], watched: list[float]) -> None:
    """Medians of both, and what they differ by."""
    one, other = median(alone), median(watched)
    print(
        f"{name:34} alone {one:10,.1f} {unit} ({min(alone):,.1f}-{max(alone):,.1f})  "
        f"watched {other:10,.1f} ({min(watched):,.1f}-{max(watched):,.1f})  "
        f"{100 * (other / one - 1):+.1f} %",
        flush=True,
    )


def rounds(count: int, watchers: Watchers, one: Callable[[Figures], None]) -> list[Figures]:
    """Each round alone and watched, the other way round in every second one."""
    both = [Figures(), Figures()]
    for turn in range(count):
        for is_watched in (turn % 2, 1 - turn % 2):
            if is_watched:
                with watchers.watching():
                    one(both[1])
            else:
                one(both[0])
    return both


def measure(exchange: Exchange, options: argparse.Namespace) -> None:
    count, exact, paced = options.rounds, options.orders, options.paced
    with Load(exchange, read_clients(DEMO / "clients.csv")) as load:
        requests = iter(load.dealer.deal(load_orders(ROWS, (2 * count + 1) * (exact + paced))))
        load.login()
        watchers = Watchers(exchange.name)

        def take(number: int) -> list[Request]:
            return [next(requests) for _ in range(number)]

        def throughput(figures: Figures) -> None:
            figures.per_s.append(load.exact(take(exact)).rate)
            load.settle(0.05)

        def latency(figures: Figures) -> None:
            before = collect(exchange.name)
            done = load.paced(take(paced), options.rate)
            assert done.answered == paced, f"{paced - done.answered} were not answered"
            p50, p99 = done.latency.percentiles((50, 99))
            whole = collect_since(exchange.name, before)["whole"].percentile(99)
            figures.p50.append(p50 / 1e3)
            figures.p99.append(p99 / 1e3)
            figures.whole_p99.append(whole / 1e3)

        try:
            watchers.await_first()
            throughput(Figures())  # not counted: nothing is warm yet
            alone, watched = rounds(count, watchers, throughput)
            load.settle()
            print(
                f"result hash {result_hash(exchange)}, {(2 * count + 1) * exact} orders", flush=True
            )
            report("one at a time", "/s", alone.per_s, watched.per_s)
            begun, cpu = time.monotonic(), watchers.cpu_s()
            alone, watched = rounds(count, watchers, latency)
            spent = time.monotonic() - begun
            report("client p50, from the intended time", "us", alone.p50, watched.p50)
            report("client p99, from the intended time", "us", alone.p99, watched.p99)
            report("port's whole way, p99", "us", alone.whole_p99, watched.whole_p99)
            used = [100 * (b - a) / spent for a, b in zip(cpu, watchers.cpu_s(), strict=True)]
            print(f"CPU, half of the time stopped: top {used[0]:.1f} %, metrics {used[1]:.1f} %")
            print(f"{watchers.scrapes} scrapes, load {os.getloadavg()[0]:.1f}", flush=True)
        finally:
            watchers.close()


def main() -> int:
    """An exchange, and both kinds of rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=7)
    parser.add_argument("orders", nargs="?", type=int, default=2000)
    parser.add_argument("paced", nargs="?", type=int, default=3000)
    parser.add_argument("rate", nargs="?", type=float, default=1500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ringbus-top-") as directory:
        path = topology(Path(directory), f"bench-top-{os.getpid()}", 2, CORES)
        path.write_text(path.read_text().replace('clock = "stopped"\n', ""))
        with launched(path) as exchange:
            measure(exchange, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
