"""Open orders as the stream tells of them: one row an order, whole batches at a time.

A row's place is the order's shard and locate, which the engine uses again when the order is gone.
Every line that changes an order says what is open after it, so the last line about a place is all
there is to know of it, and a batch is a few assignments of whole columns.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ringbus.messages import (
    CANCEL,
    EXECUTED,
    MESSAGE,
    NEW_ORDER,
    ORDER_TERMS,
    CancelReason,
    Flag,
    Template,
    TimeInForce,
)
from ringbus.proposer import Proposal
from ringbus.status import CapacityError

# No time is later.
NEVER: Final = (1 << 64) - 1
# What its user must let through; the lines of terms come with their orders.
TEMPLATES: Final = (
    *(Template.NEW_ORDER, Template.CANCEL, Template.REPLACE),
    *(Template.EXECUTED, Template.CANCELED),
)
ORDER: Final = np.dtype(
    [
        *(("expire_ns", "<u8"), ("open", "<u4"), ("client_order_id", "<u4"), ("instrument", "<u4")),
        *(("price_ticks", "<i4"), ("topic", "<u2"), ("account", "<u2"), ("firm", "<u2")),
        *(("side", "u1"), ("time_in_force", "u1")),
    ]
)
# NewOrder and Replace are laid out alike up to there.
_SAME: Final = ("instrument", "price_ticks", "client_order_id", "account", "firm", "side")


class OpenOrders:
    """A table over all orders of all shards.

    Args: shards: of the engine; orders: that a shard has room for.
    Memory: 32 bytes an order that was ever open at once. Thread: one.
    """

    def __init__(self, shards: int, orders: int) -> None:
        # Locates count from 1.
        self.stride = orders + 1
        self.rows: NDArray[np.void] = np.zeros(shards * self.stride, ORDER)
        self.used = 0  # rows beyond were never open

    def hear(self, batch: NDArray[np.void]) -> NDArray[np.intp]:
        """Apply whole messages of TEMPLATES, in the order of the stream; others are passed over.

        Args: batch: shape (n,), dtype MESSAGE. Returns: places that got another order or terms.
        Raises: CapacityError: a locate beyond the table.
        """
        template = batch["template_id"]
        enters = (template == Template.NEW_ORDER) | (template == Template.REPLACE)
        lessens = (template == Template.EXECUTED) | (template == Template.CANCELED)
        lessens |= template == Template.CANCEL
        said: NDArray[np.intp] = np.flatnonzero(enters | lessens)
        if not len(said):
            return said
        # Column by column: numpy takes 250 ns to pick a line of 64 bytes, 3 to pick a number.
        orders = batch.view(NEW_ORDER)
        locates = orders["locate"][said].astype(np.intp)
        if int(locates.max()) >= self.stride:
            raise CapacityError(f"locate {locates.max()}: there is room for {self.stride - 1}")
        places = batch["shard"][said].astype(np.intp) * self.stride + locates
        is_entry = enters[said]
        rows = self.rows
        # Where a place comes twice the last one counts: numpy assigns in order.
        less = batch.view(EXECUTED)["remaining"][said]
        rows["open"][places] = np.where(is_entry, orders["quantity"][said], less)
        at: NDArray[np.intp] = places[is_entry]
        entered = said[is_entry]
        for name in (*_SAME, "topic", "time_in_force"):
            rows[name][at] = orders[name][entered]
        self._set_terms(batch, entered, at)
        self.used = max(self.used, int(places.max()) + 1)
        return at

    def _set_terms(
        self, batch: NDArray[np.void], where: NDArray[np.intp], at: NDArray[np.intp]
    ) -> None:
        """Expiry of the orders that stand at `where` in the batch and have the places `at`."""
        if not len(where):
            return
        behind = np.minimum(where + 1, len(batch) - 1)
        has_terms = (batch["flags"][where] & int(Flag.CONTINUED)) != 0
        has_terms &= batch["template_id"][behind] == Template.ORDER_TERMS
        until = batch.view(ORDER_TERMS)["expire_time_ns"][behind]
        timed = batch.view(NEW_ORDER)["time_in_force"][where] == TimeInForce.GOOD_TILL_TIME
        expiry = np.where(has_terms & timed, until, np.uint64(NEVER))
        # Replaced without terms, an order keeps its time.
        keeps = (batch["template_id"][where] == Template.REPLACE) & timed & ~has_terms
        self.rows["expire_ns"][at[~keeps]] = expiry[~keeps]

    def cancel(self, place: int, reason: CancelReason) -> Proposal:
        """The proposal that takes away all that is open of an order, on its session's topic."""
        row = self.rows[place]
        shard, locate = divmod(place, self.stride)
        line: NDArray[np.void] = np.zeros(1, CANCEL)
        line["template_id"] = Template.CANCEL
        line["locate"], line["quantity"], line["reason"] = locate, row["open"], reason
        for name in ("instrument", "client_order_id", "account", "firm"):
            line[name] = row[name]
        return Proposal(int(row["topic"]), shard, line.view(MESSAGE))
