"""The book against its oracle, and one test for each way in which order books are known to fail."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.book import Book
from ringbus.messages import (
    CANCEL,
    CANCELED,
    DTYPES,
    EXECUTED,
    MESSAGE,
    NEW_ORDER,
    ORDER_TAG,
    REJECTED,
    REPLACE,
    CancelReason,
    Flag,
    Liquidity,
    RejectReason,
    Side,
    Template,
    TimeInForce,
)
from ringbus.status import CapacityError, NotFoundError, UsageError
from tests.engine.mix import Message
from tests.engine.oracle import LINE_BYTES, PRICE_TICKS_MAX
from tests.engine.profiles import Profile
from tests.engine.trial import Trial, as_lines

BUY, SELL = Side.BUY, Side.SELL
DAY, IMMEDIATE_OR_CANCEL = TimeInForce.DAY, TimeInForce.IMMEDIATE_OR_CANCEL
Line = NDArray[np.void]
Event = tuple[object, ...]


def line(dtype: np.dtype[np.void], template: Template, **fields: object) -> Line:
    """One message of given fields; the header's others differ from zero, so that a copy shows."""
    out: Line = np.zeros(1, dtype)
    out["template_id"] = template
    for name, value in fields.items():
        out[name] = value
    return out.view(MESSAGE)


def new(client_order_id: int, side: int, quantity: int, price: int, /, **fields: object) -> Line:
    filled: dict[str, object] = {
        "sequence": 77,  # The lane's, not the answer's.
        "time_ns": 1_000 + client_order_id,
        "topic_sequence": 5,
        "topic": 1,
        "publisher": 9,
        "checksum": 40_000 + client_order_id,
        "account": 11,
        "firm": 12,
        "display": b"Y",
        "capacity": b"P",
        "sweep": b"N",
        "cross_type": b"N",
        "original_side": b"T",
    }
    filled |= {"client_order_id": client_order_id, "side": side}
    filled |= {"quantity": quantity, "price_ticks": price}
    return line(NEW_ORDER, Template.NEW_ORDER, **(filled | fields))


def cancel(locate: int, client_order_id: int, quantity: int, /, **fields: object) -> Line:
    filled: dict[str, object] = {"time_ns": 2_000, "topic": 1, "publisher": 9, "checksum": 50_000}
    filled |= {"locate": locate, "client_order_id": client_order_id, "quantity": quantity}
    filled |= {"reason": CancelReason.USER}
    return line(CANCEL, Template.CANCEL, **(filled | fields))


def replace(
    locate: int, original: int, client_order_id: int, quantity: int, price: int, /, **fields: object
) -> Line:
    filled: dict[str, object] = {"time_ns": 3_000, "topic": 1, "publisher": 9, "checksum": 60_000}
    filled |= {"locate": locate, "original_client_order_id": original, "account": 13, "firm": 14}
    filled |= {"client_order_id": client_order_id, "quantity": quantity, "price_ticks": price}
    return line(REPLACE, Template.REPLACE, **(filled | fields))


def tagged(message: Line, text: bytes) -> Line:
    first = message.copy()
    first["flags"] = Flag.CONTINUED
    tag = line(ORDER_TAG, Template.ORDER_TAG, topic=1, publisher=9, checksum=1, text=text)
    return np.concatenate([first, tag])


def event(message: np.void) -> Event:
    """What one answer line says, in a few words."""
    template = Template(int(message["template_id"]))
    body = np.array([message]).view(DTYPES[template])[0]
    match template:
        case Template.NEW_ORDER:
            return "new", int(body["client_order_id"]), int(body["locate"])
        case Template.CANCEL:
            return "cancel", int(body["client_order_id"]), int(body["remaining"])
        case Template.REPLACE:
            return "replace", int(body["client_order_id"]), int(body["locate"])
        case Template.EXECUTED:
            mark = "takes" if body["liquidity"] == Liquidity.REMOVED else "gives"
            names = ("client_order_id", "quantity", "price_ticks", "remaining")
            return mark, *(int(body[name]) for name in names)
        case Template.CANCELED:
            return "canceled", int(body["client_order_id"]), int(body["quantity"])
        case Template.REJECTED:
            return "rejected", int(body["client_order_id"]), RejectReason(int(body["reason"]))
        case _:
            return (template.name,)


