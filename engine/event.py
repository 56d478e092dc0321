"""Event: one line of the book's answer to one message, as numbers with names."""

from __future__ import annotations

from typing import NamedTuple

from ringbus.messages import Template


class Event(NamedTuple):
    """What the book says of one order; the order's fields as in ringbus/messages.md.

    The first event of an answer is the message itself, taken (NEW_ORDER, CANCEL, REPLACE), or
    REJECTED. Behind it: EXECUTED in pairs, the incoming order's before the resting one's; CANCELED;
    REPLENISHED. Prices are ticks, quantities lots.
    """

    template: Template
    client_order_id: int
    # A ringbus.messages.Side; of a refused order whatever it said.
    side: int
    price_ticks: int
    quantity: int
    # Open after it, reserve included; of a new order and a replace that was taken its quantity, of
    # what was refused 0.
    remaining: int
    # What the next message about the order has to name; 0: it cannot rest.
    locate: int
    # A RejectReason of REJECTED, a CancelReason of CANCEL and CANCELED, else 0.
    reason: int
    # Of the order's session.
    topic: int
