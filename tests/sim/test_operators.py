"""What the simulation says of operators fails for something: lies about commands are planted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ringbus.messages import (
    COMMAND,
    EXECUTED,
    NEW_ORDER,
    CommandKind,
    Flag,
    InstrumentState,
    Template,
)
from tests.sim import checks, run
from tests.sim.auditor import Auditor
from tests.sim.disk import disk
from tests.sim.ledger import FREE_OF_COLLARS, Ledger
from tests.sim.options import Options
from tests.sim.test_checks import changed, lie_to_the_auditor, nth
from tests.sim.world import World

Lines = NDArray[np.void]
SEED = 6
STEPS = 12_000
CONTINUOUS = InstrumentState.CONTINUOUS
OPTIONS = Options(
    shards=2, copies=1, stream_slots=256, lane_slots=64, orders=512, wire_slots=0, flow="all",
    limits=True, approvals=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """An exchange at rest after a day on which operators have said everything."""
    with run.lived(SEED, STEPS, OPTIONS) as world:
        yield world


@pytest.fixture
def stream(world: World) -> Lines:
    return world.stream()


def test_operators_have_said_everything(world: World) -> None:
    """Each of their verbs was taken, and a second author let some go."""
    done = Counter(one.verb for operator in world.operators for one in operator.done)
    wanted = {"collar", "fat-finger", "reference", "bust", "correct", "cancel", "approve"}
    assert set(done) >= wanted | {"restrict", "self-trade", "limit"}
    assert any(one.waits for operator in world.operators for one in operator.done)


def collared(stream: Lines) -> int:
    """A collar under which an order came in."""
    orders, ledger = stream.view(NEW_ORDER), Ledger()
    collars: dict[tuple[int, bool], int] = {}
    start = 0
    for end in (np.flatnonzero(stream["flags"] & Flag.LAST_OF_GROUP) + 1).tolist():
        line = stream[start]
        instrument = int(orders["instrument"][start])
        if int(line["template_id"]) == Template.COMMAND:
            command = stream[start : start + 1].view(COMMAND)[0]
            if command["kind"] == CommandKind.COLLAR:
                collars[instrument, int(command["state"]) == CONTINUOUS] = start
        is_order = int(line["template_id"]) == Template.NEW_ORDER
        is_free = int(orders["options"][start]) & FREE_OF_COLLARS
        phase = instrument, ledger.state(instrument) == CONTINUOUS
        if is_order and not is_free and phase in collars:
            return collars[phase]
        ledger.take(stream[start:end])
        start = end
    raise AssertionError("no order after a collar: take another seed")


LIES: dict[str, tuple[Callable[[Lines], Lines], str]] = {
    "an order outside a collar": (
        lambda one: changed(one, collared(one), COMMAND, "value", 5_000), "outside its collar"),
    "a change of another trade": (
        lambda one: changed(one, nth(one, Template.TRADE_CHANGED), EXECUTED, "quantity", 1),
        "was void, or none"),
    "somebody else is told": (
        lambda one: changed(one, nth(one, Template.TRADE_CHANGED), EXECUTED, "topic", 1),
        "somebody else's"),
    "a change of another quantity": (
        lambda one: changed(one, nth(one, Template.TRADE_CHANGED), EXECUTED, "remaining", 1),
        "another quantity"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_about_commands_on_the_stream_is_found(stream: Lines, lie: str) -> None:
    tell, found = LIES[lie]
    Ledger().take(stream)
    with pytest.raises(AssertionError, match=found):
        Ledger().take(tell(stream.copy()))


def test_a_trade_that_was_not_taken_back_is_found(world: World, stream: Lines) -> None:
    checks.risk_is_plain(world, stream)
    plain = world.auditor.risk
    assert plain is not None
    name, trade = plain.trades.popitem()
    with pytest.raises(AssertionError, match="has another risk"):
        checks.risk_is_plain(world, stream)
    plain.trades[name] = trade


def test_operators_who_were_told_something_else_are_found(world: World, stream: Lines) -> None:
    checks.operators_were_told_the_truth(world, stream)
    one = max(world.operators, key=lambda who: len(who.done))
    whole = one.done
    first = whole[0]
    for lie, found in (
        ([*whole, first], "two were told"),
        (whole[1:], "nobody was told"),
        ([replace(first, number=first.number + 1), *whole[1:]], "another's command"),
        ([replace(first, author="mallory"), *whole[1:]], "another's command"),
        ([replace(first, waits=not first.waits), *whole[1:]], "it waits, or does not"),
    ):
        one.done = lie
        with pytest.raises(AssertionError, match=found):
            checks.operators_were_told_the_truth(world, stream)
    one.done = whole


@pytest.mark.parametrize(
    ("template", "line", "at"),
    [
        (Template.COMMAND, 0, 40),
        (Template.COMMAND_ASKED, 0, 44),
        (Template.TEXT, 0, 40),
        (Template.TRADE_CHANGE, 0, 40),
        (Template.TRADE_PARTY, 1, 40),
        (Template.TRADE_CHANGED, 1, 20),
        (Template.TRADE_CHANGED, 0, 57),
    ],
)
def test_the_auditor_finds_a_bit_that_is_wrong(
    monkeypatch: pytest.MonkeyPatch, template: Template, line: int, at: int
) -> None:
    """Of what operators say, every bit of every line behind it is judged."""
    lie_to_the_auditor(monkeypatch, template, line, at)
    with (
        disk() as directory,
        pytest.raises(AssertionError, match=r"oracle:|nobody proposed|refused|not there"),
    ):
        run.run(SEED, directory, STEPS, OPTIONS)


def test_the_auditor_finds_a_trade_that_is_void_twice(world: World, stream: Lines) -> None:
    ends = np.flatnonzero(stream["flags"] & Flag.LAST_OF_GROUP) + 1
    start = nth(stream, Template.TRADE_CHANGE)
    end = int(ends[np.searchsorted(ends, start + 1)])
    group = [one.tobytes() for one in stream[start:end]]
    auditor = Auditor(8, 512, 256, world.shard_of, world.group_of)
    auditor.trades = world.auditor.trades
    is_bust = bytearray(group[0])
    is_bust[56] = 1
    auditor._note([bytes(is_bust), *group[1:]])
    with pytest.raises(AssertionError, match="was void"):
        auditor._note(group)
