"""`kind = "ticker"`: keeps the stream's time going when nobody speaks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from ports.ticker import Ticker
from tools import rules
from tools.site import Site


@dataclass(frozen=True, slots=True)
class Options:
    """`every_ms`: how long the stream may be silent."""

    every_ms: int = field(default=100, metadata={"rule": rules.whole(1, 60_000)})


def make(site: Site) -> Ticker:
    """A ticker on the application's own topic."""
    every_ns = cast(Options, site.options).every_ms * 1_000_000
    opening = site.configuration.opening
    return Ticker(site.stream, site.proposer(), site.core, site.topic, every_ns, opening)
