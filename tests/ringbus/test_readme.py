"""The examples of ringbus/README.md run, and say what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ringbus.segment import listing
from tests.ringbus.support import ROOT

README = (ROOT / "ringbus" / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SAID = {
    "prices": ["7 99.5"],
    "numbers": ["499500"],
    "positions": ["(1, 0.5, 2.5)", "n 0"],
    "frames": ["fitted 8", "seen [0, 1, 2]", "fitted 2"],
    "fast": [
        "missed 1 to 12",
        "then [12, 13, 14, 15, 16, 17, 18, 19]",
        "counted [12, 13, 14, 15, 16, 17, 18, 19] 12",
    ],
    "levels": ["got [0.5]"],
}


def name_of(example: str) -> str:
    """The name of its ring."""
    found: list[str] = re.findall(r'Ring\.create\("(\w+)"', example)
    return found[0]


def test_there_are_six() -> None:
    assert [name_of(example) for example in EXAMPLES] == list(SAID)


@pytest.mark.parametrize("example", EXAMPLES, ids=list(SAID))
def test_an_example_runs(example: str, tmp_path: Path) -> None:
    """Only the ring's name is made one that nobody else has."""
    name = name_of(example)
    own = f"{name}-{os.getpid()}"
    path = tmp_path / "example.py"
    path.write_text(example.replace(f'"{name}"', f'"{own}"'))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == SAID[name]
    assert listing(own) == []


def test_its_words_are_real() -> None:
    """Limits and commands that it names."""
    assert "`ringbus ls`" in README
    assert "`ringbus tap prices`" in README
    assert "65,528" in README
