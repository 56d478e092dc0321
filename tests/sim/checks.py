"""What must hold of a simulated exchange when it has come to rest.

The auditor has held every message against the oracle while it was published; here is what only the
whole run can show. Each check fails for something: tests/sim/test_checks.py plants the lie.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.passive import PassiveEngine
from ports.ouch import (
    EnterOrder,
    Inbound,
    OrderAccepted,
    OrderExecuted,
    OrderReplaced,
    decode_outbound,
)
from ringbus.journal import read_day
from ringbus.messages import (
    NEW_ORDER,
    REJECTED,
    SESSION_EVENT,
    Flag,
    SessionEventKind,
    Template,
    TradeChangeKind,
)
from tests.sim.clients import Client
from tests.sim.ground import CONSOLE, INSTRUMENTS
from tests.sim.ledger import Ledger
from tests.sim.wire import Follower
from tests.sim.world import World
from tools.console.names import command_of
from tools.console.record import Change, Record

Lines = NDArray[np.void]
# What a session is told of on its topic, as ports/translate.c has it; of the rest, see `shown`.
SHOWN = (
    Template.NEW_ORDER, Template.REPLACE, Template.CANCEL, Template.EXECUTED, Template.CANCELED,
    Template.REPLENISHED, Template.TRADE_CHANGED,
)  # fmt: skip
EVENTS = (
    SessionEventKind.ENTRY_DISABLED, SessionEventKind.ENTRY_ENABLED, SessionEventKind.ACCOUNT_QUERY,
)  # fmt: skip
# Of the day itself: told to everybody.
TOLD_ALL = (Template.BUILD_RECORD, Template.END_OF_DAY)
BEHIND = (
    *(Template.ORDER_TAG, Template.ORDER_TERMS, Template.LEG, Template.TEXT),
    Template.TRADE_PARTY,
)


@dataclass(frozen=True, slots=True)
class Told:
    """What a client asked and was told."""

    user: str
    topic: int
    sent: Sequence[Inbound]
    got: Sequence[bytes]


def check_all(world: World) -> Lines:
    """Every promise; returns the stream. Raises: AssertionError."""
    stream = world.stream()
    numbers_are_dense(stream)
    for directory in world.directories:
        assert same_lines(read_day(directory), stream), f"{directory.name} is another stream"
    topics_are_in_order(stream, world.options.shards)
    groups_are_whole(stream)
    ledger = Ledger()
    ledger.take(stream)
    passive = passive_is_active(world, stream)
    world.auditor.compare(passive.books)
    if world.engine is not None:
        world.auditor.compare([shard.book for shard in world.engine.shards])
    else:
        assert world.is_over, "the exchange has no engine"
    orders_are_in_the_books(ledger, passive)
    passive.close()
    if world.auditor.risk is not None:
        risk_is_plain(world, stream)
    operators_were_told_the_truth(world, stream)
    for follower in world.followers:
        follower_saw_the_stream(follower, stream)
    for client in world.clients:
        # Who lost its port while the day ended is told the rest on the next one, by its statement.
        has_all = world.staff is None or world.staff.day.closed_at >= 1
        client_got_its_messages(client, stream, has_all)
        was_told_what_was_promised(client, stream)
    return stream


def same_lines(one: Lines, other: Lines) -> bool:
    return one.tobytes() == other.tobytes()


def numbers_are_dense(stream: Lines) -> None:
    """Sequences are 1, 2, 3 …, and time never goes back."""
    assert np.array_equal(stream["sequence"], np.arange(1, len(stream) + 1)), "a gap or a repeat"
    assert np.all(np.diff(stream["time_ns"].astype(np.int64)) >= 0), "time goes back"


def topics_are_in_order(stream: Lines, shards: int) -> None:
    """Each topic counts in each shard without a gap; what goes to all shards counts in all."""
    reached: dict[tuple[int, int], int] = defaultdict(int)
    firsts = stream[~np.isin(stream["template_id"], BEHIND)]
    names = ("sequence", "topic", "shard", "topic_sequence", "flags")
    for sequence, topic, shard, number, flags in firsts[list(names)].tolist():
        is_for_all = flags & Flag.BROADCAST
        for n in range(shards) if is_for_all else (shard,):
            reached[topic, n] += 1
        assert number == reached[topic, shard], f"message {sequence}: not the topic's next number"


def groups_are_whole(stream: Lines) -> None:
    """Every group ends, and begins with a line that somebody contributed."""
    ends = (stream["flags"] & Flag.LAST_OF_GROUP) != 0
    if len(stream):
        assert ends[-1], "the stream ends inside a group"
        heads = stream[np.concatenate(([True], ends[:-1]))]
        made = (heads["flags"] & Flag.GENERATED) != 0
        assert np.all(~made | (heads["template_id"] == Template.REJECTED)), "a group without a head"
        assert not np.isin(heads["template_id"], BEHIND).any(), "a group without a head"


def passive_is_active(world: World, stream: Lines) -> PassiveEngine:
    """The same code makes the same bytes from what was contributed."""
    passive = PassiveEngine(world.size, world.shard_of)
    passive.feed(stream)
    assert passive.lines == len(stream), "the passive engine has more to say"
    assert len(passive.ahead) == len(passive.held) == 0, "the passive engine waits for more"
    for book in passive.books:
        book.verify()
    return passive


def risk_is_plain(world: World, stream: Lines) -> None:
    """What owners have at stake, busts taken back, is what a plain reckoning of the day gives."""
    risk, plain = world.new_risk(), world.auditor.risk
    assert risk is not None
    assert plain is not None
    risk.apply(stream)
    risk.verify()
    for kind, count in (("account", 5), ("firm", 3)):
        for number in range(1, count):
            mine = getattr(risk, kind)(number)
            assert mine == plain.exposure((kind, number)), f"{kind} {number} has another risk"


def operators_were_told_the_truth(world: World, stream: Lines) -> None:
    """Each command that was said stands there once, under its number and with its author; one that
    needs a second author stands behind the first one's word."""
    changes = {one.sequence: one for one in Record().hear(stream)}
    told = [one for operator in world.operators for one in operator.done]
    assert len({one.sequence for one in told}) == len(told), "two were told of one command"
    for one in told:
        change = changes[one.sequence]
        assert (change.number, change.author) == (one.number, one.author), "another's command"
        assert change.is_asked == one.waits, "it waits, or does not"
    own = [one for one in changes.values() if one.publisher == CONSOLE + 1]
    wanted = {one.sequence for one in own}
    assert wanted == {one.sequence for one in told}, "a command that nobody was told of"
    said: dict[int, list[Change]] = defaultdict(list)
    for change in own:
        said[change.number].append(change)
    for number, ones in said.items():
        asked = [one for one in ones if one.is_asked]
        ends = [one for one in ones if not one.is_asked]
        assert len(asked) <= 1, f"command {number} was asked for twice"
        assert len(ends) <= 1, f"command {number} was said twice"
        if world.options.approvals > 1:
            for end in ends:
                has_second_author(asked, end)


