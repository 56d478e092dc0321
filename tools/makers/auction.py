"""Makes the auctions of a core: see tools/kinds/auction.py."""

from __future__ import annotations

from typing import cast

import numpy as np

from ports.auction import Auction, Collars
from ports.auction_orders import AuctionOrders
from ports.auction_plan import SECOND_NS, AuctionPlan, Schedule
from ports.open_orders import NEVER
from tools import rules
from tools.kinds.auction import Options
from tools.site import Site


def make(site: Site) -> Auction:
    """One over all instruments, on their topics."""
    options = cast(Options, site.options)
    configuration = site.configuration
    instruments, topology = configuration.instruments, configuration.topology
    schedule = Schedule(
        rules.nanoseconds(options.opening_call, 0),
        rules.nanoseconds(options.opens, NEVER),
        rules.nanoseconds(options.closing_call, NEVER),
        rules.nanoseconds(options.closes, NEVER),
        options.halt_s * SECOND_NS,
        options.resume_s * SECOND_NS,
        options.imbalance_ms * 1_000_000,
    )
    auction = Auction(
        site.stream,
        site.volley(),
        AuctionOrders(topology.exchange.shards, topology.limits.orders, len(instruments)),
        AuctionPlan(schedule, len(instruments), configuration.topic_of_instrument(0)),
        np.array([one.shard for one in instruments], np.intp),
        np.array([(one.price_ticks_min, one.price_ticks_max) for one in instruments], np.int64),
        Collars(
            options.collar_ticks,
            options.collar_bp,
            options.extension_s * SECOND_NS,
            options.extensions,
        ),
        configuration.opening,
    )
    auction.show(site.lossy, site.name)
    return auction
