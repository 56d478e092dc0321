"""What `make test-host` does before there is a guest, and what it makes of a guest's words."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.host import __main__ as runner
from tests.host import guide
from tools.topology import load_topology

HERE = Path(__file__).resolve().parent


def test_what_is_missing_is_named() -> None:
    assert runner.missing(lambda program: f"/usr/bin/{program}", 0) == []
    lacking = runner.missing(lambda program: None, 1000)
    assert "missing: qemu-system-x86_64: apt-get install qemu-system-x86" in lacking
    assert "missing: debootstrap: apt-get install debootstrap" in lacking
    assert lacking[-1].startswith("missing: root")
    assert len(lacking) == len(runner.NEEDED) + 1


def test_nothing_is_made_where_something_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("shutil.which", lambda program: None)
    monkeypatch.setattr(runner, "BUILD", tmp_path / "host")
    assert runner.main([]) == 1
    assert "apt-get install qemu-utils" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_part_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        runner.main(["--parts", "tune,partitions"])
    assert "no part 'partitions': partition, tune" in capsys.readouterr().err


def test_every_part_is_a_file() -> None:
    for part in runner.PARTS:
        assert (HERE / f"{part}.py").exists()


@pytest.mark.parametrize(
    ("console", "status", "next_line"),
    [
        (["ringbus-host: next ro isolcpus=2-3", "ringbus-host: status 0"], 0, "ro isolcpus=2-3"),
        (["ringbus-host: next ", "ringbus-host: status 1"], 1, ""),
        # It hung, or never came so far.
        (["Kernel panic - not syncing"], 1, ""),
    ],
)
def test_what_a_guest_came_to(
    console: list[str],
    status: int,
    next_line: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A program that says the same stands for it."""
    program = [sys.executable, "-c", f"print({chr(10).join(console)!r}, end='\\r\\n')"]
    monkeypatch.setattr(runner, "machine", lambda *_: program)
    ended = runner.start_guest(Path("/nowhere"), Path("/nowhere/layer"), "tcg", "ro")
    assert ended == runner.Ended(status, next_line)
    assert capfd.readouterr().out.splitlines() == [line.rstrip() for line in console]


def test_the_guide_is_run_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both starts together have every command of it but the restart, each once and in order."""
    text = (HERE.parents[1] / "tuning" / "README.md").read_text()
    every = [
        line for one in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in one.split("\n")
    ]
    monkeypatch.setattr(guide, "IS_SECOND", False)
    first = [command.text for command in guide.commands()]
    monkeypatch.setattr(guide, "IS_SECOND", True)
    second = [command.text for command in guide.commands()]
    assert [*first, guide.RESTART, *second] == [line for line in every if line]
    # What is said differently is said somewhere.
    for pattern, _ in guide.INSTEAD:
        assert any(re.search(pattern, line) for line in first + second), pattern


def test_the_exchange_of_the_guest_is_one() -> None:
    topology = load_topology(HERE / "site.toml", frozenset(range(4)))
    assert topology.name == "site"


def test_the_scripts_are_whole() -> None:
    for script in HERE.glob("*.sh"):
        subprocess.run(["bash", "-n", script], check=True)
