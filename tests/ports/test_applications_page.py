"""The application of ports/applications.md does what the page says."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from ringbus.messages import CANCEL, Side, Template, TimeInForce
from tests.ports.market import Market, order
from tools.applications import KINDS

README = (Path(__file__).resolve().parents[2] / "ports" / "applications.md").read_text()
(PROGRAM,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
ACCOUNT = 7


def test_the_application_takes_away_what_is_left() -> None:
    """Two of them run, and one of them is made anew in the middle: it is done once."""
    names: dict[str, Any] = {}
    exec(compile(PROGRAM, "ports/applications.md", "exec"), names)
    market = Market(2)

    def make(number: int) -> Any:
        return names["OneTrade"](market.stream, market.proposer(number), ACCOUNT)

    apps = [make(0), make(1)]
    market.say(order(1, account=ACCOUNT), 1)
    market.say(order(2, account=ACCOUNT, instrument=1), 1)
    market.say(order(3, account=8, instrument=2), 2)
    market.settle(apps)
    fill = {"side": Side.SELL, "quantity": 4, "time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL}
    for n, instrument in enumerate((0, 2)):
        market.say(order(10 + n, instrument=instrument, **fill), 3)
    apps[0].do_work(100)
    apps[0] = make(0)
    market.settle(apps)
    said = market.day().view(CANCEL)
    canceled = said[said["template_id"] == Template.CANCEL]
    assert [(int(one["client_order_id"]), int(one["quantity"])) for one in canceled] == [(1, 6)]
    assert Template.REJECTED not in said["template_id"]


def test_its_lines_are_few() -> None:
    lines = [line for line in PROGRAM.splitlines() if line.strip() and "import" not in line]
    assert len(lines) <= 25


def test_its_kinds_are_real() -> None:
    """And its examples are what a topology file may hold."""
    rows = re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)
    assert set(rows) <= set(KINDS)
    assert len(rows) >= 2
    examples = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        (application,) = tomllib.loads(example)["application"]
        options = {key: value for key, value in application.items() if key not in ("name", "kind")}
        kind = cast(Any, KINDS[application["kind"]].options)
        rules = {one.name: one.metadata["rule"] for one in fields(kind)}
        assert {key: rules[key](value) for key, value in options.items()}
