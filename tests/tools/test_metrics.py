"""`ringbus metrics`: scraped over a real socket and read by Prometheus' own parser."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from ringbus.histogram import Histogram
from ringbus.messages import RiskLimit
from tests.tools.conftest import Maker
from tests.tools.test_command import command
from tests.tools.watching import Wish, enter, heard, until
from tools import cli
from tools.exchange import launched
from tools.watch import dashboard
from tools.watch.families import BUCKETS_NS, FAMILIES, LATENCY, OTHERS, UP, buckets, metrics
from tools.watch.sample import LimitSample
from tools.watch.sampler import Sampler

ROOT = Path(__file__).resolve().parents[2]
# What makes a name of a family a name of its samples.
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
Values = dict[tuple[str, ...], float]


@contextmanager
def endpoint(exchange: str, listen: str = "127.0.0.1:0") -> Iterator[str]:
    """The URL of a running one."""
    line = [sys.executable, "-m", "tools.cli", "metrics", exchange, "--listen", listen]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def scrape(url: str) -> dict[str, Metric]:
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        return {one.name: one for one in text_string_to_metric_families(answer.read().decode())}


def values(families: dict[str, Metric], name: str, *labels: str) -> Values:
    """Values of one family by some of its labels."""
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for sample in families[name].samples
        if not sample.name.endswith("_created")
    }


@pytest.mark.xdist_group("processes")
def test_what_is_scraped_is_what_happened(make: Maker) -> None:
    with launched(make(ports=1)) as exchange, endpoint(exchange.name) as url:
        limit = ("limit", "--firm", "ACME", "open-long", "500000")
        assert command(exchange, *limit).returncode == 0
        before = scrape(url)
        enter(exchange, Wish("ALICE", "B", 10, 10_000), Wish("BOB", "S", 4, 10_000))

        def has_heard() -> bool:
            now = scrape(url)
            return values(now, "ringbus_session_executions", "user")[("BOB",)] == 1

        until(has_heard)
        after = scrape(url)
    for family in FAMILIES:
        found = after[family.name]
        assert (found.type, found.documentation) == (family.kind, family.help)
        for one in found.samples:
            assert one.name == family.name + SUFFIXES[family.kind][0]
            assert set(one.labels) == {"exchange", *family.labels}
            assert one.labels["exchange"] == exchange.name
    assert values(after, "ringbus_up", "exchange") == {(exchange.name,): 1}
    assert values(after, "ringbus_core_up", "core") == {("engine",): 1, ("edge",): 1}
    volume = values(after, "ringbus_instrument_volume_shares", "symbol")
    assert volume == {("S0",): 0, ("S1",): 4, ("S2",): 0}
    assert values(after, "ringbus_instrument_last_price", "symbol") == {("S1",): 1.0}
    assert values(after, "ringbus_limit_used", "name", "limit") == {("ACME", "open_long"): 6.0}
    assert values(after, "ringbus_limit_used_ratio", "name") == {("ACME",): pytest.approx(0.12)}
    events = values(after, "ringbus_core_events", "event")
    assert events[("port.0 logins",)] == 2
    assert ("port.0 tcp port",) not in events
    for family in FAMILIES:
        if family.kind == "counter":
            labels = ("exchange", *family.labels)
            old, new = (values(one, family.name, *labels) for one in (before, after))
            assert all(new[name] >= value for name, value in old.items()), family.name
    latency = after[LATENCY]
    assert latency.type == "histogram"
    counts = [
        one.value
        for one in latency.samples
        if one.name == f"{LATENCY}_bucket" and one.labels["hop"] == "whole"
    ]
    assert counts == sorted(counts)
    assert counts[-1] >= 2
    assert len(counts) == len(BUCKETS_NS) + 1


@pytest.mark.xdist_group("processes")
def test_the_endpoint_outlives_the_exchange(make: Maker) -> None:
    path = make()
    with endpoint(path.stem) as url:
        assert set(scrape(url)) == {"ringbus_up"}
        with launched(path):
            until(lambda: values(scrape(url), "ringbus_up", "exchange")[(path.stem,)] == 1)
            until(lambda: "ringbus_day_open" in scrape(url))
        until(lambda: values(scrape(url), "ringbus_up", "exchange")[(path.stem,)] == 0)
        path.write_text(path.read_text().replace('"out"', '"again"'))
        with launched(path):
            until(lambda: values(scrape(url), "ringbus_up", "exchange")[(path.stem,)] == 1)


@pytest.mark.xdist_group("processes")
def test_who_asks_wrongly_holds_nobody_up(make: Maker) -> None:
    with endpoint("nobody-is-called-so") as url:
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(url.replace("metrics", "secrets"), timeout=60)
        host, _, port = url.split("/")[2].partition(":")
        with (
            socket.create_connection((host, int(port))) as silent,
            socket.create_connection((host, int(port))) as endless,
        ):
            silent.sendall(b"GET /metrics HT")
            endless.sendall(b"GET / HTTP/1.0\r\n" + b"X: y\r\n" * 2000)
            assert values(scrape(url), "ringbus_up") == {(): 0}
            # They were closed without an answer.
            silent.settimeout(60)
            assert silent.recv(1) == b""


def test_an_address_that_is_taken_or_none(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        assert cli.main(["metrics", "nobody-is-called-so", "--listen", place]) == 1
    assert "ringbus metrics: " in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["metrics", "nobody-is-called-so", "--listen", "9464"])
    assert "an address and a port" in capsys.readouterr().err
    assert cli.main(["metrics", "nobody-is-called-so", "--once"]) == 1
    assert "is not up" in capsys.readouterr().err


@pytest.mark.xdist_group("processes")
def test_once_for_a_file(make: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    with launched(make()) as exchange:
        assert cli.main(["metrics", exchange.name, "--once"]) == 0
    families = list(text_string_to_metric_families(capsys.readouterr().out))
    assert {one.name for one in families} == {UP.name, LATENCY, *(one.name for one in FAMILIES)}


@pytest.mark.xdist_group("processes")
def test_label_sets_are_bounded(make: Maker) -> None:
    """A thousand sessions and instruments: the first of them, and all the others as one."""
    with launched(make()) as exchange, Sampler(exchange.name) as sampler:
        sample = heard(sampler)
    alice, symbol = sample.sessions[0], sample.instruments[0]
    many = dataclasses.replace(
        sample,
        sessions=tuple(
            dataclasses.replace(alice, user=f"U{n}", requests_count=n) for n in range(1000)
        ),
        instruments=tuple(
            dataclasses.replace(symbol, symbol=f"I{n}", last_1e4=n, volume=1) for n in range(1000)
        ),
        limits=tuple(
            LimitSample("account", n, str(n), RiskLimit.OPEN_ORDERS, "count", n, 2000)
            for n in range(1000)
        ),
    )
    found = {one.name: one for one in metrics("t", many)}
    requests = values(found, "ringbus_session_requests", "user")
    assert len(requests) == 257
    assert requests[(OTHERS,)] == sum(range(256, 1000))
    assert len(values(found, "ringbus_instrument_last_price", "symbol")) == 256
    assert values(found, "ringbus_instrument_volume_shares", "symbol")[(OTHERS,)] == 744
    assert len(found["ringbus_limit_used"].samples) == 256


def test_buckets_hold_what_is_not_above_them() -> None:
    histogram = Histogram()
    for value in (50, 100, 101, 1_000_000, 60_000_000_000):
        histogram.record(value)
    found = dict(buckets(histogram))
    assert found["1e-07"] == 2
    assert found["2e-07"] == 3
    assert found["0.0005"] == 3
    assert found["0.002"] == 4
    assert (found["10"], found["+Inf"]) == (4, 5)


def test_names_are_as_prometheus_wants_them() -> None:
    names = [one.name for one in (UP, *FAMILIES)] + [LATENCY]
    assert len(set(names)) == len(names)
    for family in (UP, *FAMILIES):
        assert re.fullmatch(r"ringbus(_[a-z]+)+", family.name)
        assert not family.name.endswith(("_total", "_count", "_ns", "_ms", "_bucket", "_sum"))
        assert family.help.endswith(".") or family is UP


def queries() -> list[tuple[str, str]]:
    """Every expression of the dashboard's file, and its legend."""
    document = json.loads((ROOT / "tools" / "watch" / "grafana.json").read_text())
    return [
        (target["expr"], target["legendFormat"])
        for panel in document["panels"]
        for target in panel.get("targets", [])
    ]


