"""What the simulation says of a trading day fails for something: lies about it are planted."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from ports.auction import Collars
from ports.auction_plan import Schedule
from ports.uncross import INTEREST, PRICE_TICKS_MAX, uncross
from ringbus.messages import (
    CANCEL,
    NEW_ORDER,
    STOP_ORDER,
    CancelReason,
    CrossType,
    Flag,
    InstrumentState,
    Liquidity,
    Side,
    Template,
    TimeInForce,
)
from tests.engine.mix import Message
from tests.engine.oracle import Oracle
from tests.engine.oracle.wire import encode
from tests.sim import night, run
from tests.sim.crosses import Crosses, best_of
from tests.sim.expiry import Expiry
from tests.sim.options import Day, Options
from tests.sim.staff import FAIRIES, STOPS, Staff
from tests.sim.stop_watch import StopWatch
from tests.sim.world import World

Lines = NDArray[np.void]
SEED = 2
STEPS = 3000
OPTIONS = Options(
    shards=2, copies=1, stream_slots=256, lane_slots=64, orders=512, wire_slots=0, flow="day",
    limits=True,
    day=Day(
        opens_s=20, closing_call_s=0, closes_s=0, halt_s=6, resume_s=3, day_ends_s=0,
        collar_ticks=0, owners=False, closed_at=1.0,
    ),
)  # fmt: skip
AUCTION, HALTED = InstrumentState.AUCTION, InstrumentState.HALTED


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """An exchange behind the end of a busy day."""
    with run.lived(SEED, STEPS, OPTIONS) as world:
        yield world


@pytest.fixture
def stream(world: World) -> Lines:
    return world.stream()


def staff_of(world: World) -> Staff:
    assert world.staff is not None
    return world.staff


def groups(stream: Lines) -> Iterator[Message]:
    """The lines of each group, as the judges hear them."""
    raw, start = stream.tobytes(), 0
    for end in (np.flatnonzero(stream["flags"] & Flag.LAST_OF_GROUP) + 1).tolist():
        yield [raw[at : at + 64] for at in range(64 * start, 64 * end, 64)]
        start = end


def of_expiry(world: World, stream: Lines) -> None:
    staff = staff_of(world)
    judge = Expiry(staff.publishers(FAIRIES), staff.number("closer") + 1, staff.day_ends_ns)
    for group in groups(stream):
        judge.hear(group)
    judge.at_the_end()


def of_stops(world: World, stream: Lines) -> None:
    judge = StopWatch(staff_of(world).publishers(STOPS))
    for group in groups(stream):
        judge.hear(group)
    judge.at_rest()


def expired(stream: Lines, of: tuple[int, ...]) -> int:
    """The last order that one of these has taken away."""
    cancels = stream.view(CANCEL)
    is_said = (stream["template_id"] == Template.CANCEL) & np.isin(stream["publisher"], of)
    return int(np.flatnonzero(is_said & (cancels["reason"] == CancelReason.EXPIRED))[-1])


def entered(stream: Lines, of: tuple[int, ...]) -> int:
    """The last stop order that came in."""
    is_said = (stream["template_id"] == Template.NEW_ORDER) & np.isin(stream["publisher"], of)
    return int(np.flatnonzero(is_said)[-1])


def given(stream: Lines, of: tuple[int, ...]) -> int:
    """The StopOrder of that one."""
    one = stream.view(NEW_ORDER)[entered(stream, of)]
    stops = stream.view(STOP_ORDER)
    same = (stops["topic"] == one["topic"]) & (stops["client_order_id"] == one["client_order_id"])
    return int(np.flatnonzero(same & (stream["template_id"] == Template.STOP_ORDER))[0])


def sets(stream: Lines, at: int, dtype: np.dtype[np.void], name: str, value: int) -> Lines:
    stream.view(dtype)[name][at] = value
    return stream


def twice(stream: Lines, at: int) -> Lines:
    """The line, alone, before itself."""
    return sets(np.insert(stream, at, stream[at]), at, NEW_ORDER, "flags", Flag.LAST_OF_GROUP)


def test_a_day_has_everything(world: World, stream: Lines) -> None:
    """Orders expire, auctions match, stop orders come in, some is kept: what is judged happens."""
    staff = staff_of(world)
    fairies = [staff.expiry.taken.get(one, 0) for one in staff.publishers(FAIRIES)]
    assert min(fairies) > 3, "all three win races"
    assert staff.expiry.taken[staff.number("closer") + 1] > 0
    kinds = Counter(kind for kind, best in staff.crosses.done if best.quantity)
    assert kinds[CrossType.OPENING] > 1
    assert kinds[CrossType.HALT] > 1
    assert staff.stop_watch.entered > 3
    morning = night.check_night(world, staff, stream)
    assert sum(map(len, morning.books.values())) > 5
    assert morning.left > 0


Lie = tuple[Callable[[World, Lines], None], Callable[[Lines, Staff], Lines], str]
LIES: dict[str, Lie] = {
    "an order goes before its time": (
        of_expiry,
        lambda one, staff: sets(
            one, expired(one, staff.publishers(FAIRIES)) - 1, CANCEL, "time_ns", 0),
        "before its time"),
    "somebody else takes an order away": (
        of_expiry,
        lambda one, staff: sets(
            one, expired(one, staff.publishers(FAIRIES)), CANCEL, "publisher", 1),
        "who else"),
    "of an order something is left": (
        of_expiry,
        lambda one, staff: sets(
            one, expired(one, staff.publishers(FAIRIES)), CANCEL, "remaining", 1), "was left"),
    "a day order is kept": (
        of_expiry,
        lambda one, staff: np.delete(one, expired(one, (staff.number("closer") + 1,))),
        "does not outlive the day"),
    "a stop order comes in by itself": (
        of_stops,
        lambda one, staff: sets(
            one, given(one, staff.publishers(STOPS)), STOP_ORDER, "stop_ticks",
            1 << 29 if one.view(STOP_ORDER)["side"][given(one, staff.publishers(STOPS))] == 1
            else 1),
        "no trade had reached it"),
    "a stop order comes in twice": (
        of_stops, lambda one, staff: twice(one, entered(one, staff.publishers(STOPS))),
        "no trade had reached it"),
    "a stop order comes in as another": (
        of_stops,
        lambda one, staff: sets(
            one, entered(one, staff.publishers(STOPS)), NEW_ORDER, "quantity", 77),
        "another order"),
    "a stop order never comes in": (
        of_stops,
        lambda one, staff: np.delete(one, entered(one, staff.publishers(STOPS))), "never came in"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_about_a_day_is_found(world: World, stream: Lines, lie: str) -> None:
    check, tell, found = LIES[lie]
    check(world, stream)
    with pytest.raises(AssertionError, match=found):
        check(world, tell(stream.copy(), staff_of(world)))


def test_a_night_that_loses_or_swaps_an_order_is_found(
    world: World, stream: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = night.begin
    changes: tuple[Callable[[night.Books], object], ...] = (
        lambda books: books.popitem(),
        lambda books: max(books.values(), key=len).reverse(),
    )
    for change in changes:

        def other(*of: object, change: Callable[[night.Books], object] = change) -> night.Morning:
            morning = begin(*of)  # type: ignore[arg-type]
            change(morning.books)
            return morning

        monkeypatch.setattr(night, "begin", other)
        with pytest.raises(AssertionError, match="in another priority"):
            night.check_night(world, staff_of(world), stream)


class Called:
    """An auction of one instrument, judged; the auctions' publisher is 2."""

    def __init__(self, state: int = AUCTION) -> None:
        self.oracle = Oracle(1, 100, 200)
        schedule = Schedule(halt_ns=10)
        instruments = self.oracle.market.instruments
        self.judge = Crosses((2,), 7, instruments, schedule, 0, Collars(), (1, 1_000))
        self.number = 0
        self.enter(Side.BUY, 10, 103)
        self.enter(Side.SELL, 4, 105)
        line = {"template_id": Template.COMMAND, "kind": 1, "state": state}
        self.hear(self.oracle.submit([encode(line)]), 5)
        self.enter(Side.SELL, 7, 101)

    def hear(self, answer: bytes, time_ns: int) -> None:
        raw = time_ns.to_bytes(8, "little")
        lines = [answer[at : at + 64] for at in range(0, len(answer), 64)]
        self.judge.hear([line[:8] + raw + line[16:] for line in lines])

    def enter(self, side: int, quantity: int, price: int, **fields: int) -> None:
        self.number += 1
        line = {"template_id": Template.NEW_ORDER, "topic": 1, "client_order_id": self.number}
        line |= {"side": side, "quantity": quantity, "price_ticks": price} | fields
        self.hear(self.oracle.submit([encode(line)]), 6)

    def cross(self, time_ns: int = 15, **fields: int) -> None:
        """At the best price, or what `fields` make of it."""
        changes = self.oracle.market.instruments[0].changes
        line = {"template_id": Template.CROSS_RESULT, "topic": 7, "publisher": 2, "quantity": 7}
        line |= {"price_ticks": 101, "cross_type": CrossType.HALT, "state": 1, "changes": changes}
        raw = encode(line | fields)
        self.hear(encode({"template_id": Template.TICK, "publisher": 9}), time_ns)
        self.judge.expect(raw)
        self.hear(self.oracle.submit([raw]), time_ns)


