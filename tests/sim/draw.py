"""Chance: every decision of a simulated run comes from one seed, in one order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """Draws from a seed: 30,000 times a run, of which `random.choice` took a quarter."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.share = self._random.random
        """A number in 0..1."""

    def below(self, count: int) -> int:
        """One of 0..count-1; count is far below 2^53."""
        return int(self.share() * count)

    def between(self, first: int, last: int) -> int:
        """One of first..last."""
        return first + int(self.share() * (last - first + 1))

    def choice(self, of: Sequence[T]) -> T:
        """One of them."""
        return of[int(self.share() * len(of))]

    def some(self, of: Sequence[T]) -> list[T]:
        """One of them or more, without a repeat."""
        return self._random.sample(of, self.between(1, len(of)))

    def bytes(self, count: int) -> bytes:
        """Any bytes."""
        return self._random.randbytes(count)
