"""Journal: the stream in segment files, and a day of them as one numpy array."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import ffi, lib
from ringbus.idle import Idle
from ringbus.marks import Marks
from ringbus.memory import Memory
from ringbus.messages import MESSAGE
from ringbus.multicast import lock_gate
from ringbus.status import DataError, LayoutError, NotFoundError, UsageError, check

HEADER_BYTES = 4096
KIND_JOURNAL = 7
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
        self._begin(ring, readers)

        def attach() -> int:
            status = lib.rb_journal_attach(
                self.state,
                str(directory).encode(),
                segment_messages,
                *(ring.address, ring.size, readers.address, readers.size),
                name.encode(),
            )
            check(status, f"journal {directory}, message {self.written + 1}")
            return int(lib.rb_journal_gate(self.state))

        self._locks = lock_gate(readers, name, attach)

    def _begin(self, *memory: Memory | None) -> None:
        self._memory = memory
        self.state = ffi.new("rb_journal *")
        self.work = lib.rb_journal_work_function()
        self.check_text = ffi.cast("void *", ffi.addressof(lib, "rb_check_text"))

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

    def tell(self, wake: object, sync_bell: int) -> None:
        """Ring the syncing thread's bell (a mask) through the core's wake set."""
        lib.rb_journal_tell(self.state, wake, sync_bell)

    def measure(self, hop: object, syncs: object) -> None:
        """Record how late messages are in the files, and what syncs take (addresses)."""
        lib.rb_journal_measure(self.state, hop, syncs)

    def keep(
        self, idle: Idle, marks: Marks, place: int, bells: int, stop: object, gather_us: int = 0
    ) -> None:
        """The syncing thread's loop: make durable, set the mark, ring `bells`, until told to stop.

        Args: idle: the thread's own; place: of this journal in the marks; bells: a mask; stop: a
        `uint32_t *` that becomes nonzero; gather_us: between one sync and the next, at least.
        Raises: SystemCallError: the disk said no; nothing is promised from then on.
        """
        memory = marks.memory.address
        status = lib.rb_journal_keep(self.state, idle.handle, memory, place, bells, gather_us, stop)
        check(status, "journal sync")

    def close(self) -> None:
        """Close the file; the gate stays claimed, for a successor."""
        lib.rb_journal_close(self.state)
        if self._locks is not None:
            self._locks.close()


def segment_bytes(segment_messages: int) -> int:
    """Bytes of a segment file."""
    return HEADER_BYTES + segment_messages * MESSAGE.itemsize


def segment_files(directory: Path) -> list[Path]:
    """The segment files of a day, in order. Raises: DataError: one in the middle is missing."""
    files = sorted(directory.glob("stream-*.rbj"))
    for n, path in enumerate(files):
        if path.name != f"stream-{n:08d}.rbj":
            raise DataError(f"{directory}: stream-{n:08d}.rbj is missing, {path.name} is there")
    return files


def map_file(path: Path) -> tuple[NDArray[np.void], int]:
    """All places of one file, read-only, without a copy, fewer if it was cut off; and how many."""
    head = np.fromfile(path, np.uint8, HEADER_BYTES)
    aligned = ffi.new("char[]", HEADER_BYTES + 128)
    start = ffi.cast("char *", (int(ffi.cast("uintptr_t", aligned)) + 127) & ~127)
    ffi.memmove(start, head.tobytes(), len(head))
    layout = ffi.cast("rb_layout *", start)
    check(lib.rb_layout_verify(start, layout.bytes, KIND_JOURNAL), str(path))
    capacity = int(layout.capacity)
    there = max(path.stat().st_size - HEADER_BYTES, 0) // MESSAGE.itemsize
    if there == 0:
        return np.empty(0, MESSAGE), capacity
    places: NDArray[np.void] = np.memmap(path, MESSAGE, "r", HEADER_BYTES, (min(there, capacity),))
    return places, capacity


def noted(directory: Path) -> int:
    """What a journal's files say was durable, 0 if they cannot say; the truth or less."""
    out = 0
    for path in sorted(directory.glob("stream-*.rbj"))[-2:]:
        with path.open("rb") as file:
            out = max(out, int(lib.rb_journal_noted(file.fileno())))
    return out


def _whole(places: NDArray[np.void], first: int) -> int:
    """How many messages are whole and in their place, from the first on."""
    wanted = np.arange(first, first + len(places), dtype=np.uint64)
    wrong = np.flatnonzero(places["sequence"] != wanted)
    count = int(wrong[0]) if len(wrong) else len(places)
    return int(lib.rb_messages_verify(ffi.from_buffer(places), count))


def _any_whole(places: NDArray[np.void], first: int) -> bool:
    """Whether any message is whole and in its place."""
    wanted = np.arange(first, first + len(places), dtype=np.uint64)
    return any(
        _whole(places[n : n + 1], first + int(n)) == 1
        for n in np.flatnonzero(places["sequence"] == wanted)
    )


def _written(places: NDArray[np.void], first: int) -> int:
    """How many messages seem to be there, by a binary search for the last in its place."""
    return bisect.bisect_left(
        range(len(places)), True, key=lambda n: int(places["sequence"][n]) != first + n
    )


def map_day(directory: Path, verify: bool = True) -> list[NDArray[np.void]]:
    """Map a day of a journal.

    Args: directory: of the segment files; verify: compare every sequence and checksum.
    Returns: one read-only array (n,) of dtype MESSAGE a file, oldest first; nothing is copied. A
    torn tail is left out.
    Raises: NotFoundError: no journal there; DataError: damage, with the sequence; LayoutError:
    other schema or version.
    """
    before = 0
    while True:
        parts, damaged, path = _map(segment_files(directory), verify)
        if not parts:
            raise NotFoundError(f"{directory}: no journal there (stream-00000000.rbj)")
        if damaged == 0:
            return parts
        # A journal that is written on between two looks at it ends elsewhere at the next one.
        if damaged == before:
            raise DataError(f"{path}: message {damaged} is damaged")
        before = damaged


def _map(files: Sequence[Path], verify: bool) -> tuple[list[NDArray[np.void]], int, Path]:
    """What is whole in each file; the first message that is not though one behind it is, and the
    file that has this one, or 0.
    """
    parts: list[NDArray[np.void]] = []
    first, end = 1, 0
    for path in files:
        places, capacity = map_file(path)
        count = _whole(places, first) if verify else _written(places, first)
        if end:
            count = 0
        parts.append(places[:count])
        # Behind what is not whole nothing may be whole: a torn tail is the end of all there is.
        if verify and _any_whole(places[count:], first + count):
            return parts, end or first + count, path
        if count < capacity and not end:
            end = first + count
        first += capacity
    return parts, 0, Path()


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
    "map_file",
    "noted",
    "read_day",
    "segment_bytes",
    "segment_files",
]
