"""What carries messages between two processes, as the benchmark sees it: one adapter a module."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# In batches of so many, over queues that hold so many.
BATCH = 1024
SLOTS = 1 << 14

Messages = NDArray[np.void]


def message_type(size: int) -> np.dtype[np.void]:
    """A message of `size` bytes: `n` is its number, `head` may be the transport's."""
    return np.dtype([("head", "<u8"), ("n", "<u8"), ("rest", f"V{size - 16}")])


MESSAGE = message_type(64)
# Where the transport's own word takes the first 8 bytes of the cache line.
LINE = message_type(56)


@dataclass(frozen=True, slots=True)
class End:
    """One side of a connection; every call waits, by looking again, until it can.

    Functions, not methods: what a user would call is called, with as little as can be in between.
    `receive_batch` gives 1 to `limit` messages. Neither: there is no call for several messages.
    """

    send: Callable[[bytes], object]
    receive: Callable[[], bytes | None]
    send_batch: Callable[[Messages], None] | None = None
    receive_batch: Callable[[int], Messages] | None = None


Connect = Callable[[bool], End]
Made = AbstractContextManager[Connect]


@dataclass(frozen=True, slots=True)
class Abilities:
    """What it can and cannot do, in a few words each; each adapter names its source."""

    broadcast: str
    loss: str
    crash: str
    processes: str
    replay: str


@dataclass(frozen=True, slots=True)
class Contender:
    """`make` is entered before the fork, with a directory of its own; each side calls its result.

    `module` is what is imported. One that is `lossy` may overwrite what was not read: its sender
    waits for word of its receiver every SLOTS / 4 messages. `share`: of the messages of a burst, so
    that none takes minutes. `message`: what it carries in the place of a message of 64 bytes.
    """

    name: str
    module: str
    make: Callable[[Path], Made]
    can: Abilities
    lossy: bool = False
    share: float = 1.0
    message: np.dtype[np.void] = MESSAGE
