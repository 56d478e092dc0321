"""What a guardian says: an Alarm, and the kill that may follow it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ports.guardian_ledger import OWNERS
from ports.guardian_rules import Rule
from ringbus.lines import Alarm, MassCancel
from ringbus.messages import (
    ALARM,
    INSTRUMENT_NONE,
    MASS_CANCEL,
    MESSAGE,
    MassCancelScope,
    Template,
)
from ringbus.texts import texts

AUTHOR: Final = "guardian"
EVERYBODY: Final = MassCancelScope.EVERYTHING


@dataclass(frozen=True, slots=True)
class Found:
    """A rule, by its place, that does not hold: for whom, and when that was seen."""

    rule: int
    owner: int
    value: int
    bound: int
    time_ns: int


def alarm(found: Found, rule: Rule, shard_of: bytes) -> tuple[int, NDArray[np.void]]:
    """The shard that it goes to, and its line."""
    line: NDArray[np.void] = np.zeros(1, ALARM)
    line["template_id"], line["instrument"] = Template.ALARM, INSTRUMENT_NONE
    line["rule"], line["kind"], line["scope"] = found.rule + 1, rule.kind, rule.scope
    line["action"], line["value"], line["bound"] = rule.action, found.value, found.bound
    shard = 0
    if rule.scope == MassCancelScope.INSTRUMENT:
        line["instrument"], shard = found.owner, shard_of[found.owner]
    _name_owner(line, rule.scope, found.owner)
    return shard, line.view(MESSAGE)


def kill(found: Found, rule: Rule) -> NDArray[np.void]:
    """A MassCancel with Kill of who it is about (of a book: everybody), and why."""
    scope = rule.scope if rule.scope in OWNERS else EVERYBODY
    line: NDArray[np.void] = np.zeros(1, MASS_CANCEL)
    line["template_id"], line["instrument"] = Template.MASS_CANCEL, INSTRUMENT_NONE
    line["scope"] = scope | MassCancelScope.KILL
    _name_owner(line, scope, found.owner)
    kind = rule.kind.name.lower().replace("_", "-")
    why = f"rule {found.rule + 1}, {kind}: {found.value:,}, bound {found.bound:,}"
    return np.concatenate((line.view(MESSAGE), texts(AUTHOR, None, why)))


def _name_owner(line: NDArray[np.void], scope: MassCancelScope, owner: int) -> None:
    """In an Alarm or a MassCancel; their fields are called alike."""
    if scope == MassCancelScope.SESSION:
        line["session"] = owner
    elif scope in OWNERS:
        line[OWNERS[scope]] = owner


def owner_of(line: Alarm | MassCancel) -> int:
    """The number of whom it is about."""
    by_scope = {
        MassCancelScope.SESSION: line.session,
        MassCancelScope.ACCOUNT: line.account,
        MassCancelScope.FIRM: line.firm,
        MassCancelScope.INSTRUMENT: line.instrument,
    }
    scope = line.scope & ~int(MassCancelScope.KILL)
    return next((owner for one, owner in by_scope.items() if one == scope), 0)
