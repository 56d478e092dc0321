"""A whole exchange in one thread for the tests of the FIX port: real engine, real TCP sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.fused import Size
from ports.authenticator import Authenticator
from ports.client import ClientSession
from ports.fix import FIX44
from ports.fix_port import FixLimits, FixPort
from ringbus.core import Core
from tests.ports.fix_client import COMP_ID, Client
from tests.ports.venue import INSTRUMENTS, PASSWORD, SECRET, USERS, Venue

OPEN = FixLimits(passwords=False)


class FixSide:
    """A FIX port on a lane of a venue, and its clients.

    Args: clock: manual, or real for clients that have their own.
    """

    def __init__(
        self,
        venue: Venue,
        lane: int,
        sessions: Sequence[ClientSession],
        clock: str,
        limits: FixLimits = OPEN,
    ) -> None:
        self._venue, self._lane, self._sessions = venue, lane, sessions
        self._clock, self._limits = clock, limits
        self.tcp = 0
        self.clients: list[Client] = []
        self.start()

    def start(self) -> None:
        """A port over the stream that is there, at the address of the one before."""
        venue = self._venue
        self.core = venue.make_core("fix", self._clock)
        self.port = FixPort(
            self.core,
            COMP_ID,
            2,
            venue.contributor(self._lane),
            venue.reading(),
            INSTRUMENTS,
            self._sessions,
            self._limits,
        )
        self.core.host("fix", self.port)
        users = [one.user for one in self._sessions]
        self._authenticator = Authenticator(self.port.logins, dict.fromkeys(users, SECRET))
        self.tcp = self.port.listen(port=self.tcp)

    def kill(self) -> None:
        """Its process is gone, its clients see it."""
        self.core.close()
        self.port.close()
        for client in self.clients:
            client.receive()
            client.close()
        self.clients.clear()

    @property
    def now_ns(self) -> int:
        return self._venue.now_ns

    def step(self) -> int:
        """One round; returns the work done."""
        work = self.core.round() + self._authenticator.step()
        return work + sum(client.receive() for client in self.clients)

    def until(self, condition: Callable[[], bool]) -> None:
        self._venue.until(condition)

    def settle(self) -> None:
        self._venue.settle()

    def connect(self, user: str, begin: str = FIX44) -> Client:
        """A connection that has not logged on."""
        client = Client(self, user, begin)
        self.clients.append(client)
        return client


class FixExchange(Venue):
    """Engine and FIX port; use it with `with`.

    Args: directory: of a journal, None for none; copies: journals whose marks are waited for;
    clock: manual, or real for clients that have their own; contributors: lanes, the port's the
    first; engine: see `make_engine`; rights: of every session.
    """

    port: FixPort

    def __init__(
        self,
        limits: FixLimits = OPEN,
        directory: Path | None = None,
        copies: int = 0,
        stream_slots: int = 1 << 16,
        lane_slots: int = 4096,
        clock: str = "manual",
        engine: Mapping[str, Any] | None = None,
        contributors: int = 2,
        **rights: Any,
    ) -> None:
        size = Size(2, 2, len(USERS) + 1, contributors, stream_slots, lane_slots)
        super().__init__(size, clock, directory, copies, engine or {})
        self._passwords = limits.passwords
        sessions = [ClientSession(n, user, n, 1, **rights) for n, user in enumerate(USERS, 1)]
        self.side = FixSide(self, 0, sessions, clock, limits)
        self.port = self.side.port

    @property
    def core(self) -> Core:
        return self.side.core

    @property
    def tcp(self) -> int:
        return self.side.tcp

    def start_port(self) -> None:
        self.side.start()
        self.port = self.side.port

    def kill_port(self) -> None:
        self.side.kill()

    def advance(self, nanoseconds: int) -> None:
        super().advance(nanoseconds)
        self.side.core.set_time(self.now_ns)

    def serve(self) -> int:
        return self.side.step()

    def connect(self, user: str = "ALICE", begin: str = FIX44) -> Client:
        """A connection that has not logged on."""
        return self.side.connect(user, begin)

    def login(
        self, user: str = "ALICE", begin: str = FIX44, number: int = 1, heartbeat: int = 30
    ) -> Client:
        """A connection that has; its Logon was answered and nothing else said."""
        client = self.connect(user, begin)
        client.number = number
        password = [(554, PASSWORD)] if self._passwords else []
        client.logon(heartbeat, *password)
        answer = client.one("A")
        assert (answer[49], answer[56], answer[98]) == (COMP_ID, user, "0")
        return client

    def close(self) -> None:
        self.side.kill()
        super().close()


def limits(**changes: object) -> FixLimits:
    """Without passwords, but for the changes."""
    return replace(OPEN, **changes)  # type: ignore[arg-type]
