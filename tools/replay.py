"""`ringbus replay`: a recorded day goes through this build's engine once more and is compared."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ringbus.status import RingbusError, UsageError
from tools.configuration import Configuration
from tools.manual import Parser
from tools.replay_day import ORDERS, PRICE_NODES, Report, journal_of, replay_day
from tools.topology import ConfigurationError


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus replay`: 0 identical, 1 a divergence, 2 the comparison could not be made."""
    options = _parser().parse_args(argv)
    try:
        report = _run(options)
    except (RingbusError, ConfigurationError, OSError) as error:
        print(f"ringbus replay: {error}", file=sys.stderr)
        return 2
    _show(report)
    return 0 if report.identical else 1


def _run(options: argparse.Namespace) -> Report:
    directory = journal_of(options.directory)
    shards, instruments, shard_of = options.shards, options.instruments, None
    orders, price_nodes = options.orders, options.price_nodes
    if options.topology is not None:
        if (shards, instruments) != (None, None):
            raise UsageError("--topology says the shards and instruments: leave the others out")
        configuration = Configuration.load(options.topology)
        shards, shard_of = configuration.topology.exchange.shards, configuration.shard_of
        orders = max(orders, configuration.topology.limits.orders)
        price_nodes = max(price_nodes, configuration.topology.limits.price_nodes)
    columns = (TextColumn("replay"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replay", total=None)
        return replay_day(
            directory,
            shards,
            instruments,
            shard_of,
            orders,
            price_nodes,
            options.verify,
            options.until,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


def _show(report: Report) -> None:
    print(f"messages    {report.messages:,} of {report.recorded:,}")
    print(f"engine      {_counted(report.shards, 'shard')}, ", end="")
    print(_counted(report.instruments, "instrument"))
    print(f"time        {report.seconds:.3f} s, {report.rate:,.0f} messages/s")
    print(f"book        {report.book_hash}, {_counted(report.open_orders, 'open order')}")
    if report.unsaid:
        print(f"unsaid      {_counted(report.unsaid, 'line')} of the last group: it was cut off")
    print("identical" if report.divergence is None else report.divergence)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value < 1 << 28:
        raise argparse.ArgumentTypeError("a whole number above 0")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="ringbus replay",
        description="Run a recorded day through this build's engine and compare every byte.",
    )
    parser.add_argument("directory", type=Path, help="directory of the journal")
    parser.add_argument(
        "--topology", type=Path, metavar="FILE", help="take shards and limits from there"
    )
    parser.add_argument("--shards", type=_count, metavar="N", help="if the day does not say them")
    parser.add_argument(
        "--instruments", type=_count, metavar="N", help="likewise; N is on shard N modulo shards"
    )
    parser.add_argument(
        "--orders", type=_count, default=ORDERS, metavar="N", help="room of each shard's book"
    )
    parser.add_argument(
        "--price-nodes", type=_count, default=PRICE_NODES, metavar="N", help="likewise"
    )
    parser.add_argument("--until", type=int, metavar="SEQUENCE", help="stop behind this message")
    parser.add_argument(
        "--verify", action="store_true", help="compare all checksums of the files first"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
