"""What systemd is told of an exchange: that it is up, that its launcher lives, that it goes down.

sd_notify(3): datagrams to the socket that the environment names; without one nobody is told.
"""

from __future__ import annotations

import os

# An exception to the rule against sockets: systemd listens on one.
import socket
from collections.abc import Callable, Mapping


class Notifier:
    """The way to systemd, if it has started this process.

    Args: environment: that of this process; monotonic: its time, seconds. Thread: one.
    """

    def __init__(
        self, monotonic: Callable[[], float], environment: Mapping[str, str] = os.environ
    ) -> None:
        self._monotonic = monotonic
        self._address = environment.get("NOTIFY_SOCKET", "")
        watchdog_us = environment.get("WATCHDOG_USEC", "0")
        # Half of the time that it waits, as sd_watchdog_enabled(3) asks for.
        self._period_s = int(watchdog_us) / 2e6 if watchdog_us.isdigit() else 0.0
        self._next_s = 0.0

    def ready(self) -> None:
        """The exchange is up."""
        self._tell("READY=1")

    def stopping(self) -> None:
        """It goes down."""
        self._tell("STOPPING=1")

    def beat(self) -> None:
        """The launcher lives; to be called often."""
        if self._period_s <= 0:
            return
        now_s = self._monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + self._period_s
            self._tell("WATCHDOG=1")

    def _tell(self, text: str) -> None:
        if not self._address:
            return
        # An abstract socket is written with an @ in place of its first byte.
        address = self._address.replace("@", "\0", 1) if self._address[0] == "@" else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way:
            try:
                way.sendto(text.encode(), address)
            except OSError:
                # systemd is gone, or never was: the exchange does not stop for that.
                return
