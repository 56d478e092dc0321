"""`ringbus hist --compare` over recordings: synthetic ones whose truth is known, and real ones."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from ringbus.core import STALLS
from ringbus.histogram import Histogram
from ringbus.interval_log import LogWriter
from ringbus.status import UsageError
from tests.tools.test_placement import DEMO, ROWS, placements, topology
from tools.comparison import NOT_SLOWER, SLOWER, UNKNOWN, Comparison, compare, text
from tools.exchange import launched
from tools.follow import Plan, follow
from tools.hist import main
from tools.load import HOP, Load, read_clients
from tools.orders import load_orders
from tools.pictures import draw_comparison
from tools.recording import Recording, read
from tools.verdict import ALPHA, Verdict

CALLED = (Verdict.FASTER, Verdict.SLOWER)
Shape = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Synthetic(Recording):
    """A recording whose histograms are made, not read."""

    made: Mapping[str, Histogram] | None = None

    def histograms(self) -> dict[str, Histogram]:
        """What was made."""
        return dict(self.made or {})


def hops(
    generator: np.random.Generator, spread: float, shape: Shape = lambda values: values
) -> dict[str, Histogram]:
    """One run: 8,000 messages through two hops, a tail of 3 %, the run's own mood.

    Args: spread: of the mood (standard deviation of its logarithm); shape: what is done to
    latencies of the second hop.
    """
    out = {}
    for name, middle in (("port to sequencer", 2_000.0), ("whole", 9_000.0)):
        values = middle * np.exp(0.2 * generator.normal(size=8000) + spread * generator.normal())
        tail = generator.random(8000) < 0.03
        values[tail] *= 5 * np.exp(0.1 * generator.normal(size=int(tail.sum())))
        if name == "whole":
            values = shape(values)
        out[name] = Histogram()
        out[name].record_many(values.astype(np.uint64))
    return out


def side(
    generator: np.random.Generator,
    count: int,
    spread: float = 0.02,
    shape: Shape = lambda values: values,
) -> list[Synthetic]:
    nowhere = Path("nowhere")
    return [Synthetic(nowhere, nowhere, made=hops(generator, spread, shape)) for _ in range(count)]


def verdicts(found: Comparison) -> dict[tuple[str, float], Verdict]:
    return {(row.hop, row.percent): row.judged.verdict for row in found.rows}


def slower_tail(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """10 % more above the 95th percentile."""
    return np.where(values > np.quantile(values, 0.95), 1.10 * values, values)


def test_equal_recordings_are_rarely_called_different() -> None:
    """300 comparisons of five runs each, eight figures: a call in any of them is a false alarm."""
    wrong = 0
    for seed in range(300):
        generator = np.random.default_rng(seed)
        found = compare(side(generator, 5), side(generator, 5), least=0.0)
        wrong += any(one in CALLED for one in verdicts(found).values())
    assert wrong <= 300 * ALPHA + 3 * math.sqrt(300 * ALPHA * (1 - ALPHA))


def test_a_tenth_more_at_p99_is_found() -> None:
    """Planted in the tail of one hop: found there, and nowhere else is anything called slower."""
    found = elsewhere = 0
    for seed in range(40):
        generator = np.random.default_rng(1000 + seed)
        said = verdicts(compare(side(generator, 6), side(generator, 6, shape=slower_tail)))
        found += said[("whole", 99.0)] is Verdict.SLOWER
        elsewhere += any(
            verdict in CALLED
            for (hop, percent), verdict in said.items()
            if hop != "whole" or percent < 99
        )
    assert found >= 36
    assert elsewhere <= 40 * ALPHA + 3 * math.sqrt(40 * ALPHA * (1 - ALPHA))


def test_the_exit_status_says_it() -> None:
    generator = np.random.default_rng(1)
    calm = [side(generator, 6, 0.002) for _ in range(2)]
    percents = (50.0, 90.0)
    same = compare(*calm, percents=percents)
    assert set(verdicts(same).values()) == {Verdict.SAME}
    assert same.status == NOT_SLOWER
    assert text(same).endswith("\nno difference shown\n")
    half = side(generator, 6, 0.002, lambda values: values / 2)
    faster = compare(calm[0], half, percents=percents)
    assert faster.status == NOT_SLOWER
    assert text(faster).endswith("B is faster: whole p50, whole p90\n")
    slower = compare(half, calm[0], percents=percents)
    assert slower.status == SLOWER
    assert text(slower).endswith("B is slower: whole p50, whole p90\n")
    wild = compare(side(generator, 5, 0.5), side(generator, 5, 0.5), percents=percents)
    assert wild.status == UNKNOWN
    # What was not asked for is not judged.
    alone = compare(half, calm[0], percents=percents, hops=("port to sequencer",))
    assert alone.status == NOT_SLOWER


def test_too_few_records_are_no_percentile() -> None:
    generator = np.random.default_rng(1)
    found = compare(side(generator, 5), side(generator, 5), percents=(50.0, 99.99))
    assert found.status == UNKNOWN
    why = {row.percent: row.judged.why for row in found.rows}
    assert why == {50.0: "", 99.99: "a run has 8,000 records, too few for it"}
    assert text(found).endswith("; 2 of 4 rows cannot be told\n")
    # What nobody asked for and nobody can tell is no row.
    plain = compare(side(generator, 5), side(generator, 5))
    assert {row.percent for row in plain.rows} == {50.0, 90.0, 99.0}
    assert "too few records, left out: port to sequencer p99.9, whole p99.9" in text(plain)


def test_a_hop_that_is_not_everywhere_is_left_out() -> None:
    generator = np.random.default_rng(1)
    sides = [side(generator, 4), side(generator, 4)]
    made = sides[1][2].histograms()
    del made["port to sequencer"]
    sides[1][2] = Synthetic(Path("x"), Path("x"), made=made)
    found = compare(*sides)
    assert {row.hop for row in found.rows} == {"whole"}
    assert "left out: port to sequencer" in text(found)
    with pytest.raises(UsageError, match="in common"):
        compare(*sides, hops=("port to sequencer",))


# --- files ---------------------------------------------------------------------------------------


HOST = {"cpu": "Zen", "kernel": "6.18", "load": "0.1", "settings": {"smt": {"found": "off"}}}


def jitter(lost: float) -> dict[str, Any]:
    cpu = {"cpu": 1, "spun_ns": 10**9, "lost_ns": lost * 1e9, "lost_to_other_tasks_ns": 0}
    return {"cpus": [cpu]}


def write(
    path: Path,
    start_s: float,
    made: Mapping[str, Histogram],
    about: Mapping[str, Any] | None = None,
) -> None:
    """A recording of one interval in files."""
    path.mkdir(parents=True)
    with LogWriter(path / "latency.hlog", start_s) as log:
        log.add(made, start_s, start_s + 10)
    said = {
        "format": 1,
        "start_s": start_s,
        "end_s": start_s + 10,
        "configuration": "c",
        "environment": "test",
        "note": "",
        "build": "b",
        "jitter": jitter(0.0001),
    }
    said |= about or {}
    host = said.pop("host", HOST)
    (path / "recording.json").write_text(json.dumps(said))
    (path / "host.json").write_text(json.dumps(host))


def write_sets(path: Path, after: Mapping[str, Any], in_turns: bool = True) -> list[str]:
    generator = np.random.default_rng(5)
    for n in range(5):
        # A B A B ..., or all of A and then all of B.
        starts = (200 * n, 200 * n + 100) if in_turns else (100 * n, 1000 + 100 * n)
        stalled = {f"{STALLS}engine": Histogram()}
        stalled[f"{STALLS}engine"].record(1_200_000)
        write(path / "A" / str(n), 1000.0 + starts[0], hops(generator, 0.002))
        write(path / "B" / str(n), 1000.0 + starts[1], hops(generator, 0.002) | stalled, after)
    return [str(path / "A"), str(path / "B")]


def test_main_compares_two_directories_of_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = write_sets(tmp_path, {})
    picture = tmp_path / "a.png"
    argv = ["--compare", *sets, "--percentiles", "50,99", "--picture", str(picture)]
    assert main([*argv, "--least", "10"]) == NOT_SLOWER
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == "hop percentile A B change 95 % between verdict".split()
    assert "A: 5 runs, B: 5 runs" in out
    assert "Changes below 10 %" in out
    assert "much alike" in out
    assert "B 0.10 a second, the longest 1.20 ms" in out
    assert "hosts differ" not in out and "in turns" not in out
    assert picture.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ({"host": HOST | {"kernel": "6.19"}}, ["the hosts differ", "kernel: A 6.18, B 6.19"]),
        (
            {"host": HOST | {"settings": {"smt": {"found": "on"}}}},
            ["setting smt: A off, B on"],
        ),
        ({"host": HOST | {"load": "9.9"}}, []),
        ({"configuration": "d"}, ["configuration: A c, B d"]),
        ({"note": "new book"}, ["recorded as: A nothing, B new book"]),
        ({"jitter": jitter(0.04)}, ["jitter: A 0.010 %, B 4.000 %", "more with B"]),
        ({"jitter": jitter(0.0004)}, ["much alike"]),
        ({"jitter": None}, ["jitter was not measured with all of it"]),
    ],
    ids=["kernel", "setting", "load", "configuration", "note", "jitter", "calm", "none"],
)
def test_what_else_differs_is_said(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    after: dict[str, Any],
    said: list[str],
) -> None:
    main(["--compare", *write_sets(tmp_path, after)])
    out = capsys.readouterr().out
    assert all(one in out for one in said), out
    assert ("hosts differ" in out) == ("hosts differ" in " ".join(said) or "setting" in str(said))


def test_sets_recorded_one_after_the_other_are_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--compare", *write_sets(tmp_path, {}, in_turns=False)])
    assert "record them in turns" in capsys.readouterr().out


def test_what_cannot_be_compared_is_not_called_equal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nothing").mkdir()
    sets = write_sets(tmp_path, {})
    assert main(["--compare", sets[0], str(tmp_path / "nothing")]) == UNKNOWN
    assert "no recording" in capsys.readouterr().err
    log = tmp_path / "A" / "0" / "latency.hlog"
    log.write_text(log.read_text() + "Tag=a,0.0,1.0,2.0,HISTFAAAAB\n")
    assert main(["--compare", *sets]) == UNKNOWN
    assert "latency.hlog:8" in capsys.readouterr().err


def test_one_run_each_is_judged_by_its_own_spread(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    for name, factor in (("A", 1.0), ("B", 1.02), ("C", 5.0)):
        (tmp_path / name).mkdir()
        with LogWriter(tmp_path / name / "latency.hlog", 1000.0) as log:
            for n in range(8):
                values = factor * 9000 * np.exp(0.1 * generator.normal(size=500))
                whole = Histogram()
                whole.record_many(values.astype(np.uint64))
                log.add({"whole": whole}, 1000.0 + n, 1001.0 + n)
    a, b, c = (read(tmp_path / name) for name in "ABC")
    close = compare([a], [b], percents=(50.0,))
    assert (close.status, close.rows[0].judged.verdict) == (UNKNOWN, Verdict.UNKNOWN)
    assert "four of each" in close.rows[0].judged.why
    far = compare([a], [c], percents=(50.0,))
    assert (far.status, far.rows[0].judged.verdict) == (SLOWER, Verdict.SLOWER)
    assert "logs alone" in text(far)


# --- a real exchange -----------------------------------------------------------------------------

ROUNDS, REQUESTS, RATE, STOPPED_S = 4, 300, 2000.0, 1.0


@pytest.mark.xdist_group("processes")
def test_real_runs_are_compared_and_a_stopped_engine_is_found(tmp_path: Path) -> None:
    """R105: four runs each in turns, of one exchange; in B its engine stands still for a while.

    The client sees all of it, since its latency counts from when each order was meant to go.
    """
    name = f"hist-{os.getpid()}"
    path = topology(tmp_path, name, 2, placements(2)["two-cores"])
    path.write_text(path.read_text().replace('clock = "stopped"\n', ""))
    clients = read_clients(DEMO / "clients.csv")[:4]
    with launched(path) as exchange, Load(exchange, clients) as load:
        load.login()
        requests = load.dealer.deal(load_orders(ROWS, (2 * ROUNDS + 1) * REQUESTS))

        def run(number: int, where: Path, stops: bool) -> None:
            part = requests[number * REQUESTS : (number + 1) * REQUESTS]
            going = threading.Timer(
                STOPPED_S, exchange.process("core0").send, args=[signal.SIGCONT]
            )

            def wait(seconds: float) -> None:
                for session in load.sessions:
                    session.heartbeat()
                if stops:
                    exchange.kill("core0", signal.SIGSTOP)
                    going.start()
                report = load.paced(part, RATE, quiet_s=60.0)
                assert report.answered == REQUESTS

            # One interval: the load itself says how long it takes.
            clock = iter([time.time(), time.time() + 1])
            plan = Plan(1.0, 1.0, False, where / str(number), "", 0.01)
            follow(name, plan, clock.__next__, wait, Console())

        # The first one meets every page for the first time.
        run(0, tmp_path / "first", False)
        for n in range(ROUNDS):
            run(2 * n + 1, tmp_path / "A", False)
            run(2 * n + 2, tmp_path / "B", True)
    sets = {one: [read(path) for path in sorted((tmp_path / one).iterdir())] for one in "AB"}
    assert all(one.histograms()[HOP].total == REQUESTS for side in sets.values() for one in side)
    found = compare(sets["A"], sets["B"], percents=(50.0,), hops=(HOP,))
    assert (found.status, found.rows[0].judged.verdict) == (SLOWER, Verdict.SLOWER)
    assert found.rows[0].judged.after > 1e8
    stalls = [one.histograms()[f"{STALLS}core0"].max for one in sets["B"]]
    assert min(stalls) > 0.8 * STOPPED_S * 1e9
    everything = compare(sets["A"], sets["B"])
    assert {row.hop for row in everything.rows} >= {"port to sequencer", "whole", HOP}
    assert "four of each" not in text(everything)
    draw_comparison(sets["A"], sets["B"], everything, tmp_path / "a.html")
    assert "client, from the intended time" in (tmp_path / "a.html").read_text()
