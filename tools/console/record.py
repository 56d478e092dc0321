"""What a stream says of operators and guardians: every change, who, why, and what it did.

One reader for the console, which believes only this, and for `ringbus log`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ports.guardian_words import AUTHOR as GUARDIAN
from ringbus.messages import (
    ALARM,
    COMMAND,
    MASS_CANCEL,
    REJECTED,
    STATE_CHANGED,
    TEXT,
    Flag,
    MassCancelScope,
    Template,
)
from ringbus.texts import PIECE_BYTES, said_in

OPERATOR = 0  # the topic
AUTHOR_BYTES_MAX = 32
REASON_BYTES_MAX = 200
# A group has fourteen lines: a TradeChange, both parties, their tags, and what is said of it.
TEXT_BYTES_MAX = 9 * PIECE_BYTES
# An author, a local user's number and a reason, a line each.
assert AUTHOR_BYTES_MAX + REASON_BYTES_MAX + len("4294967295") + 2 <= TEXT_BYTES_MAX

_COMMANDS = (
    Template.COMMAND,
    Template.MASS_CANCEL,
    Template.COMMAND_ASKED,
    Template.TRADE_CHANGE,
)
# Lines of the operator's topic that are no changes, or belong to one.
_DULL = (
    Template.INSTRUMENT_DEFINITION,
    Template.PARTICIPANT_DEFINITION,
    Template.TICK,
    Template.TEXT,
    Template.ORDER_TAG,
    Template.ORDER_TERMS,
    Template.LEG,
    Template.TRADE_PARTY,
)


@dataclass(slots=True)
class Change:
    """One thing that an operator (or the engine) said, and all that the stream answered.

    `raw`: the first line; `states`: (instrument, before, after); `told`: sessions of the parties of
    a trade; `refused`: a RejectReason or 0.
    """

    raw: bytes
    sequence: int
    time_ns: int
    publisher: int
    refused: int
    template: int  # of what was proposed, if it was refused too
    number: int  # of a command; 0: it has none
    author: str = ""
    user: str = ""
    reason: str = ""
    canceled: int = 0
    states: list[tuple[int, int, int]] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    last: int = 0  # sequence of the last line of the answer

    @classmethod
    def begun(cls, line: np.void) -> Change:
        """From the first line of an answer."""
        raw = line.tobytes()
        template, refused, number = raw[24], 0, 0
        if template == Template.REJECTED:
            one = np.frombuffer(raw, REJECTED)[0]
            template, refused = int(one["refused_template"]), int(one["reason"])
        if template in _COMMANDS:
            number = int(np.frombuffer(raw, COMMAND)[0]["client_order_id"])
        sequence, time_ns, publisher = (
            int(line[name]) for name in ("sequence", "time_ns", "publisher")
        )
        return cls(raw, sequence, time_ns, publisher, refused, template, number)

    @property
    def is_asked(self) -> bool:
        """Whether it waits for somebody else's word."""
        return self.template == Template.COMMAND_ASKED and self.refused == 0 and self.raw[62] != 0


class Record:
    """Collects the changes of a stream; it must hear all of it, in order."""

    def __init__(self) -> None:
        self._open: Change | None = None
        self._said: list[bytes] = []

    @property
    def is_open(self) -> bool:
        """Whether a change has begun whose answer has not ended."""
        return self._open is not None

    def hear(self, batch: NDArray[np.void]) -> list[Change]:
        """The changes whose answers end in this batch: shape (n,), dtype MESSAGE."""
        ends = np.flatnonzero(batch["flags"] & Flag.LAST_OF_GROUP)
        out: list[Change] = []
        done = self._take(batch, 0, ends, out) if self._open is not None else 0
        for n in np.flatnonzero(_are_changes(batch)):
            if n >= done:
                self._open = Change.begun(batch[n])
                done = self._take(batch, int(n), ends, out)
        return out

    def _take(
        self, batch: NDArray[np.void], first: int, ends: NDArray[np.int64], out: list[Change]
    ) -> int:
        """Lines of the open change from `first` on; returns the place behind them."""
        change = self._open
        assert change is not None
        at = int(np.searchsorted(ends, first))
        end = int(ends[at]) + 1 if at < len(ends) else len(batch)
        lines = batch[first:end]
        of = lines["template_id"]
        self._said += [bytes(one) for one in lines[of == Template.TEXT].view(TEXT)["text"]]
        change.told += lines["topic"][of == Template.TRADE_CHANGED].tolist()
        change.canceled += int((of == Template.CANCELED).sum())
        for one in lines[of == Template.STATE_CHANGED].view(STATE_CHANGED):
            instrument = int(one["instrument"])
            change.states.append((instrument, int(one["state_before"]), int(one["state"])))
        if at < len(ends):
            change.last = int(batch["sequence"][end - 1])
            change.author, change.user, change.reason = said_in(self._said)
            if change.template == Template.ALARM:
                # Nobody else says any.
                rule = int(np.frombuffer(change.raw, ALARM)["rule"][0])
                change.author, change.reason = GUARDIAN, f"rule {rule}"
            self._open, self._said = None, []
            out.append(change)
        return end


def _are_changes(batch: NDArray[np.void]) -> NDArray[np.bool_]:
    """Lines that begin one: the operator's own, everybody's commands, alarms."""
    of = batch["template_id"]
    own = (batch["topic"] == OPERATOR) & ~np.isin(of, _DULL)
    own &= (batch["flags"] & Flag.GENERATED == 0) | (of == Template.REJECTED)
    kills = of == Template.MASS_CANCEL
    kills &= batch.view(MASS_CANCEL)["scope"] & MassCancelScope.KILL != 0
    found: NDArray[np.bool_] = own | kills
    of_everybody = (Template.COMMAND, Template.TRADE_CHANGE, Template.ALARM)
    return found | np.isin(of, of_everybody)
