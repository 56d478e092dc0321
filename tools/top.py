"""`ringbus top NAME`: a running exchange as it works, live in the terminal, or once as text.

Cores and agents, rings and their readers, sessions, instruments, limits, latency, and what
guardians and operators say. It reads only, at a low priority, beside the CPUs of cores that never
sleep; what it costs the exchange is measured (make bench-top).
"""

from __future__ import annotations

import argparse
import json
import re
import sys

# An exception to the rule against time: a picture is of a moment, and the next one comes later.
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rich.console import Console

from ringbus.status import UsageError
from tools.manual import Parser
from tools.state import exchange_name
from tools.watch.aside import stand_aside
from tools.watch.frame import frame
from tools.watch.lookout import Lookout
from tools.watch.panels import PANELS
from tools.watch.sample import Sample, plain

if TYPE_CHECKING:  # Half a second, which `--once` need not spend.
    from textual.pilot import Pilot

    from tools.watch.screen import Top

# Where no terminal says how wide it is.
WIDTH = 200
# Characters.
PICTURE_SIZE = (104, 40)
# Heard in one go before a single picture: the whole of a day, as far as anybody has one.
EVERYTHING = 1 << 40


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus top`: 0; 1: there is no such exchange, or it has gone."""
    options = _parser().parse_args(argv)
    try:
        name = exchange_name(options.exchange)
    except UsageError as error:
        print(f"ringbus top: {error}", file=sys.stderr)
        return 1
    lookout = Lookout(name)
    try:
        sampler = lookout.find()
        if sampler is not None:
            stand_aside(sampler.topology.hot_cpus)
            if not options.once and not options.json:
                return _live(lookout, options)
        sample = once(lookout, options.interval)
    finally:
        lookout.close()
    if sample is None:
        print(f"ringbus top: {lookout.why}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(plain(sample)))
        return 0
    panels = [PANELS[one] for one in options.panel or PANELS]
    Console(width=None if sys.stdout.isatty() else WIDTH).print(frame(sample, panels))
    return 0


def once(
    lookout: Lookout,
    interval_s: float,
    now_ns: Callable[[], int] = time.time_ns,
    wait: Callable[[float], None] = time.sleep,
) -> Sample | None:
    """One sample whose rates are of `interval_s` seconds, with all of the day heard."""
    lookout.find()
    lookout.follow(EVERYTHING)
    if lookout.look(now_ns()) is None:
        return None
    wait(interval_s)
    lookout.follow(EVERYTHING)
    return lookout.look(now_ns())


def _live(lookout: Lookout, options: argparse.Namespace) -> int:
    from tools.watch.screen import Top

    panel = options.panel[0] if options.panel else "cores"
    top = Top(lookout, time.time_ns, options.interval, panel, options.exit)
    if options.picture is not None:
        top.run(headless=True, size=PICTURE_SIZE, auto_pilot=partial(_draw, options.picture))
        return 0
    return top.run() or 0


async def _draw(path: Path, pilot: Pilot[object]) -> None:
    """Write what stands on the screen when all sparks have been seen, as SVG."""
    from textual.widgets import DataTable

    top = cast("Top", pilot.app)
    # Every stripe is a rectangle of its own, and half of the file.
    top.query_one("#table", DataTable).zebra_stripes = False
    while not top.is_full:
        await pilot.pause(0.1)
    drawn = top.export_screenshot(title=f"ringbus top {top.sample.name if top.sample else ''}")
    # A page that is read off line has no fonts to fetch; short names are a third of the file.
    drawn = re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
    path.write_text(re.sub(r"terminal-\d+", "top", drawn), encoding="utf-8")
    await pilot.press("q")


def _parser() -> Parser:
    parser = Parser(prog="ringbus top", description=__doc__.partition(":")[2])
    parser.add_argument("exchange", help="name of a running exchange, or its topology file")
    parser.add_argument(
        "--interval", type=_seconds, default=1.0, metavar="S", help="between two pictures (1)"
    )
    parser.add_argument(
        "--panel",
        action="append",
        choices=PANELS,
        help="what is shown first; with --once what is shown, more than one if said again",
    )
    parser.add_argument(
        "--picture", type=Path, metavar="SVG", help="look on for 30 pictures, then write the last"
    )
    parser.add_argument("--once", action="store_true", help="print one picture as text")
    parser.add_argument("--json", action="store_true", help="print all numbers once, as JSON")
    parser.add_argument(
        "--exit", action="store_true", help="end when the exchange does, with status 1"
    )
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError("from 0.1 to 3600 seconds")
    return value
