"""The call auctions of the demo, opening and close: an operator begins them, the application ends
them.

The exchange's own times would make a day of nine hours: here the operator says when orders are
collected and when the call is over, as after any halt.
"""

from __future__ import annotations

import contextlib
import io
import time
from typing import Final

import numpy as np

from ringbus.messages import STATE_CHANGED, InstrumentState, Template
from ringbus.multicast import Reader
from tools import command
from tools.exchange import Exchange
from tools.memory import Attachment

# What the day's references were: the closes of 2023-07-10 (tests/data/sse_20230711/README.md).
REFERENCES: Final = {"600761": "21.38", "600961": "9.09", "601825": "5.46"}
SECONDS: Final = 30.0


def operate(exchange: Exchange, reason: str, *words: str) -> None:
    """An operator's command, as `ringbus command` gives it. Raises: RuntimeError: refused."""
    said = io.StringIO()
    who = ("--author", "demo", "--reason", reason, "--yes")
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = command.main([exchange.name, *who, *words])
    if code != 0:
        raise RuntimeError(f"ringbus command {' '.join(words)}: {said.getvalue().strip()}")


class Calls:
    """The states of all instruments from here on, where all are open; use it with `with`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._symbols = [one.symbol for one in exchange.configuration.instruments]
        self._shared = Attachment(exchange.name)
        self._reader = Reader(self._shared.attach("stream"), 0)
        self._states = np.full(len(self._symbols), InstrumentState.CONTINUOUS, np.uint8)

    def __enter__(self) -> Calls:
        return self

    def __exit__(self, *unused: object) -> None:
        self._shared.close()

    def refer(self) -> None:
        """Tell the exchange what each instrument closed at on the day before."""
        for symbol in self._symbols:
            operate(self._exchange, "close yesterday", "reference", symbol, REFERENCES[symbol])

    def become(self, state: InstrumentState, reason: str) -> None:
        """All instruments, by the operator."""
        for symbol in self._symbols:
            operate(self._exchange, reason, "state", symbol, state.name.lower())
        self.await_state(state)

    def await_state(self, state: InstrumentState) -> None:
        """Until all are in it. Raises: TimeoutError: 30 s are over."""
        deadline = time.monotonic() + SECONDS
        while not (self._states == state).all():
            batch = self._reader.poll()
            lines = batch[batch["template_id"] == Template.STATE_CHANGED].view(STATE_CHANGED)
            self._states[lines["instrument"]] = lines["state"]
            if len(batch) == 0:
                time.sleep(0.01)
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all instruments are {state.name.lower()} after 30 s")
