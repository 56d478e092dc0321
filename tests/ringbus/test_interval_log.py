"""Interval logs: what hdrhistogram's own reader finds in ours, and what ours survives."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader, HistogramLogWriter
from hypothesis import given, settings
from hypothesis import strategies as st

from ringbus.histogram import VALUE_MAX, Histogram
from ringbus.interval_log import LogWriter, read_hlog, read_intervals, span, write_hlog
from ringbus.status import FormatError, UsageError

START_S = 1_700_000_000.0


def recorded(*values: int) -> Histogram:
    histogram = Histogram()
    histogram.record_many(np.array(values, np.uint64))
    return histogram


def write(path: Path, count: int) -> None:
    """A log of so many intervals of half a second, two hops each."""
    with LogWriter(path, START_S) as log:
        for n in range(count):
            hops = {"port to sequencer": recorded(100 + n), "whole": recorded(1000 + n, 2000 + n)}
            log.add(hops, START_S + n / 2, START_S + (n + 1) / 2)


def test_hdrhistogram_reads_every_interval_of_every_tag(tmp_path: Path) -> None:
    write(tmp_path / "a.hlog", 20)
    reader = HistogramLogReader(str(tmp_path / "a.hlog"), None)
    try:
        for n in range(20):
            for tag, values in (
                ("port_to_sequencer", [100 + n]),
                ("whole", [1000 + n, 2000 + n]),
            ):
                hdr = reader.get_next_interval_histogram()
                assert hdr.get_tag() == tag
                assert hdr.get_start_time_stamp() == (START_S + n / 2) * 1000
                assert hdr.get_end_time_stamp() == (START_S + (n + 1) / 2) * 1000
                assert list(hdr.counts) == list(recorded(*values).counts)
        assert reader.get_start_time_sec() == START_S
        assert reader.base_time_sec == START_S
        assert reader.get_next_interval_histogram() is None
    finally:
        reader.close()


def test_hdrhistogram_takes_a_stretch_out_of_the_middle(tmp_path: Path) -> None:
    write(tmp_path / "a.hlog", 20)
    reader = HistogramLogReader(str(tmp_path / "a.hlog"), None)
    try:
        total = HdrHistogram(1, VALUE_MAX, 3)
        while reader.add_next_interval_histogram(total, 5.0, 7.0) is not None:
            pass
        # Intervals that start 5 to 7 seconds behind the start: five of them, three values each.
        assert total.get_total_count() == 15
    finally:
        reader.close()


def test_ours_reads_what_hdrhistogram_writes_without_a_base(tmp_path: Path) -> None:
    path = tmp_path / "a.hlog"
    hdr = recorded(5, 60_000).to_hdr()
    with path.open("w") as file:
        log = HistogramLogWriter(file)
        log.output_log_format_version()
        log.output_comment(f"[StartTime: {START_S:f} (seconds since epoch), somewhen]")
        log.output_legend()
        log.output_interval_histogram(hdr, 3.0, 4.5, 1)
        log.output_interval_histogram(hdr, START_S + 5, START_S + 6, 1)
    first, second = read_intervals(path)
    assert (first.tag, first.start_s, first.end_s) == ("", START_S + 3, START_S + 4.5)
    assert first.histogram == recorded(5, 60_000)
    # The first line has shown that this log counts from its start.
    assert second.start_s == START_S + START_S + 5
    assert second.histogram == first.histogram


def test_intervals_come_back_as_they_were_added(tmp_path: Path) -> None:
    write(tmp_path / "a.hlog", 3)
    intervals = list(read_intervals(tmp_path / "a.hlog"))
    assert [one.tag for one in intervals] == ["port to sequencer", "whole"] * 3
    assert intervals[3].histogram == recorded(1001, 2001)
    assert intervals[3].histogram.max == 2001
    assert (intervals[3].start_s, intervals[3].end_s) == (START_S + 0.5, START_S + 1.0)
    assert span(tmp_path / "a.hlog") == (START_S, START_S + 1.5)
    assert read_hlog(tmp_path / "a.hlog")["port to sequencer"] == recorded(100, 101, 102)


def test_a_log_cut_off_anywhere_keeps_every_whole_line(tmp_path: Path) -> None:
    """A killed recorder leaves half a line; what is before it is there."""
    path = tmp_path / "a.hlog"
    write(path, 3)
    content = path.read_bytes()
    first = content.index(b"Tag=")
    for end in range(first, len(content) + 1, 7):
        path.write_bytes(content[:end])
        lines = content[first:end].count(b"\n")
        assert len(list(read_intervals(path))) == lines


@pytest.mark.parametrize(
    "line",
    [
        "whole,0,1,2,HISTFAAAAB",
        "Tag=a,0.0,1.0,2.0,HISTFAAAAB",
        "Tag=a,0.0,1.0,2.0,////////",
        "Tag=a,0.0,1.0,HISTFAAAAB",
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.hlog"
    write(path, 1)
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(FormatError, match=r"a\.hlog:8"):
        list(read_intervals(path))


def test_histograms_of_another_range_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.hlog"
    other = HdrHistogram(1, 3_600_000_000, 2)
    other.record_value(77)
    path.write_text(f"Tag=a,0.0,1.0,77.0,{other.encode().decode()}\n")
    with pytest.raises(FormatError, match="digits"):
        read_hlog(path)


@given(
    histograms=st.dictionaries(
        st.text(max_size=8), st.lists(st.integers(0, VALUE_MAX), max_size=20), max_size=4
    )
)
@settings(max_examples=25, deadline=None)
def test_any_tag_reads_back(
    tmp_path_factory: pytest.TempPathFactory, histograms: dict[str, list[int]]
) -> None:
    path = tmp_path_factory.mktemp("hlog") / "a.hlog"
    written = {tag: recorded(*values) for tag, values in histograms.items()}
    write_hlog(path, written, 1000.0, 1012.5)
    read = read_hlog(path)
    assert read == written
    assert {tag: one.max for tag, one in read.items()} == {
        tag: one.max for tag, one in written.items()
    }


def test_intervals_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        write_hlog(tmp_path / "a.hlog", {"a": recorded(1)}, 2, 1)
    with pytest.raises(UsageError), LogWriter(tmp_path / "a.hlog", 10) as log:
        log.add({"a": recorded(1)}, 9, 11)
    with pytest.raises(UsageError):
        LogWriter(tmp_path / "a.hlog", -1.0)


def test_a_long_log_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    """Line by line; what the package keeps in cycles goes with the next round of the collector."""
    peaks = []
    for count in (200, 800):
        tracemalloc.start()
        write(tmp_path / "a.hlog", count)
        total = sum(one.histogram.total for one in read_intervals(tmp_path / "a.hlog"))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert total == 3 * count
    assert peaks[1] < 1.5 * peaks[0]
