"""The first lines of a day: what built it, its instruments, its participants, their rules.

The launcher proposes them on the console's lane like any contributor, and believes only what comes
back on the stream.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import lib
from ringbus.idle import Idle, bell_mask
from ringbus.lane import Lane
from ringbus.messages import (
    BUILD_RECORD,
    COMMAND,
    INSTRUMENT_DEFINITION,
    INSTRUMENT_NONE,
    MESSAGE,
    PARTICIPANT_DEFINITION,
    REJECTED,
    SCHEMA_HASH,
    Environment,
    RejectReason,
    Template,
)
from ringbus.multicast import Reader
from ringbus.status import check
from tools.configuration import Configuration
from tools.memory import Attachment
from tools.owner_rules import commands_of
from tools.sections import LAUNCHER

CONSOLE_PUBLISHER = 1
WINDOW = 256
PATIENCE_NS = 30_000_000_000
# How orders of a former day come in; the engine fills in some fields of them.
FORMER = (Template.NEW_ORDER, Template.ORDER_TERMS, Template.STOP_ORDER)


class OpeningError(Exception):
    """The engine did not take the first lines of the day."""


def opening_lines(configuration: Configuration, build: int) -> NDArray[np.void]:
    """The first lines of the day as proposals: shape (n,), dtype MESSAGE.

    BuildRecord, then one InstrumentDefinition an instrument, then one ParticipantDefinition a
    participant, then one Command a rule; on topic 0, numbered for each shard.
    """
    instruments, participants = configuration.instruments, configuration.participants
    rules = commands_of(configuration)
    count = 1 + len(instruments) + len(participants)
    lines: NDArray[np.void] = np.zeros(count + len(rules), MESSAGE)
    first = lines[:1].view(BUILD_RECORD)
    first["template_id"] = Template.BUILD_RECORD
    first["instrument"] = INSTRUMENT_NONE
    first["shards"] = configuration.topology.exchange.shards
    first["environment"] = Environment[configuration.topology.exchange.environment.upper()]
    first["schema_hash"] = SCHEMA_HASH
    first["configuration_hash"] = configuration.hash
    first["build_hash"] = build
    shards = [0]
    table = lines[1 : 1 + len(instruments)].view(INSTRUMENT_DEFINITION)
    table["template_id"] = Template.INSTRUMENT_DEFINITION
    for row, instrument in zip(table, instruments, strict=True):
        row["instrument"] = instrument.index
        row["price_ticks_min"] = instrument.price_ticks_min
        row["price_ticks_max"] = instrument.price_ticks_max
        row["lot"] = instrument.lot
        row["tick_1e4"] = instrument.tick_1e4
        row["quantity_max"] = instrument.quantity_max
        row["symbol"] = instrument.symbol.ljust(8).encode()
        shards.append(instrument.shard)
    people = lines[1 + len(instruments) : count].view(PARTICIPANT_DEFINITION)
    people["template_id"] = Template.PARTICIPANT_DEFINITION
    people["instrument"] = INSTRUMENT_NONE
    for row, who in zip(people, participants, strict=True):
        row["session"] = who.session
        row["account"] = who.account
        row["firm"] = who.firm
        row["user"] = who.user.encode()
        row["firm_name"] = who.firm_name.encode()
        shards.append(0)
    commands = lines[count:].view(COMMAND)
    commands["template_id"] = Template.COMMAND
    for row, (shard, fields) in zip(commands, rules, strict=True):
        for name, value in fields.items():
            row[name] = value
        shards.append(shard)
    taken = [0] * configuration.topology.exchange.shards
    for n, shard in enumerate(shards):
        taken[shard] += 1
        lines["topic_sequence"][n] = taken[shard]
    return lines


@dataclass(frozen=True, slots=True)
class Opened:
    """`last`: sequence of the opening's last message; `refused`: by place among the lines, those
    of a former day's orders that the engine did not take.
    """

    last: int
    refused: dict[int, RejectReason]


def open_day(
    configuration: Configuration,
    lines: NDArray[np.void],
    now_ns: Callable[[], int],
    watch: Callable[[], None],
) -> Opened:
    """Put the lines onto the stream and see every one of them come back.

    Several may be on their way: nobody else speaks before the day is open, so that the numbers of
    all topics are known.
    Args: lines: the definitions, and what a former day has left; now_ns: a clock for the deadline;
    watch: called while waiting, may raise.
    Raises: OpeningError: a definition was refused, or nothing came for 30 s.
    Thread: the console's one.
    """
    topology = configuration.topology
    with Attachment(topology.name) as shared:
        bells = shared.attach("bells", writable=True)
        lane = Lane(shared.attach("lane.console", writable=True))
        doorbell = shared.attach("doorbell", writable=True)
        reader = Reader(shared.attach("stream"))
        sequencer = bell_mask(bells, topology.core_of("sequencer").name)
        with Idle(bells, LAUNCHER) as idle:
            idle.set_spin(0)
            sent = seen = last = 0
            refused: dict[int, RejectReason] = {}
            heard_ns = now_ns()
            while seen < len(lines):
                batch = lines[sent : min(len(lines), seen + min(WINDOW, lane.capacity))]
                taken = lane.offer(batch) if len(batch) else 0
                if taken:
                    sent += taken
                    check(lib.rb_doorbell_press(doorbell.address, 0), "doorbell")
                    idle.ring(sequencer)
                came = reader.poll()
                own = came[came["publisher"] == CONSOLE_PUBLISHER]
                for line in own:
                    reason = _compare(lines[seen], line, seen)
                    if reason:
                        refused[seen] = reason
                    seen += 1
                    last = int(line["sequence"])
                if len(own):
                    heard_ns = now_ns()
                elif now_ns() - heard_ns > PATIENCE_NS:
                    raise OpeningError(
                        f"line {seen + 1} of {len(lines)} of the day's first lines did not come "
                        "back: is the engine at work? `ringbus status` shows it"
                    )
                watch()
                idle.step(len(own) + taken)
    return Opened(last, refused)


def _compare(sent: np.void, came: np.void, n: int) -> RejectReason | None:
    """Why an order of a former day was refused. Raises: OpeningError: another line was, or came."""
    is_next = all(came[name] == sent[name] for name in ("topic", "topic_sequence"))
    template, said = int(came["template_id"]), int(sent["template_id"])
    if said in FORMER:
        if is_next and template == Template.REJECTED:
            return RejectReason(int(np.array([came]).view(REJECTED)["reason"][0]))
        same = is_next and template == said
    else:
        same = is_next and template == said and came["body"].tobytes() == sent["body"].tobytes()
    if not same:
        raise OpeningError(
            f"line {n + 1} of the day's first lines, a {Template(said).name}, "
            f"came back as template {template}: the engine refused it"
        )
    return None
