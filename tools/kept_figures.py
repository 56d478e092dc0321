"""What only the processes of a day know, kept when it is closed: latency, readers, restarts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ringbus.histogram import Histogram
from ringbus.interval_log import read_hlog, write_hlog
from ringbus.multicast import gates
from tools import closed
from tools.hops import collect, of_hops
from tools.memory import Attachment
from tools.private import write_private
from tools.state import State
from tools.topology import Topology

FIGURES_FILE: Final = "figures.json"
LATENCY_FILE: Final = "latency.hlog"
READERS: Final = ("name", "received", "lost", "laps")


@dataclass(frozen=True, slots=True)
class Figures:
    """`restarts` by core; `readers`: name, messages received, lost and times overtaken; of latency
    what its cores had recorded since they were started last.
    """

    restarts: dict[str, int] = field(default_factory=dict)
    readers: Sequence[Sequence[object]] = ()
    latency: dict[str, Histogram] = field(default_factory=dict)


def look(state: State) -> Figures:
    """Of an exchange that is up."""
    with Attachment(state.name) as shared:
        tables = [shared.attach(f"stream.{name}") for name in ("readers", "lossy")]
        readers = [
            [getattr(place, name) for name in READERS] for table in tables for place in gates(table)
        ]
    restarts = {name: core.restarts for name, core in state.cores.items()}
    return Figures(restarts, readers, of_hops(collect(state.name)))


def keep(figures: Figures, topology: Topology, start_s: float, end_s: float) -> None:
    """Beside the record of the day that is being closed."""
    directory = closed.directory_of(topology)
    document = dataclasses.asdict(dataclasses.replace(figures, latency={}))
    write_private(directory / FIGURES_FILE, json.dumps(document) + "\n")
    write_hlog(directory / LATENCY_FILE, figures.latency, start_s, end_s)


def find(directory: Path) -> Figures | None:
    """What was kept beside a day's record; None: nothing was."""
    try:
        document = json.loads((directory / FIGURES_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    latency = directory / LATENCY_FILE
    return Figures(
        document["restarts"],
        document["readers"],
        read_hlog(latency) if latency.exists() else {},
    )
