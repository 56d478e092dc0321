"""The kinds of application that a topology file can name: one entry a kind."""

from __future__ import annotations

from typing import Final

from tools.kinds import fairy, ticker
from tools.site import Kind

KINDS: Final[dict[str, Kind]] = {
    "fairy": Kind(fairy.Options, fairy.make, proposes=True),
    "ticker": Kind(ticker.Options, ticker.make, proposes=True, topics=1),
}
