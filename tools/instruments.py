"""The day's instruments and participants, as CSV files.

Numbers are exact: a price is a decimal text and becomes an integer, never a float. A mistake is an
error that names the file, the line, the field, what was found and the cure.
"""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.assignment import Wish, assign
from tools.rules import meant
from tools.topology import ConfigurationError

INSTRUMENTS_MAX: Final = 1 << 20
PRICE_TICKS_MAX: Final = (1 << 30) - 1
# The largest price that an OUCH message may carry is 199,999.9900; the field itself holds this.
PRICE_1E4_MAX: Final = (1 << 31) - 1
QUANTITY_MAX: Final = (1 << 32) - 1
LOAD_MAX: Final = 10**12 - 1
NOTIONAL_MAX: Final = 10**12 - 1
SESSION_MAX: Final = 65534
INSTRUMENT_FIELDS: Final = (
    "symbol", "tick", "lot", "price_min", "price_max", "quantity_max", "shard", "group", "load",
)  # fmt: skip
PARTICIPANT_OPTIONS: Final = (
    "protocol", "rate", "notional_max", "cancel_on_disconnect", "self_trade", "hears",
)  # fmt: skip
PARTICIPANT_FIELDS: Final = ("user", "session", "account", "firm", "secret", *PARTICIPANT_OPTIONS)
PROTOCOLS: Final = ("ouch50", "ouch42")
RATE_MAX: Final = 1_000_000
# Of what is wrong with a file, so much is said.
FAULTS_MAX: Final = 100
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


class Faults:
    """Collects what is wrong with the rows of a file, so that all of it is said at once."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, ConfigurationError):
            self._texts.append(str(error))
            return True
        return False

    def add(self, text: str) -> None:
        """One more."""
        self._texts.append(text)

    def say(self) -> None:
        """Raises: ConfigurationError: something is wrong, a line of text for each."""
        if self._texts:
            more = [f"and {len(self._texts) - FAULTS_MAX:,} more"] * (len(self._texts) > FAULTS_MAX)
            raise ConfigurationError("\n".join([*self._texts[:FAULTS_MAX], *more]))


class _Row:
    """One line of a CSV file, whose fields are asked for one by one."""

    def __init__(self, path: Path, line: int, values: dict[str, str]) -> None:
        self.path = path
        self.line = line
        self.values = values

    def error(self, name: str, problem: str, cure: str) -> ConfigurationError:
        return ConfigurationError(f"{self.path}:{self.line}: {name}: {problem}; {cure}")

    def text(self, name: str, pattern: str, what: str) -> str:
        value = self.values[name]
        if not re.fullmatch(pattern, value, re.ASCII):
            raise self.error(name, f"found {value!r}", f"write {what}")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of some words, or nothing."""
        value = self.values[name]
        if value and value not in choices:
            listed = " or ".join(choices)
            raise self.error(name, f"found {value!r}", f"write {listed}{meant(value, choices)}")
        return value

    def whole(self, name: str, low: int, high: int) -> int:
        value = self.values[name]
        if not re.fullmatch(r"\d{1,12}", value, re.ASCII) or not low <= int(value) <= high:
            raise self.error(name, f"found {value!r}", f"write a whole number from {low} to {high}")
        return int(value)

    def price_1e4(self, name: str) -> int:
        """A price in 1/10,000."""
        value = self.values[name]
        match = re.fullmatch(r"(\d{1,9})(?:\.(\d+))?", value, re.ASCII)
        if not match:
            raise self.error(name, f"found {value!r}", 'write a price such as "12.34"')
        decimals = match[2] or ""
        if len(decimals) > 4:
            raise self.error(
                name, f"found {value!r}, {len(decimals)} decimals", "prices have at most 4 decimals"
            )
        price = int(match[1]) * 10000 + int(decimals.ljust(4, "0"))
        if price > PRICE_1E4_MAX:
            raise self.error(name, f"found {value!r}", "prices are below 214,748.3648")
        return price


def load_instruments(path: Path, shards: int) -> tuple[Instrument, ...]:
    """Read the file of instruments.

    Its columns are `symbol,tick,lot,price_min,price_max,quantity_max`, and optional `shard`,
    `group` (those of one group are on one shard) and `load` (measured messages a day).

    Args: path: the file; shards: how many there are; see tools.assignment for who goes where.
    Raises: ConfigurationError.
    """
    out: list[Instrument] = []
    symbols: dict[str, int] = {}
    chosen: dict[str, tuple[int, int]] = {}
    faults = Faults()
    for row in _rows(path, INSTRUMENT_FIELDS, ("shard", "group", "load"), faults):
        if len(out) >= INSTRUMENTS_MAX:
            raise row.error("symbol", "too many instruments", f"{INSTRUMENTS_MAX} at most")
        with faults:
            out.append(_new_instrument(row, len(out), shards, symbols, chosen))
    faults.say()
    if not out:
        raise ConfigurationError(f"{path}:2: symbol: no instrument; write one line for each")
    wishes = [Wish(one.group, one.load, one.shard if one.shard_chosen else None) for one in out]
    placed = zip(out, assign(wishes, shards), strict=True)
    return tuple(dataclasses.replace(one, shard=shard) for one, shard in placed)


