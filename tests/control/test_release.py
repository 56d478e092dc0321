"""Three builds on one host: the signed one, another, and one with a change in a matching rule.

The other two are copies of the tree, compiled for the test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sim.mutants import ROOT, build, copy_tree, environment
from tests.tools.conftest import Maker
from tests.tools.days import record
from tools.process import Process
from tools.state import find, remove

pytestmark = pytest.mark.xdist_group("processes")
# Trades print at the resting order's price: with this, at the incoming one's limit.
RULE = (
    "    int32_t price_ticks = resting->price_ticks;\n    in->quantity -= quantity;",
    "    int32_t price_ticks = in->price_ticks;\n    in->quantity -= quantity;",
)
KEY = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Build:
    """A tree with its own modules; commands run in it, and import nothing from elsewhere."""

    tree: Path

    def ringbus(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tools.cli", *map(str, words)]
        return subprocess.run(
            command, cwd=self.tree, env=environment(self.tree), capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Build, Build, Build]]:
    """This one, one whose Python differs in a comment, and one whose book differs in a rule."""
    other = tmp_path_factory.mktemp("other") / "tree"
    copy_tree(other)
    for name in ("ringbus", "engine", "ports"):
        for module in (ROOT / name).glob("*.so"):
            shutil.copy2(module, other / name)
    ticker = other / "ports" / "ticker.py"
    ticker.write_text(ticker.read_text() + "# Newer.\n")
    changed = tmp_path_factory.mktemp("changed") / "tree"
    copy_tree(changed)
    book = changed / "engine" / "match.c"
    text = book.read_text()
    assert RULE[0] in text
    book.write_text(text.replace(*RULE))
    build(changed)
    yield Build(ROOT), Build(other), Build(changed)
    for tree in (other, changed):
        shutil.rmtree(tree)


@pytest.fixture
def files(make: Maker, tmp_path: Path) -> tuple[Path, Path, Path]:
    """A topology that requires a record, a key, and a day that was recorded by this build."""
    key = tmp_path / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    path = make()
    required = 'shards = 2\nrequire_release = "release.json"\nrelease_key = "key"'
    path.write_text(path.read_text().replace("shards = 2", required))
    day = tmp_path / "day"
    day.mkdir()
    return path, key, record(day)


def sign(one: Build, file: Path, key: Path, day: Path) -> subprocess.CompletedProcess[str]:
    words = ("--author", "ann", "--key", key, "--record", file)
    return one.ringbus("verify-release", day, *words)


def test_a_change_in_the_matching_rules_is_refused(
    builds: tuple[Build, Build, Build], files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    """R99: at the first byte that it makes otherwise; nothing is signed, so it starts nowhere."""
    path, key, day = files
    _, _, changed = builds
    file = tmp_path / "release.json"
    done = sign(changed, file, key, day)
    assert done.returncode == 1, done.stdout
    assert "differs at byte" in done.stderr
    assert "recorded:" in done.stderr
    assert "regenerated:" in done.stderr
    assert not file.exists()
    up = changed.ringbus("up", "--detach", path)
    assert up.returncode == 1
    assert "No such file" in up.stderr


def test_rolling_out_and_back_is_one_path(
    builds: tuple[Build, Build, Build], files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    """R107: each build starts with its own record and with no other; there and back again."""
    path, key, day = files
    old, new, _ = builds
    name = path.stem
    records = {}
    for label, one in (("old", old), ("new", new)):
        records[label] = tmp_path / f"{label}.json"
        done = sign(one, records[label], key, day)
        assert done.returncode == 0, done.stderr
    for label, one, other in (("old", old, new), ("new", new, old), ("old", old, new)):
        shutil.copy2(records[label], tmp_path / "release.json")
        refused = other.ringbus("up", "--detach", path)
        assert refused.returncode == 1
        assert "signed for build" in refused.stderr
        assert find(name) is None
        up = one.ringbus("up", "--detach", path)
        assert up.returncode == 0, up.stderr
        assert one.ringbus("status", name).returncode == 0
        assert one.ringbus("down", name).returncode == 0


def test_old_code_on_one_process_is_refused(
    builds: tuple[Build, Build, Build], files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    """R107: a core of another build, compiled or in Python, does not join an exchange that runs."""
    path, key, day = files
    ours, other, changed = builds
    assert sign(ours, tmp_path / "release.json", key, day).returncode == 0
    up = ours.ringbus("up", "--detach", path)
    assert up.returncode == 0, up.stderr
    state = find(path.stem)
    assert state is not None
    try:
        saved = Path(state.directory) / "configuration.json"
        for one in (other, changed):
            command = [sys.executable, "-m", "tools.core", str(saved), "edge", str(os.getpid())]
            core = subprocess.run(
                command, cwd=one.tree, env=environment(one.tree), capture_output=True, text=True,
                timeout=60, check=False,
            )  # fmt: skip
            assert core.returncode == 1
            assert "is not that with which the exchange was started" in core.stderr
        assert all(core.process.alive for core in state.cores.values())
        assert isinstance(state.launcher, Process)
    finally:
        remove(path.stem)
