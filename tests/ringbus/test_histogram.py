"""Histograms against the package hdrhistogram, which is the reference for layout and figures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from ringbus.histogram import (
    BYTES,
    COUNTS,
    VALUE_MAX,
    Histogram,
    lowest_values,
)
from ringbus.segment import Segment, segment_name, unlink
from ringbus.status import FormatError, UsageError

# Small values, every power of two, and everything between.
VALUES = st.one_of(
    st.integers(0, 4096),
    st.integers(0, 35).flatmap(lambda bit: st.integers((1 << bit) - 1, (1 << bit) + 1)),
    st.integers(0, VALUE_MAX),
)
PERCENTS = [0, 0.001, 1, 12.5, 50, 75, 90, 99, 99.9, 99.99, 99.999, 100]


def recorded(values: list[int]) -> Histogram:
    histogram = Histogram()
    histogram.record_many(np.array(values, np.uint64))
    return histogram


def reference(values: list[int]) -> HdrHistogram:
    hdr = HdrHistogram(1, VALUE_MAX, 3)
    for value in values:
        assert hdr.record_value(value)
    return hdr


@pytest.fixture
def segment() -> Iterator[Segment]:
    name = segment_name(f"histogram-{os.getpid()}", "memory")
    with Segment.create(name, 4096 + BYTES) as made:
        try:
            yield made
        finally:
            unlink(name)


def test_layout_is_hdrhistograms() -> None:
    assert VALUE_MAX == 2**36 - 1
    assert HdrHistogram(1, VALUE_MAX, 3).counts_len == COUNTS
    lowest = lowest_values()
    assert lowest[0] == 0
    assert lowest[-1] == VALUE_MAX + 1
    assert np.all(np.diff(lowest.astype(np.int64)) > 0)


@given(VALUES)
@settings(max_examples=400, deadline=None)
def test_a_value_is_counted_where_hdrhistogram_counts_it(value: int) -> None:
    hdr = HdrHistogram(1, VALUE_MAX, 3)
    index = hdr.get_counts_array_index(value)
    counts = recorded([value]).counts
    assert counts[index] == 1
    assert counts.sum() == 1
    lowest, end = (int(x) for x in lowest_values()[index : index + 2])
    assert lowest <= value < end
    assert lowest == hdr.get_lowest_equivalent_value(value)
    assert end - 1 == hdr.get_highest_equivalent_value(value)


def test_every_range_keeps_three_digits() -> None:
    lowest = lowest_values().astype(np.int64)
    width = np.diff(lowest)
    assert np.all(width[lowest[:-1] < 2048] == 1)
    assert np.all(width * 1000 <= np.maximum(lowest[:-1], 1000))


@given(st.lists(VALUES, min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_figures_are_hdrhistograms(values: list[int]) -> None:
    ours, hdr = recorded(values), reference(values)
    assert ours.percentiles(PERCENTS) == [hdr.get_value_at_percentile(p) for p in PERCENTS]
    assert ours.total == hdr.get_total_count() == len(values)
    assert ours.mean == pytest.approx(hdr.get_mean_value(), rel=1e-12)
    assert ours.min == hdr.get_min_value()
    assert ours.max == max(values)
    assert ours.sum == sum(values)


@given(st.lists(VALUES, max_size=60))
@settings(max_examples=40, deadline=None)
def test_to_hdr_and_back(values: list[int]) -> None:
    ours, hdr = recorded(values), recorded(values).to_hdr()
    assert list(hdr.counts) == list(reference(values).counts)
    assert hdr.get_total_count() == len(values)
    assert hdr.get_max_value() == reference(values).get_max_value()
    assert hdr.get_min_value() == reference(values).get_min_value()
    assert [hdr.get_value_at_percentile(p) for p in PERCENTS] == ours.percentiles(PERCENTS)
    assert Histogram.from_hdr(hdr) == ours
    assert Histogram.from_hdr(HdrHistogram.decode(hdr.encode())) == ours


def test_from_hdr_refuses_other_digits() -> None:
    with pytest.raises(FormatError):
        Histogram.from_hdr(HdrHistogram(1, VALUE_MAX, 2))


def test_empty() -> None:
    histogram = Histogram()
    assert histogram.percentiles(PERCENTS) == [0] * len(PERCENTS)
    assert (histogram.total, histogram.min, histogram.max, histogram.mean) == (0, 0, 0, 0.0)


def test_saturated_values_are_counted_at_the_highest() -> None:
    histogram = Histogram()
    for value in (VALUE_MAX, VALUE_MAX + 1, 2**64 - 1):
        histogram.record(value)
    assert histogram.total == 3
    assert histogram.saturated == 2
    assert histogram.max == VALUE_MAX
    assert histogram.counts[-1] == 3
    assert histogram.percentile(100) == VALUE_MAX
    assert histogram.sum == 3 * VALUE_MAX


@pytest.mark.parametrize("value", [-1, 2**64])
def test_values_that_do_not_fit_are_refused(value: int) -> None:
    with pytest.raises(UsageError):
        Histogram().record(value)


@pytest.mark.parametrize("values", [np.zeros(3, np.int64), np.zeros((2, 2), np.uint64)])
def test_record_many_takes_only_what_it_says(
    values: np.ndarray[tuple[int], np.dtype[np.uint64]],
) -> None:
    with pytest.raises(UsageError):
        Histogram().record_many(values)


def test_record_many_takes_strided_arrays() -> None:
    histogram = Histogram()
    histogram.record_many(np.arange(10, dtype=np.uint64)[::3])
    assert list(np.flatnonzero(histogram.counts)) == [0, 3, 6, 9]


@pytest.mark.parametrize("percent", [-0.1, 100.1, float("nan")])
def test_percentiles_outside_are_refused(percent: float) -> None:
    with pytest.raises(UsageError):
        Histogram().percentile(percent)


@given(st.lists(st.lists(VALUES, max_size=20), max_size=4))
@settings(max_examples=30, deadline=None)
def test_merged_is_as_recorded_in_one(parts: list[list[int]]) -> None:
    merged = Histogram.merged([recorded(part) for part in parts])
    whole = recorded([value for part in parts for value in part])
    assert merged == whole
    assert (merged.total, merged.max, merged.sum) == (whole.total, whole.max, whole.sum)


@given(st.lists(VALUES, max_size=20), st.lists(VALUES, max_size=20))
@settings(max_examples=40, deadline=None)
def test_difference_is_what_came_later(first: list[int], later: list[int]) -> None:
    histogram = recorded(first)
    before = histogram.snapshot()
    for value in later:
        histogram.record(value)
    since = histogram - before
    expected = recorded(later)
    assert since == expected
    assert (since.total, since.sum) == (expected.total, expected.sum)
    assert since.percentile(100) >= since.max >= expected.max


def test_difference_refuses_what_is_not_earlier() -> None:
    with pytest.raises(UsageError):
        recorded([5]) - recorded([6])


def test_a_snapshot_does_not_change() -> None:
    histogram = recorded([7])
    before = histogram.snapshot()
    histogram.record(8)
    assert before.total == 1
    assert before != histogram


def test_a_snapshot_mends_what_a_racing_recorder_left(segment: Segment) -> None:
    view = Histogram.view(segment, 0)
    view.record(100)
    words = np.frombuffer(view.counts, np.uint64)
    assert words[100] == 1
    # As between two stores of rb_histogram_record: counted, but not yet in total and max.
    racing = Histogram.from_counts(words + (np.arange(COUNTS) == 3000).astype(np.uint64), 100)
    assert racing.total == 2
    assert racing.max == int(lowest_values()[3001]) - 1


def test_a_view_reads_and_records_in_place(segment: Segment) -> None:
    one, other = Histogram.view(segment, 4096), Histogram.view(segment, 4096)
    one.record(1234)
    assert other.total == 1
    assert other.max == 1234
    assert other.snapshot() == recorded([1234])


def test_a_read_only_view_does_not_record(segment: Segment) -> None:
    Histogram.view(segment, 0).record(5)
    with Segment.attach(segment.name) as read_only:
        view = Histogram.view(read_only, 0)
        assert view.percentile(50) == 5
        with pytest.raises(UsageError):
            view.record(6)
        with pytest.raises(UsageError):
            view.record_many(np.ones(1, np.uint64))


def test_a_view_ends_with_its_segment(segment: Segment) -> None:
    with Segment.attach(segment.name) as read_only:
        view = Histogram.view(read_only, 0)
        snapshot = view.snapshot()
    assert snapshot.total == 0
    with pytest.raises(UsageError, match="closed"):
        view.snapshot()


@pytest.mark.parametrize("offset", [-8, 4, 4104])
def test_a_view_lies_inside_its_segment(segment: Segment, offset: int) -> None:
    with pytest.raises(UsageError):
        Histogram.view(segment, offset)


def test_hgrm_is_the_percentile_distribution(tmp_path: Path) -> None:
    histogram = recorded([*range(100, 1100), 5_000_000])
    histogram.write_hgrm(tmp_path / "a.hgrm")
    lines = (tmp_path / "a.hgrm").read_text().splitlines()
    assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    rows = [line.split() for line in lines[1:] if line and not line.startswith("#")]
    values, percents = [float(row[0]) for row in rows], [float(row[1]) for row in rows]
    assert values[0] == 100
    assert values[-1] == histogram.percentile(100)
    assert percents[-1] == 1.0
    assert int(rows[-1][2]) == 1001
    assert all(a <= b for a, b in pairwise(values))
    assert all(a <= b for a, b in pairwise(percents))
    for value, percent, *_ in rows:
        assert histogram.percentile(float(percent) * 100) <= float(value)
    assert "TotalCount     =     1001.000" in lines[-2]
