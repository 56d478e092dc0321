"""Vigil: what a supervisor does all day: it waits for a death, a signal, or the end of a time.

A death is told by the kernel, at once (pidfd_open(2)); so nothing has to be asked for often.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Collection
from types import TracebackType

from tools.process import Process

# How often a process is looked at whose death this kernel does not tell.
LOOK_SECONDS = 0.01
SIGNALS_MAX = 64


class Vigil:
    """Use it with `with`. Thread: the main one (signals)."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._deaths: dict[Process, int] = {}
        self._told, self._tells = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll.register(self._told, select.POLLIN)
        self._former = signal.set_wakeup_fd(self._tells, warn_on_full_buffer=False)

    def wait(self, processes: Collection[Process], seconds: float) -> None:
        """Until one of our own `processes` has ended, a signal has come, or `seconds` are over.

        One that has ended is to be left out the next time.
        """
        for process in self._deaths.keys() - set(processes):
            self._forget(process)
        for process in processes:
            if process not in self._deaths and not self._follow(process):
                seconds = min(seconds, LOOK_SECONDS)
        for descriptor, _ in self._poll.poll(seconds * 1000):
            if descriptor == self._told:
                os.read(self._told, SIGNALS_MAX)

    def _follow(self, process: Process) -> bool:
        """Whether the kernel will tell of its death."""
        try:
            descriptor = os.pidfd_open(process.pid)
        except OSError:
            return False
        self._deaths[process] = descriptor
        self._poll.register(descriptor, select.POLLIN)
        return True

    def _forget(self, process: Process) -> None:
        descriptor = self._deaths.pop(process)
        self._poll.unregister(descriptor)
        os.close(descriptor)

    def __enter__(self) -> Vigil:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.set_wakeup_fd(self._former)
        for process in list(self._deaths):
            self._forget(process)
        os.close(self._told)
        os.close(self._tells)
