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
from typing import Final

from ringbus.backing import lock_all, size
from ringbus.contributor import Contributor
from ringbus.core import Agent, Core, CorePage
from ringbus.idle import bell_mask
from ringbus.journal import segment_bytes
from ringbus.metrics import Metrics
from ringbus.replay import Stream
from ringbus.segment import Segment
from ringbus.status import BackingError, RingbusError, UsageError
from tools.applications import KINDS
from tools.build import build_hash
from tools.configuration import Configuration
from tools.confine import CONFINED, confine
from tools.joins import check_joins
from tools.kind import load
from tools.memory import Attachment, tcp_counter
from tools.open_files import allow_files
from tools.parent import end_with_parent
from tools.process import leave
from tools.sections import PASSIVE, CoreSection
from tools.site import Site
from tools.state import STATE_FILE, State
from tools.topology import ConfigurationError, is_engine
from tools.turns import SHORT_NS, ask_for_turns
from tuning.host import Host
from tuning.partition import join

GO_ON = "--go-on"
# Where a stopped clock stands: every message of such a day carries this time.
STOPPED_NS = 10**18
# Of a thread whose work nobody waits for; on Linux a thread has its own.
NICENESS = 10
# What makes an agent that is no application, in a core that runs it.
MAKERS: Final = {
    "sequencer": "tools.makers.engine:add_sequencer",
    "shard": "tools.makers.engine:add_shard",
    "publisher": "tools.makers.engine:add_publisher",
    "journal": "tools.makers.journal:add_journal",
    "port": "tools.makers.port:add_port",
}


class CoreProcess:
    """The agents of one core over the shared memory of its exchange; use it with `with`.

    What it has is for those that make its agents (tools/makers); `stack` gets what is to be closed.
    Thread: the one that made it; those of `beside` and `aside` are its own.
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
        self.stack = ExitStack()
        backing = self.topology.memory.backing.without("lock")
        self.shared = self.stack.enter_context(Attachment(self.topology.name, backing))
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._stops: list[Callable[[], None]] = []
        self._errors: list[str] = []
        self.bells = self.shared.attach("bells", writable=True)
        self._page = self.shared.attach(f"core.{section.name}", writable=True)
        self.metrics = Metrics.attach(self.shared.attach(f"metrics.{section.name}", writable=True))
        self.metrics.repair()
        ports = [port for port in self.topology.ports if port.name in section.agents]
        placed = [one for one in self.topology.applications if one.name in section.agents]
        watches = bool(ports) or any(KINDS[one.kind].watches for one in placed)
        self._epoll = select.epoll() if watches else None
        if self._epoll is not None:
            self.stack.callback(self._epoll.close)
        # Ports measure their clients' silence: in a core of their own they have the real time.
        stopped = self.topology.exchange.clock == "stopped"
        clock = "manual" if stopped and not self.topology.restartable(section) else "real"
        self.core = Core(
            self._page,
            self.bells,
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
                go_on = load("tools.standby:go_on")
                standby = go_on(configuration, self.shared, self.core, self.metrics, stopped_ns)
                self.stack.callback(standby.close)
        self.core.measure(self.metrics)

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
        self.stack.close()

    def __enter__(self) -> CoreProcess:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def _add(self, agent: str) -> None:
        if agent in (one.name for one in self.topology.applications):
            self._add_application(agent)
            return
        if agent in self.topology.journals:
            what = "journal"
        elif agent in (port.name for port in self.topology.ports):
            what = "port"
        else:
            what = agent.partition(".")[0]
        load(MAKERS[what])(self, agent)

    def lane(self, part: str) -> Segment:
        """A part of the shared memory that an agent of this core writes."""
        return self.shared.attach(part, writable=True)

    def mask(self, agent: str) -> int:
        """Wake mask of the core that runs `agent`, 0 if it is this one."""
        core = self.topology.core_of(agent)
        return 0 if core.name == self.section.name else bell_mask(self.bells, core.name)

    def contributor(self, name: str) -> Contributor:
        """The lane of a port or an application."""
        return Contributor(
            self.lane(f"lane.{name}"),
            self.topology.contributors.index(name),
            self.lane("doorbell"),
            self.mask("sequencer"),
        )

    def stream(self) -> Stream:
        """All that was published: files, then the ring."""
        return Stream(
            self.shared.attach("stream"),
            self.topology.journal_paths,
            self.topology.journal.segment_messages,
            self.shared.attach("marks"),
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
            stream=self.stream(),
            contributor=self.contributor(name) if kind.proposes else None,
            topic=self.configuration.topic_of(name),
            metrics=self.metrics,
            lossy=self.shared.attach("stream.lossy", writable=True),
            stack=self.stack,
            tcp=self.former_tcp,
            listening=self.listening,
            watch=self.watch,
            beside=partial(self.beside, name),
        )
        agent = kind.make(site)
        if isinstance(agent, Agent):
            self.core.add(name, agent)
        else:
            self.core.host(name, agent)

    def former_tcp(self, endpoint: str) -> int:
        """The TCP port that an endpoint had before its process died, 0 if it had none."""
        return self._tcp.get(endpoint, 0)

    def listening(self, endpoint: str, tcp: int) -> None:
        """Tell the launcher, which reads it there; a successor is given the same one."""
        counter = self.metrics.counter(tcp_counter(endpoint))
        counter.add(tcp - counter.value)

    def watch(self, descriptor: int) -> None:
        """Be woken by it too."""
        if self._epoll is None:
            raise UsageError("this kind of application does not say that it waits for sockets")
        self._epoll.register(descriptor, select.EPOLLIN)

    def beside(self, name: str, run: Callable[[], None], stop: Callable[[], None]) -> None:
        """Run something in a thread of its own while the core runs; `stop` makes it return."""
        self._stops.append(stop)
        self._threads.append(threading.Thread(target=run, name=f"beside {name}"))

    def aside(self, name: str, run: Callable[[], None], stop: Callable[[], None]) -> None:
        """The same for what others on this CPU need not wait for."""

        def nicely() -> None:
            os.nice(NICENESS)
            run()

        self.beside(name, nicely, stop)

    def pause(self, seconds: float) -> bool:
        """Wait, in a thread beside the core; True: the core stops."""
        return self._stopping.wait(seconds)

    @property
    def has_failed(self) -> bool:
        """Whether it ends with an error."""
        return bool(self._errors)

    def fail(self, text: str) -> None:
        """End the core with this error, from a thread beside it."""
        self._errors.append(f"core {self.section.name}: {text}")
        CorePage(self._page).stop()


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
            with load("tools.standby:StandbyProcess")(configuration, section) as standby:
                return int(standby.run())
        with CoreProcess(configuration, section, tcp, goes_on) as process:
            return process.run()
    except (ConfigurationError, RingbusError, OSError, ValueError) as error:
        print(f"core {arguments[1]}: {error}", file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    leave(main())
