"""`ringbus roll`: closes the day of an exchange, keeps its files, and begins the next one.

The files of the new day are checked first, so that no day is closed which no other can follow.
Given again after a kill it goes on where it was: with closing, or with beginning.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ringbus.status import RingbusError
from tools import closed, open_day
from tools.close_day import close, outcome
from tools.configuration import Configuration
from tools.console.words import CommandError
from tools.day import DayError
from tools.diff import differences
from tools.manual import Parser
from tools.state import CONFIGURATION_FILE, find
from tools.topology import ConfigurationError, Topology


def roll(path: Path, author: str, reason: str, yes: bool) -> int:
    """From the day that is up into the one of this topology file; returns the exit status.

    Raises: CommandError and others: as close_day.close and open_day.begin.
    """
    new = Configuration.load(path)
    topology = new.topology
    state = find(topology.name)
    if state is not None:
        old = Configuration.restore(Path(state.directory) / CONFIGURATION_FILE)
        _check_follows(old.topology, topology)
        for one in differences(old, new):
            _say(str(one))
    if state is not None or closed.is_being_closed(topology):

        def confirm(words: str) -> bool:
            _say(f"{topology.name}: {words}")
            return yes or input("Do it? [y/N] ").strip().lower() == "y"

        record = close(topology.name if state else str(path), author, reason, confirm, _say)
        if isinstance(record, int):
            return record
        _say(outcome(record))
    if closed.find(topology) is None:
        raise DayError(f"no day of {topology.name} is up or closed: `ringbus open-day` begins one")
    return 0 if open_day.begin(path, lambda: True, _say) else 1


def _check_follows(old: Topology, new: Topology) -> None:
    """Raises: DayError: the new day could not begin where the old one ends."""
    if old.directory != new.directory:
        raise DayError(f"the day is in {old.directory}, the new one would be in {new.directory}")
    if old.exchange.session == new.exchange.session:
        raise DayError(
            f"the day that is up is {old.exchange.session}: name the next one in [exchange] "
            f"session of {new.path}"
        )


def _say(text: str) -> None:
    print(text, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus roll`: 0 the next day has begun, 1 it has not, 3 CloseDay waits."""
    parser = Parser(prog="ringbus roll", description=__doc__)
    parser.add_argument("topology", type=Path, help="topology file of the next day")
    parser.add_argument("--author", required=True, help="who")
    parser.add_argument("--reason", required=True, help="why")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(argv)
    try:
        return roll(options.topology, options.author, options.reason, options.yes)
    except EOFError:
        print("ringbus roll: nobody to ask; --yes does it unasked", file=sys.stderr)
    except (CommandError, ConfigurationError, RingbusError, *open_day.FAULTS) as error:
        print(f"ringbus roll: {error}", file=sys.stderr)
    return 1
