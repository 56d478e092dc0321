"""Starts an exchange from its topology file and keeps it up: `ringbus up`.

    check ── shared memory ── cores ── first lines of the day ── READY ── supervise ── stop, remove

A core that runs only ports, applications and journals is started again when it dies: all of them
rebuild themselves from the stream. A dead engine is replaced by the passive one, on the operator's
word or at once, and stops everything where there is none. Whatever ends the launcher, nothing
outlives it: cores get SIGTERM from the kernel, and `ringbus down` removes the memory.
"""

from __future__ import annotations

import os
import signal
import sys

# An exception to the rule against time: to supervise is to wait and to look again.
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import FrameType

from ringbus.core import CorePage
from ringbus.idle import Idle, bell_mask
from ringbus.messages import RejectReason
from ringbus.metrics import Metrics
from ringbus.multicast import GatingReader
from ringbus.segment import listing, unlink
from ringbus.status import NotFoundError, RingbusError
from tools import closed, day, edge, memory, partitions, untuned
from tools.build import build_hash
from tools.carry import Plan, numbered, plan_for, table, words
from tools.child import (
    RESTARTS_MAX,
    RESTARTS_WINDOW_SECONDS,
    START_SECONDS,
    Child,
    log_tail,
)
from tools.closed import ClosedError
from tools.configuration import Configuration
from tools.day import DayError
from tools.memory import Attachment, tcp_counter
from tools.notify import Notifier
from tools.open_files import check_files
from tools.opening import OpeningError, open_day, opening_lines
from tools.owner_rules import commands_of
from tools.private import write_private
from tools.process import Process, end
from tools.release import ReleaseError, require
from tools.sections import DIVERGED, PASSIVE, CoreSection
from tools.state import CONFIGURATION_FILE, CoreRecord, State, claim, find, remove_files
from tools.topology import ConfigurationError, is_engine
from tools.turns import SHORT_NS, ask_for_turns
from tools.vigil import Vigil
from tuning.host import Host

POLL_SECONDS = 0.01
# A name that no core can have.
LAUNCHER_BELL = "the launcher"
# While nobody is to be started: deaths and signals are told at once, beats last for seconds.
REST_SECONDS = 0.25


class LaunchError(Exception):
    """The exchange cannot be started, or cannot go on; the text says why and what to do."""


