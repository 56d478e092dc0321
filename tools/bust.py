"""`ringbus bust`, `ringbus correct`: a trade is void, or has another price.

The engine keeps no trades, so whoever changes one hands in all of it: both parties, their texts,
and what the trade counted against their limits. All that is read from the stream here. That nobody
changes the trade between this look and the change itself is the operator's topic's doing: the
change names the number that was next at the look, and is dropped if another came first.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.risk import Risk
from ports.client import Instrument
from ports.fix import decimal, decimal_text
from ports.fix_reports import PRICE_DIGITS
from ringbus.messages import (
    EXECUTED,
    MESSAGE,
    NEW_ORDER,
    ORDER_TAG,
    TRADE_CHANGE,
    TRADE_PARTY,
    Liquidity,
    Side,
    Template,
    TradeChangeKind,
    TradeDetail,
)
from ringbus.replay import Stream
from ringbus.status import RingbusError
from ringbus.topics import Topics
from tools.clients import port_instruments
from tools.configuration import Configuration
from tools.console.record import OPERATOR
from tools.console.words import CommandError
from tools.direct import AUTHOR_MAX, REASON_MAX, Order, give, told
from tools.manual import Parser
from tools.memory import Attachment
from tools.state import CONFIGURATION_FILE, exchange_name, find
from tools.topology import ConfigurationError

# What clients hear of a bust; a correction has the one letter that there is.
WHY = {"erroneous": b"E", "consent": b"C", "supervisory": b"S", "external": b"X"}
CORRECTED = b"N"
_CROSSES = {
    TradeDetail.OPENING_CROSS: b"O",
    TradeDetail.CLOSING_CROSS: b"C",
    TradeDetail.HALT_CROSS: b"H",
}


@dataclass(slots=True)
class Seen:
    """A trade as the stream has it: its two Executed lines, and what else is to be said of it.

    `texts`, `notional_1e4`: of each side, the text of its order and what the trade counted at risk;
    `price_ticks`: as it is now; `number`: the operator's next one in the trade's shard.
    """

    sides: NDArray[np.void]
    price_ticks: int
    texts: list[bytes] = field(default_factory=lambda: [b"", b""])
    notional_1e4: list[int] = field(default_factory=lambda: [0, 0])
    is_void: bool = False
    number: int = 0

    @property
    def match(self) -> int:
        """The trade's number."""
        return int(self.sides["sequence"][0])

    @property
    def shard(self) -> int:
        """Where it was made."""
        return int(self.sides["shard"][0])

    @property
    def instrument(self) -> int:
        """What was traded."""
        return int(self.sides["instrument"][0])


def change(seen: Seen, kind: TradeChangeKind, price_ticks: int, reason: bytes) -> NDArray[np.void]:
    """The lines of the proposal but for author and reason: shape (5,), dtype MESSAGE."""
    trade = seen.sides[0]
    first: NDArray[np.void] = np.zeros(1, TRADE_CHANGE)
    first["template_id"], first["kind"], first["reason"] = Template.TRADE_CHANGE, kind, reason
    first["match"], first["price_ticks"] = seen.match, price_ticks
    first["instrument"], first["quantity"] = trade["instrument"], trade["quantity"]
    out = [first.view(MESSAGE)]
    for n, side in enumerate(seen.sides):
        party: NDArray[np.void] = np.zeros(1, TRADE_PARTY)
        party["template_id"], party["session"] = Template.TRADE_PARTY, side["topic"]
        for name in ("instrument", "side", "quantity", "client_order_id", "account", "firm"):
            party[name] = side[name]
        party["liquidity"] = letter_of(side)
        if kind is TradeChangeKind.BUST:
            party["notional_1e4"] = seen.notional_1e4[n]
        tag: NDArray[np.void] = np.zeros(1, ORDER_TAG)
        tag["template_id"], tag["text"] = Template.ORDER_TAG, seen.texts[n]
        tag["total_quantity"] = seen.price_ticks
        out += [party.view(MESSAGE), tag.view(MESSAGE)]
    return np.concatenate(out)


def letter_of(side: np.void) -> bytes:
    """What the client of an Executed line heard as its liquidity, as prt_liquidity_letter."""
    detail = int(side["detail"])
    if detail in _CROSSES:
        return _CROSSES[TradeDetail(detail)]
    if detail == TradeDetail.HIDDEN:
        return b"J"
    return b"R" if int(side["liquidity"]) == Liquidity.REMOVED else b"A"


def look(configuration: Configuration, stream: Stream, match: int) -> Seen:
    """The trade `match`, and what became of it. Raises: CommandError: there is no such trade."""
    seen = _trade(stream, match)
    topics = Topics(configuration.topics, configuration.topology.exchange.shards)
    risk = configuration.risk()
    replay = stream.replay()
    # A tag, and terms before it, may be in the batch behind that of their order.
    tail: NDArray[np.void] = np.zeros(0, MESSAGE)
    try:
        while len(batch := replay.poll()):
            topics.hear(batch)
            _hear_texts(seen, np.concatenate((tail, batch)))
            _hear_changes(seen, batch)
            _hear_risk(seen, risk, batch)
            tail = batch[-2:].copy()
    finally:
        replay.close()
    seen.number = topics.next(OPERATOR, seen.shard)
    return seen


def _hear_risk(seen: Seen, risk: Risk, batch: NDArray[np.void]) -> None:
    """What each line of the trade adds to what its account has traded is what it counts."""
    first = seen.match - int(batch["sequence"][0])
    if first >= 0:
        risk.apply(batch[:first])
    for n, side in enumerate(seen.sides):
        if 0 <= first + n < len(batch):
            before = risk.account(int(side["account"])).traded
            risk.apply(batch[first + n : first + n + 1])
            seen.notional_1e4[n] = risk.account(int(side["account"])).traded - before


