"""`ringbus shards`: what it says of a topology."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.conftest import Maker
from tools import cli


@pytest.fixture
def topology(make: Maker) -> Path:
    path = make(shards=2)
    path.with_name("instruments.csv").write_text(
        "symbol,tick,lot,price_min,price_max,quantity_max,group,load,shard\n"
        "AAPL,0.01,1,1,2,100,TECH,30,\n"
        "MSFT,0.01,1,1,2,100,TECH,30,\n"
        "BRK.A,0.01,1,1,2,100,,140,1\n"
        "NEW,0.01,1,1,2,100,,,\n"
    )
    return path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[list[str]]:
    assert cli.main(["shards", *arguments]) == 0
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_it_says_what_each_shard_carries(
    topology: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head, *rows = said(capsys, str(topology))
    assert head[:4] == ["shard", "instruments", "chosen", "groups"]
    assert rows == [
        ["0", "2", "0", "1", "60", "30.0", "%"],
        ["1", "2", "1", "0", "140", "70.0", "%"],
    ]


def test_it_says_why_an_instrument_is_where_it_is(
    topology: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = said(capsys, str(topology), "MSFT", "BRK.A", "NEW")[1:]
    assert rows == [
        ["MSFT", "0", "TECH", "30", "its", "group", "by", "load"],
        ["BRK.A", "1", "-", "140", "chosen"],
        ["NEW", "1", "-", "-", "by", "load"],
    ]


def test_without_loads_there_is_no_share(make: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    rows = said(capsys, str(make(shards=2)))[1:]
    assert rows == [["0", "2", "0", "0", "-", "-"], ["1", "1", "0", "0", "-", "-"]]


def test_what_is_not_there_is_named(topology: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["shards", str(topology), "XYZ"]) == 2
    assert "'XYZ' is not in it" in capsys.readouterr().err
    assert cli.main(["shards", str(topology.with_name("none.toml"))]) == 2
