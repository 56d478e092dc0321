"""Damage in older files, which a journal that goes on does not see, is found beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ringbus.journal import read_day
from ringbus.scrub import Scrub
from ringbus.status import DataError
from tests.ringbus.support import Recorded

SEGMENT = 1024
FILES = 6


class Beside:
    """A journal of six files that writes on whenever its scrub pauses, and a peer of it."""

    def __init__(self, directory: Path) -> None:
        (directory / "journal").mkdir()
        self.recorded = Recorded(directory / "journal")
        self.recorded.write(FILES * SEGMENT)
        self.peer = directory / "peer"
        shutil.copytree(self.recorded.directory, self.peer)
        self.said: list[str] = []
        self.pauses = 0

    def scrub(self, *peers: Path) -> Scrub:
        return Scrub(
            self.recorded.directory,
            SEGMENT,
            "journal",
            self.recorded.journal.written,
            peers,
            self._pause,
            self.said.append,
        )

    def _pause(self, seconds: float) -> None:
        self.pauses += 1
        self.recorded.write(100)


@pytest.fixture
def beside(tmp_path: Path) -> Beside:
    return Beside(tmp_path)


def test_older_files_are_mended_while_the_journal_writes_on(beside: Beside) -> None:
    """Bytes, a page of zeros, a file cut off, one that is gone; recovery sees none of the first."""
    beside.recorded.damage(7, b"\x5a")
    beside.recorded.journal.close()
    beside.recorded.journal = beside.recorded.attach()
    beside.recorded.damage(SEGMENT + 1, bytes(64 * 64), 0)
    with beside.recorded.path(2).open("r+b") as file:
        file.truncate(4096 + 700 * 64)
    scrub = beside.scrub(beside.peer)
    beside.recorded.path(3).unlink()
    scrub.run()
    assert scrub.mended == 1 + 64 + (SEGMENT - 700) + SEGMENT
    assert scrub.lost == 0
    assert len(beside.said) == 4
    assert "7 to 7" in beside.said[0]
    day, whole = read_day(beside.recorded.directory), read_day(beside.peer)
    assert len(whole) == FILES * SEGMENT
    assert np.array_equal(day[: len(whole)], whole)
    assert len(day) == beside.recorded.journal.written
    # Once mended there is nothing to find, and only files that recovery left out were read.
    again = beside.scrub(beside.peer)
    before = beside.pauses
    again.run()
    assert again.mended == 0
    files = -(-len(day) // SEGMENT)
    assert beside.pauses - before == files - 2


def test_what_nobody_has_is_said_and_the_rest_is_looked_at(beside: Beside) -> None:
    for directory in (beside.recorded.directory, beside.peer):
        with (directory / "stream-00000000.rbj").open("r+b") as file:
            file.seek(4096 + 40)
            file.write(b"\x5a")
    beside.recorded.damage(2 * SEGMENT + 5, b"\x5a")
    scrub = beside.scrub(beside.peer)
    scrub.run()
    assert (scrub.mended, scrub.lost) == (1, 1)
    assert beside.said[0].startswith("ALARM: journal: ")
    assert "message 1 is damaged or missing" in beside.said[0]
    with pytest.raises(DataError, match="message 1 is damaged"):
        read_day(beside.recorded.directory)


def test_it_ends_when_it_is_told_to(beside: Beside) -> None:
    beside.recorded.damage(SEGMENT * 2 + 5, b"\x5a")
    scrub = beside.scrub(beside.peer)
    scrub.stop()
    scrub.run()
    assert (beside.pauses, scrub.mended, beside.said) == (0, 0, [])