def test_crosses_are_judged() -> None:
    """The right one is taken; one at another price, of another quantity, too early, is found."""
    right = Called()
    with pytest.raises(AssertionError, match="never crossed"):
        right.judge.at_rest()
    right.cross()
    right.judge.at_rest()
    lies: tuple[tuple[dict[str, int], str], ...] = (
        ({"price_ticks": 102}, "the best is"),
        ({"quantity": 6}, "the best is"),
        ({"time_ns": 14}, "before its time"),
    )
    for fields, found in lies:
        with pytest.raises(AssertionError, match=found):
            Called().cross(**fields)
    with pytest.raises(AssertionError, match="without an auction"):
        Called(HALTED).cross(price_ticks=0, quantity=0)
    traded = {"template_id": Template.EXECUTED, "liquidity": Liquidity.ADDED, "publisher": 1}
    with pytest.raises(AssertionError, match="during an auction"):
        Called().hear(encode(traded), 7)
    with pytest.raises(AssertionError, match="nobody said"):
        Called().hear(encode(traded | {"liquidity": Liquidity.CROSS}), 7)


@pytest.mark.parametrize("seed", range(60))
def test_the_judge_of_prices_and_the_auction_agree(seed: int) -> None:
    """Two ways to the best price that have nothing in common but the rules."""
    draw = random.Random(seed)
    oracle = Oracle(1, 100, 2000)
    oracle.submit([encode({"template_id": Template.COMMAND, "kind": 1, "state": AUCTION})])
    for number in range(draw.randrange(12)):
        line = {"template_id": Template.NEW_ORDER, "topic": 1, "client_order_id": number + 1}
        line |= {"side": draw.choice((1, 2)), "quantity": draw.randint(1, 9)}
        line["time_in_force"] = draw.choice((TimeInForce.DAY, TimeInForce.AT_OPENING))
        line["price_ticks"] = draw.randint(95, 105)
        terms = {"template_id": Template.ORDER_TERMS, "auction": draw.randrange(2)}
        wants = [encode(line)]
        if line["time_in_force"] != TimeInForce.DAY:
            wants = [wants[0][:25] + b"\x02" + wants[0][26:], encode(terms)]
        oracle.submit(wants)
    instrument = oracle.market.instruments[0]
    orders = np.zeros(len(instrument.held), INTEREST)
    for row, one in zip(orders, instrument.held, strict=True):
        row["price_ticks"], row["open"], row["side"] = one.price, one.quantity, one.side
        row["time_in_force"], row["options"] = one.time_in_force, one.options
        row["auction"] = one.imbalance_only
    reference, width = draw.choice((0, 97, 100)), draw.choice((0, 2, 50))
    low, high = (max(1, reference - width), reference + width) if width else (1, PRICE_TICKS_MAX)
    best = best_of(instrument, CrossType.HALT, reference, low, high)
    found = uncross(orders, reference, low, high)
    assert (best.price, best.quantity) == (found.price_ticks, found.quantity)
    assert best.imbalance == found.imbalance
