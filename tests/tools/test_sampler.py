"""What a watcher sees of an exchange that is up: right, read only, and through deaths and gaps."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest

from engine.book import Book
from ringbus.messages import InstrumentState, RiskLimit, Side
from ringbus.status import NotFoundError
from tests.tools.conftest import Maker
from tests.tools.test_command import command
from tests.tools.test_load import journal_of
from tests.tools.test_placement import DEMO, ROWS, placements, topology
from tests.tools.watching import Wish, enter, heard, until
from tools.exchange import launched
from tools.load import Load, read_clients
from tools.orders import load_orders
from tools.replay_day import replay_day
from tools.watch.growth import Growth
from tools.watch.lookout import Lookout
from tools.watch.sample import Sample, plain
from tools.watch.sampler import Sampler
from tools.watch.usage import usage

pytestmark = pytest.mark.xdist_group("processes")


def maps_of(part: str) -> list[str]:
    """How this process has mapped what has that in its name."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [line.split()[1] for line in lines if part in line]


def opened(part: str) -> list[int]:
    """How this process has opened what has that in its name: access modes."""
    modes = []
    for one in Path("/proc/self/fd").iterdir():
        try:
            if part in str(one.readlink()):
                flags = Path(f"/proc/self/fdinfo/{one.name}").read_text()
                modes.append(int(re.findall(r"flags:\s+(\d+)", flags)[0], 8) & os.O_ACCMODE)
        except OSError:
            continue
    return modes


def at_rest(sampler: Sampler) -> Sample:
    """One sample, when all clients have gone; what is in it of an interval is since the last one of
    this sampler: another one waits."""
    with Sampler(sampler.topology.name) as scout:
        heard(scout, lambda one: not any(who.is_connected for who in one.sessions))
    while sampler.follow(1 << 20):
        pass
    return sampler.sample(time.time_ns())


def test_nothing_is_mapped_or_opened_for_writing(make: Maker) -> None:
    """Not a byte of an exchange can be changed by who watches it."""
    with launched(make(ports=1)) as exchange, Sampler(exchange.name) as sampler:
        enter(exchange, Wish("ALICE", "B", 10, 10_000))
        heard(sampler, lambda sample: sample.tail > 6)
        segments = maps_of(f"/ringbus.{exchange.name}.")
        assert len(segments) > 10
        assert set(segments) == {"r--s"}
        files = maps_of(str(exchange.directory))
        assert all("w" not in protection for protection in files)
        assert set(opened(f"/ringbus.{exchange.name}.")) <= {os.O_RDONLY}
        assert set(opened(str(exchange.directory))) <= {os.O_RDONLY}
    assert maps_of(f"/ringbus.{exchange.name}.") == []


