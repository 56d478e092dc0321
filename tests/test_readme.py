"""What README says runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.test_placement import placements, topology
from tools.exchange import launched

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.xdist_group("processes")
def test_the_programs_in_readme_run(tmp_path: Path) -> None:
    """Both against a real exchange; only its name and port are put in."""
    programs = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(programs) == 2
    name = f"readme-{os.getpid()}"
    with launched(topology(tmp_path, name, 2, placements(2)["two-cores"])) as exchange:
        _, port = exchange.port("port.0")
        said = []
        for program in programs:
            text = program.replace("9001", str(port)).replace('"demo"', f'"{name}"')
            done = subprocess.run(
                [sys.executable, "-c", text],
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
                cwd=ROOT,
            )
            said.append(done.stdout)
    assert "SystemEvent" in said[0]
    assert "OrderAccepted" in said[0]
    # The day's opening, the login, the order.
    assert len(said[1].splitlines()) >= 1 + 3 + 32 + 2


def test_the_commands_in_readme_exist() -> None:
    """Every `ringbus` and `make` command that README names is there."""
    commands = set(re.findall(r"^ringbus ([a-z-]+)", README, re.MULTILINE))
    assert {"up", "status", "load", "hist", "down", "replay"} <= commands
    usage = subprocess.run(
        [sys.executable, "-m", "tools.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    for command in commands:
        assert re.search(rf"^\s+{command}\s", usage, re.MULTILINE), command
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make ([a-z-]+)", README, re.MULTILINE):
        assert re.search(
            rf"^{target}:|^[a-z ]*\b{target}\b[a-z ]*:", makefile, re.MULTILINE
        ), target
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
