"""What the kernel has counted of a process: time that it ran, and time that it waited for a CPU."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tools.process import SYSTEM, USER, stat_of

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a process since it began: `loop` is its first thread, which runs a core's agents.

    `loop_waited_ns`: ready to run, while something else had the CPU.
    """

    cpu_ns: int = 0
    loop_ns: int = 0
    loop_waited_ns: int = 0


def usage(pid: int) -> Usage:
    """Of a process; zeros if there is none.

    Source: proc(5); schedstat counts nanoseconds, where the kernel has it, stat ticks of 10 ms.
    """
    loop = _schedstat(pid, pid)
    try:
        threads = [int(one.name) for one in Path(f"/proc/{pid}/task").iterdir()]
        if loop is None:
            fields = stat_of(pid)
            ticks_ns = (int(fields[USER]) + int(fields[SYSTEM])) * _TICK_NS
            return Usage(ticks_ns, ticks_ns)
    except OSError:
        return Usage()
    every = (_schedstat(pid, thread) for thread in threads)
    return Usage(sum(one[0] for one in every if one is not None), *loop)


def _schedstat(pid: int, thread: int) -> tuple[int, int] | None:
    try:
        fields = Path(f"/proc/{pid}/task/{thread}/schedstat").read_text("ascii").split()
        return int(fields[0]), int(fields[1])
    except (OSError, ValueError, IndexError):
        return None
