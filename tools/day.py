"""A day's journals before and after its exchange: kept, gone on with, finished from dead memory.

A day that was begun and not ended is marked in the exchange's directory, so that no new one begins
in its place unless somebody says so: its clients would log in to numbers of another day.

    host, launcher or engine dead ▶ `ringbus down`: what only the memory has goes into the files
    `ringbus up --continue` ▶ files mended from each other ▶ cut behind the last whole proposal
        ▶ the ring begins behind them ▶ the engine is rebuilt from message 1 ▶ EpochStart
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.passive import GROUP_LINES_MAX, unfinished
from ringbus.journal import map_file, noted
from ringbus.marks import Marks
from ringbus.messages import (
    BUILD_RECORD,
    CARRIED_OVER,
    MESSAGE,
    CommandKind,
    Template,
)
from ringbus.multicast import Reader, Writer, begin_multicast
from ringbus.repair import cut, differing, prefix, repair
from ringbus.replay import Replay
from ringbus.segment import Segment
from ringbus.status import DataError, Lapped, LayoutError, NotFoundError, RingbusError
from tools import closed
from tools.configuration import Configuration
from tools.joins import UNFINISHED_FILE, difference
from tools.journals import drain, open_journal
from tools.memory import Attachment
from tools.owner_rules import commands_of
from tools.private import write_private
from tools.state import CONFIGURATION_FILE, State
from tools.topology import ConfigurationError, Topology


class DayError(Exception):
    """A day cannot be begun, or gone on with; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Day:
    """What the journals hold: messages 1 to `last`; `cut` lines were taken off behind it.

    `carried`: of its opening, those with which a former day's orders came in; `is_over`: it has its
    EndOfDay.
    """

    last: int
    cut: int
    carried: int = 0
    is_over: bool = False


def begin(topology: Topology, replaces: bool, say: Callable[[str], None]) -> None:
    """Make room for a new day: what lies there is kept under another name.

    Args: replaces: also a day that was not ended, or one that was closed and carries orders over.
    Raises: DayError: there is one that was not ended, or is still being closed, or was closed and
    has this one's session.
    """
    if not replaces:
        check_begins(topology)
    ended(topology)
    if replaces:
        closed.forget(topology, say)
    elif (former := find_closed(topology)) is not None:
        closed.put_away(former, topology, say)
    for journal in topology.journals:
        path = topology.journal_path(journal)
        kept = _keep(path)
        if kept is not None:
            say(f"the former day's {journal} is kept as {kept}")
        path.mkdir(exist_ok=True)


def check_begins(topology: Topology) -> None:
    """See that a day may begin. Raises: DayError: as `begin`."""
    if closed.is_being_closed(topology):
        raise DayError(
            f"the day in {topology.directory} is being closed: `ringbus close-day` again finishes "
            "that"
        )
    if (topology.directory / UNFINISHED_FILE).exists():
        raise DayError(
            f"the day in {topology.directory} was not ended: `ringbus up --continue` goes on with "
            "it, `ringbus up --new-day` keeps its journals and begins another"
        )
    former = find_closed(topology)
    if former is not None and former.session == topology.exchange.session:
        raise DayError(
            f"the day {former.session} is closed: name the next one in [exchange] session, so that "
            "no client goes on with the numbers of a day that is over"
        )


def find_closed(topology: Topology) -> closed.Closed | None:
    """The record of the closed day before this one, if there is one. Raises: DayError."""
    try:
        return closed.find(topology)
    except closed.ClosedError as error:
        raise DayError(
            f"{error}; `ringbus up --new-day` begins a day without what that one has kept"
        ) from None


def opened(configuration: Configuration) -> None:
    """Its first lines are on the stream: from here on it is a day that must not be forgotten.

    What it was begun with is noted, part by part, to name later what is another. What a closed day
    has left is in those lines, so that its record is put away.
    """
    topology = configuration.topology
    write_private(topology.directory / UNFINISHED_FILE, json.dumps(configuration.prints))
    former = find_closed(topology)
    if former is not None:
        closed.archive(former, topology)


def ended(topology: Topology) -> None:
    """It was stopped in order, with all of it in the journals."""
    (topology.directory / UNFINISHED_FILE).unlink(missing_ok=True)