def messages_of(batch: Line) -> list[Message]:
    """The messages of a batch, each of one or more lines."""
    raw = batch.tobytes()
    messages: list[Message] = []
    is_behind = False
    for n, flags in enumerate(batch["flags"].tolist()):
        one = raw[n * LINE_BYTES : (n + 1) * LINE_BYTES]
        if is_behind:
            messages[-1].append(one)
        else:
            messages.append([one])
        is_behind = bool(flags & Flag.CONTINUED)
    return messages


class Desk(Trial):
    """A book and its oracle; every answer is compared, every structure verified."""

    def __init__(self, instruments: int = 2, orders: int = 100, nodes: int = 200) -> None:
        super().__init__(Profile({}, instruments=instruments, orders=orders, nodes=nodes))

    def submit(self, *messages: Line, limit: int = 0) -> list[Event]:
        """What the book and the oracle say, in a few words."""
        batch = np.concatenate(messages)
        sent = messages_of(batch)
        expected = [self.oracle.submit(message) for message in sent]
        self.answer(sent, expected, limit)
        self.compare()
        return [event(answer) for answer in as_lines(b"".join(expected))]

    def rows(self, instrument: int, side: int) -> list[tuple[int, ...]]:
        orders = self.book.walk(instrument, side)
        names = ["price_ticks", "quantity", "locate", "client_order_id", "topic", "account", "firm"]
        return list(zip(*(orders[name].tolist() for name in names), strict=True))


@pytest.fixture
def desk() -> Iterator[Desk]:
    with Desk() as made:
        yield made


# Directed: orders, trades, lines


def test_order_rests_and_is_turned_round(desk: Desk) -> None:
    message = new(1, BUY, 100, 5_000)
    answers = desk.book.submit(message)
    expected = message.view(NEW_ORDER).copy()
    expected["sequence"] = 0
    expected["locate"] = 1
    assert answers.view(NEW_ORDER).tolist() == expected.tolist()
    assert desk.book.best(0, BUY) == (5_000, 100)
    assert desk.book.best(0, SELL) == (0, 0)
    assert desk.book.best(1, BUY) == (0, 0)


def test_both_sides_of_a_trade(desk: Desk) -> None:
    desk.submit(new(1, SELL, 100, 5_000, topic=7, account=21, firm=22))
    answers = desk.book.submit(new(2, BUY, 40, 5_100, topic=8))
    taker, giver = answers[1:].view(EXECUTED)
    for side in (taker, giver):
        assert side["time_ns"] == 1_002
        assert side["checksum"] == 40_002
        assert side["flags"] == Flag.GENERATED
        assert side["publisher"] == side["topic_sequence"] == side["shard"] == side["detail"] == 0
        assert (side["price_ticks"], side["quantity"]) == (5_000, 40)
    assert (taker["topic"], taker["side"], taker["liquidity"]) == (8, BUY, Liquidity.REMOVED)
    assert (giver["topic"], giver["side"], giver["liquidity"]) == (7, SELL, Liquidity.ADDED)
    assert (taker["account"], taker["firm"], taker["locate"]) == (11, 12, 2)
    assert (giver["account"], giver["firm"], giver["locate"]) == (21, 22, 1)
    assert (taker["remaining"], giver["remaining"]) == (0, 60)


