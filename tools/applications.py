"""The kinds of application that a topology file can name: one entry a kind."""

from __future__ import annotations

from typing import Final

from tools.kinds import fairy, fix, guardian, market, stops, ticker
from tools.site import Kind

KINDS: Final[dict[str, Kind]] = {
    "fairy": Kind(fairy.Options, fairy.make, proposes=True, confined=True),
    "fix": Kind(fix.Options, fix.make, proposes=True, listens=("",), confined=True),
    "guardian": Kind(guardian.Options, guardian.make, proposes=True, topics=1, confined=True),
    "stops": Kind(stops.Options, stops.make, proposes=True, confined=True),
    "market": Kind(market.MarketOptions, market.make_market, confined=True),
    "request": Kind(market.RequestOptions, market.make_request, listens=("",), confined=True),
    "snapshot": Kind(
        market.SnapshotOptions,
        market.make_snapshot,
        listens=(market.SNAPSHOT, market.DAY),
        confined=True,
    ),
    "ticker": Kind(ticker.Options, ticker.make, proposes=True, topics=1, confined=True),
}
