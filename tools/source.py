"""The text of a topology file: on which line a key stands, and the error that names it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tools.rules import ConfigurationError


class Source:
    """The text of the file: says on which line a key stands."""

    __slots__ = ("lines", "path")

    HEADER: Final = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_-]+)\s*\]\]?\s*(#.*)?$")
    KEY: Final = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.lines: dict[tuple[str, int, str], int] = {}
        counts: dict[str, int] = {}
        table, nth = "", 0
        for number, line in enumerate(text.splitlines(), 1):
            if match := self.HEADER.match(line):
                table = match[2]
                nth = counts.get(table, 0)
                counts[table] = nth + 1
                self.lines.setdefault((table, nth, ""), number)
            elif match := self.KEY.match(line):
                self.lines.setdefault((table, nth, match[1]), number)

    def line(self, table: str, nth: int = 0, key: str = "") -> int:
        """Line of a key, of its table if the key is not there, or 1."""
        for place in ((table, nth, key), (table, nth, ""), ("", 0, table)):
            if place in self.lines:
                return self.lines[place]
        return 1

    def error(self, place: tuple[str, int, str], problem: str, cure: str) -> ConfigurationError:
        """The error that names the place (table, which of its kind, key)."""
        table, nth, key = place
        where = f"[{table}] {key}".strip() if table else key
        line = self.line(table, nth, key)
        return ConfigurationError(f"{self.path}:{line}: {where}: {problem}; {cure}")
