"""Named shared memory: made once, mapped by others, gone when it is unlinked."""

from __future__ import annotations

import os

import pytest

from ringbus._ringbus import ffi
from ringbus.memory import Block
from ringbus.segment import Segment, listing, segment_name, unlink
from ringbus.status import LayoutError, NotFoundError, UsageError


def test_what_one_writes_another_reads(exchange: str) -> None:
    name = segment_name(exchange, "part")
    with Segment.create(name, 4096) as made, Segment.attach(name) as seen:
        assert (made.size, seen.size, made.writable, seen.writable) == (4096, 4096, True, False)
        assert bytes(ffi.buffer(seen.address, 4096)) == bytes(4096)
        ffi.buffer(made.address, 4096)[10:15] = b"hello"
        assert bytes(ffi.buffer(seen.address, 4096)[10:15]) == b"hello"
        assert int(ffi.cast("uintptr_t", seen.address)) % 4096 == 0


def test_it_is_made_only_once(exchange: str) -> None:
    """R107: the memory of a running exchange is never taken by a second one."""
    name = segment_name(exchange, "part")
    with (
        Segment.create(name, 4096),
        pytest.raises(LayoutError, match=r"exists already.*ringbus down"),
    ):
        Segment.create(name, 4096)


def test_no_memory_for_it_is_an_error_and_leaves_nothing(exchange: str) -> None:
    """R87: found when the exchange starts, not at the first write."""
    name = segment_name(exchange, "part")
    with pytest.raises(LayoutError, match=name):
        Segment.create(name, 1 << 46)
    assert listing(exchange) == []


def test_permissions_keep_others_out(exchange: str) -> None:
    """R46: only the owner may open it, unless the launcher says otherwise."""
    name = segment_name(exchange, "part")
    with Segment.create(name, 4096):
        assert os.stat(f"/dev/shm/{name}").st_mode & 0o777 == 0o600  # noqa: PTH116


def test_what_is_not_there(exchange: str) -> None:
    name = segment_name(exchange, "part")
    with pytest.raises(NotFoundError, match="is the exchange up"):
        Segment.attach(name)
    assert unlink(name) is False
    assert listing(exchange) == []


def test_mappings_outlive_the_name(exchange: str) -> None:
    name = segment_name(exchange, "part")
    with Segment.create(name, 4096) as made:
        assert listing(exchange) == [name]
        assert name in listing()
        assert unlink(name) is True
        ffi.buffer(made.address, 4096)[0:1] = b"x"
        assert listing(exchange) == []


def test_closed_is_closed(exchange: str) -> None:
    name = segment_name(exchange, "part")
    segment = Segment.create(name, 4096)
    assert not segment.closed
    segment.close()
    assert segment.closed
    block = Block(4096)
    assert not block.closed
    block.close()
    assert block.closed


@pytest.mark.parametrize(
    "part", ["", "a/b", "../x", ".hidden", "a" * 25, "ü", "a..b", "a b", "a\n"]
)
def test_names_that_are_refused(exchange: str, part: str) -> None:
    """R29: no name reaches outside the shared memory of its exchange."""
    with pytest.raises(UsageError, match="cannot name shared memory"):
        segment_name(exchange, part)
    with pytest.raises(UsageError):
        segment_name(part, "part")


def test_one_exchange_does_not_list_another(exchange: str) -> None:
    with Segment.create(segment_name(exchange, "a"), 4096):
        assert listing(exchange[:-1]) == [] or exchange[:-1] == exchange
        assert listing(exchange) == [segment_name(exchange, "a")]
