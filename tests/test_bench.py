"""The benchmarks run, and their result is what it always was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.bench.python.__main__ import ADAPTERS

PROGRAMS = Path(__file__).resolve().parents[1] / "build" / "ctest" / "tests"
# Of 6,400 proposals with seed 88172645463325252. It changes with the schema and the matching rules.
RESULT_HASH = "c1db7ed5"


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


def test_bench_python_runs_with_our_own_rows() -> None:
    """Each checks what arrived, the sum over all batches included; peers are optional."""
    told = ["--rounds", "1", "--bursts", "2", "--trips", "200", "--only", "ing, "]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.python", *told],
        cwd=PROGRAMS.parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "| Ring, gating, in place |" in done.stdout
    assert "| Ring, lossy, copied |" in done.stdout
    assert "| broadcast | loss |" in done.stdout
    assert "pyzmq" not in done.stdout


def test_every_peer_of_the_table_says_what_it_can() -> None:
    """Also those that are not installed here; no two rows have one name."""
    every = [one for adapter in ADAPTERS for one in adapter.CONTENDERS]
    assert len({one.name for one in every}) == len(every) == 14
    for one in every:
        assert all(
            (one.can.broadcast, one.can.loss, one.can.crash, one.can.processes, one.can.replay)
        )
