"""The book with the calls of the plain one: an order is named by its number, never by a locate."""

from __future__ import annotations

from engine.book import Book
from engine.event import Event
from ringbus.messages import TimeInForce

DAY, IMMEDIATE_OR_CANCEL = int(TimeInForce.DAY), int(TimeInForce.IMMEDIATE_OR_CANCEL)


class NumberedBook:
    """One instrument; a dict of locates beside the book, as a strategy would keep it."""

    def __init__(self, book: Book) -> None:
        self._new, self._cancel, self._replace = book.new, book.cancel, book.replace
        self._locates: dict[int, int] = {}

    def new(
        self, order: int, side: int, price: int, quantity: int, rests: bool
    ) -> tuple[Event, ...]:
        """As the plain book."""
        force = DAY if rests else IMMEDIATE_OR_CANCEL
        events = self._new(order, side, price, quantity, force)
        self._locates[order] = events[0].locate
        return events if len(events) == 1 else self._learned(events)

    def cancel(self, order: int) -> tuple[Event, ...]:
        """As the plain book."""
        return self._cancel(self._locates.pop(order, 0), order)

    def replace(self, order: int, new_order: int, price: int, quantity: int) -> tuple[Event, ...]:
        """As the plain book."""
        events = self._replace(self._locates.pop(order, 0), order, new_order, price, quantity)
        self._locates[new_order] = events[0].locate
        return events if len(events) == 1 else self._learned(events)

    def _learned(self, events: tuple[Event, ...]) -> tuple[Event, ...]:
        """Forget orders of which nothing is left."""
        for event in events:
            if event.remaining == 0:
                self._locates.pop(event.client_order_id, None)
        return events
