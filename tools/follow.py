"""`ringbus hist --live` and `--seconds`: an exchange interval by interval, shown and recorded.

It ends when its time is over, at Ctrl-C, or when the exchange goes down; what was recorded is whole
in each case.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from rich.console import Console, Group
from rich.live import Live as Screen

from ringbus.status import NotFoundError
from tools.hist_live import Live
from tools.intervals import Intervals
from tools.jitter import jitter_document
from tools.recording import Document, Recorder
from tuning.host import Host
from tuning.jitter import THRESHOLD_NS, measure

FOR_EVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Plan:
    """How to follow: `seconds` at most, an interval every `interval_s`; `live` on the screen.

    Into `output` if there is one; then `jitter_s` is how long the CPUs are looked at behind it.
    """

    seconds: float
    interval_s: float
    live: bool
    output: Path | None
    note: str
    jitter_s: float | None


@dataclass(frozen=True, slots=True)
class Followed:
    """What came of it: the watch, how long, why it ended early ("" if it did not), the files."""

    watch: Intervals
    seconds: float
    ended: str
    files: Sequence[Path]


def follow(
    exchange: str,
    plan: Plan,
    now_s: Callable[[], float],
    wait: Callable[[float], None],
    console: Console,
) -> Followed:
    """Follow an exchange. Raises: NotFoundError: it is not up; OSError: it cannot be written."""
    interrupts = Interrupts()
    watch = Intervals(exchange)
    start_s = last_s = now_s()
    ended = ""
    files: Sequence[Path] = ()
    with ExitStack() as stack:
        stack.enter_context(interrupts.taken())
        recorder = None
        if plan.output is not None:
            recorder = stack.enter_context(Recorder(watch, plan.output, start_s, plan.note))
            print(f"recording {exchange} into {plan.output}", flush=True)
        view = Live(exchange, watch.sampling) if plan.live else None
        screen = Screen(console=console, auto_refresh=False, transient=True)
        if view is not None:
            stack.enter_context(screen)
        while last_s < start_s + plan.seconds and not ended:
            if interrupts.wait(wait, min(plan.interval_s, start_s + plan.seconds - last_s)):
                ended = "interrupted"
            moment_s = now_s()
            try:
                interval = watch.step()
            except NotFoundError as error:
                ended = str(error)
                break
            if recorder is not None:
                recorder.add(interval, moment_s)
            if view is not None and moment_s > last_s:
                view.update(interval, moment_s - last_s)
                screen.update(Group(*view.tables()), refresh=True)
            last_s = moment_s
        if recorder is not None:
            cpus = recorder.about["cpus"]
            files = recorder.finish(_jitter(watch, cpus, plan.jitter_s))
    return Followed(watch, last_s - start_s, ended, files)


class Interrupts:
    """Ctrl-C and SIGTERM: they end a wait, never what is being written."""

    def __init__(self) -> None:
        self._asked = False
        self._waiting = False

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take both for as long as the block lasts. Thread: the main one."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        former = [signal.signal(number, self._on_signal) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, former, strict=True):
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        if self._waiting:
            raise KeyboardInterrupt

    def wait(self, wait: Callable[[float], None], seconds: float) -> bool:
        """Wait, unless or until one comes; whether one came."""
        try:
            self._waiting = True
            if not self._asked:
                wait(seconds)
        except KeyboardInterrupt:
            self._asked = True
        finally:
            self._waiting = False
        return self._asked


def _jitter(watch: Intervals, cpus: Sequence[int], seconds: float | None) -> Document | None:
    """What the CPUs in use take away, looked at behind the recording; None: it was not.

    Beside an exchange that spins this takes its CPUs, so beside a live one only if it is said.
    """
    if seconds is None:
        seconds = 0.0 if watch.is_live else 1.0
    if seconds <= 0:
        return None
    host = Host()
    try:
        found = measure(cpus, seconds, THRESHOLD_NS, host)
    except OSError:
        # Not this process's CPUs: a cpuset of the exchange's own.
        return None
    document = jitter_document(host, found, seconds, THRESHOLD_NS)
    del document["host"]
    return document | {"when": "after the recording, beside the exchange"}
