"""What market data shows is what the engine displays, message for message, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from itch.parser import MessageParser

from ports import itch
from ports.market import MarketData, MarketSize
from ringbus.messages import IMBALANCE, MESSAGE, NEW_ORDER, CrossType, Side, Template
from ringbus.status import CapacityError, CorruptionError, UsageError
from tests.engine.profiles import PROFILES
from tests.engine.trader import Lines, lines
from tests.ports.market_day import Stream, Watched, closing, opening

# Every kind of message that the engine gives a reason for.
SAID = {"S", "R", "H", "A", "E", "P", "X", "D", "U", "Q"}


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_the_book_of_the_market_data_is_the_engines(profile: str) -> None:
    """R39: after every message of random days of every kind, order for order in its place."""
    watched = Watched(PROFILES[profile], seed=7)
    try:
        for n in range(2500):
            watched.step()
            watched.read()
            if n < 600 or n % 50 == 0:
                watched.compare()
        watched.compare()
    finally:
        watched.close()


def test_every_kind_is_said_that_there_is_a_reason_for() -> None:
    watched = Watched(PROFILES["nasty"], seed=11)
    try:
        for _ in range(4000):
            watched.step()
        watched.market.hear(watched.stream.publish(closing()))
        watched.read()
        assert set(watched.kinds) == SAID
        assert watched.book.event == "C"
        assert watched.market.is_over
    finally:
        watched.close()


def day(seed: int, messages: int) -> tuple[Lines, bytes]:
    """A day's stream, and its tape."""
    watched = Watched(PROFILES["nasty"], seed)
    stream = [Stream().publish(opening(PROFILES["nasty"].instruments))]
    stream += [watched.step() for _ in range(messages)]
    tape = watched.market.copy(1)
    watched.close()
    return np.concatenate(stream), tape


IMBALANCES = [
    # side, reference, near, paired, imbalance: direction and variation.
    (Side.BUY, 1000, 1000, 40, 7, "B", "L"),
    (Side.SELL, 1000, 991, 40, 7, "S", "L"),
    (0, 1000, 1010, 40, 0, "N", "1"),
    (0, 1000, 905, 40, 0, "N", "9"),
    (0, 1000, 1100, 40, 0, "N", "A"),
    (0, 1000, 800, 40, 0, "N", "B"),
    (0, 1000, 2**30 - 1, 2**32 - 1, 2**32 - 1, "N", "C"),
    (Side.BUY, 1000, 0, 0, 7, "O", ""),
    (0, 0, 0, 0, 0, "O", ""),
]


@pytest.mark.parametrize("case", IMBALANCES)
def test_an_imbalance_is_said_as_it_stands_on_the_stream(case: tuple[int | str, ...]) -> None:
    """R39: I, read by PyPI itchfeed as well."""
    side, reference, near, paired, imbalance, direction, variation = case
    fields = {"side": side, "reference_ticks": reference, "near_ticks": near, "paired": paired}
    line = lines(
        IMBALANCE, Template.IMBALANCE, instrument=1, far_ticks=990, imbalance=imbalance,
        cross_type=CrossType.CLOSING, **fields,
    )  # fmt: skip
    stream = Stream()
    with feed_of() as market:
        market.hear(stream.publish(opening(2, tick_1e4=100)))
        before = market.messages
        market.hear(stream.publish(line))
        (raw,) = itch.split(market.copy(before + 1))
    said = itch.decode(raw)
    assert said.encode() == raw
    assert (said.kind, said.locate, said.text("symbol"), said.text("cross")) == (
        "I",
        2,
        "SYM1",
        "C",
    )
    assert (said.number("paired"), said.number("imbalance")) == (paired, imbalance)
    assert (said.text("direction"), said.text("variation")) == (direction, variation)
    assert said.number("reference_price") == int(reference) * 100
    assert said.number("near") == min(int(near) * 100, 2**32 - 1)
    assert said.number("far") == 99_000
    other = MessageParser().get_message_type(raw)
    assert (other.paired_shares, other.current_reference_price) == (paired, int(reference) * 100)
    assert other.to_bytes() == raw


def feed_of(size: MarketSize | None = None) -> MarketData:
    profile = PROFILES["nasty"]
    plain = MarketSize(profile.instruments, 1, profile.orders, 1 << 24, 1 << 18)
    return MarketData("DAY1", size or plain)