def test_trade_prints_at_resting_price_both_ways(desk: Desk) -> None:
    assert desk.submit(new(1, SELL, 10, 100), new(2, BUY, 10, 105))[2:] == [
        ("takes", 2, 10, 100, 0),
        ("gives", 1, 10, 100, 0),
    ]
    assert desk.submit(new(3, BUY, 10, 100), new(4, SELL, 10, 95))[2:] == [
        ("takes", 4, 10, 100, 0),
        ("gives", 3, 10, 100, 0),
    ]


def test_best_price_first_then_oldest(desk: Desk) -> None:
    desk.submit(
        *(new(1, SELL, 10, 102), new(2, SELL, 10, 101), new(3, SELL, 10, 102)),
        new(4, SELL, 10, 101),
    )
    events = desk.submit(new(5, BUY, 40, 102))
    assert [one[1] for one in events if one[0] == "gives"] == [2, 4, 1, 3]


def test_marketable_limit_stops_at_its_own_price(desk: Desk) -> None:
    desk.submit(*(new(n, SELL, 10, 100 + n) for n in range(1, 5)))
    assert desk.submit(new(9, BUY, 100, 102))[1:] == [
        ("takes", 9, 10, 101, 90),
        ("gives", 1, 10, 101, 0),
        ("takes", 9, 10, 102, 80),
        ("gives", 2, 10, 102, 0),
    ]
    assert desk.book.best(0, BUY) == (102, 80)
    assert desk.book.best(0, SELL) == (103, 10)


def test_residual_becomes_touch_and_trades_next(desk: Desk) -> None:
    desk.submit(new(1, BUY, 10, 100), new(2, SELL, 30, 100))
    assert desk.book.best(0, SELL) == (100, 20)
    assert desk.submit(new(3, BUY, 20, 101))[1:] == [
        ("takes", 3, 20, 100, 0),
        ("gives", 2, 20, 100, 0),
    ]
    assert desk.book.best(0, SELL) == (0, 0)


def test_immediate_or_cancel_never_rests(desk: Desk) -> None:
    desk.submit(new(1, SELL, 10, 100))
    message = new(2, BUY, 30, 101, time_in_force=IMMEDIATE_OR_CANCEL)
    answers = desk.book.submit(message)
    assert [event(one) for one in answers] == [
        ("new", 2, 0),
        ("takes", 2, 10, 100, 20),
        ("gives", 1, 10, 100, 0),
        ("canceled", 2, 20),
    ]
    canceled = answers[3:].view(CANCELED)[0]
    assert canceled["reason"] == CancelReason.IMMEDIATE_OR_CANCEL
    assert (canceled["price_ticks"], canceled["remaining"], canceled["locate"]) == (101, 0, 0)
    assert canceled["flags"] == Flag.GENERATED
    assert desk.book.open_orders == 0
    whole = new(3, SELL, 5, 100, time_in_force=IMMEDIATE_OR_CANCEL)
    assert [event(one) for one in desk.book.submit(whole)] == [("new", 3, 0), ("canceled", 3, 5)]


def test_instruments_do_not_touch(desk: Desk) -> None:
    desk.submit(new(1, SELL, 10, 100, instrument=0), new(2, BUY, 10, 100, instrument=1))
    assert desk.book.best(0, SELL) == (100, 10)
    assert desk.book.best(1, BUY) == (100, 10)


# Directed: cancel


@pytest.mark.parametrize("position", [0, 1, 2, 3])
def test_cancel_anywhere_in_the_queue_then_sweep(desk: Desk, position: int) -> None:
    desk.submit(*(new(n, SELL, 10, 100) for n in range(1, 5)))
    desk.submit(cancel(position + 1, position + 1, 10))
    events = desk.submit(new(9, BUY, 40, 100))
    left = [n for n in range(1, 5) if n != position + 1]
    assert [one[1] for one in events if one[0] == "gives"] == left
    assert desk.book.best(0, BUY) == (100, 10)


