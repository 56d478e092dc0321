"""The simulated disk: a directory in memory, since a real one takes milliseconds to sync.

It runs full by the kernel's own hand: a limit on the size of files (RLIMIT_FSIZE), which holds
while one journal works, cuts a write where it is reached and fails the next one and every
allocation beyond. It fails a sync by putting a device that cannot be synced in a file's place. So
the code under test meets real answers of real system calls.

A run that was killed leaves its directory; the next run removes those of processes that are gone.
"""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
PREFIX = "ringbus-sim-"
# It can be opened and written; to sync it is an error.
NO_FILE = Path("/dev/null")


@contextmanager
def disk() -> Iterator[Path]:
    """A directory that is gone afterwards."""
    for left in MEMORY.glob(f"{PREFIX}*"):
        pid = left.name.removeprefix(PREFIX).split("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", dir=MEMORY) as directory:
        yield Path(directory)


@contextmanager
def full(limit_bytes: int | None) -> Iterator[None]:
    """No file has room behind `limit_bytes`; None: there is room.

    Python ignores SIGXFSZ, so that the call itself fails.
    """
    if limit_bytes is None:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def unsyncable(path: Path) -> Iterator[None]:
    """The file at `path` cannot be synced."""
    aside = path.with_name(path.name + ".aside")
    path.rename(aside)
    path.symlink_to(NO_FILE)
    try:
        yield
    finally:
        aside.replace(path)
