"""The day's rules of accounts and firms, as a CSV file; and all rules of the files as commands.

    owner,open_long,open_orders,self_trade,no_orders
    account:101,5000000,200,oldest,
    firm:ACME,,,,S7 S9

What a file says is sequenced behind the day's definitions, as an operator would say it: so it is
true from the first order on, whoever replays the day knows it, and a later command changes it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ringbus.messages import (
    INSTRUMENT_NONE,
    CommandKind,
    InstrumentState,
    MassCancelScope,
    OrderOption,
    Restriction,
    RiskLimit,
)
from tools.instruments import Instrument, Participant
from tools.rules import meant
from tools.table import Row, read_table

if TYPE_CHECKING:
    from tools.configuration import Configuration

# Whose quantity goes when orders of one owner meet.
MODES: Final[dict[str, int]] = {
    "none": 0,
    "newest": OrderOption.SELF_TRADE_NEWEST,
    "oldest": OrderOption.SELF_TRADE_OLDEST,
    "both": OrderOption.SELF_TRADE_NEWEST | OrderOption.SELF_TRADE_OLDEST,
    "decrement": OrderOption.SELF_TRADE_DECREMENT,
}
# Of a notional, in the currency; of a count.
NOTIONAL_MAX: Final = 10**12 - 1
COUNT_MAX: Final = 10**12 - 1
COUNTS: Final = (
    *(RiskLimit.TRADED_QUANTITY, RiskLimit.OPEN_ORDERS, RiskLimit.MESSAGES_PER_SECOND),
)
RESTRICTIONS: Final = {"sell_only": Restriction.SELL_ONLY, "no_orders": Restriction.NO_ORDERS}
LIMIT_FIELDS: Final = {limit.name.lower(): limit for limit in RiskLimit}
FIELDS: Final = ("owner", *LIMIT_FIELDS, "self_trade", *RESTRICTIONS)
# Of a Command, by name.
Fields = dict[str, int]


@dataclass(frozen=True, slots=True)
class OwnerRules:
    """What one owner may do; limits as the file says them, None: no such limit.

    `owner`: "account:101" or "firm:ACME"; `self_trade`: a word of MODES, "": none is said;
    `sell_only`, `no_orders`: symbols.
    """

    owner: str
    open_long: int | None = None
    open_short: int | None = None
    net_position: int | None = None
    gross_position: int | None = None
    traded_notional: int | None = None
    traded_quantity: int | None = None
    open_orders: int | None = None
    messages_per_second: int | None = None
    self_trade: str = ""
    sell_only: tuple[str, ...] = ()
    no_orders: tuple[str, ...] = ()

    @classmethod
    def restored(cls, saved: Sequence[object]) -> OwnerRules:
        """From what was saved; JSON knows lists only."""
        values = (tuple(one) if isinstance(one, list) else one for one in saved)
        return cls(*values)  # type: ignore[arg-type]


def load_owner_rules(
    path: Path, instruments: Sequence[Instrument], participants: Sequence[Participant]
) -> tuple[OwnerRules, ...]:
    """Read the file of owners: `owner`, and any of its other columns.

    Limits of notional are in the currency; `self_trade` is none, newest, oldest, both or decrement;
    `sell_only` and `no_orders` are symbols with blanks between them.
    Raises: ConfigurationError: also for an owner or a symbol that there is not.
    """
    owners = [f"account:{who.account}" for who in participants]
    owners += [f"firm:{who.firm_name}" for who in participants]
    symbols = [one.symbol for one in instruments]
    lines: dict[str, int] = {}

    def make(row: Row) -> OwnerRules:
        owner = row.values["owner"]
        if owner not in owners:
            cure = f"write account:NUMBER or firm:NAME of a participant{meant(owner, owners)}"
            raise row.error("owner", f"found {owner!r}", cure)
        if owner in lines:
            raise row.error(
                "owner", f"{owner} is on line {lines[owner]} too", "each owner stands once"
            )
        lines[owner] = row.line
        return _owner_rules(row, owner, symbols)

    return tuple(read_table(path, FIELDS, FIELDS[1:], make))


def _owner_rules(row: Row, owner: str, symbols: list[str]) -> OwnerRules:
    limits = {name: _limit(row, name) for name in LIMIT_FIELDS}
    sell_only, no_orders = (_symbols(row, name, symbols) for name in RESTRICTIONS)
    for symbol in no_orders:
        if symbol in sell_only:
            raise row.error("no_orders", f"{symbol} is in sell_only too", "write it once")
    return OwnerRules(
        owner,
        **limits,
        self_trade=row.choice("self_trade", tuple(MODES)),
        sell_only=sell_only,
        no_orders=no_orders,
    )


def _limit(row: Row, name: str) -> int | None:
    if row.values[name] == "":
        return None
    return row.whole(name, 0, COUNT_MAX if LIMIT_FIELDS[name] in COUNTS else NOTIONAL_MAX)


def _symbols(row: Row, name: str, known: list[str]) -> tuple[str, ...]:
    out = tuple(row.values[name].split())
    for symbol in out:
        if symbol not in known:
            cure = f"write symbols of the instruments, with blanks between{meant(symbol, known)}"
            raise row.error(name, f"there is no instrument {symbol!r}", cure)
    if len(set(out)) != len(out):
        raise row.error(name, f"found {row.values[name]!r}", "write each symbol once")
    return out


def commands_of(configuration: Configuration) -> list[tuple[int, Fields]]:
    """All rules of the files: the shard that answers, and the fields of the Command."""
    out: list[tuple[int, Fields]] = []
    for one in configuration.instruments:
        out += [(one.shard, fields) for fields in _of_instrument(one)]
    firms = {who.firm_name: who.firm for who in configuration.participants}
    instruments = {one.symbol: one for one in configuration.instruments}
    for rules in configuration.owners:
        out += _of_owner(rules, firms, instruments)
    return out


def _of_instrument(one: Instrument) -> list[Fields]:
    out: list[Fields] = []
    if one.reference_ticks:
        out.append({"kind": CommandKind.REFERENCE_PRICE, "price_ticks": one.reference_ticks})
    for state, low, high, width in (
        (
            InstrumentState.CONTINUOUS,
            one.collar_ticks_min,
            one.collar_ticks_max,
            one.collar_ticks_width,
        ),
        (
            InstrumentState.AUCTION,
            one.auction_ticks_min,
            one.auction_ticks_max,
            one.auction_ticks_width,
        ),
    ):
        if low or high or width:
            collar = {"kind": CommandKind.COLLAR, "state": state}
            out.append({**collar, "value": low | high << 32, "price_ticks": width})
    if one.finger_ticks_width or one.finger_notional_1e4:
        notional = one.finger_notional_1e4
        value = max(1, notional // one.tick_1e4) if notional else 0
        finger = {"kind": CommandKind.FAT_FINGER, "price_ticks": one.finger_ticks_width}
        out.append({**finger, "value": value})
    return [fields | {"instrument": one.index} for fields in out]


def _of_owner(
    rules: OwnerRules, firms: dict[str, int], instruments: dict[str, Instrument]
) -> list[tuple[int, Fields]]:
    kind, _, name = rules.owner.partition(":")
    is_firm = kind == "firm"
    owner: Fields = {"scope": MassCancelScope.ACCOUNT, "account": 0 if is_firm else int(name)}
    if is_firm:
        owner = {"scope": MassCancelScope.FIRM, "firm": firms[name]}
    every = owner | {"instrument": INSTRUMENT_NONE}
    out: list[tuple[int, Fields]] = []
    said = dataclasses.asdict(rules)
    for field, limit in LIMIT_FIELDS.items():
        if (value := said[field]) is not None:
            value *= 1 if limit in COUNTS else 10_000
            out.append((0, {**every, "kind": CommandKind.LIMIT, "limit": limit, "value": value}))
    if rules.self_trade:
        mode = MODES[rules.self_trade]
        mode |= OrderOption.SELF_TRADE_FIRM if is_firm and mode else 0
        out.append((0, {**every, "kind": CommandKind.SELF_TRADE, "value": mode}))
    for field, rule in RESTRICTIONS.items():
        for symbol in said[field]:
            one = instruments[symbol]
            restriction = {"kind": CommandKind.RESTRICTION, "instrument": one.index, "value": rule}
            out.append((one.shard, {**owner, **restriction}))
    return out
