"""The benchmarks run, and their result is what it always was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
    assert len(figures) == 58
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
