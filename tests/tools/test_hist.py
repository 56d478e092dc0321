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

from ringbus.histogram import VALUE_MAX, Histogram, read_hlog
from ringbus.metrics import Metrics, page_bytes
from ringbus.segment import Segment, segment_name, unlink
from ringbus.status import NotFoundError, UsageError
from tools.curves import draw, spread
from tools.hist import HOPS, collect, collect_since, compare, main, table, write
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


def test_compare_shows_the_change() -> None:
    text = compare({"whole": recorded(100, 100)}, {"whole": recorded(110, 110), "new": recorded(1)})
    lines = text.splitlines()
    assert lines[2].split()[:5] == ["whole,", "before", "2", "100", "ns"]
    assert lines[3].split()[:4] == ["after", "2", "110", "ns"]
    assert lines[4].split() == ["change", *["+10.0", "%"] * 7]
    assert lines[7].split() == ["change", *"–––––––"]


def test_compare_sees_no_change_in_what_was_written_and_read(tmp_path: Path) -> None:
    histograms = {"whole": recorded(*range(1, 1_000_000, 997))}
    write(histograms, tmp_path)
    read = read_hlog(tmp_path / "latency.hlog")
    assert compare(read, histograms).splitlines()[4].split() == ["change", *["+0.0", "%"] * 7]


def test_write_makes_a_picture_and_files(busy: list[Metrics], tmp_path: Path) -> None:
    histograms = collect(EXCHANGE)
    written = write(histograms, tmp_path / "out", "A title", 1000.0, 1010.0)
    assert sorted(path.name for path in written) == [
        "latency.hlog",
        "latency.png",
        "port-to-sequencer.hgrm",
        "publisher-to-reader.hgrm",
        "sequencer-to-shard.hgrm",
        "shard-to-publisher.hgrm",
        "whole.hgrm",
    ]
    assert all(path.is_file() for path in written)
    assert png_size(tmp_path / "out" / "latency.png") == (1760, 992)
    assert (tmp_path / "out" / "latency.png").stat().st_size > 20_000
    assert read_hlog(tmp_path / "out" / "latency.hlog") == histograms
    assert "TotalCount     =      101.000" in (tmp_path / "out" / "whole.hgrm").read_text()


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


def test_main_isolates_seconds_and_writes(
    busy: list[Metrics], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        busy[0].histogram("whole").record(4321)

    argv = [EXCHANGE, "--seconds", "2.5", "--output", str(tmp_path)]
    assert main(argv, now_s=iter([1000.0, 1002.5]).__next__, wait=wait) == 0
    assert waited == [2.5]
    assert "4.32 µs" in capsys.readouterr().out
    assert read_hlog(tmp_path / "latency.hlog")["whole"] == recorded(4321)
    assert ",1000.000000,2.500000," in (tmp_path / "latency.hlog").read_text()
    assert json.loads((tmp_path / "host.json").read_text())["settings"]["swap"]["outcome"]


def test_main_compares_with_an_earlier_run(
    busy: list[Metrics], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = collect(EXCHANGE)
    write(before, tmp_path)
    busy[0].histogram("whole").record(1)
    assert main([EXCHANGE, "--compare", str(tmp_path / "latency.hlog")]) == 0
    assert capsys.readouterr().out == compare(before, collect(EXCHANGE))


def test_main_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such"]) == 1
    assert "no-such" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["no-such", "--seconds", "0"])


def test_the_table_does_not_wait_for_the_drawing_library() -> None:
    code = "import sys, tools.hist; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
