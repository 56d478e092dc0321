"""The kinds of application that a topology file can name: one entry a kind."""

from __future__ import annotations

from typing import Final

from tools.kinds import fix, ticker
from tools.site import Kind

KINDS: Final[dict[str, Kind]] = {
    "fix": Kind(fix.Options, fix.make, proposes=True, listens=("",)),
    "ticker": Kind(ticker.Options, ticker.make, proposes=True, topics=1),
}
