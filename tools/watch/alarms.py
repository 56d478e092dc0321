"""Alarms in words, and where guardians count those that they have heard."""

from __future__ import annotations

from collections.abc import Iterable

from ringbus.describe import named
from ringbus.lines import Alarm
from ringbus.messages import GuardianAction, GuardianRule, MassCancelScope
from tools.kinds.guardian import count_name, last_name
from tools.topology import Topology
from tools.watch.sample import CoreSample


def alarms_heard(topology: Topology, cores: Iterable[CoreSample]) -> tuple[int, int]:
    """How many alarms guardians have heard, and the sequence of the last one; 0, 0: none."""
    counters = {core.name: core.counters for core in cores}
    found = [(0, 0)]
    for one in topology.applications:
        if one.kind == "guardian":
            page = counters[topology.core_of(one.name).name]
            found.append((page.get(count_name(one.name), 0), page.get(last_name(one.name), 0)))
    return max(found)


def alarm_words(line: Alarm) -> str:
    """Which rule, whose value, what it is and what it may be."""
    scope = MassCancelScope(line.scope)
    numbers = {
        MassCancelScope.SESSION: line.session,
        MassCancelScope.ACCOUNT: line.account,
        MassCancelScope.FIRM: line.firm,
        MassCancelScope.INSTRUMENT: line.instrument,
    }
    who = named(MassCancelScope, line.scope).lower()
    whose = f"{who} {numbers[scope]}" if scope in numbers else "everybody"
    action = ", kills" if line.action == GuardianAction.KILL else ""
    rule = named(GuardianRule, line.kind).lower().replace("_", "-")
    return f"rule {line.rule}, {rule} of {whose}: {line.value:,}, bound {line.bound:,}{action}"
