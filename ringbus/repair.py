"""Repair of a journal: what its files lack or hold damaged is fetched from those who have it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ringbus._ringbus import ffi, lib
from ringbus.journal import HEADER_BYTES, SEGMENT_MESSAGES
from ringbus.memory import Memory
from ringbus.messages import MESSAGE
from ringbus.replay import Replay
from ringbus.status import DataError, RingbusError, check

BATCH = 4096
# A file whose first bytes cannot be read as a journal's is put aside under this name.
ASIDE = ".damaged"
UNREADABLE = (b"NOT_RINGBUS", b"KIND", b"SIZE", b"SEQUENCE", b"TORN")


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was mended: ranges of sequences (first, last), and files that were put aside."""

    ranges: tuple[tuple[int, int], ...]
    aside: tuple[Path, ...]

    @property
    def messages(self) -> int:
        """How many messages were fetched."""
        return sum(last - first + 1 for first, last in self.ranges)

    def __str__(self) -> str:
        said = ", ".join(f"{first} to {last}" for first, last in self.ranges)
        text = f"{self.messages} messages fetched from others: {said or 'none'}"
        return text + "".join(f"; {path} put aside" for path in self.aside)


def repair(
    directory: Path,
    peers: Sequence[Path],
    ring: Memory | None = None,
    segment_messages: int = SEGMENT_MESSAGES,
    name: str = "journal",
) -> Repaired:
    """Make the files of a journal whole again, as far as anybody has what they lack.

    Every message up to the last that any file here or at a peer holds is wanted; what is missing or
    damaged here comes from the first peer that has it whole, or else from the ring. Nothing whole
    is overwritten. A tail that nobody has more of is no damage.

    Args: directory: of the files to mend, whose journal is at rest; peers: directories of others,
    asked in this order; ring: the engine's stream, asked last; segment_messages: as the journal
    has it; name: of the journal, for files that are made.
    Raises: DataError: a message is wanted that nobody has, with its sequence; the files are then
    mended up to it; SystemCallError: a file cannot be written.
    """
    aside = tuple(_put_aside(directory, segment_messages))
    end = max(_last(path, segment_messages) for path in (directory, *peers))
    holes = _holes(directory, segment_messages, 0, end)
    return Repaired(_fill(directory, holes, peers, ring, segment_messages, name), aside)


def mend(
    directory: Path, peers: Sequence[Path], segment_messages: int, name: str, number: int
) -> Repaired:
    """The same for one file that is full, of a journal that may be writing on in later ones.

    Raises: as repair.
    """
    holes = _holes(directory, segment_messages, number, (number + 1) * segment_messages)
    return Repaired(_fill(directory, holes, peers, None, segment_messages, name), ())


def _fill(
    directory: Path,
    holes: Iterator[tuple[int, int]],
    peers: Sequence[Path],
    ring: Memory | None,
    segment_messages: int,
    name: str,
) -> tuple[tuple[int, int], ...]:
    ranges: list[tuple[int, int]] = []
    sources: list[tuple[Memory | None, Path | None]] = [(None, peer) for peer in peers]
    if ring is not None:
        sources.append((ring, None))
    for first, last in holes:
        at = first
        while at <= last:
            lines = _fetch(sources, at, min(last - at + 1, BATCH), segment_messages)
            if len(lines) == 0:
                raise DataError(
                    f"{directory}: message {at} is damaged or missing, and neither "
                    f"{', '.join(map(str, peers)) or 'a peer'} nor the ring has it"
                )
            _restore(directory, segment_messages, name, at, lines)
            at += len(lines)
        ranges.append((first, last))
    return tuple(ranges)


