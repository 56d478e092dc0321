"""`ringbus log`: what operators and guardians did on a day: who, what, why, when, what came of it.

From the stream of an exchange that is up, or the journal of one that is not: it says all of it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ringbus.describe import named
from ringbus.journal import batches
from ringbus.messages import Template
from ringbus.replay import Replay
from ringbus.status import RingbusError
from tools.configuration import Configuration
from tools.console.names import Names, outcome
from tools.console.record import Change, Record
from tools.dump import time_text
from tools.manual import Parser
from tools.memory import Attachment
from tools.replay_day import journal_of
from tools.state import CONFIGURATION_FILE, State, exchange_name, find
from tools.topology import ConfigurationError, load_topology

# Where no terminal says how wide it is.
WIDTH = 240
# With how wide they may be.
COLUMNS = {"message": 12, "time": 12, "who": 32, "what": 48, "why": 40, "effect": 36}


def changes_of(day: Iterator[NDArray[np.void]]) -> tuple[list[Change], Names]:
    """All changes of a day, and the names of what they are about: from its messages, in order."""
    record, names = Record(), Names()
    changes: list[Change] = []
    for batch in day:
        names.hear(batch)
        changes += record.hear(batch)
    return changes, names


def rows(changes: Sequence[Change], names: Names) -> list[dict[str, object]]:
    """The changes as `--json` prints them: one a row, oldest first."""
    asked = {one.number: one for one in changes if one.is_asked}
    ends = {one.number: one for one in changes if one.number and not one.is_asked}
    out: list[dict[str, object]] = []
    for one in changes:
        out.append(
            {
                "message": one.sequence,
                "time_ns": one.time_ns,
                "author": one.author,
                "user": int(one.user) if one.user.isdecimal() else None,
                "publisher": one.publisher,
                "number": one.number,
                "template": named(Template, one.template),
                "what": names.words(one.raw),
                "why": one.reason,
                "effect": _fate(ends.get(one.number))
                if one.is_asked
                else _effect(one, asked.get(one.number), names),
                "refused": one.refused,
                "canceled": one.canceled,
                "states": [
                    {"symbol": names.symbol(place), "before": before, "after": after}
                    for place, before, after in one.states
                ],
            }
        )
    return out


def _effect(one: Change, asked: Change | None, names: Names) -> str:
    """What came of it, and of which message it is the second author's word."""
    said = [outcome(one, names)]
    if asked is not None:
        said.insert(0, f"asked at message {asked.sequence}")
    return ", ".join(part for part in said if part)


def _fate(end: Change | None) -> str:
    """What became of a command that waited."""
    if end is None:
        return "waits for a second author"
    verb = "withdrawn" if end.template == Template.COMMAND_ASKED else "approved"
    return f"{verb} by {end.author}, message {end.sequence}"


def table(lines: Sequence[dict[str, object]]) -> Table:
    """The same for a human."""
    out = Table(box=None, pad_edge=False)
    for name, most in COLUMNS.items():
        justify: Literal["right", "left"] = "right" if name == "message" else "left"
        out.add_column(name, justify=justify, overflow="fold", max_width=most)
    for one in lines:
        who = str(one["author"]) or _whose(one)
        who += "" if one["user"] is None else f" (uid {one['user']})"
        time = time_text(int(str(one["time_ns"])))[:12]
        what = f"{one['number']}: {one['what']}" if one["number"] else str(one["what"])
        out.add_row(f"{one['message']:,}", time, who, what, str(one["why"]), str(one["effect"]))
    return out


def _whose(one: dict[str, object]) -> str:
    if one["number"]:
        return f"contributor {one['publisher']}"
    return "the configuration" if one["template"] == Template.COMMAND.name else "the exchange"


def _batches(target: str) -> Iterator[NDArray[np.void]]:
    """The messages of an exchange that is up, of its topology's journal, or of a directory."""
    path = Path(target)
    if path.is_dir():
        return batches(journal_of(path))
    state = find(exchange_name(target))
    if state is not None:
        return running(state)
    if path.suffix == ".toml":
        return batches(journal_of(load_topology(path).directory))
    raise ConfigurationError(
        f"exchange {target} is not up; name the directory of its journal, or its topology file"
    )


def running(state: State) -> Iterator[NDArray[np.void]]:
    """The messages of an exchange that is up, so far."""
    topology = Configuration.restore(Path(state.directory) / CONFIGURATION_FILE).topology
    with Attachment(topology.name) as shared:
        segment = topology.journal.segment_messages
        replay = Replay(shared.attach("stream"), topology.journal_paths, 1, segment)
        try:
            while len(batch := replay.poll()):
                yield batch
        finally:
            replay.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus log`: 0; 2: the day cannot be read."""
    parser = Parser(prog="ringbus log", description=__doc__)
    parser.add_argument("day", help="an exchange, its topology file, or a directory of a journal")
    parser.add_argument("--json", action="store_true", help="a line of JSON a change")
    options = parser.parse_args(argv)
    try:
        lines = rows(*changes_of(_batches(options.day)))
    except (ConfigurationError, RingbusError, OSError) as error:
        print(f"ringbus log: {error}", file=sys.stderr)
        return 2
    if options.json:
        for line in lines:
            print(json.dumps(line))
    else:
        Console(width=None if sys.stdout.isatty() else WIDTH).print(table(lines))
    return 0
