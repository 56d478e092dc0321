"""One round: an exchange under load, kills, rest, and then what must hold."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import shutil
import subprocess
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ringbus.segment import listing
from tests.crash.checks import check_all
from tests.crash.operator import Operator
from tests.crash.plan import USERS, Plan, write_topology
from tests.crash.trader import Trader
from tools.state import remove

WARM_SECONDS = 0.3
REST_SECONDS = 90.0
LOOK_SECONDS = 0.02


class RoundError(Exception):
    """A promise was broken; the text says which, and what the processes said."""


@dataclass(slots=True)
class Result:
    """What a round did."""

    messages: int = 0
    told: int = 0
    logins: int = 0
    continued: int = 0
    kills: Counter[str] = field(default_factory=Counter)


def run(plan: Plan) -> Result:
    """Run a round in a directory of its own. Raises: RoundError; the directory is then kept."""
    _remove_orphans()
    directory = Path(tempfile.mkdtemp(prefix="ringbus-crash-"))
    name = f"crash{os.getpid()}-{plan.seed % 1_000_000}"
    operator = Operator(plan, write_topology(plan, directory, name), name)
    try:
        result = asyncio.run(_run(plan, operator, directory / "out"))
    except BaseException as error:
        with contextlib.suppress(AssertionError, subprocess.SubprocessError):
            operator.down()
        said = f"{plan}\n{''.join(traceback.format_exception(error)[-3:])}"
        raise RoundError(f"{said}\nlogs and journals are kept in {directory}") from error
    shutil.rmtree(directory)
    return result


def _remove_orphans() -> None:
    """What rounds left whose own process was killed."""
    for segment in listing():
        found = re.fullmatch(r"ringbus\.(crash(\d+)-\d+)\.launcher", segment)
        if found and not Path(f"/proc/{found[2]}").exists():
            remove(found[1])


async def _run(plan: Plan, operator: Operator, directory: Path) -> Result:
    result = Result()
    if plan.cut_up_s is not None:
        await asyncio.to_thread(operator.cut_up, plan.cut_up_s)
        result.kills["up"] += 1
    await asyncio.to_thread(operator.up, "--new-day")
    draw = random.Random(plan.seed)
    traders = [
        Trader(user, n + 1, random.Random(draw.random()), lambda: operator.address(draw))
        for n, user in enumerate(USERS)
    ]
    trading = [asyncio.create_task(trader.run()) for trader in traders]
    watching = asyncio.create_task(operator.watch())
    try:
        await asyncio.sleep(WARM_SECONDS)
        for kill in plan.kills:
            await asyncio.sleep(kill.pause_s)
            result.kills[kill.target] += operator.kill(kill.target)
        for trader in traders:
            trader.is_stopping = True
        # Behind the second last order of each is nothing that another one's first has caused.
        for _ in range(2):
            await _until(lambda: all(trader.is_done for trader in traders), [*trading, watching])
            for trader in traders:
                trader.ask_last()
        await _until(lambda: all(trader.is_done for trader in traders), [*trading, watching])
        for trader in traders:
            trader.is_over = True
        await _until(lambda: all(task.done() for task in trading), [watching])
        healthy = asyncio.create_task(operator.healthy())
        await _until(healthy.done, [watching])
        await healthy
        for trader in traders:
            again = await asyncio.wait_for(trader.listen(len(trader.got)), REST_SECONDS)
            assert again == trader.got, f"{trader.user} is told something else than before"
    finally:
        for task in (*trading, watching):
            task.cancel()
        await asyncio.gather(*trading, watching, return_exceptions=True)
    await asyncio.to_thread(operator.down, plan.cut_down_s)
    result.kills["down"] += plan.cut_down_s is not None
    await asyncio.to_thread(operator.nothing_is_left)
    for trader in traders:
        told = directory / f"told.{trader.user}"
        told.write_text("".join(f"{message}\n" for message in trader.got), encoding="utf-8")
    stream = check_all(directory, plan, traders)
    result.messages = len(stream)
    result.told = sum(len(trader.got) for trader in traders)
    result.continued = operator.continued
    result.logins = sum(trader.logins for trader in traders)
    return result


async def _until(condition: Callable[[], bool], tasks: list[asyncio.Task[None]]) -> None:
    """Until something is so; none of the tasks may end with an error before."""
    deadline = time.monotonic() + REST_SECONDS
    while not condition():
        for task in tasks:
            if task.done():
                task.result()
        assert time.monotonic() < deadline, "the exchange does not come to rest"
        await asyncio.sleep(LOOK_SECONDS)
