"""A contributor as DESIGN section 6 wants it: it believes nothing but the stream.

Several sessions, each a topic. What it proposes carries the next number of its topic in the
instrument's shard; when somebody else took that number, it looks again at what it wanted to say,
and says it again or gives up.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ringbus.messages import (
    CANCEL,
    EXECUTED,
    INSTRUMENT_NONE,
    MESSAGE,
    NEW_ORDER,
    ORDER_TAG,
    REJECT,
    REPLACE,
    CancelReason,
    Flag,
    RejectReason,
    Side,
    Template,
    TimeInForce,
)

Lines = NDArray[np.void]


def lines(dtype: np.dtype[np.void], template: Template, **fields: object) -> Lines:
    """One message of a template: shape (1,), dtype MESSAGE."""
    out: Lines = np.zeros(1, dtype)
    out["template_id"] = template
    for name, value in fields.items():
        out[name] = value
    return out.view(MESSAGE)


def tagged(first: Lines, text: bytes) -> Lines:
    """The same with an OrderTag behind it."""
    out = np.concatenate((first, lines(ORDER_TAG, Template.ORDER_TAG, text=text)))
    out["flags"][0] |= Flag.CONTINUED
    return out


def new_order(
    topic: int,
    number: int,
    client_order_id: int = 1,
    instrument: int = 0,
    side: int = Side.BUY,
    price_ticks: int = 100,
    quantity: int = 10,
    time_in_force: int = TimeInForce.DAY,
    **fields: object,
) -> Lines:
    return lines(
        NEW_ORDER,
        Template.NEW_ORDER,
        topic=topic,
        topic_sequence=number,
        client_order_id=client_order_id,
        instrument=instrument,
        side=side,
        price_ticks=price_ticks,
        quantity=quantity,
        time_in_force=time_in_force,
        display=b"Y",
        **fields,
    )


def cancel(
    topic: int,
    number: int,
    client_order_id: int,
    locate: int,
    quantity: int,
    instrument: int = 0,
) -> Lines:
    return lines(
        CANCEL,
        Template.CANCEL,
        topic=topic,
        topic_sequence=number,
        client_order_id=client_order_id,
        locate=locate,
        quantity=quantity,
        instrument=instrument,
        reason=CancelReason.USER,
    )


@dataclass(slots=True)
class Order:
    """An open order, as the stream tells it."""

    instrument: int
    side: int
    price_ticks: int
    remaining: int
    locate: int


@dataclass(slots=True)
class Intent:
    """What a session wants to say; it becomes a proposal when it may be sent."""

    rank: int  # in the order in which they were wanted
    template: Template
    topic: int
    instrument: int
    client_order_id: int
    quantity: int
    price_ticks: int = 0
    side: int = 0
    time_in_force: int = TimeInForce.DAY
    original: int = 0
    tag: bytes = b""


@dataclass(slots=True)
class Session:
    orders: dict[int, Order] = field(default_factory=dict)
    waiting: list[Intent] = field(default_factory=list)
    in_flight: dict[tuple[int, int], Intent] = field(default_factory=dict)
    client_order_id: int = 0


class Trader:
    """Sessions `topics` of the contributor whose publisher id is `publisher`.

    Args: window: proposals that a session may have in flight.
    Every line that it takes is checked against what it knows: numbers of a topic in a shard are
    dense, quantities add up, what is said in its name it has proposed. AssertionError if not.
    """

    def __init__(
        self, publisher: int, topics: Iterable[int], shard_of: bytes, window: int = 1
    ) -> None:
        self.publisher = publisher
        self.shard_of = shard_of
        self.window = window
        self.sessions = {topic: Session() for topic in topics}
        self.lost = 0
        self.gave_up = 0
        self.rejected = 0
        self._topics = np.array(list(self.sessions), np.uint16)
        self._seen: dict[tuple[int, int], int] = {}
        self._given: dict[tuple[int, int], int] = {}
        self._rank = 0

    @property
    def idle(self) -> bool:
        """Nothing is wanted and nothing on its way."""
        return not any(one.waiting or one.in_flight for one in self.sessions.values())

    def new_order(
        self,
        topic: int,
        instrument: int,
        side: int,
        price_ticks: int,
        quantity: int,
        time_in_force: int = TimeInForce.DAY,
        tag: bytes = b"",
    ) -> int:
        """Want an order; returns its client_order_id."""
        number = self._next_order(topic)
        self._want(
            Template.NEW_ORDER,
            topic,
            instrument,
            number,
            quantity,
            price_ticks=price_ticks,
            side=side,
            time_in_force=time_in_force,
            tag=tag,
        )
        return number

    def cancel(self, topic: int, client_order_id: int, quantity: int) -> None:
        """Want `quantity` off an order that the stream has shown open."""
        order = self.sessions[topic].orders[client_order_id]
        self._want(Template.CANCEL, topic, order.instrument, client_order_id, quantity)

    def replace(
        self, topic: int, client_order_id: int, price_ticks: int, quantity: int, tag: bytes = b""
    ) -> int:
        """Want another order in the place of an open one; returns its client_order_id."""
        order = self.sessions[topic].orders[client_order_id]
        number = self._next_order(topic)
        self._want(
            Template.REPLACE,
            topic,
            order.instrument,
            number,
            quantity,
            price_ticks=price_ticks,
            original=client_order_id,
            tag=tag,
        )
        return number

    def outgoing(self) -> list[Lines]:
        """What may be sent now, a group each, and is from here on in flight."""
        out = []
        for topic, session in self.sessions.items():
            while session.waiting and len(session.in_flight) < self.window:
                intent = session.waiting.pop(0)
                shard = self._shard(intent.instrument)
                key = topic, shard
                number = max(self._given.get(key, 0), self._seen.get(key, 0)) + 1
                self._given[key] = number
                session.in_flight[shard, number] = intent
                proposal = self._proposal(session, intent, number)
                out.append(tagged(proposal, intent.tag) if intent.tag else proposal)
        return out

    def take(self, stream: Lines) -> None:
        """Believe these lines of the stream."""
        mine = stream[np.isin(stream["topic"], self._topics)]
        rows = mine[mine["template_id"] != Template.ORDER_TAG]
        for row in np.ascontiguousarray(rows).view(EXECUTED).tolist():
            self._take(row)

    def _take(self, row: tuple[int, ...]) -> None:
        number, topic, publisher, shard = row[2], row[3], row[4], row[7]
        assert not row[6] & Flag.BROADCAST, "nothing is said for all shards on a trader's topic"
        session = self.sessions[topic]
        seen = self._seen.get((topic, shard), 0)
        assert number == seen + 1, f"topic {topic} of shard {shard}: {number} behind {seen}"
        self._seen[topic, shard] = number
        intent = session.in_flight.pop((shard, number), None)
        own = publisher == self.publisher
        if intent is not None and not own:
            # Somebody else's message took the number: look again, in the old order.
            insort(session.waiting, intent, key=lambda one: one.rank)
            self.lost += 1
        if own:
            assert intent is not None, f"nobody proposed {row}"
            self._said(session, intent, row)
        else:
            self._happened(session, row)

    def _said(self, session: Session, intent: Intent, row: tuple[int, ...]) -> None:
        template, instrument, price_ticks, quantity, locate = row[5], *row[10:14]
        client_order_id, side, remaining = row[14], row[17], row[20]
        if template == Template.REJECTED:
            self.rejected += 1
            return
        if template == Template.REJECT:
            return
        assert template == intent.template
        assert client_order_id == intent.client_order_id
        if template == Template.CANCEL:
            order = session.orders[client_order_id]
            order.remaining -= quantity
            assert order.remaining == remaining
            assert order.price_ticks == price_ticks
        else:
            if template == Template.REPLACE:
                old = session.orders.pop(remaining)  # there: original_client_order_id
                assert (old.locate, old.side) == (locate, side)
            session.orders[client_order_id] = Order(instrument, side, price_ticks, quantity, locate)
        self._drop_empty(session, client_order_id)

    def _happened(self, session: Session, row: tuple[int, ...]) -> None:
        template, quantity, client_order_id, remaining = row[5], row[12], row[14], row[20]
        if template == Template.TRADE_CHANGED:
            # What is open stays as it is.
            return
        assert template in (Template.EXECUTED, Template.CANCELED), row
        order = session.orders[client_order_id]
        order.remaining -= quantity
        assert order.remaining == remaining
        self._drop_empty(session, client_order_id)

    def _drop_empty(self, session: Session, client_order_id: int) -> None:
        if session.orders[client_order_id].remaining == 0:
            del session.orders[client_order_id]

    def _shard(self, instrument: int) -> int:
        return 0 if instrument == INSTRUMENT_NONE else self.shard_of[instrument]

    def _next_order(self, topic: int) -> int:
        self.sessions[topic].client_order_id += 1
        return self.sessions[topic].client_order_id

    def _want(
        self,
        template: Template,
        topic: int,
        instrument: int,
        client_order_id: int,
        quantity: int,
        price_ticks: int = 0,
        side: int = 0,
        time_in_force: int = TimeInForce.DAY,
        original: int = 0,
        tag: bytes = b"",
    ) -> None:
        self._rank += 1
        self.sessions[topic].waiting.append(
            Intent(
                self._rank,
                template,
                topic,
                instrument,
                client_order_id,
                quantity,
                price_ticks,
                side,
                time_in_force,
                original,
                tag,
            )
        )

    def _proposal(self, session: Session, intent: Intent, number: int) -> Lines:
        if intent.template == Template.NEW_ORDER:
            return new_order(
                intent.topic,
                number,
                intent.client_order_id,
                intent.instrument,
                intent.side,
                intent.price_ticks,
                intent.quantity,
                intent.time_in_force,
            )
        target = intent.original or intent.client_order_id
        order = session.orders.get(target)
        if order is None:
            # It has traded meanwhile: that too must be on the stream before the client hears it.
            self.gave_up += 1
            return lines(
                REJECT,
                Template.REJECT,
                topic=intent.topic,
                topic_sequence=number,
                instrument=intent.instrument,
                client_order_id=intent.client_order_id,
                refused_template=intent.template,
                reason=RejectReason.UNKNOWN_ORDER,
            )
        if intent.template == Template.CANCEL:
            quantity = min(intent.quantity, order.remaining)
            return cancel(intent.topic, number, target, order.locate, quantity, intent.instrument)
        return lines(
            REPLACE,
            Template.REPLACE,
            topic=intent.topic,
            topic_sequence=number,
            instrument=intent.instrument,
            client_order_id=intent.client_order_id,
            original_client_order_id=target,
            locate=order.locate,
            price_ticks=intent.price_ticks,
            quantity=intent.quantity,
            time_in_force=intent.time_in_force,
            display=b"Y",
        )
