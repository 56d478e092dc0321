"""`kind = "guardian"`: alarms by rules that are data, and kills where a rule says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, cast

from ports.guardian_rules import OF_A_BOOK, OF_A_WINDOW
from ringbus.messages import GuardianAction, GuardianRule, MassCancelScope
from tools.rules import Refused, choice, kind_of, meant, whole

KINDS: Final = {kind.name.lower().replace("_", "-"): kind for kind in GuardianRule}
SCOPES: Final = {
    "session": MassCancelScope.SESSION,
    "account": MassCancelScope.ACCOUNT,
    "firm": MassCancelScope.FIRM,
    "everybody": MassCancelScope.EVERYTHING,
}
ACTIONS: Final = {action.name.lower(): action for action in GuardianAction}
RULES_MAX: Final = 64
WINDOW_MS: Final = 1000
Table = dict[str, int | str]
OF_EVERY_BOOK: Final[tuple[Table, ...]] = tuple(
    {
        "rule": KIND,
        "scope": "instrument",
        "bound": 0,
        "window_ms": 0,
        "at_least": 0,
        "action": "alarm",
    }
    for KIND in ("crossed-book", "trade-through", "balance")
)
_VALUES: Final = {
    "rule": choice(*KINDS),
    "scope": choice(*SCOPES, "instrument"),
    "bound": whole(0, 1 << 61),
    "window_ms": whole(0, 60_000),
    "at_least": whole(0, 1 << 40),
    "action": choice(*ACTIONS),
}


def _rule(table: object) -> Table:
    """One rule of the table, with all that it leaves out."""
    if not isinstance(table, dict):
        raise Refused(f"found {kind_of(table)}", 'write a rule such as { rule = "orders", … }')
    for key in table:
        if key not in _VALUES:
            known = list(_VALUES)
            raise Refused(f'a rule has no "{key}"', f"it has {', '.join(known)}{meant(key, known)}")
    if "rule" not in table:
        raise Refused("a rule does not say which it is", f'write rule = "{"|".join(KINDS)}"')
    kind = KINDS[cast(str, _VALUES["rule"](table["rule"]))]
    is_of_a_book = kind in OF_A_BOOK
    needed = () if is_of_a_book else ("scope", "bound")
    for key in needed:
        if key not in table:
            raise Refused(f'rule "{table["rule"]}" has no {key}', f"add {key} = …")
    out: Table = {
        "scope": "instrument",
        "bound": 0,
        "window_ms": WINDOW_MS if kind in OF_A_WINDOW else 0,
        "at_least": 0,
        "action": "alarm",
    }
    out.update({key: cast("int | str", _VALUES[key](value)) for key, value in table.items()})
    if is_of_a_book != (out["scope"] == "instrument"):
        raise Refused(
            f'rule "{table["rule"]}" of {out["scope"]}',
            "leave the scope out" if is_of_a_book else f"a scope is {', '.join(SCOPES)}",
        )
    if out["window_ms"] and kind not in OF_A_WINDOW:
        raise Refused(f'rule "{table["rule"]}" has no window', "leave window_ms out")
    return out


def _rules(value: object) -> object:
    if not isinstance(value, list) or not value:
        raise Refused(
            f"found {value!r}", "write a list of rules, or leave it out for those of a book"
        )
    if len(value) > RULES_MAX:
        raise Refused(f"found {len(value)} rules", f"write {RULES_MAX} at most")
    return tuple(_rule(table) for table in value)


@dataclass(frozen=True, slots=True)
class Options:
    """`rules`: its table, those of a book unless given; `every_ms`: how often it is looked at."""

    rules: tuple[Table, ...] = field(default=OF_EVERY_BOOK, metadata={"rule": _rules})
    every_ms: int = field(default=100, metadata={"rule": whole(10, 1000)})


def count_name(application: str) -> str:
    """Counter of the alarms on the stream."""
    return f"alarms heard by {application}"


def last_name(application: str) -> str:
    """Counter that has the sequence of the last one."""
    return f"last alarm heard by {application}"
