"""Book: the open orders of a set of instruments, driven without rings."""

from __future__ import annotations

from types import TracebackType
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from engine._calls import Calls
from engine._engine import ffi, lib
from ringbus.messages import MESSAGE, NEW_ORDER, InstrumentState
from ringbus.status import CapacityError, CorruptionError, UsageError, check, statuses

STATUSES = {name: value for name, value, _ in statuses()}
OK = STATUSES["OK"]
FULL = STATUSES["FULL"]

# Answers of an ordinary message: itself turned round and one pair of executions.
LINES_PER_MESSAGE = 3
# So many lines are copied twice sooner than arrays are handed to cffi: 128 take 5.6 us so and 9.5
# the other way, 256 take 8.7 and 10.3 (AMD Zen 5, 2026-11).
FEW = 128

DEPTH = np.dtype([("price_ticks", "<i4"), ("orders", "<u4"), ("quantity", "<u8")])


class Book(Calls):
    """Instruments 0..instruments-1 with room for `orders` open orders and `nodes` trie nodes.

    One order a call: `new`, `cancel`, `reduce` and `replace` take numbers and return a tuple
    of Events. Batches, and everything else that a book can be told: `submit`.

    A price takes up to 5 nodes of 520 bytes; prices that lie together share most of them. `handle`
    is the C book, for a shard. Thread: one. Source: engine/book.h, engine/calls.c.
    """

    def __init__(self, instruments: int, orders: int, nodes: int) -> None:
        for name, value in (("instruments", instruments), ("orders", orders), ("nodes", nodes)):
            if not 0 < value < 2**32:
                raise UsageError(f"book: {name} is {value}; see engine/book.h for the ranges")
        handle = lib.eng_book_create(instruments, orders, nodes)
        if handle == ffi.NULL:
            raise CapacityError(
                f"no book of {instruments} instruments, {orders} orders and {nodes} nodes: "
                "out of range (engine/book.h) or out of memory"
            )
        # Freed with this object at the latest: an engine that is dropped drops its books.
        self.handle = ffi.gc(handle, lib.eng_book_destroy)
        self._attach(self.handle, int(ffi.cast("uintptr_t", handle)))
        self._used = ffi.new("int64_t *")
        self._count = ffi.new("int64_t *")
        self._quantity = ffi.new("uint64_t *")

    def _open(self) -> object:
        if self.handle == ffi.NULL:
            raise UsageError("the book is closed")
        return self.handle

    def _failed(self, status: int, text: str) -> NoReturn:
        """Say why _calls could not do it; `text`: a broken invariant's, of its own record."""
        self._open()
        if status == STATUSES["CORRUPT"]:
            raise CorruptionError(f"book: {text}", status)
        check(status, "book", lib)
        raise RuntimeError(f"book: status {status} is no failure")

    def submit(self, batch: NDArray[np.void], limit: int = 0) -> NDArray[np.void]:
        """Apply proposals one after the other.

        Args: batch: shape (n,), contiguous items of 64 bytes: proposals, each with the lines that
        belong to it behind it (the flag Continued says so); limit: answer lines taken a call, as
        many as a proposal has lines and 2 at least; 0: as many as an ordinary batch needs.
        Returns: all answers, in order, dtype MESSAGE; `sequence` is zero.
        Raises: UsageError: not such messages; what came before them was applied. CorruptionError.
        Thread: the book's. One cffi call, more if answers outgrow the room; a few messages go by
        _calls, without it. Source: eng_book_apply_batch.
        """
        if batch.dtype.itemsize != MESSAGE.itemsize or not batch.flags.c_contiguous:
            raise UsageError(f"messages must be contiguous items of 64 bytes, not {batch.dtype}")
        if len(batch) == 0:
            return np.zeros(0, MESSAGE)
        if limit == 0 and len(batch) <= FEW:
            return np.frombuffer(self._apply(batch.tobytes()), MESSAGE)
        room = limit if limit != 0 else LINES_PER_MESSAGE * len(batch)
        answers = []
        status, done = FULL, 0
        while status == FULL:
            out: NDArray[np.void] = np.zeros(max(room, 0), MESSAGE)
            lines = ffi.from_buffer("rb_message[]", out, require_writable=True)
            status = self._apply_lines(batch[done:], lines, room)
            done += self._used[0]
            answers.append(out[: self._count[0]])
        if status != OK:
            check(status, "book", lib)
        return np.concatenate(answers) if len(answers) != 1 else answers[0]

    def _apply_lines(self, batch: NDArray[np.void], lines: object, room: int) -> int:
        """Apply a batch once; _used says how many messages, _count how many lines came out."""
        messages = ffi.from_buffer("rb_message[]", batch)
        return int(
            lib.eng_book_apply_batch(
                self._open(), messages, len(batch), lines, room, self._used, self._count
            )
        )

    def best(self, instrument: int, side: int) -> tuple[int, int]:
        """Best displayed price of a side in ticks and the quantity displayed there, else (0, 0).

        Raises: NotFoundError: no such instrument. UsageError: no such side.
        """
        price = lib.eng_book_best(self._open(), instrument, side, self._quantity)
        return check(price, "book", lib), int(self._quantity[0])

    def depth(self, instrument: int, side: int, limit: int = 10) -> NDArray[np.void]:
        """Displayed prices of a side, best first, up to `limit`.

        Returns: shape (n,), dtype DEPTH: price_ticks, orders, quantity displayed.
        Raises: NotFoundError: no such instrument. UsageError: no such side.
        """
        out: NDArray[np.void] = np.zeros(max(limit, 0), DEPTH)
        levels = ffi.from_buffer("eng_depth[]", out, require_writable=True)
        got = lib.eng_book_depth(self._open(), instrument, side, levels, limit)
        return out[: check(got, "book", lib)]

    def walk(self, instrument: int, side: int) -> NDArray[np.void]:
        """Resting orders of a side in priority order, hidden ones in their place.

        Returns: shape (n,), dtype NEW_ORDER; quantity is all that is open, unkept fields are zero.
        Raises: NotFoundError: no such instrument. UsageError: no such side.
        """
        count = check(lib.eng_book_orders(self._open(), instrument, side), "book", lib)
        out: NDArray[np.void] = np.zeros(count, NEW_ORDER)
        lines = ffi.from_buffer("rb_message[]", out, require_writable=True)
        got = lib.eng_book_walk(self._open(), instrument, side, lines, 0, count)
        return out[: check(got, "book", lib)]

    def walk_held(self, instrument: int) -> NDArray[np.void]:
        """Orders that are held for a cross, both sides, in the order in which they were held.

        Returns: as `walk`; the time in force says what they wait for.
        Raises: NotFoundError: no such instrument.
        """
        count = check(lib.eng_book_held_orders(self._open(), instrument), "book", lib)
        out: NDArray[np.void] = np.zeros(count, NEW_ORDER)
        lines = ffi.from_buffer("rb_message[]", out, require_writable=True)
        got = lib.eng_book_walk_held(self._open(), instrument, lines, 0, count)
        return out[: check(got, "book", lib)]

    def state(self, instrument: int) -> InstrumentState:
        """What the instrument does now. Raises: NotFoundError: no such instrument."""
        return InstrumentState(check(lib.eng_book_state(self._open(), instrument), "book", lib))

    def changes(self, instrument: int) -> int:
        """The count that a CrossResult has to name. Raises: NotFoundError: no such instrument."""
        return int(check(lib.eng_book_changes(self._open(), instrument), "book", lib))

    def hash(self) -> int:
        """Hash of all open orders, their order and locates, of states and changes."""
        return int(lib.eng_book_hash(self._open()))

    def verify(self) -> None:
        """Check every invariant of the structures. Raises: CorruptionError."""
        check(lib.eng_book_verify(self._open()), "book", lib)

    @property
    def open_orders(self) -> int:
        """Orders that rest or are held."""
        return int(lib.eng_book_open_orders(self._open()))

    @property
    def size_bytes(self) -> int:
        """Memory that the book holds."""
        return int(lib.eng_book_bytes(self._open()))

    def close(self) -> None:
        """Give the memory back; no shard may work on the book any more."""
        if self.handle != ffi.NULL:
            self._detach()
            ffi.release(self.handle)
            self.handle = ffi.NULL

    def __enter__(self) -> Book:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
