"""One record at a time: the extension module's half of Publisher, Subscriber and Lane.

Its agreement with the batch path is in the state machines of test_ring.py and test_lane.py.
"""

from __future__ import annotations

import gc
import inspect
import mmap
import multiprocessing
import os
import signal
import struct
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ringbus import _single
from ringbus.lane import Lane, create_lane, lane_bytes
from ringbus.publisher import Publisher
from ringbus.ring import Ring
from ringbus.segment import Segment, segment_name
from ringbus.status import Lapped, UsageError
from ringbus.subscriber import Subscriber
from tests.ringbus.children import PRICE, ring_records
from tests.ringbus.support import Child, make_lane, numbered, numbers_of, run_of, wait_until

WORD = struct.Struct("<Q")


@pytest.fixture
def ring(exchange: str) -> Iterator[Ring]:
    """A ring of 8-byte records that holds eight."""
    with Ring.create(exchange, "<u8", 8) as ring:
        yield ring


def word(n: int) -> bytes:
    """A record of `ring`."""
    return WORD.pack(n)


# --- what goes in and out ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 8, 55, 56, 57, 63, 64, 120, 121, 4088, 65528])
def test_records_of_any_size_come_back_as_they_went(exchange: str, size: int) -> None:
    records = [np.random.default_rng(n).bytes(size) for n in range(20)]
    with Ring.create(exchange, f"V{size}", 8) as ring:
        publisher, subscriber = ring.publisher(), ring.subscriber()
        out = bytearray(size)
        for record in records:
            assert publisher.send(record) is True
            assert publisher.send(memoryview(record)) is True
            assert subscriber.receive() == record
            assert subscriber.receive_into(out) is True
            assert out == record


def test_a_record_is_any_bytes_like_and_comes_into_a_numpy_record(exchange: str) -> None:
    kind = np.dtype([("n", "<u8"), ("when", "M8[ns]"), ("bid", "f8")])
    with Ring.create(exchange, kind, 8) as ring:
        publisher, subscriber = ring.publisher(), ring.subscriber()
        record = np.zeros(1, kind)
        record[0] = (7, np.datetime64(5, "ns"), 99.5)
        got = np.zeros(1, kind)
        for data in (record, record.tobytes(), bytearray(record.tobytes())):
            assert publisher.send(data)
            assert subscriber.receive_into(got, timeout=1)
            assert got == record
        assert publisher.send(struct.pack("<Qqd", 7, 5, 99.5))
        raw = subscriber.receive()
        assert raw is not None
        assert np.frombuffer(raw, kind)[0] == record[0]


def test_its_sequence_and_statistics_are_those_of_the_batches(ring: Ring) -> None:
    publisher, subscriber = ring.publisher(), ring.subscriber("oldest")
    publisher.send(word(1))
    publisher.publish(np.arange(2, 5, dtype=np.uint64))
    assert subscriber.receive() == word(1)
    assert subscriber.first == 1
    assert subscriber.poll(2).tolist() == [2, 3]
    assert subscriber.receive(timeout=0) == word(4)
    assert (subscriber.first, subscriber.next) == (4, 5)
    assert publisher.statistics().published == 4
    assert subscriber.statistics().received == 4


def test_their_signatures_and_documentation_are_there() -> None:
    """For help() and editors; the stub says the same."""
    assert str(inspect.signature(Publisher.send)) == "(self, /, data, timeout=0.0)"
    assert str(inspect.signature(Subscriber.receive)) == "(self, /, timeout=None)"
    assert str(inspect.signature(Subscriber.receive_into)) == "(self, buffer, /, timeout=None)"
    for one in (
        Publisher.send,
        Subscriber.receive,
        Subscriber.receive_into,
        Lane.send,
        Lane.receive,
        *(_single.Sender, _single.Receiver, _single.LaneEnd),
    ):
        assert len(one.__doc__ or "") > 20


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"1234567", b"123456789", 5, None, "12345678", [1]])
def test_what_is_no_record_is_not_sent(ring: Ring, data: Any) -> None:
    publisher, subscriber = ring.publisher(), ring.subscriber("oldest")
    publisher.send(word(1))
    with pytest.raises(UsageError):
        publisher.send(data)
    with pytest.raises(UsageError):
        subscriber.receive_into(data)
    lane = Lane(make_lane(8))
    with pytest.raises(UsageError, match="64 bytes"):
        lane.send(data)
    assert lane.receive() is None
    # Nothing was lost by the refusals.
    assert subscriber.receive() == word(1)
    assert publisher.next == 2


