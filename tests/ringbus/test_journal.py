"""The journal: files roll over, recovery tells a torn tail from damage, the writer waits."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ringbus import journal
from ringbus._ringbus import lib
from ringbus.journal import Journal, batches, map_day, noted, read_day, segment_files
from ringbus.lossy_journal import LossyJournal
from ringbus.multicast import Writer, gates
from ringbus.status import (
    DataError,
    Lapped,
    LayoutError,
    NotFoundError,
    SystemCallError,
    UsageError,
)
from tests.ringbus.support import Recorded, make_ring, numbered, numbers_of, run_of

SEQUENCE_OFFSET = 0
BODY_OFFSET = 40
HEADER_BYTES = 4096


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


def day(directory: Path) -> list[int]:
    """Numbers of a day, each message checked."""
    messages = read_day(directory)
    assert np.array_equal(messages["sequence"], messages["time_ns"])
    return numbers_of(messages)


def test_files_roll_over(recorded: Recorded) -> None:
    """R50, R53: every message is in the file and at the place that its sequence says."""
    recorded.write(3000)
    assert recorded.journal.written == 3000
    names = [path.name for path in segment_files(recorded.directory)]
    assert names == [f"stream-{n:08d}.rbj" for n in range(3)]
    assert {path.stat().st_size for path in recorded.directory.iterdir()} == {4096 + 1024 * 64}
    assert [len(part) for part in map_day(recorded.directory)] == [1024, 1024, 952]
    assert [len(part) for part in map_day(recorded.directory, verify=False)] == [1024, 1024, 952]
    assert day(recorded.directory) == run_of(1, 3000)
    place = np.fromfile(recorded.path(1), np.uint64, offset=HEADER_BYTES)[::8]
    assert place.tolist() == run_of(1025, 2048)


@pytest.mark.parametrize("count", [1, 1023, 1024, 1025, 2048])
def test_a_successor_goes_on_where_the_files_end(recorded: Recorded, count: int) -> None:
    """R33: a journal that was killed takes its gate over by name, and continues without a gap."""
    recorded.write(count)
    recorded.writer.publish(numbered(count + 1, 40))
    successor = recorded.attach()
    assert successor.written == count
    assert [gate.name for gate in gates(recorded.readers)] == ["journal"]
    recorded.journal = successor
    successor.step()
    assert successor.written == count + 40
    recorded.write(100)
    assert day(recorded.directory) == run_of(1, count + 140)


def test_the_writer_stops_when_the_journal_stalls(recorded: Recorded) -> None:
    """R50: nothing is overwritten that was not recorded."""
    recorded.write(100)
    assert recorded.writer.publish(numbered(101, 64)) == 64
    assert recorded.writer.publish(numbered(165, 1)) == 0
    recorded.journal.step()
    assert recorded.writer.publish(numbered(165, 64)) == 64


def test_the_limit_is_one_batch_a_unit(recorded: Recorded) -> None:
    """A batch ends where the ring or the file ends, so that it is written without a copy."""
    recorded.write(1000)
    recorded.writer.publish(numbered(1001, 60))
    # 1001..1024 lie before the end of the ring and of the file.
    assert recorded.journal.step(1) == 24
    assert recorded.journal.step(1) == 36
    assert recorded.journal.step(1) == 0


def test_durable_follows_written(recorded: Recorded) -> None:
    """What is below the durable mark survives the host."""
    assert recorded.journal.sync() == 0
    recorded.write(10)
    assert recorded.journal.sync() == 10
    recorded.write(2500)
    assert recorded.journal.written == 2510
    assert recorded.journal.sync() == 2510
    assert recorded.journal.sync() == 2510


def test_sync_of_a_file_that_is_gone_is_an_error(recorded: Recorded) -> None:
    """What cannot be made durable is never said to be."""
    recorded.write(10)
    recorded.path(0).unlink()
    with pytest.raises(SystemCallError, match="No such file"):
        recorded.journal.sync()


@pytest.mark.parametrize("cut", [1, 63, 64, 100, 3000])
def test_a_tail_that_was_cut_off_is_written_again(recorded: Recorded, cut: int) -> None:
    """R80: the file ends inside a message, or some before; the ring still has what is lost."""
    recorded.write(1040)
    path = recorded.path(1)
    with path.open("r+b") as file:
        file.truncate(HEADER_BYTES + 16 * 64 - min(cut, 16 * 64))
    left = 1040 - -(-min(cut, 16 * 64) // 64)
    assert day(recorded.directory) == run_of(1, left)
    recorded.journal = recorded.attach()
    assert recorded.journal.written == left
    recorded.journal.step()
    recorded.write(5)
    assert path.stat().st_size == HEADER_BYTES + 1024 * 64
    assert day(recorded.directory) == run_of(1, 1045)


GARBAGE = {
    "sequence": (SEQUENCE_OFFSET, b"\xee" * 8),
    "sequence zero": (SEQUENCE_OFFSET, bytes(8)),
    "body": (BODY_OFFSET, b"\xee" * 8),
    "half a message": (32, bytes(32)),
    "all": (0, b"\xee" * 64),
}


@pytest.mark.parametrize("kind", GARBAGE)
@pytest.mark.parametrize("last", [1, 700, 1024, 1025, 2048])
def test_a_torn_last_message_is_written_again(recorded: Recorded, kind: str, last: int) -> None:
    """R80: a message that was half written when its process died is absent, wherever it lay."""
    recorded.write(last)
    offset, data = GARBAGE[kind]
    recorded.damage(last, data, offset)
    assert day(recorded.directory) == run_of(1, last - 1)
    recorded.journal = recorded.attach()
    assert recorded.journal.written == last - 1
    recorded.journal.step()
    recorded.write(3)
    assert day(recorded.directory) == run_of(1, last + 3)


def test_a_torn_end_of_the_file_before_the_last(recorded: Recorded) -> None:
    """A new file may survive the host when the end of the one before it did not."""
    recorded.write(1024)
    recorded.write(1)
    for sequence in (1000, *range(1001, 1026)):
        recorded.damage(sequence, bytes(64), 0)
    assert day(recorded.directory) == run_of(1, 999)
    # The ring of 64 has 962..1025 yet.
    recorded.journal = recorded.attach()
    assert recorded.journal.written == 999
    recorded.journal.step()
    assert day(recorded.directory) == run_of(1, 1025)


def durable(recorded: Recorded, count: int) -> None:
    """So many messages, and files that know that they were durable: each sync notes the last."""
    recorded.write(count)
    recorded.journal.sync()
    assert noted(recorded.directory) == 0
    recorded.write(1)
    recorded.journal.sync()
    assert noted(recorded.directory) == count


def test_a_hole_above_what_was_durable_is_a_torn_tail(recorded: Recorded) -> None:
    """A host that dies leaves any pages of what it had not synced; nobody was promised those."""
    durable(recorded, 2960)
    recorded.write(39)
    recorded.damage(2970, bytes(64), 0)
    recorded.journal = recorded.attach()
    assert recorded.journal.written == 2969
    # The host is well here, and its ring has the rest.
    recorded.journal.step()
    assert day(recorded.directory) == run_of(1, 3000)
    recorded.damage(2960, bytes(64), 0)
    with pytest.raises(DataError, match="message 2960:"):
        recorded.attach()


def test_a_successor_notes_no_less_than_was_noted(recorded: Recorded) -> None:
    durable(recorded, 100)
    recorded.journal = recorded.attach()
    recorded.write(1)
    recorded.journal.sync()
    assert noted(recorded.directory) == 100


@pytest.mark.parametrize("kind", GARBAGE)
@pytest.mark.parametrize("at", [1, 1024, 1025, 1500, 2048, 2049, 2998, 2999])
def test_damage_in_the_middle_is_an_error(recorded: Recorded, kind: str, at: int) -> None:
    """R30: a message that was durable is never skipped or cut off without a word."""
    durable(recorded, 3000)
    offset, data = GARBAGE[kind]
    recorded.damage(at, data, offset)
    with pytest.raises(DataError, match=f"message {at} is damaged"):
        map_day(recorded.directory)
    # Recovery reads the last two files whole, and the last message of each one before.
    if at >= 1024:
        with pytest.raises(DataError, match=f"message {at}:") as error:
            recorded.attach()
        assert "checksum" in str(error.value)


def test_a_damaged_page_is_an_error(recorded: Recorded) -> None:
    """R30: a whole page of zeros in the middle looks like an end, but is none."""
    durable(recorded, 3000)
    for sequence in range(2049, 2049 + 64):
        recorded.damage(sequence, bytes(64), 0)
    with pytest.raises(DataError, match="message 2049 is damaged"):
        map_day(recorded.directory)
    with pytest.raises(DataError, match="message 2049:"):
        recorded.attach()


def test_a_missing_file_is_an_error(recorded: Recorded) -> None:
    recorded.write(3000)
    recorded.path(1).unlink()
    with pytest.raises(DataError, match=r"stream-00000001\.rbj is missing"):
        map_day(recorded.directory)
    with pytest.raises(DataError, match="message 1025:"):
        recorded.attach()


@pytest.mark.parametrize(
    ("offset", "text"),
    [
        (0, "does not hold a ringbus structure"),
        (8, "another version"),
        (12, "another kind"),
        (16, "another message schema"),
    ],
)
def test_a_file_of_another_layout_is_refused(recorded: Recorded, offset: int, text: str) -> None:
    """R107: another schema, version or kind never passes for this one."""
    recorded.write(10)
    with recorded.path(0).open("r+b") as file:
        file.seek(offset)
        file.write(b"\x5a\x5a")
    with pytest.raises(LayoutError, match=text):
        map_day(recorded.directory)
    with pytest.raises(LayoutError, match=text):
        recorded.attach()


def test_a_file_of_another_size_is_refused(recorded: Recorded) -> None:
    recorded.write(10)
    recorded.segment_messages = 2048
    with pytest.raises(LayoutError, match="size"):
        recorded.attach()


def test_a_file_with_another_first_message_is_refused(recorded: Recorded) -> None:
    recorded.write(1030)
    shutil.copy(recorded.path(0), recorded.path(1))
    with pytest.raises(DataError, match="wrong sequence"):
        recorded.attach()


def test_a_file_cut_off_in_its_header_is_refused(recorded: Recorded) -> None:
    recorded.write(1)
    with recorded.path(0).open("r+b") as file:
        file.truncate(100)
    with pytest.raises(DataError, match="end inside"):
        recorded.attach()


def test_an_unfinished_new_file_is_made_again(recorded: Recorded) -> None:
    """A process that died while it made a file left it under another name."""
    recorded.write(1024)
    (recorded.directory / "stream-00000001.rbj.new").write_bytes(b"half")
    recorded.journal = recorded.attach()
    recorded.write(10)
    assert day(recorded.directory) == run_of(1, 1034)


def test_files_that_lack_what_the_ring_has_lost(tmp_path: Path) -> None:
    """R50: a journal that comes too late says so, instead of recording with a gap."""
    ring, readers = make_ring(64)
    writer = Writer(ring, readers)
    for first in (1, 65):
        writer.publish(numbered(first, 64))
    with pytest.raises(Lapped, match="message 1:"):
        Journal(tmp_path, ring, readers, 1024)


def test_a_journal_that_was_lapped_before_its_gate_held_says_so(tmp_path: Path) -> None:
    """Not a deadlock of a writer that waits for a reader that waits for what is gone."""
    ring, readers = make_ring(8)
    writer = Writer(ring, readers)
    writer.publish(numbered(1, 4))
    # It looks at the gates, finds none, and may write 5..12 before it looks again.
    assert lib.rb_multicast_room(writer.handle, 8) == 8
    journal = Journal(tmp_path, ring, readers, 1024)
    assert writer.publish(numbered(5, 8)) == 8
    with pytest.raises(Lapped):
        journal.step()
    assert journal.written == 0


def test_files_that_are_ahead_of_the_ring_are_refused(recorded: Recorded) -> None:
    """R49: a ring that begins again at 1 is another day, with other messages than the files."""
    recorded.write(100)
    recorded.ring, recorded.readers = make_ring(64)
    with pytest.raises(DataError, match="message 101: a stored message has the wrong sequence"):
        recorded.attach()


def test_a_directory_that_is_not_there(recorded: Recorded) -> None:
    recorded.directory /= "missing"
    with pytest.raises(SystemCallError, match="missing.*No such file"):
        recorded.attach()
    with pytest.raises(NotFoundError, match="no journal there"):
        map_day(recorded.directory)


@pytest.mark.parametrize("messages", [0, 512, 1000, 1 << 27])
def test_sizes_that_are_refused(recorded: Recorded, messages: int) -> None:
    recorded.segment_messages = messages
    with pytest.raises(UsageError):
        recorded.attach()


def test_a_day_in_batches(recorded: Recorded) -> None:
    """Without a copy, read-only."""
    recorded.write(2500)
    parts = list(batches(recorded.directory, 1000))
    assert [len(part) for part in parts] == [1000, 24, 1000, 24, 452]
    assert numbers_of(np.concatenate(parts)) == run_of(1, 2500)
    assert not parts[0].flags.writeable
    with pytest.raises(UsageError):
        list(batches(recorded.directory, 0))


def test_two_journals_record_the_same(recorded: Recorded, tmp_path: Path) -> None:
    """R50: retransmitters are independent, and byte for byte alike but for their names."""
    other_directory = tmp_path / "other"
    other_directory.mkdir()
    second = Journal(other_directory, recorded.ring, recorded.readers, 1024, "second")
    for _ in range(50):
        recorded.write(30)
        second.step()
    assert day(other_directory) == day(tmp_path) == run_of(1, 1500)
    for name in ("stream-00000000.rbj", "stream-00000001.rbj"):
        ours = (tmp_path / name).read_bytes()[HEADER_BYTES:]
        assert ours == (other_directory / name).read_bytes()[HEADER_BYTES:]


class Lossy:
    """A second directory of the same stream, whose journal nobody waits for."""

    def __init__(self, recorded: Recorded, directory: Path) -> None:
        self.directory = directory
        self.directory.mkdir()
        self._recorded = recorded
        self.journal = self.attach()

    def attach(self) -> LossyJournal:
        """A journal over its files as they are."""
        ring, peers = self._recorded.ring, [self._recorded.directory]
        return LossyJournal(self.directory, ring, None, peers, 1024)


@pytest.fixture
def lossy(recorded: Recorded, tmp_path: Path) -> Lossy:
    return Lossy(recorded, tmp_path / "lossy")


def test_nobody_waits_for_a_lossy_journal(recorded: Recorded, lossy: Lossy) -> None:
    """R50: it stalls for forty rings, then has every message: from the other's files, then live."""
    recorded.write(10)
    lossy.journal.step()
    recorded.write(2560)
    assert lossy.journal.written == 10
    lossy.journal.step()
    assert lossy.journal.written == 2570
    assert 2400 < lossy.journal.fetched <= 2560
    fetched = lossy.journal.fetched
    recorded.write(30)
    lossy.journal.step()
    assert (lossy.journal.written, lossy.journal.fetched) == (2600, fetched)
    assert lossy.journal.sync() == 2600
    assert day(lossy.directory) == day(recorded.directory) == run_of(1, 2600)


