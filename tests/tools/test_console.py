"""The console as operators reach it: over its socket, with a second author, and after kill -9."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ports.ouch import OrderAccepted, OrderRejected
from ringbus.journal import read_day
from ringbus.messages import Template
from ringbus.texts import texts
from tests.tools.conftest import Maker
from tests.tools.test_command import order
from tools.command import DONE, WAITS, give, told
from tools.console.client import Target, target_of
from tools.console.conversation import REQUEST_BYTES_MAX
from tools.console.service import CONNECTIONS_MAX, short_path
from tools.console.words import CommandError
from tools.exchange import Exchange, launched
from tools.log import changes_of, rows

CONSOLE = (
    '[[application]]\nname = "console.0"\nkind = "console"\n'
    '[[core]]\nname = "console"\nagents = ["console.0"]\n'
)
TWO = '[control]\napprovals = 2\nwaiting = 3\nsame_user = "allowed"\n'
ANN = {"author": "ann", "reason": "their desk does not answer: INC-7"}
BOB = {"author": "Bob Müller", "reason": "seen it too"}


def say(exchange: Exchange, **command: object) -> tuple[int, str]:
    """Give a command without being asked; exit status and words."""
    target = target_of(exchange.name)
    assert target.socket is not None
    return told(target, give(target, {**ANN, **command}, lambda words: True))


def log_of(path: Path) -> list[dict[str, object]]:
    """The changes of a day, but for its beginning."""
    return rows(*changes_of(iter([read_day(path / "journal")])))[1:]


def ringbus(*words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "tools.cli", *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.xdist_group("processes")
def test_commands_over_the_socket_and_what_the_day_says_of_them(make: Maker) -> None:
    """R103: who, what, why, when and what came of it, from an exchange and from its journal."""
    path = make(ports=1, extra=CONSOLE)
    who = ("--author", "ann", "--reason", "INC-7: both desks are silent", "--yes")
    with launched(path) as exchange:
        place = exchange.directory / "console.0.sock"
        assert stat.S_IMODE(place.stat().st_mode) == 0o660
        assert isinstance(order(exchange, 1), OrderAccepted)
        done = ringbus("cancel", exchange.name, *who, "--symbol", "S1", "--side", "buy")
        assert "1 orders canceled" in done.stdout, done.stderr
        done = ringbus("halt", str(place), *who, "S1")
        assert "S1 continuous to halted" in done.stdout, done.stderr
        assert isinstance(order(exchange, 2), OrderRejected)
        assert say(exchange, verb="state", symbol="S1", state="continuous")[0] == DONE
        done = ringbus("kill", str(path), *who, "--user", "ALICE")
        assert done.returncode == 0, done.stderr
        assert isinstance(order(exchange, 3), OrderRejected)
        assert say(exchange, verb="resume", user="ALICE")[0] == DONE
        done = ringbus("resume", exchange.name, *who, "--user", "ALCE")
        assert 'did you mean "ALICE"?' in done.stderr
        up = ringbus("log", exchange.name)
        assert up.returncode == 0, up.stderr
        live = [
            json.loads(one)
            for one in ringbus("log", exchange.name, "--json").stdout.split("\n")
            if one
        ]
    assert not place.exists()
    said = log_of(exchange.directory)
    assert live[1:] == said
    assert [one["what"] for one in said] == [
        "cancel all open orders in S1 that are buys",
        "set S1 to halted",
        "set S1 to continuous",
        "kill user ALICE: cancel all open orders, take nothing new",
        "take orders of user ALICE again",
    ]
    assert [one["number"] for one in said] == [1, 2, 3, 4, 5]
    assert {one["user"] for one in said} == {os.getuid()}
    assert {one["author"] for one in said} == {"ann"}
    assert said[0]["why"] == "INC-7: both desks are silent"
    assert said[0]["effect"] == "1 orders canceled"
    assert "ann (uid" in up.stdout
    assert "the day begins, test: build" in up.stdout
    assert ringbus("log", str(exchange.directory)).stdout == up.stdout


@pytest.mark.xdist_group("processes")
def test_a_second_author_lets_a_command_go(make: Maker) -> None:
    """R103, R107: what waits is on the stream, so that a console that was killed knows of it."""
    with launched(make(ports=1, extra=TWO + CONSOLE)) as exchange:
        status, text = say(exchange, verb="limit", account=101, limit="open-orders", value="0")
        assert status == WAITS
        assert "ringbus approve" in text
        assert isinstance(order(exchange, 1), OrderAccepted)
        # What only stops trading needs nobody else.
        assert say(exchange, verb="halt", symbol="S2")[0] == DONE
        with pytest.raises(CommandError, match="another author"):
            say(exchange, verb="approve", number=1)
        with pytest.raises(CommandError, match="another author"):
            say(exchange, verb="approve", number=1, author="ANN")
        with pytest.raises(CommandError, match="no command 2 waits; 1 wait"):
            say(exchange, verb="approve", number=2, **BOB)
        exchange.await_restart("console", exchange.kill("console"))
        assert say(exchange, verb="approve", number=1, **BOB)[0] == DONE
        assert isinstance(order(exchange, 2), OrderRejected)
        with pytest.raises(CommandError, match="no command 1 waits"):
            say(exchange, verb="approve", number=1, **(BOB | {"author": "eve"}))
        for n in range(3):
            assert say(exchange, verb="reference", symbol="S1", price=f"{n}.5")[0] == WAITS
        with pytest.raises(CommandError, match="3 commands wait for approval already"):
            say(exchange, verb="reference", symbol="S1", price="9.5")
        assert say(exchange, verb="withdraw", number=4)[0] == DONE
        with pytest.raises(CommandError, match="no command 4 waits; 3, 5 wait"):
            say(exchange, verb="approve", number=4, **BOB)
    said = log_of(exchange.directory)
    asked = [one for one in said if one["template"] == "COMMAND_ASKED"]
    assert asked[0]["what"] == said[2]["what"] == "limit open-orders of account 101 to 0"
    assert asked[0]["effect"] == f"approved by Bob Müller, message {said[2]['message']}"
    assert (asked[0]["author"], said[2]["author"]) == ("ann", "Bob Müller")
    assert [one["effect"] for one in asked[1:3]] == [
        "waits for a second author",
        f"withdrawn by ann, message {said[-1]['message']}",
    ]


@pytest.mark.xdist_group("processes")
def test_the_same_local_user_is_no_second_author(make: Maker) -> None:
    """R103: the name is what somebody says, the user is what the kernel knows."""
    two = "[control]\napprovals = 2\nalone = []\n"
    with launched(make(extra=two + CONSOLE)) as exchange:
        assert say(exchange, verb="kill", everybody=True)[0] == WAITS
        with pytest.raises(CommandError, match=f"the same local user \\({os.getuid()}\\)"):
            say(exchange, verb="approve", number=1, **BOB)


@pytest.mark.xdist_group("processes")
def test_said_again_it_happens_once(make: Maker) -> None:
    """R103: an answer that a killed console did not give is asked for again."""
    with launched(make(ports=1, extra=CONSOLE)) as exchange:
        target = target_of(exchange.name)
        command = {**ANN, "verb": "kill", "firm": "ACME", "number": 1}
        answers = [target.ask({"do": "say", "command": command})]
        for _ in range(2):
            was = exchange.kill("console")
            answers.append(target.ask({"do": "say", "command": command}))
            exchange.await_restart("console", was)
        assert answers[0] == answers[1] == answers[2]
        other = target.ask({"do": "say", "command": {**command, "firm": "BETA"} | BOB})
        assert other["taken"] is True
    day = read_day(exchange.directory / "journal")
    assert (day["template_id"] == Template.MASS_CANCEL).sum() == 1


@pytest.mark.xdist_group("processes")
def test_many_operators_at_once(make: Maker) -> None:
    """Each of their commands happens once, under a number of its own."""
    with launched(make(extra=CONSOLE)) as exchange:
        failed: list[str] = []

        def operate(name: str) -> None:
            try:
                for n in range(1, 6):
                    price = f"{n}.{name[-1]}0"
                    assert say(exchange, verb="reference", symbol="S1", price=price, author=name)
            except CommandError as error:
                failed.append(str(error))

        people = [threading.Thread(target=operate, args=(f"op{n}",)) for n in range(4)]
        for one in people:
            one.start()
        for one in people:
            one.join(60)
        assert failed == []
    said = log_of(exchange.directory)
    assert sorted(int(str(one["number"])) for one in said) == list(range(1, 21))
    for name in range(4):
        own = [one["what"] for one in said if one["author"] == f"op{name}"]
        assert own == [
            f"count sells of S1 at {n}.{name}0".rstrip("0").rstrip(".") + " at least"
            for n in range(1, 6)
        ]


def connected(place: Path) -> socket.socket:
    with short_path(place) as path:
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        one.settimeout(60)
        one.connect(path)
        return one


@pytest.mark.xdist_group("processes")
def test_a_bad_operators_program_hurts_nobody(make: Maker) -> None:
    """R29: every bound of the socket, and whatever is no command; the console goes on."""
    with launched(make(extra=CONSOLE)) as exchange:
        place = exchange.directory / "console.0.sock"
        process = exchange.process("console")
        good = {**ANN, "verb": "kill", "firm": "ACME"}
        price = {**ANN, "verb": "reference", "symbol": "S1"}
        bad = (
            b"\xff\xfe",
            b"[" * 4000,
            b"[]",
            b'{"do": "say"}',
            b'{"do": "rm"}',
            json.dumps({"do": "check", "command": {**good, "frim": "X"}}).encode(),
            json.dumps({"do": "check", "command": {**good, "firm": 7}}).encode(),
            json.dumps({"do": "check", "command": {**good, "author": "x" * 33}}).encode(),
            json.dumps({"do": "check", "command": {**good, "reason": "two\nlines"}}).encode(),
            json.dumps({"do": "check", "command": {**good, "verb": "kil"}}).encode(),
            json.dumps({"do": "check", "command": {**good, "user": "ALICE"}}).encode(),
            json.dumps({"do": "say", "command": {**good, "number": 2**32}}).encode(),
            json.dumps({"do": "say", "command": {**good, "number": True}}).encode(),
            json.dumps({"do": "say", "command": good}).encode(),
            *(
                json.dumps({"do": "check", "command": {**price, "price": text}}).encode()
                for text in ("1e999999", "-1e999999", "NaN", "sNaN", "1e-99999", "9" * 99, "")
            ),
        )
        for text in bad:
            with connected(place) as one:
                one.sendall(text + b"\n")
                assert b'"error"' in one.recv(1 << 16), text
        with connected(place) as one:
            one.sendall(b"x" * (REQUEST_BYTES_MAX + 1))
            assert one.recv(1) == b""
        # Silent ones keep their places, and those who come then are turned away.
        silent = [connected(place) for _ in range(CONNECTIONS_MAX)]
        with connected(place) as one:
            assert one.recv(1) == b""
        for one in silent:
            one.close()
        assert say(exchange, verb="kill", firm="ACME")[0] == DONE
        assert exchange.process("console") == process


@pytest.mark.xdist_group("processes")
def test_the_socket_of_a_killed_console_goes_with_its_exchange(make: Maker) -> None:
    """SIGKILL of the console alone, then of everything: `ringbus down` leaves no socket behind."""
    for kills_all in (False, True):
        with launched(make(extra=CONSOLE)) as exchange:
            place = exchange.directory / "console.0.sock"
            assert place.is_socket()
            state = exchange.state
            if kills_all:
                # Stopped first, so that nobody tidies up behind another.
                every = [state.launcher, *(core.process for core in state.cores.values())]
                for number in (signal.SIGSTOP, signal.SIGKILL):
                    for process in every:
                        process.send(number)
            else:
                exchange.kill("console")
            down = ringbus("down", exchange.name)
            assert down.returncode == 0, down.stderr
            assert not place.exists()


def test_who_may_not_write_to_the_socket_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is not up"):
        target_of("nobody-has-this")
    place = tmp_path / "console.0.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        one.bind(str(place))
        assert target_of(str(place)) == Target("console.0", place, None)


def test_the_longest_texts_fit_behind_a_command() -> None:
    assert len(texts("a" * 32, 2**32 - 1, "r" * 200)) == 9
