"""`ringbus command`: an operator's limits, kills, reference prices and states, sequenced.

Nothing is done here: a command is proposed on the console's lane, and what it did is read from the
stream. Author and reason are on the stream behind it.
"""

from __future__ import annotations

import argparse
import sys

# An exception to the rule against time: to give a command is to wait for its answer.
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.risk import NO_LIMIT
from ringbus._ringbus import lib
from ringbus.idle import Idle, bell_mask
from ringbus.lane import Lane
from ringbus.lock import PUBLISHER, ByteLocks
from ringbus.messages import (
    COMMAND,
    INSTRUMENT_NONE,
    MASS_CANCEL,
    MESSAGE,
    ORDER_TAG,
    REJECTED,
    CommandKind,
    Flag,
    InstrumentState,
    MassCancelScope,
    RejectReason,
    RiskLimit,
    Template,
)
from ringbus.replay import Replay
from ringbus.status import RingbusError, check
from ringbus.topics import Topics
from tools.configuration import Configuration
from tools.memory import Attachment
from tools.state import CONFIGURATION_FILE, exchange_name, find
from tools.topology import CONSOLE, ConfigurationError

OPERATOR = 0  # the topic
PATIENCE_SECONDS = 10.0
LOOK_SECONDS = 0.001
# Of the 24 bytes of an OrderTag.
AUTHOR_MAX, REASON_MAX = 8, 15
LIMITS = {limit.name.lower().replace("_", "-"): limit for limit in RiskLimit}
STATES = {state.name.lower(): state for state in InstrumentState}


