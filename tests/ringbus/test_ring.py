"""Rings of any dtype: against a list, in several processes, and when those die."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from numpy.typing import NDArray

from ringbus._ringbus import lib
from ringbus.memory import Block
from ringbus.multicast import GatingReader, Reader, Writer
from ringbus.ring import Ring, ring_segment
from ringbus.segment import Segment, listing
from ringbus.status import (
    CapacityError,
    Lapped,
    LayoutError,
    NotFoundError,
    UsageError,
    check,
)
from ringbus.subscriber import Subscriber
from tests.conftest import numbers
from tests.ringbus.children import PRICE, ring_records
from tests.ringbus.support import Child, make_ring, run_of

Records = NDArray[np.void]


@pytest.fixture
def name() -> Iterator[str]:
    """A ring's name; the ring is removed behind the test."""
    name = f"r{os.getpid()}-{next(numbers)}"
    yield name
    Ring.remove(name)


def records_of(first: int, count: int, words: int = 1) -> Records:
    """Records whose words all follow from their number."""
    out: NDArray[np.void] = np.zeros(count, word_type(words))
    out["n"] = np.arange(first, first + count, dtype=np.uint64)[:, None]
    return out


def word_type(words: int) -> np.dtype[np.void]:
    return np.dtype([("n", "<u8", (words,))])


def numbers_in(batch: Records) -> list[int]:
    """Numbers of records made by records_of; fails if one is torn."""
    values = batch["n"]
    assert (values == values[:, :1]).all(), "a record is torn"
    return [int(n) for n in values[:, 0]]


hows = st.sampled_from(["poll", "view", "receive", "receive_into"])

# --- against a list ------------------------------------------------------------------------------


