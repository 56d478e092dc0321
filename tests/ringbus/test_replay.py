"""Replay: from any message on, from files and then live, without a gap or a repeat."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringbus._ringbus import ffi, lib
from ringbus.journal import Journal
from ringbus.multicast import Writer
from ringbus.replay import Replay
from ringbus.segment import Segment, segment_name
from ringbus.status import DataError, Lapped, UsageError, check
from tests.ringbus.support import (
    Child,
    Recorded,
    drain,
    make_ring,
    make_shared_ring,
    numbered,
    numbers_of,
    run_of,
)

SLOTS = 64


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path, SLOTS)


def test_from_the_start_while_the_writer_laps_the_ring(recorded: Recorded) -> None:
    """R48, R53: a slow reader alternates between files and ring, and ends live."""
    recorded.write(500)
    replay = recorded.replay()
    got: list[int] = []
    for round_ in range(60):
        got += numbers_of(replay.poll(45))
        # Sometimes it falls behind by more than a ring, sometimes it catches up.
        recorded.write(100 if round_ % 7 < 2 else 3)
    got += drain(replay)
    last = recorded.writer.next - 1
    assert got == run_of(1, last)
    assert replay.lag == 0
    assert 500 - SLOTS <= replay.from_files < last
    from_files = replay.from_files
    recorded.write(10)
    assert replay.lag == 10
    assert drain(replay) == run_of(last + 1, last + 10)
    assert replay.from_files == from_files


def test_from_every_possible_point(recorded: Recorded) -> None:
    """R53, R63: whatever it saw last, a reader gets exactly the rest."""
    last = 2100
    recorded.write(last)
    for start in range(1, last + 2):
        replay = recorded.replay(start)
        got = drain(replay)
        assert len(got) == last + 1 - start
        assert got == run_of(start, last)
        assert replay.next == last + 1
        replay.close()


@pytest.mark.parametrize("limit", [1, 7, 511, 512, 513, 4096])
def test_every_limit(recorded: Recorded, limit: int) -> None:
    recorded.write(1500)
    assert drain(recorded.replay(), limit) == run_of(1, 1500)
    with pytest.raises(UsageError):
        recorded.replay().poll(0)


def test_files_only_follow_a_journal_that_grows(recorded: Recorded) -> None:
    """R52: without the ring, nothing of the engine is touched."""
    replay = recorded.replay(live=False)
    assert drain(replay) == []
    for count in (1, 1022, 1, 1, 1023, 2000):
        first = recorded.writer.next
        recorded.write(count)
        assert drain(replay) == run_of(first, first + count - 1)
    assert replay.lag == 0


def test_a_reader_waits_for_a_message_that_is_to_come(recorded: Recorded) -> None:
    recorded.write(10)
    replay = recorded.replay(15)
    assert drain(replay) == []
    recorded.write(10)
    assert drain(replay) == run_of(15, 20)


def test_without_files_a_lap_is_an_error() -> None:
    """R48: what nobody has any more is said, not skipped."""
    ring, readers = make_ring(SLOTS)
    writer = Writer(ring, readers)
    replay = Replay(ring)
    writer.publish(numbered(1, SLOTS))
    assert drain(replay) == run_of(1, SLOTS)
    for first in (SLOTS + 1, 2 * SLOTS + 1):
        writer.publish(numbered(first, SLOTS))
    with pytest.raises(Lapped, match=f"message {SLOTS + 1}:"):
        replay.poll()
    assert replay.next == SLOTS + 1


@pytest.mark.parametrize("live", [True, False], ids=["live", "files"])
@pytest.mark.parametrize("width", [1, 2, 100])
@pytest.mark.parametrize("at", [1, 700, 1024, 1025, 2040])
def test_damage_is_named_and_not_passed(
    recorded: Recorded, at: int, width: int, live: bool
) -> None:
    """R30: a damaged message ends the replay with an error: neither an end nor a gap."""
    recorded.write(2500)
    for sequence in range(at, at + width):
        recorded.damage(sequence, b"\xee" * 8)
    replay = recorded.replay(live=live)
    got: list[int] = []
    with pytest.raises(DataError, match=f"message {at}:"):
        while True:
            batch = replay.poll()
            assert len(batch) > 0
            got += numbers_of(batch)
    assert got == run_of(1, at - 1)
    assert replay.next == at


@pytest.mark.parametrize("live", [True, False], ids=["live", "files"])
def test_a_missing_file_is_named_and_not_passed(recorded: Recorded, live: bool) -> None:
    recorded.write(3500)
    recorded.path(1).unlink()
    replay = recorded.replay(live=live)
    with pytest.raises(DataError, match="message 1025:"):
        drain(replay)


def test_a_torn_tail_is_an_end(recorded: Recorded) -> None:
    """R80: a message that is half written is not there."""
    recorded.write(1500)
    recorded.damage(1500, b"\xee" * 8)
    replay = recorded.replay(live=False)
    assert drain(replay) == run_of(1, 1499)
    recorded.damage(1500, numbered(1500, 1).tobytes()[40:48])
    assert drain(replay) == [1500]


def test_one_message_from_wherever_it_is(recorded: Recorded) -> None:
    """R64: a client that saw N gets N + 1 without the reader's own place being moved."""
    recorded.write(1500)
    replay = recorded.replay(1490)
    out = ffi.new("char[64]")

    def get(sequence: int) -> int:
        status = int(lib.rb_replay_get(replay.handle, sequence, out))
        if status == 1:
            words = ffi.cast("uint64_t *", out)
            assert (words[0], words[1]) == (sequence, sequence)
        return status

    for sequence in (1, 1024, 1025, 1436, 1437, 1490, 1500, 2, 1500):
        assert get(sequence) == 1
    assert get(1501) == 0
    assert replay.next == 1490
    assert drain(replay) == run_of(1490, 1500)
    with pytest.raises(UsageError):
        check(get(0))
    recorded.damage(5, b"\xee")
    with pytest.raises(Lapped):
        check(get(5))


def test_arguments_that_are_refused(recorded: Recorded) -> None:
    for arguments in (
        (None, None, 1, 1024),
        (recorded.ring, recorded.directory, 0, 1024),
        (recorded.ring, recorded.directory, 1, 1000),
        (recorded.ring, recorded.directory / ("x" * 500), 1, 1024),
    ):
        with pytest.raises(UsageError):
            Replay(*arguments)


def test_live_between_processes(exchange: str, tmp_path: Path) -> None:
    """R33, R50, R53: a writer in another process, a journal and two replays here, a small ring."""
    count = 30_000
    ring, readers = make_shared_ring(exchange, 256)
    with ring, readers:
        journal = Journal(tmp_path, ring, readers, 1024)
        with Segment.attach(segment_name(exchange, "stream")) as read_only:
            quick = Replay(read_only, tmp_path, 1, 1024)
            slow = Replay(read_only, tmp_path, 1, 1024)
            received: dict[str, int] = {"quick": 0, "slow": 0}
            with Child("ring_write", ring.name, readers.name, count) as child:
                while min(received.values()) < count:
                    journal.step()
                    for name, replay, limit in (("quick", quick, 4096), ("slow", slow, 300)):
                        # The slow one begins many laps late.
                        if name == "slow" and journal.written < count // 2:
                            continue
                        numbers = numbers_of(replay.poll(limit))
                        first = received[name] + 1
                        assert numbers == run_of(first, first + len(numbers) - 1)
                        received[name] += len(numbers)
                assert child.line() == "ready"
                assert child.line() == "done"
        # Who reads the ring may be ahead of who records it.
        journal.step()
        assert journal.written == count
        assert slow.from_files > 0