def test_cancel_line_is_filled_in(desk: Desk) -> None:
    desk.submit(new(1, SELL, 10, 100))
    answer = desk.book.submit(cancel(1, 1, 4)).view(CANCEL)[0]
    assert (answer["price_ticks"], answer["side"], answer["remaining"]) == (100, SELL, 6)
    assert (answer["quantity"], answer["publisher"], answer["checksum"]) == (4, 9, 50_000)


def test_reduce_keeps_place_in_queue(desk: Desk) -> None:
    desk.submit(new(1, SELL, 10, 100), new(2, SELL, 10, 100), cancel(1, 1, 7))
    assert desk.submit(new(3, BUY, 5, 100))[1:] == [
        ("takes", 3, 3, 100, 2),
        ("gives", 1, 3, 100, 0),
        ("takes", 3, 2, 100, 0),
        ("gives", 2, 2, 100, 8),
    ]


def test_partial_fill_then_cancel_of_the_rest(desk: Desk) -> None:
    desk.submit(new(1, BUY, 10, 100), new(2, SELL, 4, 100))
    assert desk.submit(cancel(1, 1, 10)) == [("rejected", 1, RejectReason.INVALID_QUANTITY)]
    assert desk.submit(cancel(1, 1, 6)) == [("cancel", 1, 0)]
    assert desk.book.open_orders == 0


def test_stale_cancel_and_replace_after_full_fill(desk: Desk) -> None:
    desk.submit(new(1, BUY, 10, 100), new(2, SELL, 10, 100))
    unknown = RejectReason.UNKNOWN_ORDER
    assert desk.submit(cancel(1, 1, 10)) == [("rejected", 1, unknown)]
    assert desk.submit(replace(1, 1, 3, 10, 100)) == [("rejected", 3, unknown)]
    assert desk.submit(cancel(1, 1, 10)) == [("rejected", 1, unknown)]


def test_reused_locate_is_not_the_old_order(desk: Desk) -> None:
    desk.submit(new(1, BUY, 10, 100), cancel(1, 1, 10))
    assert desk.submit(new(2, BUY, 10, 100)) == [("new", 2, 1)]
    assert desk.submit(cancel(1, 1, 10)) == [("rejected", 1, RejectReason.UNKNOWN_ORDER)]
    assert desk.book.best(0, BUY) == (100, 10)


def test_best_level_emptied_by_cancel_leaves_no_phantom(desk: Desk) -> None:
    desk.submit(new(1, BUY, 10, 100), new(2, BUY, 10, 90), cancel(1, 1, 10))
    assert desk.book.best(0, BUY) == (90, 10)
    assert desk.submit(new(3, SELL, 5, 95)) == [("new", 3, 1)]
    assert desk.submit(new(4, SELL, 5, 90))[1:] == [("takes", 4, 5, 90, 0), ("gives", 2, 5, 90, 5)]
    desk.submit(cancel(2, 2, 5))
    assert desk.book.best(0, BUY) == (0, 0)
    assert desk.submit(new(5, SELL, 5, 1)) == [("new", 5, 2)]


# Directed: replace


def test_replace_moves_to_the_back_in_the_same_locate(desk: Desk) -> None:
    desk.submit(new(1, SELL, 10, 100), new(2, SELL, 10, 100))
    assert desk.submit(replace(1, 1, 3, 11, 100)) == [("replace", 3, 1)]
    assert desk.rows(0, SELL) == [(100, 10, 2, 2, 1, 11, 12), (100, 11, 1, 3, 1, 13, 14)]
    assert desk.submit(cancel(1, 1, 5)) == [("rejected", 1, RejectReason.UNKNOWN_ORDER)]
    assert desk.submit(cancel(1, 3, 11)) == [("cancel", 3, 0)]


