"""Runs the benchmarks of a checkout, several times each in turns, and takes down what they found.

They are programs of their own (tests/bench), most of them in C: each prints for people, and writes
a record of every figure and result into the file that BENCH_RECORDS names (tests/bench/record.h).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tools.results import ONE, Figure, Part, distance_between, distance_of
from tuning.host import Host

TIMEOUT_S: Final = 900
ROOT: Final = Path(__file__).resolve().parents[1]
PROGRAMS: Final = Path("build", "ctest", "tests")
BARE_TRIPS: Final = "20000"
PYTHON: Final = "tests."


class BenchError(Exception):
    """A benchmark is not here, failed, or did not do the same work twice; the text says which."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One program: what it is about, and its arguments for a run and for a quick look.

    `program`: of build/ctest/tests, or a module of tests.bench.
    """

    about: str
    program: str
    full: tuple[str, ...]
    quick: tuple[str, ...]

    @property
    def command(self) -> tuple[str, ...]:
        """How it is called in the checkout, without its arguments."""
        if self.program.startswith(PYTHON):
            return sys.executable, "-m", self.program
        return (str(PROGRAMS / self.program),)


def _of(about: str, program: str, full: str, quick: str) -> Benchmark:
    return Benchmark(about, program, tuple(full.split()), tuple(quick.split()))


BENCHMARKS: Final = {
    "ring": _of(
        "lanes and multicast between two CPUs, beside the bare cache line",
        "bench_ring", "3 2097152 50000 0 1 60", "1 65536 2000 0 1 5 lane",
    ),
    "book": _of(
        "the book alone: 10,000 instruments, one hot instrument, two shards",
        "bench_book", "3 2000000 800000 1000000", "1 20000 20000 20000",
    ),
    "engine": _of(
        "sequencer, shard and publisher on one core; a proposal there and back",
        "bench_engine", "3 100000 2000000", "1 2000 6400",
    ),
    "pipeline": _of(
        "latency of a proposal at 10, 50 and 80 % load, counted from the intended time",
        "bench_latency", "3 200000", "1 6400",
    ),
    "components": _of(
        "one message through each component, alone: the 99th percentile",
        "bench_components", "3 300000", "1 2000",
    ),
    "replay": _of(
        "every kind of agent rebuilt from a recorded day",
        "tests.bench.bench_rebuild", "2000000 3", "20000 1",
    ),
    "ports": _of(
        "a client port: requests to proposals to answers, without sockets and over TCP",
        "bench_ports", "3 500000 300 500", "1 2000 20 20",
    ),
    "market": _of(
        "the stream into ITCH messages and MoldUDP64 packets",
        "bench_market", "3 1000000 400000", "1 20000 20000",
    ),
    "many": _of(
        "mass cancels and crosses: one message, many orders",
        "bench_many", "3 100000", "2 10000",
    ),
    "python": _of(
        "the book from Python, beside a book written in Python",
        "tests.bench.bench_book", "3 50000", "1 8000",
    ),
    "application": _of(
        "applications in Python: whole batches, message by message",
        "tests.bench.bench_application", "3 200000", "1 8192",
    ),
    "auction": _of(
        "ten thousand instruments opened at the same second",
        "tests.bench.bench_auction", "1 2000 20", "1 40 20",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of one program said."""

    results: dict[str, str]
    figures: list[Figure]
    bare_ns: tuple[float, float]
    load: tuple[float, float]
    seconds: float


def build(root: Path) -> None:
    """Compile the programs. Raises: BenchError: this is no checkout, or they cannot be compiled."""
    if not (root / "tests" / "bench" / "bench.h").is_file() or not (root / "Makefile").is_file():
        raise BenchError(
            f"the benchmarks are C programs of the sources, which are not in {root}; "
            "run it in a checkout, as .venv/bin/ringbus bench"
        )
    if shutil.which("make") is None:
        raise BenchError("make is missing: apt-get install make gcc")
    command = ["make", "--silent", "--no-print-directory", "bench-programs"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)} failed:\n{_tail(done.stdout + done.stderr)}")


