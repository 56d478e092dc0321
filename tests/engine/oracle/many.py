"""README, MassCancel and MultiLegOrder: messages about many orders or instruments."""

from __future__ import annotations

from ringbus.messages import (
    INSTRUMENT_NONE,
    CancelReason,
    InstrumentState,
    MassCancelScope,
    OrderOption,
    RejectReason,
)
from ringbus.messages import TimeInForce as Force
from tests.engine.oracle.entry import PRICE_TICKS_MAX, collar_in, self_trade_contradicts
from tests.engine.oracle.market import BUY, SELL, Market, Order
from tests.engine.oracle.matching import SELF_TRADE, cancel_rest, fillable, match
from tests.engine.oracle.wire import Fields

Scope = MassCancelScope
SCOPES = sum(int(one) for one in Scope)
LEGS_MIN, LEGS_MAX = 2, 8


def mass_cancel(market: Market) -> None:
    """README, MassCancel."""
    first = market.group.first
    if not scope_is_valid(first):
        market.refuse(RejectReason.INVALID_OPTIONS)
        return
    if first["scope"] & Scope.INSTRUMENT and first["instrument"] >= len(market.instruments):
        market.refuse(RejectReason.UNKNOWN_INSTRUMENT)
        return
    market.say_first()
    for instrument in market.instruments:
        for order in instrument.all_orders():
            if is_in_scope(first, order):
                is_own = order.topic == first["topic"]
                reason = CancelReason.MASS_CANCEL if is_own else CancelReason.SUPERVISORY
                cancel_rest(market, order, reason)
                market.remove(order)


def scope_is_valid(first: Fields) -> bool:
    """README, MassCancel: what is InvalidOptions."""
    scope = first["scope"] & ~int(Scope.KILL)
    if scope == 0 or scope & ~SCOPES:
        return False
    if first["scope"] & Scope.KILL:
        is_one = scope in (Scope.EVERYTHING, Scope.SESSION, Scope.ACCOUNT, Scope.FIRM)
        return is_one and first["instrument"] == INSTRUMENT_NONE
    if scope & Scope.EVERYTHING and scope != Scope.EVERYTHING:
        return False
    if scope & Scope.SIDE and first["side"] not in (BUY, SELL):
        return False
    return bool(scope & Scope.INSTRUMENT) == (first["instrument"] != INSTRUMENT_NONE)


def is_in_scope(first: Fields, order: Order) -> bool:
    """Whether an order has all that the scope names."""
    asked = (
        (Scope.SESSION, first["session"], order.topic),
        (Scope.ACCOUNT, first["account"], order.account),
        (Scope.FIRM, first["firm"], order.firm),
        (Scope.INSTRUMENT, first["instrument"], order.instrument),
        (Scope.SIDE, first["side"], order.side),
    )
    return all(wanted == has for bit, wanted, has in asked if first["scope"] & bit)


def multi_leg_order(market: Market) -> None:
    """README, MultiLegOrder."""
    legs, options = market.group.legs, market.group.first["options"]
    if not legs_are_valid(market):
        market.refuse(RejectReason.INVALID_LEGS)
    elif options & ~(SELF_TRADE | OrderOption.SELF_TRADE_FIRM) or self_trade_contradicts(options):
        market.refuse(RejectReason.INVALID_OPTIONS)
    elif any(
        market.instruments[leg["instrument"]].state != InstrumentState.CONTINUOUS for leg in legs
    ):
        market.refuse(RejectReason.INSTRUMENT_STATE)
    elif refusals := [reason for leg in legs if (reason := collar_of_leg(market, leg)) is not None]:
        market.refuse(refusals[0])
    else:
        market.say_first()
        orders = [order_of_leg(market, leg) for leg in legs]
        can_all = all(fillable(market, order) >= order.quantity for order in orders)
        for order in orders:
            if can_all:
                match(market, order)
                assert order.quantity == 0
            else:
                cancel_rest(market, order, CancelReason.LEGS)


def collar_of_leg(market: Market, leg: Fields) -> RejectReason | None:
    """README, Collars: each leg is an order."""
    return collar_in(market.instruments[leg["instrument"]], order_of_leg(market, leg))


def legs_are_valid(market: Market) -> bool:
    """README, MultiLegOrder: what is InvalidLegs."""
    legs = market.group.legs
    named = [leg["instrument"] for leg in legs]
    if not LEGS_MIN <= len(legs) <= LEGS_MAX or len(legs) != market.group.first["leg_count"]:
        return False
    if max(named) >= len(market.instruments) or len(set(named)) != len(named):
        return False
    if len({market.instruments[number].group for number in named}) != 1:
        return False
    return all(
        leg["side"] in (BUY, SELL)
        and leg["quantity"] > 0
        and 1 <= leg["price_ticks"] <= PRICE_TICKS_MAX
        for leg in legs
    )


def order_of_leg(market: Market, leg: Fields) -> Order:
    """A leg is an order that never rests."""
    return Order(
        locate=0,
        instrument=leg["instrument"],
        side=leg["side"],
        price=leg["price_ticks"],
        quantity=leg["quantity"],
        client_order_id=leg["client_order_id"],
        topic=market.group.first["topic"],
        account=leg["account"],
        firm=leg["firm"],
        time_in_force=Force.FILL_OR_KILL,
        options=market.group.first["options"],
    )
