"""The journals of an exchange, as its topology has them."""

from __future__ import annotations

from ringbus.journal import Journal
from ringbus.lossy_journal import LossyJournal
from tools.memory import Attachment
from tools.topology import Topology

# A step writes up to 256 batches of 1,024 messages; the largest ring holds 2^28.
DRAIN_STEPS_MAX = 2 * (1 << 28) // (256 * 1024)


def open_journal(topology: Topology, shared: Attachment, name: str) -> Journal:
    """Go on with a journal's files, as the gating or the lossy reader `name`.

    Raises: as Journal.
    """
    directory, segment = topology.journal_path(name), topology.journal.segment_messages
    stream, gating = shared.attach("stream"), topology.gating_journals
    if name in gating:
        readers = shared.attach("stream.readers", writable=True)
        return Journal(directory, stream, readers, segment, name)
    lossy = shared.attach("stream.lossy", writable=True)
    peers = [topology.journal_path(one) for one in gating]
    return LossyJournal(directory, stream, lossy, peers, segment, name)


def drain(journal: Journal) -> None:
    """Write all that is on the ring."""
    for _ in range(DRAIN_STEPS_MAX):
        if journal.step() == 0:
            return
