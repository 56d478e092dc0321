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

    day_ends: str = field(
        default="never",
        metadata={
            "rule": rules.text(
                r"never|([01]\d|2[0-3]):[0-5]\d:[0-5]\d", 'a time such as "15:00:00", or "never"'
            )
        },
    )


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
        _nanoseconds(day_ends),
    )
    fairy.show(site.lossy, site.name)
    return fairy


def _nanoseconds(time_of_day: str) -> int:
    if time_of_day == "never":
        return 0
    hours, minutes, seconds = (int(part) for part in time_of_day.split(":"))
    return (hours * 3600 + minutes * 60 + seconds) * 1_000_000_000
