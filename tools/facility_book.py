"""What a facility keeps: one report of each name, in a file."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from ports.trade_reports import CANCEL, NEW, OTHER, UNKNOWN_INSTRUMENT, Answer, Report


class Book:
    """The file, and what stands in it: reports by name.

    Args: unknown: symbols that it refuses. Raises: OSError.
    Memory: a hash a report, and the names of those that are void.
    """

    def __init__(self, path: Path, unknown: Collection[str] = ()) -> None:
        self._unknown = frozenset(unknown)
        self._hashes: dict[str, int] = {}
        self._void: set[str] = set()
        self._waiting: list[bytes] = []
        whole = 0
        if path.exists():
            for line in path.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    # It was killed while it wrote; nobody had an answer to that one.
                    break
                self._enter(json.loads(line), line)
                whole += len(line)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        os.ftruncate(self._file, whole)
        os.lseek(self._file, whole, os.SEEK_SET)

    def __len__(self) -> int:
        return len(self._hashes)

    def take(self, report: Report) -> Answer:
        """What to answer once `sync` was called."""
        line = json.dumps(asdict(report)).encode() + b"\n"
        if report.id in self._hashes:
            is_same = self._hashes[report.id] == hash(line)
            text = "" if is_same else "another report has that TradeReportID"
            return Answer(report.id, report.symbol, 0 if is_same else OTHER, text)
        if report.symbol in self._unknown:
            return Answer(report.id, report.symbol, UNKNOWN_INSTRUMENT, f"{report.symbol} unknown")
        if report.transaction != NEW:
            if report.refers_to not in self._hashes:
                return Answer(report.id, report.symbol, OTHER, f"no report {report.refers_to}")
            if report.refers_to in self._void:
                return Answer(report.id, report.symbol, OTHER, f"{report.refers_to} is void")
        self._enter(asdict(report), line)
        self._waiting.append(line)
        return Answer(report.id, report.symbol)

    def sync(self) -> None:
        """All that was taken is on the disk."""
        if not self._waiting:
            return
        data = memoryview(b"".join(self._waiting))
        self._waiting.clear()
        while data:
            data = data[os.write(self._file, data) :]
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _enter(self, fields: dict[str, object], line: bytes) -> None:
        self._hashes[str(fields["id"])] = hash(line)
        if fields["transaction"] == CANCEL:
            self._void.add(str(fields["refers_to"]))
