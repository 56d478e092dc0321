"""A guardian in a topology: its rules are data, and a mistake in them is found before the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from ports.guardian_rules import Rule
from ringbus.application import line_of
from ringbus.lines import Alarm
from ringbus.messages import ALARM, GuardianAction, GuardianRule, MassCancelScope, Template
from tests.engine.trader import lines
from tests.tools.conftest import Maker
from tools.configuration import Configuration
from tools.kinds.guardian import Options
from tools.makers.guardian import rules_of
from tools.topology import ConfigurationError
from tools.watch.alarms import alarm_words

HEAD = '[[application]]\nname = "guardian.0"\nkind = "guardian"\n'
CORE = '[[core]]\nname = "watch"\nagents = ["guardian.0"]\n'
RULES = (
    'rules = [{ rule = "orders", scope = "firm", bound = 9, window_ms = 500, action = "kill" }, '
    '{ rule = "open-notional", scope = "everybody", bound = 1000000 }, { rule = "balance" }]\n'
)


def rules(path: Path) -> list[Rule]:
    options = Configuration.load(path).topology.application("guardian.0").options
    assert isinstance(options, Options)
    return rules_of(options)


def test_rules_are_data(make: Maker, tmp_path: Path) -> None:
    """And go with the configuration that a core is started with."""
    path = make(extra=HEAD + RULES + CORE)
    wanted = [
        Rule(GuardianRule.ORDERS, MassCancelScope.FIRM, 9, 500_000_000, 0, GuardianAction.KILL),
        Rule(GuardianRule.OPEN_NOTIONAL, MassCancelScope.EVERYTHING, 1_000_000),
        Rule(GuardianRule.BALANCE, MassCancelScope.INSTRUMENT, 0),
    ]
    assert rules(path) == wanted
    Configuration.load(path).save(tmp_path / "saved")
    saved = Configuration.restore(tmp_path / "saved").topology.application("guardian.0").options
    assert isinstance(saved, Options)
    assert rules_of(saved) == wanted


def test_without_rules_it_watches_the_book(make: Maker) -> None:
    kinds = {rule.kind for rule in rules(make(extra=HEAD + CORE))}
    assert kinds == {GuardianRule.CROSSED_BOOK, GuardianRule.TRADE_THROUGH, GuardianRule.BALANCE}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"orders"', '"order"', 'did you mean "orders"?'),
        ("window_ms", "window", 'did you mean "window_ms"?'),
        ('"firm"', '"firms"', 'did you mean "firm"?'),
        ('"firm"', '"instrument"', "a scope is session, account, firm, everybody"),
        ('"kill"', '"e-mail"', 'write "alarm" or "kill"'),
        ("bound = 9", "bound = -1", "write a whole number from 0"),
        ("bound = 9, ", "", 'rule "orders" has no bound'),
        ('rule = "orders", ', "", "does not say which it is"),
        ('"balance"', '"balance", window_ms = 5', "has no window"),
        ('"balance"', '"balance", scope = "firm"', "leave the scope out"),
        (RULES, "rules = []\n", "leave it out for those of a book"),
        (RULES, 'rules = ["orders"]\n', "write a rule such as"),
        (RULES, RULES + "every_ms = 5\n", "write a whole number from 10"),
    ],
)
def test_a_mistake_in_them_is_said(make: Maker, old: str, new: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Configuration.load(make(extra=HEAD + RULES.replace(old, new, 1) + CORE))
    assert expected in str(caught.value)
    assert ".toml:" in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"rule": 2, "kind": GuardianRule.ORDERS, "scope": MassCancelScope.FIRM, "firm": 3,
             "value": 12_345, "bound": 9, "action": GuardianAction.KILL},
            "rule 2, orders of firm 3: 12,345, bound 9, kills",
        ),
        (
            {"rule": 1, "kind": GuardianRule.CROSSED_BOOK, "scope": MassCancelScope.INSTRUMENT,
             "instrument": 7, "value": 101, "bound": 100, "action": GuardianAction.ALARM},
            "rule 1, crossed-book of instrument 7: 101, bound 100",
        ),
        (
            {"rule": 4, "kind": GuardianRule.REFUSALS, "scope": MassCancelScope.EVERYTHING,
             "value": 2, "bound": 1, "action": GuardianAction.ALARM},
            "rule 4, refusals of everybody: 2, bound 1",
        ),
    ],
)  # fmt: skip
def test_an_alarm_in_words(fields: dict[str, int], words: str) -> None:
    line = line_of(lines(ALARM, Template.ALARM, **fields), 0)
    assert isinstance(line, Alarm)
    assert alarm_words(line) == words
