"""The table of requirements: its tests exist, and the numbers that tests name are in it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests" / "requirements.md"
ROW = re.compile(r"^\| R(\d+) \| ([^|]+) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`([^`]+)`")
NUMBER = re.compile(r"\bR(\d{2,3})\b")
# Never given to a requirement.
MISSING = (21, 92)
LAST = 108


def rows() -> dict[int, tuple[str, str]]:
    """Number → (what, where)."""
    return {int(n): (what, where) for n, what, where in ROW.findall(TABLE.read_text())}


def collected_in(path: Path) -> list[str]:
    """What pytest collects in a file: functions and classes, state machines too."""
    out = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            out.append(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            out.append(node.targets[0].id)
    return [name for name in out if name.lower().startswith("test")]


def test_every_requirement_has_one_row() -> None:
    numbers = [int(n) for n, _, _ in ROW.findall(TABLE.read_text())]
    assert numbers == [n for n in range(1, LAST + 1) if n not in MISSING]


@pytest.mark.parametrize("number", sorted(rows()))
def test_what_shows_it_exists(number: int) -> None:
    _, where = rows()[number]
    named = TEST.findall(where)
    if not named:
        assert re.fullmatch(r"not yet: issue \d, [a-z ]+", where), where
    for name in named:
        path, _, function = name.partition("::")
        assert (ROOT / path).is_file(), path
        if function:
            assert function in collected_in(ROOT / path), name
        else:
            # A test in C is one program: it must be built and run.
            listed = path.removeprefix("tests/")
            assert f"'{listed}'" in (ROOT / "tests" / "meson.build").read_text(), path


def test_what_tests_say_that_they_show_is_in_the_table() -> None:
    table = rows()
    wrong = []
    for path in sorted((ROOT / "tests").rglob("test_*")):
        if path.suffix not in (".py", ".c") or path == Path(__file__):
            continue
        for number in NUMBER.findall(path.read_text()):
            if int(number) not in table or table[int(number)][1].startswith("not yet"):
                wrong.append(f"{path.relative_to(ROOT)}: R{number}")
    assert wrong == []
