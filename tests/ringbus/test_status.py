"""Every status has an exception, and every one can be provoked through the interface."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ports import _ports
from ringbus._ringbus import ffi, lib
from ringbus.idle import Idle, Strategy, bell_mask
from ringbus.journal import Journal
from ringbus.lane import Lane, create_lane
from ringbus.multicast import GatingReader, Reader, Writer
from ringbus.replay import Replay
from ringbus.status import EXCEPTIONS, RingbusError, check, statuses
from tests.ringbus.support import (
    Recorded,
    make_bells,
    make_lane,
    make_ring,
    numbered,
    patch,
)

STATUSES = {name: value for name, value, _ in statuses()}
TAIL_OFFSET = 128


def usage(directory: Path) -> None:
    create_lane(make_lane(8), 12, "twelve")


def corrupt(directory: Path) -> None:
    memory = make_lane(8)
    patch(memory, TAIL_OFFSET, (9).to_bytes(8, "little"))
    Lane(memory)


def corrupt_at_rest(directory: Path) -> None:
    memory = make_lane(8)
    lane = Lane(memory)
    lane.offer(numbered(0, 3))
    patch(memory, TAIL_OFFSET, (4).to_bytes(8, "little"))
    lane.valid()


def system(directory: Path) -> None:
    ring, readers = make_ring(8)
    Journal(directory / "missing", ring, readers, 1024)


def patched_lane(offset: int, data: bytes) -> None:
    memory = make_lane(8)
    patch(memory, offset, data)
    Lane(memory)


def not_ringbus(directory: Path) -> None:
    patched_lane(0, b"x")


def version(directory: Path) -> None:
    patched_lane(8, b"\2")


def version_by_reserved(directory: Path) -> None:
    patched_lane(88, b"\1")


def schema(directory: Path) -> None:
    patched_lane(16, b"schema")


def kind(directory: Path) -> None:
    Lane(make_ring(8)[0])


def size(directory: Path) -> None:
    patched_lane(24, (1 << 40).to_bytes(8, "little"))


def size_by_capacity(directory: Path) -> None:
    patched_lane(32, (16).to_bytes(8, "little"))


def lapped(directory: Path) -> None:
    ring, readers = make_ring(8)
    writer = Writer(ring, readers)
    reader = Reader(ring)
    writer.publish(numbered(1, 8))
    writer.publish(numbered(9, 1))
    reader.poll()


def full_of_gates(directory: Path) -> None:
    ring, readers = make_ring(8)
    for n in range(65):
        GatingReader(ring, readers, f"reader{n}")


def full_of_bells(directory: Path) -> None:
    bells = make_bells()
    for n in range(65):
        Idle(bells, f"bell{n}", Strategy.PARK)


def checksum(directory: Path) -> None:
    recorded = Recorded(directory)
    recorded.write(100)
    recorded.damage(7, b"\xee")
    Replay(None, directory, 7, 1024).poll()


def checksum_at_recovery(directory: Path) -> None:
    recorded = Recorded(directory)
    recorded.write(100)
    # What the header notes as durable is what the sync before the last achieved.
    recorded.journal.sync()
    recorded.write(1)
    recorded.journal.sync()
    recorded.damage(7, b"\xee")
    recorded.attach()


def sequence(directory: Path) -> None:
    recorded = Recorded(directory)
    recorded.write(1025)
    recorded.path(0).unlink()
    recorded.attach()


def torn(directory: Path) -> None:
    recorded = Recorded(directory)
    recorded.write(1)
    with recorded.path(0).open("r+b") as file:
        file.truncate(100)
    Replay(None, directory, 1, 1024).poll()


def wire_format(directory: Path) -> None:
    packet = _ports.ffi.new("prt_soup_packet *")
    check(_ports.lib.prt_soup_next(b"\0\0R", 3, packet), "soup", _ports.lib)


def unknown(directory: Path) -> None:
    bell_mask(make_bells(), "nobody")


PROVOKED: dict[str, list[Callable[[Path], None]]] = {
    "USAGE": [usage],
    "CORRUPT": [corrupt, corrupt_at_rest],
    "SYSTEM": [system],
    "NOT_RINGBUS": [not_ringbus],
    "VERSION": [version, version_by_reserved],
    "SCHEMA": [schema],
    "KIND": [kind],
    "SIZE": [size, size_by_capacity],
    "LAPPED": [lapped],
    "FULL": [full_of_gates, full_of_bells],
    "CHECKSUM": [checksum, checksum_at_recovery],
    "SEQUENCE": [sequence],
    "TORN": [torn],
    "FORMAT": [wire_format],
    "UNKNOWN": [unknown],
}


def test_every_status_has_its_exception_and_its_case() -> None:
    names = set(STATUSES) - {"OK"}
    assert set(EXCEPTIONS) == names
    assert set(PROVOKED) == names
    assert all(PROVOKED.values())
    assert all(issubclass(kind, RingbusError) for kind in EXCEPTIONS.values())


def test_the_list_is_well_formed() -> None:
    """R107: values are never reused; 0 is ok, all others are below."""
    values = [value for _, value, _ in statuses()]
    assert statuses()[0] == ("OK", 0, "ok")
    assert sorted(set(values), reverse=True) == values
    assert max(values[1:]) < 0
    texts = [text for _, _, text in statuses()]
    assert len(set(texts)) == len(texts)
    assert ffi.string(lib.rb_status_text(12345)) == b"unknown status"
    assert lib.rb_status_name(12345) == ffi.NULL


@pytest.mark.parametrize(
    ("name", "provoke"),
    [(name, provoke) for name, cases in PROVOKED.items() for provoke in cases],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_status_is_provoked(name: str, provoke: Callable[[Path], None], tmp_path: Path) -> None:
    with pytest.raises(RingbusError) as caught:
        provoke(tmp_path)
    assert type(caught.value) is EXCEPTIONS[name]
    assert caught.value.status == STATUSES[name]


def test_a_broken_invariant_says_where() -> None:
    with pytest.raises(EXCEPTIONS["CORRUPT"], match=r"lane\.c:\d+: .*tail"):
        corrupt(Path())


def test_a_system_call_says_why(tmp_path: Path) -> None:
    with pytest.raises(EXCEPTIONS["SYSTEM"], match="No such file or directory"):
        system(tmp_path)


def test_counts_pass() -> None:
    assert check(0) == 0
    assert check(17, "anything") == 17
    with pytest.raises(RingbusError, match="something: unknown status"):
        check(-1234, "something")