class AgainstAList(RuleBasedStateMachine):
    """A publisher, lossy subscribers of both kinds, and gating ones that copy or view."""

    @initialize(capacity=st.sampled_from([8, 16]), words=st.sampled_from([1, 7, 8, 15, 63]))
    def start(self, capacity: int, words: int) -> None:
        self.name = f"r{os.getpid()}-{next(numbers)}"
        self.words = words
        self.capacity = capacity
        self.ring = Ring.create(self.name, word_type(words), capacity)
        assert self.ring.record_bytes == (words * 8 + 8 + 63) // 64 * 64
        self.publisher = self.ring.publisher()
        self.last = 0
        self.lossy: list[tuple[Subscriber, bool]] = []
        self.lost: dict[int, int] = {}
        self.gates: dict[str, Subscriber] = {}
        self.done: dict[str, int] = {}

    def teardown(self) -> None:
        if hasattr(self, "ring"):
            self.ring.close()
            Ring.remove(self.name)

    @property
    def oldest(self) -> int:
        return max(1, self.last - self.capacity + 1)

    @rule(count=st.integers(0, 24))
    def publish(self, count: int) -> None:
        slowest = min(self.done.values(), default=self.last)
        fits = min(count, slowest + self.capacity - self.last) if self.done else count
        assert self.publisher.publish(records_of(self.last + 1, count, self.words)) == fits
        self.last += fits
        assert self.publisher.next == self.last + 1

    @rule()
    def send(self) -> None:
        """One record at a time, between batches."""
        slowest = min(self.done.values(), default=self.last)
        fits = self.last < slowest + self.capacity
        assert self.publisher.send(records_of(self.last + 1, 1, self.words)) == fits
        self.last += fits

    @rule()
    def another_publisher(self) -> None:
        self.publisher.close()
        self.publisher = self.ring.publisher()
        assert self.publisher.next == self.last + 1

    @precondition(lambda self: len(self.lossy) < 4)
    @rule(
        start=st.one_of(st.sampled_from(["newest", "oldest"]), st.integers(1, 40)),
        skip=st.booleans(),
    )
    def join(self, start: str | int, skip: bool) -> None:
        one = self.ring.subscriber(start, on_gap="skip" if skip else "raise")  # type: ignore[arg-type]
        first = {"newest": self.last + 1, "oldest": self.oldest}.get(str(start), start)
        assert one.next == first
        self.lossy.append((one, skip))

    def caller(self, one: Subscriber, limit: int, how: str) -> tuple[int, Callable[[int], Records]]:
        """A way to ask for records, and how many it may give."""

        def receive(_: int) -> Records:
            return np.frombuffer(one.receive(timeout=0) or b"", word_type(self.words))

        def receive_into(_: int) -> Records:
            out = records_of(0, 1, self.words)
            return out[: one.receive_into(out, timeout=0)]

        if how in ("view", "poll"):
            return limit, getattr(one, how)
        return 1, receive if how == "receive" else receive_into

    @precondition(lambda self: self.lossy)
    @rule(which=st.integers(0, 3), limit=st.integers(1, 20), how=hows)
    def poll(self, which: int, limit: int, how: str) -> None:
        one, skip = self.lossy[which % len(self.lossy)]
        first = one.next
        lost = one.statistics().lost
        limit, call = self.caller(one, limit, how)
        if first < self.oldest:
            if not skip:
                with pytest.raises(Lapped) as caught:
                    call(limit)
                assert (caught.value.first, caught.value.last) == (first, self.oldest - 1)
                assert one.next == self.oldest
                return
            lost += self.oldest - first
            first = self.oldest
        got = call(limit)
        assert numbers_in(got) == run_of(first, min(self.last, first + limit - 1))
        assert len(got) == 0 or one.first == first
        assert one.statistics().lost == lost

    @precondition(lambda self: len(self.gates) < 2)
    @rule()
    def open_gate(self) -> None:
        """From the newest on a gate holds at once."""
        name = f"gate{len(self.gates)}"
        self.gates[name] = self.ring.subscriber("newest", gating=True, name=name)
        self.done[name] = self.last
        assert self.gates[name].next == self.last + 1

    @precondition(lambda self: self.gates)
    @rule(which=st.integers(0, 1), limit=st.integers(1, 20), how=hows)
    def poll_gating(self, which: int, limit: int, how: str) -> None:
        name = sorted(self.gates)[which % len(self.gates)]
        one = self.gates[name]
        first = one.next
        limit, call = self.caller(one, limit, how)
        got = call(limit)
        self.done[name] = first - 1
        last = min(self.last, first + limit - 1)
        if how == "view":
            last = min(last, (first - 1) // self.capacity * self.capacity + self.capacity)
        assert numbers_in(got) == run_of(first, last)
        assert got.dtype == self.ring.dtype


TestAgainstAList = AgainstAList.TestCase
TestAgainstAList.settings = settings(max_examples=60, stateful_step_count=40)


def values(array: NDArray[Any]) -> list[bytes]:
    """Bytes of every field, those of nested ones too; what lies between fields is nobody's."""
    if array.dtype.names is None:
        return [array.tobytes()]
    return [value for name in array.dtype.names for value in values(array[name])]


scalars = st.sampled_from(
    ["u1", "<i2", ">i4", "<u8", "f4", "f8", "c16", "?", "S5", "<U3", "M8[ns]", "m8[us]", "V3"]
)
fields = st.one_of(
    scalars,
    st.tuples(scalars, st.tuples(st.integers(1, 3), st.integers(1, 4))),
    st.lists(scalars, min_size=1, max_size=3).map(
        lambda kinds: [(f"g{n}", kind) for n, kind in enumerate(kinds)]
    ),
)
dtypes = st.tuples(st.lists(fields, min_size=1, max_size=6), st.booleans()).map(
    lambda made: np.dtype([(f"f{n}", field) for n, field in enumerate(made[0])], align=made[1])
)


@settings(max_examples=60)
@given(dtype=dtypes, data=st.data())
def test_records_of_any_type_come_back_as_they_went(
    dtype: np.dtype[np.void], data: st.DataObject
) -> None:
    name = f"r{os.getpid()}-{next(numbers)}"
    raw = data.draw(st.binary(min_size=8 * dtype.itemsize, max_size=8 * dtype.itemsize))
    sent = np.frombuffer(raw, dtype)
    try:
        with Ring.create(name, dtype, 8) as ring, Ring.attach(name) as other:
            assert other.dtype == dtype
            assert other.record_bytes % 64 == 0
            gating = other.subscriber(gating=True)
            lossy = other.subscriber()
            assert ring.publisher().publish(sent) == 8
            assert lossy.poll().tobytes() == raw
            view = gating.view()
            assert values(view) == values(sent)
    finally:
        Ring.remove(name)


@pytest.mark.parametrize("record_bytes", range(64, 513, 64))
def test_records_of_several_lines(name: str, record_bytes: int) -> None:
    words = record_bytes // 8 - 1
    with Ring.create(name, word_type(words), 16) as ring:
        assert ring.record_bytes == record_bytes
        subscriber = ring.subscriber()
        publisher = ring.publisher()
        for first in range(1, 100, 11):
            assert publisher.publish(records_of(first, 11, words)) == 11
            assert numbers_in(subscriber.poll()) == run_of(first, first + 10)


def test_plain_numbers_are_records_too(name: str) -> None:
    with Ring.create(name, "f8", 8) as ring:
        subscriber = ring.subscriber()
        ring.publisher().publish(np.array([1.5, 2.5]))
        assert subscriber.poll().tolist() == [1.5, 2.5]


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype",
    [
        np.dtype(object),
        np.dtype([("a", object)]),
        np.dtype({"names": ["a", "b"], "formats": ["u4", "u2"], "offsets": [0, 0]}),
        np.dtype("V0"),
        np.dtype("V65529"),
        np.dtype([(f"a_rather_long_name_{n}", "u1") for n in range(200)]),
    ],
    ids=["object", "object inside", "overlap", "empty", "large", "long text"],
)
def test_types_that_are_refused(name: str, dtype: np.dtype[Any]) -> None:
    with pytest.raises(UsageError):
        Ring.create(name, dtype)
    assert listing(name) == []


