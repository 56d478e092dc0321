"""Who may write a stream and who reads it: held by locks that SIGKILL frees, counted, and seen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from ringbus._ringbus import ffi, lib
from ringbus.journal import Journal
from ringbus.multicast import GatingReader, Reader, Writer, gates, readers_bytes
from ringbus.places import Place, create_readers
from ringbus.replay import Replay
from ringbus.ring import Ring
from ringbus.segment import Segment, segment_name
from ringbus.status import CapacityError, Lapped, UsageError
from tests.ringbus.support import Child, Recorded, make_ring, make_shared_ring, numbered, run_of


class Stream:
    """A small stream of an exchange, and the tables of its readers."""

    def __init__(self, exchange: str) -> None:
        self.ring, self.readers = make_shared_ring(exchange, 16)
        self.lossy = Segment.create(segment_name(exchange, "stream.lossy"), readers_bytes())
        create_readers(self.lossy, exchange)

    def shown(self) -> list[Place]:
        return gates(self.lossy)


@pytest.fixture
def stream(exchange: str) -> Iterator[Stream]:
    it = Stream(exchange)
    with it.ring, it.readers, it.lossy:
        yield it


def test_a_second_writer_is_refused_until_the_first_is_killed(stream: Stream) -> None:
    """R33: the kernel frees the lock with the process: no moment with two, none without need."""
    with Child("ring_own", stream.ring.name, stream.readers.name) as child:
        assert child.line() == "ready"
        refused = rf"{stream.ring.name} has a publisher already, process {child.process.pid}"
        for _ in range(3):
            with pytest.raises(UsageError, match=refused):
                Writer(stream.ring, stream.readers)
        child.kill()
        with Writer(stream.ring, stream.readers) as writer:
            assert writer.publish(numbered(1, 3)) == 3
            assert Reader(stream.ring).writer_pid == os.getpid()


def test_a_second_writer_in_one_process_is_refused_too(stream: Stream) -> None:
    with Writer(stream.ring, stream.readers), pytest.raises(UsageError, match="already"):
        Writer(stream.ring, stream.readers)
    Writer(stream.ring, stream.readers).close()


def test_a_forked_child_does_not_keep_the_lock(stream: Stream) -> None:
    """It has its parent's openings; what they lock ends with the parent's closing all the same."""
    writer = Writer(stream.ring, stream.readers)
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.write(ready[1], b"x")
        os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    with pytest.raises(UsageError):
        Writer(stream.ring, stream.readers)
    writer.close()
    Writer(stream.ring, stream.readers).close()
    os.write(done[1], b"x")
    assert os.waitpid(child, 0)[1] == 0
    for descriptor in (*ready, *done):
        os.close(descriptor)


def test_private_memory_needs_no_lock() -> None:
    ring, readers = make_ring(8)
    writer = Writer(ring, readers)
    assert Writer(ring, readers).next == writer.next


def test_what_a_lossy_reader_received_and_lost_is_seen(stream: Stream) -> None:
    """R48: its own counts, in a table that the writer does not know."""
    with Writer(stream.ring, stream.readers) as writer:
        reader = Reader(stream.ring)
        reader.show(stream.lossy, "watch")
        writer.publish(numbered(1, 10))
        assert len(reader.poll(4)) == 4
        pid = os.getpid()
        assert stream.shown() == [Place("watch", 4, pid, False, 4, 0, 0)]
        for first in (11, 26):
            writer.publish(numbered(first, 15))
        for _ in range(2):
            with pytest.raises(Lapped):
                reader.poll()
        assert stream.shown() == [Place("watch", 4, pid, False, 4, 0, 1)]
        reader.seek(reader.oldest)
        assert stream.shown() == [Place("watch", 24, pid, False, 4, 20, 1)]
        assert len(reader.poll()) == 16
        assert stream.shown() == [Place("watch", 40, pid, False, 20, 20, 1)]
        assert writer.publish(numbered(41, 16)) == 16
        assert Reader(stream.ring).waits == 0


def test_what_comes_from_files_was_received(recorded: Recorded, stream: Stream) -> None:
    """R49: a replaying reader is overtaken, and loses nothing."""
    replay = recorded.replay()
    recorded.write(200)
    reader = Reader(recorded.ring)
    reader.handle = replay_reader(replay)
    reader.show(stream.lossy, "port")
    got: list[int] = []
    while len(got) < 200:
        got += replay.poll(50)["sequence"].tolist()
    assert got == run_of(1, 200)
    (place,) = stream.shown()
    assert (place.cursor, place.received, place.lost, place.laps) == (200, 200, 0, 1)


def replay_reader(replay: Replay) -> object:
    return ffi.cast("rb_reader *", lib.rb_replay_reader(replay.handle))


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


def test_places_of_the_killed_are_given_to_others(stream: Stream) -> None:
    """R33: 64 can be seen; who comes when all are taken gets a dead one's, and only that."""
    with ExitStack() as stack:
        kept = [Reader(stream.ring) for _ in range(61)]
        for n, reader in enumerate(kept):
            reader.show(stream.lossy, f"reader{n}")
        child = stack.enter_context(Child("places_show", stream.ring.name, stream.lossy.name, 3))
        assert child.line() == "ready"
        late = Reader(stream.ring)
        with pytest.raises(CapacityError, match="reader late"):
            late.show(stream.lossy, "late")
        child.kill()
        late.show(stream.lossy, "late")
        names = [place.name for place in stream.shown()]
        assert sorted(names) == sorted([*(f"reader{n}" for n in range(61)), "late"])


