"""Orders as auctions need them: all of one instrument, or of ten thousand, without a search.

The table is that of ports/open_orders.py. Beside it stands an index by instrument: places of all
orders that were open when it was made, and behind it the places of those that have come since. Of
the index nothing is taken out: an order that is gone has nothing open, and a place that has another
order now is marked as one of the new ones. When those are too many, the index is made again, but
not before somebody asks: who hears a whole day again makes it once.

    made last      S0: 7 19 4   S1: 3 8   S2: 11 …      sorted by instrument
    come since     5 (S1)  3 (S0)  20 (S2) …            in the order of the stream

So an order costs a few array assignments, and an instrument its own orders and a look at the list
of those that came since.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ports.open_orders import OpenOrders
from ports.uncross import INTEREST
from ringbus.messages import (
    NEW_ORDER,
    ORDER_TERMS,
    CrossType,
    Flag,
    Template,
    TimeInForce,
)

# So many are looked through each time: about 30 us.
NEW_MAX: Final = 1 << 15
# The time in force that waits for another cross, by CrossType.
_OTHER: Final = np.zeros(max(CrossType) + 1, np.uint8)
_OTHER[[CrossType.OPENING, CrossType.HALT]] = TimeInForce.AT_CLOSE
_OTHER[CrossType.CLOSING] = TimeInForce.AT_OPENING


class AuctionOrders(OpenOrders):
    """A table over all orders of all shards, and an index by instrument.

    Args: shards: of the engine; orders: that a shard has room for; instruments: how many there are.
    Memory: 43 bytes an order that was ever open at once. Thread: one.
    """

    def __init__(self, shards: int, orders: int, instruments: int) -> None:
        super().__init__(shards, orders)
        self._instruments = instruments
        self._options = np.zeros(len(self.rows), np.uint8)
        self._auction = np.zeros(len(self.rows), np.uint8)
        self._is_new = np.zeros(len(self.rows), np.bool_)
        self._new = np.zeros((2, NEW_MAX), np.int64)  # places, and of which instruments
        self._new_count = 0
        self._old = np.zeros(0, np.intp)  # places, by instrument
        self._starts = np.zeros(instruments + 1, np.intp)
        self._must_index = True

    def of(
        self, instruments: NDArray[np.intp], crosses: NDArray[np.uint8]
    ) -> tuple[NDArray[np.void], NDArray[np.intp]]:
        """Who would take part in a cross of each of these instruments.

        Args: instruments: shape (n,), ascending; crosses: CrossType of each.
        Returns: orders, shape (m,), dtype INTEREST, in the order of the instruments; where those of
        each begin, and at last m, shape (n + 1,).
        """
        if self._must_index:
            self._index()
        first, count = self._starts[instruments], np.diff(self._starts)[instruments]
        before = np.cumsum(count) - count
        old = self._old[np.repeat(first - before, count) + np.arange(int(count.sum()))]
        which = np.full(self._instruments, -1, np.intp)
        which[instruments] = np.arange(len(instruments))
        # A place may have come twice, or to another instrument since.
        new = self._new[:, : self._new_count]
        new = np.unique(new[0, which[new[1]] >= 0])
        places = np.concatenate((old[~self._is_new[old]], new))
        rows = self.rows[places]
        of = which[rows["instrument"]]
        stays = (rows["open"] != 0) & (of >= 0)
        stays &= rows["time_in_force"] != _OTHER[crosses][of]
        order = np.flatnonzero(stays)
        order = order[np.argsort(of[order], kind="stable")]
        out: NDArray[np.void] = np.zeros(len(order), INTEREST)
        for name in ("price_ticks", "open", "side", "time_in_force"):
            out[name] = rows[name][order]
        out["options"], out["auction"] = self._options[places[order]], self._auction[places[order]]
        ends = np.searchsorted(of[order], np.arange(len(instruments) + 1))
        return out, ends

    def _set_terms(
        self, batch: NDArray[np.void], where: NDArray[np.intp], at: NDArray[np.intp]
    ) -> None:
        super()._set_terms(batch, where, at)
        if not len(where):
            return
        behind = np.minimum(where + 1, len(batch) - 1)
        has_terms = (batch["flags"][where] & int(Flag.CONTINUED)) != 0
        has_terms &= batch["template_id"][behind] == Template.ORDER_TERMS
        terms = batch.view(ORDER_TERMS)
        is_new = batch["template_id"][where] == Template.NEW_ORDER
        # A replaced order keeps them unless its terms say otherwise.
        said = np.where(
            has_terms, terms["options"][behind], batch.view(NEW_ORDER)["options"][where]
        )
        sets = is_new | has_terms
        self._options[at[sets]] = said[sets]
        self._auction[at[sets]] = np.where(has_terms, terms["auction"][behind], 0)[sets]
        self._enter(at[is_new])

    def _enter(self, places: NDArray[np.intp]) -> None:
        """New orders come behind those of the index."""
        if self._must_index:
            return
        places = places[places % self.stride != 0]  # orders without a locate never rest
        begin, end = self._new_count, self._new_count + len(places)
        if end > NEW_MAX:
            self._must_index = True
            return
        self._new[0, begin:end], self._new[1, begin:end] = places, self.rows["instrument"][places]
        self._is_new[places] = True
        self._new_count = end

    def _index(self) -> None:
        """Make the index, of what is open."""
        places = np.flatnonzero(self.rows["open"][: self.used])
        places = places[places % self.stride != 0]
        instruments = self.rows["instrument"][places]
        order = np.argsort(instruments, kind="stable")
        self._old = places[order]
        self._starts = np.searchsorted(instruments[order], np.arange(self._instruments + 1))
        self._is_new[self._new[0, : self._new_count]] = False
        self._new_count = 0
        self._must_index = False
