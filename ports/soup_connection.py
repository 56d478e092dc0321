"""A client's SoupBinTCP connection for asyncio: what `OuchClient` logs in over, and again."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, cast

from ports.soup import SoupClientSession
from ringbus.status import FormatError

QUEUE_HIGH: Final = 65536
"""Events waiting for `events()` above which the socket is not read any more."""
QUEUE_LOW: Final = QUEUE_HIGH // 2


class SoupConnection(asyncio.Protocol):
    """One TCP connection: frames, heartbeats, the queue of messages not handed out yet."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        session: SoupClientSession,
        heartbeat_s: float,
        silence_s: float,
    ) -> None:
        self.session = session
        self.reason = ""
        """Why the connection is gone; "": it is not, or was closed by either side."""
        self.protocol_error: FormatError | None = None
        self.first_sequence = session.next_sequence
        self._loop = loop
        self._heartbeat_s = heartbeat_s
        self._silence_s = silence_s
        self._transport: asyncio.Transport | None = None
        self._messages: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._may_write = asyncio.Event()
        self._gone = asyncio.Event()
        self._reading = True
        self._logged_out = False
        self._timer: asyncio.TimerHandle | None = None
        self._sent_at = loop.time()
        self._received_at = loop.time()

    @property
    def up(self) -> bool:
        """Nothing is known that keeps this connection from carrying messages."""
        return self._transport is not None and not self._gone.is_set() and not self.session.ended

    @property
    def ended_in_order(self) -> bool:
        """No more messages follow, and that is as it should be."""
        return self.session.ended or (self._logged_out and not self.reason)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of asyncio: it is there."""
        self._transport = cast(asyncio.Transport, transport)
        self._sent_at = self._received_at = self._loop.time()
        self._may_write.set()
        self._tick()

    def data_received(self, data: bytes) -> None:
        """Of asyncio: this has come."""
        if self._gone.is_set():
            return
        self._received_at = self._loop.time()
        was_accepted = self.session.accepted
        try:
            messages = self.session.feed(data)
        except FormatError as error:
            self.fail(error, keep=True)
            return
        if self.session.accepted and not was_accepted:
            self.first_sequence = self.session.next_sequence - len(messages)
        self._messages.extend(payload for _, payload in messages)
        self._changed.set()
        if len(self._messages) > QUEUE_HIGH:
            self._pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Of asyncio: it is gone."""
        self._finish("" if exc is None else f"the connection broke ({exc})")

    def pause_writing(self) -> None:
        """Of asyncio: the socket takes no more."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """Of asyncio: it does again."""
        self._may_write.set()

    def send(self, packet: bytes) -> None:
        """Write it, unless the connection is gone."""
        if self._transport is not None and not self._gone.is_set():
            self._sent_at = self._loop.time()
            self._transport.write(packet)

    def log_out(self) -> None:
        """Say so; what the exchange still says is read."""
        self._logged_out = True
        self.send(self.session.logout())
        self._read_on()

    def fail(self, error: FormatError, keep: bool = False) -> None:
        """The exchange broke the protocol; `keep`: the messages before that are still good."""
        if not keep:
            self._messages.clear()
        self.protocol_error = error
        self.abort(str(error))

    def abort(self, reason: str = "") -> None:
        """Close at once; `reason` is what the program is told."""
        self._finish(reason)
        if self._transport is not None:
            self._transport.abort()

    async def logged_in(self) -> None:
        """Until the exchange answered the login or the connection is gone."""
        while not (
            self.session.accepted or self.session.reject_code is not None or self._gone.is_set()
        ):
            self._changed.clear()
            await self._changed.wait()

    async def next_message(self) -> bytes | None:
        """The oldest payload; None: none is left and none will come."""
        while not self._messages:
            if self._gone.is_set() or self.session.ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        if len(self._messages) <= QUEUE_LOW:
            self._read_on()
        return self._messages.popleft()

    async def writable(self) -> None:
        """Until the socket takes more, or the connection is gone."""
        await self._may_write.wait()

    async def closed(self) -> None:
        """Until the connection is gone."""
        await self._gone.wait()

    def _pause_reading(self) -> None:
        """Not after a logout: the exchange's close must be seen."""
        if self._reading and not self._logged_out and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()

    def _read_on(self) -> None:
        if not self._reading and self._transport is not None and not self._gone.is_set():
            self._reading = True
            self._received_at = self._loop.time()
            self._transport.resume_reading()

    def _tick(self) -> None:
        """Send a heartbeat if one is due, give up if the exchange is silent, come again in time."""
        self._timer = None
        if self._gone.is_set():
            return
        now = self._loop.time()
        # While this side does not read, nothing can be said about the other's silence.
        if self._reading and now - self._received_at >= self._silence_s:
            self.abort(f"nothing was heard for {self._silence_s:g} s")
            return
        if now - self._sent_at >= self._heartbeat_s:
            self.send(self.session.heartbeat())
        due = self._sent_at + self._heartbeat_s
        if self._reading:
            due = min(due, self._received_at + self._silence_s)
        self._timer = self._loop.call_at(due, self._tick)

    def _finish(self, reason: str) -> None:
        if self._gone.is_set():
            return
        self.reason = reason
        self._gone.set()
        self._changed.set()
        self._may_write.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
