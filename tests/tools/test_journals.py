"""Several journals in real processes, and what a client is shown meanwhile."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from ports.ouch import OrderAccepted
from ports.ouch_client import OuchClient
from ringbus.journal import read_day
from ringbus.marks import Marks
from ringbus.multicast import Reader
from tests.tools.conftest import Maker
from tests.tools.watching import PATIENCE_S, paused
from tools.exchange import Exchange, launched
from tools.memory import Attachment
from tools.topology import ConfigurationError, load_topology


def replicated(make: Maker) -> Path:
    """An exchange with a journal on the edge core and another on its own."""
    path = make(ports=1, extra="copies = 2")
    text = path.read_text().replace("[stream]", 'acknowledge = "replicated"\n[stream]')
    path.write_text(text + '[[core]]\nname = "second"\nagents = ["journal.b"]\n')
    return path


async def answer(client: OuchClient, within_s: float = PATIENCE_S) -> OrderAccepted | None:
    try:
        async with asyncio.timeout(within_s):
            async for _, message in client.events():
                if isinstance(message, OrderAccepted):
                    return message
    except TimeoutError:
        pass
    return None


async def on_stream(exchange: Exchange, count: int) -> None:
    """Until the stream has `count` messages and the first journal has them durably."""
    with Attachment(exchange.name) as shared:
        reader, marks = Reader(shared.attach("stream"), 0), Marks(shared.attach("marks"))
        deadline = time.monotonic() + PATIENCE_S
        while reader.tail < count or marks.durable()["journal"] < count:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.005)


async def client_of(exchange: Exchange) -> OuchClient:
    host, tcp = exchange.port("port.0")
    client = OuchClient(host, tcp, "ALICE", "SECRET")
    await client.connect()
    return client


def test_an_answer_waits_for_the_second_journal(make: Maker) -> None:
    """R31: with `replicated`, stopping one of two journals stops the answers, not the exchange."""

    async def run(exchange: Exchange) -> None:
        client = await client_of(exchange)
        await client.enter(symbol="S0", side="B", quantity=1, price=10_000)
        assert await answer(client) is not None
        with paused(exchange, "second"):
            await client.enter(symbol="S0", side="B", quantity=1, price=10_000)
            # Opening 6, login, two orders: on the stream, and on one disk.
            await on_stream(exchange, 9)
            assert await answer(client, 0.2) is None
        assert await answer(client) is not None
        await client.close()

    with launched(replicated(make)) as exchange:
        asyncio.run(run(exchange))


def test_two_journals_hold_the_same_day_though_one_was_killed(make: Maker) -> None:
    """R50, R31: SIGKILL of one journal: answers wait until its successor has caught up."""

    async def run(exchange: Exchange) -> None:
        client = await client_of(exchange)
        for n in range(20):
            if n == 7:
                former = exchange.kill("second")
            await client.enter(symbol="S0", side="B", quantity=1, price=10_000)
            assert await answer(client) is not None
        assert exchange.process("second") != former
        await client.close()

    with launched(replicated(make)) as exchange:
        asyncio.run(run(exchange))
        directory = exchange.directory
    one, two = read_day(directory / "journal"), read_day(directory / "journal.b")
    assert len(one) > 26
    assert np.array_equal(one, two)


def test_a_damaged_journal_is_mended_when_it_starts_again(make: Maker) -> None:
    """R51, R52: a restarted journal asks its peer, not the engine, for what its disk has lost."""

    async def run(exchange: Exchange) -> None:
        client = await client_of(exchange)
        for n in range(10):
            if n == 5:
                with (exchange.directory / "journal.b" / "stream-00000000.rbj").open("r+b") as file:
                    file.seek(4096 + 64 * 2)
                    file.write(b"\xee" * 128)
                exchange.await_restart("second", exchange.kill("second"))
            await client.enter(symbol="S0", side="B", quantity=1, price=10_000)
            assert await answer(client) is not None
        await client.close()

    with launched(replicated(make)) as exchange:
        asyncio.run(run(exchange))
        directory = exchange.directory
        log = (directory / "logs" / "second.log").read_text()
    assert "message 3: a stored message does not match its checksum: asking the others" in log
    assert "journal.b: 2 messages fetched from others: 3 to 4" in log
    assert np.array_equal(read_day(directory / "journal"), read_day(directory / "journal.b"))


def test_the_engine_does_not_wait_for_a_lossy_journal(make: Maker) -> None:
    """R50, R31: stopped until the ring lacks what it lacks, then killed, it has every message."""

    async def trade(client: OuchClient, count: int) -> None:
        for _ in range(count):
            await client.enter(symbol="S0", side="B", quantity=1, price=10_000, tif="3")
            assert await answer(client) is not None

    async def run(exchange: Exchange) -> None:
        client = await client_of(exchange)
        await trade(client, 10)
        with paused(exchange, "second"):
            await trade(client, 600)
            with Attachment(exchange.name) as shared:
                durable = Marks(shared.attach("marks")).durable()
            assert durable["journal.b"] < 50 < 1200 < durable["journal"]
        await on_stream(exchange, 1220)
        exchange.await_restart("second", exchange.kill("second"))
        await trade(client, 10)
        await client.close()

    path = make(ports=1, extra="copies = 2\nlossy = 1")
    text = path.read_text().replace("slots = 4096", "slots = 1024")
    path.write_text(text + '[[core]]\nname = "second"\nagents = ["journal.b"]\n')
    with launched(path) as exchange:
        asyncio.run(run(exchange))
        directory = exchange.directory
    one, two = read_day(directory / "journal"), read_day(directory / "journal.b")
    assert len(one) > 1240
    assert np.array_equal(one, two)


def test_one_journal_at_least_gates(make: Maker) -> None:
    with pytest.raises(ConfigurationError, match="all 1 journals would be lossy"):
        load_topology(make(extra="lossy = 1"))


def test_a_promise_needs_its_journals(make: Maker) -> None:
    path = make()
    path.write_text(path.read_text().replace("[stream]", 'acknowledge = "replicated"\n[stream]'))
    with pytest.raises(ConfigurationError, match='"replicated" needs 2 journals, there is 1'):
        load_topology(path)
