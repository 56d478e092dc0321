"""`ringbus status`: the cores of an exchange, its ports, the stream and its gating readers."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from ringbus.application import line_of
from ringbus.backing import Mapped, mapped, process_memory, size
from ringbus.lines import Alarm
from ringbus.replay import Replay
from ringbus.segment import segment_name, segment_path
from ringbus.status import RingbusError
from tools.memory import Attachment
from tools.state import find
from tools.topology import ConfigurationError, Topology
from tools.watch.alarms import alarm_words, alarms_heard
from tools.watch.sample import Sample
from tools.watch.sampler import Sampler

LATE = (
    "waited for pages that were to be in memory, 0.5 µs to milliseconds each: "
    "[memory] lock = true and prefault = true keep them there, if LimitMEMLOCK allows it"
)


@dataclass(frozen=True, slots=True)
class ExchangeStatus:
    """A whole exchange at one moment, and what its processes have in memory.

    `memory` is by core; `alarms` are on the stream, the last one in words.
    """

    sample: Sample
    memory: dict[str, Mapped]
    stream_memory: Mapped | None
    alarms: int
    last_alarm: str

    @property
    def durable(self) -> dict[str, int]:
        """By journal the last sequence that is on its disk."""
        return {one.name: one.durable for one in self.sample.journals}


def look(name: str, now_ns: int) -> ExchangeStatus | None:
    """See how an exchange is; None if there is none of that name.

    Raises: RingbusError, ConfigurationError: some of it is gone.
    """
    if find(name) is None:
        return None
    with Sampler(name, hears=False) as sampler:
        sample, topology = sampler.sample(now_ns), sampler.topology
    pids = {core.name: core.pid for core in sample.cores}
    # As the process that writes it has got it: that is the one that counts.
    writer = pids[topology.core_of("publisher").name]
    stream = segment_path(segment_name(name, "stream"))
    alarms, sequence = alarms_heard(topology, sample.cores)
    return ExchangeStatus(
        sample,
        {core: process_memory(pid) for core, pid in pids.items()},
        mapped(stream, writer) if writer else None,
        alarms,
        _words(name, topology, sequence) if sequence else "",
    )


def _words(name: str, topology: Topology, sequence: int) -> str:
    """The alarm at that place of the stream."""
    with Attachment(name) as shared:
        segment = topology.journal.segment_messages
        replay = Replay(shared.attach("stream"), topology.journal_paths, sequence, segment)
        batch = replay.poll(1).copy()
        replay.close()
    line = line_of(batch, 0)
    return alarm_words(line) if isinstance(line, Alarm) else ""


def show(status: ExchangeStatus, console: Console) -> None:
    """Print the tables."""
    sample = status.sample
    stream = sample.rings[0]
    if sample.banner:
        console.print(sample.banner, style="bold red")
    launcher = "alive" if sample.launcher_alive else "[red]dead[/red]"
    console.print(
        f"exchange [bold]{sample.name}[/bold]  launcher {sample.launcher_pid} ({launcher})  "
        f"{'day open' if sample.ready else 'starting'}  {sample.directory}",
        highlight=False,
        soft_wrap=True,
    )
    cores = Table("core", "pid", "cpu", "state", "beat", "agent", "work", "restarts")
    for core in sample.cores:
        colour = "green" if core.beats else "red"
        cores.add_row(
            core.name,
            str(core.pid),
            "any" if core.cpu is None else str(core.cpu),
            f"[{colour}]{core.condition}[/{colour}]",
            "-" if core.beat_age_ns is None else f"{core.beat_age_ns / 1e6:,.1f} ms",
            "\n".join(agent.name for agent in core.agents),
            "\n".join(f"{agent.work_count:,}" for agent in core.agents),
            str(core.restarts_count),
        )
    console.print(cores)
    for core in sample.cores:
        said = f", {core.faults.words} since it was warm" if core.faults else ""
        memory = _amount(status.memory[core.name])
        console.print(f"memory of {core.name}: {memory}{said}", highlight=False)
        if core.is_late:
            console.print(f"core {core.name}: {LATE}", style="red", markup=False, soft_wrap=True)
        if core.failure:
            console.print(f"core {core.name}: {core.failure}", style="red", markup=False)
    for port, tcp in sample.ports.items():
        console.print(f"port {port}: TCP {tcp}", highlight=False)
    memory = f", {status.stream_memory.words}" if status.stream_memory else ""
    console.print(f"stream: {sample.tail:,} messages{memory}", highlight=False)
    waits = f"publisher: waited {stream.waits_count:,} times for gating readers"
    console.print(waits, highlight=False)
    for journal in sample.journals:
        said = f"{journal.name}: {journal.durable:,} durable, {journal.behind_count:,} behind"
        console.print(said, highlight=False)
    if status.alarms:
        said = f"alarms: {status.alarms:,}; the last one: {status.last_alarm}"
        console.print(said, style="red", markup=False, highlight=False, soft_wrap=True)
    for reader in stream.readers:
        kind = "gating" if reader.gates else "lossy"
        said = f"{kind} reader {reader.name}: {reader.lag_count:,} behind, {reader.counts}"
        console.print(f"{said} (pid {reader.pid})", highlight=False)


def _amount(memory: Mapped) -> str:
    """What a process has in memory: 84.1 MiB, of it 12 MiB in huge pages, locked."""
    if memory.present_bytes == 0:
        return "none"
    said = size(memory.present_bytes)
    if memory.huge_bytes:
        said += f", {size(memory.huge_bytes)} huge"
    return said + (f", {size(memory.locked_bytes)} locked" if memory.locked_bytes else "")


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
    if not status.sample.healthy:
        return 1
    return 2 if status.alarms or any(core.is_late for core in status.sample.cores) else 0
