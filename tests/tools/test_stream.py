"""The stream of a running exchange: one publisher, and readers that can be seen."""

from __future__ import annotations

import signal

import pytest

from ringbus.multicast import Writer
from ringbus.status import UsageError
from tests.tools.conftest import Maker
from tests.tools.watching import until
from tools.exchange import Exchange, launched
from tools.memory import Attachment
from tools.watch.sample import ReaderSample, Sample
from tools.watch.sampler import Sampler


def sample_of(exchange: Exchange) -> Sample:
    with Sampler(exchange.name, hears=False) as sampler:
        return sampler.sample(0)


def readers_of(sample: Sample, gates: bool) -> dict[str, ReaderSample]:
    return {one.name: one for one in sample.rings[0].readers if one.gates == gates}


def test_a_second_publisher_is_let_in_only_when_the_first_is_dead(make: Maker) -> None:
    """R33: two engines cannot publish, and after a SIGKILL nobody has to clean up."""
    with launched(make()) as exchange, Attachment(exchange.name) as shared:
        stream = shared.attach("stream", writable=True)
        readers = shared.attach("stream.readers")
        engine = exchange.process("engine")
        with pytest.raises(UsageError, match=f"has a publisher already, process {engine.pid}"):
            Writer(stream, readers)
        # The launcher would take everything down.
        launcher = exchange.state.launcher
        launcher.send(signal.SIGSTOP)
        try:
            tail = sample_of(exchange).tail
            exchange.kill("engine")
            while engine.alive:
                pass
            with Writer(stream, readers) as successor:
                assert successor.next == tail + 1
        finally:
            launcher.send(signal.SIGCONT)


def test_readers_are_seen_and_a_restarted_one_has_its_place(make: Maker) -> None:
    """What each has received and lost, and how far it is behind."""
    with launched(make(ports=1)) as exchange:
        before = sample_of(exchange)
        edge = exchange.process("edge")
        # Gates stand in the order in which their processes came up.
        (port,), gates = readers_of(before, False).values(), readers_of(before, True)
        journal = gates["journal"]
        assert {*gates} == {"journal", "sequencer"}
        assert (port.name, port.gates, port.pid) == ("port.0", False, edge.pid)
        assert (journal.name, journal.gates, journal.pid) == ("journal", True, edge.pid)
        again = exchange.await_restart("edge", exchange.kill("edge"))

        def has_read_everything() -> bool:
            sample = sample_of(exchange)
            return all(one.lag_count == 0 for one in sample.rings[0].readers)

        # It beats before it has read what was said while it was dead.
        until(has_read_everything)
        after = sample_of(exchange)
        (port,) = readers_of(after, False).values()
        journal = readers_of(after, True)["journal"]
        assert (port.name, port.pid, port.lost) == ("port.0", again.pid, 0)
        assert (journal.name, journal.pid, journal.lost) == ("journal", again.pid, 0)
        assert journal.cursor == journal.received == after.tail
        assert after.rings[0].waits_count == 0