def test_memory_that_cannot_be_written_is_refused(ring: Ring) -> None:
    publisher, subscriber = ring.publisher(), ring.subscriber()
    publisher.send(word(1))
    with pytest.raises(UsageError, match="writable"):
        subscriber.receive_into(bytes(8))
    strided = np.zeros(4, "<u4")[::2]
    for call in (publisher.send, subscriber.receive_into):
        with pytest.raises(UsageError):
            call(strided)
    assert subscriber.receive() == word(1)


def test_arguments_that_are_none(ring: Ring) -> None:
    publisher, subscriber = ring.publisher(), ring.subscriber()
    publisher.send(word(1))
    out = bytearray(8)
    strange: list[Callable[[], object]] = [
        lambda: publisher.send(),  # type: ignore[call-arg]
        lambda: publisher.send(word(1), 0, 0),  # type: ignore[call-arg]
        lambda: publisher.send(word(1), tiemout=0),  # type: ignore[call-arg]
        lambda: subscriber.receive(0, 0),  # type: ignore[call-arg]
        lambda: subscriber.receive(tiemout=0),  # type: ignore[call-arg]
        lambda: subscriber.receive_into(),  # type: ignore[call-arg]
        lambda: subscriber.receive_into(out, 0, 0),  # type: ignore[call-arg]
        lambda: subscriber.receive_into(out, tiemout=0),  # type: ignore[call-arg]
    ]
    for call in strange:
        with pytest.raises(TypeError):
            call()
    assert publisher.next == 2
    assert subscriber.receive() == word(1)


def test_numbers_of_other_kinds_are_timeouts_too(ring: Ring) -> None:
    publisher, subscriber = ring.publisher(), ring.subscriber()
    publisher.send(word(1), np.float32(0.5))  # type: ignore[arg-type]
    publisher.send(data=word(2), timeout=1)
    assert subscriber.receive(np.float32(0.5)) == word(1)  # type: ignore[arg-type]
    assert subscriber.receive(True) == word(2)
    assert subscriber.receive(-1.0) is None
    assert subscriber.receive(timeout=-3) is None


def test_the_bases_alone_do_nothing() -> None:
    """Nothing is attached; what they would leave to Python is not there."""
    sender, receiver, lane = _single.Sender(), _single.Receiver(), _single.LaneEnd()
    for call in (lambda: sender.send(b""), receiver.receive, lambda: lane.send(b""), lane.receive):
        with pytest.raises(AttributeError, match="later"):
            call()
    with (
        mmap.mmap(-1, 4096) as memory,
        pytest.raises(SystemError, match="different builds"),
    ):
        sender._attach(memory, bytearray(8), None, 8)


def test_a_closed_handle_is_refused(exchange: str) -> None:
    ring = Ring.create(exchange, "<u8", 8)
    publisher, subscriber = ring.publisher(), ring.subscriber()
    gone, left = ring.subscriber(), ring.subscriber(gating=True)
    gone.close()
    publisher.send(word(1))
    with pytest.raises(UsageError, match="closed"):
        gone.receive()
    ring.close()
    out = bytearray(8)
    for call in (
        lambda: publisher.send(word(2)),
        subscriber.receive,
        lambda: subscriber.receive(timeout=0),
        lambda: left.receive_into(out),
    ):
        with pytest.raises(UsageError, match="closed"):
            call()


def test_an_unmapped_lane_is_refused() -> None:
    memory = make_lane(8)
    lane = Lane(memory)
    lane.send(numbered(0, 1))
    memory.close()
    for call in (lambda: lane.send(numbered(1, 1)), lane.receive):
        with pytest.raises(UsageError, match="unmapped"):
            call()


# --- waiting and gaps ----------------------------------------------------------------------------


