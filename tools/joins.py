"""Whether a process is of the day that is on the stream: the day's BuildRecord says what it is."""

from __future__ import annotations

import json

import numpy as np

from ringbus.describe import named
from ringbus.messages import BUILD_RECORD, SCHEMA_HASH, Environment
from ringbus.replay import Replay
from ringbus.status import DataError, Lapped
from tools.configuration import Configuration
from tools.memory import Attachment
from tools.topology import ConfigurationError

# In the exchange's directory while its day is open: the fingerprints that it was begun with.
UNFINISHED_FILE = "unfinished"


def check_joins(configuration: Configuration, shared: Attachment) -> None:
    """See that a process is of the day that is on the stream, if one was opened.

    Raises: ConfigurationError: the day was begun with something else, which is named.
    """
    topology = configuration.topology
    paths, segment = topology.journal_paths, topology.journal.segment_messages
    replay = Replay(shared.attach("stream"), paths, 1, segment)
    try:
        lines = replay.poll(1)
        differs = difference(configuration, lines.view(BUILD_RECORD)[0]) if len(lines) else ""
    except (DataError, Lapped):
        # Its journals are damaged: they are mended by those that write them.
        differs = ""
    finally:
        replay.close()
    if differs:
        raise ConfigurationError(
            f"the exchange's day was begun with another {differs}; what is saved in "
            f"{topology.directory} is not what it was begun with: take it down and up"
        )


def difference(configuration: Configuration, first: np.void) -> str:
    """What a day's BuildRecord and a configuration do not agree about; "" if they do."""
    exchange = configuration.topology.exchange
    was_in = named(Environment, int(first["environment"])).lower()
    if was_in != exchange.environment:
        return f"environment ({was_in}, now {exchange.environment})"
    said = {
        "schema": (int(first["schema_hash"]), SCHEMA_HASH),
        "configuration": (
            int(first["configuration_hash"]),
            configuration.hash,
        ),
        "number of shards": (int(first["shards"]), exchange.shards),
    }
    for what, (was, now) in said.items():
        if was != now:
            parts = _parts(configuration) if what == "configuration" else ""
            return f"{what} ({was:x}, now {now:x}){parts}"
    return ""


def _parts(configuration: Configuration) -> str:
    """Which parts of a configuration are not as the day noted them, with their files."""
    mark = configuration.topology.directory / UNFINISHED_FILE
    try:
        was = json.loads(mark.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    now = configuration.prints
    # In the order of the files, and then what is gone.
    names = [*now, *(name for name in was if name not in now)]
    return f": {', '.join(name for name in names if was.get(name) != now.get(name))}"
