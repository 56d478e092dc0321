"""Sampler: looks at an exchange that is up, as often as it is asked to, without being noticed.

Everything is mapped for reading only, nothing is claimed, rung or locked: a look at a counter costs
its owner one cache line that another CPU has read. What only the stream knows (sessions, prices,
limits, alarms) a Tally hears as a lossy reader, so much of it at a time as the caller says.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

from ringbus.backing import Backing
from ringbus.core import CorePage
from ringbus.histogram import Histogram
from ringbus.lane import Lane
from ringbus.marks import Marks
from ringbus.metrics import Metrics
from ringbus.multicast import Reader, gates
from ringbus.places import Place
from ringbus.replay import Stream
from ringbus.status import NotFoundError, UsageError
from tools.configuration import Configuration
from tools.hops import of_hops, ordered
from tools.memory import Attachment
from tools.state import CONFIGURATION_FILE, State, find
from tools.watch.cores import CoreWatch
from tools.watch.growth import Growth
from tools.watch.sample import (
    HopSample,
    InstrumentSample,
    JournalSample,
    ReaderSample,
    RingSample,
    Sample,
    SessionSample,
)
from tools.watch.tally import Tally
from tools.watch.usage import usage

BATCH: Final = 4096


class Sampler:
    """A look at the exchange of that name; use it with `with`.

    Args: name: of an exchange that is up; hears: whether to listen to its stream too.
    Raises: NotFoundError: there is none, or it is just starting; ConfigurationError; RingbusError.
    Thread: one.
    """

    def __init__(self, name: str, hears: bool = True) -> None:
        self._state = _state_of(name)
        saved = Path(self._state.directory) / CONFIGURATION_FILE
        self.configuration = Configuration.restore(saved)
        self.topology = self.configuration.topology
        self._growth = Growth()
        self._time_ns = 0
        self._tally: Tally | None = None
        # Not prefaulted: most of the ring will never be looked at.
        self._shared = Attachment(name, Backing(prefault=False))
        try:
            self._attach(hears)
        except BaseException:
            self.close()
            raise

    def _attach(self, hears: bool) -> None:
        attach, topology = self._shared.attach, self.topology
        self._stream = Reader(attach("stream"))
        self._marks = Marks(attach("marks"))
        self._cores = [
            CoreWatch(
                one,
                CorePage(attach(f"core.{one.name}")),
                Metrics.attach(attach(f"metrics.{one.name}")),
                topology.memory.lock,
            )
            for one in topology.cores
        ]
        shards = range(topology.exchange.shards)
        lanes = [f"lane.{name}" for name in topology.contributors]
        lanes += [f"shard.{n}.{way}" for n in shards for way in ("in", "out")]
        self._lanes = {name: Lane(attach(name)) for name in lanes}
        self._hops: dict[str, Histogram] = {}
        if hears:
            segment = topology.journal.segment_messages
            stream = Stream(attach("stream"), topology.journal_paths, segment)
            self._tally = Tally(stream, self.configuration)

    def follow(self, limit: int) -> int:
        """Hear what the stream has new, about `limit` messages at most; returns how many.

        Raises: CorruptionError: it contradicts itself; DataError: a journal is damaged.
        """
        heard = 0
        while self._tally is not None and heard < limit:
            count = self._tally.do_work(min(BATCH, limit - heard))
            if count == 0:
                break
            heard += count
        return heard

    def sample(self, now_ns: int) -> Sample:
        """How it is now. Raises: NotFoundError: it is gone, or another has taken its name."""
        state = _state_of(self._state.name)
        if state.launcher != self._state.launcher:
            raise NotFoundError(f"exchange {state.name} was taken down, and another is up")
        interval_ns = max(0, now_ns - self._time_ns) if self._time_ns else 0
        self._time_ns = now_ns
        self._growth.turn(interval_ns)
        tally, tail = self._tally, self._stream.tail
        rings = self._rings(tail)
        return Sample(
            name=state.name,
            banner=state.banner,
            build=state.build,
            directory=state.directory,
            time_ns=now_ns,
            interval_ns=interval_ns,
            launcher_pid=state.launcher.pid,
            launcher_alive=state.launcher.alive,
            ready=state.ready,
            ports=state.ports,
            tail=tail,
            messages_per_s=self._growth.per_s("tail", tail),
            heard=tally.heard if tally else 0,
            own_cpu_share=self._growth.share("own", usage(os.getpid()).cpu_ns),
            alarms_count=tally.alarms_count if tally else 0,
            commands_count=tally.commands_count if tally else 0,
            cores=tuple(
                one.sample(state.cores.get(one.section.name), rings, self._growth, now_ns)
                for one in self._cores
            ),
            rings=rings,
            journals=tuple(
                JournalSample(name, durable, max(0, tail - durable))
                for name, durable in self._marks.durable().items()
            ),
            hops=tuple(self._hop_samples()),
            sessions=tuple(self._session(one) for one in tally.sessions()) if tally else (),
            instruments=tuple(self._instrument(one) for one in tally.instruments())
            if tally
            else (),
            limits=tuple(tally.limits()) if tally else (),
            events=tally.events() if tally else (),
        )

    # Parts of it.

    def _rings(self, tail: int) -> tuple[RingSample, ...]:
        """The stream, then every lane."""
        places = gates(self._shared.attach("stream.readers"))
        slowest = min((one.cursor for one in places), default=tail)
        places += gates(self._shared.attach("stream.lossy"))
        stream = RingSample(
            "stream",
            self._stream.capacity,
            max(0, tail - slowest),
            tail,
            self._stream.waits,
            tuple(_reader(one, tail) for one in places),
        )
        lanes = (RingSample(name, lane.capacity, lane.depth) for name, lane in self._lanes.items())
        return stream, *lanes

    def _hop_samples(self) -> Iterator[HopSample]:
        """Every hop, merged over the cores, and what it took in the interval."""
        found: dict[str, list[Histogram]] = {}
        for core in self._cores:
            for name, histogram in of_hops(core.metrics.histograms()).items():
                found.setdefault(name, []).append(histogram.snapshot())
        for name in ordered(found):
            whole = Histogram.merged(found[name])
            try:
                new = whole - self._hops[name] if name in self._hops else Histogram()
            except UsageError:
                new = whole  # the page was laid out anew
            self._hops[name] = whole
            median, tail = new.percentiles((50.0, 99.0))
            # The highest value of a count's range can be above the exact maximum.
            most = new.max if new.total else 0
            yield HopSample(name, new.total, min(median, most), min(tail, most), most, whole)

    def _session(self, one: SessionSample) -> SessionSample:
        return dataclasses.replace(
            one,
            requests_per_s=self._growth.per_s(("asked", one.session), one.requests_count),
            answers_per_s=self._growth.per_s(("told", one.session), one.answers_count),
        )

    def _instrument(self, one: InstrumentSample) -> InstrumentSample:
        rate = self._growth.per_s(("trades", one.symbol), one.trades_count)
        return dataclasses.replace(one, trades_per_s=rate) if rate else one

    def close(self) -> None:
        """Close the journals and unmap everything."""
        if self._tally is not None:
            self._tally.close()
            self._tally = None
        self._shared.close()

    def __enter__(self) -> Sampler:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _state_of(name: str) -> State:
    state = find(name)
    if state is None:
        raise NotFoundError(f"exchange {name} is not up")
    return state


def _reader(place: Place, tail: int) -> ReaderSample:
    return ReaderSample(**dataclasses.asdict(place), lag_count=max(0, tail - place.cursor))
