"""Sets what can be set while the host runs, and takes it back.

Before each write the file's old value goes into a record, a line a write, which is on the disk
before the write is made: a kill or a power cut in the middle leaves a record that undoes whatever
was done. Undoing goes backwards and can be done again and again; the record goes last.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tuning.checks import look
from tuning.host import Host, Missing, Unreadable, parse_mask
from tuning.readers import chosen
from tuning.setting import Outcome, Setting, Write

RECORD: Final = "/var/lib/ringbus/tune.jsonl"
MASK: Final = re.compile(r"[0-9a-f]{1,8}(,[0-9a-f]{8})*")


@dataclass(frozen=True, slots=True)
class Step:
    """One write: what the file said before, and what it is to say."""

    setting: str
    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A step that the kernel refused, and what it said."""

    step: Step
    why: str


def plan(host: Host, settings: Sequence[Setting]) -> list[Step]:
    """The writes that make good what is wrong; what says so already is left alone."""
    out: list[Step] = []
    planned = set()
    for setting in settings:
        if look(setting, host).outcome != Outcome.WRONG:
            continue
        for write in setting.change(host):
            old = current(host, write)
            if old is None or same(old, write.value) or write.path in planned:
                continue
            planned.add(write.path)
            out.append(Step(setting.name, write.path, old, write.value))
    return out


def current(host: Host, write: Write) -> str | None:
    """What a file says, as it would have to be written; None: it cannot be read."""
    try:
        return chosen(" ".join(host.read(write.path).split()))
    except (Missing, Unreadable):
        return None


def apply(host: Host, steps: Sequence[Step], record: Path) -> list[Failed]:
    """Make the writes; returns those that the kernel refused. Raises: OSError: of the record."""
    failed = []
    record.parent.mkdir(parents=True, exist_ok=True)
    is_new = not record.exists()
    descriptor = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        if is_new:
            _sync_directory(record.parent)
        _end_line(record, descriptor)
        for step in steps:
            _append(descriptor, step)
            try:
                host.write(step.path, step.new)
            except OSError as error:
                failed.append(Failed(step, error.strerror or str(error)))
    finally:
        os.close(descriptor)
    return failed


def recorded(record: Path) -> list[Step]:
    """What a record holds, oldest first; a torn last line is of a write that was not made."""
    out = []
    try:
        lines = record.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            out.append(Step(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return out


def undo(
    host: Host, record: Path, force: bool = False, say: Callable[[str], None] = print
) -> list[Failed]:
    """Write every old value back, the last first, and remove the record if all of them are.

    A file that says neither what was written nor what was before has been changed since by
    somebody else, and is left alone unless `force`.
    Returns: what could not be taken back.
    """
    failed = []
    done: dict[str, str] = {}
    for step in reversed(recorded(record)):
        now = current(host, Write(step.path, step.new))
        if now is None:
            failed.append(Failed(step, "it is not there any more, or not to be read"))
        elif same(now, step.old):
            done[step.path] = step.old
        elif force or same(now, step.new) or same(now, done.get(step.path, "")):
            try:
                host.write(step.path, step.old)
            except OSError as error:
                failed.append(Failed(step, error.strerror or str(error)))
            else:
                done[step.path] = step.old
                say(f"{step.path}: {step.old}")
        else:
            failed.append(Failed(step, f"says {now!r} now: somebody else changed it; --force"))
    if not failed:
        record.unlink(missing_ok=True)
        if record.parent.exists():
            _sync_directory(record.parent)
    return failed


def same(one: str, other: str) -> bool:
    """Whether two values of a file are the same to the kernel: masks are written in many ways."""
    if MASK.fullmatch(one) and MASK.fullmatch(other):
        return parse_mask(one) == parse_mask(other)
    return one == other


def _append(descriptor: int, step: Step) -> None:
    fields = {"setting": step.setting, "path": step.path, "old": step.old, "new": step.new}
    os.write(descriptor, (json.dumps(fields) + "\n").encode())
    os.fsync(descriptor)


def _end_line(record: Path, descriptor: int) -> None:
    """A record that was torn goes on in a line of its own."""
    text = record.read_bytes()
    if text and not text.endswith(b"\n"):
        os.write(descriptor, b"\n")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
