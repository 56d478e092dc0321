"""What `pip install .` gives: the command, with everything that it reads.

`make test-install` builds a wheel, installs it into a clean environment and runs the second half
against it; in the checkout only the first half runs.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import tomllib
from pathlib import Path

import pytest

from tools import cli
from tools.manual import PAGES

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = os.environ.get("RINGBUS_INSTALLED", "")

installed = pytest.mark.skipif(not INSTALLED, reason="make test-install sets RINGBUS_INSTALLED")


def test_the_project_names_the_command() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"]["ringbus"].partition(":")
    assert getattr(importlib.import_module(module), function) is cli.main


def test_what_the_command_reads_is_in_a_package_that_is_installed() -> None:
    """meson installs whole folders, whatever is in them."""
    listed = (ROOT / "meson.build").read_text()
    assert "foreach package : ['ringbus', 'engine', 'ports', 'tools', 'tuning']" in listed
    assert PAGES.parent == ROOT / "tools"


def ringbus(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [INSTALLED, *words], capture_output=True, text=True, check=False, timeout=120, cwd=cwd
    )


@installed
def test_every_word_of_the_installed_command_answers(tmp_path: Path) -> None:
    said = ringbus("--help", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    for word in cli.DELEGATED:
        done = ringbus(word, "--help", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "\nexamples:\n" in done.stdout


@installed
def test_it_is_the_package_and_not_the_checkout(tmp_path: Path) -> None:
    python = Path(INSTALLED).with_name("python")
    program = "import tools, ringbus._ringbus as r, engine._engine as e; print(tools.__path__[0])"
    done = subprocess.run(
        [python, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert Path(done.stdout.strip()).is_relative_to(Path(INSTALLED).parents[1])


@installed
def test_an_exchange_comes_up_and_goes_down(tmp_path: Path) -> None:
    text = (ROOT / "tools" / "demo" / "demo.toml").read_text()
    name = f"i{os.getpid()}"
    for file in ("instruments.csv", "participants.csv"):
        text = text.replace(f'"{file}"', f'"{ROOT / "tools" / "demo" / file}"')
    text = text.replace('"demo"', f'"{name}"', 1).replace("../../demo-output", "installed-day")
    path = tmp_path / "installed.toml"
    path.write_text(text)
    up = ringbus("up", str(path), "--detach", cwd=tmp_path)
    try:
        assert up.returncode == 0, up.stderr
        assert ringbus("status", name, cwd=tmp_path).returncode == 0
    finally:
        down = ringbus("down", name, cwd=tmp_path)
    assert "is down" in down.stdout


@installed
def test_without_the_sources_bench_says_so(tmp_path: Path) -> None:
    done = ringbus("bench", "--quick", cwd=tmp_path)
    assert done.returncode == 2
    assert "run it in a checkout" in done.stderr
