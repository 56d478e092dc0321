"""What is installed: its fingerprint stands in the first line of every day."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from engine import _calls, _engine
from ports import _ports
from ringbus import _ringbus, _single

PACKAGES = ("ringbus", "engine", "ports", "tools")


def build_hash() -> int:
    """Fingerprint (u64) of the compiled code that this process has loaded and of its Python.

    Applications and the control plane are Python: another version of one of them is another build.
    Names count from the packages, so that a copy elsewhere is the same build.
    """
    digest = hashlib.sha256()
    for path, name in _files():
        content = path.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return int.from_bytes(digest.digest()[:8], "little")


def _files() -> Iterator[tuple[Path, str]]:
    for module in (_ringbus, _single, _engine, _calls, _ports):
        yield Path(str(module.__file__)), str(module.__name__)
    root = Path(__file__).resolve().parent.parent
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            yield path, path.relative_to(root).as_posix()