@pytest.mark.parametrize("count", [0, 1, 64, 1023, 1024, 1500])
def test_a_lossy_journal_goes_on_where_its_files_end(
    recorded: Recorded, lossy: Lossy, count: int
) -> None:
    """R33: its successor has no gate to take over, and no gap."""
    recorded.write(count)
    lossy.journal.step()
    recorded.write(700)
    lossy.journal.close()
    successor = lossy.attach()
    successor.step()
    assert successor.written == count + 700
    successor.close()
    assert day(lossy.directory) == run_of(1, count + 700)


def test_what_nobody_has_a_lossy_journal_says(recorded: Recorded, lossy: Lossy) -> None:
    """The peer's file is gone, and the ring has gone on: an error, and nothing is left out."""
    recorded.write(500)
    recorded.path(0).unlink()
    with pytest.raises(Lapped):
        lossy.journal.step()
    assert lossy.journal.written == 0


def test_a_lossy_journal_refuses_files_of_a_longer_day(
    recorded: Recorded, lossy: Lossy, tmp_path: Path
) -> None:
    recorded.write(100)
    lossy.journal.step()
    other = tmp_path / "other"
    other.mkdir()
    short = Recorded(other)
    short.write(50)
    with pytest.raises(DataError, match="ahead|sequence"):
        LossyJournal(lossy.directory, short.ring, None, [other], 1024)


def test_a_day_that_is_written_on_meanwhile_is_not_damaged(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes between the look at a message and the one behind it, in its file or the next."""
    recorded.write(10)
    looks, more = journal._any_whole, [2, 2000, 1, 5]

    def late(places: NDArray[np.void], first: int) -> bool:
        if more:
            recorded.write(more.pop())
        return looks(places, first)

    monkeypatch.setattr(journal, "_any_whole", late)
    assert day(recorded.directory) == run_of(1, 10 + 5 + 1 + 2000 + 2)
    assert not more
