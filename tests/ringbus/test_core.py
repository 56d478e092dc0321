"""The core: agents in turn, a failure that is latched and told, a page that others read."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.publisher import Publisher
from ringbus._ringbus import ffi, lib
from ringbus.core import Core, CorePage, CoreState, create_page, page_bytes
from ringbus.idle import bells_bytes, create_bells
from ringbus.journal import Journal
from ringbus.lane import Lane
from ringbus.memory import Block
from ringbus.messages import Template
from ringbus.multicast import Writer
from ringbus.segment import Segment, segment_name
from ringbus.status import CapacityError, CorruptionError, UsageError
from tests.ringbus.support import (
    Child,
    make_bells,
    make_lane,
    make_ring,
    make_shared_ring,
    numbered,
    wait_until,
)


class Called:
    """An agent in Python, by a callback: C calls it as it calls any other."""

    def __init__(self, work: Callable[[int], int]) -> None:
        self._callback = ffi.callback(
            "int64_t (void *, int64_t)", lambda state, limit: work(int(limit))
        )
        self.work = ffi.cast("void *", self._callback)
        self.state = ffi.NULL
        self.check_text = ffi.cast("void *", ffi.addressof(lib, "rb_check_text"))


class Noted(Called):
    """An agent that notes each call in `calls` and always says the same."""

    def __init__(self, calls: list[str], name: str, done: int) -> None:
        def work(limit: int) -> int:
            calls.append(name)
            return done

        super().__init__(work)


class Bench:
    """A core in private memory."""

    def __init__(self, wait: str = "spin", clock: str = "counted") -> None:
        self.memory = Block(page_bytes())
        create_page(self.memory, "test")
        self.page = CorePage(self.memory)
        self.core = Core(self.memory, make_bells(), "test", wait, clock, cpu=1)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.core.close()


def test_agents_run_in_turn(bench: Bench) -> None:
    """R54: the order is that in which they were added, every round."""
    order: list[str] = []
    for name, done in (("b", 1), ("a", 0), ("c", 5)):
        bench.core.add(name, Noted(order, name, done))
    assert bench.core.round() == 6
    assert bench.core.round() == 6
    assert order == ["b", "a", "c"] * 2
    assert bench.page.agents == {"b": 2, "a": 0, "c": 10}


def test_the_limit_doubles_with_work_and_falls_back_without(bench: Bench) -> None:
    """A single message is not held up by looks for a second one."""
    limits: list[int] = []
    work = iter([1] * 10 + [0, 1, 0])

    def noted(limit: int) -> int:
        limits.append(limit)
        return next(work)

    bench.core.add("agent", Called(noted))
    for _ in range(13):
        bench.core.round()
    assert limits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 256, 256, 1, 2]


def test_a_failure_is_latched_and_told(bench: Bench) -> None:
    """R33: a failed agent and its neighbours are never called again; the page says why."""
    calls: list[str] = []
    bench.core.add("good", Noted(calls, "good", 1))
    bench.core.add("bad", Noted(calls, "bad", -11))
    bench.core.add("behind", Noted(calls, "behind", 1))
    for attempt in (bench.core.round, bench.core.round, bench.core.run):
        with pytest.raises(CorruptionError, match="bad: a stored message does not match") as caught:
            attempt()
        assert caught.value.status == -11
    assert calls == ["good", "bad"]
    assert bench.page.state == CoreState.FAILED
    assert bench.page.failure == "bad: a stored message does not match its checksum"


def test_a_broken_invariant_ends_the_core_and_says_where(bench: Bench) -> None:
    """R80: the shipped publisher finds a group whose second line belongs to another input."""
    ring, readers = make_ring(64)
    memory = make_lane(64)
    bench.core.add("publisher", Publisher(bench.core, ring, readers, [memory]))
    lines = numbered(0, 2)
    lines["template_id"] = Template.NEW_ORDER
    # Between shard and publisher, `checksum` is the number of the input.
    lines["checksum"] = (1, 9)
    Lane(memory).offer(lines)
    assert bench.core.round() == 1
    with pytest.raises(CorruptionError, match=r"publisher: .*publisher\.c:\d+: ") as caught:
        bench.core.round()
    assert caught.value.status == -2
    assert bench.page.state == CoreState.FAILED
    # Nothing of the wrong line is on the stream, and the core does not run again.
    assert Writer(ring, readers).next == 2
    with pytest.raises(CorruptionError, match=r"publisher\.c"):
        bench.core.run()


def test_a_failed_system_call_says_why(bench: Bench, tmp_path: Path) -> None:
    """A journal that cannot write stops its core, with the reason of the system."""
    ring, readers = make_ring(64)
    directory = tmp_path / "gone"
    directory.mkdir()
    bench.core.add("journal", Journal(directory, ring, readers, 1024))
    directory.rmdir()
    Writer(ring, readers).publish(numbered(1, 1))
    with pytest.raises(CorruptionError, match="journal: .*No such file or directory"):
        bench.core.round()


def test_thirty_two_agents_and_no_more(bench: Bench) -> None:
    agent = Called(lambda limit: 0)
    for n in range(32):
        bench.core.add(f"agent{n}", agent)
    with pytest.raises(CapacityError):
        bench.core.add("one too many", agent)
    with pytest.raises(UsageError):
        Bench().core.add("x" * 32, agent)


def test_an_agent_can_stop_its_core() -> None:
    """The flag is looked at between rounds; the round that is under way ends."""
    bench = Bench(wait="park", clock="real")
    left = [5]

    def work(limit: int) -> int:
        left[0] -= 1
        if left[0] == 0:
            bench.page.stop()
        return 0

    bench.core.add("agent", Called(work))
    bench.core.run()
    assert left == [0]
    assert bench.page.state == CoreState.STOPPED
    assert bench.page.failure == ""
    bench.core.close()


def test_a_page_is_reset_for_a_successor(bench: Bench) -> None:
    bench.core.add("agent", Called(lambda limit: -2))
    with pytest.raises(CorruptionError):
        bench.core.round()
    bench.page.stop()
    bench.page.reset()
    page = bench.page
    assert (page.state, page.pid, page.rounds, page.agents) == (CoreState.EMPTY, 0, 0, {})
    assert (page.failure, page.beat_ns) == ("", 0)


def test_clocks(bench: Bench) -> None:
    assert bench.core.now_ns + 1000 == bench.core.now_ns
    manual = Bench(clock="manual")
    manual.core.set_time(77)
    assert manual.core.now_ns == 77


def test_a_core_that_hosts_agents_in_python_beats_each_round() -> None:
    """However long those take: 1,024 of their rounds are no silence."""
    bench = Bench("park", "real")

    class Worker:
        def do_work(self, limit: int) -> int:
            return 1

    bench.core.host("worker", Worker())
    beats = []
    for _ in range(5):
        assert bench.core.turn(1)
        beats.append(bench.page.beat_ns)
    assert beats == sorted({*beats})
    assert beats[0] > 0
    bench.core.close()


@pytest.mark.parametrize("end", ["page", "signal"])
def test_a_watcher_sees_a_core_in_another_process(exchange: str, tmp_path: Path, end: str) -> None:
    """What a core does is read from outside, without stopping it."""
    ring, readers = make_shared_ring(exchange, 64)
    page_name, bells_name = segment_name(exchange, "core"), segment_name(exchange, "bells")
    with (
        ring,
        readers,
        Segment.create(page_name, page_bytes()) as memory,
        Segment.create(bells_name, bells_bytes()) as bells,
    ):
        create_page(memory, "recorder")
        create_bells(bells, exchange)
        with Segment.attach(page_name) as read_only:
            page = CorePage(read_only)
            assert (page.state, page.pid) == (CoreState.EMPTY, 0)
            begun_ns = time.time_ns()
            with Child(
                "run_core", ring.name, readers.name, page_name, bells_name, tmp_path
            ) as child:
                assert child.line() == "ready"
                wait_until(lambda: page.state == CoreState.RUNNING, "the core's start")
                assert page.pid == child.process.pid
                assert page.cpu is None
                writer = Writer(ring, readers)
                while writer.next <= 500:
                    writer.publish(numbered(writer.next, 501 - writer.next))
                wait_until(lambda: page.agents == {"journal": 500}, "the journal's work")
                seen = page.rounds
                wait_until(lambda: page.rounds > seen, "another round")
                wait_until(lambda: page.beat_ns > begun_ns, "a beat")
                wait_until(lambda: page.parks > 0, "a park")
                if end == "page":
                    CorePage(memory).stop()
                else:
                    os.kill(page.pid, signal.SIGTERM)
                assert child.line() == "stopped"
                assert child.end() == 0
            assert page.state == CoreState.STOPPED
            assert page.failure == ""
