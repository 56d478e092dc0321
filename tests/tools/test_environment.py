"""Test and live: data and clients of one are refused by the other, and tools say where they are."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ports.ouch_client import LoginRejected, OuchClient
from ports.soup import SoupClientSession
from ringbus.journal import read_day
from ringbus.messages import BUILD_RECORD, Environment
from tests.tools.conftest import Maker
from tests.tools.releases import key_file, signed
from tests.tools.watching import PATIENCE_S
from tools.configuration import Configuration
from tools.day import DayError, recover
from tools.exchange import launched

LIVE_SESSION = "L20230711"


def live(path: Path) -> Path:
    """The same exchange, live, with a release that was signed."""
    key = key_file(path.parent)
    signed(path.parent / "release.json")
    text = path.read_text().replace('session = "20230711"', f'session = "{LIVE_SESSION}"')
    more = f'require_release = "release.json"\nrelease_key = "{key.name}"'
    path.write_text(text.replace("[stream]", f'environment = "live"\n{more}\n[stream]'))
    return path


SNAPSHOT = (
    '[[application]]\nname = "glimpse"\nkind = "snapshot"\n'
    '[[core]]\nname = "servers"\nagents = ["glimpse"]\n'
)


def snapshot_log_in(place: tuple[str, int], session: str) -> str:
    """The same at a server of snapshots or of the whole day."""
    client = SoupClientSession("ALICE", "SECRET", session=session)
    with socket.create_connection(place, PATIENCE_S) as one:
        one.sendall(client.login())
        while not client.accepted and not client.reject_code:
            client.feed(one.recv(4096))
    return client.reject_code or ""


def ringbus(*words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "tools.cli", *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def log_in(place: tuple[str, int], session: str) -> str:
    """Log in with a session's name; returns "" or the code of the refusal."""

    async def attempt() -> str:
        try:
            async with OuchClient(*place, "ALICE", "SECRET", session=session):
                return ""
        except LoginRejected as error:
            return error.code

    return asyncio.run(asyncio.wait_for(attempt(), PATIENCE_S))


@pytest.mark.xdist_group("processes")
def test_a_live_exchange_refuses_who_does_not_mean_it(make: Maker, tmp_path: Path) -> None:
    """R103, R107: clients name the session, a load is sent on purpose, every tool says LIVE."""
    path = live(make(ports=1, extra=SNAPSHOT))
    clients = tmp_path / "clients.csv"
    clients.write_text("user,password\nALICE,SECRET\n")
    orders = tmp_path / "orders.csv"
    orders.write_text("")
    with launched(path) as exchange:
        place = exchange.port("port.0")
        assert log_in(place, "") == "S"
        assert log_in(place, "20230711") == "S"
        assert log_in(place, LIVE_SESSION) == ""
        for endpoint in ("glimpse.snapshot", "glimpse.day"):
            for session, code in (("", "S"), ("20230711", "S"), (LIVE_SESSION, "")):
                server = "127.0.0.1", exchange.state.ports[endpoint]
                assert snapshot_log_in(server, session) == code
        load = ringbus("load", exchange.name, str(orders), "--clients", str(clients))
        assert load.returncode == 1
        assert "is live, and a load sends orders; --live means it" in load.stderr
        assert "*** LIVE" in ringbus("status", exchange.name).stdout
        who = ("--author", "ann", "--reason", "a drill", "--yes")
        done = ringbus("halt", exchange.name, *who, "S1")
        assert done.returncode == 0
        assert done.stderr.startswith("*** LIVE")
        assert "the day begins, live: build" in ringbus("log", exchange.name).stdout
    first = read_day(exchange.directory / "journal")[:1].view(BUILD_RECORD)[0]
    assert first["environment"] == Environment.LIVE


@pytest.mark.xdist_group("processes")
def test_a_day_of_one_is_refused_by_the_other(make: Maker) -> None:
    """R103: the journal of a test is nothing that a live exchange goes on with."""
    path = make(ports=1)
    with launched(path) as exchange:
        place = exchange.port("port.0")
        assert log_in(place, "") == ""
        assert log_in(place, LIVE_SESSION) == "S"
        assert "LIVE" not in ringbus("status", exchange.name).stdout
    live(path)
    refused = "was begun with another environment (test, now live); go on with that one"
    with pytest.raises(DayError, match=re.escape(refused)):
        recover(Configuration.load(path), print)
    done = ringbus("up", str(path), "--continue")
    assert done.returncode == 1
    assert refused in done.stderr
