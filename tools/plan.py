"""`ringbus plan TOPOLOGY`: a picture of the machine and who would sit where; starts nothing."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.text import Text

from tools.costs import costs
from tools.manual import Parser
from tools.partitions import keeping
from tools.placement import Plan, explain, place
from tools.topology import ConfigurationError, load_topology
from tuning.host import Host, cpu_list, parse_cpus
from tuning.machine import Cpu, Machine

CELL_WIDTH = 25
SVG_WIDTH = 116


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus plan`; returns the exit status."""
    options = _parser().parse_args(argv)
    here = options.root == Path("/")
    host = Host(options.root)
    allowed = options.cpus if options.cpus is not None or here else host.online
    try:
        plan = place(load_topology(options.topology, allowed, host), Machine.of(host, allowed))
        show(plan, Console(highlight=False))
        if options.svg is not None:
            draw(plan, options.svg)
        plan.refuse()
    except (ConfigurationError, OSError) as error:
        print(f"ringbus plan: {error}", file=sys.stderr)
        return 1
    return 0


def show(plan: Plan, console: Console) -> None:
    """Print the machine, who sits where, and what is to be said about it."""
    for part in picture(plan):
        console.print(part)
    console.print()
    for text in explain(plan):
        console.print(escape(text))
    console.print(f"launcher and tools: CPUs {cpu_list(plan.housekeeping) or 'none of their own'}")
    console.print(escape(f"hot CPUs: {keeping(plan.topology, plan.machine.host).words}"))
    for text in (*plan.notes, *costs(plan)):
        console.print(f"[yellow]note:[/yellow] {escape(text)}")
    allowed = plan.topology.host.allow
    for problem in plan.problems:
        colour, word = ("yellow", "allowed") if problem.name in allowed else ("red", "refused")
        console.print(f"[{colour}]{word}:[/{colour}] {escape(problem.text)}")


def draw(plan: Plan, path: Path) -> None:
    """Write the same as an SVG."""
    with Path("/dev/null").open("w") as nowhere:
        console = Console(record=True, width=SVG_WIDTH, file=nowhere, highlight=False)
        show(plan, console)
        text = console.export_svg(title="ringbus plan", unique_id="plan")
    # The fonts that it names are somewhere on the net; the reader has a monospaced one.
    path.write_text(re.sub(r"@font-face \{.*?\}", "", text, flags=re.DOTALL), encoding="utf-8")


def picture(plan: Plan) -> Iterator[RenderableType]:
    """A panel a NUMA node, in it one a cache, in it a cell a physical core."""
    machine = plan.machine
    nodes = sorted({(one.socket, one.node) for one in machine.cpus.values()})
    for socket, node in nodes:
        here = [one for one in machine.cpus.values() if (one.socket, one.node) == (socket, node)]
        free_kib = machine.free_kib(node)
        memory = f", {free_kib >> 10:,} MiB free" if free_kib is not None else ""
        caches = sorted({one.cache for one in here})
        groups = [_cache(plan, [one for one in here if one.cache == cache]) for cache in caches]
        yield Panel(
            Group(*groups), title=f"socket {socket}, node {node}{memory}", title_align="left"
        )
    if machine.offline:
        yield Text(f"offline: CPUs {cpu_list(machine.offline)}", style="dim")


def _cache(plan: Plan, here: list[Cpu]) -> RenderableType:
    size = plan.machine.cache_of(here[0].number)
    cores = sorted({one.core for one in here})
    cells = [_cell(plan, [one for one in here if one.core == core]) for core in cores]
    title = Text(f"cache {size}" if size else "one cache", style="dim")
    return Group(title, Columns(cells, width=CELL_WIDTH, padding=(0, 0)))


def _cell(plan: Plan, here: list[Cpu]) -> RenderableType:
    """One physical core: a line a CPU."""
    lines = [_line(plan, one) for one in here]
    hot = any(one.number in plan.hot for one in here)
    return Panel(
        Text("\n").join(lines),
        width=CELL_WIDTH,
        padding=(0, 0),
        border_style="red" if hot else "dim",
    )


def _line(plan: Plan, one: Cpu) -> Text:
    names = [seat.core.name for seat in plan.seats if seat.cpu == one.number]
    if one.number in plan.hot:
        said, style = "● " + ", ".join(names), "bold red"
    elif names:
        said, style = "○ " + ", ".join(names), "green"
    elif not one.allowed:
        said, style = "not ours", "dim"
    elif one.number in plan.housekeeping:
        said, style = "housekeeping", "green"
    elif plan.machine.siblings(one.number) & plan.hot:
        said, style = "left idle: sibling", "dim"
    else:
        said, style = "isolated, free" if one.isolated else "free", "cyan"
    text = Text(f"{one.number:>3} ", style="bold")
    text.append(said, style=style)
    text.truncate(CELL_WIDTH - 2, overflow="ellipsis")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="ringbus plan", description=__doc__)
    parser.add_argument("topology", type=Path, help="topology file")
    parser.add_argument(
        "--root", type=Path, default=Path("/"), help="where /proc and /sys are, if not here"
    )
    parser.add_argument(
        "--cpus", type=parse_cpus, metavar="LIST", help="CPUs that may be used; all that can be"
    )
    parser.add_argument("--svg", type=Path, metavar="FILE", help="also write the picture there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
