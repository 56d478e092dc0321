"""What is known about an exchange that is up: its state file, and how to find and remove it.

The launcher alone writes the file, in the exchange's directory. A line in /dev/shm, beside the
shared memory, leads from the exchange's name to it; making that line is also what keeps two
launchers apart.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ringbus.backing import TMPFS
from ringbus.segment import listing, segment_name, unlink
from ringbus.status import UsageError
from tools.private import write_private
from tools.process import Faults, Process, end

POINTER = "launcher"
STATE_FILE = "state.json"
CONFIGURATION_FILE = "configuration.json"
# The launcher gives its cores 1 s after SIGTERM and 1 s after SIGKILL.
LAUNCHER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class CoreRecord:
    """One core's process as the launcher last started it.

    `warm`: its page faults when all that it needs was in memory; None: it has just started.
    """

    process: Process
    restarts: int
    warm: Faults | None = None

    @classmethod
    def read(cls, document: dict[str, Any]) -> CoreRecord:
        """As it stands in the file. Raises: KeyError, TypeError."""
        warm = document["warm"]
        return cls(
            Process(**document["process"]),
            document["restarts"],
            None if warm is None else Faults(**warm),
        )


@dataclass(frozen=True, slots=True)
class State:
    """One exchange; `ports` are TCP ports by port, `ready` when the day was opened.

    `build` is the fingerprint of the code it runs, in hexadecimal digits; `banner` what a tool says
    before it does anything to it, "" of a test; `partition` the control group of its cores that
    never sleep, "" for none.
    """

    name: str
    topology: str
    directory: str
    launcher: Process
    cores: dict[str, CoreRecord]
    ports: dict[str, int]
    build: str
    ready: bool
    banner: str
    partition: str = ""

    @property
    def path(self) -> Path:
        """Its file."""
        return Path(self.directory) / STATE_FILE

    def write(self) -> None:
        """Replace the file."""
        write_private(self.path, json.dumps(dataclasses.asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> State:
        """Read the file. Raises: OSError, ValueError."""
        document = cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))
        try:
            return cls(
                document["name"],
                document["topology"],
                document["directory"],
                Process(**document["launcher"]),
                {name: CoreRecord.read(core) for name, core in document["cores"].items()},
                document["ports"],
                document["build"],
                document["ready"],
                document["banner"],
                document["partition"],
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path} is no state of an exchange: {error!r}") from None


def claim(name: str, directory: Path) -> bool:
    """Say that the exchange's state is in `directory`; False: somebody has said so before."""
    path = TMPFS / segment_name(name, POINTER)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(str(directory))
    return True


def find(name: str) -> State | None:
    """The state of the exchange of that name, if its launcher got as far as writing it."""
    try:
        directory = Path((TMPFS / segment_name(name, POINTER)).read_text(encoding="utf-8"))
        state = State.read(directory / STATE_FILE)
    except (OSError, ValueError):
        return None
    return state if state.name == name else None


def exchange_name(target: str) -> str:
    """The name of an exchange from what the operator said: its name, or its topology file.

    Only the name is read, so that an exchange can be taken down whose file has become wrong.
    Raises: UsageError: neither.
    """
    path = Path(target)
    if path.suffix != ".toml" and not path.is_file():
        segment_name(target, POINTER)
        return target
    import tomllib  # 4 ms of `ringbus down` where it is told a name.

    try:
        name = tomllib.loads(path.read_text(encoding="utf-8"))["exchange"]["name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{target}: cannot read the exchange's name there ({error}); say the name itself"
        ) from None
    segment_name(str(name), POINTER)
    return str(name)


@dataclass(frozen=True, slots=True)
class Removed:
    """What `remove` found: whether a launcher ended itself, processes ended, segments removed."""

    launcher: bool
    processes: int
    segments: int

    @property
    def anything(self) -> bool:
        """Whether there was something."""
        return self.launcher or self.processes > 0 or self.segments > 0


def remove(name: str, rescue: Callable[[State], None] = lambda state: None) -> Removed:
    """Stop the exchange, and remove whatever is left of it, however its processes ended.

    Args: rescue: called when no process is left and memory is; what it raises keeps the memory.
    """
    state = find(name)
    launcher, processes = False, 0
    if state is not None:
        if state.launcher.alive:
            launcher = True
            end([state.launcher], LAUNCHER_SECONDS)
        cores = [core.process for core in state.cores.values() if core.process.alive]
        processes = len(cores)
        end(cores)
        if listing(name):
            rescue(state)
    segments = sum(1 for segment in listing(name) if unlink(segment))
    if state is not None:
        remove_files(Path(state.directory))
    return Removed(launcher, processes, segments)


def remove_files(directory: Path) -> None:
    """What only an exchange that is up has in its directory, sockets of killed processes too."""
    for name in (STATE_FILE, CONFIGURATION_FILE):
        (directory / name).unlink(missing_ok=True)
    for path in directory.glob("*.sock"):
        if path.is_socket():
            path.unlink(missing_ok=True)
