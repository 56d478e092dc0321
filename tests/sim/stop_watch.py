"""Stop orders: each comes in once, when a trade has reached its price, and never before.

Made anew from the stream, without the sorted lists of ports/stops.py: at every trade every order
is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

from ringbus.messages import MassCancelScope as Scope
from ringbus.messages import Side, Template
from tests.engine.mix import Message
from tests.engine.oracle.wire import Fields, decode

SAME = ("instrument", "price_ticks", "quantity", "account", "firm", "side", "time_in_force")
ENDS = (Template.NEW_ORDER, Template.STOP_CANCEL, Template.REJECT, Template.REJECTED)
Key = tuple[int, int]  # topic and the client's number


class StopWatch:
    """Judges the applications that hold stop orders: `publishers` are theirs."""

    def __init__(self, publishers: Sequence[int]) -> None:
        self._publishers = publishers
        self.held: dict[Key, Fields] = {}
        self._triggered: dict[Key, Fields] = {}
        self._revoked: dict[Key, Fields] = {}
        self.entered = 0

    @property
    def waiting(self) -> dict[Key, Fields]:
        """Those that may still come in."""
        return self.held | self._triggered

    def expect(self, first: bytes) -> None:
        """Nothing: what it says is judged when it is said."""

    def hear(self, group: Message) -> None:
        template = group[0][24]
        if template == Template.STOP_ORDER:
            line = decode(group[0])
            self.held[_key(line)] = line
        elif template == Template.MASS_CANCEL:
            self._revoke(decode(group[0]))
        elif template in ENDS:
            self._end(decode(group[0]))
        for raw in group:
            if raw[24] == Template.EXECUTED:
                self._trade(decode(raw))

    def at_rest(self) -> None:
        """Whatever was triggered came in or was refused, whatever was revoked was said so."""
        assert not self._triggered, f"never came in: {list(self._triggered)}"
        assert not self._revoked, f"never told of its end: {list(self._revoked)}"

    def _trade(self, line: Fields) -> None:
        for key, stop in list(self.held.items()):
            if stop["instrument"] != line["instrument"]:
                continue
            away = line["price_ticks"] - stop["stop_ticks"]
            if away >= 0 if stop["side"] == Side.BUY else away <= 0:
                self._triggered[key] = self.held.pop(key)

    def _revoke(self, line: Fields) -> None:
        for of in (self.held, self._triggered):
            for key, stop in list(of.items()):
                if is_named(line, stop):
                    self._revoked[key] = of.pop(key)

    def _end(self, line: Fields) -> None:
        template, key = line["template_id"], _key(line)
        is_ours = line["publisher"] in self._publishers
        if template in (Template.REJECT, Template.REJECTED):
            if line["refused_template"] not in (Template.NEW_ORDER, Template.STOP_ORDER):
                return
        elif template == Template.NEW_ORDER and is_ours:
            stop = self._triggered.get(key)
            assert stop is not None, f"stop order {key} came in, and no trade had reached it"
            assert all(stop[name] == line[name] for name in SAME), "another order than was given"
            self.entered += 1
        elif template == Template.STOP_CANCEL and is_ours:
            assert key in self._revoked, f"stop order {key} was taken back, and nobody asked"
        for of in (self.held, self._triggered, self._revoked):
            of.pop(key, None)


def is_named(line: Fields, stop: Fields) -> bool:
    """Whether a mass cancel is about it."""
    scope = line["scope"]
    owner = stop | {"session": stop["topic"]}
    parts = {
        Scope.SESSION: "session", Scope.ACCOUNT: "account", Scope.FIRM: "firm",
        Scope.INSTRUMENT: "instrument", Scope.SIDE: "side",
    }  # fmt: skip
    return all(not scope & part or line[name] == owner[name] for part, name in parts.items())


def _key(line: Fields) -> Key:
    return line["topic"], line["client_order_id"]
