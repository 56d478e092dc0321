"""The shared memory of one ring as one process has it mapped, and who may do what in it.

Every place that a process takes in it (the publisher's, a gate, a bell) is also a locked byte of
the segment's file. The kernel frees those locks with the process, however it ends: a place in use
whose byte nobody holds belonged to a dead one, and is given back by whoever needs it.
"""

from __future__ import annotations

import ast
import contextlib
import os
import weakref
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ringbus._ringbus import ffi, lib
from ringbus.backing import Backing
from ringbus.idle import Idle
from ringbus.lock import BELLS, GATES, LOSSY, PUBLISHER, ByteLocks
from ringbus.memory import Memory
from ringbus.multicast import gates
from ringbus.places import Place, Places
from ringbus.segment import Segment, segment_path
from ringbus.status import CapacityError, LayoutError, NotFoundError, UsageError, check

if TYPE_CHECKING:
    from ringbus._single import BytesLike

BELLS_MAX = 64
PUBLISHER_BELL = "publisher"


def type_text(dtype: np.dtype[Any]) -> str:
    """A dtype as it is written into shared memory.

    Raises: UsageError: its values are not plain bytes of a fixed layout.
    """
    if dtype.hasobject:
        raise UsageError(f"{dtype} holds Python objects, which cannot be shared")
    try:
        text = repr(npy.dtype_to_descr(dtype))
        if npy.descr_to_dtype(ast.literal_eval(text)) == dtype:
            return text
    except (ValueError, TypeError):
        pass
    raise UsageError(f"{dtype}: fields must lie behind each other, without overlap")


class Part:
    """One structure inside a larger memory, with the face of memory of its own."""

    def __init__(self, whole: Memory, address: object, size: int) -> None:
        self._whole = whole
        self.address = address
        self.size = size
        self.name = whole.name
        self.writable = whole.writable
        self.mapping = whole.mapping

    @property
    def closed(self) -> bool:
        """Whether it was unmapped."""
        return self._whole.closed


