"""A wire: what one lossy reader sees of the stream, which is less, later and worse than all of it.

    stream ─▶ relay (replay then live) ─▶ a ring of its own ─▶ the reader under test

The reader is the shipped one over a real ring; only that ring is not the publisher's. The relay
copies late (delay) and many at once (the ring is short, so the reader is overtaken: a drop). On top
of it single slots are spoiled as memory may show them: one that the writer is on again, a lap ahead
(a drop of one message), or one that still shows what was there a lap ago (a duplicate of an old
message, and those behind it come before the right one).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from ringbus.memory import Block, Memory
from ringbus.messages import MESSAGE
from ringbus.multicast import Writer, create_multicast, multicast_bytes, readers_bytes
from ringbus.replay import Replay
from ringbus.status import Lapped
from tests.sim.draw import Draw

LINE = MESSAGE.itemsize
# Of a slot's first word: the writer is at work on it.
BUSY = 1 << 63


@cache
def slots_at(capacity: int) -> int:
    """Where the first slot of a ring lies: where the first message is found."""
    ring, readers = Block(multicast_bytes(capacity)), Block(readers_bytes())
    create_multicast(ring, readers, capacity, "wire")
    mark = np.frombuffer(bytes(8) + b"\xa5" * (LINE - 8), MESSAGE)
    Writer(ring, readers).publish(mark)
    return bytes(ring.buffer()).index(b"\xa5" * 20) - 8


class Wire:
    """A ring of `capacity` messages for one reader, behind the stream by what `step` leaves."""

    def __init__(
        self, ring: Memory, directories: Sequence[Path], segment: int, capacity: int
    ) -> None:
        self.memory = Block(multicast_bytes(capacity))
        self._readers = Block(readers_bytes())
        create_multicast(self.memory, self._readers, capacity, "wire")
        self._writer = Writer(self.memory, self._readers)
        self._source = Replay(ring, directories, 1, segment)
        self._capacity = capacity
        self._bytes = self.memory.buffer()
        self._at = slots_at(capacity)
        self._sent = bytearray()
        self._spoiled: dict[int, bytes] = {}  # by sequence: what its slot must show

    def step(self, limit: int) -> int:
        """Let up to `limit` messages through; what was spoiled is right again."""
        self._mend()
        try:
            lines = self._source.poll(limit)
        except Lapped:
            # Nobody has it now: a journal is dead, and will be mended.
            return 0
        self._sent += lines.tobytes()
        done = 0
        while done < len(lines):
            # A ring's length at a time: the reader is lapped within one step.
            done += self._writer.publish(lines[done:])
        return done

    def drop(self, draw: Draw) -> bool:
        """One of the last messages is gone; False: there is none."""
        sequence = self._some(draw)
        if sequence == 0:
            return False
        self._spoiled.pop(sequence, None)
        self._bytes[self._slot(sequence)][:8] = (sequence + self._capacity | BUSY).to_bytes(
            8, "little"
        )
        return True

    def duplicate(self, draw: Draw) -> bool:
        """One of the last messages is the one of a lap ago, until the next step."""
        sequence = self._some(draw)
        if sequence <= self._capacity or sequence in self._spoiled:
            return False
        slot = self._slot(sequence)
        self._spoiled[sequence] = bytes(self._bytes[slot])
        at = (sequence - self._capacity - 1) * LINE
        self._bytes[slot] = self._sent[at : at + LINE]
        return True

    def close(self) -> None:
        self._source.close()
        self._bytes.release()

    def _some(self, draw: Draw) -> int:
        last = self._writer.next - 1
        return last - draw.below(min(last, self._capacity)) if last else 0

    def _slot(self, sequence: int) -> slice:
        at = self._at + (sequence - 1) % self._capacity * LINE
        return slice(at, at + LINE)

    def _mend(self) -> None:
        for sequence, line in self._spoiled.items():
            if sequence > self._writer.next - 1 - self._capacity:
                self._bytes[self._slot(sequence)] = line
        self._spoiled.clear()


class Follower:
    """A lossy reader that keeps all it gets: replay, then live, then replay again."""

    def __init__(self, memory: Memory, directories: Sequence[Path], segment: int, start: int):
        self.start = start
        self.got: list[bytes] = []
        self.next = start
        self._replay = Replay(memory, directories, start, segment)

    def step(self, limit: int) -> int:
        try:
            lines = self._replay.poll(limit)
        except Lapped:
            return 0
        if len(lines):
            assert int(lines["sequence"][0]) == self.next, "a gap, or a repeat"
            self.got.append(lines.tobytes())
            self.next += len(lines)
        return len(lines)

    @property
    def lag(self) -> int:
        return self._replay.lag

    def close(self) -> None:
        self._replay.close()
