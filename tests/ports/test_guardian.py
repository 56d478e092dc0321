"""The guardian: what it recomputes, what it finds, what it says and does, whoever kills it when."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from engine.risk import Risk, RiskInstrument, RiskSize
from ports.guardian import Guardian, Owners
from ports.guardian_ledger import Fault, Ledger
from ports.guardian_rules import Rule, Sum
from ringbus.application import line_of
from ringbus.lines import (
    Cancel,
    Canceled,
    Executed,
    InstrumentDefinition,
    NewOrder,
    Reject,
    Rejected,
    Replace,
)
from ringbus.messages import (
    ALARM,
    COMMAND,
    EXECUTED,
    INSTRUMENT_DEFINITION,
    INSTRUMENT_NONE,
    MASS_CANCEL,
    NEW_ORDER,
    REJECTED,
    STATE_CHANGED,
    STOP_ORDER,
    TEXT,
    TRADE_CHANGED,
    CommandKind,
    Flag,
    GuardianAction,
    GuardianRule,
    InstrumentState,
    Liquidity,
    MassCancelScope,
    RejectReason,
    Side,
    Template,
    TimeInForce,
    TradeChangeKind,
)
from ringbus.texts import said_in
from tests.engine import flow
from tests.engine.trader import lines
from tests.ports import market
from tests.ports.market import INSTRUMENTS, ORDERS, SHARDS, START_NS, TOPICS, Lines, order

SLOT_NS = 100_000_000
OWN = 5  # its topic
PEOPLE = Owners(TOPICS, 8, 4, makers=())
SESSION, ACCOUNT, FIRM = MassCancelScope.SESSION, MassCancelScope.ACCOUNT, MassCancelScope.FIRM
EVERYBODY, ONE = MassCancelScope.EVERYTHING, MassCancelScope.INSTRUMENT
KILL = GuardianAction.KILL
BOOK = [
    Rule(kind, ONE, 0)
    for kind in (GuardianRule.CROSSED_BOOK, GuardianRule.TRADE_THROUGH, GuardianRule.BALANCE)
]


class Market(market.Market):
    """With guardians, and the engine's own risk state, which obeys kills."""

    def __init__(self, rules: Sequence[Rule], count: int = 1) -> None:
        table = [RiskInstrument(tick_1e4=1, price_ticks_max=1 << 20)] * INSTRUMENTS
        risk = Risk(table, SHARDS, ORDERS, RiskSize(8, 4, 256), TOPICS)
        super().__init__(count, risk=risk)
        self.rules = rules
        self.now_ns = START_NS
        self.guardians = [self.guardian(n) for n in range(count)]

    def guardian(self, number: int) -> Guardian:
        return Guardian(
            self.stream,
            self.proposer(number),
            OWN + number,
            self.rules,
            Ledger(SHARDS, ORDERS, INSTRUMENTS),
            PEOPLE,
            self.engine.shard_of,
            SLOT_NS,
        )

    def pass_time(self, slots: int = 1, draw: random.Random | None = None) -> None:
        for _ in range(slots):
            self.now_ns += SLOT_NS
            self.tick(self.now_ns)
            self.settle(self.guardians, draw)

    def enter(self, number: int, topic: int = 1, **fields: object) -> None:
        told = {"account": topic, "firm": 1 + topic // 3, "price_ticks": 50 - topic, **fields}
        self.say(order(number, 0, **told), topic)  # type: ignore[arg-type]

    def alarms(self) -> list[tuple[int, int, int]]:
        """Rule, value and bound of each, in the stream's order."""
        day = self.day()
        said = day[day["template_id"] == Template.ALARM].view(ALARM)
        return [(int(one["rule"]), int(one["value"]), int(one["bound"])) for one in said]

    def kills(self) -> Lines:
        day = self.day()
        said = day[day["template_id"] == Template.MASS_CANCEL].view(MASS_CANCEL)
        kills: Lines = said[(said["scope"] & int(MassCancelScope.KILL)) != 0]
        return kills


# --- what it recomputes --------------------------------------------------------------------------


def parts_of(day: Lines, draw: random.Random) -> list[Lines]:
    """The day in batches of any size, which end where messages end."""
    ends = np.flatnonzero(day["flags"] & int(Flag.CONTINUED) == 0) + 1
    out, at = [], 0
    while at < len(day):
        end = int(ends[np.searchsorted(ends, min(at + draw.randrange(1, 400), len(day)))])
        out.append(day[at:end])
        at = end
    return out


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("shards", [1, 3])
def test_no_day_that_the_rules_make_has_a_fault(shards: int, seed: int) -> None:
    """Auctions, legs, hidden and reserve, mass cancels, in batches of any size."""
    draw = random.Random(seed)
    day = flow.trade(shards, 100 + seed, 2000).stream
    ledger = Ledger(shards, 1 << 16, flow.INSTRUMENTS)
    for part in parts_of(day, draw):
        ledger.hear(part)
        # The book is whole only where a group ends.
        if part["flags"][-1] & Flag.LAST_OF_GROUP:
            ledger.look()
    assert ledger.faults == []
    assert int((ledger.open > 0).sum()) > 0


def alone(rules: Sequence[Rule], instruments: int, slot_ns: int = SLOT_NS) -> Guardian:
    """One that hears what the test gives to it."""
    at = market.Market(1)
    return Guardian(
        at.stream,
        at.proposer(0),
        OWN,
        rules,
        Ledger(2, 1 << 16, instruments),
        Owners(flow.TOPICS, 300, 300),
        bytes(instruments),
        slot_ns,
    )


class Plain:
    """The same sums, one line at a time."""

    def __init__(self, instruments: int) -> None:
        self.tick = [1] * instruments
        self.orders: dict[tuple[int, int], tuple[int, int, int, int, int, int]] = {}
        self.positions: dict[tuple[int, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
        self.asked: dict[int, int] = defaultdict(int)
        self.refused: dict[int, int] = defaultdict(int)
        self.traded: dict[int, int] = defaultdict(int)

    def hear(self, batch: Lines) -> None:
        for n in range(len(batch)):
            self.line(line_of(batch, n))

    def line(self, line: object) -> None:
        if isinstance(line, InstrumentDefinition):
            self.tick[line.instrument] = line.tick_1e4
        elif isinstance(line, NewOrder | Replace):
            self.asked[line.account] += 1
            if line.locate:
                self.orders[line.shard, line.locate] = (
                    line.instrument, line.price_ticks, line.quantity, line.topic, line.account,
                    line.firm,
                )  # fmt: skip
        elif isinstance(line, Executed | Canceled | Cancel):
            place = line.shard, line.locate
            if line.locate and line.remaining == 0:
                del self.orders[place]
            elif line.locate:
                instrument, price, _, *owner = self.orders[place]
                self.orders[place] = (instrument, price, line.remaining, *owner)  # type: ignore[assignment]
        elif isinstance(line, Reject | Rejected):
            self.refused[line.account] += 1
            if line.refused_template in (
                *(Template.NEW_ORDER, Template.REPLACE, Template.MULTI_LEG_ORDER),
            ):
                self.asked[line.account] += 1
        if isinstance(line, Executed):
            shares = self.positions[line.account, line.instrument][0]
            shares += line.quantity if line.side == Side.BUY else -line.quantity
            worth = line.price_ticks * self.tick[line.instrument]
            self.positions[line.account, line.instrument] = shares, shares * worth
            self.traded[line.account] += line.quantity * worth

    def of(self, kind: GuardianRule, account: int) -> int:
        own = [one for one in self.orders.values() if one[4] == account]
        held = [worth for (who, _), (_, worth) in self.positions.items() if who == account]
        return {
            GuardianRule.OPEN_ORDERS: len(own),
            GuardianRule.OPEN_NOTIONAL: sum(
                price * quantity * self.tick[instrument] for instrument, price, quantity, *_ in own
            ),
            GuardianRule.NET_POSITION: abs(sum(held)),
            GuardianRule.GROSS_POSITION: sum(abs(worth) for worth in held),
            GuardianRule.TRADED_NOTIONAL: self.traded[account],
            GuardianRule.REFUSALS: self.refused[account],
        }[kind]


@pytest.mark.parametrize("seed", range(3))
def test_its_sums_are_those_of_a_plain_count(seed: int) -> None:
    """By account, with ticks of several sizes, at the end of a day that went by in pieces."""
    draw = random.Random(seed)
    day = flow.trade(2, 200 + seed, 1500).stream
    kinds = [
        *(GuardianRule.OPEN_ORDERS, GuardianRule.OPEN_NOTIONAL, GuardianRule.NET_POSITION),
        *(GuardianRule.GROSS_POSITION, GuardianRule.TRADED_NOTIONAL, GuardianRule.REFUSALS),
    ]
    definitions = np.concatenate(
        [
            lines(
                INSTRUMENT_DEFINITION, Template.INSTRUMENT_DEFINITION, instrument=n, tick_1e4=n + 2
            )
            for n in range(flow.INSTRUMENTS)
        ]
    )
    guardian = alone([Rule(kind, ACCOUNT, 0) for kind in kinds], flow.INSTRUMENTS)
    plain = Plain(flow.INSTRUMENTS)
    for part in (definitions, *parts_of(day, draw)):
        guardian.on_batch(part)
        plain.hear(part)
    accounts = sorted(set(day.view(NEW_ORDER)["account"].tolist()))
    for nth, rule in enumerate(guardian._rules):
        values = guardian._values(nth, rule)
        told = [int(values[account]) for account in accounts]
        assert told == [plain.of(rule.kind, account) for account in accounts], rule.kind.name
    assert any(plain.of(GuardianRule.OPEN_NOTIONAL, account) for account in accounts)


# --- what it finds -------------------------------------------------------------------------------


def planted(day: Lines, what: str) -> Lines:
    """The day with one wrong line, as an engine with a fault might say it."""
    day = day.copy()
    view, template = day.view(EXECUTED), day["template_id"]
    executed = np.flatnonzero(template == Template.EXECUTED)
    resting = executed[view["liquidity"][executed] == Liquidity.ADDED]
    one = int(resting[len(resting) // 2])
    if what == "too much is left":
        view["remaining"][one] += 1
    elif what == "a price that nobody named":
        view["price_ticks"][one - 1 : one + 1] += 1
    elif what == "one side trades more":
        view["quantity"][one] -= 1
        view["remaining"][one] += 1
    elif what == "two buys meet":
        view["side"][one] = view["side"][one - 1]
    elif what == "a place is given away twice":
        entries = np.flatnonzero((template == Template.NEW_ORDER) & (view["locate"] > 0))
        view["locate"][entries[40]] = view["locate"][entries[39]]
        view["shard"][entries[40]] = view["shard"][entries[39]]
    elif what == "another session's order is canceled":
        view["topic"][np.flatnonzero(template == Template.CANCEL)[5]] += 1
    return day


@pytest.mark.parametrize(
    "what",
    [
        *("too much is left", "a price that nobody named", "one side trades more"),
        *("two buys meet", "a place is given away twice", "another session's order is canceled"),
    ],
)
def test_a_wrong_line_is_found(what: str) -> None:
    day = flow.trade(2, 7, 2000).stream
    ledger = Ledger(2, 1 << 16, flow.INSTRUMENTS)
    for part in parts_of(planted(day, what), random.Random(what)):
        ledger.hear(part)
    assert ledger.faults


def _stream(*said: tuple[Template, dict[str, object]]) -> Lines:
    """Lines on shard 0, as an engine might say them."""
    kinds = {
        Template.NEW_ORDER: NEW_ORDER,
        Template.EXECUTED: EXECUTED,
        Template.STATE_CHANGED: STATE_CHANGED,
    }
    parts = [lines(kinds[template], template, **fields) for template, fields in said]
    return np.concatenate(parts)


def _entry(
    locate: int, side: Side, price: int, **more: object
) -> tuple[Template, dict[str, object]]:
    told = {"locate": locate, "side": side, "price_ticks": price, "quantity": 10, **more}
    return Template.NEW_ORDER, told


def _trade(
    locate: int, side: Side, price: int, way: Liquidity
) -> tuple[Template, dict[str, object]]:
    told = {"locate": locate, "side": side, "price_ticks": price, "quantity": 10}
    return Template.EXECUTED, {**told, "liquidity": way, "remaining": 0}


CROSSED = (_entry(1, Side.SELL, 100), _entry(2, Side.BUY, 101))
PASSED_OVER = (
    *(_entry(3, Side.BUY, 102),),
    *(_trade(3, Side.BUY, 101, Liquidity.REMOVED), _trade(2, Side.SELL, 101, Liquidity.ADDED)),
)


def test_a_crossed_book_is_found_in_continuous_trading_only() -> None:
    for state, count in ((InstrumentState.AUCTION, 0), (InstrumentState.CONTINUOUS, 1)):
        ledger = Ledger(1, 16, 2)
        fields: dict[str, object] = {"state": state}
        changed = (Template.STATE_CHANGED, fields)
        ledger.hear(_stream(changed, *CROSSED))
        ledger.look()
        found = [Fault(GuardianRule.CROSSED_BOOK, 0, 101, 100)] * count
        assert ledger.faults == found
    # An order for a cross is not in that book.
    ledger = Ledger(1, 16, 2)
    first, second = CROSSED
    second[1]["time_in_force"] = TimeInForce.AT_CLOSE
    ledger.hear(_stream(first, second))
    ledger.look()
    assert ledger.faults == []
    del second[1]["time_in_force"]


def test_a_trade_past_a_better_order_is_found() -> None:
    """An offer at 100 lay there all the while, and one at 101 traded."""
    ledger = Ledger(1, 16, 2)
    ledger.hear(_stream(_entry(1, Side.SELL, 100), _entry(2, Side.SELL, 101)))
    ledger.look()
    ledger.hear(_stream(*PASSED_OVER))
    ledger.look()
    assert ledger.faults == [Fault(GuardianRule.TRADE_THROUGH, 0, 101, 100)]


# --- what it says and does -----------------------------------------------------------------------


def test_a_session_that_runs_away_is_killed() -> None:
    """R107: alarm first, then the kill: all of its orders go, nothing new of it comes in."""
    at = Market([Rule(GuardianRule.ORDERS, SESSION, 20, SLOT_NS * 10, action=KILL)])
    for number in range(1, 31):
        at.enter(number, 1 + number % 2, instrument=number % INSTRUMENTS)
    for number in range(31, 51):
        at.enter(number, 1)
    at.settle(at.guardians)
    # Nothing is found before the slot is over.
    assert at.alarms() == []
    at.pass_time()
    assert at.alarms() == [(1, 35, 20)]
    day = at.day()
    order_of = [
        int(one) for one in day["template_id"] if one in (Template.ALARM, Template.MASS_CANCEL)
    ]
    assert order_of == [Template.ALARM, Template.MASS_CANCEL]
    kill = at.kills()[0]
    assert (kill["session"], kill["scope"]) == (1, MassCancelScope.SESSION | MassCancelScope.KILL)
    said = day[day["template_id"] == Template.TEXT].view(TEXT)["text"]
    why = "rule 1, orders: 35, bound 20"
    assert said_in([bytes(one) for one in said]) == ("guardian", "", why)
    assert int((day["template_id"] == Template.CANCELED).sum()) == 35
    at.enter(99, 1)
    at.enter(98, 2)
    last = at.day()[-2:]
    assert last["template_id"].tolist() == [Template.REJECTED, Template.NEW_ORDER]
    assert last[:1].view(REJECTED)["reason"][0] == RejectReason.KILLED
    at.pass_time(30)
    assert len(at.alarms()) == len(at.kills()) == 1


def _resume(at: Market, topic: int) -> None:
    told = {"kind": CommandKind.RESUME, "scope": SESSION, "session": topic}
    at.say(lines(COMMAND, Template.COMMAND, instrument=INSTRUMENT_NONE, **told), 0)


def test_who_is_let_in_again_may_run_away_again() -> None:
    at = Market([Rule(GuardianRule.ORDERS, SESSION, 5, SLOT_NS * 10, action=KILL)])
    for turn in range(2):
        for number in range(1, 8):
            at.enter(number + 100 * turn)
        at.pass_time()
        assert len(at.kills()) == turn + 1
        _resume(at, 1)
        # What is above is not killed for the same again.
        at.pass_time(5)
        assert len(at.kills()) == turn + 1
        at.pass_time(10)


@pytest.mark.parametrize("scope", [SESSION, ACCOUNT, FIRM, EVERYBODY])
def test_a_kill_is_of_the_scope_of_its_rule(scope: MassCancelScope) -> None:
    at = Market([Rule(GuardianRule.OPEN_ORDERS, scope, 3, action=KILL)])
    for number in range(1, 6):
        at.enter(number, 4, account=6, firm=2)
    at.pass_time()
    assert at.alarms() == [(1, 5, 3)]
    kill = at.kills()[0]
    names = ("session", "account", "firm")
    wanted = {SESSION: (4, 0, 0), ACCOUNT: (0, 6, 0), FIRM: (0, 0, 2), EVERYBODY: (0, 0, 0)}
    assert tuple(int(kill[name]) for name in names) == wanted[scope]
    assert kill["scope"] == scope | MassCancelScope.KILL
    assert int((at.day()["template_id"] == Template.CANCELED).sum()) == 5


def test_an_alarm_is_said_once_and_again_when_it_was_over() -> None:
    at = Market([Rule(GuardianRule.OPEN_ORDERS, ACCOUNT, 2)])
    for turn in range(3):
        for number in range(1, 4):
            at.enter(10 * turn + number, price_ticks=40 - turn)
        at.pass_time(15)
        at.say(
            lines(
                MASS_CANCEL,
                Template.MASS_CANCEL,
                instrument=INSTRUMENT_NONE,
                scope=SESSION,
                session=1,
            ),
            1,
        )
        at.pass_time(15)
    assert at.alarms() == [(1, 3, 2)] * 3
    assert len(at.kills()) == 0


def test_orders_that_hardly_trade_and_orders_that_were_never_asked_for() -> None:
    """R107: the old code sent child orders for a parent that was filled long ago."""
    at = Market(
        [
            Rule(GuardianRule.ORDER_RATIO, ACCOUNT, 4, SLOT_NS * 10, at_least=10),
            Rule(GuardianRule.ORDERS_OUT, SESSION, 0, action=KILL),
        ],
    )
    at.guardians[0]._owners = Owners(TOPICS, 8, 4, makers=(1,))
    stop = lines(
        STOP_ORDER,
        Template.STOP_ORDER,
        client_order_id=1,
        quantity=1,
        side=Side.BUY,
        price_ticks=9,
        stop_ticks=9,
    )
    # The test's lane is publisher 1, and plays the application that holds stop orders.
    at.say(stop, 3)
    at.enter(1, 3)
    at.pass_time()
    assert at.alarms() == []
    for number in range(2, 4):
        at.enter(number, 3)
    at.pass_time()
    assert at.alarms() == [(2, 2, 0)]
    assert at.kills()["session"].tolist() == [3]
    for number in range(1, 12):
        at.enter(number, 4)
    at.pass_time()
    # Of that session nothing was asked for either.
    assert (1, 11, 4) in at.alarms()


def test_what_a_dead_guardian_missed_is_said_and_not_punished_late() -> None:
    at = Market([Rule(GuardianRule.ORDERS, SESSION, 5, SLOT_NS, action=KILL)])
    at.guardians.clear()
    for number in range(1, 8):
        at.enter(number)
    at.pass_time(30)
    at.guardians.append(at.guardian(0))
    at.pass_time(2)
    assert at.alarms() == [(1, 7, 5)]
    assert len(at.kills()) == 0


@pytest.mark.parametrize("seed", range(12))
def test_killed_at_any_time_it_says_everything_once(seed: int) -> None:
    """Its successor hears the day from the first message; two side by side, in any order."""
    draw = random.Random(seed)
    count = 1 + seed % 2
    rules = [
        Rule(GuardianRule.OPEN_ORDERS, ACCOUNT, 4),
        Rule(GuardianRule.ORDERS, SESSION, 6, action=KILL),
        Rule(GuardianRule.OPEN_NOTIONAL, FIRM, 4000),
        *BOOK,
    ]
    at = Market(rules, count)
    found: set[tuple[int, int]] = set()
    for number in range(1, 60):
        at.enter(number, draw.choice((1, 2, 3, 3, 4)), instrument=draw.randrange(INSTRUMENTS))
        if draw.random() < 0.3:
            at.now_ns += SLOT_NS
            at.tick(at.now_ns)
        agents: list[Callable[[], int]] = [at.engine.step]
        agents += [lambda n=n: at.guardians[n].do_work(5) for n in range(count)]  # type: ignore[misc]
        for _ in range(draw.randrange(4)):
            draw.choice(agents)()
        if draw.random() < 0.15:
            n = draw.randrange(count)
            at.guardians[n] = at.guardian(n)
    at.pass_time(3, draw)
    day = at.day()
    said = day[day["template_id"] == Template.ALARM].view(ALARM)
    names = [
        tuple(int(one[name]) for name in ("rule", "session", "account", "firm")) for one in said
    ]
    found.update((name[0], name[1] + name[2] + name[3]) for name in names)
    # Both may say the same thing only if both said it at once.
    assert len(names) - len(set(names)) <= (count - 1) * len(set(names))
    if count == 1:
        assert len(names) == len(set(names))
    killed = {int(one["session"]) for one in at.kills()}
    assert killed == {owner for rule, owner in found if rule == 2}
    late = at.guardian(0)
    while late.do_work(50):
        pass
    # Whoever hears it all again wishes for nothing more.
    assert late.wish() is None
    assert late.alarms == len(names)


def test_batches_of_any_size_make_the_same_alarms() -> None:
    rules = [
        Rule(GuardianRule.OPEN_NOTIONAL, ACCOUNT, 3000),
        Rule(GuardianRule.ORDER_RATIO, SESSION, 3, 10_000_000, at_least=3),
        Rule(GuardianRule.NET_POSITION, FIRM, 2000),
        Rule(GuardianRule.TRADED_NOTIONAL, EVERYBODY, 9000, 20_000_000),
    ]
    day = flow.trade(2, 11, 1500).stream
    day["time_ns"] = 10**18 + np.arange(len(day)) // 50 * 1_000_000
    results = []
    for seed in range(4):
        guardian = alone(rules, flow.INSTRUMENTS, 1_000_000)
        for part in [day] if seed == 0 else parts_of(day, random.Random(seed)):
            guardian.on_batch(part)
        results.append(list(guardian._pending.items()))
    assert len(results[0]) > 4
    assert all(one == results[0] for one in results)


def test_a_stranger_in_a_refusal_counts_for_nobody() -> None:
    """An account that no participant has, in a line that the sequencer refused."""
    at = Market(
        [Rule(GuardianRule.REFUSALS, ACCOUNT, 0), Rule(GuardianRule.REFUSALS, EVERYBODY, 0)]
    )
    at.enter(1, account=60_000)
    at.pass_time()
    assert at.alarms() == [(2, 1, 0)]
    assert at.day().view(REJECTED)["reason"][0] == RejectReason.UNKNOWN_OWNER


@pytest.mark.parametrize("slots", [1, 3, 64, 65, 200])
def test_a_window_forgets_what_left_it(slots: int) -> None:
    """Nothing within it is forgotten, and nothing is kept for a part longer than that."""
    draw = random.Random(slots)
    total, added, slot = Sum(3, slots), list[tuple[int, int]](), 0
    longer = -(-slots // 64) - 1
    for _ in range(400):
        owner, amount = draw.randrange(3), draw.randrange(1, 9)
        total.add(np.array([owner, 9], np.uint16), np.array([amount, 1]))
        if owner == 0:
            added.append((slot, amount))
        passed = draw.choice((0, 0, 1, 1, 2, 90))
        within = sum(amount for at, amount in added if slot - at < slots)
        almost = sum(amount for at, amount in added if slot - at < slots + longer + 1)
        assert within <= int(total.total[0]) <= almost
        if slots <= 64:
            assert int(total.total[0]) == within
        total.turn(passed)
        slot += passed


def test_a_void_trade_is_no_position() -> None:
    """Two trades, of which the first is busted; the price of the last one stays."""
    rules = [
        Rule(GuardianRule.NET_POSITION, ACCOUNT, 0),
        Rule(GuardianRule.GROSS_POSITION, FIRM, 0),
    ]
    guardian = alone(rules, 2)
    parts = []
    for price, quantity in ((100, 7), (110, 3)):
        for side in (Side.BUY, Side.SELL):
            told = {"price_ticks": price, "quantity": quantity, "side": side, "account": int(side)}
            parts.append(lines(EXECUTED, Template.EXECUTED, firm=int(side), **told))
    for side in (Side.BUY, Side.SELL):
        told = {"kind": TradeChangeKind.BUST, "price_ticks": 100, "quantity": 7, "side": side}
        owners = {"account": int(side), "firm": int(side)}
        parts.append(lines(TRADE_CHANGED, Template.TRADE_CHANGED, **told, **owners))
    guardian.on_batch(np.concatenate(parts))
    values = [guardian._values(nth, rule)[1:3].tolist() for nth, rule in enumerate(rules)]
    assert values == [[330, 330], [330, 330]]
