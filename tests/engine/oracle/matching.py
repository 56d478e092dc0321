"""README, Matching: what happens to an order that comes in."""

from __future__ import annotations

from ringbus.messages import (
    CancelReason,
    InstrumentState,
    Liquidity,
    OrderOption,
    Template,
    TradeDetail,
)
from ringbus.messages import TimeInForce as Force
from tests.engine.oracle.market import BUY, Market, Order

RESTING = (Force.DAY, Force.GOOD_TILL_CANCEL, Force.GOOD_TILL_TIME)
CROSS_ONLY = (Force.AT_OPENING, Force.AT_CLOSE)
COLLECTING = (InstrumentState.AUCTION, InstrumentState.PRE_OPEN)
NEWEST, OLDEST = OrderOption.SELF_TRADE_NEWEST, OrderOption.SELF_TRADE_OLDEST
DECREMENT = OrderOption.SELF_TRADE_DECREMENT
SELF_TRADE = NEWEST | OLDEST | DECREMENT


def enter(market: Market, order: Order, minimum_quantity: int = 0) -> None:
    """What an accepted order does; it has its locate, and is in no place yet."""
    instrument = market.instrument_of(order)
    if order.time_in_force in CROSS_ONLY or instrument.state in COLLECTING:
        market.hold(order)
        return
    if order.market:
        order.price = instrument.collar.worst(order.side, order.price)
    if order.time_in_force == Force.FILL_OR_KILL and fillable(market, order) < order.quantity:
        cancel_rest(market, order, CancelReason.FILL_OR_KILL)
    elif fillable_less_than(market, order, minimum_quantity):
        cancel_rest(market, order, CancelReason.MINIMUM_QUANTITY)
    else:
        match(market, order)
        if order.quantity > 0 and order.time_in_force in RESTING:
            order.show_next()
            market.rest(order)
            return
        if order.quantity > 0:
            reason = CancelReason.COLLAR if order.market else CancelReason.IMMEDIATE_OR_CANCEL
            cancel_rest(market, order, reason)
    market.give_back(order)


def match(market: Market, order: Order) -> None:
    """Trade with the best of the other side, one after the other."""
    others = market.instrument_of(order).others(order.side)
    while order.quantity > 0 and others and within(order, others[0]):
        resting = others[0]
        if is_self_trade(order, resting):
            prevent_self_trade(market, order, resting)
        else:
            trade(market, order, resting)


def within(order: Order, resting: Order) -> bool:
    """Whether a resting order is within the limit of an incoming one."""
    if order.side == BUY:
        return resting.price <= order.price
    return resting.price >= order.price


def is_self_trade(order: Order, resting: Order) -> bool:
    """Matching, 1: the incoming order's options decide."""
    if not order.options & SELF_TRADE:
        return False
    if order.options & OrderOption.SELF_TRADE_FIRM:
        return order.firm == resting.firm
    return order.account == resting.account


def prevent_self_trade(market: Market, order: Order, resting: Order) -> None:
    """Matching, 1."""
    if order.options & DECREMENT:
        quantity = min(order.quantity, resting.quantity)
        order.take_off(quantity)
        say_prevented(market, order, quantity, resting.price, Liquidity.REMOVED)
        resting.take_off(quantity)
        say_prevented(market, resting, quantity, resting.price, Liquidity.ADDED)
        if resting.quantity == 0:
            market.remove(resting)
        return
    if order.options & NEWEST:
        quantity, order.quantity = order.quantity, 0
        say_prevented(market, order, quantity, resting.price, Liquidity.REMOVED)
    if order.options & OLDEST:
        quantity, resting.quantity = resting.quantity, 0
        say_prevented(market, resting, quantity, resting.price, Liquidity.ADDED)
        market.remove(resting)


def say_prevented(
    market: Market, order: Order, quantity: int, price: int, liquidity: Liquidity
) -> None:
    """Canceled for one side of a trade that is not to be: its price, and which side it was."""
    market.say(
        Template.CANCELED,
        order,
        price_ticks=price,
        quantity=quantity,
        reason=CancelReason.SELF_TRADE,
        liquidity=liquidity,
    )


def trade(market: Market, order: Order, resting: Order) -> None:
    """Matching, 2 and 3."""
    quantity = min(order.quantity, resting.shown)
    order.quantity -= quantity
    resting.quantity -= quantity
    resting.shown -= quantity
    traded = {"price_ticks": resting.price, "quantity": quantity}
    market.say(Template.EXECUTED, order, liquidity=Liquidity.REMOVED, **traded)
    traded["detail"] = TradeDetail.HIDDEN if resting.hidden else 0
    market.say(Template.EXECUTED, resting, liquidity=Liquidity.ADDED, **traded)
    if resting.quantity == 0:
        market.remove(resting)
    elif resting.shown == 0:
        resting.show_next()
        market.take_out(resting)
        market.rest(resting)
        shown = {"price_ticks": resting.price, "quantity": resting.shown}
        market.say(Template.REPLENISHED, resting, **shown)


def cancel_rest(market: Market, order: Order, reason: CancelReason) -> None:
    """Canceled for all that is open of an order; its place and locate are the caller's business."""
    quantity = order.quantity
    order.quantity = 0
    market.say_canceled(order, quantity, reason)


def fillable_less_than(market: Market, order: Order, minimum_quantity: int) -> bool:
    """Whether an order must trade so much at once and cannot."""
    return minimum_quantity > 0 and fillable(market, order) < minimum_quantity


def fillable(market: Market, order: Order) -> int:
    """Matching, FillOrKill and minimum quantity: what the order can trade at once."""
    others = [
        resting
        for resting in market.instrument_of(order).others(order.side)
        if within(order, resting)
    ]
    own = [resting for resting in others if is_self_trade(order, resting)]
    if not own or order.options & SELF_TRADE == OLDEST:
        return sum(resting.quantity for resting in others if resting not in own)
    first = own[0]
    before = others[: others.index(first)]
    # What an order in front of it at its price has in reserve comes back behind it.
    return sum(
        resting.shown if resting.rank == first.rank else resting.quantity for resting in before
    )
