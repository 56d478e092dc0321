"""Carrying over, with a real engine on both sides of the night: whatever the books were like."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.fused import FusedEngine, Size
from ports.fix_account import Account
from ports.fix_lines import Line, Tag
from ports.open_orders import OpenOrders
from ringbus.contributor import Contributor
from ringbus.journal import Journal, read_day
from ringbus.messages import (
    CARRIED_OVER,
    COMMAND,
    END_OF_DAY,
    EXECUTED,
    MESSAGE,
    NEW_ORDER,
    ORDER_TAG,
    ORDER_TERMS,
    REJECTED,
    REPLACE,
    CommandKind,
    Flag,
    InstrumentState,
    OrderOption,
    Side,
    Template,
    TimeInForce,
    TradeChangeKind,
)
from ringbus.multicast import Reader
from ringbus.replay import Stream
from ringbus.texts import texts
from ringbus.topics import Topics
from ringbus.volley import Volley
from tests.engine.parts import Lines, grouped
from tests.engine.trader import lines
from tests.tools.conftest import SECRET, instruments_text, topology_text
from tools import carry as carry_over
from tools.carry import Plan, numbered, plan
from tools.clients import port_instruments
from tools.closed import Closed, ClosedError
from tools.closing import Closing
from tools.configuration import Configuration
from tools.console.trades import Trade, change
from tools.kept import Kept, KeptDay, kept_of
from tools.opening import opening_lines
from tools.replay_day import replay_day

SEGMENT = 4096
INSTRUMENTS = 3
USERS = ("ALICE", "BOB", "CAROL")
COUNT = itertools.count()


def configuration_of(directory: Path, instruments: str = "", people: str = "") -> Configuration:
    """A day of two shards, without ports."""
    (directory / "instruments.csv").write_text(instruments or instruments_text(INSTRUMENTS))
    rows = [f"{user},{2 * n + 1},{101 + n},F{n % 2},{SECRET}\n" for n, user in enumerate(USERS)]
    (directory / "participants.csv").write_text(
        people or "user,session,account,firm,secret\n" + "".join(rows)
    )
    path = directory / "topology.toml"
    path.write_text(topology_text("carry", 2, 0))
    return Configuration.load(path)


class Day:
    """An engine that records, and all that is said to it."""

    def __init__(self, configuration: Configuration, directory: Path, first: Lines) -> None:
        self.configuration = configuration
        limits = configuration.topology.limits
        size = Size(
            INSTRUMENTS, 2, configuration.topics, 2, 1 << 15, 1 << 12, limits.orders,
            limits.price_nodes,
        )  # fmt: skip
        self.engine = FusedEngine(size, shard_of=configuration.shard_of, risk=configuration.risk())
        directory.mkdir(exist_ok=True)
        self.journal = Journal(directory, self.engine.ring, self.engine.readers, SEGMENT)
        self.engine.core.add("journal", self.journal)
        self._reader = Reader(self.engine.ring, 1)
        self._topics = Topics(configuration.topics, 2)
        self.engine.propose(first)
        self.answers()

    def answers(self) -> Lines:
        """What is new on the stream."""
        parts = []
        while len(batch := self._reader.poll()):
            self._topics.hear(batch)
            parts.append(batch.copy())
        return np.concatenate(parts) if parts else np.zeros(0, MESSAGE)

    def say(self, topic: int, instrument: int, *parts: Lines) -> Lines:
        """A message of a session, with the next number; returns its answer."""
        group = np.concatenate([part.view(MESSAGE) for part in parts])
        shard = self.configuration.shard_of[instrument]
        group["topic"], group["topic_sequence"] = topic, self._topics.next(topic, shard)
        group["flags"] = Flag.CONTINUED
        group["flags"][-1] = Flag.LAST_OF_GROUP
        self.engine.propose(group, 1 if topic else 0)
        return self.answers()

    def close(self) -> Closing:
        """As `ringbus close-day` does, without processes."""
        self.say(0, 0, lines(COMMAND, Template.COMMAND, kind=CommandKind.CLOSE_DAY,
                             instrument=0xFFFFFFFF))  # fmt: skip
        contributor = Contributor(self.engine.lane_memory[0], 0, self.engine.doorbell)
        topics = Topics(self.configuration.topics, 2)
        closing = Closing(
            Stream(self.engine.ring),
            Volley(contributor, self.engine.core, topics),
            OpenOrders(2, self.configuration.topology.limits.orders),
            self.configuration.shard_of,
            self.configuration.opening,
        )
        for _ in range(10_000):
            closing.do_work(4096)
            self.engine.settle()
            if closing.end:
                break
        closing.close()
        assert closing.end
        return closing

    def finish(self) -> None:
        self.journal.close()
        self.engine.close()


@contextmanager
def day_of(configuration: Configuration, directory: Path, first: Lines) -> Iterator[Day]:
    day = Day(configuration, directory, first)
    try:
        yield day
    finally:
        day.finish()


@dataclass(slots=True)
class Open:
    """An order that somebody has entered."""

    topic: int
    instrument: int
    number: int
    locate: int


Step = tuple[str, dict[str, Any], int]
TIMES = (
    *(TimeInForce.GOOD_TILL_CANCEL,) * 4,
    *(TimeInForce.GOOD_TILL_TIME, TimeInForce.DAY, TimeInForce.IMMEDIATE_OR_CANCEL),
)
TERMS = st.fixed_dictionaries(
    {
        "topic": st.sampled_from((1, 3, 5)),
        "instrument": st.integers(0, INSTRUMENTS - 1),
        "side": st.sampled_from((Side.BUY, Side.SELL)),
        "price": st.integers(95, 105),
        "quantity": st.integers(1, 60),
        "tif": st.sampled_from(TIMES),
        "hidden": st.sampled_from((False, False, True)),
        "display": st.sampled_from((0, 0, 7)),
        "passive": st.sampled_from((0, 0, OrderOption.POST_ONLY, OrderOption.SLIDE)),
        "tag": st.sampled_from((b"", b"mine")),
    }
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("new",) * 6 + ("replace", "replace", "cancel", "auction", "continuous")),
        TERMS,
        st.integers(0, 1 << 16),
    ),
    min_size=1,
    max_size=40,
)


def trade(day: Day, steps: list[Step]) -> None:
    """Do them; what the engine refuses is refused."""
    orders: list[Open] = []
    numbers = itertools.count(1)
    for what, terms, nth in steps:
        if what == "new":
            orders += _enter(day, terms, next(numbers))
        elif what in ("auction", "continuous"):
            state = InstrumentState[what.upper()]
            line = lines(COMMAND, Template.COMMAND, kind=CommandKind.INSTRUMENT_STATE,
                         instrument=terms["instrument"], state=state)  # fmt: skip
            day.say(0, terms["instrument"], line)
        elif orders:
            order = orders[nth % len(orders)]
            number = next(numbers)
            if what == "replace" and _replace(day, order, terms, number):
                order.number = number
            elif what == "cancel":
                _cancel(day, order, terms)


def _enter(day: Day, terms: dict[str, Any], number: int) -> list[Open]:
    options = int(OrderOption.HIDDEN if terms["hidden"] else 0) | terms["passive"]
    order = lines(
        NEW_ORDER, Template.NEW_ORDER, client_order_id=number, time_in_force=terms["tif"],
        instrument=terms["instrument"], side=terms["side"], price_ticks=terms["price"],
        quantity=terms["quantity"], options=options, account=_account(terms["topic"]),
        firm=_firm(terms["topic"]), display=b"Y", capacity=b"A", original_side=b"B",
    )  # fmt: skip
    parts = [order]
    if terms["display"] or terms["tif"] == TimeInForce.GOOD_TILL_TIME:
        expire = 10**18 if terms["quantity"] % 2 else 1 << 62
        display = 0 if terms["hidden"] else terms["display"]
        parts.append(
            lines(ORDER_TERMS, Template.ORDER_TERMS, instrument=terms["instrument"],
                  options=options, display_quantity=display, expire_time_ns=expire)
        )  # fmt: skip
    if terms["tag"]:
        parts.append(lines(ORDER_TAG, Template.ORDER_TAG, text=terms["tag"]))
    first = day.say(terms["topic"], terms["instrument"], *parts)[:1]
    if int(first["template_id"][0]) != Template.NEW_ORDER:
        return []
    locate = int(first.view(NEW_ORDER)["locate"][0])
    return [Open(terms["topic"], terms["instrument"], number, locate)] if locate else []


def _replace(day: Day, order: Open, terms: dict[str, Any], number: int) -> bool:
    line = lines(
        REPLACE, Template.REPLACE, instrument=order.instrument, price_ticks=terms["price"],
        quantity=terms["quantity"], locate=order.locate, client_order_id=number,
        original_client_order_id=order.number, time_in_force=terms["tif"],
        account=_account(order.topic), firm=_firm(order.topic),
    )  # fmt: skip
    parts = [line]
    if terms["tif"] == TimeInForce.GOOD_TILL_TIME:
        parts.append(
            lines(ORDER_TERMS, Template.ORDER_TERMS, instrument=order.instrument,
                  expire_time_ns=1 << 62)
        )  # fmt: skip
    if terms["tag"]:
        parts.append(lines(ORDER_TAG, Template.ORDER_TAG, text=terms["tag"], total_quantity=99))
    first = day.say(order.topic, order.instrument, *parts)[:1]
    return int(first["template_id"][0]) == Template.REPLACE


def _cancel(day: Day, order: Open, terms: dict[str, Any]) -> None:
    line = lines(
        REJECTED, Template.CANCEL, instrument=order.instrument, quantity=terms["quantity"],
        locate=order.locate, client_order_id=order.number, account=_account(order.topic),
        firm=_firm(order.topic),
    )  # fmt: skip
    day.say(order.topic, order.instrument, line)


def _account(topic: int) -> int:
    return 101 + topic // 2


def _firm(topic: int) -> int:
    return 1 + topic // 2 % 2


def view(one: Kept) -> tuple[object, ...]:
    """What is the same before and after a night."""
    names = ("side", "time_in_force", "display", "capacity", "original_side", "account")
    tags = [bytes(line.tobytes()[32:56]) for line in one.lines
            if int(line["template_id"]) == Template.ORDER_TAG]  # fmt: skip
    shown = [
        int(np.array([line]).view(ORDER_TERMS)["display_quantity"][0])
        for line in one.lines
        if int(line["template_id"]) == Template.ORDER_TERMS
    ]
    hidden = bool(int(one.order["options"][0]) & OrderOption.HIDDEN)
    letters = tuple(one.order[name][0].item() for name in names)
    return (one.user, one.symbol, one.price_1e4, hidden, one.quantity, one.client_order_id,
            letters, tags, shown, one.expire_ns, one.executed, one.notional_1e4)  # fmt: skip


def canonical(kept: KeptDay) -> dict[tuple[str, int], list[tuple[object, ...]]]:
    """By instrument and side in priority: price, displayed before hidden, time."""
    out: dict[tuple[str, int], list[tuple[object, ...]]] = {}
    for symbol, orders in sorted(kept.by_symbol.items()):
        for side, sign in ((Side.BUY, -1), (Side.SELL, 1)):
            own = [view(one) for one in orders if int(one.order["side"][0]) == side]
            own.sort(key=lambda one, sign=sign: (sign * one[2], one[3]))  # type: ignore[misc]
            if own:
                out[symbol, int(side)] = own
    return out


def closed(kept: KeptDay) -> Closed:
    return Closed("20230711", "20230711", 1, "ab" * 32, len(kept.every), kept.quantity)


def opening_of(carry: Plan) -> tuple[Configuration, Lines]:
    configuration = carry.configuration
    definitions = opening_lines(configuration, 0)
    return configuration, numbered(carry, definitions)


@dataclass(slots=True)
class Night:
    """Two days and what is between them."""

    evening: KeptDay
    morning: KeptDay
    carry: Plan
    expired: int


def night(directory: Path, steps: list[Step]) -> Night:
    """Trade, close, carry over; everything that must hold of any such night."""
    configuration = configuration_of(directory)
    with day_of(configuration, directory / "one", opening_lines(configuration, 0)) as day:
        trade(day, steps)
        expired = day.close().expired
    evening = kept_of([directory / "one"], configuration)
    end = read_day(directory / "one")[-1:].view(END_OF_DAY)[0]
    assert (int(end["kept_orders"]), int(end["kept_quantity"])) == (
        len(evening.every),
        evening.quantity,
    )
    carry = plan(evening, closed(evening), configuration, 0)
    assert not carry.left
    new, first = opening_of(carry)
    with day_of(new, directory / "two", first):
        pass
    stream = read_day(directory / "two")
    for when, kept in (("one", evening), ("two", kept_of([directory / "two"], new))):
        assert_as_told(read_day(directory / when), kept, new)
    assert len(stream) == configuration.opening + carry.messages
    said = stream[stream["template_id"] == Template.CARRIED_OVER].view(CARRIED_OVER)[0]
    assert int(said["quantity"]) == evening.quantity
    assert replay_day(directory / "one", verify=True).identical
    assert replay_day(directory / "two", verify=True).identical
    return Night(evening, kept_of([directory / "two"], new), carry, expired)


def accounts(stream: Lines, configuration: Configuration) -> dict[str, Account]:
    """What a FIX client of each user would have been told of its orders, by user."""
    instruments = port_instruments(configuration)
    out = {one.user: Account(one.session, instruments) for one in configuration.participants}
    topics = {one.session: out[one.user] for one in configuration.participants}
    for first, tag in whole_messages(stream):
        if first.topic in topics:
            topics[first.topic].apply(first, tag)
    return out


def whole_messages(stream: Lines) -> Iterator[tuple[Line, Tag | None]]:
    head: Line | None = None
    for data in map(np.void.tobytes, stream):
        head = head or Line.read(data)
        if not data[25] & Flag.CONTINUED:
            yield head, Tag.read(data) if data[24] == Template.ORDER_TAG else None
            head = None


def assert_as_told(stream: Lines, kept: KeptDay, configuration: Configuration) -> None:
    """What is carried of an order is what its client knows of it; nothing else is open."""
    told = accounts(stream, configuration)
    assert sum(len(one.orders) for one in told.values()) == len(kept.every)
    for one in kept.every:
        order = told[one.user].orders[one.client_order_id]
        assert (one.quantity, one.executed, one.notional_1e4) == (
            order.remaining,
            order.executed,
            order.notional_1e4,
        )
        assert order.total == order.executed + order.remaining


@settings(max_examples=10)
@given(STEPS)
def test_small_books_are_the_same_on_the_next_morning(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    """R56: in their priority, with their terms; what fails is made small."""
    one = night(tmp_path_factory.mktemp(f"carry{next(COUNT)}"), steps)
    assert canonical(one.morning) == canonical(one.evening)


def drawn(draw: random.Random) -> Step:
    """Bids mostly below offers, so that books grow."""
    side = draw.choice((Side.BUY, Side.SELL))
    away = draw.randrange(-2, 12)
    kinds = ("new",) * 24 + ("replace",) * 6 + ("cancel",) * 4 + ("auction", "continuous")
    terms: dict[str, Any] = {
        "topic": draw.choice((1, 3, 5)),
        "instrument": draw.randrange(INSTRUMENTS),
        "side": side,
        "price": 100 - away if side == Side.BUY else 100 + away,
        "quantity": draw.randrange(1, 60),
        "tif": draw.choice(TIMES),
        "hidden": draw.random() < 0.2,
        "display": draw.choice((0, 0, 7)),
        "passive": draw.choice((0, 0, OrderOption.POST_ONLY, OrderOption.SLIDE)),
        "tag": draw.choice((b"", b"mine")),
    }
    return draw.choice(kinds), terms, draw.randrange(1 << 16)


@pytest.mark.parametrize("seed", range(4))
def test_large_books_are_the_same_on_the_next_morning(tmp_path: Path, seed: int) -> None:
    """R56: quantity is conserved, priority and terms are kept, both days replay."""
    draw = random.Random(seed)
    one = night(tmp_path, [drawn(draw) for _ in range(600)])
    assert canonical(one.morning) == canonical(one.evening)
    # The seeds are such that every kind of order is there.
    every = one.evening.every
    assert sum(kept.executed > 0 for kept in every) > 2
    assert len(every) > 60
    assert one.expired > 10
    assert sum(len(kept.lines) == 3 for kept in every) > 5
    assert any(int(kept.order["options"][0]) & OrderOption.HIDDEN for kept in every)


def test_orders_that_were_held_do_not_trade_at_night(tmp_path: Path) -> None:
    """A day that closes in an auction: the next begins in it, and the cross is still to come."""
    base = {"topic": 1, "instrument": 1, "tif": TimeInForce.GOOD_TILL_CANCEL, "hidden": False,
            "display": 0, "passive": 0, "tag": b"", "quantity": 5}  # fmt: skip
    bid, offer = base | {"side": 1, "price": 101}, base | {"side": 2, "price": 99}
    steps: list[Step] = [("new", base | {"side": 1, "price": 90, "passive": OrderOption.POST_ONLY},
                          0), ("auction", bid, 0), ("new", bid, 0), ("new", offer, 0)]  # fmt: skip
    one = night(tmp_path, steps)
    assert one.carry.crossed == ["S1"]
    assert canonical(one.morning) == canonical(one.evening)
    assert len(one.morning.every) == 3
    stream = read_day(tmp_path / "two")
    assert not (stream["template_id"] == Template.EXECUTED).any()


def test_a_cancel_on_its_way_with_the_end_of_the_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EndOfDay says more than is kept then, and the next day begins; not if it says less."""
    configuration = configuration_of(tmp_path)
    with day_of(configuration, tmp_path / "one", opening_lines(configuration, 0)) as day:
        base = {"instrument": 0, "price": 100, "hidden": False, "passive": 0, "tag": b""}
        gtc = TimeInForce.GOOD_TILL_CANCEL
        _enter(day, base | {"topic": 1, "side": 1, "quantity": 50, "tif": gtc, "display": 0}, 1)
        day.close()
    monkeypatch.setattr("tools.closed.journals_of", lambda *_: [tmp_path / "one"])
    monkeypatch.setattr("tools.closed.configuration_of", lambda _: configuration)
    for orders, quantity in ((1, 50), (1, 57), (2, 60)):
        said = Closed("20230711", "20230711", 1, "ab" * 32, orders, quantity)
        monkeypatch.setattr("tools.closed.find", lambda _, said=said: said)
        made = carry_over.plan_for(configuration, 0)
        assert made is not None
        assert made.quantity == 50
    said = Closed("20230711", "20230711", 1, "ab" * 32, 1, 49)
    monkeypatch.setattr("tools.closed.find", lambda _: said)
    with pytest.raises(ClosedError, match="its books hold 1"):
        carry_over.plan_for(configuration, 0)