@pytest.mark.parametrize("wrong", ["", "a b", "a.b", "../a", "x" * 25])
def test_names_that_are_refused(wrong: str) -> None:
    with pytest.raises(UsageError):
        Ring.create(wrong, "u8")
    with pytest.raises(UsageError):
        Ring.attach(wrong)


@pytest.mark.parametrize("capacity", [0, 4, 100, 1 << 29])
def test_capacities_that_are_refused(name: str, capacity: int) -> None:
    with pytest.raises(UsageError, match="power of two"):
        Ring.create(name, "u8", capacity)


def test_a_ring_is_made_once_and_must_be_there(name: str) -> None:
    with pytest.raises(NotFoundError, match=name):
        Ring.attach(name)
    with Ring.create(name, PRICE), pytest.raises(LayoutError, match="exists already"):
        Ring.create(name, PRICE)
    assert Ring.remove(name)
    assert not Ring.remove(name)


def test_another_type_is_refused(name: str) -> None:
    with Ring.create(name, PRICE) as ring:
        with pytest.raises(LayoutError, match="not of"):
            Ring.attach(name, np.dtype([("other", "f8")]))
        Ring.attach(name, PRICE).close()
        publisher = ring.publisher()
        for wrong in (np.zeros(3), np.zeros((2, 2), PRICE), np.zeros(1, "u1")[0], ("x",), [1, 2]):
            with pytest.raises(UsageError):
                publisher.publish(wrong)  # type: ignore[arg-type]
        assert publisher.next == 1


@pytest.mark.parametrize("offset", [0, 8, 12, 32, 48, 128, 256, 264])
def test_a_damaged_ring_is_refused(name: str, offset: int) -> None:
    """Magic, version, kind, capacity, record, payload, type: each is verified."""
    Ring.create(name, PRICE, 8).close()
    with Segment.attach(ring_segment(name), writable=True) as memory:
        memory.buffer()[offset] ^= 0x55
        with pytest.raises(LayoutError):
            Ring.attach(name)


def test_a_ring_that_is_not_laid_out_yet_is_refused(name: str) -> None:
    Segment.create(ring_segment(name), 1 << 16).close()
    with pytest.raises(LayoutError):
        Ring.attach(name)


