"""`ringbus hist` on real shared memory: what two cores recorded is merged, shown and written."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ringbus.core import DUTY, SAMPLED, STALLS
from ringbus.histogram import VALUE_MAX, Histogram
from ringbus.metrics import Metrics, page_bytes
from ringbus.segment import Segment, segment_name, unlink
from ringbus.status import NotFoundError, UsageError
from tools.curves import draw, spread
from tools.hist import main
from tools.hops import HOPS, collect, collect_since, sampling, table
from tools.recording import read
from tools.units import duration

EXCHANGE = f"hist-{os.getpid()}"


def recorded(*values: int) -> Histogram:
    histogram = Histogram()
    histogram.record_many(np.array(values, np.uint64))
    return histogram


@pytest.fixture
def cores() -> Iterator[list[Metrics]]:
    """The metrics pages of two cores of a running exchange."""
    with ExitStack() as stack:
        pages = []
        for core in ("core0", "core1"):
            name = segment_name(EXCHANGE, f"metrics.{core}")
            segment = stack.enter_context(Segment.create(name, page_bytes()))
            stack.callback(unlink, name)
            pages.append(Metrics.create(segment))
        yield pages


@pytest.fixture
def busy(cores: list[Metrics]) -> list[Metrics]:
    """The same, with every hop recorded; "whole" by both cores."""
    for n, hop in enumerate(HOPS):
        for value in range(1, 101):
            cores[n % 2].histogram(hop).record(value * (n + 1) * 10)
    cores[1].histogram("whole").record(5_000_000)
    return cores


def png_size(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert data[12:16] == b"IHDR"
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_collect_merges_what_has_the_same_name(busy: list[Metrics]) -> None:
    histograms = collect(EXCHANGE)
    assert list(histograms) == list(HOPS)
    assert histograms["whole"].total == 101
    assert histograms["whole"].max == 5_000_000
    parts = [page.histograms().get("whole", Histogram()) for page in busy]
    assert histograms["whole"] == Histogram.merged(parts)


def test_collected_is_private(busy: list[Metrics]) -> None:
    histograms = collect(EXCHANGE)
    busy[0].histogram("whole").record(1)
    assert histograms["whole"].total == 101
    assert collect(EXCHANGE)["whole"].total == 102


def test_other_histograms_come_behind_the_hops(cores: list[Metrics]) -> None:
    cores[0].histogram("another").record(1)
    cores[0].histogram("whole").record(1)
    assert list(collect(EXCHANGE)) == ["whole", "another"]


def test_collect_leaves_other_exchanges_alone(busy: list[Metrics]) -> None:
    name = segment_name(f"{EXCHANGE}x", "metrics.core0")
    with Segment.create(name, page_bytes()) as segment:
        try:
            Metrics.create(segment).histogram("whole").record(1)
            assert collect(EXCHANGE)["whole"].total == 101
        finally:
            unlink(name)


def test_an_exchange_that_is_not_up_is_named() -> None:
    with pytest.raises(NotFoundError, match="no-such"):
        collect("no-such")


def test_collect_since_isolates_a_run(busy: list[Metrics]) -> None:
    before = collect(EXCHANGE)
    busy[0].histogram("sequencer to shard").record(123)
    busy[1].histogram("sequencer to shard").record(123)
    busy[0].histogram("new").record(7)
    since = collect_since(EXCHANGE, before)
    assert since["sequencer to shard"] == recorded(123, 123)
    assert since["new"] == recorded(7)
    assert since["whole"].total == 0


def test_collect_since_refuses_an_exchange_that_was_started_anew(busy: list[Metrics]) -> None:
    before = collect(EXCHANGE)
    before["whole"].record(99)
    with pytest.raises(UsageError):
        collect_since(EXCHANGE, before)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 ns"),
        (412, "412 ns"),
        (999, "999 ns"),
        (1000, "1.00 µs"),
        (3214, "3.21 µs"),
        (32_140, "32.1 µs"),
        (321_400, "321 µs"),
        (999_499, "999 µs"),
        (999_500, "1.00 ms"),
        (9_996, "10.0 µs"),
        (99_960, "100 µs"),
        (VALUE_MAX, "68.7 s"),
    ],
)
def test_durations_have_three_digits(value: int, text: str) -> None:
    assert duration(value) == text


def test_table_has_a_line_for_every_hop() -> None:
    lines = table({"whole": recorded(*range(1000, 2000)), "never": Histogram()}).splitlines()
    assert lines[0].split() == "hop count min p50 p90 p99 p99.9 p99.99 max".split()
    assert lines[2].split() == (
        "whole 1,000 1.00 µs 1.50 µs 1.90 µs 1.99 µs 2.00 µs 2.00 µs 2.00 µs".split()
    )
    assert lines[3].split() == ["never", "0", *"–––––––"]
    assert len({len(line) for line in lines}) == 1


def test_table_never_shows_more_than_the_maximum() -> None:
    # 10.044 ms shares its count with what is up to 10.052 ms, which would round to 10.1 ms.
    histogram = recorded(10_044_000)
    assert duration(histogram.percentile(50)) == "10.1 ms"
    assert table({"whole": histogram}).count("10.0 ms") == 7


def test_table_tells_of_saturated_values() -> None:
    assert "whole: 2 above 68.7 s" in table({"whole": recorded(VALUE_MAX + 1, 2**60)})
    assert "above" not in table({"whole": recorded(VALUE_MAX)})


def test_turns_and_stalls_have_tables_of_their_own() -> None:
    """How much of the time an agent was at work: a sum of samples, so many times."""
    histograms = {
        "whole": recorded(5),
        f"{DUTY}shard.0": recorded(*[1_000_000] * 10),
        f"{STALLS}engine": recorded(30_000, 70_000),
    }
    text = table(histograms, 1.0, {f"{DUTY}shard.0": 16})
    lines = [line.split() for line in text.splitlines() if line]
    assert "shard.0 10 16.00 % 1.00 ms".split() == lines[5][:6]
    assert "engine 2 0.010 % 30.0 µs".split() == lines[8][:6]
    assert "–" in table(histograms, 0.0, {f"{DUTY}shard.0": 16}).splitlines()[6]


def test_sampling_is_told_by_the_core(cores: list[Metrics]) -> None:
    cores[0].histogram(f"{DUTY}sequencer").record(5)
    cores[0].counter(SAMPLED).add(256)
    cores[1].histogram(f"{DUTY}port.0").record(5)
    cores[1].counter(SAMPLED).add(16)
    assert sampling(EXCHANGE) == {f"{DUTY}sequencer": 256, f"{DUTY}port.0": 16}


def test_draw_shows_the_data(tmp_path: Path) -> None:
    draw({"whole": recorded(*range(100, 200))}, tmp_path / "a.png", "t")
    draw({"whole": recorded(*range(100, 200))}, tmp_path / "b.png", "t")
    draw({"whole": recorded(*range(100, 300))}, tmp_path / "c.png", "t")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "c.png").read_bytes()


@pytest.mark.parametrize(
    "histograms",
    [{}, {"whole": Histogram()}, {"whole": recorded(0)}, {"whole": recorded(5, VALUE_MAX)}],
    ids=["none", "empty", "one zero", "extremes"],
)
def test_draw_takes_what_there_is(histograms: dict[str, Histogram], tmp_path: Path) -> None:
    draw(histograms, tmp_path / "a.png", "t")
    assert png_size(tmp_path / "a.png") == (1760, 992)


def test_draw_takes_as_many_as_a_page_holds(tmp_path: Path) -> None:
    draw({f"hop {n}": recorded(100, 101 + n) for n in range(16)}, tmp_path / "a.png", "t")
    assert png_size(tmp_path / "a.png") == (1760, 992)


@pytest.mark.parametrize(
    "wanted", [[50.0], [10.0, 11.0, 12.0], [0.0, 100.0], [98.0, 99.0, 100.0], [50.0] * 8]
)
def test_labels_do_not_overlap(wanted: list[float]) -> None:
    places = spread(wanted, 100.0, 20.0)
    gap = min(20.0, 100 / len(wanted))
    assert all(b - a >= gap - 1e-9 for a, b in pairwise(places))
    assert places[0] >= gap / 2 - 1e-9
    assert places[-1] <= 100 - gap / 2 + 1e-9


def test_main_prints_the_table(busy: list[Metrics], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([EXCHANGE]) == 0
    assert capsys.readouterr().out == table(collect(EXCHANGE))


def test_main_isolates_seconds(busy: list[Metrics], capsys: pytest.CaptureFixture[str]) -> None:
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        busy[0].histogram("whole").record(4321)

    clock = iter([1000.0, 1001.0, 1002.0, 1002.5])
    assert main([EXCHANGE, "--seconds", "2.5"], now_s=clock.__next__, wait=wait) == 0
    assert waited == [1.0, 1.0, 0.5]
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if line.startswith("whole")).split()[1:4] == [
        *("3", "4.32", "µs")
    ]


def test_main_writes_a_snapshot(
    busy: list[Metrics], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Table, picture, log, distributions, host; read back it is what was there."""
    assert main([EXCHANGE, "--output", str(tmp_path / "out")], now_s=lambda: 1000.0) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(table(collect(EXCHANGE)))
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {
        *("latency.hlog", "latency.png", "recording.json", "host.json"),
        *(f"{hop.replace(' ', '-')}.hgrm" for hop in HOPS),
    }
    assert all(name in printed for name in files)
    assert png_size(tmp_path / "out" / "latency.png") == (1760, 992)
    assert (tmp_path / "out" / "latency.png").stat().st_size > 20_000
    recording = read(tmp_path / "out")
    assert recording.histograms() == collect(EXCHANGE)
    assert recording.is_snapshot
    assert "TotalCount     =      101.000" in (tmp_path / "out" / "whole.hgrm").read_text()
    assert json.loads((tmp_path / "out" / "host.json").read_text())["settings"]["swap"]["outcome"]


