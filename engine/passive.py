"""Passive engine: makes a recorded stream once more from its contributed lines, and compares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from engine._engine import lib
from engine.book import Book
from engine.fused import Size, make_lanes
from engine.publisher import Publisher
from engine.shard import Shard
from ringbus._ringbus import ffi as ringbus_ffi
from ringbus._ringbus import lib as ringbus
from ringbus.core import Core, create_page, page_bytes
from ringbus.describe import describe
from ringbus.idle import bells_bytes, create_bells
from ringbus.lane import Lane
from ringbus.memory import Block
from ringbus.messages import (
    CANCEL,
    DTYPES,
    INSTRUMENT_NONE,
    MESSAGE,
    NEW_ORDER,
    REJECTED,
    REPLACE,
    Flag,
    RejectReason,
    Template,
)
from ringbus.multicast import Reader, create_multicast, multicast_bytes, readers_bytes
from ringbus.status import RingbusError, UsageError, check

# Lines taken at a time: they lie on the lanes at once, and in the caches.
STEP = 4096
# Lines published between two looks of the reader; the ring holds them all.
RING = 4096
# A topic is a u16: none that was recorded can be out of range.
TOPICS = 1 << 16
# No such time in force: what an order has that was refused for it.
TIME_IN_FORCE_NONE = 255

# Lines of a proposal, and what its lines behind the first are.
GROUP_LINES_MAX = 10
BEHIND = (Template.ORDER_TAG, Template.ORDER_TERMS, Template.LEG)
# In place of a shard's number.
ALL_SHARDS = 255

_INSTRUMENT = 8  # u4 of the line
# What a Rejected line still shows to be so.
_ORDER_REASONS = (
    RejectReason.INVALID_SIDE,
    RejectReason.INVALID_QUANTITY,
    RejectReason.INVALID_PRICE,
    RejectReason.INVALID_TIME_IN_FORCE,
)
_CANCEL_REASONS = (RejectReason.UNKNOWN_ORDER, RejectReason.INVALID_QUANTITY)
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
    Thread: one. Source: the agents of engine/shard.h and engine/publisher.h.
    """

    def __init__(self, size: Size, shard_of: bytes) -> None:
        if len(shard_of) != size.instruments or any(n >= size.shards for n in shard_of):
            raise UsageError("shard_of must name a shard below `shards` for each instrument")
        self.size = size
        # One more place: what has no instrument, or one that does not exist, is shard 0's.
        self._shard_of = np.frombuffer(shard_of + b"\0", np.uint8)
        bells, page = Block(bells_bytes()), Block(page_bytes())
        create_bells(bells, "passive")
        create_page(page, "passive")
        self._core = Core(page, bells, "passive", "spin", "manual")
        ring, readers = Block(multicast_bytes(RING)), Block(readers_bytes())
        create_multicast(ring, readers, RING, "passive")
        inward = make_lanes("in", size.shards, 2 * STEP)
        outward = make_lanes("out", size.shards, 2 * STEP)
        self._lanes = [Lane(memory) for memory in inward]
        self.books = [
            Book(size.instruments, size.orders, size.price_nodes) for _ in range(size.shards)
        ]
        self._shards = [
            Shard(self._core, n, inward[n], outward[n], self.books[n], TOPICS)
            for n in range(size.shards)
        ]
        self._publisher = Publisher(self._core, ring, readers, outward)
        self._reader = Reader(ring)
        self._inputs = 0
        self._lines = 0
        self._divergence: Divergence | None = None
        self._held: NDArray[np.void] = np.zeros(0, MESSAGE)
        self._ahead: NDArray[np.void] = np.zeros(0, MESSAGE)

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
        for start in range(0, len(lines), STEP):
            self._step(lines[start : start + STEP])

    def close(self) -> None:
        """Give bell and books back."""
        self._core.close()
        for book in self.books:
            book.close()

    def __enter__(self) -> PassiveEngine:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def _step(self, lines: NDArray[np.void]) -> None:
        if len(self._held):
            lines = np.concatenate((self._held, lines))
        whole = len(lines) - unfinished(lines)
        self._held = lines[whole:].copy()
        lines = lines[:whole]
        proposals, firsts, shards = self._proposals(lines)
        inputs = np.cumsum(firsts, dtype=np.uint32)
        proposals["checksum"] = inputs + np.uint32(self._inputs & 0xFFFFFFFF)
        self._inputs += int(firsts.sum())
        for n, lane in enumerate(self._lanes):
            lane.offer(proposals[(shards == n) | (shards == ALL_SHARDS)])
        self._compare(lines)

    def _proposals(
        self, lines: NDArray[np.void]
    ) -> tuple[NDArray[np.void], NDArray[np.bool_], NDArray[np.uint8]]:
        """What the sequencer had put onto the shards' lanes, but for input numbers.

        Returns: shape (m,), dtype MESSAGE; which of them begin a group; the shard of each. A
        Continued line that nothing follows goes on alone, a line that follows none not at all: that
        the record is wrong there is then found by comparison, as any other difference.
        """
        firsts = _is_first(lines)
        taken = firsts | _is_behind(lines, firsts)
        out: NDArray[np.void] = lines[taken]
        firsts = firsts[taken]
        recorded = out["shard"].copy()
        is_broadcast = firsts & ((out["flags"] & Flag.BROADCAST) != 0)
        goes_on = np.zeros(len(out), np.bool_)
        goes_on[:-1] = ~firsts[1:]
        out["flags"] = Flag.REPLAYED
        out["flags"] |= np.where(goes_on, np.uint8(Flag.CONTINUED), np.uint8(Flag.LAST_OF_GROUP))
        out["flags"][is_broadcast] |= np.uint8(Flag.BROADCAST)
        out["shard"] = 0
        _restore(out)
        instruments = out.view("<u4").reshape(-1, 16)[:, _INSTRUMENT]
        shards = self._shard_of[np.minimum(instruments, self.size.instruments)]
        # A refusal of the sequencer went where its contributor had counted, which is not in it.
        refused = (out["flags"] & Flag.REFUSED) != 0
        shards[refused] = np.minimum(recorded[refused], self.size.shards - 1)
        shards[is_broadcast] = ALL_SHARDS
        return out, firsts, shards[np.maximum.accumulate(np.where(firsts, np.arange(len(out)), 0))]

    def _compare(self, lines: NDArray[np.void]) -> None:
        """Run the agents until they rest, and compare what they say with `lines`."""
        fresh = self._ahead
        at = 0
        while True:
            count = min(len(fresh), len(lines) - at)
            self._same(lines[at : at + count], fresh[:count])
            at += count
            if count < len(fresh):
                # Only the last lines of the last groups can be ahead of the record.
                self._ahead = np.concatenate([fresh[count:].copy(), *self._rest()])
                break
            if self._work() == 0:
                self._ahead = np.zeros(0, MESSAGE)
                break
            fresh = self._reader.poll()
        if at < len(lines):
            self._diverge(lines[at], None)

    def _rest(self) -> list[NDArray[np.void]]:
        out = []
        while self._work() != 0:
            out.append(self._reader.poll().copy())
        return out

    def _work(self) -> int:
        """One round over the agents; all that is published fits on the ring and into one poll."""
        work = 0
        for shard in self._shards:
            work += check(lib.eng_shard_work(shard.state, STEP), "shard", lib)
        return work + check(lib.eng_publisher_work(self._publisher.state, RING), "publisher", lib)

    def _same(self, recorded: NDArray[np.void], regenerated: NDArray[np.void]) -> None:
        words = recorded.view("<u8").reshape(-1, 8)
        other = regenerated.view("<u8").reshape(-1, 8)
        if np.array_equal(words, other):
            self._lines += len(recorded)
            return
        at = int(np.argmax((words != other).any(axis=1)))
        self._lines += at
        self._diverge(recorded[at], regenerated[at])

    def _diverge(self, recorded: np.void, regenerated: np.void | None) -> NoReturn:
        # Copies: what they lie in is reused, and a scalar of an array is a view of it.
        other = None if regenerated is None else regenerated.copy()
        self._divergence = Divergence(self._lines + 1, recorded.copy(), other)
        raise self._divergence


