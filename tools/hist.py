"""`ringbus hist`: the latency of every hop of a running exchange, as table, picture and files.

Every core records its hops into its metrics page; here they are read without stopping anyone,
merged over the cores, and shown. A run is isolated by subtracting a snapshot taken before it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ringbus.histogram import Histogram, read_hlog, write_hlog
from ringbus.metrics import Metrics
from ringbus.segment import PREFIX, Segment, listing
from ringbus.status import NotFoundError, RingbusError
from tools.curves import draw
from tools.manual import Parser
from tools.units import duration
from tuning.fingerprint import fingerprint, store
from tuning.host import Host

# In the order a message passes them; others follow by name.
HOPS = (
    "port to sequencer",
    "sequencer to shard",
    "shard to publisher",
    "publisher to reader",
    "whole",
)
PERCENTS = (50.0, 90.0, 99.0, 99.9, 99.99)
HEADINGS = ("hop", "count", "min", "p50", "p90", "p99", "p99.9", "p99.99", "max")


def collect(exchange: str) -> dict[str, Histogram]:
    """All histograms of a running exchange, those of the same name merged, as private copies.

    Raises: NotFoundError: nothing of that exchange is there; LayoutError: it is of another version.
    """
    pages = [name for name in listing(exchange) if _is_page(name, exchange)]
    found: dict[str, list[Histogram]] = {}
    for page in pages:
        try:
            segment = Segment.attach(page)
        except NotFoundError:
            continue  # Its core went down between the listing and now.
        with segment:
            for name, histogram in Metrics.attach(segment).histograms().items():
                found.setdefault(name, []).append(histogram.snapshot())
    if not pages:
        raise NotFoundError(f"no metrics of an exchange '{exchange}' are here: is it up?")
    return {name: Histogram.merged(found[name]) for name in _ordered(found)}


def collect_since(exchange: str, before: Mapping[str, Histogram]) -> dict[str, Histogram]:
    """What was recorded since an earlier `collect`; raises as it.

    Raises: UsageError: a core was started anew in between, so that its earlier records are gone.
    """
    return {
        name: histogram - before[name] if name in before else histogram
        for name, histogram in collect(exchange).items()
    }


def table(histograms: Mapping[str, Histogram]) -> str:
    """Percentiles of every hop, one line each, as text."""
    rows = [list(HEADINGS)]
    for name, histogram in histograms.items():
        rows.append([name, f"{histogram.total:,}", *_figures(histogram)])
    notes = [
        f"{name}: {histogram.saturated:,} above 68.7 s are counted as 68.7 s"
        for name, histogram in histograms.items()
        if histogram.saturated
    ]
    return "\n".join([*_aligned(rows), *notes]) + "\n"


def compare(before: Mapping[str, Histogram], after: Mapping[str, Histogram]) -> str:
    """Two runs hop by hop: each figure of both, and the change in percent, as text."""
    rows = [list(HEADINGS)]
    for name in _ordered({**before, **after}):
        old, new = before.get(name, Histogram()), after.get(name, Histogram())
        for label, histogram in ((f"{name}, before", old), ("after", new)):
            rows.append([label, f"{histogram.total:,}", *_figures(histogram)])
        # Not the exact maximum: a file does not hold it, and it would look like a change.
        pairs = zip(_resolved(old), _resolved(new), strict=True)
        rows.append(["change", "", *(_change(*pair) for pair in pairs)])
    return "\n".join(_aligned(rows)) + "\n"


def write(
    histograms: Mapping[str, Histogram],
    directory: Path,
    title: str = "Latency by hop",
    start_s: float = 0.0,
    end_s: float = 0.0,
) -> list[Path]:
    """Write `latency.png`, `latency.hlog` and one `.hgrm` per hop; returns what was written.

    Args: directory: made if it is not there; title: of the picture; start_s, end_s: when it was
    recorded, seconds since 1970, for the .hlog.
    """
    directory.mkdir(parents=True, exist_ok=True)
    picture, log = directory / "latency.png", directory / "latency.hlog"
    draw(histograms, picture, title)
    write_hlog(log, histograms, start_s, end_s)
    written = [picture, log]
    for name, histogram in histograms.items():
        path = directory / (_file_stem(name) + ".hgrm")
        histogram.write_hgrm(path)
        written.append(path)
    return written


def main(
    argv: Sequence[str] | None = None,
    now_s: Callable[[], float] = time.time,
    wait: Callable[[float], None] = time.sleep,
) -> int:
    """Run `ringbus hist`; returns the exit status.

    Its two clocks are given: this is a tool for people, and they ask for seconds of the wall.
    """
    options = _parser().parse_args(argv)
    try:
        _run(options, now_s, wait)
    except (RingbusError, OSError) as error:
        print(f"ringbus hist: {error}", file=sys.stderr)
        return 1
    return 0


def _run(
    options: argparse.Namespace, now_s: Callable[[], float], wait: Callable[[float], None]
) -> None:
    start_s = now_s()
    if options.seconds is None:
        histograms = collect(options.exchange)
        title = f"Latency by hop, exchange {options.exchange}"
    else:
        before = collect(options.exchange)
        wait(options.seconds)
        histograms = collect_since(options.exchange, before)
        title = f"Latency by hop, exchange {options.exchange}, {options.seconds:g} s"
    if options.compare is not None:
        print(compare(read_hlog(options.compare), histograms), end="")
    else:
        print(table(histograms), end="")
    if options.output is not None:
        for path in write(histograms, options.output, title, start_s, now_s()):
            print(path)
        # What the figures were measured on belongs beside them.
        store(fingerprint(Host()), options.output / "host.json")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="ringbus hist", description=__doc__.partition(":")[2])
    parser.add_argument("exchange", help="name of the running exchange")
    parser.add_argument(
        "--seconds", type=_seconds, help="only what is recorded in the next SECONDS"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="also write latency.png, .hlog and .hgrm there"
    )
    parser.add_argument(
        "--compare", type=Path, metavar="HLOG", help="compare with the latency.hlog of another run"
    )
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError("from above 0 to 86400 seconds")
    return value


def _is_page(segment: str, exchange: str) -> bool:
    """Whether a segment is the metrics page of a core of the exchange."""
    return segment.startswith(f"{PREFIX}{exchange}.metrics.")


def _ordered(names: Mapping[str, object]) -> list[str]:
    """Names in the order of HOPS, the others behind."""
    known = [name for name in HOPS if name in names]
    return known + sorted(name for name in names if name not in HOPS)


def _resolved(histogram: Histogram) -> list[int]:
    """The figures of a row, in the order of HEADINGS from `min` on, as the counts tell them, ns."""
    return [histogram.min, *histogram.percentiles([*PERCENTS, 100.0])]


def _figures(histogram: Histogram) -> list[str]:
    if histogram.total == 0:
        return ["–"] * len(HEADINGS[2:])
    # The highest value of a count's range can be above the exact maximum.
    return [duration(min(value, histogram.max)) for value in _resolved(histogram)]


def _change(old: int, new: int) -> str:
    return f"{100 * (new - old) / old:+.1f} %" if old and new else "–"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table: first column to the left, the others to the right."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    return lines


def _file_stem(name: str) -> str:
    """A hop's name as a file's: letters, digits and '-'."""
    return "".join(letter if letter.isalnum() else "-" for letter in name)


if __name__ == "__main__":
    sys.exit(main())
