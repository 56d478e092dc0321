"""Makes the guardian of a core: see tools/kinds/guardian.py."""

from __future__ import annotations

from typing import cast

from ports.guardian import Guardian, Owners
from ports.guardian_ledger import Ledger
from ports.guardian_rules import Rule
from ringbus.messages import MassCancelScope
from ringbus.metrics import Metrics
from tools.kinds.guardian import ACTIONS, KINDS, SCOPES, Options, count_name, last_name
from tools.site import Site


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
