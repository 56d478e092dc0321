"""Out of the way of what is watched: low priority, others first, on other CPUs."""

from __future__ import annotations

import os
from collections.abc import Set

from tools.turns import LONG_NS, ask_for_turns

NICENESS = 10


def stand_aside(hot_cpus: Set[int] | None) -> None:
    """Let this process run behind others, and not on CPUs of cores that never sleep.

    Args: hot_cpus: those; where there are no others, it shares them.
    """
    # As much further as it is not yet.
    os.nice(max(0, NICENESS - os.nice(0)))
    ask_for_turns(LONG_NS)
    if left := os.sched_getaffinity(0) - (hot_cpus or frozenset()):
        os.sched_setaffinity(0, left)
