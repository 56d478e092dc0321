"""Recordings of latency: a directory that a comparison a year later can still judge.

    latency.hlog     every hop over time, a line a hop and interval (HdrHistogram's interval log)
    HOP.hgrm         percentile distribution of the whole, for HdrHistogram's plotter
    recording.json   exchange, configuration, build, commit, date, CPUs, jitter
    host.json        the host and all its settings, as `ringbus tune` sees them

A recording takes the same memory however long it is: three histograms a hop. Killed, it keeps every
interval up to the last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, cast

from ringbus.histogram import Histogram
from ringbus.interval_log import Interval, LogWriter, read_hlog, read_intervals, span
from ringbus.messages import SCHEMA_HASH
from ringbus.status import FormatError, NotFoundError
from tools.configuration import Configuration
from tools.hops import ordered, sampling
from tools.intervals import Intervals
from tools.release import commit
from tools.state import CONFIGURATION_FILE, State
from tools.topology import ConfigurationError
from tuning.fingerprint import fingerprint, store
from tuning.host import Host

LOG: Final = "latency.hlog"
ABOUT: Final = "recording.json"
HOST: Final = "host.json"
FORMAT: Final = 1
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording that was read; `about` and `host` are empty of a log that stands alone."""

    path: Path
    log: Path
    about: Document = field(default_factory=dict)
    host: Document = field(default_factory=dict)

    def intervals(self) -> Iterator[Interval]:
        """All of its intervals, in the order recorded. Raises: FormatError."""
        return read_intervals(self.log)

    def histograms(self) -> dict[str, Histogram]:
        """Everything by hop. Raises: FormatError."""
        found = read_hlog(self.log)
        return {name: found[name] for name in ordered(found)}

    def over_time(self, count: int, percents: Sequence[float]) -> dict[str, list[Moment]]:
        """Percentiles of up to `count` stretches of equal length, by hop; empty ones are left out.

        Memory: one histogram a hop. Raises: FormatError.
        """
        start_s, end_s = span(self.log)
        width_s = (end_s - start_s) / count
        out: dict[str, list[Moment]] = {}
        open_: dict[str, tuple[int, Interval]] = {}
        for one in self.intervals():
            number = min(count - 1, int((one.start_s - start_s) / width_s)) if width_s > 0 else 0
            former = open_.get(one.tag)
            if former is not None and former[0] == number:
                both = former[1].histogram + one.histogram
                one = Interval(one.tag, former[1].start_s, one.end_s, both)
            elif former is not None:
                out.setdefault(one.tag, []).append(_moment(former[1], percents))
            open_[one.tag] = (number, one)
        for tag, (_, last) in open_.items():
            out.setdefault(tag, []).append(_moment(last, percents))
        kept = {tag: [one for one in moments if one.total] for tag, moments in out.items()}
        return {tag: kept[tag] for tag in ordered(kept)}

    @property
    def seconds(self) -> float:
        """How long it took; 0 of everything since an exchange began."""
        start_s, end_s = span(self.log)
        return 0.0 if self.is_snapshot else end_s - start_s

    @property
    def is_snapshot(self) -> bool:
        """Whether it is all that was recorded since the exchange began."""
        return bool(self.about.get("snapshot"))

    @property
    def start_s(self) -> float:
        """When it began, seconds since 1970."""
        return float(self.about.get("start_s", 0.0))

    @property
    def sampling(self) -> dict[str, int]:
        """Of how many turns of an agent one was timed, by histogram."""
        return cast(dict[str, int], self.about.get("sampling", {}))


@dataclass(frozen=True, slots=True)
class Moment:
    """What one stretch of a recording comes to; `values_ns` are the percentiles asked for."""

    start_s: float
    end_s: float
    total: int
    values_ns: tuple[int, ...]
    max_ns: int


def _moment(one: Interval, percents: Sequence[float]) -> Moment:
    most = one.histogram.max
    values = tuple(min(value, most) for value in one.histogram.percentiles(percents))
    return Moment(one.start_s, one.end_s, one.histogram.total, values, most)


def read(path: Path) -> Recording:
    """The recording in a directory, or an interval log that stands alone.

    Raises: NotFoundError: neither is there; FormatError: not of this format.
    """
    if path.is_file():
        return Recording(path, path)
    if not (path / LOG).is_file():
        raise NotFoundError(f"there is no recording in {path}: `ringbus hist --output` makes one")
    about, host = _document(path / ABOUT), _document(path / HOST)
    if about and about.get("format") != FORMAT:
        raise FormatError(f"{path / ABOUT}: a recording of another format")
    return Recording(path, path / LOG, about, host)


def read_all(path: Path) -> list[Recording]:
    """The recording at a path, or all of the directories in it, by name. Raises: as `read`."""
    if path.is_dir() and not (path / LOG).is_file():
        found = sorted(one.parent for one in path.glob(f"*/{LOG}"))
        if found:
            return [read(one) for one in found]
    return [read(path)]


