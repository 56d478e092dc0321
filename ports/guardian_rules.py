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
PARTS_MAX: Final = 64
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

    Args: owners: how many; slots: of the window, 0: it forgets nothing. A long window is kept in
    PARTS_MAX parts of several slots, and is longer by less than one of them. Memory: 8 bytes an
    owner and part.
    """

    def __init__(self, owners: int, slots: int) -> None:
        self.total: Ints = np.zeros(owners, np.int64)
        self._each = max(1, -(-slots // PARTS_MAX))
        # The part that is now is not a whole one.
        parts = -(-slots // self._each) + (self._each > 1)
        self._parts: Ints = np.zeros((parts, owners), np.int64)
        self._now = self._passed = 0

    def add(self, owners: NDArray[np.unsignedinteger], amounts: Ints | int) -> None:
        """Count `amounts` for `owners`, who may come more than once; strangers do not count."""
        known = owners < len(self.total)
        if not known.all():
            owners = owners[known]
            amounts = amounts if isinstance(amounts, int) else amounts[known]
        np.add.at(self.total, owners, amounts)
        if len(self._parts):
            np.add.at(self._parts[self._now], owners, amounts)
        else:
            np.minimum(self.total, SUM_MAX, out=self.total)

    def turn(self, passed: int) -> None:
        """So many slots end here; what leaves the window is forgotten."""
        ends, self._passed = divmod(self._passed + passed, self._each)
        for _ in range(min(ends, len(self._parts))):
            self._now = (self._now + 1) % len(self._parts)
            self.total -= self._parts[self._now]
            self._parts[self._now] = 0


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

    A position counts at the price of the owner's own last trade in that instrument. Memory: 24
    bytes for each owner and instrument, in pages that are there when one of them trades.
    """

    def __init__(self, owners: int, instruments: int) -> None:
        self.net: Ints = np.zeros(owners, np.int64)
        self.gross: Ints = np.zeros(owners, np.int64)
        self._instruments = instruments
        self._shares: Ints = np.zeros(owners * instruments, np.int64)
        self._unit_1e4: Ints = np.zeros(owners * instruments, np.int64)
        self._worth: Ints = np.zeros(owners * instruments, np.int64)

    def trade(
        self,
        owners: NDArray[np.unsignedinteger],
        instruments: NDArray[np.unsignedinteger],
        signed: Ints,
        unit_1e4: Ints | None,
    ) -> None:
        """Apply executions, oldest first: shares bought, or sold if below 0.

        Args: unit_1e4: what one costs; None: as before.
        """
        rows = owners.astype(np.int64) * self._instruments + instruments
        np.add.at(self._shares, rows, signed)
        if unit_1e4 is not None:
            self._unit_1e4[rows] = unit_1e4  # the last one counts
        rows = np.unique(rows)
        before, after = self._worth[rows], _worth(self._shares[rows], self._unit_1e4[rows])
        self._worth[rows] = after
        of = rows // self._instruments
        np.add.at(self.net, of, after - before)
        np.add.at(self.gross, of, np.abs(after) - np.abs(before))


def _worth(shares: Ints, unit_1e4: Ints) -> Ints:
    """Signed, at most a 2^16th of what fits: an account has no more positions than that."""
    most = 1 << 46
    is_huge = np.abs(shares * 1.0 * unit_1e4) >= most
    with np.errstate(over="ignore"):
        product = shares * unit_1e4
    return np.where(is_huge, np.sign(shares) * most, product)
