"""Core: a process on one CPU that runs a list of agents round robin."""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol, runtime_checkable

from ringbus._ringbus import ffi, lib
from ringbus.idle import Idle, Strategy
from ringbus.memory import Memory
from ringbus.metrics import Metrics
from ringbus.status import CorruptionError, check

WAITS = {strategy.name.lower(): strategy for strategy in Strategy}


class ClockMode(IntEnum):
    """Where an agent's time comes from."""

    REAL = 0
    MANUAL = 1
    COUNTED = 2


CLOCKS = {"real": ClockMode.REAL, "manual": ClockMode.MANUAL, "counted": ClockMode.COUNTED}


class CoreState(IntEnum):
    """What a core's page says."""

    EMPTY = 0
    STARTING = 1
    RUNNING = 2
    STOPPED = 3
    FAILED = 4


@runtime_checkable
class Agent(Protocol):
    """State and a C function `work(state, limit) -> count`, as void pointers of cffi."""

    @property
    def work(self) -> object:
        """The function."""

    @property
    def state(self) -> object:
        """Its first argument."""

    @property
    def check_text(self) -> object:
        """Function that tells the last broken invariant of the agent's library."""


class Worker(Protocol):
    """An agent in Python, such as an application."""

    def do_work(self, limit: int) -> int:
        """Do at most about `limit` pieces of work; returns how many. Never waits."""


# Histograms of what turns of an agent take and of a core's stalls, and the counter of how many
# rounds one is timed of; a core's metrics page has room for all of them and for so many others.
DUTY, STALLS, SAMPLED = "turns of ", "stalls of ", "rounds of which one is timed"
OTHERS = 7


def histograms_of(agents: int) -> int:
    """Histograms that the metrics page of a core with so many agents needs room for."""
    return agents + 1 + OTHERS


# Pieces of work that a worker is asked for at a time: a batch that numpy is quick with.
WORKER_LIMIT = 4096


def page_bytes() -> int:
    """Bytes of a core's page."""
    return int(lib.rb_core_page_bytes())


def create_page(memory: Memory, name: str) -> None:
    """Lay out the page of the core `name` in zeroed memory."""
    check(lib.rb_core_page_init(memory.address, memory.size, name.encode()), f"core {name}")


