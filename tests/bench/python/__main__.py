"""What a Python process gets out of the rings, beside what else it could use between two processes.

Two processes on two CPUs. Round trip: one message there and back, one in flight. Single: one
process sends one message after the other, the other receives them. Batches: by the library's own
call for several messages, received as numpy arrays, only counted, and with a field of each summed
by a vectorised sum. What arrives is checked. Rounds are interleaved; round trips are medians over
them with the lowest and the highest, streams come in bursts of some milliseconds, from the first
send to the last receive, of which the quartiles are given.

Peers that are not installed are named (`make bench-python` installs the dependency group `peers`).

usage: python -m tests.bench.python [--rounds 5] [--bursts 20] [--trips 20000]
       [--cpus 0 1] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import statistics
import sys
import tempfile
from pathlib import Path

from tests.bench.python import (
    iceoryx2,
    kickmsg,
    lane,
    pyaeron,
    pyzmq,
    ring,
    standard,
    stream,
    subetha,
    zeroq,
)
from tests.bench.python.contender import Contender
from tests.bench.python.measure import Plan, Round, run

ADAPTERS = (ring, lane, stream, subetha, pyaeron, zeroq, kickmsg, iceoryx2, pyzmq, standard)
GOES = 3
# Why a peer may be missing where the others are not.
NEEDS = {
    "kickmsg": ": it has wheels for Python 3.10 to 3.12",
    "pyaeron": ": it has wheels for Python 3.12 and later",
}


def spread(values: list[float], form: str) -> str:
    """Median, lowest and highest."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} .. {max(values):{form}})"


def rates(rounds: list[Round], stream: int) -> str:
    """M/s of all bursts: quartiles; of a stream that a contender may not have."""
    there = [rate for one in rounds if len(one.rates) > stream for rate in one.rates[stream]]
    if not there:
        return "-"
    low, middle, high = statistics.quantiles(there, n=4, method="inclusive")
    return f"{middle:.3g} ({low:.3g} .. {high:.3g})"


def microseconds(values: list[float]) -> str:
    """From ns."""
    return spread([value / 1e3 for value in values], ".3g")


def one_round(contender: Contender, plan: Plan) -> Round | None:
    """Again if the bare line moved, but not for ever."""
    for _ in range(GOES):
        with tempfile.TemporaryDirectory(prefix="ringbus-bench-") as directory:
            done = run(contender, plan, Path(directory))
        if done.bare_ns >= 0:
            return done
    return None


def print_figures(results: dict[str, list[Round]], there: list[Contender]) -> None:
    """One table of the rounds in which the two CPUs were near, one of those in which they were far.

    Two CPUs of a virtual machine share a cache in one minute and do not in the next: then a figure
    is another machine's.
    """
    lines = [one.bare_ns for mine in results.values() for one in mine]
    limit = 2.5 * min(lines, default=0.0)
    for is_near in (True, False):
        if not any((line <= limit) == is_near for line in lines):
            continue
        print(f"\nbare line {'up to' if is_near else 'above'} {limit:.0f} ns:\n")
        print(
            "| | round trip p50, us | p99, us | single, M/s | batches counted, M/s "
            "| summed, M/s | bare line, ns |\n|---|---|---|---|---|---|---|"
        )
        for contender in there:
            mine = [one for one in results[contender.name] if (one.bare_ns <= limit) == is_near]
            if not mine:
                continue
            cells = (
                microseconds([one.p50_ns for one in mine]),
                microseconds([one.p99_ns for one in mine]),
                *(rates(mine, stream) for stream in range(3)),
                f"{spread([one.bare_ns for one in mine], '.0f')}, {len(mine)} rounds",
            )
            print(f"| {contender.name} | {' | '.join(cells)} |")


def print_abilities(there: list[Contender]) -> None:
    """What each can and cannot do."""
    print("\n| | broadcast | loss | crash | processes | replay |\n|---|---|---|---|---|---|")
    for contender in there:
        can = contender.can
        words = (can.broadcast, can.loss, can.crash, can.processes, can.replay)
        print(f"| {contender.name} | {' | '.join(words)} |")


def main() -> None:
    """Measure all, interleaved."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.python")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bursts", type=int, default=20, help="of each stream in a round")
    parser.add_argument("--trips", type=int, default=20_000)
    parser.add_argument("--cpus", type=int, nargs=2, default=[0, 1])
    parser.add_argument("--only", nargs="+", default=[""], help="names that hold one of these")
    given = parser.parse_args()
    plan = Plan(given.bursts, given.trips, *given.cpus)
    every = [
        one
        for adapter in ADAPTERS
        for one in adapter.CONTENDERS
        if any(part in one.name for part in given.only)
    ]
    there = [one for one in every if importlib.util.find_spec(one.module) is not None]
    cpus = os.sched_getaffinity(0)
    results: dict[str, list[Round]] = {contender.name: [] for contender in there}
    for n in range(given.rounds):
        for contender in there:
            print(f"round {n + 1} of {given.rounds}: {contender.name}", file=sys.stderr)
            os.sched_setaffinity(0, cpus)
            done = one_round(contender, plan)
            if done is not None:
                results[contender.name].append(done)
    print_figures(results, there)
    print_abilities(there)
    for contender in every:
        if contender not in there:
            reason = NEEDS.get(contender.module, "")
            print(f"\n{contender.name}: not installed here{reason}")


if __name__ == "__main__":
    main()
