"""The publisher of a ring: there is one, and it waits for nobody but gating subscribers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import ffi, lib
from ringbus._single import Sender
from ringbus.attachment import PUBLISHER_BELL, Attachment, Handle
from ringbus.idle import Idle
from ringbus.lock import PUBLISHER
from ringbus.status import UsageError, check

if TYPE_CHECKING:
    from ringbus._single import BytesLike

# Who waits looks up this often, should the one who was to wake it have died.
LOOK_S = 0.05

ARRAYS = (np.ndarray, np.generic)
Records = NDArray[np.generic] | np.generic | tuple[object, ...] | Sequence[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class PublisherStatistics:
    """Records published, times it found no room, dead subscribers that it freed itself of."""

    published: int
    full: int
    reclaimed: int


class Publisher(Sender, Handle):
    """Puts records onto a ring; made by Ring.publisher.

    `publish` takes arrays; `send`, of the base in C, one record's bytes.
    Raises: UsageError: the ring has a publisher, here or in another process.
    Thread: one. Source: ringbus/multicast.h, ringbus/single.c.
    """

    def __init__(self, attachment: Attachment) -> None:
        Handle.__init__(self, attachment)
        self._full = self._reclaimed = 0
        self._look = 0.0
        if not self._locks.take(PUBLISHER):
            pid = attachment.publisher_pid()
            self._state = "closed"
            self._locks.close()
            raise UsageError(f"ring {attachment.name} has a publisher already, process {pid}")
        self._writer = ffi.new("rb_writer *")
        stream, readers = attachment.stream, attachment.readers
        check(
            lib.rb_records_writer_attach(
                self._writer, stream.address, stream.size, readers.address, readers.size
            ),
            f"ring {attachment.name}",
        )
        self._bell = Idle(attachment.bells, PUBLISHER_BELL, stream_reader=False)
        self._attach(
            attachment.stream.mapping,
            ffi.buffer(self._writer),
            ffi.buffer(self._bell.handle),
            attachment.dtype.itemsize,
        )

    @property
    def next(self) -> int:
        """Sequence of the next record; the first of a ring is 1."""
        self._check()
        return int(lib.rb_multicast_next(self._writer))

    def publish(self, records: Records, timeout: float | None = 0.0) -> int:
        """Copy records onto the ring, in order.

        Args: records: an array of the ring's dtype, one record, a tuple, or a list of tuples;
        timeout: seconds to wait for gating subscribers, None for ever.
        Returns: how many fitted in that time, from the first on.
        Raises: UsageError: another dtype or shape.
        """
        self._check()
        array = self._array(records)
        done = self._fill(array, 0)
        if done == len(array):
            return done
        self._full += 1
        # Who publishes again and again does not pay for a look at all places each time.
        if time.monotonic() >= self._look and self._free_the_dead() > 0:
            done += self._fill(array, done)
        if timeout == 0:
            return done
        return self._wait(array, done, None if timeout is None else time.monotonic() + timeout)

    def _send_later(self, data: BytesLike, timeout: float | None = 0.0) -> bool:
        """What `send` could not do at once."""
        self._check()
        return (
            self.publish(self._attachment.bytes_of(data).view(self._attachment.dtype), timeout) == 1
        )

    def _array(self, records: Records) -> NDArray[np.generic]:
        dtype = self._attachment.dtype
        if isinstance(records, ARRAYS):
            if records.dtype != dtype:
                raise UsageError(
                    f"ring {self._attachment.name} has records of {dtype}, not of {records.dtype}"
                )
            array = np.ascontiguousarray(records)
        else:
            several = [records] if isinstance(records, tuple) else records
            # numpy would put one number into all fields of a record.
            if dtype.names and not all(isinstance(one, tuple | np.void) for one in several):
                raise UsageError(f"a record of {dtype} is a tuple")
            try:
                array = np.array(several, dtype)
            except (TypeError, ValueError) as error:
                raise UsageError(f"this is no record of {dtype}: {error}") from None
        if array.ndim != 1:
            raise UsageError(f"records must be one behind the other, not {array.shape}")
        return array

    def _offer(self, array: NDArray[np.generic], first: int) -> int:
        """Publish from record `first` on; returns how many fitted."""
        size = array.dtype.itemsize
        # from_buffer takes 90 ns and array.ctypes.data 700 or more (AMD EPYC, 2026-11).
        pointer = ffi.from_buffer(array) + first * size
        left = len(array) - first
        count = check(lib.rb_records_offer(self._writer, pointer, size, left), "ring")
        if count > 0:
            self._bell.ring(0, stream=True)
            self._published += count
        return count

    def _fill(self, array: NDArray[np.generic], first: int) -> int:
        """As _offer, in pieces that the ring can hold."""
        done = first
        while done < len(array) and (count := self._offer(array, done)) > 0:
            done += count
        return done - first

    def _free_the_dead(self) -> int:
        self._look = time.monotonic() + LOOK_S
        with self._locks.administer():
            freed = self._attachment.reclaim(self._locks)
        self._reclaimed += freed
        return freed

    def _wait(self, array: NDArray[np.generic], done: int, deadline: float | None) -> int:
        with self._attachment.kept():
            while done < len(array):
                self._check()
                now = time.monotonic()
                left = LOOK_S if deadline is None else min(LOOK_S, deadline - now)
                if left <= 0:
                    break
                if now >= self._look:
                    self._free_the_dead()
                count = self._offer(array, done)
                done += count
                self._bell.set_timeout(max(1, int(left * 1e6)))
                self._bell.step(count)
            self._bell.step(1)
        return done

    def statistics(self) -> PublisherStatistics:
        """What it did so far."""
        return PublisherStatistics(self._published, self._full, self._reclaimed)

    def _leave(self) -> None:
        """Its bell stays: readers ring it by its place."""

    def __enter__(self) -> Publisher:
        return self
