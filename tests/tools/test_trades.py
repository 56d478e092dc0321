"""The day's trades as a table: what the stream says of them, and nothing else."""

from __future__ import annotations

import asyncio
import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest

from tests.tools.conftest import Maker
from tests.tools.test_bust import said
from tests.tools.test_launcher import ringbus
from tests.tools.test_reporter import await_reported, facility, reporter, trade
from tests.tools.watching import free_port
from tools.exchange import launched


@pytest.mark.xdist_group("processes")
def test_the_days_trades_with_what_became_of_them(make: Maker, tmp_path: Path) -> None:
    """CSV and Parquet have the same rows: void, corrected, reported or not."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet is optional")
    tcp = free_port()
    with launched(make(ports=1, extra=reporter(tcp))) as exchange:
        with facility(tmp_path / "reports.jsonl", tcp):
            matches = asyncio.run(trade(exchange, 6))
            await_reported(exchange)
        for words in (("bust", str(matches[1])), ("correct", str(matches[2]), "2.5")):
            assert said(exchange, *words).returncode == 0
        directory = exchange.directory / "journal"
    printed = ringbus("trades", directory)
    assert printed.returncode == 0, printed.stderr
    rows = list(csv.DictReader(io.StringIO(printed.stdout)))
    assert [int(row["match"]) for row in rows] == matches
    assert [row["status"] for row in rows] == ["", "void", "corrected", "", "", ""]
    assert [row["price_corrected"] for row in rows] == ["", "", "2.5", "", "", ""]
    assert [row["symbol"] for row in rows] == ["S0", "S1", "S2"] * 2
    assert [row["price"] for row in rows] == ["1", "1.01", "1.02", "1.03", "1.04", "1.05"]
    assert {row["reported"] for row in rows} == {"True"}
    parties = {(row["buyer_user"], row["seller_user"], row["aggressor"]) for row in rows}
    assert parties == {("ALICE", "BOB", "buyer")}
    out = tmp_path / "trades.parquet"
    assert ringbus("trades", directory, "--output", out).returncode == 0
    table = parquet.read_table(out).to_pylist()
    assert [row["match"] for row in table] == matches
    assert table[2]["price_corrected"] == Decimal("2.5000")
    assert table[0]["price_corrected"] is None
    out = tmp_path / "trades.csv"
    assert ringbus("trades", directory, "--output", out).returncode == 0
    assert out.read_text() == printed.stdout


def test_what_is_no_day_is_said(tmp_path: Path) -> None:
    done = ringbus("trades", tmp_path / "nothing")
    assert done.returncode == 2
    assert "ringbus trades:" in done.stderr
