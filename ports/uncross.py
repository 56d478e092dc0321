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
nearest to the reference. Of many auctions the stretches lie behind each other, and every step is
taken for all of them at once.

Who takes part and what can be matched is as the engine executes it (engine/README.md,
"CrossResult"): hidden orders like all others, imbalance-only orders not with each other. Priority
and time decide who trades, not at which price: they are the engine's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ringbus.messages import AuctionOption, OrderOption, Side, TimeInForce
from ringbus.status import UsageError

PRICE_TICKS_MAX: Final = (1 << 30) - 1
_WORST: Final = np.iinfo(np.int64).max
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
    prices = (np.array([one]) for one in (reference_ticks, low_ticks, high_ticks))
    found = uncross_each(orders, np.array([0, len(orders)]), *prices)
    return Uncross(*(int(one) for one in found[:, 0]))


def uncross_each(
    orders: NDArray[np.void],
    ends: NDArray[np.intp],
    reference_ticks: NDArray[np.int64],
    low_ticks: NDArray[np.int64],
    high_ticks: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The same of n auctions.

    Args: orders: those of the first, then of the second, and so on; ends: where each begins, and at
    last their number, shape (n + 1,); the prices of each, shape (n,).
    Returns: shape (6, n), the fields of Uncross in their order. Raises: as uncross.
    """
    is_right = (low_ticks >= 1) & (low_ticks <= high_ticks) & (high_ticks <= PRICE_TICKS_MAX)
    if not is_right.all():
        raise UsageError(f"collars are not in 1 to {PRICE_TICKS_MAX}, or the wrong way round")
    if not ((reference_ticks >= 0) & (reference_ticks <= PRICE_TICKS_MAX)).all():
        raise UsageError(f"a reference is not in 0 to {PRICE_TICKS_MAX}")
    out: NDArray[np.int64] = np.zeros((6, len(ends) - 1), np.int64)
    if not out.shape[1]:
        return out
    of = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    every = _Stretches(orders, of, len(ends) - 1)
    out[0], at = every.best(reference_ticks, low_ticks, high_ticks)
    out[1], out[2], out[3] = every.matched[at], every.imbalance[at], every.side[at]
    lowest, highest = np.ones_like(low_ticks), np.full_like(high_ticks, PRICE_TICKS_MAX)
    out[4] = out[5] = every.best(reference_ticks, lowest, highest)[0]
    force = orders["time_in_force"]
    of_auction = (force == TimeInForce.AT_OPENING) | (force == TimeInForce.AT_CLOSE)
    if not of_auction.all():
        alone = _Stretches(orders[of_auction], of[of_auction], len(ends) - 1)
        out[5] = alone.best(reference_ticks, lowest, highest)[0]
    return out


class _Stretches:
    """Prices between which nothing changes, with what is matched and left over there.

    Those of one auction after the other, each ascending; `starts`: where those of each begin.
    """

    def __init__(self, orders: NDArray[np.void], of: NDArray[np.intp], count: int) -> None:
        is_buy = orders["side"] == Side.BUY
        is_market = (orders["options"] & OrderOption.MARKET) != 0
        is_plain = (orders["auction"] & AuctionOption.IMBALANCE_ONLY) == 0
        keys = (of.astype(np.int64) << 30) + orders["price_ticks"]
        limits = np.unique(keys[~is_market])
        place = 2 * np.arange(len(limits)) + (limits >> 30) + 1  # of the n-th limit
        total = 2 * len(limits) + count
        behind = 2 * np.searchsorted(limits, np.arange(1, count + 1) << 30) + np.arange(
            1, count + 1
        )
        self.starts = np.r_[0, behind[:-1]]
        self._ends = behind - 1
        self._lengths = np.diff(self.starts, append=total)
        self.first = np.ones(total, np.int64)
        self.last = np.full(total, PRICE_TICKS_MAX, np.int64)
        prices = limits & PRICE_TICKS_MAX
        self.first[place] = self.last[place] = prices
        self.first[place + 1], self.last[place - 1] = prices + 1, prices - 1
        ends = place[np.searchsorted(limits, keys[~is_market])]
        where = np.where(is_buy, self._ends[of], self.starts[of])
        where[~is_market] = ends
        sums = np.zeros((2, 2, total), np.int64)  # sell or buy; imbalance-only or not; stretch
        np.add.at(sums, (is_buy.astype(np.intp), is_plain.astype(np.intp), where), orders["open"])
        sells, buys = self._upward(sums[0]), self._downward(sums[1])
        surplus = buys[1] - sells[1]
        # Of the larger side without imbalance-only orders, what all of the other side can take.
        larger = np.maximum(buys[1], sells[1])
        other = np.where(surplus > 0, sells.sum(axis=0), buys.sum(axis=0))
        self.matched = np.minimum(larger, other)
        self.imbalance = larger - self.matched
        self.side = np.where(surplus > 0, Side.BUY, Side.SELL) * (self.imbalance != 0)

    def best(
        self, reference: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        """Of each its price and the stretch; nothing is matched: 0, and that of the reference."""
        lengths = self._lengths
        first = np.maximum(self.first, np.repeat(low, lengths))
        last = np.minimum(self.last, np.repeat(high, lengths))
        reference = np.repeat(reference, lengths)
        price = np.clip(reference, first, last)
        distance = np.abs(price - reference)
        left = first <= last
        most = np.maximum.reduceat(np.where(left, self.matched, 0), self.starts)
        for badness in (-self.matched, self.imbalance * np.repeat(most != 0, lengths), distance):
            least = np.minimum.reduceat(np.where(left, badness, _WORST), self.starts)
            left &= badness == np.repeat(least, lengths)
        at = np.minimum.reduceat(np.where(left, np.arange(len(left)), _WORST), self.starts)
        return np.where(most != 0, price[at], 0), at

    def _upward(self, sums: NDArray[np.int64]) -> NDArray[np.int64]:
        """Running sums of each, from its first stretch on; shape (2, stretches)."""
        all_of_them = np.cumsum(sums, axis=1)
        before = all_of_them[:, self.starts] - sums[:, self.starts]
        upward: NDArray[np.int64] = all_of_them - np.repeat(before, self._lengths, axis=1)
        return upward

    def _downward(self, sums: NDArray[np.int64]) -> NDArray[np.int64]:
        """The same from its last one."""
        upward = self._upward(sums)
        down: NDArray[np.int64] = np.repeat(upward[:, self._ends], self._lengths, axis=1)
        return down - upward + sums
