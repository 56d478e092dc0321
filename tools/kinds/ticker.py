"""`kind = "ticker"`: keeps the stream's time going when nobody speaks."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools import rules


@dataclass(frozen=True, slots=True)
class Options:
    """`every_ms`: how long the stream may be silent."""

    every_ms: int = field(default=100, metadata={"rule": rules.whole(1, 60_000)})
