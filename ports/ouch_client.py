"""An OUCH 5.0 client for asyncio programs.

    async with OuchClient("exchange.example", 9000, "ALICE", "secret") as client:
        ref = await client.enter(symbol="AAPL", side="B", quantity=100, price=1_500_000)
        async for sequence, message in client.events():
            ...

Every message of the exchange has a number. When the connection is lost, the client logs in again by
itself behind the last event that it handed out, and says again what was not answered yet: the
exchange ignores what it had taken, so nothing is lost and nothing is done twice. It gives up after
`resume_s` seconds; a new client that is given the `next_sequence` of the exception goes on later.
Programs without asyncio use `SoupClientSession` and `ports.ouch`.

Thread: the event loop's, everything. Time is the loop's; no thread is started.
Source: Nasdaq, SoupBinTCP 3.00 and OUCH 5.0.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final

from ports.ouch import (
    AccountQuery,
    AccountQueryResponse,
    Appendage,
    CancelOrder,
    CancelReject,
    DisableOrderEntry,
    DisableOrderEntryResponse,
    EnableOrderEntry,
    EnableOrderEntryResponse,
    EnterOrder,
    Inbound,
    MassCancel,
    MassCancelResponse,
    ModifyOrder,
    OrderAccepted,
    OrderCanceled,
    OrderModified,
    OrderRejected,
    OrderReplaced,
    Outbound,
    ReplaceOrder,
    decode_outbound,
)
from ports.soup import SoupClientSession
from ports.soup_connection import SoupConnection
from ringbus.status import FormatError, RingbusError, UsageError

__all__ = ["ConnectionLost", "LoginRejected", "OuchClient", "ProtocolError", "SoupClientSession"]

RETRY_S: Final = 0.05
"""Before the second attempt to log in again; each one after waits twice as long, up to 1 s."""

# Requests with a number of their own, and what answers them under it.
Numbered = EnterOrder | ReplaceOrder | MassCancel | DisableOrderEntry | EnableOrderEntry
Numbering = (
    OrderAccepted
    | OrderReplaced
    | OrderRejected
    | MassCancelResponse
    | DisableOrderEntryResponse
    | EnableOrderEntryResponse
)

REJECT_HELP: Final[dict[str, str]] = {
    "A": "not authorised: check user and password",
    "S": "session not available: another program has it, or it is not the active one; of a live "
    "exchange its name has to be said, of a test one it may be left blank",
}


class LoginRejected(RingbusError):
    """The exchange refused the login; `code` is A (not authorised) or S (session not available)."""

    def __init__(self, code: str) -> None:
        super().__init__(f"login rejected ({code}): {REJECT_HELP.get(code, 'reason not known')}")
        self.code = code


class ConnectionLost(RingbusError):
    """The connection is gone and did not come back; `next_sequence` is where to go on."""

    def __init__(self, text: str, next_sequence: int) -> None:
        super().__init__(f"{text}; go on with next_sequence={next_sequence}")
        self.next_sequence = next_sequence


class ProtocolError(FormatError):
    """The exchange sent something that SoupBinTCP or OUCH 5.0 does not allow."""


class OuchClient:
    """One login of one user; `async with` connects, logs in, and logs out at the end.

    `next_user_ref` numbers the next order. It rises by itself and past every number that the
    exchange mentions; set it, or ask with `account_query`, when orders of an earlier connection are
    not replayed.
    """

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        password: str,
        next_sequence: int = 1,
        *,
        session: str = "",
        next_user_ref: int = 1,
        heartbeat_s: float = 1.0,
        silence_s: float = 15.0,
        resume_s: float = 30.0,
    ) -> None:
        """Args: next_sequence: first message wanted, 0 for only what is to come; session: "" is the
        active one; heartbeat_s: longest time without sending; silence_s: time without a byte from
        the exchange after which the connection counts as dead, and limit of connecting and logging
        in; resume_s: how long it tries to get a lost connection back, 0: not at all.
        """
        self.next_sequence = next_sequence
        self.next_user_ref = next_user_ref
        self.session = session
        self._place = (host, port)
        self._user = user
        self._password = password
        self._heartbeat_s = heartbeat_s
        self._silence_s = silence_s
        self._resume_s = resume_s
        self._resuming = asyncio.Lock()
        self._unanswered: deque[Inbound] = deque()
        self._connection: SoupConnection | None = None

    async def __aenter__(self) -> OuchClient:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        """Logged in, and the connection is up as far as one can know."""
        return self._connection is not None and self._connection.up

    async def connect(self) -> None:
        """Connect and log in; returns when the exchange accepted.

        Raises: LoginRejected, ConnectionLost, ProtocolError; UsageError: connected already, or user
        or password are too long.
        """
        if self.connected:
            raise UsageError("the client is connected already")
        session = SoupClientSession(
            self._user, self._password, session=self.session, next_sequence=self.next_sequence
        )
        login = session.login()
        loop = asyncio.get_running_loop()
        connection = SoupConnection(loop, session, self._heartbeat_s, self._silence_s)
        host, port = self._place
        try:
            async with asyncio.timeout(self._silence_s):
                await loop.create_connection(lambda: connection, host, port)
                connection.send(login)
                await connection.logged_in()
        except TimeoutError:
            connection.abort()
            raise self._lost(f"no answer to the login within {self._silence_s:g} s") from None
        except OSError as error:
            connection.abort()
            raise self._lost(f"cannot connect ({error}): is the exchange up?") from None
        except BaseException:
            connection.abort()
            raise
        if session.reject_code is not None:
            connection.abort()
            raise LoginRejected(session.reject_code)
        if not session.accepted:
            raise self._failure(connection)
        self.session = session.session
        self.next_sequence = connection.first_sequence
        self._connection = connection

    async def reconnect(self) -> None:
        """Drop the connection and log in again at `next_sequence`. Raises: as `connect`."""
        self._drop()
        await self.connect()

    async def _resume(self, failure: RingbusError) -> None:
        """Get the lost connection back, or raise the failure."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._resume_s
        delay = RETRY_S
        async with self._resuming:
            while not self.connected:
                if not isinstance(failure, ConnectionLost) or loop.time() >= give_up_at:
                    raise failure
                try:
                    await self.reconnect()
                except LoginRejected as rejected:
                    # The old connection may not be known to be gone yet.
                    if rejected.code != "S":
                        raise
                    failure = self._lost(str(rejected))
                except ConnectionLost as lost:
                    failure = lost
                else:
                    self._say_again()
                    return
                await asyncio.sleep(delay)
                delay = min(2 * delay, 1.0)

    def _say_again(self) -> None:
        """What was not answered, in its order: what the exchange had taken already it ignores."""
        connection = self._connection
        if connection is not None:
            for message in self._unanswered:
                connection.send(connection.session.unsequenced(message.encode()))

    async def logout(self) -> None:
        """Log out and wait, at most `silence_s`, until the exchange has closed.

        Events that arrive meanwhile are still handed out by `events`, which then ends.
        """
        connection = self._connection
        if connection is None or not connection.up:
            return
        connection.log_out()
        try:
            async with asyncio.timeout(self._silence_s):
                await connection.closed()
        except TimeoutError:
            connection.abort("the exchange did not close after the logout")

    async def close(self) -> None:
        """Log out if connected, and give everything back; safe to call twice."""
        try:
            await self.logout()
        finally:
            self._drop()

    async def enter(
        self,
        *,
        symbol: str,
        side: str,
        quantity: int,
        price: int,
        tif: str = "0",
        display: str = "Y",
        capacity: str = "A",
        sweep: str = "N",
        cross_type: str = "N",
        clordid: str = "",
        appendage: Appendage = (),
    ) -> int:
        """Send a new order; return its user_ref. The answer is an event.

        Args: as EnterOrder; price: in 1/10,000; tif: time in force, "0" day, "3" immediate or
        cancel. Raises: UsageError: a field does not fit; ConnectionLost.
        """
        user_ref = self.next_user_ref
        await self.send(
            EnterOrder(
                user_ref,
                side,
                quantity,
                symbol,
                price,
                tif,
                display,
                capacity,
                sweep,
                cross_type,
                clordid,
                appendage,
            )
        )
        return user_ref

    async def replace(
        self,
        user_ref: int,
        *,
        quantity: int,
        price: int,
        tif: str = "0",
        display: str = "Y",
        sweep: str = "N",
        clordid: str = "",
        appendage: Appendage = (),
    ) -> int:
        """Put another order in the place of `user_ref`; return the new one's user_ref.

        Args: quantity: new total, what was executed already included. Raises: as `enter`.
        """
        new_user_ref = self.next_user_ref
        await self.send(
            ReplaceOrder(
                user_ref, new_user_ref, quantity, price, tif, display, sweep, clordid, appendage
            )
        )
        return new_user_ref

    async def cancel(self, user_ref: int, quantity: int = 0) -> None:
        """Let no more than `quantity` of the order ever execute; 0 cancels. Raises: as `enter`."""
        await self.send(CancelOrder(user_ref, quantity))

    async def modify(self, user_ref: int, *, side: str, quantity: int) -> None:
        """Change the side among S, T and E, or the total quantity. Raises: as `enter`."""
        await self.send(ModifyOrder(user_ref, side, quantity))

    async def mass_cancel(self, symbol: str = "", appendage: Appendage = ()) -> int:
        """Cancel all open orders, or those of one symbol; return the request's number.

        The answer is MassCancelResponse, then an OrderCanceled for each. Raises: as `enter`.
        """
        user_ref = self.next_user_ref
        await self.send(MassCancel(user_ref, "", symbol, appendage))
        return user_ref

    async def disable_entry(self) -> int:
        """Let the exchange refuse every further order, of this connection or another.

        Open orders stay. Returns the request's number. Raises: as `enter`.
        """
        user_ref = self.next_user_ref
        await self.send(DisableOrderEntry(user_ref))
        return user_ref

    async def enable_entry(self) -> int:
        """Let it take orders again; return the request's number. Raises: as `enter`."""
        user_ref = self.next_user_ref
        await self.send(EnableOrderEntry(user_ref))
        return user_ref

    async def account_query(self) -> None:
        """Ask for the next user_ref; the answer is an event and moves `next_user_ref`."""
        await self.send(AccountQuery())

    async def send(self, message: Inbound) -> None:
        """Send any message; waits while the exchange does not read, or until it is there again.

        An order's number is used up when the message is handed over, so two tasks may call at the
        same time. Raises: UsageError: a field does not fit; ConnectionLost.
        """
        payload = message.encode()
        connection = self._connection
        if connection is None:
            raise self._lost("not connected")
        if isinstance(message, Numbered):
            self._seen(message.user_ref)
        self._unanswered.append(message)
        if connection.up:
            connection.send(connection.session.unsequenced(payload))
            await connection.writable()
        if not connection.up:
            await self._resume(self._failure(connection))

    async def next_event(self) -> tuple[int, Outbound] | None:
        """The next message with its number; None: logged out, or the exchange ended the session.

        May be cancelled (asyncio.timeout) without losing an event.
        Raises: ConnectionLost: after `resume_s` in vain; ProtocolError; LoginRejected: it may not
        come back; all after the events that arrived before.
        """
        while True:
            connection = self._connection
            if connection is None:
                raise self._lost("not connected")
            payload = await connection.next_message()
            if payload is not None:
                return self._take(connection, payload)
            if connection.ended_in_order:
                return None
            if connection is self._connection:
                await self._resume(self._failure(connection))

    def _take(self, connection: SoupConnection, payload: bytes) -> tuple[int, Outbound]:
        sequence = self.next_sequence
        try:
            message = decode_outbound(payload)
        except FormatError as error:
            connection.fail(FormatError(f"message {sequence}: {error}"))
            raise self._failure(connection) from None
        self.next_sequence = sequence + 1
        if isinstance(message, Numbering):
            self._seen(message.user_ref)
        elif isinstance(message, AccountQueryResponse):
            self._seen(message.next_user_ref - 1)
        self._answered(message)
        return sequence, message

    def _answered(self, message: Outbound) -> None:
        """Forget the request that this answers; one with a number, and all that came before it.

        An exchange takes requests in their order; a cancel that changes nothing has no answer.
        """
        if isinstance(message, Numbering):
            numbers = [one.user_ref if isinstance(one, Numbered) else 0 for one in self._unanswered]
            if message.user_ref in numbers:
                for _ in range(numbers.index(message.user_ref) + 1):
                    self._unanswered.popleft()
        elif isinstance(message, OrderCanceled | OrderModified | CancelReject):
            for one in self._unanswered:
                if isinstance(one, CancelOrder | ModifyOrder) and one.user_ref == message.user_ref:
                    self._unanswered.remove(one)
                    break
        elif isinstance(message, AccountQueryResponse) and AccountQuery() in self._unanswered:
            self._unanswered.remove(AccountQuery())

    async def events(self) -> AsyncIterator[tuple[int, Outbound]]:
        """Every message of the exchange as (sequence, message), until the session ends.

        Take them all the time: when 65,536 wait, the socket is not read any more, and an exchange
        may cut off a client that does not read. One task at a time. Raises: as `next_event`.
        """
        while (event := await self.next_event()) is not None:
            yield event

    def _seen(self, user_ref: int) -> None:
        if user_ref >= self.next_user_ref:
            self.next_user_ref = user_ref + 1

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    def _lost(self, text: str) -> ConnectionLost:
        host, port = self._place
        return ConnectionLost(f"{host}:{port}: {text}", self.next_sequence)

    def _failure(self, connection: SoupConnection) -> RingbusError:
        if connection.protocol_error is not None:
            return ProtocolError(str(connection.protocol_error))
        if connection.session.ended:
            return self._lost("the exchange has ended the session")
        return self._lost(connection.reason or "the connection was closed")
