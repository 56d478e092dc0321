"""Named shared memory: made by the launcher, attached by everybody else.

A segment is POSIX shared memory called `/ringbus.EXCHANGE.PART`. What lies in it is verified by the
structure that attaches (magic, version, schema, size); here it is only bytes.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import re
from pathlib import Path
from types import TracebackType

import posix_ipc

from ringbus import backing as backing_module
from ringbus.backing import TMPFS, Backing, hugetlb_mounts
from ringbus.memory import Mapped
from ringbus.status import BackingError, LayoutError, NotFoundError, UsageError

PREFIX = "ringbus."
# Linux 5.14; Python does not name it.
MADV_POPULATE_WRITE = 23
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


class Segment(Mapped):
    """One mapping of a shared-memory segment, page aligned.

    `unmet` says which wishes of its backing were not met, and why. Close it after everything that
    points into it; `with` does.
    """

    def __init__(self, path: Path, mapping: mmap.mmap, writable: bool) -> None:
        super().__init__(path.name, mapping, writable)
        self.path = path
        self.unmet: tuple[str, ...] = ()

    @classmethod
    def create(
        cls, name: str, size: int, mode: int = 0o600, backing: Backing | None = None
    ) -> Segment:
        """Make and map a new zeroed segment.

        Args: name: from segment_name; size: bytes, rounded up to whole pages of its backing; mode:
        permissions.
        Raises: LayoutError: it exists already, or there is no memory for it; BackingError: not of
        the kind that is required.
        """
        wanted, unmet = backing or Backing(), []
        while True:
            try:
                segment = cls._create(name, size, mode, wanted)
                break
            except BackingError as error:
                if wanted.required:
                    raise
                unmet.append(str(error))
                wanted = wanted.without(error.wish)
        segment.unmet = tuple(unmet)
        return segment

    @classmethod
    def _create(cls, name: str, size: int, mode: int, wanted: Backing) -> Segment:
        path = wanted.directory() / name
        descriptor = _make(path, mode)
        try:
            whole = -(-size // wanted.unit) * wanted.unit if wanted.unit > mmap.PAGESIZE else size
            os.ftruncate(descriptor, whole)
            with wanted.on_node():
                mapping = _fill(descriptor, whole, wanted)
            segment = cls(path, mapping, True)
            try:
                if wanted.lock:
                    backing_module.lock(segment.address, whole, f"shared memory {name}")
                wanted.verify(path)
            except BaseException:
                segment.close()
                raise
        except OSError as error:
            path.unlink()
            if error.errno in (errno.ENOSPC, errno.ENOMEM) and path.parent != TMPFS:
                raise backing_module.too_few_pages(wanted, size) from None
            raise LayoutError(f"shared memory {name} of {size} bytes: {error}") from error
        except BaseException:
            path.unlink()
            raise
        finally:
            os.close(descriptor)
        return segment

    @classmethod
    def attach(cls, name: str, writable: bool = False, backing: Backing | None = None) -> Segment:
        """Map an existing segment, read-only unless `writable`.

        Args: backing: whether to prefault and lock; its pages are what they are.
        Raises: NotFoundError: there is none of that name, or it may not be opened; BackingError:
        it cannot be locked.
        """
        wanted = backing or Backing()
        flags = os.O_RDWR if writable else os.O_RDONLY
        path = segment_path(name)
        try:
            descriptor = os.open(path, flags | os.O_CLOEXEC)
        except OSError as error:
            raise NotFoundError(
                f"shared memory {name}: {error.strerror}: is the exchange up?"
            ) from None
        try:
            size = os.fstat(descriptor).st_size
            protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
            mapping = mmap.mmap(descriptor, size, _flags(wanted), protection)
        except (OSError, ValueError) as error:
            raise LayoutError(f"shared memory {name}: {error}") from None
        finally:
            os.close(descriptor)
        segment = cls(path, mapping, writable)
        if wanted.lock:
            try:
                backing_module.lock(segment.address, size, f"shared memory {name}")
            except BackingError as error:
                if wanted.required:
                    segment.close()
                    raise
                segment.unmet = (str(error),)
        return segment

    def __enter__(self) -> Segment:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _make(path: Path, mode: int) -> int:
    """A new empty file; the names of all places are one. Raises: LayoutError: it is there."""
    there = LayoutError(
        f"shared memory {path.name} exists already: is the exchange up? "
        f"`ringbus down` removes what a killed one left"
    )
    if _found(path.name):
        raise there
    try:
        if path.parent == TMPFS:
            memory = posix_ipc.SharedMemory(f"/{path.name}", posix_ipc.O_CREX, mode=mode)
            return int(memory.fd)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except (posix_ipc.ExistentialError, FileExistsError):
        raise there from None
    except OSError as error:
        raise LayoutError(f"shared memory {path.name}: {error}") from None


def _flags(wanted: Backing) -> int:
    # Page tables are filled now: a fault every 64 messages would be the 99th percentile of a hop.
    return mmap.MAP_SHARED | (mmap.MAP_POPULATE if wanted.prefault else 0)


def _fill(descriptor: int, size: int, wanted: Backing) -> mmap.mmap:
    """Allocate all pages and map them."""
    if wanted.pages != "transparent":
        # Allocated now: a full /dev/shm is an error here, not a SIGBUS at the first write.
        os.posix_fallocate(descriptor, 0, size)
        return mmap.mmap(descriptor, size, _flags(wanted))
    # Where a mount gives huge pages on advice, only a fault in an advised mapping gets them.
    mapping = mmap.mmap(descriptor, size, mmap.MAP_SHARED)
    try:
        mapping.madvise(mmap.MADV_HUGEPAGE)
        mapping.madvise(MADV_POPULATE_WRITE)
    except OSError:
        # Too old a kernel, or no room: what follows finds out which, and says so.
        pass
    try:
        os.posix_fallocate(descriptor, 0, size)
    except BaseException:
        mapping.close()
        raise
    return mapping


def _places() -> list[Path]:
    return [TMPFS, *(directory for directory, _ in hugetlb_mounts())]


def _found(name: str) -> list[Path]:
    return [path for place in _places() if (path := place / name).exists()]


def segment_path(name: str) -> Path:
    """The file of a segment, wherever its pages are; in /dev/shm if there is none."""
    found = _found(name)
    return found[0] if found else TMPFS / name


def unlink(name: str) -> bool:
    """Remove a segment's name; mappings live on. False: there was none."""
    found = _found(name)
    for path in found:
        path.unlink(missing_ok=True)
    return bool(found)


def listing(exchange: str | None = None) -> list[str]:
    """Names of all ringbus segments on this host, or of one exchange, sorted."""
    start = PREFIX if exchange is None else f"{PREFIX}{exchange}."
    out = []
    for place in _places():
        # A mount may be gone just now, or one that this user may not look into.
        with contextlib.suppress(PermissionError, FileNotFoundError):
            out += [path.name for path in place.iterdir() if path.name.startswith(start)]
    return sorted(out)