def test_a_sender_that_is_gone_answers_nobody(exchange: str, ring: Ring) -> None:
    """Who waits asks for the line of the last sender's next record: of none that was freed."""
    name = f"{exchange}-other"
    record = ring_records(1, 1).tobytes()
    subscriber = ring.subscriber()
    with Ring.create(name, PRICE, 8) as other:
        for close in (True, False):
            publisher = other.publisher()
            assert publisher.send(record)
            assert subscriber.receive(timeout=0) is None
            if close:
                publisher.close()
            assert subscriber.receive(timeout=0) is None
            del publisher
            gc.collect()
            assert subscriber.receive(timeout=0) is None
    Ring.remove(name)
    assert subscriber.receive(timeout=0.001) is None
    memory = make_lane(8)
    producer, consumer = Lane(memory), Lane(make_lane(8))
    assert producer.send(numbered(1, 1).tobytes())
    memory.close()
    assert consumer.receive() is None
    del producer
    gc.collect()
    assert consumer.receive() is None


def test_no_record_is_none_when_the_time_is_over(ring: Ring) -> None:
    subscriber = ring.subscriber()
    assert subscriber.receive(timeout=0) is None
    before = time.monotonic()
    assert subscriber.receive(timeout=0.05) is None
    assert subscriber.receive_into(bytearray(8), timeout=0.05) is False
    assert time.monotonic() - before >= 0.1


def test_a_gating_subscriber_is_done_with_a_record_when_it_asks_for_the_next(ring: Ring) -> None:
    publisher, subscriber = ring.publisher(), ring.subscriber(gating=True)
    for n in range(8):
        assert publisher.send(word(n))
    assert publisher.send(word(8)) is False
    assert subscriber.receive() == word(0)
    assert publisher.send(word(8), timeout=0.01) is False
    assert subscriber.receive() == word(1)
    assert publisher.send(word(8)) is True
    subscriber.release()
    assert publisher.send(word(9), timeout=None) is True
    assert publisher.statistics().full == 2


def test_an_overtaken_subscriber_is_told_what_it_missed(ring: Ring) -> None:
    publisher = ring.publisher()
    raising, skipping = ring.subscriber(), ring.subscriber(on_gap="skip")
    for n in range(1, 21):
        publisher.send(word(n))
    with pytest.raises(Lapped) as caught:
        raising.receive()
    assert (caught.value.first, caught.value.last) == (1, 12)
    out = bytearray(8)
    assert [raising.receive() for _ in range(8)] == [word(n) for n in range(13, 21)]
    assert skipping.receive_into(out)
    assert out == word(13)
    for one in (raising, skipping):
        assert (one.statistics().lost, one.statistics().laps) == (12, 1)


def test_received_and_lost_are_what_was_sent(exchange: str) -> None:
    """Records of two lines, a small ring, another process that sends as fast as it can."""
    count = 100_000
    with Ring.create(exchange, PRICE, 64) as ring, Child("ring_send", exchange, count) as child:
        subscriber = ring.subscriber("oldest")
        assert child.line() == "ready"
        record = np.zeros(1, PRICE)
        received = lost = 0
        while received + lost < count:
            try:
                assert subscriber.receive_into(record, timeout=30)
            except Lapped as gap:
                assert gap.first == received + lost + 1
                lost += gap.last - gap.first + 1
                continue
            received += 1
            assert record["n"] == received + lost
            assert record["price"] == record["n"] * 0.5
            assert record["note"] == b"note"
        assert child.line() == "done"
        assert (subscriber.statistics().received, subscriber.statistics().lost) == (received, lost)


def test_records_go_to_another_process_and_back(exchange: str) -> None:
    count = 20_000
    names = [f"{exchange}-{n}" for n in range(2)]
    with Ring.create(names[0], "<u8", 64) as out, Ring.create(names[1], "<u8", 64) as back:
        subscriber = back.subscriber(gating=True)
        publisher = out.publisher()
        with Child("ring_relay", *names, count) as child:
            assert child.line() == "ready"
            sent = 0
            for n in range(count):
                while sent < min(count, n + 40):
                    assert publisher.send(word(sent), timeout=30)
                    sent += 1
                assert subscriber.receive(timeout=30) == word(n)
            assert child.line() == "done"
    for name in names:
        Ring.remove(name)


