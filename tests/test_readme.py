"""What README says runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.test_placement import placements, topology
from tools import cli
from tools.exchange import launched
from tools.manual import parser_of

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


PAGES = (
    *("README.md", "engine/README.md", "ringbus/README.md", "ports/README.md"),
    *("ports/applications.md", "tools/README.md", "tools/latency.md", "tuning/README.md"),
    *("tests/bench/README.md", "tests/control/README.md"),
)
BEFORE = r"(?:sudo )?(?:\$\(command -v )?"
# What stands in a command for something of the reader's own.
PLACEHOLDERS = {"$HOT": "1-7", "...": ""}


def commands(page: str) -> Iterator[tuple[str, list[str]]]:
    """Commands in the blocks of a page: the program and its words, without what the shell takes."""
    text = (ROOT / page).read_text().replace("\\\n", " ")
    for kind, block in re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL):
        prompt = r"\$ " if kind == "console" else ""
        for found in re.finditer(
            rf"^\s*{prompt}{BEFORE}(ringbus|make)\)? (.*)", block, re.MULTILINE
        ):
            rest = re.split(r"\s[#|>&<]|;", found[2])[0]
            for old, new in PLACEHOLDERS.items():
                rest = rest.replace(old, new)
            if kind in ("", "sh", "console"):
                yield found[1], shlex.split(rest)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_is_one(page: str) -> None:
    """Its words and options are those of the program; a target of make is there."""
    makefile = (ROOT / "Makefile").read_text()
    for program, words in commands(page):
        if program == "ringbus":
            parser_of(cli.main, words[:1]).parse_args(words[1:])
        else:
            assert re.search(rf"^[a-z -]*\b{words[0]}\b[a-z -]*:", makefile, re.MULTILINE), words


def test_commands_are_found_and_links_lead_somewhere() -> None:
    found = {page: list(commands(page)) for page in PAGES}
    assert {words[0] for _, words in found["README.md"]} >= {"demo", "up", "load", "tune", "plan"}
    assert sum(map(len, found.values())) >= 70
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text()):
            assert (ROOT / page).parent.joinpath(link).exists(), (page, link)
