"""`ringbus tune jitter`, `ringbus tune lines`: what CPUs take away, how far apart they are."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ringbus.status import RingbusError
from tools.manual import Parser
from tools.noise import draw_jitter, draw_lines
from tools.units import duration
from tuning.fingerprint import fingerprint, store
from tuning.host import Host
from tuning.jitter import THRESHOLD_NS, CpuJitter, matrix, measure

PERCENTS = (50.0, 90.0, 99.0, 99.9, 99.99)
SECONDS_MAX = 86_400.0
LARGEST = 100
CAUSES = 4


def run_jitter(options: argparse.Namespace, host: Host) -> int:
    """Spin on every CPU for a while; print, draw and store what was seen."""
    cpus = sorted(options.cpus or host.online)
    try:
        results = measure(cpus, options.seconds, options.threshold_ns, host)
    except RingbusError as error:
        print(f"ringbus tune jitter: {error}", file=sys.stderr)
        return 1
    document = jitter_document(host, results, options.seconds, options.threshold_ns)
    if options.json:
        print(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        show_jitter(results, options.threshold_ns, Console())
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        store(document, options.output / "jitter.json")
        draw_jitter(results, options.threshold_ns, options.output / "jitter.svg")
        for name in ("jitter.json", "jitter.svg"):
            print(options.output / name, file=sys.stderr)
    return 0


def jitter_document(
    host: Host, results: Sequence[CpuJitter], seconds: float, threshold_ns: int
) -> dict[str, object]:
    """Everything that was seen, for a machine; with the host that it was seen on."""
    return {
        "host": fingerprint(host),
        "seconds": seconds,
        "threshold_ns": threshold_ns,
        "cpus": [
            {
                "cpu": one.cpu,
                "gaps": one.total,
                "gaps_of_other_tasks": one.switched,
                "lost_ns": one.lost_ns,
                "lost_to_other_tasks_ns": one.switched_ns,
                "spun_ns": one.spun_ns,
                "unwatched_ns": one.noting_ns,
                "reading_ns": round(one.reading_ns, 2),
                "percentiles_ns": dict(
                    zip(map(str, PERCENTS), one.histogram.percentiles(PERCENTS), strict=True)
                ),
                "max_ns": one.histogram.max,
                "interrupts": one.causes.interrupts,
                "softirqs": one.causes.softirqs,
                "steal_ms": one.causes.steal_ms,
                "largest": _largest(one),
            }
            for one in results
        ],
    }


def _largest(one: CpuJitter) -> list[dict[str, int]]:
    """The longest of the gaps that were kept, longest first."""
    longest = one.gaps[one.gaps["length_ns"].argsort()[::-1][:LARGEST]]
    return [{name: int(gap[name]) for name in longest.dtype.names or ()} for gap in longest]


def show_jitter(results: Sequence[CpuJitter], threshold_ns: int, console: Console) -> None:
    """Print a line a CPU, then who may have been it."""
    table = Table("CPU", "gaps", "lost", *(f"p{percent:g}" for percent in PERCENTS), "max")
    for one in results:
        figures = [*one.histogram.percentiles(PERCENTS), one.histogram.max]
        said = [duration(value) if one.total else "–" for value in figures]
        table.add_row(str(one.cpu), f"{one.total:,}", f"{100 * one.lost:.3f} %", *said)
    console.print(table)
    for one in results:
        console.print(f"CPU {one.cpu}: {_counted(one)}", highlight=False)
    shortest = max((one.reading_ns for one in results), default=0.0)
    console.print(
        f"[dim]A gap: two readings of the counter more than {duration(threshold_ns)} apart "
        f"({shortest:.0f} ns is usual); without another task: interrupts, the CPU, its host.[/dim]",
        highlight=False,
    )


def _counted(one: CpuJitter) -> str:
    """Who had a CPU in its gaps, and what the kernel counted there, the most frequent first."""
    rest = one.total - one.switched
    said = [
        f"another task ran in {one.switched:,} gaps, {duration(one.switched_ns)}",
        f"none in {rest:,}, {duration(one.lost_ns - one.switched_ns)}",
    ]
    for kind, counted in (
        ("interrupts", one.causes.interrupts),
        ("softirqs", one.causes.softirqs),
    ):
        most = ", ".join(f"{name} {count:,}" for name, count in list(counted.items())[:CAUSES])
        said.append(f"{sum(counted.values()):,} {kind}" + (f" ({most})" if most else ""))
    return "; ".join([*said, f"{one.causes.steal_ms:,} ms stolen by the host"])


def run_lines(options: argparse.Namespace, host: Host) -> int:
    """Send a cache line there and back between all pairs of CPUs; print, draw and store it."""
    cpus = sorted(options.cpus or host.online)
    if len(cpus) < 2:
        print("ringbus tune lines: two CPUs at least", file=sys.stderr)
        return 2
    times = matrix(cpus, options.trips)
    document: dict[str, object] = {
        "host": fingerprint(host),
        "trips": options.trips,
        "cpus": cpus,
        "round_trip_ns": [
            [None if ns != ns else round(float(ns), 1) for ns in row] for row in times
        ],
    }
    if options.json:
        print(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        table = Table("CPU", *map(str, cpus), title="round trip of a cache line, ns")
        for cpu, row in zip(cpus, times, strict=True):
            table.add_row(str(cpu), *("" if ns != ns else f"{ns:.0f}" for ns in row))
        Console().print(table)
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        store(document, options.output / "lines.json")
        draw_lines(cpus, times, options.output / "lines.svg")
        for name in ("lines.json", "lines.svg"):
            print(options.output / name, file=sys.stderr)
    return 0


def add_words(
    words: argparse._SubParsersAction[Parser],
    common: Callable[..., None],
) -> None:
    """The two words of `ringbus tune`; `common` adds what all its words have."""
    word = words.add_parser(
        "jitter", help="what every CPU takes away from a loop that wants it all"
    )
    common(word, run_jitter, named=False)
    word.add_argument("--seconds", type=_seconds, default=10.0, help="how long; 10 unless given")
    word.add_argument(
        "--threshold-ns", type=_positive, default=THRESHOLD_NS, metavar="NS", help="of a gap; 1000"
    )
    _add_outputs(word, "jitter.json and jitter.svg")
    word = words.add_parser("lines", help="round trip of a cache line between all pairs of CPUs")
    common(word, run_lines, named=False)
    word.add_argument("--trips", type=_positive, default=2000, help="a pair and round; 2000")
    _add_outputs(word, "lines.json and lines.svg")


def _add_outputs(word: argparse.ArgumentParser, files: str) -> None:
    word.add_argument("--json", action="store_true", help="for machines")
    word.add_argument("--output", type=Path, metavar="DIR", help=f"also write {files} there")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= SECONDS_MAX:
        raise argparse.ArgumentTypeError("from above 0 to 86400 seconds")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return value
