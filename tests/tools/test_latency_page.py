"""What tools/latency.md says: its commands run on a real exchange, its program prints that."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ringbus.core import STALLS
from tests.tools.conftest import Maker
from tests.tools.test_command import order
from tools.exchange import launched
from tools.hops import HOPS, collect
from tools.load import HOP
from tools.recording import read

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "tools" / "latency.md").read_text()


def test_the_program_about_coordinated_omission_prints_what_it_says() -> None:
    """The same stall seen by who waits for each answer and by who sends when it is due."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (printed,) = re.findall(r"```\n(waiting.*?)```", PAGE, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == printed


def test_every_row_is_explained_and_every_picture_is_there() -> None:
    for row in (*HOPS, HOP):
        assert f"| {row} |" in PAGE, row
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", PAGE)
    assert len(pictures) == 2
    for picture in pictures:
        assert (ROOT / "tools" / picture).stat().st_size < 150_000


@pytest.mark.xdist_group("processes")
def test_every_command_of_the_page_runs(make: Maker, tmp_path: Path) -> None:
    """On a real exchange; a minute is a quarter of a second here."""
    shown = "\n".join(re.findall(r"```console\n(.*?)\n```", PAGE, re.DOTALL))
    commands = re.findall(r"^\$ ringbus (.*)", shown, re.MULTILINE)
    assert len(commands) == 9
    with launched(make(ports=1)) as exchange:
        for ref in range(1, 60):
            order(exchange, ref)
        for command in commands:
            words = shlex.split(command.replace("--seconds 60", "--seconds 0.25"), comments=True)
            words = [exchange.name if word == "demo" else word for word in words]
            words += ["--seconds", "0.25"] if "--live" in words else []
            done = subprocess.run(
                [sys.executable, "-m", "tools.cli", *words],
                capture_output=True,
                text=True,
                timeout=120,
                cwd=tmp_path,
                env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
                check=False,
            )
            # Two sets of one run of a quarter of a second: nothing can be told.
            expected = 2 if "--compare" in words else 0
            assert done.returncode == expected, f"{command}\n{done.stdout}{done.stderr}"
            if "before/1" in command and not (tmp_path / "after").exists():
                order(exchange, 60)
                subprocess.run(
                    [sys.executable, "-m", "tools.cli", "hist", exchange.name, "--output", "more"],
                    cwd=tmp_path,
                    env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
                    check=True,
                    capture_output=True,
                )
                for copy in ("before/1", "before/2", "after/1"):
                    shutil.rmtree(tmp_path / copy, ignore_errors=True)
                    shutil.copytree(tmp_path / "more", tmp_path / copy)
        assert f"{STALLS}engine" in collect(exchange.name)
    assert read(tmp_path / "noon").is_snapshot
    assert "<svg" in (tmp_path / "a.html").read_text()
