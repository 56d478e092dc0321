"""`kind = "auction"`: opening, closing and halt auctions of all instruments; several may run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np

from ports.auction import Auction, Collars
from ports.auction_orders import AuctionOrders
from ports.auction_plan import SECOND_NS, AuctionPlan, Schedule
from ports.open_orders import NEVER
from tools import rules
from tools.site import Site

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Options:
    """`opening_call`, `opens`, `closing_call`, `closes`: times of the day (UTC), or "never".

    From the start of the day until `opens` orders are collected for the opening cross, and from
    `opening_call` on its imbalance is said ("never": from the start); from `closing_call` until
    `closes` they are collected for the closing cross. One that is in Auction at another time is
    crossed after `halt_s`; one that was halted goes there after `resume_s`, 0: when an operator
    says so. `imbalance_ms`: between two words about it. `collar_ticks`, `collar_bp` (1/100 per
    cent): how far from the reference a price may be, the wider of both counts; outside, the cross
    is put off by `extension_s`, `extensions` times.
    """

    opening_call: str = field(default="never", metadata={"rule": rules.time_of_day})
    opens: str = field(default="never", metadata={"rule": rules.time_of_day})
    closing_call: str = field(default="never", metadata={"rule": rules.time_of_day})
    closes: str = field(default="never", metadata={"rule": rules.time_of_day})
    halt_s: int = field(default=60, metadata={"rule": rules.whole(0, 24 * HOUR)})
    resume_s: int = field(default=0, metadata={"rule": rules.whole(0, 24 * HOUR)})
    imbalance_ms: int = field(default=1000, metadata={"rule": rules.whole(10, HOUR * 1000)})
    collar_ticks: int = field(default=0, metadata={"rule": rules.whole(0, (1 << 30) - 1)})
    collar_bp: int = field(default=0, metadata={"rule": rules.whole(0, 1_000_000)})
    extension_s: int = field(default=120, metadata={"rule": rules.whole(1, 24 * HOUR)})
    extensions: int = field(default=1, metadata={"rule": rules.whole(0, 255)})


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
