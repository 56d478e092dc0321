"""Replay: the stream from any message on, from the journal's files and then live from the ring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import ffi, lib
from ringbus.journal import SEGMENT_MESSAGES
from ringbus.memory import Memory
from ringbus.messages import MESSAGE
from ringbus.status import check


def journals(directory: Path | Sequence[Path] | None) -> list[bytes]:
    """One directory, several or none, as C takes them."""
    if directory is None:
        return []
    return [
        str(one).encode() for one in ([directory] if isinstance(directory, Path) else directory)
    ]


@dataclass(frozen=True, slots=True)
class Stream:
    """Where a process reads the stream: the ring, and the files of a journal or several.

    What it shows to the world waits until `copies` journals have it durably, by their `marks`.
    """

    ring: Memory
    directory: Path | Sequence[Path] | None = None
    segment_messages: int = SEGMENT_MESSAGES
    marks: Memory | None = None
    copies: int = 0

    def replay(self, start: int = 1) -> Replay:
        """A reader from message `start` on."""
        return Replay(self.ring, self.directory, start, self.segment_messages)


class Replay:
    """A reader that starts at message `start` and ends up live, without a gap or a repeat.

    Args: ring: the stream, may be mapped read-only, None for files only; directory: of the journal,
    or of up to four, of which any may have a message whole; None for the ring only;
    segment_messages: as the journal has it.
    Raises: Lapped by `poll`: the ring has lost what the files do not have.
    Thread: one. Source: ringbus/replay.h.
    """

    def __init__(
        self,
        ring: Memory | None,
        directory: Path | Sequence[Path] | None = None,
        start: int = 1,
        segment_messages: int = SEGMENT_MESSAGES,
    ) -> None:
        self._memory = ring
        directories = journals(directory)
        self.handle = ffi.new("rb_replay *")
        check(
            lib.rb_replay_attach(
                self.handle,
                ffi.NULL if ring is None else ring.address,
                0 if ring is None else ring.size,
                directories[0] if directories else b"",
                segment_messages,
                start,
            ),
            "replay",
        )
        for one in directories[1:]:
            check(lib.rb_replay_add(self.handle, one), "replay")
        self._out: NDArray[np.void] = np.empty(4096, MESSAGE)
        self._pointer = ffi.from_buffer(self._out)

    @property
    def next(self) -> int:
        """Sequence that comes next."""
        return int(lib.rb_replay_next(self.handle))

    @property
    def lag(self) -> int:
        """Messages published and not yet polled."""
        return int(lib.rb_replay_lag(self.handle))

    @property
    def from_files(self) -> int:
        """Messages that came from files so far."""
        return int(lib.rb_replay_from_files(self.handle))

    def poll(self, limit: int = 4096) -> NDArray[np.void]:
        """Copy up to `limit` messages out, oldest first.

        Returns: shape (n,), dtype MESSAGE, 0 <= n <= min(limit, 4096), valid until the next poll.
        Raises: Lapped: nobody has the next message any more; DataError: a file is damaged.
        """
        count = lib.rb_replay_poll(self.handle, self._pointer, min(limit, len(self._out)))
        if count < 0:
            check(count, f"replay, message {self.next}")
        return self._out[:count]

    def close(self) -> None:
        """Close the file."""
        lib.rb_replay_close(self.handle)
