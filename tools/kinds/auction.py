"""`kind = "auction"`: opening, closing and halt auctions of all instruments; several may run."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools import rules

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
