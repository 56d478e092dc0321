"""Completion in real shells: words, subwords, options, choices, files and exchanges that are up."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from ringbus.segment import segment_name, segment_path
from tools import cli
from tools.completion import SHELLS, commands
from tools.state import POINTER, claim

KNOWN = list(commands())


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script, as it would be installed."""
    path = tmp_path_factory.mktemp("completion") / "ringbus"
    path.write_text("\n".join(SHELLS["bash"](KNOWN)) + "\n")
    return path


def complete(script: Path, *words: str, cwd: Path | None = None) -> set[str]:
    """What bash offers for the last of the words."""
    line = " ".join(map(shlex.quote, ("ringbus", *words)))
    program = (
        f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; "
        '_ringbus; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-uc", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=cwd,
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def test_the_script_is_what_the_command_prints(
    bash: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["completion", "bash"]) == 0
    assert capsys.readouterr().out == bash.read_text()


def test_bash_has_registered_it(bash: Path) -> None:
    program = f"source {bash}; complete -p ringbus"
    done = subprocess.run(
        ["bash", "--norc", "-c", program], capture_output=True, text=True, check=True
    )
    assert "-F _ringbus ringbus" in done.stdout


def test_words_and_subwords(bash: Path) -> None:
    assert complete(bash, "") == {one.words[0] for one in KNOWN}
    assert set(cli.DELEGATED) < complete(bash, "")
    assert complete(bash, "sta") == {"status"}
    assert {"check", "apply", "undo"} <= complete(bash, "tune", "")
    assert "fat-finger" in complete(bash, "command", "demo", "--author", "ann", "f")
    assert complete(bash, "completion", "") == {"bash", "zsh", "fish"}


def test_options_of_the_word_and_of_no_other(bash: Path) -> None:
    assert complete(bash, "up", "--") == {"--help", "--detach", "--continue", "--new-day"}
    assert complete(bash, "tune", "jitter", "--s") == {"--seconds"}
    assert complete(bash, "tune", "check", "--j") == {"--json"}
    assert complete(bash, "bench", "--qu") == {"--quick"}
    for one in KNOWN:
        flags = {flag for option in one.options for flag in option.flags}
        assert complete(bash, *one.words, "-") == flags, one.words


def test_choices_and_files(bash: Path, tmp_path: Path) -> None:
    (tmp_path / "site.toml").touch()
    (tmp_path / "day").mkdir()
    assert complete(bash, "dump", "--format", "c") == {"csv"}
    assert complete(bash, "cancel", "--side", "") == {"buy", "sell"}
    assert complete(bash, "up", "s", cwd=tmp_path) == {"site.toml"}
    assert complete(bash, "dump", "", cwd=tmp_path) == {"site.toml", "day"}
    assert complete(bash, "dump", "--output", "d", cwd=tmp_path) == {"day"}
    # A number or a text: nothing is offered.
    assert complete(bash, "tap", "--seconds", "", cwd=tmp_path) == set()
    assert complete(bash, "bench", "en", cwd=tmp_path) == {"engine"}


def test_exchanges_that_are_up(bash: Path, exchange: str, tmp_path: Path) -> None:
    """By the line that its launcher leaves in /dev/shm."""
    assert exchange not in complete(bash, "down", "", cwd=tmp_path)
    assert claim(exchange, tmp_path)
    try:
        for word in ("down", "status", "hist", "kill", "tap", "log"):
            assert exchange in complete(bash, word, exchange[:2], cwd=tmp_path), word
        assert exchange not in complete(bash, "up", "", cwd=tmp_path)
    finally:
        segment_path(segment_name(exchange, POINTER)).unlink()


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_take_the_script(shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / f"_ringbus.{shell}"
    path.write_text("\n".join(SHELLS[shell](KNOWN)) + "\n")
    if shell == "fish":
        command = [program, "--no-config", "-c", f"source {path}; complete -C 'ringbus tune jit'"]
    else:
        setup = f"autoload -U compinit; compinit -D; source {path}; print $_comps[ringbus]"
        command = [program, "-f", "-c", setup]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stderr == ""
    assert ("jitter" if shell == "fish" else "_bash_complete") in done.stdout
    assert os.listdir(tmp_path) == [path.name]
