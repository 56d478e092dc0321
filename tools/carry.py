"""Carrying over: the orders that a closed day has kept, as the first orders of the next one.

Each becomes what its client once sent: a NewOrder with its terms and tag, on its session's topic,
with what is left of it as quantity. Entered in their old priority they have it again, and all who
read the stream (clients, drop copies, market data, limits, a replay) hear of them as of any order.
A SessionEvent before it says what had traded of it: FIX counts that on.

What does not fit the new day's files is not carried: its client is told by a Reject, and the
operator by a list that has every kept order in it, with what became of it.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ports.fix_lines import Tag, line, tag_text
from ringbus.messages import (
    CARRIED_OVER,
    COMMAND,
    INSTRUMENT_NONE,
    MESSAGE,
    NEW_ORDER,
    ORDER_TAG,
    ORDER_TERMS,
    REJECT,
    SESSION_EVENT,
    STOP_ORDER,
    CommandKind,
    Flag,
    InstrumentState,
    OrderOption,
    RejectReason,
    SessionEventKind,
    Side,
    Template,
)
from tools import closed
from tools.closed import Closed, ClosedError
from tools.configuration import Configuration
from tools.instruments import PRICE_TICKS_MAX, Instrument, Participant
from tools.kept import Kept, KeptDay, kept_of

Lines = NDArray[np.void]
EXECUTED_MAX = (1 << 32) - 1
COLUMNS = ("user", "symbol", "side", "price", "quantity", "order", "outcome", "why")


@dataclass(frozen=True, slots=True)
class Left:
    """An order that is not carried: what its client is told, and in words why."""

    kept: Kept
    reason: RejectReason
    why: str


@dataclass
class Plan:
    """What a closed day leaves to a new one.

    `crossed`: symbols whose orders would trade with each other: they were held when their day was
    closed, so that their instruments begin in an auction.
    """

    configuration: Configuration
    former: Closed
    carried: list[Kept] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    crossed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.users = {one.user: one for one in self.configuration.participants}
        self.symbols = {one.symbol: one for one in self.configuration.instruments}

    @property
    def messages(self) -> int:
        """Of the opening that they become."""
        return 1 + int(self.proposals[0].view(CARRIED_OVER)["messages"][0])

    @property
    def quantity(self) -> int:
        """Of what is carried."""
        return sum(one.quantity for one in self.carried)

    @cached_property
    def proposals(self) -> list[Lines]:
        """Everything that is to be said, in order: each shape (n,), dtype MESSAGE, with its topic
        but without its number there."""
        states = [_auction(self.symbols[symbol]) for symbol in self.crossed]
        orders = [said for one in self.carried for said in (self._history(one), self._entry(one))]
        told = [_told(one, who) for one in self.left if (who := self._speaker(one.kept))]
        first: Lines = np.zeros(1, CARRIED_OVER)
        first["template_id"], first["instrument"] = Template.CARRIED_OVER, INSTRUMENT_NONE
        # The engine says of a state that it has changed.
        first["messages"] = sum(map(len, [*states, *orders, *told])) + len(states)
        first["orders"], first["left_orders"] = len(self.carried), len(self.left)
        first["quantity"], first["former_digest"] = self.quantity, self.former.digest_start
        return [first.view(MESSAGE), *states, *orders, *told]

    def shard_of(self, proposal: Lines) -> int:
        """Who will answer it."""
        instrument = int(proposal[:1].view(NEW_ORDER)["instrument"][0])
        known = self.configuration.instruments
        return known[instrument].shard if instrument != INSTRUMENT_NONE else 0

    def refused_orders(self, refused: dict[int, RejectReason]) -> dict[int, RejectReason]:
        """By place among the carried, from places of the lines that `numbered` has made."""
        at = 1 + len(self.crossed)
        out = {}
        for n, one in enumerate(self.carried):
            if at + 1 in refused:
                out[n] = refused[at + 1]
            at += 1 + len(one.lines)
        return out

    def _speaker(self, kept: Kept) -> Participant | None:
        who = self.users.get(kept.user)
        return who if who is not None and not who.hears else None

    def _history(self, kept: Kept) -> Lines:
        who = self.users[kept.user]
        return line(
            SESSION_EVENT,
            Template.SESSION_EVENT,
            who.session,
            kind=SessionEventKind.CARRIED,
            instrument=INSTRUMENT_NONE,
            client_order_id=kept.client_order_id,
            account=who.account,
            firm=who.firm,
            connection=min(kept.executed, EXECUTED_MAX),
            next_message=kept.notional_1e4,
        )

    def _entry(self, kept: Kept) -> Lines:
        instrument, who = self.symbols[kept.symbol], self.users[kept.user]
        out = kept.lines.copy()
        out["topic"], out["time_ns"] = who.session, 0
        options = int(kept.order["options"][0])
        if kept.symbol in self.crossed and not kept.is_stop:
            # Of one entry, which it has had: an auction takes no such order.
            options &= ~int(OrderOption.POST_ONLY | OrderOption.SLIDE)
        first = out[:1].view(NEW_ORDER)
        first["instrument"], first["price_ticks"] = (
            instrument.index,
            kept.price_1e4 // instrument.tick_1e4,
        )
        first["account"], first["firm"], first["options"] = who.account, who.firm, options
        if kept.is_stop:
            stop = out[:1].view(STOP_ORDER)
            stop["stop_ticks"] = int(stop["stop_ticks"][0]) * kept.tick_1e4 // instrument.tick_1e4
        else:
            first["locate"] = 0
        for n, template in enumerate(out["template_id"].tolist()):
            if template == Template.ORDER_TERMS:
                terms = out[n : n + 1].view(ORDER_TERMS)
                terms["instrument"], terms["options"] = instrument.index, options
            elif template == Template.ORDER_TAG:
                tag = _unnumbered(out[n : n + 1])
                if tag["total_quantity"][0]:
                    # A FIX client's: its instrument, for what the sequencer refuses.
                    tag["total_quantity"] = instrument.index + 1
        return out


def plan(kept: KeptDay, former: Closed, configuration: Configuration, now_ns: int) -> Plan:
    """What of the kept orders goes into a day of this configuration that begins now."""
    out = Plan(configuration, former)
    for symbol, orders in kept.by_symbol.items():
        own = []
        for one in orders:
            found = _fault(one, out, now_ns)
            if found is None:
                own.append(one)
            else:
                out.left.append(Left(one, *found))
        out.carried += own
        if _are_crossed(own):
            out.crossed.append(symbol)
    return out


def plan_for(configuration: Configuration, now_ns: int) -> Plan | None:
    """What the day that was closed last leaves to a new one; None: none was.

    Raises: ClosedError: its record and its journals do not agree; DataError and others: as kept_of.
    """
    topology = configuration.topology
    former = closed.find(topology)
    if former is None:
        return None
    kept = kept_of(closed.journals_of(former, topology), closed.configuration_of(topology))
    count = len(kept.every)
    # Less is no fault: a cancel that was on its way together with EndOfDay came in before it.
    if count > former.kept_orders or kept.quantity > former.kept_quantity:
        raise ClosedError(
            f"the day {former.session} has kept {former.kept_orders:,} orders "
            f"({former.kept_quantity:,}), and its books hold {count:,} ({kept.quantity:,})"
        )
    return plan(kept, former, configuration, now_ns)


def numbered(plan: Plan, lines: Lines) -> Lines:
    """The opening: all proposals of the plan behind the definitions and rules, before the limits.

    An order of a former day is not held against a limit: one that is lowered lets stay what is
    open, too. Each line has the next number of its topic in its shard: nobody else speaks yet.
    """
    numbers: Counter[tuple[int, int]] = Counter()
    is_limit = lines["template_id"] == Template.COMMAND
    is_limit &= lines.view(COMMAND)["kind"] == CommandKind.LIMIT
    first = lines[~is_limit]
    for n in range(len(first)):
        place = 0, plan.shard_of(first[n : n + 1])
        numbers[place] += 1
        first["topic_sequence"][n] = numbers[place]
    out = [first]
    for proposal in plan.proposals:
        shard = plan.shard_of(proposal)
        place = int(proposal["topic"][0]), shard
        numbers[place] += 1
        proposal["topic_sequence"] = numbers[place]
        # What the engine adds about a state is on the operator's topic too.
        numbers[place] += int(proposal["template_id"][0]) == Template.COMMAND
        proposal["flags"] = Flag.CONTINUED
        proposal["flags"][-1] = Flag.LAST_OF_GROUP
        proposal["publisher"] = proposal["shard"] = proposal["reserved"] = 0
        proposal["checksum"] = proposal["sequence"] = 0
        out.append(proposal)
    limits = lines[is_limit]
    limits["topic_sequence"] = numbers[0, 0] + 1 + np.arange(len(limits))
    return np.concatenate([*out, limits])


def words(plan: Plan, lines_max: int = 20) -> Iterator[str]:
    """What is carried and what is not, for an operator."""
    symbols = len({one.symbol for one in plan.carried})
    yield (
        f"{len(plan.carried):,} orders ({plan.quantity:,}) in {symbols:,} instruments are carried "
        f"over from {plan.former.session}, {len(plan.left):,} are not"
    )
    for one in plan.left[:lines_max]:
        yield f"not carried: {_named(one.kept)}: {one.why}"
    if len(plan.left) > lines_max:
        yield f"and {len(plan.left) - lines_max:,} more"
    for symbol in plan.crossed:
        yield f"{symbol} begins in an auction: its orders would trade with each other"


def table(plan: Plan, refused: dict[int, RejectReason]) -> str:
    """Every kept order and what became of it, as CSV; `refused`: by place among the carried."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for n, kept in enumerate(plan.carried):
        reason = refused.get(n)
        outcome = "carried" if reason is None else "refused"
        writer.writerow([*_row(kept), outcome, "" if reason is None else reason.name])
    for one in plan.left:
        writer.writerow([*_row(one.kept), "left", one.why])
    return out.getvalue()


