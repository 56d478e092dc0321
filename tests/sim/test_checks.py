"""Every check of the simulation fails for something: lies are planted in a run that was right."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.passive import Divergence
from ringbus.messages import CANCELED, EXECUTED, NEW_ORDER, Flag, InstrumentState, Template
from tests.engine.plain_risk import PlainRisk
from tests.sim import checks, run
from tests.sim.auditor import Auditor
from tests.sim.disk import disk
from tests.sim.ledger import Ledger
from tests.sim.options import Options
from tests.sim.world import World

Lines = NDArray[np.void]
SEED = 1
# Enough for all kinds of messages.
STEPS = 4000
OPTIONS = Options(
    shards=2, copies=1, stream_slots=64, lane_slots=64, orders=512, wire_slots=8, flow="all",
    limits=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """An exchange at rest after a day of faults."""
    with run.lived(SEED, STEPS, OPTIONS) as world:
        yield world


@pytest.fixture
def stream(world: World) -> Lines:
    return world.stream()


def nth(stream: Lines, template: Template, n: int = 0) -> int:
    """Place of the n-th line of a template."""
    return int(np.flatnonzero(stream["template_id"] == template)[n])


def without(stream: Lines, at: int) -> Lines:
    return np.delete(stream, at)


def changed(stream: Lines, at: int, dtype: np.dtype[np.void], name: str, by: int) -> Lines:
    stream.view(dtype)[name][at] += by
    return stream


def sets(stream: Lines, at: int, name: str, value: int) -> Lines:
    stream[name][at] = value
    return stream


def traded(stream: Lines) -> int:
    return nth(stream, Template.EXECUTED)


def audit(stream: Lines, shards: int) -> None:
    checks.numbers_are_dense(stream)
    checks.topics_are_in_order(stream, shards)
    checks.groups_are_whole(stream)


def keep_books(stream: Lines, shards: int) -> None:
    Ledger().take(stream)


def new(stream: Lines, side: int) -> int:
    """An order that came to rest."""
    orders = stream.view(NEW_ORDER)
    rests = (orders["template_id"] == Template.NEW_ORDER) & (orders["side"] == side)
    rests &= (orders["time_in_force"] == 0) & (orders["flags"] & Flag.LAST_OF_GROUP != 0)
    return int(np.flatnonzero(rests)[0])


def facing(stream: Lines) -> int:
    """A buy order that came to rest opposite somebody who sells."""
    ledger, start = Ledger(), 0
    for end in (np.flatnonzero(stream["flags"] & Flag.LAST_OF_GROUP) + 1).tolist():
        ledger.take(stream[start:end])
        first = stream[start : start + 1].view(NEW_ORDER)[0]
        buys = first["template_id"] == Template.NEW_ORDER and first["side"] == 1
        buys &= ledger.state(int(first["instrument"])) == InstrumentState.CONTINUOUS
        book = [one for one in ledger.orders.values() if one.instrument == first["instrument"]]
        rests = (int(first["topic"]), int(first["client_order_id"])) in ledger.orders
        if buys and rests and {one.side for one in book if one.force < 3} == {1, 2}:
            return start
        start = end
    raise AssertionError("no book with two sides: take another seed")


LIES: dict[str, tuple[Callable[[Lines, int], None], Callable[[Lines], Lines], str]] = {
    "a message is missing": (audit, lambda one: without(one, 20), "a gap"),
    "time goes back": (audit, lambda one: sets(one, 20, "time_ns", 5), "time"),
    "a topic counts on without a message": (
        audit, lambda one: changed(one, traded(one), EXECUTED, "topic_sequence", 1),
        "not the topic's"),
    "the day ends inside a group": (audit, lambda one: sets(one, -1, "flags", 0), "inside"),
    "a group without a head": (
        audit, lambda one: sets(one, traded(one) - 1, "flags", Flag.LAST_OF_GROUP), "a head"),
    "more is executed than was open": (
        keep_books, lambda one: changed(one, traded(one), EXECUTED, "quantity", 1), "are open"),
    "more is left than should be": (
        keep_books, lambda one: changed(one, traded(one), EXECUTED, "remaining", 1), "are open"),
    "a trade at a price beyond the limit": (
        keep_books,
        lambda one: changed(
            one, traded(one), EXECUTED, "price_ticks",
            1000 if one.view(EXECUTED)["side"][traded(one)] == 1 else -1000),
        "beyond the limit"),
    "one side of a trade": (
        keep_books, lambda one: without(one, traded(one) + 1), "with one side"),
    "two sides that differ": (
        keep_books, lambda one: changed(one, traded(one) + 1, EXECUTED, "instrument", 1), "differ"),
    "a number that was used": (
        keep_books, lambda one: np.insert(one, new(one, 1), one[new(one, 1)]), "used before"),
    "a crossed book": (
        keep_books, lambda one: changed(one, facing(one), NEW_ORDER, "price_ticks", 500),
        "crossed"),
    "an immediate order that rests": (
        keep_books, lambda one: changed(one, new(one, 1), NEW_ORDER, "time_in_force", 3), "rests"),
    "more is canceled than was open": (
        keep_books,
        lambda one: changed(one, nth(one, Template.CANCELED), CANCELED, "quantity", 1),
        "are open"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_on_the_stream_is_found(world: World, stream: Lines, lie: str) -> None:
    check, tell, found = LIES[lie]
    shards = world.options.shards
    check(stream, shards)
    with pytest.raises(AssertionError, match=found):
        check(tell(stream.copy()), shards)


def test_a_message_that_the_engine_would_not_have_said_is_found(
    world: World, stream: Lines
) -> None:
    checks.passive_is_active(world, stream).close()
    for at in (traded(stream), nth(stream, Template.CANCELED)):
        with pytest.raises(Divergence):
            checks.passive_is_active(world, sets(stream.copy(), at, "checksum", 7))


def test_an_order_in_another_place_is_found(world: World, stream: Lines) -> None:
    passive = checks.passive_is_active(world, stream)
    world.auditor.compare(passive.books)
    instrument = next(one for one in world.auditor.markets.instruments if one.all_orders())
    order = instrument.all_orders()[0]
    order.quantity += 1
    with pytest.raises(AssertionError, match="of instrument"):
        world.auditor.compare(passive.books)
    order.quantity -= 1
    ledger = Ledger()
    ledger.take(stream)
    checks.orders_are_in_the_books(ledger, passive)
    ledger.orders.popitem()
    with pytest.raises(AssertionError, match="other orders"):
        checks.orders_are_in_the_books(ledger, passive)
    passive.close()


def test_a_reader_that_saw_something_else_is_found(world: World, stream: Lines) -> None:
    follower = world.followers[-1]
    checks.follower_saw_the_stream(follower, stream)
    whole = follower.got
    follower.got = [*whole[:-1], bytes(len(whole[-1]))]
    with pytest.raises(AssertionError, match="another stream"):
        checks.follower_saw_the_stream(follower, stream)
    follower.got = whole


def test_a_client_that_was_told_something_else_is_found(world: World, stream: Lines) -> None:
    client = max(world.clients, key=lambda one: len(one.got))
    checks.client_got_its_messages(client, stream)
    whole = client.got
    for lie in (whole[:-1], [*whole, whole[-1]], [whole[0], *whole[2:], whole[1]]):
        client.got = lie
        with pytest.raises(AssertionError):
            checks.client_got_its_messages(client, stream)
    client.got = whole
    asked = client.sent
    client.sent = asked[:2]
    with pytest.raises(AssertionError, match="nobody entered"):
        checks.client_got_its_messages(client, stream)
    client.sent = asked


def test_a_client_that_was_told_too_early_is_found(world: World, stream: Lines) -> None:
    client = world.clients[0]
    checks.was_told_what_was_promised(client, stream)
    before = client.durable
    sequence = int(stream["sequence"][checks.shown(stream, client.topic)][3])
    client.durable = [*before[:3], sequence - 1, *before[4:]]
    with pytest.raises(AssertionError, match="was told at"):
        checks.was_told_what_was_promised(client, stream)
    client.durable = before


def bytes_changed(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def lie_to_the_auditor(
    monkeypatch: pytest.MonkeyPatch, template: Template, line: int, at: int
) -> None:
    """Turn a bit of the first group that has so many lines of a template, before it is judged."""
    judge = Auditor._judge
    told: list[int] = []

    def lie(self: Auditor, group: list[bytes]) -> None:
        places = [n for n, one in enumerate(group) if one[24] == template]
        if not told and len(places) > line:
            told.append(places[line])
            group[places[line]] = bytes_changed(group[places[line]], at)
        judge(self, group)

    monkeypatch.setattr(Auditor, "_judge", lie)


# Of the first group of a template: where a bit is turned in which of its lines.
@pytest.mark.parametrize(
    ("template", "line", "at"),
    [
        (Template.NEW_ORDER, 0, 40),
        (Template.NEW_ORDER, 0, 44),
        (Template.EXECUTED, 1, 36),
        (Template.EXECUTED, 0, 20),
        (Template.CANCEL, 0, 60),
        (Template.CANCELED, 0, 57),
        (Template.REJECTED, 0, 58),
        (Template.STATE_CHANGED, 0, 57),
    ],
)
def test_the_auditor_finds_a_bit_that_is_wrong(
    monkeypatch: pytest.MonkeyPatch, template: Template, line: int, at: int
) -> None:
    """Every message is the oracle's, or the run ends there."""
    lie_to_the_auditor(monkeypatch, template, line, at)
    with (
        disk() as directory,
        pytest.raises(AssertionError, match=r"oracle:|nobody proposed|refused"),
    ):
        run.run(SEED, directory, STEPS, OPTIONS)


@pytest.mark.parametrize("lie", ["left out", "said twice"])
def test_the_auditor_finds_a_group_that_is(monkeypatch: pytest.MonkeyPatch, lie: str) -> None:
    judge = Auditor._judge

    def listen(self: Auditor, group: list[bytes]) -> None:
        if self.groups == 40 and lie == "left out":
            self.groups += 1
            return
        judge(self, group)
        if self.groups == 40:
            judge(self, list(group))

    monkeypatch.setattr(Auditor, "_judge", listen)
    with disk() as directory, pytest.raises(AssertionError):
        run.run(SEED, directory, STEPS, OPTIONS)


def test_the_auditor_finds_a_limit_that_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that the engine keeps and nobody has set look the same as those it does not keep."""
    monkeypatch.setattr(PlainRisk, "_command", lambda self, line: None)
    with disk() as directory, pytest.raises(AssertionError, match="was the reason|was refused"):
        run.run(SEED, directory, STEPS, OPTIONS)
