"""The latency of a load's clients, where `ringbus hist` sees it; and a recording while it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ringbus.histogram import Histogram
from ringbus.metrics import Metrics, page_bytes
from ringbus.segment import Segment, segment_name, unlink
from tools.child import environment
from tools.load_session import LoadError

HOP = "client, from the intended time"


@contextmanager
def shown(exchange: str) -> Iterator[Histogram]:
    """A histogram of the clients' own latency where `ringbus hist` sees it, among the hops.

    Its memory is the exchange's: killed, a load leaves it to `ringbus down`.
    """
    name = segment_name(exchange, f"metrics.load-{os.getpid()}")
    with Segment.create(name, page_bytes(1)) as segment:
        try:
            yield Metrics.create(segment).histogram(HOP)
        finally:
            unlink(name)


@contextmanager
def recorded(exchange: str, directory: Path, note: str, interval_s: float = 1.0) -> Iterator[None]:
    """Record the exchange for as long as the block lasts, in another process.

    Raises: LoadError: it cannot be recorded.
    """
    command = [sys.executable, "-m", "tools.hist", exchange, "--seconds", "86400"]
    command += ["--interval", str(interval_s), "--output", str(directory), "--note", note]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment()
    ) as recorder:
        assert recorder.stdout is not None
        if not recorder.stdout.readline().startswith("recording"):
            raise LoadError(f"{exchange} cannot be recorded into {directory}")
        try:
            yield
        finally:
            recorder.send_signal(signal.SIGINT)
            recorder.stdout.read()
