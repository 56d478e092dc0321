"""`ringbus hist`: the latency of every hop: live, recorded, merged, over time, compared."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from ringbus.histogram import Histogram
from ringbus.status import RingbusError, UsageError
from tools import comparison
from tools.follow import FOR_EVER, Plan, follow
from tools.hops import aligned, collect, is_hop, since, table
from tools.manual import Parser
from tools.recording import Recording, about, is_there, merged, read_all, write_snapshot
from tools.state import find
from tools.units import duration
from tools.verdict import LEAST

INTERVAL_S: Final = 1.0
SECONDS_MAX: Final = 86_400.0
STRETCHES: Final = 30
OVER_TIME: Final = (50.0, 99.0, 99.9)


def main(
    argv: Sequence[str] | None = None,
    now_s: Callable[[], float] = time.time,
    wait: Callable[[float], None] = time.sleep,
    console: Console | None = None,
) -> int:
    """Run `ringbus hist`; returns the exit status.

    Its two clocks are given: this is a tool for people, and they ask for seconds of the wall.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    if bool(options.sources) == bool(options.compare):
        parser.error("say an exchange or recordings, or --compare and two sets of recordings")
    try:
        if options.compare:
            return _compare(options)
        _show(options, now_s, wait, console or Console())
    except (RingbusError, OSError) as error:
        print(f"ringbus hist: {error}", file=sys.stderr)
        return comparison.UNKNOWN if options.compare else 1
    return 0


def _compare(options: argparse.Namespace) -> int:
    before, after = (read_all(Path(side)) for side in options.compare)
    percents = options.percentiles or ()
    found = comparison.compare(before, after, options.least / 100, percents, options.hop)
    print(comparison.text(found), end="")
    if options.picture is not None:
        from tools.pictures import draw_comparison

        draw_comparison(before, after, found, options.picture)
        print(options.picture)
    return found.status


def _show(
    options: argparse.Namespace,
    now_s: Callable[[], float],
    wait: Callable[[float], None],
    console: Console,
) -> None:
    first, *more = options.sources
    if not _is_exchange(first):
        recordings = [one for path in options.sources for one in read_all(Path(path))]
        _show_recordings(recordings, options)
    elif more:
        raise UsageError(f"{first} is an exchange: say it alone, or recordings")
    elif options.live or options.seconds is not None:
        _show_following(first, options, now_s, wait, console)
    else:
        moment_s = now_s()
        histograms = _since(collect(first), options)
        title = options.note or f"Latency by hop, exchange {first}"
        _print(histograms, options)
        if options.output is not None:
            document = about(first, find(first), moment_s, options.note) | {"snapshot": True}
            files = write_snapshot(histograms, options.output, document, moment_s)
            _say([*files, _picture(histograms, options.output / "latency.png", title)])
        if options.picture is not None:
            _say([_picture(histograms, options.picture, title)])


def _is_exchange(source: str) -> bool:
    """Whether this is an exchange's name; of a recording that is called alike, say ./NAME."""
    if "/" in source or source.endswith(".hlog"):
        return False
    try:
        return bool(collect(source)) or not is_there(Path(source))
    except RingbusError:
        return not is_there(Path(source))


def _show_recordings(recordings: Sequence[Recording], options: argparse.Namespace) -> None:
    """Several recordings as one, all of it or what came after an earlier snapshot."""
    histograms = _since(merged(recordings), options)
    seconds = sum(one.seconds for one in recordings)
    every = {name: count for one in recordings for name, count in one.sampling.items()}
    if options.over_time:
        print("\n".join(_over_time(one, options.hop) for one in recordings), end="")
    else:
        _print(histograms, options, seconds, every)
    if options.output is not None:
        document = {"start_s": 0.0} | recordings[0].about | {"note": options.note}
        end_s = float(document["start_s"]) + seconds
        _say(write_snapshot(histograms, options.output, document, end_s))
    if options.picture is not None:
        title = options.note or ", ".join(one.path.name for one in recordings)
        if options.over_time:
            from tools.pictures import draw_over_time

            draw_over_time(recordings[0], options.picture, title, options.hop)
            _say([options.picture])
        else:
            _say([_picture(histograms, options.picture, title)])


