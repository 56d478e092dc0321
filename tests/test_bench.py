"""The benchmarks run, and their result is what it always was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(__file__).resolve().parents[1] / "build" / "ctest" / "tests"
# Of 6,400 proposals with seed 88172645463325252. It changes with the schema and the matching rules.
RESULT_HASH = "c1db7ed5"
# Of 4,096 orders to 16 shards that meet nothing.
STAGES_HASH = "f5e05f3a"


def test_bench_engine_runs_and_makes_the_known_result() -> None:
    """R98: the figure's input is fixed, so its result is; `make test` builds the program."""
    done = subprocess.run(
        [PROGRAMS / "bench_engine", "1", "2000", "6400"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert f"fused: result hash {RESULT_HASH}, 6400 proposals" in done.stdout
    assert "p50 against the bare line" in done.stdout


def test_bench_shards_runs_and_a_slow_shard_costs_what_it_always_did() -> None:
    """The second part is in virtual time: the same on every machine."""
    done = subprocess.run(
        [PROGRAMS / "bench_shards", "1", "4096"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    stages = {(row[0], row[-6]): row[-1] for row in rows if len(row) > 8 and row[0] == "order,"}
    assert stages["order,", "16"] == STAGES_HASH
    assert len(stages) == 5
    slow = {tuple(row[:4]): row for row in rows if len(row) == 12 and row[0] in ("16", "4096")}
    short, long = slow["16", "4096", "4.00", "0.0"], slow["4096", "4096", "4.00", "0.0"]
    # What the others wait for at most is what is in the lane to the slow one: 16 steps of 240 ns.
    assert float(short[6]) <= 16 * 0.240 + 0.1
    assert float(long[6]) > 10 * float(short[6])


def test_bench_ring_runs_and_prints_every_figure_beside_the_line() -> None:
    """Readers account for all that was written, or the program fails."""
    done = subprocess.run(
        [PROGRAMS / "bench_ring", "1", "65536", "2000"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    figures = [line for line in done.stdout.splitlines() if " rounds) " in line]
    assert len(figures) == 33
    assert all(" rounds) bare " in line for line in figures)


def test_bench_python_runs_with_what_is_installed() -> None:
    """Each checks the sum over all messages; peers are optional."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bench_python", "1", "4096", "200"],
        cwd=PROGRAMS.parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "ringbus multicast" in done.stdout
    assert "multiprocessing.Pipe" in done.stdout


def test_bench_many_runs_and_makes_the_known_results() -> None:
    """Mass cancels and crosses of a small book; the hashes change with schema and rules."""
    done = subprocess.run(
        [PROGRAMS / "bench_many", "2", "10000"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    hashes = [line.split()[-3].rstrip(",") for line in done.stdout.splitlines()[::2]]
    assert hashes == "3b827ebf 2db59049 592676b7 945d72bd 79fc4cdb b695e5ff".split()
