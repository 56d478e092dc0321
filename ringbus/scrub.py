"""Scrub: reads again what a journal that was started again does not.

A recovery reads the last two files of a day, and of each older one its last message: it is over in
milliseconds, whatever the day was. A page of an older file that a disk has lost since would be
found by whoever reads it, perhaps on the day when the other journal is gone. So a thread beside the
journal reads them all once, a mebibyte at a time with pauses between, and leaves nothing of them in
the page cache. What is damaged is fetched from another journal's files; what nobody has is said.

Who: one thread of its own; the files it reads are full, and nobody writes there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ringbus._ringbus import ffi, lib
from ringbus.journal import HEADER_BYTES
from ringbus.messages import MESSAGE
from ringbus.repair import mend
from ringbus.status import RingbusError

# Read at a time, and seconds until the next: at most a hundred mebibytes a second of the disk.
SLICE = 1 << 14
PAUSE_SECONDS = 0.01
# The last files, which a recovery has read.
RECOVERED = 2


class Scrub:
    """`run` by a thread of its owner, `stop` by any other.

    Args: directory, segment_messages, name: of the journal; written: the last message that its
    recovery found; peers: directories of other journals; pause: waits so many seconds; say: told
    of damage, a line each time. `mended` counts messages, `lost` files that could not be mended.
    """

    def __init__(
        self,
        directory: Path,
        segment_messages: int,
        name: str,
        written: int,
        peers: Sequence[Path],
        pause: Callable[[float], object],
        say: Callable[[str], None],
    ) -> None:
        self.mended = self.lost = 0
        self._directory = directory
        self._segment = segment_messages
        self._name = name
        self._files = max(0, -(-written // segment_messages) - RECOVERED)
        self._peers = peers
        self._pause = pause
        self._say = say
        self._stopping = False

    def run(self) -> None:
        """Read every older file once, or until `stop`."""
        for number in range(self._files):
            if not self._stopping and not self._is_whole(number):
                self._mend(number)

    def stop(self) -> None:
        """End `run`."""
        self._stopping = True

    def _is_whole(self, number: int) -> bool:
        try:
            with (self._directory / f"stream-{number:08d}.rbj").open("rb") as file:
                for place in range(0, self._segment, SLICE):
                    if self._stopping:
                        return True
                    count = min(SLICE, self._segment - place)
                    if not self._slice(file.fileno(), number * self._segment + place + 1, count):
                        return False
                    self._pause(PAUSE_SECONDS)
        except OSError:
            return False
        return True

    def _slice(self, file: int, first: int, count: int) -> bool:
        at = HEADER_BYTES + (first - 1) % self._segment * MESSAGE.itemsize
        data = os.pread(file, count * MESSAGE.itemsize, at)
        os.posix_fadvise(file, at, len(data), os.POSIX_FADV_DONTNEED)
        if len(data) < count * MESSAGE.itemsize:
            return False
        lines = np.frombuffer(data, MESSAGE)
        wanted = np.arange(first, first + count, dtype=np.uint64)
        whole = int(lib.rb_messages_verify(ffi.from_buffer(data), count))
        return whole == count and bool((lines["sequence"] == wanted).all())

    def _mend(self, number: int) -> None:
        try:
            repaired = mend(self._directory, self._peers, self._segment, self._name, number)
        except (RingbusError, OSError) as error:
            self.lost += 1
            self._say(f"ALARM: {self._name}: {error}; replay from another journal, and mend it")
            return
        self.mended += repaired.messages
        if repaired.messages:
            self._say(f"{self._name}: damage in an older file: {repaired}")
