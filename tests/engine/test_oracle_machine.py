"""Hypothesis looks for the shortest way to a difference between the book and its oracle."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ringbus.messages import INSTRUMENT_NONE, Flag, InstrumentState, OrderOption, Template
from ringbus.messages import TimeInForce as Force
from tests.engine.mix import auction
from tests.engine.oracle import BUY, PRICE_TICKS_MAX, SELL, Order
from tests.engine.oracle.wire import Fields, encode
from tests.engine.profiles import Profile
from tests.engine.trial import Trial

INSTRUMENTS = 3
ORDERS_MAX = 8

sides = st.sampled_from([BUY, SELL])
# Most at three prices that lie together, so that orders meet.
prices = st.sampled_from([100, 101, 99, 100, 101, 99, 1, 63, 64, 2**24, PRICE_TICKS_MAX])
quantities = st.sampled_from([1, 2, 3, 4, 5, 9, 20, 0])
forces = st.sampled_from([Force.DAY, *Force])
option_sets = st.sampled_from(
    [
        *(0, 0, OrderOption.HIDDEN, OrderOption.MARKET, OrderOption.POST_ONLY, OrderOption.SLIDE),
        *(OrderOption.SELF_TRADE_NEWEST, OrderOption.SELF_TRADE_OLDEST),
        OrderOption.SELF_TRADE_NEWEST | OrderOption.SELF_TRADE_OLDEST,
        OrderOption.SELF_TRADE_DECREMENT,
        OrderOption.SELF_TRADE_DECREMENT | OrderOption.SELF_TRADE_FIRM,
        OrderOption.SELF_TRADE_OLDEST | OrderOption.HIDDEN,
    ]
)
instruments = st.sampled_from([0, 0, 0, 0, 1, 2, INSTRUMENTS])
owners = st.sampled_from([1, 1, 2])
states = st.sampled_from([*InstrumentState, 0, 6])
booleans = st.booleans()
# None: no OrderTerms line.
terms_lines = st.none() | st.fixed_dictionaries(
    {
        "display_quantity": st.sampled_from([0, 1, 2, 3]),
        "minimum_quantity": st.sampled_from([0, 0, 1, 3]),
        "auction": st.sampled_from([0, 0, 0, 1, 2]),
    }
)


class BookMachine(RuleBasedStateMachine):
    """Every message of the book, small numbers of everything; all state compared after each."""

    @initialize(orders=st.integers(2, ORDERS_MAX), nodes=st.sampled_from([5, 12, 60, 60]))
    def open_trial(self, orders: int, nodes: int) -> None:
        self.trial = Trial(Profile({}, instruments=INSTRUMENTS, orders=orders, nodes=nodes))
        self.number = 0

    def teardown(self) -> None:
        if hasattr(self, "trial"):
            self.trial.book.close()

    def _send(self, *lines: Fields, is_tagged: bool = False) -> None:
        header = {"time_ns": 1_000 * self.number, "checksum": self.number, "publisher": 9}
        first = lines[0]
        for line in lines:
            line |= header | {"topic": first["topic"], "flags": Flag.CONTINUED}
        lines[-1]["flags"] = 0
        self.trial.send([encode(line) for line in lines], is_tight=True)
        self.trial.compare()

    def _line(self, template: Template, owner: int, **fields: int) -> Fields:
        self.number += 1
        mine = {"client_order_id": self.number, "topic": owner, "account": owner, "firm": 1}
        return {"template_id": template} | mine | fields

    def _order(self, index: int) -> Order | None:
        opened = sorted(self.trial.oracle.open)
        return self.trial.oracle.open[opened[index % len(opened)]] if opened else None

    @rule(
        instrument=instruments,
        side=sides,
        price=prices,
        quantity=quantities,
        force=forces,
        options=option_sets,
        terms=terms_lines,
        owner=owners,
    )
    def enter(
        self,
        instrument: int,
        side: int,
        price: int,
        quantity: int,
        force: int,
        options: int,
        terms: Fields | None,
        owner: int,
    ) -> None:
        line = self._line(Template.NEW_ORDER, owner, instrument=instrument, side=side)
        line |= {"price_ticks": price, "quantity": quantity}
        line |= {"time_in_force": force, "options": options}
        behind = terms_behind(terms, options)
        self._send(line, *behind)

    @rule(index=st.integers(0, ORDERS_MAX), quantity=quantities, is_whole=booleans)
    def reduce(self, index: int, quantity: int, is_whole: bool) -> None:
        order = self._order(index)
        line = self._line(Template.CANCEL, 1)
        if order is not None:
            line |= named(order) | {"client_order_id": order.client_order_id}
            quantity = order.quantity if is_whole else quantity
        self._send(line | {"quantity": quantity})

    @rule(
        index=st.integers(0, ORDERS_MAX),
        price=prices,
        quantity=quantities,
        force=forces,
        options=option_sets,
        terms=terms_lines,
        keeps_price=booleans,
        keeps_force=booleans,
        keeps_options=booleans,
    )
    def change(
        self,
        index: int,
        price: int,
        quantity: int,
        force: int,
        options: int,
        terms: Fields | None,
        keeps_price: bool,
        keeps_force: bool,
        keeps_options: bool,
    ) -> None:
        order = self._order(index)
        line = self._line(Template.REPLACE, 1, price_ticks=price, quantity=quantity)
        line["time_in_force"] = force
        if order is not None:
            line |= named(order) | {"original_client_order_id": order.client_order_id}
            line["price_ticks"] = order.price if keeps_price else price
            line["time_in_force"] = order.time_in_force if keeps_force else force
            options = order.options if keeps_options else options
        self._send(line, *terms_behind(terms, options))

    @rule(instrument=instruments, state=states, kind=st.sampled_from([1, 1, 1, 1, 0]))
    def command(self, instrument: int, state: int, kind: int) -> None:
        self._send(self._line(Template.COMMAND, 5, instrument=instrument, state=state, kind=kind))

    @rule(
        number=instruments,
        cross=st.sampled_from([1, 2, 3, 1, 2, 3, 4]),
        state=states,
        less=st.sampled_from([0, 0, 0, 1, -1]),
        stale=booleans,
    )
    def cross(self, number: int, cross: int, state: int, less: int, stale: bool) -> None:
        line = self._line(Template.CROSS_RESULT, 6, instrument=number, cross_type=cross)
        line |= {"state": state, "price_ticks": 100, "quantity": 1}
        if number < INSTRUMENTS and cross in (1, 2, 3):
            instrument = self.trial.oracle.market.instruments[number]
            line["price_ticks"], quantity = auction(instrument, cross)
            line["quantity"] = max(quantity - less, 0)
            line["changes"] = instrument.changes + (stale and less != 0)
        self._send(line)

    @rule(
        scope=st.integers(0, 127),
        instrument=instruments,
        owner=owners,
        side=st.sampled_from([BUY, SELL, 3]),
        is_named=booleans,
    )
    def mass_cancel(
        self, scope: int, instrument: int, owner: int, side: int, is_named: bool
    ) -> None:
        line = self._line(Template.MASS_CANCEL, owner, scope=scope, side=side, session=owner)
        in_one = bool(scope & 16) == is_named
        self._send(line | {"instrument": instrument if in_one else INSTRUMENT_NONE})

    @rule(
        legs=st.lists(st.tuples(instruments, sides, prices, quantities), max_size=4),
        options=option_sets,
        owner=owners,
        is_counted=st.sampled_from([1, 1, 1, 0]),
    )
    def multi_leg(
        self,
        legs: list[tuple[int, int, int, int]],
        options: int,
        owner: int,
        is_counted: int,
    ) -> None:
        number = legs[0][0] if legs else 0
        first = self._line(Template.MULTI_LEG_ORDER, owner, instrument=number, options=options)
        lines = [first | {"leg_count": len(legs) + 1 - is_counted}]
        for instrument, side, price, quantity in legs:
            leg = self._line(Template.LEG, owner, instrument=instrument, side=side)
            lines.append(leg | {"price_ticks": price, "quantity": quantity})
        self._send(*lines)


def named(order: Order) -> Fields:
    """The fields by which a message names an order, but for its number."""
    return {"instrument": order.instrument, "topic": order.topic, "locate": order.locate}


def terms_behind(terms: Fields | None, options: int) -> list[Fields]:
    if terms is None:
        return []
    return [{"template_id": Template.ORDER_TERMS, "options": options} | terms]


TestBookMachine = BookMachine.TestCase
TestBookMachine.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