def _is_first(lines: NDArray[np.void]) -> NDArray[np.bool_]:
    """Whether a line begins a group: it was contributed, or stands for what was refused."""
    template = lines["template_id"]
    made = (lines["flags"] & Flag.GENERATED) != 0
    first: NDArray[np.bool_] = (~made & ~np.isin(template, BEHIND)) | (
        template == Template.REJECTED
    )
    return first


def _is_behind(lines: NDArray[np.void], firsts: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a line belongs to a first line before it."""
    may = np.zeros(len(lines), np.bool_)
    may[1:] = (np.isin(lines["template_id"], BEHIND) & ~firsts)[1:]
    may[1:] &= (lines["flags"][:-1] & Flag.CONTINUED) != 0
    out = np.zeros(len(lines), np.bool_)
    for _ in range(GROUP_LINES_MAX - 1):
        out[1:] |= may[1:] & (firsts | out)[:-1]
    return out


def unfinished(lines: NDArray[np.void]) -> int:
    """How many of the stream's last lines are of a proposal whose other lines are still to come.

    Args: lines: shape (n,), dtype MESSAGE; the last ten are enough.
    """
    tail = lines[-GROUP_LINES_MAX + 1 :]
    firsts = _is_first(tail)
    if len(tail) == 0 or not int(tail["flags"][-1]) & Flag.CONTINUED or not firsts.any():
        return 0
    at = int(np.flatnonzero(firsts)[-1])
    return len(tail) - at if _is_behind(tail, firsts)[at + 1 :].all() else 0


def _restore(out: NDArray[np.void]) -> None:
    """Take out of the lines what the book fills in: it is zero in a proposal."""
    template = out["template_id"]
    out.view(NEW_ORDER)["locate"][template == Template.NEW_ORDER] = 0
    cancel, cancels = template == Template.CANCEL, out.view(CANCEL)
    cancels["price_ticks"][cancel] = 0
    cancels["side"][cancel] = 0
    cancels["remaining"][cancel] = 0
    out.view(REPLACE)["side"][template == Template.REPLACE] = 0
    if (template == Template.REJECTED).any():
        _restore_refused(out)


def _restore_refused(out: NDArray[np.void]) -> None:
    """Turn Rejected lines back into what was refused, or into refusals that are said again."""
    rejected = out.view(REJECTED)
    reason = rejected["reason"].copy()
    refused = out["template_id"] == Template.REJECTED
    decided = refused & (rejected["instrument"] != INSTRUMENT_NONE)
    new = decided & (rejected["refused_template"] == Template.NEW_ORDER)
    new &= np.isin(reason, _ORDER_REASONS)
    cancel = decided & (rejected["refused_template"] == Template.CANCEL)
    cancel &= np.isin(reason, _CANCEL_REASONS)
    out["flags"][refused & ~new & ~cancel] |= np.uint8(Flag.REFUSED)
    tail = out.view("u1").reshape(-1, MESSAGE.itemsize)[:, 57:]
    tail[new | cancel] = 0
    orders = out.view(NEW_ORDER)
    orders["template_id"][new] = Template.NEW_ORDER
    orders["time_in_force"][new & (reason == RejectReason.INVALID_TIME_IN_FORCE)] = (
        TIME_IN_FORCE_NONE
    )
    orders["template_id"][cancel] = Template.CANCEL


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
