"""A journal that holds nobody up: what it has missed it fetches from the others' files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ringbus._ringbus import lib
from ringbus.journal import SEGMENT_MESSAGES, Journal
from ringbus.memory import Memory
from ringbus.multicast import show_reader
from ringbus.replay import Replay
from ringbus.segment import Segment
from ringbus.status import check


class LossyJournal(Journal):
    """Writes the stream to files in `directory` as the lossy reader `name`.

    The engine never waits for it: its disk may stall or fill. It is behind then, and says so by its
    mark; when it goes on, the messages that the ring has lost come from its peers, which gate.

    Args: readers: the table of lossy readers, if it shall be seen there; peers: directories of one
    to four gating journals; the rest as Journal.
    Raises: as Journal; Lapped by `step`: neither the ring nor a peer has the next message.
    Thread: the core's; `sync` from one other.
    """

    def __init__(
        self,
        directory: Path,
        ring: Memory,
        readers: Segment | None,
        peers: Sequence[Path],
        segment_messages: int = SEGMENT_MESSAGES,
        name: str = "journal.b",
    ) -> None:
        self._begin(ring, readers)
        where = str(directory).encode()
        status = lib.rb_journal_open(self.state, where, segment_messages, name.encode())
        check(status, f"journal {directory}, message {self.written + 1}")
        self._replay = Replay(ring, peers, self.written + 1, segment_messages)
        self._locks = None
        try:
            check(lib.rb_journal_follow(self.state, self._replay.handle), f"journal {directory}")
            if readers is not None:
                reader = lib.rb_replay_reader(self._replay.handle)
                self._locks = show_reader(reader, readers, name)
        except BaseException:
            self.close()
            raise

    @property
    def fetched(self) -> int:
        """Messages that came from a peer's files."""
        return self._replay.from_files

    def close(self) -> None:
        """Close the files."""
        super().close()
        self._replay.close()
