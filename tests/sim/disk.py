"""The simulated disk: a directory in memory, since a real one takes milliseconds to sync.

A run that was killed leaves its directory; the next run removes those of processes that are gone.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
PREFIX = "ringbus-sim-"


@contextmanager
def disk() -> Iterator[Path]:
    """A directory that is gone afterwards."""
    for left in MEMORY.glob(f"{PREFIX}*"):
        pid = left.name.removeprefix(PREFIX).split("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", dir=MEMORY) as directory:
        yield Path(directory)
