"""Multicast: one writer, any number of readers, all see every message in the same order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import ffi, lib
from ringbus.memory import Memory
from ringbus.messages import MESSAGE
from ringbus.status import UsageError, check

READERS_MAX = 64


def multicast_bytes(capacity: int) -> int:
    """Bytes that a ring of `capacity` messages needs.

    Raises: UsageError: capacity is not a power of two in 8..2^28.
    """
    size: int = lib.rb_multicast_bytes(capacity)
    if size == 0:
        raise UsageError(f"ring capacity {capacity}: a power of two in 8..268435456 is needed")
    return size


def readers_bytes() -> int:
    """Bytes of the structure in which gating readers keep their cursors."""
    return int(lib.rb_readers_bytes())


def create_multicast(ring: Memory, readers: Memory, capacity: int, name: str) -> None:
    """Lay out an empty ring and its readers in zeroed memory."""
    raw = name.encode()
    check(lib.rb_multicast_init(ring.address, ring.size, capacity, raw), f"ring {name}")
    check(lib.rb_readers_init(readers.address, readers.size, raw), f"readers of {name}")


@dataclass(frozen=True, slots=True)
class Gate:
    """A gating reader as a watcher sees it; `cursor` is the last sequence that it is done with."""

    name: str
    cursor: int
    pid: int


def gates(readers: Memory) -> list[Gate]:
    """All gating readers. Thread: any, while they work."""
    out = []
    name, cursor, pid = ffi.new("char[33]"), ffi.new("uint64_t *"), ffi.new("uint32_t *")
    for n in range(READERS_MAX):
        if check(lib.rb_readers_get(readers.address, n, name, cursor, pid)) == 1:
            out.append(Gate(ffi.string(name).decode(), cursor[0], pid[0]))
    return out


class Writer:
    """The one writer of a ring, for Python users; the exchange's is the publisher, in C.

    Thread: one. Source: ringbus/multicast.h.
    """

    def __init__(self, ring: Memory, readers: Memory) -> None:
        self._memory = (ring, readers)
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
    Raises: CapacityError: 64 gating readers are there already.
    """

    def __init__(self, ring: Memory, readers: Memory, name: str) -> None:
        super().__init__(ring)
        self._readers = readers
        check(
            lib.rb_multicast_gate_attach(
                self.handle, ring.address, ring.size, readers.address, readers.size, name.encode()
            ),
            f"gating reader {name}",
        )

    def release(self, sequence: int | None = None) -> None:
        """Be done with everything up to `sequence`, by default with all that was polled."""
        last = self.next - 1 if sequence is None else sequence
        lib.rb_multicast_release(self.handle, last)

    def close(self) -> None:
        """Give the place up: the writer no longer waits."""
        lib.rb_multicast_gate_close(self.handle)
