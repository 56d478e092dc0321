"""What an operator can ask for: the request as it comes, checked, and the line that it becomes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from engine.risk import NO_LIMIT
from ringbus.messages import (
    COMMAND,
    INSTRUMENT_NONE,
    MASS_CANCEL,
    CommandKind,
    InstrumentState,
    MassCancelScope,
    RiskLimit,
    Side,
    Template,
)
from tools.console.record import AUTHOR_BYTES_MAX, REASON_BYTES_MAX
from tools.rules import meant

if TYPE_CHECKING:
    from tools.configuration import Configuration

LIMITS: Final = {limit.name.lower().replace("_", "-"): limit for limit in RiskLimit}
STATES: Final = {state.name.lower(): state for state in InstrumentState}
SIDES: Final = {side.name.lower(): side for side in Side}
NUMBER_MAX: Final = (1 << 32) - 1


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

    @classmethod
    def read(cls, said: dict[str, object]) -> Request:
        """From what came over a socket or from a command line. Raises: CommandError."""
        kinds: dict[str, type] = {"number": int, "everybody": bool, "account": int}
        names = [one.name for one in dataclasses.fields(cls)]
        for name, value in said.items():
            if name not in names:
                raise CommandError(f"a command has no {name!r}{meant(name, names)}")
            if value is not None and type(value) is not kinds.get(name, str):
                raise CommandError(f"{name}: found {value!r}")
            if isinstance(value, int) and not 0 <= value <= NUMBER_MAX:
                raise CommandError(f"{name}: {value} is out of range")
        verb = said.get("verb")
        if verb not in VERBS:
            raise CommandError(f"no such command: {verb!r}{meant(str(verb), list(VERBS))}")
        for name, most in (("author", AUTHOR_BYTES_MAX), ("reason", REASON_BYTES_MAX)):
            text = str(said.get(name) or "")
            is_plain = text.isprintable() and text == text.strip()
            if not 1 <= len(text.encode("utf-8", "replace")) <= most or not is_plain:
                raise CommandError(f"--{name}: found {text!r}; write 1 to {most} bytes of text")
        return cls(**said)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Order:
    """A command as it will be proposed: its first line, dtype MESSAGE, and whose shard answers."""

    raw: bytes
    shard: int


def order_of(configuration: Configuration, request: Request) -> Order:
    """What the words mean. Raises: CommandError: no such symbol, owner, price or value."""
    return VERBS[request.verb](configuration, request)


def kind_of(order: Order) -> str:
    """What [control] calls such a command: its verb, however it was said."""
    if order.raw[24] == Template.MASS_CANCEL:
        scope = int(np.frombuffer(order.raw, MASS_CANCEL)[0]["scope"])
        return "kill" if scope & MassCancelScope.KILL else "cancel"
    line = np.frombuffer(order.raw, COMMAND)[0]
    kind = CommandKind(int(line["kind"]))
    if kind == CommandKind.INSTRUMENT_STATE:
        return "halt" if int(line["state"]) == InstrumentState.HALTED else "state"
    return kind.name.lower().split("_")[0]


def _command(kind: CommandKind) -> NDArray[np.void]:
    line: NDArray[np.void] = np.zeros(1, COMMAND)
    line["template_id"], line["kind"] = Template.COMMAND, kind
    line["instrument"] = INSTRUMENT_NONE
    return line


def _order(line: NDArray[np.void], shard: int = 0) -> Order:
    return Order(line.tobytes(), shard)


def _limit(configuration: Configuration, request: Request) -> Order:
    line = _command(CommandKind.LIMIT)
    if request.limit not in LIMITS:
        found = str(request.limit)
        raise CommandError(f"there is no limit {found}{meant(found, list(LIMITS))}")
    _put_owner(configuration, request, line, ("account", "firm"))
    line["limit"], line["value"] = LIMITS[request.limit], _value(str(request.value))
    return _order(line)


def _kill(configuration: Configuration, request: Request) -> Order:
    line: NDArray[np.void] = np.zeros(1, MASS_CANCEL)
    line["template_id"], line["instrument"] = Template.MASS_CANCEL, INSTRUMENT_NONE
    _put_owner(configuration, request, line, OWNERS)
    _widen(line, MassCancelScope.KILL)
    return _order(line)


def _resume(configuration: Configuration, request: Request) -> Order:
    line = _command(CommandKind.RESUME)
    _put_owner(configuration, request, line, OWNERS)
    return _order(line)


def _cancel(configuration: Configuration, request: Request) -> Order:
    line: NDArray[np.void] = np.zeros(1, MASS_CANCEL)
    line["template_id"], line["instrument"] = Template.MASS_CANCEL, INSTRUMENT_NONE
    shard, is_narrow = 0, False
    if request.symbol is not None:
        line["instrument"], shard, _ = _instrument(configuration, request)
        _widen(line, MassCancelScope.INSTRUMENT)
        is_narrow = True
    if request.side is not None:
        if request.side not in SIDES:
            raise CommandError(f"side: found {request.side!r}; write buy or sell")
        line["side"] = SIDES[request.side]
        _widen(line, MassCancelScope.SIDE)
        is_narrow = True
    if not is_narrow or _owners_named(request):
        _put_owner(configuration, request, line, OWNERS, several=True)
    return _order(line, shard)


def _reference(configuration: Configuration, request: Request) -> Order:
    line = _command(CommandKind.REFERENCE_PRICE)
    line["instrument"], shard, tick_1e4 = _instrument(configuration, request)
    line["price_ticks"] = _ticks(str(request.price), tick_1e4)
    return _order(line, shard)


def _state(configuration: Configuration, request: Request) -> Order:
    line = _command(CommandKind.INSTRUMENT_STATE)
    line["instrument"], shard, _ = _instrument(configuration, request)
    state = "halted" if request.verb == "halt" else str(request.state)
    if state not in STATES:
        raise CommandError(f"there is no state {state}{meant(state, list(STATES))}")
    line["state"] = STATES[state]
    return _order(line, shard)


# `approve` and `withdraw` are about a command that waits: the console itself makes their line.
def _of_another(configuration: Configuration, request: Request) -> Order:
    if request.number is None:
        raise CommandError("say the number of the command that waits; `ringbus log` shows it")
    return Order(b"", 0)


VERBS: Final[dict[str, Callable[[Configuration, Request], Order]]] = {
    "limit": _limit,
    "kill": _kill,
    "resume": _resume,
    "cancel": _cancel,
    "reference": _reference,
    "halt": _state,
    "state": _state,
    "approve": _of_another,
    "withdraw": _of_another,
}
OWNERS: Final = ("everybody", "user", "account", "firm")


def _widen(line: NDArray[np.void], scope: MassCancelScope) -> None:
    line["scope"] |= np.uint8(scope)


def _owners_named(request: Request) -> list[str]:
    return [one for one in OWNERS if getattr(request, one) not in (None, False)]


def _put_owner(
    configuration: Configuration,
    request: Request,
    line: NDArray[np.void],
    allowed: tuple[str, ...],
    several: bool = False,
) -> None:
    """Say whose orders it is about. Raises: CommandError: nobody's, or of somebody unknown."""
    named = _owners_named(request)
    is_mixed = len(named) > 1 and (not several or "everybody" in named)
    if not named or is_mixed or any(one not in allowed for one in named):
        words = ", ".join(f"--{one}" for one in allowed)
        raise CommandError(f"say whose: {'some' if several else 'one'} of {words}")
    people = configuration.participants
    for one in named:
        value: object = getattr(request, one)
        if one == "everybody":
            _widen(line, MassCancelScope.EVERYTHING)
        elif one == "account":
            if value not in [who.account for who in people]:
                raise CommandError(f"no participant has account {value}")
            line["account"] = value
            _widen(line, MassCancelScope.ACCOUNT)
        elif one == "firm":
            firms = {who.firm_name: who.firm for who in people}
            if value not in firms:
                names = ", ".join(sorted(firms))
                raise CommandError(f"there is no firm {value}; firms are {names}")
            line["firm"] = firms[str(value)]
            _widen(line, MassCancelScope.FIRM)
        else:
            sessions = {who.user: who.session for who in people}
            if value not in sessions:
                close = meant(str(value), list(sessions))
                raise CommandError(
                    f"there is no user {value}; the participants file names them{close}"
                )
            line["session"] = sessions[str(value)]
            _widen(line, MassCancelScope.SESSION)


def _value(text: str) -> int:
    if text == "none":
        return NO_LIMIT
    if not (text.isascii() and text.isdecimal()) or len(text) > 19 or int(text) >= 1 << 61:
        raise CommandError(f'found {text!r}; write a whole number below 2^61, or "none"')
    return int(text)


def _instrument(configuration: Configuration, request: Request) -> tuple[int, int, int]:
    """Its index, its shard, its tick."""
    for one in configuration.instruments:
        if one.symbol == request.symbol:
            return one.index, one.shard, one.tick_1e4
    close = meant(str(request.symbol), [one.symbol for one in configuration.instruments])
    raise CommandError(f"there is no instrument {request.symbol}{close}")


def _ticks(text: str, tick_1e4: int) -> int:
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
