"""The price of an auction: against every price tried, and executed by the book that ships."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ports.uncross import INTEREST, PRICE_TICKS_MAX, Uncross, uncross
from ringbus.messages import AuctionOption, Side, TimeInForce
from ringbus.status import UsageError
from tests.engine.proposals import (
    AT_CLOSE,
    AT_OPENING,
    AUCTION,
    BUY,
    HIDDEN,
    MARKET,
    SELL,
    Desk,
    command,
    order,
)

ONLY = AuctionOption.IMBALANCE_ONLY
DAY = TimeInForce.DAY
# Limits of orders are 5 to 30, references reach beyond; above all of them nothing differs any more.
PRICES = range(1, 41)


@dataclass(frozen=True)
class One:
    """One order of an auction."""

    side: int
    open: int
    price_ticks: int = 1
    time_in_force: int = DAY
    options: int = 0
    auction: int = 0

    def trades_at(self, price: int) -> bool:
        if self.options & MARKET:
            return True
        return self.price_ticks >= price if self.side == BUY else self.price_ticks <= price


@dataclass(frozen=True)
class Auction:
    """What is asked."""

    orders: list[One]
    reference: int = 0
    low: int = 1
    high: int = PRICE_TICKS_MAX

    def result(self) -> Uncross:
        return uncross(rows(self.orders), self.reference, self.low, self.high)


def rows(orders: list[One]) -> NDArray[np.void]:
    out = np.zeros(len(orders), INTEREST)
    for row, one in zip(out, orders, strict=True):
        for name in INTEREST.names or ():
            row[name] = getattr(one, name)
    return out


@st.composite
def ones(draw: st.DrawFn) -> One:
    side, quantity, price = draw(
        st.tuples(st.sampled_from((BUY, SELL)), st.integers(1, 9), st.integers(5, 30))
    )
    kind = draw(st.sampled_from(("day", "day", "hidden", "opening", "market", "only")))
    if kind in ("day", "hidden"):
        return One(side, quantity, price, DAY, HIDDEN if kind == "hidden" else 0)
    options = MARKET if kind == "market" else 0
    return One(side, quantity, price, AT_OPENING, options, ONLY if kind == "only" else 0)


@st.composite
def auctions(draw: st.DrawFn) -> Auction:
    low = draw(st.sampled_from((1, 1, *PRICES)))
    high = draw(st.sampled_from((PRICE_TICKS_MAX, *range(low, PRICES.stop))))
    orders = draw(st.lists(ones(), max_size=14))
    return Auction(orders, draw(st.sampled_from(PRICES)), low, high)


# The model: every price is tried


def sums(orders: list[One], price: int) -> tuple[int, int, int, int]:
    """Buys and sells that trade at a price: those that are not imbalance-only, then all."""
    traders = [one for one in orders if one.trades_at(price)]
    plain = [one for one in traders if not one.auction]
    buys, sells, all_buys, all_sells = (
        sum(one.open for one in some if one.side == side)
        for some in (plain, traders)
        for side in (BUY, SELL)
    )
    return buys, sells, all_buys, all_sells


def left_over(orders: list[One], price: int) -> tuple[int, int, int]:
    """Matched quantity; what the orders that are not imbalance-only leave over, and its side.

    In two rounds: those match among themselves, then the others fill what is left of one side.
    """
    buys, sells, all_buys, all_sells = sums(orders, price)
    among = min(buys, sells)
    surplus, side = (buys - among, BUY) if buys > sells else (sells - among, SELL)
    helpers = (all_sells - sells) if side == BUY else (all_buys - buys)
    filled = min(surplus, helpers)
    return among + filled, surplus - filled, side if surplus > filled else 0


def tried(orders: list[One], reference: int, low: int, high: int) -> int:
    """The price, or 0 if nothing can be matched at any."""
    prices = [price for price in PRICES if low <= price <= high]
    best = min(
        (-left_over(orders, price)[0], left_over(orders, price)[1], abs(price - reference), price)
        for price in prices
    )
    return best[3] if best[0] else 0


@given(auctions())
def test_no_other_price_is_better(auction: Auction) -> None:
    """All five numbers are those of a model that tries every price."""
    result = auction.result()
    orders, reference = auction.orders, auction.reference
    price = tried(orders, reference, auction.low, auction.high)
    at = price or min(max(reference, auction.low), auction.high)
    quantity, imbalance, side = left_over(orders, at)
    near = tried(orders, reference, 1, PRICE_TICKS_MAX)
    far = tried([one for one in orders if one.time_in_force != DAY], reference, 1, PRICE_TICKS_MAX)
    assert result == Uncross(price, quantity, imbalance, side, near, far)


# The book that ships


def entered(orders: list[One]) -> Desk:
    desk = Desk(orders=len(orders) + 1)
    desk.say(command(AUCTION))
    for number, one in enumerate(orders):
        terms = {"auction": one.auction, "time_in_force": one.time_in_force}
        answer = desk.say(
            order(number + 1, one.side, one.open, one.price_ticks, one.options, **terms)
        )
        assert answer[0] == ("NEW_ORDER", number + 1)
    return desk


@given(auctions())
def test_the_book_executes_it_and_no_more_at_any_price(auction: Auction) -> None:
    """One more is refused at every price within the collars; the imbalance is what stays open."""
    result = auction.result()
    desk = entered(auction.orders)
    for price in PRICES:
        if auction.low <= price <= auction.high:
            assert desk.cross(price, result.quantity + 1) == [("rejected", "INVALID_CROSS")]
    answer = desk.cross(result.price_ticks, result.quantity, state=AUCTION)
    trades = [one for one in answer if one[0] in ("buys", "sells")]
    assert {one[3] for one in trades} <= {result.price_ticks}
    executed = dict.fromkeys(range(len(auction.orders)), 0)
    for one in trades:
        executed[int(str(one[1])) - 1] += int(str(one[2]))
    assert sum(executed.values()) == 2 * result.quantity
    if result.quantity:
        open_now = {BUY: 0, SELL: 0}
        for number, who in enumerate(auction.orders):
            if who.trades_at(result.price_ticks) and not who.auction:
                open_now[Side(who.side)] += who.open - executed[number]
        assert max(open_now.values()) == result.imbalance
        assert open_now[BUY] == (result.imbalance if result.imbalance_side == BUY else 0)
    desk.close()


# One for each rule


@pytest.mark.parametrize(
    ("auction", "price", "quantity"),
    [
        # Most is matched at 12 to 14, at 13 as near to the reference as can be.
        (Auction([One(BUY, 5, 14), One(SELL, 5, 12), One(BUY, 9, 9)], 13), 13, 5),
        (Auction([One(BUY, 5, 14), One(SELL, 5, 12)], 20), 14, 5),
        (Auction([One(BUY, 5, 14), One(SELL, 5, 12)]), 12, 5),
        # The least imbalance goes before the reference.
        (Auction([One(BUY, 5, 14), One(BUY, 2, 12), One(SELL, 5, 10)], 10), 13, 5),
        (Auction([One(BUY, 5, 14), One(SELL, 5, 12)], 30, 1, 13), 13, 5),
        (Auction([One(BUY, 5, 14), One(SELL, 5, 12)], 30, 15, 20), 0, 0),
        (Auction([], 10), 0, 0),
        # Market orders trade whatever their price says.
        (Auction([One(BUY, 5, 1, AT_OPENING, MARKET), One(SELL, 5, 12)], 30), 30, 5),
        (
            Auction(
                [One(BUY, 5, 1, AT_OPENING, MARKET), One(SELL, 5, 30, AT_OPENING, MARKET)],
                reference=17,
            ),
            17,
            5,
        ),
        (Auction([One(BUY, 5, 14, AT_OPENING, 0, ONLY), One(SELL, 5, 12, 2, 0, ONLY)], 13), 0, 0),
    ],
)
def test_the_price(auction: Auction, price: int, quantity: int) -> None:
    result = auction.result()
    assert (result.price_ticks, result.quantity) == (price, quantity)


def test_of_two_prices_as_good_and_as_near_the_lower() -> None:
    """At 10 four are matched as at 9 and 11, but of the imbalance-only orders none can help."""
    orders = [One(BUY, 6, 9), One(SELL, 6, 11), One(BUY, 4, 11), One(SELL, 4, 9)]
    helpers = [One(SELL, 1, 9, AT_OPENING, 0, ONLY), One(BUY, 1, 11, AT_OPENING, 0, ONLY)]
    result = Auction([*orders, *helpers], 10).result()
    assert (result.price_ticks, result.quantity, result.imbalance) == (9, 5, 5)
    assert result.imbalance_side == BUY


def test_collars_bound_the_price_but_neither_near_nor_far() -> None:
    orders = [One(BUY, 5, 20), One(SELL, 5, 18), One(BUY, 2, 12, AT_OPENING)]
    orders += [One(SELL, 2, 11, AT_CLOSE), One(BUY, 1, 17)]
    result = Auction(orders, 25, 13, 16).result()
    assert result == Uncross(16, 2, 4, BUY, 20, 12)


def test_without_a_match_the_imbalance_is_that_at_the_reference() -> None:
    orders = [One(BUY, 5, 14), One(BUY, 2, 1, AT_OPENING, MARKET), One(BUY, 9, 8)]
    assert Auction(orders, 10).result() == Uncross(0, 0, 7, BUY, 0, 0)
    assert Auction(orders, 10, 1, 8).result() == Uncross(0, 0, 16, BUY, 0, 0)


def test_sums_beyond_what_an_order_can_say() -> None:
    most = (1 << 32) - 1
    orders = [One(BUY, most, PRICE_TICKS_MAX)] * 5 + [One(SELL, most, 1)] * 3
    result = Auction(orders, 100).result()
    assert (result.price_ticks, result.quantity, result.imbalance) == (100, 3 * most, 2 * most)


@pytest.mark.parametrize(
    ("reference", "low", "high"),
    [(0, 0, 5), (0, 6, 5), (0, 1, 1 << 30), (-1, 1, 5), (1 << 30, 1, 5)],
)
def test_what_is_no_price_is_refused(reference: int, low: int, high: int) -> None:
    with pytest.raises(UsageError):
        uncross(rows([]), reference, low, high)
