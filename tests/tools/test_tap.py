"""`ringbus tap`: records of a ring by their dtype, messages of an exchange by their template."""

from __future__ import annotations

import numpy as np
import pytest

from ringbus.messages import MESSAGE, NEW_ORDER, Template
from ringbus.multicast import Writer
from ringbus.ring import Ring
from tests.ringbus.children import PRICE, ring_records
from tests.ringbus.support import make_shared_ring, numbered
from tools import cli
from tools.tap import ring_lines, stream_lines, text


def test_what_is_on_a_ring(exchange: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Ring.create(exchange, PRICE, 8) as ring:
        ring.publisher().publish(ring_records(1, 3))
        assert cli.main(["tap", exchange, "--oldest", "--count", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 n=1 price=0.5 note=note",
        "2 n=2 price=1.0 note=note",
    ]


def test_plain_numbers_and_what_comes_later(exchange: str) -> None:
    with Ring.create(exchange, "f8", 8) as ring:
        publisher = ring.publisher()
        publisher.publish(np.array([1.5]))
        lines = ring_lines(exchange, False)
        assert next(lines) == ""
        publisher.publish(np.array([2.5]))
        assert next(lines) == "2 2.5"
        publisher.publish(np.arange(20.0))
        said = [next(lines) for _ in range(9)]
        assert said[0] == "-- 12 lost: 3..14"
        assert said[-1] == "22 19.0"
        lines.close()


def test_the_stream_of_an_exchange(exchange: str, capsys: pytest.CaptureFixture[str]) -> None:
    ring, readers = make_shared_ring(exchange, 64)
    with ring, readers:
        orders = np.zeros(2, NEW_ORDER)
        orders["template_id"] = Template.NEW_ORDER
        orders["instrument"] = 7
        orders["price_ticks"] = [100, 101]
        orders["display"] = b"Y"
        writer = Writer(ring, readers)
        writer.publish(orders.view(MESSAGE))
        assert cli.main(["tap", exchange, "--oldest", "--count", "2"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("1 NEW_ORDER time_ns=0 ")
        assert " price_ticks=100 " in lines[0]
        assert " display=Y " in lines[0]
        assert "spare" not in lines[0]
        assert lines[1].startswith("2 NEW_ORDER ")
        later = stream_lines(exchange, False)
        assert next(later) == ""
        writer.publish(numbered(1, 1))
        assert next(later).startswith("3 TEMPLATE_0 bytes=0300000000000000")
        for first in range(2, 102, 50):
            writer.publish(numbered(first, 50))
        assert next(later) == "-- 36 lost: 4..39"
        later.close()


def test_it_ends_when_it_was_told_to(exchange: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Ring.create(exchange, PRICE, 8):
        assert cli.main(["tap", exchange, "--seconds", "0.05"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["nobody-called-so", "a b"])
def test_what_is_not_there(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tap", name]) == 1
    assert capsys.readouterr().err.startswith("ringbus tap: ")


def test_fields_as_text() -> None:
    kind = np.dtype([("a", "S3"), ("b", "u1", (2,)), ("c", [("d", "i2")]), ("e", "V2")])
    record = np.zeros(1, kind)[0]
    assert [text(record[name]) for name in "abce"] == ["-", "[0 0]", "(d=0)", "0000"]
