"""`kind = "guardian"`: alarms by rules that are data, and kills where a rule says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, cast

from ports.guardian import Guardian, Owners
from ports.guardian_ledger import Ledger
from ports.guardian_rules import OF_A_BOOK, OF_A_WINDOW, Rule
from ringbus.messages import GuardianAction, GuardianRule, MassCancelScope
from ringbus.metrics import Metrics
from tools.rules import Refused, choice, kind_of, meant, whole
from tools.site import Site

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


def rules_of(options: Options) -> list[Rule]:
    """The same for the application."""
    return [
        Rule(
            KINDS[str(table["rule"])],
            SCOPES.get(str(table["scope"]), MassCancelScope.INSTRUMENT),
            int(table["bound"]),
            int(table["window_ms"]) * 1_000_000,
            int(table["at_least"]),
            ACTIONS[str(table["action"])],
        )
        for table in options.rules
    ]


class Counted(Guardian):
    """Shows its alarms in the metrics of its core, where `ringbus status` looks for them."""

    def show_in(self, metrics: Metrics, name: str) -> None:
        """Count in the counters of that name."""
        self._counters = metrics.counter(count_name(name)), metrics.counter(last_name(name))

    def do_work(self, limit: int) -> int:
        """As every application, and count."""
        done = super().do_work(limit)
        # They only grow, and a dead predecessor's are there.
        for counter, value in zip(self._counters, (self.alarms, self.last_alarm), strict=True):
            if value > counter.value:
                counter.add(value - counter.value)
        return done


def count_name(application: str) -> str:
    """Counter of the alarms on the stream."""
    return f"alarms heard by {application}"


def last_name(application: str) -> str:
    """Counter that has the sequence of the last one."""
    return f"last alarm heard by {application}"


def make(site: Site) -> Counted:
    """A guardian over everybody, on the application's own topic."""
    options = cast(Options, site.options)
    configuration = site.configuration
    topology = configuration.topology
    shards = topology.exchange.shards
    # A FIX port enters what its clients ask for; so do those that are no applications.
    makers = [
        1 + topology.contributors.index(one.name)
        for one in topology.applications
        if one.kind != "fix" and one.name in topology.contributors
    ]
    people = configuration.participants
    guardian = Counted(
        site.stream,
        site.proposer(),
        site.topic,
        rules_of(options),
        Ledger(shards, topology.limits.orders, len(configuration.instruments)),
        Owners(
            configuration.topics,
            1 + max(who.account for who in people),
            1 + max(who.firm for who in people),
            makers,
        ),
        configuration.shard_of,
        options.every_ms * 1_000_000,
        configuration.opening,
    )
    guardian.show_in(site.metrics, site.name)
    guardian.show(site.lossy, site.name)
    return guardian
