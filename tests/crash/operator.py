"""The human beside the exchange: starts it, promotes, and takes down what is dead."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from ringbus.marks import Marks
from ringbus.segment import listing, unlink
from ringbus.status import RingbusError
from tests.crash.disk import lose_tails
from tests.crash.leftovers import leftovers, listeners, processes
from tests.crash.plan import EVERYTHING, HOST, LAUNCHER, Plan
from tools.memory import Attachment
from tools.process import Process
from tools.state import State, find
from tools.status import look
from tools.topology import ConfigurationError, Topology, load_topology

LOOK_SECONDS = 0.03
# A start alone may take 60 s before it gives up.
COMMAND_SECONDS = 120.0
ATTEMPTS_MAX = 8


class Operator:
    """Does what the exchange asks for, and nothing else; `seen` are all processes that it had."""

    def __init__(self, plan: Plan, path: Path, name: str) -> None:
        self.name = name
        self.seen: dict[Process, None] = {}
        self.temporary = path.parent / "temporary"
        self.temporary.mkdir()
        self._heard: set[tuple[int, str]] = set()
        self._ports: dict[str, int] = {}
        self._plan = plan
        self._path = path
        self.continued = 0
        self._topology: Topology = load_topology(path)
        self._draw = random.Random(plan.seed)

    def up(self, *words: str) -> None:
        """Start the day, or go on with it. Raises: AssertionError: it does not start."""
        done = self._say("up", "--detach", *words, self._path)
        assert done.returncode == 0, done.stderr
        self._note()

    def cut_up(self, after_s: float) -> None:
        """Start the day, and kill one of its processes so soon that it may not be up; clean up.

        Raises: AssertionError: something is left.
        """
        self._cut(after_s, "up", "--detach", self._path)
        down = self._say("down", self.name)
        assert down.returncode == 0, down.stderr
        self.nothing_is_left()

    def go_on(self) -> None:
        """Take what is dead down, and go on with the day; who dies over it is started again."""
        why = ""
        for _ in range(ATTEMPTS_MAX):
            down = self._say("down", self.name)
            assert down.returncode == 0, down.stderr
            try:
                self.up("--continue")
            except AssertionError as error:
                why = str(error)
                continue
            self.continued += 1
            return
        raise AssertionError(f"the day cannot be gone on with: {why}")

    def down(self, cut_s: float | None = None) -> None:
        """End the day; or try to, kill one of those who do it after `cut_s`, and end it then."""
        self._note()
        if cut_s is not None:
            self._cut(cut_s, "down", self._path)
        down = self._say("down", self.name)
        assert down.returncode == 0, down.stderr

    def nothing_is_left(self) -> None:
        """Raises: AssertionError: something of it is there, but the day's files."""
        deadline = time.monotonic() + COMMAND_SECONDS
        # Whoever the kernel tells that its parent has died takes a moment.
        while left := self._left():
            if time.monotonic() > deadline:
                for process in self.seen:
                    process.send(signal.SIGKILL)
                raise AssertionError(f"left behind: {', '.join(left)}")
            time.sleep(LOOK_SECONDS)

    def _left(self) -> list[str]:
        out = [f"process {process.pid}" for process in self.seen if process.alive]
        directory = self._path.parent
        return out + list(leftovers(self.name, directory, self.temporary, self._heard))

    def _say(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Say a command as a human does."""
        return subprocess.run(
            [sys.executable, "-m", "tools.cli", *map(str, words)],
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
            env={**os.environ, "TMPDIR": str(self.temporary)},
        )

    def _cut(self, after_s: float, *words: str | Path) -> None:
        """Say a command, and SIGKILL one of the exchange's processes so many seconds later."""
        with subprocess.Popen(
            [sys.executable, "-m", "tools.cli", *map(str, words)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(self.temporary)},
        ) as command:
            time.sleep(after_s)
            self._note()
            if alive := processes(self._path.parent):
                for process in alive:
                    self.seen[process] = None
                self._draw.choice(alive).send(signal.SIGKILL)
            command.wait(COMMAND_SECONDS)

    def address(self, draw: random.Random) -> tuple[str, int]:
        """Where a client connects. Raises: LookupError: nobody listens now."""
        state = self._note()
        if state is None or not state.ports:
            raise LookupError("the exchange is not up")
        entries = sorted(name for name in state.ports if name.startswith("port."))
        return "127.0.0.1", state.ports[draw.choice(entries)]

    def kill(self, target: str) -> bool:
        """SIGKILL of a core's process, of the launcher, or of all; False: there is none now.

        Of a host that dies, the memory is gone too, and of its disks what was not durable.
        """
        state = self._note()
        if state is None:
            return False
        if target in (EVERYTHING, HOST):
            return self._kill_all(state, target == HOST)
        core = state.cores.get(target)
        process = state.launcher if target == LAUNCHER else core.process if core else None
        if process is None or not process.alive:
            return False
        process.send(signal.SIGKILL)
        return True

    def _kill_all(self, state: State, host: bool) -> bool:
        # All at one moment, as a host dies.
        processes = [state.launcher, *(core.process for core in state.cores.values())]
        if not state.ready or not all(process.alive for process in processes):
            return False
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in processes:
                process.send(number)
        while any(process.alive for process in processes):
            time.sleep(LOOK_SECONDS)
        if host:
            with Attachment(self.name) as shared:
                durable = Marks(shared.attach("marks")).durable()
            for segment in listing(self.name):
                unlink(segment)
            lose_tails(self._topology, durable, self._draw)
        return True

    async def watch(self) -> None:
        """Look after it for ever. Raises: AssertionError: it is beyond help."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            state = self._note()
            if state is None or not state.launcher.alive:
                await asyncio.to_thread(self.go_on)
            elif self._is_vacant(state) and self._plan.failover == "operator":
                await asyncio.to_thread(self._say, "promote", self.name)

    async def healthy(self) -> None:
        """Until every core runs and the passive engine follows."""
        # The command says so too; it is asked once, since starting it takes a second.
        while (
            not await asyncio.to_thread(self._looks_healthy)
            or (await asyncio.to_thread(self._say, "status", self.name)).returncode != 0
        ):
            await asyncio.sleep(LOOK_SECONDS)

    def _looks_healthy(self) -> bool:
        try:
            status = look(self.name, time.time_ns())
        except (RingbusError, ConfigurationError):
            return False
        return status is not None and status.sample.healthy

    def _is_vacant(self, state: State) -> bool:
        return state.ready and "engine" not in state.cores

    def _note(self) -> State | None:
        state = find(self.name)
        if state is not None:
            self.seen[state.launcher] = None
            for record in state.cores.values():
                self.seen[record.process] = None
            if state.ports != self._ports:
                self._ports = state.ports
                own = set(state.ports.values())
                self._heard |= {one for one in listeners() if one[0] in own}
        return state
