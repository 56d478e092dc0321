"""Makes the ticker of a core: see tools/kinds/ticker.py."""

from __future__ import annotations

from typing import cast

from ports.ticker import Ticker
from tools.kinds.ticker import Options
from tools.site import Site


def make(site: Site) -> Ticker:
    """A ticker on the application's own topic."""
    every_ns = cast(Options, site.options).every_ms * 1_000_000
    opening = site.configuration.opening
    return Ticker(site.stream, site.proposer(), site.core, site.topic, every_ns, opening)
