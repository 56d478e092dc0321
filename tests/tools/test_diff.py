"""What a new configuration would change, in words and for scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ports.authenticator import hash_secret
from tests.tools import test_guardian
from tests.tools.conftest import SECRET, Maker
from tests.tools.test_fairies import EXTRA
from tests.tools.test_owner_rules import ruled
from tools.configuration import Configuration
from tools.diff import DIFFERENT, SAME, UNREADABLE, differences, main
from tools.exchange import launched

GOES_ON = "`ringbus up --continue` goes on with the day"
CANNOT = "cannot go on with it"
# What is edited: file, from, to; what is said of it; whether the day can be gone on with.
CASES = {
    "limit": ("t.toml", "\norders = 1024", "\norders = 2048", "[limits]: orders 1,024 to 2,048", 0),
    "option": ("t.toml", "slots = 4096", "slots = 8192", "[stream]: slots 4,096 to 8,192", 1),
    "core": (
        "t.toml",
        'name = "edge"',
        'name = "edge"\nwait = "yield"',
        "core edge: wait park to yield",
        1,
    ),
    "control": (
        "t.toml",
        "[journal]",
        "[control]\nalone = []\n[journal]",
        "[control]: alone kill, cancel, halt to none",
        0,
    ),
    "instrument gone": (
        "instruments.csv",
        "S2,0.01,1,0.01,1999.99,1000000\n",
        "",
        "instrument S2: is gone",
        0,
    ),
    "tick": ("instruments.csv", "S1,0.01", "S1,0.005", "instrument S1: tick_1e4 100 to 50", 0),
    "account": ("participants.csv", "7,102", "7,103", "user BOB: account 102 to 103", 0),
    "password": (
        "participants.csv",
        SECRET + "\nBOB",
        hash_secret("OTHER", cost=1024) + "\nBOB",
        "user ALICE: another password",
        1,
    ),
    "fairy": (
        "t.toml",
        'fairy"\n[[core]]\nname = "fairy-0"',
        'fairy"\nday_ends = "15:00:00"\n[[core]]\nname = "fairy-0"',
        "application fairy.0: day_ends never to 15:00:00",
        0,
    ),
    "guardian": (
        "t.toml",
        "bound = 9",
        "bound = 8",
        "application guardian.0: rules 1 (scope firm, bound 9, window_ms 500, action kill, rule "
        "orders) to (scope firm, bound 8, window_ms 500, action kill, rule orders)",
        0,
    ),
    "guardian's rule": (
        "t.toml",
        ', { rule = "balance" }',
        "",
        "application guardian.0: rules 3 (scope instrument, action alarm, rule balance) to none",
        0,
    ),
    "owners": (
        "owners.csv",
        "account:101,5",
        "account:101,6",
        "rules of account:101: open_orders 5 to 6",
        0,
    ),
}


def edited(path: Path, folder: Path, case: str) -> Path:
    """The files of an exchange in another folder, one of them edited."""
    folder.mkdir()
    file, old, new, *_ = CASES[case]
    names = ("instruments.csv", "participants.csv", "owners.csv")
    for one in (path, *(path.with_name(name) for name in names)):
        text = one.read_text()
        if one.name == file or (file == "t.toml" and one == path):
            assert text.count(old) == 1
            text = text.replace(old, new)
        (folder / one.name).write_text(text)
    return folder / path.name


@pytest.mark.parametrize("case", CASES)
def test_every_change_is_said(
    make: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    """R103: explicit changes, before they are made."""
    guardian = test_guardian.HEAD + test_guardian.RULES + test_guardian.CORE
    path = ruled(make(ports=1, extra=EXTRA + guardian), "account:101,5,,,")
    new = edited(path, tmp_path / "new", case)
    assert main([str(path), str(new)]) == DIFFERENT
    said = capsys.readouterr().out.splitlines()
    assert CASES[case][3] in said
    assert (GOES_ON if CASES[case][4] else CANNOT) in said[-1]
    if "gone" not in case and case != "tick":
        assert len(said) == 2
    assert main([str(path), str(new), "--json"]) == DIFFERENT
    lines = [json.loads(one) for one in capsys.readouterr().out.splitlines()]
    assert len(lines) == len(said) - 1
    assert "scrypt" not in str(lines) + str(said)
    assert main([str(new), str(path)]) == DIFFERENT
    assert main([str(new), str(new)]) == SAME


def test_what_cannot_be_read_is_neither(make: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    path = make()
    assert main(["nobody-has-this", str(path)]) == UNREADABLE
    text = path.read_text().replace("[stream]", "[steam]")
    path.write_text(text)
    assert main([str(path), str(path)]) == UNREADABLE
    assert 'did you mean "stream"?' in capsys.readouterr().err


@pytest.mark.xdist_group("processes")
def test_an_exchange_that_is_up_is_compared_with_what_it_began_with(make: Maker) -> None:
    """R103: an edit of its files changes nothing in it, and is seen."""
    path = make()
    with launched(path) as exchange:
        assert main([exchange.name, str(path)]) == SAME
        path.write_text(path.read_text().replace("slots = 256", "slots = 512"))
        assert main([exchange.name, str(path)]) == DIFFERENT
        found = differences(exchange.configuration, Configuration.load(path))
        assert [str(one) for one in found] == ["[lanes]: slots 256 to 512"]