def _keep(journal: Path) -> Path | None:
    """Move the journal of a former day out of the way; the new path, None if there was none."""
    files = sorted(journal.iterdir()) if journal.exists() else []
    if journal.is_symlink() or journal.is_mount():
        files = [path for path in files if path.is_file()]
        kept = _next(journal / "day")
    else:
        kept = _next(journal)
    if files:
        closed.move_files(journal, kept)
    return kept if files else None


def _next(path: Path) -> Path:
    """The path with the next free number behind it."""
    numbers = [one.suffix[1:] for one in path.parent.glob(f"{path.name}.*")]
    return path.with_name(
        f"{path.name}.{max(map(int, filter(str.isdigit, numbers)), default=0) + 1}"
    )


def recover(configuration: Configuration, say: Callable[[str], None]) -> Day:
    """Make every journal hold the same day, up to the last proposal that is whole.

    What one lacks comes from another. The lines of a proposal whose other lines are nowhere are cut
    off: nobody was told of it, for that waits for its last line.
    Raises: DayError: no day is there, it is another configuration's, or damaged beyond repair.
    """
    topology = configuration.topology
    paths, segment = topology.journal_paths, topology.journal.segment_messages
    for path in paths:
        path.mkdir(exist_ok=True)
        _check_files(path, segment)
    _check_same(paths, segment)
    _check_opening(configuration, _lines(paths, segment, 1, 1))
    wanted: list[str] = []
    for name, path in zip(topology.journals, paths, strict=True):
        try:
            mended = repair(path, [one for one in paths if one != path], None, segment, name)
            if mended.ranges or mended.aside:
                say(f"{name}: {mended}")
        except DataError as error:
            wanted.append(str(error))
    whole, durable = min(prefix(path, segment) for path in paths), max(map(noted, paths))
    if whole < durable:
        why = wanted[0] if wanted else f"message {whole + 1} is missing"
        raise DayError(f"{why}, and {durable} were durable; put a copy of its file there")
    if wanted:
        say(f"what is whole behind message {whole} was never durable: cut")
    definitions = replace(configuration, carried=0).opening
    place = carried_place(configuration)
    carried = _carried(_lines(paths, segment, place, place))
    if whole < definitions + carried:
        anew = "ringbus up" if closed.find(topology) is not None else "ringbus up --new-day"
        raise DayError(
            f"the day in {topology.directory} ended while it was opened, with message {whole} of "
            f"{definitions + carried}; begin it anew with `{anew}`"
        )
    open_lines = unfinished(_lines(paths, segment, max(1, whole - GROUP_LINES_MAX + 1), whole))
    if open_lines:
        say(f"messages {whole - open_lines + 1} to {whole} are of a proposal without its end: cut")
    for path in paths:
        cut(path, segment, whole - open_lines)
    last = whole - open_lines
    end = _lines(paths, segment, last, last)
    return Day(last, open_lines, carried, int(end["template_id"][0]) == Template.END_OF_DAY)


def carried_place(configuration: Configuration) -> int:
    """The message with which a former day's orders come in: behind all definitions and rules but
    limits, which they must not be held against: one that is lowered lets stay what is open too."""
    limits = sum(fields["kind"] == CommandKind.LIMIT for _, fields in commands_of(configuration))
    return replace(configuration, carried=0).opening - limits + 1


def check_goes_on(topology: Topology, day: Day) -> None:
    """Raises: DayError: it is over."""
    if day.is_over:
        raise DayError(
            f"the day in {topology.directory} is over: message {day.last} is its end; `ringbus "
            "close-day` finishes closing it, then `ringbus up` begins the next one"
        )


def put_on_ring(topology: Topology, shared: Attachment, day: Day) -> None:
    """Fill a fresh ring with the end of the day, and claim the journals' gates behind it."""
    stream = shared.attach("stream", writable=True)
    readers = shared.attach("stream.readers", writable=True)
    segment = topology.journal.segment_messages
    first = max(1, day.last - topology.stream.slots + 1)
    begin_multicast(stream, first)
    replay = Replay(None, topology.journal_paths, first, segment)
    with Writer(stream, readers) as writer:
        while writer.next <= day.last:
            writer.publish(replay.poll(day.last + 1 - writer.next))
    replay.close()
    for name in topology.gating_journals:
        open_journal(topology, shared, name).close()


