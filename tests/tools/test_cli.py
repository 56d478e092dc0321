"""The `ringbus` command: its words, its errors, and how little it loads beforehand."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ports.authenticator import verify
from tools import cli
from tools.instruments import SECRET
from tools.state import exchange_name


def test_help_lists_every_word(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    for word in ("up", "down", "status", "secret", "hist", "load", "ls", "tap", "replay", "schema"):
        assert word in said


def test_an_unknown_word_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["upp"])
    assert caught.value.code == 2
    assert "invalid choice: 'upp'" in capsys.readouterr().err


def test_a_delegated_word_gets_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["hist", "no-such-exchange"]) == 1
    assert "no-such-exchange" in capsys.readouterr().err


def test_nothing_heavy_is_loaded_before_the_word_is_known() -> None:
    program = (
        "import sys; from tools import cli\n"
        "heavy = {'numpy', 'rich', 'matplotlib', 'ringbus._ringbus', 'engine._engine'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("word", ["down", "status"])
@pytest.mark.parametrize("target", ["a name", "../x", "nothing.toml"])
def test_what_names_no_exchange(word: str, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([word, target]) == 1
    assert capsys.readouterr().err.startswith(f"ringbus {word}: ")


def test_the_name_is_read_from_a_topology_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text('[exchange]\nname = "demo"\nshards = 99\n')
    assert exchange_name(str(path)) == "demo"
    assert exchange_name("demo") == "demo"


def test_up_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["up", "nothing.toml"]) == 1
    assert "nothing.toml: No such file" in capsys.readouterr().err


def test_a_secret_is_hashed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("OPEN SESAM\n"))
    assert cli.main(["secret"]) == 0
    secret = capsys.readouterr().out.strip()
    assert "SESAM" not in secret
    assert re.fullmatch(SECRET, secret)
    assert verify(secret, "open sesam")
    assert not verify(secret, "open sesame")


@pytest.mark.parametrize("password", ["\n", "", "much too long\n"])
def test_what_cannot_be_a_password(
    password: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(password))
    assert cli.main(["secret"]) == 1
    assert "ringbus secret: a password has 1 to 10" in capsys.readouterr().err
