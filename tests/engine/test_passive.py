"""The passive engine: says again what was recorded, and finds the first byte that is not so."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from engine.fused import FusedEngine, Size
from engine.passive import Divergence, PassiveEngine
from ringbus._ringbus import ffi as ringbus_ffi
from ringbus._ringbus import lib as ringbus
from ringbus.messages import (
    EXECUTED,
    NEW_ORDER,
    REJECTED,
    RejectReason,
    Side,
    Template,
    TimeInForce,
)
from ringbus.multicast import Reader
from ringbus.status import UsageError
from tests.engine.flow import Day, placement, size, trade
from tests.engine.parts import EMPTY, Lines, templates, view
from tests.engine.trader import cancel, new_order, tagged

SEED = 7
PROPOSALS = 6000


@cache
def day(shards: int) -> Day:
    return trade(shards, SEED, PROPOSALS)


def engine_of(shards: int) -> PassiveEngine:
    return PassiveEngine(size(shards), placement(shards))


def seal(lines: Lines) -> Lines:
    ringbus.rb_messages_seal(ringbus_ffi.cast("void *", lines.ctypes.data), len(lines))
    return lines


def divergence(stream: Lines, shards: int = 1, batch: int = 100_000) -> Divergence:
    with engine_of(shards) as engine, pytest.raises(Divergence) as caught:
        for start in range(0, len(stream), batch):
            engine.feed(stream[start : start + batch])
    assert engine.lines == caught.value.sequence - 1
    return caught.value


def run(*groups: Lines, orders: int = 64) -> Lines:
    """The stream of one shard that answers these proposals."""
    engine = FusedEngine(Size(instruments=6, contributors=1, orders=orders))
    for group in groups:
        engine.propose(group)
    return Reader(engine.ring).poll().copy()


@pytest.mark.parametrize(
    ("shards", "batch"), [(1, 100_000), (1, 1), (2, 3), (4, 4096), (8, 777), (8, 100_000)]
)
def test_a_day_is_made_once_more_byte_for_byte(shards: int, batch: int) -> None:
    stream = day(shards).stream
    with engine_of(shards) as engine:
        for start in range(0, len(stream), batch):
            engine.feed(stream[start : start + batch])
        assert engine.lines == len(stream)
        assert len(engine.ahead) == 0
        assert [book.hash() for book in engine.books] == day(shards).book_hashes


def test_the_record_is_only_read() -> None:
    stream = day(1).stream.copy()
    stream.setflags(write=False)
    with engine_of(1) as engine:
        engine.feed(stream)
    assert stream.tobytes() == day(1).stream.tobytes()


def test_a_group_that_was_cut_off_is_completed() -> None:
    stream = run(
        *(new_order(1, n, n, side=Side.SELL) for n in range(1, 6)), new_order(2, 1, quantity=50)
    )
    for cut in range(6, len(stream)):
        with engine_of(1) as engine:
            engine.feed(stream[:cut])
            assert engine.lines == cut
            assert engine.ahead.tobytes() == stream[cut:].tobytes()
            engine.feed(stream[cut:])
            assert len(engine.ahead) == 0


def test_lines_that_the_engine_never_says_are_found_however_many() -> None:
    """More of them than a lane holds: nothing is left to do, and the record goes on."""
    stream = run(new_order(1, 1, side=Side.SELL), new_order(2, 1))
    more = np.tile(stream[-1:], 3000)
    more["sequence"] = np.arange(len(stream) + 1, len(stream) + 1 + len(more))
    found = divergence(np.concatenate((stream, seal(more))))
    assert (found.sequence, found.regenerated) == (len(stream) + 1, None)


def test_a_message_whose_tag_was_cut_off_waits_for_it() -> None:
    stream = run(tagged(new_order(1, 1), b"x"))
    with engine_of(1) as engine:
        engine.feed(stream[:1])
        assert engine.lines == 0
        engine.feed(stream[1:])
        assert engine.lines == 2


def test_every_bit_of_what_the_engine_says_is_compared() -> None:
    """One flipped bit in a line that the engine made is found in that line, wherever it is."""
    stream = day(2).stream[:400]
    at = int(np.flatnonzero(stream["template_id"] == Template.EXECUTED)[20])
    for byte in range(64):
        for bit in (0, 7):
            copy = stream.copy()
            copy.view("u1").reshape(-1, 64)[at, byte] ^= 1 << bit
            if byte not in range(28, 32):
                seal(copy[at : at + 1])
            assert divergence(copy, 2).sequence == at + 1, f"byte {byte}, bit {bit}"


@pytest.mark.parametrize(
    ("template", "byte"),
    [
        (Template.NEW_ORDER, 0),  # sequence
        (Template.NEW_ORDER, 16),  # topic_sequence
        (Template.NEW_ORDER, 25),  # flags
        (Template.NEW_ORDER, 26),  # shard
        (Template.NEW_ORDER, 27),  # reserved
        (Template.NEW_ORDER, 44),  # locate
        (Template.CANCEL, 36),  # price_ticks
        (Template.CANCEL, 48),  # client_order_id: nobody's order
        (Template.CANCEL, 56),  # side
        (Template.CANCEL, 60),  # remaining
        (Template.REPLACE, 16),
        (Template.REPLACE, 44),
        (Template.REPLACE, 56),
        (Template.REPLACE, 60),  # original_client_order_id
        (Template.ORDER_TAG, 16),
        (Template.ORDER_TAG, 25),
        (Template.ORDER_TAG, 26),
        (Template.REJECT, 16),
        (Template.SESSION_EVENT, 16),
        (Template.CANCELED, 40),
        (Template.CANCELED, 60),
        (Template.REJECTED, 16),
        (Template.REJECTED, 25),
    ],
)
def test_a_change_in_what_the_engine_decides_is_found_where_it_is(
    template: Template, byte: int
) -> None:
    stream = day(1).stream.copy()
    at = int(np.flatnonzero(stream["template_id"] == template)[30])
    stream.view("u1").reshape(-1, 64)[at, byte] ^= 1
    seal(stream[at : at + 1])
    assert divergence(stream, batch=777).sequence == at + 1


def test_a_changed_input_is_found_where_it_matters() -> None:
    """The price of a resting order is the client's word: it shows when the order trades."""
    groups = [new_order(1, 1, 1, side=Side.SELL), new_order(2, 1, 2)]
    stream = run(*groups)
    view(stream, NEW_ORDER)["price_ticks"][0] = 99
    found = divergence(seal(stream))
    assert found.sequence == 3
    assert found.regenerated is not None
    assert view(np.array([found.regenerated]), EXECUTED)["price_ticks"] == [99]