def test_replace_by_less_at_the_same_price_keeps_its_place(desk: Desk) -> None:
    desk.submit(new(1, SELL, 10, 100), new(2, SELL, 10, 100))
    answer = desk.book.submit(replace(1, 1, 3, 10, 100)).view(REPLACE)[0]
    assert (answer["flags"], answer["side"], answer["locate"]) == (Flag.KEPT_PRIORITY, SELL, 1)
    desk.oracle.submit([replace(1, 1, 3, 10, 100).tobytes()])
    answer = desk.book.submit(replace(1, 3, 4, 4, 100, flags=Flag.KEPT_PRIORITY))
    assert answer["flags"][0] == Flag.KEPT_PRIORITY
    assert desk.rows(0, SELL) == [(100, 4, 1, 4, 1, 13, 14), (100, 10, 2, 2, 1, 11, 12)]
    # The flag is the book's to give.
    answer = desk.book.submit(replace(1, 4, 5, 4, 101, flags=Flag.KEPT_PRIORITY))
    assert answer["flags"][0] == 0
    assert desk.rows(0, SELL) == [(100, 10, 2, 2, 1, 11, 12), (101, 4, 1, 5, 1, 13, 14)]


def test_replace_into_a_cross_trades_at_resting_price(desk: Desk) -> None:
    desk.submit(new(1, SELL, 10, 105), new(2, BUY, 10, 100))
    answers = desk.book.submit(replace(2, 2, 3, 15, 110))
    assert answers.view(REPLACE)["side"][0] == BUY
    assert [event(one) for one in answers] == [
        ("replace", 3, 2),
        ("takes", 3, 10, 105, 5),
        ("gives", 1, 10, 105, 0),
    ]
    assert desk.book.best(0, BUY) == (110, 5)


def test_replace_that_trades_in_full_frees_its_locate(desk: Desk) -> None:
    desk.submit(new(1, SELL, 10, 105), new(2, BUY, 10, 100), replace(2, 2, 3, 10, 105))
    assert desk.book.open_orders == 0
    assert desk.submit(new(4, BUY, 1, 1)) == [("new", 4, 2)]


def test_replace_immediate_or_cancel(desk: Desk) -> None:
    desk.submit(new(1, SELL, 10, 105), new(2, BUY, 10, 100))
    message = replace(2, 2, 3, 30, 105, time_in_force=IMMEDIATE_OR_CANCEL)
    assert desk.submit(message) == [
        ("replace", 3, 2),
        ("takes", 3, 10, 105, 20),
        ("gives", 1, 10, 105, 0),
        ("canceled", 3, 20),
    ]
    assert desk.book.open_orders == 0


def test_replace_does_not_trade_with_the_order_it_replaces(desk: Desk) -> None:
    desk.submit(new(1, BUY, 10, 100))
    assert desk.submit(replace(1, 1, 2, 10, 90)) == [("replace", 2, 1)]
    assert desk.book.best(0, BUY) == (90, 10)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"quantity": 0}, RejectReason.INVALID_QUANTITY),
        ({"price_ticks": 0}, RejectReason.INVALID_PRICE),
        ({"price_ticks": PRICE_TICKS_MAX + 1}, RejectReason.INVALID_PRICE),
        ({"time_in_force": 9}, RejectReason.INVALID_TIME_IN_FORCE),
        ({"original_client_order_id": 7}, RejectReason.UNKNOWN_ORDER),
        ({"topic": 2}, RejectReason.UNKNOWN_ORDER),
        ({"instrument": 1}, RejectReason.UNKNOWN_ORDER),
        ({"instrument": 2}, RejectReason.UNKNOWN_INSTRUMENT),
    ],
)
def test_refused_replace_leaves_the_old_order(
    desk: Desk, fields: dict[str, object], reason: RejectReason
) -> None:
    desk.submit(new(1, BUY, 10, 100), new(2, BUY, 10, 100))
    before = desk.book.hash()
    assert desk.submit(replace(1, 1, 3, 10, 101, **fields)) == [("rejected", 3, reason)]
    assert desk.book.hash() == before