class Attachment:
    """A ring's segment, mapped.

    `records` is the ring itself, oldest nowhere in particular: record n is at (n - 1) % capacity.
    Thread: any; `administer` keeps processes and threads apart.
    Raises: NotFoundError, LayoutError: there is none, or something else lies there.
    """

    def __init__(self, segment: str, name: str, backing: Backing | None = None) -> None:
        self.name = name
        self.backing = backing
        self.path = segment_path(segment)
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise NotFoundError(f"ring {name}: {error.strerror}") from None
        try:
            self._segment = Segment.attach(segment, True, backing)
            self._verify(self.path)
        except BaseException:
            os.close(self._file)
            raise
        memory = self._segment.address
        self.dtype = self._type()
        self.capacity = int(lib.rb_ring_capacity(memory))
        self.record_bytes = int(lib.rb_ring_record_bytes(self.dtype.itemsize))
        stream_bytes = int(lib.rb_ring_stream_bytes(memory))
        self.stream = Part(self._segment, lib.rb_ring_stream(memory), stream_bytes)
        self.readers = Part(self._segment, lib.rb_ring_readers(memory), lib.rb_readers_bytes())
        self.lossy = Part(self._segment, lib.rb_ring_lossy(memory), lib.rb_readers_bytes())
        self.bells = Part(self._segment, lib.rb_ring_bells(memory), lib.rb_bells_bytes())
        # Behind the sequence that is the first word of each record.
        offset = lib.rb_ring_records_offset() + 8
        raw = np.frombuffer(self._segment.buffer(), np.uint8)
        self.records: NDArray[np.void] = np.ndarray(
            (self.capacity,), self.dtype, raw, offset, (self.record_bytes,)
        )
        self.records.flags.writeable = False
        self.handles: weakref.WeakSet[Handle] = weakref.WeakSet()
        self.closed = False
        self._watch = ffi.new("rb_reader *")
        check(
            lib.rb_records_reader_attach(self._watch, self.stream.address, self.stream.size, 1),
            f"ring {name}",
        )

    def _verify(self, path: Path) -> None:
        """Whether file and mapping are one ring: another may have been made under the name."""
        memory = self._segment
        try:
            check(lib.rb_ring_verify(memory.address, memory.size), f"ring {self.name}")
            if not os.path.samestat(path.stat(), os.fstat(self._file)):
                raise LayoutError(f"ring {self.name} was just made anew: attach again")
        except BaseException:
            self._segment.close()
            raise

    def _type(self) -> np.dtype[np.void]:
        """Of the records, as the segment says."""
        memory = self._segment.address
        text = ffi.string(lib.rb_ring_type(memory)).decode("latin-1")
        try:
            dtype = npy.descr_to_dtype(ast.literal_eval(text))
            if dtype.itemsize == lib.rb_ring_payload_bytes(memory):
                return dtype
        except (ValueError, TypeError, SyntaxError, IndexError):
            pass
        self._segment.close()
        os.close(self._file)
        raise LayoutError(f"ring {self.name}: its records are not what it says they are: {text}")

    def locks(self) -> ByteLocks:
        """An opening of the segment's file whose locks are its own."""
        return ByteLocks(self._file)

    def gate_places(self, locks: ByteLocks) -> Places:
        """Where gating readers stand."""
        return Places(locks, self.readers, GATES)

    def lossy_places(self, locks: ByteLocks) -> Places:
        """Where the others show their statistics."""
        return Places(locks, self.lossy, LOSSY)

    def kept(self) -> memoryview:
        """While it is open (`with`), close unmaps nothing: for who sleeps in the ring's memory."""
        return self._segment.buffer()

    def reclaim(self, locks: ByteLocks) -> int:
        """Free the places and bells of the dead; the caller administers. Returns gates freed."""
        freed = self.gate_places(locks).reclaim()
        self.lossy_places(locks).reclaim()
        pid = ffi.new("uint32_t *")
        for n in range(1, BELLS_MAX):
            used = lib.rb_bells_get(self.bells.address, n, pid) == 1
            if used and not locks.held(BELLS + n):
                lib.rb_bells_reclaim(self.bells.address, n)
        return freed

    def claim_bell(self, locks: ByteLocks) -> Idle:
        """A bell for a reader; the caller administers. Raises: CapacityError: 63 are in use."""
        name = f"reader-{os.urandom(8).hex()}"
        try:
            idle = Idle(self.bells, name)
        except CapacityError:
            self.reclaim(locks)
            idle = Idle(self.bells, name)
        locks.take(BELLS + idle.bell)
        return idle

    @property
    def unmet(self) -> tuple[str, ...]:
        """Wishes of the backing that this mapping could not have."""
        return self._segment.unmet

    def gates(self) -> tuple[Place, ...]:
        """Gating readers as they are now."""
        return tuple(gates(self.readers))

    def shown(self) -> tuple[Place, ...]:
        """Lossy readers as they are now, those of the dead included until a place is needed."""
        return tuple(gates(self.lossy))

    def waits(self) -> int:
        """Times that gates kept the publisher waiting."""
        return int(lib.rb_multicast_waits(self.stream.address))

    def tail(self) -> int:
        """Last sequence that was published."""
        if self.closed:
            raise UsageError(f"ring {self.name} is closed")
        return int(lib.rb_multicast_tail(self._watch))

    def bytes_of(self, data: BytesLike) -> NDArray[np.uint8]:
        """One record's bytes where they lie. Raises: UsageError: it is something else."""
        try:
            # The cast is for numpy's stub, which does not know that any buffer will do.
            raw: NDArray[np.uint8] = np.frombuffer(cast(bytes, data), np.uint8)
        except (TypeError, ValueError) as error:
            raise UsageError(f"ring {self.name}: this is no record's bytes: {error}") from None
        if len(raw) != self.dtype.itemsize:
            raise UsageError(
                f"ring {self.name}: a record has {self.dtype.itemsize} bytes, not {len(raw)}"
            )
        return raw

    def publisher_pid(self) -> int:
        """Process of the publisher, 0 if there is none."""
        locks = self.locks()
        try:
            if not locks.held(PUBLISHER):
                return 0
            return int(lib.rb_multicast_writer_pid(self.stream.address))
        finally:
            locks.close()

    def close(self) -> None:
        """Close what was made of it, then unmap; a view still held keeps its bytes mapped."""
        if self.closed:
            return
        for handle in list(self.handles):
            handle.close()
        self.closed = True
        del self.records
        os.close(self._file)
        # A view that is still held: the last one that goes unmaps.
        with contextlib.suppress(BufferError):
            self._segment.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()


class Handle(ABC):
    """What publisher and subscriber have in common: locks, a bell, and an end.

    A forked child inherits neither: there the copy only says so.
    """

    def __init__(self, attachment: Attachment) -> None:
        self._state = "closed"
        if attachment.closed:
            raise UsageError(f"ring {attachment.name} is closed")
        self._attachment = attachment
        self._locks = attachment.locks()
        self._idle: Idle | None = None
        self._state = "open"
        attachment.handles.add(self)
        _EVERY.add(self)

    @property
    def closed(self) -> bool:
        """Whether it can no longer be used."""
        return self._state != "open"

    def close(self) -> None:
        """Give its places back."""
        if self._state != "open":
            return
        self._detach()
        self._leave()
        self._state = "closed"
        self._locks.close()

    @abstractmethod
    def _leave(self) -> None:
        """Give back what only this kind of handle has."""

    @abstractmethod
    def _detach(self) -> None:
        """Refuse single messages from here on: the C base of the handle lets the memory go."""

    def _check(self) -> None:
        if self._state != "open":
            raise UsageError(f"this handle of ring {self._attachment.name} is {self._state}")

    def forsake(self) -> None:
        """In a forked child: the parent goes on with it."""
        if self._state == "open":
            self._detach()
            self._state = "another process's: make one in this process"
            self._locks.close()

    def __reduce__(self) -> str:
        raise TypeError("hand the Ring to the other process and make publisher or subscriber there")

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()


_EVERY: weakref.WeakSet[Handle] = weakref.WeakSet()


def _forsake_all() -> None:
    for handle in list(_EVERY):
        handle.forsake()


os.register_at_fork(after_in_child=_forsake_all)