def has_second_author(asked: Sequence[Change], end: Change) -> None:
    """A command that became true, or was withdrawn, is what somebody else had asked for."""
    if not asked:
        is_free = end.template in (Template.MASS_CANCEL, Template.COMMAND_ASKED)
        assert is_free, f"command {end.number} had no second author"
    elif end.template != Template.COMMAND_ASKED:
        (one,) = asked
        assert one.author != end.author, f"command {end.number} had one author"
        assert one.sequence < end.sequence
        # What it is about, and its price and value: a bust's price may be another one by now.
        wanted, said = command_of(one.raw), end.raw
        is_bust = end.template == Template.TRADE_CHANGE and said[56] == TradeChangeKind.BUST
        of = slice(40, 48) if is_bust else slice(32, 48)
        assert end.refused or said[of] == wanted[of], "another command than was asked for"


def orders_are_in_the_books(ledger: Ledger, passive: PassiveEngine) -> None:
    """What is open by the stream's own account is in the books, and nothing else."""
    wanted = sorted((*key[:2], entry.open) for key, entry in ledger.orders.items())
    found = []
    for book in passive.books:
        for instrument in range(INSTRUMENTS):
            walks = book.walk(instrument, 1), book.walk(instrument, 2), book.walk_held(instrument)
            for orders in walks:
                found += orders[["topic", "client_order_id", "quantity"]].tolist()
    assert sorted(found) == wanted, "the books hold other orders than the stream left open"