def test_the_exchanges_functions_refuse_longer_records() -> None:
    """They copy one line into the caller's memory."""
    _, readers = make_ring(8)
    size = lib.rb_records_bytes(8, 128)
    assert size == 256 + 8 * (128 + 8)
    ring = Block(size)
    check(lib.rb_records_init(ring.address, size, 8, 128, b"stream"))
    for make in (
        lambda: Reader(ring),
        lambda: Writer(ring, readers),
        lambda: GatingReader(ring, readers, "one"),
    ):
        with pytest.raises(LayoutError):
            make()


@pytest.mark.parametrize("record_bytes", [0, 8, 100, 65536 + 64])
def test_records_are_whole_lines(record_bytes: int) -> None:
    assert lib.rb_records_bytes(8, record_bytes) == 0
    memory = Block(1 << 20)
    with pytest.raises(UsageError):
        check(lib.rb_records_init(memory.address, memory.size, 8, record_bytes, b"stream"))


def test_what_an_argument_may_be(name: str) -> None:
    with Ring.create(name, PRICE, 8) as ring:
        for arguments in (
            {"start": 0},
            {"start": "middle"},
            {"on_gap": "cry"},
            {"name": "lossy"},
            {"gating": True, "name": "x" * 32},
        ):
            with pytest.raises(UsageError):
                ring.subscriber(**arguments)
        subscriber = ring.subscriber()
        for call in (subscriber.poll, subscriber.view, subscriber.read):
            with pytest.raises(UsageError):
                call(0)
        assert ring.statistics().gates == ()


# --- places --------------------------------------------------------------------------------------


def test_a_second_publisher_is_refused(name: str) -> None:
    with Ring.create(name, PRICE, 8) as ring, Ring.attach(name) as other:
        with ring.publisher() as first:
            assert ring.statistics().publisher_pid == os.getpid()
            for one in (ring, other):
                with pytest.raises(UsageError, match=f"publisher already, process {os.getpid()}"):
                    one.publisher()
            assert first.publish((1, 2.0, b"")) == 1
        assert ring.statistics().publisher_pid == 0
        with other.publisher() as second:
            assert second.next == 2


def test_a_gating_subscriber_holds_the_publisher_back(name: str) -> None:
    with Ring.create(name, PRICE, 8) as ring:
        subscriber = ring.subscriber(gating=True)
        publisher = ring.publisher()
        assert publisher.publish(ring_records(1, 20)) == 8
        assert publisher.publish(ring_records(9, 1), timeout=0.01) == 0
        batch = subscriber.view(3)
        assert batch["n"].tolist() == [1, 2, 3]
        assert not batch.flags.writeable
        assert publisher.publish(ring_records(9, 1)) == 0
        assert batch["n"].tolist() == [1, 2, 3]
        subscriber.release()
        assert publisher.publish(ring_records(9, 12)) == 3
        assert subscriber.poll()["n"].tolist() == run_of(4, 11)
        subscriber.close()
        assert publisher.publish(ring_records(12, 8)) == 8
        assert publisher.statistics().full == 4
        assert publisher.statistics().published == 19


def test_a_view_outlives_its_ring_without_harm(name: str) -> None:
    ring = Ring.create(name, PRICE, 8)
    subscriber = ring.subscriber(gating=True)
    ring.publisher().publish(ring_records(1, 3))
    batch = subscriber.view()
    ring.close()
    assert batch["n"].tolist() == [1, 2, 3]
    with pytest.raises(UsageError, match="closed"):
        subscriber.poll()
    with pytest.raises(UsageError, match="closed"):
        ring.subscriber()
    with pytest.raises(UsageError, match="closed"):
        ring.statistics()


def test_two_gates_have_two_names(name: str) -> None:
    with Ring.create(name, PRICE, 8) as ring:
        first = ring.subscriber(gating=True, name="recorder")
        with pytest.raises(UsageError, match="at work already"):
            ring.subscriber(gating=True, name="recorder")
        assert [gate.name for gate in ring.statistics().gates] == ["recorder"]
        first.close()
        ring.subscriber(gating=True, name="recorder").close()


def test_sixty_three_gates_and_no_more(name: str) -> None:
    with Ring.create(name, PRICE, 8) as ring:
        held = [ring.subscriber(gating=True) for _ in range(63)]
        with pytest.raises(CapacityError):
            ring.subscriber(gating=True)
        assert len(ring.statistics().gates) == 63
        held[5].close()
        ring.subscriber(gating=True)
        # Who only polls takes no place.
        ring.subscriber().poll()


