"""`ringbus promote`: the passive engine takes the place of the dead one, by the operator's word."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ringbus.core import CorePage, CoreState
from ringbus.idle import Idle, bell_mask
from ringbus.status import RingbusError, UsageError
from tools.child import log_tail
from tools.configuration import Configuration
from tools.manual import Parser
from tools.memory import Attachment
from tools.process import Process
from tools.sections import PASSIVE
from tools.state import CONFIGURATION_FILE, CoreRecord, State, exchange_name, find
from tools.topology import ConfigurationError

PATIENCE_SECONDS = 10.0
LOOK_SECONDS = 0.002


class PromotionError(Exception):
    """There is nobody to promote, or no place to take; the text says what to do."""


def promote(name: str, stop_active: bool = False) -> str:
    """Promote the passive engine of an exchange; returns when it runs, with what to tell.

    Args: name: of the exchange; stop_active: end the active engine first (SIGKILL, as if it died).
    Raises: PromotionError, UsageError, RingbusError.
    """
    state = find(name)
    if state is None or not state.launcher.alive:
        raise PromotionError(f"exchange {name} is not up")
    topology = Configuration.restore(Path(state.directory) / CONFIGURATION_FILE).topology
    if not topology.has_passive:
        raise PromotionError(f"{name} has no passive engine: no [[core]] runs it")
    passive = topology.core_of(PASSIVE).name
    if passive not in state.cores or not state.cores[passive].process.alive:
        log = log_tail(Path(state.directory) / "logs" / f"{passive}.log")
        raise PromotionError(f"the passive engine of {name} is not there{log}")
    engine = [core for core in topology.cores if not topology.restartable(core)]
    alive = [core.name for core in engine if core.name in state.cores]
    if alive and not stop_active:
        raise PromotionError(
            f"the engine of {name} lives (core {', '.join(alive)}): there is no place to take; "
            "--stop-active ends it first"
        )
    if alive:
        _end(state, alive)
    return _await(name, passive, topology.core_of("sequencer").name)


def _end(state: State, cores: Sequence[str]) -> None:
    """End the engine and wait until the launcher knows."""
    for core in cores:
        state.cores[core].process.send(signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        now = find(state.name)
        if now is None:
            break
        if not any(core in now.cores for core in cores):
            return
        time.sleep(LOOK_SECONDS)
    raise PromotionError(f"exchange {state.name} went down with its engine")


def _await(name: str, passive: str, seat: str) -> str:
    """Tell the passive engine, and its successor if it dies over it, until one has the seat."""
    start_s = time.monotonic()
    told: Process | None = None
    with ExitStack() as stack:
        shared = stack.enter_context(Attachment(name))
        page = CorePage(shared.attach(f"core.{seat}"))
        bells = shared.attach("bells", writable=True)
        idle = stack.enter_context(Idle(bells, f"promote.{os.getpid()}", stream_reader=False))
        while (now_s := time.monotonic()) - start_s < PATIENCE_SECONDS:
            if told is not None and page.pid == told.pid and page.state == CoreState.RUNNING:
                took_ms = (now_s - start_s) * 1000
                return f"{name}: process {told.pid} is the engine, after {took_ms:.0f} ms"
            state = find(name)
            if state is None:
                break
            record = state.cores.get(passive)
            if record is not None and record.process != told and _hears(shared, passive, record):
                told = record.process
                told.send(signal.SIGUSR1)
                # It might have come between its last look and its sleep.
                idle.ring(bell_mask(bells, passive))
            time.sleep(LOOK_SECONDS)
    state = find(name)
    directory = Path(state.directory) if state is not None else Path()
    raise PromotionError(f"not promoted{log_tail(directory / 'logs' / f'{passive}.log')}")


def _hears(shared: Attachment, core: str, record: CoreRecord) -> bool:
    """Whether a core's process has come so far that a signal does not kill it."""
    page = CorePage(shared.attach(f"core.{core}"))
    return page.state == CoreState.RUNNING and page.pid == record.process.pid


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus promote`: 0 promoted, 1 not."""
    parser = Parser(prog="ringbus promote", description=__doc__)
    parser.add_argument("exchange", help="its name, or its topology file")
    parser.add_argument(
        "--stop-active", action="store_true", help="end an engine that lives, as if it had died"
    )
    options = parser.parse_args(argv)
    try:
        print(promote(exchange_name(options.exchange), options.stop_active))
    except (PromotionError, ConfigurationError, RingbusError, UsageError, OSError) as error:
        print(f"ringbus promote: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
