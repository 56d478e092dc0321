"""Lane: a bounded, lossless ring of messages with one producer and one consumer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import ffi, lib
from ringbus._single import LaneEnd
from ringbus.memory import Memory
from ringbus.messages import MESSAGE
from ringbus.status import UsageError, check

if TYPE_CHECKING:
    from ringbus._single import BytesLike


def lane_bytes(capacity: int) -> int:
    """Bytes that a lane of `capacity` messages needs.

    Raises: UsageError: capacity is not a power of two in 8..2^26.
    """
    size: int = lib.rb_lane_bytes(capacity)
    if size == 0:
        raise UsageError(f"lane capacity {capacity}: a power of two in 8..67108864 is needed")
    return size


def create_lane(memory: Memory, capacity: int, name: str) -> None:
    """Lay out an empty lane in zeroed memory."""
    check(lib.rb_lane_init(memory.address, memory.size, capacity, name.encode()), f"lane {name}")


class Lane(LaneEnd):
    """One side's handle; attach goes on at the shared head and tail.

    `offer` and `take` move arrays; `send` and `receive`, of the base in C, one message.
    Thread: one thread for each side. Source: ringbus/lane.h, ringbus/single.c.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.handle = ffi.new("rb_lane *")
        check(lib.rb_lane_attach(self.handle, memory.address, memory.size), "lane")
        self._attach(memory.mapping, ffi.buffer(self.handle))

    @property
    def capacity(self) -> int:
        """Messages that fit."""
        return int(lib.rb_lane_capacity(self.handle))

    @property
    def depth(self) -> int:
        """Messages written and not yet released; from any side, while both work."""
        return int(lib.rb_lane_depth(self.handle))

    @property
    def written(self) -> int:
        """Messages written since the lane was made, by whomever; producer."""
        return int(lib.rb_lane_written(self.handle))

    def offer(self, messages: NDArray[np.void]) -> int:
        """Copy all of `messages` in, at once, or nothing.

        Args: messages: shape (n,), items of 64 bytes, n <= capacity.
        Returns: n, or 0 when they do not fit now: try again when the consumer has moved.
        Raises: UsageError: they could never fit, or are no messages.
        """
        if messages.dtype.itemsize != MESSAGE.itemsize or not messages.flags.c_contiguous:
            raise UsageError(f"messages must be contiguous items of 64 bytes, not {messages.dtype}")
        # from_buffer takes 90 ns and array.ctypes.data 700 or more (AMD EPYC, 2026-11).
        pointer = ffi.from_buffer(messages)
        return check(lib.rb_lane_offer(self.handle, pointer, len(messages)), "lane")

    def take(self, limit: int = 4096) -> NDArray[np.void]:
        """Copy up to `limit` messages out, oldest first, and release them.

        Returns: shape (n,), dtype MESSAGE, 0 <= n <= limit.
        """
        out: NDArray[np.void] = np.empty(limit, MESSAGE)
        count = check(lib.rb_lane_take(self.handle, ffi.from_buffer(out), limit), "lane")
        return out[:count]

    def _send_later(self, data: BytesLike) -> bool:
        """Say why `send` cannot."""
        self._receive_later()
        raise UsageError(f"a message has {MESSAGE.itemsize} bytes; this is {type(data).__name__}")

    def _receive_later(self) -> None:
        """Say why `receive` cannot."""
        if self._memory.closed:
            raise UsageError("the lane's memory was unmapped")

    def repair(self) -> int:
        """As producer, take over from a dead one; returns the half-written messages erased."""
        return check(lib.rb_lane_repair(self.handle), "lane")

    def slots(self) -> NDArray[np.void]:
        """Copy every slot, released ones too; `sequence` is the position in the lane + 1.

        What a dead producer said last is found there, though its consumer had taken it.
        Returns: shape (capacity,), dtype MESSAGE. Only while the producer is at rest.
        """
        buffer = ffi.buffer(lib.rb_lane_slots(self.handle), self.capacity * MESSAGE.itemsize)
        return np.frombuffer(buffer, MESSAGE).copy()

    def valid(self) -> None:
        """Check every slot; only while nobody works on the lane. Raises: CorruptionError."""
        check(lib.rb_lane_valid(self.handle), "lane")
