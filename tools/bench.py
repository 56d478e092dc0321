"""Time everything on this host, and compare with a run from before.

Each benchmark is run once, small, to warm up, and then several times, all of them in turns, so
that a bad minute of the host strikes all. Result hashes come before any time: they say that the
same work was done. Figures are medians over all rounds of all runs. The bare cache line between the
two CPUs, looked at around each run, says how far these are from each other just then ("near",
"far", or "moved" while it ran): figures of one are not compared with figures of the other.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tools.build import build_hash
from tools.manual import Parser, Several
from tools.measure import BENCHMARKS, ROOT, BenchError, build, compiler, run_all, source
from tools.page import between, number, page
from tools.regression import TOLERANCE, Compared, compare
from tools.results import Results, ResultsError
from tools.verdict import Verdict
from tuning.fingerprint import fingerprint
from tuning.host import Host

RUNS: Final = 3
# Of what goes into a file.
WIDTH: Final = 160
NOTHING_SLOWER, SLOWER, FAILED, NOT_COMPARED = 0, 1, 2, 3
COLOURS: Final = {
    Verdict.SAME: "green",
    Verdict.FASTER: "cyan",
    Verdict.SLOWER: "red",
    Verdict.UNKNOWN: "bright_black",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus bench`; returns the exit status."""
    options = _parser().parse_args(argv)
    out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    # Told to end, it takes with it what it has started: readers that spin would go on for ever.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(FAILED))
    try:
        if options.list:
            for name, one in BENCHMARKS.items():
                print(f"{name:12} {one.about}")
            return NOTHING_SLOWER
        if options.page is not None:
            print(page(Results.read(options.page)), end="")
            return NOTHING_SLOWER
        # Before anything is run: an unreadable file is found in an instant.
        stored = Results.read(options.compare) if options.compare is not None else None
        results = measured(options) if options.results is None else Results.read(options.results)
        if options.keep and options.output is not None and options.output.exists():
            results = results.beside(Results.read(options.output))
        if options.output is not None:
            results.write(options.output)
        if stored is None:
            show(results, out)
            return NOTHING_SLOWER
        show_loads(stored, results, out)
        return show_comparison(compare(stored, results, options.tolerance / 100), out)
    except (BenchError, ResultsError, OSError) as error:
        print(f"ringbus bench: {error}", file=sys.stderr)
        return FAILED


def measured(options: argparse.Namespace) -> Results:
    """Run what is asked for."""
    names = list(dict.fromkeys(options.part)) or list(BENCHMARKS)
    runs = options.runs or (1 if options.quick else RUNS)
    columns = (TextColumn("bench"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, TextColumn("{task.description}"), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("building", total=len(names) * (runs + (not options.quick)))
        build(ROOT)
        is_first = True

        def told(text: str) -> None:
            nonlocal is_first
            bar.update(task, description=text, advance=0 if is_first else 1)
            is_first = False

        taken = datetime.now(UTC).isoformat(timespec="seconds")
        host = fingerprint(Host())
        parts = run_all(names, runs, options.quick, ROOT, told)
    # All that counts of the kernel's options is among the settings; the rest may be private.
    host.pop("kernel_options", None)
    return Results(
        taken, options.quick, f"{build_hash():016x}", source(ROOT), compiler(ROOT), host, parts
    )


def show(results: Results, out: Console) -> None:
    """Print the results' hashes, and then the figures."""
    for name, part in results.parts.items():
        for what, digest in part.results.items():
            out.print(f"result hash {digest}  {name}: {escape(what)}")
    for name, part in results.parts.items():
        bare = statistics.median(part.bare_ns) if part.bare_ns else 0
        title = f"{name}: bare line {bare:.0f} ns, load {min(part.load)}-{max(part.load)}"
        table = Table(title=title, title_justify="left", title_style="bold")
        table.add_column("figure", overflow="fold")
        for heading in ("median", "unit", "lowest .. highest", "rounds", "CPUs", "asked for"):
            table.add_column(heading, justify="left" if heading == "unit" else "right")
        for one in part.figures:
            row = (number(one.median), one.unit, between(one), str(len(one.rounds)))
            table.add_row(escape(one.name), *row, one.distance, one.target)
        out.print(table)
    cpu, cpus, kernel = (results.host.get(name) for name in ("cpu", "cpus", "kernel"))
    out.print(f"{cpu}, CPUs {cpus}, Linux {kernel}; {results.compiler}", soft_wrap=True)


def show_loads(stored: Results, results: Results, out: Console) -> None:
    """Print how busy the host was, then and now: what a verdict cannot know."""
    for name, part in results.parts.items():
        if name in stored.parts:
            then, now = stored.parts[name].load, part.load
            out.print(
                f"{name}: load {min(then):.1f}-{max(then):.1f} stored, "
                f"{min(now):.1f}-{max(now):.1f} now"
            )


def show_comparison(verdicts: Sequence[Compared], out: Console) -> int:
    """Print each figure beside the stored one; returns the exit status."""
    table = Table(title="against the stored run", title_justify="left", title_style="bold")
    for heading in ("part", "figure", "stored", "now", "unit", "change", "verdict"):
        is_figure = heading in ("stored", "now", "change")
        table.add_column(heading, justify="right" if is_figure else "left", overflow="fold")
    for one in verdicts:
        before = number(one.before.median) if one.before else ""
        change = f"{100 * one.change:+.1f} %" if one.before else ""
        said = f"{one.verdict.value}: {one.why}" if one.why else one.verdict.value
        table.add_row(
            *(one.part, escape(one.figure.name), before, number(one.figure.median)),
            *(one.figure.unit, change, f"[{COLOURS[one.verdict]}]{escape(said)}[/]"),
        )
    out.print(table)
    counts = {verdict: sum(one.verdict is verdict for one in verdicts) for verdict in Verdict}
    out.print(", ".join(f"{count} {verdict.value}" for verdict, count in counts.items()))
    if counts[Verdict.UNKNOWN] == len(verdicts):
        print("ringbus bench: nothing could be compared", file=sys.stderr)
        return NOT_COMPARED
    return SLOWER if counts[Verdict.SLOWER] else NOTHING_SLOWER


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="ringbus bench", description=__doc__)
    parser.add_argument(
        "part", nargs="*", choices=Several(BENCHMARKS), metavar="PART",
        help=f"which; all unless given: {' '.join(BENCHMARKS)}",
    )  # fmt: skip
    parser.add_argument("--list", action="store_true", help="say what each part is about, and end")
    parser.add_argument("--quick", action="store_true", help="small and once: does it run at all")
    parser.add_argument("--runs", type=_count, metavar="N", help=f"of each part; {RUNS}, quick 1")
    parser.add_argument("--output", type=Path, metavar="FILE", help="store the results there, JSON")
    parser.add_argument(
        "--keep", action="store_true", help="the parts that are stored there already stay"
    )
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="run nothing, take stored results"
    )
    parser.add_argument(
        "--compare", type=Path, metavar="FILE", help="with the results that are stored there"
    )
    parser.add_argument(
        "--tolerance", type=_percent, default=100 * TOLERANCE, metavar="PERCENT",
        help="differences up to here are none",
    )  # fmt: skip
    parser.add_argument("--page", type=Path, metavar="FILE", help="stored results as Markdown")
    return parser


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 100:
        raise argparse.ArgumentTypeError("from 1 to 100")
    return value


def _percent(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1000:
        raise argparse.ArgumentTypeError("from 0 to 1000")
    return value


if __name__ == "__main__":
    sys.exit(main())
