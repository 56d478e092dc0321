"""An operator's commands against a running exchange: they hold from their place on the stream."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from ports.ouch import OrderAccepted, OrderCanceled, OrderRejected
from ports.ouch_client import OuchClient
from ringbus.journal import read_day
from ringbus.lock import PUBLISHER, ByteLocks
from ringbus.messages import NEW_ORDER, TEXT, OrderOption, Template
from tests.tools.conftest import Maker
from tests.tools.watching import PATIENCE_S
from tools.exchange import Exchange, launched
from tools.memory import Attachment

WHO = ("--author", "ann", "--reason", "INC-7: orders without end, their desk does not answer")


def command(exchange: Exchange, *words: str, yes: bool = True) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "tools.cli", "command", exchange.name, *WHO]
    line += ["--yes"] if yes else []
    return subprocess.run(
        [*line, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


async def _order(exchange: Exchange, ref: int, quantity: int = 1) -> object:
    host, tcp = exchange.port("port.0")
    async with OuchClient(host, tcp, "ALICE", "SECRET", next_user_ref=ref) as client:
        await client.enter(symbol="S1", side="B", quantity=quantity, price=10_000)
        async for _, message in client.events():
            if getattr(message, "user_ref", 0) == ref and isinstance(
                message, OrderAccepted | OrderRejected
            ):
                return message
    raise AssertionError("no answer")


def order(exchange: Exchange, ref: int, quantity: int = 1) -> object:
    return asyncio.run(asyncio.wait_for(_order(exchange, ref, quantity), PATIENCE_S))


async def _canceled(exchange: Exchange, refs: set[int]) -> None:
    host, tcp = exchange.port("port.0")
    async with OuchClient(host, tcp, "ALICE", "SECRET", 1) as client:
        async for _, message in client.events():
            if isinstance(message, OrderCanceled):
                refs.discard(message.user_ref)
            if not refs:
                return


@pytest.mark.xdist_group("processes")
def test_limits_and_kills_hold_and_say_who_and_why(make: Maker) -> None:
    """R103, R107: a limit, a kill that only another command lifts; author and reason are there."""
    with launched(make(ports=1, shards=2)) as exchange:
        account = str(exchange.configuration.participants[0].account)
        firm = exchange.configuration.participants[0].firm_name
        assert isinstance(order(exchange, 1), OrderAccepted)
        done = command(exchange, "limit", "--account", account, "open-orders", "1")
        assert done.returncode == 0, done.stderr
        assert "limit open-orders of account" in done.stdout
        assert isinstance(order(exchange, 2), OrderRejected)
        assert (
            command(exchange, "limit", "--account", account, "open-orders", "none").returncode == 0
        )
        assert isinstance(order(exchange, 3), OrderAccepted)
        killed = command(exchange, "kill", "--firm", firm)
        assert "2 orders canceled" in killed.stdout, killed.stderr
        asyncio.run(asyncio.wait_for(_canceled(exchange, {1, 3}), PATIENCE_S))
        assert isinstance(order(exchange, 4), OrderRejected)
        # A limit does not lift it.
        assert command(exchange, "limit", "--firm", firm, "open-orders", "9").returncode == 0
        assert isinstance(order(exchange, 5), OrderRejected)
        assert command(exchange, "resume", "--firm", firm).returncode == 0
        assert isinstance(order(exchange, 6), OrderAccepted)
        directory = exchange.directory / "journal"
    day = read_day(directory)
    said = day[day["template_id"] == Template.TEXT].view(TEXT)["text"]
    assert b"".join(said) == f"ann\n{os.getuid()}\n{WHO[3]}".encode() * 5


@pytest.mark.xdist_group("processes")
def test_rules_for_single_orders_hold_until_they_are_lifted(make: Maker) -> None:
    """R103: collars, fat fingers, restrictions, self-trade: each refuses, or shows on the order."""
    with launched(make(ports=1)) as exchange:
        firm = exchange.configuration.participants[0].firm_name
        account = str(exchange.configuration.participants[0].account)
        assert command(exchange, "reference", "S1", "1.00").returncode == 0
        ref = 0
        for rule, words, lifted in (
            (
                ("collar", "S1", "continuous", "--low", "2", "--width", "0.5"),
                "collar of S1 in continuous: at least 2, width 0.5",
                ("collar", "S1", "continuous"),
            ),
            (
                ("fat-finger", "S1", "--width", "3", "--value", "9900"),
                "fat finger in S1: 3 past the last trade and a notional of 9900 at most",
                ("fat-finger", "S1"),
            ),
            (
                ("restrict", "--firm", firm, "S1", "sell-only"),
                f"let firm {firm} only sell in S1",
                ("restrict", "--firm", firm, "S1", "everything"),
            ),
        ):
            done = command(exchange, *rule)
            assert done.returncode == 0, done.stderr
            assert words in done.stdout
            assert isinstance(order(exchange, ref + 1), OrderRejected)
            assert command(exchange, *lifted).returncode == 0
            assert isinstance(order(exchange, ref + 2), OrderAccepted)
            ref += 2
        done = command(exchange, "self-trade", "--account", account, "both")
        assert f"when orders of account {account} meet, cancel: both" in done.stdout, done.stderr
        assert isinstance(order(exchange, ref + 1), OrderAccepted)
        directory = exchange.directory / "journal"
    day = read_day(directory)
    options = day[day["template_id"] == Template.NEW_ORDER].view(NEW_ORDER)["options"]
    both = OrderOption.SELF_TRADE_NEWEST | OrderOption.SELF_TRADE_OLDEST
    assert options.tolist() == [0, 0, 0, both]


@pytest.mark.xdist_group("processes")
def test_what_cannot_be_done_is_said(make: Maker) -> None:
    with launched(make(ports=1)) as exchange:
        for words, problem in (
            (("kill", "--firm", "NOBODY"), "there is no firm NOBODY"),
            (("kill", "--user", "NOBODY"), "there is no user NOBODY"),
            (("limit", "--account", "9999", "open-long", "1"), "no participant has account 9999"),
            (("state", "NONE", "halted"), "there is no instrument NONE"),
            (("state", "S1", "continuous"), "refused (INSTRUMENT_STATE)"),
            (("reference", "S1", "1.00001"), "not a multiple of the tick"),
            (("collar", "S1", "continuous", "--low", "3", "--high", "2"), "INVALID_OPTIONS"),
            (("restrict", "S1", "nothing"), "say whose: one of --account, --firm"),
        ):
            done = command(exchange, *words)
            assert done.returncode == 1
            assert problem in done.stderr
        assert "--yes" in command(exchange, "state", "S1", "halted", yes=False).stderr
        with Attachment(exchange.name) as shared:
            locks = ByteLocks(shared.attach("lane.console", writable=True).path)
            assert locks.take(PUBLISHER)
            assert "another command" in command(exchange, "state", "S1", "halted").stderr
            locks.close()
        assert command(exchange, "state", "S1", "halted").returncode == 0
        assert isinstance(order(exchange, 1), OrderRejected)