def finish_journals(topology: Topology) -> None:
    """Write what a dead exchange's ring has and its journals lack; every process must have ended.

    Raises: DayError: fewer journals could be finished than an answer waits for (one at least).
    """
    failed: list[str] = []
    with Attachment(topology.name) as shared:
        try:
            stream = shared.attach("stream")
            durable = Marks(shared.attach("marks")).durable()
            shared.attach("stream.readers", writable=True)
        except NotFoundError:
            return
        for name in topology.journals:
            is_there = topology.journal_path(name).is_dir()
            if is_there and _has_all(stream, durable.get(name, 0)):
                # As after every clean stop; otherwise its last files would be read to see that.
                continue
            try:
                journal = open_journal(topology, shared, name)
                try:
                    drain(journal)
                    journal.sync()
                finally:
                    journal.close()
            except RingbusError as error:
                failed.append(f"{name} cannot be finished: {error}")
    if len(topology.journals) - len(failed) < max(1, topology.copies_awaited):
        raise DayError(
            f"{'; '.join(failed)}; what its files lack is in shared memory only, which stays"
        )


def _has_all(stream: Segment, durable: int) -> bool:
    """Whether the ring has nothing behind what a journal has made durable."""
    try:
        return durable > 0 and len(Reader(stream, durable + 1).poll(1)) == 0
    except Lapped:
        return False


def rescue(state: State) -> None:
    """The same for what is left of an exchange whose launcher is dead.

    Raises: DayError: as finish_journals, of a day that was open.
    """
    try:
        saved = Configuration.restore(Path(state.directory) / CONFIGURATION_FILE)
        finish_journals(saved.topology)
    except (DayError, ConfigurationError, RingbusError) as error:
        # One that never got ready may have laid out half of its memory, and told nobody anything.
        if state.ready:
            raise DayError(str(error)) from None


def _check_files(directory: Path, segment_messages: int) -> None:
    """Raises: DayError: the files are of another schema, version or size."""
    for path in sorted(directory.glob("stream-*.rbj"))[:1]:
        try:
            capacity = map_file(path)[1]
        except LayoutError as error:
            raise DayError(f"{error}; go on with the release that wrote it") from None
        except (DataError, ValueError):
            # Cut off in its header: what it held may be at a peer.
            continue
        if capacity != segment_messages:
            raise DayError(
                f"{path} holds {capacity:,} messages, [journal] segment_messages is "
                f"{segment_messages:,}; a day keeps the size that it began with"
            )


def _check_opening(configuration: Configuration, lines: NDArray[np.void]) -> None:
    """Raises: DayError: the day is not this configuration's, or was never opened."""
    topology = configuration.topology
    if len(lines) == 0:
        raise DayError(
            f"there is no day in {topology.directory} to go on with; `ringbus up --new-day` begins "
            "one"
        )
    first = lines[:1].view(BUILD_RECORD)[0]
    if int(first["template_id"]) != Template.BUILD_RECORD:
        raise DayError(f"the day in {topology.directory} does not begin with its BuildRecord")
    differs = difference(configuration, first)
    if differs:
        raise DayError(
            f"the day in {topology.directory} was begun with another {differs}; go on with that "
            "one, or begin another day with `ringbus up --new-day`"
        )


def _check_same(paths: tuple[Path, ...], segment_messages: int) -> None:
    """Raises: DayError: the journals are not of the same day."""
    for other in paths[1:]:
        differs = differing(paths[0], other, segment_messages)
        if differs is not None:
            raise DayError(
                f"{paths[0]} and {other} hold different messages {differs}: one of them is of "
                "another day, or was left behind when it was gone on with; move that one away"
            )


def _carried(line: NDArray[np.void]) -> int:
    """Messages of the opening from this one on, if it says what a former day has left."""
    if len(line) == 0 or int(line["template_id"][0]) != Template.CARRIED_OVER:
        return 0
    return 1 + int(line.view(CARRIED_OVER)["messages"][0])


def _lines(
    paths: tuple[Path, ...], segment_messages: int, first: int, last: int
) -> NDArray[np.void]:
    """Messages `first` to `last`, as far as they are there."""
    replay = Replay(None, paths, first, segment_messages)
    parts: list[NDArray[np.void]] = []
    try:
        # A poll ends where a file does.
        while replay.next <= last and len(part := replay.poll(last + 1 - replay.next)):
            parts.append(part.copy())
    finally:
        replay.close()
    return np.concatenate(parts) if parts else np.zeros(0, MESSAGE)
