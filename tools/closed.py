"""What a closed day leaves to the next one: its record, its configuration, and names for its files.

    ringbus close-day ─▶ closed/configuration.json        the day is being closed
                      ─▶ EndOfDay is the last line of every journal
                      ─▶ closed/record.json               it is closed: `close-day` is done
    ringbus up        ─▶ journal ▶ journal-NAME           what it has kept is carried over
                      ─▶ closed  ▶ day-NAME               the next day is open

NAME is the closed day's session. Each step is one rename, or a file that is replaced as a whole:
after a kill between any two of them the command that was at work is given again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ringbus.journal import map_day
from ringbus.messages import END_OF_DAY, Template
from tools.configuration import Configuration
from tools.private import write_private
from tools.state import CONFIGURATION_FILE
from tools.topology import ConfigurationError, Topology

CLOSED: Final = "closed"
RECORD_FILE: Final = "record.json"
# One row an order that was kept: what became of it in the next day.
CARRIED_FILE: Final = "carried.csv"


class ClosedError(Exception):
    """There is no such record, or it does not say what its journal says."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A day that was closed: `name` is what its files are kept under, `digest` the SHA-256 of its
    stream; `kept_orders`, `kept_quantity`: what its EndOfDay says goes to the next day.
    """

    name: str
    session: str
    messages: int
    digest: str
    kept_orders: int
    kept_quantity: int

    @property
    def digest_start(self) -> int:
        """The first 8 bytes of the digest, as CarriedOver has them."""
        return int.from_bytes(bytes.fromhex(self.digest)[:8], "little")


def directory_of(topology: Topology) -> Path:
    """Where the record of the last closed day is."""
    return topology.directory / CLOSED


def is_being_closed(topology: Topology) -> bool:
    """Whether `close-day` has begun and not come to its end."""
    directory = directory_of(topology)
    return directory.exists() and not (directory / RECORD_FILE).exists()


def begin(topology: Topology) -> None:
    """Keep what an exchange that is up was configured with, since that goes with its processes."""
    directory = directory_of(topology)
    directory.mkdir(mode=0o700, exist_ok=True)
    saved = (topology.directory / CONFIGURATION_FILE).read_text(encoding="utf-8")
    write_private(directory / CONFIGURATION_FILE, saved)


def configuration_of(topology: Topology) -> Configuration:
    """What the day was configured with. Raises: ConfigurationError: no such file."""
    return Configuration.restore(directory_of(topology) / CONFIGURATION_FILE)


def find(topology: Topology) -> Closed | None:
    """The record of the last closed day, None if none was closed since the present one began.

    Raises: ClosedError: it cannot be read.
    """
    path = directory_of(topology) / RECORD_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Closed(**document)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ClosedError(f"{path} cannot be read: {error}") from None


def finish(configuration: Configuration) -> Closed:
    """Write the record of a day whose journals end with its EndOfDay; what is there is replaced.

    Raises: ClosedError: the last line is another one.
    """
    topology = configuration.topology
    parts = [part for part in map_day(topology.journal_paths[0]) if len(part)]
    last = parts[-1][-1:].copy() if parts else None
    if last is None or int(last["template_id"][0]) != Template.END_OF_DAY:
        raise ClosedError(
            "the day has no end yet: `ringbus up --continue` goes on with it, then close it again"
        )
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.view("u1").data)
    end = last.view(END_OF_DAY)[0]
    former = find(topology)
    closed = Closed(
        former.name if former is not None else _free_name(topology),
        topology.exchange.session,
        int(end["sequence"]),
        digest.hexdigest(),
        int(end["kept_orders"]),
        int(end["kept_quantity"]),
    )
    text = json.dumps(dataclasses.asdict(closed), indent=1) + "\n"
    write_private(directory_of(topology) / RECORD_FILE, text)
    return closed


def journals_of(closed: Closed, topology: Topology) -> list[Path]:
    """Where the closed day's journals are now: put away, or where they were written."""
    places = [(kept_path(path, closed.name), path) for path in topology.journal_paths]
    return [kept if kept.exists() else path for kept, path in places]


def put_away(closed: Closed, topology: Topology, say: Callable[[str], None]) -> None:
    """Move the closed day's journals out of the next one's way."""
    for name, path in zip(topology.journals, topology.journal_paths, strict=True):
        kept = kept_path(path, closed.name)
        if not kept.exists() and path.exists():
            move_files(path, kept)
            say(f"the closed day's {name} is kept as {kept}")


def archive(closed: Closed, topology: Topology) -> None:
    """The next day is open: the record goes beside the journals."""
    directory_of(topology).rename(topology.directory / f"day-{closed.name}")


def forget(topology: Topology, say: Callable[[str], None]) -> None:
    """A day begins that carries nothing over: the record of the last one, if there is one, too."""
    try:
        closed = find(topology)
    except ClosedError:
        closed = None
    if closed is not None:
        put_away(closed, topology, say)
        archive(closed, topology)
    else:
        shutil.rmtree(directory_of(topology), ignore_errors=True)


def kept_path(journal: Path, name: str) -> Path:
    """Where a day's journal goes under that name: what was recorded on a disk stays on it."""
    if journal.is_symlink() or journal.is_mount():
        return journal / f"day-{name}"
    return journal.with_name(f"{journal.name}-{name}")


def move_files(journal: Path, kept: Path) -> None:
    """Move the files of a journal; a directory that is a disk's stays."""
    if kept.parent != journal:
        journal.rename(kept)
        return
    # The name is there when all files are: a move that was cut off goes on where it was.
    draft = journal / f".{kept.name}"
    draft.mkdir(exist_ok=True)
    for path in sorted(one for one in journal.iterdir() if one.is_file()):
        path.rename(draft / path.name)
    draft.rename(kept)


def _free_name(topology: Topology) -> str:
    """The session's name, with a number behind it if an earlier day of that name is there."""
    session = topology.exchange.session
    for name in (session, *(f"{session}-{n}" for n in range(2, 1 << 16))):
        places = [topology.directory / f"day-{name}"]
        places += [kept_path(path, name) for path in topology.journal_paths]
        if not any(place.exists() for place in places):
            return name
    raise ConfigurationError(f"{topology.directory}: no name is left for the day {session}")
