"""The `ringbus` command: one word, then what it needs.

Modules are imported when their word is said.
"""

from __future__ import annotations

import argparse
import getpass
import importlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tools.manual import Parser

# Word → what it does; the module is tools.WORD (`_` for `-`), its main(argv) returns the status.
DELEGATED = {
    "down": "stop an exchange, and remove what a killed one left",
    "book": "one instrument's book as market data shows it, both sides with depth",
    "hist": "latency of every hop, as table, picture and files",
    "load": "drive an exchange with orders and measure it",
    "fairness": "whether any connection of a port is told first more often than another",
    "ls": "rings and exchanges on this host, and who uses them",
    "top": "a running exchange live in the terminal: cores, rings, sessions, prices, limits",
    "metrics": "the same numbers for Prometheus, over HTTP or as text",
    "tap": "print what is published on a ring or an exchange, as it comes",
    "dump": "print a recorded day, or turn it into JSON lines, CSV or Parquet",
    "explain": "one message of a recorded day: what caused it and what it changed",
    "trades": "all trades of a recorded day, with busts and corrections, as CSV or Parquet",
    "facility": "a facility that takes trade reports and keeps them in a file",
    "command": "limits, kills, reference prices and states: an operator's word, on the stream",
    "kill": "cancel all open orders of a user, account, firm or everybody, and take nothing new",
    "halt": "halt an instrument",
    "resume": "lift a kill",
    "cancel": "cancel open orders by owner, instrument, side",
    "open-day": "check the files of a new day, say what is new and carried over, and begin it",
    "close-day": "take no more orders, let the day's expire, and end it",
    "roll": "close the day, keep its files, and begin the next one",
    "report": "what a day was: counts, volumes, limits used, latency, gaps, alarms",
    "bust": "make a trade void, for both parties and everybody who was told of it",
    "correct": "give a trade another price, likewise",
    "approve": "let a command go that waits for a second author",
    "withdraw": "take back a command that waits",
    "log": "what operators did on a day: who, what, why, when, and what came of it",
    "diff": "what a new configuration would change, in words",
    "promote": "let the passive engine take the dead engine's place",
    "shards": "what each shard of a topology has to carry, and why an instrument is where it is",
    "verify-release": "replay recorded days through this build, and sign that nothing differs",
    "replay": "run recorded days through the engine and compare",
    "plan": "a picture of the machine and who would sit where, and why; starts nothing",
    "systemd": "units that run an exchange as a service",
    "tune": "what costs latency on this host, how to set it, and how to undo it",
    "completion": "what bash, zsh or fish needs to complete this command",
    "bench": "time everything on this host, and compare with a run from before",
    "schema": "make the generated files of the message schema",
}

# Words whose module is another's, which is told the word.
SHORT = dict.fromkeys(
    ("kill", "halt", "resume", "cancel", "bust", "correct", "approve", "withdraw"), "command"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        status = _main(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe is gone (`ringbus status | head`): nothing to say, to nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _main(arguments: list[str]) -> int:
    if arguments and arguments[0] in DELEGATED:
        word = arguments[0]
        module = importlib.import_module(f"tools.{SHORT.get(word, word).replace('-', '_')}")
        more = (word,) if word in SHORT else ()
        return int(module.main(arguments[1:], *more) or 0)
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="ringbus", description="An electronic exchange on shared memory.")
    words = parser.add_subparsers(required=True, metavar="COMMAND")
    word = words.add_parser(
        "up",
        help="start an exchange",
        description="Makes its memory, starts its cores, pinned, and watches them until it is told "
        "to stop.",
    )
    word.add_argument("topology", type=Path, help="topology file")
    word.add_argument(
        "--detach", action="store_true", help="run in the background; return when it is ready"
    )
    which = word.add_mutually_exclusive_group()
    which.add_argument(
        "--continue",
        dest="goes_on",
        action="store_true",
        help="go on with the day that the journals hold, after a crash",
    )
    which.add_argument(
        "--new-day", action="store_true", help="begin a day though the former one was not ended"
    )
    word.add_argument("--notify", type=int, default=-1, metavar="FD", help=argparse.SUPPRESS)
    word.add_argument("--parent", type=int, default=0, metavar="PID", help=argparse.SUPPRESS)
    word.set_defaults(run=_up)
    word = words.add_parser(
        "status",
        help="how its cores, ports and readers are",
        description="One look at an exchange that is up; nothing of it is stopped or asked.",
    )
    word.add_argument("exchange", help="its name, or its topology file")
    word.set_defaults(run=_status)
    word = words.add_parser(
        "secret",
        help="hash a password for the participants file",
        description="Reads a password (1 to 10 letters and digits) and prints its scrypt hash.",
    )
    word.set_defaults(run=_secret)
    for name, text in DELEGATED.items():
        words.add_parser(name, help=text, add_help=False)
    return parser


def _up(options: argparse.Namespace) -> int:
    from tools.configuration import Configuration
    from tools.costs import foretell, keep_off, plan_of
    from tools.exchange import start_detached
    from tools.launcher import LaunchError, ready_line, up
    from tools.parent import end_with_parent
    from tools.partitions import forget
    from tools.process import leave
    from tools.topology import ConfigurationError
    from tuning.host import Host

    if options.parent and not end_with_parent(options.parent):
        return 1
    try:
        forget(options.topology, Host(), lambda text: print(text, file=sys.stderr))
        if options.detach:
            for text in foretell(plan_of(options.topology)):
                print(text, file=sys.stderr, flush=True)
            exchange = start_detached(
                options.topology, goes_on=options.goes_on, replaces=options.new_day
            )
            print(ready_line(exchange.configuration, exchange.state))
            return 0
        configuration = Configuration.load(options.topology)
        plan = plan_of(options.topology)
        for text in foretell(plan):
            print(text, flush=True)
        keep_off(plan)
        status = up(configuration, options.notify, options.goes_on, options.new_day)
        if options.notify >= 0:
            # Nobody but this exchange is in this process, and who takes it down waits for its end.
            leave(status)
        return status
    except (ConfigurationError, LaunchError, OSError) as error:
        print(f"ringbus up: {error}", file=sys.stderr)
        return 1


def _status(options: argparse.Namespace) -> int:
    from rich.console import Console

    from ringbus.status import UsageError
    from tools.state import exchange_name
    from tools.status import report

    try:
        name = exchange_name(options.exchange)
    except UsageError as error:
        print(f"ringbus status: {error}", file=sys.stderr)
        return 1
    return report(name, time.time_ns(), Console())


def _secret(options: argparse.Namespace) -> int:
    from ports.authenticator import hash_secret
    from ringbus.status import UsageError

    if sys.stdin.isatty():
        password = getpass.getpass("password: ")
        if getpass.getpass("again: ") != password:
            print("ringbus secret: the two are not the same", file=sys.stderr)
            return 1
    else:
        password = sys.stdin.readline().rstrip("\n")
    try:
        print(hash_secret(password))
    except UsageError as error:
        print(f"ringbus secret: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
