"""Instructions per message of the book's six commonest paths, against what is recorded.

usage: python -m tests.bench.counts [--record]
Needs valgrind. The figures belong to a compiler: another one has to be recorded first.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / "build" / "ctest" / "tests" / "bench_counts"
RECORDED = Path(__file__).with_name("counts.toml")
PATHS = (
    "new_that_rests",
    "cancel",
    "replace",
    "ioc_that_trades",
    "new_that_becomes_best",
    "tagged_that_rests",
)
# One instruction more on the longest path is less; a call that is not inlined any more is more.
TOLERANCE = 0.02
NO_VALGRIND = "valgrind is not installed: instructions are not counted (apt-get install valgrind)"


def has_valgrind() -> bool:
    """Whether the counting can be done on this machine."""
    return shutil.which("valgrind") is not None


def compiler() -> str:
    """Name and version of what compiled the program, as in counts.toml."""
    done = subprocess.run([PROGRAM, "compiler"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def count(path: str) -> float:
    """Instructions of one message on a path, under callgrind."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                "--toggle-collect=measured",
                f"--callgrind-out-file={folder}/out",
                PROGRAM,
                path,
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if collected is None:
        raise RuntimeError(f"callgrind said no count: {done.stderr}")
    return int(collected[1]) / int(done.stdout)


def recorded(name: str) -> dict[str, float]:
    """What counts.toml says for a compiler; empty if it was never recorded."""
    table: dict[str, dict[str, float]] = tomllib.loads(RECORDED.read_text())
    return table.get(name, {})


def compare(now: dict[str, float], before: dict[str, float]) -> list[str]:
    """One sentence for each path that moved by more than the tolerance, up or down."""
    return [
        f"{path}: {now[path]:.1f} instructions, recorded {before[path]:.1f}"
        for path in PATHS
        if abs(now[path] - before[path]) > TOLERANCE * before[path]
    ]


def record(name: str, now: dict[str, float]) -> None:
    """Write the counts of a compiler, those of others stay."""
    table: dict[str, dict[str, float]] = tomllib.loads(RECORDED.read_text())
    table[name] = now
    lines = ["# Instructions per message; python -m tests.bench.counts --record writes this file."]
    for key in sorted(table):
        lines += ["", f'["{key}"]']
        lines += [f"{path} = {table[key][path]:.1f}" for path in PATHS]
    RECORDED.write_text("\n".join(lines) + "\n")


def main(arguments: list[str]) -> int:
    """Print the counts beside the recorded ones; 1 if one moved."""
    if not has_valgrind():
        print(NO_VALGRIND)
        return 0
    name = compiler()
    now = {path: count(path) for path in PATHS}
    if "--record" in arguments:
        record(name, now)
    before = recorded(name)
    for path in PATHS:
        was = f"{before[path]:.1f}" if before else "nothing"
        print(f"{path:<24} {now[path]:8.1f} instructions, recorded for {name}: {was}")
    moved = compare(now, before) if before else []
    for sentence in moved:
        print(f"moved: {sentence}")
    return 1 if moved else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
