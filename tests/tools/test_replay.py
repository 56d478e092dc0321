"""`ringbus replay` over journals that a real journal agent wrote."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ringbus._ringbus import ffi as ringbus_ffi
from ringbus._ringbus import lib as ringbus
from ringbus.journal import HEADER_BYTES, read_day
from ringbus.messages import (
    EXECUTED,
    MESSAGE,
    Template,
)
from ringbus.status import DataError, NotFoundError, UsageError
from tests.engine.flow import INSTRUMENTS
from tests.engine.trader import lines
from tests.tools.days import SEGMENT, SHARD_OF, opening, record
from tools.replay import main
from tools.replay_day import placement, replay_day


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("day"))


def copied(day: Path, directory: Path) -> Path:
    for path in sorted(day.iterdir()):
        (directory / path.name).write_bytes(path.read_bytes())
    return directory


def change(directory: Path, sequence: int, byte: int, seal: bool = True) -> None:
    """Flip one bit of a recorded message, and make its checksum fit again."""
    file, place = divmod(sequence - 1, SEGMENT)
    path = directory / f"stream-{file:08d}.rbj"
    raw = bytearray(path.read_bytes())
    start = HEADER_BYTES + 64 * place
    line = np.frombuffer(bytes(raw[start : start + 64]), MESSAGE).copy()
    assert line["sequence"] == sequence
    line.view("u1")[byte] ^= 1
    if seal:
        ringbus.rb_messages_seal(ringbus_ffi.cast("void *", line.ctypes.data), 1)
    raw[start : start + 64] = line.tobytes()
    path.write_bytes(raw)


def test_a_day_is_identical_and_says_itself_how_it_was_placed(day: Path) -> None:
    stream = read_day(day)
    assert len(stream) > 2 * SEGMENT
    report = replay_day(day)
    assert report.identical
    assert (report.shards, report.instruments) == (2, INSTRUMENTS)
    assert (report.messages, report.recorded, report.unsaid) == (len(stream), len(stream), 0)
    assert report.open_orders > 0
    assert report.book_hash == replay_day(day, verify=True).book_hash


def test_placement_can_be_said(tmp_path: Path) -> None:
    record(tmp_path, with_opening=False)
    with pytest.raises(UsageError, match="--shards"):
        replay_day(tmp_path)
    assert replay_day(tmp_path, shard_of=SHARD_OF).identical
    # Another placement is another stream.
    report = replay_day(tmp_path, 2, INSTRUMENTS)
    assert report.divergence is not None
    with pytest.raises(UsageError, match="both"):
        replay_day(tmp_path, shards=2)
    with pytest.raises(UsageError, match="7"):
        replay_day(tmp_path, 2, 7, SHARD_OF)


@pytest.mark.parametrize(
    ("template", "byte"),
    [(Template.EXECUTED, 40), (Template.NEW_ORDER, 44), (Template.CANCEL, 60)],
)
def test_one_flipped_bit_is_found(day: Path, tmp_path: Path, template: Template, byte: int) -> None:
    stream = read_day(day)
    sequence = int(stream["sequence"][stream["template_id"] == template][-20])
    change(copied(day, tmp_path), sequence, byte)
    report = replay_day(tmp_path, verify=True)
    assert report.divergence is not None
    assert report.divergence.sequence == sequence
    assert report.messages == sequence - 1
    assert f"message {sequence} differs" in str(report.divergence)


def test_a_day_is_replayed_up_to_a_message(day: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = read_day(day)
    sequence = int(stream["sequence"][stream["template_id"] == Template.EXECUTED][-1])
    report = replay_day(day, until=sequence - 1)
    assert report.identical
    assert (report.messages, report.recorded) == (sequence - 1, sequence - 1)
    # The engine would go on with the rest of the group.
    assert report.unsaid > 0
    assert main(["--until", str(sequence), str(day)]) == 0
    assert f"messages    {sequence:,} of {sequence:,}" in capsys.readouterr().out


def test_damage_is_told_from_divergence(day: Path, tmp_path: Path) -> None:
    change(copied(day, tmp_path), 500, 50, seal=False)
    with pytest.raises(DataError, match="500"):
        replay_day(tmp_path, verify=True)
    report = replay_day(tmp_path)
    assert "the record is damaged" in str(report.divergence)


def test_a_day_that_was_cut_off_in_a_group_is_identical(day: Path, tmp_path: Path) -> None:
    copied(day, tmp_path)
    stream = read_day(day)
    # The last file ends behind the first of two lines of a trade.
    first = np.flatnonzero((stream["template_id"] == Template.EXECUTED)[:-1])
    cut = int(first[stream["flags"][first] & 1 == 0][-1]) + 1
    file, place = divmod(cut, SEGMENT)
    path = tmp_path / f"stream-{file:08d}.rbj"
    raw = bytearray(path.read_bytes())
    raw[HEADER_BYTES + 64 * place :] = bytes(len(raw) - HEADER_BYTES - 64 * place)
    path.write_bytes(raw)
    for later in sorted(tmp_path.iterdir())[file + 1 :]:
        later.unlink()
    report = replay_day(tmp_path)
    assert report.identical
    assert report.messages == cut
    assert report.unsaid >= 1


def test_progress_and_time_are_told(day: Path) -> None:
    seen: list[tuple[int, int]] = []
    ticks = itertools.count(0, 2_000_000_000)
    report = replay_day(day, now_ns=lambda: next(ticks), progress=lambda *pair: seen.append(pair))
    assert report.seconds == 2.0
    assert report.rate == report.messages / 2
    assert seen[-1] == (report.messages, report.recorded)
    assert seen == sorted(seen)


def test_the_command_says_identical(day: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(day), "--verify"]) == 0
    out = capsys.readouterr().out
    report = replay_day(day)
    assert "identical" in out
    assert f"messages    {report.messages:,} of {report.recorded:,}" in out
    assert "2 shards, 6 instruments" in out
    assert "messages/s" in out
    assert report.book_hash in out


def test_the_command_ends_with_1_when_it_diverges(
    day: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = read_day(day)
    sequence = int(stream["sequence"][stream["template_id"] == Template.EXECUTED][3])
    change(copied(day, tmp_path), sequence, 36)
    assert main([str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "identical" not in out
    assert f"message {sequence} differs" in out
    assert f"recorded:    {sequence} EXECUTED" in out
    assert f"regenerated: {sequence} EXECUTED" in out


def test_the_command_takes_a_topology(
    tmp_path: Path, make: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "day").mkdir()
    record(tmp_path / "day", with_opening=False, shard_of=bytes([0, 1] * 3))
    topology = make(shards=2, instruments=INSTRUMENTS)
    assert main([str(tmp_path / "day"), "--topology", str(topology)]) == 0
    assert "identical" in capsys.readouterr().out


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "no journal there" in capsys.readouterr().err
    record(tmp_path, with_opening=False)
    assert main([str(tmp_path)]) == 2
    assert "--shards" in capsys.readouterr().err
    assert main([str(tmp_path), "--topology", str(tmp_path / "none.toml")]) == 2
    assert "none.toml" in capsys.readouterr().err
    assert main([str(tmp_path), "--topology", "x", "--shards", "2"]) == 2
    assert main([str(tmp_path), "--shards", "1", "--instruments", "6"]) == 1


def test_the_journal_of_an_exchanges_directory_is_found(day: Path, tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    copied(day, tmp_path / "journal")
    assert main([str(tmp_path)]) == 0


def test_the_first_lines_are_read_with_care() -> None:
    whole = np.concatenate(list(opening(2, SHARD_OF)))
    whole["shard"][1:] = list(SHARD_OF)
    assert placement(whole) == (2, SHARD_OF)
    with pytest.raises(UsageError, match="no message"):
        placement(whole[:0])
    with pytest.raises(UsageError, match="BuildRecord"):
        placement(whole[1:])
    with pytest.raises(UsageError, match="instruments"):
        placement(np.delete(whole, 3))
    with pytest.raises(UsageError, match="instruments"):
        placement(whole[:1])
    # What comes later in the day is not looked at.
    trade_line = lines(EXECUTED, Template.EXECUTED)
    assert placement(np.concatenate([whole, trade_line, whole[3:4]])) == (2, SHARD_OF)


def test_a_directory_without_a_journal_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        replay_day(tmp_path)
