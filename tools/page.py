"""The page of results: a stored run of `ringbus bench` as Markdown, so that no figure is typed."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import cast

from tools.measure import BENCHMARKS
from tools.results import Figure, Part, Results


def page(results: Results) -> str:
    """The whole page."""
    return "\n".join([*_head(results), *(line for one in _parts(results) for line in one)]) + "\n"


def number(value: float) -> str:
    """Four digits; of large ones all before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def between(figure: Figure) -> str:
    """The lowest and the highest round."""
    return f"{number(min(figure.rounds))} .. {number(max(figure.rounds))}"


def _head(results: Results) -> Iterator[str]:
    host = results.host
    yield "# Latest results"
    yield ""
    yield "Made by `ringbus bench --page tests/bench/latest.json`; do not edit. What a benchmark is"
    yield "about, and what a run looked like on other days: `RESULTS.md`."
    yield ""
    yield "| | |"
    yield "|---|---|"
    rows = {
        "taken": results.taken + (" (quick: says that it runs, not how fast)" * results.quick),
        "source": f"{results.source}, {results.compiler}",
        "CPU": f"{host.get('cpu', '')}, CPUs {host.get('cpus', '')}",
        "kernel": str(host.get("kernel", "")),
        "machine": " in a ".join(
            str(host[kind]) for kind in ("container", "virtual") if host.get(kind)
        )
        or "bare metal",
        "Python": str(host.get("python", "")),
        "settings of the host": _settings(host),
    }
    for name, text in rows.items():
        yield f"| {name} | {text} |"
    if missing := [name for name in BENCHMARKS if name not in results.parts]:
        yield ""
        yield f"Not in this run: {', '.join(missing)}."


def _settings(host: dict[str, object]) -> str:
    settings = host.get("settings")
    outcomes = [
        str(cast(dict[str, object], one).get("outcome", ""))
        for one in (settings.values() if isinstance(settings, dict) else ())
    ]
    counts = {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items())


def _parts(results: Results) -> Iterator[Iterator[str]]:
    # In the order of the benchmarks, whichever was run first; then those that are no more.
    for name in dict.fromkeys((*BENCHMARKS, *results.parts)):
        if name in results.parts:
            yield _part(name, results.parts[name])


def _part(name: str, part: Part) -> Iterator[str]:
    about = BENCHMARKS[name].about if name in BENCHMARKS else ""
    bare = [ns for ns in part.bare_ns if ns > 0]
    yield ""
    yield f"## {name}: {about}"
    yield ""
    line = f"`{' '.join(part.command)}`, {part.seconds:.0f} s"
    if bare:
        line += (
            f"; bare line {number(statistics.median(bare))} ns ({min(bare):.0f}-{max(bare):.0f})"
        )
    yield f"{line}; load {min(part.load):.1f}-{max(part.load):.1f}."
    if part.results:
        said = ", ".join(f"{what} `{digest}`" for what, digest in part.results.items())
        yield f"Results: {said}."
    yield ""
    yield "| figure | median | lowest .. highest | rounds | CPUs | asked for |"
    yield "|---|---|---|---|---|---|"
    for one in part.figures:
        yield (
            f"| {one.name} | {number(one.median)} {one.unit} | {between(one)} "
            f"| {len(one.rounds)} | {one.distance} | {one.target} |"
        )
