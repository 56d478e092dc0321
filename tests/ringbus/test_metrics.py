"""Metrics pages in real shared memory, read by a second process while the first records."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ringbus._ringbus import ffi, lib
from ringbus.memory import Block
from ringbus.metrics import NAME_BYTES_MAX, Metrics, page_bytes
from ringbus.segment import Segment, segment_name, unlink
from ringbus.status import (
    CapacityError,
    CorruptionError,
    LayoutError,
    NotFoundError,
    UsageError,
)

NAME = segment_name(f"metrics-{os.getpid()}", "metrics.core0")


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment.create(NAME, page_bytes()) as made:
        try:
            yield made
        finally:
            unlink(NAME)


@pytest.fixture
def metrics(segment: Segment) -> Metrics:
    return Metrics.create(segment)


def test_counters_count(metrics: Metrics) -> None:
    accepted, refused = metrics.counter("accepted"), metrics.counter("refused")
    accepted.add()
    accepted.add(41)
    assert (accepted.value, refused.value) == (42, 0)
    assert metrics.counters() == {"accepted": 42, "refused": 0}
    assert metrics.counter("accepted").value == 42


def test_histograms_record(metrics: Metrics) -> None:
    metrics.histogram("first").record(10)
    metrics.histogram("second").record(2000)
    views = metrics.histograms()
    assert list(views) == ["first", "second"]
    assert (views["first"].max, views["second"].max) == (10, 2000)
    metrics.validate()


def test_addresses_are_those_of_the_entries(metrics: Metrics) -> None:
    lib.rb_metrics_add(ffi.cast("uint64_t *", metrics.counter_address("c")), 5)
    assert metrics.counter("c").value == 5
    lib.rb_histogram_add(metrics.histogram_address("h"), 77)
    assert metrics.histogram("h").max == 77


def test_attach_sees_what_the_owner_made(metrics: Metrics) -> None:
    metrics.counter("c").add(3)
    metrics.histogram("h").record(9)
    with Segment.attach(NAME) as read_only:
        seen = Metrics.attach(read_only)
        metrics.counter("c").add(1)
        assert seen.counters() == {"c": 4}
        assert seen.counter("c").value == 4
        assert seen.histograms()["h"].percentile(50) == 9


def test_a_successor_goes_on_counting(metrics: Metrics) -> None:
    metrics.counter("c").add(3)
    with Segment.attach(NAME, writable=True) as again:
        Metrics.attach(again).counter("c").add(4)
    assert metrics.counters() == {"c": 7}


def test_a_reader_changes_nothing(metrics: Metrics) -> None:
    metrics.counter("c")
    with Segment.attach(NAME) as read_only:
        seen = Metrics.attach(read_only)
        with pytest.raises(NotFoundError):
            seen.counter("other")
        with pytest.raises(NotFoundError):
            seen.histogram("c")
        with pytest.raises(UsageError):
            seen.counter("c").add()
        with pytest.raises(UsageError):
            seen.repair()
        with pytest.raises(UsageError):
            Metrics.create(read_only)


def test_counters_only_grow(metrics: Metrics) -> None:
    with pytest.raises(UsageError):
        metrics.counter("c").add(-1)


@pytest.mark.parametrize("name", ["", "x" * (NAME_BYTES_MAX + 1), "a\0b", "ä" * 24])
def test_names_that_do_not_fit_are_refused(metrics: Metrics, name: str) -> None:
    with pytest.raises(UsageError):
        metrics.counter(name)
    with pytest.raises(UsageError):
        metrics.histogram(name)


def test_the_longest_name_fits(metrics: Metrics) -> None:
    metrics.counter("x" * NAME_BYTES_MAX).add()
    assert metrics.counters() == {"x" * NAME_BYTES_MAX: 1}


def test_a_full_page_is_an_error_and_stays_usable(metrics: Metrics) -> None:
    for n in range(128):
        metrics.counter(f"counter {n}").add(n)
    with pytest.raises(CapacityError):
        metrics.counter("one more")
    for n in range(16):
        metrics.histogram(f"histogram {n}").record(n)
    with pytest.raises(CapacityError):
        metrics.histogram("one more")
    assert list(metrics.counters().values()) == list(range(128))
    assert [view.max for view in metrics.histograms().values()] == list(range(16))
    metrics.validate()


def test_use_ends_with_the_segment(metrics: Metrics) -> None:
    metrics.counter("c")
    with Segment.attach(NAME) as read_only:
        seen = Metrics.attach(read_only)
        counter = seen.counter("c")
    for use in (seen.counters, seen.histograms, seen.validate, lambda: counter.value):
        with pytest.raises(UsageError, match="closed"):
            use()


def test_a_page_in_private_memory() -> None:
    block = Block(page_bytes())
    metrics = Metrics.create(block)
    metrics.counter("c").add(2)
    view = metrics.histogram("h")
    view.record(6)
    assert metrics.counters() == {"c": 2}
    assert view.percentile(50) == 6
    block.close()
    with pytest.raises(UsageError, match="closed"):
        view.percentile(50)


def test_memory_that_is_no_page_is_refused(segment: Segment) -> None:
    with pytest.raises(LayoutError):
        Metrics.attach(segment)


def test_a_segment_that_is_too_small_is_refused() -> None:
    name = segment_name(f"metrics-{os.getpid()}", "small")
    with Segment.create(name, 4096) as small:
        try:
            with pytest.raises(LayoutError):
                Metrics.create(small)
        finally:
            unlink(name)


def test_tables_that_cannot_be_walked_are_refused(segment: Segment, metrics: Metrics) -> None:
    metrics.counter("c")
    # counter_count is the first word behind the layout.
    count = ffi.cast("uint32_t *", ffi.cast("char *", segment.address) + 128)
    assert count[0] == 1
    count[0] = 129
    with pytest.raises(CorruptionError, match="counter_count"):
        Metrics.attach(segment)


def test_names_that_are_there_twice_are_found(segment: Segment, metrics: Metrics) -> None:
    metrics.counter("a")
    metrics.counter("b")
    metrics.validate()
    names = ffi.cast("char *", segment.address) + 136
    assert ffi.string(names + 48) == b"b"
    names[48] = b"a"
    with pytest.raises(CorruptionError):
        metrics.validate()


def test_repair_mends_a_record_that_was_cut_off(metrics: Metrics) -> None:
    view = metrics.histogram("h")
    view.record(50)
    view.record(3000)
    words = ffi.cast("uint64_t *", metrics.histogram_address("h"))
    # Killed after the count was stored, before total and max: the words are total, saturated, max.
    words[0] = 1
    words[2] = 50
    with pytest.raises(CorruptionError):
        metrics.validate()
    assert metrics.repair() == 1
    metrics.validate()
    assert view.total == 2
    assert view.max == view.percentile(100)
    assert metrics.repair() == 0


READER = """
import sys
from ringbus.metrics import Metrics
from ringbus.segment import Segment

with Segment.attach(sys.argv[1]) as segment:
    metrics = Metrics.attach(segment)
    print("ready", flush=True)
    previous = -1
    for _ in range(2_000_000):
        snapshot = metrics.histogram("hop").snapshot()
        assert snapshot.total == int(snapshot.counts.sum())
        assert snapshot.total >= previous
        assert snapshot.total == 0 or 100 <= snapshot.percentile(50) < 1100
        previous = snapshot.total
        if metrics.counter("done").value:
            break
    print(metrics.histogram("hop").total, metrics.histogram("hop").max, flush=True)
"""


def test_a_second_process_reads_while_the_first_records(metrics: Metrics) -> None:
    view, done = metrics.histogram("hop"), metrics.counter("done")
    with subprocess.Popen(
        [sys.executable, "-c", READER, NAME], stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for n in range(200_000):
            view.record(100 + n % 1000)
        done.add()
        output, _ = reader.communicate(timeout=60)
    assert reader.returncode == 0
    assert output == "200000 1099\n"
