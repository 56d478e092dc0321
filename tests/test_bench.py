"""The benchmarks run, and their result is what it always was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import counts
from tests.bench.bench_start import KINDS
from tests.bench.python.__main__ import ADAPTERS

PROGRAMS = Path(__file__).resolve().parents[1] / "build" / "ctest" / "tests"
# Of 6,400 proposals with seed 88172645463325252. It changes with the schema and the matching rules.
RESULT_HASH = "c4001ab4"
# Of 2,000 proposals of the same flow, bodies only.
COMPONENTS_HASH = "b67938c7"
# Of 4,096 orders to 16 shards that meet nothing.
STAGES_HASH = "f5e05f3a"
# Of a day of 20,000 messages and what its last turn adds.
REBUILD_HASH = "b1ed5622"
# Of 5,000 answers as they go over the wire; idle sessions change nothing.
PORT_HASHES = {
    "1 of 1": "63d990a1",
    "500 of 500": "6cd7eb09",
    "1 of 2000": "63d990a1",
    "500 of 2000": "6cd7eb09",
}
# Of all answers to 20,000 messages of each flow: wide, its two shards, and hot.
FLOW_HASHES = {
    "wide": "1da8610d",
    "wide, shard 0 of 2": "12e8af53",
    "wide, shard 1 of 2": "dd6c7fcc",
    "hot, price walks 0 %": "f8d80285",
    "hot, price walks 2 %": "55c3e7a0",
    "hot, price walks -25 %": "b158cc33",
    "hot, price walks 40 %": "971f6aba",
    "hot, price walks -60 %": "2b725b79",
}


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
    slow = {tuple(row[:4]): row for row in rows if len(row) == 12 and row[0] in ("32", "4096")}
    short, long = slow["32", "4096", "4.00", "0.0"], slow["4096", "4096", "4.00", "0.0"]
    # What the others wait for at most is what is in the lane to the slow one: 32 steps of 240 ns.
    assert float(short[6]) <= 32 * 0.240 + 0.1
    assert float(long[6]) > 10 * float(short[6])


def test_bench_book_runs_and_makes_the_known_results() -> None:
    """The flows are fixed, so the book's answers to them are.

    Each timed run ends in the book that the flow was made with, or the program fails.
    """
    done = subprocess.run(
        [PROGRAMS / "bench_book", "1", "20000", "20000", "20000"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    for name, result in FLOW_HASHES.items():
        assert f"{name}: result hash {result}, " in done.stdout
    assert "hot: the worst of the 5 is" in done.stdout


def test_bench_latency_runs_and_makes_the_known_result() -> None:
    """Every proposal is answered, or the program does not end."""
    done = subprocess.run(
        [PROGRAMS / "bench_latency", "1", "6400"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "open loop: result hash f1bd16e2, 6400 proposals" in done.stdout
    assert "at 80 % of it, p99.99" in done.stdout


def test_bench_components_runs_and_has_the_tail_of_each() -> None:
    """The 99th percentile of one message through each component, beside what is asked of it."""
    done = subprocess.run(
        [PROGRAMS / "bench_components", "1", "2000"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert f"one at a time: result hash {COMPONENTS_HASH}, 2000 proposals" in done.stdout
    rows = [line for line in done.stdout.splitlines() if ", p99 " in line]
    assert len(rows) == 6
    assert all(row.endswith("  < 10000") for row in rows)


def test_bench_python_book_trades_like_the_plain_one() -> None:
    """The sum over all executions is the same for both books, or the program fails."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bench_book", "1", "8000"],
        cwd=PROGRAMS.parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "result 9411873600: price x quantity of all executions, 8000 messages" in done.stdout


def test_the_commonest_paths_take_no_more_instructions_than_recorded() -> None:
    """Counted by callgrind; `make bench-counts COUNTS=--record` writes down a wanted change."""
    if not counts.has_valgrind():
        pytest.skip(counts.NO_VALGRIND)
    before = counts.recorded(counts.compiler())
    if not before:
        pytest.skip(f"no counts are recorded for {counts.compiler()} (tests/bench/counts.toml)")
    assert counts.compare({path: counts.count(path) for path in counts.PATHS}, before) == []


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
    assert len(figures) == 89
    assert all(" rounds) bare " in line for line in figures)