def _row(kept: Kept) -> tuple[object, ...]:
    side = Side(int(kept.order["side"][0])).name.lower()
    price = Decimal(kept.price_1e4) / 10_000
    return kept.user, kept.symbol, side, price, kept.quantity, kept.client_order_id


def _named(kept: Kept) -> str:
    user, symbol, side, price, quantity, number = _row(kept)
    return f"{user}'s order {number}, {side} {quantity:,} {symbol} at {price}"


def _fault(kept: Kept, new: Plan, now_ns: int) -> tuple[RejectReason, str] | None:
    """Why an order cannot come into the new day; None: it can."""
    who = new.users.get(kept.user)
    if who is None:
        return RejectReason.UNKNOWN_OWNER, f"there is no user {kept.user} any more"
    account = int(kept.order["account"][0])
    if who.hears or who.account != account:
        now = "only listens" if who.hears else f"trades for account {who.account}"
        return RejectReason.UNKNOWN_OWNER, f"it is of account {account}, and {kept.user} {now} now"
    if kept.expire_ns and kept.expire_ns <= now_ns:
        return RejectReason.INVALID_TIME_IN_FORCE, "its time is over"
    instrument = new.symbols.get(kept.symbol)
    if instrument is None:
        return RejectReason.UNKNOWN_INSTRUMENT, f"there is no instrument {kept.symbol} any more"
    return _price_fault(kept, instrument) or _size_fault(kept, instrument, who)


