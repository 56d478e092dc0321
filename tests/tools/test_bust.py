"""Trades made void or given another price, while the exchange runs; both clients are told."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TypeVar

import pytest

from ports.ouch import BrokenTrade, OrderExecuted, TradeCorrection
from ports.ouch_client import OuchClient
from ringbus.journal import read_day
from ringbus.messages import Template
from tests.tools.conftest import Maker
from tests.tools.test_console import BOB, CONSOLE, TWO, log_of, say
from tests.tools.test_launcher import ringbus
from tools.command import DONE, WAITS
from tools.console.words import CommandError
from tools.exchange import Exchange, launched

WHY = "INC-7: both desks have asked for it by telephone, and in writing"
WHO = ("--author", "Ann Müller", "--reason", WHY, "--yes")


def said(exchange: Exchange, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`ringbus bust` or `ringbus correct`."""
    return subprocess.run(
        [sys.executable, "-m", "tools.cli", verb, exchange.name, *words, *WHO],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


Told = TypeVar("Told", BrokenTrade, TradeCorrection, OrderExecuted)


async def next_of(client: OuchClient, kind: type[Told]) -> Told:
    """The client's next message of that kind; not the other one of them before it."""
    async with asyncio.timeout(60):
        async for _, message in client.events():
            if isinstance(message, kind):
                return message
            assert not isinstance(message, BrokenTrade | TradeCorrection)
    raise AssertionError("the session is over")


async def traded(alice: OuchClient, bob: OuchClient, n: int) -> int:
    """A trade of 10 S1 at 1.01; its number."""
    await bob.enter(symbol="S1", side="S", quantity=10, price=10_100, clordid=f"sell {n}")
    await alice.enter(symbol="S1", side="B", quantity=10, price=10_100, clordid=f"buy {n}")
    both = [await next_of(one, OrderExecuted) for one in (alice, bob)]
    assert both[0].match_number == both[1].match_number
    return both[0].match_number


async def _day(exchange: Exchange) -> list[int]:
    host, tcp = exchange.port("port.0")
    async with (
        OuchClient(host, tcp, "ALICE", "SECRET") as alice,
        OuchClient(host, tcp, "BOB", "SECRET") as bob,
    ):
        first, second = [await traded(alice, bob, n) for n in (1, 2)]
        done = await asyncio.to_thread(said, exchange, "bust", str(first), "--why", "consent")
        assert done.returncode == 0, done.stderr
        assert f"make trade {first} of 10 S1 at 1.01 void: consent" in done.stdout
        assert "ALICE and BOB told" in done.stdout
        for client, text, ref in ((alice, "buy 1", 1), (bob, "sell 1", 1)):
            broken = await next_of(client, BrokenTrade)
            assert (broken.user_ref, broken.match_number) == (ref, first)
            assert (broken.reason, broken.clordid) == ("C", text)
        for price, before in (("1", "1.01"), ("0.99", "1")):
            done = await asyncio.to_thread(said, exchange, "correct", str(second), price)
            assert done.returncode == 0, done.stderr
            words = f"give trade {second} of 10 S1 the price {price}"
            assert f"{words}, which was {before}" in done.stdout
            for client, letter, text in ((alice, "R", "buy 2"), (bob, "A", "sell 2")):
                told = await next_of(client, TradeCorrection)
                assert (told.user_ref, told.match_number, told.quantity) == (2, second, 10)
                assert (told.reason, told.liquidity, told.clordid) == ("N", letter, text)
                assert told.price == int(float(price) * 10_000)
        for words_, problem in (
            (("bust", str(first)), "is void already"),
            (("correct", str(first), "1"), "is void already"),
            (("bust", str(first + 1)), "is not a trade"),
            (("bust", "1"), "is not a trade"),
            (("bust", "999999"), "there is no message 999999 yet"),
            (("correct", str(second), "1.001"), "multiple of the tick 0.01"),
            (("correct", str(second), "2000"), "is outside what S1 may cost"),
            (("correct", str(second), "0.99"), "the price that it has"),
        ):
            refused = await asyncio.to_thread(said, exchange, *words_)
            assert refused.returncode == 1
            assert problem in refused.stderr
    return [first, second]


@pytest.mark.xdist_group("processes")
@pytest.mark.parametrize("extra", ["", CONSOLE], ids=["own console", "socket"])
def test_both_clients_are_told_of_a_bust_and_of_corrections(make: Maker, extra: str) -> None:
    """R103: who, why and what came of it are on the stream, and the day replays."""
    with launched(make(ports=1, shards=2, extra=extra)) as exchange:
        first, second = asyncio.run(_day(exchange))
        directory = exchange.directory / "journal"
    replayed = ringbus("replay", directory)
    assert replayed.returncode == 0, replayed.stdout
    log = log_of(exchange.directory)
    assert [one["what"] for one in log] == [
        f"make trade {first} of 10 S1 at 1.01 void: consent",
        f"give trade {second} of 10 S1 the price 1",
        f"give trade {second} of 10 S1 the price 0.99",
    ]
    assert [one["number"] for one in log] == [1, 2, 3]
    for one in log:
        assert (one["author"], one["why"]) == ("Ann Müller", WHY)
        assert one["effect"] == "ALICE and BOB told"


async def _two_trades(exchange: Exchange) -> list[int]:
    host, tcp = exchange.port("port.0")
    async with (
        OuchClient(host, tcp, "ALICE", "SECRET") as alice,
        OuchClient(host, tcp, "BOB", "SECRET") as bob,
    ):
        return [await traded(alice, bob, n) for n in (1, 2)]


@pytest.mark.xdist_group("processes")
def test_a_second_author_lets_a_bust_go(make: Maker) -> None:
    """R103: what waits names the trade; what it has become meanwhile is looked at again."""
    with launched(make(ports=1, shards=2, extra=TWO + CONSOLE)) as exchange:
        first, second = asyncio.run(_two_trades(exchange))
        assert say(exchange, verb="bust", match=first, why="erroneous")[0] == WAITS
        assert say(exchange, verb="correct", match=second, price="1.05")[0] == WAITS
        assert say(exchange, verb="correct", match=second, price="1.07")[0] == WAITS
        exchange.await_restart("console", exchange.kill("console"), 60)
        status, text = say(exchange, verb="approve", number=2, **BOB)
        assert status == DONE
        assert f"give trade {second} of 10 S1 the price 1.05, ALICE and BOB told" in text
        assert say(exchange, verb="approve", number=1, **BOB)[0] == DONE
        with pytest.raises(CommandError, match="no command 1 waits; 3 wait"):
            say(exchange, verb="approve", number=1, **BOB)
        with pytest.raises(CommandError, match=f"trade {first} is void already"):
            say(exchange, verb="correct", match=first, price="1.05")
        assert say(exchange, verb="bust", match=second, why="consent")[0] == WAITS
        assert say(exchange, verb="approve", number=4, **BOB)[0] == DONE
        with pytest.raises(CommandError, match=f"trade {second} is void already"):
            say(exchange, verb="approve", number=3, **BOB)
        assert say(exchange, verb="withdraw", number=3)[0] == DONE
    log = log_of(exchange.directory)
    asked = [one for one in log if one["template"] == "COMMAND_ASKED"]
    assert asked[0]["what"] == f"make trade {first} of S1 at 1.01 void: erroneous"
    assert [str(one["effect"]).partition(",")[0] for one in asked[:4]] == [
        "approved by Bob Müller",
        "approved by Bob Müller",
        "withdrawn by ann",
        "approved by Bob Müller",
    ]
    changes = [one for one in log if one["template"] == "TRADE_CHANGE"]
    # What was busted had another price when it was approved.
    assert [one["what"] for one in changes] == [
        f"give trade {second} of 10 S1 the price 1.05",
        f"make trade {first} of 10 S1 at 1.01 void: erroneous",
        f"make trade {second} of 10 S1 at 1.05 void: consent",
    ]
    day = read_day(exchange.directory / "journal")
    assert (day["template_id"] == Template.TRADE_CHANGED).sum() == 6


@pytest.mark.xdist_group("processes")
def test_busts_may_be_said_alone_where_the_configuration_says_so(make: Maker) -> None:
    """`[control] alone` knows both by their own names."""
    two = TWO + 'alone = ["bust"]\n'
    with launched(make(ports=1, extra=two + CONSOLE)) as exchange:
        first, second = asyncio.run(_two_trades(exchange))
        assert say(exchange, verb="bust", match=first, why="supervisory")[0] == DONE
        assert say(exchange, verb="correct", match=second, price="1.05")[0] == WAITS
