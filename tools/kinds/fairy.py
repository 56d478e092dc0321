"""`kind = "fairy"`: cancels orders whose time, or whose day, is over; several may run."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools import rules


@dataclass(frozen=True, slots=True)
class Options:
    """`day_ends`: when day orders are over (UTC), "never" unless their instrument is closed."""

    day_ends: str = field(default="never", metadata={"rule": rules.time_of_day})
