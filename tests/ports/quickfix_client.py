"""A real QuickFIX initiator: its own threads, its own clock, its own store of numbers on disk."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ports.fix import FIX42, FIX44, Pair

try:
    import quickfix
except ModuleNotFoundError:
    quickfix = None

SETTINGS = """[DEFAULT]
ConnectionType=initiator
ReconnectInterval=1
FileStorePath={store}
FileLogPath={store}
StartTime=00:00:00
EndTime=00:00:00
HeartBtInt={heartbeat}
SocketConnectHost=127.0.0.1
SocketConnectPort={port}
UseDataDictionary=Y
DataDictionary={dictionary}
ResetOnLogon={reset}
[SESSION]
BeginString={begin}
SenderCompID={user}
TargetCompID={comp_id}
"""
# Patience, in rounds of the exchange: tens of seconds.
ROUNDS = 3_000_000
DICTIONARIES = Path(sys.prefix, "share", "quickfix")
FILES = {FIX42: "FIX42.xml", FIX44: "FIX44.xml"}


def dictionary(version: str) -> Path:
    """Its dictionary of a version of FIX; skips the test where QuickFIX is not installed."""
    if quickfix is None:
        pytest.skip("QuickFIX has no wheel for this Python")
    return DICTIONARIES / FILES[version]


class QuickFix(quickfix.Application if quickfix else object):  # type: ignore[misc]
    """The application and its initiator; use it with `with`. Everything it got is in the lists.

    Args: store: where it keeps its numbers; step: lets the exchange go on while it is waited for.
    """

    def __init__(
        self,
        store: Path,
        step: Callable[[], object],
        port: int,
        user: str,
        begin: str,
        comp_id: str = "RINGBUS",
        password: str = "",
        heartbeat: int = 30,
        reset: bool = False,
    ) -> None:
        super().__init__()
        self.store = store
        self._step = step
        self.begin = begin
        self.user = user
        self.comp_id = comp_id
        self.password = password
        self.reports: list[dict[int, str]] = []
        self.admin: list[dict[int, str]] = []
        self.sent: list[dict[int, str]] = []
        self.logged_on = False
        self.logons = 0
        self._heartbeat = heartbeat
        self._reset = "Y" if reset else "N"
        self._initiator: Any = None
        store.mkdir(exist_ok=True)
        self.connect(port)

    def connect(self, port: int) -> None:
        """Start an initiator to that TCP port, over the store that is there."""
        text = SETTINGS.format(
            store=self.store,
            port=port,
            begin=self.begin,
            user=self.user,
            comp_id=self.comp_id,
            heartbeat=self._heartbeat,
            dictionary=dictionary(self.begin),
            reset=self._reset,
        )
        path = self.store / "settings.cfg"
        path.write_text(text)
        settings = quickfix.SessionSettings(str(path))
        self._parts = (settings, quickfix.FileStoreFactory(settings))
        self._initiator = quickfix.SocketInitiator(self, self._parts[1], settings)
        self._initiator.start()

    def stop(self) -> None:
        """Log out and end."""
        initiator, self._initiator = self._initiator, None
        if initiator is None:
            return
        thread = threading.Thread(target=initiator.stop)
        thread.start()
        while thread.is_alive():
            self._step()
        thread.join()

    def __enter__(self) -> QuickFix:
        return self

    def __exit__(self, *unused: object) -> None:
        self.stop()

    def say(self, type_: str, fields: list[Pair]) -> None:
        """Send an application message; QuickFIX numbers and stores it, connected or not."""
        message = quickfix.Message()
        message.getHeader().setField(8, self.begin)
        message.getHeader().setField(35, type_)
        for tag, text in fields:
            message.setField(tag, text)
        quickfix.Session.sendToTarget(message, self.user, self.comp_id)

    def until(self, condition: Callable[[], bool]) -> None:
        """Let the exchange go on until the condition holds."""
        for _ in range(ROUNDS):
            if condition():
                return
            self._step()
        raise AssertionError(f"never: {self.reports[-3:]} {self.admin[-5:]} {self.sent[-5:]}")

    def told(self, count: int) -> list[dict[int, str]]:
        """The first `count` reports, when they have come."""
        self.until(lambda: len(self.reports) >= count)
        return self.reports[:count]

    # What QuickFIX calls, from its own threads.

    def onCreate(self, session: object) -> None:
        pass

    def onLogon(self, session: object) -> None:
        self.logons += 1
        self.logged_on = True

    def onLogout(self, session: object) -> None:
        self.logged_on = False

    def toAdmin(self, message: Any, session: object) -> None:
        fields = parse(message.toString())
        if fields[35] == "A" and self.password:
            message.setField(554, self.password)
        self.sent.append(fields)

    def fromAdmin(self, message: Any, session: object) -> None:
        self.admin.append(parse(message.toString()))

    def toApp(self, message: Any, session: object) -> None:
        self.sent.append(parse(message.toString()))

    def fromApp(self, message: Any, session: object) -> None:
        self.reports.append(parse(message.toString()))


def parse(text: str) -> dict[int, str]:
    """The fields of a message."""
    pairs = (part.partition("=") for part in text.split("\1") if part)
    return {int(tag): value for tag, _, value in pairs}
