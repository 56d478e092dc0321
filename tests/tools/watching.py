"""What watchers of an exchange are tested with: clients who trade, and patience."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ports.ouch import AccountQueryResponse, OrderAccepted, OrderRejected
from ports.ouch_client import OuchClient
from tools.exchange import Exchange
from tools.load_session import LoadSession
from tools.process import Process
from tools.watch.sample import Sample
from tools.watch.sampler import Sampler

PATIENCE_S = 90.0
LOWEST_TCP = 10_000
NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True)
class Wish:
    """An order that somebody enters; price in 1/10,000."""

    user: str
    side: str
    quantity: int
    price: int
    symbol: str = "S1"
    display: str = "Y"


async def _await(client: OuchClient, kinds: type | tuple[type, ...], ref: int = 0) -> None:
    async for _, message in client.events():
        if isinstance(message, kinds) and ref in (0, getattr(message, "user_ref", 0)):
            return


async def _enter(exchange: Exchange, wishes: tuple[Wish, ...]) -> None:
    host, tcp = exchange.port("port.0")
    clients: dict[str, OuchClient] = {}
    for user in dict.fromkeys(one.user for one in wishes):
        clients[user] = client = OuchClient(host, tcp, user, "SECRET", next_sequence=0)
        await client.connect()
        # Which number is next: others have used some before.
        await client.account_query()
        await _await(client, AccountQueryResponse)
    for one in wishes:
        client = clients[one.user]
        ref = await client.enter(
            symbol=one.symbol,
            side=one.side,
            quantity=one.quantity,
            price=one.price,
            display=one.display,
        )
        await _await(client, (OrderAccepted, OrderRejected), ref)
    for client in clients.values():
        await client.close()


def enter(exchange: Exchange, *wishes: Wish) -> None:
    """Enter orders one after the other, each when the last was answered; then log out."""
    asyncio.run(asyncio.wait_for(_enter(exchange, wishes), PATIENCE_S))


def free_port() -> int:
    """A TCP port for somebody who starts later, and again: none of those that the kernel gives to
    clients, or one of them may have it meanwhile; not even who calls there while nobody listens."""
    kernels = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        tcp = LOWEST_TCP + (100 * os.getpid() + next(NUMBERS)) % max(1, kernels - LOWEST_TCP)
        try:
            socket.create_server(("127.0.0.1", tcp)).close()
        except OSError:
            continue
        return tcp


@contextmanager
def beating(sessions: Sequence[LoadSession]) -> Iterator[None]:
    """Sessions that say meanwhile that they live: who is silent for 15 s is cut off, and what it
    sends then is lost. Nothing else may be done with them within."""
    is_over = threading.Event()

    def beat() -> None:
        while not is_over.wait(1.0):
            for session in sessions:
                session.heartbeat()

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that must come; only a failing test waits to the end."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def heard(sampler: Sampler, is_so: Callable[[Sample], bool] = lambda sample: True) -> Sample:
    """A sample with all that is on the stream, of which something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        sampler.follow(1 << 20)
        sample = sampler.sample(time.time_ns())
        if sample.behind_count == 0 and is_so(sample):
            return sample
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _stands(process: Process) -> bool:
    """Whether each of its threads has stopped: the signal reaches one, and that one the others."""
    try:
        texts = [file.read_text() for file in Path(f"/proc/{process.pid}/task").glob("*/stat")]
    except OSError:
        return False
    return all(text.rpartition(")")[2].split()[0] == "T" for text in texts)


@contextmanager
def paused(exchange: Exchange, *cores: str) -> Iterator[list[Process]]:
    """Cores that stand still within, however long; their launcher too, or it would take them for
    hanging after five seconds and start others."""
    processes = [exchange.process(core) for core in cores]
    every = [exchange.state.launcher, *processes]
    try:
        for process in every:
            process.send(signal.SIGSTOP)
        until(lambda: all(map(_stands, every)))
        yield processes
    finally:
        for process in reversed(every):
            process.send(signal.SIGCONT)
