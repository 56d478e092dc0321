"""`ringbus open-day`: checks the files of a new day, says what is new and what is carried over,
and begins it: `ringbus up` with a look before.

What `up` would do is all there: a day that was closed leaves its good-till orders to the next one,
whoever begins it.
"""

from __future__ import annotations

import sys

# An exception to the rule against time: a good-till-time order may be over.
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ringbus.status import RingbusError
from tools import closed, day
from tools.carry import Plan, plan_for, words
from tools.closed import ClosedError
from tools.configuration import Configuration
from tools.day import DayError
from tools.diff import differences
from tools.exchange import start_detached
from tools.launcher import LaunchError, ready_line, refuse_if_there
from tools.manual import Parser
from tools.topology import ConfigurationError

FAULTS = (ClosedError, ConfigurationError, DayError, LaunchError, RingbusError, OSError)


def look(path: Path) -> tuple[Configuration, Plan | None]:
    """Read the files of a day that is to begin, and what the closed one leaves to it.

    Raises: ConfigurationError: with every fault of the files; DayError: a day cannot begin now;
    LaunchError: the exchange is up; ClosedError, RingbusError: as plan_for.
    """
    configuration = Configuration.load(path)
    refuse_if_there(configuration.topology.name)
    day.check_begins(configuration.topology)
    return configuration, plan_for(configuration, time.time_ns())


def said(configuration: Configuration, carry: Plan | None) -> Iterator[str]:
    """A new day in words: its size, what differs from the closed one, what is carried over."""
    topology = configuration.topology
    yield (
        f"{topology.name} {topology.exchange.session}: {len(configuration.instruments):,} "
        f"instruments, {len(configuration.participants):,} participants "
        f"({configuration.hash:016x})"
    )
    if carry is None:
        yield "no day was closed before it: nothing to compare with, nothing is carried over"
        return
    former = closed.configuration_of(topology)
    found = differences(former, configuration)
    yield from (str(one) for one in found)
    if not found:
        yield f"nothing differs from {carry.former.session}"
    yield from words(carry)


def begin(path: Path, confirm: Callable[[], bool], show: Callable[[str], None]) -> bool:
    """Check a day, show it, and start it in the background; False: it was not confirmed.

    Raises: as `look`; LaunchError: it did not start.
    """
    for text in said(*look(path)):
        show(text)
    if not confirm():
        return False
    exchange = start_detached(path)
    show(ready_line(exchange.configuration, exchange.state))
    return True


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus open-day`: 0 the day has begun (or could, with --check), 1 it has not."""
    parser = Parser(prog="ringbus open-day", description=__doc__)
    parser.add_argument("topology", type=Path, help="topology file of the new day")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--check", action="store_true", help="only look: nothing is begun")
    options = parser.parse_args(argv)

    def confirm() -> bool:
        if options.check:
            return False
        return options.yes or input("Begin it? [y/N] ").strip().lower() == "y"

    try:
        has_begun = begin(options.topology, confirm, lambda text: print(text, flush=True))
    except EOFError:
        print("ringbus open-day: nobody to ask; --yes does it unasked", file=sys.stderr)
        return 1
    except FAULTS as error:
        print(f"ringbus open-day: {error}", file=sys.stderr)
        return 1
    return 0 if has_begun or options.check else 1
