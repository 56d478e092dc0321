"""The day's instruments and participants, as CSV files.

Numbers are exact: a price is a decimal text and becomes an integer, never a float. A mistake is an
error that names the file, the line, the field, what was found and the cure.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.assignment import Wish, assign
from tools.rules import ConfigurationError
from tools.table import Faults, Row, read_table

INSTRUMENTS_MAX: Final = 1 << 20
PRICE_TICKS_MAX: Final = (1 << 30) - 1
QUANTITY_MAX: Final = (1 << 32) - 1
LOAD_MAX: Final = 10**12 - 1
NOTIONAL_MAX: Final = 10**12 - 1
SESSION_MAX: Final = 65534
PLACE_FIELDS: Final = ("shard", "group", "load")
# Prices that orders must have, by the instrument's column; empty: no such rule.
PRICE_RULES: Final = (
    *("reference", "collar_min", "collar_max", "auction_min", "auction_max"),
    *("collar_width", "auction_width", "finger_width"),
)
INSTRUMENT_FIELDS: Final = (
    *("symbol", "tick", "lot", "price_min", "price_max", "quantity_max"),
    *PLACE_FIELDS,
    *PRICE_RULES,
    "finger_notional",
)
PARTICIPANT_OPTIONS: Final = (
    "protocol", "rate", "notional_max", "cancel_on_disconnect", "self_trade", "hears",
)  # fmt: skip
PARTICIPANT_FIELDS: Final = ("user", "session", "account", "firm", "secret", *PARTICIPANT_OPTIONS)
PROTOCOLS: Final = ("ouch50", "ouch42")
# Fields of an Instrument that are rules of its orders.
RULES: Final = (
    "reference_ticks",
    *("collar_ticks_min", "collar_ticks_max", "collar_ticks_width"),
    *("auction_ticks_min", "auction_ticks_max", "auction_ticks_width"),
    *("finger_ticks_width", "finger_notional_1e4"),
)
RATE_MAX: Final = 1_000_000
# As ports.authenticator.hash_secret makes them.
SECRET: Final = r"scrypt\$\d+\$\d+\$\d+\$([0-9a-f]{2})+\$[0-9a-f]{64}"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument; prices in ticks, the tick in 1/10,000 of the currency."""

    index: int
    symbol: str
    tick_1e4: int
    lot: int
    price_ticks_min: int
    price_ticks_max: int
    quantity_max: int
    shard: int
    shard_chosen: bool  # by the file, not by default
    group: str = ""  # of instruments that are touched atomically; "": none
    load: int = 0  # measured messages a day
    # What its orders must be from the day's first one on; 0: no such rule.
    reference_ticks: int = 0
    collar_ticks_min: int = 0
    collar_ticks_max: int = 0
    auction_ticks_min: int = 0
    auction_ticks_max: int = 0
    collar_ticks_width: int = 0
    auction_ticks_width: int = 0
    finger_ticks_width: int = 0
    finger_notional_1e4: int = 0


@dataclass(frozen=True, slots=True)
class Participant:
    """One client session; `session` is its topic, `secret` the hash of its password.

    `rate` and `notional_max_1e4` bound its orders in a second and the value of one, 0 is no bound;
    `self_trade` is the letter of orders that name none (ports/README.md). One that `hears` sessions
    is a drop copy of them, and trades nothing itself.
    """

    user: str
    session: int
    account: int
    firm: int
    firm_name: str
    secret: str
    protocol: str = PROTOCOLS[0]
    rate: int = 0
    notional_max_1e4: int = 0
    cancels_on_disconnect: bool = False
    self_trade: str = "N"
    hears: tuple[int, ...] = ()


def load_instruments(path: Path, shards: int) -> tuple[Instrument, ...]:
    """Read the file of instruments.

    Its columns are `symbol,tick,lot,price_min,price_max,quantity_max`, and optional `shard`,
    `group` (those of one group are on one shard), `load` (measured messages a day), and the rules
    of its orders: `reference`, `collar_…` and `auction_…` (`min`, `max`, `width`: prices),
    `finger_width` (a price) and `finger_notional` (in the currency).

    Args: path: the file; shards: how many there are; see tools.assignment for who goes where.
    Raises: ConfigurationError.
    """
    symbols: dict[str, int] = {}
    chosen: dict[str, tuple[int, int]] = {}

    def make(row: Row) -> Instrument:
        return _new_instrument(row, shards, symbols, chosen)

    out = read_table(path, INSTRUMENT_FIELDS, INSTRUMENT_FIELDS[6:], make)
    if not out:
        raise ConfigurationError(f"{path}:2: symbol: no instrument; write one line for each")
    wishes = [Wish(one.group, one.load, one.shard if one.shard_chosen else None) for one in out]
    placed = zip(out, assign(wishes, shards), strict=True)
    return tuple(dataclasses.replace(one, shard=shard) for one, shard in placed)


