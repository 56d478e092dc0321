"""Histograms over time in a file: HdrHistogram's interval log, format 1.2 with V2 payloads.

A line is one tag's histogram of one interval, so a log of a day holds the tail of every minute of
it, and whoever writes it needs no more memory than for one interval. Any tool of HdrHistogram reads
it.
"""

from __future__ import annotations

import binascii
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final
from urllib.parse import quote, unquote

from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
from hdrh.histogram import HdrHistogram

from ringbus.histogram import Histogram
from ringbus.status import FormatError, UsageError

YEAR_S: Final = 365 * 86_400.0
TIME: Final = re.compile(r"#\[(StartTime|BaseTime): *([\d.]+) ")
LINE: Final = re.compile(r"(?:Tag=([^,]*),)?([\d.]+),([\d.]+),([\d.]+),(\S+)$")
# What the payload of a damaged line comes to.
DAMAGED: Final = (
    binascii.Error,
    zlib.error,
    ValueError,
    HdrCookieException,
    HdrHistogramSettingsException,
    HdrLengthException,
)


@dataclass(frozen=True, slots=True)
class Interval:
    """What was recorded under one tag from `start_s` to `end_s`, seconds since 1970."""

    tag: str
    start_s: float
    end_s: float
    histogram: Histogram


class LogWriter:
    """A new interval log; use it with `with`.

    Every `add` is on its way to the disk when it returns, so a killed writer loses no interval.
    Args: path: replaced if it is there; start_s: when recording began, seconds since 1970.
    """

    def __init__(self, path: Path, start_s: float) -> None:
        if not start_s >= 0:
            raise UsageError("a log begins in 1970 or later")
        moment = datetime.fromtimestamp(start_s, UTC).isoformat(" ")
        self._base_s = start_s
        self._file = path.open("w", encoding="utf-8")
        self._file.write(
            "#[Histogram log format version 1.2]\n"
            f"#[StartTime: {start_s:f} (seconds since epoch), {moment}]\n"
            f"#[BaseTime: {start_s:f} (seconds since epoch)]\n"
            "#[Values, Interval_Max too, are in nanoseconds]\n"
            '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n'
        )

    def add(self, histograms: Mapping[str, Histogram], start_s: float, end_s: float) -> None:
        """Append one interval, a line a tag; tags are any text.

        Raises: UsageError: it ends before it starts, or starts before the log does.
        """
        if not self._base_s <= start_s <= end_s:
            raise UsageError("an interval ends after it starts, and starts in its log")
        length = f"{start_s - self._base_s:f},{end_s - start_s:f}"
        for tag, histogram in histograms.items():
            hdr = histogram.to_hdr()
            payload = hdr.encode().decode("ascii")
            self._file.write(f"Tag={_escaped(tag)},{length},{hdr.max_value:f},{payload}\n")
        self._file.flush()

    def close(self) -> None:
        """End the log."""
        self._file.close()

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def write_hlog(
    path: Path, histograms: Mapping[str, Histogram], start_s: float, end_s: float
) -> None:
    """Write a log of one interval; args as LogWriter's and its `add`."""
    with LogWriter(path, start_s) as log:
        log.add(histograms, start_s, end_s)


def read_intervals(path: Path) -> Iterator[Interval]:
    """The intervals of a log, one line after the other; no tag is "".

    A last line without its end, as a killed writer leaves it, is left out.
    Raises: FormatError: a line is damaged, or a histogram has not the range and the digits of ours.
    """
    for place, found, base_s in _lines(path):
        start_s = base_s + float(found[2])
        histogram = _decoded(place, found)
        yield Interval(_tag(found), start_s, start_s + float(found[3]), histogram)


def span(path: Path) -> tuple[float, float]:
    """When the first interval of a log starts and the last one ends; 0, 0 of an empty one."""
    times = [(base + float(line[2]), float(line[3])) for _, line, base in _lines(path)]
    if not times:
        return 0.0, 0.0
    return min(at for at, _ in times), max(at + length for at, length in times)


def _lines(path: Path) -> Iterator[tuple[str, re.Match[str], float]]:
    """Each interval's line: where it stands, its parts, and what its times count from."""
    times: dict[str, float] = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if found := TIME.match(line):
                times[found[1]] = float(found[2])
            if not line.endswith("\n") or line.startswith(("#", '"')) or not line.strip():
                continue
            found = LINE.match(line.rstrip("\n"))
            if found is None:
                raise FormatError(f"{path}:{number}: no line of an interval log")
            at_s = float(found[2])
            start_s = times.setdefault("StartTime", at_s)
            # Without a base: more than a year before the start, a time counts from there.
            base_s = times.setdefault("BaseTime", start_s if at_s < start_s - YEAR_S else 0.0)
            yield f"{path}:{number}", found, base_s


def _tag(found: re.Match[str]) -> str:
    return unquote((found[1] or "").replace("_", " "))


def _decoded(place: str, found: re.Match[str]) -> Histogram:
    try:
        counts = Histogram.from_hdr(HdrHistogram.decode(found[5])).counts
    except DAMAGED as error:
        raise FormatError(f"{place}: the histogram is damaged ({error!r})") from None
    # The payload has no exact maximum, the line has.
    return Histogram.from_counts(counts, int(float(found[4])))


def read_hlog(path: Path) -> dict[str, Histogram]:
    """All records of a log by tag, intervals merged; raises as `read_intervals`."""
    out: dict[str, Histogram] = {}
    for one in read_intervals(path):
        out[one.tag] = out.get(one.tag, Histogram()) + one.histogram
    return out


def _escaped(tag: str) -> str:
    """A tag may hold no space, comma or line break: spaces become '_', the rest is %-encoded."""
    return quote(tag, safe=" ").replace("_", "%5F").replace(" ", "_")
