"""README, States and held orders; CrossResult."""

from __future__ import annotations

from ringbus.messages import (
    CancelReason,
    CommandKind,
    CrossType,
    InstrumentState,
    Liquidity,
    RejectReason,
    Template,
)
from ringbus.messages import TimeInForce as Force
from tests.engine.oracle.collar import RULES
from tests.engine.oracle.entry import PRICE_TICKS_MAX
from tests.engine.oracle.market import BUY, SELL, Instrument, Market, Order, badness
from tests.engine.oracle.matching import COLLECTING, RESTING, cancel_rest, enter

STATES = tuple(InstrumentState)


def command(market: Market) -> None:
    """README, States and Collars: a change of an instrument's state or of a rule."""
    first = market.group.first
    instrument = market.instruments[first["instrument"]]
    if first["kind"] in RULES:
        refusal = instrument.collar.obey(first)
        market.say_first() if refusal is None else market.refuse(refusal)
    elif first["kind"] != CommandKind.INSTRUMENT_STATE:
        market.refuse(RejectReason.INVALID_PROPOSAL)
    elif first["state"] not in STATES or first["state"] == instrument.state:
        market.refuse(RejectReason.INSTRUMENT_STATE)
    else:
        market.say_first()
        become(market, instrument, first["state"])


def become(market: Market, instrument: Instrument, state: int) -> None:
    """StateChanged, and what follows from it."""
    market.say_state(instrument, state)
    instrument.state = state
    if state in COLLECTING:
        hold_all(market, instrument)
    elif state == InstrumentState.CONTINUOUS:
        release(market, instrument)


def hold_all(market: Market, instrument: Instrument) -> None:
    """Becoming Auction: every resting order is held, behind what is held already."""
    for order in list(instrument.resting()):
        market.take_out(order)
        market.hold(order)


def release(market: Market, instrument: Instrument) -> None:
    """Becoming Continuous: held orders that rest come in as if they were new."""
    for order in [order for order in instrument.held if order.time_in_force in RESTING]:
        market.take_out(order)
        if market.has_room_for_price(order):
            enter(market, order)
        else:
            cancel_rest(market, order, CancelReason.CAPACITY)
            market.give_back(order)


def cross_result(market: Market) -> None:
    """README, CrossResult."""
    first = market.group.first
    instrument = market.instruments[first["instrument"]]
    price, quantity, cross = first["price_ticks"], first["quantity"], first["cross_type"]
    reason = None
    if instrument.state in (InstrumentState.CLOSED, InstrumentState.PRE_OPEN):
        reason = RejectReason.INSTRUMENT_STATE
    elif cross not in tuple(CrossType) or first["state"] not in STATES:
        reason = RejectReason.INVALID_CROSS
    elif first["changes"] != instrument.changes:
        reason = RejectReason.STALE_CROSS
    elif quantity != 0 and not 1 <= price <= PRICE_TICKS_MAX:
        reason = RejectReason.INVALID_PRICE
    elif quantity > can_be_matched(instrument, price, cross):
        reason = RejectReason.INVALID_CROSS
    if reason is not None:
        market.refuse(reason)
        return
    market.say_first()
    hold_all(market, instrument)
    trade_cross(market, instrument, price, quantity, cross)
    for order in [order for order in instrument.held if order.time_in_force == force_of(cross)]:
        cancel_rest(market, order, CancelReason.CROSS)
        market.remove(order)
    become(market, instrument, first["state"])


def force_of(cross: int) -> Force:
    """Which orders are held for this cross and no other."""
    return Force.AT_CLOSE if cross == CrossType.CLOSING else Force.AT_OPENING


def taking_part(instrument: Instrument, side: int, price: int, cross: int) -> list[Order]:
    """Orders of a side that may trade in the cross, in their priority there."""
    as_held = [*instrument.held, *instrument.resting()]
    eligible = [
        (time, order)
        for time, order in enumerate(as_held)
        if order.side == side
        and (order.time_in_force in RESTING or order.time_in_force == force_of(cross))
        and (order.market or badness(side, order.price) <= badness(side, price))
    ]
    return [order for _, order in sorted(eligible, key=lambda one: cross_rank(*one))]


def cross_rank(time: int, order: Order) -> tuple[int, int, bool, int]:
    """Market orders by time; then price, displayed before hidden, time; imbalance-only last."""
    if order.market:
        return 0, 0, False, time
    kind = 2 if order.imbalance_only else 1
    return kind, badness(order.side, order.price), order.hidden, time


def can_be_matched(instrument: Instrument, price: int, cross: int) -> int:
    """An imbalance-only order trades with none of its kind."""
    buys, sells = (taking_part(instrument, side, price, cross) for side in (BUY, SELL))
    sums = [sum(order.quantity for order in side) for side in (buys, sells)]
    others = [
        sum(order.quantity for order in side if not order.imbalance_only) for side in (buys, sells)
    ]
    return min(*sums, max(others))


def trade_cross(
    market: Market, instrument: Instrument, price: int, quantity: int, cross: int
) -> None:
    """Pairs of Executed, the buy first, until the quantity is done; all orders are held."""
    buys = taking_part(instrument, BUY, price, cross)
    sells = taking_part(instrument, SELL, price, cross)
    while quantity > 0:
        buy, sell = buys[0], sells[0]
        assert not (buy.imbalance_only and sell.imbalance_only)
        traded = min(quantity, buy.quantity, sell.quantity)
        quantity -= traded
        for order in (buy, sell):
            order.quantity -= traded
            line = {"price_ticks": price, "quantity": traded, "liquidity": Liquidity.CROSS}
            market.say(Template.EXECUTED, order, detail=cross, **line)
        for order, side in ((buy, buys), (sell, sells)):
            if order.quantity == 0:
                market.remove(order)
                side.pop(0)