def test_bench_memory_runs_with_the_pages_that_are_here() -> None:
    """Each kind of pages has its rows, or the reason why not."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bench_memory", "1", "4096", "1"],
        cwd=PROGRAMS.parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    for kind in ("4k", "transparent", "explicit"):
        assert f"\n{kind}: " in done.stdout
    for row in ("stream   4k", "lines    4k", "book     4k", "book     transparent"):
        assert row in done.stdout


def test_bench_kill_runs_over_every_scope() -> None:
    """R94: each kill takes all orders of the killed and no other, or the program fails."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bench_kill", "1", "500"],
        cwd=PROGRAMS.parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert len(done.stdout.splitlines()) == 16


def test_bench_idle_runs_and_every_order_is_accepted() -> None:
    """Parked and adaptive; each process has its row, or the program fails."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bench_idle", "0.5", "5"],
        cwd=PROGRAMS.parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    for row in ("launcher", "applications", "edge", "engine", "journal", "all"):
        assert done.stdout.count(f"\n  {row} ") == 2
    assert done.stdout.count("order to answer, all asleep: p50 ") == 2


def test_bench_start_runs_and_every_killed_core_comes_back() -> None:
    """Each core that may die has its row, or the program fails."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bench_start", "1"],
        cwd=PROGRAMS.parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    for row in ("edge", *(f"{kind}-0" for kind in KINDS)):
        assert done.stdout.count(f"\n  {row} ") == 1


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


def test_bench_rebuild_runs_and_every_agent_ends_where_the_day_did() -> None:
    """Each is compared with the engine that lived, or the program fails."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bench_rebuild", "20000", "1"],
        cwd=PROGRAMS.parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert f"day: result hash {REBUILD_HASH}, " in done.stdout
    rows = ("client port, C", "passive engine, C", "Python, batches", "Python, each execution")
    for name in rows:
        # Warm and cold.
        assert done.stdout.count(f"\n{name} ") == 2
    assert "sequencer of a passive engine that follows: reigns after " in done.stdout


def test_bench_ports_runs_and_makes_the_known_results() -> None:
    """What 1 and 500 sessions are shown, whoever is idle; floods and a storm over TCP."""
    done = subprocess.run(
        [PROGRAMS / "bench_ports", "1", "5000", "30", "50"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    for sessions, result in PORT_HASHES.items():
        assert f"lane side, {sessions} sessions: result hash {result}, 5000 messages" in done.stdout
    # A connection is watched once, and never again.
    calls = [line.split() for line in done.stdout.splitlines() if "a message: " in line]
    assert [float(row[-2]) for row in calls[:-1]] == [0.0] * 7
    assert done.stdout.count("of the row before: throughput") == 3
    assert "50 connects in a burst" in done.stdout
    tails = [line for line in done.stdout.splitlines() if line.endswith("  < 10000")]
    assert [line.split(", p99 ")[0].strip() for line in tails] == [
        "one request and its answer",
        "one request and its answer",
        "the port alone, system calls included",
    ]
    assert "median of a system call: recv " in done.stdout


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
    assert hashes == "7a4806bf 3ab12849 4212b2b7 8b30b2bd c0ac4cdb cd6fe5ff".split()


def test_bench_application_runs_and_makes_the_known_result() -> None:
    """Whatever way it hears of them, the sum over all executions is the same, or it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bench_application", "1", "8192"],
        cwd=PROGRAMS.parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "result 1253401: quantity executed, 8192 messages, 1 rounds" in done.stdout
    assert done.stdout.count("one by one") == 3


def test_bench_auction_runs_and_finds_the_known_prices() -> None:
    """The orders are fixed, so the crosses of all instruments are."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bench_auction", "1", "40", "20"],
        cwd=PROGRAMS.parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "result e671c31b0675ea07: 40 instruments, 20 orders each, 1 rounds" in done.stdout


def test_bench_market_runs_and_makes_the_known_tape() -> None:
    """R39: the flow is fixed, so the day's messages are."""
    done = subprocess.run(
        [PROGRAMS / "bench_market", "1", "20000", "20000"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "tape: result hash a970a09d, " in done.stdout
    assert "lines of the stream into packets" in done.stdout
    assert "loopback, 64 a call, one receiver" in done.stdout


def test_bench_top_runs_and_the_watched_exchange_decides_the_same() -> None:
    """Half of the orders were watched; what the engine made of them is what it always was."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bench_top", "1", "100", "100", "500"],
        cwd=PROGRAMS.parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert "result hash c46382d1, 300 orders" in done.stdout
    assert "port's whole way, p99" in done.stdout


def test_bench_drop_runs_and_the_copy_is_the_clients_own() -> None:
    """How much later it comes is measured; that it is the same is compared in the run."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bench_drop", "20", "1", "500"],
        cwd=PROGRAMS.parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.count("result hash f6d4a84c") == 2
    assert done.stdout.count("drop, later than client") == 4