def test_messages_go_over_two_lanes_and_back(exchange: str) -> None:
    count = 20_000
    names = [segment_name(exchange, f"lane{n}") for n in range(2)]
    with (
        Segment.create(names[0], lane_bytes(64)) as one,
        Segment.create(names[1], lane_bytes(64)) as other,
    ):
        for memory in (one, other):
            create_lane(memory, 64, "lane")
        out, back = Lane(one), Lane(other)
        with Child("lane_relay", *names, count) as child:
            sent = received = 0
            while received < count:
                if sent < count and out.send(numbered(sent, 1)):
                    sent += 1
                raw = back.receive()
                if raw is not None:
                    message = np.frombuffer(raw, numbered(0, 0).dtype)
                    assert numbers_of(message) == [received]
                    received += 1
                    assert message["sequence"].tolist() == [received]
            assert child.line() == "done"


def test_a_killed_sender_leaves_whole_records_and_its_place(exchange: str) -> None:
    """SIGKILL in mid-stream, three times; nothing is missing or torn, and the next one goes on."""
    with Ring.create(exchange, PRICE, 64) as ring:
        subscriber = ring.subscriber(gating=True)
        record = np.zeros(1, PRICE)
        received = 0
        for reign in range(3):
            with Child("ring_send", exchange, 1 << 40) as child:
                assert child.line() == "ready"
                while received < 1000 * (reign + 1):
                    assert subscriber.receive_into(record, timeout=30)
                    received += 1
                    assert record.tolist() == [(received, received * 0.5, b"note")]
                child.kill()
        successor = ring.publisher()
        rest = subscriber.poll()["n"].tolist()
        assert rest == run_of(received + 1, successor.next - 1)
        subscriber.release()
        assert successor.send(ring_records(successor.next, 1))


def test_a_killed_receiver_had_not_done_with_its_last_record(exchange: str) -> None:
    """Its successor begins with it."""
    with Ring.create(exchange, "<u8", 64) as ring:
        publisher = ring.publisher()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            with Ring.attach(exchange) as own:
                one = own.subscriber(gating=True, name="worker")
                os.write(writer, b"r")
                for _ in range(3):
                    one.receive()
                os.write(writer, b"d")
                signal.pause()
        assert os.read(reader, 1) == b"r"
        for n in range(1, 6):
            publisher.send(word(n))
        assert os.read(reader, 1) == b"d"
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        successor = ring.subscriber(gating=True, name="worker")
        assert successor.receive() == word(3)
        os.close(reader)
        os.close(writer)


def test_a_signal_ends_a_wait(exchange: str) -> None:
    with Ring.create(exchange, PRICE, 8), Child("ring_wait", exchange) as child:
        assert child.line() == "ready"
        stat = Path(f"/proc/{child.process.pid}/stat")
        wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "S", "sleep")
        child.process.send_signal(signal.SIGINT)
        assert child.line() == "interrupted"
        assert child.end() == 0


def test_a_sleeping_receiver_is_woken(exchange: str) -> None:
    """Each record is sent when the receiver is asleep; the sender's bell is what wakes it."""
    with Ring.create(exchange, "<u8", 8) as ring:
        subscriber, publisher = ring.subscriber(), ring.publisher()

        def send() -> None:
            for n in range(20):
                parks = subscriber.statistics().parks
                wait_until(lambda before=parks: subscriber.statistics().parks > before, "sleep")  # type: ignore[misc]
                publisher.send(word(n))

        thread = threading.Thread(target=send)
        thread.start()
        assert [subscriber.receive(timeout=30) for _ in range(20)] == [word(n) for n in range(20)]
        thread.join()


def test_close_beside_a_waiting_thread_is_seen_by_it(exchange: str) -> None:
    """The memory stays until the wait is over: no fault, an exception."""
    ring = Ring.create(exchange, "<u8", 8)
    subscriber = ring.subscriber()
    said: list[BaseException] = []

    def wait() -> None:
        try:
            subscriber.receive(timeout=30)
        except UsageError as error:
            said.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: subscriber.statistics().parks > 0, "sleep")
    ring.close()
    thread.join(30)
    assert "closed" in str(said[0])


# --- processes -----------------------------------------------------------------------------------


