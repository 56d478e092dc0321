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
    MESSAGE,
    TRADE_CHANGE,
    Template,
    TradeChangeKind,
)
from tests.engine.mix import Message
from tests.engine.oracle import BUY, LINE_BYTES, SELL, Oracle
from tests.engine.oracle.market import Instrument, Order
from tests.engine.oracle.wire import decode
from tests.engine.plain_risk import ORDERS, PlainRisk
from tests.engine.trial import described, row, rows, same
from tests.sim.answers import OF_A_LIMIT, Answers
from tests.sim.line import (
    ASKED,
    BROADCAST,
    FLAGS,
    INSTRUMENT,
    LAST_OF_GROUP,
    LOCK,
    NONE,
    NUMBER,
    PUBLISHER,
    REASON,
    SHARD,
    TEMPLATE,
    TIME,
    TOPIC,
    has_sides,
    may_become,
    own_number,
    said,
)

OF_THE_CONSOLE = (
    *(Template.COMMAND, Template.MASS_CANCEL, Template.COMMAND_ASKED, Template.TRADE_CHANGE),
)


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
        self._answers = Answers(self.oracles, shard_of, risk)
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
            keys.append(own_number(lines[0]))
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
        expected = self._answers.to(proposal, first)
        if [said(one) for one in group] != [said(one) for one in expected]:
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
        key = first[PUBLISHER], own_number(first) if is_for_all else lock
        is_refused = first[TEMPLATE] == Template.REJECTED
        # A port that follows another may say an order again with another time to end at.
        rest = [said(line) for line in group[1:]]
        candidates = self._proposed.get(key, ())
        for proposal in sorted(
            candidates, key=lambda one: [said(line) for line in one[1:]] != rest[: len(one) - 1]
        ):
            if may_become(proposal if is_refused else self._answers.filled(proposal), group):
                if is_for_all:
                    assert key not in self._told_all, f"twice:\n{described(first)}"
                    self._told_all[key] = True
                del self._proposed[key]
                return proposal
        raise AssertionError(f"nobody proposed:\n{described(b''.join(group))}")
