"""`ringbus command`, and its verbs that are words of their own: what an operator says.

Nothing is done here: a console checks the command and sequences it, and what it did is read from
the stream. Author and reason are on the stream behind it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Final, cast

from ringbus.messages import RejectReason
from ringbus.status import RingbusError
from tools.console.client import Target, target_of
from tools.console.conversation import Answer
from tools.console.record import AUTHOR_BYTES_MAX, REASON_BYTES_MAX
from tools.console.trades import WHY
from tools.console.words import LIMITS, MAY, PHASES, SIDES, STATES, CommandError
from tools.manual import Parser
from tools.owner_rules import MODES
from tools.topology import ConfigurationError

DONE: Final = 0
NOT_DONE: Final = 1
WAITS: Final = 3
# Another operator's command may take the number again and again; a person gives up sooner.
TRIES_MAX: Final = 20
# Of the options, those that are no part of the command.
OWN: Final = ("exchange", "yes")


def give(target: Target, command: Answer, confirm: Callable[[str], bool]) -> Answer:
    """Check a command, have it confirmed, and say it.

    Args: command: the fields of a Request; confirm: is shown it in words.
    Returns: what came of it, as Console.told. Raises: CommandError: it was not given, or refused.
    """
    checked = _ask(target, {"do": "check", "command": command})
    words = str(checked["words"])
    if checked["banner"]:
        print(checked["banner"], file=sys.stderr)
    if not confirm(words + (" (it will wait for a second author)" if checked["waits"] else "")):
        raise CommandError("nothing was done")
    for _ in range(TRIES_MAX):
        command = {**command, "number": checked["number"]}
        answer = target.ask({"do": "say", "command": command})
        if "error" not in answer:
            return answer
        if not answer.get("taken"):
            break
        # The same command, under the number that is free now.
        again: Answer = {name: value for name, value in command.items() if name != "number"}
        checked = _ask(target, {"do": "check", "command": again})
        if checked["words"] != words:
            raise CommandError("the exchange has changed meanwhile; nothing was done")
    raise CommandError(str(answer["error"]))


def told(target: Target, answer: Answer) -> tuple[int, str]:
    """What came of a command, as exit status and in words."""
    words = str(answer["words"])
    if answer["refused"]:
        reason = RejectReason(cast(int, answer["refused"])).name
        return NOT_DONE, f"refused ({reason}) at message {answer['sequence']:,}"
    if answer["waits"]:
        return WAITS, (
            f"waits at message {answer['sequence']:,}: {words}; another author lets it go with\n"
            f"  ringbus approve {target.name} {answer['number']} --author … --reason …"
        )
    outcome = f", {answer['outcome']}" if answer["outcome"] else ""
    return DONE, f"done at message {answer['sequence']:,}: {words}{outcome}"


def _ask(target: Target, request: Answer) -> Answer:
    answer = target.ask(request)
    if "error" in answer:
        raise CommandError(str(answer["error"]))
    return answer


def main(argv: Sequence[str] | None = None, word: str = "command") -> int:
    """Returns the exit status: 0 done, 1 not, 3 it waits for a second author."""
    options = _parser(word).parse_args(argv)
    try:
        target = target_of(options.exchange)
        said = {
            name: value
            for name, value in vars(options).items()
            if name not in OWN and value is not None and value is not False
        }

        def confirm(words: str) -> bool:
            print(f"{target.name}: {words}", flush=True)
            return options.yes or input("Do it? [y/N] ").strip().lower() == "y"

        status, text = told(target, give(target, said, confirm))
        print(text, file=sys.stderr if status == NOT_DONE else sys.stdout)
        return status
    except EOFError:
        print(f"ringbus {word}: nobody to ask; --yes does it unasked", file=sys.stderr)
    except (CommandError, ConfigurationError, RingbusError, OSError) as error:
        print(f"ringbus {word}: {error}", file=sys.stderr)
    return NOT_DONE


def _parser(word: str) -> argparse.ArgumentParser:
    parser = Parser(
        prog=f"ringbus {word}",
        description="Every command is on the stream, with author and reason, before it is true.",
    )
    target = "its name, its topology file, or its console's socket"
    parser.add_argument("exchange", help=target)
    parser.add_argument("--author", required=True, help=f"who; up to {AUTHOR_BYTES_MAX} bytes")
    parser.add_argument("--reason", required=True, help=f"why; up to {REASON_BYTES_MAX} bytes")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    if word != "command":
        WORDS[word][1](parser)
        parser.set_defaults(verb=word)
        return parser
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, (text, add) in WORDS.items():
        add(verbs.add_parser(verb, help=text))
    return parser


def _of_owner(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--everybody", action="store_true", help="all sessions")
    parser.add_argument("--user", help="one session, by its login")
    parser.add_argument("--account", type=int, metavar="N", help="of this account")
    parser.add_argument("--firm", help="of this firm")


def _of_some(parser: argparse.ArgumentParser) -> None:
    _of_owner(parser)
    parser.add_argument("--symbol", help="only in this instrument")
    parser.add_argument("--side", choices=SIDES, help="only of this side")


def _limit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", type=int, metavar="N", help="of this account")
    parser.add_argument("--firm", help="of this firm")
    parser.add_argument("limit", choices=LIMITS, help="which")
    parser.add_argument("value", help='notional in 1/10,000 of the currency, or a count; or "none"')


def _reference(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("symbol", help="of the instrument")
    parser.add_argument("price", help="in the currency; 0: none")


def _state(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("symbol", help="of the instrument")
    parser.add_argument("state", choices=STATES, help="that it is to have")


def _collar(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("symbol", help="of the instrument")
    parser.add_argument("state", choices=PHASES, help="the phase in which it holds")
    parser.add_argument("--low", help="lowest price, in the currency")
    parser.add_argument("--high", help="highest price, likewise")
    parser.add_argument("--width", help="furthest from the last trade, either way, likewise")


def _fat_finger(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("symbol", help="of the instrument")
    parser.add_argument("--width", help="furthest past the last trade, in the currency")
    parser.add_argument("--value", help="largest notional, in 1/10,000 of the currency")


def _restrict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", type=int, metavar="N", help="of this account")
    parser.add_argument("--firm", help="of this firm")
    parser.add_argument("symbol", help="of the instrument")
    parser.add_argument("may", choices=MAY, help="what it may still do there")


def _self_trade(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", type=int, metavar="N", help="of this account")
    parser.add_argument("--firm", help="of this firm")
    parser.add_argument("mode", choices=MODES, help="what is canceled when its orders meet")


def _symbol(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("symbol", help="of the instrument")


def _trade(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("match", type=int, help="the trade's number, as its clients were told")


def _bust(parser: argparse.ArgumentParser) -> None:
    _trade(parser)
    parser.add_argument("--why", choices=WHY, default="erroneous", help="as clients hear it")


def _correct(parser: argparse.ArgumentParser) -> None:
    _trade(parser)
    parser.add_argument("price", help="that it has from now on; its quantity stays")


def _number(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", type=int, help="of the command that waits")


# Verb: what it does, and what it needs to be told.
WORDS: Final[dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]]] = {
    "limit": ("a limit of an account or a firm", _limit),
    "kill": ("cancel all open orders of its owner and take nothing new", _of_owner),
    "resume": ("lift a kill of the same words", _of_owner),
    "cancel": ("cancel open orders by owner, instrument, side", _of_some),
    "reference": ("what sells of an instrument count at, at least", _reference),
    "collar": (
        "what prices of an instrument must be between; what is not said is no rule",
        _collar,
    ),
    "fat-finger": ("how far off and how large an order may be; likewise", _fat_finger),
    "restrict": ("what an account or a firm may do in an instrument", _restrict),
    "self-trade": ("what happens when orders of an owner meet that do not say", _self_trade),
    "halt": ("halt an instrument", _symbol),
    "state": ("the state of an instrument", _state),
    "bust": ("make a trade void, for both parties and everybody who was told of it", _bust),
    "correct": ("give a trade another price, likewise", _correct),
    "approve": ("let a command go that waits for a second author", _number),
    "withdraw": ("take back a command that waits", _number),
}
