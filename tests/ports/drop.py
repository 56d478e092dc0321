"""Drop copies beside a client port, in one thread: real engine, real TCP sockets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ports.authenticator import Authenticator
from ports.client import ClientPort, ClientSession, Limits
from ports.fix_port import FixLimits
from tests.ports.exchange import FIRM, Client, Exchange
from tests.ports.fix_exchange import FixSide
from tests.ports.venue import INSTRUMENTS, SECRET, USERS

# Whom each of them hears.
DROPS = {"DROPA": ("ALICE",), "DROPAB": ("ALICE", "BOB"), "DROPB": ("BOB",)}
LANE = 2


class DropExchange(Exchange):
    """An exchange with a second port, on a lane of its own, whose sessions only listen."""

    def __init__(
        self,
        limits: Limits | None = None,
        directory: Path | None = None,
        stream_slots: int = 1 << 16,
        copies: int = 0,
        rules: Mapping[str, dict[str, Any]] | None = None,
    ) -> None:
        self.drop_limits = limits or Limits()
        self.drop: ClientPort | None = None
        users = (*USERS, *DROPS)
        super().__init__(
            None,
            directory,
            stream_slots,
            copies=copies,
            users=users,
            contributors=3,
            rules=rules,
        )
        self.start_drop()

    def start_drop(self) -> None:
        """A drop port over the stream that is there."""
        self.drop_core = self.make_core("drop")
        traders = {
            user: ClientSession(self.topics[user], user, n, 1, FIRM)
            for n, user in enumerate(USERS, 1)
        }
        sessions = [
            ClientSession(
                self.topics[user], user, 99, 1, FIRM, hears=tuple(traders[one] for one in heard)
            )
            for user, heard in DROPS.items()
        ]
        self.drop = self.make_drop(sessions)
        self.drop_core.add("drop", self.drop)
        self.drop_authenticator = Authenticator(self.drop, dict.fromkeys(DROPS, SECRET))
        self.drop_tcp = self.drop.listen()

    def make_drop(self, sessions: Sequence[ClientSession]) -> ClientPort:
        """Only the port."""
        return ClientPort(
            self.drop_core,
            "DAY1",
            2,
            self.contributor(LANE),
            self.reading(),
            INSTRUMENTS,
            sessions,
            self.drop_limits,
        )

    def kill_drop(self) -> None:
        """Its process is gone."""
        assert self.drop is not None
        self.drop_core.close()
        self.drop.close()
        self.drop = None

    def serve(self) -> int:
        work = super().serve()
        if self.drop is not None:
            work += self.drop_core.round() + self.drop_authenticator.step()
        return work

    def advance(self, nanoseconds: int) -> None:
        super().advance(nanoseconds)
        self.drop_core.set_time(self.now_ns)

    def listen(self, user: str, next_sequence: int = 1, receive_bytes: int = 0) -> Client:
        """A drop copy that has logged in, and has all that it asked for if it reads."""
        client = self.connect_drop(user, next_sequence, receive_bytes)
        client.login()
        self.until(lambda: client.session.accepted)
        self.settle()
        return client

    def connect_drop(self, user: str, next_sequence: int = 1, receive_bytes: int = 0) -> Client:
        """A connection that has not logged in."""
        return self.follow(Client(self.drop_tcp, user, next_sequence, receive_bytes))

    def close(self) -> None:
        if self.drop is not None:
            self.kill_drop()
        super().close()


class FixDropExchange(Exchange):
    """An OUCH port, a FIX port, and drop copies over FIX, of all who trade on either.

    Args: clock: of the drop port; real for clients that have their own.
    """

    def __init__(
        self, directory: Path | None = None, clock: str = "manual", passwords: bool = False
    ) -> None:
        self.sides: list[FixSide] = []
        super().__init__(None, directory, users=(*USERS, *DROPS), contributors=4)
        traders = {
            user: ClientSession(self.topics[user], user, n, 1, FIRM)
            for n, user in enumerate(USERS, 1)
        }
        drops = [
            ClientSession(self.topics[user], user, 99, 1, FIRM, hears=tuple(traders.values()))
            for user in DROPS
        ]
        self.fix = FixSide(self, 3, list(traders.values()), "manual")
        self.drop = FixSide(self, LANE, drops, clock, FixLimits(passwords=passwords))
        self.sides += [self.fix, self.drop]

    def serve(self) -> int:
        return super().serve() + sum(side.step() for side in self.sides)

    def advance(self, nanoseconds: int) -> None:
        super().advance(nanoseconds)
        for side in self.sides:
            side.core.set_time(self.now_ns)

    def restart_drop(self) -> None:
        """The drop port is killed, and started again at the same address."""
        self.drop.kill()
        self.drop.start()
        self.settle()

    def close(self) -> None:
        for side in self.sides:
            side.kill()
        super().close()
