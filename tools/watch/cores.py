"""Cores and agents of a sample: who runs, how much of the time, and what waits for them."""

from __future__ import annotations

from dataclasses import dataclass

from ringbus.core import DUTY, SAMPLED, STALLS, CorePage
from ringbus.histogram import Histogram
from ringbus.metrics import Metrics
from tools.process import Faults
from tools.sections import CoreSection
from tools.state import CoreRecord
from tools.watch.growth import Growth
from tools.watch.sample import AgentSample, CoreSample, RingSample
from tools.watch.usage import usage


@dataclass(frozen=True, slots=True)
class CoreWatch:
    """One core by its pages; `locked`: its exchange's memory is to be locked."""

    section: CoreSection
    page: CorePage
    metrics: Metrics
    locked: bool

    def sample(
        self,
        record: CoreRecord | None,
        rings: tuple[RingSample, ...],
        growth: Growth,
        now_ns: int,
    ) -> CoreSample:
        """How it is now.

        Args: record: what the launcher says of it; rings: of the same moment, the stream first.
        """
        section, page, beat_ns = self.section, self.page, self.page.beat_ns
        pid = record.process.pid if record else 0
        alive = record is not None and record.process.alive
        used = usage(pid if alive else 0)
        ran = growth.share((pid, "loop"), used.loop_ns)
        counters, histograms = self.metrics.counters(), self.metrics.histograms()
        every = counters.get(SAMPLED, 0)
        agents = tuple(
            AgentSample(
                agent,
                work,
                growth.per_s((section.name, agent), work),
                _duty(growth, histograms.get(f"{DUTY}{agent}"), (section.name, agent), every),
                _lag_of(agent, section.name, rings[0]),
                _waiting_for(agent, rings[1:]),
            )
            for agent, work in page.agents.items()
        )
        stalls = histograms.get(f"{STALLS}{section.name}")
        stalled_ns = stalls.sum if stalls else 0
        return CoreSample(
            name=section.name,
            wait=section.wait,
            pid=pid,
            alive=alive,
            state=page.state,
            cpu=page.cpu,
            beat_age_ns=max(0, now_ns - beat_ns) if beat_ns else None,
            restarts_count=record.restarts if record else 0,
            failure=page.failure,
            cpu_share=growth.share((pid, "cpu"), used.cpu_ns),
            # One that never sleeps always runs, with or without work.
            duty_share=sum(one.duty_share or 0.0 for one in agents) if section.is_hot else ran,
            waited_ns=growth.of((pid, "waited"), used.loop_waited_ns),
            stalls_count=stalls.total if stalls else 0,
            stalled_ns=growth.of((section.name, "stalled"), stalled_ns),
            cpu_ns=used.cpu_ns,
            waited_total_ns=used.loop_waited_ns,
            stalled_total_ns=stalled_ns,
            rounds_count=page.rounds,
            parks_count=page.parks,
            faults=_faults(record),
            forbids=section.is_hot or self.locked,
            agents=agents,
            counters=counters,
        )


def _duty(
    growth: Growth, turns: Histogram | None, key: tuple[str, str], every: int
) -> float | None:
    """How much of the interval an agent was at work; one turn of `every` is timed, by chance."""
    if turns is None or every == 0:
        return None
    return growth.share((*key, "duty"), turns.sum) * every


def _faults(record: CoreRecord | None) -> Faults | None:
    """Page faults of a core's process since it was warm."""
    if record is None or record.warm is None:
        return None
    try:
        return record.process.faults.since(record.warm)
    except ProcessLookupError:
        return None


def _lag_of(agent: str, core: str, stream: RingSample) -> int | None:
    """How far its reader of the stream is behind, if it shows one.

    Of a port that stands by for another on its own core, the reader is called after both.
    """
    names = (agent, f"{agent} {core}")
    return next((one.lag_count for one in stream.readers if one.name in names), None)


def _waiting_for(agent: str, lanes: tuple[RingSample, ...]) -> int | None:
    """Messages in the lanes to a part of the engine."""
    found = [one.fill_count for one in lanes if _leads_to(one.name, agent)]
    return sum(found) if found else None


def _leads_to(lane: str, agent: str) -> bool:
    if agent == "sequencer":
        return lane.startswith("lane.")
    return lane.endswith(".out") if agent == "publisher" else lane == f"{agent}.in"
