"""An exchange as another program sees it: start it, find its ports, break it, take it down."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ringbus.core import CorePage, CoreState
from tools.child import environment, log_tail
from tools.configuration import Configuration
from tools.launcher import LaunchError, refuse_if_there
from tools.memory import Attachment
from tools.partitions import give_back
from tools.process import Process
from tools.state import CONFIGURATION_FILE, State, find, remove
from tuning.host import Host

POLL_SECONDS = 0.005
HOST = Host()


def start_detached(
    path: Path | str, bound: bool = False, goes_on: bool = False, replaces: bool = False
) -> Exchange:
    """Start an exchange in a background process; returns when it is ready.

    Args: path: the topology file; bound: it ends when the calling thread does; goes_on: with the
    day that its journals hold; replaces: a day that was not ended, by a new one.
    Raises: ConfigurationError, LaunchError: with the launcher's own last lines.
    """
    configuration = Configuration.load(path)
    topology = configuration.topology
    refuse_if_there(topology.name)
    log = topology.directory / "logs" / "launcher.log"
    _make_private(log)
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "tools.cli", "up", str(topology.path)]
    command += ["--notify", str(writing)]
    command += ["--continue"] if goes_on else []
    command += ["--new-day"] if replaces else []
    if bound:
        command += ["--parent", str(os.getpid())]
    with os.fdopen(reading, "rb") as notice, log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=(writing,),
            env=environment(),
        )
        os.close(writing)
        said = notice.read()
    if said != b"READY\n":
        process.wait()
        raise LaunchError(f"exchange {topology.name} did not start{log_tail(log)}")
    return Exchange(configuration, process)


def _make_private(log: Path) -> None:
    """An empty log, in directories that are the account's alone if they were not there."""
    before = os.umask(0o077)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        log.touch()
    finally:
        os.umask(before)


class Exchange:
    """An exchange that runs in other processes, as a test or a program sees it."""

    def __init__(
        self, configuration: Configuration, launcher: subprocess.Popen[bytes] | None = None
    ) -> None:
        self.configuration = configuration
        self.name = configuration.topology.name
        self.directory = configuration.topology.directory
        self._launcher = launcher

    @classmethod
    def running(cls, name: str) -> Exchange:
        """The exchange of that name which somebody has started. Raises: LaunchError: none is up."""
        state = find(name)
        if state is None:
            raise LaunchError(f"exchange {name} is not up")
        return cls(Configuration.restore(Path(state.directory) / CONFIGURATION_FILE))

    @property
    def state(self) -> State:
        """What its launcher last wrote. Raises: LaunchError: it is not up."""
        state = find(self.name)
        if state is None:
            raise LaunchError(f"exchange {self.name} is not up")
        return state

    def port(self, name: str) -> tuple[str, int]:
        """Host and TCP port where clients of the port `name` connect."""
        return self.configuration.topology.port(name).host, self.state.ports[name]

    def process(self, core: str) -> Process:
        """The process of a core."""
        return self.state.cores[core].process

    def kill(self, core: str, number: int = signal.SIGKILL) -> Process:
        """Send a core's process a signal; returns the process that was hit."""
        process = self.process(core)
        process.send(number)
        return process

    def await_restart(self, core: str, former: Process, timeout_s: float = 90.0) -> Process:
        """Wait until another process than `former` runs the core and beats.

        Raises: LaunchError: it did not in time, or the exchange went down.
        """
        deadline = time.monotonic() + timeout_s
        with Attachment(self.name) as shared:
            page = CorePage(shared.attach(f"core.{core}"))
            while time.monotonic() < deadline:
                record = self.state.cores.get(core)
                if record is None:
                    # Its place is vacant: the engine died, and nobody has taken over yet.
                    time.sleep(POLL_SECONDS)
                    continue
                process = record.process
                running = page.state == CoreState.RUNNING and page.pid == process.pid
                if process != former and running and page.beat_ns > 0:
                    return process
                time.sleep(POLL_SECONDS)
        raise LaunchError(f"core {core} was not started again within {timeout_s:.0f} s")

    def down(self, host: Host = HOST) -> None:
        """Stop it and remove what is left, also of one that was killed."""
        remove(self.name)
        give_back(self.name, host, print)
        if self._launcher is not None:
            self._launcher.wait()


@contextmanager
def launched(path: Path | str) -> Iterator[Exchange]:
    """An exchange for as long as the block lasts, and never longer than this thread."""
    exchange = start_detached(path, bound=True)
    try:
        yield exchange
    finally:
        exchange.down()
