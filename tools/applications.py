"""The kinds of application that a topology file can name: one entry a kind."""

from __future__ import annotations

from typing import Final

from tools.kinds import (
    auction,
    console,
    drop,
    fairy,
    fix,
    guardian,
    market,
    reporter,
    stops,
    ticker,
)
from tools.site import Kind

KINDS: Final[dict[str, Kind]] = {
    "auction": Kind(auction.Options, auction.make, proposes=True, instruments=True),
    "console": Kind(console.Options, console.make, proposes=True, sockets=True),
    "drop": Kind(drop.Options, drop.make, proposes=True, listens=("",)),
    "fairy": Kind(fairy.Options, fairy.make, proposes=True),
    "fix": Kind(fix.Options, fix.make, proposes=True, listens=("",)),
    "guardian": Kind(guardian.Options, guardian.make, proposes=True, topics=1),
    "stops": Kind(stops.Options, stops.make, proposes=True),
    "market": Kind(market.MarketOptions, market.make_market),
    "request": Kind(market.RequestOptions, market.make_request, listens=("",)),
    "reporter": Kind(reporter.Options, reporter.make, proposes=True, topics=1, sockets=True),
    "snapshot": Kind(
        market.SnapshotOptions, market.make_snapshot, listens=(market.SNAPSHOT, market.DAY)
    ),
    "ticker": Kind(ticker.Options, ticker.make, proposes=True, topics=1),
}
