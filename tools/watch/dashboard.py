"""Makes the Grafana dashboard of `ringbus metrics`: `python -m tools.watch.dashboard` prints it.

It is committed as grafana.json; a test holds it fresh, and every query to names and labels that
exist.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 24
HEIGHT: Final = 8
SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
OF: Final = 'exchange="$exchange"'
RATE: Final = "[$__rate_interval]"


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression and what its lines are called."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Graph:
    """One panel; `width` is of 24, `unit` one of Grafana's; `kind` its plugin."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    width: int = 8
    kind: str = "timeseries"


def _rate(name: str, by: str = "") -> str:
    rate = f"rate({name}{{{OF}}}{RATE})"
    return f"sum by ({by}) ({rate})" if by else rate


def _quantile(share: float) -> str:
    rate = f"sum by (le, hop) (rate(ringbus_hop_latency_seconds_bucket{{{OF}}}{RATE}))"
    return f"histogram_quantile({share:g}, {rate})"


def _now(name: str, more: str = "") -> str:
    return f"{name}{{{OF}{more}}}"


ROWS: Final = {
    "Exchange": (
        Graph("up", "short", (Query(_now("ringbus_up"), "up"),), 3, "stat"),
        Graph("day open", "short", (Query(_now("ringbus_day_open"), "open"),), 3, "stat"),
        Graph(
            "alarms today", "short", (Query(_now("ringbus_alarms_total"), "alarms"),), 3, "stat"
        ),
        Graph(
            "commands today", "short", (Query(_now("ringbus_commands_total"), "commands"),), 3,
            "stat",
        ),
        Graph(
            "messages a second", "short",
            (Query(_rate("ringbus_stream_messages_total"), "stream"),), 12,
        ),
        Graph("p50 by hop", "s", (Query(_quantile(0.5), "{{hop}}"),)),
        Graph("p99 by hop", "s", (Query(_quantile(0.99), "{{hop}}"),)),
        Graph("p99.9 by hop", "s", (Query(_quantile(0.999), "{{hop}}"),)),
    ),
    "Cores and agents": (
        Graph("running", "short", (Query(_now("ringbus_core_up"), "{{core}}"),)),
        Graph("CPU", "percentunit", (Query(_rate("ringbus_core_cpu_seconds_total"), "{{core}}"),)),
        Graph("duty", "percentunit", (Query(_now("ringbus_core_duty_ratio"), "{{core}}"),)),
        Graph(
            "waited for a CPU", "percentunit",
            (Query(_rate("ringbus_core_waited_seconds_total"), "{{core}}"),),
        ),
        Graph("stalled", "s", (Query(_rate("ringbus_core_stalled_seconds_total"), "{{core}}"),)),
        Graph("page faults", "short",
              (Query(_rate("ringbus_core_page_faults_total"), "{{core}}"),)),
        Graph("agents' duty", "percentunit",
              (Query(_now("ringbus_agent_duty_ratio"), "{{agent}}"),)),
        Graph("restarts", "short", (Query(_now("ringbus_core_restarts_total"), "{{core}}"),)),
        Graph("work a second", "short", (Query(_rate("ringbus_agent_work_total"), "{{agent}}"),)),
        Graph(
            "behind the stream", "short", (Query(_now("ringbus_agent_lag_messages"), "{{agent}}"),)
        ),
        Graph(
            "waiting in lanes", "short",
            (Query(_now("ringbus_agent_waiting_messages"), "{{agent}}"),),
        ),
        Graph(
            "events", "short", (Query(_rate("ringbus_core_events_total"), "{{event}}"),)
        ),
    ),
    "Rings and journals": (
        Graph(
            "full", "percentunit",
            (
                Query(
                    f"{_now('ringbus_ring_held_messages')} / "
                    f"{_now('ringbus_ring_capacity_messages')}",
                    "{{ring}}",
                ),
            ),
        ),
        Graph(
            "publisher held up, and readers overtaken", "short",
            (
                Query(_rate("ringbus_publisher_waits_total"), "publisher waits"),
                Query(_rate("ringbus_reader_laps_total"), "{{reader}} overtaken"),
            ),
        ),
        Graph(
            "not on disk", "short", (Query(_now("ringbus_journal_behind_messages"), "{{journal}}"),)
        ),
    ),
    "Clients and prices": (
        Graph(
            "connected", "short",
            (Query(f"sum({_now('ringbus_session_connected')})", "sessions"),),
        ),
        Graph(
            "requests a second", "short",
            (Query(_rate("ringbus_session_requests_total", "firm"), "{{firm}}"),),
        ),
        Graph(
            "rejects a second", "short",
            (Query(_rate("ringbus_session_rejects_total", "firm"), "{{firm}}"),),
        ),
        Graph(
            "trades a second", "short",
            (Query(f"topk(10, {_rate('ringbus_instrument_trades_total')})", "{{symbol}}"),),
        ),
        Graph(
            "not trading", "short",
            (Query(f"count({_now('ringbus_instrument_trading')} == 0)", "instruments"),),
        ),
        Graph(
            "nearest to a limit", "percentunit",
            (
                Query(
                    f"topk(10, {_now('ringbus_limit_used_ratio')})",
                    "{{owner}} {{name}} {{limit}}",
                ),
            ),
        ),
    ),
}  # fmt: skip


def dashboard() -> dict[str, object]:
    """The whole of it, as Grafana imports it."""
    panels: list[dict[str, object]] = []
    y = 0
    for title, graphs in ROWS.items():
        place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "gridPos": place})
        x, y = 0, y + 1
        for graph in graphs:
            if x + graph.width > WIDTH:
                x, y = 0, y + HEIGHT
            place = {"x": x, "y": y, "w": graph.width, "h": HEIGHT}
            panels.append(_panel(len(panels) + 1, graph, place))
            x += graph.width
        y += HEIGHT
    return {
        "title": "ringbus",
        "uid": "ringbus",
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "label": "data source", "type": "datasource",
                 "query": "prometheus"},
                {"name": "exchange", "type": "query", "datasource": SOURCE, "refresh": 2,
                 "query": "label_values(ringbus_up, exchange)"},
            ]
        },
        "panels": panels,
    }  # fmt: skip


def _panel(number: int, graph: Graph, place: dict[str, int]) -> dict[str, object]:
    return {
        "id": number,
        "type": graph.kind,
        "title": graph.title,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": graph.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + n), "expr": one.expression, "legendFormat": one.legend}
            for n, one in enumerate(graph.queries)
        ],
    }


def text() -> str:
    """The same as the file has it."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