class CorePage:
    """A core as a watcher sees it. Thread: any, while the core runs."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._page = memory.address

    @property
    def state(self) -> CoreState:
        """Its state."""
        return CoreState(lib.rb_core_page_state(self._page))

    @property
    def pid(self) -> int:
        """Its process, 0 before the first."""
        return int(lib.rb_core_page_pid(self._page))

    @property
    def cpu(self) -> int | None:
        """The CPU that it is pinned to."""
        cpu = int(lib.rb_core_page_cpu(self._page))
        return None if cpu < 0 else cpu

    @property
    def beat_ns(self) -> int:
        """When it last beat, ns since the epoch."""
        return int(lib.rb_core_page_beat(self._page))

    @property
    def rounds(self) -> int:
        """Rounds over its agents."""
        return int(lib.rb_core_page_rounds(self._page))

    @property
    def parks(self) -> int:
        """Times it slept."""
        return int(lib.rb_core_page_parks(self._page))

    @property
    def agents(self) -> dict[str, int]:
        """Pieces of work done by agent, in the order in which they run."""
        return {
            ffi.string(lib.rb_core_page_agent(self._page, n)).decode(): int(
                lib.rb_core_page_work(self._page, n)
            )
            for n in range(lib.rb_core_page_agents(self._page))
        }

    @property
    def failure(self) -> str:
        """Why it failed; empty if it did not."""
        return str(ffi.string(lib.rb_core_page_failure(self._page)).decode())

    def stop(self) -> None:
        """Tell it to stop; it does at the end of its round."""
        lib.rb_core_page_stop(self._page)

    def reset(self) -> None:
        """Back to empty, before a restart."""
        lib.rb_core_page_reset(self._page)


class Core:
    """The loop of this process, or of a test.

    Args: page: memory of its page; bells: of the exchange; name: of the core and its bell; wait:
    spin, yield, park or adaptive; clock: real, manual or counted; cpu: where it is pinned, for the
    page; epoll_fd: where it waits if an agent has sockets; stream_reader: wake it for published
    messages.
    Thread: the one that made it.
    """

    def __init__(
        self,
        page: Memory,
        bells: Memory,
        name: str,
        wait: str = "park",
        clock: str = "real",
        cpu: int | None = None,
        epoll_fd: int = -1,
        stream_reader: bool = True,
    ) -> None:
        self.name = name
        self.idle = Idle(bells, name, WAITS[wait], epoll_fd, stream_reader)
        self._page = page
        self._agents: list[Agent] = []
        self._workers: list[tuple[int, Worker]] = []
        self._handle = ffi.new("rb_core *")
        check(
            lib.rb_core_attach(
                self._handle,
                page.address,
                page.size,
                self.idle.handle,
                int(CLOCKS[clock]),
                -1 if cpu is None else cpu,
            ),
            f"core {name}",
        )
        self.clock = lib.rb_core_clock(self._handle)
        self.wake = lib.rb_core_wake(self._handle)

    @property
    def bell(self) -> int:
        """Index of this core's bell."""
        return self.idle.bell

    @property
    def now_ns(self) -> int:
        """What the agents' clock says."""
        return int(lib.rb_clock_now(ffi.cast("rb_clock *", self.clock)))

    def set_time(self, now_ns: int) -> None:
        """Set a manual clock."""
        ffi.cast("rb_clock *", self.clock).now_ns = now_ns

    def add(self, name: str, agent: Agent) -> None:
        """Run `agent` too, behind those that are there."""
        self._agents.append(agent)
        check(
            lib.rb_core_add(self._handle, name.encode(), agent.work, agent.state, agent.check_text),
            f"agent {name}",
        )

    def host(self, name: str, worker: Worker) -> None:
        """Run `worker` too: it has its turn behind the agents in C."""
        self._workers.append((check(lib.rb_core_host(self._handle, name.encode()), name), worker))

    @property
    def hosts(self) -> bool:
        """Whether it runs workers in Python, whose turns are long."""
        return bool(self._workers)

    def measure(self, metrics: Metrics) -> None:
        """Record from here on what turns of those agents take that are there, and stalls."""
        for number, agent in enumerate(CorePage(self._page).agents):
            histogram = metrics.histogram_address(f"{DUTY}{agent}")
            check(lib.rb_core_time(self._handle, number, histogram), agent)
        lib.rb_core_watch(self._handle, metrics.histogram_address(f"{STALLS}{self.name}"))
        counter = metrics.counter(SAMPLED)
        counter.add(int(lib.rb_core_every(self._handle)) - counter.value)

    def round(self) -> int:
        """Run each agent once; returns the work done. Raises: CorruptionError: one failed."""
        work = int(lib.rb_core_round(self._handle))
        if work < 0:
            raise CorruptionError(CorePage(self._page).failure, work)
        return work + self._work()

    def wake_at(self, due_ns: int) -> None:
        """Look up then at the latest, once, though nobody rings; for a worker with a timer."""
        lib.rb_core_wake_at(self._handle, due_ns)

    def ring(self, mask: int) -> None:
        """Wake the cores of `mask` at the end of the next round; for a worker."""
        lib.rb_core_ring(self._handle, mask)

    def _work(self) -> int:
        """Run each worker once. What one raises ends the core, and its page says so."""
        total = 0
        for number, worker in self._workers:
            try:
                done = worker.do_work(WORKER_LIMIT)
            except BaseException as error:
                why = f"{type(error).__name__}: {error}"
                lib.rb_core_give_up(self._handle, number, why.encode())
                raise
            lib.rb_core_did(self._handle, number, done)
            total += done
        return total

    def stop_on_signals(self) -> None:
        """End `run` on SIGTERM and SIGINT."""
        check(lib.rb_core_stop_on_signals(self._handle), "signals")

    def run(self) -> None:
        """Run until told to stop, without the GIL while there are no workers.

        Raises: CorruptionError: an agent failed; what a worker raised.
        """
        if self._workers:
            work = 1
            while self.turn(work):
                work = self._work()
            return
        status = int(lib.rb_core_run(self._handle))
        if status < 0:
            raise CorruptionError(CorePage(self._page).failure, status)

    def turn(self, work: int) -> bool:
        """One turn for a core whose loop is in Python: a round, then wait unless there was `work`.

        Returns: False: it was told to stop. Raises: CorruptionError: an agent failed.
        """
        status = int(lib.rb_core_turn(self._handle, work))
        if status < 0:
            raise CorruptionError(CorePage(self._page).failure, status)
        return status == 1

    def close(self) -> None:
        """Give the bell back."""
        self.idle.close()
