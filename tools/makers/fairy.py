"""Makes the cancel fairy of a core: see tools/kinds/fairy.py."""

from __future__ import annotations

from typing import cast

from ports.fairy import CancelFairy
from ports.open_orders import OpenOrders
from tools import rules
from tools.kinds.fairy import Options
from tools.site import Site


def make(site: Site) -> CancelFairy:
    """A fairy over all orders of the exchange."""
    day_ends = cast(Options, site.options).day_ends
    configuration = site.configuration
    topology = configuration.topology
    fairy = CancelFairy(
        site.stream,
        site.proposer(),
        OpenOrders(topology.exchange.shards, topology.limits.orders),
        len(configuration.instruments),
        configuration.opening,
        rules.nanoseconds(day_ends),
    )
    fairy.show(site.lossy, site.name)
    return fairy
