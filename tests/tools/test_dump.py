"""`ringbus dump` of a day that a real journal agent wrote."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from ringbus.journal import read_day
from ringbus.messages import EXECUTED, NEW_ORDER, Side, Template
from tests.tools.days import SEGMENT, record
from tools import cli


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("day"))


def test_json_lines_say_every_field(day: Path, tmp_path: Path) -> None:
    out = tmp_path / "day.jsonl"
    assert cli.main(["dump", str(day), "--format", "jsonl", "--output", str(out)]) == 0
    stream = read_day(day)
    said = [json.loads(line) for line in out.read_text().splitlines()]
    assert [one["sequence"] for one in said] == list(range(1, len(stream) + 1))
    for n in np.flatnonzero(stream["template_id"] == Template.EXECUTED)[:20]:
        trade = stream[n : n + 1].view(EXECUTED)[0]
        one = said[int(n)]
        assert one["template"] == "EXECUTED"
        assert one["side"] == Side(int(trade["side"])).name
        for name in ("time_ns", "topic", "instrument", "price_ticks", "quantity", "remaining"):
            assert one[name] == int(trade[name])


def test_a_part_of_the_day(day: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sequences, templates, instrument and topic choose; the first of a file is not lost."""
    first, last = SEGMENT - 1, SEGMENT + 2
    assert cli.main(["dump", str(day), "--from", str(first), "--to", str(last)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["sequence", "time", "template", "topic"]
    assert [int(line.split()[0]) for line in lines[1:]] == list(range(first, last + 1))
    stream = read_day(day).view(NEW_ORDER)
    wanted = (stream["template_id"] == Template.NEW_ORDER) & (stream["instrument"] == 2)
    wanted &= stream["topic"] == 1
    arguments = [
        "--template",
        "new_order",
        "--instrument",
        "2",
        "--topic",
        "1",
        "--format",
        "jsonl",
    ]
    assert cli.main(["dump", str(day), *arguments]) == 0
    said = [json.loads(line)["sequence"] for line in capsys.readouterr().out.splitlines()]
    assert said == stream["sequence"][wanted].tolist()
    assert len(said) > 0


def test_csv_has_a_column_for_every_field(day: Path, tmp_path: Path) -> None:
    out = tmp_path / "day.csv"
    assert cli.main(["dump", str(day), "--format", "csv", "--output", str(out)]) == 0
    with out.open() as file:
        rows = list(csv.DictReader(file))
    stream = read_day(day)
    assert len(rows) == len(stream)
    assert rows[0]["template"] == "BUILD_RECORD"
    assert rows[0]["shards"] == "2"
    assert rows[0]["price_ticks"] == ""
    orders = stream[stream["template_id"] == Template.NEW_ORDER].view(NEW_ORDER)
    said = [int(row["quantity"]) for row in rows if row["template"] == "NEW_ORDER"]
    assert said == orders["quantity"].tolist()


def test_parquet_keeps_numbers_and_nulls(day: Path, tmp_path: Path) -> None:
    out = tmp_path / "day.parquet"
    assert cli.main(["dump", str(day), "--format", "parquet", "--output", str(out)]) == 0
    table = pyarrow.parquet.read_table(out)
    stream = read_day(day)
    assert table.num_rows == len(stream)
    assert table["sequence"].to_pylist() == stream["sequence"].tolist()
    assert table["template"][0].as_py() == "BUILD_RECORD"
    trades = table.filter(pyarrow.compute.equal(table["template"], "EXECUTED"))
    recorded = stream[stream["template_id"] == Template.EXECUTED].view(EXECUTED)
    for name in ("price_ticks", "quantity", "side", "remaining", "time_ns"):
        assert trades[name].to_pylist() == recorded[name].tolist()
    assert trades["symbol"].null_count == trades.num_rows
    symbols = table["symbol"].drop_null().to_pylist()
    assert symbols[:2] == ["I0", "I1"]


def test_what_cannot_be_done_is_said(
    day: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["dump", str(tmp_path)]) == 2
    assert "no journal there" in capsys.readouterr().err
    assert cli.main(["dump", str(day), "--format", "parquet"]) == 2
    assert "--output" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["dump", str(day), "--template", "nonsense"])
    assert "nonsense" in capsys.readouterr().err
