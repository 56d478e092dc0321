"""Two books that hear the same, and short words for what they are told and say.

One has plenty of room for an answer, the sink of the other has the least that it may have. They
must say the same and end the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np

from engine.book import Book
from ringbus.messages import (
    DTYPES,
    NEW_ORDER,
    ORDER_TERMS,
    AuctionOption,
    CancelReason,
    Flag,
    Liquidity,
    OrderOption,
    RejectReason,
    Side,
    Template,
    TimeInForce,
)
from tests.engine.test_book import Event, Line, line, new

BUY, SELL = Side.BUY, Side.SELL
DAY, GOOD_TILL_CANCEL = TimeInForce.DAY, TimeInForce.GOOD_TILL_CANCEL
GOOD_TILL_TIME = TimeInForce.GOOD_TILL_TIME
IMMEDIATE, KILL = TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL
AT_OPENING, AT_CLOSE = TimeInForce.AT_OPENING, TimeInForce.AT_CLOSE
RESTING = (DAY, GOOD_TILL_CANCEL, GOOD_TILL_TIME)
HIDDEN, MARKET = OrderOption.HIDDEN, OrderOption.MARKET
POST_ONLY, SLIDE = OrderOption.POST_ONLY, OrderOption.SLIDE
NEWEST, OLDEST = OrderOption.SELF_TRADE_NEWEST, OrderOption.SELF_TRADE_OLDEST
DECREMENT, FIRM = OrderOption.SELF_TRADE_DECREMENT, OrderOption.SELF_TRADE_FIRM
IMBALANCE_ONLY = AuctionOption.IMBALANCE_ONLY
SINK_LINES_MIN = 2


def groups(batch: Line) -> Iterator[Line]:
    """The proposals of a batch, each with the lines that belong to it."""
    start = 0
    for n, flags in enumerate(batch["flags"].tolist()):
        if not flags & Flag.CONTINUED:
            yield batch[start : n + 1]
            start = n + 1


def with_terms(message: Line, /, **fields: object) -> Line:
    """A message with its line of terms; their options are the first line's unless given."""
    first = message.copy()
    first["flags"] |= np.uint8(Flag.CONTINUED)
    if message["template_id"][0] == Template.NEW_ORDER:
        fields = {"options": message.view(NEW_ORDER)["options"][0]} | fields
    return np.concatenate([first, line(ORDER_TERMS, Template.ORDER_TERMS, topic=1, **fields)])


def reserve(
    number: int, side: int, quantity: int, price: int, shown: int, **fields: object
) -> Line:
    return with_terms(new(number, side, quantity, price, **fields), display_quantity=shown)


def told(message: np.void) -> Event:
    """What one answer line says, in a few words."""
    template = Template(int(message["template_id"]))
    body = np.array([message]).view(DTYPES[template])[0]
    names: tuple[str, ...] = ("client_order_id", "quantity", "price_ticks", "remaining")
    match template:
        case Template.NEW_ORDER:
            return "new", int(body["client_order_id"]), int(body["price_ticks"])
        case Template.CANCEL:
            return "cancel", int(body["client_order_id"]), int(body["remaining"])
        case Template.REPLACE:
            kept = bool(body["flags"] & Flag.KEPT_PRIORITY)
            name = "kept" if kept else "moved"
            return name, int(body["client_order_id"]), int(body["price_ticks"])
        case Template.EXECUTED:
            mark = "takes" if body["liquidity"] == Liquidity.REMOVED else "gives"
            return mark, *(int(body[name]) for name in names)
        case Template.CANCELED:
            names = ("client_order_id", "quantity", "remaining")
            return "canceled", *(int(body[name]) for name in names), CancelReason(body["reason"])
        case Template.REPLENISHED:
            names = ("client_order_id", "quantity", "remaining")
            return "shows", *(int(body[name]) for name in names)
        case Template.REJECTED:
            return "rejected", int(body["client_order_id"]), RejectReason(int(body["reason"]))
        case _:
            return (template.name,)


class Pair:
    """Two books that hear the same."""

    def __init__(self, instruments: int = 2, orders: int = 100, nodes: int = 500) -> None:
        self.book = Book(instruments, orders, nodes)
        self.tight = Book(instruments, orders, nodes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.book.close()
        self.tight.close()

    def lines(self, *messages: Line) -> Line:
        batch = np.concatenate(messages)
        answers = self.book.submit(batch)
        tight = [self.tight.submit(one, max(SINK_LINES_MIN, len(one))) for one in groups(batch)]
        assert np.concatenate(tight).tobytes() == answers.tobytes()
        for book in (self.book, self.tight):
            book.verify()
        assert self.book.hash() == self.tight.hash()
        return answers

    def submit(self, *messages: Line) -> list[Event]:
        return [told(one) for one in self.lines(*messages) if one["template_id"] != 16]

    def queue(self, side: int, instrument: int = 0) -> list[tuple[int, int, int]]:
        """Resting orders in priority order: number, quantity, price."""
        walked = self.book.walk(instrument, side)
        names = ("client_order_id", "quantity", "price_ticks")
        return list(zip(*(walked[name].tolist() for name in names), strict=True))

    def held(self, instrument: int = 0) -> list[tuple[int, int]]:
        """Held orders in their order: number, quantity."""
        walked = self.book.walk_held(instrument)
        names = ("client_order_id", "quantity")
        return list(zip(*(walked[name].tolist() for name in names), strict=True))


def refused(pair: Pair, message: Line, reason: RejectReason) -> None:
    """The message is refused, and nothing else has happened."""
    before = pair.book.hash()
    number = int(message.view(NEW_ORDER)["client_order_id"][0])
    assert pair.submit(message) == [("rejected", number, reason)]
    assert pair.book.hash() == before