def answer(out: Ring, back: Ring, count: int) -> None:
    """A process of multiprocessing: sends back what it gets."""
    subscriber, publisher = out.subscriber("oldest", gating=True), back.publisher()
    for _ in range(count):
        publisher.send(subscriber.receive() or b"", timeout=None)


@pytest.mark.parametrize("method", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_multiprocessing_sends_back(exchange: str, method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    names = [f"{exchange}-{n}" for n in range(2)]
    with Ring.create(names[0], "<u8", 64) as out, Ring.create(names[1], "<u8", 64) as back:
        process = context.Process(target=answer, args=(out, back, 50))
        process.start()
        subscriber, publisher = back.subscriber(gating=True), out.publisher()
        for n in range(50):
            assert publisher.send(word(n))
            assert subscriber.receive(timeout=60) == word(n)
        process.join(60)
        assert process.exitcode == 0
    for name in names:
        Ring.remove(name)


def test_a_forked_child_is_refused(ring: Ring) -> None:
    publisher, subscriber = ring.publisher(), ring.subscriber()
    publisher.send(word(1))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        refused = 0
        for call in (
            lambda: publisher.send(word(2)),
            subscriber.receive,
            lambda: subscriber.receive_into(bytearray(8)),
        ):
            try:
                call()
            except UsageError as error:
                refused += "another process" in str(error)
        os.write(writer, bytes([refused]))
        os._exit(0)
    assert os.read(reader, 1) == b"\x03"
    os.waitpid(child, 0)
    assert subscriber.receive() == word(1)
    assert publisher.send(word(2))
    os.close(reader)
    os.close(writer)


# --- references ----------------------------------------------------------------------------------


def use(exchange: str, rounds: int) -> None:
    """Every way through the module, refusals and gaps included."""
    with Ring.create(exchange, "<u8", 8) as ring:
        publisher, gating = ring.publisher(), ring.subscriber(gating=True)
        skipping = ring.subscriber(on_gap="skip")
        out = bytearray(8)
        for n in range(rounds):
            publisher.send(word(n))
            gating.receive_into(out)
            gating.receive(timeout=0)
            if n % 20 == 0:
                skipping.receive()
            with pytest.raises(UsageError):
                publisher.send(b"1")
            with pytest.raises(UsageError):
                gating.receive_into(b"1")
        with pytest.raises(TypeError):
            gating.receive(1, 2)  # type: ignore[call-arg]
    Ring.remove(exchange)
    memory = make_lane(8)
    lane = Lane(memory)
    for n in range(rounds):
        lane.send(numbered(n, 1))
        lane.receive()
        lane.receive()
    memory.close()


def test_nothing_is_leaked(exchange: str) -> None:
    """Many rounds: counts of references come back, and no memory is kept."""
    # What the module allocates is charged to the lines that call it: this file's, and the classes'.
    ours = [tracemalloc.Filter(True, f"*{name}") for name in ("test_single.py", "ringbus/*.py")]
    kept = []
    tracemalloc.start()
    for _ in range(4):
        use(exchange, 2000)
        gc.collect()
        statistics = tracemalloc.take_snapshot().filter_traces(ours).statistics("filename")
        kept.append(sum(one.size for one in statistics))
    tracemalloc.stop()
    # A leak of one object a round is 60,000 bytes each time; caches of others fill up once.
    assert min(later - before for before, later in pairwise(kept)) < 20_000


def test_references_are_given_back(ring: Ring) -> None:
    publisher, subscriber = ring.publisher(), ring.subscriber()
    record, out = word(1), bytearray(8)
    mapping = ring._attachment.stream.mapping

    def counts() -> list[int]:
        return [sys.getrefcount(one) for one in (record, out, mapping, publisher, subscriber, None)]

    def go() -> None:
        for _ in range(1000):
            publisher.send(record)
            publisher.send(out)
            subscriber.receive(timeout=None)
            subscriber.receive_into(out, timeout=1)
            subscriber.receive(timeout=0)

    go()
    before = counts()
    go()
    # Others of the interpreter come and go to None, not by thousands.
    assert counts()[:-1] == before[:-1]
    assert abs(counts()[-1] - before[-1]) < 100
    held = sys.getrefcount(mapping)
    publisher.close()
    subscriber.close()
    assert sys.getrefcount(mapping) == held - 2
