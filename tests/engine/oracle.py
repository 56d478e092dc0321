"""The matching rules in plain Python: sorted lists, one screen a rule, nothing clever.

It speaks the same bytes as the book, so that whole answers can be compared, but knows the layouts
only from the table of messages.md. What the C code does for speed has no counterpart here: a side
is a list of orders, best first, and the trie's nodes are counted from the prices.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

NEW_ORDER, CANCEL, REPLACE, ORDER_TAG = 1, 2, 3, 4
EXECUTED, CANCELED, REJECTED = 64, 65, 66
BUY, SELL = 1, 2
DAY, IMMEDIATE_OR_CANCEL = 0, 3
ADDED, REMOVED = 1, 2
CONTINUED, GENERATED, KEPT_PRIORITY = 2, 4, 32
CANCELED_IMMEDIATE_OR_CANCEL = 2
UNKNOWN_INSTRUMENT = 1
INVALID_SIDE = 2
INVALID_QUANTITY = 3
INVALID_PRICE = 4
INVALID_TIME_IN_FORCE = 7
UNKNOWN_ORDER = 9
ORDER_CAPACITY = 11
PRICE_CAPACITY = 12
PRICE_TICKS_MAX = 2**30 - 1

# sequence, time, topic sequence, topic, publisher, template, flags, shard, reserved, checksum
HEADER = struct.Struct("<QQIHHBBBBI")
# instrument, price, quantity, locate, client order id, account, firm, side, and what differs: one
# byte (time in force, reason, liquidity, refused template), one word (0 or the reject reason), one
# long (the original client order id, or what remains).
BODY = struct.Struct("<IiIIIHHBBHI")
LINE_BYTES = 64


@dataclass(slots=True)
class Order:
    """One order."""

    locate: int
    instrument: int
    side: int
    price: int
    quantity: int
    client_order_id: int
    topic: int
    account: int
    firm: int

    def row(self) -> tuple[int, ...]:
        """What a walk of the book shows of it."""
        return (
            self.price,
            self.quantity,
            self.locate,
            self.client_order_id,
            self.topic,
            self.account,
            self.firm,
        )


def badness(side: int, price: int) -> int:
    """Lower is better."""
    return -price if side == BUY else price


class Oracle:
    """The book as it must be; `submit` answers the bytes that it must answer."""

    def __init__(self, instruments: int, orders: int, nodes: int) -> None:
        self.instruments = instruments
        self.nodes = nodes
        self.free = list(range(orders, 0, -1))
        self.open: dict[int, Order] = {}
        self.sides: dict[tuple[int, int], list[Order]] = {
            (instrument, side): [] for instrument in range(instruments) for side in (BUY, SELL)
        }
        self._answer: list[bytes] = []
        self._time = 0
        self._input = 0

    def submit(self, line: bytes, tag: bytes | None = None) -> bytes:
        """Apply one proposal; returns its group of lines, 64 bytes each, sequence zero."""
        self._answer = []
        header = HEADER.unpack_from(line)
        body = BODY.unpack_from(line, HEADER.size)
        self._time, topic, template, self._input = header[1], header[3], header[5], header[9]
        if body[0] >= self.instruments:
            self._reject(line, tag, UNKNOWN_INSTRUMENT)
        elif template == NEW_ORDER:
            self._new_order(line, tag, topic, body)
        elif template == CANCEL:
            self._cancel(line, tag, topic, body)
        else:
            assert template == REPLACE
            self._replace(line, tag, topic, body)
        return b"".join(self._answer)

    def rows(self, instrument: int, side: int) -> list[tuple[int, ...]]:
        """The open orders of a side, best first, then oldest first."""
        return [order.row() for order in self.sides[instrument, side]]

    def best(self, instrument: int, side: int) -> tuple[int, int]:
        """Best price and the quantity there, (0, 0) if the side is empty."""
        orders = self.sides[instrument, side]
        if not orders:
            return 0, 0
        price = orders[0].price
        return price, sum(order.quantity for order in orders if order.price == price)

    # Proposals

    def _new_order(self, line: bytes, tag: bytes | None, topic: int, body: tuple[int, ...]) -> None:
        instrument, price, quantity, _, client_order_id, account, firm, side, force, _, _ = body
        if side not in (BUY, SELL):
            return self._reject(line, tag, INVALID_SIDE)
        reason = self._terms_reason(instrument, price, quantity, force)
        if reason == 0 and force == DAY and not self.free:
            reason = ORDER_CAPACITY
        if reason == 0 and force == DAY and not self._has_nodes(instrument, price):
            reason = PRICE_CAPACITY
        if reason != 0:
            return self._reject(line, tag, reason)
        locate = self.free.pop() if force == DAY else 0
        self._first(line, tag, (*body[:3], locate, *body[4:]))
        return self._enter(
            Order(locate, instrument, side, price, quantity, client_order_id, topic, account, firm),
            force,
        )

    def _cancel(self, line: bytes, tag: bytes | None, topic: int, body: tuple[int, ...]) -> None:
        instrument, _, quantity, locate, client_order_id = body[:5]
        order = self._own(locate, topic, client_order_id, instrument)
        if order is None:
            return self._reject(line, tag, UNKNOWN_ORDER)
        if not 1 <= quantity <= order.quantity:
            return self._reject(line, tag, INVALID_QUANTITY)
        order.quantity -= quantity
        self._first(
            line,
            tag,
            (
                *(instrument, order.price, *body[2:7]),
                *(order.side, body[8], body[9], order.quantity),
            ),
        )
        if order.quantity == 0:
            self._remove(order)
            self.free.append(locate)
        return None

    def _replace(self, line: bytes, tag: bytes | None, topic: int, body: tuple[int, ...]) -> None:
        instrument, price, quantity, locate, client_order_id, account, firm, _, force, _, old = body
        order = self._own(locate, topic, old, instrument)
        if order is None:
            return self._reject(line, tag, UNKNOWN_ORDER)
        reason = self._terms_reason(instrument, price, quantity, force)
        if reason == 0 and force == DAY and not self._has_nodes(instrument, price):
            reason = PRICE_CAPACITY
        if reason != 0:
            return self._reject(line, tag, reason)
        side = order.side
        if force == DAY and price == order.price and quantity <= order.quantity:
            self._first(line, tag, (*body[:7], side, *body[8:]), KEPT_PRIORITY)
            order.quantity, order.client_order_id = quantity, client_order_id
            order.account, order.firm = account, firm
            return None
        self._remove(order)
        self._first(line, tag, (*body[:7], side, *body[8:]))
        return self._enter(
            Order(locate, instrument, side, price, quantity, client_order_id, topic, account, firm),
            force,
        )

    # Rules

    def _terms_reason(self, instrument: int, price: int, quantity: int, force: int) -> int:
        if quantity == 0:
            return INVALID_QUANTITY
        if not 1 <= price <= PRICE_TICKS_MAX:
            return INVALID_PRICE
        if force not in (DAY, IMMEDIATE_OR_CANCEL):
            return INVALID_TIME_IN_FORCE
        return 0

    def _has_nodes(self, instrument: int, price: int) -> bool:
        if 5 * (len(self.open) + 1) <= self.nodes:
            return True  # Even if no two orders shared a node.
        used = trie_nodes((order.instrument, order.price) for order in self.open.values())
        return len(used | trie_nodes([(instrument, price)])) <= self.nodes

    def _own(self, locate: int, topic: int, client_order_id: int, instrument: int) -> Order | None:
        order = self.open.get(locate)
        if order is None:
            return None
        named = (topic, client_order_id, instrument)
        return order if named == (order.topic, order.client_order_id, order.instrument) else None

    def _enter(self, order: Order, force: int) -> None:
        """Match, then rest, cancel or forget."""
        others = self.sides[order.instrument, BUY + SELL - order.side]
        while order.quantity > 0 and others:
            resting = others[0]
            limit = badness(resting.side, order.price)
            if badness(resting.side, resting.price) > limit:
                break
            quantity = min(order.quantity, resting.quantity)
            order.quantity -= quantity
            resting.quantity -= quantity
            self._made(EXECUTED, order, resting.price, quantity, REMOVED, order.quantity)
            self._made(EXECUTED, resting, resting.price, quantity, ADDED, resting.quantity)
            if resting.quantity == 0:
                self._remove(resting)
                self.free.append(resting.locate)
        if order.quantity > 0 and force == DAY:
            self._rest(order)
            return
        if order.quantity > 0:
            reason = CANCELED_IMMEDIATE_OR_CANCEL
            self._made(CANCELED, order, order.price, order.quantity, reason, 0)
        if order.locate != 0:
            self.free.append(order.locate)

    def _rest(self, order: Order) -> None:
        orders = self.sides[order.instrument, order.side]
        worth = badness(order.side, order.price)
        place = bisect_right(orders, worth, key=lambda other: badness(other.side, other.price))
        orders.insert(place, order)
        self.open[order.locate] = order

    def _remove(self, order: Order) -> None:
        self.sides[order.instrument, order.side].remove(order)
        del self.open[order.locate]

    # Lines

    def _first(self, line: bytes, tag: bytes | None, body: tuple[int, ...], flags: int = 0) -> None:
        header = list(HEADER.unpack_from(line))
        header[0] = 0
        header[6] = (header[6] & ~CONTINUED) | (CONTINUED if tag is not None else 0) | flags
        self._answer.append(HEADER.pack(*header) + BODY.pack(*body))
        if tag is not None:
            self._answer.append(bytes(8) + tag[8:])

    def _reject(self, line: bytes, tag: bytes | None, reason: int) -> None:
        topic, template = HEADER.unpack_from(line)[3], HEADER.unpack_from(line)[5]
        body = BODY.unpack_from(line, HEADER.size)
        flags = GENERATED | (CONTINUED if tag is not None else 0)
        self._answer.append(
            HEADER.pack(0, self._time, 0, topic, 0, REJECTED, flags, 0, 0, self._input)
            + BODY.pack(*body[:8], template, reason, 0)
        )
        if tag is not None:
            self._answer.append(bytes(8) + tag[8:])

    def _made(
        self, template: int, order: Order, price: int, quantity: int, byte: int, remaining: int
    ) -> None:
        self._answer.append(
            HEADER.pack(0, self._time, 0, order.topic, 0, template, GENERATED, 0, 0, self._input)
            + BODY.pack(
                *(order.instrument, price, quantity, order.locate, order.client_order_id),
                *(order.account, order.firm, order.side, byte, 0, remaining),
            )
        )


def trie_nodes(prices: Iterable[tuple[int, int]]) -> set[tuple[int, int, int]]:
    """Nodes that (instrument, price) pairs need: one per distinct start of the price's digits."""
    return {
        (instrument, digits, price >> (6 * digits))
        for instrument, price in prices
        for digits in range(1, 6)
    }
