"""`kind = "stops"`: holds stop orders until a trade reaches them; several may run."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools import rules


@dataclass(frozen=True, slots=True)
class Options:
    """`orders`: stop orders that are held at a time; the same for all that run side by side."""

    orders: int = field(default=1 << 16, metadata={"rule": rules.whole(1, 1 << 24)})