def test_a_gate_holds_from_where_it_says(name: str) -> None:
    """Older records are copied, and may be lost; from `safe` on nothing is."""
    with Ring.create(name, PRICE, 8) as ring:
        publisher = ring.publisher()
        publisher.publish(ring_records(1, 8))
        publisher.publish(ring_records(9, 2))
        late = ring.subscriber("oldest", gating=True)
        assert late.next == 3
        sent = 10
        while publisher.publish(ring_records(sent + 1, 1)) == 1:
            sent += 1
        with pytest.raises(Lapped) as caught:
            late.view()
        assert caught.value.first == 3
        got = []
        while len(batch := late.view()) > 0:
            got += batch["n"].tolist()
        assert got == run_of(caught.value.last + 1, sent)
        assert publisher.publish(ring_records(sent + 1, 8)) == 8


# --- several processes ---------------------------------------------------------------------------


def test_lossy_received_and_lost_are_what_was_sent(name: str) -> None:
    """Three lines a record, a small ring, another process that writes as fast as it can."""
    count = 60_000
    with Ring.create(name, PRICE, 64) as ring, Child("ring_publish", name, count) as child:
        raising = ring.subscriber("oldest")
        skipping = ring.subscriber("oldest", on_gap="skip")
        assert child.line() == "ready"
        received = lost = 0
        while received + lost < count:
            try:
                batch = raising.read(timeout=30)
            except Lapped as gap:
                assert gap.first == received + lost + 1
                lost += gap.last - gap.first + 1
                continue
            assert batch["n"].tolist() == run_of(raising.first, raising.first + len(batch) - 1)
            assert (batch["n"] * 0.5 == batch["price"]).all()
            received += len(batch)
            if received % 50 == 0:
                skipping.poll()
        while skipping.next <= count:
            skipping.poll()
        assert child.line() == "done"
        assert raising.statistics().lost == lost
        assert raising.statistics().received == received
        both = skipping.statistics()
        assert both.received + both.lost == count
        assert lost + both.lost > 0


def test_a_gating_subscriber_in_another_process_gets_everything(name: str) -> None:
    count = 30_000
    with Ring.create(name, PRICE, 64) as ring:
        publisher = ring.publisher()
        with Child("ring_subscribe", name, count) as child:
            assert child.line() == "ready"
            for first in range(1, count + 1, 500):
                assert publisher.publish(ring_records(first, 500), timeout=60) == 500
            assert child.line() == "done"


def test_a_publisher_is_killed_and_another_goes_on(name: str) -> None:
    with Ring.create(name, PRICE, 64) as ring:
        subscriber = ring.subscriber(gating=True)
        received = 0
        for reign in range(3):
            with Child("ring_publish", name, 1 << 40) as child:
                assert child.line() == "ready"
                with pytest.raises(UsageError, match="has a publisher"):
                    ring.publisher()
                while received < 1000 * (reign + 1):
                    batch = subscriber.read(timeout=30)
                    assert batch["n"].tolist() == run_of(received + 1, received + len(batch))
                    received += len(batch)
                child.kill()
        successor = ring.publisher()
        while received < successor.next - 1:
            batch = subscriber.poll()
            assert batch["n"].tolist() == run_of(received + 1, received + len(batch))
            received += len(batch)
        subscriber.release()
        assert successor.publish(ring_records(received + 1, 1)) == 1


def test_a_gate_that_is_opened_in_mid_stream_holds_at_once(name: str) -> None:
    """Again and again beside a publisher at full speed: not one record of a view is overwritten."""
    with Ring.create(name, PRICE, 16) as ring, Child("ring_publish", name, 1 << 40) as child:
        assert child.line() == "ready"
        for _ in range(300):
            with ring.subscriber("newest", gating=True) as subscriber:
                first = subscriber.next
                for _ in range(3):
                    batch = subscriber.view()
                    last = first + len(batch) - 1
                    assert batch["n"].tolist() == run_of(first, last)
                    assert (batch["price"] == batch["n"] * 0.5).all()
                    first = last + 1
        child.kill()


