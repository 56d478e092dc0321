"""Multicast: one writer, any number of readers, all see every message in the same order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import ffi, lib
from ringbus.lock import GATES, LOSSY, PUBLISHER, ByteLocks
from ringbus.memory import Memory
from ringbus.messages import MESSAGE
from ringbus.places import Place, Places, create_readers, places
from ringbus.segment import Segment
from ringbus.status import UsageError, check


def multicast_bytes(capacity: int) -> int:
    """Bytes that a ring of `capacity` messages needs.

    Raises: UsageError: capacity is not a power of two in 8..2^28.
    """
    size: int = lib.rb_multicast_bytes(capacity)
    if size == 0:
        raise UsageError(f"ring capacity {capacity}: a power of two in 8..268435456 is needed")
    return size


def readers_bytes() -> int:
    """Bytes of the table in which readers have their places."""
    return int(lib.rb_readers_bytes())


def create_multicast(ring: Memory, readers: Memory, capacity: int, name: str) -> None:
    """Lay out an empty ring and its readers in zeroed memory."""
    raw = name.encode()
    check(lib.rb_multicast_init(ring.address, ring.size, capacity, raw), f"ring {name}")
    create_readers(readers, name)


def begin_multicast(ring: Memory, next_: int) -> None:
    """Let a ring that holds nothing yet begin with sequence `next_`: its stream began elsewhere.

    Raises: UsageError: there is something on it, or `next_` is not 1 or more.
    """
    status = lib.rb_multicast_begin(ring.address, ring.size, max(next_, 0))
    check(status, f"a ring that begins with {next_}")


def gates(readers: Memory) -> list[Place]:
    """All gating readers. Thread: any, while they work."""
    return list(places(readers).values())


def lock_writer(ring: Memory) -> ByteLocks | None:
    """Become the one that may write a ring, for as long as the lock is open; C knows nothing of it.

    Returns: the lock, which the kernel frees with the process; None for private memory.
    Raises: UsageError: another process, or another writer of this one, has it.
    """
    if not isinstance(ring, Segment):
        return None
    locks = ByteLocks(ring.path)
    if not locks.take(PUBLISHER):
        locks.close()
        pid = Reader(ring).writer_pid
        raise UsageError(f"shared memory {ring.name} has a publisher already, process {pid}")
    return locks


def show_reader(reader: object, table: Segment, name: str) -> ByteLocks:
    """Let a lossy reader's statistics be seen in `table`, for as long as the lock is open.

    Args: reader: the C reader, as a cffi pointer.
    Raises: UsageError: one of that name is alive; CapacityError: 64 are.
    Thread: the reader's. Source: rb_readers_join.
    """
    locks = ByteLocks(table.path)

    def join() -> int:
        raw = name.encode()
        return check(lib.rb_readers_join(reader, table.address, table.size, raw), f"reader {name}")

    try:
        Places(locks, table, LOSSY).take(name, join)
    except BaseException:
        locks.close()
        raise
    return locks


def lock_gate(readers: Memory, name: str, attach: Callable[[], int]) -> ByteLocks | None:
    """Become the gating reader `name`; a dead one's gate stays shut until its successor comes.

    Args: attach: opens the gate in C and returns its number.
    Returns: the lock, free with the process; None for private memory.
    Raises: UsageError: one of that name is alive; CapacityError: 64 gating readers are there.
    """
    if not isinstance(readers, Segment):
        attach()
        return None
    locks = ByteLocks(readers.path)
    try:
        Places(locks, readers, GATES, keeps=True).take(name, attach)
    except BaseException:
        locks.close()
        raise
    return locks


class Writer:
    """The one writer of a ring, for Python users; the exchange's is the publisher, in C.

    Raises: UsageError: a segment has one already.
    Thread: one. Source: ringbus/multicast.h.
    """

    def __init__(self, ring: Memory, readers: Memory) -> None:
        self._memory = (ring, readers)
        self._locks = lock_writer(ring)
        self.handle = ffi.new("rb_writer *")
        check(
            lib.rb_multicast_writer_attach(
                self.handle, ring.address, ring.size, readers.address, readers.size
            ),
            "ring",
        )

    @property
    def next(self) -> int:
        """Sequence of the next message."""
        return int(lib.rb_multicast_next(self.handle))

    def publish(self, messages: NDArray[np.void]) -> int:
        """Copy messages onto the stream with fresh sequences and checksums.

        Args: messages: shape (n,), contiguous items of 64 bytes.
        Returns: how many fitted without overtaking a gating reader, 0..n.
        """
        if messages.dtype.itemsize != MESSAGE.itemsize or not messages.flags.c_contiguous:
            raise UsageError(f"messages must be contiguous items of 64 bytes, not {messages.dtype}")
        # from_buffer takes 90 ns and array.ctypes.data 700 or more (AMD EPYC, 2026-11).
        pointer = ffi.from_buffer(messages)
        return check(lib.rb_multicast_offer(self.handle, pointer, len(messages)), "ring")

    def close(self) -> None:
        """Let another one write."""
        if self._locks is not None:
            self._locks.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


class Reader:
    """A lossy reader: it costs the writer nothing, and is told when it was overtaken.

    Args: ring: may be mapped read-only; start: sequence wanted first, 0 for the next to come.
    Thread: one. Source: rb_multicast_poll; seqlock per slot.
    """

    def __init__(self, ring: Memory, start: int = 1) -> None:
        self._memory = ring
        self.handle = ffi.new("rb_reader *")
        check(
            lib.rb_multicast_reader_attach(self.handle, ring.address, ring.size, max(start, 1)),
            "ring",
        )
        if start == 0:
            self.seek(self.tail + 1)
        self._out: NDArray[np.void] = np.empty(4096, MESSAGE)
        self._pointer = ffi.from_buffer(self._out)

    @property
    def next(self) -> int:
        """Sequence that is wanted next."""
        return int(lib.rb_multicast_wanted(self.handle))

    @property
    def tail(self) -> int:
        """Last sequence published, at least."""
        return int(lib.rb_multicast_tail(self.handle))

    @property
    def oldest(self) -> int:
        """Oldest sequence that can still be had."""
        return int(lib.rb_multicast_oldest(self.handle))

    @property
    def capacity(self) -> int:
        """Messages that the ring holds."""
        return int(lib.rb_multicast_capacity(self.handle))

    @property
    def laps(self) -> int:
        """Times that this reader was overtaken."""
        return int(lib.rb_multicast_laps(self.handle))

    @property
    def received(self) -> int:
        """Messages that it has got."""
        return int(lib.rb_multicast_received(self.handle))

    @property
    def lost(self) -> int:
        """Messages that it left out when it was overtaken."""
        return int(lib.rb_multicast_lost(self.handle))

    @property
    def waits(self) -> int:
        """Times that gating readers kept the writer waiting."""
        return int(lib.rb_multicast_waits(self._memory.address))

    @property
    def writer_pid(self) -> int:
        """Process of the last writer, 0 before the first."""
        return int(lib.rb_multicast_writer_pid(self._memory.address))

    def show(self, table: Segment, name: str) -> None:
        """Let watchers see its statistics in `table`. Raises: as show_reader."""
        self._shown = show_reader(self.handle, table, name)

    def seek(self, sequence: int) -> None:
        """Want `sequence` next: after a gap, `oldest`."""
        if sequence < 1:
            raise UsageError(f"sequence {sequence}: the first is 1")
        lib.rb_multicast_seek(self.handle, sequence)

    def poll(self, limit: int = 4096) -> NDArray[np.void]:
        """Copy up to `limit` messages out, oldest first.

        Returns: shape (n,), dtype MESSAGE, 0 <= n <= min(limit, 4096), valid until the next poll.
        Raises: Lapped: `next` was overwritten; missed is next..oldest-1: seek, or replay from a
        journal.
        """
        limit = min(limit, len(self._out))
        count = lib.rb_multicast_poll(self.handle, self._pointer, limit)
        if count < 0:
            check(count, f"sequences {self.next}..{self.oldest - 1} are gone from the ring")
        return self._out[:count]


class GatingReader(Reader):
    """A reader that the writer waits for: what it has not released is not overwritten.

    Args: name: of its place, which it keeps if its process dies and another attaches.
    Raises: UsageError: one of that name is at work; CapacityError: 64 gating readers are there.
    """

    def __init__(self, ring: Memory, readers: Memory, name: str) -> None:
        super().__init__(ring)
        self._readers = readers

        def attach() -> int:
            check(
                lib.rb_multicast_gate_attach(
                    *(self.handle, ring.address, ring.size, readers.address, readers.size),
                    name.encode(),
                ),
                f"gating reader {name}",
            )
            return int(lib.rb_multicast_gate(self.handle))

        self._locks = lock_gate(readers, name, attach)

    def release(self, sequence: int | None = None) -> None:
        """Be done with everything up to `sequence`, by default with all that was polled."""
        last = self.next - 1 if sequence is None else sequence
        lib.rb_multicast_release(self.handle, last)

    def close(self) -> None:
        """Give the place up: the writer no longer waits."""
        lib.rb_multicast_gate_close(self.handle)
        if self._locks is not None:
            self._locks.close()
