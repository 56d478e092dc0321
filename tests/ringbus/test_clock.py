"""The clock: real time close to the kernel's, and clocks that repeat."""

from __future__ import annotations

import time

from ringbus._ringbus import ffi, lib
from ringbus.core import ClockMode


def make(mode: ClockMode) -> object:
    clock = ffi.new("rb_clock *")
    clock.mode = int(mode)
    return clock


def test_real_time_is_the_kernels() -> None:
    """Over 50 ms: five anchors' worth of counting, each reading between two of the kernel's.

    The counter may be ahead of the kernel by what one anchor takes and the rate errs: far below a
    microsecond; ten are allowed for.
    """
    clock = make(ClockMode.REAL)
    start = time.time_ns()
    slack_ns = 10_000
    worst = count = 0
    before = start
    while before - start < 50_000_000:
        before = time.time_ns()
        now = int(lib.rb_clock_now(clock))
        after = time.time_ns()
        worst = max(worst, before - now, now - after)
        count += 1
    assert count > 1000
    assert worst < slack_ns


def test_real_time_does_not_run_backwards() -> None:
    """Within 50 ms, no reading is below the one before, at whatever anchor."""
    clock = make(ClockMode.REAL)
    start = last = int(lib.rb_clock_now(clock))
    while last - start < 50_000_000:
        now = int(lib.rb_clock_now(clock))
        assert now >= last, f"{last - now} ns back, {last - start} ns after the first reading"
        last = now


def test_a_counted_clock_moves_a_microsecond_a_reading() -> None:
    """R98: what repeats must not look at real time."""
    clock = make(ClockMode.COUNTED)
    first = lib.rb_clock_now(clock)
    assert first == 1_000_000_000_000_000_000
    assert [lib.rb_clock_now(clock) - first for _ in range(3)] == [1000, 2000, 3000]


def test_a_manual_clock_stands_still() -> None:
    clock = ffi.cast("rb_clock *", make(ClockMode.MANUAL))
    clock.now_ns = 42
    assert [lib.rb_clock_now(clock) for _ in range(3)] == [42, 42, 42]
    clock.now_ns = 7
    assert lib.rb_clock_now(clock) == 7