def test_what_clients_did_is_seen(make: Maker) -> None:
    """Sessions, prices, limits, latency, operators: each number follows from the orders."""
    with launched(make(ports=1)) as exchange, Sampler(exchange.name) as sampler:
        limit = ("limit", "--firm", "ACME", "open-orders", "3")
        assert command(exchange, *limit).returncode == 0
        first = heard(sampler)
        enter(
            exchange,
            Wish("ALICE", "B", 10, 10_000),
            Wish("ALICE", "B", 10, 10_100, display="N"),
            Wish("ALICE", "S", 10, 10_500),
            Wish("ALICE", "S", 10, 10_600),
            Wish("BOB", "S", 4, 10_000),
            Wish("BOB", "B", 6, 10_500),
            Wish("BOB", "S", 9, 10_700, "S2"),
        )
        sample = at_rest(sampler)
        halted = command(exchange, "state", "S2", "halted")
        assert halted.returncode == 0, halted.stderr
        last = heard(sampler, lambda one: len(one.events) > len(sample.events))

    alice, bob = sample.sessions
    assert (alice.user, alice.firm, alice.account, alice.port) == ("ALICE", "ACME", 101, "port.0")
    assert (alice.logins_count, bob.logins_count) == (1, 1)
    assert (alice.requests_count, alice.rejects_count, alice.executions_count) == (4, 1, 2)
    # Hidden, Alice's second bid is better and trades first.
    assert (bob.requests_count, bob.rejects_count, bob.executions_count) == (3, 0, 2)
    assert (alice.answers_count, bob.answers_count) == (6, 5)
    assert alice.requests_per_s > 0 == first.sessions[0].requests_per_s

    one, two, three = sample.instruments
    assert (one.symbol, one.trades_count, one.orders_count) == ("S0", 0, 0)
    assert (one.bid_1e4, one.offer_1e4, one.last_1e4) == (None, None, None)
    # What is hidden is not shown.
    assert (two.bid_1e4, two.offer_1e4) == (10_000, 10_500)
    assert (two.last_1e4, two.last_quantity) == (10_500, 6)
    assert (two.volume, two.trades_count, two.orders_count) == (10, 2, 3)
    assert (three.offer_1e4, three.state) == (10_700, InstrumentState.CONTINUOUS)

    (orders,) = (
        used for used in sample.limits if (used.name, used.limit) == ("ACME", RiskLimit.OPEN_ORDERS)
    )
    assert (orders.used, orders.bound, orders.unit) == (3, 3, "count")
    assert orders.used_share == 1.0
    hops = {hop.name: hop for hop in sample.hops}
    assert hops["whole"].whole.total >= 7
    assert 0 < hops["whole"].p50_ns <= hops["whole"].p99_ns <= hops["whole"].max_ns

    *_, halt = last.events
    assert (halt.kind, halt.who) == ("command", "ann")
    assert halt.text.startswith("set S2 to halted: S2 continuous to halted (INC-7")
    assert last.instruments[2].state == InstrumentState.HALTED
    assert last.instruments[2].offer_1e4 is None
    assert (first.commands_count, last.commands_count) == (1, 2)


def test_cores_rings_and_readers(make: Maker) -> None:
    """What each process runs, where, how much, and how far behind."""
    with launched(make(ports=1)) as exchange, Sampler(exchange.name) as sampler:
        heard(sampler)
        enter(exchange, *[Wish("ALICE", "B", 1, 10_000)] * 50)
        sample = at_rest(sampler)
        state = exchange.state
        heard(sampler, lambda one: one.healthy)
    engine, edge = sample.cores
    assert (engine.pid, edge.pid) == tuple(state.cores[name].process.pid for name in state.cores)
    assert [one.name for one in engine.agents] == ["sequencer", "shard.0", "shard.1", "publisher"]
    assert [one.name for one in edge.agents] == ["journal", "port.0"]
    assert all(one.work_per_s > 0 for one in engine.agents if one.name != "shard.0")
    assert engine.cpu_ns > 0
    assert 0 < engine.duty_share < 1.5
    assert all(one.duty_share is not None for one in (*engine.agents, *edge.agents))
    assert engine.stalled_total_ns >= 0
    assert (engine.restarts_count, engine.cpu, engine.wait) == (0, None, "park")
    assert sample.messages_per_s > 0
    stream, *lanes = sample.rings
    assert (stream.written_count, stream.capacity_count) == (sample.tail, 4096)
    assert {one.name for one in stream.readers} == {"journal", "sequencer", "port.0"}
    assert {one.name: one.gates for one in stream.readers}["port.0"] is False
    assert {one.name for one in lanes} >= {"lane.port.0", "shard.0.in", "shard.1.out"}
    assert all(one.fill_count <= one.capacity_count == 256 for one in lanes)
    agents = {one.name: one for core in sample.cores for one in core.agents}
    assert agents["port.0"].lag_count is not None
    assert agents["shard.0"].lag_count is None
    assert agents["shard.0"].waiting_count == 0
    assert edge.counters["port.0 logins"] == 1


