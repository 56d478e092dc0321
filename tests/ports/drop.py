"""Drop copies beside a client port, in one thread: real engine, real TCP sockets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ports.authenticator import Authenticator
from ports.client import ClientPort, ClientSession, Contributor, Limits, Stream
from ringbus.core import Core, create_page, page_bytes
from ringbus.memory import Block
from tests.ports.exchange import (
    FIRM,
    INSTRUMENTS,
    SECRET,
    SEGMENT_MESSAGES,
    USERS,
    Client,
    Exchange,
)

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
    ) -> None:
        self.drop_limits = limits or Limits()
        self.drop: ClientPort | None = None
        users = (*USERS, *DROPS)
        super().__init__(None, directory, stream_slots, copies=copies, users=users, contributors=3)
        self.start_drop()

    def start_drop(self) -> None:
        """A drop port over the stream that is there."""
        page = Block(page_bytes())
        create_page(page, "drop")
        self.drop_core = Core(page, self.engine.bells, "drop", "spin", "manual")
        self.drop_core.set_time(self.now_ns)
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
            Contributor(self.engine.lane_memory[LANE], LANE, self.engine.doorbell),
            Stream(
                self.engine.ring,
                self._directory,
                SEGMENT_MESSAGES,
                self.marks.memory,
                self._copies,
            ),
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

    def step(self, engine: bool = True) -> int:
        work = super().step(engine)
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
        client = Client(self.drop_tcp, user, next_sequence, receive_bytes)
        self.clients.append(client)
        return client

    def close(self) -> None:
        if self.drop is not None:
            self.kill_drop()
        super().close()
