"""`ringbus bench`: every part really run, small; verdicts on planted runs; files that are none."""

from __future__ import annotations

import copy
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools import bench
from tools.measure import BENCHMARKS, ROOT, BenchError, build
from tools.page import page
from tools.regression import compare
from tools.results import (
    FORMAT,
    Figure,
    Part,
    Results,
    ResultsError,
    distance_between,
    distance_of,
)
from tools.verdict import Verdict

BENCH = ROOT / "tests" / "bench"


def figure(*rounds: float, name: str = "round trip", unit: str = "ns") -> Figure:
    return Figure(name, unit, "near", "", rounds)


def run(
    *figures: Figure, command: str = "bench_ring 3", digest: str = "c4001ab4", runs: int = 3
) -> Results:
    load = (1.0, 1.5) * runs
    part = Part(tuple(command.split()), {"fused": digest}, figures, (100.0, 110.0), load, 2.5)
    return Results(
        "2026-11-22T10:00:00+00:00", False, "0" * 16, "abc", "gcc 12", {"cpu": "x"}, {"ring": part}
    )


def stored(results: Results, path: Path) -> str:
    results.write(path)
    return str(path)


@pytest.mark.xdist_group("bench")
def test_every_part_runs_and_its_results_can_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole set in one command, each result hash before any time, the host beside it."""
    path = tmp_path / "results.json"
    assert bench.main(["--quick", "--output", str(path)]) == 0
    said = capsys.readouterr().out
    results = Results.read(path)
    assert list(results.parts) == list(BENCHMARKS)
    assert results.quick
    assert results.host["settings"]
    assert "kernel_options" not in results.host
    hashes = [digest for part in results.parts.values() for digest in part.results.values()]
    assert len(hashes) >= len(BENCHMARKS)
    assert max(said.index(f"result hash {digest}") for digest in hashes) < said.index("median")
    for name, part in results.parts.items():
        assert part.figures, name
        keys = [(one.name, one.distance) for one in part.figures]
        assert len(set(keys)) == len(keys), name
        assert len(part.bare_ns) == len(part.load) == 2
        assert {one.distance for one in part.figures} <= {"one", "near", "far", "moved"}
    # Every unit that a benchmark has is known, or is one that is only recorded.
    units = {one.unit for part in results.parts.values() for one in part.figures if not one.sign}
    assert units <= {"%"}
    # Too few rounds for a verdict: said so, and not called equal.
    assert bench.main(["--results", str(path), "--compare", str(path)]) == bench.NOT_COMPARED
    assert "fewer than 3 runs" in " ".join(capsys.readouterr().out.split())


def name_of(pid: int) -> str:
    """Name of a process, "" if there is none, or only what its parent has yet to hear of."""
    try:
        text = Path("/proc", str(pid), "stat").read_text()
    except OSError:
        return ""
    name, _, rest = text.partition(" (")[2].rpartition(") ")
    return "" if rest.startswith("Z") else name


def below(pid: int) -> dict[int, str]:
    """Processes that a process and these have started, by number."""
    try:
        children = Path("/proc", str(pid), "task", str(pid), "children").read_text().split()
    except OSError:
        return {}
    out = {int(child): name_of(int(child)) for child in children}
    for child in list(out):
        out |= below(child)
    return out


@pytest.mark.xdist_group("bench")
def test_told_to_end_it_leaves_nothing_that_spins(tmp_path: Path) -> None:
    """A part of many minutes; its programs fork readers that have no other reason to end."""
    command = [sys.executable, "-m", "tools.cli", "bench", "ring", "--runs", "100"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        # The program and the reader that it has forked.
        while len(started := below(process.pid)) < 2 or "bench_ring" not in started.values():
            assert process.poll() is None
            time.sleep(0.01)
        process.terminate()
        assert process.wait(60) == bench.FAILED
        while any(name_of(pid) == name for pid, name in started.items()):
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        (figure(100, 101, 102), figure(100, 101, 102), Verdict.SAME),
        (figure(100, 101, 102), figure(120, 121, 122), Verdict.SLOWER),
        (figure(120, 121, 122), figure(100, 101, 102), Verdict.FASTER),
        (figure(10, 11, 12, unit="M/s"), figure(5, 6, 7, unit="M/s"), Verdict.SLOWER),
        (figure(5, 6, 7, unit="M/s"), figure(10, 11, 12, unit="M/s"), Verdict.FASTER),
        # A tenth slower, and as wide as that.
        (figure(90, 100, 110, 120), figure(100, 110, 120, 130), Verdict.SAME),
        # One round that another job spoiled.
        (figure(100, 100, 101, 101, 102), figure(100, 101, 101, 102, 900), Verdict.SAME),
        # Less than the tolerance, however narrow.
        (figure(100, 100, 100), figure(104, 104, 104), Verdict.SAME),
        (figure(0, 0, 0), figure(0, 0, 0), Verdict.SAME),
        (figure(1, 1, 1, unit="%"), figure(9, 9, 9, unit="%"), Verdict.UNKNOWN),
        (figure(1, 1), figure(9, 9), Verdict.UNKNOWN),
        (figure(1, 1, 1), figure(9, 9, 9, name="another"), Verdict.UNKNOWN),
        (figure(1, 1, 1), figure(9, 9, 9, unit="us"), Verdict.UNKNOWN),
    ],
)
def test_a_figure_is_judged_by_the_spread_of_both(
    before: Figure, after: Figure, outcome: Verdict
) -> None:
    (compared,) = compare(run(before), run(after))
    assert compared.verdict is outcome


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (run(figure(1, 1, 1), command="bench_ring 9"), "other work: bench_ring 9"),
        (run(figure(1, 1, 1), runs=2), "fewer than 3 runs"),
        (run(figure(1, 1, 1), digest="0"), "another result: fused was 0, is c4001ab4"),
        (dataclasses.replace(run(), parts={}), "not in the stored run"),
        (run(dataclasses.replace(figure(1, 1, 1), distance="far")), "timed near, stored far"),
    ],
)
def test_unlike_is_not_compared_with_like(before: Results, why: str) -> None:
    (compared,) = compare(before, run(figure(9, 9, 9)))
    assert (compared.verdict, compared.why) == (Verdict.UNKNOWN, why)


@pytest.mark.parametrize(
    ("rounds", "status", "words"),
    [
        ((100, 101, 102), 0, "1 no difference shown"),
        ((150, 151, 152), 1, "1 slower"),
        ((50, 51, 52), 0, "1 faster"),
        ((50,), 3, "1 cannot tell"),
    ],
)
def test_the_command_says_it_by_its_status(
    rounds: tuple[float, ...],
    status: int,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = stored(run(figure(100, 101, 102)), tmp_path / "before.json")
    after = stored(run(figure(*rounds)), tmp_path / "after.json")
    assert bench.main(["--results", after, "--compare", before]) == status
    assert words in capsys.readouterr().out
    if status == 1:
        assert bench.main(["--results", after, "--compare", before, "--tolerance", "60"]) == 0


def without(*places: str | int) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for place in places[:-1]:
            document = document[place]
        del document[places[-1]]

    return change


def replaced(value: object, *places: str | int) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for place in places[:-1]:
            document = document[place]
        document[places[-1]] = value

    return change


FIGURE = ("parts", "ring", "figures", 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (replaced("ringbus-bench-0", "format"), f"'ringbus-bench-0', and this reads '{FORMAT}'"),
        (without("format"), "format is missing"),
        (without("parts"), "parts is missing"),
        (replaced([], "parts"), "parts: [] is not a table"),
        (replaced(1, "taken"), "taken: 1 is not a text"),
        (replaced("no", "quick"), "quick: 'no' is not true or false"),
        (without(*FIGURE, "unit"), "parts: ring: figures[0]: unit is missing"),
        (replaced("fast", *FIGURE, "rounds"), "figures[0]: rounds: 'fast' is not a list"),
        (replaced([1, "x"], *FIGURE, "rounds"), "rounds[1]: 'x' is not a number"),
        (replaced([True], *FIGURE, "rounds"), "rounds[0]: True is not a number"),
        (replaced([float("nan")], *FIGURE, "rounds"), "rounds[0]: nan is not a number"),
        (replaced([], *FIGURE, "rounds"), "figures[0]: rounds: there are none"),
        (replaced("x", "parts", "ring", "seconds"), "seconds: 'x' is not a number"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_refused_in_words(
    change: Callable[[Any], None], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results.json"
    document = json.loads(Path(stored(run(figure(1, 1, 1)), path)).read_text())
    assert Results.read(path) == run(figure(1, 1, 1))
    changed = copy.deepcopy(document)
    change(changed)
    path.write_text(json.dumps(changed))
    assert bench.main(["--page", str(path)]) == bench.FAILED
    said = capsys.readouterr().err
    assert said.startswith(f"ringbus bench: {path}: ")
    assert words in said


@pytest.mark.parametrize(
    ("text", "words"), [("", "no JSON"), ("{", "no JSON"), ("[]", "[] is not a table")]
)
def test_what_is_no_document_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ResultsError, match="results.json") as caught:
        Results.read(path)
    assert words in str(caught.value)


def test_parts_of_one_build_can_be_kept_together() -> None:
    first, second = run(figure(1, 1, 1)), run(figure(2, 2, 2))
    second = dataclasses.replace(second, parts={"book": second.parts["ring"]})
    assert list(second.beside(first).parts) == ["ring", "book"]
    assert first.beside(first) == first
    with pytest.raises(ResultsError, match="source is abc, stored def"):
        second.beside(dataclasses.replace(first, source="def"))


def test_a_stored_run_that_is_not_there_is_found_before_anything_is_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.main(["--compare", str(tmp_path / "none.json")]) == bench.FAILED
    assert "none.json: No such file" in capsys.readouterr().err


def test_without_the_sources_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="run it in a checkout"):
        build(tmp_path)


@pytest.mark.parametrize(
    ("before_ns", "after_ns", "distance"),
    [(100, 110, "near"), (420, 415, "far"), (100, 420, "moved"), (90, 130, "near"), (0, 0, "")],
)
def test_how_far_two_cpus_are(before_ns: float, after_ns: float, distance: str) -> None:
    assert distance_between(before_ns, after_ns) == distance
    if distance != "moved":
        assert distance_of(before_ns) == distance


def test_the_page_of_results_is_made_from_the_stored_run() -> None:
    """No figure on it was typed: `ringbus bench --page tests/bench/latest.json`."""
    results = Results.read(BENCH / "latest.json")
    assert (BENCH / "LATEST.md").read_text() == page(results)
    assert results.parts
    assert not results.quick
    assert "kernel_options" not in results.host


def test_the_page_says_what_was_not_run_and_has_every_figure() -> None:
    text = page(run(figure(100, 110, 120)))
    assert "Not in this run: book, engine, " in text
    assert "| round trip | 110 ns | 100 .. 120 | 3 | near |  |" in text
    assert "`bench_ring 3`, 2 s; bare line 105 ns (100-110); load 1.0-1.5." in text
    assert "Results: fused `c4001ab4`." in text


def test_every_field_of_the_file_is_documented() -> None:
    text = (BENCH / "README.md").read_text()
    for kind in (Results, Part, Figure):
        for one in dataclasses.fields(kind):
            assert f"`{one.name}`" in text, one.name
    for name in BENCHMARKS:
        assert f"| `{name}` |" in text, name