def test_lines_that_are_missing_too_many_or_exchanged_are_found() -> None:
    stream = day(1).stream
    at = int(np.flatnonzero(stream["template_id"] == Template.EXECUTED)[40])
    for changed in (
        np.delete(stream, at),
        np.insert(stream, at, stream[at - 1]),
        np.concatenate([stream[:at], stream[at + 1 : at - 1 : -1], stream[at + 2 :]]),
    ):
        assert divergence(changed).sequence == at + 1


def test_a_line_that_nobody_said_at_the_end_is_found() -> None:
    stream = run(new_order(1, 1, 1, side=Side.SELL), new_order(2, 1, 2))
    more = np.concatenate([stream, stream[-1:]])
    more["sequence"][-1] += 1
    found = divergence(seal(more))
    assert (found.sequence, found.regenerated) == (len(more), None)
    assert "nothing" in str(found)


def test_a_tag_without_its_message_and_a_message_without_its_tag_are_found() -> None:
    stream = run(tagged(new_order(1, 1), b"x"), new_order(1, 2, 2), tagged(new_order(1, 3, 3), b""))
    assert divergence(np.delete(stream, 0)).sequence == 1
    assert divergence(np.delete(stream, 1)).sequence == 1
    stream["template_id"][1] = Template.CANCEL
    assert divergence(stream).sequence == 1
    stream["template_id"][1] = Template.ORDER_TAG
    stray = np.insert(stream, 3, stream[1])
    assert divergence(stray).sequence == 4


def test_after_a_divergence_it_says_the_same_for_ever() -> None:
    stream = day(1).stream.copy()
    stream["shard"][10] = 1
    with engine_of(1) as engine:
        for _ in range(3):
            with pytest.raises(Divergence) as caught:
                engine.feed(stream)
            assert caught.value.sequence == 11


