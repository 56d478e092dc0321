"""Commands in words, with names for symbols, users and firms."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from engine.risk import NO_LIMIT
from ringbus.describe import describe, named
from ringbus.messages import (
    ALARM,
    BUILD_RECORD,
    CARRIED_OVER,
    COMMAND,
    COMMAND_ASKED,
    END_OF_DAY,
    EPOCH_START,
    INSTRUMENT_DEFINITION,
    INSTRUMENT_NONE,
    MASS_CANCEL,
    PARTICIPANT_DEFINITION,
    REJECTED,
    TRADE_CHANGE,
    CommandKind,
    Environment,
    GuardianAction,
    GuardianRule,
    InstrumentState,
    MassCancelScope,
    OrderOption,
    RejectReason,
    Restriction,
    RiskLimit,
    Side,
    Template,
    TradeChangeKind,
)
from tools.console.record import Change
from tools.console.trades import WHY
from tools.owner_rules import MODES

if TYPE_CHECKING:
    from tools.configuration import Configuration

# Fingerprints of a BuildRecord.
PRINTS = ("build", "schema", "configuration")
_RESTRICTIONS = {
    int(Restriction.NONE): "do everything",
    int(Restriction.SELL_ONLY): "only sell",
    int(Restriction.NO_ORDERS): "do nothing new",
}
SIDES = {int(Side.BUY): "buys", int(Side.SELL): "sells"}


def _text(value: object) -> str:
    return bytes(value).decode("latin-1").rstrip("\0 ")  # type: ignore[call-overload,no-any-return]


class Names:
    """What the numbers of a day's commands stand for."""

    def __init__(self) -> None:
        self._symbols: dict[int, tuple[str, int]] = {}
        self._users: dict[int, str] = {}
        self._firms: dict[int, str] = {}

    @classmethod
    def of(cls, configuration: Configuration) -> Names:
        """Those of a configuration."""
        names = cls()
        names._symbols = {
            one.index: (one.symbol, one.tick_1e4) for one in configuration.instruments
        }
        names._users = {one.session: one.user for one in configuration.participants}
        names._firms = {one.firm: one.firm_name for one in configuration.participants}
        return names

    def hear(self, batch: NDArray[np.void]) -> None:
        """Learn from the first lines of a day: shape (n,), dtype MESSAGE."""
        of = batch["template_id"]
        for one in batch[of == Template.INSTRUMENT_DEFINITION].view(INSTRUMENT_DEFINITION):
            self._symbols[int(one["instrument"])] = _text(one["symbol"]), int(one["tick_1e4"])
        for one in batch[of == Template.PARTICIPANT_DEFINITION].view(PARTICIPANT_DEFINITION):
            self._users[int(one["session"])] = _text(one["user"])
            self._firms[int(one["firm"])] = _text(one["firm_name"])

    def symbol(self, instrument: int) -> str:
        """An instrument's."""
        return self._symbols.get(instrument, (f"instrument {instrument}", 0))[0]

    def user(self, session: int) -> str:
        """A session's."""
        return self._users.get(session, f"session {session}")

    def words(self, raw: bytes) -> str:
        """What a line of 64 bytes does, or would do."""
        template = raw[24]
        if template == Template.COMMAND:
            return self._command(np.frombuffer(raw, COMMAND)[0])
        if template == Template.MASS_CANCEL:
            return self._mass_cancel(np.frombuffer(raw, MASS_CANCEL)[0])
        if template == Template.ALARM:
            return self._alarm(np.frombuffer(raw, ALARM)[0])
        if template == Template.TRADE_CHANGE:
            return self._trade_change(np.frombuffer(raw, TRADE_CHANGE)[0])
        if template == Template.COMMAND_ASKED:
            asked = command_of(raw)
            return self.words(asked) if asked else "waits no more"
        if template == Template.REJECTED:
            line = np.frombuffer(raw, REJECTED)[0]
            refused = named(Template, int(line["refused_template"]))
            return f"{refused}: refused, {named(RejectReason, int(line['reason']))}"
        if template == Template.BUILD_RECORD:
            one = np.frombuffer(raw, BUILD_RECORD)[0]
            prints = [f"{what} {int(one[f'{what}_hash']):016x}" for what in PRINTS]
            environment = named(Environment, int(one["environment"])).lower()
            return (
                f"the day begins, {environment}: {', '.join(prints)}, {int(one['shards'])} shards"
            )
        if template == Template.CARRIED_OVER:
            one = np.frombuffer(raw, CARRIED_OVER)[0]
            orders, quantity, left = (
                int(one[name]) for name in ("orders", "quantity", "left_orders")
            )
            return f"{orders:,} orders ({quantity:,}) are carried over, {left:,} are not"
        if template == Template.END_OF_DAY:
            one = np.frombuffer(raw, END_OF_DAY)[0]
            orders, quantity = int(one["kept_orders"]), int(one["kept_quantity"])
            return f"the day is over: {orders:,} orders ({quantity:,}) go to the next one"
        if template == Template.EPOCH_START:
            one = np.frombuffer(raw, EPOCH_START)[0]
            return f"engine {int(one['epoch'])} begins: build {int(one['build_hash']):016x}"
        return describe(np.frombuffer(raw, COMMAND)[0])

    def _command(self, line: np.void) -> str:
        kind = int(line["kind"])
        symbol = self.symbol(int(line["instrument"]))
        if kind == CommandKind.INSTRUMENT_STATE:
            return f"set {symbol} to {_state(int(line['state']))}"
        if kind == CommandKind.CLOSE_DAY:
            return "close the day: take no more orders"
        if kind == CommandKind.REFERENCE_PRICE:
            price = self._price(line, int(line["price_ticks"]))
            return f"count sells of {symbol} at {price} at least"
        if kind == CommandKind.LIMIT:
            limit = named(RiskLimit, int(line["limit"])).lower().replace("_", "-")
            value = "none" if int(line["value"]) == NO_LIMIT else str(int(line["value"]))
            return f"limit {limit} of {self._whose(line)} to {value}"
        if kind == CommandKind.RESUME:
            return f"take orders of {self._whose(line)} again"
        if kind == CommandKind.COLLAR:
            low, high = int(line["value"]) & 0xFFFF_FFFF, int(line["value"]) >> 32
            prices = (("at least", low), ("at most", high), ("width", int(line["price_ticks"])))
            said = [f"{word} {self._price(line, ticks)}" for word, ticks in prices if ticks]
            phase = _state(int(line["state"]))
            return f"collar of {symbol} in {phase}: {', '.join(said) or 'none'}"
        if kind == CommandKind.FAT_FINGER:
            tick_1e4 = self._symbols.get(int(line["instrument"]), ("", 0))[1]
            ticks, notional = int(line["price_ticks"]), int(line["value"]) * tick_1e4
            said = [f"{self._price(line, ticks)} past the last trade"] if ticks else []
            said += [f"a notional of {notional}"] if notional else []
            return f"fat finger in {symbol}: {' and '.join(said) or 'anything'} at most"
        if kind == CommandKind.RESTRICTION:
            may = _RESTRICTIONS.get(int(line["value"]), "do what nobody knows")
            return f"let {self._whose(line)} {may} in {symbol}"
        if kind == CommandKind.SELF_TRADE:
            mode = int(line["value"]) & ~int(OrderOption.SELF_TRADE_FIRM)
            what = next((word for word, options in MODES.items() if options == mode), str(mode))
            return f"when orders of {self._whose(line)} meet, cancel: {what}"
        return describe(line)

    def _alarm(self, line: np.void) -> str:
        kind = named(GuardianRule, int(line["kind"])).lower().replace("_", "-")
        is_of_one = int(line["scope"]) == MassCancelScope.INSTRUMENT
        whose = self.symbol(int(line["instrument"])) if is_of_one else self._whose(line)
        return f"alarm, {kind} of {whose}: {int(line['value']):,}, bound {int(line['bound']):,}"

    def _trade_change(self, line: np.void) -> str:
        price, match = self._price(line, int(line["price_ticks"])), int(line["match"])
        # One that waits for a second author does not say it.
        quantity = f"{int(line['quantity'])} " if line["quantity"] else ""
        trade = f"trade {match} of {quantity}{self.symbol(int(line['instrument']))}"
        if int(line["kind"]) == TradeChangeKind.CORRECT:
            return f"give {trade} the price {price}"
        letter = bytes(line["reason"])
        why = next((word for word, known in WHY.items() if known == letter), str(letter))
        return f"make {trade} at {price} void: {why}"

    def _price(self, line: np.void, ticks: int) -> Decimal:
        tick_1e4 = self._symbols.get(int(line["instrument"]), ("", 0))[1]
        return Decimal(ticks * tick_1e4) / 10_000

    def _mass_cancel(self, line: np.void) -> str:
        scope = int(line["scope"])
        if scope & MassCancelScope.KILL:
            return f"kill {self._whose(line)}: cancel all open orders, take nothing new"
        parts = ["cancel all open orders"]
        if scope & ~(MassCancelScope.INSTRUMENT | MassCancelScope.SIDE):
            parts.append(f"of {self._whose(line)}")
        if int(line["instrument"]) != INSTRUMENT_NONE:
            parts.append(f"in {self.symbol(int(line['instrument']))}")
        if scope & MassCancelScope.SIDE:
            parts.append(f"that are {SIDES.get(int(line['side']), 'of no side')}")
        return " ".join(parts)

    def _whose(self, line: np.void) -> str:
        scope = int(line["scope"])
        words = ["everybody"] if scope & MassCancelScope.EVERYTHING else []
        if scope & MassCancelScope.SESSION:
            session = int(line["session"])
            words.append(f"user {self._users.get(session, str(session))}")
        if scope & MassCancelScope.ACCOUNT:
            words.append(f"account {int(line['account'])}")
        if scope & MassCancelScope.FIRM:
            firm = int(line["firm"])
            words.append(f"firm {self._firms.get(firm, str(firm))}")
        return ", ".join(words)


