"""Locks on single bytes of an open file, which the kernel frees when their holder ends.

They are open file description locks (fcntl(2)): whoever opened the file holds them, not the
process, so that two handles of one process exclude each other like those of two. A forked child
would hold on to them with its parent's opening; it closes its copy.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import weakref
from collections.abc import Iterator
from pathlib import Path

# struct flock: type, whence, start, length, pid.
FLOCK = struct.Struct("hhqqi4x")
# Bytes of a segment's file that stand for something: who publishes, who gives and takes places, and
# 64 places each of gates, bells and lossy readers. Bell 0 of a ring is the publisher's for ever.
PUBLISHER = 0
ADMINISTRATOR = 1
GATES = 64
BELLS = 128
LOSSY = 192


class ByteLocks:
    """Locks through an opening of its own of the file `path`, or of that behind a descriptor.

    Thread: any. Close frees all of them; so does the end of the process, a killed one included.
    """

    def __init__(self, path: Path | int) -> None:
        name = f"/proc/self/fd/{path}" if isinstance(path, int) else path
        self._file = os.open(name, os.O_RDWR | os.O_CLOEXEC)
        self._own: dict[int, None] = {}
        _EVERY.add(self)

    def take(self, byte: int) -> bool:
        """Lock a byte; False: another opening holds it."""
        try:
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, self._flock(fcntl.F_WRLCK, byte))
        except (BlockingIOError, PermissionError):
            return False
        self._own[byte] = None
        return True

    def wait(self, byte: int) -> None:
        """Lock a byte as soon as nobody else holds it."""
        fcntl.fcntl(self._file, fcntl.F_OFD_SETLKW, self._flock(fcntl.F_WRLCK, byte))
        self._own[byte] = None

    @contextlib.contextmanager
    def administer(self) -> Iterator[None]:
        """Be the only one who gives and takes places."""
        self.wait(ADMINISTRATOR)
        try:
            yield
        finally:
            self.free(ADMINISTRATOR)

    def free(self, byte: int) -> None:
        """Unlock a byte."""
        fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, self._flock(fcntl.F_UNLCK, byte))
        self._own.pop(byte, None)

    def held(self, byte: int) -> bool:
        """Whether anybody holds it, this one included."""
        if byte in self._own:
            return True
        answer = fcntl.fcntl(self._file, fcntl.F_OFD_GETLK, self._flock(fcntl.F_WRLCK, byte))
        return bool(FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)

    def close(self) -> None:
        """Free all. In a forked child this is only its copy: the parent keeps its locks."""
        _EVERY.discard(self)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @staticmethod
    def _flock(kind: int, byte: int) -> bytes:
        return FLOCK.pack(kind, os.SEEK_SET, byte, 1, 0)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()


_EVERY: weakref.WeakSet[ByteLocks] = weakref.WeakSet()


def _close_all() -> None:
    for locks in list(_EVERY):
        locks.close()


os.register_at_fork(after_in_child=_close_all)
