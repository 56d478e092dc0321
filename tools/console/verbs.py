"""What an operator can say: verb by verb, the line that it becomes."""

from __future__ import annotations

from collections.abc import Callable
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
    OrderOption,
    Template,
    TradeChangeKind,
)
from tools.console.words import (
    LIMITS,
    MAY,
    OWNERS,
    PHASES,
    SIDES,
    STATES,
    CommandError,
    Order,
    Request,
    instrument_of,
    owners_named,
    put_owner,
    ticks_of,
    value_of,
    widen,
)
from tools.owner_rules import MODES
from tools.rules import meant

if TYPE_CHECKING:
    from tools.configuration import Configuration

# Verbs about a trade, which has to be looked for; tools/console/trades.py has their lines.
OF_A_TRADE: Final = {"bust": TradeChangeKind.BUST, "correct": TradeChangeKind.CORRECT}
# Verbs about a command that waits: the console itself makes their line.
OF_ANOTHER: Final = ("approve", "withdraw")
# What [control] calls those whose verb is not the name of their kind.
KINDS: Final = {
    CommandKind.REFERENCE_PRICE: "reference",
    CommandKind.FAT_FINGER: "fat-finger",
    CommandKind.RESTRICTION: "restrict",
    CommandKind.SELF_TRADE: "self-trade",
    CommandKind.CLOSE_DAY: "close-day",
}


def order_of(configuration: Configuration, request: Request) -> Order:
    """What the words mean. Raises: CommandError: no such verb, symbol, owner, price or value."""
    if request.verb not in VERBS:
        close = meant(request.verb, [*VERBS, *OF_A_TRADE, *OF_ANOTHER])
        raise CommandError(f"no such command: {request.verb!r}{close}")
    return VERBS[request.verb](configuration, request)


def kind_of(order: Order) -> str:
    """What [control] calls such a command: its verb, however it was said."""
    if order.raw[24] == Template.MASS_CANCEL:
        scope = int(np.frombuffer(order.raw, MASS_CANCEL)[0]["scope"])
        return "kill" if scope & MassCancelScope.KILL else "cancel"
    line = np.frombuffer(order.raw, COMMAND)[0]
    if line["template_id"] == Template.TRADE_CHANGE:
        return next(verb for verb, kind in OF_A_TRADE.items() if kind == int(line["kind"]))
    kind = CommandKind(int(line["kind"]))
    if kind == CommandKind.INSTRUMENT_STATE:
        return "halt" if int(line["state"]) == InstrumentState.HALTED else "state"
    return KINDS.get(kind, kind.name.lower())


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
    put_owner(configuration, request, line, ("account", "firm"))
    line["limit"], line["value"] = LIMITS[request.limit], value_of(str(request.value))
    return _order(line)


def _kill(configuration: Configuration, request: Request) -> Order:
    line: NDArray[np.void] = np.zeros(1, MASS_CANCEL)
    line["template_id"], line["instrument"] = Template.MASS_CANCEL, INSTRUMENT_NONE
    put_owner(configuration, request, line, OWNERS)
    widen(line, MassCancelScope.KILL)
    return _order(line)


def _resume(configuration: Configuration, request: Request) -> Order:
    line = _command(CommandKind.RESUME)
    put_owner(configuration, request, line, OWNERS)
    return _order(line)


def _cancel(configuration: Configuration, request: Request) -> Order:
    line: NDArray[np.void] = np.zeros(1, MASS_CANCEL)
    line["template_id"], line["instrument"] = Template.MASS_CANCEL, INSTRUMENT_NONE
    shard, is_narrow = 0, False
    if request.symbol is not None:
        line["instrument"], shard, _ = instrument_of(configuration, request)
        widen(line, MassCancelScope.INSTRUMENT)
        is_narrow = True
    if request.side is not None:
        if request.side not in SIDES:
            raise CommandError(f"side: found {request.side!r}; write buy or sell")
        line["side"] = SIDES[request.side]
        widen(line, MassCancelScope.SIDE)
        is_narrow = True
    if not is_narrow or owners_named(request):
        put_owner(configuration, request, line, OWNERS, several=True)
    return _order(line, shard)


def _reference(configuration: Configuration, request: Request) -> Order:
    line = _command(CommandKind.REFERENCE_PRICE)
    line["instrument"], shard, tick_1e4 = instrument_of(configuration, request)
    line["price_ticks"] = ticks_of(str(request.price), tick_1e4)
    return _order(line, shard)


def _state(configuration: Configuration, request: Request) -> Order:
    line = _command(CommandKind.INSTRUMENT_STATE)
    line["instrument"], shard, _ = instrument_of(configuration, request)
    state = "halted" if request.verb == "halt" else str(request.state)
    if state not in STATES:
        raise CommandError(f"there is no state {state}{meant(state, list(STATES))}")
    line["state"] = STATES[state]
    return _order(line, shard)


def _collar(configuration: Configuration, request: Request) -> Order:
    line = _command(CommandKind.COLLAR)
    line["instrument"], shard, tick_1e4 = instrument_of(configuration, request)
    if request.state not in PHASES:
        raise CommandError(f"phase: found {request.state!r}; write {' or '.join(PHASES)}")
    line["state"] = PHASES[request.state]
    low, high = (ticks_of(one or "0", tick_1e4) for one in (request.low, request.high))
    line["value"], line["price_ticks"] = low | high << 32, ticks_of(request.width or "0", tick_1e4)
    return _order(line, shard)


def _fat_finger(configuration: Configuration, request: Request) -> Order:
    line = _command(CommandKind.FAT_FINGER)
    line["instrument"], shard, tick_1e4 = instrument_of(configuration, request)
    line["price_ticks"] = ticks_of(request.width or "0", tick_1e4)
    value = value_of(request.value or "none")
    line["value"] = 0 if value == NO_LIMIT else max(1, value // tick_1e4)
    return _order(line, shard)


def _restrict(configuration: Configuration, request: Request) -> Order:
    line = _command(CommandKind.RESTRICTION)
    line["instrument"], shard, _ = instrument_of(configuration, request)
    put_owner(configuration, request, line, ("account", "firm"))
    line["value"] = _one_of(MAY, "may", request.may)
    return _order(line, shard)


def _self_trade(configuration: Configuration, request: Request) -> Order:
    line = _command(CommandKind.SELF_TRADE)
    put_owner(configuration, request, line, ("account", "firm"))
    options = _one_of(MODES, "mode", request.mode)
    is_firm = options and request.firm is not None
    line["value"] = options | (OrderOption.SELF_TRADE_FIRM if is_firm else 0)
    return _order(line)


def _one_of(words: dict[str, int], what: str, found: str | None) -> int:
    if found not in words:
        raise CommandError(f"{what}: found {found!r}{meant(str(found), list(words))}")
    return words[found]


def _close_day(configuration: Configuration, request: Request) -> Order:
    return _order(_command(CommandKind.CLOSE_DAY))


VERBS: Final[dict[str, Callable[[Configuration, Request], Order]]] = {
    "limit": _limit,
    "kill": _kill,
    "resume": _resume,
    "cancel": _cancel,
    "reference": _reference,
    "collar": _collar,
    "fat-finger": _fat_finger,
    "restrict": _restrict,
    "self-trade": _self_trade,
    "close-day": _close_day,
    "halt": _state,
    "state": _state,
}
