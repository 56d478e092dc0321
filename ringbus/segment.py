"""Named shared memory: made by the launcher, attached by everybody else.

A segment is POSIX shared memory called `/ringbus.EXCHANGE.PART`. What lies in it is verified by the
structure that attaches (magic, version, schema, size); here it is only bytes.
"""

from __future__ import annotations

import mmap
import os
import re
from pathlib import Path
from types import TracebackType

import posix_ipc

from ringbus._ringbus import ffi
from ringbus.status import LayoutError, NotFoundError, UsageError

PREFIX = "ringbus."
DIRECTORY = Path("/dev/shm")
# Page tables are filled now: a fault every 64 messages would be the 99th percentile of a hop.
FLAGS = mmap.MAP_SHARED | mmap.MAP_POPULATE
PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,23}(\.[A-Za-z0-9_-]{1,24}){0,3}")


def segment_name(exchange: str, part: str) -> str:
    """Name of a part of an exchange, without the leading slash.

    Raises: UsageError: a name has other characters than letters, digits, '-', '_' and '.'.
    """
    for name in (exchange, part):
        if not PART.fullmatch(name):
            raise UsageError(
                f"'{name}' cannot name shared memory: use letters, digits, '-' and '_', "
                "24 characters at most"
            )
    return f"{PREFIX}{exchange}.{part}"


class Segment:
    """One mapping of a shared-memory segment.

    `address` is the cffi pointer (void *) to its first byte, `size` its bytes. The mapping is page
    aligned. Close it after everything that points into it; `with` does.
    """

    def __init__(self, name: str, mapping: mmap.mmap, writable: bool) -> None:
        self.name = name
        self.size = len(mapping)
        self.writable = writable
        self.mapping = mapping
        self._buffer = ffi.from_buffer(mapping, require_writable=writable)
        self.address = ffi.cast("void *", self._buffer)

    @classmethod
    def create(cls, name: str, size: int, mode: int = 0o600) -> Segment:
        """Make and map a new zeroed segment.

        Args: name: from segment_name; size: bytes; mode: permissions.
        Raises: LayoutError: it exists already, or there is no memory for it.
        """
        try:
            memory = posix_ipc.SharedMemory(f"/{name}", posix_ipc.O_CREX, mode=mode, size=size)
        except posix_ipc.ExistentialError:
            raise LayoutError(
                f"shared memory {name} exists already: is the exchange up? "
                f"`ringbus down` removes what a killed one left"
            ) from None
        try:
            # Allocated now: a full /dev/shm is an error here, not a SIGBUS at the first write.
            os.posix_fallocate(memory.fd, 0, size)
            mapping = mmap.mmap(memory.fd, size, flags=FLAGS)
        except OSError as error:
            memory.close_fd()
            posix_ipc.unlink_shared_memory(f"/{name}")
            raise LayoutError(f"shared memory {name} of {size} bytes: {error}") from error
        memory.close_fd()
        return cls(name, mapping, True)

    @classmethod
    def attach(cls, name: str, writable: bool = False) -> Segment:
        """Map an existing segment, read-only unless `writable`.

        Raises: NotFoundError: there is none of that name, or it may not be opened.
        """
        flags = os.O_RDWR if writable else os.O_RDONLY
        try:
            descriptor = os.open(DIRECTORY / name, flags | os.O_CLOEXEC)
        except OSError as error:
            raise NotFoundError(
                f"shared memory {name}: {error.strerror}: is the exchange up?"
            ) from None
        try:
            size = os.fstat(descriptor).st_size
            protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
            mapping = mmap.mmap(descriptor, size, FLAGS, protection)
        except (OSError, ValueError) as error:
            raise LayoutError(f"shared memory {name}: {error}") from None
        finally:
            os.close(descriptor)
        return cls(name, mapping, writable)

    @property
    def closed(self) -> bool:
        """Whether it was unmapped: then `address` must not be followed."""
        return self.mapping.closed

    def buffer(self) -> memoryview:
        """Its bytes; whatever is made of them keeps them mapped."""
        return memoryview(self.mapping)

    def close(self) -> None:
        """Unmap; pointers into it are dead from here on."""
        ffi.release(self._buffer)
        self.mapping.close()

    def __enter__(self) -> Segment:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def unlink(name: str) -> bool:
    """Remove a segment's name; mappings live on. False: there was none."""
    try:
        posix_ipc.unlink_shared_memory(f"/{name}")
    except posix_ipc.ExistentialError:
        return False
    return True


def listing(exchange: str | None = None) -> list[str]:
    """Names of all ringbus segments on this host, or of one exchange, sorted."""
    start = PREFIX if exchange is None else f"{PREFIX}{exchange}."
    return sorted(path.name for path in DIRECTORY.iterdir() if path.name.startswith(start))
