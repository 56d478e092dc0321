"""One core process, started by the launcher.

`python -m tools.core CONFIGURATION CORE PARENT [--go-on] [PORT=TCP …]`: the saved configuration,
the core, the launcher's process, whether the day goes on that its journals hold, and TCP ports that
were chosen before.

It maps what its agents need and no more, makes them, and runs them until it is told to stop.
"""

from __future__ import annotations

import os
import select
import sys

# An exception to the rule against threads: fdatasync and scrypt block for milliseconds.
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from shutil import disk_usage

from engine.book import Book
from engine.publisher import Publisher
from engine.risk import Admission
from engine.sequencer import Sequencer
from engine.shard import Shard
from ports.authenticator import Authenticator
from ports.client import ClientPort
from ringbus._ringbus import ffi
from ringbus.backing import lock_all, size
from ringbus.contributor import Contributor
from ringbus.core import Agent, Core, CorePage
from ringbus.idle import Idle, bell_mask
from ringbus.journal import Journal, segment_bytes
from ringbus.marks import Marks
from ringbus.metrics import Metrics
from ringbus.repair import repair
from ringbus.replay import Stream
from ringbus.scrub import Scrub
from ringbus.segment import Segment
from ringbus.status import BackingError, DataError, Lapped, RingbusError, UsageError
from tools.applications import KINDS
from tools.build import build_hash
from tools.clients import client_sessions, port_instruments
from tools.configuration import Configuration
from tools.confine import CONFINED, confine
from tools.day import check_joins, drain
from tools.edge import allow_files, limits_of
from tools.journals import open_journal
from tools.memory import Attachment, tcp_counter
from tools.process import end_with_parent, leave
from tools.seat import Seat
from tools.sections import PASSIVE, CoreSection
from tools.site import Site
from tools.standby import StandbyProcess, go_on
from tools.state import STATE_FILE, State
from tools.topology import ConfigurationError, is_engine
from tools.turns import SHORT_NS, ask_for_turns
from tuning.host import Host
from tuning.partition import join

GO_ON = "--go-on"
# Where a stopped clock stands: every message of such a day carries this time.
STOPPED_NS = 10**18
# A syncing thread is rung for what was written, and when it is over: it need not look up.
SYNC_LOOK_US = 1_000_000
# Of a thread whose work nobody waits for; on Linux a thread has its own.
NICENESS = 10


