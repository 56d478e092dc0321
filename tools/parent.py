"""A process that ends with the one that started it, so that nothing outlives its supervisor."""

from __future__ import annotations

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1


def end_with_parent(parent_pid: int) -> bool:
    """Get SIGTERM when the parent dies, so that nothing outlives its supervisor.

    Args: parent_pid: who started this process. Returns: False: it is dead already.
    Thread: any; "parent" is the thread that started this process.
    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    return os.getppid() == parent_pid
