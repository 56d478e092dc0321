"""An operator's word of several lines that no console makes: proposed on the console's lane.

For busts and corrections of trades (tools/bust.py), whose lines have their parties behind them.
"""

from __future__ import annotations

# An exception to the rule against time: to give a command is to wait for its answer.
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import lib
from ringbus.idle import Idle, bell_mask
from ringbus.lane import Lane
from ringbus.lock import PUBLISHER, ByteLocks
from ringbus.messages import (
    COMMAND,
    MESSAGE,
    ORDER_TAG,
    REJECTED,
    Flag,
    RejectReason,
    Template,
)
from ringbus.replay import Replay
from ringbus.status import check
from ringbus.topics import Topics
from tools.configuration import Configuration
from tools.console.record import OPERATOR
from tools.console.words import CommandError
from tools.memory import Attachment
from tools.state import CONFIGURATION_FILE, find
from tools.topology import CONSOLE

PATIENCE_SECONDS = 10.0
LOOK_SECONDS = 0.001
# Of the 24 bytes of an OrderTag.
AUTHOR_MAX, REASON_MAX = 8, 15


@dataclass(frozen=True, slots=True)
class Order:
    """A command as it will be proposed, of one line or several, and in words.

    `number` is the operator's next one in the shard, where the words hold only if nobody has said
    anything there since; 0: they hold in any case.
    """

    line: NDArray[np.void]
    shard: int
    words: str
    number: int = 0


def give(name: str, order: Order, author: str, reason: str) -> NDArray[np.void]:
    """Propose a command and wait for its answer.

    Returns: the answer's lines, shape (n,), dtype MESSAGE.
    Raises: CommandError: another command is being given, it was refused, or nothing came back.
    """
    state = find(name)
    if state is None or not state.ready:
        raise CommandError(f"exchange {name} is not up; `ringbus up` starts one")
    configuration = Configuration.restore(Path(state.directory) / CONFIGURATION_FILE)
    topology = configuration.topology
    with Attachment(name) as shared:
        lane = shared.attach(f"lane.{CONSOLE}", writable=True)
        locks = ByteLocks(lane.path)
        replay = Replay(
            shared.attach("stream"), topology.journal_paths, 1, topology.journal.segment_messages
        )
        try:
            if not locks.take(PUBLISHER):
                raise CommandError("another command is being given; try again when it is done")
            bells = shared.attach("bells", writable=True)
            doorbell = shared.attach("doorbell", writable=True)
            with Idle(bells, CONSOLE, stream_reader=False) as idle:
                topics = Topics(configuration.topics, topology.exchange.shards)
                while len(batch := replay.poll()):
                    topics.hear(batch)
                number = topics.next(OPERATOR, order.shard)
                if order.number not in (0, number):
                    raise CommandError("another command came before it; look, and give it again")
                writer = Lane(lane)
                writer.repair()
                if not writer.offer(_addressed(order, number, topics.reign, author, reason)):
                    raise CommandError("the console's lane is full: is the engine at work?")
                check(lib.rb_doorbell_press(doorbell.address, 0), "doorbell")
                idle.ring(bell_mask(bells, topology.core_of("sequencer").name))
                return _answer(replay, number)
        finally:
            replay.close()
            locks.close()


def _addressed(order: Order, number: int, reign: int, author: str, reason: str) -> NDArray[np.void]:
    tag: NDArray[np.void] = np.zeros(1, ORDER_TAG)
    tag["template_id"], tag["text"] = Template.ORDER_TAG, f"{author}:{reason}".encode()
    lines = np.concatenate((order.line, tag.view(MESSAGE)))
    # Where a MassCancel has its number too.
    lines[:1].view(COMMAND)["client_order_id"] = number
    lines["topic"], lines["topic_sequence"] = OPERATOR, number
    lines["flags"] = Flag.CONTINUED
    lines["flags"][-1] = Flag.LAST_OF_GROUP
    lines["reserved"][0] = reign
    return lines


def _answer(replay: Replay, number: int) -> NDArray[np.void]:
    """The group that begins with the operator's own line of that number."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    found: list[NDArray[np.void]] = []
    while time.monotonic() < deadline:
        batch = replay.poll().copy()
        for n in range(len(batch)):
            line = batch[n : n + 1]
            is_own = int(line["publisher"][0]) == 1 and int(line["topic"][0]) == OPERATOR
            if found or (is_own and int(line.view(COMMAND)["client_order_id"][0]) == number):
                found.append(line)
                if int(line["flags"][0]) & Flag.LAST_OF_GROUP:
                    return np.concatenate(found)
        if len(batch) == 0:
            time.sleep(LOOK_SECONDS)
    raise CommandError(
        "no answer came: `ringbus status` says whether the engine is at work; "
        "look at the stream before you give it again"
    )


def told(order: Order, lines: NDArray[np.void]) -> str:
    """What came of it, in words. Raises: CommandError: it was refused."""
    first = lines[:1]
    if int(first["template_id"][0]) == Template.REJECTED:
        reason = RejectReason(int(first.view(REJECTED)["reason"][0])).name
        raise CommandError(f"refused ({reason}): {order.words}")
    gone = int((lines["template_id"] == Template.CANCELED).sum())
    canceled = f", {gone:,} orders canceled" if order.words.startswith("kill") else ""
    return f"done at message {int(first['sequence'][0]):,}: {order.words}{canceled}"
