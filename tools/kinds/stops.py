"""`kind = "stops"`: holds stop orders until a trade reaches them; several may run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from ports.stops import StopOrders
from tools import rules
from tools.site import Site


@dataclass(frozen=True, slots=True)
class Options:
    """`orders`: stop orders that are held at a time; the same for all that run side by side."""

    orders: int = field(default=1 << 16, metadata={"rule": rules.whole(1, 1 << 24)})


def make(site: Site) -> StopOrders:
    """Holds those of all instruments."""
    configuration = site.configuration
    stops = StopOrders(
        site.stream,
        site.proposer(),
        len(configuration.instruments),
        cast(Options, site.options).orders,
        configuration.opening,
    )
    stops.show(site.lossy, site.name)
    return stops
