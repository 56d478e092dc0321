"""What there is: orders, the two sides of each instrument, held orders, locates; and lines said."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ringbus.messages import Flag, InstrumentState, OrderOption, RejectReason, Side, Template
from tests.engine.oracle.collar import Collar
from tests.engine.oracle.wire import Fields, Group, encode, without_sequence

BUY, SELL = Side.BUY, Side.SELL
# Of one answer. A reserve order of 2^32 parts would never end.
LINES_MAX = 50_000
# README, CrossResult: what `changes` counts.
CHANGES = (
    Template.NEW_ORDER,
    Template.CANCEL,
    Template.REPLACE,
    Template.EXECUTED,
    Template.CANCELED,
    Template.STATE_CHANGED,
)


@dataclass(slots=True, eq=False)
class Order:
    """One order: resting, held, or on its way in."""

    locate: int
    instrument: int
    side: int
    price: int
    # Open: what is shown and what is in reserve.
    quantity: int
    client_order_id: int
    topic: int
    account: int
    firm: int
    time_in_force: int = 0
    options: int = 0
    imbalance_only: bool = False
    display_quantity: int = 0
    shown: int = 0
    held: bool = False

    @property
    def hidden(self) -> bool:
        """Not shown, and behind what is."""
        return bool(self.options & OrderOption.HIDDEN)

    @property
    def market(self) -> bool:
        """Its price is a collar."""
        return bool(self.options & OrderOption.MARKET)

    @property
    def rank(self) -> tuple[int, bool]:
        """Lower is better; the queue's order decides among equals (README, Order of priority)."""
        return badness(self.side, self.price), self.hidden

    def show_next(self) -> None:
        """Of a reserve order at most the display quantity is shown."""
        self.shown = min(self.display_quantity or self.quantity, self.quantity)

    def take_off(self, quantity: int) -> None:
        """Off the reserve first, then off what is shown (README, Cancel)."""
        self.quantity -= quantity
        self.shown = min(self.shown, self.quantity)


def badness(side: int, price: int) -> int:
    """Lower is better."""
    return -price if side == BUY else price


@dataclass(slots=True)
class Instrument:
    """One instrument: two sides, best order first, and held orders, first come first."""

    number: int
    group: int = 0
    state: int = InstrumentState.CONTINUOUS
    changes: int = 0
    sides: dict[int, list[Order]] = field(default_factory=lambda: {BUY: [], SELL: []})
    held: list[Order] = field(default_factory=list)
    collar: Collar = field(default_factory=Collar)

    def others(self, side: int) -> list[Order]:
        """The side that an order of this side meets."""
        return self.sides[BUY + SELL - side]

    def resting(self) -> Iterator[Order]:
        """Displayed bids in priority order, displayed asks, hidden bids, hidden asks."""
        for hidden in (False, True):
            for side in (BUY, SELL):
                yield from (order for order in self.sides[side] if order.hidden == hidden)

    def all_orders(self) -> list[Order]:
        """As a mass cancel goes through them."""
        return [*self.resting(), *self.held]


