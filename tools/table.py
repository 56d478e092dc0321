"""CSV files of an operator: rows whose fields are asked for one by one.

A mistake is an error that names the file, the line, the field, what was found and the cure.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from tools.rules import ConfigurationError, meant

# The largest price that an OUCH message may carry is 199,999.9900; the field itself holds this.
PRICE_1E4_MAX: Final = (1 << 31) - 1
# Of what is wrong with a file, so much is said.
FAULTS_MAX: Final = 100

_T = TypeVar("_T")


class Faults:
    """Collects what is wrong with the rows of a file, so that all of it is said at once."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, ConfigurationError):
            self._texts.append(str(error))
            return True
        return False

    def add(self, text: str) -> None:
        """One more."""
        self._texts.append(text)

    def say(self) -> None:
        """Raises: ConfigurationError: something is wrong, a line of text for each."""
        if self._texts:
            more = [f"and {len(self._texts) - FAULTS_MAX:,} more"] * (len(self._texts) > FAULTS_MAX)
            raise ConfigurationError("\n".join([*self._texts[:FAULTS_MAX], *more]))


class Row:
    """One line of a CSV file. What a field may not be raises ConfigurationError."""

    def __init__(self, path: Path, line: int, values: dict[str, str]) -> None:
        self.path = path
        self.line = line
        self.values = values

    def error(self, name: str, problem: str, cure: str) -> ConfigurationError:
        """That a field is wrong."""
        return ConfigurationError(f"{self.path}:{self.line}: {name}: {problem}; {cure}")

    def text(self, name: str, pattern: str, what: str) -> str:
        """A text of some form, which `what` tells."""
        value = self.values[name]
        if not re.fullmatch(pattern, value, re.ASCII):
            raise self.error(name, f"found {value!r}", f"write {what}")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of some words, or nothing."""
        value = self.values[name]
        if value and value not in choices:
            listed = " or ".join(choices)
            raise self.error(name, f"found {value!r}", f"write {listed}{meant(value, choices)}")
        return value

    def whole(self, name: str, low: int, high: int) -> int:
        """A whole number."""
        value = self.values[name]
        if not re.fullmatch(r"\d{1,12}", value, re.ASCII) or not low <= int(value) <= high:
            raise self.error(name, f"found {value!r}", f"write a whole number from {low} to {high}")
        return int(value)

    def price_1e4(self, name: str) -> int:
        """A price in 1/10,000."""
        value = self.values[name]
        match = re.fullmatch(r"(\d{1,9})(?:\.(\d+))?", value, re.ASCII)
        if not match:
            raise self.error(name, f"found {value!r}", 'write a price such as "12.34"')
        decimals = match[2] or ""
        if len(decimals) > 4:
            raise self.error(
                name, f"found {value!r}, {len(decimals)} decimals", "prices have at most 4 decimals"
            )
        price = int(match[1]) * 10000 + int(decimals.ljust(4, "0"))
        if price > PRICE_1E4_MAX:
            raise self.error(name, f"found {value!r}", "prices are below 214,748.3648")
        return price


def read_table(
    path: Path, fields: tuple[str, ...], optional: tuple[str, ...], make: Callable[[Row], _T]
) -> list[_T]:
    """What `make` makes of each row of a file that has those columns.

    Columns that are `optional` may be missing: their fields are "" then.
    Raises: ConfigurationError: what is wrong with the file, the first fault of each row.
    """
    out: list[_T] = []
    faults = Faults()
    for row in _rows(path, fields, optional, faults):
        with faults:
            out.append(make(row))
    faults.say()
    return out


def _rows(
    path: Path, fields: tuple[str, ...], optional: tuple[str, ...], faults: Faults
) -> Iterator[Row]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; check the path") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is not UTF-8 ({error.reason}); save it so") from None
    reader = csv.reader(text.splitlines(), strict=True)
    header: list[str] | None = None
    try:
        for values in reader:
            values = [value.strip() for value in values]
            if not any(values) or values[0].startswith("#"):
                continue
            if header is None:
                header = _header(path, reader.line_num, values, fields, optional)
                continue
            if len(values) != len(header):
                faults.add(
                    f"{path}:{reader.line_num}: found {len(values)} fields, the header has "
                    f"{len(header)}; write {','.join(header)}"
                )
                continue
            row = dict.fromkeys(optional, "")
            row.update(zip(header, values, strict=True))
            yield Row(path, reader.line_num, row)
    except csv.Error as error:
        raise ConfigurationError(f"{path}:{reader.line_num}: {error}; check the quotes") from None
    if header is None:
        raise ConfigurationError(f"{path}:1: is empty; begin with the line {','.join(fields)}")


def _header(
    path: Path, line: int, found: list[str], fields: tuple[str, ...], optional: tuple[str, ...]
) -> list[str]:
    for name in found:
        if name not in fields:
            raise ConfigurationError(
                f"{path}:{line}: found the column {name!r}; columns are {','.join(fields)}"
                f"{meant(name, fields)}"
            )
    for name in fields:
        if found.count(name) > 1:
            raise ConfigurationError(f"{path}:{line}: {name}: stands twice; name a column once")
        if name not in found and name not in optional:
            raise ConfigurationError(
                f"{path}:{line}: {name}: the column is missing; begin with "
                f"{','.join(field for field in fields if field not in optional)}"
            )
    return found