def test_every_query_of_the_dashboard_names_what_exists() -> None:
    """Metrics with the suffix of their type, and labels that they have."""
    labels: dict[str, tuple[str, ...]] = {UP.name: ("exchange",)}
    labels |= {f"{LATENCY}_bucket": ("exchange", "hop", "le")}
    for family in FAMILIES:
        labels[family.name + SUFFIXES[family.kind][0]] = ("exchange", *family.labels)
    used = queries()
    assert len(used) > 20
    for expression, legend in used:
        names = re.findall(r"\bringbus_\w+", expression)
        assert names, expression
        for name in names:
            assert name in labels, expression
            wanted = re.findall(r"\{\{(\w+)\}\}", legend)
            wanted += re.findall(r"(\w+)=", expression)
            wanted += re.findall(r"\w+", "".join(re.findall(r"by \((.*?)\)", expression)))
            assert set(wanted) <= {*labels[name]}, (expression, legend)
        # A counter is looked at by its growth, but where it stands for itself.
        if name.endswith("_total") and "rate(" not in expression:
            assert re.search(r"alarms|commands|restarts", name)


def test_the_dashboard_is_fresh_and_fits() -> None:
    file = ROOT / "tools" / "watch" / "grafana.json"
    assert file.read_text() == dashboard.text(), "python -m tools.watch.dashboard > that file"
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(file.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= dashboard.WIDTH
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_metrics_of_the_page_exist() -> None:
    """What tools/README.md shows of them, names and labels; and its picture, small, is there."""
    page = (ROOT / "tools" / "README.md").read_text()
    shown = re.findall(r"^(ringbus_\w+)\{(.*)\} \S+$", page, re.MULTILINE)
    assert len(shown) >= 5
    labels: dict[str, tuple[str, ...]] = {f"{LATENCY}_bucket": ("exchange", "hop", "le")}
    for family in FAMILIES:
        labels[family.name + SUFFIXES[family.kind][0]] = ("exchange", *family.labels)
    for name, said in shown:
        assert re.findall(r"(\w+)=", said) == [*labels[name]], name
    assert (ROOT / "tools" / "pictures" / "top.svg").stat().st_size < 150_000
