"""One core as its launcher sees it: the process, its beat, and when it may be started again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ringbus.core import CorePage, CoreState
from tools.process import Faults, Process
from tools.sections import CoreSection

START_SECONDS = 60.0
# A running core beats every few milliseconds. A host that stops for a while is not its fault, so
# silence counts only while the launcher itself gets its turns.
SILENCE_SECONDS = 5.0
SILENCE_STEP_SECONDS = 0.5
# A process whose first thread has ended can be collected when its last one has.
REAP_SECONDS = 5.0
# By then it has laid out its memory and read the day; what it faults from here on costs latency.
WARM_SECONDS = 2.0
RESTARTS_MAX = 5
RESTARTS_WINDOW_SECONDS = 60.0
RESTART_PAUSE_SECONDS = 0.1
LOG_TAIL_LINES = 12


class Child:
    """One core and its process; times are the launcher's monotonic seconds.

    Thread: the launcher's.
    """

    def __init__(self, section: CoreSection, page: CorePage, log: Path, restartable: bool) -> None:
        self.section = section
        self.page = page
        self.log = log
        self.restartable = restartable
        self.process: Process | None = None
        self.restarts = 0
        self.due_s: float | None = None  # when it is to be started again
        self._popen: subprocess.Popen[bytes] | None = None
        self._restart_times: list[float] = []
        self._beat_ns = 0
        self._has_beaten = False  # its present process
        self._silent_s = 0.0
        self._polled_s = 0.0
        self._spawned_s: float | None = None
        self._ran_s: float | None = None  # since when that process beats
        self.warm: Faults | None = None  # its page faults when it was warm
        self._warm_s: float | None = None  # when it will be

    @property
    def name(self) -> str:
        """Of the core."""
        return self.section.name

    def spawn(self, command: Sequence[str], now_s: float) -> None:
        """Start its process, in a session of its own, with its output at the end of its log."""
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=environment(),
            )
        self.process = Process.of(self._popen.pid)
        self.due_s = None
        # A process that was killed left its last beat, and that it runs, in the page.
        self._beat_ns = self.page.beat_ns
        self._has_beaten = False
        self._silent_s = 0.0
        self._polled_s = self._spawned_s = now_s
        self._ran_s = None
        self.warm, self._warm_s = None, None

    def adopt(self, other: Child, now_s: float) -> None:
        """Take over the process of another core, which has become this one's."""
        self.process, self._popen = other.process, other._popen
        other.process, other._popen = None, None
        self._beat_ns, self._silent_s, self._polled_s = 0, 0.0, now_s
        self._spawned_s = self._ran_s = now_s
        self.warm, self._warm_s = None, None

    def kill(self) -> None:
        """End its process at once and reap it."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()

    def forget(self) -> None:
        """Its process is dead, and nobody is to be started in its place."""
        self.process, self._popen, self.due_s = None, None, None

    def status(self) -> int | None:
        """Exit status of its process, None while it runs; a process that has ended is reaped."""
        return None if self._popen is None else self._popen.poll()

    def reap(self) -> None:
        """Collect its process, which has ended or is about to; one that never does is left."""
        if self._popen is not None:
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(REAP_SECONDS)

    @property
    def runs(self) -> bool:
        """Whether it has begun its rounds."""
        return self.page.state == CoreState.RUNNING and self.page.beat_ns > 0

    def is_silent(self, now_s: float) -> bool:
        """Whether it has not beaten for too long; to be asked regularly."""
        step_s = min(now_s - self._polled_s, SILENCE_STEP_SECONDS)
        self._polled_s = now_s
        beat_ns = self.page.beat_ns
        if beat_ns != self._beat_ns:
            self._beat_ns = beat_ns
            self._has_beaten = True
            self._ran_s = now_s if self._ran_s is None else self._ran_s
            self._silent_s = 0.0
            return False
        self._silent_s += step_s
        starting = self.page.state in (CoreState.EMPTY, CoreState.STARTING) or not self._has_beaten
        return self._silent_s > (START_SECONDS if starting else SILENCE_SECONDS)

    def warms_up(self, now_s: float) -> bool:
        """Whether it has just become warm; to be asked regularly."""
        process = self.process
        if self.warm is not None or process is None or not self.runs:
            return False
        if self._warm_s is None:
            self._warm_s = now_s + WARM_SECONDS
        if now_s < self._warm_s or self.page.pid != process.pid:
            return False
        try:
            self.warm = process.faults
        except ProcessLookupError:
            return False
        return True

    def plan_restart(self, now_s: float) -> float | None:
        """Note that it is to be started again.

        Returns: the pause before it in seconds: none at first, then doubling; or None: that was
        done too often of late. Only time counts in which it ran: on a host where a start takes a
        quarter of a minute, one that dies at each would be started again for ever.
        """
        window = RESTARTS_WINDOW_SECONDS
        if self._spawned_s is not None:
            starting_s = (now_s if self._ran_s is None else self._ran_s) - self._spawned_s
            self._restart_times = [at + starting_s for at in self._restart_times]
            self._spawned_s = None
        self._restart_times = [at for at in self._restart_times if now_s - at < window]
        recent = len(self._restart_times)
        if recent >= RESTARTS_MAX:
            return None
        pause_s = RESTART_PAUSE_SECONDS * float(2 ** (recent - 1)) if recent else 0.0
        self.due_s = now_s + pause_s
        self._restart_times.append(self.due_s)
        self.restarts += 1
        return pause_s

    def why(self, status: int) -> str:
        """How its process ended, and what it said about it in its page."""
        failure = self.page.failure
        return ending(status) + (f" ({failure})" if failure else "")

    def placed(self) -> str:
        """Where it runs, for the operator."""
        pid = self.process.pid if self.process is not None else 0
        cpu = "any CPU" if self.section.pinned is None else f"CPU {self.section.pinned}"
        return f"core {self.name}: pid {pid}, {cpu}, {', '.join(self.section.agents)}"


def environment() -> dict[str, str]:
    """That of a child: numpy starts no threads in it."""
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1"}


def ending(status: int) -> str:
    """How a process ended, from its exit status."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def log_tail(log: Path) -> str:
    """The last lines of a log, as the end of an error's text."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
    except OSError:
        return ""
    if not lines:
        return ""
    return "\n".join([f"\nlast lines of {log}:", *(f"  {line}" for line in lines)])
