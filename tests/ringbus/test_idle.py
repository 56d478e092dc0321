"""Waiting: who sleeps is woken, by futex or by socket, and a dead sleeper's bell is taken over."""

from __future__ import annotations

import select
import time

import pytest

from ringbus.idle import Idle, Strategy, bell_mask, bells_bytes, create_bells
from ringbus.lane import Lane, create_lane, lane_bytes
from ringbus.segment import Segment, segment_name
from ringbus.status import CapacityError, NotFoundError, SystemCallError, UsageError
from tests.ringbus.support import Child, make_bells, numbered, wait_until, word

SLEEPING_OFFSET = 128
STREAM_READERS_OFFSET = 256
SLEEP_US = 20_000_000


def is_asleep(bells: Segment, mask: int) -> bool:
    return bool(word(bells, SLEEPING_OFFSET) & mask)


@pytest.mark.parametrize("kind", ["futex", "socket", "adaptive"])
def test_a_parked_process_is_woken(exchange: str, kind: str) -> None:
    """A sleep of 20 s ends when the bell rings; without the bell this test takes a minute."""
    lane_name, bells_name = segment_name(exchange, "lane"), segment_name(exchange, "bells")
    with (
        Segment.create(lane_name, lane_bytes(8)) as memory,
        Segment.create(bells_name, bells_bytes()) as bells,
    ):
        create_lane(memory, 8, "lane")
        create_bells(bells, exchange)
        lane = Lane(memory)
        with (
            Child("sleep_on_lane", lane_name, bells_name, SLEEP_US, kind) as child,
            Idle(bells, "waker") as waker,
        ):
            assert child.line() == "ready"
            mask = bell_mask(bells, "sleeper")
            begun = time.monotonic()
            parks = 0
            for n in range(3):
                wait_until(lambda: is_asleep(bells, mask), "the child's sleep")
                lane.offer(numbered(n, 1))
                # A stream reader is rung without being named, others by their mask.
                waker.ring(0 if n == 1 else mask, stream=n == 1)
                woken = int(child.line().removeprefix("woke "))
                assert woken >= parks
                parks = woken
            assert time.monotonic() - begun < SLEEP_US / 1e6 / 2
            assert child.end() == 0
        assert word(bells, SLEEPING_OFFSET) == 0


def test_a_timeout_ends_a_sleep_without_a_bell() -> None:
    bells = make_bells()
    with Idle(bells, "alone") as idle:
        idle.set_spin(0)
        idle.set_timeout(1000)
        while idle.parks < 3:
            idle.step(0)
        assert word(bells, SLEEPING_OFFSET) == 0


def test_work_ends_the_announcement() -> None:
    """Between announcing and sleeping it looks once more; if there is work it does not sleep."""
    bells = make_bells()
    with Idle(bells, "alone") as idle:
        idle.set_spin(0)
        idle.set_timeout(SLEEP_US)
        while word(bells, SLEEPING_OFFSET) == 0:
            idle.step(0)
        idle.step(1)
        assert word(bells, SLEEPING_OFFSET) == 0
        assert idle.parks == 0


@pytest.mark.parametrize("strategy", [Strategy.SPIN, Strategy.YIELD])
def test_who_spins_never_sleeps(strategy: Strategy) -> None:
    """A spinning core makes no system call to wait, a yielding one does not park."""
    bells = make_bells()
    with Idle(bells, "busy", strategy) as idle:
        idle.set_spin(0)
        for _ in range(1000):
            idle.step(0)
        assert idle.parks == 0
        assert word(bells, SLEEPING_OFFSET) == 0


def test_a_dead_process_leaves_its_bell_to_its_successor(exchange: str) -> None:
    """R33: SIGKILL; the successor of the same name gets the same bell, so that masks stay right."""
    name = segment_name(exchange, "bells")
    with Segment.create(name, bells_bytes()) as bells:
        create_bells(bells, exchange)
        with Idle(bells, "first"):
            with Child("hold_bell", name, "port") as child:
                assert child.line() == "bell 1"
                assert bell_mask(bells, "port") == 2
                child.kill()
            assert bell_mask(bells, "port") == 2
            with Child("hold_bell", name, "port") as child:
                # The abstract name of the dead socket is free, or this would fail.
                assert child.line() == "bell 1"
            with Idle(bells, "other") as other:
                assert other.bell == 2


def test_bells_are_given_back() -> None:
    bells = make_bells()
    with Idle(bells, "port"):
        assert bell_mask(bells, "port") == 1
        assert word(bells, STREAM_READERS_OFFSET) == 1
    assert word(bells, STREAM_READERS_OFFSET) == 0
    with pytest.raises(NotFoundError, match="called port"):
        bell_mask(bells, "port")
    with Idle(bells, "other", stream_reader=False) as other:
        assert other.bell == 0
        assert word(bells, STREAM_READERS_OFFSET) == 0


def test_sixty_four_bells_and_no_more() -> None:
    bells = make_bells()
    held = [Idle(bells, f"bell{n}") for n in range(64)]
    with pytest.raises(CapacityError, match="bell one too many"):
        Idle(bells, "one too many")
    held[40].close()
    held[40].close()
    with Idle(bells, "one too many") as idle:
        assert idle.bell == 40


@pytest.mark.parametrize("name", ["", "x" * 32])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        Idle(make_bells(), name)


def test_a_bell_that_cannot_be_opened_is_given_back(exchange: str) -> None:
    bells = make_bells(exchange)
    with select.epoll() as epoll:
        descriptor = epoll.fileno()
    with pytest.raises(SystemCallError, match="bell port"):
        Idle(bells, "port", epoll_fd=descriptor)
    with pytest.raises(NotFoundError):
        bell_mask(bells, "port")