def test_both_messages_are_told_apart_in_words() -> None:
    stream = run(
        new_order(1, 1, 77, side=Side.SELL, price_ticks=105),
        new_order(2, 1, 78, price_ticks=105, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL),
    )
    view(stream, EXECUTED)["quantity"][2] = 9
    found = divergence(seal(stream))
    text = str(found)
    assert "message 3 differs at byte 28 (checksum)" in text
    recorded, regenerated = text.splitlines()[1:3]
    assert "EXECUTED" in recorded and "quantity=9" in recorded and "side=BUY" in recorded
    assert "EXECUTED" in regenerated and "quantity=10" in regenerated
    assert "flags=GENERATED" in regenerated
    assert "damaged" not in text
    view(stream, EXECUTED)["price_ticks"][2] = 1
    assert "the record is damaged" in str(divergence(stream))


@pytest.mark.parametrize(
    "wrong",
    [
        {"side": 0},
        {"side": 3},
        {"quantity": 0},
        {"price_ticks": 0},
        {"price_ticks": 1 << 30},
        {"time_in_force": 9},
    ],
)
def test_an_order_that_a_book_refused_is_refused_anew(wrong: dict[str, int]) -> None:
    stream = run(tagged(new_order(1, 1, **wrong), b"x"), new_order(1, 2, 2))
    assert templates(stream)[0] == Template.REJECTED
    with engine_of(1) as engine:
        engine.feed(stream)
        assert engine.lines == 3
    # Were it not wrong, the engine would take it: the record cannot say otherwise.
    right = view(stream, REJECTED).copy()
    right["side"][0], right["quantity"][0], right["price_ticks"][0] = 1, 10, 100
    if "time_in_force" not in wrong:
        found = divergence(seal(right.view(stream.dtype)))
        assert found.sequence == 1
        assert found.regenerated is not None
        assert found.regenerated["template_id"] == Template.NEW_ORDER


def test_a_cancel_that_a_book_refused_is_refused_anew() -> None:
    unknown = cancel(1, 2, 9, 1, 5)
    # Fields that the engine fills in are echoed in a refusal as they were proposed.
    unknown.view(NEW_ORDER)["price_ticks"], unknown.view(NEW_ORDER)["side"] = 44, 2
    stream = run(new_order(1, 1), unknown, cancel(1, 3, 1, 1, 11), cancel(1, 4, 1, 1, 10))
    assert templates(stream)[1:3] == [Template.REJECTED] * 2
    with engine_of(1) as engine:
        engine.feed(stream)
        assert engine.lines == 4
    right = view(stream, REJECTED).copy()
    right["client_order_id"][1] = 1
    found = divergence(seal(right.view(stream.dtype)))
    assert found.sequence == 2


def test_what_was_refused_for_lack_of_room_is_taken_as_recorded() -> None:
    stream = run(*(new_order(1, n, n) for n in range(1, 4)), orders=2)
    assert view(stream, REJECTED)["reason"][2] == RejectReason.ORDER_CAPACITY
    with engine_of(1) as engine:
        engine.feed(stream)
        assert engine.lines == 3


def test_an_engine_that_is_too_small_says_so() -> None:
    stream = run(*(new_order(1, n, n) for n in range(1, 4)))
    with (
        PassiveEngine(Size(instruments=6, orders=2), bytes(6)) as engine,
        pytest.raises(Divergence, match="less room"),
    ):
        engine.feed(stream)
    assert engine.lines == 2


def test_a_sweep_of_thousands_fits() -> None:
    depth = 30_000
    engine = FusedEngine(Size(instruments=6, stream_slots=1 << 17, lane_slots=1 << 16))
    reader = Reader(engine.ring)
    orders = np.concatenate([new_order(1, 1, side=Side.SELL)] * depth)
    orders["topic_sequence"] = np.arange(1, depth + 1)
    engine.propose(orders)
    engine.propose(new_order(2, 1, quantity=10 * depth))
    parts = [EMPTY]
    while len(part := reader.poll()):
        parts.append(part.copy())
    stream = np.concatenate(parts)
    assert len(stream) == 3 * depth + 1
    with engine_of(1) as passive:
        passive.feed(stream)
        assert passive.lines == len(stream)
        assert passive.books[0].open_orders == 0


def test_arguments_are_checked() -> None:
    with pytest.raises(UsageError, match="shard_of"):
        PassiveEngine(Size(instruments=2, shards=2), b"\0\2")
    with engine_of(1) as engine:
        with pytest.raises(UsageError, match="64 bytes"):
            engine.feed(np.zeros(3, np.dtype([("a", "<u8")])))
        with pytest.raises(UsageError, match="contiguous"):
            engine.feed(day(1).stream[::2])
        engine.feed(EMPTY)
        assert engine.lines == 0
