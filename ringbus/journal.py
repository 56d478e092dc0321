"""Journal: the stream in segment files, and a day of them as one numpy array."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import ffi, lib
from ringbus.memory import Memory
from ringbus.messages import MESSAGE
from ringbus.status import DataError, LayoutError, NotFoundError, UsageError, check

HEADER_BYTES = 4096
SEGMENT_MESSAGES = 1 << 20


class Journal:
    """The agent that writes the stream to files in `directory`, as the gating reader `name`.

    Args: segment_messages: messages a file, a power of two in 2^10..2^26, the same for a whole day.
    Raises: LayoutError, DataError: what lies there is of another kind, or damaged before its end;
    SystemCallError: the disk said no; Lapped: the ring has lost what the files lack.
    Thread: the core's; `sync` from one other.
    """

    def __init__(
        self,
        directory: Path,
        ring: Memory,
        readers: Memory,
        segment_messages: int = SEGMENT_MESSAGES,
        name: str = "journal",
    ) -> None:
        self._memory = (ring, readers)
        self.state = ffi.new("rb_journal *")
        self.work = lib.rb_journal_work_function()
        self.check_text = ffi.cast("void *", ffi.addressof(lib, "rb_check_text"))
        check(
            lib.rb_journal_attach(
                self.state,
                str(directory).encode(),
                segment_messages,
                ring.address,
                ring.size,
                readers.address,
                readers.size,
                name.encode(),
            ),
            f"journal {directory}",
        )

    @property
    def written(self) -> int:
        """Last sequence in the files: it survives this process."""
        return int(lib.rb_journal_written(self.state))

    def step(self, limit: int = 256) -> int:
        """Write what is on the ring; for tests and tools, a core calls the C function."""
        return check(lib.rb_journal_work(self.state, limit), "journal")

    def sync(self) -> int:
        """Make everything written so far survive the host too; returns the durable sequence."""
        return check(lib.rb_journal_sync(self.state), "journal sync")

    def close(self) -> None:
        """Close the file; the gate stays claimed."""
        lib.rb_journal_close(self.state)


def segment_files(directory: Path) -> list[Path]:
    """The segment files of a day, in order. Raises: DataError: one in the middle is missing."""
    files = sorted(directory.glob("stream-*.rbj"))
    for n, path in enumerate(files):
        if path.name != f"stream-{n:08d}.rbj":
            raise DataError(f"{directory}: stream-{n:08d}.rbj is missing, {path.name} is there")
    return files


def _map_file(path: Path) -> NDArray[np.void]:
    """The whole messages of one file, read-only, without a copy."""
    head = np.fromfile(path, np.uint8, HEADER_BYTES)
    aligned = ffi.new("char[]", HEADER_BYTES + 128)
    start = ffi.cast("char *", (int(ffi.cast("uintptr_t", aligned)) + 127) & ~127)
    ffi.memmove(start, head.tobytes(), len(head))
    check(lib.rb_layout_verify(start, path.stat().st_size, 7), str(path))
    mapped: NDArray[np.void] = np.memmap(path, MESSAGE, "r", HEADER_BYTES)
    # Sequences rise by one up to the first slot that was never written.
    sequences = mapped["sequence"]
    first = int(sequences[0])
    count = int(np.searchsorted(sequences == 0, True)) if first else 0
    return mapped[:count]


def map_day(directory: Path, verify: bool = True) -> list[NDArray[np.void]]:
    """Map a day of a journal.

    Args: directory: of the segment files; verify: compare every sequence and checksum.
    Returns: one read-only array (n,) of dtype MESSAGE a file, oldest first; nothing is copied. A
    torn tail is left out.
    Raises: NotFoundError: no journal there; DataError: damage, with the sequence; LayoutError:
    other schema or version.
    """
    files = segment_files(directory)
    if not files:
        raise NotFoundError(f"{directory}: no journal there (stream-00000000.rbj)")
    parts: list[NDArray[np.void]] = []
    expected = 1
    for n, path in enumerate(files):
        part = _map_file(path)
        if verify:
            part = _verified(part, expected, path, last=n == len(files) - 1)
        expected += len(part)
        parts.append(part)
    return parts


def _verified(part: NDArray[np.void], expected: int, path: Path, last: bool) -> NDArray[np.void]:
    wanted = np.arange(expected, expected + len(part), dtype=np.uint64)
    if not np.array_equal(part["sequence"], wanted):
        at = int(np.argmax(part["sequence"] != wanted))
        raise DataError(f"{path}: message {expected + at} is not where it belongs")
    good = lib.rb_messages_verify(ffi.cast("void *", part.ctypes.data), len(part))
    if good < len(part):
        # Only the last write of the last file can be torn.
        if not last or len(part) - good > 1024:
            raise DataError(f"{path}: message {expected + good} does not match its checksum")
        rest = part[good + 1 :]
        if lib.rb_messages_verify(ffi.cast("void *", rest.ctypes.data), len(rest)) > 0:
            raise DataError(f"{path}: message {expected + good} does not match its checksum")
    return part[:good]


def read_day(directory: Path) -> NDArray[np.void]:
    """A whole day as one array (n,) of dtype MESSAGE; a copy when there are several files."""
    parts = map_day(directory)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def batches(directory: Path, size: int = 65536) -> Iterator[NDArray[np.void]]:
    """The messages of a day in order, at most `size` a batch, without a copy."""
    if size < 1:
        raise UsageError(f"batch size {size}: at least 1 is needed")
    for part in map_day(directory):
        for start in range(0, len(part), size):
            yield part[start : start + size]


__all__ = [
    "SEGMENT_MESSAGES",
    "Journal",
    "LayoutError",
    "batches",
    "map_day",
    "read_day",
    "segment_files",
]
