"""What a FIX port knows of its sessions, and how the stream changes it. No sockets, no time.

State comes from the stream alone: the orders, both sequence numbers, and the list of the messages
that the client was sent. A request is remembered, one a session, until the stream has answered it,
exactly as in ports/session.h:

    QUIET --ask--> ASKED --propose--> PROPOSED --our line on the stream--> QUIET
                     ^                    |
                     +-- somebody else's line took the number of the topic

*Numbers.* What a client is sent has its number from the stream: each line of the topic that is
shown takes the next one, and so do Login (the Logon that answers), Logout and Spoke (all else that
a port says of the session itself). So message n is the same after any crash; what was not a report
is filled as a gap when it is asked for again.

The number that a client's next message must have is one above the highest that a line names. What a
client sends and no line comes of (a Heartbeat, a gap fill, a ResendRequest) is counted by its
connection alone. After a crash the port therefore expects an earlier number than the client uses,
and asks for the messages between: those that had become a line are not among them, so nothing is
done twice; those that had not are sent again, so nothing is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ports.client import ClientSession, Instrument
from ports.fix import SECOND_NS
from ports.fix_account import Account
from ports.fix_drop import CopiedReport, Heard
from ports.fix_lines import Line, Tag
from ports.fix_reports import Report
from ports.fix_requests import Party, Proposal, Request, propose
from ringbus.messages import Flag, OrderOption, SessionEventKind, Template
from ringbus.status import CorruptionError, UsageError

TOPICS: Final = 1 << 16
# By the letter of a session (ports/options.c); a small one is of the firm.
SELF_TRADE: Final = {
    "O": OrderOption.SELF_TRADE_OLDEST,
    "W": OrderOption.SELF_TRADE_NEWEST,
    "D": OrderOption.SELF_TRADE_DECREMENT,
    "Y": OrderOption.SELF_TRADE_DECREMENT,
}
SELF_TRADE_FIRM: Final = "owdy"
# Events whose answer is something that the client is sent.
SPOKEN: Final = (SessionEventKind.LOGIN, SessionEventKind.LOGOUT, SessionEventKind.SPOKE)


class Phase(Enum):
    """Of a session's one request."""

    QUIET = 0
    ASKED = 1
    PROPOSED = 2


class Outcome(Enum):
    """What came of `Desk.propose` when there is nothing to send."""

    NO_EFFECT = 0
    ELSEWHERE = 1


class Entry(NamedTuple):
    """One message that the client was sent: the last line that it was made from, and its content.

    `report` is None for what the port says of the session itself.
    """

    sequence: int
    time_ns: int
    report: Report | CopiedReport | None


@dataclass(slots=True)
class Client:
    """One session: `sent[n]` is message n + 1, `expected` the number of the client's next one."""

    user: str
    party: Party
    account: Account
    topic_sequence: list[int]
    rate: int = 0
    cancels_on_disconnect: bool = False
    due_ns: int = 0
    sent: list[Entry] = field(default_factory=list)
    expected: int = 1
    holder: int = 0
    phase: Phase = Phase.QUIET
    request: Request | None = None
    proposed: tuple[int, int, tuple[int, int, str, int]] | None = None  # shard, number, likeness

    def throttle(self, now_ns: int) -> bool:
        """Whether an order now is one too many: as many as the rate at once, then evenly.

        As prt_session_throttle; what it knows is its own and begins anew with the port.
        """
        if self.rate == 0:
            return False
        each_ns = SECOND_NS // self.rate
        due_ns = max(self.due_ns, now_ns)
        if due_ns - now_ns > SECOND_NS - each_ns:
            return True
        self.due_ns = due_ns + each_ns
        return False


class Change(NamedTuple):
    """What a message of the stream meant."""

    client: Client | None = None
    is_answer: bool = False  # to the client's request, which is QUIET again
    is_lost: bool = False  # it took the number that the request had named: ASKED again
    epoch: int = 0  # another engine reigns: what was PROPOSED is ASKED again


