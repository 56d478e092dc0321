"""`ringbus status`: the cores of an exchange, its ports, the stream and its gating readers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ringbus.application import line_of
from ringbus.backing import Mapped, mapped, process_memory, size
from ringbus.core import CorePage, CoreState
from ringbus.describe import named
from ringbus.lines import Alarm
from ringbus.marks import Marks
from ringbus.messages import GuardianAction, GuardianRule, MassCancelScope
from ringbus.metrics import Metrics
from ringbus.multicast import Reader, gates
from ringbus.places import Place
from ringbus.replay import Replay
from ringbus.status import RingbusError
from tools.configuration import Configuration
from tools.kinds.guardian import count_name, last_name
from tools.memory import Attachment
from tools.process import Faults
from tools.state import CONFIGURATION_FILE, CoreRecord, State, find
from tools.topology import ConfigurationError, Topology

BEAT_NS_MAX = 1_000_000_000
LATE = (
    "waited for pages that were to be in memory, 0.5 µs to milliseconds each: "
    "[memory] lock = true and prefault = true keep them there, if LimitMEMLOCK allows it"
)


@dataclass(frozen=True, slots=True)
class CoreStatus:
    """One core; `beat_age_ns` None if it never beat.

    `faults`: page faults since it was warm, None before; `forbids` them: it never sleeps, or has
    locked its memory, so each is a pause that its topology says there is none of.
    """

    name: str
    pid: int
    alive: bool
    cpu: int | None
    state: CoreState
    beat_age_ns: int | None
    agents: dict[str, int]
    restarts: int
    failure: str
    memory: Mapped
    faults: Faults | None
    forbids: bool

    @property
    def is_late(self) -> bool:
        """Whether it has waited for pages that were to be in memory."""
        return self.forbids and self.faults is not None and self.faults.total > 0

    @property
    def beats(self) -> bool:
        """Whether it is alive, runs, and beat within the last second."""
        return (
            self.alive
            and self.state == CoreState.RUNNING
            and self.beat_age_ns is not None
            and self.beat_age_ns < BEAT_NS_MAX
        )


@dataclass(frozen=True, slots=True)
class ExchangeStatus:
    """A whole exchange at one moment; `tail` is the stream's last sequence.

    `waits` is how often the journal kept the publisher waiting; `durable` is by journal the last
    sequence that is on its disk. `alarms` are on the stream, the last one in words.
    """

    state: State
    launcher_alive: bool
    cores: tuple[CoreStatus, ...]
    tail: int
    waits: int
    gates: tuple[Place, ...]
    lossy: tuple[Place, ...]
    durable: dict[str, int]
    stream_memory: Mapped | None
    alarms: int
    last_alarm: str

    @property
    def healthy(self) -> bool:
        """Whether the day is open and every process is at work."""
        return self.state.ready and self.launcher_alive and all(core.beats for core in self.cores)


def look(name: str, now_ns: int) -> ExchangeStatus | None:
    """See how an exchange is; None if there is none of that name.

    Raises: RingbusError, ConfigurationError: some of it is gone.
    """
    state = find(name)
    if state is None:
        return None
    topology = Configuration.restore(Path(state.directory) / CONFIGURATION_FILE).topology
    with Attachment(name) as shared:
        cores = []
        for section in topology.cores:
            page = CorePage(shared.attach(f"core.{section.name}"))
            record = state.cores.get(section.name)
            beat_ns = page.beat_ns
            cores.append(
                CoreStatus(
                    name=section.name,
                    pid=record.process.pid if record else 0,
                    alive=record is not None and record.process.alive,
                    cpu=page.cpu,
                    state=page.state,
                    beat_age_ns=max(0, now_ns - beat_ns) if beat_ns else None,
                    agents=page.agents,
                    restarts=record.restarts if record else 0,
                    failure=page.failure,
                    memory=process_memory(record.process.pid if record else 0),
                    faults=_faults(record),
                    forbids=section.is_hot or topology.memory.lock,
                )
            )
        stream = shared.attach("stream")
        reader = Reader(stream)
        # As the process that writes it has got it: that is the one that counts.
        writer = state.cores.get(topology.core_of("publisher").name)
        memory = mapped(stream.path, writer.process.pid) if writer else None
        alarms, sequence = _alarms(shared, topology)
        return ExchangeStatus(
            state,
            state.launcher.alive,
            tuple(cores),
            reader.tail,
            reader.waits,
            tuple(gates(shared.attach("stream.readers"))),
            tuple(gates(shared.attach("stream.lossy"))),
            Marks(shared.attach("marks")).durable(),
            memory,
            alarms,
            _words(shared, topology, sequence) if sequence else "",
        )


def _faults(record: CoreRecord | None) -> Faults | None:
    """Page faults of a core's process since it was warm."""
    if record is None or record.warm is None:
        return None
    try:
        return record.process.faults.since(record.warm)
    except ProcessLookupError:
        return None


def _alarms(shared: Attachment, topology: Topology) -> tuple[int, int]:
    """How many guardians have heard, and the sequence of the last one."""
    found = [(0, 0)]
    for one in topology.applications:
        if one.kind == "guardian":
            page = shared.attach(f"metrics.{topology.core_of(one.name).name}")
            counters = Metrics.attach(page).counters()
            found.append(
                (counters.get(count_name(one.name), 0), counters.get(last_name(one.name), 0))
            )
    return max(found)


