"""What was compiled: its fingerprint stands in the first line of every day."""

from __future__ import annotations

import hashlib
from pathlib import Path

from engine import _engine
from ports import _ports
from ringbus import _ringbus


def build_hash() -> int:
    """Fingerprint (u64) of the compiled code that this process has loaded."""
    digest = hashlib.sha256()
    for module in (_ringbus, _engine, _ports):
        digest.update(Path(str(module.__file__)).read_bytes())
    return int.from_bytes(digest.digest()[:8], "little")
