"""Guardian: recomputes from the stream what everybody has and does, and says what is too much.

It asks nothing of the engine, whose limits it watches from outside: open orders and their notional,
positions, orders in a window of stream time and how many of them trade, orders that applications
enter and were never asked for, and whether the book is one that the matching rules can make. Its
rules are data. A rule that does not hold becomes an Alarm on the stream, for everybody to see; one
whose action is a kill is followed by a MassCancel with Kill for whoever it is about.

    stream ──▶ ledger, sums ──slot ends──▶ rules ──▶ pending ──Alarm──▶ stream ──▶ MassCancel, Kill

What is pending follows from the messages, and goes when the stream says it, whoever said it: a
guardian that is killed at any time has a successor that says what it had not, and nothing twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ports.guardian_ledger import OWNERS, Ledger, Moves, Places, notional
from ports.guardian_rules import (
    OF_A_BOOK,
    OF_A_WINDOW,
    SECOND_NS,
    Ints,
    Positions,
    Rule,
    Sum,
    Watch,
)
from ports.guardian_words import EVERYBODY, Found, alarm, kill, owner_of
from ringbus.application import Application, line_of
from ringbus.lines import Alarm, MassCancel
from ringbus.messages import (
    EXECUTED,
    REJECTED,
    TRADE_CHANGED,
    GuardianAction,
    GuardianRule,
    MassCancelScope,
    Side,
    Template,
    TradeChangeKind,
)
from ringbus.proposer import Proposal, Proposer
from ringbus.replay import Stream

ASKED: Final = (Template.NEW_ORDER, Template.REPLACE, Template.MULTI_LEG_ORDER)
REFUSED: Final = (Template.REJECTED, Template.REJECT)
# While it catches up the whole book is looked at every so many messages, not every second.
LOOK_MESSAGES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Owners:
    """How many of each there are: numbers are below these. `makers`: publishers of applications
    that enter orders for sessions, which had to ask for them by stop orders.
    """

    sessions: int
    accounts: int
    firms: int
    makers: Collection[int] = ()

    def count(self, scope: MassCancelScope, instruments: int) -> int:
        """Owners of a scope."""
        return {
            MassCancelScope.SESSION: self.sessions,
            MassCancelScope.ACCOUNT: self.accounts,
            MassCancelScope.FIRM: self.firms,
            MassCancelScope.INSTRUMENT: instruments,
        }.get(scope, 1)


class Guardian(Application):
    """A worker for `Core.host`.

    Args: topic: its own; rules: its table; ledger: an empty one; owners: how many; shard_of: shard
    by instrument; slot_ns: how long a slot of stream time is. Memory: the ledger, and of each rule
    with a window a number for each of its slots and owners.
    """

    def __init__(
        self,
        stream: Stream,
        proposer: Proposer,
        topic: int,
        rules: Sequence[Rule],
        ledger: Ledger,
        owners: Owners,
        shard_of: bytes,
        slot_ns: int = 100_000_000,
        opening: int = 0,
    ) -> None:
        super().__init__(stream, None, proposer, opening)
        self._own = proposer
        self._topic = topic
        self._rules = rules
        self._ledger = ledger
        self._owners = owners
        self._shard_of = shard_of
        self._slot_ns = slot_ns
        self._slot = 0
        instruments = len(shard_of)
        counts = [owners.count(rule.scope, instruments) for rule in rules]
        self._watches = [Watch(rule, n) for rule, n in zip(rules, counts, strict=True)]
        self._sums: dict[int, Sum] = {}  # by rule
        self._executions: dict[int, Sum] = {}
        self._positions: dict[MassCancelScope, Positions] = {}
        for nth, (rule, n) in enumerate(zip(rules, counts, strict=True)):
            slots = -(-rule.window_ns // slot_ns)
            if rule.kind in (GuardianRule.NET_POSITION, GuardianRule.GROSS_POSITION):
                self._positions.setdefault(rule.scope, Positions(n, instruments))
            elif rule.kind not in OF_A_BOOK:
                self._sums[nth] = Sum(n, slots if rule.kind in OF_A_WINDOW else 0)
            if rule.kind == GuardianRule.ORDER_RATIO:
                self._executions[nth] = Sum(n, slots)
        self._looked_ns = self._looked_at = self._heard = 0
        self._pending: dict[tuple[int, int], Found] = {}  # to be said
        self._kills: dict[tuple[int, int], Found] = {}  # to be done, by scope and owner
        self.alarms = 0  # on the stream, whoever said them
        self.last_alarm = 0  # sequence of the last one

    def on_batch(self, batch: NDArray[np.void]) -> None:
        """Cut at the ends of slots."""
        slots = batch["time_ns"] // np.uint64(self._slot_ns)
        cuts = [0, *(np.flatnonzero(slots[1:] != slots[:-1]) + 1).tolist(), len(batch)]
        for start, end in pairwise(cuts):
            self._turn(int(slots[start]))
            self._hear_part(batch[start:end])

    def wish(self) -> Proposal | None:
        """What is to be said first, then what is to be done about it."""
        for found in self._pending.values():
            return Proposal(self._topic, *alarm(found, self._rules[found.rule], self._shard_of))
        while self._kills:
            name, found = next(iter(self._kills.items()))
            is_over = not self._watches[found.rule].above[found.owner]
            if not is_over or self.now_ns - found.time_ns <= SECOND_NS:
                return Proposal(self._topic, 0, kill(found, self._rules[found.rule]))
            # It was so while no guardian lived, and is no more: that is for people to judge.
            del self._kills[name]
        return None

    # What is heard.

    def _hear_part(self, batch: NDArray[np.void]) -> None:
        """Lines of one slot."""
        self._heard += len(batch)
        template, lines = batch["template_id"], batch.view(EXECUTED)
        moves = self._ledger.hear(batch)
        executed = np.flatnonzero(template == Template.EXECUTED)
        refused = np.flatnonzero(_is_one_of(template, REFUSED))
        in_vain = batch.view(REJECTED)["refused_template"][refused]
        # Places of orders that were asked for, taken or not.
        asked = np.flatnonzero(_is_one_of(template, ASKED))
        asked = np.concatenate((asked, refused[_is_one_of(in_vain, ASKED)]))
        for nth, total in self._sums.items():
            rule = self._rules[nth]
            scope = rule.scope
            if rule.kind == GuardianRule.OPEN_ORDERS:
                self._move(total, scope, moves, moves.orders, moves.off_orders)
            elif rule.kind == GuardianRule.OPEN_NOTIONAL:
                self._move(total, scope, moves, moves.notional, moves.off_notional)
            elif rule.kind == GuardianRule.REFUSALS:
                total.add(_whose(lines, refused, scope), 1)
            elif rule.kind == GuardianRule.TRADED_NOTIONAL:
                total.add(_whose(lines, executed, scope), self._worth(lines, executed))
            elif rule.kind == GuardianRule.ORDERS_OUT:
                self._hear_makers(total, lines, scope)
            else:
                total.add(_whose(lines, asked, scope), 1)
        for nth, total in self._executions.items():
            total.add(_whose(lines, executed, self._rules[nth].scope), 1)
        if len(executed):
            self._trade(lines, executed)
        self._bust(batch)
        self._raise_faults(int(batch["time_ns"][-1]))
        for n in np.flatnonzero(_is_one_of(template, (Template.ALARM, Template.MASS_CANCEL))):
            self._hear_word(batch, int(n))
        own = refused[batch["publisher"][refused] == self._own.publisher]
        in_vain = batch.view(REJECTED)["refused_template"][own]
        if self._kills and (in_vain == Template.MASS_CANCEL).any():
            # The engine does not take it: asking again would not help.
            del self._kills[next(iter(self._kills))]

    def _move(
        self, total: Sum, scope: MassCancelScope, moves: Moves, more: Ints, less: Ints
    ) -> None:
        if scope == EVERYBODY:
            total.total[0] += int(more.sum()) - int(less.sum())
            return
        total.add(moves.owners[scope], more)
        total.add(moves.off_owners[scope], -less)

    def _worth(self, lines: NDArray[np.void], executed: Places) -> Ints:
        return notional(
            lines["quantity"][executed].astype(np.int64),
            lines["price_ticks"][executed].astype(np.int64),
            self._ledger.tick_1e4[lines["instrument"][executed]],
        )

    def _trade(self, lines: NDArray[np.void], executed: Places) -> None:
        if not self._positions:
            return
        quantity = lines["quantity"][executed].astype(np.int64)
        signed = np.where(lines["side"][executed] == Side.BUY, quantity, -quantity)
        instrument = lines["instrument"][executed]
        unit = lines["price_ticks"][executed] * self._ledger.tick_1e4[instrument]
        for scope, positions in self._positions.items():
            positions.trade(_whose(lines, executed, scope), instrument, signed, unit)

    def _bust(self, batch: NDArray[np.void]) -> None:
        """What void trades had made is taken back."""
        lines = batch.view(TRADE_CHANGED)
        is_bust = lines["template_id"] == Template.TRADE_CHANGED
        busted = np.flatnonzero(is_bust & (lines["kind"] == TradeChangeKind.BUST))
        if not len(busted):
            return
        quantity = lines["quantity"][busted].astype(np.int64)
        signed = np.where(lines["side"][busted] == Side.BUY, -quantity, quantity)
        for scope, positions in self._positions.items():
            owners = _whose(lines, busted, scope)
            positions.trade(owners, lines["instrument"][busted], signed, None)

    def _hear_makers(self, total: Sum, lines: NDArray[np.void], scope: MassCancelScope) -> None:
        """Orders of applications, against what sessions have asked them for."""
        template = lines["template_id"]
        given = np.flatnonzero(template == Template.STOP_ORDER)
        is_made = _is_one_of(lines["publisher"], self._owners.makers)
        made = np.flatnonzero(is_made & (template == Template.NEW_ORDER))
        total.add(_whose(lines, made, scope), 1)
        total.add(_whose(lines, given, scope), -1)

    def _hear_word(self, batch: NDArray[np.void], n: int) -> None:
        """An alarm or a kill, of this guardian, of another or of an operator."""
        line = line_of(batch, n)
        if isinstance(line, Alarm):
            self.alarms += 1
            self.last_alarm = line.sequence
            nth = line.rule - 1
            if nth < len(self._rules) and self._rules[nth].kind == line.kind:
                owner = owner_of(line)
                if line.kind in OF_A_BOOK:
                    self._watches[nth].raise_once(owner)
                self._pending.pop((nth, owner), None)
        elif isinstance(line, MassCancel) and line.scope & MassCancelScope.KILL:
            scope = line.scope & ~int(MassCancelScope.KILL)
            self._kills.pop((scope, owner_of(line)), None)

    # What is found.

    def _turn(self, slot: int) -> None:
        """What ends before `slot` is looked at."""
        if slot == self._slot:
            return
        if self._slot:
            now_ns = (self._slot + 1) * self._slot_ns
            self._look(now_ns)
            self._look_at_the_book(now_ns)
        for sums in (self._sums, self._executions):
            for total in sums.values():
                total.turn(slot - self._slot)
        self._slot = slot

    def _look(self, now_ns: int) -> None:
        for nth, watch in enumerate(self._watches):
            rule = watch.rule
            if rule.kind in OF_A_BOOK:
                continue
            values = self._values(nth, rule)
            for owner in watch.look(values, now_ns).tolist():
                self._raise(nth, Found(nth, owner, int(values[owner]), rule.bound, now_ns))

    def _values(self, nth: int, rule: Rule) -> Ints:
        if rule.kind == GuardianRule.NET_POSITION:
            return np.abs(self._positions[rule.scope].net)
        if rule.kind == GuardianRule.GROSS_POSITION:
            return self._positions[rule.scope].gross
        total = self._sums[nth].total
        if rule.kind == GuardianRule.ORDER_RATIO:
            ratio = total // np.maximum(self._executions[nth].total, 1)
            return np.where(total >= rule.at_least, ratio, 0)
        return total

    def _look_at_the_book(self, now_ns: int) -> None:
        """Once a stream second."""
        is_time = now_ns - self._looked_ns >= SECOND_NS - self._slot_ns
        if is_time and (self.is_live or self._heard - self._looked_at >= LOOK_MESSAGES):
            self._looked_ns, self._looked_at = now_ns, self._heard
            self._ledger.look()
            self._raise_faults(now_ns)

    def _raise_faults(self, now_ns: int) -> None:
        """Of an instrument once a day: what is behind the first wrong line may be wrong too."""
        for fault in self._ledger.faults:
            for nth, watch in enumerate(self._watches):
                if watch.rule.kind == fault.kind and watch.raise_once(fault.instrument):
                    self._raise(nth, Found(nth, fault.instrument, fault.value, fault.bound, now_ns))
        self._ledger.faults.clear()

    def _raise(self, nth: int, found: Found) -> None:
        self._pending.setdefault((nth, found.owner), found)
        rule = self._rules[nth]
        if rule.action == GuardianAction.KILL:
            is_of_somebody = rule.scope in OWNERS
            name = (int(rule.scope), found.owner) if is_of_somebody else (int(EVERYBODY), 0)
            self._kills.setdefault(name, found)


def _is_one_of(column: NDArray[np.unsignedinteger], values: Iterable[int]) -> NDArray[np.bool_]:
    """As np.isin, which sorts: of few values this is quicker."""
    out = np.zeros(len(column), np.bool_)
    for value in values:
        out |= column == value
    return out


def _whose(
    lines: NDArray[np.void], where: Places, scope: MassCancelScope
) -> NDArray[np.unsignedinteger]:
    """Owners of the lines at those places; all templates have them at the same one."""
    if scope == EVERYBODY:
        return np.zeros(len(where), np.uint16)
    out: NDArray[np.uint16] = lines[OWNERS[scope]][where]
    return out
