"""Processes of an exchange: who they are beyond doubt, whether they live, and how they end."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

TERM_SECONDS = 1.0
POLL_SECONDS = 0.005
# Places in /proc/PID/stat behind the name: a letter, counts, and clock ticks (CPU; when it began).
STATE, MINOR_FAULTS, MAJOR_FAULTS, USER, SYSTEM, STARTED = 0, 7, 9, 11, 12, 19


@dataclass(frozen=True, slots=True)
class Faults:
    """Page faults of a process: answered from memory, and from a disk."""

    minor: int
    major: int

    def since(self, before: Faults) -> Faults:
        """Those that came later."""
        return Faults(self.minor - before.minor, self.major - before.major)

    @property
    def total(self) -> int:
        """All of them."""
        return self.minor + self.major

    @property
    def words(self) -> str:
        """In a few words, for a human."""
        said = f"{self.total:,} page fault{'' if self.total == 1 else 's'}"
        return said + (f" ({self.major:,} from disk)" if self.major else "")


@dataclass(frozen=True, slots=True)
class Process:
    """A process by its id and the tick of its start, so that a reused id is not mistaken for it."""

    pid: int
    started_ticks: int

    @classmethod
    def of(cls, pid: int) -> Process:
        """The process that has this id now. Raises: ProcessLookupError: there is none."""
        return cls(pid, int(stat_of(pid)[STARTED]))

    @property
    def alive(self) -> bool:
        """Whether it still runs; one that only waits to be reaped does not."""
        try:
            fields = stat_of(self.pid)
        except ProcessLookupError:
            return False
        return int(fields[STARTED]) == self.started_ticks and fields[STATE] not in "ZX"

    @property
    def faults(self) -> Faults:
        """Its page faults so far. Raises: ProcessLookupError: it is gone."""
        fields = stat_of(self.pid)
        if int(fields[STARTED]) != self.started_ticks:
            raise ProcessLookupError(f"no process {self.pid}")
        return Faults(int(fields[MINOR_FAULTS]), int(fields[MAJOR_FAULTS]))

    def send(self, number: int) -> None:
        """Send it a signal, if it is alive."""
        if self.alive:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


def stat_of(pid: int) -> list[str]:
    """What proc(5) tells of a process behind its name. Raises: ProcessLookupError: it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessLookupError(f"no process {pid}") from None
    # The command's name stands in parentheses and may hold anything; fields are counted behind it.
    return text.rpartition(")")[2].split()


def end(
    processes: Iterable[Process],
    grace_s: float = TERM_SECONDS,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[Process]:
    """Ask processes to end, and after `grace_s` seconds make them.

    Returns: those that had to be killed. A parent still has to collect its own.
    """
    asked = list(processes)
    for process in asked:
        process.send(signal.SIGTERM)
    killed = _await(asked, monotonic() + grace_s, monotonic)
    for process in killed:
        process.send(signal.SIGKILL)
    _await(killed, monotonic() + grace_s, monotonic)
    return killed


def _await(
    processes: Iterable[Process],
    deadline: float,
    monotonic: Callable[[], float],
) -> list[Process]:
    """Wait until all have ended, or it is too late; returns those that are left."""
    with ExitStack() as stack:
        poll, told = select.poll(), set()
        for process in processes:
            # A death is told by the kernel where it can (pidfd_open(2)), else it is looked for.
            with suppress(OSError):
                descriptor = os.pidfd_open(process.pid)
                stack.callback(os.close, descriptor)
                poll.register(descriptor, select.POLLIN)
                told.add(process)
        left = [process for process in processes if process.alive]
        while left and (left_s := deadline - monotonic()) > 0:
            step_s = left_s if told.issuperset(left) else min(left_s, POLL_SECONDS)
            for descriptor, _ in poll.poll(1 + 1000 * step_s):
                poll.unregister(descriptor)
            left = [process for process in left if process.alive]
    return left


def leave(status: int) -> NoReturn:
    """End this process, whose work is done and closed, without taking the interpreter apart.

    That takes 50 to 100 ms of CPU with numpy in it: of seventeen cores most of what a stop took.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
