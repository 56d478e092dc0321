"""Makes a journal in a core, and the threads beside it: one syncs, one reads older files again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ringbus._ringbus import ffi
from ringbus.idle import Idle, bell_mask
from ringbus.journal import Journal
from ringbus.marks import Marks
from ringbus.repair import repair
from ringbus.scrub import Scrub
from ringbus.status import DataError, Lapped, RingbusError
from tools.journals import drain, open_journal
from tools.turns import SHORT_NS, ask_for_turns

if TYPE_CHECKING:
    from tools.core import CoreProcess

# A syncing thread is rung for what was written, and when it is over: it need not look up.
SYNC_LOOK_US = 1_000_000


def add_journal(process: CoreProcess, name: str) -> None:
    """The one of that name; damaged files are mended before."""
    topology, shared = process.topology, process.shared
    try:
        journal = open_journal(topology, shared, name)
    except (DataError, Lapped) as error:
        peers = [topology.journal_path(one) for one in topology.journals if one != name]
        stream, segment = shared.attach("stream"), topology.journal.segment_messages
        _say(f"{error}: asking the others")
        repaired = repair(topology.journal_path(name), peers, stream, segment, name)
        _say(f"{name}: {repaired}")
        journal = open_journal(topology, shared, name)
    process.stack.callback(journal.close)
    _scrub(process, name, journal)
    journal.measure(
        process.metrics.histogram_address("publisher to journal"),
        process.metrics.histogram_address("journal to disk"),
    )
    process.core.add(name, journal)
    syncing = Syncing(process, journal, name)
    process.beside(f"{name} sync", syncing.run, syncing.stop)


def _scrub(process: CoreProcess, name: str, journal: Journal) -> None:
    """Read the older files of a day beside everything else."""
    topology = process.topology
    scrub = Scrub(
        topology.journal_path(name),
        topology.journal.segment_messages,
        name,
        journal.written,
        [topology.journal_path(one) for one in topology.journals if one != name],
        process.pause,
        _say,
    )
    process.aside(f"{name} scrub", scrub.run, scrub.stop)


class Syncing:
    """Makes a journal durable as it grows, and once more at the end.

    Thread: one of its own for `run`; `stop` from any.
    """

    def __init__(self, process: CoreProcess, journal: Journal, name: str) -> None:
        self._process, self._journal, self._name = process, journal, name
        label = f"{name} sync"
        self._idle = process.stack.enter_context(Idle(process.bells, label, stream_reader=False))
        self._idle.set_timeout(SYNC_LOOK_US)
        self._bell = bell_mask(process.bells, label)
        journal.tell(process.core.wake, self._bell)
        self._stop = ffi.new("uint32_t *")

    def run(self) -> None:
        """Until `stop`; what cannot be made durable must not be acknowledged as if it were."""
        process, journal, topology = self._process, self._journal, self._process.topology
        marks = Marks(process.shared.attach("marks", writable=True))
        bells, gather_us = 0, topology.journal.sync_ms * 1000
        if topology.copies_awaited > 0:
            edge = set(topology.edge)
            waiting = [core.name for core in topology.cores if edge.intersection(core.agents)]
            bells, gather_us = sum(bell_mask(process.bells, core) for core in waiting), 0
        place = marks.place(self._name)
        ask_for_turns(SHORT_NS)
        try:
            journal.keep(self._idle, marks, place, bells, self._stop, gather_us)
            if not process.has_failed:
                drain(journal)
            marks.set(place, journal.sync())
        except RingbusError as error:
            process.fail(str(error))

    def stop(self) -> None:
        """End `run`."""
        ffi.memmove(self._stop, b"\1\0\0\0", 4)
        self._process.core.idle.ring(self._bell)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
