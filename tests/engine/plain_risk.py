"""Risk, obviously right: every sum is made anew from the open orders and the trades of the day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.risk import NO_LIMIT, UNLIMITED, Exposure, RiskInstrument
from ringbus.messages import (
    DTYPES,
    CommandKind,
    MassCancelScope,
    OrderOption,
    RejectReason,
    Restriction,
    RiskLimit,
    Side,
    Template,
    TradeChangeKind,
)

Fields = dict[str, int]
Owner = tuple[str, int]
ORDERS = (Template.NEW_ORDER, Template.REPLACE, Template.MULTI_LEG_ORDER)
SECOND_NS = 10**9
SELF_TRADE = (
    OrderOption.SELF_TRADE_NEWEST
    | OrderOption.SELF_TRADE_OLDEST
    | OrderOption.SELF_TRADE_DECREMENT
    | OrderOption.SELF_TRADE_FIRM
)
LIMIT_REASON = {
    limit: RejectReason(RejectReason.OPEN_LONG_LIMIT + limit - 1) for limit in RiskLimit
}


def fields(line: np.void) -> Fields:
    """A line by the names of its template."""
    view = np.array([line]).view(DTYPES[Template(int(line["template_id"]))])
    names = view.dtype.names or ()
    return {name: int(view[name][0]) for name in names if view[name].dtype.kind in "iu"}


@dataclass(slots=True)
class Open:
    """An open order."""

    owners: tuple[Owner, Owner]
    instrument: int
    side: int
    quantity: int
    price_1e4: int
    client_order_id: int


def owners(line: Fields) -> tuple[Owner, Owner]:
    """Its account and its firm."""
    return ("account", line["account"]), ("firm", line["firm"])


def worst(net: int, long: int, short: int) -> int:
    """The larger position, either way, that open orders can lead to."""
    return max(net + long, short - net)


class PlainRisk:
    """What `engine.risk.Risk` keeps, from the same lines."""

    def __init__(self, instruments: Iterable[RiskInstrument]) -> None:
        self.instruments = list(instruments)
        self.reference = [0] * len(self.instruments)
        self.orders: dict[tuple[int, int], Open] = {}
        self.loose: list[Open] = []
        # By the sequence of their lines.
        self.trades: dict[int, tuple[Open, int]] = {}
        self.said: dict[Owner, list[int]] = defaultdict(list)
        self.limits: dict[tuple[Owner, int], int] = {}
        self.killed: set[Owner] = set()
        self.restrictions: dict[tuple[Owner, int], int] = {}
        self.self_trade: dict[Owner, int] = {}
        self.is_closed = False

    # --- from the stream

    def take(self, group: NDArray[np.void]) -> None:
        """One published group."""
        first = fields(group[0])
        self.loose = []
        for line in group:
            self._take(first, fields(line), Template(int(line["template_id"])))
        assert not any(order.quantity for order in self.loose)

    def _take(self, first: Fields, line: Fields, template: Template) -> None:
        key = line["shard"], line.get("locate", 0)
        match template:
            case Template.NEW_ORDER:
                order = self._enter(line, line["side"])
                if line["locate"]:
                    self.orders[key] = order
                else:
                    self.loose.append(order)
                self._say(line)
            case Template.REPLACE:
                self.orders[key] = self._enter(line, self.orders[key].side)
                self._say(line)
            case Template.MULTI_LEG_ORDER:
                self._say(line)
            case Template.LEG if first["template_id"] == Template.MULTI_LEG_ORDER:
                self.loose.append(self._enter(line, line["side"]))
            case Template.EXECUTED | Template.CANCEL | Template.CANCELED:
                order = self.orders[key] if line["locate"] else self._loose(line["instrument"])
                order.quantity -= line["quantity"]
                assert order.quantity == line["remaining"]
                if template == Template.EXECUTED:
                    self.trades[line["sequence"]] = order, line["quantity"]
                if order.quantity == 0:
                    self.orders.pop(key, None)
            case Template.TRADE_CHANGE if line["kind"] == TradeChangeKind.BUST:
                del self.trades[line["match"]], self.trades[line["match"] + 1]
            case Template.MASS_CANCEL if line["scope"] & MassCancelScope.KILL:
                self.killed.add(self._scope(line, line["scope"] & ~MassCancelScope.KILL))
            case Template.COMMAND:
                self._command(line)
            case _:
                pass

    def _enter(self, line: Fields, side: int) -> Open:
        price = self.price_at_risk(line["instrument"], line["price_ticks"], side)
        return Open(
            owners(line), line["instrument"], side, line["quantity"], price, line["client_order_id"]
        )

    def _say(self, line: Fields) -> None:
        for owner in owners(line):
            self.said[owner].append(line["time_ns"] // SECOND_NS)

    def _loose(self, instrument: int) -> Open:
        return next(order for order in self.loose if order.instrument == instrument)

    def _scope(self, line: Fields, scope: int) -> Owner:
        name = MassCancelScope(scope).name
        assert name is not None
        return name.lower(), line.get(name.lower(), 0)

    def _command(self, line: Fields) -> None:
        if line["kind"] == CommandKind.LIMIT:
            owner = self._scope(line, line["scope"])
            value = line["value"]
            self.limits[owner, line["limit"]] = UNLIMITED if value == NO_LIMIT else value
        elif line["kind"] == CommandKind.RESTRICTION:
            owner = self._scope(line, line["scope"])
            self.restrictions[owner, line["instrument"]] = line["value"]
        elif line["kind"] == CommandKind.SELF_TRADE:
            self.self_trade[self._scope(line, line["scope"])] = line["value"]
        elif line["kind"] == CommandKind.REFERENCE_PRICE:
            self.reference[line["instrument"]] = line["price_ticks"]
        elif line["kind"] == CommandKind.RESUME:
            self.killed.discard(self._scope(line, line["scope"]))
        elif line["kind"] == CommandKind.CLOSE_DAY:
            self.is_closed = True

    # --- what it amounts to

    def price_at_risk(
        self, instrument: int, price_ticks: int, side: int, slides: bool = False
    ) -> int:
        one = self.instruments[instrument]
        if side == Side.SELL:
            if slides:
                price_ticks = max(price_ticks, one.price_ticks_max)
            price_ticks = max(price_ticks, self.reference[instrument] or one.price_ticks_max)
        return price_ticks * one.tick_1e4

    def exposure(
        self, owner: Owner, time_ns: int | None = None, without: Open | None = None
    ) -> Exposure:
        """Of an owner; messages of the second of `time_ns`, by default of the last one."""
        mine = [one for one in self.orders.values() if owner in one.owners and one is not without]
        mine += [one for one in self.loose if owner in one.owners]
        traded = [one for one in self.trades.values() if owner in one[0].owners]
        net: dict[int, int] = defaultdict(int)
        for one, quantity in traded:
            notional = quantity * one.price_1e4
            net[one.instrument] += notional if one.side == Side.BUY else -notional
        open_: dict[tuple[int, int], int] = defaultdict(int)
        for one in mine:
            open_[one.instrument, one.side] += one.quantity * one.price_1e4
        gross = sum(
            worst(net[n], open_[n, Side.BUY], open_[n, Side.SELL])
            for n in range(len(self.instruments))
        )
        seconds = self.said[owner]
        second = time_ns // SECOND_NS if time_ns is not None else max(seconds, default=0)
        return Exposure(
            sum(n for (_, side), n in open_.items() if side == Side.BUY),
            sum(n for (_, side), n in open_.items() if side == Side.SELL),
            sum(net.values()),
            gross,
            sum(quantity * one.price_1e4 for one, quantity in traded),
            sum(quantity for _, quantity in traded),
            sum(one.quantity for one in mine),
            sum(one.quantity > 0 for one in mine),
            seconds.count(second),
            {limit: self.limits.get((owner, limit), UNLIMITED) for limit in RiskLimit},
        )

    # --- may it come in?

    def reason(self, group: NDArray[np.void], time_ns: int) -> int:
        """0, or why a proposal that the book would take must be refused, all before it settled."""
        first = fields(group[0])
        line = fields(group[0])
        if self.is_closed:
            return RejectReason.DAY_CLOSED
        if first["template_id"] == Template.STOP_ORDER:
            return 0
        session = ("session", line["topic"])
        if self.killed & {*owners(line), session, ("everything", 0)}:
            return RejectReason.KILLED
        template = Template(first["template_id"])
        if template == Template.MULTI_LEG_ORDER:
            return self._legs_reason(group, time_ns)
        options = line.get("options", 0)
        leaves = None
        side = line["side"]
        if template == Template.REPLACE:
            leaves = next(
                (
                    one
                    for (_, locate), one in self.orders.items()
                    if locate == line["locate"]
                    and one.client_order_id == line["original_client_order_id"]
                    and one.instrument == line["instrument"]
                ),
                None,
            )
            if leaves is None:
                return 0
            side, options = leaves.side, 0
        price = self.price_at_risk(
            line["instrument"], line["price_ticks"], side, bool(options & OrderOption.SLIDE)
        )
        new = Open(owners(line), line["instrument"], side, line["quantity"], price, 0)
        return self._first_reason(new, time_ns, leaves, [])

    def _legs_reason(self, group: NDArray[np.void], time_ns: int) -> int:
        before: list[Open] = []
        for line in group[1:]:
            if line["template_id"] != Template.LEG:
                continue
            one = self._enter(fields(line), fields(line)["side"])
            if reason := self._first_reason(one, time_ns, None, before):
                return reason
            before.append(one)
        return 0

    def options(self, line: Fields) -> int:
        """Of an order, with what it does when it meets itself, if it does not say."""
        if line["options"] & SELF_TRADE:
            return line["options"]
        account, firm = owners(line)
        return line["options"] | (self.self_trade.get(account) or self.self_trade.get(firm, 0))

    def _is_restricted(self, new: Open) -> bool:
        rules = [self.restrictions.get((owner, new.instrument)) for owner in new.owners]
        is_buy = new.side == Side.BUY
        return Restriction.NO_ORDERS in rules or (is_buy and Restriction.SELL_ONLY in rules)

    def _first_reason(
        self, new: Open, time_ns: int, leaves: Open | None, before: list[Open]
    ) -> int:
        if self._is_restricted(new):
            return RejectReason.RESTRICTED
        for owner in new.owners:
            for limit in RiskLimit:
                of = self.limits.get((owner, limit), UNLIMITED)
                if of < UNLIMITED and self._with(owner, limit, new, time_ns, leaves, before) > of:
                    return LIMIT_REASON[limit]
        return 0

    def _with(
        self,
        owner: Owner,
        limit: RiskLimit,
        new: Open,
        time_ns: int,
        leaves: Open | None,
        before: list[Open],
    ) -> int:
        """What is held against a limit, with one more order and the legs before it."""
        now = self.exposure(owner, time_ns, leaves if leaves and owner in leaves.owners else None)
        legs = [one for one in before if owner in one.owners]
        added = {
            side: sum(one.quantity * one.price_1e4 for one in [*legs, new] if one.side == side)
            for side in (Side.BUY, Side.SELL)
        }
        open_ = {Side.BUY: now.open_long, Side.SELL: now.open_short}
        mine = open_[Side(new.side)] + added[Side(new.side)]
        match limit:
            case RiskLimit.OPEN_LONG:
                return mine if new.side == Side.BUY else 0
            case RiskLimit.OPEN_SHORT:
                return mine if new.side == Side.SELL else 0
            case RiskLimit.NET_POSITION:
                return now.net + mine if new.side == Side.BUY else mine - now.net
            case RiskLimit.GROSS_POSITION:
                # Legs before this one count whole: each may be the only one of its instrument.
                if legs:
                    return now.gross + sum(added.values())
                self.loose.append(new)
                gross = self.exposure(owner, time_ns, leaves).gross
                self.loose.remove(new)
                return gross
            case RiskLimit.TRADED_NOTIONAL:
                return now.traded + sum(open_.values()) + sum(added.values())
            case RiskLimit.TRADED_QUANTITY:
                quantity = now.traded_quantity + now.open_quantity
                return quantity + sum(one.quantity for one in [*legs, new])
            case RiskLimit.OPEN_ORDERS:
                return now.open_orders + len(legs) + 1
            case RiskLimit.MESSAGES_PER_SECOND:
                return now.messages + len(legs) + 1
