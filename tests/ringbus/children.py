"""What the second process of a test does: `python -m tests.ringbus.children FUNCTION ARGUMENT…`."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import ffi
from ringbus.core import Core
from ringbus.idle import Idle
from ringbus.journal import Journal
from ringbus.lane import Lane
from ringbus.multicast import Writer
from ringbus.ring import Ring
from ringbus.segment import Segment
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


def sleep_on_lane(segment: str, bells: str, timeout_us: str, socket: str) -> None:
    """Park until the lane has a message, on a futex or in an epoll set; three times."""
    with (
        Segment.attach(segment, writable=True) as memory,
        Segment.attach(bells, writable=True) as shared,
        select.epoll() as epoll,
    ):
        lane = Lane(memory)
        descriptor = epoll.fileno() if socket == "socket" else -1
        with Idle(shared, "sleeper", epoll_fd=descriptor) as idle:
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