def _new_instrument(
    row: _Row,
    index: int,
    shards: int,
    symbols: dict[str, int],
    chosen: dict[str, tuple[int, int]],
) -> Instrument:
    """That of a row; `symbols` and `chosen` shards of groups are those of the rows before it."""
    instrument = _instrument(row, index, shards)
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


def _instrument(row: _Row, index: int, shards: int) -> Instrument:
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
    )


def _ticks(row: _Row, name: str, tick: int) -> int:
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
    out: list[Participant] = []
    lines: dict[tuple[str, str], int] = {}
    firms: dict[str, int] = {}
    listeners: list[tuple[int, _Row]] = []
    faults = Faults()
    for row in _rows(path, PARTICIPANT_FIELDS, PARTICIPANT_OPTIONS, faults):
        with faults:
            one = _participant(row, lines, firms)
            if row.values["hears"]:
                listeners.append((len(out), row))
            out.append(one)
    faults.say()
    if not out:
        raise ConfigurationError(f"{path}:2: user: no participant; write one line for each")
    speakers = [who for n, who in enumerate(out) if n not in dict(listeners)]
    for n, row in listeners:
        with faults:
            out[n] = dataclasses.replace(out[n], hears=_hears(row, speakers))
    faults.say()
    return tuple(out)


def _participant(
    row: _Row, lines: dict[tuple[str, str], int], firms: dict[str, int]
) -> Participant:
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


def _hears(row: _Row, speakers: list[Participant]) -> tuple[int, ...]:
    """The sessions that a drop copy is of: each word of the field names one or more."""
    if row.values["protocol"] not in ("", PROTOCOLS[0]):
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


def _rules(row: _Row) -> tuple[str, int, int, bool, str]:
    """What the optional columns say."""
    said = {name: row.values[name] for name in PARTICIPANT_OPTIONS}
    return (
        row.choice("protocol", PROTOCOLS) or PROTOCOLS[0],
        row.whole("rate", 0, RATE_MAX) if said["rate"] else 0,
        row.whole("notional_max", 1, NOTIONAL_MAX) * 10000 if said["notional_max"] else 0,
        row.choice("cancel_on_disconnect", ("yes", "no")) == "yes",
        row.text("self_trade", "[OWDYowdyN]?", "N, or one of O W D Y o w d y") or "N",
    )


def _rows(
    path: Path, fields: tuple[str, ...], optional: tuple[str, ...], faults: Faults
) -> Iterator[_Row]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; check the path") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is not UTF-8 ({error.reason}); save it so") from None
    reader = csv.reader(text.splitlines(), strict=True)
    header: list[str] | None = None
    try:
        for values in reader:
            values = [value.strip() for value in values]
            if not any(values) or values[0].startswith("#"):
                continue
            if header is None:
                header = _header(path, reader.line_num, values, fields, optional)
                continue
            if len(values) != len(header):
                faults.add(
                    f"{path}:{reader.line_num}: found {len(values)} fields, the header has "
                    f"{len(header)}; write {','.join(header)}"
                )
                continue
            row = dict.fromkeys(optional, "")
            row.update(zip(header, values, strict=True))
            yield _Row(path, reader.line_num, row)
    except csv.Error as error:
        raise ConfigurationError(f"{path}:{reader.line_num}: {error}; check the quotes") from None
    if header is None:
        raise ConfigurationError(f"{path}:1: is empty; begin with the line {','.join(fields)}")


def _header(
    path: Path, line: int, found: list[str], fields: tuple[str, ...], optional: tuple[str, ...]
) -> list[str]:
    for name in found:
        if name not in fields:
            raise ConfigurationError(
                f"{path}:{line}: found the column {name!r}; columns are {','.join(fields)}"
                f"{meant(name, fields)}"
            )
    for name in fields:
        if found.count(name) > 1:
            raise ConfigurationError(f"{path}:{line}: {name}: stands twice; name a column once")
        if name not in found and name not in optional:
            raise ConfigurationError(
                f"{path}:{line}: {name}: the column is missing; begin with "
                f"{','.join(field for field in fields if field not in optional)}"
            )
    return found
