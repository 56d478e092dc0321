"""The auditor: reads the stream as it is published, beside the exchange, and judges every group.

It has an oracle (tests/engine/oracle) for each shard and hears what contributors propose. Whatever
is published must be the whole answer of the oracle to something that was proposed: every line, in
order, byte for byte but for the header's numbers. So nothing is said that nobody asked for, nothing
twice, and every message is what the rules say at that point of the stream.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ringbus.messages import (
    INSTRUMENT_NONE,
    MESSAGE,
    TRADE_CHANGE,
    TRADE_CHANGED,
    TRADE_PARTY,
    CommandKind,
    Flag,
    RejectReason,
    Restriction,
    RiskLimit,
    Template,
    TradeChangeKind,
)
from ringbus.messages import MassCancelScope as Scope
from tests.engine.mix import Message
from tests.engine.oracle import BUY, LINE_BYTES, OF_AN_INSTRUMENT, OF_SEVERAL, SELL, Oracle
from tests.engine.oracle.market import Instrument, Order
from tests.engine.oracle.wire import Fields, decode
from tests.engine.plain_risk import LIMIT_REASON, ORDERS, SELF_TRADE, PlainRisk
from tests.engine.trial import described, row, rows, same

# Where things are in a line.
TOPIC, PUBLISHER, TEMPLATE, FLAGS, SHARD = slice(20, 22), slice(22, 24), 24, 25, 26
TIME, LOCK, BODY, INSTRUMENT = slice(8, 16), slice(16, 22), slice(32, 64), slice(32, 36)
KIND = SIDE = 56
# Of a Rejected line: what it keeps of the proposal, and the template that was refused.
KEPT, REFUSED, REASON = slice(36, 57), 57, slice(58, 60)
# What the sequencer itself obeys and refuses.
OF_THE_SEQUENCER = (
    *(CommandKind.LIMIT, CommandKind.REFERENCE_PRICE, CommandKind.RESUME),
    *(CommandKind.RESTRICTION, CommandKind.SELF_TRADE, CommandKind.CLOSE_DAY),
)
OF_A_LIMIT = (
    *(*LIMIT_REASON.values(), RejectReason.KILLED, RejectReason.RESTRICTED),
    RejectReason.DAY_CLOSED,
)
ONE_OWNER = (Scope.ACCOUNT, Scope.FIRM)
OF_THE_BOOK = tuple(int(one) for one in (*OF_AN_INSTRUMENT, *OF_SEVERAL))
# Where the options of self-trade are, which the sequencer fills in.
OPTIONS_AT = {
    int(Template.NEW_ORDER): 63,
    int(Template.MULTI_LEG_ORDER): 57,
    int(Template.ORDER_TERMS): 44,
}
# What has a number of an operator.
NUMBER, ASKED = slice(48, 52), 62
OF_THE_CONSOLE = (
    *(Template.COMMAND, Template.MASS_CANCEL, Template.COMMAND_ASKED, Template.TRADE_CHANGE),
)
# What the book fills in, which is something else in a proposal.
FILLED_IN: dict[int, tuple[slice, ...]] = {
    Template.NEW_ORDER: (slice(36, 40), slice(44, 48)),
    Template.CANCEL: (slice(36, 40), slice(56, 57), slice(60, 64)),
    Template.REPLACE: (slice(36, 40), slice(56, 57)),
}
# Of the flags, those that the oracle gives too.
SAID = int(Flag.CONTINUED | Flag.GENERATED | Flag.KEPT_PRIORITY)
LAST_OF_GROUP, BROADCAST = int(Flag.LAST_OF_GROUP), int(Flag.BROADCAST)
NONE = INSTRUMENT_NONE.to_bytes(4, "little")


class Open:
    """Open orders of all shards, by numbers that a Mix can throw dice for."""

    def __init__(self, oracles: Sequence[Oracle]) -> None:
        self._oracles = oracles

    def get(self, number: int) -> Order | None:
        locate, shard = divmod(number, len(self._oracles))
        return self._oracles[shard].open.get(locate + 1)


class Markets:
    """All shards' oracles as one, as far as a Mix asks."""

    def __init__(self, oracles: Sequence[Oracle], shard_of: bytes) -> None:
        self.market = self
        self.instruments: list[Instrument] = [
            oracles[shard].market.instruments[n] for n, shard in enumerate(shard_of)
        ]
        self.open = Open(oracles)


