"""A supervisor's rest ends with a death, a signal, or the time: a minute, if they did not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from tools.process import Process
from tools.vigil import Vigil

REST_SECONDS = 120.0


@contextmanager
def child() -> Iterator[tuple[subprocess.Popen[bytes], Process]]:
    """Somebody who waits to be told to end."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as popen:
        yield popen, Process.of(popen.pid)
        popen.kill()


@contextmanager
def soon() -> Iterator[None]:
    """What is within ends long before its rest does."""
    begun_s = time.monotonic()
    yield
    assert time.monotonic() - begun_s < REST_SECONDS / 2


def test_a_death_ends_it() -> None:
    with Vigil() as vigil, child() as (one, first), child() as (_, second):
        threading.Timer(0.05, one.kill).start()
        with soon():
            vigil.wait([first, second], REST_SECONDS)
        assert not first.alive
        assert second.alive
        # Told once: who is dead is left out, and the rest is one again.
        begun_s = time.monotonic()
        vigil.wait([second], 0.05)
        assert time.monotonic() - begun_s >= 0.05


def test_a_signal_ends_it() -> None:
    heard = []

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(number)

    former = signal.signal(signal.SIGUSR2, hear)
    try:
        with Vigil() as vigil, soon():
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR2)).start()
            while not heard:
                vigil.wait([], REST_SECONDS)
            # One that came while nobody rested ends the next rest.
            os.kill(os.getpid(), signal.SIGUSR2)
            vigil.wait([], REST_SECONDS)
    finally:
        signal.signal(signal.SIGUSR2, former)
    assert heard == [signal.SIGUSR2] * 2


def test_a_kernel_that_does_not_tell_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int) -> int:
        raise OSError("no such system call")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    with Vigil() as vigil, child() as (_, process), soon():
        vigil.wait([process], REST_SECONDS)
        assert process.alive


def test_it_leaves_no_descriptors() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with Vigil() as vigil, child() as (_, process):
        vigil.wait([process], 0.0)
        vigil.wait([], 0.0)
        vigil.wait([process], 0.0)
    assert len(os.listdir("/proc/self/fd")) == before