def follower_saw_the_stream(follower: Follower, stream: Lines) -> None:
    """Whoever starts anywhere and is overtaken has in the end what everybody has, once."""
    got = b"".join(follower.got)
    whole = stream[follower.start - 1 : follower.next - 1].tobytes()
    assert got == whole, "a reader saw another stream"


def shown(stream: Lines, topic: int) -> NDArray[np.int64]:
    """Places of the lines that a session is shown: its orders', and answers to what it numbered."""
    template, refused = stream["template_id"], stream.view(REJECTED)["refused_template"]
    has_number = stream.view(REJECTED)["client_order_id"] != 0
    numbered = has_number & np.isin(refused, (Template.MASS_CANCEL, Template.SESSION_EVENT))
    refusals = np.isin(template, (Template.REJECT, Template.REJECTED))
    refusals &= (refused <= Template.REPLACE) | numbered
    events = (template == Template.SESSION_EVENT) & np.isin(
        stream.view(SESSION_EVENT)["kind"], EVENTS
    )
    sweeps = (template == Template.MASS_CANCEL) & has_number
    told = np.isin(template, SHOWN) | refusals | events | sweeps
    return np.flatnonzero((stream["topic"] == topic) & told | np.isin(template, TOLD_ALL))


def client_got_its_messages(client: Client | Told, stream: Lines, has_all: bool = True) -> None:
    """What a client was told is its part of the stream: all of it, once, in order.

    `has_all`: it was connected to the last; if not, it has the first ones.
    """
    places = shown(stream, client.topic)
    places = places if has_all else places[: len(client.got)]
    assert len(client.got) == len(places), f"{client.user}: {len(client.got)} of {len(places)}"
    lines = stream[places].view(NEW_ORDER)
    for payload, line in zip(client.got, lines, strict=True):
        message = decode_outbound(payload)
        template = int(line["template_id"])
        name = type(message).__name__
        assert message.timestamp_ns == int(line["time_ns"]) % 86_400_000_000_000, name
        assert name in TOLD[Template(template)], f"{name} for {Template(template).name}"
        if hasattr(message, "user_ref") and template in SHOWN:
            assert message.user_ref == int(line["client_order_id"]), name
        if isinstance(message, OrderAccepted | OrderExecuted):
            assert message.quantity == int(line["quantity"]), name
        if isinstance(message, OrderAccepted | OrderReplaced):
            assert message.order_reference == int(line["sequence"]), name
    # Whatever was asked under a new number was answered under it, once.
    asked = {one.user_ref for one in client.sent if isinstance(one, EnterOrder)}
    entered = lines[lines["template_id"] == Template.NEW_ORDER]["client_order_id"].tolist()
    assert len(set(entered)) == len(entered), f"{client.user}: an order was entered twice"
    assert set(entered) <= asked, f"{client.user}: an order that nobody entered"


TOLD = {
    Template.NEW_ORDER: ("OrderAccepted",),
    Template.REPLACE: ("OrderReplaced", "OrderModified"),
    Template.CANCEL: ("OrderCanceled", "OrderModified"),
    Template.CANCELED: ("OrderCanceled", "AiqCanceled"),
    Template.EXECUTED: ("OrderExecuted",),
    Template.REPLENISHED: ("OrderRestated",),
    Template.TRADE_CHANGED: ("BrokenTrade", "TradeCorrection"),
    Template.REJECT: ("OrderRejected", "CancelReject"),
    Template.REJECTED: ("OrderRejected", "CancelReject"),
    Template.MASS_CANCEL: ("MassCancelResponse",),
    Template.SESSION_EVENT: (
        "AccountQueryResponse", "DisableOrderEntryResponse", "EnableOrderEntryResponse",
    ),
    Template.BUILD_RECORD: ("SystemEvent",),
    Template.END_OF_DAY: ("SystemEvent",),
}  # fmt: skip


def was_told_what_was_promised(client: Client, stream: Lines) -> None:
    """Nobody was told anything that fewer journals had made durable than was promised."""
    sequences = stream["sequence"][shown(stream, client.topic)[: len(client.got)]].tolist()
    for sequence, durable in zip(sequences, client.durable, strict=True):
        assert sequence <= durable, f"{client.user}: message {sequence} was told at {durable}"
