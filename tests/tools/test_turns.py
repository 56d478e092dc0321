"""Who asks for turns of a length has them, as far as this kernel knows such a thing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tools.conftest import Maker
from tools.exchange import launched
from tools.turns import LONG_NS, SHORT_NS

ROOT = Path(__file__).resolve().parents[2]
TICKER = """\
[[application]]
name = "ticker.0"
kind = "ticker"
[[core]]
name = "applications"
agents = ["ticker.0"]
"""
# What a process says of itself, so that it has not ended yet.
PROGRAM = """\
import os, threading
from tools.turns import SHORT_NS, LONG_NS, ask_for_turns

def said():
    print(ask_for_turns(LONG_NS), os.getpriority(os.PRIO_PROCESS, 0))
    path = f"/proc/self/task/{threading.get_native_id()}/sched"
    print(open(path).read() if os.path.exists(path) else "")

os.nice(3)
thread = threading.Thread(target=said)
thread.start()
thread.join()
"""


# Before 6.12 the kernel takes the wish and does nothing.
WISHES = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 12)
pytestmark = pytest.mark.skipif(not WISHES, reason="turns are asked for since Linux 6.12")


def slice_ns(text: str) -> int:
    found = re.search(r"se\.slice\s*:\s*(\d+)", text)
    if found is None:
        pytest.skip("this kernel does not tell how long a turn is")
    return int(found[1])


def turns_of(pid: int) -> int:
    path = Path(f"/proc/{pid}/sched")
    return slice_ns(path.read_text() if path.exists() else "")


def test_a_thread_asks_for_itself_and_keeps_its_priority() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, cwd=ROOT
    )
    first, _, rest = done.stdout.partition("\n")
    given, niceness = first.split()
    assert given == "True"
    assert int(niceness) >= 3
    assert slice_ns(rest) == LONG_NS


def test_who_is_waited_for_has_short_turns_and_python_has_not(make: Maker) -> None:
    path = make(ports=1)
    path.write_text(path.read_text() + TICKER)
    with launched(path) as exchange:
        state = exchange.state
        # It says that the exchange is ready before it begins to watch.
        deadline = time.monotonic() + 60
        while turns_of(state.launcher.pid) != SHORT_NS and time.monotonic() < deadline:
            time.sleep(0.01)
        assert turns_of(state.launcher.pid) == SHORT_NS
        for core in ("engine", "edge"):
            assert turns_of(state.cores[core].process.pid) == SHORT_NS
        assert turns_of(state.cores["applications"].process.pid) > SHORT_NS
