"""Drop copies in processes of their own, killed under flow."""

from __future__ import annotations

import select
import socket
import time
from pathlib import Path

import pytest

from ports.drop import Copy, DropReader
from ports.fix import FIX44
from ports.ouch import CancelOrder, EnterOrder, OrderCanceled, SystemEvent
from ports.soup import UNSEQUENCED, SoupClientSession, encode_packet
from ringbus.journal import read_day
from ringbus.messages import SESSION_EVENT, SessionEventKind, Template
from tests.ports.quickfix_client import QuickFix
from tests.tools.conftest import SECRET, Maker
from tests.tools.watching import PATIENCE_S, beating
from tools.configuration import Configuration
from tools.exchange import Exchange, launched, start_detached
from tools.launcher import LaunchError
from tools.load_session import LoadSession
from tools.topology import ConfigurationError

DROP = """\
[[application]]
name = "drop.0"
kind = "drop"
[[core]]
name = "drops"
agents = ["drop.0"]
"""
FIX_DROP = """\
[[application]]
name = "drop.fix"
kind = "drop"
protocol = "fix"
comp_id = "RINGBUS"
[[core]]
name = "drops"
agents = ["drop.fix"]
"""
TICK = 100
BURST = 50
KILLS = 4
LAST_ORDER = 10_000
LAST = OrderCanceled.TYPE + LAST_ORDER.to_bytes(4, "big")


def with_drops(path: Path, *rows: str) -> Path:
    """Adds drop copies to the participants: user, session, account, firm and whom they hear."""
    participants = path.with_name("participants.csv")
    header, *traders = participants.read_text().splitlines()
    drops = []
    for row in rows:
        user, session, account, firm, hears = row.split(",")
        drops.append(f"{user},{session},{account},{firm},{SECRET},{hears}")
    lines = [f"{header},hears", *(f"{one}," for one in traders), *drops]
    participants.write_text("\n".join(lines) + "\n")
    return path


def reader(exchange: Exchange, user: str) -> LoadSession:
    """A drop copy, logged in."""
    one = LoadSession(("127.0.0.1", exchange.state.ports["drop.0"]), user, "SECRET", 0)
    one.connect()
    return one


def burst(session: LoadSession, side: str, first: int) -> None:
    """Orders of which every second one trades, and a cancel of the others."""
    for n in range(first, first + BURST):
        price = 100 * TICK if n % 2 else (90 if side == "B" else 110) * TICK
        session.send(encode_packet(UNSEQUENCED, EnterOrder(n, side, 10, "S0", price).encode()))
        if n % 2 == 0:
            session.send(encode_packet(UNSEQUENCED, CancelOrder(n).encode()))


def pump(sessions: list[LoadSession], until: int) -> None:
    """Read everything until the last session has so many messages; come back when cut off."""
    deadline = time.monotonic() + PATIENCE_S
    while len(sessions[-1].received) < until:
        assert time.monotonic() < deadline, [len(one.received) for one in sessions]
        select.select(sessions, [], [], 0.05)
        for one in sessions:
            one.flush()
            if not one.receive():
                one.connect()


def whole_day(exchange: Exchange, user: str, count: int) -> list[Copy]:
    """The first messages of a drop copy, as somebody sees who begins at 1."""
    session = SoupClientSession(user, "SECRET")
    drop = DropReader(session)
    out: list[Copy] = []
    with socket.create_connection(("127.0.0.1", exchange.state.ports["drop.0"])) as one:
        one.settimeout(PATIENCE_S)
        one.sendall(session.login())
        while len(out) < count:
            out += drop.feed(one.recv(1 << 16))
    return out


def test_a_drop_port_that_is_killed_under_flow(make: Maker) -> None:
    """R33: every number is the same message over SIGKILL; nothing missing, nothing twice."""
    rows = ("DROP,20,900,OPS,ALICE firm:BETA", "BETA,21,900,OPS,BOB")
    path = with_drops(make(ports=1, extra=DROP), *rows)
    with launched(path) as exchange:
        traders = []
        for user, topic in (("ALICE", 1), ("BOB", 7)):
            one = LoadSession(exchange.port("port.0"), user, "SECRET", topic)
            one.connect()
            traders.append(one)
        alice, bob = traders
        drops = [reader(exchange, "BETA"), reader(exchange, "DROP")]
        for turn in range(KILLS):
            burst(alice, "B", 1 + turn * BURST)
            burst(bob, "S", 1 + turn * BURST)
            # In the middle of what it is telling.
            pump([*traders, *drops], len(drops[-1].received) + BURST)
            former = exchange.kill("drops")
            with beating(traders):
                exchange.await_restart("drops", former)
            for one in drops:
                one.connect()
        # The last of all: when its answer is there, everything else is.
        for session in traders:
            last = EnterOrder(LAST_ORDER, "B", 1, "S1", TICK, "3")
            session.send(encode_packet(UNSEQUENCED, last.encode()))
        for session in traders:
            pump_until_last(session)
        pump([drops[0]], len(bob.received))
        pump([drops[1]], len(alice.received) + len(bob.received) - 1)
        assert drops[0].received == bob.received
        events = [one for one in alice.received if one[:1] == SystemEvent.TYPE]
        others = [one for one in alice.received + bob.received if one[:1] != SystemEvent.TYPE]
        assert sorted(drops[1].received) == sorted(events + others)
        for one in drops:
            one.close()
        copies = whole_day(exchange, "DROP", len(drops[1].received))
        assert [one.payload for one in copies] == drops[1].received
        assert [one.sequence for one in copies] == list(range(1, len(copies) + 1))
        for user, session in (("ALICE", alice), ("BOB", bob)):
            own = [one.payload for one in copies if one.whose and one.whose.user == user]
            assert own == [one for one in session.received if one[:1] != SystemEvent.TYPE]
        for session in traders:
            session.close()
        day = read_day(exchange.configuration.topology.journal_directory)
    logins = day[day["template_id"] == Template.SESSION_EVENT].view(SESSION_EVENT)
    logins = logins[(logins["kind"] == SessionEventKind.LOGIN) & (logins["topic"] == 20)]
    # Who listened, and when, is in the record: at first, after each death, and once more.
    assert len(logins) >= KILLS + 2


