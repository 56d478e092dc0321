"""The command line's way to a console: its socket, or one in this very process.

An exchange whose topology has an application of kind "console" is spoken to over its Unix socket,
and needs no access to its shared memory. One without is spoken for by a console that this process
makes: it needs the right to write the console's lane.
"""

from __future__ import annotations

import json
import os

# An exception to the rule against sockets: an operator connects.
import socket

# An exception to the rule against time: to give a command is to wait for its answer.
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ringbus.contributor import Contributor
from ringbus.idle import Idle, bell_mask
from ringbus.lock import PUBLISHER, ByteLocks
from ringbus.marks import Marks
from ringbus.proposer import Proposer
from ringbus.replay import Stream
from ringbus.topics import Topics
from tools.configuration import Configuration
from tools.console.conversation import Answer, Conversation
from tools.console.desk import Console
from tools.console.service import clock_of, short_path, socket_of
from tools.console.words import CommandError
from tools.memory import Attachment
from tools.sections import CONSOLE
from tools.state import CONFIGURATION_FILE, exchange_name, find
from tools.topology import load_topology

PATIENCE_SECONDS: Final = 20.0
LOOK_SECONDS: Final = 0.001
RETRY_SECONDS: Final = 0.05
ANSWER_BYTES_MAX: Final = 1 << 16
NO_ANSWER: Final = (
    "no answer came: `ringbus status` says whether the engine is at work; look at `ringbus log` "
    "before you give it again"
)


@dataclass(frozen=True, slots=True)
class Target:
    """An exchange as an operator named it: its socket, or None and its configuration."""

    name: str
    socket: Path | None
    configuration: Configuration | None

    def ask(self, request: Answer) -> Answer:
        """The console's answer to a request. Raises: CommandError: there is none."""
        text = json.dumps(request).encode() + b"\n"
        if self.socket is not None:
            return _over_socket(self.socket, text)
        assert self.configuration is not None
        return _alone(self.configuration, text)


def target_of(text: str) -> Target:
    """The exchange of that name, of that topology file, or with that socket.

    Raises: CommandError: it is not up, or this user may not see it; UsageError, ConfigurationError.
    """
    path = Path(text)
    if path.is_socket():
        return Target(path.stem, path, None)
    name = exchange_name(text)
    state = find(name)
    if state is not None:
        if not state.ready:
            raise CommandError(f"exchange {name} is just starting; try again when it is up")
        configuration = Configuration.restore(Path(state.directory) / CONFIGURATION_FILE)
        place = socket_of(configuration.topology)
        return Target(name, place, None if place else configuration)
    if path.suffix == ".toml" and (place := socket_of(load_topology(path))) is not None:
        return Target(name, place, None)
    raise CommandError(
        f"exchange {name} is not up; `ringbus up` starts one (another user's is named by its "
        "topology file or its console's socket)"
    )


def _over_socket(place: Path, text: bytes) -> Answer:
    """Ask until the answer has come whole: what was said before is not done twice."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    problem = ""
    while time.monotonic() < deadline:
        try:
            answer = _once(place, text, deadline)
        except PermissionError:
            raise CommandError(f"you may not write to {place}: ask for its group") from None
        except OSError as error:
            answer, problem = b"", f": {place}: {error.strerror or error}"
        if answer.endswith(b"\n"):
            told: Answer = json.loads(answer)
            return told
        time.sleep(RETRY_SECONDS)
    raise CommandError(f"{NO_ANSWER}{problem}")


def _once(place: Path, text: bytes, deadline: float) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one, short_path(place) as path:
        one.settimeout(max(0.01, deadline - time.monotonic()))
        one.connect(path)
        one.sendall(text)
        answer = b""
        while len(answer) < ANSWER_BYTES_MAX and (came := one.recv(ANSWER_BYTES_MAX)):
            answer += came
        return answer


def _alone(configuration: Configuration, text: bytes) -> Answer:
    """The same from a console that lives as long as this call."""
    topology = configuration.topology
    with Attachment(topology.name) as shared:
        lane = shared.attach(f"lane.{CONSOLE}", writable=True)
        bells = shared.attach("bells", writable=True)
        marks = shared.attach("marks")
        locks = ByteLocks(lane.path)
        stream = Stream(
            shared.attach("stream"), topology.journal_paths, topology.journal.segment_messages
        )
        try:
            if not locks.take(PUBLISHER):
                raise CommandError("another command is being given; try again when it is done")
            with Idle(bells, CONSOLE, stream_reader=False) as idle:
                sequencer = bell_mask(bells, topology.core_of("sequencer").name)
                doorbell = shared.attach("doorbell", writable=True)
                number = topology.contributors.index(CONSOLE)
                contributor = Contributor(lane, number, doorbell, sequencer)
                topics = Topics(configuration.topics, topology.exchange.shards)
                proposer = Proposer(contributor, idle, topics)
                console = Console(stream, proposer, configuration, clock_of(topology, time.time_ns))
                copies = topology.copies_awaited
                reached = Marks(marks)
                conversation = Conversation(console, os.getuid(), lambda: reached.reached(copies))
                try:
                    return _talk(console, conversation, text)
                finally:
                    console.close()
        finally:
            locks.close()


def _talk(console: Console, conversation: Conversation, text: bytes) -> Answer:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not console.is_live and time.monotonic() < deadline:
        console.do_work(4096)
    answer = conversation.begin(text)
    while answer is None and time.monotonic() < deadline:
        if console.do_work(4096) == 0:
            time.sleep(LOOK_SECONDS)
        answer = conversation.go_on()
    if answer is None:
        raise CommandError(NO_ANSWER)
    return answer
