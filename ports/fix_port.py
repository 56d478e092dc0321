"""FIX port: the agent that FIX 4.2 and 4.4 clients talk to.

It is a contributor like the client port in C: it proposes what its clients ask on a lane of its
own, one at a time for a session, and tells them what the stream says, from message 1 on. It keeps
nothing that the stream does not give a successor (ports/fix_desk.py says how that is with
sequence numbers). While a session's request is under way nothing more is read of its connection.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from socket import socket
from types import TracebackType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ports.client import ClientSession, Instrument
from ports.fix import SECOND_NS
from ports.fix_connection import Connection
from ports.fix_desk import Client, Desk, Outcome, Phase
from ports.fix_lines import Line, Tag
from ports.fix_logins import Logins
from ports.fix_open import FixLimits, OpenConnections
from ports.fix_requests import Request
from ports.fix_session import Action, Do, Session
from ports.fix_stream import Follower
from ringbus._ringbus import lib as ringbus_lib
from ringbus.contributor import Contributor
from ringbus.core import Core
from ringbus.lane import Lane
from ringbus.messages import SessionEventKind
from ringbus.replay import Stream
from ringbus.status import check

__all__ = ["FixLimits", "FixPort"]

# Taken of one connection in one round.
ACTIONS_MAX: Final = 64
TICK_NS: Final = SECOND_NS // 10
# A connection that was told to go has so long to close.
DRAIN_NS: Final = SECOND_NS
# One that takes nothing of what there is for it is cut off.
STALLED_NS: Final = 15 * SECOND_NS


class FixPort:
    """An agent in Python; use it with `with`.

    Args: core: whose clock it uses; comp_id: ours, the TargetCompID of its clients; shards: of the
    engine; contributor, stream: its ways in and out; instruments: in the day's order; sessions: its
    clients, whose CompIDs are their users' names; opening: messages that the day begins with.
    Raises: UsageError: a session stands twice.
    Thread: the core's; `logins` by one other, the authenticator's.
    """

    def __init__(
        self,
        core: Core,
        comp_id: str,
        shards: int,
        contributor: Contributor,
        stream: Stream,
        instruments: Sequence[Instrument],
        sessions: Sequence[ClientSession],
        limits: FixLimits | None = None,
        opening: int = 0,
    ) -> None:
        self.limits = limits or FixLimits()
        self.counts: Counter[str] = Counter()
        self.logins = Logins()
        self.is_live = False
        takes_stops = self.limits.stops
        self.desk = Desk(contributor.publisher, shards, instruments, sessions, takes_stops)
        self._core = core
        self._comp_id = comp_id
        self._contributor = contributor
        self._lane = Lane(contributor.lane)
        # What a dead predecessor left half-said.
        self._lane.repair()
        self._follower = Follower(stream, opening)
        self._allowed = 0
        self._reign = 0
        self._ticked_ns = 0
        self._asked: deque[Client] = deque()
        # By user: the connection that has the session, or waits for it.
        self._holders: dict[str, Connection] = {}
        self._open = OpenConnections(
            self.limits, self.counts, self.logins.verdict_fd, self._connected, self._leave
        )

    @property
    def epoll_fd(self) -> int:
        """The epoll set of its sockets; a core can wait in one that holds it."""
        return self._open.epoll_fd

    def listen(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Take connections from now on; returns the TCP port. Raises: OSError: it is taken."""
        return self._open.listen(host, port)

    def adopt(self, one: socket) -> None:
        """Serve a connected socket. Raises: CapacityError: no room; it is closed."""
        self._open.adopt(one)

    def messages(self, topic: int) -> int:
        """Messages that the session on `topic` was sent so far."""
        return len(self.desk.by_topic[topic].sent)

    def do_work(self, limit: int) -> int:
        """Follow the stream, then serve the clients; returns pieces of work done."""
        heard = self._follow(limit)
        if not self.is_live:
            return heard
        self._allowed = self._follower.allowed
        now_ns = self._core.now_ns
        done = heard + self._take_verdicts() + self._open.poll()
        for connection in self._open.all():
            done += self._serve(connection, now_ns)
        done += self._propose()
        self._tick(now_ns)
        return done + self._flush(now_ns)

    def close(self) -> None:
        """Close all connections at once."""
        self._open.close()
        self._follower.close()
        self.logins.close()

    def __enter__(self) -> FixPort:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- the stream

    def _follow(self, limit: int) -> int:
        batch = self._follower.poll(limit)
        if len(batch):
            for line, tag in self._follower.messages(batch, self.desk.is_wanted):
                self._apply(line, tag)
        elif not self.is_live and self._follower.has_caught_up:
            self._go_live()
        return len(batch)

    def _apply(self, line: Line, tag: Tag | None) -> None:
        change = self.desk.apply(line, tag)
        if change.epoch:
            self._reign = (change.epoch - 1) & 255
            again = self.desk.propose_again()
            self._asked += again
            self.counts["retries"] += len(again)
        client = change.client
        if client is None or not self.is_live:
            return
        if change.is_lost:
            self.counts["retries"] += 1
            self._asked.append(client)
        elif change.is_answer:
            self._answered(client)
        elif client.phase is Phase.QUIET:
            # A predecessor's Login may still have been on its way.
            self._settle(client)

    def _go_live(self) -> None:
        """Caught up: from here on the port speaks. What a predecessor had open is gone."""
        self.is_live = True
        for client in self.desk.clients:
            self._settle(client)

    # --- sessions

    def _ask(self, client: Client, request: Request) -> None:
        self.desk.ask(client, request)
        self._asked.append(client)

    def _settle(self, client: Client) -> None:
        """The session is QUIET: whatever is due next."""
        connection = self._holders.get(client.user)
        if client.phase is not Phase.QUIET:
            return
        is_open = client.holder == self.desk.publisher
        if connection is not None and not connection.is_waiting:
            return
        is_done = client.request is not None and client.request.cancel_all
        wanted = client.cancels_on_disconnect and not is_done
        if is_open and wanted and client.account.orders:
            # Before the session's end is said, so that a successor knows that it is still due.
            self._ask(client, Request(cancel_all=True))
        elif is_open:
            self._ask(client, Request(event=SessionEventKind.DISCONNECT))
        elif connection is not None:
            self._admit(connection, client)

    def _answered(self, client: Client) -> None:
        """The session's request is on the stream."""
        connection, request = self._holders.get(client.user), client.request
        if connection is None or connection.is_waiting or connection.action is None:
            self._settle(client)
            return
        action, connection.action = connection.action, None
        now_ns = self._core.now_ns
        number = len(client.sent)
        if action.do is Do.ENTER:
            number = 1 if connection.session.is_reset else number
            connection.cursor, connection.known = number, len(client.sent)
            connection.contents = {number: ("A", connection.session.answer())}
            connection.resends.clear()
            connection.session.entered(client.expected, now_ns)
            self.counts["logons"] += 1
        elif request is not None and request.event is not None:
            # One that comes before a Logon is the first that the connection is sent.
            connection.cursor = connection.cursor or number
            connection.contents[number] = (action.type, action.fields)
        connection.session.excuse(now_ns - connection.asked_ns)

    def _connected(self, one: socket, number: int) -> Connection:
        now_ns, limits = self._core.now_ns, self.limits
        is_user = self.desk.by_user.__contains__
        session = Session(self._comp_id, is_user, now_ns, limits.is_live)
        return Connection(
            one, number, session, self._comp_id, limits.receive_bytes, limits.send_bytes, now_ns
        )

    def _leave(self, connection: Connection) -> None:
        """The connection is closed; its session goes on until the stream says that it is gone."""
        self._open.remove(connection)
        self.counts["garbled messages"] += connection.decoder.garbled
        client = connection.client
        if client is not None and self._holders.get(client.user) is connection:
            del self._holders[client.user]
            self._settle(client)

    # --- connections

    def _serve(self, connection: Connection, now_ns: int) -> int:
        """Take what came of a connection, until something has to be waited for."""
        done = 0
        session = connection.session
        while done < ACTIONS_MAX and not connection.is_busy and not connection.is_closing:
            if session.todo:
                self._act(connection, session.todo.popleft(), now_ns)
            elif not session.resume(now_ns):
                message = connection.decoder.next()
                if message is None:
                    break
                self.counts["messages"] += 1
                session.receive(message, now_ns)
            done += 1
        return done

    def _act(self, connection: Connection, action: Action, now_ns: int) -> None:
        client = connection.client
        if action.do is Do.DROP:
            connection.is_closing = True
        elif action.do is Do.ENTER:
            self._enter(connection, action)
        elif action.do is Do.RESEND:
            if client is not None:
                last = connection.cursor - 1
                end = min(action.end or last, last)
                connection.resends.append([max(action.begin, 1), end])
        elif client is not None:
            connection.action, connection.asked_ns = action, now_ns
            event = {
                Do.SAY: SessionEventKind.SPOKE,
                Do.LEAVE: SessionEventKind.LOGOUT,
                Do.ASK: None,
            }[action.do]
            request = Request(
                action.number,
                action.message,
                event,
                read_ns=now_ns,
                is_throttled=self._throttle(client, action, now_ns),
            )
            self._ask(client, request)

    def _throttle(self, client: Client, action: Action, now_ns: int) -> bool:
        is_order = action.message is not None and action.message.type in ("D", "G")
        is_throttled = is_order and client.throttle(now_ns)
        self.counts["throttled orders"] += is_throttled
        return is_throttled

    def _enter(self, connection: Connection, action: Action) -> None:
        session = connection.session
        assert session.logon is not None
        if connection.client is not None:
            self._log_in(connection, connection.client, action)
        elif session.user in self._holders:
            # The first connection is kept.
            connection.is_closing = True
        elif self.limits.passwords:
            connection.is_verifying = True
            password = session.logon.get(554) or session.logon.get(96)
            self.logins.ask(connection.fd, connection.number, session.user, password)
        else:
            self._claim(connection)

    def _take_verdicts(self) -> int:
        verdicts = self.logins.take()
        for verdict in verdicts:
            connection = self._open.find(verdict.connection, verdict.generation)
            if connection is None:
                continue
            connection.is_verifying = False
            if verdict.good and connection.session.user not in self._holders:
                self._claim(connection)
            else:
                self.counts["refused logons"] += 1
                connection.is_closing = True
        return len(verdicts)

    def _claim(self, connection: Connection) -> None:
        """The connection's client is who it says it is."""
        client = self.desk.by_user[connection.session.user]
        if client.holder not in (0, self.desk.publisher):
            self.counts["refused logons"] += 1
            connection.is_closing = True
            return
        connection.client = client
        connection.action = Action(Do.ENTER)
        connection.is_waiting = True
        self._holders[client.user] = connection
        self._settle(client)

    def _admit(self, connection: Connection, client: Client) -> None:
        connection.is_waiting = False
        connection.action = None
        self._log_in(connection, client, Action(Do.ENTER))

    def _log_in(self, connection: Connection, client: Client, action: Action) -> None:
        number = connection.session.admit(client.expected)
        if number is None:
            self.counts["refused logons"] += 1
            return
        connection.action, connection.asked_ns = action, self._core.now_ns
        request = Request(
            number=number,
            event=SessionEventKind.LOGIN,
            connection=connection.number & 0x7FFFFFFF,
            is_new=connection.session.is_reset,
        )
        self._ask(client, request)

    # --- out

    def _propose(self) -> int:
        """Make and send the proposals of the sessions that ask; what finds no room waits."""
        done = 0
        for _ in range(len(self._asked)):
            client = self._asked.popleft()
            lines = self.desk.propose(client)
            if isinstance(lines, Outcome):
                self._set_aside(client, lines)
            elif self._offer(lines):
                self.counts["proposals"] += 1
            else:
                client.phase = Phase.ASKED
                self._asked.appendleft(client)
                self.counts["full lane"] += 1
                break
            done += 1
        return done

    def _offer(self, lines: NDArray[np.void]) -> bool:
        lines["reserved"][0] = self._reign
        if self._lane.offer(lines) == 0:
            return False
        doorbell = self._contributor.doorbell.address
        check(ringbus_lib.rb_doorbell_press(doorbell, self._contributor.number), "doorbell")
        if self._contributor.bells:
            self._core.ring(self._contributor.bells)
        return True

    def _set_aside(self, client: Client, outcome: Outcome) -> None:
        """What was asked for is not to be proposed after all."""
        connection = self._holders.get(client.user)
        if connection is not None and not connection.is_waiting:
            connection.action = None
            if outcome is Outcome.ELSEWHERE:
                connection.is_closing = True
        self.counts["requests without effect"] += 1
        self._settle(client)

    def _tick(self, now_ns: int) -> None:
        if now_ns - self._ticked_ns < TICK_NS:
            return
        self._ticked_ns = now_ns
        for connection in self._open.all():
            if connection.is_draining:
                if now_ns - connection.since_ns >= DRAIN_NS:
                    self._leave(connection)
            elif connection.is_blocked and now_ns - connection.wrote_ns >= STALLED_NS:
                self.counts["silent connections"] += 1
                self._leave(connection)
            elif not (connection.is_busy or connection.is_closing or connection.session.todo):
                connection.session.tick(now_ns)

    def _flush(self, now_ns: int) -> int:
        """One send for each connection that has something to say; none is always first."""
        done = 0
        behind = self._open.all()
        at = self._follower.heard % len(behind) if behind else 0
        for connection in behind[at:] + behind[:at]:
            if connection.is_behind and not connection.is_blocked:
                sent = connection.write(self._allowed, now_ns)
                self.counts["bytes sent"] += max(0, sent)
                done += sent > 0
                if sent < 0:
                    self._leave(connection)
                    continue
            if connection.is_slow(self.limits.backlog, self._allowed):
                self.counts["slow connections"] += 1
                self._leave(connection)
                continue
            if connection.is_closing and not connection.is_draining and not connection.is_behind:
                connection.end_sending(now_ns)
            self._open.watch(connection)
        return done