def test_main_shows_what_came_after_a_snapshot(
    busy: list[Metrics], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The difference of two: a snapshot less an earlier one, of a running exchange or of files."""
    assert main([EXCHANGE, "--output", str(tmp_path / "noon")]) == 0
    busy[0].histogram("whole").record(4321)
    busy[1].histogram("new").record(7)
    assert main([EXCHANGE, "--output", str(tmp_path / "evening")]) == 0
    capsys.readouterr()
    said = []
    for later in (EXCHANGE, str(tmp_path / "evening")):
        assert main([later, "--since", str(tmp_path / "noon")]) == 0
        said.append(capsys.readouterr().out)
        rows = {line.split()[0]: line.split() for line in said[-1].splitlines()}
        assert rows["whole"][1:4] == ["1", "4.32", "µs"]
        assert rows["new"][1] == "1"
        assert rows["port"][3:5] == ["0", "–"]
    assert said[0] == said[1]
    assert main([str(tmp_path / "noon"), "--since", str(tmp_path / "evening")]) == 1
    assert "not an earlier one" in capsys.readouterr().err


def test_main_merges_recordings(
    busy: list[Metrics], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        assert main([EXCHANGE, "--output", str(tmp_path / name)]) == 0
    capsys.readouterr()
    both = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert main([*both, "--hop", "whole", "--output", str(tmp_path / "both")]) == 0
    assert capsys.readouterr().out.splitlines()[2].split()[:2] == ["whole", "202"]
    total = {name: one + one for name, one in collect(EXCHANGE).items()}
    assert read(tmp_path / "both").histograms() == total
    # A directory of recordings is all of them.
    (tmp_path / "both" / "latency.hlog").unlink()
    assert main([str(tmp_path), "--hop", "whole"]) == 0
    assert capsys.readouterr().out.splitlines()[2].split()[:2] == ["whole", "202"]
    assert main([EXCHANGE, both[0]]) == 1
    assert "say it alone" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["png", "svg", "html"])
def test_main_draws(busy: list[Metrics], tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    assert main([EXCHANGE, "--picture", str(path), "--note", "5 < 7"]) == 0
    content = path.read_bytes()
    if kind == "png":
        assert png_size(path) == (1760, 992)
        return
    text = content.decode()
    assert "99 %" in text and "µs" in text and "port to sequencer" in text
    assert ("<pre>hop" in text) == (kind == "html")
    # A page that needs nothing from elsewhere, and takes what it is told for text.
    assert "<script" not in text and "<link" not in text and "5 < 7" not in text


def test_a_picture_of_another_kind_is_refused(
    busy: list[Metrics], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([EXCHANGE, "--picture", str(tmp_path / "a.bmp")]) == 1
    assert ".png, .svg or .html" in capsys.readouterr().err


def test_main_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such"]) == 1
    assert "no-such" in capsys.readouterr().err
    for argv in (["no-such", "--seconds", "0"], [], ["no-such", "--compare", "a", "b"]):
        with pytest.raises(SystemExit):
            main(argv)


def test_the_table_does_not_wait_for_the_drawing_library() -> None:
    code = "import sys, tools.hist; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