def test_a_successor_of_the_same_name_takes_the_place(stream: Stream) -> None:
    with Child("places_show", stream.ring.name, stream.lossy.name, 1) as child:
        assert child.line() == "ready"
        name = f"{child.process.pid}.0"
        reader = Reader(stream.ring)
        with pytest.raises(UsageError, match=f"at work already, process {child.process.pid}"):
            reader.show(stream.lossy, name)
        child.kill()
        reader.show(stream.lossy, name)
    assert [place.pid for place in stream.shown()] == [os.getpid()]


def test_a_dead_gate_stays_shut_until_its_successor_comes(stream: Stream) -> None:
    """R50: what the journal has not written is not overwritten, however it ended."""
    with Writer(stream.ring, stream.readers) as writer:
        writer.publish(numbered(1, 5))
        with Child("gate_hold", stream.ring.name, stream.readers.name, "journal") as child:
            assert child.line() == "ready"
            with pytest.raises(UsageError, match=f"already, process {child.process.pid}"):
                GatingReader(stream.ring, stream.readers, "journal")
            child.kill()
        assert writer.publish(numbered(6, 100)) == 16
        for _ in range(3):
            assert writer.publish(numbered(22, 1)) == 0
        assert Reader(stream.ring).waits == 1
        successor = GatingReader(stream.ring, stream.readers, "journal")
        assert successor.next == 6
        assert len(successor.poll()) == 16
        successor.release()
        (gate,) = gates(stream.readers)
        assert (gate.cursor, gate.received, gate.lost, gate.laps) == (21, 21, 0, 0)
        assert writer.publish(numbered(22, 1)) == 1
        successor.close()


def test_a_second_journal_of_one_name_is_refused(stream: Stream, tmp_path: Path) -> None:
    journal = Journal(tmp_path, stream.ring, stream.readers, 1024)
    with pytest.raises(UsageError, match="reader journal is at work already"):
        Journal(tmp_path, stream.ring, stream.readers, 1024)
    journal.close()
    Journal(tmp_path, stream.ring, stream.readers, 1024).close()


def test_subscribers_of_a_ring_are_seen_and_the_dead_make_room(exchange: str) -> None:
    with Ring.create(exchange, "u8", 8) as ring, ring.publisher() as publisher:
        one = ring.subscriber(on_gap="skip")
        publisher.publish(np.arange(20, dtype="u8"))
        one.read()
        statistics = ring.statistics()
        (place,) = statistics.lossy
        assert (place.pid, place.received, place.lost, place.laps) == (os.getpid(), 8, 12, 1)
        assert (statistics.gates, statistics.waits) == ((), 0)
        others = [ring.subscriber() for _ in range(62)]
        with Child("ring_watch", exchange) as child:
            assert child.line() == "ready"
            assert len(ring.statistics().lossy) == 64
            unseen = ring.subscriber()
            assert len(ring.statistics().lossy) == 64
            child.kill()
        seen = ring.subscriber()
        shown = ring.statistics().lossy
        assert len(shown) == 64
        assert {place.pid for place in shown} == {os.getpid()}
        for subscriber in (one, *others, unseen, seen):
            subscriber.close()
        assert ring.statistics().lossy == ()


def test_a_full_ring_counts_one_wait(exchange: str) -> None:
    with Ring.create(exchange, "u8", 8) as ring, ring.publisher() as publisher:
        slow = ring.subscriber(gating=True)
        for _ in range(3):
            publisher.publish(np.arange(9, dtype="u8"))
        assert ring.statistics().waits == 1
        slow.poll()
        slow.release()
        publisher.publish(np.arange(9, dtype="u8"))
        assert ring.statistics().waits == 2
