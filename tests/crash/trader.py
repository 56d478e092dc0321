"""A client that trades on whatever dies, and knows what it asked and what it was told."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable

from ports.ouch import (
    CancelOrder,
    EnterOrder,
    Inbound,
    OrderAccepted,
    OrderCanceled,
    OrderExecuted,
    OrderRejected,
    OrderReplaced,
    Outbound,
    ReplaceOrder,
)
from ports.ouch_client import OuchClient
from ringbus.status import RingbusError
from tests.crash.plan import INSTRUMENTS

MIDDLE = 10_000
TICK = 100
IN_FLIGHT_MAX = 4
RETRY_SECONDS = 0.02
THINK_SECONDS = 0.004
# A login is answered on the stream: while there is no engine, not at all.
SILENCE_SECONDS = 4.0
Address = Callable[[], tuple[str, int]]


class Trader:
    """One client session over however many connections.

    `sent` are its requests in order, `got` every message it was told, first first. `is_stopping`:
    it asks for nothing new; `is_over`: it may leave.
    """

    def __init__(self, user: str, topic: int, draw: random.Random, address: Address) -> None:
        self.user = user
        self.topic = topic
        self.sent: list[Inbound] = []
        self.got: list[Outbound] = []
        self.logins = 0
        self.is_stopping = False
        self.is_over = False
        self._draw = draw
        self._address = address
        self._user_ref = 0
        self._waiting: dict[int, EnterOrder] = {}
        self._open: dict[int, int] = {}
        self._last: EnterOrder | None = None

    @property
    def is_done(self) -> bool:
        """Whether every order that it entered was decided, and the last one is gone."""
        return not self._waiting and self._last is None

    def ask_last(self) -> None:
        """Enter an order that nobody trades with: when it is gone, all that was before is told."""
        self._user_ref += 1
        self._last = EnterOrder(self._user_ref, "B", 1, "S0", MIDDLE - 10 * TICK, "3")
        self._note(self._last)

    async def run(self) -> None:
        """Trade until `is_over`; connects again and again.

        Raises: AssertionError: what comes is not what comes next.
        """
        while not self.is_over:
            try:
                async with self._client(len(self.got) + 1) as client:
                    self.logins += 1
                    assert client.next_sequence == len(self.got) + 1, (
                        f"{self.user} asked for message {len(self.got) + 1} and was to begin at "
                        f"{client.next_sequence}"
                    )
                    await self._trade(client)
            except (RingbusError, LookupError):
                await asyncio.sleep(RETRY_SECONDS)

    async def listen(self, count: int) -> list[Outbound]:
        """The first `count` messages of its session, as somebody sees who begins at 1."""
        out: list[Outbound] = []
        async with self._client(1) as client:
            while len(out) < count and (event := await client.next_event()) is not None:
                out.append(event[1])
        return out

    def _client(self, next_sequence: int) -> OuchClient:
        host, port = self._address()
        return OuchClient(host, port, self.user, "SECRET", next_sequence, silence_s=SILENCE_SECONDS)

    async def _trade(self, client: OuchClient) -> None:
        """Ask and listen until the connection is gone, or all is over."""
        asking = asyncio.create_task(self._ask(client))
        try:
            while not self.is_over:
                try:
                    async with asyncio.timeout(RETRY_SECONDS):
                        event = await client.next_event()
                except TimeoutError:
                    if asking.done():
                        break
                    continue
                if event is None:
                    break
                assert event[0] == len(self.got) + 1, f"{self.user}: {event}"
                self.got.append(event[1])
                self._learn(event[1])
        finally:
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError, RingbusError):
                await asking

    async def _ask(self, client: OuchClient) -> None:
        # What may not have been taken is sent once more; a number that was used is ignored.
        asked = 0
        while True:
            for request in list(self._waiting.values()):
                if request.user_ref > asked:
                    asked = request.user_ref
                    await client.send(request)
            await asyncio.sleep(self._draw.uniform(0, THINK_SECONDS))
            if not self.is_stopping and len(self._waiting) < IN_FLIGHT_MAX:
                new = self._request()
                self._note(new)
                if not isinstance(new, EnterOrder):
                    await client.send(new)

    def _note(self, request: Inbound) -> None:
        self.sent.append(request)
        if isinstance(request, EnterOrder):
            self._waiting[request.user_ref] = request

    def _request(self) -> Inbound:
        draw, mine = self._draw, list(self._open)
        kind = draw.random()
        if mine and kind < 0.25:
            return CancelOrder(draw.choice(mine), draw.choice((0, 0, 1)))
        self._user_ref += 1
        price = MIDDLE + draw.randrange(-3, 4) * TICK
        quantity = draw.randrange(1, 20)
        # A replace that is in doubt is not sent again: what it would replace may be gone.
        if mine and kind < 0.35 and not self._waiting:
            return ReplaceOrder(draw.choice(mine), self._user_ref, quantity, price)
        symbol = f"S{draw.randrange(INSTRUMENTS)}"
        side, time = draw.choice("BS"), draw.choice("0003")
        tag = draw.choice(("", "tag"))
        return EnterOrder(self._user_ref, side, quantity, symbol, price, time, clordid=tag)

    def _learn(self, message: Outbound) -> None:
        last = self._last.user_ref if self._last is not None else 0
        if isinstance(message, OrderCanceled) and message.user_ref == last:
            self._last = None
        if isinstance(message, OrderAccepted):
            self._waiting.pop(message.user_ref, None)
            self._open[message.user_ref] = message.quantity
        elif isinstance(message, OrderRejected):
            self._waiting.pop(message.user_ref, None)
        elif isinstance(message, OrderReplaced):
            self._open.pop(message.original_user_ref, None)
            self._open[message.user_ref] = message.quantity
        elif isinstance(message, OrderExecuted | OrderCanceled) and message.user_ref in self._open:
            self._open[message.user_ref] -= message.quantity
            if self._open[message.user_ref] <= 0:
                del self._open[message.user_ref]