class Market:
    """All instruments, the free locates, and the answer that is being given."""

    def __init__(self, instruments: int, orders: int, nodes: int) -> None:
        self.instruments = [Instrument(number) for number in range(instruments)]
        # The locate that was freed last is given next.
        self.free = list(range(orders, 0, -1))
        self.open: dict[int, Order] = {}
        self.nodes = nodes
        self.nodes_used: Counter[tuple[int, ...]] = Counter()
        self.group: Group
        self.answer: list[bytes] = []

    # Orders

    def instrument_of(self, order: Order) -> Instrument:
        """Where it belongs."""
        return self.instruments[order.instrument]

    def own(self, first: Fields, client_order_id: int) -> Order | None:
        """The order that a message names; all of it must be right (README, Cancel)."""
        order = self.open.get(first["locate"])
        if order is None:
            return None
        named = first["topic"], client_order_id, first["instrument"]
        is_own = named == (order.topic, order.client_order_id, order.instrument)
        return order if is_own else None

    def rest(self, order: Order) -> None:
        """At the back of its price, displayed before hidden."""
        side = self.instrument_of(order).sides[order.side]
        side.insert(bisect_right(side, order.rank, key=lambda other: other.rank), order)
        self.nodes_used.update(path(order))
        self.open[order.locate] = order
        order.held = False

    def hold(self, order: Order) -> None:
        """Behind all that are held."""
        self.instrument_of(order).held.append(order)
        self.open[order.locate] = order
        order.held = True

    def take_out(self, order: Order) -> None:
        """Out of its place; the locate stays its own."""
        instrument = self.instrument_of(order)
        if order.held:
            instrument.held.remove(order)
        else:
            instrument.sides[order.side].remove(order)
            self.nodes_used -= Counter(path(order))
        del self.open[order.locate]

    def remove(self, order: Order) -> None:
        """For good."""
        self.take_out(order)
        self.give_back(order)

    def give_back(self, order: Order) -> None:
        """The locate of an order that is nowhere any more; orders that never rest have none."""
        if order.locate != 0:
            self.free.append(order.locate)

    def has_room_for_price(self, order: Order) -> bool:
        """A price takes one node for each distinct start of its five digits of six bits."""
        missing = [node for node in path(order) if not self.nodes_used[node]]
        return len(self.nodes_used) + len(missing) <= self.nodes

    # Lines (README, Groups)

    def say_first(self, **filled_in: int) -> None:
        """The message turned round, and the lines that came behind it."""
        first = self.group.first | filled_in | {"sequence": 0}
        first["flags"] = first["flags"] & ~Flag.CONTINUED | self.group.continued
        self._say(first)
        self.answer += map(without_sequence, self.group.behind)

    def refuse(self, reason: RejectReason) -> None:
        """Rejected in the place of the first line; up to `side` its bytes are the message's."""
        template = self.group.first["template_id"]
        rejected = self._generated(Template.REJECTED, self.group.first["topic"])
        rejected["flags"] |= self.group.continued
        raw = encode(rejected | {"refused_template": template, "reason": reason})
        body = encode(self.group.first)[32:57]
        self.answer.append(raw[:32] + body + raw[57:])
        self.answer += map(without_sequence, self.group.behind)

    def say(self, template: Template, order: Order, **fields: int) -> None:
        """A line that the engine makes about an order."""
        if template == Template.EXECUTED:
            self.instrument_of(order).collar.last = fields["price_ticks"]
        line = self._generated(template, order.topic)
        for name in ("instrument", "locate", "client_order_id", "account", "firm", "side"):
            line[name] = getattr(order, name)
        line["remaining"] = order.quantity
        self._say(line | fields)

    def say_canceled(self, order: Order, quantity: int, reason: int) -> None:
        """So much was taken off; what is left of the order was written to it already."""
        self.say(
            Template.CANCELED, order, price_ticks=order.price, quantity=quantity, reason=reason
        )

    def say_state(self, instrument: Instrument, state: int) -> None:
        """On the topic of the message: it is about no order."""
        line = self._generated(Template.STATE_CHANGED, self.group.first["topic"])
        line |= {"instrument": instrument.number, "state_before": instrument.state, "state": state}
        self._say(line)

    def _generated(self, template: Template, topic: int) -> Fields:
        first = self.group.first
        return {
            "template_id": template,
            "flags": Flag.GENERATED,
            "topic": topic,
            "time_ns": first["time_ns"],
            "checksum": first["checksum"],
        }

    def _say(self, line: Fields) -> None:
        if line["template_id"] in CHANGES:
            self.instruments[line["instrument"]].changes += 1
        assert len(self.answer) < LINES_MAX, "a reserve order of too many parts?"
        self.answer.append(encode(line))


def path(order: Order) -> list[tuple[int, ...]]:
    """The nodes from the root down to its price; hidden orders have a trie of their own."""
    where = order.instrument, order.hidden
    return [(*where, digits, order.price >> (6 * digits)) for digits in range(1, 6)]
