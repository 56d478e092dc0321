"""Repair of a journal from its peers and from the ring."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringbus.journal import read_day
from ringbus.repair import ASIDE, repair
from ringbus.status import DataError, LayoutError
from tests.ringbus.support import Recorded

SEGMENT = 1024
COUNT = 3000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole journal of three files."""
    directory = tmp_path_factory.mktemp("source")
    Recorded(directory).write(COUNT)
    return directory


class Copy:
    """A copy of a journal, to be damaged."""

    def __init__(self, source: Path, directory: Path) -> None:
        self.directory = directory
        shutil.copytree(source, directory)

    def path(self, sequence: int) -> Path:
        return self.directory / f"stream-{(sequence - 1) // SEGMENT:08d}.rbj"

    def damage(self, sequence: int, data: bytes = b"\xee" * 64) -> None:
        with self.path(sequence).open("r+b") as file:
            file.seek(4096 + (sequence - 1) % SEGMENT * 64)
            file.write(data)


def same(one: Path, two: Path) -> bool:
    return np.array_equal(read_day(one), read_day(two))


def test_damage_in_the_middle_comes_from_a_peer(source: Path, tmp_path: Path) -> None:
    """R51, R30: what is damaged here is fetched from another journal, and nothing else changes."""
    copy = Copy(source, tmp_path / "copy")
    for sequence in (1, 500, 501, 502, 1024, 1025, 2999):
        copy.damage(sequence)
    with pytest.raises(DataError):
        read_day(copy.directory)
    repaired = repair(copy.directory, [tmp_path / "none", source], None, SEGMENT)
    assert repaired.ranges == ((1, 1), (500, 502), (1024, 1025), (2999, 2999))
    assert repaired.messages == 7
    assert "500 to 502" in str(repaired)
    assert same(copy.directory, source)
    for path in sorted(source.iterdir()):
        assert (copy.directory / path.name).read_bytes() == path.read_bytes()


def test_a_missing_file_is_made_again(source: Path, tmp_path: Path) -> None:
    copy = Copy(source, tmp_path / "copy")
    copy.path(1025).unlink()
    assert repair(copy.directory, [source], None, SEGMENT).ranges == ((1025, 2048),)
    assert same(copy.directory, source)


def test_a_file_whose_head_is_gone_is_put_aside(source: Path, tmp_path: Path) -> None:
    copy = Copy(source, tmp_path / "copy")
    with copy.path(1).open("r+b") as file:
        file.write(bytes(64))
    copy.path(2049).write_bytes(b"short")
    repaired = repair(copy.directory, [source], None, SEGMENT)
    assert [path.name for path in repaired.aside] == [f"stream-{n:08d}.rbj{ASIDE}" for n in (0, 2)]
    assert repaired.ranges == ((1, 1024), (2049, COUNT))
    assert same(copy.directory, source)


def test_what_one_peer_lacks_another_has(source: Path, tmp_path: Path) -> None:
    """Each damaged elsewhere: together they have all."""
    copies = [Copy(source, tmp_path / f"copy.{n}") for n in range(3)]
    for n, copy in enumerate(copies):
        for sequence in range(1 + n, COUNT, 3):
            copy.damage(sequence)
    repair(copies[0].directory, [one.directory for one in copies[1:]], None, SEGMENT)
    assert same(copies[0].directory, source)


def test_what_a_journal_missed_altogether_is_fetched_too(source: Path, tmp_path: Path) -> None:
    """A journal that was away for longer than the ring remembers catches up from its peer."""
    recorded = Recorded(tmp_path)
    recorded.write(300)
    repaired = repair(tmp_path, [source], None, SEGMENT)
    assert repaired.ranges == ((301, COUNT),)
    assert same(tmp_path, source)
    assert repair(tmp_path, [source], None, SEGMENT).ranges == ()


def test_the_ring_is_asked_last(tmp_path: Path) -> None:
    """R51: what no peer has the engine may still have in memory."""
    recorded = Recorded(tmp_path)
    recorded.write(1000)
    whole = read_day(tmp_path).copy()
    # The ring of 64 has 937..1000.
    recorded.damage(950, b"\xee" * 64, 0)
    assert repair(tmp_path, [], recorded.ring, SEGMENT).ranges == ((950, 950),)
    assert np.array_equal(read_day(tmp_path), whole)
    recorded.damage(900, b"\xee" * 64, 0)
    with pytest.raises(DataError, match="message 900 is damaged or missing"):
        repair(tmp_path, [], recorded.ring, SEGMENT)


def test_what_nobody_has_is_said(source: Path, tmp_path: Path) -> None:
    one, two = Copy(source, tmp_path / "one"), Copy(source, tmp_path / "two")
    for copy in (one, two):
        copy.damage(70)
        copy.damage(700)
    two.damage(7)
    with pytest.raises(DataError, match=r"message 70 is damaged or missing, and neither .*/one"):
        repair(two.directory, [one.directory], None, SEGMENT)


def test_a_torn_tail_is_no_damage(source: Path, tmp_path: Path) -> None:
    copy = Copy(source, tmp_path / "copy")
    copy.damage(COUNT)
    copy.damage(COUNT - 1, bytes(64))
    assert repair(copy.directory, [], None, SEGMENT).ranges == ()
    assert len(read_day(copy.directory)) == COUNT - 2


def test_files_of_another_schema_are_not_touched(source: Path, tmp_path: Path) -> None:
    copy = Copy(source, tmp_path / "copy")
    path = copy.path(1)
    with path.open("r+b") as file:
        file.seek(16)
        file.write(b"\xee")
    before = path.read_bytes()
    with pytest.raises(LayoutError, match="schema"):
        repair(copy.directory, [source], None, SEGMENT)
    assert path.read_bytes() == before


@given(seed=st.integers(0, 2**32))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_damage_is_mended(source: Path, tmp_path: Path, seed: int) -> None:
    """R51: whatever bytes are hit: whole again, or said which message nobody has."""
    rng = random.Random(seed)
    copy = Copy(source, tmp_path / f"copy.{seed}.{rng.random()}")
    for _ in range(rng.randrange(1, 20)):
        path = copy.path(rng.randrange(1, COUNT))
        with path.open("r+b") as file:
            file.seek(4096 + rng.randrange(path.stat().st_size - 4096))
            file.write(rng.randbytes(rng.randrange(1, 300)))
    repair(copy.directory, [source], None, SEGMENT)
    assert same(copy.directory, source)
    shutil.rmtree(copy.directory)
