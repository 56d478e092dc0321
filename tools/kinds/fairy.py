"""`kind = "fairy"`: cancels orders whose time, or whose day, is over; several may run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from ports.fairy import CancelFairy
from ports.open_orders import OpenOrders
from tools import rules
from tools.site import Site


@dataclass(frozen=True, slots=True)
class Options:
    """`day_ends`: when day orders are over (UTC), "never" unless their instrument is closed."""

    day_ends: str = field(default="never", metadata={"rule": rules.time_of_day})


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