def _new_instrument(
    row: Row, shards: int, symbols: dict[str, int], chosen: dict[str, tuple[int, int]]
) -> Instrument:
    """That of a row; `symbols` and `chosen` shards of groups are those of the rows before it."""
    if len(symbols) >= INSTRUMENTS_MAX:
        raise row.error("symbol", "too many instruments", f"{INSTRUMENTS_MAX} at most")
    instrument = _instrument(row, len(symbols), shards)
    if instrument.symbol in symbols:
        raise row.error(
            "symbol",
            f"{instrument.symbol!r} is on line {symbols[instrument.symbol]} too",
            "symbols are unique",
        )
    symbols[instrument.symbol] = row.line
    if instrument.shard_chosen and instrument.group:
        shard, line = chosen.setdefault(instrument.group, (instrument.shard, row.line))
        if shard != instrument.shard:
            raise row.error(
                "shard",
                f"found {instrument.shard}, but line {line} puts the group "
                f"{instrument.group!r} on shard {shard}",
                "a group is on one shard",
            )
    return instrument


def _instrument(row: Row, index: int, shards: int) -> Instrument:
    symbol = row.text(
        "symbol",
        r"[A-Z0-9][A-Z0-9.+\-=*^#/]{0,7}",
        "1 to 8 capital letters, digits and . + - = * ^ # /",
    )
    tick = row.price_1e4("tick")
    if tick == 0:
        raise row.error("tick", f"found {row.values['tick']!r}", "a tick is at least 0.0001")
    lot = row.whole("lot", 1, QUANTITY_MAX)
    price_min, price_max = _ticks(row, "price_min", tick), _ticks(row, "price_max", tick)
    if price_min > price_max:
        raise row.error(
            "price_max", f"{row.values['price_max']!r} is below price_min", "exchange the two"
        )
    chosen = row.values["shard"] != ""
    return Instrument(
        index,
        symbol,
        tick,
        lot,
        price_min,
        price_max,
        quantity_max=row.whole("quantity_max", lot, QUANTITY_MAX),
        shard=row.whole("shard", 0, shards - 1) if chosen else 0,
        shard_chosen=chosen,
        group=row.text("group", r"[A-Z0-9]{0,8}", "up to 8 capital letters and digits"),
        load=row.whole("load", 0, LOAD_MAX) if row.values["load"] else 0,
        **_price_rules(row, tick, price_min, price_max),
        finger_notional_1e4=row.whole("finger_notional", 1, NOTIONAL_MAX) * 10_000
        if row.values["finger_notional"]
        else 0,
    )


def _price_rules(row: Row, tick: int, price_min: int, price_max: int) -> dict[str, int]:
    """Fields of an Instrument, in ticks."""
    out: dict[str, int] = {}
    for name in PRICE_RULES:
        ticks = _ticks(row, name, tick) if row.values[name] else 0
        is_width = name.endswith("width")
        if ticks and not is_width and not price_min <= ticks <= price_max:
            raise row.error(
                name,
                f"{row.values[name]!r} is a price that the instrument cannot have",
                f"write one from {row.values['price_min']} to {row.values['price_max']}",
            )
        kind, _, what = name.partition("_")
        out[f"{kind}_ticks_{what}" if what else f"{kind}_ticks"] = ticks
    for kind in ("collar", "auction"):
        high = out[f"{kind}_ticks_max"]
        if high and out[f"{kind}_ticks_min"] > high:
            raise row.error(
                f"{kind}_max",
                f"{row.values[f'{kind}_max']!r} is below {kind}_min",
                "exchange the two",
            )
    return out


