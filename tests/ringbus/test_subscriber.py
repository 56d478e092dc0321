"""Waiting for records: threads of control that sleep, and coroutines."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from ringbus.ring import Ring
from tests.ringbus.children import PRICE, ring_records
from tests.ringbus.support import Child, run_of


def test_a_read_waits_no_longer_than_it_may(exchange: str) -> None:
    with Ring.create(exchange, PRICE, 8) as ring:
        subscriber = ring.subscriber()
        before = time.monotonic()
        assert len(subscriber.read(timeout=0.05)) == 0
        assert time.monotonic() - before >= 0.05
        assert subscriber.statistics().parks > 0
        assert len(subscriber.read(timeout=0)) == 0


def test_a_sleeping_reader_burns_nothing_and_is_woken(exchange: str) -> None:
    with Ring.create(exchange, PRICE, 8) as ring, Child("ring_echo", exchange) as child:
        assert child.line() == "ready"
        publisher = ring.publisher()
        for n in range(1, 21):
            publisher.publish((n, n * 0.5, b""))
            assert child.line() == str(n)
        clock = os.sysconf("SC_CLK_TCK")
        stat = Path(f"/proc/{child.process.pid}/stat")

        def used() -> int:
            return sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13]))

        before = used()
        publisher.close()
        with ring.subscriber() as one:
            one.read(timeout=1.0)
        assert (used() - before) / clock < 0.3


def test_iteration_goes_on_for_ever(exchange: str) -> None:
    with Ring.create(exchange, PRICE, 8) as ring:
        publisher = ring.publisher()
        got = []
        batches = iter(ring.subscriber())
        for n in range(1, 6):
            publisher.publish(ring_records(2 * n - 1, 2))
            got += next(batches)["n"].tolist()
        assert got == run_of(1, 10)


def test_a_coroutine_reads_while_the_loop_goes_on(exchange: str) -> None:
    async def both(ring: Ring) -> list[int]:
        subscriber, publisher = ring.subscriber(), ring.publisher()

        async def publish() -> None:
            for n in range(1, 31):
                await asyncio.sleep(0)
                publisher.publish((n, n * 0.5, b""))

        task = asyncio.create_task(publish())
        got: list[int] = []
        async for batch in subscriber:
            got += batch["n"].tolist()
            if len(got) == 30:
                break
        await task
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(subscriber.read_async(), 0.02)
        publisher.publish((31, 1.0, b""))
        got += subscriber.read(timeout=30)["n"].tolist()
        got += (subscriber.read(timeout=0.01))["n"].tolist()
        return got

    with Ring.create(exchange, PRICE, 64) as ring:
        assert asyncio.run(both(ring)) == run_of(1, 31)
