"""`ringbus close-day`: the day takes no more orders, ends, and is kept for the next one.

    CloseDay ▶ Expired, order by order ▶ EndOfDay ▶ durable ▶ heard by all ▶ processes stop ▶ record

It may be killed anywhere, and so may any process and the host: given again, it goes on where it
was. The stream says how far that is, and when nothing is up any more the journals do.
"""

from __future__ import annotations

import sys

# An exception to the rule against time: to close a day is to wait for it.
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from ports.open_orders import OpenOrders
from ringbus.contributor import Contributor
from ringbus.core import CorePage
from ringbus.idle import Idle, bell_mask
from ringbus.lock import PUBLISHER, ByteLocks
from ringbus.marks import Marks
from ringbus.messages import COMMAND, CommandKind, Template
from ringbus.multicast import gates
from ringbus.replay import Stream
from ringbus.status import RingbusError
from ringbus.topics import Topics
from ringbus.volley import Volley
from tools import closed, day, kept_figures
from tools.closed import Closed, ClosedError
from tools.closing import Closing
from tools.command import DONE, give, told
from tools.configuration import Configuration
from tools.console.client import target_of
from tools.console.words import CommandError
from tools.day import DayError
from tools.manual import Parser
from tools.memory import Attachment
from tools.process import Process
from tools.sections import CONSOLE
from tools.state import CONFIGURATION_FILE, State, exchange_name, find, remove
from tools.topology import ConfigurationError, Topology, load_topology

# Without anything new on the stream.
PATIENCE_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.001
LIMIT: Final = 4096
Say = Callable[[str], None]


def close(
    target: str, author: str, reason: str, confirm: Callable[[str], bool], say: Say
) -> Closed | int:
    """Close the day of an exchange, up or not.

    Returns: its record; an exit status where CloseDay waits for a second author, or was refused.
    Raises: CommandError: nothing was done, or it did not come to its end; DayError, ClosedError,
    ConfigurationError, RingbusError, OSError.
    """
    state = find(exchange_name(target))
    if state is None:
        return finish(_topology(target), say)
    configuration = Configuration.restore(Path(state.directory) / CONFIGURATION_FILE)
    if not state.launcher.alive:
        raise CommandError(
            f"the launcher of {state.name} is gone: `ringbus down {state.name}`, then close the "
            "day by its topology file, which says whether it has to go on first"
        )
    if not _has_said(configuration):
        command: dict[str, object] = {"verb": "close-day", "author": author, "reason": reason}
        exchange = target_of(target)
        status, text = told(exchange, give(exchange, command, confirm))
        say(text)
        if status != DONE:
            return status
    closed.begin(configuration.topology)
    with Attachment(configuration.topology.name) as shared:
        closing = _end(configuration, shared, state)
        orders, quantity = closing.kept
        say(
            f"message {closing.end:,} is the end of the day: {closing.expired:,} orders expired, "
            f"{orders:,} ({quantity:,}) go to the next one"
        )
        _await_everybody(configuration.topology, shared, state, closing.end)
    kept_figures.keep(kept_figures.look(state), configuration.topology, 0.0, time.time())
    remove(state.name, day.rescue)
    return finish(configuration.topology, say)


def finish(topology: Topology, say: Say) -> Closed:
    """Close a day of which nothing is up any more: its journals, compared and mended, are kept.

    Raises: DayError, ClosedError: it is not over; as day.recover.
    """
    if closed.is_being_closed(topology) or closed.find(topology) is not None:
        configuration = closed.configuration_of(topology)
        record = closed.find(topology)
        if record is None or not _is_put_away(record, configuration.topology):
            recovered = day.recover(configuration, say)
            if not recovered.is_over:
                raise DayError(
                    "the day has no end yet: `ringbus up --continue` goes on with it, then close "
                    "it again"
                )
            record = closed.finish(configuration)
        day.ended(topology)
        return record
    raise DayError(
        f"there is no day in {topology.directory} that is being closed: one that is only down is "
        "gone on with by `ringbus up --continue`, then closed"
    )


def _is_put_away(record: Closed, topology: Topology) -> bool:
    """Whether the next day has begun to begin."""
    return any(closed.kept_path(path, record.name).exists() for path in topology.journal_paths)


def _topology(target: str) -> Topology:
    """Of an exchange that is not up. Raises: CommandError: its name alone does not lead there."""
    if Path(target).suffix != ".toml":
        raise CommandError(f"exchange {target} is not up; name its topology file")
    return load_topology(target)


