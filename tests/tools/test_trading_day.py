"""A trading day: it closes, its files are kept, and the next one begins with what it has left."""

from __future__ import annotations

import asyncio
import csv
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from ports.fix import FIX44, time_text
from ports.ouch import (
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    Outbound,
    SystemEvent,
    Tag,
)
from ports.ouch_client import OuchClient
from ringbus.journal import read_day
from ringbus.messages import (
    CARRIED_OVER,
    END_OF_DAY,
    EXECUTED,
    SESSION_EVENT,
    SessionEventKind,
    Template,
)
from tests.ports.quickfix_client import QuickFix
from tests.tools.conftest import SECRET, Maker
from tests.tools.test_fix import FIX, STOPS, pause
from tools.configuration import Configuration
from tools.exchange import Exchange, launched
from tools.kept import kept_of
from tools.replay_day import replay_day

WHO = ("--author", "ann", "--reason", "end of the day", "--yes")
HOUR_S = 3600
# The next number of a user at an exchange.
NEXT: dict[tuple[str, str], int] = defaultdict(lambda: 1)


def ringbus(*words: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "tools.cli", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)


def ask(user: str, exchange: Exchange, *orders: dict[str, object]) -> list[Outbound]:
    """Enter orders, each answered; returns all that the client was shown."""

    async def run() -> list[Outbound]:
        shown: list[Outbound] = []
        host, tcp = exchange.port("port.0")
        async with OuchClient(host, tcp, user, "SECRET", 1) as client:
            for order in orders:
                client.next_user_ref = NEXT[user, exchange.name]
                NEXT[user, exchange.name] += 1
                wanted = await client.enter(**{**ORDER, **order})  # type: ignore[arg-type]
                async for _, message in client.events():
                    shown.append(message)
                    if getattr(message, "user_ref", 0) == wanted:
                        break
        return shown

    return asyncio.run(asyncio.wait_for(run(), 60))


ORDER: dict[str, object] = {"symbol": "S1", "side": "B", "quantity": 10, "price": 10_000}
GTC: dict[str, object] = {"tif": "5"}


def until_the_end(user: str, exchange: Exchange, begin: Callable[[], None]) -> list[Outbound]:
    """All that a client is shown until the end of the day, which `begin` brings about."""

    async def run() -> list[Outbound]:
        shown: list[Outbound] = []
        host, tcp = exchange.port("port.0")
        async with OuchClient(host, tcp, user, "SECRET", 1, resume_s=0) as client:
            ends = asyncio.create_task(asyncio.to_thread(begin))
            async for _, message in client.events():
                shown.append(message)
                if isinstance(message, SystemEvent) and message.event == "E":
                    break
            await ends
        return shown

    return asyncio.run(asyncio.wait_for(run(), 120))


def next_day(path: Path, session: str, **replaced: str) -> Path:
    """The topology of the next day, in a file of its own."""
    text = path.read_text().replace('session = "20230711"', f'session = "{session}"')
    for old, new in replaced.items():
        text = text.replace(f'"{old}.csv"', f'"{new}"')
    other = path.with_name(f"{session}-{path.name}")
    other.write_text(text)
    return other


def closed_of(exchange: Exchange) -> dict[str, object]:
    record: dict[str, object] = json.loads(
        (exchange.directory / "closed" / "record.json").read_text()
    )
    return record


