"""One FIX connection as a state machine: messages and time in, actions out. No sockets, no clock.

    NEW --Logon--> ENTERING --its Login is on the stream--> LIVE --Logout said--> LEAVING
     |                |                                      |                       |
     +----------------+---------------- Drop ----------------+-----------------------+--> GONE

Whoever runs it takes one message at a time: `receive`, then all of `todo`, each done before the
next; then what was queued behind a gap (`resume`), then the next message. What is said takes a
number on the stream first, so saying something is an action like asking for something.

What is done about what follows FIX 4.2 and 4.4, and QuickFIX where they leave a choice: garbled
messages never come here; a number that is too high is queued, and what is missing is asked for
once; one that is too low ends the session, unless it says that it may be a duplicate; a message
that breaks a rule of FIX is rejected and its number used up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ports.fix import SECOND_NS, VERSIONS, Message, Pair, time_ns
from ports.fix_dictionary import (
    COMP_ID,
    REASON_MAX,
    SENDING_TIME,
    TAG_MISSING,
    TEXTS,
    WRONG_VALUE,
    Fault,
    check,
)
from ports.fix_lines import CLORDID, NUMBER_MAX

# SendingTime may be off by so much.
TOLERANCE_NS: Final = 120 * SECOND_NS
# A connection has so long to log on, and after a Logout of ours to answer it.
LOGON_NS: Final = 10 * SECOND_NS
FAREWELL_NS: Final = 2 * SECOND_NS
# In tenths of HeartBtInt: silence after which it is asked whether somebody is there, and cut off.
ASK_AFTER: Final = 12
GONE_AFTER: Final = 24
# Messages that wait behind a gap; more of them are asked for again.
QUEUE_MAX: Final = 1024
LOGON, LOGOUT, HEARTBEAT, TEST_REQUEST = "A", "5", "0", "1"
RESEND_REQUEST, REJECT, SEQUENCE_RESET = "2", "3", "4"
# Messages whose ClOrdID has to fit into a tag.
WITH_CLORDID: Final = frozenset("DFGHq")


class State(Enum):
    """Of a connection."""

    NEW = 0
    ENTERING = 1
    LIVE = 2
    LEAVING = 3
    GONE = 4


class Do(Enum):
    """What is to be done."""

    ENTER = 0  # log the session in
    SAY = 1  # send a message of the session, which takes a number
    ASK = 2  # propose what an application message asks for
    LEAVE = 3  # log the session out and send a Logout
    RESEND = 4  # send the messages `begin` to `end` again, 0: all
    DROP = 5  # send what there is and close


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do; `number` is that of the client's message dealt with by it, 0: of none."""

    do: Do
    number: int = 0
    type: str = ""
    fields: tuple[Pair, ...] = ()
    message: Message | None = None
    begin: int = 0
    end: int = 0