# Directed: refusals


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"instrument": 2}, RejectReason.UNKNOWN_INSTRUMENT),
        ({"instrument": 2**32 - 1}, RejectReason.UNKNOWN_INSTRUMENT),
        ({"side": 0}, RejectReason.INVALID_SIDE),
        ({"side": 3}, RejectReason.INVALID_SIDE),
        ({"quantity": 0}, RejectReason.INVALID_QUANTITY),
        ({"price_ticks": 0}, RejectReason.INVALID_PRICE),
        ({"price_ticks": -1}, RejectReason.INVALID_PRICE),
        ({"price_ticks": -(2**31)}, RejectReason.INVALID_PRICE),
        ({"price_ticks": PRICE_TICKS_MAX + 1}, RejectReason.INVALID_PRICE),
        ({"price_ticks": 2**31 - 1}, RejectReason.INVALID_PRICE),
        ({"time_in_force": 5}, RejectReason.INVALID_TIME_IN_FORCE),
    ],
)
def test_refused_order(desk: Desk, fields: dict[str, object], reason: RejectReason) -> None:
    message = new(1, BUY, 10, 100, **fields)
    answers = desk.book.submit(message)
    assert [event(one) for one in answers] == [("rejected", 1, reason)]
    rejected, sent = answers.view(REJECTED)[0], message.view(NEW_ORDER)[0]
    for name in ("time_ns", "topic", "checksum", "instrument", "price_ticks", "quantity", "side"):
        assert rejected[name] == sent[name]
    assert rejected["refused_template"] == Template.NEW_ORDER
    assert rejected["flags"] == Flag.GENERATED
    assert rejected["publisher"] == rejected["topic_sequence"] == rejected["spare"] == 0
    assert desk.book.open_orders == 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"instrument": 2}, RejectReason.UNKNOWN_INSTRUMENT),
        ({"instrument": 1}, RejectReason.UNKNOWN_ORDER),
        ({"locate": 0}, RejectReason.UNKNOWN_ORDER),
        ({"locate": 2}, RejectReason.UNKNOWN_ORDER),
        ({"locate": 101}, RejectReason.UNKNOWN_ORDER),
        ({"locate": 2**32 - 1}, RejectReason.UNKNOWN_ORDER),
        ({"topic": 2}, RejectReason.UNKNOWN_ORDER),
        ({"client_order_id": 2}, RejectReason.UNKNOWN_ORDER),
        ({"quantity": 0}, RejectReason.INVALID_QUANTITY),
        ({"quantity": 11}, RejectReason.INVALID_QUANTITY),
    ],
)
def test_refused_cancel(desk: Desk, fields: dict[str, object], reason: RejectReason) -> None:
    desk.submit(new(1, BUY, 10, 100))
    events = desk.submit(cancel(1, 1, 10, **fields))
    assert events == [("rejected", fields.get("client_order_id", 1), reason)]
    assert desk.book.open_orders == 1


def test_order_capacity_is_refused_and_work_goes_on() -> None:
    with Desk(orders=3) as desk:
        desk.submit(*(new(n, BUY, 10, 100) for n in range(1, 4)))
        full = RejectReason.ORDER_CAPACITY
        assert desk.submit(new(4, BUY, 10, 100)) == [("rejected", 4, full)]
        # As a whole: it would trade and not need the room, but that is not known beforehand.
        assert desk.submit(new(5, SELL, 10, 100)) == [("rejected", 5, full)]
        assert len(desk.submit(new(6, SELL, 10, 100, time_in_force=IMMEDIATE_OR_CANCEL))) == 3
        assert desk.submit(new(7, BUY, 10, 100)) == [("new", 7, 1)]
        assert desk.submit(replace(1, 7, 8, 20, 99)) == [("replace", 8, 1)]


