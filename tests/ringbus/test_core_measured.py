"""What a core measures of itself: turns drawn by chance, every stall, agents in Python too."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from ringbus.core import DUTY, SAMPLED, STALLS, histograms_of
from ringbus.memory import Block
from ringbus.metrics import Metrics, page_bytes
from ringbus.status import CapacityError
from tests.ringbus.test_core import Bench, Called, Noted

ROUNDS = 16_000
LONG_S = 0.03


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    block = Block(page_bytes(histograms_of(3)))
    yield Metrics.create(block)
    block.close()


@pytest.mark.parametrize(("wait", "every"), [("spin", 256), ("park", 16), ("adaptive", 16)])
def test_turns_are_drawn_evenly(metrics: Metrics, wait: str, every: int) -> None:
    """One round in so many, whatever rhythm the work has; a turn without work does not count."""
    bench = Bench(wait)
    rhythm = iter(n % every == 0 for n in range(ROUNDS))
    bench.core.add("always", Noted([], "", 1))
    bench.core.add("in time", Called(lambda limit: next(rhythm)))
    bench.core.add("never", Noted([], "", 0))
    bench.core.measure(metrics)
    for _ in range(ROUNDS):
        bench.core.round()
    counts = {name: one.total for name, one in metrics.histograms().items()}
    expected = ROUNDS / every
    assert abs(counts[f"{DUTY}always"] - expected) < 0.25 * expected
    # Its rhythm is that of the drawing itself: neither all of its turns nor none are timed.
    assert counts[f"{DUTY}in time"] < 0.25 * expected
    assert counts[f"{DUTY}never"] == 0
    assert metrics.counters()[SAMPLED] == every
    bench.core.close()


def test_the_order_of_things_is_the_same_when_it_is_measured(metrics: Metrics) -> None:
    """A timed round calls the same agents with the same limits."""
    seen: list[list[tuple[str, int]]] = []
    for is_measured in (False, True):
        bench = Bench()
        calls: list[tuple[str, int]] = []

        def noting(name: str, into: list[tuple[str, int]]) -> Called:
            def work(limit: int) -> int:
                into.append((name, limit))
                return len(into) % 3

            return Called(work)

        agents = [noting(name, calls) for name in "abc"]
        for name, agent in zip("abc", agents, strict=True):
            bench.core.add(name, agent)
        if is_measured:
            bench.core.measure(metrics)
        for _ in range(2000):
            bench.core.round()
        seen.append(calls)
        bench.core.close()
    assert seen[0] == seen[1]
    assert metrics.histograms()[f"{DUTY}a"].total > 0


def test_a_long_turn_is_a_stall(metrics: Metrics) -> None:
    """Whoever else is on that core has waited so long."""
    bench = Bench(clock="real")
    # The first look is in the eighth round.
    turns = iter([False] * 10 + [True] + [False] * 100)

    def work(limit: int) -> int:
        if next(turns):
            time.sleep(LONG_S)
            return 1
        return 0

    bench.core.add("slow", Called(work))
    bench.core.measure(metrics)
    for _ in range(40):
        bench.core.turn(0)
    stalls = metrics.histograms()[f"{STALLS}test"].snapshot()
    assert stalls.max >= LONG_S * 1e9
    assert stalls.min >= 20_000 * 0.999
    bench.core.close()


def test_a_core_that_is_kept_from_running_has_stalled(metrics: Metrics) -> None:
    """Between its rounds, with nothing to do: found within eight of them."""
    bench = Bench(clock="real")
    bench.core.add("idle", Noted([], "", 0))
    bench.core.measure(metrics)
    for n in range(40):
        bench.core.turn(0)
        if n == 20:
            time.sleep(LONG_S)
    assert metrics.histograms()[f"{STALLS}test"].max >= LONG_S * 1e9
    bench.core.close()


def test_a_sleep_that_was_asked_for_is_no_stall(metrics: Metrics) -> None:
    """A core that parks for 50 ms each time, and is not called late by as much."""
    bench = Bench("park", "real")
    bench.core.add("idle", Noted([], "", 0))
    bench.core.idle.set_timeout(50_000)
    bench.core.measure(metrics)
    start = time.monotonic()
    while bench.page.parks < 4:
        bench.core.turn(0)
    slept_ns = (time.monotonic() - start) * 1e9
    assert slept_ns > 150e6
    # A busy host may call it late; four sleeps taken for stalls would be all of it.
    assert metrics.histograms()[f"{STALLS}test"].sum < slept_ns - 3 * 45e6
    bench.core.close()


def test_turns_of_an_agent_in_python_are_timed(metrics: Metrics) -> None:
    """Drawn with the rounds of its core; each turn with work takes a millisecond at least."""

    class Worker:
        def do_work(self, limit: int) -> int:
            time.sleep(0.001)
            return 1

    bench = Bench("park", "real")
    bench.core.host("worker", Worker())
    bench.core.measure(metrics)
    left = iter(range(200))

    class Last:
        def do_work(self, limit: int) -> int:
            if next(left, None) is None:
                bench.page.stop()
            return 0

    bench.core.host("last", Last())
    bench.core.run()
    timed = metrics.histograms()[f"{DUTY}worker"].snapshot()
    assert 4 <= timed.total <= 40
    assert timed.min >= 999_000
    bench.core.close()


def test_a_page_has_room_for_all_that_its_core_measures() -> None:
    """Of 32 agents, and for no more; one that is too small says so."""
    block = Block(page_bytes(histograms_of(32)))
    metrics = Metrics.create(block)
    bench = Bench()
    for n in range(32):
        bench.core.add(f"agent.{n}", Noted([], "", 1))
    bench.core.measure(metrics)
    for n in range(histograms_of(32) - 33):
        metrics.histogram(f"more {n}")
    with pytest.raises(CapacityError):
        metrics.histogram("one more")
    metrics.validate()
    assert metrics.repair() == 0
    block.close()
    small = Block(page_bytes(2))
    with pytest.raises(CapacityError):
        bench.core.measure(Metrics.create(small))
    bench.core.close()
    small.close()