def _words(shared: Attachment, topology: Topology, sequence: int) -> str:
    """The alarm at that place of the stream."""
    stream, segment = shared.attach("stream"), topology.journal.segment_messages
    replay = Replay(stream, topology.journal_paths, sequence, segment)
    batch = replay.poll(1).copy()
    replay.close()
    line = line_of(batch, 0)
    return alarm_words(line) if isinstance(line, Alarm) else ""


def alarm_words(line: Alarm) -> str:
    """Which rule, whose value, what it is and what it may be."""
    scope = MassCancelScope(line.scope)
    numbers = {
        MassCancelScope.SESSION: line.session,
        MassCancelScope.ACCOUNT: line.account,
        MassCancelScope.FIRM: line.firm,
        MassCancelScope.INSTRUMENT: line.instrument,
    }
    who = named(MassCancelScope, line.scope).lower()
    whose = f"{who} {numbers[scope]}" if scope in numbers else "everybody"
    action = ", kills" if line.action == GuardianAction.KILL else ""
    rule = named(GuardianRule, line.kind).lower().replace("_", "-")
    return f"rule {line.rule}, {rule} of {whose}: {line.value:,}, bound {line.bound:,}{action}"


def show(status: ExchangeStatus, console: Console) -> None:
    """Print the tables."""
    state = status.state
    if state.banner:
        console.print(state.banner, style="bold red")
    launcher = "alive" if status.launcher_alive else "[red]dead[/red]"
    console.print(
        f"exchange [bold]{state.name}[/bold]  launcher {state.launcher.pid} ({launcher})  "
        f"{'day open' if state.ready else 'starting'}  {state.directory}",
        highlight=False,
        soft_wrap=True,
    )
    cores = Table("core", "pid", "cpu", "state", "beat", "agent", "work", "restarts")
    for core in status.cores:
        cores.add_row(
            core.name,
            str(core.pid),
            "any" if core.cpu is None else str(core.cpu),
            _condition(core),
            "-" if core.beat_age_ns is None else f"{core.beat_age_ns / 1e6:,.1f} ms",
            "\n".join(core.agents),
            "\n".join(f"{work:,}" for work in core.agents.values()),
            str(core.restarts),
        )
    console.print(cores)
    for core in status.cores:
        said = f", {core.faults.words} since it was warm" if core.faults else ""
        console.print(f"memory of {core.name}: {_amount(core.memory)}{said}", highlight=False)
        if core.is_late:
            console.print(f"core {core.name}: {LATE}", style="red", markup=False, soft_wrap=True)
        if core.failure:
            console.print(f"core {core.name}: {core.failure}", style="red", markup=False)
    for port, tcp in state.ports.items():
        console.print(f"port {port}: TCP {tcp}", highlight=False)
    memory = f", {status.stream_memory.words}" if status.stream_memory else ""
    console.print(f"stream: {status.tail:,} messages{memory}", highlight=False)
    console.print(f"publisher: waited {status.waits:,} times for gating readers", highlight=False)
    for journal, durable in status.durable.items():
        behind = max(0, status.tail - durable)
        console.print(f"{journal}: {durable:,} durable, {behind:,} behind", highlight=False)
    if status.alarms:
        said = f"alarms: {status.alarms:,}; the last one: {status.last_alarm}"
        console.print(said, style="red", markup=False, highlight=False, soft_wrap=True)
    for kind, readers in (("gating", status.gates), ("lossy", status.lossy)):
        for reader in readers:
            lag = max(0, status.tail - reader.cursor)
            console.print(
                f"{kind} reader {reader.name}: {lag:,} behind, {reader.counts} (pid {reader.pid})",
                highlight=False,
            )


def _amount(memory: Mapped) -> str:
    """What a process has in memory: 84.1 MiB, of it 12 MiB in huge pages, locked."""
    if memory.present_bytes == 0:
        return "none"
    said = size(memory.present_bytes)
    if memory.huge_bytes:
        said += f", {size(memory.huge_bytes)} huge"
    return said + (f", {size(memory.locked_bytes)} locked" if memory.locked_bytes else "")


def _condition(core: CoreStatus) -> str:
    if core.beats:
        return f"[green]{core.state.name.lower()}[/green]"
    if not core.alive:
        return "[red]dead[/red]"
    silent = core.state == CoreState.RUNNING
    return f"[red]{'silent' if silent else core.state.name.lower()}[/red]"


def report(name: str, now_ns: int, console: Console) -> int:
    """Print how an exchange is; returns the exit status.

    0: all is well; 1: a core does not beat, or there is no exchange; 2: every core beats, and a
    guardian has raised an alarm, or one that may have no page faults has some.
    """
    try:
        status = look(name, now_ns)
    except (RingbusError, ConfigurationError) as error:
        console.print(f"exchange {name}: {error}", markup=False, soft_wrap=True)
        return 1
    if status is None:
        console.print(f"exchange {name} is not up", markup=False)
        return 1
    show(status, console)
    if not status.healthy:
        return 1
    return 2 if status.alarms or any(core.is_late for core in status.cores) else 0
