"""Trades, busts and corrections as the stream tells of them: one row each, whole batches at a time.

A trade is two Executed lines, one behind the other; a bust or a correction two TradeChanged lines,
each with its tag. A row is made when the second line is there, and `last` is its sequence: whoever
has dealt with everything up to a row goes on behind its `last`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ringbus.messages import EXECUTED, TRADE_CHANGED, Liquidity, Side, Template, TradeChangeKind
from ringbus.status import CorruptionError

# What its user must let through.
TEMPLATES: Final = (Template.EXECUTED, Template.TRADE_CHANGED)
SIDES: Final = ("buyer", "seller")
# Of each side: topic and number of its order, owners, and whether it removed liquidity.
_PARTY: Final = (
    ("session", "<u2"), ("account", "<u2"), ("firm", "<u2"), ("order", "<u4"), ("removed", "?"),
)  # fmt: skip
# `kind` 0: a trade; else a TradeChangeKind, and `price_ticks` is as TradeChanged has it.
TRADE: Final = np.dtype(
    [
        *(("sequence", "<u8"), ("last", "<u8"), ("match", "<u8"), ("time_ns", "<u8")),
        *(("instrument", "<u4"), ("price_ticks", "<i4"), ("quantity", "<u4"), ("kind", "u1")),
        *((f"{side}_{name}", kind) for side in SIDES for name, kind in _PARTY),
    ]
)
# Lines from the first of a pair to the second: a tag is between two TradeChanged lines.
_APART: Final = {int(Template.EXECUTED): 1, int(Template.TRADE_CHANGED): 2}


class Trades:
    """Makes rows of lines; a pair that two batches share is made with the second.

    Thread: one. Memory: one line.
    """

    def __init__(self) -> None:
        self._left: NDArray[np.void] | None = None

    def take(self, batch: NDArray[np.void]) -> NDArray[np.void]:
        """The next lines of the stream, whatever they are.

        Args: batch: shape (n,), dtype MESSAGE. Returns: shape (m,), dtype TRADE, in the stream's
        order. Raises: CorruptionError: a side of a trade stands alone.
        """
        lines = batch[np.isin(batch["template_id"], TEMPLATES)]
        if self._left is not None:
            lines = np.concatenate((self._left, lines))
        whole = len(lines) // 2 * 2
        self._left = lines[whole:].copy() if len(lines) > whole else None
        first, second = lines[:whole:2], lines[1:whole:2]
        _check(first, second)
        out: NDArray[np.void] = np.zeros(whole // 2, TRADE)
        is_trade = first["template_id"] == Template.EXECUTED
        out[is_trade] = _executed(first[is_trade], second[is_trade])
        out[~is_trade] = _changed(first[~is_trade], second[~is_trade])
        return out


def _check(first: NDArray[np.void], second: NDArray[np.void]) -> None:
    """Each pair is of one kind, of one trade, and its lines are where they belong."""
    apart = np.where(first["template_id"] == Template.EXECUTED, *_APART.values())
    wrong = first["template_id"] != second["template_id"]
    wrong |= second["sequence"] - first["sequence"] != apart
    one, other = first.view(EXECUTED), second.view(EXECUTED)
    for name in ("instrument", "price_ticks"):
        wrong |= one[name] != other[name]
    # Both kinds have the side at the same place.
    wrong |= one["side"] == other["side"]
    if wrong.any():
        at = int(first["sequence"][np.flatnonzero(wrong)[0]])
        raise CorruptionError(f"message {at}: one side of a trade without the other")


def _common(first: NDArray[np.void], second: NDArray[np.void]) -> NDArray[np.void]:
    """What both kinds of pairs have, laid out as `first`'s dtype says."""
    out: NDArray[np.void] = np.zeros(len(first), TRADE)
    out["sequence"], out["last"] = first["sequence"], second["sequence"]
    for name in ("time_ns", "instrument", "price_ticks", "quantity"):
        out[name] = first[name]
    is_buyer = first["side"] == Side.BUY
    for side, is_first in (("buyer", is_buyer), ("seller", ~is_buyer)):
        for name, of in (
            ("session", "topic"), ("account", "account"), ("firm", "firm"),
            ("order", "client_order_id"),
        ):  # fmt: skip
            out[f"{side}_{name}"] = np.where(is_first, first[of], second[of])
    return out


def _executed(first: NDArray[np.void], second: NDArray[np.void]) -> NDArray[np.void]:
    first, second = first.view(EXECUTED), second.view(EXECUTED)
    out = _common(first, second)
    out["match"] = first["sequence"]
    # In a cross nobody removes.
    removed = first["liquidity"] == Liquidity.REMOVED
    out["buyer_removed"] = removed & (first["side"] == Side.BUY)
    out["seller_removed"] = removed & (first["side"] == Side.SELL)
    return out


def _changed(first: NDArray[np.void], second: NDArray[np.void]) -> NDArray[np.void]:
    first, second = first.view(TRADE_CHANGED), second.view(TRADE_CHANGED)
    out = _common(first, second)
    out["match"], out["kind"] = first["match"], first["kind"]
    is_buyer = first["side"] == Side.BUY
    for side, is_first in (("buyer", is_buyer), ("seller", ~is_buyer)):
        letter = np.where(is_first, first["liquidity"], second["liquidity"])
        out[f"{side}_removed"] = letter == b"R"
    return out


def is_bust(trade: np.void) -> bool:
    """Whether a row says that a trade is void."""
    return int(trade["kind"]) == TradeChangeKind.BUST
