"""`ringbus ls`: what it says of rings and exchanges that are there."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from ringbus.backing import TMPFS
from ringbus.multicast import GatingReader, Writer, create_multicast, multicast_bytes, readers_bytes
from ringbus.ring import Ring
from ringbus.segment import Segment, segment_name
from tests.ringbus.children import PRICE, ring_records
from tests.ringbus.support import Child, make_shared_ring, numbered
from tools import cli
from tools.ls import Found, look

ROOT = Path(__file__).resolve().parents[2]


def found_of(name: str) -> dict[str, Found]:
    """What is found of one exchange or ring, by the part."""
    start = f"{name}."
    return {one.name.removeprefix(start): one for one in look() if one.name.startswith(start)}


def test_a_ring_with_publisher_and_reader(exchange: str) -> None:
    with Ring.create(exchange, PRICE, 16) as ring, Child("ring_hold", exchange, "holder") as child:
        assert child.line() == "ready"
        (one,) = found_of(exchange).values()
        assert (one.kind, one.capacity, one.record_bytes) == ("ring", 16, 128)
        assert (one.owner_pid, one.owner_alive) == (os.getpid(), True)
        assert one.publisher_pid == 0
        with ring.publisher() as publisher:
            publisher.publish(ring_records(1, 3))
            (one,) = found_of(exchange).values()
        assert one.publisher_pid == os.getpid()
        assert [(gate.name, gate.cursor, gate.pid) for gate in one.readers] == [
            ("holder", 0, child.process.pid)
        ]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="distance is told by a cycle counter")
@pytest.mark.parametrize(("how", "gating"), [("poll", False), ("poll", True), ("view", True)])
def test_how_far_a_reader_is_from_its_writer(exchange: str, how: str, gating: bool) -> None:
    """It finds out by the way, in place as well as by copies; which of the two is the host's."""
    with (
        Ring.create(exchange, PRICE, 1024) as ring,
        ring.subscriber(gating=gating) as subscriber,
        ring.publisher() as publisher,
    ):
        for first in range(1, 3000, 500):
            (one,) = found_of(exchange).values()
            (place,) = one.readers if gating else one.lossy
            assert (place.distance in ("near", "far")) == (first > 1024)
            assert place.counts.endswith(f", {place.distance}") == (first > 1024)
            publisher.publish(ring_records(first, 500))
            left = 500
            while left > 0:
                batch = subscriber.view() if how == "view" else subscriber.poll()
                left -= len(batch)
            if gating:
                subscriber.release()


def test_the_stream_of_an_exchange(exchange: str) -> None:
    ring, readers = make_shared_ring(exchange, 64)
    with ring, readers:
        Writer(ring, readers).publish(numbered(1, 5))
        reader = GatingReader(ring, readers, "journal")
        reader.release(4)
        found = found_of(exchange)
        assert found["stream"].kind == "stream"
        assert found["stream"].capacity == 64
        assert found["stream"].record_bytes == 64
        (gate,) = next(one for one in found.values() if one.kind == "readers").readers
        assert (gate.name, gate.cursor, gate.pid) == ("journal", 4, os.getpid())


def test_an_owner_that_is_gone(exchange: str) -> None:
    program = f"from ringbus.ring import Ring; Ring.create('{exchange}', 'u8', 8)"
    child = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    assert child.wait(60) == 0
    (one,) = found_of(exchange).values()
    assert (one.owner_pid, one.owner_alive) == (child.pid, False)


def test_what_is_not_laid_out_is_not_listed(exchange: str) -> None:
    Segment.create(segment_name(exchange, "stream"), 1 << 16).close()
    Segment.create(segment_name(exchange, "bells"), 64).close()
    (TMPFS / segment_name(exchange, "launcher")).write_text("somewhere")
    assert found_of(exchange) == {}


def test_the_table(exchange: str, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = multicast_bytes(8), readers_bytes()
    ring, readers = (
        Segment.create(segment_name(exchange, part), size)
        for part, size in zip(("stream", "stream.readers"), sizes, strict=True)
    )
    with ring, readers:
        create_multicast(ring, readers, 8, "stream")
        GatingReader(ring, readers, "watch")
        assert cli.main(["ls"]) == 0
        lines = [line for line in capsys.readouterr().out.splitlines() if exchange in line]
    assert len(lines) == 2
    assert "stream" in lines[0]
    assert "64 B" in lines[0]
    assert f"watch at 0 (gate, pid {os.getpid()}): 0 received, 0 lost" in lines[1]