def _show_following(
    exchange: str,
    options: argparse.Namespace,
    now_s: Callable[[], float],
    wait: Callable[[float], None],
    console: Console,
) -> None:
    plan = Plan(
        options.seconds or FOR_EVER,
        options.interval,
        options.live,
        options.output,
        options.note,
        options.jitter,
    )
    found = follow(exchange, plan, now_s, wait, console)
    if found.ended:
        print(found.ended, file=sys.stderr)
    _print(found.watch.totals, options, found.seconds, found.watch.sampling)
    if options.output is not None:
        title = options.note or f"Latency by hop, exchange {exchange}, {found.seconds:.0f} s"
        picture = _picture(found.watch.totals, options.output / "latency.png", title)
        _say([*found.files, picture])


def _since(
    histograms: Mapping[str, Histogram], options: argparse.Namespace
) -> dict[str, Histogram]:
    """What came after the snapshot that --since names."""
    if options.since is None:
        return dict(histograms)
    return since(merged(read_all(options.since)), histograms)


def _print(
    histograms: Mapping[str, Histogram],
    options: argparse.Namespace,
    seconds: float = 0.0,
    every: Mapping[str, int] | None = None,
) -> None:
    chosen = {name: one for name, one in histograms.items() if name in (options.hop or histograms)}
    print(table(chosen, seconds, every), end="")


def _picture(histograms: Mapping[str, Histogram], path: Path, title: str) -> Path:
    from tools.curves import draw

    draw({name: one for name, one in histograms.items() if is_hop(name)}, path, title)
    return path


def _say(files: Sequence[Path]) -> None:
    for path in files:
        print(path)


def _over_time(recording: Recording, hops: Sequence[str]) -> str:
    """A table a hop: the percentiles of each stretch of a recording."""
    out: list[str] = []
    for name, moments in recording.over_time(STRETCHES, OVER_TIME).items():
        if (not hops and not is_hop(name)) or (hops and name not in hops) or not moments:
            continue
        rows = [[f"{name}, s", "count", *(f"p{one:g}" for one in OVER_TIME), "max"]]
        start_s = moments[0].start_s
        for one in moments:
            said = f"{one.start_s - start_s:.1f} … {one.end_s - start_s:.1f}"
            values = [duration(value) for value in (*one.values_ns, one.max_ns)]
            rows.append([said, f"{one.total:,}", *values])
        out += [*aligned(rows), ""]
    return "\n".join(out) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="ringbus hist", description=__doc__.partition(": ")[2])
    add = parser.add_argument
    add("sources", nargs="*", metavar="SOURCE", help="a running exchange, or recordings")
    add("--live", action="store_true", help="refresh it in the terminal")
    add("--seconds", type=_seconds, help="only what is recorded in the next SECONDS")
    add("--interval", type=_seconds, default=INTERVAL_S, metavar="S", help="of a recording; 1")
    add("--output", type=Path, metavar="DIR", help="also record into that directory")
    add("--note", default="", help="what is recorded, in your words")
    add(
        "--jitter",
        type=float,
        metavar="S",
        help="look at the CPUs so long behind a recording; 1, beside a live exchange 0",
    )
    add("--since", type=Path, metavar="DIR", help="less an earlier snapshot of the same exchange")
    add("--over-time", action="store_true", help="the percentiles of every stretch of a recording")
    add("--hop", action="append", default=[], metavar="NAME", help="of this hop alone; repeatable")
    add("--picture", type=Path, metavar="FILE", help="draw it: .png, .svg or .html")
    add(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        help="is B slower than A? each a recording or a directory of them, one a run",
    )
    add(
        "--least",
        type=float,
        default=100 * LEAST,
        metavar="PERCENT",
        help="of --compare: a change that counts; 5",
    )
    add("--percentiles", type=_percentiles, metavar="P,P", help="of --compare; 50,90,99,99.9")
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= SECONDS_MAX:
        raise argparse.ArgumentTypeError("from above 0 to 86400 seconds")
    return value


def _percentiles(text: str) -> list[float]:
    values = sorted({float(part) for part in text.split(",")})
    if not values or not all(0 < value < 100 for value in values):
        raise argparse.ArgumentTypeError("above 0 and below 100, commas between them")
    return values


if __name__ == "__main__":
    sys.exit(main())