def table_of(directory: Path) -> list[dict[str, str]]:
    """What became of each kept order."""
    with (directory / "day-20230711" / "carried.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.xdist_group("processes")
def test_a_day_is_closed(make: Maker) -> None:
    """R56: no more orders; the day's expire and their clients hear it; the end is the last line."""
    path = make(ports=1, shards=2)
    with launched(path) as exchange:
        ask("ALICE", exchange, {}, GTC, {"symbol": "S2", "side": "S", **GTC})
        seconds = ((Tag.EXPIRE_TIME, HOUR_S.to_bytes(4, "big")),)
        ask("BOB", exchange, {"tif": "6", "appendage": seconds}, {"price": 20_000})
        done: list[subprocess.CompletedProcess[str]] = []

        def close() -> None:
            done.append(ringbus("close-day", exchange.name, *WHO))

        shown = until_the_end("BOB", exchange, close)
        assert done[0].returncode == 0, done[0].stderr
        assert "2 orders expired, 3 (30) go to the next one" in done[0].stdout
        # The good-till-time order stays, the day's was taken away.
        gone = [(one.user_ref, one.reason) for one in shown if isinstance(one, OrderCanceled)]
        assert gone == [(2, "T")]
        assert ringbus("status", exchange.name).returncode != 0
        assert not (exchange.directory / "unfinished").exists()
    day = read_day(exchange.directory / "journal")
    end = day[-1:].view(END_OF_DAY)[0]
    assert end["template_id"] == Template.END_OF_DAY
    assert (end["kept_orders"], end["kept_quantity"]) == (3, 30)
    record = closed_of(exchange)
    assert record["messages"] == len(day)
    assert str(record["digest"]) in done[0].stdout
    assert replay_day(exchange.directory / "journal", verify=True).identical
    # Closed once more, nothing happens; the day can neither be gone on with nor begun again.
    again = ringbus("close-day", path, *WHO)
    assert again.returncode == 0, again.stderr
    assert str(record["digest"]) in again.stdout
    assert len(read_day(exchange.directory / "journal")) == len(day)
    refused = ringbus("up", "--continue", "--detach", path)
    assert refused.returncode == 1
    assert "is over" in refused.stderr
    refused = ringbus("up", "--detach", path)
    assert refused.returncode == 1
    assert "name the next one in [exchange] session" in refused.stderr


@pytest.mark.xdist_group("processes")
def test_the_next_day_begins_with_what_was_kept(make: Maker, tmp_path: Path) -> None:
    """R56: in the old priority, with what was left of them; clients hear them as orders."""
    path = make(ports=1, shards=2)
    tag = ((Tag.MAX_FLOOR, (10).to_bytes(4, "big")),)
    with launched(path) as exchange:
        ask("ALICE", exchange, {**GTC, "quantity": 30}, {**GTC, "quantity": 5, "clordid": "mine"})
        ask("BOB", exchange, {**GTC, "quantity": 40, "appendage": tag, "price": 10_100})
        ask("BOB", exchange, {**GTC, "display": "N", "quantity": 7}, {**GTC, "quantity": 8})
        ask("BOB", exchange, {"side": "S", "quantity": 50, "price": 10_000, "tif": "3"})
        ask("ALICE", exchange, {"symbol": "S2", "side": "S", "price": 20_000, **GTC})
        ask("ALICE", exchange, {"symbol": "S0", **GTC}, {})
        rolled = ringbus("roll", next_day(path, "20230712"), *WHO)
        assert rolled.returncode == 0, rolled.stdout + rolled.stderr
        assert "6 orders (60) in 3 instruments are carried over from 20230711" in rolled.stdout
        shown = ask("ALICE", exchange, {"quantity": 1})
        accepted = [one for one in shown if isinstance(one, OrderAccepted)]
        assert [(one.symbol, one.quantity) for one in accepted[:-1]] == [
            ("S0", 10),
            ("S1", 20),
            ("S1", 5),
            ("S2", 10),
        ]
        assert accepted[2].clordid == "mine"
        # Who was first is first.
        hit = ask("BOB", exchange, {"side": "S", "quantity": 22, "tif": "3"})
        assert isinstance(hit[-1], OrderAccepted)
        assert ringbus("down", exchange.name).returncode == 0
    old = Configuration.load(path)
    directory = exchange.directory
    former = kept_of([directory / "journal-20230711"], old)
    day = read_day(directory / "journal")
    first = day[day["template_id"] == Template.CARRIED_OVER].view(CARRIED_OVER)[0]
    assert (first["orders"], first["quantity"], first["left_orders"]) == (6, former.quantity, 0)
    digest = json.loads((directory / "day-20230711" / "record.json").read_text())["digest"]
    assert int(first["former_digest"]) == int.from_bytes(bytes.fromhex(digest)[:8], "little")
    carried = day[int(first["sequence"]) : int(first["sequence"]) + int(first["messages"])]
    assert set(carried["template_id"].tolist()) <= {
        Template.SESSION_EVENT,
        Template.NEW_ORDER,
        Template.ORDER_TERMS,
        Template.ORDER_TAG,
    }
    said = carried[carried["template_id"] == Template.SESSION_EVENT].view(SESSION_EVENT)
    assert set(said["kind"].tolist()) == {SessionEventKind.CARRIED}
    # Of ALICE's 30 ten had traded.
    assert sorted(said["connection"].tolist()) == [0] * 5 + [10]
    executed = day[day["template_id"] == Template.EXECUTED].view(EXECUTED)
    passive = executed[executed["topic"] == 1]
    # ALICE's 20 left of 30 come before her 5.
    assert passive["quantity"].tolist() == [20, 2]
    assert replay_day(directory / "journal", verify=True).identical
    rows = table_of(directory)
    assert [row["outcome"] for row in rows] == ["carried"] * 6
    assert sum(int(row["quantity"]) for row in rows) == former.quantity


@pytest.mark.xdist_group("processes")
def test_what_does_not_fit_the_new_day_is_named(make: Maker, tmp_path: Path) -> None:
    """R56: an instrument that is gone, another tick, a participant who left: nothing is lost
    without a word."""
    path = make(ports=1, shards=1)
    with launched(path) as exchange:
        ask(
            "ALICE",
            exchange,
            GTC,
            {"symbol": "S2", **GTC},
            {"symbol": "S0", "price": 10_100, **GTC},
            {"symbol": "S0", "price": 10_500, **GTC},
        )
        ask("BOB", exchange, GTC)
        closed = ringbus("close-day", exchange.name, *WHO)
        assert closed.returncode == 0, closed.stderr
        (tmp_path / "new.csv").write_text(
            "symbol,tick,lot,price_min,price_max,quantity_max\n"
            "S3,0.01,1,0.01,1999.99,1000000\nS1,0.01,1,0.01,1999.99,1000000\n"
            "S0,0.05,1,0.05,1999.95,1000000\n"
        )
        (tmp_path / "people.csv").write_text(
            f"user,session,account,firm,secret\nCAROL,9,103,BETA,{SECRET}\n"
            f"ALICE,3,101,ACME,{SECRET}\n"
        )
        other = next_day(path, "20230712", instruments="new.csv", participants="people.csv")
        looked = ringbus("open-day", "--check", other)
        assert looked.returncode == 0, looked.stderr
        for said in (
            "instrument S2: is gone",
            "instrument S0: tick_1e4 100 to 500",
            "user BOB: is gone",
            "2 orders (20) in 2 instruments are carried over from 20230711, 3 are not",
            "ALICE's order 2, buy 10 S2 at 1: there is no instrument S2 any more",
            "ALICE's order 3, buy 10 S0 at 1.01: 1.01 is not a multiple of the tick 0.05",
            "BOB's order 1, buy 10 S1 at 1: there is no user BOB any more",
        ):
            assert said in looked.stdout, looked.stdout
        begun = ringbus("open-day", "--yes", other)
        assert begun.returncode == 0, begun.stderr
        shown = ask("ALICE", exchange, {"quantity": 1})
        told = [
            (type(one).__name__, one.user_ref)
            for one in shown
            if isinstance(one, OrderAccepted | OrderRejected)
        ]
        assert told[:4] == [
            ("OrderAccepted", 4),
            ("OrderAccepted", 1),
            ("OrderRejected", 3),
            ("OrderRejected", 2),
        ] or sorted(told[:4]) == [
            ("OrderAccepted", 1),
            ("OrderAccepted", 4),
            ("OrderRejected", 2),
            ("OrderRejected", 3),
        ]
        assert ringbus("down", exchange.name).returncode == 0
    assert replay_day(exchange.directory / "journal", verify=True).identical
    rows = table_of(exchange.directory)
    by_outcome = {
        name: sum(int(row["quantity"]) for row in rows if row["outcome"] == name)
        for name in ("carried", "left")
    }
    assert by_outcome == {"carried": 20, "left": 30}


def test_every_fault_of_the_files_is_named(make: Maker, tmp_path: Path) -> None:
    """Each with its file, line and column, and what may have been meant."""
    path = make(ports=1)
    (tmp_path / "instruments.csv").write_text(
        "symbol,tick,lot,price_min,price_max,quantity_max\n"
        "S0,0.01,0,0.01,1999.99,1000000\nS1,0.01,1,0.01,1999.99\nS2,zero,1,0.01,1999.99,1000000\n"
    )
    (tmp_path / "participants.csv").write_text("user,sesion,account,firm,secret\n")
    refused = ringbus("open-day", "--yes", path)
    assert refused.returncode == 1
    for said in (
        "instruments.csv:2: lot: found '0'",
        "instruments.csv:3: found 5 fields",
        "instruments.csv:4: tick: found 'zero'",
        "participants.csv:1: found the column 'sesion'",
        "session",
    ):
        assert said in refused.stderr, refused.stderr


@pytest.mark.xdist_group("processes")
def test_a_fix_client_finds_its_orders_on_the_next_day(make: Maker, tmp_path: Path) -> None:
    """R56: by its own ClOrdID, a stop order too; numbers of its messages begin anew.

    What had traded of an order is counted on, as FIX has it: Restated, for renewal.
    """
    path = make(extra=FIX + STOPS)

    def order(name: str, *more: tuple[int, str]) -> list[tuple[int, str]]:
        fields = {11: name, 21: "1", 38: "5", 44: "10", 54: "1", 55: "S1", 60: time_text(0)}
        return sorted((fields | dict(more)).items())

    def client(exchange: Exchange, store: str) -> QuickFix:
        tcp = exchange.state.ports["fix.0"]
        return QuickFix(
            tmp_path / store, pause, tcp, "ALICE", FIX44, password="SECRET", heartbeat=1
        )

    with launched(path) as exchange:
        with client(exchange, "one") as alice:
            alice.until(lambda: alice.logged_on)
            for n in range(5):
                alice.say("D", order(f"DAY{n}", (40, "2"), (59, "0")))
            alice.say("D", order("KEEP", (40, "2"), (59, "1")))
            alice.say("D", order("STOP", (40, "4"), (59, "1"), (99, "10")))
            alice.say("D", order("DAYSTOP", (40, "4"), (59, "0"), (99, "10")))
            alice.told(8)
            alice.say("D", order("PART", (40, "2"), (59, "1"), (55, "S0")))
            sell = (38, "2"), (40, "2"), (54, "2"), (55, "S0"), (59, "3")
            alice.say("D", order("SELL", *sell))
            assert alice.told(12)[-1][150] == "F"
        rolled = ringbus("roll", next_day(path, "20230712"), *WHO)
        assert rolled.returncode == 0, rolled.stderr
        assert "3 orders (13) in 2 instruments are carried over" in rolled.stdout
        with client(exchange, "two") as alice:
            alice.until(lambda: alice.logged_on)
            reports = alice.told(3)
            # ExecType, its reason, OrdStatus, OrderQty, CumQty, LeavesQty, AvgPx.
            tags = (11, 150, 378, 39, 38, 14, 151, 6)
            assert [tuple(one[tag] for tag in tags) for one in reports] == [
                ("PART", "D", "1", "1", "5", "2", "3", "10"),
                ("KEEP", "D", "1", "0", "5", "0", "5", "0"),
                ("STOP", "D", "1", "0", "5", "0", "5", "0"),
            ]
            alice.say("D", order("REST", *sell, (38, "3"), (44, "9")))
            assert [one[150] for one in alice.told(6)[3:]] == ["0", "F", "F"]
            (filled,) = (one for one in alice.told(6)[4:] if one[11] == "PART")
            assert [filled[tag] for tag in tags[3:]] == ["2", "5", "5", "0", "10"]
            alice.say("D", order("NEW", (40, "2"), (59, "0")))
            assert alice.told(7)[-1][11] == "NEW"
            assert [one for one in alice.sent + alice.admin if one[35] in "3j"] == []
        assert ringbus("down", exchange.name).returncode == 0
    assert replay_day(exchange.directory / "journal", verify=True).identical
