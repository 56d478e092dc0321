"""What the exchange must answer to a proposal, by the oracle of each shard and the plain limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ringbus.messages import (
    TRADE_CHANGED,
    TRADE_PARTY,
    CommandKind,
    Flag,
    RejectReason,
    Template,
    TradeChangeKind,
)
from tests.engine.mix import Message
from tests.engine.oracle import OF_AN_INSTRUMENT, OF_SEVERAL, Oracle
from tests.engine.oracle.wire import decode
from tests.engine.plain_risk import LIMIT_REASON, SELF_TRADE, PlainRisk
from tests.engine.trial import described
from tests.sim.line import (
    BROADCAST,
    FLAGS,
    INSTRUMENT,
    KIND,
    NONE,
    OPTIONS_AT,
    REASON,
    SHARD,
    TEMPLATE,
    command_fault,
    lines_of,
    with_options,
)

# What the sequencer itself obeys and refuses.
OF_THE_SEQUENCER = (
    *(CommandKind.LIMIT, CommandKind.REFERENCE_PRICE, CommandKind.RESUME),
    *(CommandKind.RESTRICTION, CommandKind.SELF_TRADE, CommandKind.CLOSE_DAY),
)
OF_A_LIMIT = (
    *(*LIMIT_REASON.values(), RejectReason.KILLED, RejectReason.RESTRICTED),
    RejectReason.DAY_CLOSED,
)
OF_THE_BOOK = tuple(int(one) for one in (*OF_AN_INSTRUMENT, *OF_SEVERAL))


class Answers:
    """The rules of all shards; asked in the order of the stream, since an answer changes a book."""

    def __init__(self, oracles: Sequence[Oracle], shard_of: bytes, risk: PlainRisk | None) -> None:
        self.oracles, self.shard_of, self.risk = oracles, shard_of, risk

    def filled(self, proposal: Message) -> Message:
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
        return [with_options(line, rule) for line in proposal]

    def to(self, proposal: Message, first: bytes) -> Message:
        """The whole group, whose first line was published as `first`."""
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
                return lines_of(self.oracles[first[SHARD]].submit(proposal))
            if wanted is None:
                return proposal
            assert reason == wanted, f"not {wanted.name}"
            return [first, *proposal[1:]]
        if first[TEMPLATE] == Template.REJECTED and first[INSTRUMENT] == NONE:
            return self._refusal(proposal, first)
        proposal = self.filled(proposal)
        if not first[FLAGS] & BROADCAST:
            return lines_of(self.oracles[first[SHARD]].submit(proposal))
        answers = [lines_of(one.submit(proposal)) for one in self.oracles]
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
        answer = lines_of(self.oracles[first[SHARD]].submit(proposal))
        assert answer[0][TEMPLATE] == Template.REJECTED, "what the rules accept was refused"
        reason = int.from_bytes(first[REASON], "little")
        if reason == RejectReason.INVALID_PROPOSAL:
            return [first]
        # Whether the instrument exists is seen to first; the book would look at the scope before.
        is_seen_to_first = reason == RejectReason.UNKNOWN_INSTRUMENT
        assert is_seen_to_first or answer[0][REASON] == first[REASON], "for another reason"
        return [first, *answer[1:]]