class Launcher:
    """One exchange in the making, up, or going down; use it with `with`.

    Args: say: where progress goes, a line a call; monotonic, wait: the launcher's time; goes_on:
    with the day that the journals hold; replaces: a day that was not ended, by a new one; beat: is
    called as long as it supervises; host: this machine.
    Thread: one, which must live as long as the exchange: the kernel ends the cores with it.
    """

    def __init__(
        self,
        configuration: Configuration,
        say: Callable[[str], None] = print,
        monotonic: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
        goes_on: bool = False,
        replaces: bool = False,
        beat: Callable[[], None] = lambda: None,
        host: Host | None = None,
    ) -> None:
        self.configuration = configuration
        self.topology = configuration.topology
        self.name = self.topology.name
        self.directory = self.topology.directory
        self._say = say
        self._monotonic = monotonic
        self._wait = wait
        self._beat = beat
        self._children: list[Child] = []
        self._shared = Attachment(self.name)
        self._claimed = False
        self._ready = False
        self._build = build_hash()
        self._ports: dict[str, int] = {}
        self._vacant = False  # the engine is dead, and nobody has taken its place
        self._told: Process | None = None  # to take it
        self._goes_on = goes_on
        self._replaces = replaces
        self._laid_out = False
        self._carry: Plan | None = None  # what a closed day leaves to this one
        self._host = host or Host()
        self._idle: Idle | None = None  # to ring with
        self._partition = ""  # control group of cores that never sleep
        self.stop_requested = False

    def start(self) -> State:
        """Bring the exchange up; returns when the day's first lines are on the stream.

        Raises: LaunchError, DayError, ConfigurationError, RingbusError, OSError; nothing is left
        behind.
        """
        try:
            self._check_release()
            self._prepare()
            for child in self._children:
                # A day that goes on has its whole engine where the sequencer is.
                seat = "sequencer" in child.section.agents
                if not self._goes_on or seat or not all(map(is_engine, child.section.agents)):
                    self._spawn(child)
            self._write_state()
            self._await_cores()
            if not self._goes_on:
                self._open_day()
            self._ready = True
            return self._write_state()
        except BaseException:
            self.stop()
            raise

    def _check_release(self) -> None:
        """Raises: LaunchError: the topology requires a record that this build does not have."""
        try:
            release = require(self.topology, f"{self._build:016x}")
        except ReleaseError as error:
            raise LaunchError(str(error)) from None
        if release is not None:
            self._say(f"build {release.build} was signed by {release.author}, {release.signed_at}")

    def poll(self) -> None:
        """Look after every core once. Raises: LaunchError: the exchange cannot go on."""
        now_s = self._monotonic()
        if self._vacant:
            self._look_for_successor(now_s)
        for child in list(self._children):
            if child.due_s is not None:
                if now_s >= child.due_s:
                    self._restart(child)
                continue
            status = child.status()
            if status is not None:
                self._died(child, child.why(status))
            elif child.process is not None and child.is_silent(now_s):
                self._say(f"core {child.name} does not beat any more: it is killed")
                child.process.send(signal.SIGKILL)
        warm = [child for child in self._children if child.warms_up(now_s)]
        if warm:
            self._write_state()

    def run(self) -> None:
        """Supervise until `stop_requested`. Raises: LaunchError: the exchange cannot go on."""
        # It sleeps but for a death or a signal, which has to be answered at once.
        ask_for_turns(SHORT_NS)
        with Vigil() as vigil:
            while not self.stop_requested:
                self.poll()
                self._beat()
                alive = [one.process for one in self._children if one.process and one.due_s is None]
                hurries = self._vacant or any(one.due_s is not None for one in self._children)
                vigil.wait(alive, POLL_SECONDS if hurries else REST_SECONDS)

    def stop(self) -> None:
        """Stop every core, and remove memory and state."""
        # The journal goes last: what was published before is in its files.
        for last in (False, True):
            self._stop([c for c in self._children if self._records(c) == last])
        self._children.clear()
        self._shared.close()
        if self._partition:
            partitions.give_back(self.name, self._host, self._say)
            self._partition = ""
        if self._claimed and self._finish_day():
            remove_files(self.directory)
            for segment in listing(self.name):
                unlink(segment)
        self._claimed = False

    def _finish_day(self) -> bool:
        """What only the memory has goes into the journals; False: the memory must stay for it."""
        if not self._laid_out:
            return True
        try:
            day.finish_journals(self.topology)
        except DayError as error:
            self._say(f"{error}; `ringbus down {self.name}` tries again")
            return False
        if self._ready and self.stop_requested:
            day.ended(self.topology)
        return True

    def _records(self, child: Child) -> bool:
        return any(agent in self.topology.journals for agent in child.section.agents)

    def _stop(self, children: list[Child]) -> None:
        for child in children:
            child.page.stop()
            self._ring(child)
        killed = end(
            [child.process for child in children if child.process is not None],
            monotonic=self._monotonic,
        )
        for child in children:
            child.reap()
        for process in killed:
            self._say(f"process {process.pid} did not stop and was killed")

    def _ring(self, child: Child) -> None:
        """What it was told might have come between its last look and its sleep."""
        if self._idle is not None:
            bells = self._shared.attach("bells", writable=True)
            with suppress(NotFoundError):  # It has ended and given its bell back.
                self._idle.ring(bell_mask(bells, child.name))

    def __enter__(self) -> Launcher:
        return self

    def __exit__(self, *unused: object) -> None:
        self.stop()

    def _prepare(self) -> None:
        topology = self.topology
        for text in untuned.check_host(topology, untuned.host_of(topology)):
            self._say(f"warning: {text}")
        memory.check_room(topology, memory.free_bytes())
        check_files(topology)
        needs = edge.check_memory(self.configuration, edge.free_memory())
        refuse_if_there(self.name)
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "logs").mkdir(exist_ok=True)
        if not claim(self.name, self.directory):
            refuse_if_there(self.name)
            raise LaunchError(f"another launcher is just starting {self.name}; wait for it")
        self._claimed = True
        self._partition = partitions.keep(topology, self._host, self._say)
        self._write_state()
        former = day.recover(self.configuration, self._say) if self._goes_on else None
        if former is None:
            day.begin(topology, self._replaces, self._say)
            self._carry = plan_for(self.configuration, time.time_ns())
            carried = 0 if self._carry is None else self._carry.messages
        else:
            day.check_goes_on(topology, former)
            carried = former.carried
        self.configuration = replace(self.configuration, carried=carried)
        self.configuration.save(self.directory / CONFIGURATION_FILE)
        for text in memory.create(topology):
            self._say(f"warning: {text}; going on without")
        self._laid_out = True
        count, size = len(memory.parts(topology)), memory.total_bytes(topology)
        self._say(f"shared memory: {count} segments, {size / (1 << 20):,.1f} MiB")
        for need in needs:
            self._say(str(need))
        if former is not None:
            day.put_on_ring(topology, self._shared, former)
            day.opened(self.configuration)
            self._say(f"the day goes on behind message {former.last}")
        # Every bell is claimed here, so that a core finds those it has to ring, whoever starts
        # first. They are rung in this order: a client's answer leaves before anything else is done
        # with it, unless it waits for a journal.
        bells = self._shared.attach("bells", writable=True)
        for core in sorted(topology.cores, key=self._turn):
            Idle(bells, core.name, stream_reader=False)
        self._idle = Idle(bells, LAUNCHER_BELL, stream_reader=False)
        for core in topology.cores:
            page = CorePage(self._shared.attach(f"core.{core.name}", writable=True))
            log = self.directory / "logs" / f"{core.name}.log"
            if log.exists():
                log.replace(log.with_suffix(".log.1"))
            self._children.append(Child(core, page, log, topology.restartable(core)))

    def _turn(self, core: CoreSection) -> int:
        """Whose bell is rung first: 0 before 1 before 2."""
        if any(agent in self.topology.journals for agent in core.agents):
            return 0 if self.topology.copies_awaited else 2
        ports = {port.name for port in self.topology.ports}
        return 0 if ports.intersection(core.agents) else 1

    def _spawn(self, child: Child) -> None:
        # A port that comes back is where its clients look for it.
        ports = [f"{name}={tcp}" for name, tcp in self._ports.items()]
        saved = str(self.directory / CONFIGURATION_FILE)
        command = [sys.executable, "-m", "tools.core", saved, child.name, str(os.getpid())]
        command += ["--go-on"] if self._goes_on else []
        child.spawn([*command, *ports], self._monotonic())

    def _await_cores(self) -> None:
        deadline = self._monotonic() + START_SECONDS
        waiting = [child for child in self._children if child.process is not None]
        while waiting:
            self._check_start()
            for child in [child for child in waiting if child.runs]:
                waiting.remove(child)
                self._learn_ports(child)
                self._say(child.placed())
            if waiting and self._monotonic() > deadline:
                names = ", ".join(child.name for child in waiting)
                raise LaunchError(
                    f"core {names} did not run within {START_SECONDS:.0f} s"
                    f"{log_tail(waiting[0].log)}"
                )
            self._wait(POLL_SECONDS / 2)

    def _check_start(self) -> None:
        """Raises: LaunchError: a core has ended while the exchange starts, or it is to stop."""
        if self.stop_requested:
            raise LaunchError("told to stop while starting")
        for child in self._children:
            status = child.status()
            if status is not None:
                why = child.why(status)
                raise LaunchError(f"core {child.name} {why} at its start{log_tail(child.log)}")

    def _learn_ports(self, child: Child) -> None:
        """Which TCP ports the core has got; it counts them in its metrics page."""
        metrics = Metrics.attach(self._shared.attach(f"metrics.{child.name}"))
        for agent, endpoint in self.topology.endpoints:
            if agent in child.section.agents:
                tcp = metrics.counter(tcp_counter(endpoint)).value
                # One that stands by has none.
                self._ports[endpoint] = tcp or self._ports.get(endpoint, 0)

    def _open_day(self) -> None:
        lines = opening_lines(self.configuration, self._build)
        before = day.carried_place(self.configuration) - 1
        if self._carry is not None:
            lines = numbered(self._carry, lines)
        opened = open_day(self.configuration, lines, time.monotonic_ns, self._check_start)
        if opened.last != self.configuration.opening:
            raise OpeningError(
                f"the day's opening is {opened.last} messages, not {self.configuration.opening}"
            )
        if self._carry is not None:
            refused = {n - before: why for n, why in opened.refused.items()}
            self._tell_carried(self._carry, self._carry.refused_orders(refused))
        self._say(
            f"day opened: {len(self.configuration.instruments)} instruments, "
            f"{len(self.configuration.participants)} participants, "
            f"{len(commands_of(self.configuration))} rules, message {opened.last}"
        )
        day.opened(self.configuration)

    def _tell_carried(self, carry: Plan, refused: dict[int, RejectReason]) -> None:
        for text in words(carry):
            self._say(text)
        if refused:
            self._say(f"{len(refused):,} of the carried orders were refused by the engine")
        path = closed.directory_of(self.topology) / closed.CARRIED_FILE
        write_private(path, table(carry, refused))
        self._say(f"what became of each is in {self.directory}/day-{carry.former.name}/{path.name}")

    def _died(self, child: Child, why: str) -> None:
        if not child.restartable and self._passive() is not None:
            self._engine_died(child, why)
            return
        if not child.restartable:
            raise LaunchError(
                f"core {child.name} {why}: it runs {', '.join(child.section.agents)}; an engine "
                f"is not started again in a running exchange, which stops{log_tail(child.log)}"
            )
        if child.section.agents == (PASSIVE,) and child.status() == DIVERGED:
            self._say(f"ALARM: the passive engine has diverged, and ends{log_tail(child.log)}")
            child.forget()
            return
        pause_s = child.plan_restart(self._monotonic())
        if pause_s is None:
            self._give_up(child, why)
            return
        self._say(f"core {child.name} {why}; it is started again in {pause_s:.1f} s")
        if pause_s == 0.0:
            self._restart(child)

    def _give_up(self, child: Child, why: str) -> None:
        """It dies again and again. Raises: LaunchError: the exchange cannot be without it."""
        said = (
            f"core {child.name} {why}: it was started again {RESTARTS_MAX} times within "
            f"{RESTARTS_WINDOW_SECONDS:.0f} s"
        )
        journals = set(self.topology.journals)
        left = [
            agent
            for one in self._children
            if one is not child and one.process is not None
            for agent in one.section.agents
            if agent in journals
        ]
        needed = max(1, self.topology.copies_awaited)
        if not journals.issuperset(child.section.agents) or len(left) < needed:
            raise LaunchError(
                f"{said}, so the exchange stops; `ringbus up --continue` goes on with the day"
                f"{log_tail(child.log)}"
            )
        # Nobody waits for it any more: neither the engine nor, by the promise, an answer.
        child.forget()
        for journal in set(child.section.agents) & set(self.topology.gating_journals):
            stream = self._shared.attach("stream")
            readers = self._shared.attach("stream.readers", writable=True)
            GatingReader(stream, readers, journal).close()
        self._say(
            f"ALARM: {said}, and is given up; {', '.join(left)} still records the stream, and "
            f"gives it what it lacks when the day is gone on with{log_tail(child.log)}"
        )
        self._write_state()

    def _passive(self) -> Child | None:
        """The passive engine, if it lives."""
        for child in self._children:
            if child.section.agents == (PASSIVE,) and child.process is not None:
                return child
        return None

    def _engine_died(self, child: Child, why: str) -> None:
        """The rest of the engine is worth nothing without its dead part: it ends too."""
        for one in self._children:
            if not one.restartable:
                one.kill()
                one.forget()
        self._vacant = True
        self._say(f"core {child.name} {why}; the engine is down{log_tail(child.log)}")
        if self.topology.exchange.failover == "automatic":
            self._tell_passive()
        else:
            self._say(f"`ringbus promote {self.name}` lets the passive engine take over")
        self._write_state()

    def _tell_passive(self) -> None:
        """Let the passive engine take over, once it hears: before it runs the signal kills it."""
        passive = self._passive()
        if passive is None or passive.process is None or passive.process == self._told:
            return
        if passive.runs and passive.page.pid == passive.process.pid:
            self._told = passive.process
            passive.process.send(signal.SIGUSR1)
            self._ring(passive)
            self._say(f"the passive engine takes over, process {passive.process.pid}")

    def _look_for_successor(self, now_s: float) -> None:
        """When the passive engine has taken the sequencer's seat, another one follows it."""
        seat = self.topology.core_of("sequencer")
        passive = self._passive()
        if self.topology.exchange.failover == "automatic":
            self._tell_passive()
        (child,) = (one for one in self._children if one.section == seat)
        if passive is None or passive.process is None or not child.runs:
            return
        if child.page.pid != passive.process.pid:
            return
        child.adopt(passive, now_s)
        self._vacant = False
        agents = ", ".join(child.page.agents)
        self._say(f"core {child.name} runs again, in process {child.page.pid}: {agents}")
        self._restart(passive)

    def _restart(self, child: Child) -> None:
        child.page.reset()
        self._spawn(child)
        self._write_state()

    def _state(self) -> State:
        return State(
            name=self.name,
            topology=str(self.topology.path),
            directory=str(self.directory),
            launcher=Process.of(os.getpid()),
            cores={
                child.name: CoreRecord(child.process, child.restarts, child.warm)
                for child in self._children
                if child.process is not None
            },
            ports=dict(self._ports),
            build=f"{self._build:016x}",
            ready=self._ready,
            banner=self.topology.exchange.banner,
            partition=self._partition,
        )

    def _write_state(self) -> State:
        state = self._state()
        state.write()
        return state


