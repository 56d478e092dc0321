"""A day goes on after its host died, and nothing takes its place unless somebody says so."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ports.ouch import OrderAccepted
from ports.ouch_client import OuchClient
from ringbus.journal import HEADER_BYTES, read_day
from ringbus.marks import Marks
from ringbus.memory import Block
from ringbus.messages import EPOCH_START, MESSAGE, NEW_ORDER, Flag, Template
from ringbus.multicast import (
    Reader,
    Writer,
    begin_multicast,
    create_multicast,
    multicast_bytes,
    readers_bytes,
)
from ringbus.segment import listing, unlink
from tests.crash.plan import plan, write_topology
from tests.tools.conftest import Maker
from tests.tools.watching import PATIENCE_S, paused, until
from tools.configuration import Configuration
from tools.day import Day, DayError, recover
from tools.exchange import Exchange, launched, start_detached
from tools.memory import Attachment
from tools.replay_day import replay_day
from tools.state import remove
from tools.status import look

FIRST_FILE = "stream-00000000.rbj"
ORDERS = 30


def ringbus(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def two_journals(make: Maker, acknowledge: str = "replicated", shards: int = 2) -> Path:
    path = make(ports=1, shards=shards, extra="copies = 2")
    text = path.read_text().replace("[stream]", f'acknowledge = "{acknowledge}"\n[stream]')
    path.write_text(text + '[[core]]\nname = "second"\nagents = ["journal.b"]\n')
    return path


async def enter(exchange: Exchange, first: int, count: int) -> None:
    """Orders first, first + 1, …, each answered; the session begins at its next message."""
    host, tcp = exchange.port("port.0")
    # Message 1 is the start of the day.
    async with OuchClient(host, tcp, "ALICE", "SECRET", first + 1, next_user_ref=first) as client:
        assert client.next_sequence == first + 1 or first == 1
        for n in range(first, first + count):
            await client.enter(symbol="S1", side="B", quantity=1, price=10_000, clordid="x")
            async for _, message in client.events():
                if isinstance(message, OrderAccepted):
                    assert message.user_ref == n
                    break


def await_mark(exchange: Exchange, journal: str) -> None:
    """Wait until a journal has something durably: it may be a moment behind the start."""
    deadline = time.monotonic() + PATIENCE_S
    with Attachment(exchange.name) as shared:
        marks = Marks(shared.attach("marks"))
        while marks.durable()[journal] == 0:
            assert time.monotonic() < deadline, f"{journal} writes nothing"
            time.sleep(0.005)


def await_all(exchange: Exchange, journal: str) -> None:
    """Wait until a journal has all that was published durably."""
    with Attachment(exchange.name) as shared:
        marks, stream = Marks(shared.attach("marks")), Reader(shared.attach("stream"))
        until(lambda: marks.durable()[journal] == stream.tail)


def kill_all(exchange: Exchange) -> None:
    """Every process, at once: none does anything over the death of another."""
    state = exchange.state
    processes = [state.launcher, *(core.process for core in state.cores.values())]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in processes:
            process.send(number)
    while any(process.alive for process in processes):
        time.sleep(0.005)


def kill_host(exchange: Exchange) -> None:
    """Every process and the memory."""
    kill_all(exchange)
    for segment in listing(exchange.name):
        unlink(segment)


def orders_of(directory: Path) -> list[int]:
    day = read_day(directory)
    orders = day[day["template_id"] == Template.NEW_ORDER].view(NEW_ORDER)
    numbers: list[int] = orders["client_order_id"].tolist()
    return numbers


def write_at(path: Path, sequence: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(HEADER_BYTES + (sequence - 1) * MESSAGE.itemsize)
        file.write(data)


@pytest.mark.parametrize("shards", [1, 2])
def test_a_day_goes_on_after_its_host_died(make: Maker, shards: int) -> None:
    """R30, R31, R63: all processes and the memory gone, the files torn behind what was durable."""
    path = two_journals(make, shards=shards)
    with launched(path) as exchange:
        asyncio.run(enter(exchange, 1, ORDERS))
        kill_host(exchange)
        out = exchange.directory
    last = len(read_day(out / "journal"))
    # One disk is lost, the other ends inside a message that nobody was promised.
    shutil.rmtree(out / "journal")
    write_at(out / "journal.b" / FIRST_FILE, last + 1, b"\x77" * 40)
    for n in (2, 3):
        exchange = start_detached(path, bound=True, goes_on=True)
        try:
            asyncio.run(enter(exchange, 1 + ORDERS * (n - 1), ORDERS))
            assert ringbus("status", exchange.name).returncode == 0
        finally:
            kill_host(exchange)
            exchange.down()
    exchange = start_detached(path, bound=True, goes_on=True)
    exchange.down()
    assert orders_of(out / "journal") == list(range(1, 3 * ORDERS + 1))
    day = read_day(out / "journal")
    assert np.array_equal(day, read_day(out / "journal.b"))
    starts = day[day["template_id"] == Template.EPOCH_START].view(EPOCH_START)
    assert starts["epoch"].tolist() == [2, 3, 4]
    assert replay_day(out / "journal", verify=True).identical
    # It was ended in order at last: a plain start begins another day.
    with launched(path):
        assert len(read_day(out / "journal.1")) == len(day)


def test_how_far_each_journal_is(make: Maker) -> None:
    """R31: for each journal what is durable, and how far that is behind the stream."""
    path = two_journals(make, "journaled")
    with launched(path) as exchange:
        asyncio.run(enter(exchange, 1, 10))
        with paused(exchange, "second"):
            stopped = look(exchange.name, 0)
            assert stopped is not None
            asyncio.run(enter(exchange, 11, 10))
            now = look(exchange.name, 0)
            assert now is not None
            assert now.durable["journal.b"] == stopped.durable["journal.b"]
            # Two lines an order; the login and the logout may be on their way.
            assert now.durable["journal"] >= stopped.durable["journal.b"] + 20
            said = ringbus("status", exchange.name).stdout
            durable = now.durable["journal.b"]
            assert f"journal.b: {durable:,} durable, " in said
            (line,) = (one for one in said.splitlines() if one.startswith("journal.b: "))
            assert int(line.split()[-2].replace(",", "")) >= 20
            assert f"journal.b: {durable:,} durable" in ringbus("ls").stdout


def test_a_day_that_was_not_ended_is_not_replaced(make: Maker) -> None:
    path = two_journals(make)
    with launched(path) as exchange:
        asyncio.run(enter(exchange, 1, 1))
        kill_host(exchange)
    refused = ringbus("up", "--detach", path)
    assert refused.returncode == 1
    assert "was not ended: `ringbus up --continue` goes on with it" in refused.stderr
    begun = ringbus("up", "--detach", "--new-day", path)
    assert begun.returncode == 0, begun.stderr
    assert ringbus("down", exchange.name).returncode == 0
    assert orders_of(exchange.directory / "journal.1") == [1]


def test_what_only_the_memory_has_is_written_when_it_is_taken_down(make: Maker) -> None:
    """R31: "published" survives every process: the ring outlives the launcher and the journals."""
    path = two_journals(make, "published")
    with launched(path) as exchange:
        await_mark(exchange, "journal.b")
        with paused(exchange, "second"):
            asyncio.run(enter(exchange, 1, ORDERS))
            kill_all(exchange)
        assert len(orders_of(exchange.directory / "journal.b")) == 0
        down = ringbus("down", exchange.name)
        assert down.returncode == 0, down.stderr
    for journal in ("journal", "journal.b"):
        assert orders_of(exchange.directory / journal) == list(range(1, ORDERS + 1))


def test_memory_stays_while_the_journals_cannot_take_what_it_has(make: Maker) -> None:
    path = two_journals(make, "published")
    with launched(path) as exchange:
        await_mark(exchange, "journal.b")
        with paused(exchange, "second"):
            asyncio.run(enter(exchange, 1, ORDERS))
            await_all(exchange, "journal")
            kill_all(exchange)
        # Of the first journal nothing is left, though it had all of it on its disk, and where the
        # second lies nothing can be made.
        shutil.rmtree(exchange.directory / "journal")
        whole = (exchange.directory / "journal.b").rename(exchange.directory / "elsewhere")
        refused = ringbus("down", exchange.name)
        assert refused.returncode == 1
        assert "journal.b cannot be finished" in refused.stderr
        assert "No such file or directory" in refused.stderr
        assert "--lose" in refused.stderr
        assert listing(exchange.name) != []
        whole.rename(exchange.directory / "journal.b")
        assert ringbus("down", exchange.name).returncode == 0
        assert listing(exchange.name) == []
    assert orders_of(exchange.directory / "journal.b") == list(range(1, ORDERS + 1))


# --- what is found before anything starts -------------------------------------------------------


class Recorded:
    """A day in two journals, of an exchange that is not there any more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.configuration = Configuration.load(path)
        self.directory = self.configuration.topology.directory
        self.last = len(self.stream())
        self.said: list[str] = []

    def stream(self, journal: str = "journal") -> np.ndarray[tuple[int], np.dtype[np.void]]:
        return read_day(self.directory / journal).copy()

    def file(self, journal: str) -> Path:
        return self.directory / journal / FIRST_FILE

    def note(self, durable: int) -> None:
        """What both say was durable."""
        for journal in ("journal", "journal.b"):
            with self.file(journal).open("r+b") as file:
                file.seek(128 + 8)
                file.write(durable.to_bytes(8, "little"))

    def recover(self) -> Day:
        return recover(Configuration.load(self.path), self.said.append)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A day that is recorded once for all tests here: 30 orders of two lines each."""
    directory = tmp_path_factory.mktemp("day")
    wanted = next(p for p in map(plan, range(1000)) if p.acknowledge == "replicated")
    path = write_topology(wanted, directory, f"day-{directory.parent.name[-8:]}")
    with launched(path) as exchange:
        asyncio.run(enter(exchange, 1, ORDERS))
    yield path
    remove(exchange.name)


@pytest.fixture
def recorded(once: Path, tmp_path: Path) -> Recorded:
    copied = Path(shutil.copytree(once.parent, tmp_path / "copy"))
    return Recorded(copied / once.name)


def test_a_whole_day_stays_as_it_is(recorded: Recorded) -> None:
    before = recorded.stream()
    assert recorded.recover() == Day(recorded.last, 0)
    assert np.array_equal(recorded.stream(), before)
    assert recorded.said == []


def test_a_proposal_without_its_end_is_cut(recorded: Recorded) -> None:
    """An order whose tag was lost with the tail: nobody was told of it."""
    order = int(recorded.stream()["sequence"][recorded.stream()["flags"] & Flag.CONTINUED != 0][-1])
    for journal in ("journal", "journal.b"):
        with recorded.file(journal).open("r+b") as file:
            file.truncate(HEADER_BYTES + order * MESSAGE.itemsize)
    recorded.note(order - 1)
    assert recorded.recover() == Day(order - 1, 1)
    assert [len(recorded.stream(one)) for one in ("journal", "journal.b")] == [order - 1] * 2
    assert "of a proposal without its end: cut" in recorded.said[-1]


def test_a_hole_above_what_was_durable_is_cut(recorded: Recorded) -> None:
    hole = recorded.last - 6
    for journal in ("journal", "journal.b"):
        write_at(recorded.file(journal), hole, bytes(64))
    recorded.note(hole - 1)
    day = recorded.recover()
    assert day.last + day.cut == hole - 1
    assert f"what is whole behind message {hole - 1} was never durable: cut" in recorded.said[0]
    # Nothing of it is left to be taken for the new stream's later.
    left = np.fromfile(recorded.file("journal"), np.uint8, offset=HEADER_BYTES)
    assert len(left) == day.last * MESSAGE.itemsize


def test_damage_in_what_was_durable_is_an_error(recorded: Recorded) -> None:
    """R30: nothing that a client was promised is dropped without a word."""
    for journal in ("journal", "journal.b"):
        write_at(recorded.file(journal), 20, bytes(64))
    recorded.note(30)
    with pytest.raises(DayError, match=r"message 20 is damaged or missing.* 30 were durable"):
        recorded.recover()


def test_what_one_journal_lacks_comes_from_the_other(recorded: Recorded) -> None:
    before = recorded.stream()
    write_at(recorded.file("journal"), 20, bytes(64))
    with recorded.file("journal.b").open("r+b") as file:
        file.truncate(HEADER_BYTES + 40 * MESSAGE.itemsize + 7)
    assert recorded.recover() == Day(recorded.last, 0)
    for journal in ("journal", "journal.b"):
        assert np.array_equal(recorded.stream(journal), before)
    assert recorded.said == [
        "journal: 1 messages fetched from others: 20 to 20",
        f"journal.b: {recorded.last - 40} messages fetched from others: 41 to {recorded.last}",
    ]


def test_journals_of_different_days_are_not_mixed(recorded: Recorded) -> None:
    stream = recorded.stream()
    # A line that is whole in itself, at its place, but another one.
    other = recorded.directory / "other"
    shutil.copytree(recorded.directory / "journal.b", other)
    ring, readers = Block(multicast_bytes(8)), Block(readers_bytes())
    create_multicast(ring, readers, 8, "other")
    begin_multicast(ring, 25)
    with Writer(ring, readers) as writer:
        writer.publish(stream[19:20].copy())
    write_at(recorded.file("journal.b"), 25, Reader(ring, 25).poll().tobytes())
    with pytest.raises(DayError, match="hold different messages 25"):
        recorded.recover()


CHANGES: dict[str, tuple[Callable[[str], str], str]] = {
    "limits": (lambda text: text.replace("orders = 65536", "orders = 4096"), "configuration"),
    "session": (lambda text: text.replace("DAY1", "DAY2"), "configuration"),
    "segments": (
        lambda text: text.replace("segment_messages = 4096", "segment_messages = 8192"),
        r"holds 4,096 messages, \[journal\] segment_messages is 8,192",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_configuration_is_refused(recorded: Recorded, change: str) -> None:
    edit, said = CHANGES[change]
    recorded.path.write_text(edit(recorded.path.read_text()))
    with pytest.raises(DayError, match=said):
        recorded.recover()


def test_another_schema_is_refused(recorded: Recorded) -> None:
    """R107: files of another release are named, not taken apart."""
    for journal in ("journal", "journal.b"):
        with recorded.file(journal).open("r+b") as file:
            file.seek(16)
            file.write(b"\x5a\x5a")
    with pytest.raises(DayError, match="another message schema.*go on with the release"):
        recorded.recover()


def test_a_day_that_was_never_opened_is_begun_anew(recorded: Recorded) -> None:
    for journal in ("journal", "journal.b"):
        with recorded.file(journal).open("r+b") as file:
            file.truncate(HEADER_BYTES + 3 * MESSAGE.itemsize)
    recorded.note(0)
    with pytest.raises(DayError, match="ended while it was opened, with message 3 of"):
        recorded.recover()
    for journal in ("journal", "journal.b"):
        shutil.rmtree(recorded.directory / journal)
    with pytest.raises(DayError, match="there is no day in .* to go on with"):
        recorded.recover()
