"""`kind = "reporter"`: reports every trade, bust and correction to a facility."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tools import rules

_COMP_ID: Final = rules.text(r"[!-~]{1,20}", "1 to 20 printable characters")


@dataclass(frozen=True, slots=True)
class Options:
    """`host`, `tcp`: where the facility is; `facility` is its CompID, `comp_id` ours.

    Without a `comp_id` it is the exchange's session. `window`: reports that may wait for answers.
    """

    host: str = field(default="127.0.0.1", metadata=rules.local(rules.address))
    tcp: int = field(default=26500, metadata=rules.local(rules.whole(1, 65535)))
    comp_id: str = field(default="", metadata={"rule": _COMP_ID})
    facility: str = field(default="FACILITY", metadata={"rule": _COMP_ID})
    heartbeat_s: int = field(default=10, metadata=rules.local(rules.whole(1, 3600)))
    # As that of ports/reporter.py, which only who runs one loads.
    window: int = field(default=1024, metadata=rules.local(rules.whole(1, 1 << 16)))
