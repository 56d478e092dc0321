"""The desk: a contributor that says everything that may be said, beside the client ports.

Console (states, crosses, mass cancels on the operator's topic), a member that knows every kind of
order, and a cancel fairy that races the clients for their own orders. What it wants to say comes
from the oracle's dice (tests/engine/mix.py); how it says it is a contributor's duty as DESIGN
section 6 has it: one proposal in flight a topic, the topic's next number as the stream told it,
said again when another message took that number or another engine reigns. A killed desk forgets
what it had in flight, and counts anew from message 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.risk import NO_LIMIT
from ringbus._ringbus import lib
from ringbus.lane import Lane
from ringbus.memory import Memory
from ringbus.messages import (
    EPOCH_START,
    INSTRUMENT_NONE,
    MESSAGE,
    CommandKind,
    Flag,
    RiskLimit,
    Template,
)
from ringbus.messages import MassCancelScope as Scope
from ringbus.replay import Replay
from ringbus.status import Lapped, check
from tests.engine.mix import Message, Mix
from tests.engine.oracle.wire import Fields, Group, decode, encode
from tests.sim.clients import MIDDLE

OPERATOR = 0
ONE_OWNER = (Scope.ACCOUNT, Scope.FIRM)
REFERENCE = CommandKind.REFERENCE_PRICE
# Of what the desk says where there are limits: so much is about them.
LIMITS_SHARE = 0.15
# On a day with stop orders; it takes back one of the last ones.
STOPS_SHARE, OPEN_STOPS = 0.08, 8
# Of terms: until when an order is good.
EXPIRE = slice(48, 56)
TIME_MAX_NS, DAYS_NS = 30_000_000_000, 300_000_000_000_000
USUAL = {
    RiskLimit.OPEN_LONG: 10_000_000,
    RiskLimit.OPEN_SHORT: 100_000_000,
    RiskLimit.NET_POSITION: 50_000_000,
    RiskLimit.GROSS_POSITION: 100_000_000,
    RiskLimit.TRADED_NOTIONAL: 100_000_000,
    RiskLimit.TRADED_QUANTITY: 300,
    RiskLimit.OPEN_ORDERS: 8,
    RiskLimit.MESSAGES_PER_SECOND: 60,
}
# Topics on which it waits for an answer, at most.
IN_FLIGHT_MAX = 3
BEHIND = tuple(
    int(one)
    for one in (
        *(Template.ORDER_TAG, Template.ORDER_TERMS, Template.LEG, Template.TEXT),
        Template.TRADE_PARTY,
    )
)
BROADCAST = int(Flag.BROADCAST)
OF_THE_OPERATOR = (Template.COMMAND, Template.CROSS_RESULT)


@dataclass(slots=True)
class InFlight:
    """A proposal, and what it waits for."""

    lines: Message
    shard: int
    number: int  # of its topic in that shard; 0: to be said yet
    is_for_all: bool


class Ideas:
    """What the desk wants to say next; it outlives every desk: no number is used twice."""

    def __init__(
        self,
        mix: Mix,
        topic: int,
        shard_of: bytes,
        has_limits: bool,
        has_console: bool,
        clock: Callable[[], int] | None = None,
    ) -> None:
        """`clock`: of a day on which orders have an end, and there are stop orders."""
        self._mix = mix
        self._has_console = has_console
        self._has_limits = has_limits
        self._topic = topic
        self._shard_of = shard_of
        self._clock = clock
        self._stops: list[bytes] = []  # that it has given

    def next(self) -> tuple[int, InFlight]:
        """Its topic, and what to propose."""
        while True:
            lines = self._mix.message()
            if self._has_limits and self._mix.dice.random() < LIMITS_SHARE:
                lines = [self._command()]
            if self._clock is not None:
                lines = self._of_a_day(lines, self._clock())
            first = lines[0]
            template = first[24]
            named = int.from_bytes(first[32:36], "little")
            topic = self._topic
            is_for_all = template == Template.MASS_CANCEL and named == INSTRUMENT_NONE
            if template in OF_THE_OPERATOR or is_for_all:
                topic = OPERATOR
            elif template == Template.CANCEL:
                # Of whoever's order it is: a fairy takes the owner's lock.
                topic = min(int.from_bytes(first[20:22], "little"), self._topic)
            if not is_sayable(lines, is_for_all) or (is_for_all and self._has_console):
                # Of commands with numbers there is one source: the console.
                continue
            number = self._mix.number.to_bytes(4, "little")
            if template == Template.COMMAND and self._has_console:
                number = bytes(4)
            if template not in (Template.CANCEL, Template.STOP_CANCEL):
                lines = [number_of(line, template, number) for line in lines]
            raw = topic.to_bytes(2, "little")
            lines = [bytes(20) + raw + line[22:] for line in lines]
            shard = self._shard_of[named] if named < len(self._shard_of) else 0
            return topic, InFlight(lines, shard, 0, is_for_all)

    def _of_a_day(self, lines: Message, now_ns: int) -> Message:
        """A stop order now and then; what is good till a time is so for some seconds, or longer."""
        dice = self._mix.dice
        if dice.random() < STOPS_SHARE:
            return [self._stop()]
        behind = [line for line in lines[1:] if line[24] == Template.ORDER_TERMS]
        if not behind or not any(behind[0][EXPIRE]):
            return lines
        span_ns = dice.choice(
            (0, dice.randrange(TIME_MAX_NS), dice.randrange(TIME_MAX_NS), DAYS_NS)
        )
        raw = (now_ns + span_ns).to_bytes(8, "little")
        return [
            line[: EXPIRE.start] + raw + line[EXPIRE.stop :] if line is behind[0] else line
            for line in lines
        ]

    def _stop(self) -> bytes:
        """A stop order, or the end of one that it gave; that may have come in."""
        dice = self._mix.dice
        if self._stops and dice.random() < 0.2:
            given = dice.choice(self._stops[-OPEN_STOPS:])
            cancel: Fields = {"template_id": Template.STOP_CANCEL}
            names = ("instrument", "client_order_id", "account", "firm")
            return encode(cancel | {name: decode(given)[name] for name in names})
        line: Fields = {"template_id": Template.STOP_ORDER, "client_order_id": self._mix.number}
        line |= {"account": dice.randint(1, 4), "firm": dice.randint(1, 2)}
        line |= {"instrument": dice.randrange(len(self._shard_of)), "side": dice.randint(1, 2)}
        line |= {"price_ticks": MIDDLE + dice.randint(-4, 4), "quantity": dice.randint(1, 19)}
        line["stop_ticks"] = MIDDLE + dice.randint(-3, 3)
        line["time_in_force"] = dice.choice((0, 0, 1, 3))
        line |= {"display": ord("Y"), "capacity": ord("P"), "sweep": ord("N")}
        self._stops.append(encode(line))
        return self._stops[-1]

    def _command(self) -> bytes:
        """Of those that the sequencer obeys; values are about what a session has."""
        dice = self._mix.dice
        line: Fields = {"template_id": Template.COMMAND, "instrument": INSTRUMENT_NONE}
        line["kind"] = dice.choice(
            (*(CommandKind.LIMIT,) * 2, *(CommandKind.RESUME,) * 3, REFERENCE)
        )
        line |= {"account": dice.randint(1, 4), "firm": dice.randint(1, 2)}
        line["session"] = dice.randint(1, self._topic)
        if line["kind"] == REFERENCE:
            line["instrument"] = dice.randrange(len(self._shard_of))
            line["price_ticks"] = dice.choice((0, 1000, 1002))
        elif line["kind"] == CommandKind.RESUME:
            line["scope"] = dice.choice((Scope.EVERYTHING, Scope.SESSION, *ONE_OWNER))
        else:
            limit, usual = dice.choice(list(USUAL.items()))
            line["scope"], line["limit"] = dice.choice(ONE_OWNER), limit
            line["value"] = dice.choice((usual, dice.randint(0, 4 * usual), NO_LIMIT, NO_LIMIT))
        return encode(line)


def number_of(line: bytes, template: int, number: bytes) -> bytes:
    """With a number that was not used before, where the line has one."""
    if line[24] != template and line[24] != Template.LEG:
        return line
    return line[:48] + number + line[52:]


def is_sayable(lines: Message, is_for_all: bool) -> bool:
    """Whether it can be answered: legs are on their way by the first one's instrument, and of what
    goes to all shards its sender must know that it will not be refused for its form."""
    legs = [line for line in lines[1:] if line[24] == Template.LEG]
    if legs and legs[0][32:36] != lines[0][32:36]:
        return False
    return not is_for_all or Group.of(lines).is_well_formed


class Desk:
    """The process: follows the stream, proposes on its lane.

    Args: propose: is told what goes onto the lane.
    """

    def __init__(
        self,
        lane: Memory,
        doorbell: Memory,
        number: int,
        stream: tuple[Memory, Sequence[Path], int],
        size: tuple[int, int],
        ideas: Ideas,
        propose: Callable[[int, Message], None],
    ) -> None:
        topics, self._shards = size
        self._lane = Lane(lane)
        self._lane.repair()
        self._doorbell = doorbell
        self._number = number
        self._replay = Replay(stream[0], stream[1], 1, stream[2])
        self._ideas = ideas
        self._propose = propose
        self._counts = [[0] * self._shards for _ in range(topics)]
        self._reign = 0
        self._is_live = False
        self.in_flight: dict[int, InFlight] = {}
        self.retries = 0

    def follow(self, limit: int) -> int:
        """Take what is new on the stream."""
        try:
            lines = self._replay.poll(limit)
        except Lapped:
            return 0
        raw = lines.tobytes()
        for at in range(0, len(raw), MESSAGE.itemsize):
            line = raw[at : at + MESSAGE.itemsize]
            if line[24] not in BEHIND:
                self._take(line)
        self._is_live |= self._replay.lag == 0
        return len(lines) + self._say()

    def act(self) -> None:
        """Want something new."""
        if self._is_live and len(self.in_flight) < IN_FLIGHT_MAX:
            topic, wanted = self._ideas.next()
            if topic not in self.in_flight:
                self.in_flight[topic] = wanted
                self._say()

    def close(self) -> None:
        self._replay.close()

    def _take(self, line: bytes) -> None:
        topic, shard = int.from_bytes(line[20:22], "little"), line[26]
        number = int.from_bytes(line[16:20], "little")
        counts = self._counts[topic]
        is_for_all = line[25] & BROADCAST
        for n in range(self._shards) if is_for_all else (shard,):
            counts[n] += 1
        assert counts[0 if is_for_all else shard] == number, f"topic {topic}: not {number}"
        if line[24] == Template.EPOCH_START:
            self._begin(int(np.frombuffer(line, EPOCH_START)["epoch"][0]))
            return
        waiting = self.in_flight.get(topic)
        if waiting is None or waiting.number == 0:
            return
        is_mine = int.from_bytes(line[22:24], "little") == self._number + 1
        if waiting.is_for_all:
            if is_mine and is_for_all and line[48:52] == waiting.lines[0][48:52]:
                del self.in_flight[topic]
        elif counts[waiting.shard] == waiting.number and (is_for_all or shard == waiting.shard):
            if is_mine and not is_for_all:
                del self.in_flight[topic]
            else:
                self.retries += 1
                waiting.number = 0

    def _begin(self, epoch: int) -> None:
        """What was said to the dead engine is said again."""
        self._reign = (epoch - 1) & 0xFF
        for waiting in self.in_flight.values():
            waiting.number = 0

    def _say(self) -> int:
        """Put on the lane what is not there yet."""
        done = 0
        for topic, waiting in self.in_flight.items() if self._is_live else ():
            if waiting.number:
                continue
            number = self._counts[topic][waiting.shard] + 1
            raw = number.to_bytes(4, "little")
            lines = [line[:16] + raw + line[20:] for line in waiting.lines]
            lines[0] = lines[0][:27] + bytes([self._reign]) + lines[0][28:]
            if self._lane.offer(np.frombuffer(b"".join(lines), MESSAGE)) == 0:
                break
            waiting.number = number
            self._propose(self._number, lines)
            check(lib.rb_doorbell_press(self._doorbell.address, self._number))
            done += 1
        return done
