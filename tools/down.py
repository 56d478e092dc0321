"""`ringbus down`: stops an exchange, and removes what a killed one left.

Where every CPU has work, most of the time from the command to nothing left is what this process
takes to get its own few milliseconds: it imports little, and only then what a dead launcher left.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ringbus.status import UsageError
from tools.manual import Parser
from tools.state import State, exchange_name, remove


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus down`; returns the exit status."""
    options = _parser().parse_args(argv)
    try:
        name = exchange_name(options.exchange)
        removed = remove(name) if options.lose else remove(name, _rescue)
    except UsageError as error:
        print(f"ringbus down: {error}", file=sys.stderr)
        return 1
    # Behind the stop itself.
    from tools.partitions import give_back
    from tuning.host import Host

    give_back(name, Host(), lambda text: print(text, file=sys.stderr))
    if not removed.anything:
        print(f"nothing of an exchange {name} is here")
    elif removed.launcher and not removed.segments:
        print(f"{name} is down")
    else:
        print(
            f"{name} is down: {removed.processes} processes ended, "
            f"{removed.segments} segments of shared memory removed"
        )
    return 0


def _rescue(state: State) -> None:
    """What only memory has goes into the journals. Raises: UsageError: they cannot take it."""
    # Most exchanges end themselves, and need none of it.
    from tools import day

    try:
        day.rescue(state)
    except day.DayError as error:
        raise UsageError(f"{error}; --lose removes it all the same") from None


def _parser() -> Parser:
    parser = Parser(
        prog="ringbus down",
        description="Ends its processes and removes its memory; what only that has is written to a "
        "journal before.",
    )
    parser.add_argument("exchange", help="its name, or its topology file")
    parser.add_argument(
        "--lose", action="store_true", help="also what only its memory has and no journal can take"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