def _trade(stream: Stream, match: int) -> Seen:
    no_trade = CommandError(
        f"message {match} is not a trade; its number is what the clients were told, and what "
        "`ringbus trades` prints"
    )
    if match < 1:
        raise no_trade
    replay = stream.replay(match)
    try:
        pair = replay.poll(2).copy().view(EXECUTED)
    except RingbusError:
        raise no_trade from None
    finally:
        replay.close()
    if len(pair) < 2 or set(pair["template_id"].tolist()) != {Template.EXECUTED}:
        raise no_trade
    is_first = int(pair["liquidity"][0]) == Liquidity.REMOVED or (
        int(pair["liquidity"][0]) == Liquidity.CROSS and int(pair["side"][0]) == Side.BUY
    )
    if not is_first:
        raise no_trade
    return Seen(pair, int(pair["price_ticks"][0]))


def _hear_texts(seen: Seen, batch: NDArray[np.void]) -> None:
    """The tag behind each side's order, or behind the Replace that gave it its number."""
    for n, side in enumerate(seen.sides):
        orders = batch.view(NEW_ORDER)
        own = np.isin(batch["template_id"], (Template.NEW_ORDER, Template.REPLACE))
        own &= batch["topic"] == side["topic"]
        own &= orders["client_order_id"] == side["client_order_id"]
        for at in np.flatnonzero(own):
            # Terms may be between.
            for line in batch[at + 1 : at + 3]:
                if int(line["template_id"]) == Template.ORDER_TAG and same_message(batch[at], line):
                    seen.texts[n] = bytes(np.array([line]).view(ORDER_TAG)["text"][0])


def same_message(first: np.void, line: np.void) -> bool:
    """Whether a line stands behind `first` in one message."""
    return all(first[name] == line[name] for name in ("topic", "topic_sequence", "shard"))


def _hear_changes(seen: Seen, batch: NDArray[np.void]) -> None:
    changes = batch[batch["template_id"] == Template.TRADE_CHANGE].view(TRADE_CHANGE)
    for one in changes[changes["match"] == seen.match]:
        seen.is_void |= int(one["kind"]) == TradeChangeKind.BUST
        seen.price_ticks = int(one["price_ticks"])


def make(seen: Seen, instruments: Sequence[Instrument], options: argparse.Namespace) -> Order:
    """What is to be done, in lines and in words. Raises: CommandError: it cannot be."""
    if seen.is_void:
        raise CommandError(f"trade {seen.match} is void already")
    one = instruments[seen.instrument]
    price = decimal_text(seen.price_ticks * one.tick_1e4, PRICE_DIGITS)
    quantity = int(seen.sides["quantity"][0])
    trade = f"trade {seen.match} of {quantity} {one.symbol} at {price}"
    if options.verb == "bust":
        lines = change(seen, TradeChangeKind.BUST, seen.price_ticks, WHY[options.why])
        return Order(lines, seen.shard, f"{trade} is void ({options.why})", seen.number)
    wanted = decimal(options.price, PRICE_DIGITS)
    if wanted is None or wanted % one.tick_1e4:
        tick = decimal_text(one.tick_1e4, PRICE_DIGITS)
        raise CommandError(f"found {options.price!r}; write a multiple of the tick {tick}")
    ticks = wanted // one.tick_1e4
    if not one.price_ticks_min <= ticks <= one.price_ticks_max or ticks == seen.price_ticks:
        raise CommandError(f"{options.price} is the price that it has, or outside its collar")
    lines = change(seen, TradeChangeKind.CORRECT, ticks, CORRECTED)
    return Order(lines, seen.shard, f"{trade} has the price {options.price}", seen.number)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 done, 1 not."""
    return run("bust", argv)


def run(verb: str, argv: Sequence[str] | None) -> int:
    """Either command; returns its exit status."""
    options = _parser(verb).parse_args(argv)
    try:
        name = exchange_name(options.exchange)
        state = find(name)
        if state is None or not state.ready:
            raise CommandError(f"exchange {name} is not up; `ringbus up` starts one")
        configuration = Configuration.restore(Path(state.directory) / CONFIGURATION_FILE)
        topology = configuration.topology
        with Attachment(name) as shared:
            stream = Stream(
                shared.attach("stream"), topology.journal_paths, topology.journal.segment_messages
            )
            order = make(
                look(configuration, stream, options.match), port_instruments(configuration), options
            )
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
        print(f"ringbus {verb}: nobody to ask; --yes does it unasked", file=sys.stderr)
    except (CommandError, ConfigurationError, RingbusError, OSError) as error:
        print(f"ringbus {verb}: {error}", file=sys.stderr)
    return 1


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = Parser(
        prog=f"ringbus {verb}",
        description="Both parties, market data, drop ports and the trade reporter are told.",
    )
    parser.set_defaults(verb=verb)
    parser.add_argument("exchange", help="its name, or its topology file")
    parser.add_argument("match", type=int, help="the trade's number, as its clients were told")
    if verb == "correct":
        parser.add_argument("price", help="that it has from now on; its quantity stays")
    else:
        parser.add_argument("--why", choices=WHY, default="erroneous", help="as clients hear it")
    parser.add_argument("--author", required=True, help=f"who, up to {AUTHOR_MAX} characters")
    parser.add_argument("--reason", required=True, help=f"why, up to {REASON_MAX} characters")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    return parser


if __name__ == "__main__":
    sys.exit(main())
