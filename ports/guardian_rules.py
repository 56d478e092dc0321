"""What a guardian's table of rules is made of: a rule, sums over a window of stream time, watches.

Stream time is cut into slots, and a rule is looked at where one ends: so it depends on the messages
alone, not on how they came in batches, and a successor finds what its dead predecessor found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ringbus.messages import GuardianAction, GuardianRule, MassCancelScope

Ints = NDArray[np.int64]
# Sums do not pass it, however long the day.
SUM_MAX: Final = 1 << 61
SECOND_NS: Final = 1_000_000_000
OF_A_BOOK: Final = (*(GuardianRule.CROSSED_BOOK, GuardianRule.TRADE_THROUGH, GuardianRule.BALANCE),)
# Counted from slot to slot; the others are what stands when one ends.
OF_A_WINDOW: Final = (
    *(GuardianRule.ORDERS, GuardianRule.ORDER_RATIO),
    *(GuardianRule.TRADED_NOTIONAL, GuardianRule.REFUSALS),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: the `kind`'s value of any owner of `scope` above `bound` calls for `action`.

    `window_ns`: over which it is counted, 0: the day. `at_least`: orders below which an OrderRatio
    says nothing.
    """

    kind: GuardianRule
    scope: MassCancelScope
    bound: int
    window_ns: int = 0
    at_least: int = 0
    action: GuardianAction = GuardianAction.ALARM


class Sum:
    """A number for each owner, over the last slots or over all.

    Args: owners: how many; slots: of the window, 0: it forgets nothing.
    """

    def __init__(self, owners: int, slots: int) -> None:
        self.total: Ints = np.zeros(owners, np.int64)
        self._slots: Ints = np.zeros((slots, owners), np.int64)
        self._now = 0

    def add(self, owners: NDArray[np.unsignedinteger], amounts: Ints | int) -> None:
        """Count `amounts` for `owners`, who may come more than once; strangers do not count."""
        known = owners < len(self.total)
        if not known.all():
            owners = owners[known]
            amounts = amounts if isinstance(amounts, int) else amounts[known]
        np.add.at(self.total, owners, amounts)
        if len(self._slots):
            np.add.at(self._slots[self._now], owners, amounts)
        else:
            np.minimum(self.total, SUM_MAX, out=self.total)

    def turn(self, passed: int) -> None:
        """So many slots end here; those that leave the window are forgotten."""
        for _ in range(min(passed, len(self._slots))):
            self._now = (self._now + 1) % len(self._slots)
            self.total -= self._slots[self._now]
            self._slots[self._now] = 0


class Watch:
    """Who stands above a rule's bound, and whether that is new.

    One who is above is raised once; again when it was not above in between, and the window, a
    second at least, has passed.
    """

    def __init__(self, rule: Rule, owners: int) -> None:
        self.rule = rule
        self.above = np.zeros(owners, np.bool_)
        self._is_raised = np.zeros(owners, np.bool_)
        self._raised_ns = np.zeros(owners, np.int64)
        self._quiet_ns = max(rule.window_ns, SECOND_NS)

    def look(self, values: Ints, now_ns: int) -> NDArray[np.intp]:
        """Owners whose value calls for the rule's action now: shape (m,)."""
        self.above = values > self.rule.bound
        over = self._is_raised & ~self.above & (now_ns - self._raised_ns >= self._quiet_ns)
        self._is_raised[over] = False
        new: NDArray[np.intp] = np.flatnonzero(self.above & ~self._is_raised)
        self._is_raised[new], self._raised_ns[new] = True, now_ns
        return new

    def raise_once(self, owner: int) -> bool:
        """Whether `owner` was not raised before; it stays so for the day."""
        was = bool(self._is_raised[owner])
        self._is_raised[owner] = self.above[owner] = True
        return not was


class Positions:
    """Net and gross notional of what each owner has traded.

    A position counts at the price of the owner's own last trade in that instrument.
    """

    def __init__(self, owners: int, instruments: int) -> None:
        self.net: Ints = np.zeros(owners, np.int64)
        self.gross: Ints = np.zeros(owners, np.int64)
        self._instruments = instruments
        self._row_of: dict[int, int] = {}  # of owner * instruments + instrument
        self._shares: Ints = np.zeros(64, np.int64)
        self._worth: Ints = np.zeros(64, np.int64)

    def trade(
        self,
        owners: NDArray[np.uint16],
        instruments: NDArray[np.uint32],
        signed: Ints,
        unit_1e4: Ints,
    ) -> None:
        """Apply executions, oldest first: shares bought, or sold if below 0, and what one costs."""
        keys = owners.astype(np.int64) * self._instruments + instruments
        unique, which = np.unique(keys, return_inverse=True)
        rows = self._rows(unique)
        shares = np.zeros(len(unique), np.int64)
        np.add.at(shares, which, signed)
        unit = np.zeros(len(unique), np.int64)
        unit[which] = unit_1e4  # the last one counts
        self._shares[rows] += shares
        before = self._worth[rows]
        after = _worth(self._shares[rows], unit)
        self._worth[rows] = after
        of = unique // self._instruments
        np.add.at(self.net, of, after - before)
        np.add.at(self.gross, of, np.abs(after) - np.abs(before))

    def _rows(self, keys: Ints) -> NDArray[np.intp]:
        rows = self._row_of
        out = np.fromiter(
            (rows.setdefault(key, len(rows)) for key in keys.tolist()), np.intp, len(keys)
        )
        if len(rows) > len(self._shares):
            more = np.zeros(len(rows), np.int64)
            self._shares = np.concatenate((self._shares, more))
            self._worth = np.concatenate((self._worth, more))
        return out


def _worth(shares: Ints, unit_1e4: Ints) -> Ints:
    """Signed, at most a 2^16th of what fits: an account has no more positions than that."""
    most = 1 << 46
    is_huge = np.abs(shares * 1.0 * unit_1e4) >= most
    with np.errstate(over="ignore"):
        product = shares * unit_1e4
    return np.where(is_huge, np.sign(shares) * most, product)
