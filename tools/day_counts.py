"""What a recorded day comes to, counted by numpy in one pass over its messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.risk import UNLIMITED, Exposure, Risk, RiskInstrument, RiskSize
from ringbus.messages import (
    ALARM,
    BUILD_RECORD,
    CANCEL,
    CANCELED,
    CARRIED_OVER,
    COMMAND,
    END_OF_DAY,
    EPOCH_START,
    EXECUTED,
    INSTRUMENT_DEFINITION,
    NEW_ORDER,
    PARTICIPANT_DEFINITION,
    REJECTED,
    SESSION_EVENT,
    TRADE_CHANGED,
    CommandKind,
    MassCancelScope,
    RiskLimit,
    Template,
    TradeChangeKind,
)

Lines = NDArray[np.void]
Counts = NDArray[np.uint64]
# How often a day's limits are looked at, at most.
LOOKS_MAX = 100_000
_LOW = np.uint64(0xFFFF_FFFF)
# NewOrder, Replace and Executed have instrument, account and firm in the same places.
ORDERS = (Template.NEW_ORDER, Template.REPLACE)
ENTRIES = (*ORDERS, Template.LEG)
CANCELS = (Template.CANCEL, Template.CANCELED)
REFUSALS = (Template.REJECT, Template.REJECTED)


@dataclass(slots=True)
class Volume:
    """Of each instrument or firm, by number: orders taken, sides of trades, what they traded.

    Notional is summed in two halves, since the sums of a day do not fit 64 bits.
    """

    orders: Counts
    sides: Counts
    quantity: Counts
    high: Counts
    low: Counts

    @classmethod
    def of(cls, count: int) -> Volume:
        """An empty one for numbers below `count`."""
        return cls(*(np.zeros(count, np.uint64) for _ in range(5)))

    def notional_1e4(self, number: int) -> int:
        """In 1/10,000 of the currency."""
        return (int(self.high[number]) << 32) + int(self.low[number])

    def add_trades(self, numbers: NDArray[np.intp], quantity: Counts, notional: Counts) -> None:
        """A line each."""
        np.add.at(self.sides, numbers, np.uint64(1))
        np.add.at(self.quantity, numbers, quantity)
        np.add.at(self.high, numbers, notional >> np.uint64(32))
        np.add.at(self.low, numbers, notional & _LOW)


@dataclass(slots=True)
class DayCounts:
    """A day in numbers. Arrays by template, reason or kind have their values as places."""

    messages: int = 0
    first_ns: int = 0
    last_ns: int = 0
    gaps: int = 0  # places where the next sequence is not the next
    backwards: int = 0  # places where time goes back
    templates: Counts = field(default_factory=lambda: np.zeros(256, np.uint64))
    refused: Counts = field(default_factory=lambda: np.zeros((256, 256), np.uint64))
    canceled: Counts = field(default_factory=lambda: np.zeros(256, np.uint64))
    events: Counts = field(default_factory=lambda: np.zeros(256, np.uint64))
    by_instrument: Volume = field(default_factory=lambda: Volume.of(0))
    by_firm: Volume = field(default_factory=lambda: Volume.of(1 << 16))
    void: int = 0
    corrected: int = 0
    build: np.void | None = None
    carried: np.void | None = None
    end: np.void | None = None
    epochs: list[np.void] = field(default_factory=list)
    alarms: list[np.void] = field(default_factory=list)
    limits: list[np.void] = field(default_factory=list)  # commands that set one
    instruments: list[tuple[str, int, int]] = field(default_factory=list)  # symbol, tick, highest
    users: dict[int, str] = field(default_factory=dict)
    firms: dict[int, str] = field(default_factory=dict)
    accounts: dict[int, str] = field(default_factory=dict)  # users of each
    locate_max: int = 0
    topic_max: int = 0

    def hear(self, batch: Lines) -> None:
        """Count the next messages: shape (n,), dtype MESSAGE."""
        sequence, time_ns, template = (
            batch[name] for name in ("sequence", "time_ns", "template_id")
        )
        if not self.messages:
            self.first_ns = self.last_ns = int(time_ns[0])
        expected = np.concatenate(([np.uint64(self.messages)], sequence[:-1])) + np.uint64(1)
        self.gaps += int((sequence != expected).sum())
        before = np.concatenate(([np.uint64(self.last_ns)], time_ns[:-1]))
        self.backwards += int((time_ns < before).sum())
        self.messages, self.last_ns = int(sequence[-1]), int(time_ns[-1])
        self.topic_max = max(self.topic_max, int(batch["topic"].max()))
        counts = np.bincount(template, minlength=256).astype(np.uint64)
        self.templates += counts
        if counts[Template.INSTRUMENT_DEFINITION] or counts[Template.PARTICIPANT_DEFINITION]:
            self._define(batch)
        self._orders(batch, template)
        if counts[Template.EXECUTED]:
            self._trades(batch[template == Template.EXECUTED].view(EXECUTED))
        for of, dtype in (*((one, REJECTED) for one in REFUSALS),):
            if counts[of]:
                lines = batch[template == of].view(dtype)
                places = lines["refused_template"], np.minimum(lines["reason"], 255)
                np.add.at(self.refused, places, np.uint64(1))
        for of, dtype in ((Template.CANCEL, CANCEL), (Template.CANCELED, CANCELED)):
            if counts[of]:
                reasons = batch[template == of].view(dtype)["reason"]
                self.canceled += np.bincount(reasons, minlength=256).astype(np.uint64)
        self._rare(batch, template, counts)

    def _define(self, batch: Lines) -> None:
        template = batch["template_id"]
        for one in batch[template == Template.INSTRUMENT_DEFINITION].view(INSTRUMENT_DEFINITION):
            symbol = _text(one["symbol"])
            self.instruments.append((symbol, int(one["tick_1e4"]), int(one["price_ticks_max"])))
        for one in batch[template == Template.PARTICIPANT_DEFINITION].view(PARTICIPANT_DEFINITION):
            user, account = _text(one["user"]), int(one["account"])
            self.users[int(one["session"])] = user
            self.firms[int(one["firm"])] = _text(one["firm_name"])
            known = self.accounts.get(account)
            self.accounts[account] = f"{known} {user}" if known else user
        self.by_instrument = Volume.of(len(self.instruments))

    def _orders(self, batch: Lines, template: NDArray[np.uint8]) -> None:
        orders = batch[np.isin(template, ORDERS)].view(NEW_ORDER)
        if len(orders):
            self.locate_max = max(self.locate_max, int(orders["locate"].max()))
            new = orders[orders["template_id"] == Template.NEW_ORDER]
            np.add.at(self.by_instrument.orders, new["instrument"], np.uint64(1))
            np.add.at(self.by_firm.orders, new["firm"], np.uint64(1))

    def _trades(self, sides: Lines) -> None:
        ticks = np.array([tick for _, tick, _ in self.instruments], np.uint64)
        instrument = sides["instrument"].astype(np.intp)
        quantity = sides["quantity"].astype(np.uint64)
        # Below 2^32 lots of 2^31 / 10,000: it fits.
        price_1e4 = sides["price_ticks"].astype(np.uint64) * ticks[instrument]
        notional = quantity * price_1e4
        self.by_instrument.add_trades(instrument, quantity, notional)
        self.by_firm.add_trades(sides["firm"].astype(np.intp), quantity, notional)

    def _rare(self, batch: Lines, template: NDArray[np.uint8], counts: Counts) -> None:
        def of(which: Template, dtype: np.dtype[np.void]) -> Lines:
            return batch[template == which].view(dtype).copy() if counts[which] else NONE

        for one in of(Template.BUILD_RECORD, BUILD_RECORD):
            self.build = one
        for one in of(Template.CARRIED_OVER, CARRIED_OVER):
            self.carried = one
        for one in of(Template.END_OF_DAY, END_OF_DAY):
            self.end = one
        self.epochs += list(of(Template.EPOCH_START, EPOCH_START))
        self.alarms += list(of(Template.ALARM, ALARM))
        if counts[Template.SESSION_EVENT]:
            kinds = of(Template.SESSION_EVENT, SESSION_EVENT)["kind"]
            self.events += np.bincount(kinds, minlength=256).astype(np.uint64)
        commands = of(Template.COMMAND, COMMAND)
        if len(commands):
            self.limits += list(commands[commands["kind"] == CommandKind.LIMIT])
        changed = of(Template.TRADE_CHANGED, TRADE_CHANGED)
        if len(changed):
            kinds = changed["kind"]
            # Both parties are told.
            self.void += int((kinds == TradeChangeKind.BUST).sum()) // 2
            self.corrected += int((kinds == TradeChangeKind.CORRECT).sum()) // 2


NONE: Lines = np.zeros(0, COMMAND)


def count(batches: Iterable[Lines]) -> DayCounts:
    """All of a day."""
    out = DayCounts()
    for batch in batches:
        if len(batch):
            out.hear(batch)
    return out


@dataclass(slots=True)
class Used:
    """One limit of an account or a firm: the lowest that it was, and the most that was used."""

    owner: str
    limit: RiskLimit
    lowest: int
    peak: int


def limits_used(day: DayCounts, batches: Iterable[Lines]) -> list[Used]:
    """Of every limit that was set on the day, the most that was used of it.

    Exact unless `looks_apart` says otherwise.
    Raises: CorruptionError: the messages contradict each other.
    """
    owners = {
        (int(line["scope"]), int(line["account"] or line["firm"])): None for line in day.limits
    }
    if not owners or day.build is None:
        return []
    risk = Risk(
        [RiskInstrument(tick, highest) for _, tick, highest in day.instruments],
        int(day.build["shards"]),
        max(1, day.locate_max),
        RiskSize(max(day.accounts) + 1, max(day.firms) + 1, 1 << 20),
        day.topic_max + 1,
    )
    every = looks_apart(day)
    found: dict[tuple[int, int, RiskLimit], Used] = {}

    def look(scope: int, number: int) -> None:
        is_account = scope == MassCancelScope.ACCOUNT
        now = risk.account(number) if is_account else risk.firm(number)
        who = day.accounts if is_account else day.firms
        name = f"{'account' if is_account else 'firm'} {number} ({who.get(number, '?')})"
        for limit, used in used_of(now).items():
            if now.limits[limit] < UNLIMITED:
                key = (scope, number, limit)
                one = found.setdefault(key, Used(name, limit, now.limits[limit], 0))
                one.lowest = min(one.lowest, now.limits[limit])
                one.peak = max(one.peak, used)

    for batch in batches:
        done = 0
        # What is used grows only where an order comes in.
        for at in np.flatnonzero(np.isin(batch["template_id"], ENTRIES))[::every].tolist():
            risk.apply(np.ascontiguousarray(batch[done : at + 1]))
            done = at + 1
            line = batch[at : at + 1].view(NEW_ORDER)
            own = {
                (int(MassCancelScope.ACCOUNT), int(line["account"][0])),
                (int(MassCancelScope.FIRM), int(line["firm"][0])),
            }
            for scope, number in owners:
                if every > 1 or (scope, number) in own:
                    look(scope, number)
        risk.apply(np.ascontiguousarray(batch[done:]))
    for scope, number in owners:
        look(scope, number)
    return list(found.values())


def looks_apart(day: DayCounts) -> int:
    """Behind every how many orders `limits_used` looks: 1, unless there are very many."""
    entries = sum(int(day.templates[template]) for template in ENTRIES)
    return 1 + entries // LOOKS_MAX


def used_of(now: Exposure) -> dict[RiskLimit, int]:
    """What is held against each limit, as engine/risk.h reckons the worst case."""
    return {
        RiskLimit.OPEN_LONG: now.open_long,
        RiskLimit.OPEN_SHORT: now.open_short,
        RiskLimit.NET_POSITION: max(now.net + now.open_long, now.open_short - now.net),
        RiskLimit.GROSS_POSITION: now.gross,
        RiskLimit.TRADED_NOTIONAL: now.traded + now.open_long + now.open_short,
        RiskLimit.TRADED_QUANTITY: now.traded_quantity + now.open_quantity,
        RiskLimit.OPEN_ORDERS: now.open_orders,
        RiskLimit.MESSAGES_PER_SECOND: now.messages,
    }


def _text(value: Any) -> str:
    return bytes(value).decode("latin-1").rstrip("\0 ")