class CoreProcess:
    """The agents of one core over the shared memory of its exchange; use it with `with`.

    Thread: the one that made it; `journal sync` and `authenticator` threads are its own.
    """

    def __init__(
        self,
        configuration: Configuration,
        section: CoreSection,
        tcp: dict[str, int],
        goes_on: bool = False,
    ) -> None:
        self.configuration = configuration
        self.topology = configuration.topology
        self.section = section
        self._tcp = tcp
        self._stack = ExitStack()
        backing = self.topology.memory.backing.without("lock")
        self._shared = self._stack.enter_context(Attachment(self.topology.name, backing))
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._stops: list[Callable[[], None]] = []
        self._errors: list[str] = []
        self._bells = self._shared.attach("bells", writable=True)
        self._page = self._shared.attach(f"core.{section.name}", writable=True)
        self._metrics = Metrics.attach(
            self._shared.attach(f"metrics.{section.name}", writable=True)
        )
        self._metrics.repair()
        ports = [port for port in self.topology.ports if port.name in section.agents]
        placed = [one for one in self.topology.applications if one.name in section.agents]
        watches = bool(ports) or any(KINDS[one.kind].watches for one in placed)
        self._epoll = select.epoll() if watches else None
        if self._epoll is not None:
            self._stack.callback(self._epoll.close)
        # Ports measure their clients' silence: in a core of their own they have the real time.
        stopped = self.topology.exchange.clock == "stopped"
        clock = "manual" if stopped and not self.topology.restartable(section) else "real"
        self.core = Core(
            self._page,
            self._bells,
            section.name,
            section.wait,
            clock,
            section.pinned,
            -1 if self._epoll is None else self._epoll.fileno(),
            self._reads_the_stream(bool(ports or placed)),
        )
        if clock == "manual":
            self.core.set_time(STOPPED_NS)
        self.core.stop_on_signals()
        for agent in section.agents:
            if not goes_on or not is_engine(agent):
                self._add(agent)
            elif agent == "sequencer":
                stopped_ns = STOPPED_NS if stopped else 0
                standby = go_on(configuration, self._shared, self.core, self._metrics, stopped_ns)
                self._stack.callback(standby.close)
        self.core.measure(self._metrics)

    def run(self) -> int:
        """Run until told to stop; returns the exit status. Raises: BackingError: [memory] lock."""
        self._lock()
        self._confine()
        for thread in self._threads:
            thread.start()
        if not self.core.hosts:
            ask_for_turns(SHORT_NS)
        try:
            self.core.run()
        except RingbusError as error:
            self._errors.append(f"core {self.section.name}: {error}{self._full_disks()}")
        self._stopping.set()
        for stop in self._stops:
            stop()
        for thread in self._threads:
            thread.join()
        for text in self._errors:
            print(text, file=sys.stderr, flush=True)
        return 1 if self._errors else 0

    def _full_disks(self) -> str:
        """Of the journals of this core, what the operator can do: the end of an error's text."""
        out = ""
        for name in self.topology.journals:
            path = self.topology.journal_path(name)
            needed = segment_bytes(self.topology.journal.segment_messages)
            if name in self.section.agents and (free := disk_usage(path).free) < needed:
                out += (
                    f"; {path} has {size(free)} left, and the next file takes {size(needed)}: "
                    "make room there, nothing that was acknowledged is lost"
                )
        return out

    def _reads_the_stream(self, is_edge: bool) -> bool:
        """Whether published messages have to wake this core."""
        agents = self.section.agents
        # The sequencer hears from the stream what became of its proposals.
        is_sequencer = "sequencer" in agents and "publisher" not in agents
        return is_edge or is_sequencer or any(one in agents for one in self.topology.journals)

    def _lock(self) -> None:
        """Lock everything, now that all of it is there."""
        if not self.topology.memory.lock:
            return
        try:
            lock_all()
        except BackingError as error:
            if self.topology.memory.required:
                raise
            print(f"warning: {error}; going on without", file=sys.stderr, flush=True)

    def _confine(self) -> None:
        """Give up what only others need, where strangers' bytes are read and no file is written."""
        topology = self.topology
        edge = {port.name for port in topology.ports}
        edge |= {one.name for one in topology.applications if one.kind in CONFINED}
        if edge.issuperset(self.section.agents) and not confine():
            print("warning: the kernel confines no process here", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Unmap and close everything; the bell stays ours, for a successor to find."""
        self._stack.close()

    def __enter__(self) -> CoreProcess:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def _add(self, agent: str) -> None:
        if agent == "sequencer":
            self._add_sequencer()
        elif agent == "publisher":
            self._add_publisher()
        elif agent in self.topology.journals:
            self._add_journal(agent)
        elif agent.startswith("shard."):
            self._add_shard(int(agent.removeprefix("shard.")))
        elif any(one.name == agent for one in self.topology.applications):
            self._add_application(agent)
        else:
            self._add_port(agent)

    def _lane(self, part: str) -> Segment:
        return self._shared.attach(part, writable=True)

    def _mask(self, agent: str) -> int:
        """Wake mask of the core that runs `agent`, 0 if it is this one."""
        core = self.topology.core_of(agent)
        return 0 if core.name == self.section.name else bell_mask(self._bells, core.name)

    def _add_sequencer(self) -> None:
        shards = range(self.topology.exchange.shards)
        # What the publisher has mapped for writing is mapped once.
        has_publisher = "publisher" in self.section.agents
        sequencer = Sequencer(
            self.core,
            self._lane("doorbell"),
            [self._lane(f"lane.{name}") for name in self.topology.contributors],
            [(self._lane(f"shard.{n}.in"), self._mask(f"shard.{n}")) for n in shards],
            self.configuration.shard_of,
            self.configuration.topics,
            self.configuration.group_of,
            Admission(
                self.configuration.risk(),
                self._shared.attach("settled", has_publisher),
                self._shared.attach("stream", has_publisher),
                self._shared.attach("stream.readers", writable=True),
            ),
        )
        sequencer.measure(
            self._metrics.histogram_address("port to sequencer"),
            self._metrics.counter_address("refused proposals"),
            self._metrics.counter_address("dropped proposals"),
        )
        self.core.add("sequencer", sequencer)

    def _add_shard(self, number: int) -> None:
        limits = self.topology.limits
        shard = Shard(
            self.core,
            number,
            self._lane(f"shard.{number}.in"),
            self._lane(f"shard.{number}.out"),
            Book(len(self.configuration.instruments), limits.orders, limits.price_nodes),
            self.configuration.topics,
            self._mask("publisher"),
        )
        shard.measure(
            self._metrics.histogram_address("sequencer to shard"),
            self._metrics.counter_address(f"stale proposals of shard.{number}"),
        )
        self.core.add(f"shard.{number}", shard)

    def _add_publisher(self) -> None:
        publisher = Publisher(
            self.core,
            self._shared.attach("stream", writable=True),
            self._shared.attach("stream.readers"),
            [self._lane(f"shard.{n}.out") for n in range(self.topology.exchange.shards)],
        )
        publisher.settle(self._shared.attach("settled", writable=True))
        publisher.measure(self._metrics.histogram_address("shard to publisher"))
        self.core.add("publisher", publisher)

    def _add_journal(self, name: str) -> None:
        topology = self.topology
        try:
            journal = open_journal(topology, self._shared, name)
        except (DataError, Lapped) as error:
            peers = [topology.journal_path(one) for one in topology.journals if one != name]
            stream, segment = self._shared.attach("stream"), topology.journal.segment_messages
            print(f"{error}: asking the others", file=sys.stderr, flush=True)
            repaired = repair(topology.journal_path(name), peers, stream, segment, name)
            print(f"{name}: {repaired}", file=sys.stderr, flush=True)
            journal = open_journal(topology, self._shared, name)
        self._stack.callback(journal.close)
        self._scrub(name, journal)
        journal.measure(
            self._metrics.histogram_address("publisher to journal"),
            self._metrics.histogram_address("journal to disk"),
        )
        self.core.add(name, journal)
        idle = self._stack.enter_context(Idle(self._bells, f"{name} sync", stream_reader=False))
        idle.set_timeout(SYNC_LOOK_US)
        bell = bell_mask(self._bells, f"{name} sync")
        journal.tell(self.core.wake, bell)
        stop = ffi.new("uint32_t *")
        self._stops.append(partial(self._end_sync, stop, bell))
        arguments = (journal, name, idle, stop)
        self._threads.append(
            threading.Thread(target=self._sync, args=arguments, name=f"{name} sync")
        )

    def _scrub(self, name: str, journal: Journal) -> None:
        """Read the older files of a day beside everything else."""
        topology = self.topology
        scrub = Scrub(
            topology.journal_path(name),
            topology.journal.segment_messages,
            name,
            journal.written,
            [topology.journal_path(one) for one in topology.journals if one != name],
            self._stopping.wait,
            lambda text: print(text, file=sys.stderr, flush=True),
        )
        self._beside(f"{name} scrub", partial(_aside, scrub.run), scrub.stop)

    def _end_sync(self, stop: object, bell: int) -> None:
        """Tell a syncing thread that it is over."""
        ffi.memmove(stop, b"\1\0\0\0", 4)
        self.core.idle.ring(bell)

    def _sync(self, journal: Journal, name: str, idle: Idle, stop: object) -> None:
        """Make the journal durable as it grows, and once more at the end."""
        marks = Marks(self._shared.attach("marks", writable=True))
        bells, gather_us = 0, self.topology.journal.sync_ms * 1000
        if self.topology.copies_awaited > 0:
            edge = set(self.topology.edge)
            waiting = [core.name for core in self.topology.cores if edge.intersection(core.agents)]
            bells, gather_us = sum(bell_mask(self._bells, core) for core in waiting), 0
        place = marks.place(name)
        ask_for_turns(SHORT_NS)
        try:
            journal.keep(idle, marks, place, bells, stop, gather_us)
            if not self._errors:
                drain(journal)
            marks.set(place, journal.sync())
        except RingbusError as error:
            # What cannot be made durable must not be acknowledged as if it were.
            self._errors.append(f"core {self.section.name}: {error}")
            CorePage(self._page).stop()

    def _contributor(self, name: str) -> Contributor:
        return Contributor(
            self._lane(f"lane.{name}"),
            self.topology.contributors.index(name),
            self._lane("doorbell"),
            self._mask("sequencer"),
        )

    def _stream(self) -> Stream:
        return Stream(
            self._shared.attach("stream"),
            self.topology.journal_paths,
            self.topology.journal.segment_messages,
            self._shared.attach("marks"),
            self.topology.copies_awaited,
        )

    def _add_application(self, name: str) -> None:
        section = self.topology.application(name)
        kind = KINDS[section.kind]
        site = Site(
            name=name,
            options=section.options,
            configuration=self.configuration,
            core=self.core,
            stream=self._stream(),
            contributor=self._contributor(name) if kind.proposes else None,
            topic=self.configuration.topic_of(name),
            metrics=self._metrics,
            lossy=self._shared.attach("stream.lossy", writable=True),
            stack=self._stack,
            tcp=self._former_tcp,
            listening=self._listening,
            watch=self._watch,
            beside=partial(self._beside, name),
        )
        agent = kind.make(site)
        if isinstance(agent, Agent):
            self.core.add(name, agent)
        else:
            self.core.host(name, agent)

    def _former_tcp(self, endpoint: str) -> int:
        return self._tcp.get(endpoint, 0)

    def _listening(self, endpoint: str, tcp: int) -> None:
        # The launcher reads it there; a successor is given the same one.
        counter = self._metrics.counter(tcp_counter(endpoint))
        counter.add(tcp - counter.value)

    def _watch(self, descriptor: int) -> None:
        if self._epoll is None:
            raise UsageError("this kind of application does not say that it waits for sockets")
        self._epoll.register(descriptor, select.EPOLLIN)

    def _beside(self, name: str, run: Callable[[], None], stop: Callable[[], None]) -> None:
        self._stops.append(stop)
        self._threads.append(threading.Thread(target=run, name=f"beside {name}"))

    def _add_port(self, name: str) -> None:
        topology = self.topology
        section = topology.port(name)
        seat = Seat(self._lane(f"lane.{name}"), section, self._listening)
        self._stack.callback(seat.close)
        stands_by = not seat.take()
        if stands_by and len(topology.cores_of(name)) == 1:
            raise ConfigurationError(f"another process speaks for {name}")
        port = self._stack.enter_context(
            ClientPort(
                self.core,
                topology.exchange.session,
                topology.exchange.shards,
                self._contributor(name),
                self._stream(),
                port_instruments(self.configuration),
                client_sessions(self.configuration),
                limits_of(topology, section),
                stands_by,
                self.configuration.opening,
            )
        )
        reader = name if len(topology.cores_of(name)) == 1 else f"{name} {self.section.name}"
        port.show(self._shared.attach("stream.lossy", writable=True), reader)
        port.measure(self._metrics, name)
        self.core.add(name, port)
        authenticator = Authenticator(
            port, {who.user: who.secret for who in self.configuration.participants}
        )
        self._beside(name, authenticator.run, authenticator.stop)
        self._watch(port.epoll_fd)
        self._beside(f"{name}, pages", partial(_aside, port.populate), port.leave_unpopulated)
        if stands_by:
            self._metrics.counter(tcp_counter(name))
            self._beside(
                f"{name}, standing by", partial(seat.wait, port, self._stopping.wait), seat.stop
            )
        else:
            self._listening(name, port.listen(section.host, self._tcp.get(name, section.tcp)))


def _aside(run: Callable[[], None]) -> None:
    """Run something in this thread that others on this CPU need not wait for."""
    os.nice(NICENESS)
    run()


def _check_build(state: State) -> None:
    """Raises: ConfigurationError: other code is installed than the exchange was started with."""
    started, now = state.build, f"{build_hash():016x}"
    if started != now:
        raise ConfigurationError(
            f"the installed code ({now}) is not that with which the exchange was started "
            f"({started}); take it down and up, or install that again"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one core; returns its exit status."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if len(arguments) < 3:
        print(
            "usage: python -m tools.core CONFIGURATION CORE PARENT [--go-on] [PORT=TCP ...]",
            file=sys.stderr,
        )
        return 2
    if not end_with_parent(int(arguments[2])):
        return 1
    try:
        configuration = Configuration.restore(Path(arguments[0]))
        state = State.read(Path(arguments[0]).with_name(STATE_FILE))
        _check_build(state)
        section = configuration.topology.core(arguments[1])
        goes_on = GO_ON in arguments
        said = [one.partition("=") for one in arguments[3:] if one != GO_ON]
        tcp = {name: int(number) for name, _, number in said}
        with Attachment(configuration.topology.name) as shared:
            check_joins(configuration, shared)
        allow_files(configuration.topology, section)
        if section.pinned is not None:
            if state.partition and section.is_hot:
                join(Host(), state.partition, os.getpid())
            os.sched_setaffinity(0, {section.pinned})
        if PASSIVE in section.agents:
            with StandbyProcess(configuration, section) as standby:
                return standby.run()
        with CoreProcess(configuration, section, tcp, goes_on) as process:
            return process.run()
    except (ConfigurationError, RingbusError, OSError, ValueError) as error:
        print(f"core {arguments[1]}: {error}", file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    leave(main())