def refuse_if_there(name: str) -> None:
    """Raises: LaunchError: an exchange of that name is up, or something is left of one."""
    state = find(name)
    if state is not None and state.launcher.alive:
        raise LaunchError(
            f"exchange {name} is up already (launcher {state.launcher.pid}, {state.directory}); "
            f"`ringbus down {name}` stops it"
        )
    left = listing(name)
    if left:
        raise LaunchError(
            f"{len(left)} segments of an exchange {name} are left, whose launcher is gone; "
            f"`ringbus down {name}` removes them"
        )


def up(
    configuration: Configuration,
    notify_fd: int = -1,
    goes_on: bool = False,
    replaces: bool = False,
) -> int:
    """Start an exchange and supervise it in this process until SIGTERM, SIGINT or SIGHUP.

    Args: notify_fd: gets one line when the exchange is ready; -1: nobody waits; goes_on, replaces:
    as Launcher.
    Returns: the exit status: 0 after a clean stop, 1 when it could not start or go on.
    """
    # Its processes inherit it: journals, logs and all else are for this account alone.
    os.umask(0o077)
    notifier = Notifier(time.monotonic)
    launcher = Launcher(
        configuration,
        lambda text: print(text, flush=True),
        goes_on=goes_on,
        replaces=replaces,
        beat=notifier.beat,
    )

    def on_signal(number: int, frame: FrameType | None) -> None:
        launcher.stop_requested = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, on_signal)
    try:
        with launcher:
            state = launcher.start()
            print(ready_line(configuration, state), flush=True)
            if notify_fd >= 0:
                os.write(notify_fd, b"READY\n")
                os.close(notify_fd)
            notifier.ready()
            launcher.run()
            notifier.stopping()
    except (
        LaunchError,
        ClosedError,
        DayError,
        OpeningError,
        ConfigurationError,
        RingbusError,
        OSError,
    ) as error:
        print(f"ringbus up: {error}", file=sys.stderr, flush=True)
        return 1
    print(f"{launcher.name} is down", flush=True)
    return 0


def ready_line(configuration: Configuration, state: State) -> str:
    """What `up` says last: where clients connect."""
    hosts = {port.name: f"{port.host}:" for port in configuration.topology.ports}
    ports = [f"{name} {hosts.get(name, '')}{tcp}" for name, tcp in state.ports.items()]
    live = ["LIVE"] if state.banner else []
    return " ".join(["READY", state.name, *live, *ports])