def test_the_best_prices_are_the_engines_own(tmp_path: Path) -> None:
    """Real orders through real clients: every instrument as the engine's book has it, and a watcher
    that was overtaken (it hears nothing until the end) says the same as one that kept up."""
    name = f"watch-{os.getpid()}"
    path = topology(tmp_path, name, 2, placements(2)["two-cores"])
    path.write_text(path.read_text() + "[stream]\nslots = 1024\n")
    with (
        launched(path) as exchange,
        Load(exchange, read_clients(DEMO / "clients.csv")) as load,
        Sampler(name) as early,
        Sampler(name) as late,
    ):
        load.login()

        def follow(n: int) -> None:
            if n % 100 == 0:
                early.follow(1 << 20)

        load.exact(load.dealer.deal(load_orders(ROWS, 3000)), follow)
        load.settle()
        journal_of(exchange)
        seen, again = heard(early), heard(late)
        books: list[tuple[int, int]] = []

        def look(engines: object) -> None:
            assert isinstance(engines, list | tuple)
            for instrument in exchange.configuration.instruments:
                book: Book = engines[instrument.shard]
                bid, offer = (book.best(instrument.index, side)[0] for side in Side)
                books.append((bid * instrument.tick_1e4, offer * instrument.tick_1e4))

        replay_day(exchange.configuration.topology.journal_directory, look=look)
    assert seen.tail > 3 * 1024
    assert (seen.instruments, seen.limits) == (again.instruments, again.limits)
    assert [one.requests_count for one in seen.sessions] == [
        one.requests_count for one in again.sessions
    ]
    assert sum(one.requests_count for one in seen.sessions) == 3000
    assert [(one.bid_1e4 or 0, one.offer_1e4 or 0) for one in seen.instruments] == books


def test_a_killed_core_is_seen_dead_and_then_alive(make: Maker) -> None:
    with launched(make(ports=1)) as exchange, Sampler(exchange.name) as sampler:
        before = sampler.sample(time.time_ns()).cores[1]
        former = exchange.kill("edge")
        exchange.await_restart("edge", former)
        after = heard(sampler, lambda one: one.healthy).cores[1]
        assert (before.restarts_count, after.restarts_count) == (0, 1)
        assert after.pid != before.pid
        assert after.condition == "running"


def test_an_exchange_that_goes_and_comes_again(make: Maker) -> None:
    path = make()
    with launched(path) as exchange:
        lookout, sampler = Lookout(exchange.name), Sampler(exchange.name)
        assert lookout.look(time.time_ns()) is not None
        assert lookout.why == ""
    assert lookout.look(time.time_ns()) is None
    assert lookout.why == f"exchange {exchange.name} is not up"
    with pytest.raises(NotFoundError, match="is not up"):
        sampler.sample(time.time_ns())
    with pytest.raises(NotFoundError, match="is not up"):
        Sampler(exchange.name)
    path.write_text(path.read_text().replace('"out"', '"again"'))
    with launched(path):
        with pytest.raises(NotFoundError, match="and another is up"):
            sampler.sample(time.time_ns())
        assert lookout.look(time.time_ns()) is not None
    sampler.close()
    lookout.close()


def test_a_sample_is_json(make: Maker) -> None:
    with launched(make()) as exchange, Sampler(exchange.name) as sampler:
        sample = sampler.sample(time.time_ns())
    document = json.loads(json.dumps(plain(sample)))
    assert document["cores"][0]["state"] == "running"
    assert document["cores"][0]["agents"][0]["name"] == "sequencer"
    assert document["tail"] == sample.tail
    assert set(document) == {*Sample.__dataclass_fields__}


def test_growth_over_the_death_of_who_counts() -> None:
    growth = Growth()
    growth.turn(0)
    assert (growth.of("a", 5), growth.per_s("b", 7)) == (0, 0.0)
    growth.turn(500_000_000)
    assert (growth.of("a", 9), growth.per_s("b", 8), growth.of("c", 3)) == (4, 2.0, 0)
    growth.turn(2_000_000_000)
    assert (growth.of("a", 2), growth.share("b", 8)) == (2, 0.0)


def test_the_kernels_counts_of_a_process() -> None:
    before = usage(os.getpid())
    until(lambda: usage(os.getpid()).cpu_ns > before.cpu_ns + 20_000_000)
    assert usage(os.getpid()).loop_ns <= usage(os.getpid()).cpu_ns + 1_000_000_000
    assert usage(0x3FFFFF).cpu_ns == 0
