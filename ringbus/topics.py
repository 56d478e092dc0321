"""Topics: the last number of every topic in every shard, as a reader of the stream knows it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import ffi, lib
from ringbus.status import check


class Topics:
    """Counts the numbers of all topics.

    Args: topics: topics are 0..topics-1; shards: of the engine.
    Thread: one. Source: ringbus/topics.h.
    """

    def __init__(self, topics: int, shards: int) -> None:
        self.last: NDArray[np.uint32] = np.zeros((shards, topics), np.uint32)
        self._handle = ffi.new("rb_topics *")
        numbers = ffi.from_buffer("uint32_t[]", self.last, require_writable=True)
        self._numbers = numbers
        check(lib.rb_topics_init(self._handle, numbers, topics, shards), "topics")

    def hear(self, batch: NDArray[np.void]) -> None:
        """Count the next messages of the stream: shape (n,), dtype MESSAGE, none left out.

        Raises: CorruptionError: one has not the number that is its turn.
        """
        if len(batch):
            check(lib.rb_topics_hear(self._handle, ffi.from_buffer(batch), len(batch)), "topics")

    def next(self, topic: int, shard: int) -> int:
        """The number that a proposal names."""
        return int(self.last[shard, topic]) + 1

    @property
    def epoch(self) -> int:
        """The reign that proposals are made to."""
        return int(lib.rb_topics_epoch(self._handle))

    @property
    def reign(self) -> int:
        """What a proposal says of it in its first line's `reserved` byte."""
        return int(lib.rb_topics_reign(self._handle))