def test_a_reserve_keeps_its_reserve(tmp_path: Path) -> None:
    """Of 50 shown 7 at a time 30 traded: 20 are carried, 7 of them shown."""
    configuration = configuration_of(tmp_path)
    with day_of(configuration, tmp_path / "one", opening_lines(configuration, 0)) as day:
        base = {"instrument": 0, "price": 100, "hidden": False, "passive": 0, "tag": b""}
        gtc = TimeInForce.GOOD_TILL_CANCEL
        _enter(day, base | {"topic": 1, "side": 1, "quantity": 50, "tif": gtc, "display": 7}, 1)
        ioc = TimeInForce.IMMEDIATE_OR_CANCEL
        _enter(day, base | {"topic": 3, "side": 2, "quantity": 30, "tif": ioc, "display": 0}, 1)
        day.close()
    evening = kept_of([tmp_path / "one"], configuration)
    carry = plan(evening, closed(evening), configuration, 0)
    _, first = opening_of(carry)
    with day_of(configuration, tmp_path / "two", first) as day:
        assert day.engine.books[0].best(0, Side.BUY) == (100, 7)
    (one,) = kept_of([tmp_path / "two"], configuration).every
    assert one.quantity == 20


def test_what_has_traded_is_counted_on_from_day_to_day(tmp_path: Path) -> None:
    """R56: 50 of which 30 and 5 traded, the 5 were void, 8 more the next day: 12 are left."""
    configuration = configuration_of(tmp_path)
    ticks = configuration.instruments[0].tick_1e4
    base = {"instrument": 0, "hidden": False, "passive": 0, "tag": b"", "display": 0}
    gtc, ioc = TimeInForce.GOOD_TILL_CANCEL, TimeInForce.IMMEDIATE_OR_CANCEL
    offer = base | {"topic": 3, "side": 2, "tif": ioc, "price": 90}
    with day_of(configuration, tmp_path / "one", opening_lines(configuration, 0)) as day:
        (order,) = _enter(
            day, base | {"topic": 1, "side": 1, "price": 100, "quantity": 50, "tif": gtc}, 1
        )
        _enter(day, offer | {"quantity": 30}, 1)
        void = traded(day, offer | {"quantity": 5}, 2)
        # A trade may be changed when its order has another number.
        terms = base | {"topic": 1, "side": 1, "price": 95, "quantity": 20, "tif": gtc}
        assert _replace(day, order, terms, 2)
        day.say(0, 0, bust(void))
        day.close()
    (kept,) = kept_of([tmp_path / "one"], configuration).every
    assert (kept.quantity, kept.executed, kept.notional_1e4) == (20, 30, 30 * 100 * ticks)
    carry = plan(KeptDay({"S0": [kept]}), closed(KeptDay({"S0": [kept]})), configuration, 0)
    new, first = opening_of(carry)
    with day_of(new, tmp_path / "two", first) as day:
        _enter(day, offer | {"quantity": 8}, 1)
        day.close()
    evening = kept_of([tmp_path / "two"], new)
    (kept,) = evening.every
    assert kept.quantity == 12
    assert (kept.executed, kept.notional_1e4) == (38, (30 * 100 + 8 * 95) * ticks)
    assert_as_told(read_day(tmp_path / "two"), evening, new)


def traded(day: Day, terms: dict[str, Any], number: int) -> Lines:
    """The two sides of the trade that an order makes."""
    first = day.say(terms["topic"], terms["instrument"], lines(
        NEW_ORDER, Template.NEW_ORDER, client_order_id=number, time_in_force=terms["tif"],
        instrument=terms["instrument"], side=terms["side"], price_ticks=terms["price"],
        quantity=terms["quantity"], account=_account(terms["topic"]), firm=_firm(terms["topic"]),
    ))  # fmt: skip
    out: Lines = first[first["template_id"] == Template.EXECUTED]
    assert len(out) == 2
    return out


def bust(trade: Lines) -> Lines:
    """What an operator's console says of a trade that is void."""
    sides = trade.view(EXECUTED)
    price = int(sides["price_ticks"][0])
    notional_1e4 = int(sides["quantity"][0]) * price * 100
    seen = Trade(sides, price, [b"", b""], [notional_1e4] * 2)
    return grouped(change(seen, TradeChangeKind.BUST, price, b"E"), texts("ann", 1, "void"))