def test_the_tape_is_a_function_of_the_stream() -> None:
    """R33, R54: who reads it at once and who reads it line by line say the same bytes."""
    stream, tape = day(3, 800)
    with feed_of() as whole, feed_of() as single:
        whole.hear(stream)
        for line in stream:
            single.hear(np.array([line]))
        assert whole.copy(1) == single.copy(1) == tape
        assert whole.snapshot() == single.snapshot()
        assert whole.messages == single.messages == sum(1 for _ in itch.split(tape))


def test_nobody_can_be_told_from_the_tape() -> None:
    """R39: other sessions, accounts, firms, numbers and tags make the same bytes."""
    stream, tape = day(5, 800)
    other = stream.copy()
    orders = other.view(NEW_ORDER)
    other["topic"] += np.uint16(1000)
    other["publisher"] += np.uint16(7)
    mine = np.isin(stream["template_id"], (1, 2, 3, 64, 65, 66, 68))
    for name in ("account", "firm", "client_order_id"):
        orders[name][mine] += orders[name].dtype.type(12345)
    with feed_of() as market:
        market.hear(other)
        assert market.copy(1) == tape


def test_numbers_of_orders_have_no_gaps_where_something_is_hidden() -> None:
    """R39: a gap would tell that there was an order that is not shown."""
    _, tape = day(9, 1500)
    given = [
        message.number("reference")
        for message in map(itch.decode, itch.split(tape))
        if message.kind in "AU"
    ]
    assert given == list(range(1, len(given) + 1))


def test_a_snapshot_and_what_follows_it_make_the_same_book() -> None:
    watched = Watched(PROFILES["nasty"], seed=13)
    try:
        for _ in range(2000):
            watched.step()
        watched.read()
        snapshot = watched.market.snapshot()
        assert snapshot is not None
        messages = list(itch.split(unsoup(snapshot)))
        assert itch.decode_snapshot_end(messages[-1]) == watched.market.messages + 1
        kinds = [chr(message[0]) for message in messages]
        assert kinds == sorted(kinds, key="SRHAG".index)
        watched.book = type(watched.book)()
        for message in messages[:-1]:
            watched.book.apply(itch.decode(message))
        watched.compare()
        for _ in range(500):
            watched.step()
            watched.read()
            watched.compare()
    finally:
        watched.close()


def unsoup(packets: bytes) -> bytes:
    """Sequenced Data as messages with their length."""
    out = []
    at = 0
    while at < len(packets):
        length = int.from_bytes(packets[at : at + 2], "big")
        assert packets[at + 2 : at + 3] == b"S"
        out.append((length - 1).to_bytes(2, "big") + packets[at + 3 : at + 2 + length])
        at += 2 + length
    return b"".join(out)


def test_a_snapshot_waits_for_the_end_of_a_group() -> None:
    stream, _ = day(3, 300)
    at = int(np.flatnonzero((stream["flags"] & 1) == 0)[0])
    with feed_of() as market:
        market.hear(stream[: at + 1])
        assert market.snapshot() is None


def test_a_full_tape_and_a_broken_stream_end_the_agent() -> None:
    stream, _ = day(3, 300)
    profile = PROFILES["nasty"]
    with (
        feed_of(MarketSize(profile.instruments, 1, profile.orders, 4096, 4096)) as small,
        pytest.raises(CapacityError),
    ):
        small.hear(stream)
    with feed_of() as market, pytest.raises(CorruptionError):
        market.hear(np.concatenate([stream[:5], stream[6:]]))
    unknown = Stream().publish(np.concatenate([opening(3), np.zeros(1, MESSAGE)]))
    unknown[-1:].view(NEW_ORDER)["template_id"] = 64
    unknown[-1:].view(NEW_ORDER)["locate"] = 5
    with feed_of() as market, pytest.raises(CorruptionError):
        market.hear(unknown)


@pytest.mark.parametrize(
    "size",
    [
        MarketSize(0),
        MarketSize(65536),
        MarketSize(1, 17),
        MarketSize(1, orders=0),
        MarketSize(1, tape_bytes=3),
        MarketSize(1, tape_messages=0),
        MarketSize(2**40),
    ],
)
def test_sizes_outside_their_ranges_are_refused(size: MarketSize) -> None:
    with pytest.raises(UsageError):
        MarketData("DAY1", size)