def prefix(directory: Path, segment_messages: int) -> int:
    """The last message before the first that is damaged or missing."""
    files = dict(_files(directory))
    last = 0
    while last % segment_messages == 0 and (number := last // segment_messages) in files:
        whole = _is_whole(_read(files[number], segment_messages), last + 1)
        wrong = np.flatnonzero(~whole)
        count = int(wrong[0]) if len(wrong) else len(whole)
        if count == 0:
            break
        last += count
    return last


def differing(one: Path, other: Path, segment_messages: int) -> int | None:
    """The first message that two journals hold whole, but not alike; None: they agree."""
    files, others = dict(_files(one)), dict(_files(other))
    for number in sorted(files.keys() & others.keys()):
        lines = [_read(path, segment_messages) for path in (files[number], others[number])]
        count = min(map(len, lines))
        words = [part[:count].view("<u8").reshape(count, -1) for part in lines]
        first = number * segment_messages + 1
        for n in np.flatnonzero((words[0] != words[1]).any(axis=1)):
            if all(_is_whole(part[n : n + 1], first + int(n))[0] for part in lines):
                return first + int(n)
    return None


def cut(directory: Path, segment_messages: int, last: int) -> None:
    """Take everything behind message `last` off the files of a journal that is at rest, durably."""
    keep = -(-last // segment_messages)
    for number, path in reversed(_files(directory)):
        if number >= keep:
            path.unlink()
        elif number == keep - 1:
            with path.open("r+b") as file:
                file.truncate(HEADER_BYTES + (last - number * segment_messages) * MESSAGE.itemsize)
                os.fsync(file.fileno())
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(directory: Path) -> list[tuple[int, Path]]:
    """Segment files by their number; there may be holes."""
    return sorted(
        (int(path.stem.removeprefix("stream-")), path) for path in directory.glob("stream-*.rbj")
    )


def _put_aside(directory: Path, segment_messages: int) -> Iterator[Path]:
    """Rename files that cannot be read as part of this journal; other schemas are not touched."""
    for number, path in _files(directory):
        first = number * segment_messages + 1
        with path.open("rb") as file:
            status = int(lib.rb_journal_verify(file.fileno(), segment_messages, first))
        if status < 0 and ffi.string(lib.rb_status_name(status)) in UNREADABLE:
            yield path.rename(path.with_name(path.name + ASIDE))
        else:
            check(status, str(path))


def _read(path: Path, segment_messages: int) -> NDArray[np.void]:
    size = max(path.stat().st_size - HEADER_BYTES, 0) // MESSAGE.itemsize
    size = min(size, segment_messages)
    out: NDArray[np.void] = np.fromfile(path, MESSAGE, size, offset=HEADER_BYTES)
    return out


def _is_whole(lines: NDArray[np.void], first: int) -> NDArray[np.bool_]:
    """Which messages are in their place with their checksum right."""
    wanted = np.arange(first, first + len(lines), dtype=np.uint64)
    whole: NDArray[np.bool_] = lines["sequence"] == wanted
    at = 0
    while at < len(lines):
        pointer = ffi.from_buffer(lines[at:].view("u1"))
        at += int(lib.rb_messages_verify(pointer, len(lines) - at))
        if at < len(lines):
            whole[at] = False
            at += 1
    return whole


def _last(directory: Path, segment_messages: int) -> int:
    """The last whole message of a directory, 0 if it has none."""
    for number, path in reversed(_files(directory)):
        first = number * segment_messages + 1
        found = np.flatnonzero(_is_whole(_read(path, segment_messages), first))
        if len(found):
            return first + int(found[-1])
    return 0


def _holes(
    directory: Path, segment_messages: int, begin: int, end: int
) -> Iterator[tuple[int, int]]:
    """Ranges of sequences, from file `begin` to message `end`, that are not whole, oldest first."""
    files = dict(_files(directory))
    start: int | None = None
    for number in range(begin, -(-end // segment_messages)):
        first = number * segment_messages + 1
        whole = np.zeros(segment_messages, np.bool_)
        if number in files:
            found = _is_whole(_read(files[number], segment_messages), first)
            whole[: len(found)] = found
        whole = whole[: end - first + 1]
        edges = np.flatnonzero(np.diff(whole.astype(np.int8), prepend=np.int8(start is None)))
        for edge in edges:
            if start is None:
                start = first + int(edge)
            else:
                yield start, first + int(edge) - 1
                start = None
    if start is not None:
        yield start, end


def _fetch(
    sources: Sequence[tuple[Memory | None, Path | None]], first: int, count: int, segment: int
) -> NDArray[np.void]:
    """Up to `count` whole messages from `first` on, from the first source that has any."""
    for ring, directory in sources:
        replay = Replay(ring, directory, first, segment)
        try:
            lines = replay.poll(count)
        except RingbusError:
            # Damaged there too, or gone from the ring: the next one may have it.
            continue
        finally:
            replay.close()
        if len(lines):
            return lines
    return np.zeros(0, MESSAGE)


def _restore(
    directory: Path, segment_messages: int, name: str, first: int, lines: NDArray[np.void]
) -> None:
    pointer = ffi.from_buffer(lines.view("u1"))
    status = lib.rb_journal_restore(
        str(directory).encode(), segment_messages, name.encode(), first, pointer, len(lines)
    )
    check(status, f"{directory}, message {first}")