def test_price_capacity_is_refused_and_work_goes_on() -> None:
    with Desk(instruments=1, nodes=6) as desk:
        desk.submit(new(1, BUY, 10, 64), new(2, BUY, 10, 127), new(3, BUY, 10, 128))
        full = RejectReason.PRICE_CAPACITY
        assert desk.submit(new(4, BUY, 10, 63)) == [("rejected", 4, full)]
        assert desk.submit(new(5, SELL, 10, 5_000)) == [("rejected", 5, full)]
        assert desk.submit(replace(1, 1, 6, 10, 63)) == [("rejected", 6, full)]
        assert desk.submit(new(7, BUY, 10, 65)) == [("new", 7, 4)]
        ioc = new(8, SELL, 5, 1, time_in_force=IMMEDIATE_OR_CANCEL)
        assert desk.submit(ioc)[1:] == [("takes", 8, 5, 128, 0), ("gives", 3, 5, 128, 5)]
        desk.submit(cancel(3, 3, 5))
        assert desk.submit(new(9, BUY, 10, 63)) == [("new", 9, 3)]


# Directed: prices


def test_both_ends_of_the_price_range(desk: Desk) -> None:
    desk.submit(new(1, BUY, 10, 1), new(2, SELL, 10, PRICE_TICKS_MAX))
    assert desk.book.best(0, BUY) == (1, 10)
    assert desk.book.best(0, SELL) == (PRICE_TICKS_MAX, 10)
    assert desk.submit(new(3, SELL, 10, 1))[1:] == [("takes", 3, 10, 1, 0), ("gives", 1, 10, 1, 0)]
    assert desk.submit(new(4, BUY, 10, PRICE_TICKS_MAX))[2][:2] == ("gives", 2)
    assert desk.book.open_orders == 0


@pytest.mark.parametrize("side", [BUY, SELL])
def test_sweep_over_prices_far_apart(desk: Desk, side: Side) -> None:
    prices = [1, 2, 63, 64, 65, 4_095, 4_096, 262_143, 262_144, 2**24 - 1, 2**24, 2**29]
    prices.append(PRICE_TICKS_MAX)
    shuffled = random.Random(7).sample(prices, len(prices))
    desk.submit(*(new(n, side, 1, price) for n, price in enumerate(shuffled, 1)))
    other, limit = (SELL, 1) if side == BUY else (BUY, PRICE_TICKS_MAX)
    events = desk.submit(new(99, other, len(prices), limit))
    traded = [one[3] for one in events if one[0] == "gives"]
    assert traded == sorted(prices, reverse=side == BUY)
    assert desk.book.open_orders == 0


def test_cancels_of_prices_far_apart_in_random_order(desk: Desk) -> None:
    dice = random.Random(8)
    prices = [dice.randrange(1, 2 ** dice.randrange(1, 30)) for _ in range(80)]
    desk.submit(*(new(n, BUY, 1, price) for n, price in enumerate(prices, 1)))
    for n in dice.sample(range(1, 81), 80):
        desk.submit(cancel(n, n, 1))


# Directed: sink and batches


@pytest.mark.parametrize("limit", [2, 3, 64])
def test_sweep_of_thousands_through_a_small_sink(limit: int) -> None:
    with Desk(orders=5_000, nodes=30_000) as desk:
        batch = [new(n, SELL, 2, 100 + n % 7) for n in range(1, 3_001)]
        desk.submit(*batch)
        force = {"time_in_force": IMMEDIATE_OR_CANCEL}
        events = desk.submit(new(9_000, BUY, 7_000, 200, **force), limit=limit)
        assert len(events) == 1 + 2 * 3_000 + 1
        assert events[-1] == ("canceled", 9_000, 1_000)


def test_rest_of_a_sweep_through_a_small_sink(desk: Desk) -> None:
    desk.submit(*(new(n, SELL, 1, 100) for n in range(1, 6)))
    desk.submit(new(9, BUY, 10, 100), new(10, SELL, 5, 100), limit=2)
    assert desk.book.open_orders == 0


