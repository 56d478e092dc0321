"""The human beside the exchange: starts it, promotes, and takes down what is dead."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path

from ringbus.segment import listing
from tests.crash.plan import Plan
from tools.process import Process
from tools.state import State, find
from tools.topology import Topology, load_topology

LOOK_SECONDS = 0.03
COMMAND_SECONDS = 60.0


def ringbus(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Say a command as a human does."""
    return subprocess.run(
        [sys.executable, "-m", "tools.cli", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )


class Operator:
    """Does what the exchange asks for, and nothing else; `seen` are all processes that it had."""

    def __init__(self, plan: Plan, path: Path, name: str) -> None:
        self.name = name
        self.seen: dict[Process, None] = {}
        self._plan = plan
        self._path = path
        self._topology: Topology = load_topology(path)

    def up(self) -> None:
        """Start the day. Raises: AssertionError: it does not start."""
        done = ringbus("up", "--detach", self._path)
        assert done.returncode == 0, done.stderr
        self._note()

    def down(self) -> None:
        """End the day."""
        self._note()
        ringbus("down", self.name)

    def address(self, draw: random.Random) -> tuple[str, int]:
        """Where a client connects. Raises: LookupError: nobody listens now."""
        state = self._note()
        if state is None or not state.ports:
            raise LookupError("the exchange is not up")
        return "127.0.0.1", state.ports[draw.choice(sorted(state.ports))]

    def kill(self, core: str) -> bool:
        """SIGKILL of a core's process; False: it has none now."""
        state = self._note()
        record = state.cores.get(core) if state is not None else None
        if record is None or not record.process.alive:
            return False
        record.process.send(signal.SIGKILL)
        return True

    async def watch(self) -> None:
        """Look after it for ever. Raises: AssertionError: it is beyond help."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            state = self._note()
            assert state is not None, "the exchange went down"
            if self._is_vacant(state) and self._plan.failover == "operator":
                await asyncio.to_thread(ringbus, "promote", self.name)

    async def healthy(self) -> None:
        """Until every core runs and the passive engine follows."""
        while (await asyncio.to_thread(ringbus, "status", self.name)).returncode != 0:
            await asyncio.sleep(LOOK_SECONDS)

    def _is_vacant(self, state: State) -> bool:
        return state.ready and "engine" not in state.cores

    def _note(self) -> State | None:
        state = find(self.name)
        if state is not None:
            self.seen[state.launcher] = None
            for record in state.cores.values():
                self.seen[record.process] = None
        return state

    @property
    def segments(self) -> list[str]:
        """What there is of its memory."""
        return listing(self.name)
