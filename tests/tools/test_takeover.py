"""A port with somebody who stands by: killed, its address and sessions are another process's."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ports.ouch import CancelOrder, EnterOrder, OrderAccepted, OrderCanceled, decode_outbound
from ports.soup import UNSEQUENCED, encode_packet
from ringbus.journal import read_day
from ringbus.messages import SESSION_EVENT, SessionEventKind, Template
from tests.tools.conftest import Maker
from tests.tools.watching import PATIENCE_S, beating, free_port
from tools.exchange import Exchange, launched
from tools.load_session import LoadError, LoadSession
from tools.topology import ConfigurationError, load_topology

CORES = ("edge", "spare")


def with_spare(path: Path, tcp: int, agents: str = '"port.0"') -> Path:
    """The port at a fixed address, and on a second core."""
    text = path.read_text().replace('name = "port.0"', f'name = "port.0"\ntcp = {tcp}')
    path.write_text(text + f'[[core]]\nname = "spare"\nagents = [{agents}]\n')
    return path


def speaker(exchange: Exchange, tcp: int) -> str:
    """The core whose process listens there, "" if none does."""
    inodes = {
        row.split()[9]
        for row in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if row.split()[3] == "0A" and int(row.split()[1].rpartition(":")[2], 16) == tcp
    }
    for core in CORES:
        try:
            pid = exchange.process(core).pid
            files = [str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir()]
        except (OSError, KeyError):
            continue
        if any(f"socket:[{inode}]" in files for inode in inodes):
            return core
    return ""


def answers(session: LoadSession, count: int) -> None:
    """Wait until the session has so many messages in all."""
    deadline = time.monotonic() + PATIENCE_S
    while len(session.received) < count:
        assert time.monotonic() < deadline, session.received
        session.receive()


def test_who_stands_by_takes_address_and_sessions(make: Maker) -> None:
    """SIGKILL, twice: the client goes on at N + 1 and the same address, in another process."""
    tcp = free_port()
    with launched(with_spare(make(ports=1), tcp)) as exchange:
        assert exchange.port("port.0") == ("127.0.0.1", tcp)
        alice = LoadSession(("127.0.0.1", tcp), "ALICE", "SECRET", 1)
        alice.connect()
        for turn in range(2):
            active = speaker(exchange, tcp)
            (other,) = (core for core in CORES if core != active)
            waiting = exchange.process(other)
            order = EnterOrder(turn + 1, "B", 100, "S0", 100_0000)
            alice.send(encode_packet(UNSEQUENCED, order.encode()))
            answers(alice, 2 + 2 * turn)
            former = exchange.kill(active)
            alice.connect()
            # It is the process that had been there before, not one that was started for it.
            assert speaker(exchange, tcp) == other
            assert exchange.process(other) == waiting
            alice.send(encode_packet(UNSEQUENCED, CancelOrder(turn + 1).encode()))
            answers(alice, 3 + 2 * turn)
            with beating([alice]):
                exchange.await_restart(active, former)
        alice.logout()
        told = [type(decode_outbound(payload)) for payload in alice.received[1:]]
        assert told == [OrderAccepted, OrderCanceled] * 2
        day = read_day(exchange.directory / "journal").view(SESSION_EVENT)
    mine = day[(day["template_id"] == Template.SESSION_EVENT) & (day["topic"] == 1)]
    login, gone, logout = (
        SessionEventKind.LOGIN,
        SessionEventKind.DISCONNECT,
        SessionEventKind.LOGOUT,
    )
    assert mine["kind"].tolist()[:5] == [login, gone, login, gone, login]
    assert mine["kind"].tolist()[5:] in ([], [logout])
    # One port to the stream, whoever speaks for it.
    assert len(set(mine["publisher"].tolist())) == 1


def test_a_session_goes_from_one_port_process_to_another(make: Maker) -> None:
    """Two ports, each a process of its own: one at a time has a session, which is one sequence."""
    path = make(ports=2)
    text = path.read_text().replace(", 'port.1']", "]")
    path.write_text(text + '[[core]]\nname = "spare"\nagents = ["port.1"]\n')
    with launched(path) as exchange:
        first, second = (
            LoadSession(exchange.port(f"port.{n}"), "ALICE", "SECRET", 1) for n in range(2)
        )
        first.connect()
        order = EnterOrder(1, "B", 100, "S0", 100_0000)
        first.send(encode_packet(UNSEQUENCED, order.encode()))
        answers(first, 2)
        with pytest.raises(LoadError, match="no login"):
            second.connect(timeout_s=0.5)
        first.logout()
        second.received[:] = first.received
        second.connect()
        second.send(encode_packet(UNSEQUENCED, CancelOrder(1).encode()))
        answers(second, 3)
        assert isinstance(decode_outbound(second.received[2]), OrderCanceled)
        second.logout()


def test_the_address_of_a_port_with_a_spare_must_be_known(make: Maker) -> None:
    path = with_spare(make(ports=1), 0)
    with pytest.raises(ConfigurationError, match=r'\[port\] tcp: "port\.0" is on two cores'):
        load_topology(path)


def test_who_stands_by_runs_nothing_of_the_engine(make: Maker) -> None:
    path = with_spare(make(ports=1), 7001, '"port.0", "sequencer"')
    path.write_text(path.read_text().replace("agents = ['sequencer', ", "agents = ["))
    with pytest.raises(ConfigurationError, match='"port.0" stands by here for another core'):
        load_topology(path)