def run_all(
    names: Sequence[str], runs: int, quick: bool, root: Path, told: Callable[[str], None]
) -> dict[str, Part]:
    """Run benchmarks in turns: each once, small, to warm up, and then `runs` times.

    Args: quick: small runs, without warming up; told: is called with the name and the number of
    each run when it begins. Raises: BenchError.
    """
    done: dict[str, list[Run]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="ringbus-bench-") as directory:
        records = Path(directory) / "records"
        for n in range(0 if quick else -1, runs):
            for name in names:
                told(f"{name}, {'warm-up' if n < 0 else f'run {n + 1} of {runs}'}")
                one = run_once(name, quick or n < 0, root, records)
                if n >= 0:
                    done[name].append(one)
    return {name: _merged(name, quick, of_it) for name, of_it in done.items()}


def run_once(name: str, quick: bool, root: Path, records: Path) -> Run:
    """One run of one benchmark, between two looks at the bare line."""
    benchmark = BENCHMARKS[name]
    records.unlink(missing_ok=True)
    before_ns, load = _bare_ns(root), _load()
    start = datetime.now(UTC)
    arguments = benchmark.quick if quick else benchmark.full
    _call(["env", f"BENCH_RECORDS={records}", *benchmark.command, *arguments], root, name)
    seconds = (datetime.now(UTC) - start).total_seconds()
    after_ns = _bare_ns(root)
    if not records.is_file():
        raise BenchError(f"{name}: {benchmark.program} found nothing; two CPUs are wanted")
    results: dict[str, str] = {}
    figures = []
    for line in records.read_text(encoding="utf-8").splitlines():
        said = json.loads(line)
        if "result" in said:
            results[said["result"]] = said["hash"]
        elif said["rounds"]:
            distance = ONE
            if said["cpus"] > 1:
                distance = distance_of(said["bare_ns"]) or distance_between(before_ns, after_ns)
            rounds = tuple(said["rounds"])
            figures.append(Figure(said["figure"], said["unit"], distance, said["target"], rounds))
    return Run(results, figures, (before_ns, after_ns), (load, _load()), seconds)


def _merged(name: str, quick: bool, runs: Sequence[Run]) -> Part:
    benchmark = BENCHMARKS[name]
    rounds: dict[tuple[str, str, str, str], tuple[float, ...]] = {}
    for one in runs:
        if one.results != runs[0].results:
            raise BenchError(f"{name}: the same work came to {runs[0].results}, then {one.results}")
        for figure in one.figures:
            key = figure.name, figure.unit, figure.distance, figure.target
            rounds[key] = rounds.get(key, ()) + figure.rounds
    return Part(
        command=(benchmark.program, *(benchmark.quick if quick else benchmark.full)),
        results=runs[0].results,
        figures=tuple(Figure(*key, of_it) for key, of_it in rounds.items()),
        bare_ns=tuple(ns for one in runs for ns in one.bare_ns),
        load=tuple(load for one in runs for load in one.load),
        seconds=round(sum(one.seconds for one in runs), 1),
    )


def _bare_ns(root: Path) -> float:
    """The bare cache line between CPUs 0 and 1, there and back; 0: there are no two."""
    if not {0, 1} <= os.sched_getaffinity(0):
        return 0.0
    said = _call([str(PROGRAMS / "bare_line"), BARE_TRIPS], root, "bare_line")
    return float(said.split()[0])


def _load() -> float:
    return float(Host().text("/proc/loadavg").split()[0])


def compiler(root: Path) -> str:
    """What compiled the programs."""
    return _call([str(PROGRAMS / "bench_counts"), "compiler"], root, "bench_counts").strip()


def source(root: Path) -> str:
    """The commit of the checkout, "-dirty" behind it if there are changes; "" without git."""
    command = ["git", "describe", "--always", "--dirty"]
    if shutil.which("git") is None:
        return ""
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _call(command: list[str], root: Path, name: str) -> str:
    with _group(command, root) as process:
        try:
            out, err = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{name}: did not end within {TIMEOUT_S} s") from None
    if process.returncode != 0:
        raise BenchError(f"{name}: failed, status {process.returncode}:\n{_tail(err or out)}")
    return out


@contextlib.contextmanager
def _group(command: list[str], root: Path) -> Iterator[subprocess.Popen[str]]:
    """A process with all that it forks: readers that spin would outlive it."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, cwd=root, stdout=pipe, stderr=pipe, text=True, process_group=0
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-10:])
