"""The stream as a FIX port follows it: whole messages of the topics that it wants, and how far its
clients may see.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ports.fix_lines import Line, Tag
from ringbus.marks import Marks
from ringbus.messages import Flag, Template
from ringbus.replay import Stream
from ringbus.status import CorruptionError, Lapped

Message = tuple[Line, Tag | None]


class Follower:
    """Reads the stream from message 1 on.

    Args: opening: messages that the day begins with. Thread: the port's.
    """

    def __init__(self, stream: Stream, opening: int) -> None:
        self.heard = 0
        """Sequence of the last message."""
        self._replay = stream.replay()
        self._marks = Marks(stream.marks) if stream.marks is not None and stream.copies else None
        self._copies = stream.copies
        self._has_journal = stream.directory is not None
        self._opening = opening
        self._head: Line | None = None

    def poll(self, limit: int) -> NDArray[np.void]:
        """The next lines, at most `limit`. Raises: Lapped: and there are no files to read."""
        try:
            batch = self._replay.poll(limit)
        except Lapped:
            if not self._has_journal:
                raise
            # What the ring has lost will be in the files in a moment.
            return np.zeros(0, np.void)
        if len(batch):
            first = int(batch["sequence"][0])
            if first != self.heard + 1:
                raise CorruptionError(f"message {first} came behind {self.heard}")
            self.heard += len(batch)
        return batch

    def messages(self, batch: NDArray[np.void], is_wanted: NDArray[np.bool_]) -> Iterator[Message]:
        """Those of the batch whose topic is wanted: the first line, and the tag behind it."""
        for n in np.flatnonzero(is_wanted[batch["topic"]]).tolist():
            data = batch[n].tobytes()
            template, flags = data[24], data[25]
            if self._head is None:
                line = Line.read(data)
                if flags & Flag.CONTINUED:
                    self._head = line
                else:
                    yield line, None
            elif not flags & Flag.CONTINUED:
                line, self._head = self._head, None
                yield line, Tag.read(data) if template == Template.ORDER_TAG else None

    @property
    def has_caught_up(self) -> bool:
        """Whether the day was opened and nothing is left to hear."""
        return self.heard >= self._opening and self._replay.lag == 0

    @property
    def allowed(self) -> int:
        """Sequence of the last message that clients may be shown."""
        return 1 << 64 if self._marks is None else self._marks.reached(self._copies)

    def close(self) -> None:
        """Close the files."""
        self._replay.close()
