"""README, NewOrder, Cancel and Replace: what is refused, and what becomes of the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ringbus.messages import AuctionOption, Flag, InstrumentState, OrderOption, RejectReason
from ringbus.messages import TimeInForce as Force
from tests.engine.oracle.market import BUY, SELL, Instrument, Market, Order
from tests.engine.oracle.matching import (
    COLLECTING,
    CROSS_ONLY,
    DECREMENT,
    NEWEST,
    OLDEST,
    RESTING,
    SELF_TRADE,
    enter,
    within,
)

PRICE_TICKS_MAX = 2**30 - 1
# Parts in which a reserve may show itself.
RESERVE_PARTS_MAX = 1024
HIDDEN, MARKET = OrderOption.HIDDEN, OrderOption.MARKET
POST_ONLY, SLIDE = OrderOption.POST_ONLY, OrderOption.SLIDE
FORCES = (*RESTING, *CROSS_ONLY, Force.IMMEDIATE_OR_CANCEL, Force.FILL_OR_KILL)


@dataclass(frozen=True, slots=True)
class Terms:
    """How an order is to be treated."""

    time_in_force: int
    quantity: int
    options: int = 0
    auction: int = 0
    display_quantity: int = 0
    minimum_quantity: int = 0
    # Behind a NewOrder: those of its own line.
    options_repeated: int = 0


def new_order(market: Market) -> None:
    """README, NewOrder: checks, in this order."""
    first = market.group.first
    instrument = market.instruments[first["instrument"]]
    terms = terms_of_new(market)
    order = order_of(market, first["side"], terms)
    may_rest = terms.time_in_force in RESTING
    reason = None
    if first["side"] not in (BUY, SELL):
        reason = RejectReason.INVALID_SIDE
    elif first["quantity"] == 0:
        reason = RejectReason.INVALID_QUANTITY
    elif not 1 <= first["price_ticks"] <= PRICE_TICKS_MAX:
        reason = RejectReason.INVALID_PRICE
    elif terms.time_in_force not in FORCES:
        reason = RejectReason.INVALID_TIME_IN_FORCE
    elif (contradiction := contradiction_in(terms)) is not None:
        reason = contradiction
    elif not state_takes(instrument.state, terms):
        reason = RejectReason.INSTRUMENT_STATE
    elif not post_only_keeps_off(instrument, order, terms):
        reason = RejectReason.WOULD_TRADE
    elif (forbidden := collar_in(instrument, order)) is not None:
        reason = forbidden
    elif (may_rest or terms.time_in_force in CROSS_ONLY) and not market.free:
        reason = RejectReason.ORDER_CAPACITY
    elif may_rest and not has_room(market, instrument, order):
        reason = RejectReason.PRICE_CAPACITY
    if reason is not None:
        market.refuse(reason)
        return
    if may_rest or terms.time_in_force in CROSS_ONLY:
        order.locate = market.free.pop()
    market.say_first(price_ticks=order.price, locate=order.locate)
    enter(market, order, terms.minimum_quantity)


def cancel(market: Market) -> None:
    """README, Cancel."""
    first = market.group.first
    order = market.own(first, first["client_order_id"])
    if order is None:
        market.refuse(RejectReason.UNKNOWN_ORDER)
    elif not 1 <= first["quantity"] <= order.quantity:
        market.refuse(RejectReason.INVALID_QUANTITY)
    else:
        order.take_off(first["quantity"])
        market.say_first(price_ticks=order.price, side=order.side, remaining=order.quantity)
        if order.quantity == 0:
            market.remove(order)


def replace_order(market: Market) -> None:
    """README, Replace."""
    first = market.group.first
    instrument = market.instruments[first["instrument"]]
    old = market.own(first, first["original_client_order_id"])
    if old is None:
        market.refuse(RejectReason.UNKNOWN_ORDER)
        return
    terms = terms_of_replace(market, old)
    order = order_of(market, old.side, terms)
    order.locate = old.locate
    reason = None
    if instrument.state not in (InstrumentState.CONTINUOUS, *COLLECTING):
        reason = RejectReason.INSTRUMENT_STATE
    elif first["quantity"] == 0:
        reason = RejectReason.INVALID_QUANTITY
    elif not 1 <= first["price_ticks"] <= PRICE_TICKS_MAX:
        reason = RejectReason.INVALID_PRICE
    elif not may_become(old, terms.time_in_force):
        reason = RejectReason.INVALID_TIME_IN_FORCE
    elif (contradiction := contradiction_in(terms)) is not None:
        reason = contradiction
    elif not post_only_keeps_off(instrument, order, terms):
        reason = RejectReason.WOULD_TRADE
    elif (forbidden := collar_in(instrument, order)) is not None:
        reason = forbidden
    elif terms.time_in_force in RESTING and not has_room(market, instrument, order):
        reason = RejectReason.PRICE_CAPACITY
    if reason is not None:
        market.refuse(reason)
        return
    is_kept = keeps_place(old, order)
    # The flag is the book's to give.
    flags = first["flags"] & ~Flag.KEPT_PRIORITY | (Flag.KEPT_PRIORITY if is_kept else 0)
    market.say_first(flags=flags, price_ticks=order.price, side=old.side)
    if is_kept:
        keep_place(old, order)
    else:
        market.take_out(old)
        enter(market, order, terms.minimum_quantity)


# What a message asks for


def terms_of_new(market: Market) -> Terms:
    """Without an OrderTerms line its fields are zero."""
    first, line = market.group.first, market.group.terms
    asked = Terms(
        first["time_in_force"], first["quantity"], first["options"], 0, 0, 0, first["options"]
    )
    if line is None:
        return asked
    return replace(
        asked,
        auction=line["auction"],
        display_quantity=line["display_quantity"],
        minimum_quantity=line["minimum_quantity"],
        options_repeated=line["options"],
    )


def terms_of_replace(market: Market, old: Order) -> Terms:
    """README, Replace: an OrderTerms line gives them anew; without it the order keeps most."""
    first, line = market.group.first, market.group.terms
    force, quantity = first["time_in_force"], first["quantity"]
    if line is not None:
        shown, least = line["display_quantity"], line["minimum_quantity"]
        options = line["options"]
        return Terms(force, quantity, options, line["auction"], shown, least, options)
    shown = min(old.display_quantity, quantity)
    auction = AuctionOption.IMBALANCE_ONLY if old.imbalance_only else 0
    return Terms(force, quantity, old.options, auction, shown, 0, old.options)


def order_of(market: Market, side: int, terms: Terms) -> Order:
    """The order that comes in; PostOnly and Slide are of one entry and not kept."""
    first = market.group.first
    return Order(
        locate=0,
        instrument=first["instrument"],
        side=side,
        price=first["price_ticks"],
        quantity=terms.quantity,
        client_order_id=first["client_order_id"],
        topic=first["topic"],
        account=first["account"],
        firm=first["firm"],
        time_in_force=terms.time_in_force,
        options=terms.options & ~(POST_ONLY | SLIDE),
        imbalance_only=terms.auction == AuctionOption.IMBALANCE_ONLY,
        display_quantity=terms.display_quantity,
    )


# Checks


def contradiction_in(terms: Terms) -> RejectReason | None:
    """README, Contradictions (6)."""
    options, force = terms.options, terms.time_in_force
    rests = force in RESTING
    not_at_once = bool(options & (POST_ONLY | SLIDE))
    imbalance_only = bool(terms.auction & AuctionOption.IMBALANCE_ONLY)
    contradictory = (
        (options & POST_ONLY and options & SLIDE)
        or (not_at_once and (options & MARKET or not rests))
        or self_trade_contradicts(options)
        or (options & MARKET and rests)
        or (options & HIDDEN and not rests)
        or (options & HIDDEN and terms.display_quantity)
        or (imbalance_only and (force not in CROSS_ONLY or options & MARKET))
        or terms.auction not in (0, AuctionOption.IMBALANCE_ONLY)
        or terms.options_repeated != options
    )
    if contradictory:
        return RejectReason.INVALID_OPTIONS
    display, minimum = terms.display_quantity, terms.minimum_quantity
    if display and (display > terms.quantity or display * RESERVE_PARTS_MAX < terms.quantity):
        return RejectReason.INVALID_DISPLAY
    if display and not rests:
        return RejectReason.INVALID_DISPLAY
    if minimum > terms.quantity or (minimum and force != Force.IMMEDIATE_OR_CANCEL):
        return RejectReason.INVALID_MINIMUM_QUANTITY
    return None


def collar_in(instrument: Instrument, order: Order) -> RejectReason | None:
    """README, Collars."""
    return instrument.collar.reason(
        instrument.state, order.side, order.price, order.quantity, order.options
    )


def self_trade_contradicts(options: int) -> bool:
    """README, Contradictions (6), those of self-trade prevention."""
    two_ways = options & DECREMENT and options & (NEWEST | OLDEST)
    nothing_of_the_firm = options & OrderOption.SELF_TRADE_FIRM and not options & SELF_TRADE
    return bool(two_ways or nothing_of_the_firm)


def state_takes(state: int, terms: Terms) -> bool:
    """README, States (7)."""
    if state == InstrumentState.CONTINUOUS:
        return True
    if state not in COLLECTING:
        return False
    if terms.options & (POST_ONLY | SLIDE):
        return False
    return terms.time_in_force in (*RESTING, *CROSS_ONLY)


def post_only_keeps_off(instrument: Instrument, order: Order, terms: Terms) -> bool:
    """README, Post-only (8); gives an order that slides its price."""
    if instrument.state != InstrumentState.CONTINUOUS or not terms.options & (POST_ONLY | SLIDE):
        return True
    others = instrument.others(order.side)
    if not others or not within(order, others[0]):
        return True
    if terms.options & POST_ONLY:
        return False
    order.price = others[0].price + (-1 if order.side == BUY else 1)
    return 1 <= order.price <= PRICE_TICKS_MAX


def has_room(market: Market, instrument: Instrument, order: Order) -> bool:
    """Check 10: an order that rests only after an auction needs no room for its price yet."""
    return instrument.state != InstrumentState.CONTINUOUS or market.has_room_for_price(order)


def may_become(old: Order, force: int) -> bool:
    """README, Replace: times in force that may follow each other."""
    if old.time_in_force in CROSS_ONLY:
        return force == old.time_in_force
    if old.held:
        return force in RESTING
    return force in (*RESTING, Force.IMMEDIATE_OR_CANCEL)


# Replace with its place


def keeps_place(old: Order, order: Order) -> bool:
    """README, Replace: when it keeps its place."""
    return (
        order.price == old.price
        and order.quantity <= old.quantity
        and order.time_in_force != Force.IMMEDIATE_OR_CANCEL
        and order.hidden == old.hidden
        and order.market == old.market
        and order.imbalance_only == old.imbalance_only
        and order.display_quantity == min(old.display_quantity, order.quantity)
    )


def keep_place(old: Order, order: Order) -> None:
    """Only the rest of its data change, and quantity comes off as in Cancel."""
    old.take_off(old.quantity - order.quantity)
    old.client_order_id = order.client_order_id
    old.account = order.account
    old.firm = order.firm
    old.time_in_force = order.time_in_force
    old.display_quantity = order.display_quantity
    old.options = order.options