def test_a_killed_gating_subscriber_is_waited_for_no_more(name: str) -> None:
    with Ring.create(name, PRICE, 8) as ring, Child("ring_hold", name, "dead") as child:
        assert child.line() == "ready"
        publisher = ring.publisher()
        assert publisher.publish(ring_records(1, 9), timeout=0.1) == 8
        assert [gate.name for gate in ring.statistics().gates] == ["dead"]
        child.kill()
        assert publisher.publish(ring_records(9, 8), timeout=30) == 8
        assert publisher.statistics().reclaimed == 1
        assert ring.statistics().gates == ()


def test_a_successor_of_a_killed_subscriber_goes_on_where_it_stopped(name: str) -> None:
    with Ring.create(name, PRICE, 8) as ring, Child("ring_hold", name, "recorder") as child:
        assert child.line() == "ready"
        publisher = ring.publisher()
        publisher.publish(ring_records(1, 5))
        with pytest.raises(UsageError, match=f"process {child.process.pid}"):
            ring.subscriber(gating=True, name="recorder")
        child.kill()
        successor = ring.subscriber(gating=True, name="recorder")
        assert successor.poll()["n"].tolist() == run_of(1, 5)


def test_places_of_the_dead_are_given_anew(name: str) -> None:
    """63 gates and their bells, all of one killed process."""
    with Ring.create(name, PRICE, 8) as ring, Child("ring_hold", name, *range(63)) as child:
        assert child.line() == "ready"
        with pytest.raises(CapacityError):
            ring.subscriber(gating=True)
        child.kill()
        with ring.subscriber(gating=True):
            assert len(ring.statistics().gates) == 1


def consume(ring: Ring, count: int, answers: Any) -> None:
    """A process of multiprocessing: what it received, after it said that it is there."""
    subscriber = ring.subscriber(gating=True)
    answers.put("ready")
    got = 0
    while got < count:
        got += len(subscriber.read(timeout=60))
    answers.put(got)


@pytest.mark.parametrize("method", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_multiprocessing_takes_a_ring(name: str, method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    with Ring.create(name, PRICE, 64) as ring:
        publisher = ring.publisher()
        answers = context.Queue()
        process = context.Process(target=consume, args=(ring, 1000, answers))
        process.start()
        assert answers.get(timeout=60) == "ready"
        assert publisher.publish(ring_records(1, 1000), timeout=60) == 1000
        assert answers.get(timeout=60) == 1000
        process.join(60)
        assert process.exitcode == 0
        answers.close()
        answers.join_thread()


def test_a_forked_child_has_no_part_in_what_its_parent_made(name: str) -> None:
    """Neither may use the other's handles, and the parent's locks end with the parent."""
    with Ring.create(name, PRICE, 8) as ring:
        publisher = ring.publisher()
        subscriber = ring.subscriber(gating=True)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            refused = 0
            for call in (lambda: publisher.publish((1, 1.0, b"")), subscriber.poll, ring.publisher):
                try:
                    call()
                except UsageError:
                    refused += 1
            os.write(writer, bytes([refused]))
            signal.pause()
        assert os.read(reader, 1) == b"\x03"
        publisher.close()
        ring.publisher().publish((1, 1.0, b""))
        assert len(subscriber.poll()) == 1
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)


def test_a_pickled_ring_attaches_and_handles_do_not(name: str) -> None:
    with Ring.create(name, PRICE, 8) as ring:
        with pickle.loads(pickle.dumps(ring)) as other:
            assert other.dtype == ring.dtype
            subscriber = other.subscriber()
            publisher = ring.publisher()
            publisher.publish((7, 3.5, b""))
            assert subscriber.poll()["n"].tolist() == [7]
        for handle in (publisher, subscriber):
            with pytest.raises(TypeError, match="hand the Ring"):
                pickle.dumps(handle)


def test_a_ring_that_is_made_anew_is_another(name: str) -> None:
    with Ring.create(name, PRICE, 8) as old:
        Ring.remove(name)
        new = Ring.create(name, PRICE, 8)
        with new, old.publisher() as one, new.publisher() as two:
            one.publish((1, 1.0, b""))
            assert (one.next, two.next) == (2, 1)
