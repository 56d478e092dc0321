"""The kinds of application that a topology file can name: one entry a kind."""

from __future__ import annotations

from typing import Final

from tools.kinds import ticker
from tools.site import Kind

KINDS: Final[dict[str, Kind]] = {
    "ticker": Kind(ticker.Options, ticker.make, proposes=True, topics=1),
}
