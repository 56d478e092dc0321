"""The kinds of application that a topology file can name: one entry a kind."""

from __future__ import annotations

from typing import Final

from tools.kind import Kind
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

KINDS: Final[dict[str, Kind]] = {
    "auction": Kind(auction.Options, "tools.makers.auction:make", proposes=True, instruments=True),
    "console": Kind(console.Options, "tools.makers.console:make", proposes=True, sockets=True),
    "drop": Kind(drop.Options, "tools.makers.drop:make", proposes=True, listens=("",)),
    "fairy": Kind(fairy.Options, "tools.makers.fairy:make", proposes=True),
    "fix": Kind(fix.Options, "tools.makers.fix:make", proposes=True, listens=("",)),
    "guardian": Kind(guardian.Options, "tools.makers.guardian:make", proposes=True, topics=1),
    "stops": Kind(stops.Options, "tools.makers.stops:make", proposes=True),
    "market": Kind(market.MarketOptions, "tools.makers.market:make_market"),
    "request": Kind(market.RequestOptions, "tools.makers.market:make_request", listens=("",)),
    "reporter": Kind(
        reporter.Options, "tools.makers.reporter:make", proposes=True, topics=1, sockets=True
    ),
    "snapshot": Kind(
        market.SnapshotOptions,
        "tools.makers.market:make_snapshot",
        listens=(market.SNAPSHOT, market.DAY),
    ),
    "ticker": Kind(ticker.Options, "tools.makers.ticker:make", proposes=True, topics=1),
}
"""What every process knows of them is light; how one is made, the core that runs it loads."""
