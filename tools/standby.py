"""The process of a passive engine: follows the stream, and becomes the engine when it is told to.

It is told by SIGUSR1 (`ringbus promote`, or the launcher when failover is automatic). It believes
neither: only the stream's lock, which the kernel frees with the dead publisher, lets it speak.
"""

from __future__ import annotations

import signal
import sys
import time
from contextlib import ExitStack
from types import FrameType, TracebackType

from engine.fused import Size
from engine.passive import Divergence
from engine.standby import Estate, Reign, Standby
from ringbus.core import Core, CorePage
from ringbus.metrics import Metrics
from ringbus.multicast import lock_writer
from ringbus.segment import Segment
from ringbus.status import Lapped, RingbusError, UsageError
from tools.build import build_hash
from tools.configuration import Configuration
from tools.memory import Attachment
from tools.sections import DIVERGED, CoreSection
from tools.turns import SHORT_NS, ask_for_turns

ROOM_SECONDS = 0.001


class StandbyProcess:
    """One passive engine over the shared memory of its exchange; use it with `with`.

    Thread: the one that made it, which must be the main one (signals).
    """

    def __init__(self, configuration: Configuration, section: CoreSection) -> None:
        self.configuration = configuration
        self.topology = topology = configuration.topology
        self.section = section
        self._stack = ExitStack()
        self._shared = self._stack.enter_context(Attachment(topology.name))
        self._bells = self._shared.attach("bells", writable=True)
        self._page = self._shared.attach(f"core.{section.name}", writable=True)
        self._metrics = Metrics.attach(
            self._shared.attach(f"metrics.{section.name}", writable=True)
        )
        self._metrics.repair()
        self.core = Core(
            self._page, self._bells, section.name, section.wait, "real", section.pinned
        )
        self.core.measure(self._metrics)
        self.standby = make_standby(configuration, self._shared)
        self._stack.callback(self.standby.close)
        # Now, since reading all that is installed takes longer than a promotion may.
        self._build = build_hash()
        self._promote = False
        signal.signal(signal.SIGUSR1, self._on_promote)
        self.core.stop_on_signals()

    def run(self) -> int:
        """Follow, and reign when it comes to that; returns the exit status."""
        ask_for_turns(SHORT_NS)
        try:
            while self.core.turn(self._follow()):
                if self._promote:
                    self._promote = False
                    if (engine := self._take_over()) is not None:
                        engine.run()
                        return 0
        except Divergence as error:
            print(f"ALARM: the active engine diverges: {error}", file=sys.stderr, flush=True)
            return DIVERGED
        except RingbusError as error:
            print(f"core {self.section.name}: {error}", file=sys.stderr, flush=True)
            return 1
        return 0

    def close(self) -> None:
        """Unmap and close everything."""
        self._stack.close()

    def __enter__(self) -> StandbyProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _on_promote(self, number: int, frame: FrameType | None) -> None:
        self._promote = True

    def _follow(self) -> int:
        try:
            return self.standby.follow()
        except Lapped:
            # What the ring has lost will be in the files in a moment.
            return 0

    def _take_over(self) -> Core | None:
        """Become the engine; None: the active one lives."""
        seat = self.topology.core_of("sequencer")
        page = self._shared.attach(f"core.{seat.name}", writable=True)
        started_ns = time.monotonic_ns()
        estate = estate_of(self.configuration, self._shared)
        try:
            lock = lock_writer(estate.ring)
        except UsageError as error:
            print(f"not promoted: {error}", file=sys.stderr, flush=True)
            return None
        # Contributors ring the bell of the sequencer's core: it is this process's from here on.
        CorePage(page).reset()
        core = Core(
            page,
            self._bells,
            seat.name,
            self.section.wait,
            "real",
            self.section.pinned,
            stream_reader=False,
        )
        reign = self.standby.promote(core, estate, self._build, time.time_ns(), _wait, lock)
        measure(reign, self._metrics)
        core.measure(self._metrics)
        core.stop_on_signals()
        took_ms = (time.monotonic_ns() - started_ns) / 1e6
        print(
            f"promoted: epoch {self.standby.epoch + 1} begins, {took_ms:.1f} ms after the order",
            file=sys.stderr,
            flush=True,
        )
        return core


def make_standby(configuration: Configuration, shared: Attachment) -> Standby:
    """A standby of an exchange's engine, which has followed nothing yet."""
    topology = configuration.topology
    size = Size(
        len(configuration.instruments),
        topology.exchange.shards,
        orders=topology.limits.orders,
        price_nodes=topology.limits.price_nodes,
    )
    return Standby(
        size,
        configuration.shard_of,
        shared.attach("stream"),
        topology.journal_paths,
        topology.journal.segment_messages,
        configuration.risk(),
    )


def estate_of(configuration: Configuration, shared: Attachment) -> Estate:
    """What the dead engine of an exchange has left, or the memory of one that never was."""
    topology = configuration.topology
    shards = range(topology.exchange.shards)

    def lane(part: str) -> Segment:
        return shared.attach(part, writable=True)

    return Estate(
        lane("doorbell"),
        [lane(f"lane.{name}") for name in topology.contributors],
        [lane(f"shard.{n}.in") for n in shards],
        [lane(f"shard.{n}.out") for n in shards],
        lane("stream"),
        shared.attach("stream.readers", writable=True),
        configuration.topics,
        configuration.group_of,
        shared.attach("settled", writable=True),
    )


def measure(reign: Reign, metrics: Metrics) -> None:
    """Let a new engine record where its predecessor did."""
    reign.sequencer.measure(
        metrics.histogram_address("port to sequencer"),
        metrics.counter_address("refused proposals"),
        metrics.counter_address("dropped proposals"),
    )


def go_on(
    configuration: Configuration, shared: Attachment, core: Core, metrics: Metrics, stopped_ns: int
) -> Standby:
    """Rebuild the engine from the day's journals and let it reign on `core`.

    Args: stopped_ns: where a stopped clock stands, 0 if it does not.
    Returns: the standby that it was, to be closed behind the core.
    Raises: Divergence: this build would not have said what is recorded; and as Standby.promote.
    """
    standby = make_standby(configuration, shared)
    try:
        estate = estate_of(configuration, shared)
        now_ns = stopped_ns or time.time_ns()
        measure(standby.promote(core, estate, build_hash(), now_ns, _wait), metrics)
    except BaseException:
        standby.close()
        raise
    return standby


def _wait() -> None:
    time.sleep(ROOM_SECONDS)
