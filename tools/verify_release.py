"""`ringbus verify-release`: recorded days go through this build once more, several at a time.

One differing byte in any of them is the end: the day and both messages are shown, and nothing is
signed. If all are identical, a record says so, with the build's fingerprint and the name of who
signs; an exchange can be told to start with no other build (`require_release`). Rolling back is the
same: an older build starts with its own record, or is verified once more.

What a replay cannot see: proposals that the sequencer refused are said again as recorded, and so
are refusals for options, states and room (engine/passive.py); ports and applications do not take
part.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import selectors
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ringbus.journal import map_day
from ringbus.messages import SCHEMA_HASH
from ringbus.status import RingbusError
from tools.build import build_hash
from tools.child import environment
from tools.manual import Parser
from tools.parent import end_with_parent
from tools.release import DayResult, Release, ReleaseError, read_key
from tools.replay_day import ORDERS, PRICE_NODES, journal_of, replay_day

DAYS_MAX: Final = 1024
JOBS_MAX: Final = 64
AUTHOR: Final = r"[!-~]{1,32}"
LINE_BYTES_MAX: Final = 1 << 16


@dataclass(slots=True)
class _Worker:
    """A process that replays one day and says how far it is, a line of JSON each time."""

    directory: Path
    process: subprocess.Popen[bytes]
    text: bytes = b""
    said: list[dict[str, object]] = field(default_factory=list)

    def hear(self) -> bool:
        """Take what it has said; False: it is done."""
        assert self.process.stdout is not None
        more = os.read(self.process.stdout.fileno(), LINE_BYTES_MAX)
        *lines, self.text = (self.text + more).split(b"\n")
        self.said += [json.loads(line) for line in lines]
        return bool(more)


def verify(
    directories: Sequence[Path], jobs: int, orders: int, price_nodes: int, bar: Progress
) -> list[DayResult]:
    """Replay every day, `jobs` at a time, each in a process of its own.

    Returns: one result a day, in their order. Raises: ReleaseError: one differs, or cannot be
    replayed; the others are ended.
    """
    results: dict[int, DayResult] = {}
    waiting = list(enumerate(directories))
    task = bar.add_task("verify", total=None)
    totals: dict[int, tuple[int, int]] = {}
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        running = 0
        while waiting or running:
            while waiting and running < jobs:
                number, directory = waiting.pop(0)
                worker = _start(directory, orders, price_nodes)
                stack.callback(_end, worker.process)
                assert worker.process.stdout is not None
                selector.register(worker.process.stdout, selectors.EVENT_READ, (number, worker))
                running += 1
            for key, _ in selector.select():
                number, worker = key.data
                goes_on = worker.hear()
                for said in _drain(worker):
                    if "day" in said:
                        results[number] = _result(said)
                    else:
                        totals[number] = int(str(said["done"])), int(str(said["of"]))
                done, of = (sum(each[n] for each in totals.values()) for n in (0, 1))
                # Before every day has said how long it is, nobody knows.
                is_known = len(totals) == len(directories)
                bar.update(task, completed=done, total=of if is_known else None)
                if not goes_on:
                    selector.unregister(key.fileobj)
                    worker.process.wait()
                    running -= 1
                    if number not in results:
                        raise ReleaseError(f"{worker.directory}: its replay ended without a word")
    return [results[number] for number in range(len(directories))]


def _drain(worker: _Worker) -> Iterator[dict[str, object]]:
    """What it said since; a refusal is raised."""
    said, worker.said = worker.said, []
    for one in said:
        if "refused" in one:
            raise ReleaseError(f"{worker.directory}: {one['refused']}")
        yield one


def _result(said: dict[str, object]) -> DayResult:
    return DayResult(
        str(said["day"]), int(str(said["messages"])), str(said["digest"]), str(said["book"])
    )


def _start(directory: Path, orders: int, price_nodes: int) -> _Worker:
    command = [sys.executable, "-m", "tools.verify_release", str(directory)]
    command += ["--orders", str(orders), "--price-nodes", str(price_nodes)]
    command += ["--parent", str(os.getpid())]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment()
    )
    return _Worker(directory, process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def _replay(directory: Path, orders: int, price_nodes: int) -> int:
    """The process of one day: what it finds, as lines of JSON on its standard output."""

    def say(**words: object) -> None:
        print(json.dumps(words), flush=True)

    try:
        journal = journal_of(directory)
        report = replay_day(
            journal,
            orders=orders,
            price_nodes=price_nodes,
            verify=True,
            progress=lambda done, of: say(done=done, of=of),
        )
        if report.divergence is not None:
            say(refused=str(report.divergence))
            return 1
        digest = hashlib.sha256()
        for part in map_day(journal):
            digest.update(part.view("u1").data)
        say(
            day=str(directory),
            messages=report.messages,
            digest=digest.hexdigest(),
            book=report.book_hash,
        )
    except (RingbusError, OSError) as error:
        say(refused=str(error))
        return 1
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus verify-release`: 0 all identical, 1 refused, 2 it could not be tried."""
    options = _parser().parse_args(argv)
    if options.parent:
        if not end_with_parent(options.parent):
            return 1
        return _replay(options.directories[0], options.orders, options.price_nodes)
    if not re.fullmatch(AUTHOR, options.author or "") and options.record is not None:
        print("ringbus verify-release: --record needs --author, who signs", file=sys.stderr)
        return 2
    if len(options.directories) > DAYS_MAX or not 1 <= options.jobs <= JOBS_MAX:
        print(f"ringbus verify-release: {DAYS_MAX} days, {JOBS_MAX} jobs at most", file=sys.stderr)
        return 2
    try:
        key = read_key(options.key) if options.key is not None else None
        columns = (TextColumn("verify"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            days = verify(
                options.directories, options.jobs, options.orders, options.price_nodes, bar
            )
        build = f"{build_hash():016x}"
        for day in days:
            print(f"identical  {day.messages:>13,} messages  {day.digest[:16]}  {day.directory}")
        if options.record is not None:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            schema = f"{SCHEMA_HASH:016x}"
            Release(build, schema, options.author, now, tuple(days)).write(options.record, key)
            print(f"signed     build {build} by {options.author}: {options.record}")
    except (ReleaseError, OSError) as error:
        print(f"ringbus verify-release: refused: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="ringbus verify-release",
        description="Run recorded days through this build; the first differing byte refuses it.",
    )
    parser.add_argument("directories", type=Path, nargs="+", metavar="DIR", help="a day's journal")
    parser.add_argument("--record", type=Path, metavar="FILE", help="where to sign that it passed")
    parser.add_argument("--author", help="who signs")
    parser.add_argument("--key", type=Path, metavar="FILE", help="seal the record with this key")
    parser.add_argument(
        "--jobs", type=int, default=len(os.sched_getaffinity(0)), help="days at a time"
    )
    parser.add_argument("--orders", type=int, default=ORDERS, help="room of each shard's book")
    parser.add_argument("--price-nodes", type=int, default=PRICE_NODES, help="likewise")
    parser.add_argument("--parent", type=int, default=0, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
