"""Filter: which messages of a stream an application wants; the rest it never sees."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import ffi, lib
from ringbus.messages import MESSAGE
from ringbus.status import UsageError, check

INSTRUMENTS_MAX = 1 << 20


def _numbers(what: str, numbers: Collection[int], limit: int) -> list[int]:
    out = sorted(int(number) for number in numbers)
    if not out:
        raise UsageError(f"{what}: an empty set lets nothing through; leave it out for all")
    if out[0] < 0 or out[-1] >= limit:
        wrong = out[0] if out[0] < 0 else out[-1]
        raise UsageError(f"{what}: {wrong} is outside 0..{limit - 1}")
    return out


class Filter:
    """Lets through what every given set holds; a set that is left out holds everything.

    Args: templates: of ringbus.messages.Template; topics, shards, instruments, accounts: numbers.
    With instruments or accounts, messages without one are not wanted. The other lines of a message
    go with its first.
    Raises: UsageError: a set is empty or holds a number out of range.
    Thread: one; a filter serves one reader, from message to message.
    Source: ringbus/filter.h.
    """

    def __init__(
        self,
        templates: Collection[int] | None = None,
        topics: Collection[int] | None = None,
        shards: Collection[int] | None = None,
        instruments: Collection[int] | None = None,
        accounts: Collection[int] | None = None,
    ) -> None:
        self._handle = ffi.new("rb_filter *")
        lib.rb_filter_init(self._handle)
        if templates is not None:
            ids = _numbers("templates", templates, 256)
            check(lib.rb_filter_templates(self._handle, bytes(ids), len(ids)), "templates")
        if topics is not None:
            wanted = ffi.new("uint16_t[]", _numbers("topics", topics, 1 << 16))
            check(lib.rb_filter_topics(self._handle, wanted, len(wanted)), "topics")
        if shards is not None:
            numbers = _numbers("shards", shards, 256)
            check(lib.rb_filter_shards(self._handle, bytes(numbers), len(numbers)), "shards")
        if accounts is not None:
            of = ffi.new("uint16_t[]", _numbers("accounts", accounts, 1 << 16))
            check(lib.rb_filter_accounts(self._handle, of, len(of)), "accounts")
        if instruments is not None:
            every = _numbers("instruments", instruments, INSTRUMENTS_MAX)
            bits = np.zeros(every[-1] // 64 + 1, np.uint64)
            for number in every:
                bits[number // 64] |= np.uint64(1) << np.uint64(number % 64)
            self._bits = ffi.new("uint64_t[]", bits.tolist())
            lib.rb_filter_instruments(self._handle, self._bits, len(bits) * 64)

    def keep(self, batch: NDArray[np.void]) -> NDArray[np.void]:
        """Throw out of `batch` what is not wanted, in place.

        Args: batch: shape (n,), dtype MESSAGE, contiguous and writable, as Replay.poll gives it;
        batches must come in the stream's order.
        Returns: the wanted ones, shape (m,), m <= n, a view of the front of `batch`.
        Raises: UsageError: it is no such array.
        """
        flags = batch.flags
        if batch.dtype.itemsize != MESSAGE.itemsize or not (flags.c_contiguous and flags.writeable):
            raise UsageError("a filter works in place on contiguous, writable messages of 64 bytes")
        if not len(batch):
            return batch
        kept = lib.rb_filter_keep(self._handle, ffi.from_buffer(batch), len(batch))
        return batch[:kept]
