"""Stored results of `ringbus bench`: what the file says, and how it is read with suspicion.

One JSON document (tests/bench/README.md has every field). Figures keep every round, so that another
run can be judged against their spread and not against one number. A figure stands once for each
distance that the two CPUs had meanwhile: what was timed between near CPUs is no figure of far ones.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

FORMAT: Final = "ringbus-bench-1"
# Round trip of the bare line, p50: below, the CPUs share a cache. On one package 70 to 150 ns.
NEAR_BELOW_NS: Final = 200.0
# Two looks at it that differ by more: the host moved a CPU in between. As in tests/bench/bench.h.
MOVED: Final = 1.2
# Instead of a distance: of a figure for which one CPU did all.
ONE: Final = "one"
HIGHER: Final = ("M/s", "k/s", "GB/s", "x")
LOWER: Final = ("ns", "ns each", "us", "ms", "s")

Value = TypeVar("Value")


class ResultsError(Exception):
    """A file is no results of `ringbus bench`; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: its value in every round of every run. `target` is what was asked for, or ""."""

    name: str
    unit: str
    distance: str
    target: str
    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle of all rounds."""
        return statistics.median(self.rounds)

    @property
    def quartiles(self) -> float:
        """How far the middle half of the rounds lies apart; 0 of one round."""
        if len(self.rounds) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.rounds, n=4, method="inclusive")
        return high - low

    @property
    def sign(self) -> int:
        """1: more is better, -1: less is, 0: it is only recorded."""
        return 1 if self.unit in HIGHER else -1 if self.unit in LOWER else 0


@dataclass(frozen=True, slots=True)
class Part:
    """One benchmark: the command, what the work came to, and every figure.

    `bare_ns`: the bare line before and behind each run; `load`: the host's, at the same times.
    """

    command: tuple[str, ...]
    results: dict[str, str]
    figures: tuple[Figure, ...]
    bare_ns: tuple[float, ...]
    load: tuple[float, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Results:
    """A run of several benchmarks; `host` is the fingerprint, as `ringbus tune` makes it."""

    taken: str
    quick: bool
    build: str
    source: str
    compiler: str
    host: dict[str, object]
    parts: dict[str, Part]

    def write(self, path: Path) -> None:
        """Write the file."""
        document = {"format": FORMAT, **asdict(self)}
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def beside(self, others: Results) -> Results:
        """With the parts of `others` that are not here. Raises: ResultsError: of another build."""
        for name in ("quick", "build", "source", "compiler"):
            ours, theirs = getattr(self, name), getattr(others, name)
            if ours != theirs:
                raise ResultsError(f"{name} is {ours}, stored {theirs}: not of one run")
        return replace(self, taken=others.taken, parts={**others.parts, **self.parts})

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read a file. Raises: ResultsError: it is none, or something in it is not as it should."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ResultsError(f"{path}: {error.strerror}") from None
        except ValueError as error:
            raise ResultsError(f"{path}: no JSON: {error}") from None
        whole = _Node(str(path), document)
        if whole.field("format").value != FORMAT:
            said = whole.field("format").value
            raise ResultsError(f"{path}: format: {said!r}, and this reads {FORMAT!r}")
        return cls(
            taken=whole.field("taken").of(str, "a text"),
            quick=whole.field("quick").of(bool, "true or false"),
            build=whole.field("build").of(str, "a text"),
            source=whole.field("source").of(str, "a text"),
            compiler=whole.field("compiler").of(str, "a text"),
            host=whole.field("host").table(),
            parts={name: _part(node) for name, node in whole.field("parts").each().items()},
        )


def distance_of(bare_ns: float) -> str:
    """How far the CPUs are from each other, by the bare line; "" if it was not looked at."""
    return "" if bare_ns <= 0 else "near" if bare_ns < NEAR_BELOW_NS else "far"


def distance_between(before_ns: float, after_ns: float) -> str:
    """The same of two looks; "moved": what was timed in between belongs to neither."""
    if before_ns > 0 and max(before_ns, after_ns) > MOVED * min(before_ns, after_ns):
        before, after = distance_of(before_ns), distance_of(after_ns)
        return before if before == after else "moved"
    return distance_of(before_ns)


@dataclass(frozen=True, slots=True)
class _Node:
    """A value and where it stands."""

    place: str
    value: object

    def field(self, name: str) -> _Node:
        table = self.table()
        if name not in table:
            raise ResultsError(f"{self.place}: {name} is missing")
        return _Node(f"{self.place}: {name}", table[name])

    def of(self, kind: type[Value], words: str) -> Value:
        if not isinstance(self.value, kind):
            raise ResultsError(f"{self.place}: {self.value!r} is not {words}")
        return self.value

    def table(self) -> dict[str, object]:
        return {str(name): value for name, value in self.of(dict, "a table").items()}

    def each(self) -> dict[str, _Node]:
        return {name: _Node(f"{self.place}: {name}", value) for name, value in self.table().items()}

    def list_of(self, read: Callable[[_Node], Value]) -> tuple[Value, ...]:
        values: list[object] = self.of(list, "a list")
        return tuple(read(_Node(f"{self.place}[{n}]", value)) for n, value in enumerate(values))

    def number(self) -> float:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise ResultsError(f"{self.place}: {self.value!r} is not a number")
        number = float(self.value)
        if number != number or number in (float("inf"), float("-inf")):
            raise ResultsError(f"{self.place}: {number} is not a number that can be compared")
        return number

    def text(self) -> str:
        return self.of(str, "a text")


def _part(node: _Node) -> Part:
    return Part(
        command=node.field("command").list_of(_Node.text),
        results={name: one.text() for name, one in node.field("results").each().items()},
        figures=node.field("figures").list_of(_figure),
        bare_ns=node.field("bare_ns").list_of(_Node.number),
        load=node.field("load").list_of(_Node.number),
        seconds=node.field("seconds").number(),
    )


def _figure(node: _Node) -> Figure:
    rounds = node.field("rounds").list_of(_Node.number)
    if not rounds:
        raise ResultsError(f"{node.place}: rounds: there are none")
    name, unit = node.field("name").text(), node.field("unit").text()
    return Figure(name, unit, node.field("distance").text(), node.field("target").text(), rounds)
