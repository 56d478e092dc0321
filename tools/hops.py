"""The histograms of a running exchange: hops, what agents' turns take, stalls of its cores.

Every core records into its metrics page; here they are read without stopping anyone, and those of
the same name merged over the cores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ringbus.core import DUTY, SAMPLED, STALLS
from ringbus.histogram import Histogram
from ringbus.metrics import Metrics
from ringbus.segment import PREFIX, Segment, listing
from ringbus.status import NotFoundError
from tools.units import duration

# In the order a message passes them; others follow by name.
HOPS = (
    "port to sequencer",
    "sequencer to shard",
    "shard to publisher",
    "publisher to reader",
    "publisher to journal",
    "journal to disk",
    "whole",
)
PERCENTS = (50.0, 90.0, 99.0, 99.9, 99.99)
FIGURES = ("min", "p50", "p90", "p99", "p99.9", "p99.99", "max")
HEADINGS = ("hop", "count", *FIGURES)


def collect(exchange: str) -> dict[str, Histogram]:
    """All histograms of a running exchange, those of the same name merged, as private copies.

    Raises: NotFoundError: nothing of that exchange is there; LayoutError: it is of another version.
    """
    found: dict[str, list[Histogram]] = {}
    for metrics in _pages(exchange):
        for name, histogram in metrics.histograms().items():
            found.setdefault(name, []).append(histogram.snapshot())
    return {name: Histogram.merged(found[name]) for name in ordered(found)}


def collect_since(exchange: str, before: Mapping[str, Histogram]) -> dict[str, Histogram]:
    """What was recorded since an earlier `collect`; raises as it.

    Raises: UsageError: a core was started anew in between, so that its earlier records are gone.
    """
    return since(before, collect(exchange))


def since(before: Mapping[str, Histogram], after: Mapping[str, Histogram]) -> dict[str, Histogram]:
    """What the later of two snapshots has more than the earlier.

    Raises: UsageError: they are not of the same records.
    """
    return {
        name: histogram - before[name] if name in before else histogram
        for name, histogram in after.items()
    }


def sampling(exchange: str) -> dict[str, int]:
    """Of how many turns one is timed, by the name of the histogram; raises as `collect`."""
    out: dict[str, int] = {}
    for metrics in _pages(exchange):
        every = metrics.counters().get(SAMPLED, 0)
        out |= dict.fromkeys((one for one in metrics.histograms() if is_duty(one)), every)
    return out


def _pages(exchange: str) -> Iterator[Metrics]:
    """The metrics pages that are there, each mapped for as long as it is looked at."""
    names = [name for name in listing(exchange) if _is_page(name, exchange)]
    for name in names:
        try:
            segment = Segment.attach(name)
        except NotFoundError:
            continue  # Its core went down between the listing and now.
        with segment:
            yield Metrics.attach(segment)
    if not names:
        raise NotFoundError(f"no metrics of an exchange '{exchange}' are here: is it up?")


def _is_page(segment: str, exchange: str) -> bool:
    """Whether a segment is the metrics page of a core of the exchange."""
    return segment.startswith(f"{PREFIX}{exchange}.metrics.")


def ordered(names: Mapping[str, object]) -> list[str]:
    """Names in the order of HOPS, the others behind: hops, then turns, then stalls."""
    known = [name for name in HOPS if name in names]
    rest = sorted(name for name in names if name not in HOPS)
    return known + sorted(rest, key=lambda name: (is_stall(name), is_duty(name)))


def is_duty(name: str) -> bool:
    """Whether a histogram is of an agent's turns."""
    return name.startswith(DUTY)


def is_stall(name: str) -> bool:
    """Whether a histogram is of a core's stalls."""
    return name.startswith(STALLS)


def is_hop(name: str) -> bool:
    """Whether a histogram is of what messages take."""
    return not is_duty(name) and not is_stall(name)


def of_hops(histograms: Mapping[str, Histogram]) -> dict[str, Histogram]:
    """Those of what messages take."""
    return {name: one for name, one in histograms.items() if is_hop(name)}


def table(
    histograms: Mapping[str, Histogram],
    seconds: float = 0.0,
    every: Mapping[str, int] | None = None,
) -> str:
    """Percentiles of every hop, one line each, then agents' turns and cores' stalls, as text.

    Args: seconds: how long was recorded, for shares of time, 0 if nobody knows; every: of how many
    turns one was timed, by histogram.
    """
    rows = [list(HEADINGS)]
    for name, histogram in of_hops(histograms).items():
        rows.append([name, f"{histogram.total:,}", *figures(histogram)])
    notes = [
        f"{name}: {histogram.saturated:,} above 68.7 s are counted as 68.7 s"
        for name, histogram in histograms.items()
        if histogram.saturated
    ]
    lines = [*aligned(rows), *notes]
    for part in (_turns(histograms, seconds, every or {}), _stalls(histograms, seconds)):
        lines += ["", *aligned(part)] if len(part) > 1 else []
    return "\n".join(lines) + "\n"


def _turns(
    histograms: Mapping[str, Histogram], seconds: float, every: Mapping[str, int]
) -> list[list[str]]:
    """Rows of the agents: how much of the time each is at work, how long a turn with work takes."""
    rows = [["agent's turn", "timed", "busy", *FIGURES[1:]]]
    for name, histogram in histograms.items():
        if is_duty(name):
            busy = busy_share(histogram, seconds, every.get(name, 0))
            said = "–" if busy is None else f"{100 * busy:.2f} %"
            agent = name.removeprefix(DUTY)
            rows.append([agent, f"{histogram.total:,}", said, *figures(histogram)[1:]])
    return rows


def busy_share(histogram: Histogram, seconds: float, every: int) -> float | None:
    """How much of the time an agent was at work, 0 to 1; None: it cannot be told.

    Turns are timed by chance, one in `every`: the sum of those, so many times, is that of all.
    """
    if seconds <= 0 or every <= 0:
        return None
    return histogram.sum * every / (seconds * 1e9)


def _stalls(histograms: Mapping[str, Histogram], seconds: float) -> list[list[str]]:
    """Rows of the cores: how often and how long none of its agents had a turn."""
    rows = [["core's stalls", "count", "lost", *FIGURES[1:]]]
    for name, histogram in histograms.items():
        if is_stall(name):
            lost = f"{histogram.sum / (seconds * 1e7):.3f} %" if seconds > 0 else "–"
            core = name.removeprefix(STALLS)
            rows.append([core, f"{histogram.total:,}", lost, *figures(histogram)[1:]])
    return rows


def figures(histogram: Histogram) -> list[str]:
    """The figures of a row, in the order of FIGURES, as people read them."""
    if histogram.total == 0:
        return ["–"] * len(FIGURES)
    # The highest value of a count's range can be above the exact maximum.
    values = [histogram.min, *histogram.percentiles([*PERCENTS, 100.0])]
    return [duration(min(value, histogram.max)) for value in values]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
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
