"""Sessions of several accounts and firms against a whole engine with limits, in any interleaving.

Each agent is stepped by chance, so that proposals, answers and what the sequencer has read of them
are apart by as much as the lanes allow. Every published group is compared with a plain model that
has seen exactly what came before it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine._engine import lib
from engine.fused import FusedEngine, Size
from engine.risk import NO_LIMIT, Risk, RiskInstrument, RiskSize
from ringbus.messages import (
    COMMAND,
    EXECUTED,
    INSTRUMENT_NONE,
    LEG,
    MASS_CANCEL,
    MULTI_LEG_ORDER,
    REPLACE,
    TRADE_PARTY,
    CommandKind,
    Flag,
    MassCancelScope,
    OrderOption,
    RejectReason,
    Restriction,
    RiskLimit,
    Side,
    Template,
    TimeInForce,
    TradeChangeKind,
)
from ringbus.multicast import Reader
from ringbus.status import check
from tests.engine.mix import SELF_TRADES
from tests.engine.parts import grouped
from tests.engine.plain_risk import ORDERS, PlainRisk, fields
from tests.engine.trader import Lines, cancel, lines, new_order
from tools.console.trades import Trade, change

# Lines that only stand behind others.
BEHIND = (Template.LEG, Template.ORDER_TERMS, Template.TRADE_PARTY, Template.ORDER_TAG)
SESSIONS, ACCOUNTS, FIRMS, INSTRUMENTS = 8, 4, 3, 4
OPERATOR = SESSIONS + 1
LIMIT_REASONS = (
    *range(RejectReason.OPEN_LONG_LIMIT, RejectReason.RISK_CAPACITY + 1),
    RejectReason.RESTRICTED,
)
TABLE = [RiskInstrument(tick_1e4=1 + n, price_ticks_max=130) for n in range(INSTRUMENTS)]
SCOPES = {
    MassCancelScope.EVERYTHING: 1,
    MassCancelScope.SESSION: 4,
    MassCancelScope.ACCOUNT: 3,
    MassCancelScope.FIRM: 2,
}
# So that each is met now and then: what a few orders amount to.
USUAL = {
    RiskLimit.OPEN_LONG: 20_000,
    RiskLimit.OPEN_SHORT: 20_000,
    RiskLimit.NET_POSITION: 30_000,
    RiskLimit.GROSS_POSITION: 40_000,
    RiskLimit.TRADED_NOTIONAL: 100_000,
    RiskLimit.TRADED_QUANTITY: 1_000,
    RiskLimit.OPEN_ORDERS: 12,
    RiskLimit.MESSAGES_PER_SECOND: 400,
}


@dataclass(slots=True)
class Session:
    """A session with at most one proposal in flight, which is here until it is decided."""

    account: int
    firm: int
    proposal: Lines | None = None
    place: tuple[int, int] = (0, 0)  # shard and topic number of the proposal
    orders: dict[int, tuple[int, int, int]] = field(
        default_factory=dict
    )  # instrument, locate, open


class Market:
    """An engine with `shards`, sessions on topics 1.. and an operator who sets these limits."""

    def __init__(
        self, seed: int, shards: int, limits: Sequence[RiskLimit] = tuple(RiskLimit)
    ) -> None:
        self.limits = limits
        self.dice = random.Random(seed)
        size = Size(
            INSTRUMENTS,
            shards,
            topics=16,
            contributors=SESSIONS + 1,
            stream_slots=256,
            lane_slots=64,
            orders=256,
        )
        groups = [1] * INSTRUMENTS if shards == 1 else [0] * INSTRUMENTS
        owners = RiskSize(ACCOUNTS, FIRMS, 64)
        self.risk = Risk(TABLE, shards, size.orders, owners, size.topics)
        self.engine = FusedEngine(size, group_of=groups, risk=self.risk)
        self.reader = Reader(self.engine.ring)
        self.plain = PlainRisk(TABLE)
        self.sessions = {
            n: Session(self.dice.randrange(1, ACCOUNTS), self.dice.randrange(1, FIRMS))
            for n in range(1, SESSIONS + 1)
        }
        self.sessions[OPERATOR] = Session(0, 0)
        self.seen: dict[tuple[int, int], int] = {}
        self.group: list[Lines] = []
        self.reasons: Counter[int] = Counter()
        self.filled_in = 0
        self.lines: list[Lines] = []
        self.executed: dict[int, Lines] = {}
        self.changes: Counter[Template] = Counter()
        self.numbers = 0

    def close(self) -> None:
        self.engine.close()

    # --- steps

    def run(self, steps: int) -> None:
        """So many steps by chance, then everything to its end."""
        for _ in range(steps):
            self.step()
        for _ in range(1000):
            self.engine.settle()
            if self.read() == 0:
                break
        self.engine.settle()
        assert not self.group
        self.compare()

    def step(self) -> None:
        """One thing that can happen."""
        engine, dice = self.engine, self.dice
        what = dice.random()
        if what < 0.4:
            self.propose()
        elif what < 0.65:
            limit = dice.choice((1, 2, 256))
            check(lib.eng_sequencer_work(engine.sequencer.state, limit), "sequencer", lib)
        elif what < 0.75:
            shard = dice.choice(engine.shards)
            check(lib.eng_shard_work(shard.state, dice.choice((1, 256))), "shard", lib)
        elif what < 0.9:
            check(lib.eng_publisher_work(engine.publisher.state, dice.choice((1, 3, 256))))
        else:
            self.read()

    def read(self) -> int:
        """Believe what is new on the stream."""
        new = self.reader.poll().copy()
        for n in range(len(new)):
            line = new[n : n + 1]
            self.lines.append(line)
            self.group.append(line)
            self._learn(line[0])
            if int(line["flags"][0]) & Flag.LAST_OF_GROUP:
                self._judge(np.concatenate(self.group))
                self.group.clear()
        return len(new)

    def compare(self) -> None:
        """The engine's own state against the model's, when all is settled."""
        self.risk.verify()
        for kind, count in (("account", ACCOUNTS), ("firm", FIRMS)):
            for number in range(count):
                mine = getattr(self.risk, kind)(number)
                assert mine == self.plain.exposure((kind, number)), (kind, number)

    # --- what is published

    def _learn(self, line: np.void) -> None:
        one = fields(line)
        topic, number = one["topic"], one["topic_sequence"]
        shards = range(self.engine.size.shards)
        session = self.sessions.get(topic)
        if one["template_id"] in BEHIND:
            return
        broadcast = one["flags"] & Flag.BROADCAST
        for shard in shards if broadcast else (one["shard"],):
            known = self.seen.get((topic, shard), 0)
            self.seen[topic, shard] = known + 1 if broadcast else number
        if session is None:
            return
        template, order_id = one["template_id"], one.get("client_order_id", 0)
        if template == Template.EXECUTED:
            self.executed[one["sequence"]] = np.array([line]).view(EXECUTED)
        if template in (Template.NEW_ORDER, Template.REPLACE) and one["locate"]:
            if template == Template.REPLACE:
                session.orders.pop(one["original_client_order_id"])
            session.orders[order_id] = one["instrument"], one["locate"], one["quantity"]
        elif template in (Template.EXECUTED, Template.CANCEL, Template.CANCELED):
            instrument, locate, _ = session.orders.get(order_id, (0, 0, 0))
            session.orders[order_id] = instrument, locate, one["remaining"]
            if one["remaining"] == 0 or locate == 0:
                del session.orders[order_id]

    def _judge(self, group: NDArray[np.void]) -> None:
        """The decision about a group is the one that a plain look at all before it makes."""
        first = fields(group[0])
        session = self.sessions[first["topic"]]
        template, reason = Template(first["template_id"]), 0
        own = first["publisher"] != 0
        if template == Template.REJECTED:
            template = Template(first["refused_template"])
            reason = first["reason"] if first["reason"] in LIMIT_REASONS else 0
        if template in ORDERS:
            assert session.proposal is not None
            wanted = self.plain.reason(session.proposal, first["time_ns"])
            assert reason == wanted, (RejectReason(reason or 1), RejectReason(wanted or 1), first)
            self.reasons[reason] += 1
            if template == Template.NEW_ORDER and int(group["template_id"][0]) == template:
                self.filled_in += first["options"] != fields(session.proposal[0])["options"]
                assert first["options"] == self.plain.options(fields(session.proposal[0]))
        if template == Template.TRADE_CHANGE and session.proposal is not None:
            self.changes[Template(first["template_id"])] += 1
            self._judge_change(session.proposal, first)
        if own:
            session.proposal = None
        self.plain.take(group)
        for one in self.sessions.values():
            if one.proposal is not None and not own_is_pending(one, self.seen):
                one.proposal = None

    def _judge_change(self, proposal: Lines, first: dict[str, int]) -> None:
        """A bust is refused if it would take back what is not there, and for nothing else."""
        parties = proposal[proposal["template_id"] == Template.TRADE_PARTY].view(TRADE_PARTY)
        too_much = bool((parties["notional_1e4"] == 10**9).any())
        assert (first["template_id"] == Template.REJECTED) == too_much
        assert not too_much or first["reason"] == RejectReason.INVALID_TRADE

    # --- proposals

    def propose(self) -> None:
        """Something by a session that has nothing in flight."""
        topic = OPERATOR if self.dice.random() < 0.05 else self.dice.randint(1, SESSIONS)
        session = self.sessions[topic]
        if session.proposal is not None:
            return
        made = self._command() if topic == OPERATOR else self._order(topic, session)
        made["topic"] = topic
        instrument = int(made.view(COMMAND)["instrument"][0])
        shard = 0 if instrument == INSTRUMENT_NONE else self.engine.shard_of[instrument]
        number = self.seen.get((topic, shard), 0) + 1
        made["topic_sequence"] = number
        if self.engine.offer(made, topic - 1) == len(made):
            session.proposal = made
            session.place = (shard, number)

    def _order(self, topic: int, session: Session) -> Lines:
        dice = self.dice
        what = dice.random()
        self.numbers += 1
        if session.orders and what < 0.35:
            number, (instrument, locate, open_) = dice.choice(list(session.orders.items()))
            if what < 0.2:
                return cancel(topic, 0, number, locate, dice.randint(1, open_), instrument)
            return lines(
                REPLACE,
                Template.REPLACE,
                instrument=instrument,
                locate=locate,
                original_client_order_id=number,
                client_order_id=self.numbers,
                price_ticks=dice.randint(95, 106),
                quantity=dice.randint(1, 40),
                time_in_force=dice.choice((TimeInForce.DAY, TimeInForce.IMMEDIATE_OR_CANCEL)),
                account=session.account,
                firm=session.firm,
            )
        if self.engine.size.shards == 1 and what > 0.95:
            return self._legs(session)
        own = dice.choice((0, 0, OrderOption.SELF_TRADE_OLDEST))
        options = own | dice.choice((0, 0, 0, OrderOption.HIDDEN, OrderOption.SLIDE))
        rests = options & ~own != 0 or dice.random() < 0.7
        return new_order(
            topic,
            0,
            self.numbers,
            dice.randrange(INSTRUMENTS),
            dice.choice((Side.BUY, Side.SELL)),
            dice.randint(95, 106),
            dice.randint(1, 40),
            TimeInForce.DAY if rests else TimeInForce.IMMEDIATE_OR_CANCEL,
            account=session.account,
            firm=session.firm,
            options=options,
        )

    def _legs(self, session: Session) -> Lines:
        dice = self.dice
        who = {"account": session.account, "firm": session.firm}
        instruments = dice.sample(range(INSTRUMENTS), 2)
        first = lines(
            MULTI_LEG_ORDER,
            Template.MULTI_LEG_ORDER,
            instrument=instruments[0],
            leg_count=2,
            client_order_id=self.numbers,
            **who,
        )
        behind = [
            lines(
                LEG,
                Template.LEG,
                instrument=one,
                side=dice.choice((Side.BUY, Side.SELL)),
                price_ticks=dice.randint(95, 106),
                quantity=dice.randint(1, 10),
                client_order_id=self.numbers,
                **who,
            )
            for one in instruments
        ]
        out = np.concatenate([first, *behind])
        out["flags"][:-1] |= np.uint8(Flag.CONTINUED)
        return out

    def _command(self) -> Lines:
        dice = self.dice
        what = dice.random()
        if what > 0.8 and self.plain.trades:
            return self._bust()
        scope = dice.choice(list(SCOPES))
        who = {
            "session": dice.randint(1, SESSIONS),
            "account": dice.randrange(1, ACCOUNTS),
            "firm": dice.randrange(1, FIRMS),
        }
        if what < 0.15:
            kill = dice.choice((0, MassCancelScope.KILL))
            return lines(
                MASS_CANCEL,
                Template.MASS_CANCEL,
                instrument=INSTRUMENT_NONE,
                scope=scope | kill,
                **who,
            )
        kind = CommandKind.RESUME
        more: dict[str, int] = {"instrument": INSTRUMENT_NONE, "scope": scope}
        if what < 0.6:
            kind = CommandKind.LIMIT
            limit = dice.choice(self.limits)
            value = dice.choice((USUAL[limit], dice.randint(0, 4 * USUAL[limit]), NO_LIMIT))
            more["scope"] = dice.choice((MassCancelScope.ACCOUNT, MassCancelScope.FIRM))
            more |= {"limit": limit, "value": value}
        elif what < 0.65:
            kind = CommandKind.REFERENCE_PRICE
            more = {"instrument": dice.randrange(INSTRUMENTS), "price_ticks": dice.choice((0, 101))}
        elif what < 0.72:
            kind = CommandKind.RESTRICTION
            value = dice.choice((Restriction.NONE, *Restriction))
            more = {"instrument": dice.randrange(INSTRUMENTS), "value": value}
            more["scope"] = dice.choice((MassCancelScope.ACCOUNT, MassCancelScope.FIRM))
        elif what < 0.78:
            kind = CommandKind.SELF_TRADE
            more["scope"] = dice.choice((MassCancelScope.ACCOUNT, MassCancelScope.FIRM))
            more["value"] = dice.choice((0, *SELF_TRADES))
        return lines(COMMAND, Template.COMMAND, kind=kind, **more, **who)

    def _bust(self) -> Lines:
        """Of a trade that is not void, or a correction of it; now and then of more than there was.

        The lines of a trade are a pair, so every other one of them is its first.
        """
        match = self.dice.choice(list(self.plain.trades)[::2])
        sides = np.concatenate([self.executed[match], self.executed[match + 1]])
        notional = []
        for n in range(2):
            order, quantity = self.plain.trades[match + n]
            notional.append(order.price_1e4 * quantity)
        if self.dice.random() < 0.2:
            notional[self.dice.randrange(2)] = 10**9
        seen = Trade(sides, int(sides["price_ticks"][0]), notional_1e4=notional)
        kind, reason = self.dice.choice(
            ((TradeChangeKind.BUST, b"E"), (TradeChangeKind.CORRECT, b"N"))
        )
        return grouped(change(seen, kind, seen.price_ticks + 1, reason))


def own_is_pending(session: Session, seen: dict[tuple[int, int], int]) -> bool:
    """Whether the number that a proposal waits for is still to come."""
    shard, number = session.place
    assert session.proposal is not None
    topic = int(session.proposal["topic"][0])
    return seen.get((topic, shard), 0) < number or bool(
        session.proposal["template_id"][0] == Template.MASS_CANCEL
    )