def test_tag_follows_its_line(desk: Desk) -> None:
    answers = desk.book.submit(tagged(new(1, BUY, 10, 100), b"my first"))
    assert [event(one) for one in answers] == [("new", 1, 1), ("ORDER_TAG",)]
    assert answers["flags"].tolist() == [Flag.CONTINUED, 0]
    assert answers.view(ORDER_TAG)["text"][1] == b"my first"
    assert answers["sequence"].tolist() == [0, 0]
    answers = desk.book.submit(tagged(new(2, SELL, 10, 100), b"x"))
    assert answers["template_id"].tolist() == [1, 4, 64, 64]
    answers = desk.book.submit(tagged(new(3, BUY, 0, 100), b"x"))
    assert answers["template_id"].tolist() == [66, 4]
    assert answers["flags"].tolist() == [Flag.GENERATED | Flag.CONTINUED, 0]
    assert answers.view(ORDER_TAG)["text"][1] == b"x"


def test_tagged_lines_against_the_oracle(desk: Desk) -> None:
    desk.submit(
        *(tagged(new(1, BUY, 10, 100), b"a"), new(2, BUY, 10, 100), tagged(cancel(1, 1, 4), b"b")),
        *(tagged(replace(1, 1, 3, 5, 101), b"c"), tagged(cancel(1, 1, 4), b"d")),
        limit=2,
    )


def test_misuse_is_an_error_and_changes_nothing(desk: Desk) -> None:
    desk.submit(new(1, BUY, 10, 100))
    before = desk.book.hash()
    continued = tagged(new(2, BUY, 10, 100), b"x")
    for batch in (
        np.zeros(1, MESSAGE),
        line(ORDER_TAG, Template.ORDER_TAG),
        continued[:1],
        np.concatenate([continued[:1], new(3, BUY, 1, 1)]),
        np.zeros(4, "u8"),
        np.concatenate([new(2, BUY, 10, 100)] * 4)[::2],
    ):
        with pytest.raises(UsageError):
            desk.book.submit(batch)
    for limit in (-1, 1):
        with pytest.raises(UsageError):
            desk.book.submit(new(2, BUY, 10, 100), limit)
    assert len(desk.book.submit(np.zeros(0, MESSAGE))) == 0
    assert desk.book.hash() == before
    desk.compare()


def test_questions_about_what_does_not_exist(desk: Desk) -> None:
    with pytest.raises(NotFoundError):
        desk.book.best(2, BUY)
    with pytest.raises(NotFoundError):
        desk.book.walk(2, BUY)
    with pytest.raises(UsageError):
        desk.book.best(0, 3)
    with pytest.raises(UsageError):
        desk.book.walk(0, 0)


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (-1, 1, 1), (2**32, 1, 1)])
def test_book_of_nothing(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError):
        Book(*sizes)


@pytest.mark.parametrize("sizes", [(2**20 + 1, 1, 1), (1, 2**28 + 1, 1), (1, 1, 2**24 + 1)])
def test_book_too_large(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(CapacityError):
        Book(*sizes)


def test_closed_book() -> None:
    book = Book(1, 1, 5)
    assert book.size_bytes >= 64 + 2 * 32 + 6 * 520
    book.close()
    with pytest.raises(UsageError):
        book.hash()


def test_hash_tells_queue_order_and_locates() -> None:
    def hash_of(*messages: Line) -> int:
        with Book(1, 10, 50) as book:
            book.submit(np.concatenate(messages))
            return book.hash()

    one, two = new(1, BUY, 10, 100), new(2, BUY, 10, 100)
    assert hash_of(one, two) == hash_of(one, two)
    hashes = {
        hash_of(one, two),
        hash_of(two, one),
        hash_of(one),
        hash_of(one, two, cancel(1, 1, 1)),
        hash_of(one, two, cancel(1, 1, 10), one),
        hash_of(one, new(2, BUY, 10, 101)),
        hash_of(one, new(2, SELL, 10, 101)),
    }
    assert len(hashes) == 7