class Desk:
    """All sessions of one port.

    Args: publisher: id of the port's lane; shards: of the engine; instruments: in the day's order;
    sessions: its clients; takes_stops: somebody holds stop orders here.
    Raises: UsageError: a topic or a user stands twice.
    """

    def __init__(
        self,
        publisher: int,
        shards: int,
        instruments: Sequence[Instrument],
        sessions: Sequence[ClientSession],
        takes_stops: bool = False,
    ) -> None:
        self.publisher = publisher
        self.shards = shards
        self.clients = [
            Client(
                one.user,
                Party(
                    one.topic,
                    one.account,
                    one.firm,
                    one.notional_max_1e4,
                    SELF_TRADE.get(one.self_trade.upper(), 0)
                    | (OrderOption.SELF_TRADE_FIRM if one.self_trade in SELF_TRADE_FIRM else 0),
                    bool(one.hears),
                    takes_stops,
                ),
                Account(one.topic, instruments),
                [0] * shards,
                one.rate,
                one.cancels_on_disconnect,
            )
            for one in sessions
        ]
        self.by_topic = {client.party.topic: client for client in self.clients}
        self.by_user = {client.user: client for client in self.clients}
        if len(self.by_topic) < len(sessions) or len(self.by_user) < len(sessions):
            raise UsageError("a session's topic and its user stand once")
        # By topic: a session of another port, and who hears it.
        self._heard: dict[int, tuple[Heard, list[Client]]] = {}
        for one, client in zip(sessions, self.clients, strict=True):
            for other in one.hears:
                heard = Heard(other, instruments)
                self._heard.setdefault(other.topic, (heard, []))[1].append(client)
        if not self._heard.keys().isdisjoint(self.by_topic):
            raise UsageError("a session is heard by those of other ports")
        # Whose lines are looked at: topic 0 tells of another engine.
        self.is_wanted: NDArray[np.bool_] = np.zeros(TOPICS, np.bool_)
        self.is_wanted[[0, *self.by_topic, *self._heard]] = True

    def apply(self, line: Line, tag: Tag | None) -> Change:
        """Take the next message of the stream: its first line and its tag."""
        client = self.by_topic.get(line.topic)
        if client is None and line.topic in self._heard:
            self._copy(line, tag)
            return Change()
        if client is None:
            is_epoch = line.template == Template.EPOCH_START
            return Change(epoch=line.price_ticks if is_epoch else 0)
        if line.topic_sequence != client.topic_sequence[line.shard] + 1:
            raise CorruptionError(f"message {line.sequence} is not the next of topic {line.topic}")
        everywhere = range(self.shards) if line.flags & Flag.BROADCAST else (line.shard,)
        for shard in everywhere:
            client.topic_sequence[shard] += 1
        self._number(client, line, tag)
        is_new = line.side == SessionEventKind.LOGIN and line.detail
        again: list[Entry] = []
        if line.template == Template.SESSION_EVENT and is_new:
            # Both sides begin anew; a drop copy hears the day once more, behind its Logon.
            again = [one for one in client.sent if isinstance(one.report, CopiedReport)]
            client.sent.clear()
        report = client.account.apply(line, tag)
        last = line.sequence if tag is None else tag.sequence
        if report is not None:
            client.sent.append(Entry(last, line.time_ns, report))
        elif line.template == Template.SESSION_EVENT and line.side in SPOKEN:
            client.sent += [Entry(last, line.time_ns, None), *again]
        return self._resolve(client, line, tag)

    def _copy(self, line: Line, tag: Tag | None) -> None:
        """Onto the lists of all who hear the line's session."""
        heard, listeners = self._heard[line.topic]
        report = heard.apply(line, tag)
        if report is not None:
            last = line.sequence if tag is None else tag.sequence
            entry = Entry(last, line.time_ns, report)
            for listener in listeners:
                listener.sent.append(entry)

    def _number(self, client: Client, line: Line, tag: Tag | None) -> None:
        number = 0 if tag is None or tag.number is None else tag.number
        if line.template == Template.SESSION_EVENT:
            number = max(number, line.last)
            if line.side == SessionEventKind.LOGIN:
                client.holder = line.publisher
                if line.detail:
                    client.expected = 1
            elif line.side in (SessionEventKind.LOGOUT, SessionEventKind.DISCONNECT):
                # Only the port where a session is logged in says that it is gone.
                client.holder = 0 if client.holder == line.publisher else client.holder
        client.expected = max(client.expected, number + 1)

    def _resolve(self, client: Client, line: Line, tag: Tag | None) -> Change:
        if client.phase is not Phase.PROPOSED or client.proposed is None:
            return Change(client)
        shard, number, likeness = client.proposed
        if client.topic_sequence[shard] != number:
            return Change(client)
        template = line.detail if line.template == Template.REJECTED else line.template
        ours = line.publisher == self.publisher and likeness == _likeness(template, line, tag)
        client.phase = Phase.QUIET if ours else Phase.ASKED
        if ours and template == Template.SESSION_EVENT and line.side == SessionEventKind.NOTE:
            # The first of two steps: the request itself is still to be answered.
            client.phase = Phase.ASKED
            ours = False
        return Change(client, is_answer=ours, is_lost=not ours)

    def ask(self, client: Client, request: Request) -> None:
        """Remember what a QUIET session asks for."""
        assert client.phase is Phase.QUIET, client
        client.request = request
        client.phase = Phase.ASKED

    def propose(self, client: Client) -> NDArray[np.void] | Outcome:
        """The lines for an ASKED session, which must then be sent; else it is QUIET."""
        assert client.phase is Phase.ASKED, client
        assert client.request is not None
        client.phase = Phase.QUIET
        event = client.request.event
        if event is SessionEventKind.LOGIN and client.holder not in (0, self.publisher):
            return Outcome.ELSEWHERE
        if event is SessionEventKind.DISCONNECT and client.holder != self.publisher:
            return Outcome.NO_EFFECT
        proposal = propose(client.party, client.account, client.request)
        if proposal is None:
            return Outcome.NO_EFFECT
        self._mark(client, proposal)
        return proposal.lines

    def _mark(self, client: Client, proposal: Proposal) -> None:
        number = client.topic_sequence[proposal.shard] + 1
        proposal.lines["topic_sequence"] = number
        line = Line.read(proposal.lines[0].tobytes())
        tag = None
        if proposal.lines[-1]["template_id"] == Template.ORDER_TAG:
            tag = Tag.read(proposal.lines[-1].tobytes())
        client.phase = Phase.PROPOSED
        client.proposed = (proposal.shard, number, _likeness(line.template, line, tag))

    def propose_again(self) -> list[Client]:
        """The engine that all proposals went to is dead; returns those who ask again."""
        again = [client for client in self.clients if client.phase is Phase.PROPOSED]
        for client in again:
            client.phase = Phase.ASKED
        return again


def _likeness(template: int, line: Line, tag: Tag | None) -> tuple[int, int, str, int]:
    """What a proposal and its answer have in common, and a dead predecessor's has not."""
    kind = line.side if template == Template.SESSION_EVENT else line.client_order_id
    text = "" if tag is None else tag.text
    number = line.last if template == Template.SESSION_EVENT else 0
    return template, kind, text, number if tag is None or tag.number is None else tag.number
