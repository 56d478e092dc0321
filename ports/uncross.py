"""The price of an auction: one at which most is matched, found without trying every price.

What is bought at a price falls as the price rises and what is sold rises, both in steps at the
orders' own limits. So n different limits cut all prices into 2n+1 stretches, n points and what lies
between and beside them, in each of which everything is the same at any price:

    stretch       0        1        2        3        4
    prices      1..99     100    101..104   105    106..2^30-1        limits 100 and 105
    buys at 100  ✓         ✓
    sells at 105                             ✓        ✓
    market buys  ✓         ✓        ✓        ✓        ✓

Each order is added up at the last stretch where it trades (a sell: at the first), and a running sum
from there on gives both sides of all stretches at once. The best stretch wins, and in it the price
nearest to the reference. Who takes part and what can be matched is as the engine executes it
(engine/README.md, "CrossResult"): hidden orders like all others, imbalance-only orders not with
each other. Priority and time decide who trades, not at which price: they are the engine's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ringbus.messages import AuctionOption, OrderOption, Side, TimeInForce
from ringbus.status import UsageError

PRICE_TICKS_MAX: Final = (1 << 30) - 1
# What must be known of an order; an array may have more fields. `open` is all that may trade, with
# what is in reserve.
INTEREST: Final = np.dtype(
    [
        *(("price_ticks", "<i4"), ("open", "<u4"), ("side", "u1")),
        *(("time_in_force", "u1"), ("options", "u1"), ("auction", "u1")),
    ]
)


@dataclass(frozen=True, slots=True)
class Uncross:
    """What an auction would come to; a price is 0 where nothing can be matched.

    price_ticks and quantity: of all trades. imbalance: what orders that are not imbalance-only
    leave over there, of the side `imbalance_side` (a Side; 0: nothing is left); if nothing can be
    matched, that at the reference. near_ticks: the price if there were no collars. far_ticks: that
    of the orders for the auction alone.
    """

    price_ticks: int
    quantity: int
    imbalance: int
    imbalance_side: int
    near_ticks: int
    far_ticks: int


def uncross(
    orders: NDArray[np.void], reference_ticks: int, low_ticks: int, high_ticks: int
) -> Uncross:
    """The price between the collars at which most is matched.

    Of several the one with the least imbalance, then the nearest to the reference, then the lower.

    Args: orders: shape (n,), fields as INTEREST: who takes part, in any order; the caller leaves
    out those that wait for another cross. reference_ticks: 0 if there is none: the lowest of
    several. low_ticks, high_ticks: the collars, 1 and PRICE_TICKS_MAX if there are none. Returns:
    `quantity` may be more than a CrossResult can say.
    Raises: UsageError: collars or reference are no prices. Thread: any; it changes nothing.
    """
    if not 1 <= low_ticks <= high_ticks <= PRICE_TICKS_MAX:
        raise UsageError(f"collars {low_ticks} to {high_ticks}: not in 1 to {PRICE_TICKS_MAX}")
    if not 0 <= reference_ticks <= PRICE_TICKS_MAX:
        raise UsageError(f"reference {reference_ticks}: not in 0 to {PRICE_TICKS_MAX}")
    every = _Stretches(orders)
    near, at = every.best(reference_ticks, 1, PRICE_TICKS_MAX)
    price = near
    if (low_ticks, high_ticks) != (1, PRICE_TICKS_MAX):
        price, at = every.best(reference_ticks, low_ticks, high_ticks)
    force = orders["time_in_force"]
    of_auction = (force == TimeInForce.AT_OPENING) | (force == TimeInForce.AT_CLOSE)
    far = near
    if not of_auction.all():
        alone = _Stretches(orders[of_auction])
        far, _ = alone.best(reference_ticks, 1, PRICE_TICKS_MAX)
    return Uncross(
        price_ticks=price,
        quantity=int(every.matched[at]),
        imbalance=int(every.imbalance[at]),
        imbalance_side=every.imbalance_side(at),
        near_ticks=near,
        far_ticks=far,
    )


class _Stretches:
    """Prices between which nothing changes, ascending, with what is matched and left over there."""

    def __init__(self, orders: NDArray[np.void]) -> None:
        is_buy = orders["side"] == Side.BUY
        is_market = (orders["options"] & OrderOption.MARKET) != 0
        is_plain = (orders["auction"] & AuctionOption.IMBALANCE_ONLY) == 0
        limits = np.unique(orders["price_ticks"][~is_market]).astype(np.int64)
        count = 2 * len(limits) + 1
        self.first = np.ones(count, np.int64)
        self.last = np.full(count, PRICE_TICKS_MAX, np.int64)
        self.first[1::2] = self.last[1::2] = limits
        self.first[2::2] = limits + 1
        self.last[:-1:2] = limits - 1
        ends = 2 * np.searchsorted(limits, orders["price_ticks"]) + 1
        ends = np.where(is_market, np.where(is_buy, count - 1, 0), ends)
        sums = np.zeros((2, 2, count), np.int64)  # sell or buy; imbalance-only or not; stretch
        np.add.at(sums, (is_buy.astype(np.intp), is_plain.astype(np.intp), ends), orders["open"])
        sells = sums[0].cumsum(axis=1)
        buys = sums[1, :, ::-1].cumsum(axis=1)[:, ::-1]
        self._surplus = buys[1] - sells[1]
        # Of the larger side without imbalance-only orders, what all of the other side can take.
        larger = np.maximum(buys[1], sells[1])
        other = np.where(self._surplus > 0, sells.sum(axis=0), buys.sum(axis=0))
        self.matched = np.minimum(larger, other)
        self.imbalance = larger - self.matched

    def imbalance_side(self, at: int) -> int:
        """The side of which something is left at a stretch, or 0."""
        if self.imbalance[at] == 0:
            return 0
        return Side.BUY if self._surplus[at] > 0 else Side.SELL

    def best(self, reference: int, low: int, high: int) -> tuple[int, int]:
        """The price and its stretch; if nothing is matched 0, and the stretch of the reference."""
        first, last = np.maximum(self.first, low), np.minimum(self.last, high)
        price = np.clip(reference, first, last)
        distance = np.abs(price - reference)
        best = np.flatnonzero(first <= last)
        if not self.matched[best].any():
            return 0, int(best[distance[best].argmin()])
        for badness in (-self.matched, self.imbalance, distance):
            left = badness[best]
            best = best[left == left.min()]
        return int(price[best[0]]), int(best[0])
