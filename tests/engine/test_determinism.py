"""The book's answers are a function of its input, not of compiler, prefetch or room."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.engine import golden
from tests.engine.golden import MESSAGES, Hashes, digest, recorded

ROOT = Path(__file__).resolve().parents[2]
WAYS = ("batch", "tight", "lines", "ahead")
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")


def sources(name: str) -> list[str]:
    """A list of C files in meson.build."""
    found = re.search(rf"^{name} = files\((.*?)\)", (ROOT / "meson.build").read_text(), re.M | re.S)
    assert found is not None
    return re.findall(r"'([^']+)'", found.group(1))


def compiled(compiler: str, optimisation: str, folder: Path) -> Path:
    """The replaying program, made by a compiler; a machine without it skips."""
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler} here: apt-get install {compiler}")
    program = folder / "replay_book"
    files = ["tests/engine/replay_book.c", *sources("book_sources"), "ringbus/check.c"]
    command = [compiler, "-std=c11", optimisation, *WARNINGS, "-D_GNU_SOURCE", "-I."]
    subprocess.run([*command, "-o", str(program), *files], cwd=ROOT, check=True, timeout=300)
    return program


def replayed(program: Path, way: str, name: str, folder: Path) -> Hashes:
    """What the program says to an input."""
    sent, _ = recorded(name)
    into, out = folder / "in", folder / "out"
    into.write_bytes(sent)
    profile = golden.profile_of(name)
    sizes = map(str, (profile.instruments, profile.orders, profile.nodes))
    command = [str(program), way, str(into), str(out), *sizes]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return Hashes(digest(sent), digest(out.read_bytes()), done.stdout.strip())


@pytest.mark.parametrize("name", MESSAGES)
def test_the_inputs_are_the_same_as_ever(name: str) -> None:
    """When this alone fails, the generator changed and not the book."""
    assert digest(recorded(name)[0]) == golden.kept()[name].input


@pytest.mark.parametrize("name", MESSAGES)
def test_the_oracle_says_what_it_always_said(name: str) -> None:
    assert digest(recorded(name)[1]) == golden.kept()[name].answers


@pytest.mark.parametrize("name", MESSAGES)
def test_the_book_says_what_it_always_said(name: str) -> None:
    assert golden.hashes(name) == golden.kept()[name]


@pytest.mark.parametrize("optimisation", ["-O0", "-O3"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_no_compiler_room_or_prefetch_changes_it(
    compiler: str, optimisation: str, tmp_path: Path
) -> None:
    program = compiled(compiler, optimisation, tmp_path)
    for name, expected in golden.kept().items():
        for way in WAYS:
            assert replayed(program, way, name, tmp_path) == expected, f"{name}, {way}"


def test_the_input_is_large_enough_to_be_fetched_ahead() -> None:
    """A book that fits into the caches fetches nothing; engine/batch.c says from which size on."""
    text = (ROOT / "engine/batch.c").read_text()
    found = re.search(r"FETCHED_BYTES_MIN \(UINT64_C\((\d+)\) << (\d+)\)", text)
    assert found is not None
    with golden.book_of("nasty") as book:
        assert book.size_bytes > int(found.group(1)) << int(found.group(2))
