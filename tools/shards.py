"""`ringbus shards`: what each shard of a topology has to carry, and why an instrument is there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tools.configuration import Configuration
from tools.instruments import Instrument
from tools.manual import Parser
from tools.topology import ConfigurationError


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus shards`: 0, or 2 if the files are wrong or a symbol is not in them."""
    parser = Parser(
        prog="ringbus shards", description="What each shard of a topology has to carry."
    )
    parser.add_argument("topology", type=Path, help="topology file")
    parser.add_argument("symbol", nargs="*", help="show these instruments instead")
    options = parser.parse_args(argv)
    try:
        configuration = Configuration.load(options.topology)
        if options.symbol:
            table = _instruments(configuration, options.symbol)
        else:
            table = _shards(configuration)
    except ConfigurationError as error:
        print(f"ringbus shards: {error}", file=sys.stderr)
        return 2
    Console().print(table)
    return 0


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="left" if name in ("symbol", "group", "why") else "right")
    return table


def _shards(configuration: Configuration) -> Table:
    table = _table("shard", "instruments", "chosen", "groups", "messages a day", "share")
    total = sum(one.load for one in configuration.instruments)
    for shard in range(configuration.topology.exchange.shards):
        own = [one for one in configuration.instruments if one.shard == shard]
        load = sum(one.load for one in own)
        table.add_row(
            str(shard),
            f"{len(own):,}",
            f"{sum(one.shard_chosen for one in own):,}",
            f"{len({one.group for one in own if one.group}):,}",
            f"{load:,}" if total else "-",
            f"{100 * load / total:.1f} %" if total else "-",
        )
    return table


def _instruments(configuration: Configuration, symbols: Sequence[str]) -> Table:
    table = _table("symbol", "shard", "group", "messages a day", "why")
    by_symbol = {one.symbol: one for one in configuration.instruments}
    by_load = any(one.load for one in configuration.instruments)
    for symbol in symbols:
        one = by_symbol.get(symbol)
        if one is None:
            raise ConfigurationError(
                f"{configuration.topology.instruments}: {symbol!r} is not in it; write a symbol "
                "as it stands there"
            )
        load = f"{one.load:,}" if one.load else "-"
        group = one.group or "-"
        table.add_row(symbol, str(one.shard), group, load, _why(configuration, one, by_load))
    return table


def _why(configuration: Configuration, one: Instrument, by_load: bool) -> str:
    if one.shard_chosen:
        return "chosen"
    if any(o.shard_chosen for o in configuration.instruments if one.group and o.group == one.group):
        return "chosen for its group"
    how = "by load" if by_load else "dealt in turn"
    return f"its group {how}" if one.group else how
