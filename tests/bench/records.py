"""What a benchmark found, for programs: as `record.h`, for benchmarks in Python."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path


def figure(name: str, rounds: Sequence[float], unit: str, target: str = "") -> None:
    """One figure of one CPU: its value in each round."""
    said = {"figure": name, "unit": unit, "target": target, "cpus": 1, "bare_ns": 0}
    _write({**said, "rounds": list(rounds)})


def result(name: str, digest: str) -> None:
    """What the work itself came to, before any time: the same work gives the same."""
    _write({"result": name, "hash": digest})


def _write(record: dict[str, object]) -> None:
    path = os.environ.get("BENCH_RECORDS")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
