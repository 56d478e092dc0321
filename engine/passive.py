"""Passive engine: makes a recorded stream once more from its contributed lines, and compares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from engine._engine import ffi, lib
from engine.book import Book
from engine.fused import Size, make_lanes
from engine.publisher import Publisher
from engine.shard import Shard
from ringbus._ringbus import ffi as ringbus_ffi
from ringbus._ringbus import lib as ringbus
from ringbus.core import Core, create_page, page_bytes
from ringbus.describe import describe
from ringbus.idle import bells_bytes, create_bells
from ringbus.memory import Block
from ringbus.messages import DTYPES, MESSAGE, REJECTED, RejectReason, Template
from ringbus.multicast import create_multicast, multicast_bytes, readers_bytes
from ringbus.status import RingbusError, UsageError, check

# Slots of a lane for one shard, and lines published between two looks: small enough to stay in the
# caches beside a book. Beside lanes of 1,024 a day of 4 M messages took 0.88 of the time with 512,
# 0.96 with 256 (AMD Zen 5, 2026-11).
LANE = 512
RING = 1024
# Lines of a proposal, as engine/book.h has it.
GROUP_LINES_MAX = 14
# A topic is a u16: none that was recorded can be out of range.
TOPICS = 1 << 16
# Of refusals that a book with more room would not have made.
_CAPACITY = (RejectReason.ORDER_CAPACITY, RejectReason.PRICE_CAPACITY)


class Divergence(RingbusError):
    """The engine would not have said what was recorded.

    `sequence` is the first line that differs; `recorded` and `regenerated` are scalars of dtype
    MESSAGE, the latter None if the engine had nothing more to say.
    """

    def __init__(self, sequence: int, recorded: np.void, regenerated: np.void | None) -> None:
        self.sequence = sequence
        self.recorded = recorded
        self.regenerated = regenerated
        lines = [
            f"message {sequence} differs{_where(recorded, regenerated)}",
            f"  recorded:    {describe(recorded)}",
            f"  regenerated: {describe(regenerated)}",
        ]
        if not _is_sealed(recorded):
            lines.append("  the recorded line does not match its checksum: the record is damaged")
        if regenerated is not None and _is_capacity(regenerated):
            lines.append("  this engine has less room than the recorded one: give it those limits")
        super().__init__("\n".join(lines))


class PassiveEngine:
    """Shards and publisher, fed with what contributors said according to a recorded stream.

    `feed` takes the stream from message 1 on, in batches of any size. Every contributed line is
    turned back into the proposal that it was and goes through the same C agents as on the day; what
    they say is compared byte for byte with what was recorded: locates, topic numbers, trades,
    sequences, checksums, everything. The sequencer does not take part: which proposals were taken,
    in which order and at what time, is what was recorded. Dropped proposals left no line and
    changed nothing.

    A proposal that was refused is on the stream only as its Rejected line, which keeps what stands
    before the options. A NewOrder or Cancel that a book refused for something that is still there
    (side, quantity, price, time in force, an unknown order) is rebuilt and decided anew. The others
    are taken as recorded, which means that they are said again without a decision: what the
    sequencer refused; of other templates; for their options or the instrument's state; and for lack
    of room, since the size of a book is not on the stream. A build that would accept one of these
    is not found out by them. Likewise fields that a contributed line only carries are input: a
    change of one shows where the engine uses it, or not at all.

    Args: size: instruments, shards, and orders and price_nodes of each book, as on the day or more;
    the rest of it is not used. shard_of: shard by instrument.
    Thread: one. Source: engine/passive.h, and the agents of engine/shard.h and engine/publisher.h.
    """

    def __init__(self, size: Size, shard_of: bytes) -> None:
        if len(shard_of) != size.instruments or any(n >= size.shards for n in shard_of):
            raise UsageError("shard_of must name a shard below `shards` for each instrument")
        self.size = size
        bells, page = Block(bells_bytes()), Block(page_bytes())
        create_bells(bells, "passive")
        create_page(page, "passive")
        self._core = Core(page, bells, "passive", "spin", "manual")
        ring, readers = Block(multicast_bytes(RING)), Block(readers_bytes())
        create_multicast(ring, readers, RING, "passive")
        slots = LANE << (size.shards - 1).bit_length()
        inward = make_lanes("in", size.shards, slots)
        outward = make_lanes("out", size.shards, slots)
        self.books = [
            Book(size.instruments, size.orders, size.price_nodes) for _ in range(size.shards)
        ]
        self._shards = [
            Shard(self._core, n, inward[n], outward[n], self.books[n], TOPICS)
            for n in range(size.shards)
        ]
        self._publisher = Publisher(self._core, ring, readers, outward)
        self._shard_of = ffi.new("uint8_t[]", shard_of)
        self._passive = ffi.new("eng_passive *")
        status = lib.eng_passive_init(
            *(self._passive, self._shard_of, len(shard_of)),
            *(self._publisher.state, ring.address, ring.size),
        )
        check(status, "passive", lib)
        for shard, memory in zip(self._shards, inward, strict=True):
            status = lib.eng_passive_add_shard(
                self._passive, shard.state, memory.address, memory.size
            )
            check(status, "lane to a shard", lib)
        self._lines = 0
        self._divergence: Divergence | None = None
        self._held: NDArray[np.void] = np.zeros(0, MESSAGE)
        self._taken: NDArray[np.void] = np.zeros(RING, MESSAGE)
        self._taken_at = ffi.from_buffer(self._taken)
        self._ahead = self._taken[:0]

    @property
    def lines(self) -> int:
        """Recorded lines that were made once more and are identical."""
        return self._lines

    @property
    def ahead(self) -> NDArray[np.void]:
        """What the engine said beyond what was fed so far.

        At the end of a day: the rest of the last group, which a killed engine had left half-said.
        """
        return self._ahead

    @property
    def divergence(self) -> Divergence | None:
        """The first line that differed, if one did."""
        return self._divergence

    @property
    def epochs(self) -> int:
        """EpochStart lines in what was fed: engines that reigned behind the first."""
        return int(lib.eng_passive_epochs(self._passive))

    @property
    def is_over(self) -> bool:
        """Whether EndOfDay was fed."""
        return bool(lib.eng_passive_is_over(self._passive))

    @property
    def held(self) -> NDArray[np.void]:
        """Recorded lines of a proposal whose other lines have not come: not applied yet."""
        return self._held

    @property
    def shards(self) -> Sequence[Shard]:
        """The shards, with the books and topic numbers of what was fed."""
        return self._shards

    def feed(self, batch: NDArray[np.void]) -> None:
        """Take the next lines of the recorded stream.

        Args: batch: shape (n,), contiguous items of 64 bytes; read only.
        Raises: Divergence: at the first line that differs, and at every call after it.
        """
        if self._divergence is not None:
            raise self._divergence
        if batch.dtype.itemsize != MESSAGE.itemsize or not batch.flags.c_contiguous:
            raise UsageError(f"messages must be contiguous items of 64 bytes, not {batch.dtype}")
        lines = batch.view(MESSAGE)
        if len(self._held):
            lines = np.concatenate((self._held, lines))
        whole = len(lines) - unfinished(lines)
        self._held = lines[whole:].copy()
        self._compare(lines[:whole])

    def close(self) -> None:
        """Give bell and books back."""
        self._core.close()
        for book in self.books:
            book.close()

    def __enter__(self) -> PassiveEngine:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def _compare(self, lines: NDArray[np.void]) -> None:
        """Make lines once more. What the engine says beyond them is kept for the next ones."""
        ahead = self._ahead
        known = min(len(ahead), len(lines))
        for n in range(known):
            if lines[n].tobytes() != ahead[n].tobytes():
                self._diverge(lines[n], ahead[n])
            self._lines += 1
        self._ahead = ahead[known:]
        if known == len(lines):
            return
        rest = np.ascontiguousarray(lines[known:])
        address = ffi.from_buffer(rest)
        same = check(lib.eng_passive_follow(self._passive, address, len(rest)), "passive", lib)
        self._lines += same
        self._ahead = self._take()
        if same < len(rest):
            self._diverge(rest[same], self._ahead[0] if len(self._ahead) else None)

    def _take(self) -> NDArray[np.void]:
        """What the engine says beyond what is recorded, until it rests."""
        out = []
        while True:
            count = lib.eng_passive_take(self._passive, self._taken_at, RING)
            if check(count, "passive", lib) > 0:
                out.append(self._taken[:count].copy())
            if check(lib.eng_passive_work(self._passive), "passive", lib) == 0:
                return np.concatenate(out) if out else self._taken[:0]

    def _diverge(self, recorded: np.void, regenerated: np.void | None) -> NoReturn:
        # Copies: what they lie in is reused, and a scalar of an array is a view of it.
        other = None if regenerated is None else regenerated.copy()
        self._divergence = Divergence(self._lines + 1, recorded.copy(), other)
        raise self._divergence


def unfinished(lines: NDArray[np.void]) -> int:
    """How many of the stream's last lines are of a proposal whose other lines are still to come.

    Args: lines: shape (n,), contiguous, dtype MESSAGE; the last ten are enough.
    """
    address = ffi.from_buffer(lines) if len(lines) else ffi.NULL
    return int(lib.eng_passive_unfinished(address, len(lines)))


def _where(recorded: np.void, regenerated: np.void | None) -> str:
    """The first byte that differs and the field that it belongs to."""
    if regenerated is None:
        return ""
    one, two = recorded.tobytes(), regenerated.tobytes()
    at = next((n for n in range(MESSAGE.itemsize) if one[n] != two[n]), 0)
    template = int(regenerated["template_id"])
    dtype = DTYPES[Template(template)] if template in DTYPES else MESSAGE
    assert dtype.fields is not None
    # Fields stand in the order of their offsets.
    name = [name for name, field in dtype.fields.items() if field[1] <= at][-1]
    return f" at byte {at} ({name})"


def _is_sealed(line: np.void) -> bool:
    return int(ringbus.rb_messages_verify(ringbus_ffi.from_buffer(line.tobytes()), 1)) == 1


def _is_capacity(line: np.void) -> bool:
    if int(line["template_id"]) != Template.REJECTED:
        return False
    return int(np.frombuffer(line.tobytes(), REJECTED)[0]["reason"]) in _CAPACITY
