"""Makes what holds the stop orders in a core: see tools/kinds/stops.py."""

from __future__ import annotations

from typing import cast

from ports.stops import StopOrders
from tools.kinds.stops import Options
from tools.site import Site


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
