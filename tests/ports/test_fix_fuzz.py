"""Bytes at the FIX port: anything at all, and good messages that were spoiled."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ports.fix import FIX42, FIX44, decimal, decimal_text, parse, time_ns, time_text
from ports.fix_tables import DICTIONARIES
from tests.ports.fix_client import frame
from tests.ports.fuzz_fix import SEEDS, one_input

TAGS = sorted({tag for one in DICTIONARIES.values() for tag in one.tags})
VALUES = st.one_of(
    st.sampled_from(["", "0", "1", "Y", "N", "A", "-1", "99999999999", "1.5", "AAPL", "\1=\1"]),
    st.text(st.characters(max_codepoint=255), max_size=12),
)
FIELDS = st.lists(st.tuples(st.one_of(st.sampled_from(TAGS), st.integers(-1, 6000)), VALUES))


@given(st.lists(st.one_of(st.binary(max_size=64), st.sampled_from(SEEDS)), max_size=8))
@settings(max_examples=200)
def test_any_bytes_between_good_messages(pieces: list[bytes]) -> None:
    one_input(b"".join(pieces))


@given(
    st.lists(st.sampled_from(SEEDS), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 1000), st.binary(max_size=3)), max_size=4),
)
@settings(max_examples=200)
def test_good_messages_with_some_bytes_changed(
    messages: list[bytes], changes: list[tuple[int, bytes]]
) -> None:
    data = bytearray(b"".join(messages))
    for at, new in changes:
        place = at % len(data)
        data[place : place + len(new)] = new
    one_input(bytes(data))


@given(st.sampled_from([FIX42, FIX44]), st.sampled_from([*"A012345DFGHqj8Z", "AE"]), FIELDS, FIELDS)
@settings(max_examples=300)
def test_sound_frames_around_any_fields(
    begin: str, type_: str, header: list[tuple[int, str]], fields: list[tuple[int, str]]
) -> None:
    pairs = [(35, type_), (34, "2"), (49, "ALICE"), (56, "RINGBUS"), *header, *fields]
    body = b"".join(f"{tag}={text}\1".encode("latin-1") for tag, text in pairs)
    one_input(SEEDS[0] + frame(begin, body) + SEEDS[2])


@given(st.integers(0, 4 * 10**18))
def test_times_come_back(nanoseconds: int) -> None:
    assert time_ns(time_text(nanoseconds)) == nanoseconds - nanoseconds % 10**6


@given(st.integers(-(10**12), 10**12), st.integers(0, 8))
def test_decimals_come_back(value: int, digits: int) -> None:
    text = decimal_text(abs(value), digits)
    assert decimal(text, digits) == abs(value)
    assert "." not in text or not text.endswith("0")


def test_every_seed_is_a_message() -> None:
    for seed in SEEDS:
        assert parse(seed).begin in (FIX42, FIX44)