def outcome(change: Change, names: Names) -> str:
    """What a change did, in words; "" if that says itself."""
    if change.refused:
        return f"refused ({named(RejectReason, change.refused)})"
    said = []
    if change.template == Template.ALARM:
        action = int(np.frombuffer(change.raw, ALARM)["action"][0])
        said += ["kills"] if action == GuardianAction.KILL else []
    for instrument, before, after in change.states[:1]:
        said.append(f"{names.symbol(instrument)} {_state(before)} to {_state(after)}")
    if change.canceled or change.template == Template.MASS_CANCEL:
        said.append(f"{change.canceled:,} orders canceled")
    if change.told:
        said.append(f"{' and '.join(names.user(one) for one in change.told)} told")
    return ", ".join(said)


def _state(state: int) -> str:
    return named(InstrumentState, state).lower()


# Parts of a line that a command that waits has as the line that it would be has them.
_SHARED: Final = {int(Template.COMMAND): slice(32, 62), int(Template.TRADE_CHANGE): slice(32, 60)}
_OF_A_MASS_CANCEL: Final = (
    *("instrument", "client_order_id", "account", "firm", "session", "scope", "side"),
)


def asked_of(raw: bytes) -> bytes:
    """A Command, MassCancel or TradeChange as the CommandAsked that waits for a second author."""
    asked = _copied(raw, raw[24], MASS_CANCEL, COMMAND_ASKED)
    asked["asked_template"], asked["template_id"] = raw[24], Template.COMMAND_ASKED
    return asked.tobytes()


def command_of(raw: bytes) -> bytes:
    """What a CommandAsked would be, a TradeChange without its quantity; b"": it waits no more."""
    template = int(np.frombuffer(raw, COMMAND_ASKED)["asked_template"][0])
    if template != Template.MASS_CANCEL and template not in _SHARED:
        return b""
    line = _copied(raw, template, COMMAND_ASKED, MASS_CANCEL)
    line["template_id"] = template
    return line.tobytes()


def _copied(
    raw: bytes, template: int, from_: np.dtype[np.void], to: np.dtype[np.void]
) -> NDArray[np.void]:
    """A MassCancel has its fields elsewhere."""
    out: NDArray[np.void] = np.zeros(1, to)
    if template == Template.MASS_CANCEL:
        for name in _OF_A_MASS_CANCEL:
            out[name] = np.frombuffer(raw, from_)[name]
    else:
        part = _SHARED[template]
        out.view(np.uint8)[part] = np.frombuffer(raw, np.uint8)[part]
    return out