def pump_until_last(session: LoadSession) -> None:
    """Until its last order is over."""
    deadline = time.monotonic() + PATIENCE_S
    while session.received[-1][:1] + session.received[-1][9:13] != LAST:
        assert time.monotonic() < deadline, len(session.received)
        select.select([session], [], [], 0.05)
        session.flush()
        session.receive()


def test_a_fix_drop_port_that_is_killed_under_flow(make: Maker, tmp_path: Path) -> None:
    """R33: QuickFIX hears each execution once, under rising numbers, over SIGKILL."""
    path = with_drops(make(ports=1, extra=FIX_DROP), "DROP,20,900,OPS,all")
    with launched(path) as exchange:
        traders = []
        for user, topic in (("ALICE", 1), ("BOB", 7)):
            one = LoadSession(exchange.port("port.0"), user, "SECRET", topic)
            one.connect()
            traders.append(one)
        alice, bob = traders
        tcp = exchange.state.ports["drop.fix"]

        def step() -> None:
            select.select(traders, [], [], 0.0005)
            for one in traders:
                one.flush()
                one.receive()

        with QuickFix(
            tmp_path / "store", step, tcp, "DROP", FIX44, password="SECRET", heartbeat=1
        ) as drop:
            drop.until(lambda: drop.logged_on)
            for turn in range(KILLS):
                told = len(drop.reports)
                burst(alice, "B", 1 + turn * BURST)
                burst(bob, "S", 1 + turn * BURST)
                drop.told(told + BURST)
                former = exchange.kill("drops")
                with beating(traders):
                    exchange.await_restart("drops", former)
            # An order that trades is two reports, one that is canceled too.
            reports = drop.told(KILLS * BURST * 4)
            assert [one for one in drop.sent + drop.admin if one[35] in "3j"] == []
        assert len(drop.reports) == KILLS * BURST * 4
        for user in ("ALICE", "BOB"):
            own = [one for one in reports if one[115] == user]
            entered = [one[11] for one in own if one[150] == "0"]
            assert entered == [str(n) for n in range(1, KILLS * BURST + 1)]
            ended = [one[11] for one in own if one[150] in ("F", "4")]
            assert sorted(ended) == sorted(entered)
        assert len({one[34] for one in reports}) == len(reports)
        assert len({one[17] for one in reports}) == len(reports)
        for one in traders:
            one.close()


def test_a_drop_copy_logs_in_where_drops_are_and_nowhere_else(make: Maker) -> None:
    """Its password opens no client port, and a trader's no drop port."""
    path = with_drops(make(ports=1, extra=DROP), "DROP,20,900,OPS,all")
    configuration = Configuration.load(path)
    assert [one.hears for one in configuration.participants] == [(), (), (1, 7)]
    saved = path.with_name("saved.json")
    configuration.save(saved)
    assert Configuration.restore(saved) == configuration
    with launched(path) as exchange:
        for place, user in (("port.0", "DROP"), ("drop.0", "ALICE")):
            session = SoupClientSession(user, "SECRET")
            with socket.create_connection(("127.0.0.1", exchange.state.ports[place])) as one:
                one.settimeout(PATIENCE_S)
                one.sendall(session.login())
                while data := one.recv(4096):
                    session.feed(data)
            assert session.reject_code == "A"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("DROP,20,900,OPS,CAROL", "hears: 'CAROL' names nobody who trades"),
        ("DROP,20,900,OPS,ALICE firm:NONE", "'firm:NONE' names nobody"),
        ("DROP,20,900,OPS,account:9", "write users of this file, firm:NAME"),
    ],
)
def test_whom_nobody_can_hear(make: Maker, row: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Configuration.load(with_drops(make(ports=1, extra=DROP), row))


def test_a_drop_port_without_anybody_to_listen_says_so(make: Maker) -> None:
    with pytest.raises(LaunchError, match="no participant hears anybody"):
        start_detached(make(ports=1, extra=DROP), bound=True)
