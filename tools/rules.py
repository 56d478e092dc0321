"""What may stand in a configuration file: one rule for each kind of value.

A rule takes what was found and returns it, or refuses it with the problem and the cure. A section
is a frozen dataclass whose fields carry their rules: `field(metadata={"rule": whole(1, 16)})`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import cast

# Of ports and applications: they name lanes, counters and rows of tables.
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,15}(\.[A-Za-z0-9_-]{1,8})?"


class ConfigurationError(Exception):
    """A configuration file is wrong; the text names file, line, what was found and the cure."""


class Refused(Exception):
    """What a rule has against a value: the problem, then the cure."""

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(problem, cure)
        self.problem = problem
        self.cure = cure


Rule = Callable[[object], object]


def local(rule: Rule) -> dict[str, object]:
    """Metadata of an application's option that no message of the stream hangs on.

    It says where the application is reached, or how much it holds; a day may go on with another.
    """
    return {"rule": rule, "local": True}


def kind_of(value: object) -> str:
    """What a value is, in words."""
    names = {bool: "true/false", int: "a number", float: "a decimal number", str: "a text"}
    return names.get(type(value), "a list" if isinstance(value, list) else "a table")


def meant(found: str, known: Sequence[str]) -> str:
    """Which of the known names the found one may have been meant to be, as the end of an error."""
    import difflib  # 4 ms of every process's start, for one that made a mistake.

    close = difflib.get_close_matches(found, known, n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def whole(low: int, high: int) -> Rule:
    """A whole number."""

    def rule(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Refused(f"found {kind_of(value)} ({value!r})", "write a whole number, no quotes")
        if not low <= value <= high:
            raise Refused(f"found {value}", f"write a whole number from {low} to {high}")
        return value

    return rule


def power_of_two(low: int, high: int) -> Rule:
    """A power of two."""
    in_range = whole(low, high)

    def rule(value: object) -> object:
        number = cast(int, in_range(value))
        if number & (number - 1) != 0:
            below = 1 << (number.bit_length() - 1)
            raise Refused(
                f"found {number}, which is not a power of two", f"write {below} or {below * 2}"
            )
        return number

    return rule


def choice(*choices: str) -> Rule:
    """One of some words."""

    def rule(value: object) -> object:
        if value not in choices:
            listed = " or ".join(f'"{choice}"' for choice in choices)
            raise Refused(f"found {value!r}", f"write {listed}{meant(str(value), choices)}")
        return value

    return rule


def text(pattern: str, what: str) -> Rule:
    """A text of some form, which `what` tells."""
    compiled = re.compile(pattern)

    def rule(value: object) -> object:
        if not isinstance(value, str):
            raise Refused(f"found {kind_of(value)} ({value!r})", f"write {what}, in quotes")
        if not compiled.fullmatch(value):
            raise Refused(f"found {value!r}", f"write {what}")
        return value

    return rule


time_of_day = text(
    r"never|([01]\d|2[0-3]):[0-5]\d:[0-5]\d", 'a time such as "15:00:00" (UTC), or "never"'
)


def nanoseconds(time_of_day: str, never: int = 0) -> int:
    """Since midnight, of a text that `time_of_day` has taken."""
    if time_of_day == "never":
        return never
    hours, minutes, seconds = (int(part) for part in time_of_day.split(":"))
    return (hours * 3600 + minutes * 60 + seconds) * 1_000_000_000


def texts(pattern: str, what: str) -> Rule:
    """A list of such texts; a tuple afterwards."""
    one = text(pattern, what)

    def rule(value: object) -> object:
        if not isinstance(value, list):
            raise Refused(f"found {kind_of(value)} ({value!r})", f"write a list of {what}, in []")
        return tuple(one(each) for each in value)

    return rule


def choices(*known: str) -> Rule:
    """A list of some words, none twice; a tuple afterwards."""
    one = choice(*known)

    def rule(value: object) -> object:
        if not isinstance(value, list):
            raise Refused(f"found {kind_of(value)} ({value!r})", "write a list of words, in []")
        out = tuple(one(each) for each in value)
        if len(set(out)) != len(out):
            raise Refused(f"found {value!r}", "write each word once")
        return out

    return rule


def flag(value: object) -> object:
    """True or false."""
    if not isinstance(value, bool):
        raise Refused(f"found {value!r}", "write true or false, no quotes")
    return value


def node(value: object) -> object:
    """A NUMA node, or "any"."""
    if value == "any":
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Refused(f"found {value!r}", 'write the number of a NUMA node, or "any"')
    return value


def cpu(value: object) -> object:
    """A CPU, "auto" or "any"."""
    if value in ("any", "auto"):
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Refused(
            f"found {value!r}",
            'write the number of a CPU, "auto" for a good one, or "any" for no pinning',
        )
    return value


def address(value: object) -> object:
    """An IPv4 address."""
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        raise Refused(
            f"found {value!r}",
            'write an IPv4 address of this host, such as "127.0.0.1" (or "0.0.0.0" for all)',
        ) from None
    return value
