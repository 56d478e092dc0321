"""An operator's request as it comes, checked, and what its words stand for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, cast

import numpy as np
from numpy.typing import NDArray

from engine.risk import NO_LIMIT
from ringbus.messages import (
    InstrumentState,
    MassCancelScope,
    Restriction,
    RiskLimit,
    Side,
)
from tools.console.record import AUTHOR_BYTES_MAX, REASON_BYTES_MAX
from tools.rules import meant

if TYPE_CHECKING:
    from tools.configuration import Configuration

LIMITS: Final = {limit.name.lower().replace("_", "-"): limit for limit in RiskLimit}
STATES: Final = {state.name.lower(): state for state in InstrumentState}
SIDES: Final = {side.name.lower(): side for side in Side}
# Of collars.
PHASES: Final = {
    "continuous": InstrumentState.CONTINUOUS,
    "auction": InstrumentState.AUCTION,
}
# What an owner may still do in an instrument.
MAY: Final[dict[str, int]] = {
    "everything": Restriction.NONE,
    "sell-only": Restriction.SELL_ONLY,
    "nothing": Restriction.NO_ORDERS,
}
# Whole numbers of a request, and the highest that they may be.
MOST: Final = {"number": (1 << 32) - 1, "account": (1 << 32) - 1, "match": (1 << 63) - 1}


class CommandError(Exception):
    """It was not given, or not taken; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Request:
    """One command as an operator says it; what its verb does not need is None.

    `number` is the operator's own, which makes it happen once however often it is said.
    """

    verb: str
    author: str
    reason: str
    number: int | None = None
    everybody: bool | None = None
    account: int | None = None
    firm: str | None = None
    user: str | None = None
    symbol: str | None = None
    side: str | None = None
    limit: str | None = None
    value: str | None = None
    price: str | None = None
    state: str | None = None
    low: str | None = None
    high: str | None = None
    width: str | None = None
    may: str | None = None
    mode: str | None = None
    match: int | None = None
    why: str | None = None

    @classmethod
    def read(cls, said: dict[str, object]) -> Request:
        """From what came over a socket or from a command line. Raises: CommandError."""
        kinds: dict[str, type] = dict.fromkeys(MOST, int) | {"everybody": bool}
        names = [one.name for one in dataclasses.fields(cls)]
        for name, value in said.items():
            if name not in names:
                raise CommandError(f"a command has no {name!r}{meant(name, names)}")
            if value is not None and type(value) is not kinds.get(name, str):
                raise CommandError(f"{name}: found {value!r}")
            if name in MOST and value is not None and not 0 <= cast(int, value) <= MOST[name]:
                raise CommandError(f"{name}: {value} is out of range")
        for name, most in (("author", AUTHOR_BYTES_MAX), ("reason", REASON_BYTES_MAX)):
            text = str(said.get(name) or "")
            is_plain = text.isprintable() and text == text.strip()
            if not 1 <= len(text.encode("utf-8", "replace")) <= most or not is_plain:
                raise CommandError(f"--{name}: found {text!r}; write 1 to {most} bytes of text")
        return cls(**said)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Order:
    """A command as it will be proposed: its first line, dtype MESSAGE, and whose shard answers.

    `behind`: lines between that one and author and reason; `was`: what it changes, in words.
    """

    raw: bytes
    shard: int
    behind: bytes = b""
    was: str = ""


OWNERS: Final = ("everybody", "user", "account", "firm")


def widen(line: NDArray[np.void], scope: MassCancelScope) -> None:
    """It names this, too."""
    line["scope"] |= np.uint8(scope)


def owners_named(request: Request) -> list[str]:
    """In which ways it says whose."""
    return [one for one in OWNERS if getattr(request, one) not in (None, False)]


def put_owner(
    configuration: Configuration,
    request: Request,
    line: NDArray[np.void],
    allowed: tuple[str, ...],
    several: bool = False,
) -> None:
    """Say whose orders it is about. Raises: CommandError: nobody's, or of somebody unknown."""
    named = owners_named(request)
    is_mixed = len(named) > 1 and (not several or "everybody" in named)
    if not named or is_mixed or any(one not in allowed for one in named):
        words = ", ".join(f"--{one}" for one in allowed)
        raise CommandError(f"say whose: {'some' if several else 'one'} of {words}")
    people = configuration.participants
    for one in named:
        value: object = getattr(request, one)
        if one == "everybody":
            widen(line, MassCancelScope.EVERYTHING)
        elif one == "account":
            if value not in [who.account for who in people]:
                raise CommandError(f"no participant has account {value}")
            line["account"] = value
            widen(line, MassCancelScope.ACCOUNT)
        elif one == "firm":
            firms = {who.firm_name: who.firm for who in people}
            if value not in firms:
                names = ", ".join(sorted(firms))
                raise CommandError(f"there is no firm {value}; firms are {names}")
            line["firm"] = firms[str(value)]
            widen(line, MassCancelScope.FIRM)
        else:
            sessions = {who.user: who.session for who in people}
            if value not in sessions:
                close = meant(str(value), list(sessions))
                raise CommandError(
                    f"there is no user {value}; the participants file names them{close}"
                )
            line["session"] = sessions[str(value)]
            widen(line, MassCancelScope.SESSION)


def value_of(text: str) -> int:
    """A notional or a count. Raises: CommandError."""
    if text == "none":
        return NO_LIMIT
    if not (text.isascii() and text.isdecimal()) or len(text) > 19 or int(text) >= 1 << 61:
        raise CommandError(f'found {text!r}; write a whole number below 2^61, or "none"')
    return int(text)


def instrument_of(configuration: Configuration, request: Request) -> tuple[int, int, int]:
    """Its index, its shard, its tick."""
    for one in configuration.instruments:
        if one.symbol == request.symbol:
            return one.index, one.shard, one.tick_1e4
    close = meant(str(request.symbol), [one.symbol for one in configuration.instruments])
    raise CommandError(f"there is no instrument {request.symbol}{close}")


def ticks_of(text: str, tick_1e4: int) -> int:
    """A price of the instrument. Raises: CommandError: it cannot have it."""
    try:
        price = Decimal(text[:32]) * 10_000
    except ArithmeticError:
        raise CommandError(f"found {text!r}; write a price such as 12.34") from None
    if not price.is_finite() or not 0 <= price < 1 << 40:
        raise CommandError(f"found {text!r}; write a price such as 12.34")
    if price != int(price) or int(price) % tick_1e4 != 0:
        raise CommandError(f"{text} is not a multiple of the tick {Decimal(tick_1e4) / 10_000}")
    ticks = int(price) // tick_1e4
    if ticks >= 1 << 30:
        raise CommandError(f"{text} is more than 2^30 ticks")
    return ticks
