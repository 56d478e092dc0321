"""Trades made void or given another price, while the exchange runs; both clients are told."""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from typing import TypeVar

import pytest

from ports.ouch import BrokenTrade, OrderExecuted, TradeCorrection
from ports.ouch_client import OuchClient
from ringbus.journal import read_day
from ringbus.messages import ORDER_TAG, Template
from ringbus.replay import Stream
from tests.tools.conftest import Maker
from tests.tools.test_launcher import ringbus
from tools.bust import look, make
from tools.clients import port_instruments
from tools.console.words import CommandError
from tools.direct import give
from tools.exchange import Exchange, launched
from tools.memory import Attachment

WHO = ("--author", "ann", "--reason", "INC-7", "--yes")


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
    async with asyncio.timeout(30):
        async for _, message in client.events():
            if isinstance(message, kind):
                return message
            assert not isinstance(message, BrokenTrade | TradeCorrection)
    raise AssertionError("the session is over")


async def _day(exchange: Exchange) -> None:
    host, tcp = exchange.port("port.0")
    async with (
        OuchClient(host, tcp, "ALICE", "SECRET") as alice,
        OuchClient(host, tcp, "BOB", "SECRET") as bob,
    ):
        trades = []
        for n in (1, 2):
            await bob.enter(symbol="S1", side="S", quantity=10, price=10_100, clordid=f"sell {n}")
            await alice.enter(symbol="S1", side="B", quantity=10, price=10_100, clordid=f"buy {n}")
            trades.append([await next_of(one, OrderExecuted) for one in (alice, bob)])
        matches = [both[0].match_number for both in trades]
        done = await asyncio.to_thread(said, exchange, "bust", str(matches[0]), "--why", "consent")
        assert done.returncode == 0, done.stderr
        assert f"trade {matches[0]} of 10 S1 at 1.01 is void (consent)" in done.stdout
        for client, text, ref in ((alice, "buy 1", 1), (bob, "sell 1", 1)):
            broken = await next_of(client, BrokenTrade)
            assert (broken.user_ref, broken.match_number) == (ref, matches[0])
            assert (broken.reason, broken.clordid) == ("C", text)
        for price, letters in (("1", "RA"), ("0.99", "RA")):
            done = await asyncio.to_thread(said, exchange, "correct", str(matches[1]), price)
            assert done.returncode == 0, done.stderr
            for client, letter, text in zip(
                (alice, bob), letters, ("buy 2", "sell 2"), strict=True
            ):
                told = await next_of(client, TradeCorrection)
                assert (told.user_ref, told.match_number, told.quantity) == (2, matches[1], 10)
                assert (told.reason, told.liquidity, told.clordid) == ("N", letter, text)
                assert told.price == int(float(price) * 10_000)
        for words, problem in (
            (("bust", str(matches[0])), "is void already"),
            (("correct", str(matches[0]), "1"), "is void already"),
            (("bust", str(matches[0] + 1)), "is not a trade"),
            (("bust", "1"), "is not a trade"),
            (("bust", "999999"), "is not a trade"),
            (("correct", str(matches[1]), "1.001"), "multiple of the tick 0.01"),
            (("correct", str(matches[1]), "0.99"), "the price that it has"),
        ):
            refused = await asyncio.to_thread(said, exchange, *words)
            assert refused.returncode == 1
            assert problem in refused.stderr
        await asyncio.to_thread(late, exchange, matches[1])


def late(exchange: Exchange, match: int) -> None:
    """A change that was made before another command came is not given."""
    topology = exchange.configuration.topology
    with Attachment(exchange.name) as shared:
        ring = shared.attach("stream")
        stream = Stream(ring, topology.journal_paths, topology.journal.segment_messages)
        seen = look(exchange.configuration, stream, match)
    options = argparse.Namespace(verb="bust", why="erroneous")
    order = make(seen, port_instruments(exchange.configuration), options)
    assert said(exchange, "correct", str(match), "0.98").returncode == 0
    with pytest.raises(CommandError, match="another command came before it"):
        give(exchange.name, order, "bob", "INC-8")


@pytest.mark.xdist_group("processes")
def test_both_clients_are_told_of_a_bust_and_of_corrections(make: Maker) -> None:
    """Who and why is on the stream, the day replays, and a second bust is refused."""
    with launched(make(ports=1, shards=2)) as exchange:
        asyncio.run(_day(exchange))
        directory = exchange.directory / "journal"
    replayed = ringbus("replay", directory)
    assert replayed.returncode == 0, replayed.stdout
    day = read_day(directory)
    changes = day["template_id"] == Template.TRADE_CHANGE
    assert changes.sum() == 4
    for at in changes.nonzero()[0]:
        assert bytes(day[at + 5 : at + 6].view(ORDER_TAG)["text"][0]) == b"ann:INC-7"