class Judge(Protocol):
    """Judges what one kind of application says."""

    def expect(self, first: bytes) -> None:
        """A group with this first line comes next; the oracle has not heard it."""

    def hear(self, group: Message) -> None:
        """It is right, as far as the engine is concerned."""


class Auditor:
    """Hears proposals and the stream; raises AssertionError at the first group that is wrong."""

    def __init__(
        self,
        instruments: int,
        orders: int,
        nodes: int,
        shard_of: bytes,
        groups: Sequence[int],
        risk: PlainRisk | None = None,
    ) -> None:
        self.oracles = [
            Oracle(instruments, orders, nodes, groups) for _ in range(max(shard_of) + 1)
        ]
        self.markets = Markets(self.oracles, shard_of)
        self.shard_of = shard_of
        self.risk = risk
        self.groups = 0
        # For operators: matches of the day's trades, and numbers of commands that wait.
        self.trades: list[int] = []
        self.waiting: dict[int, bool] = {}
        self._void: dict[int, bool] = {}
        self.kinds: dict[int, int] = defaultdict(int)
        self.judges: list[Judge] = []
        # By publisher, topic, the topic's number and shard: what was proposed under them.
        self._proposed: dict[tuple[bytes, bytes], list[Message]] = defaultdict(list)
        self._told_all: dict[tuple[bytes, bytes], bool] = {}
        self._lines: Message = []

    def propose(self, contributor: int, lines: Message) -> None:
        """A contributor puts this on its lane."""
        publisher = (contributor + 1).to_bytes(2, "little")
        instrument = int.from_bytes(lines[0][INSTRUMENT], "little")
        shard = self.shard_of[instrument] if instrument < len(self.shard_of) else 0
        keys = [lines[0][LOCK] + bytes([shard])]
        if lines[0][TEMPLATE] == Template.MASS_CANCEL and lines[0][INSTRUMENT] == NONE:
            keys.append(_number(lines[0]))
        for key in keys:
            candidates = self._proposed[publisher, key]
            if lines not in candidates:
                candidates.append(lines)

    def hear(self, stream: NDArray[np.void]) -> None:
        """Lines of the stream, in order."""
        raw = stream.tobytes()
        for at in range(0, len(raw), LINE_BYTES):
            line = raw[at : at + LINE_BYTES]
            self._lines.append(line)
            if line[FLAGS] & LAST_OF_GROUP:
                self._judge(self._lines)
                self._lines = []

    def compare(self, books: Sequence[object]) -> None:
        """Every order of every book is where the oracle has it, with all that belongs to it."""
        for number, instrument in enumerate(self.markets.instruments):
            book = books[self.shard_of[number]]
            of = f"of instrument {number}"
            same(f"state {of}", book.state(number), instrument.state)  # type: ignore[attr-defined]
            same(f"changes {of}", book.changes(number), instrument.changes)  # type: ignore[attr-defined]
            held = rows(book.walk_held(number))  # type: ignore[attr-defined]
            same(f"held {of}", held, [row(one) for one in instrument.held])
            for side in (BUY, SELL):
                walked = rows(book.walk(number, side))  # type: ignore[attr-defined]
                wanted = [row(one) for one in instrument.sides[side]]
                same(f"side {side} {of}", walked, wanted)

    def _judge(self, group: Message) -> None:
        self.groups += 1
        first = group[0]
        template = first[TEMPLATE]
        assert self.kinds[Template.END_OF_DAY] == 0, "said behind the end of the day"
        self.kinds[template] += 1
        if template == Template.EPOCH_START:
            assert len(group) == 1, "EpochStart has lines behind it"
            for judge in self.judges:
                judge.hear(group)
            return
        proposal = self._proposal_of(group)
        for judge in self.judges:
            judge.expect(first)
        expected = self._answer(proposal, first)
        if [_said(one) for one in group] != [_said(one) for one in expected]:
            raise AssertionError(
                f"group {self.groups}, message:\n{described(b''.join(proposal))}"
                f"oracle:\n{described(b''.join(expected))}engine:\n{described(b''.join(group))}"
            )
        self._note(group)
        for judge in self.judges:
            judge.hear(group)
        if self.risk is not None:
            self._within_limits(self.risk, proposal, group)

    def _note(self, group: Message) -> None:
        """What operators may speak of; no trade is void twice, or changed when it is void."""
        first = group[0]
        executed = [line for line in group if line[TEMPLATE] == Template.EXECUTED]
        self.trades += [int.from_bytes(line[:8], "little") for line in executed[::2]]
        if first[TEMPLATE] in OF_THE_CONSOLE and first[TOPIC] == bytes(2):
            number = int.from_bytes(first[NUMBER], "little")
            if first[TEMPLATE] == Template.COMMAND_ASKED and first[ASKED]:
                self.waiting[number] = True
            else:
                self.waiting.pop(number, None)
        if first[TEMPLATE] == Template.TRADE_CHANGE:
            line = np.frombuffer(first, TRADE_CHANGE)[0]
            match = int(line["match"])
            assert match in self.trades, "a trade that there was not"
            assert match not in self._void, f"trade {match} was void"
            if line["kind"] == TradeChangeKind.BUST:
                self._void[match] = True

    def _within_limits(self, risk: PlainRisk, proposal: Message, group: Message) -> None:
        """Limits and kills stand where the stream has put them: none late, none too soon."""
        first = group[0]
        time_ns = int.from_bytes(first[TIME], "little")
        reason = int.from_bytes(first[REASON], "little")
        lines = np.frombuffer(b"".join(proposal), MESSAGE)
        if first[TEMPLATE] in (*ORDERS, Template.STOP_ORDER):
            assert risk.reason(lines, time_ns) == 0, f"beyond a limit:\n{described(first)}"
        elif first[TEMPLATE] == Template.REJECTED and reason in OF_A_LIMIT:
            if not has_sides(proposal) or not self._has_order(proposal, first[SHARD]):
                # The book would have refused it: the plain reckoning knows nothing of such.
                return
            wanted = risk.reason(lines, time_ns)
            assert wanted == reason, f"{wanted} was the reason:\n{described(first)}"
        risk.take(np.frombuffer(b"".join(group), MESSAGE))

    def _has_order(self, proposal: Message, shard: int) -> bool:
        """Whether a Replace names an open order of its session, account and firm.

        One that leaves for another account's is not taken off before: that errs on the safe side.
        """
        if proposal[0][TEMPLATE] != Template.REPLACE:
            return True
        first = decode(proposal[0])
        market = self.oracles[shard].market
        order = market.own(first, first["original_client_order_id"])
        owners = first["account"], first["firm"]
        return order is not None and (order.account, order.firm) == owners

    def _proposal_of(self, group: Message) -> Message:
        """What this is the answer to; it cannot be answered again."""
        first = group[0]
        is_for_all = first[FLAGS] & BROADCAST
        lock = first[LOCK] + bytes([first[SHARD]])
        key = first[PUBLISHER], _number(first) if is_for_all else lock
        is_refused = first[TEMPLATE] == Template.REJECTED
        # A port that follows another may say an order again with another time to end at.
        rest = [_said(line) for line in group[1:]]
        candidates = self._proposed.get(key, ())
        for proposal in sorted(
            candidates, key=lambda one: [_said(line) for line in one[1:]] != rest[: len(one) - 1]
        ):
            if _may_become(proposal if is_refused else self._filled(proposal), group):
                if is_for_all:
                    assert key not in self._told_all, f"twice:\n{described(first)}"
                    self._told_all[key] = True
                del self._proposed[key]
                return proposal
        raise AssertionError(f"nobody proposed:\n{described(b''.join(group))}")

    def _filled(self, proposal: Message) -> Message:
        """With the options that the sequencer gives to an order that names none of self-trade."""
        first = proposal[0]
        if self.risk is None or first[TEMPLATE] not in OPTIONS_AT | {int(Template.REPLACE): 0}:
            return proposal
        says = [line for line in proposal if line[TEMPLATE] in OPTIONS_AT]
        if not says or says[0][OPTIONS_AT[says[0][TEMPLATE]]] & SELF_TRADE:
            return proposal
        owners = decode(first)
        rules = self.risk.self_trade
        rule = rules.get(("account", owners["account"])) or rules.get(("firm", owners["firm"]), 0)
        return [_with_options(line, rule) for line in proposal]

    def _answer(self, proposal: Message, first: bytes) -> Message:
        if proposal[0][TEMPLATE] == Template.TRADE_CHANGE:
            return self._changed(proposal, first)
        reason = int.from_bytes(first[REASON], "little")
        if first[TEMPLATE] == Template.REJECTED and reason in OF_A_LIMIT and self.risk is not None:
            return [first, *proposal[1:]]
        if proposal[0][TEMPLATE] not in OF_THE_BOOK:
            return proposal
        if proposal[0][TEMPLATE] == Template.COMMAND and proposal[0][KIND] in OF_THE_SEQUENCER:
            wanted = command_fault(decode(proposal[0]), len(self.shard_of))
            if wanted is None and proposal[0][KIND] == CommandKind.REFERENCE_PRICE:
                return _lines(self.oracles[first[SHARD]].submit(proposal))
            if wanted is None:
                return proposal
            assert reason == wanted, f"not {wanted.name}"
            return [first, *proposal[1:]]
        if first[TEMPLATE] == Template.REJECTED and first[INSTRUMENT] == NONE:
            return self._refusal(proposal, first)
        proposal = self._filled(proposal)
        if not first[FLAGS] & BROADCAST:
            return _lines(self.oracles[first[SHARD]].submit(proposal))
        answers = [_lines(one.submit(proposal)) for one in self.oracles]
        asked = len(proposal)
        behind = [line for answer in answers for line in answer[asked:]]
        behind.sort(key=lambda line: int.from_bytes(line[INSTRUMENT], "little"))
        return answers[0][:asked] + behind

    def _changed(self, proposal: Message, first: bytes) -> Message:
        """A console knows the trade: nothing of it is refused, and each party is told."""
        assert first[TEMPLATE] == Template.TRADE_CHANGE, f"refused:\n{described(first)}"
        change = decode(proposal[0])
        out = list(proposal)
        for n in (1, 3):
            party, tag = np.frombuffer(proposal[n], TRADE_PARTY)[0], bytearray(proposal[n + 1])
            if self.risk is not None and change["kind"] == TradeChangeKind.BUST:
                order, quantity = self.risk.trades[change["match"] + n // 2]
                counted = order.price_1e4 * quantity
                assert party["notional_1e4"] == counted, "not what the trade counted at risk"
            line: NDArray[np.void] = np.frombuffer(proposal[n], TRADE_CHANGED).copy()
            for name in ("price_ticks", "match", "kind", "quantity"):
                line[name] = change[name]
            line["reason"] = bytes([change["reason"]])
            line["side"], line["liquidity"] = party["side"], party["liquidity"]
            line["template_id"] = Template.TRADE_CHANGED
            line["topic"], line["flags"] = party["session"], Flag.GENERATED | Flag.CONTINUED
            tag[20:22] = int(party["session"]).to_bytes(2, "little")
            tag[FLAGS] = int(Flag.GENERATED)
            out += [line.tobytes(), bytes(tag)]
        return out

    def _refusal(self, proposal: Message, first: bytes) -> Message:
        """Of a message without an instrument, by sequencer or book: the rules refuse it too."""
        answer = _lines(self.oracles[first[SHARD]].submit(proposal))
        assert answer[0][TEMPLATE] == Template.REJECTED, "what the rules accept was refused"
        reason = int.from_bytes(first[REASON], "little")
        if reason == RejectReason.INVALID_PROPOSAL:
            return [first]
        # Whether the instrument exists is seen to first; the book would look at the scope before.
        is_seen_to_first = reason == RejectReason.UNKNOWN_INSTRUMENT
        assert is_seen_to_first or answer[0][REASON] == first[REASON], "for another reason"
        return [first, *answer[1:]]


def has_sides(proposal: Message) -> bool:
    """Whether each order is of one side."""
    orders = [line for line in proposal if line[TEMPLATE] in (Template.NEW_ORDER, Template.LEG)]
    return all(line[SIDE] in (BUY, SELL) for line in orders)


def command_fault(line: Fields, instruments: int) -> RejectReason | None:
    """Why the sequencer refuses a command that is for itself (engine/risk.h)."""
    is_none = line["instrument"] == INSTRUMENT_NONE
    if line["kind"] == CommandKind.REFERENCE_PRICE:
        if line["instrument"] >= instruments:
            return RejectReason.UNKNOWN_INSTRUMENT
        return None if 0 <= line["price_ticks"] < 1 << 30 else RejectReason.INVALID_PRICE
    if line["kind"] == CommandKind.RESTRICTION:
        if line["instrument"] >= instruments:
            return RejectReason.UNKNOWN_INSTRUMENT
        is_right = line["scope"] in ONE_OWNER and line["value"] in (0, *Restriction)
    elif line["kind"] == CommandKind.SELF_TRADE:
        is_right = is_none and line["scope"] in ONE_OWNER
    elif line["kind"] == CommandKind.LIMIT:
        is_right = is_none and line["scope"] in ONE_OWNER and line["limit"] in tuple(RiskLimit)
    elif line["kind"] == CommandKind.CLOSE_DAY:
        is_right = is_none
    else:
        is_right = is_none and line["scope"] in (*ONE_OWNER, Scope.EVERYTHING, Scope.SESSION)
    return None if is_right else RejectReason.INVALID_OPTIONS


def _number(first: bytes) -> bytes:
    """What goes to all shards takes no lock, and is known by its own number."""
    return first[48:52] + first[TOPIC]


def _may_become(proposal: Message, group: Message) -> bool:
    asked, said = proposal[0], group[0]
    if said[TEMPLATE] == Template.REJECTED:
        if asked[TEMPLATE] != said[REFUSED]:
            return False
        if int.from_bytes(said[REASON], "little") == RejectReason.INVALID_PROPOSAL:
            return True
        return asked[KEPT] == said[KEPT] and said[INSTRUMENT] in (asked[INSTRUMENT], NONE)
    if asked[TEMPLATE] != said[TEMPLATE]:
        return False
    one, other = bytearray(asked), bytearray(said)
    for part in FILLED_IN.get(asked[TEMPLATE], ()):
        one[part] = other[part] = bytes(part.stop - part.start)
    behind = [line[BODY] for line in proposal[1:]]
    return one[BODY] == other[BODY] and behind == [line[BODY] for line in group[1 : len(proposal)]]


def _said(line: bytes) -> tuple[bytes, int, int, bytes]:
    """A line without its place, time, numbers, and who said it in which shard."""
    return line[TOPIC], line[TEMPLATE], line[FLAGS] & SAID, line[BODY]


def _with_options(line: bytes, rule: int) -> bytes:
    at = OPTIONS_AT.get(line[TEMPLATE])
    return line if at is None else line[:at] + bytes([line[at] | rule]) + line[at + 1 :]


def _lines(answer: bytes) -> Message:
    return [answer[at : at + LINE_BYTES] for at in range(0, len(answer), LINE_BYTES)]
