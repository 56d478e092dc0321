"""Book: the open orders of a set of instruments, driven without rings."""

from __future__ import annotations

from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from engine._engine import ffi, lib
from ringbus.messages import MESSAGE, NEW_ORDER
from ringbus.status import CapacityError, UsageError, check, statuses

FULL = {name: value for name, value, _ in statuses()}["FULL"]

# Answers of an ordinary message: itself turned round and one pair of executions.
LINES_PER_MESSAGE = 3
LINES_MIN = 64


def _pointer(messages: NDArray[np.void]) -> object:
    return ffi.cast("rb_message *", messages.ctypes.data)


class Book:
    """Instruments 0..instruments-1 with room for `orders` open orders and `nodes` trie nodes.

    A price takes up to 5 nodes of 520 bytes; prices that lie together share most of them. `handle`
    is the C book, for a shard. Thread: one. Source: engine/book.h.
    """

    def __init__(self, instruments: int, orders: int, nodes: int) -> None:
        for name, value in (("instruments", instruments), ("orders", orders), ("nodes", nodes)):
            if not 0 < value < 2**32:
                raise UsageError(f"book: {name} is {value}; see engine/book.h for the ranges")
        self.handle = lib.eng_book_create(instruments, orders, nodes)
        if self.handle == ffi.NULL:
            raise CapacityError(
                f"no book of {instruments} instruments, {orders} orders and {nodes} nodes: "
                "out of range (engine/book.h) or out of memory"
            )
        self._used = ffi.new("int64_t *")
        self._count = ffi.new("int64_t *")

    def _open(self) -> object:
        if self.handle == ffi.NULL:
            raise UsageError("the book is closed")
        return self.handle

    def submit(self, batch: NDArray[np.void], limit: int = 0) -> NDArray[np.void]:
        """Apply proposals one after the other.

        Args: batch: shape (n,), contiguous items of 64 bytes: NewOrder, Cancel or Replace, each
        with an OrderTag behind it if its Continued flag is set; limit: answer lines taken a call,
        2 at least; 0: as many as an ordinary batch needs.
        Returns: all answers, in order, dtype MESSAGE; `sequence` is zero.
        Raises: UsageError: not such messages; what came before them was applied. CorruptionError.
        Thread: the book's. One cffi call, more if answers outgrow the room.
        Source: eng_book_apply_batch.
        """
        if batch.dtype.itemsize != MESSAGE.itemsize or not batch.flags.c_contiguous:
            raise UsageError(f"messages must be contiguous items of 64 bytes, not {batch.dtype}")
        if len(batch) == 0:
            return np.zeros(0, MESSAGE)
        room = limit if limit != 0 else max(LINES_MIN, LINES_PER_MESSAGE * len(batch))
        answers: list[NDArray[np.void]] = []
        done = 0
        status = FULL
        while status == FULL:
            out: NDArray[np.void] = np.zeros(max(room, 0), MESSAGE)
            status = lib.eng_book_apply_batch(
                self._open(),
                _pointer(batch[done:]),
                len(batch) - done,
                _pointer(out),
                room,
                self._used,
                self._count,
            )
            done += self._used[0]
            answers.append(out[: self._count[0]])
        check(status, "book", lib)
        return np.concatenate(answers) if len(answers) != 1 else answers[0]

    def best(self, instrument: int, side: int) -> tuple[int, int]:
        """Best price of a side in ticks and the open quantity there; (0, 0) if the side is empty.

        Raises: NotFoundError: no such instrument. UsageError: no such side.
        """
        quantity = ffi.new("uint64_t *")
        price = check(lib.eng_book_best(self._open(), instrument, side, quantity), "book", lib)
        return price, int(quantity[0])

    def walk(self, instrument: int, side: int) -> NDArray[np.void]:
        """Open orders of a side, best first, then oldest first.

        Returns: shape (n,), dtype NEW_ORDER; quantity is what is open, unkept fields are zero.
        Raises: NotFoundError: no such instrument. UsageError: no such side.
        """
        count = check(lib.eng_book_orders(self._open(), instrument, side), "book", lib)
        out: NDArray[np.void] = np.zeros(count, NEW_ORDER)
        got = lib.eng_book_walk(self._open(), instrument, side, _pointer(out), 0, count)
        return out[: check(got, "book", lib)]

    def hash(self) -> int:
        """Hash of all open orders, their order and their locates."""
        return int(lib.eng_book_hash(self._open()))

    def verify(self) -> None:
        """Check every invariant of the structures. Raises: CorruptionError."""
        check(lib.eng_book_verify(self._open()), "book", lib)

    @property
    def open_orders(self) -> int:
        """Orders that rest in the book."""
        return int(lib.eng_book_open_orders(self._open()))

    @property
    def size_bytes(self) -> int:
        """Memory that the book holds."""
        return int(lib.eng_book_bytes(self._open()))

    def close(self) -> None:
        """Give the memory back; no shard may work on the book any more."""
        lib.eng_book_destroy(self.handle)
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