def _has_said(configuration: Configuration) -> bool:
    """Whether the day takes no more orders already."""
    topology = configuration.topology
    with Attachment(topology.name) as shared:
        stream = Stream(
            shared.attach("stream"), topology.journal_paths, topology.journal.segment_messages
        )
        replay = stream.replay()
        try:
            while len(batch := replay.poll()):
                commands = batch[batch["template_id"] == Template.COMMAND].view(COMMAND)
                if (commands["kind"] == CommandKind.CLOSE_DAY).any():
                    return True
        finally:
            replay.close()
    return False


def _end(configuration: Configuration, shared: Attachment, state: State) -> Closing:
    """Speak on the console's lane until the stream has the end. Raises: CommandError."""
    topology = configuration.topology
    lane = shared.attach(f"lane.{CONSOLE}", writable=True)
    bells = shared.attach("bells", writable=True)
    stream = Stream(
        shared.attach("stream"), topology.journal_paths, topology.journal.segment_messages
    )
    locks = ByteLocks(lane.path)
    try:
        if not locks.take(PUBLISHER):
            raise CommandError("another command is being given; try again when it is done")
        with Idle(bells, CONSOLE, stream_reader=False) as idle:
            contributor = Contributor(
                lane,
                topology.contributors.index(CONSOLE),
                shared.attach("doorbell", writable=True),
                bell_mask(bells, topology.core_of("sequencer").name),
            )
            topics = Topics(configuration.topics, topology.exchange.shards)
            closing = Closing(
                stream,
                Volley(contributor, idle, topics),
                OpenOrders(topology.exchange.shards, topology.limits.orders),
                configuration.shard_of,
                configuration.opening,
            )
            try:
                _step(closing, state.launcher)
            finally:
                closing.close()
            return closing
    finally:
        locks.close()


def _step(closing: Closing, launcher: Process) -> None:
    """Until the day is over. Raises: CommandError: nothing comes any more."""
    heard_s = time.monotonic()
    while not closing.end:
        if closing.do_work(LIMIT):
            heard_s = time.monotonic()
        elif time.monotonic() - heard_s > PATIENCE_SECONDS or not launcher.alive:
            raise CommandError(
                "the day does not come to its end: is the engine at work? `ringbus status` says "
                "so; then give it again"
            )
        else:
            time.sleep(LOOK_SECONDS)


def _await_everybody(topology: Topology, shared: Attachment, state: State, end: int) -> None:
    """Until the end is durable, every reader has heard it, and every core had a turn since then.

    So that clients are told before their ports stop. Raises: CommandError: one of them does not.
    """
    marks, lossy = Marks(shared.attach("marks")), shared.attach("stream.lossy")
    journals = topology.journals
    alive = {name: core.process for name, core in state.cores.items() if core.process.alive}
    # Of the exchange itself: somebody's `ringbus tap` may stand still.
    own = {process.pid for process in alive.values()}

    def has_arrived() -> bool:
        durable = marks.durable()
        behind = [place for place in gates(lossy) if place.pid in own and place.cursor < end]
        # One that was given up has no core any more; the others have what it lacks.
        writing = [
            name for name in journals if any(core.name in alive for core in topology.cores_of(name))
        ]
        return not behind and all(durable.get(name, 0) >= end for name in writing)

    _await(has_arrived, "the journals or a reader do not come to the end of the day")
    for name in alive:
        page = CorePage(shared.attach(f"core.{name}"))
        for _ in range(2):
            _await(partial(_has_beat, page, page.beat_ns), f"core {name} is stuck")


def _has_beat(page: CorePage, since_ns: int) -> bool:
    return page.beat_ns != since_ns


def _await(is_so: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise CommandError(f"{problem}; look at `ringbus status`, then close the day again")
        time.sleep(LOOK_SECONDS)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus close-day`: 0 closed, 1 not, 3 it waits for a second author."""
    parser = Parser(prog="ringbus close-day", description=__doc__)
    parser.add_argument("exchange", help="its name, or its topology file")
    parser.add_argument("--author", required=True, help="who")
    parser.add_argument("--reason", required=True, help="why")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(argv)

    def confirm(words: str) -> bool:
        print(f"{options.exchange}: {words}", flush=True)
        return options.yes or input("Do it? [y/N] ").strip().lower() == "y"

    def say(text: str) -> None:
        print(text, flush=True)

    try:
        record = close(options.exchange, options.author, options.reason, confirm, say)
    except (
        CommandError,
        DayError,
        ClosedError,
        ConfigurationError,
        RingbusError,
        OSError,
        EOFError,
    ) as error:
        print(f"ringbus close-day: {error or 'nobody to ask'}", file=sys.stderr)
        return 1
    if isinstance(record, int):
        return record
    print(outcome(record))
    return 0


def outcome(record: Closed) -> str:
    """That a day is closed, in a line."""
    return f"{record.session} is closed: {record.messages:,} messages, sha256 {record.digest}"
