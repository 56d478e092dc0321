"""A signed release of this build, as a live exchange requires one."""

from __future__ import annotations

from pathlib import Path

from ringbus.messages import SCHEMA_HASH
from tools.build import build_hash
from tools.release import DayResult, Release

KEY = b"0123456789abcdef0123456789abcdef"


def key_file(directory: Path) -> Path:
    """The key, its owner's alone."""
    path = directory / "key"
    path.write_bytes(KEY)
    path.chmod(0o600)
    return path


def signed(file: Path, key: bytes | None = KEY) -> Release:
    """Write the record of this build."""
    build, schema = f"{build_hash():016x}", f"{SCHEMA_HASH:016x}"
    day = DayResult("day", 7, "d" * 64, "b" * 16)
    release = Release(build, schema, "ann", "2026-11-22T08:00:00+00:00", (day,))
    release.write(file, key)
    return release
