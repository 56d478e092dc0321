"""Clients: sessions that ask over socketpairs, and remember what they heard."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass, field

from ports.ouch import (
    AccountQuery,
    Appendage,
    CancelOrder,
    DisableOrderEntry,
    EnableOrderEntry,
    EnterOrder,
    Inbound,
    MassCancel,
    ModifyOrder,
    ReplaceOrder,
    Tag,
    decode_outbound,
    option,
)
from ports.soup import SoupClientSession
from tests.sim.draw import Draw

TICK = 100
MIDDLE = 1000
# Times in force that clients choose from; those of a day with fairies have an end, or none.
FORCES, FORCES_OF_A_DAY = "0003", "0003556"
# Of what a client asks: so many percent are wrong in one of its fields.
WRONG = 6
# Requests that are sent again after a login: a careful client does so, since it cannot know.
REPEATED = 32
# Self-trade prevention in an appendage.
SELF_TRADE, LETTERS = 29, (b"O", b"W", b"D", b"o", b"w", b"d")
OPEN_MAX = 12
SECONDS_MAX = 30


@dataclass(slots=True)
class Client:
    """A client session: what it asked, what it was told, over however many connections."""

    user: str
    topic: int
    instruments: int
    draw: Draw
    forces: str = FORCES
    sent: list[Inbound] = field(default_factory=list)
    got: list[bytes] = field(default_factory=list)
    durable: list[int] = field(default_factory=list)  # what was promised when each came
    user_ref: int = 0
    known: int = 0  # messages of `got` that `mine` was told of
    mine: list[int] = field(default_factory=list)  # numbers of orders that may be open
    soup: SoupClientSession | None = None
    wire: socket.socket | None = None
    unsent: bytes = b""
    is_silent: bool = False

    @property
    def is_in(self) -> bool:
        return self.soup is not None and bool(self.soup.accepted)

    def connect(self) -> int:
        """Log in from the message behind the last one that was seen; the port's end of the wire."""
        ours, theirs = socket.socketpair()
        for one in (ours, theirs):
            one.setblocking(False)
        self.wire = ours
        self.soup = SoupClientSession(self.user, "X", next_sequence=len(self.got) + 1)
        self.send(self.soup.login())
        return theirs.detach()

    def begin(self) -> None:
        """Forget all that was heard, and that anything is to be asked again."""
        self.got, self.durable, self.known = [], [], 0
        self.is_silent = True

    def hang_up(self) -> None:
        if self.wire is not None:
            self.wire.close()
        self.wire, self.soup, self.unsent = None, None, b""

    def receive(self, promised: int) -> int:
        """Take what has come; `promised`: what may be shown now."""
        self.send(b"")
        if self.wire is None or self.soup is None:
            return 0
        try:
            data = self.wire.recv(1 << 16)
        except BlockingIOError:
            return 0
        except ConnectionResetError:
            data = b""
        if not data:
            self.hang_up()
            return 1
        was_in = self.is_in
        for sequence, payload in self.soup.feed(data):
            assert sequence == len(self.got) + 1, "a message came twice or not at all"
            self.got.append(payload)
            self.durable.append(promised)
        if self.is_in and not was_in and not self.is_silent:
            self._ask_again()
        return len(data)

    def act(self) -> None:
        """Ask for something new, whether the last was answered or not."""
        if self.soup is None or not self.is_in:
            return
        if self.draw.below(200) == 0:
            self.send(self.soup.logout())
            return
        request = self._request()
        self.sent.append(request)
        self.send(self.soup.unsequenced(request.encode()))

    def send(self, data: bytes) -> None:
        """Send this behind what is left, or as much of it as goes."""
        if self.wire is None:
            return
        self.unsent += data
        try:
            done = self.wire.send(self.unsent) if self.unsent else 0
            self.unsent = self.unsent[done:]
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise
            self.hang_up()

    def _request(self) -> Inbound:
        below, choice = self.draw.below, self.draw.choice
        self._learn()
        kind = below(100)
        if self.mine and kind < 30:
            return CancelOrder(choice(self.mine), choice((0, 0, 1)))
        if kind >= 96:
            return self._other()
        self.user_ref += 1
        price = (MIDDLE + below(7) - 3) * TICK
        quantity = 1 + below(19)
        wrong = below(100) if below(100) < WRONG else -1
        if wrong >= 0:
            quantity, price = choice(((0, price), (2_000_000, price), (1, price + 1), (1, 0)))
        if self.mine and kind < 45:
            original = choice(self.mine)
            return ReplaceOrder(original, self.user_ref, quantity, price, clordid="replaced")
        symbol = f"S{below(self.instruments)}" if wrong < 90 else "NONE"
        force = choice(self.forces) if wrong < 80 else choice("59")
        display = choice("YYYN") if wrong < 70 else "Z"
        tag = choice(("", "tag"))
        options = self._options(quantity) if below(3) == 0 else ()
        if force == "6":
            options += (option(Tag.EXPIRE_TIME, 1 + below(SECONDS_MAX)),)
        return EnterOrder(
            self.user_ref, choice("BS"), quantity, symbol, price, force, display,
            clordid=tag, appendage=options,
        )  # fmt: skip

    def _other(self) -> Inbound:
        """What is not an order: some take a number as orders do."""
        below, choice = self.draw.below, self.draw.choice
        kind = below(8)
        if kind < 2:
            return AccountQuery()
        if kind < 4:
            return ModifyOrder(below(self.user_ref + 3), choice("SB"), below(20))
        self.user_ref += 1
        if kind == 4:
            return MassCancel(self.user_ref, symbol=choice(("", "S1")))
        return DisableOrderEntry(self.user_ref) if kind == 5 else EnableOrderEntry(self.user_ref)

    def _options(self, quantity: int) -> Appendage:
        """Some that go together, and some that do not."""
        below, choice = self.draw.below, self.draw.choice
        any_of = (
            option(Tag.POST_ONLY, "P"), option(Tag.MAX_FLOOR, 1 + below(quantity + 1)),
            option(Tag.MIN_QUANTITY, 1 + below(quantity + 1)), (SELF_TRADE, choice(LETTERS)),
        )  # fmt: skip
        return tuple(choice(any_of) for _ in range(choice((1, 1, 2))))

    def _learn(self) -> None:
        """Which of its orders may be open; a wrong guess is answered by a refusal."""
        for payload in self.got[self.known :]:
            if payload[:1] in b"AU":
                message = decode_outbound(payload)
                self.mine.append(message.user_ref)  # type: ignore[union-attr]
                original = getattr(message, "original_user_ref", 0)
                if original in self.mine:
                    self.mine.remove(original)
        self.known = len(self.got)
        del self.mine[:-OPEN_MAX]

    def _ask_again(self) -> None:
        """What may not have been taken; of a number that was used the port takes no notice."""
        for request in self.sent[-REPEATED:]:
            if self.soup is not None and isinstance(request, EnterOrder | ReplaceOrder):
                self.send(self.soup.unsequenced(request.encode()))