def _price_fault(kept: Kept, instrument: Instrument) -> tuple[RejectReason, str] | None:
    tick = Decimal(instrument.tick_1e4) / 10_000
    prices = [kept.price_1e4]
    if kept.is_stop:
        prices.append(int(kept.lines[:1].view(STOP_ORDER)["stop_ticks"][0]) * kept.tick_1e4)
    for price_1e4 in prices:
        price = Decimal(price_1e4) / 10_000
        ticks = price_1e4 // instrument.tick_1e4
        if price_1e4 % instrument.tick_1e4:
            return RejectReason.OFF_TICK, f"{price} is not a multiple of the tick {tick}"
        low, high = instrument.price_ticks_min, instrument.price_ticks_max
        if not low <= ticks <= min(high, PRICE_TICKS_MAX):
            return (
                RejectReason.INVALID_PRICE,
                f"{price} is not between {low * tick} and {high * tick}",
            )
    return None


def _size_fault(
    kept: Kept, instrument: Instrument, who: Participant
) -> tuple[RejectReason, str] | None:
    if kept.quantity % instrument.lot:
        return (
            RejectReason.OFF_LOT,
            f"{kept.quantity:,} is not a multiple of the lot {instrument.lot}",
        )
    if kept.quantity > instrument.quantity_max:
        return RejectReason.QUANTITY_EXCEEDED, f"more than {instrument.quantity_max:,}"
    most = who.notional_max_1e4
    if most and kept.quantity * kept.price_1e4 > most:
        return RejectReason.NOTIONAL_EXCEEDED, f"its value is above {Decimal(most) / 10_000:,}"
    return None


def _are_crossed(orders: list[Kept]) -> bool:
    """Whether a bid meets an offer: only orders that were held can."""
    prices = {Side.BUY: [0], Side.SELL: [1 << 62]}
    for one in orders:
        if not one.is_stop:
            prices[Side(int(one.order["side"][0]))].append(one.price_1e4)
    return max(prices[Side.BUY]) >= min(prices[Side.SELL])


def _auction(instrument: Instrument) -> Lines:
    return line(
        COMMAND,
        Template.COMMAND,
        0,
        kind=CommandKind.INSTRUMENT_STATE,
        instrument=instrument.index,
        state=InstrumentState.AUCTION,
    )


def _unnumbered(tag: Lines) -> Lines:
    """A tag; one of a FIX client without the number of its message, which was another day's."""
    out: Lines = tag.view(ORDER_TAG)
    said = Tag.read(tag.tobytes())
    if said.number is not None:
        out["text"] = tag_text(said.text, 0)
    return out


def _told(left: Left, who: Participant) -> Lines:
    """What the client of an order hears that is not carried."""
    order = left.kept.order
    first = line(
        REJECT,
        Template.REJECT,
        who.session,
        instrument=INSTRUMENT_NONE,
        reason=left.reason,
        refused_template=int(order["template_id"][0]),
        account=who.account,
        firm=who.firm,
        quantity=int(order["quantity"][0]),
        client_order_id=int(order["client_order_id"][0]),
        side=int(order["side"][0]),
    )
    tags = [
        left.kept.lines[n : n + 1].copy()
        for n, template in enumerate(left.kept.lines["template_id"].tolist())
        if template == Template.ORDER_TAG
    ]
    for tag in tags:
        tag["topic"] = who.session
        _unnumbered(tag)["total_quantity"] = 0
    return np.concatenate([first, *tags])
