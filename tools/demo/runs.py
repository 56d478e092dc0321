"""`make demo-latency`: what waiting for the disk costs a client, as `hist --compare` tells it.

Runs the demo's exchange with `acknowledge = "published"` and `"journaled"` in turns, each time
anew, records every run, compares the two sets, and draws the pictures of tools/latency.md beside
them (`make picture-runs` puts them there).
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from tools import hist
from tools.demo.__main__ import DATA, HERE, OUTPUT
from tools.exchange import launched
from tools.load import Load, read_clients
from tools.load_latency import HOP, recorded
from tools.orders import load_orders

SETS = ("published", "journaled")
INTERVAL_S = 0.1
CLIENTS = 8


def topology(directory: Path, acknowledge: str) -> Path:
    """The demo's topology with another promise, in a directory of its own."""
    text = (HERE / "demo.toml").read_text()
    for key in ("instruments.csv", "participants.csv"):
        text = text.replace(f'"{key}"', f'"{HERE / key}"')
    text = text.replace('name = "demo"', f'name = "demo-{acknowledge}"')
    text = text.replace("../../demo-output", str(directory / "exchange"))
    path = directory / f"{acknowledge}.toml"
    path.write_text(text.replace('"published"', f'"{acknowledge}"'))
    return path


def run(directory: Path, acknowledge: str, number: int, rate: float, requests: int) -> None:
    """One run of a new exchange, recorded."""
    shutil.rmtree(directory / "exchange", ignore_errors=True)
    clients = read_clients(HERE / "clients.csv")[:CLIENTS]
    with launched(topology(directory, acknowledge)) as exchange, Load(exchange, clients) as load:
        load.login()
        # What is met for the first time is not what is compared.
        rows = load_orders(DATA / "inbound.csv.gz", requests + requests // 4)
        dealt = load.dealer.deal(rows)
        load.paced(dealt[: requests // 4], rate)
        where = directory / acknowledge / str(number)
        with recorded(exchange.name, where, acknowledge, INTERVAL_S):
            report = load.paced(dealt[requests // 4 :], rate)
    p50, p99 = (report.latency.percentile(percent) / 1e6 for percent in (50, 99))
    print(f"{acknowledge} {number}: {report.answered:,} answered, p50 {p50:.2f}, p99 {p99:.2f} ms")


def main(argv: list[str] | None = None) -> int:
    """Record, compare, draw; the exit status is the comparison's."""
    parser = argparse.ArgumentParser(prog="make demo-latency", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="of each; 5")
    parser.add_argument("--rate", type=float, default=1000.0, help="requests a second; 1000")
    parser.add_argument("--requests", type=int, default=6000, help="a run; 6000")
    options = parser.parse_args(argv)
    directory = OUTPUT / "runs"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for number in range(1, options.runs + 1):
        for acknowledge in SETS:
            run(directory, acknowledge, number, options.rate, options.requests)
    over_time = [str(directory / SETS[0] / "1"), "--over-time", "--hop", HOP, "--hop", "whole"]
    over_time += ["--note", f"One run at {options.rate:,.0f} requests a second"]
    hist.main([*over_time, "--picture", str(directory / "over_time.png")])
    compared = ["--compare", *(str(directory / one) for one in SETS)]
    for hop in ("sequencer to shard", "journal to disk", "whole", HOP):
        compared += ["--hop", hop]
    return hist.main([*compared, "--picture", str(directory / "comparison.png")])


if __name__ == "__main__":
    raise SystemExit(main())
