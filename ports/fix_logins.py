"""Logins of a FIX port that wait for their password to be verified, in another thread."""

from __future__ import annotations

import os
from collections import deque
from typing import NamedTuple

from ports.authenticator import PASSWORD_MAX


class Verdict(NamedTuple):
    """On the login of the connection with this descriptor and generation."""

    connection: int
    generation: int
    good: bool


class Logins:
    """What an Authenticator takes logins from; see ports.authenticator.LoginQueue.

    Thread: `ask` and `take` by the port's, the rest by the authenticator's.
    """

    def __init__(self) -> None:
        self._asked: deque[tuple[int, int, str, str]] = deque()
        self._answered: deque[Verdict] = deque()
        self.login_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.verdict_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def ask(self, connection: int, generation: int, user: str, password: str) -> None:
        """Have a login verified. One that is too long to be anybody's is somebody else's."""
        self._asked.append((connection, generation, user, password[: PASSWORD_MAX + 1]))
        self.wake_logins()

    def take(self) -> list[Verdict]:
        """The verdicts that came."""
        _hush(self.verdict_fd)
        out = []
        while self._answered:
            out.append(self._answered.popleft())
        return out

    def next_login(self) -> tuple[int, int, str, str] | None:
        """Connection, generation, user and password of the next login; None: none waits."""
        return self._asked.popleft() if self._asked else None

    def answer_login(self, connection: int, generation: int, good: bool) -> bool:
        """Say whether it was good; there is always room."""
        self._answered.append(Verdict(connection, generation, good))
        os.eventfd_write(self.verdict_fd, 1)
        return True

    def hush_logins(self) -> None:
        """Make `login_fd` unreadable."""
        _hush(self.login_fd)

    def wake_logins(self) -> None:
        """Make `login_fd` readable."""
        os.eventfd_write(self.login_fd, 1)

    def close(self) -> None:
        """Close both descriptors."""
        os.close(self.login_fd)
        os.close(self.verdict_fd)


def _hush(fd: int) -> None:
    try:
        os.eventfd_read(fd)
    except BlockingIOError:
        return