class CommandError(Exception):
    """It was not given, or not taken; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Order:
    """A command as it will be proposed, of one line or several, and in words.

    `number` is the operator's next one in the shard, where the words hold only if nobody has said
    anything there since; 0: they hold in any case.
    """

    line: NDArray[np.void]
    shard: int
    words: str
    number: int = 0


def make(configuration: Configuration, options: argparse.Namespace) -> Order:
    """What the words mean. Raises: CommandError: no such symbol, owner, price or value."""
    if options.verb in ("reference", "state"):
        return _of_instrument(configuration, options)
    scope, owner, who = _owner(configuration, options)
    if options.verb == "kill":
        line = np.zeros(1, MASS_CANCEL)
        line["template_id"], line["scope"] = Template.MASS_CANCEL, scope | MassCancelScope.KILL
        words = f"kill {who}: cancel all open orders, take nothing new"
    else:
        line = np.zeros(1, COMMAND)
        line["template_id"], line["scope"] = Template.COMMAND, scope
        line["kind"], words = CommandKind.RESUME, f"take orders of {who} again"
    if options.verb == "limit":
        line["kind"], line["limit"] = CommandKind.LIMIT, LIMITS[options.limit]
        line["value"] = _value(options.value)
        words = f"limit {options.limit} of {who} to {options.value}"
    line["instrument"] = INSTRUMENT_NONE
    for name, value in owner.items():
        line[name] = value
    return Order(line.view(MESSAGE), 0, words)


def _owner(
    configuration: Configuration, options: argparse.Namespace
) -> tuple[MassCancelScope, dict[str, int], str]:
    people = configuration.participants
    if getattr(options, "everybody", False):
        return MassCancelScope.EVERYTHING, {}, "everybody"
    if getattr(options, "user", None) is not None:
        found = [one for one in people if one.user == options.user]
        if not found:
            raise CommandError(f"there is no user {options.user}; the participants file names them")
        return MassCancelScope.SESSION, {"session": found[0].session}, f"user {options.user}"
    if options.firm is not None:
        found = [one for one in people if one.firm_name == options.firm]
        if not found:
            names = ", ".join(sorted({one.firm_name for one in people}))
            raise CommandError(f"there is no firm {options.firm}; firms are {names}")
        return MassCancelScope.FIRM, {"firm": found[0].firm}, f"firm {options.firm}"
    if options.account not in {one.account for one in people}:
        raise CommandError(f"no participant has account {options.account}")
    return MassCancelScope.ACCOUNT, {"account": options.account}, f"account {options.account}"


def _value(text: str) -> int:
    if text == "none":
        return NO_LIMIT
    if not text.isdecimal() or int(text) >= 1 << 61:
        raise CommandError(f'found {text!r}; write a whole number below 2^61, or "none"')
    return int(text)


def _of_instrument(configuration: Configuration, options: argparse.Namespace) -> Order:
    found = [one for one in configuration.instruments if one.symbol == options.symbol]
    if not found:
        raise CommandError(f"there is no instrument {options.symbol}")
    line: NDArray[np.void] = np.zeros(1, COMMAND)
    line["template_id"], line["instrument"] = Template.COMMAND, found[0].index
    if options.verb == "state":
        line["kind"], line["state"] = CommandKind.INSTRUMENT_STATE, STATES[options.state]
        words = f"set {options.symbol} to {options.state}"
    else:
        line["kind"] = CommandKind.REFERENCE_PRICE
        line["price_ticks"] = _ticks(options.price, found[0].tick_1e4)
        words = f"count sells of {options.symbol} at {options.price} at least"
    return Order(line.view(MESSAGE), found[0].shard, words)


def _ticks(text: str, tick_1e4: int) -> int:
    try:
        price = Decimal(text) * 10_000
    except InvalidOperation:
        raise CommandError(f"found {text!r}; write a price such as 12.34") from None
    if price < 0 or price != int(price) or int(price) % tick_1e4 != 0:
        raise CommandError(f"{text} is not a multiple of the tick {Decimal(tick_1e4) / 10_000}")
    return int(price) // tick_1e4


def give(name: str, order: Order, author: str, reason: str) -> NDArray[np.void]:
    """Propose a command and wait for its answer.

    Returns: the answer's lines, shape (n,), dtype MESSAGE.
    Raises: CommandError: another command is being given, it was refused, or nothing came back.
    """
    state = find(name)
    if state is None or not state.ready:
        raise CommandError(f"exchange {name} is not up; `ringbus up` starts one")
    configuration = Configuration.restore(Path(state.directory) / CONFIGURATION_FILE)
    topology = configuration.topology
    with Attachment(name) as shared:
        lane = shared.attach(f"lane.{CONSOLE}", writable=True)
        locks = ByteLocks(lane.path)
        replay = Replay(
            shared.attach("stream"), topology.journal_paths, 1, topology.journal.segment_messages
        )
        try:
            if not locks.take(PUBLISHER):
                raise CommandError("another command is being given; try again when it is done")
            bells = shared.attach("bells", writable=True)
            doorbell = shared.attach("doorbell", writable=True)
            with Idle(bells, CONSOLE, stream_reader=False) as idle:
                topics = Topics(configuration.topics, topology.exchange.shards)
                while len(batch := replay.poll()):
                    topics.hear(batch)
                number = topics.next(OPERATOR, order.shard)
                if order.number not in (0, number):
                    raise CommandError("another command came before it; look, and give it again")
                writer = Lane(lane)
                writer.repair()
                if not writer.offer(_addressed(order, number, topics.reign, author, reason)):
                    raise CommandError("the console's lane is full: is the engine at work?")
                check(lib.rb_doorbell_press(doorbell.address, 0), "doorbell")
                idle.ring(bell_mask(bells, topology.core_of("sequencer").name))
                return _answer(replay, number)
        finally:
            replay.close()
            locks.close()


def _addressed(order: Order, number: int, reign: int, author: str, reason: str) -> NDArray[np.void]:
    tag: NDArray[np.void] = np.zeros(1, ORDER_TAG)
    tag["template_id"], tag["text"] = Template.ORDER_TAG, f"{author}:{reason}".encode()
    lines = np.concatenate((order.line, tag.view(MESSAGE)))
    # Where a MassCancel has its number too.
    lines[:1].view(COMMAND)["client_order_id"] = number
    lines["topic"], lines["topic_sequence"] = OPERATOR, number
    lines["flags"] = Flag.CONTINUED
    lines["flags"][-1] = Flag.LAST_OF_GROUP
    lines["reserved"][0] = reign
    return lines


def _answer(replay: Replay, number: int) -> NDArray[np.void]:
    """The group that begins with the operator's own line of that number."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    found: list[NDArray[np.void]] = []
    while time.monotonic() < deadline:
        batch = replay.poll().copy()
        for n in range(len(batch)):
            line = batch[n : n + 1]
            is_own = int(line["publisher"][0]) == 1 and int(line["topic"][0]) == OPERATOR
            if found or (is_own and int(line.view(COMMAND)["client_order_id"][0]) == number):
                found.append(line)
                if int(line["flags"][0]) & Flag.LAST_OF_GROUP:
                    return np.concatenate(found)
        if len(batch) == 0:
            time.sleep(LOOK_SECONDS)
    raise CommandError(
        "no answer came: `ringbus status` says whether the engine is at work; "
        "look at the stream before you give it again"
    )


