"""What the second process of a test does: `python -m tests.ringbus.children FUNCTION ARGUMENT…`."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import ffi
from ringbus.backing import Backing, Pages, lock_all, mapped
from ringbus.core import Core
from ringbus.idle import Idle, Strategy
from ringbus.journal import Journal
from ringbus.lane import Lane
from ringbus.multicast import GatingReader, Reader, Writer
from ringbus.ring import Ring
from ringbus.segment import Segment, listing, segment_name, unlink
from ringbus.status import RingbusError, UsageError
from tests.ringbus.support import numbered, word

TAIL_OFFSET = 128
FLOOD = 65536


# Two lines a record with its sequence.
PRICE: np.dtype[np.void] = np.dtype([("n", "<u8"), ("price", "f8"), ("note", "S90")])


def ring_records(first: int, count: int) -> NDArray[np.void]:
    """Records first..first+count-1; the price follows from the number."""
    out: NDArray[np.void] = np.zeros(count, PRICE)
    out["n"] = np.arange(first, first + count)
    out["price"] = out["n"] * 0.5
    out["note"] = b"note"
    return out


def say(text: str) -> None:
    """A line for the test."""
    print(text, flush=True)


def backing_make(pages: str, size: str, wish: str, exchange: str) -> None:
    """Make a segment of such pages, and say what it and who attaches got of it."""
    backing = Backing(cast(Pages, pages), required=wish == "required")
    name = segment_name(exchange, "part")
    try:
        with Segment.create(name, int(size), backing=backing) as made:
            ffi.buffer(made.address, 5)[0:5] = b"hello"
            say(f"unmet {made.unmet}")
            say(f"made {_got(made)}")
            program = [sys.executable, "-m", "tests.ringbus.children", "backing_see", name]
            subprocess.run(program, check=True)
    except RingbusError as error:
        say(f"{type(error).__name__} {error}")
    say(f"listed {listing(exchange)} unlinked {unlink(name)} left {listing(exchange)}")


def backing_see(name: str) -> None:
    """Attach a segment, read-only, and say what is in it and what was got."""
    with Segment.attach(name) as seen:
        say(f"seen {bytes(ffi.buffer(seen.address, 5)).decode()} {_got(seen)}")


def _got(segment: Segment) -> str:
    got = mapped(segment.path)
    return f"{segment.path.parent} {segment.size} {got.words if got else None}"


def backing_ring(exchange: str) -> None:
    """A ring on explicit pages: its locks and its discovery work there too."""
    with Ring.create(exchange, "u8", 16, backing=Backing("explicit")) as ring:
        publisher, subscriber = ring.publisher(), ring.subscriber()
        with Ring.attach(exchange) as again:
            try:
                again.publisher()
            except UsageError as error:
                say(str(error))
        publisher.publish(np.arange(20, dtype="u8"))
        try:
            subscriber.poll()
        except RingbusError as error:
            say(str(error))
        say(str(ring.memory and ring.memory.words))
        try:
            Ring.create(exchange, "u8", 16)
        except RingbusError as error:
            say(str(error))
    say(str(Ring.remove(exchange)))


def backing_lock(exchange: str, wish: str) -> None:
    """Lock what the limit does not allow."""
    backing = Backing(lock=True, required=wish == "required")
    try:
        with Ring.create(exchange, "u8", 65536, backing=backing) as ring:
            say(str(ring.memory and ring.memory.words))
    except RingbusError as error:
        say(f"{type(error).__name__} {error}")
    try:
        lock_all()
    except RingbusError as error:
        say(f"{type(error).__name__} {error}")


def lane_produce(segment: str, count: str) -> None:
    """Put `count` numbered messages on a lane, in groups of all sizes."""
    with Segment.attach(segment, writable=True) as memory:
        lane = Lane(memory)
        sent = 0
        while sent < int(count):
            group = min(1 + sent % 61, int(count) - sent)
            if lane.offer(numbered(sent, group)) == 0:
                os.sched_yield()
            else:
                sent += group
    say("done")


def lane_produce_for_ever(segment: str) -> None:
    """Take the lane over and go on behind what was committed, until killed."""
    with Segment.attach(segment, writable=True) as memory:
        lane = Lane(memory)
        lane.repair()
        lane.valid()
        position = word(memory, TAIL_OFFSET)
        say(f"from {position}")
        while True:
            group = 1 + position % 5
            if lane.offer(numbered(position, group)) == 0:
                os.sched_yield()
            else:
                position += group


def ring_write(ring: str, readers: str, count: str) -> None:
    """Publish `count` messages, in batches of all sizes, waiting for gating readers only."""
    with (
        Segment.attach(ring, writable=True) as memory,
        Segment.attach(readers) as cursors,
    ):
        writer = Writer(memory, cursors)
        say("ready")
        last = int(count)
        while writer.next <= last:
            first = writer.next
            batch = min(1 + first % 97, last - first + 1)
            if writer.publish(numbered(first, batch)) == 0:
                os.sched_yield()
    say("done")


def ring_own(ring: str, readers: str) -> None:
    """Be the one that writes, until killed."""
    with (
        Segment.attach(ring, writable=True) as memory,
        Segment.attach(readers) as cursors,
        Writer(memory, cursors),
    ):
        say("ready")
        sys.stdin.read()


def places_show(ring: str, table: str, count: str) -> None:
    """Let so many lossy readers be seen, and keep them until killed."""
    with Segment.attach(ring) as memory, Segment.attach(table, writable=True) as shown:
        kept = [Reader(memory) for _ in range(int(count))]
        for n, reader in enumerate(kept):
            reader.show(shown, f"{os.getpid()}.{n}")
            reader.poll()
        say("ready")
        sys.stdin.read()


def gate_hold(ring: str, readers: str, name: str) -> None:
    """Gate, and release what is there, until killed."""
    with Segment.attach(ring) as memory, Segment.attach(readers, writable=True) as cursors:
        reader = GatingReader(memory, cursors, name)
        reader.poll()
        reader.release()
        say("ready")
        sys.stdin.read()


def ring_watch(name: str) -> None:
    """Subscribe, and stay until killed."""
    with Ring.attach(name) as ring, ring.subscriber():
        say("ready")
        sys.stdin.read()


def ring_flood(ring: str, readers: str, count: str) -> None:
    """Publish `count` messages as fast as can be: message n has number (n - 1) % FLOOD + 1."""
    with (
        Segment.attach(ring, writable=True) as memory,
        Segment.attach(readers) as cursors,
    ):
        writer = Writer(memory, cursors)
        messages = numbered(1, FLOOD)
        say("ready")
        while writer.next <= int(count):
            at = (writer.next - 1) % FLOOD
            writer.publish(messages[at : at + 256])
    say("done")


def write_read_only(segment: str) -> None:
    """Write to a mapping that is read-only: the processor refuses it and the process dies."""
    memory = Segment.attach(segment)
    say("attached")
    ffi.cast("char *", memory.address)[0] = b"x"
    say("written")


def sleep_on_lane(segment: str, bells: str, timeout_us: str, kind: str) -> None:
    """Park until the lane has a message, on a futex or in an epoll set; three times."""
    with (
        Segment.attach(segment, writable=True) as memory,
        Segment.attach(bells, writable=True) as shared,
        select.epoll() as epoll,
    ):
        lane = Lane(memory)
        descriptor = epoll.fileno() if kind == "socket" else -1
        strategy = Strategy.ADAPTIVE if kind == "adaptive" else Strategy.PARK
        with Idle(shared, "sleeper", strategy, descriptor) as idle:
            idle.set_timeout(int(timeout_us))
            idle.set_spin(0)
            say("ready")
            for _ in range(3):
                while len(lane.take(1)) == 0:
                    idle.step(0)
                idle.step(1)
                say(f"woke {idle.parks}")


def hold_bell(bells: str, name: str) -> None:
    """Claim a bell and keep it until killed."""
    with Segment.attach(bells, writable=True) as shared, select.epoll() as epoll:
        idle = Idle(shared, name, epoll_fd=epoll.fileno())
        say(f"bell {idle.bell}")
        sys.stdin.readline()


def run_core(ring: str, readers: str, page: str, bells: str, directory: str) -> None:
    """A core with a journal, until it is told to stop."""
    with (
        Segment.attach(ring) as stream,
        Segment.attach(readers, writable=True) as cursors,
        Segment.attach(page, writable=True) as own,
        Segment.attach(bells, writable=True) as shared,
    ):
        core = Core(own, shared, "recorder", "park")
        core.add("journal", Journal(Path(directory), stream, cursors, 1024))
        core.stop_on_signals()
        say("ready")
        core.run()
        core.close()
    say("stopped")


def ring_publish(name: str, count: str) -> None:
    """Publish `count` numbered records in batches of all sizes, behind what is there."""
    with Ring.attach(name, PRICE) as ring, ring.publisher() as publisher:
        say("ready")
        last = int(count)
        size = 1
        while publisher.next <= last:
            size = size % 37 + 1
            records = ring_records(publisher.next, min(size, last + 1 - publisher.next))
            publisher.publish(records, timeout=None)
        say("done")


def ring_subscribe(name: str, count: str) -> None:
    """Receive `count` records by view, as a gating subscriber; fails if one is missing or torn."""
    with Ring.attach(name) as ring, ring.subscriber(gating=True) as subscriber:
        say("ready")
        got = 0
        while got < int(count):
            batch = subscriber.view(100)
            if len(batch) == 0:
                batch = subscriber.read(timeout=60)
            assert batch["n"].tolist() == list(range(got + 1, got + len(batch) + 1))
            assert (batch["price"] == batch["n"] * 0.5).all()
            got += len(batch)
    say("done")


def ring_hold(name: str, *gates: str) -> None:
    """Hold gates, and read nothing."""
    with Ring.attach(name) as ring:
        held = [ring.subscriber(gating=True, name=gate) for gate in gates]
        say("ready")
        sys.stdin.readline()
        del held


def ring_echo(name: str) -> None:
    """Say the number of each record."""
    with Ring.attach(name) as ring, ring.subscriber() as subscriber:
        say("ready")
        for batch in subscriber:
            for n in batch["n"].tolist():
                say(str(n))


def ring_relay(inward: str, outward: str, count: str) -> None:
    """Send back each of `count` records, one at a time."""
    with Ring.attach(inward) as one, Ring.attach(outward) as other:
        subscriber, publisher = one.subscriber(gating=True), other.publisher()
        say("ready")
        for _ in range(int(count)):
            record = subscriber.receive()
            assert record is not None
            assert publisher.send(record, timeout=None)
        say("done")


def ring_send(name: str, count: str) -> None:
    """Send `count` numbered records one at a time, behind what is there, waiting for gates."""
    with Ring.attach(name, PRICE) as ring, ring.publisher() as publisher:
        say("ready")
        record = ring_records(1, 1)
        for n in range(publisher.next, int(count) + 1):
            record["n"], record["price"] = n, n * 0.5
            assert publisher.send(record, timeout=None)
        say("done")


def ring_wait(name: str) -> None:
    """Wait for a record until a signal ends it."""
    with Ring.attach(name) as ring, ring.subscriber() as subscriber:
        try:
            say("ready")
            subscriber.receive()
        except KeyboardInterrupt:
            say("interrupted")


def lane_relay(inward: str, outward: str, count: str) -> None:
    """Send back each of `count` messages, one at a time."""
    with (
        Segment.attach(inward, writable=True) as one,
        Segment.attach(outward, writable=True) as other,
    ):
        source, sink = Lane(one), Lane(other)
        for _ in range(int(count)):
            while (message := source.receive()) is None:
                os.sched_yield()
            while not sink.send(message):
                os.sched_yield()
    say("done")


FUNCTIONS = {
    function.__name__: function
    for function in (
        lane_produce,
        lane_produce_for_ever,
        ring_write,
        ring_flood,
        write_read_only,
        ring_own,
        ring_watch,
        places_show,
        gate_hold,
        backing_make,
        backing_see,
        backing_ring,
        backing_lock,
        sleep_on_lane,
        hold_bell,
        run_core,
        ring_publish,
        ring_subscribe,
        ring_hold,
        ring_echo,
        ring_relay,
        ring_send,
        ring_wait,
        lane_relay,
    )
}

if __name__ == "__main__":
    FUNCTIONS[sys.argv[1]](*sys.argv[2:])
