"""A journal process with its disk and its mark."""

from __future__ import annotations

from pathlib import Path

from ringbus.journal import HEADER_BYTES, Journal, segment_files
from ringbus.lossy_journal import LossyJournal
from ringbus.marks import Marks
from ringbus.memory import Memory
from ringbus.messages import MESSAGE
from ringbus.repair import repair
from ringbus.status import DataError, Lapped, SystemCallError
from tests.sim.disk import full, unsyncable
from tests.sim.draw import Draw

SEGMENT = 1 << 10
FILE_BYTES = HEADER_BYTES + SEGMENT * MESSAGE.itemsize
LINE = MESSAGE.itemsize


class Archive:
    """One of the exchange's journals: alive or dead, and its files."""

    def __init__(
        self, directory: Path, ring: Memory, readers: Memory, marks: Marks, gating: Path | None
    ) -> None:
        """`gating`: of the one that a lossy journal asks for what it missed; None: it gates."""
        directory.mkdir()
        self.directory = directory
        self.peers: list[Archive] = []
        self.limit: int | None = None
        """Bytes of a file that have room on its disk; None: all."""
        self.durable = 0
        """What its last sync made sure of."""
        self.journal: Journal | None = None
        self.failures = 0
        self.written = 0
        self.is_torn = False
        self.rotten: dict[int, bool] = {}
        self._stream = ring, readers
        self._gating = gating
        self._marks = marks
        self._place = marks.place(directory.name)
        self.start()

    def step(self, limit: int) -> int:
        """Write what is on the ring; its process ends when the disk says no."""
        if self.journal is None:
            return 0
        try:
            with full(self.limit):
                return self.journal.step(limit)
        except SystemCallError:
            self.failures += 1
        except (Lapped, DataError):
            # Torn below its gate, it came back for what the writer was free to overwrite: its
            # process ends, and the next one asks the other journal. Or it is lossy and asked a torn
            # one.
            pass
        self.kill()
        return 1

    def sync(self) -> None:
        """Make what was written durable; said to nobody yet."""
        if self.journal is not None:
            self.durable = self.journal.sync()

    def mark(self) -> None:
        """Say what is durable."""
        if self.journal is not None:
            self._marks.set(self._place, self.durable)

    def fail_sync(self, draw: Draw) -> bool:
        """A sync that fails: the process ends, and what was not synced before may be lost."""
        if self.journal is None or self.journal.written <= self.durable:
            return False
        before = self.durable
        with unsyncable(segment_files(self.directory)[-1]):
            try:
                self.journal.sync()
                raise AssertionError("a sync that failed was not noticed")
            except SystemCallError:
                pass
        assert self.durable == before
        self.kill()
        self.tear(draw)
        return True

    def kill(self) -> int:
        """The process dies; returns what it had written."""
        if self.journal is None:
            return 0
        self.written = self.journal.written
        self.journal.close()
        self.journal = None
        return self.written

    @property
    def is_lossy(self) -> bool:
        """Nobody waits for it, so it may lack what the ring has lost."""
        return self._gating is not None

    @property
    def last(self) -> int:
        """What its files have."""
        return self.written if self.journal is None else self.journal.written

    def tear(self, draw: Draw) -> bool:
        """Of what a dead one had written and not synced, the end is garbled or gone."""
        if self.journal is not None or self.written <= self.durable:
            return False
        if any(one.is_torn for one in self.peers):
            # Two disks without the same messages, and the ring perhaps too: nobody can mend that.
            return False
        if any(one.is_lossy and one.last < self.written for one in self.peers):
            return False
        self.is_torn = True
        first = draw.between(self.durable + 1, self.written)
        for sequence in range(first, self.written + 1):
            self._garble(sequence, draw.choice((bytes(LINE), draw.bytes(LINE))))
        return True

    def damage(self, draw: Draw) -> bool:
        """Some bytes of a dead one's files rot, of a message that another has durably."""
        most = min([self.durable, *(one.durable for one in self.peers if one.journal is not None)])
        if self.journal is not None or most == 0 or all(one.journal is None for one in self.peers):
            return False
        sequence = draw.between(1, most)
        if any(sequence in one.rotten for one in self.peers):
            return False
        self.rotten[sequence] = True
        self._garble(sequence, draw.bytes(LINE))
        return True

    def start(self) -> bool:
        """Its successor; damage is fetched from the others. False: the disk is full."""
        if self.journal is not None:
            return False
        with full(self.limit):
            try:
                try:
                    self.journal = self._open()
                except (DataError, Lapped):
                    self._repair()
                    self.journal = self._open()
            except SystemCallError:
                self.failures += 1
        self.is_torn &= self.journal is None
        return self.journal is not None

    def scrub(self) -> None:
        """A restart reads the last two files again; what rots in older ones is for the operator."""
        older = (len(segment_files(self.directory)) - 2) * SEGMENT
        if all(sequence > older for sequence in self.rotten):
            return
        self.kill()
        self._repair()
        self.start()

    def _repair(self) -> None:
        peers = [one.directory for one in self.peers]
        repair(self.directory, peers, self._stream[0], SEGMENT, self.directory.name)

    def _open(self) -> Journal:
        name = self.directory.name
        if self._gating is not None:
            ring = self._stream[0]
            return LossyJournal(self.directory, ring, None, [self._gating], SEGMENT, name)
        return Journal(self.directory, *self._stream, SEGMENT, name)

    def _garble(self, sequence: int, data: bytes) -> None:
        file, place = divmod(sequence - 1, SEGMENT)
        path = self.directory / f"stream-{file:08d}.rbj"
        if path.exists():
            with path.open("r+b") as out:
                out.seek(HEADER_BYTES + place * LINE)
                out.write(data)
