"""A subscriber of a ring: sees every record in order, or is told exactly what it missed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import ffi, lib
from ringbus._single import Receiver
from ringbus.attachment import Attachment, Handle
from ringbus.publisher import LOOK_S
from ringbus.status import CapacityError, Lapped, UsageError, check

if TYPE_CHECKING:
    from ringbus._single import BytesLike

LIMIT: Final = 4096
LAPPED: Final = -9
# Overtaken so often in one call, it looks like a loop: the caller gets the word, and calls again.
SKIPS_MAX: Final = 16
# Of the ring's dtype; where that is plain numbers, the type checker is told too much.
Batch = NDArray[np.void]
Start = Literal["newest", "oldest"] | int
OnGap = Literal["raise", "skip"]


@dataclass(frozen=True, slots=True)
class SubscriberStatistics:
    """Records received and lost, times overtaken, times asleep, and how far behind it is."""

    received: int
    lost: int
    laps: int
    parks: int
    lag: int


class Subscriber(Receiver, Handle):
    """Takes records from a ring; made by Ring.subscriber.

    `poll`, `view` and `read` give arrays; `receive` and `receive_into`, of the base in C, a record.
    A batch of a gating subscriber is done with when the next one is asked for; until then the
    publisher does not overwrite it. Thread: one. Source: ringbus/multicast.h, ringbus/single.c.
    """

    def __init__(
        self, attachment: Attachment, start: Start, gating: bool, name: str | None, on_gap: OnGap
    ) -> None:
        if on_gap not in ("raise", "skip"):
            raise UsageError(f"on_gap {on_gap!r}: 'raise' or 'skip'")
        if start not in ("newest", "oldest") and (not isinstance(start, int) or start < 1):
            raise UsageError(f"start {start!r}: 'newest', 'oldest', or a sequence from 1 on")
        if name is not None and not gating:
            raise UsageError("only a gating subscriber has a name, for a successor to go on")
        Handle.__init__(self, attachment)
        self._reader = ffi.new("rb_reader *")
        self._gating = gating
        self._skips = on_gap == "skip"
        self._executor: ThreadPoolExecutor | None = None
        self._empty: Batch = np.empty(0, attachment.dtype)
        self._safe = 1 << 64
        stream = attachment.stream
        try:
            check(
                lib.rb_records_reader_attach(self._reader, stream.address, stream.size, 1), "ring"
            )
            first = self._place(start)
            if gating:
                name = name or f"{os.getpid()}-{os.urandom(8).hex()}"
                self._open_gate(name, first, newest=start == "newest")
            else:
                lib.rb_multicast_seek(self._reader, first)
                self._show()
            self._attach(
                stream.mapping,
                ffi.buffer(self._reader),
                ffi.buffer(self._idle.handle) if self._idle else None,
                attachment.dtype.itemsize,
            )
        except BaseException:
            self.close()
            raise

    def _place(self, start: Start) -> int:
        if start == "newest":
            return self.tail + 1
        if start == "oldest":
            return int(lib.rb_multicast_oldest(self._reader))
        return int(start)

    def _open_gate(self, name: str, first: int, newest: bool) -> None:
        """Take the gate of that name over from a dead one, or open it."""
        attachment, locks = self._attachment, self._locks
        places = attachment.gate_places(locks)
        successor = places.take(name, lambda: self._attach_gate(name, first))
        with locks.administer():
            self._idle = attachment.claim_bell(locks)
        self._safe = int(lib.rb_multicast_safe(self._reader))
        if newest and not successor and self._safe > self.next:
            # Published while the gate was opened: only from here on nothing can be lost.
            lib.rb_multicast_seek(self._reader, self._safe)
            self._release(self._safe - 1)

    def _attach_gate(self, name: str, first: int) -> int:
        stream, readers = self._attachment.stream, self._attachment.readers
        check(
            lib.rb_records_gate_attach(
                self._reader,
                stream.address,
                stream.size,
                readers.address,
                readers.size,
                name.encode(),
                first,
            ),
            f"gating subscriber {name}",
        )
        return int(lib.rb_multicast_gate(self._reader))

    def _show(self) -> None:
        """Let others see what this one does, if there is a place to show it."""
        table = self._attachment.lossy

        def join() -> int:
            name = f"{os.getpid()}-{os.urandom(8).hex()}"
            return check(
                lib.rb_readers_join(self._reader, table.address, table.size, name.encode()),
                "subscriber",
            )

        with contextlib.suppress(CapacityError):
            self._attachment.lossy_places(self._locks).take("", join)

    @property
    def next(self) -> int:
        """Sequence that is wanted next."""
        self._check()
        return int(lib.rb_multicast_wanted(self._reader))

    @property
    def first(self) -> int:
        """Sequence of the first record of the last batch, 0 before there was one."""
        return self._first

    @property
    def tail(self) -> int:
        """Last sequence that was published."""
        self._check()
        return int(lib.rb_multicast_tail(self._reader))

    def poll(self, limit: int = LIMIT) -> Batch:
        """Copy what is there, oldest first.

        Returns: an array of the ring's dtype, 0 to `limit` records; it is the caller's.
        Raises: Lapped: records were overwritten before they were read; its `first` and `last` say
        which, and the next call goes on behind them. Not with on_gap="skip", which counts them.
        """
        self._begin(limit)
        for _ in range(SKIPS_MAX):
            wanted = int(lib.rb_multicast_wanted(self._reader))
            count = min(limit, self.tail - wanted + 1, self._attachment.capacity)
            if count <= 0:
                break
            out: Batch = np.empty(count, self._attachment.dtype)
            pointer = ffi.from_buffer(out)
            got = int(lib.rb_records_poll(self._reader, pointer, out.dtype.itemsize, count))
            if got > 0:
                return self._taken(wanted, out[:got])
            if got == 0:
                break
            self._lapped(got)
        return self._empty

    def view(self, limit: int = LIMIT) -> Batch:
        """What is there, without a copy if this subscriber gates; a copy otherwise.

        Returns: a read-only array over the ring itself, good until the next call. It ends where the
        ring begins anew, so it may hold fewer records than there are.
        Raises: as poll.
        """
        if not self._gating:
            return self.poll(limit)
        wanted = self.next
        if wanted < self._safe:
            return self.poll(min(limit, self._safe - wanted))
        self._begin(limit)
        count = int(lib.rb_records_ready(self._reader, limit))
        if count == 0:
            return self._empty
        # Behind `safe` the gate holds: nothing here can be overwritten.
        check(count, f"ring {self._attachment.name}")
        lib.rb_multicast_took(self._reader, count)
        index = (wanted - 1) % self._attachment.capacity
        return self._taken(wanted, self._attachment.records[index : index + count])

    def read(self, limit: int = LIMIT, timeout: float | None = None) -> Batch:
        """Like poll, but wait for the first record.

        Args: timeout: seconds, None for ever. Returns: no record only when the time was over.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            batch = self.poll(limit)
            if len(batch) > 0:
                return batch
            left = LOOK_S if deadline is None else min(LOOK_S, deadline - time.monotonic())
            if left <= 0:
                return batch
            if self._executor is None:
                self._wait(left)
            else:
                # A wait that was canceled may still be in there, with the bell.
                self._executor.submit(self._wait, left).result()

    async def read_async(self, limit: int = LIMIT) -> Batch:
        """Like read, for a coroutine: a thread sleeps in its place, and the loop goes on."""
        while True:
            batch = self.poll(limit)
            if len(batch) > 0:
                return batch
            if self._executor is None:
                self._executor = ThreadPoolExecutor(1, f"ring {self._attachment.name}")
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._executor, self._wait, LOOK_S)

    def _receive_later(self, timeout: float | None = None) -> bytes | None:
        """What `receive` could not do at once."""
        batch = self.read(1, timeout)
        return batch.tobytes() if len(batch) > 0 else None

    def _receive_into_later(self, buffer: BytesLike, timeout: float | None = None) -> bool:
        """What `receive_into` could not do at once."""
        self._check()
        out = self._attachment.bytes_of(buffer)
        if not out.flags.writeable:
            raise UsageError(f"ring {self._attachment.name}: receive_into needs writable memory")
        batch = self.read(1, timeout)
        if len(batch) > 0:
            out[:] = batch.view(np.uint8)
        return len(batch) > 0

    def release(self) -> None:
        """Be done with the last batch before asking for the next."""
        self._check()
        if self._pending:
            self._pending = False
            self._release(int(lib.rb_multicast_wanted(self._reader)) - 1)

    def statistics(self) -> SubscriberStatistics:
        """What it did so far."""
        return SubscriberStatistics(
            received=int(lib.rb_multicast_received(self._reader)),
            lost=int(lib.rb_multicast_lost(self._reader)),
            laps=int(lib.rb_multicast_laps(self._reader)),
            parks=self._idle.parks if self._idle else 0,
            lag=max(0, self.tail - self.next + 1),
        )

    def _begin(self, limit: int) -> None:
        self._check()
        if limit < 1:
            raise UsageError(f"limit {limit}: at least 1")
        self.release()

    def _release(self, sequence: int) -> None:
        lib.rb_multicast_release(self._reader, sequence)
        if self._idle is not None:
            # Bell 0 is the publisher's, who may wait for room.
            self._idle.ring(1)

    def _taken(self, first: int, batch: Batch) -> Batch:
        self._first = first
        self._pending = self._gating
        return batch

    def _lapped(self, status: int) -> None:
        """Count what is gone and go on behind it."""
        wanted = int(lib.rb_multicast_wanted(self._reader))
        if status != LAPPED:
            check(status, f"ring {self._attachment.name}")
        oldest = int(lib.rb_multicast_oldest(self._reader))
        self._release(oldest - 1)
        if not self._skips:
            error = Lapped(
                f"ring {self._attachment.name}: records {wanted}..{oldest - 1} were overwritten "
                "before they were read",
                LAPPED,
            )
            error.first, error.last = wanted, oldest - 1
            raise error

    def _wait(self, seconds: float) -> None:
        """Sleep until there is something, at most so long."""
        if self._idle is None:
            with self._locks.administer():
                self._idle = self._attachment.claim_bell(self._locks)
        deadline = time.monotonic() + seconds
        with self._attachment.kept():
            while lib.rb_multicast_tail(self._reader) < lib.rb_multicast_wanted(self._reader):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._idle.set_timeout(max(1, int(left * 1e6)))
                self._idle.step(0)
            self._idle.step(1)

    def _leave(self) -> None:
        if self._executor is not None:
            self._executor.shutdown()
        with self._locks.administer():
            lib.rb_multicast_gate_close(self._reader)
            lib.rb_readers_leave(self._reader)
            if self._idle is not None:
                self._idle.ring(1)
                self._idle.close()

    def __iter__(self) -> Iterator[Batch]:
        while True:
            yield self.read()

    async def __aiter__(self) -> AsyncIterator[Batch]:
        while True:
            yield await self.read_async()

    def __enter__(self) -> Subscriber:
        return self