def is_there(path: Path) -> bool:
    """Whether `read_all` would find something."""
    return path.is_file() or (path / LOG).is_file() or any(path.glob(f"*/{LOG}"))


def _document(path: Path) -> Document:
    try:
        return cast(Document, json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise FormatError(f"{path}: {error}") from None


class Recorder:
    """Writes a recording, interval by interval; use it with `with`.

    Args: watch: of the exchange; directory: made if it is not there, an earlier recording in it is
    replaced; start_s: now, seconds since 1970; note: what is recorded, in the user's words.
    """

    def __init__(self, watch: Intervals, directory: Path, start_s: float, note: str = "") -> None:
        self._watch = watch
        self._directory = directory
        self._end_s = start_s
        self._intervals = 0
        directory.mkdir(parents=True, exist_ok=True)
        for old in directory.glob("*.hgrm"):
            old.unlink()
        self._log = LogWriter(directory / LOG, start_s)
        self.about = about(watch.exchange, watch.state, start_s, note)
        # What the figures were measured on belongs beside them.
        store(fingerprint(Host()), directory / HOST)
        self._store()

    def add(self, interval: Mapping[str, Histogram], now_s: float) -> None:
        """Append what was recorded from the last time until now."""
        # All names stand in the log's first interval, later only what moved.
        said = {name: one for name, one in interval.items() if one.total or not self._intervals}
        self._log.add(said, self._end_s, max(now_s, self._end_s))
        self._end_s = max(now_s, self._end_s)
        self._intervals += 1

    def finish(self, jitter: Document | None = None) -> list[Path]:
        """Write what belongs to the whole; returns the files.

        Args: jitter: as it was measured behind the recording; None: it was not.
        """
        self.about |= {"jitter": jitter, "sampling": self._watch.sampling}
        self._store()
        files = [self._directory / name for name in (LOG, ABOUT, HOST)]
        return files + write_hgrm(self._watch.totals, self._directory)

    def _store(self) -> None:
        self.about |= {"end_s": self._end_s, "intervals": self._intervals}
        store(self.about, self._directory / ABOUT)

    def close(self) -> None:
        """End the log."""
        self._log.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def about(exchange: str, state: State | None, start_s: float, note: str) -> Document:
    """Everything that a recording says of the exchange, at its start."""
    out: Document = {
        "format": FORMAT,
        "exchange": exchange,
        "note": note,
        "date": datetime.fromtimestamp(start_s, UTC).isoformat(timespec="seconds"),
        "start_s": start_s,
        "snapshot": False,
        "commit": commit(),
        "schema": f"{SCHEMA_HASH:016x}",
        "build": state.build if state else "",
        "configuration": "",
        "environment": "",
        "cores": {},
        "cpus": sorted(Host().online),
        "sampling": sampling(exchange),
        "jitter": None,
    }
    if state is not None:
        try:
            configuration = Configuration.restore(Path(state.directory) / CONFIGURATION_FILE)
        except ConfigurationError:
            return out
        topology = configuration.topology
        out["configuration"] = f"{configuration.hash:016x}"
        out["environment"] = topology.exchange.environment
        out["cores"] = {
            core.name: {"cpu": core.pinned, "wait": core.wait, "agents": list(core.agents)}
            for core in topology.cores
        }
        pinned = [core.pinned for core in topology.cores]
        if None not in pinned:
            out["cpus"] = sorted(set(cast(list[int], pinned)))
    return out


def write_snapshot(
    histograms: Mapping[str, Histogram],
    directory: Path,
    document: Document,
    end_s: float,
) -> list[Path]:
    """Write histograms as a recording of one interval; returns the files.

    Args: document: as `about` makes it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    start_s = float(document["start_s"])
    with LogWriter(directory / LOG, start_s) as log:
        log.add(histograms, start_s, end_s)
    store(document | {"end_s": end_s, "intervals": 1}, directory / ABOUT)
    store(fingerprint(Host()), directory / HOST)
    files = [directory / LOG, directory / ABOUT, directory / HOST]
    return files + write_hgrm(histograms, directory)


def write_hgrm(histograms: Mapping[str, Histogram], directory: Path) -> list[Path]:
    """Write one percentile distribution a hop; returns the files."""
    files: list[Path] = []
    for name, histogram in histograms.items():
        if histogram.total:
            files.append(directory / (_file_stem(name) + ".hgrm"))
            histogram.write_hgrm(files[-1])
    return files


def _file_stem(name: str) -> str:
    """A hop's name as a file's: letters, digits and '-'."""
    return "".join(letter if letter.isalnum() else "-" for letter in name)


def merged(recordings: Sequence[Recording]) -> dict[str, Histogram]:
    """All records of several recordings by hop."""
    out: dict[str, Histogram] = {}
    for recording in recordings:
        for name, histogram in recording.histograms().items():
            out[name] = out.get(name, Histogram()) + histogram
    return {name: out[name] for name in ordered(out)}
