"""Applications in a topology file: read and checked, placed, run, and started again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ringbus.messages import TICK, Template
from ringbus.replay import Replay
from tests.tools.conftest import Maker
from tests.tools.test_launcher import ringbus, until
from tools.configuration import Configuration
from tools.exchange import Exchange, launched
from tools.kind import ApplicationSection
from tools.memory import Attachment
from tools.topology import ConfigurationError

TICKERS = """\
[[application]]
name = "ticker.0"
kind = "ticker"
every_ms = 5
[[application]]
name = "ticker.1"
kind = "ticker"
every_ms = 7
[[core]]
name = "clocks"
agents = ["ticker.0", "ticker.1"]
"""


def test_what_an_application_is_told(make: Maker, tmp_path: Path) -> None:
    before = Configuration.load(make(ports=1, extra=TICKERS))
    topology = before.topology
    assert [one.name for one in topology.applications] == ["ticker.0", "ticker.1"]
    assert topology.contributors == ("console", "port.0", "ticker.0", "ticker.1")
    assert topology.restartable(topology.core("clocks"))
    # Sessions have topics 1 to 7, so its own come behind them.
    assert [before.topic_of(one) for one in ("ticker.0", "ticker.1")] == [8, 9]
    assert before.topics == 10
    assert before.opening == 6
    saved = tmp_path / "saved.json"
    before.save(saved)
    after = Configuration.restore(saved)
    assert after == before
    assert isinstance(after.topology.application("ticker.1"), ApplicationSection)
    without = Configuration.load(make(ports=1))
    assert (without.topics, without.hash == before.hash) == (8, False)


WRONG = {
    "kind": ('kind = "ticker"', 'kind = "tikcer"', ["kind: found 'tikcer'", 'mean "ticker"?']),
    "no kind": ('kind = "ticker"\n', "", ["kind: is missing", "add kind ="]),
    "unknown key": (
        "every_ms = 5",
        "evry_ms = 5",
        ["[application] evry_ms: no such key", "keys are name, kind, every_ms", 'mean "every_ms"'],
    ),
    "value": ("every_ms = 5", "every_ms = 0", ["[application] every_ms: found 0", "from 1 to"]),
    "name twice": ('"ticker.1"\nkind', '"ticker.0"\nkind', ['"ticker.0" is on line', "unique"]),
    "name of a port": ('"ticker.0"\nkind', '"port.0"\nkind', ['"port.0" is on line', "unique"]),
    "name of an agent": ('"ticker.0"\nkind', '"journal"\nkind', ['"journal" names another agent']),
    "not placed": ('["ticker.0", ', "[", ['no core runs "ticker.0"']),
    "placed twice": ('["ticker.0", ', '["ticker.0", "ticker.0", ', ['"ticker.0" is twice']),
}


@pytest.mark.parametrize("case", list(WRONG))
def test_a_wrong_application_is_an_error_with_its_cure(make: Maker, case: str) -> None:
    old, new, expected = WRONG[case]
    assert old in TICKERS
    with pytest.raises(ConfigurationError) as caught:
        Configuration.load(make(ports=1, extra=TICKERS.replace(old, new, 1)))
    for text in expected:
        assert text in str(caught.value)


def stream_of(exchange: Exchange) -> NDArray[np.void]:
    """All that is on the stream of an exchange that runs: from the files, then from the ring."""
    with Attachment(exchange.name) as shared:
        replay = Replay(shared.attach("stream"), exchange.directory / "journal", 1, 4096)
        parts: list[NDArray[np.void]] = []
        while replay.lag:
            parts.append(replay.poll().copy())
        replay.close()
    return np.concatenate(parts)


def ticks(exchange: Exchange) -> NDArray[np.void]:
    day = stream_of(exchange)
    said: NDArray[np.void] = day[day["template_id"] == Template.TICK].view(TICK)
    return said


def test_an_idle_exchange_is_told_the_time(make: Maker) -> None:
    """Tickers run in a core of their own, and one that is killed ticks again."""
    with launched(make(extra=TICKERS)) as exchange:
        assert until(lambda: len(ticks(exchange)) > 20)
        day = stream_of(exchange)
        # Nobody speaks before the day is open.
        assert Template.TICK not in day["template_id"][:6].tolist()
        assert (np.diff(day["time_ns"].astype(np.int64)) >= 0).all()
        assert until(lambda: ringbus("status", exchange.name).returncode == 0)
        status = ringbus("status", exchange.name)
        for word in ("clocks", "ticker.0", "ticker.1"):
            assert word in status.stdout
        former = exchange.kill("clocks")
        exchange.await_restart("clocks", former)
        count = len(ticks(exchange))
        assert until(lambda: len(ticks(exchange)) > count + 20)
        said = ticks(exchange)
        # Console and port have no lane here but the first: tickers are publishers 2 and 3.
        assert set(said["publisher"].tolist()) <= {2, 3}
        assert set(said["topic"].tolist()) <= {8, 9}
        for topic in (8, 9):
            numbers = said["topic_sequence"][said["topic"] == topic]
            assert numbers.tolist() == list(range(1, len(numbers) + 1))