class Session:
    """The machine of one connection.

    Args: comp_id: ours; is_known: whether a CompID is a client's; now_ns: the time; is_live: orders
    are meant, it is no test.
    """

    def __init__(
        self, comp_id: str, is_known: Callable[[str], bool], now_ns: int, is_live: bool = False
    ) -> None:
        self.state = State.NEW
        self.todo: deque[Action] = deque()
        self.begin = ""
        self.user = ""
        self.expected = 0
        self.logon: Message | None = None
        self._comp_id = comp_id
        self._is_known = is_known
        self._is_live = is_live
        self._since_ns = self._received_ns = self._sent_ns = now_ns
        self._heartbeat_ns = 0
        self._has_asked = False
        self._queue: dict[int, Message] = {}
        # Up to here the client was asked to send again.
        self._asked_until = 0

    @property
    def is_reset(self) -> bool:
        """Whether the Logon says that both sides begin anew."""
        return self.logon is not None and self.logon.get(141) == "Y"

    def receive(self, message: Message, now_ns: int) -> None:
        """Take a message; only when `todo` is empty."""
        self._touch(now_ns)
        if self.state is State.NEW:
            self._first(message, now_ns)
        elif self.state is State.LEAVING:
            if message.type == LOGOUT:
                self._drop()
        elif self.state is State.LIVE:
            self._take(message, now_ns)

    def resume(self, now_ns: int) -> bool:
        """Take the next message that was queued behind a gap; False: there is none."""
        if self.state is not State.LIVE or not self._queue:
            return False
        self._queue = {n: one for n, one in self._queue.items() if n >= self.expected}
        message = self._queue.pop(self.expected, None)
        if message is None:
            return False
        if message is self.logon:
            self.expected += 1
        else:
            self._process(message, self.expected, now_ns)
        return True

    def excuse(self, waited_ns: int) -> None:
        """The client was not listened to for so long: that is not its silence."""
        self._received_ns += waited_ns

    def _touch(self, now_ns: int) -> None:
        """The client is there."""
        self._received_ns = now_ns
        self._has_asked = False

    def sent(self, now_ns: int) -> None:
        """Something was sent."""
        self._sent_ns = now_ns

    def admit(self, expected: int) -> int | None:
        """The client is who it says it is, and its Login is next.

        Returns: the number to give it, 0: none, since messages before it are missing; None: it
        must not come in.
        """
        assert self.logon is not None
        number = self.logon.number or 0
        # TestMessageIndicator, which says "test" or "production".
        if self.logon.get(464) == ("Y" if self._is_live else "N"):
            here, there = ("live", "test") if self._is_live else ("test", "live")
            self._say(LOGOUT, ((58, f"This exchange is {here}, the Logon says {there} (464)"),))
            self._drop()
            return None
        if self.is_reset:
            if number == 1:
                return 1
            self._drop()
            return None
        if number < expected:
            self._say(LOGOUT, ((58, _too_low(expected, number)),))
            self._drop()
            return None
        return number if number == expected else 0

    def entered(self, expected: int, now_ns: int) -> None:
        """The Login is on the stream; `expected`: number of the next message, as it says."""
        assert self.logon is not None
        self._enter(State.LIVE, now_ns)
        self._touch(now_ns)
        self.expected = expected
        self._queue.clear()
        self._asked_until = 0
        number = self.logon.number or 0
        if number > expected:
            self._queue_up(self.logon, number)
        elif number == expected:
            self.expected += 1

    def answer(self) -> tuple[Pair, ...]:
        """The fields of the Logon that answers the client's."""
        assert self.logon is not None
        fields: tuple[Pair, ...] = ((98, "0"), (108, self.logon.get(108)))
        if self.logon.get(464):
            fields = (*fields, (464, self.logon.get(464)))
        return (*fields, (141, "Y")) if self.is_reset else fields

    def tick(self, now_ns: int) -> None:
        """See what is due; only when `todo` is empty."""
        silence_ns = now_ns - self._received_ns
        if self.state in (State.NEW, State.ENTERING):
            if now_ns - self._since_ns >= LOGON_NS:
                self._drop()
        elif self.state is State.LEAVING:
            if now_ns - self._since_ns >= FAREWELL_NS:
                self._drop()
        elif self.state is State.LIVE and self._heartbeat_ns > 0:
            if 10 * silence_ns >= GONE_AFTER * self._heartbeat_ns:
                self._drop()
            elif 10 * silence_ns >= ASK_AFTER * self._heartbeat_ns and not self._has_asked:
                self._has_asked = True
                self._say(TEST_REQUEST, ((112, "TEST"),))
            elif now_ns - self._sent_ns >= self._heartbeat_ns:
                self._say(HEARTBEAT)

    def end(self, text: str, now_ns: int) -> None:
        """Say Logout and wait a little for the client's."""
        self._say(LOGOUT, ((58, text),) if text else ())
        self._enter(State.LEAVING, now_ns)

    def _enter(self, state: State, now_ns: int) -> None:
        self.state = state
        self._since_ns = now_ns

    def _say(self, type_: str, fields: tuple[Pair, ...] = (), number: int = 0) -> None:
        self.todo.append(Action(Do.SAY, number, type_, fields))

    def _drop(self) -> None:
        self.state = State.GONE
        self.todo.append(Action(Do.DROP))

    def _first(self, message: Message, now_ns: int) -> None:
        """A Logon that is sound, or the connection is closed without a word."""
        sent_ns = time_ns(message.get(52))
        if (
            message.type != LOGON
            or message.begin not in VERSIONS
            or message.get(56) != self._comp_id
            or not self._is_known(message.get(49))
            or check(message) is not None
            or message.get(98) != "0"
            or not 0 < (message.number or 0) <= NUMBER_MAX
            or sent_ns is None
            or abs(now_ns - sent_ns) > TOLERANCE_NS
        ):
            self._drop()
            return
        self.begin, self.user = message.begin, message.get(49)
        self._log_on(message, now_ns)

    def _log_on(self, message: Message, now_ns: int) -> None:
        self.logon = message
        self._heartbeat_ns = max(0, int(message.get(108))) * SECOND_NS
        self._enter(State.ENTERING, now_ns)
        self.todo.append(Action(Do.ENTER))

    def _take(self, message: Message, now_ns: int) -> None:
        number = message.number
        if message.begin != self.begin:
            self._count(number)
            self.end("Incorrect BeginString", now_ns)
        elif number is None or number > NUMBER_MAX:
            self.end("MsgSeqNum missing or out of range", now_ns)
        elif message.type == LOGON and message.get(141) == "Y" and number == 1:
            self._log_on(message, now_ns)
        elif message.type == SEQUENCE_RESET and message.get(123) != "Y":
            self._reset(message, number)
        elif message.type in (LOGOUT, RESEND_REQUEST):
            self._process(message, number, now_ns)
        elif number > self.expected:
            self._queue_up(message, number)
        elif number < self.expected:
            self._old(message, number, now_ns)
        else:
            self._process(message, number, now_ns)

    def _count(self, number: int | None) -> int:
        """Use the number up; returns it, or 0 if it was not the next."""
        if number != self.expected:
            return 0
        self.expected += 1
        return number

    def _queue_up(self, message: Message, number: int) -> None:
        if len(self._queue) < QUEUE_MAX:
            self._queue[number] = message
        if self._asked_until < self.expected:
            self._asked_until = number - 1
            self._say(RESEND_REQUEST, ((7, str(self.expected)), (16, "0")))

    def _old(self, message: Message, number: int, now_ns: int) -> None:
        """Its number was used: a duplicate that says so, or the end."""
        if not message.is_duplicate:
            self._say(LOGOUT, ((58, _too_low(self.expected, number)),))
            self._drop()
        elif message.type != SEQUENCE_RESET:
            sent_ns, original_ns = time_ns(message.get(52)), time_ns(message.get(122))
            if 122 not in message.fields:
                self._reject(message, number, Fault(TAG_MISSING, 122))
            elif sent_ns is None or original_ns is None or original_ns > sent_ns:
                self._reject(message, number, Fault(SENDING_TIME))
                self.end("", now_ns)

    def _reject(self, message: Message, number: int, fault: Fault) -> None:
        fields: list[Pair] = [(45, str(number)), (58, TEXTS[fault.reason])]
        if fault.tag is not None:
            fields.append((371, str(fault.tag)))
        fields.append((372, message.type))
        if fault.reason <= REASON_MAX[self.begin]:
            fields.append((373, str(fault.reason)))
        self._say(REJECT, tuple(fields), self._count(number))

    def _fault(self, message: Message, now_ns: int) -> Fault | None:
        fault = check(message)
        if fault is not None:
            return fault
        if message.get(49) != self.user or message.get(56) != self._comp_id:
            return Fault(COMP_ID)
        sent_ns = time_ns(message.get(52))
        if sent_ns is None or abs(now_ns - sent_ns) > TOLERANCE_NS:
            return Fault(SENDING_TIME)
        if message.type in WITH_CLORDID:
            for tag in (11, 41):
                if tag in message.fields and not CLORDID.fullmatch(message.get(tag)):
                    return Fault(WRONG_VALUE, tag)
        return None

    def _process(self, message: Message, number: int, now_ns: int) -> None:
        """A message whose turn it is."""
        fault = self._fault(message, now_ns)
        if fault is not None:
            self._reject(message, number, fault)
            if fault.reason in (COMP_ID, SENDING_TIME):
                self.end("", now_ns)
            return
        match message.type:
            case "0" | "3":
                self._count(number)
            case "1":
                self._say(HEARTBEAT, ((112, message.get(112)),), self._count(number))
            case "2":
                self._count(number)
                begin, end = int(message.get(7)), int(message.get(16))
                self.todo.append(Action(Do.RESEND, begin=begin, end=end))
            case "4":
                self._fill(message, number)
            case "5":
                self.todo.append(Action(Do.LEAVE, self._count(number), LOGOUT))
                self._drop()
            case "A":
                self._count(number)
                self.end("Already logged on", now_ns)
            case _:
                self.todo.append(Action(Do.ASK, self._count(number), message=message))

    def _fill(self, message: Message, number: int) -> None:
        """A gap is filled: nothing is to come with these numbers."""
        new = int(message.get(36))
        if new < number:
            self._refuse_reset(message, number)
        else:
            self.expected = new

    def _reset(self, message: Message, number: int) -> None:
        """The client says which number comes next; never one that was used."""
        fault = check(message)
        if fault is not None:
            self._reject(message, number, fault)
            return
        new = int(message.get(36))
        if new < self.expected:
            self._refuse_reset(message, number)
        elif new <= NUMBER_MAX:
            self.expected = new

    def _refuse_reset(self, message: Message, number: int) -> None:
        fields = (
            (45, str(number)),
            (58, TEXTS[WRONG_VALUE]),
            (372, message.type),
            (373, str(WRONG_VALUE)),
        )
        self._say(REJECT, fields)


def _too_low(expected: int, number: int) -> str:
    return f"MsgSeqNum too low, expecting {expected} but received {number}"
