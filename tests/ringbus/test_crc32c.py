"""CRC-32C: published vectors, and the hardware instruction against the table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbus._ringbus import ffi, lib
from tests.ringbus.support import numbered

# RFC 3720, B.4; and the customary check value.
VECTORS = {
    "32 zeros": (bytes(32), 0x8A9136AA),
    "32 ones": (b"\xff" * 32, 0x62A8AB43),
    "rising": (bytes(range(32)), 0x46DD794E),
    "falling": (bytes(range(31, -1, -1)), 0x113FDB5C),
    "iSCSI read": (
        bytes.fromhex("01c00000000000000000000000000000")
        + bytes.fromhex("140000000000040000000014000000182800000000000000")
        + bytes.fromhex("0200000000000000"),
        0xD9963A56,
    ),
    "check": (b"123456789", 0xE3069283),
    "nothing": (b"", 0),
}


@pytest.mark.parametrize("name", VECTORS)
def test_published_vectors(name: str) -> None:
    data, expected = VECTORS[name]
    assert lib.rb_crc32c(data, len(data)) == expected
    assert lib.rb_crc32c_portable(data, len(data)) == expected


@given(st.binary(max_size=300), st.integers(0, 7))
def test_hardware_and_table_agree(data: bytes, offset: int) -> None:
    """Any length, any alignment."""
    buffer = ffi.new("char[]", bytes(offset) + data)
    start = buffer + offset
    assert lib.rb_crc32c(start, len(data)) == lib.rb_crc32c_portable(start, len(data))


@given(st.binary(min_size=64, max_size=64))
def test_a_message_is_sealed_without_its_checksum(data: bytes) -> None:
    """The checksum at 28..31 is of the other 60 bytes, whatever stood there."""
    line = ffi.new("char[64]", data)
    lib.rb_messages_seal(line, 1)
    sealed = bytes(ffi.buffer(line))
    assert sealed[:28] + sealed[32:] == data[:28] + data[32:]
    rest = sealed[:28] + sealed[32:]
    assert int.from_bytes(sealed[28:32], "little") == lib.rb_crc32c_portable(rest, 60)
    assert lib.rb_messages_verify(line, 1) == 1


@given(st.integers(0, 9), st.integers(0, 511))
def test_any_flipped_bit_is_found(message: int, bit: int) -> None:
    """A CRC finds every single error: at the message where it is."""
    messages = numbered(1, 10)
    pointer = ffi.cast("char *", messages.ctypes.data)
    lib.rb_messages_seal(pointer, 10)
    assert lib.rb_messages_verify(pointer, 10) == 10
    flat = messages.view(np.uint8)
    flat[message * 64 + bit // 8] ^= np.uint8(1 << (bit % 8))
    assert lib.rb_messages_verify(pointer, 10) == message
