"""Proposals of the kinds that move many orders, and what a book says to them in a few words."""

from __future__ import annotations

import numpy as np

from engine.book import Book
from ringbus.messages import (
    COMMAND,
    CROSS_RESULT,
    DTYPES,
    INSTRUMENT_NONE,
    LEG,
    MASS_CANCEL,
    MULTI_LEG_ORDER,
    ORDER_TAG,
    ORDER_TERMS,
    CancelReason,
    CommandKind,
    CrossType,
    Flag,
    InstrumentState,
    MassCancelScope,
    OrderOption,
    RejectReason,
    Side,
    Template,
    TimeInForce,
)
from tests.engine.trader import Lines, lines, new_order

BUY, SELL = Side.BUY, Side.SELL
CONTINUOUS, AUCTION = InstrumentState.CONTINUOUS, InstrumentState.AUCTION
HALTED, CLOSED = InstrumentState.HALTED, InstrumentState.CLOSED
AT_OPENING, AT_CLOSE = TimeInForce.AT_OPENING, TimeInForce.AT_CLOSE
HIDDEN, MARKET = OrderOption.HIDDEN, OrderOption.MARKET
CHANGES = (
    *(Template.NEW_ORDER, Template.CANCEL, Template.REPLACE),
    *(Template.EXECUTED, Template.CANCELED, Template.STATE_CHANGED),
)
Event = tuple[object, ...]


def group(*parts: Lines) -> Lines:
    """Lines that belong together."""
    out = np.concatenate(parts)
    out["flags"][:-1] |= np.uint8(Flag.CONTINUED)
    return out


def tagged(message: Lines, text: bytes = b"") -> Lines:
    """The same with an OrderTag behind it."""
    return group(message, lines(ORDER_TAG, Template.ORDER_TAG, text=text))


def order(
    number: int,
    side: int,
    quantity: int,
    price_ticks: int,
    options: int = 0,
    display: int = 0,
    minimum: int = 0,
    auction: int = 0,
    topic: int = 1,
    **fields: object,
) -> Lines:
    """A NewOrder, with a line of terms if it needs one; `number` is its client_order_id."""
    first = new_order(
        topic,
        0,
        number,
        side=side,
        quantity=quantity,
        price_ticks=price_ticks,
        options=options,
        **fields,  # type: ignore[arg-type]
    )
    if not (display or minimum or auction):
        return first
    terms = lines(
        ORDER_TERMS,
        Template.ORDER_TERMS,
        display_quantity=display,
        minimum_quantity=minimum,
        options=options,
        auction=auction,
    )
    return group(first, terms)


def command(state: int, instrument: int = 0, kind: int = CommandKind.INSTRUMENT_STATE) -> Lines:
    return lines(COMMAND, Template.COMMAND, instrument=instrument, kind=kind, state=state, topic=9)


def cross(
    price_ticks: int,
    quantity: int,
    changes: int,
    cross_type: int = CrossType.OPENING,
    state: int = CONTINUOUS,
    instrument: int = 0,
) -> Lines:
    return lines(
        CROSS_RESULT,
        Template.CROSS_RESULT,
        instrument=instrument,
        price_ticks=price_ticks,
        quantity=quantity,
        changes=changes,
        cross_type=cross_type,
        state=state,
        topic=8,
    )


def mass_cancel(
    scope: int = MassCancelScope.EVERYTHING, instrument: int = INSTRUMENT_NONE, **fields: object
) -> Lines:
    return lines(
        MASS_CANCEL, Template.MASS_CANCEL, scope=scope, instrument=instrument, topic=7, **fields
    )


def legs(*wanted: tuple[int, int, int, int], options: int = 0, **fields: object) -> Lines:
    """Of each leg: instrument, side, quantity, price."""
    first = lines(
        MULTI_LEG_ORDER,
        Template.MULTI_LEG_ORDER,
        **({"topic": 6, "instrument": wanted[0][0], "leg_count": len(wanted)} | fields),
        options=options,
    )
    behind = [
        lines(
            LEG,
            Template.LEG,
            instrument=instrument,
            side=side,
            quantity=quantity,
            price_ticks=price_ticks,
            client_order_id=100 + n,
            account=5,
        )
        for n, (instrument, side, quantity, price_ticks) in enumerate(wanted)
    ]
    return group(first, *behind)


class Desk:
    """A book, and one beside it whose answers have hardly any room; both must say the same."""

    def __init__(self, instruments: int = 2, orders: int = 100, nodes: int = 200) -> None:
        self.books = [Book(instruments, orders, nodes) for _ in range(2)]
        self.book, self._narrow = self.books
        self.said: list[Lines] = []

    def close(self) -> None:
        for book in self.books:
            book.close()

    def say(self, *groups: Lines) -> list[Event]:
        """Submit one after the other; returns what the last one was answered."""
        for one in groups:
            answer = self.book.submit(one)
            narrow = self._narrow.submit(one, limit=max(2, len(one)))
            assert answer.tobytes() == narrow.tobytes()
            assert self.book.hash() == self._narrow.hash()
            for book in self.books:
                book.verify()
            self.said.append(answer)
        return [event(line) for line in self.said[-1]]

    def changes(self, instrument: int = 0) -> int:
        """What an auction has counted on the stream."""
        stream = np.concatenate(self.said) if self.said else np.zeros(0, DTYPES[Template.SKIP])
        of = stream.view(DTYPES[Template.SKIP])["instrument"] == instrument
        return int((of & np.isin(stream["template_id"], CHANGES)).sum())

    def cross(self, price_ticks: int, quantity: int, **fields: int) -> list[Event]:
        """A result that has seen everything."""
        return self.say(cross(price_ticks, quantity, self.changes(), **fields))

    def drain(self, instrument: int = 0) -> list[int]:
        """Numbers of all orders, in the order in which a mass cancel goes through them."""
        events = self.say(mass_cancel(MassCancelScope.INSTRUMENT, instrument))
        return [int(str(one[1])) for one in events[1:]]


def event(line: np.void) -> Event:
    """What one line says."""
    template = Template(int(line["template_id"]))
    body = np.array([line]).view(DTYPES[template])[0]
    match template:
        case Template.EXECUTED:
            verb = "buys" if body["side"] == BUY else "sells"
            names = ("client_order_id", "quantity", "price_ticks", "remaining")
            return verb, *(int(body[name]) for name in names)
        case Template.CANCELED:
            reason = CancelReason(int(body["reason"]))
            return "canceled", int(body["client_order_id"]), int(body["quantity"]), reason.name
        case Template.REPLENISHED:
            return "shows", int(body["client_order_id"]), int(body["quantity"])
        case Template.STATE_CHANGED:
            return "state", int(body["state_before"]), int(body["state"])
        case Template.REJECTED:
            return "rejected", RejectReason(int(body["reason"])).name
        case Template.NEW_ORDER | Template.REPLACE | Template.CANCEL:
            return template.name, int(body["client_order_id"])
        case _:
            return (template.name,)
