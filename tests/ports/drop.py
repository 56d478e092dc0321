"""Drop copies beside a client port, in one thread: real engine, real TCP sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ports.authenticator import Authenticator
from ports.client import ClientPort, ClientSession, Contributor, Limits
from ports.fix_port import FixLimits, FixPort
from ringbus.core import Core, create_page, page_bytes
from ringbus.memory import Block
from tests.ports.exchange import (
    FIRM,
    INSTRUMENTS,
    SECRET,
    USERS,
    Client,
    Exchange,
)
from tests.ports.fix_exchange import COMP_ID, FixExchange
from tests.ports.fix_exchange import Client as FixClient

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
        return self.follow(Client(self.drop_tcp, user, next_sequence, receive_bytes))

    def close(self) -> None:
        if self.drop is not None:
            self.kill_drop()
        super().close()


class FixSide:
    """A FIX port beside another one: what a FIX client sees of the exchange."""

    def __init__(
        self,
        exchange: Exchange,
        lane: int,
        sessions: Sequence[ClientSession],
        clock: str,
        passwords: bool,
    ) -> None:
        self.exchange = exchange
        self._clock = clock
        self._lane = lane
        self._sessions = sessions
        self._limits = FixLimits(passwords=passwords)
        self.tcp = 0
        self.clients: list[FixClient] = []
        self.start()

    def start(self) -> None:
        """A port over the stream that is there, at the same address."""
        exchange = self.exchange
        page = Block(page_bytes())
        create_page(page, "fix")
        self.core = Core(page, exchange.engine.bells, "fix", "spin", self._clock)
        self.core.set_time(self.now_ns)
        self.port = FixPort(
            self.core,
            COMP_ID,
            2,
            Contributor(
                exchange.engine.lane_memory[self._lane], self._lane, exchange.engine.doorbell
            ),
            exchange.reading(),
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
            client.close()
        self.clients.clear()

    @property
    def now_ns(self) -> int:
        return self.exchange.now_ns

    def step(self) -> int:
        """One round; returns the work done."""
        work = self.core.round() + self._authenticator.step()
        return work + sum(client.receive() for client in self.clients)

    def until(self, condition: Callable[[], bool]) -> None:
        self.exchange.until(condition)

    def settle(self) -> None:
        self.exchange.settle()

    def connect(self, user: str, begin: str) -> FixClient:
        """A connection that has not logged on."""
        # Of an exchange it needs tcp, now_ns, until and settle, which are here.
        client = FixClient(cast(FixExchange, self), user, begin)
        self.clients.append(client)
        return client


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
        self.fix = FixSide(self, 3, list(traders.values()), "manual", passwords=False)
        self.drop = FixSide(self, LANE, drops, clock, passwords)
        self.sides += [self.fix, self.drop]

    def step(self, engine: bool = True) -> int:
        return super().step(engine) + sum(side.step() for side in self.sides)

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