def _ticks(row: Row, name: str, tick: int) -> int:
    price = row.price_1e4(name)
    found = row.values[name]
    if price == 0:
        raise row.error(name, f"found {found!r}", "prices are above zero: one tick at least")
    if price % tick != 0:
        raise row.error(
            name, f"{found!r} is not a multiple of the tick {row.values['tick']}", "round it"
        )
    if price // tick > PRICE_TICKS_MAX:
        raise row.error(name, f"{found!r} is too many ticks", "enlarge the tick")
    return price // tick


def load_participants(path: Path) -> tuple[Participant, ...]:
    """Read the file of participants: `user,session,account,firm,secret`.

    Optional columns: `protocol` (ouch50 or ouch42), `rate` (new orders and replaces in a second),
    `notional_max` (of one order, in the currency), `cancel_on_disconnect` (yes or no), `self_trade`
    (N, or OUCH's letter of a strategy), `hears` (of a drop copy: users, `firm:F`, `account:N`, or
    `all`, with blanks between them); an empty field is the default.

    Firms get numbers 1, 2, … in the order in which the file first names them.
    Raises: ConfigurationError: also for a secret that is not a hash.
    """
    lines: dict[tuple[str, str], int] = {}
    firms: dict[str, int] = {}

    def make(row: Row) -> tuple[Row, Participant]:
        return row, _participant(row, lines, firms)

    rows = read_table(path, PARTICIPANT_FIELDS, PARTICIPANT_OPTIONS, make)
    if not rows:
        raise ConfigurationError(f"{path}:2: user: no participant; write one line for each")
    speakers = [who for row, who in rows if not row.values["hears"]]
    out: list[Participant] = []
    faults = Faults()
    for row, who in rows:
        with faults:
            out.append(dataclasses.replace(who, hears=_hears(row, speakers)))
    faults.say()
    return tuple(out)


def _participant(row: Row, lines: dict[tuple[str, str], int], firms: dict[str, int]) -> Participant:
    """That of a row; `lines` of users and sessions, and `firms` are those of the rows before it."""
    user = row.text("user", r"[A-Z0-9]{1,6}", "1 to 6 capital letters and digits")
    session = row.whole("session", 1, SESSION_MAX)
    account = row.whole("account", 1, 65535)
    firm = row.text("firm", r"[A-Z0-9]{1,8}", "1 to 8 capital letters and digits")
    for name in ("user", "session"):
        value = row.values[name] if name == "user" else str(session)
        if (name, value) in lines:
            raise row.error(
                name, f"{value} is on line {lines[name, value]} too", f"each {name} stands once"
            )
        lines[name, value] = row.line
    secret = row.values["secret"]
    if not re.fullmatch(SECRET, secret, re.ASCII):
        # The text itself is not repeated: it may be somebody's password.
        raise row.error(
            "secret", "found a text that is not a hash", "make one with `ringbus secret`"
        )
    number = firms.setdefault(firm, len(firms) + 1)
    return Participant(user, session, account, number, firm, secret, *_rules(row))


def _hears(row: Row, speakers: list[Participant]) -> tuple[int, ...]:
    """The sessions that a drop copy is of: each word of the field names one or more."""
    if row.values["hears"] and row.values["protocol"] not in ("", PROTOCOLS[0]):
        found = row.values["protocol"]
        raise row.error(
            "protocol", f"found {found!r}", f"a drop copy speaks {PROTOCOLS[0]}, or FIX"
        )
    out: set[int] = set()
    for word in row.values["hears"].split():
        sessions = {
            who.session
            for who in speakers
            if word in ("all", who.user, f"firm:{who.firm_name}", f"account:{who.account}")
        }
        if not sessions:
            raise row.error(
                "hears",
                f"{word!r} names nobody who trades",
                "write users of this file, firm:NAME, account:NUMBER, or all",
            )
        out |= sessions
    return tuple(sorted(out))


def _rules(row: Row) -> tuple[str, int, int, bool, str]:
    """What the optional columns say."""
    said = {name: row.values[name] for name in PARTICIPANT_OPTIONS}
    return (
        row.choice("protocol", PROTOCOLS) or PROTOCOLS[0],
        row.whole("rate", 0, RATE_MAX) if said["rate"] else 0,
        row.whole("notional_max", 1, NOTIONAL_MAX) * 10000 if said["notional_max"] else 0,
        row.choice("cancel_on_disconnect", ("yes", "no")) == "yes",
        row.text("self_trade", "[OWDYowdyN]?", "N, or one of O W D Y o w d y") or "N",
    )
