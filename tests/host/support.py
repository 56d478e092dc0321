"""What the checks in the guest share: commands as they are typed, and what they said."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# CPUs of the second node: those that the checks keep for cores that never sleep.
HOT = "2-3"
SPINS = 'cpu = "auto"\nwait = "spin"'
# An emulated CPU is twenty to fifty times slower than a real one.
PATIENCE_S = 900


def run(*words: str, shown: bool = True) -> subprocess.CompletedProcess[str]:
    """A command; unless it is a machine's, what it said goes into the report too."""
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=PATIENCE_S, cwd=ROOT
    )
    print(
        f"$ {' '.join(words)}", f"{done.stdout if shown else ''}{done.stderr}", sep="\n", flush=True
    )
    return done


def ringbus(
    *words: str, user: str = "root", shown: bool = True
) -> subprocess.CompletedProcess[str]:
    """`ringbus`, as root or as somebody else."""
    return run("runuser", "-u", user, "--", "ringbus", *words, shown=shown)


def two_that_spin(path: Path) -> Path:
    """Of a topology with one port: engine and port never sleep, the journal does."""
    text = path.read_text().replace('name = "engine"', f'name = "engine"\n{SPINS}')
    text = text.replace(", 'port.0']", "]")
    path.write_text(text + f'[[core]]\nname = "port"\nagents = ["port.0"]\n{SPINS}\n')
    return path