def told(order: Order, lines: NDArray[np.void]) -> str:
    """What came of it, in words. Raises: CommandError: it was refused."""
    first = lines[:1]
    if int(first["template_id"][0]) == Template.REJECTED:
        reason = RejectReason(int(first.view(REJECTED)["reason"][0])).name
        raise CommandError(f"refused ({reason}): {order.words}")
    gone = int((lines["template_id"] == Template.CANCELED).sum())
    canceled = f", {gone:,} orders canceled" if order.words.startswith("kill") else ""
    return f"done at message {int(first['sequence'][0]):,}: {order.words}{canceled}"


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 done, 1 not."""
    options = _parser().parse_args(argv)
    try:
        name = exchange_name(options.exchange)
        state = find(name)
        if state is None:
            raise CommandError(f"exchange {name} is not up; `ringbus up` starts one")
        order = make(Configuration.restore(Path(state.directory) / CONFIGURATION_FILE), options)
        for what, text, most in (
            ("--author", options.author, AUTHOR_MAX),
            ("--reason", options.reason, REASON_MAX),
        ):
            if not 1 <= len(text) <= most or not text.isascii() or not text.isprintable():
                raise CommandError(f"{what}: found {text!r}; write 1 to {most} plain characters")
        print(f"{name}: {order.words}")
        if not options.yes and input("Do it? [y/N] ").strip().lower() != "y":
            raise CommandError("nothing was done")
        print(told(order, give(name, order, options.author, options.reason)))
        return 0
    except EOFError:
        print("ringbus command: nobody to ask; --yes does it unasked", file=sys.stderr)
    except (CommandError, ConfigurationError, RingbusError, OSError) as error:
        print(f"ringbus command: {error}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ringbus command",
        description="Limits, kills, reference prices and states; each is on the stream, with its "
        "author and reason, before it is true.",
        epilog='example: ringbus command demo --author ann --reason INC-7 kill --firm "DEMO"',
    )
    parser.add_argument("exchange", help="its name, or its topology file")
    parser.add_argument("--author", required=True, help=f"who, up to {AUTHOR_MAX} characters")
    parser.add_argument("--reason", required=True, help=f"why, up to {REASON_MAX} characters")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    limit = verbs.add_parser("limit", help="of an account or a firm")
    whose = limit.add_mutually_exclusive_group(required=True)
    whose.add_argument("--account", type=int)
    whose.add_argument("--firm")
    limit.add_argument("limit", choices=LIMITS)
    limit.add_argument("value", help='notional in 1/10,000 of the currency, or a count; or "none"')
    for verb, text in (
        ("kill", "cancel all open orders and take nothing new"),
        ("resume", "lift a kill of the same words"),
    ):
        word = verbs.add_parser(verb, help=text)
        whose = word.add_mutually_exclusive_group(required=True)
        whose.add_argument("--account", type=int)
        whose.add_argument("--firm")
        whose.add_argument("--user")
        whose.add_argument("--everybody", action="store_true")
    word = verbs.add_parser("reference", help="what sells of an instrument count at, at least")
    word.add_argument("symbol")
    word.add_argument("price", help="0: none")
    word = verbs.add_parser("state", help="of an instrument")
    word.add_argument("symbol")
    word.add_argument("state", choices=STATES)
    return parser
