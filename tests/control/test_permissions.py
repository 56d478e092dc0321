"""Least permissions: what each process may write, and what another user of the host may touch."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ports.ouch_client import OuchClient
from ringbus.backing import TMPFS
from ringbus.journal import read_day
from ringbus.segment import listing, segment_name
from tests.control.test_runaway import GUARDIAN
from tests.tools.conftest import Maker
from tests.tools.test_drop import DROP, FIX_DROP, with_drops
from tests.tools.test_fairies import TICKER
from tests.tools.test_reporter import reporter
from tools.exchange import Exchange, launched

pytestmark = pytest.mark.xdist_group("processes")
PASSIVE = '[[core]]\nname = "standby"\nagents = ["passive"]\n'
NOBODY = 65534
OF_OTHERS = 0o077
PATIENCE_S = 120
# Nobody takes reports there.
PORT = 9
# What a process of the edge writes besides its own lanes, page and metrics: what wakes others, and
# the table in which readers say where they are.
SHARED = {"bells", "doorbell", "stream.lossy"}


@pytest.fixture
def exchange(make: Maker) -> Iterator[Exchange]:
    """With a port, a journal, a guardian and a passive engine, after a client has logged in."""
    with launched(make(ports=1, extra=GUARDIAN + TICKER + PASSIVE)) as one:
        asyncio.run(asyncio.wait_for(log_in(one), PATIENCE_S))
        yield one


async def log_in(exchange: Exchange, ref: int = 1) -> None:
    host, tcp = exchange.port("port.0")
    async with OuchClient(host, tcp, "ALICE", "SECRET", next_user_ref=ref) as client:
        await client.enter(symbol="S1", side="B", quantity=1, price=10_000)
        await client.next_event()


def mapped(exchange: Exchange, core: str) -> dict[str, bool]:
    """Segments that the process of a core has mapped, by part, and whether it can write them."""
    prefix = segment_name(exchange.name, "x").removesuffix("x")
    text = Path(f"/proc/{exchange.process(core).pid}/maps").read_text()
    found: dict[str, bool] = {}
    for line in text.splitlines():
        match = re.fullmatch(r"\S+ (\S+) \S+ \S+ \d+ +(/.*)", line)
        if match and Path(match[2]).name.startswith(prefix):
            part = Path(match[2]).name.removeprefix(prefix)
            found[part] = found.get(part, False) or "w" in match[1]
    return found


def test_who_maps_what_for_writing(exchange: Exchange) -> None:
    """The stream is the publisher's; an agent writes its own lane, and nobody else's."""
    topology = exchange.configuration.topology
    for core in topology.cores:
        found = mapped(exchange, core.name)
        writes = {part for part, is_written in found.items() if is_written}
        own = {f"core.{core.name}", f"metrics.{core.name}"}
        lanes = {f"lane.{name}" for name in core.agents if name in topology.contributors}
        if "publisher" in core.agents:
            assert "stream" in writes
            continue
        assert found["stream"] is False
        journal = {"stream.readers", "marks"} if "journal" in core.agents else set()
        assert writes <= SHARED | own | lanes | journal, core.name
        # Of others' lanes it does not even see what they propose.
        seen = {part for part in found if part.startswith(("lane.", "shard."))}
        assert seen <= lanes, core.name


def test_a_port_that_tries_to_write_the_stream_is_ended(exchange: Exchange) -> None:
    """It attaches as a port does and writes at the address that it got: the kernel ends it."""
    program = (
        "import sys\n"
        "from ringbus._ringbus import ffi\n"
        "from tools.memory import Attachment\n"
        "shared = Attachment(sys.argv[1])\n"
        "stream = shared.attach('stream')\n"
        "lane = shared.attach('lane.port.0', writable=True)\n"
        "ffi.memmove(lane.address, ffi.buffer(lane.address, 8)[:], 8)\n"
        "print('attached', flush=True)\n"
        "ffi.memmove(ffi.cast('char *', stream.address) + 4096, b'x' * 64, 64)\n"
        "print('written', flush=True)\n"
    )
    tried = subprocess.run(
        [sys.executable, "-c", program, exchange.name],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert tried.stdout == "attached\n"
    assert tried.returncode == -signal.SIGSEGV
    assert b"x" * 64 not in (TMPFS / segment_name(exchange.name, "stream")).read_bytes()


def confined(exchange: Exchange, core: str) -> bool:
    """Whether the kernel filters the calls of a core's process."""
    text = Path(f"/proc/{exchange.process(core).pid}/status").read_text()
    return "Seccomp:\t2" in text


APART = (
    '[[port]]\nname = "port.0"\n[[core]]\nname = "door"\nagents = ["port.0"]\n'
    + GUARDIAN
    + TICKER
    + DROP
    + FIX_DROP.replace('"drops"', '"fix-drops"')
    + reporter(PORT)
)
CONFINED = ["door", "watch", "clock", "drops", "fix-drops", "reporter"]


def test_a_port_that_runs_the_code_of_strangers_cannot_open_the_stream(make: Maker) -> None:
    """R29: of the same account, it is refused by the kernel: to write any file, kill or run one."""
    with launched(with_drops(make(extra=APART), "DROPA,20,900,WATCH,all")) as exchange:
        asyncio.run(asyncio.wait_for(log_in(exchange), PATIENCE_S))
        former = exchange.kill("door")
        exchange.await_restart("door", former, PATIENCE_S)
        asyncio.run(asyncio.wait_for(log_in(exchange, 2), PATIENCE_S))
        cores = [core.name for core in exchange.configuration.topology.cores]
        assert [core for core in cores if confined(exchange, core)] == CONFINED
        stream = TMPFS / segment_name(exchange.name, "stream")
        lane = TMPFS / segment_name(exchange.name, "lane.console")
        engine = exchange.process("engine").pid
        attempts = (
            f"os.open('{stream}', os.O_RDWR)",
            f"os.open('{lane}', os.O_WRONLY)",
            f"os.open('{stream}', os.O_RDONLY | os.O_TRUNC)",
            f"os.unlink('{lane}')",
            f"os.rename('{lane}', '{lane}.x')",
            f"os.open('/proc/{engine}/mem', os.O_RDWR)",
            f"os.kill({engine}, 0)",
            "os.execv('/bin/true', ['true'])",
            "os.mkdir('/dev/shm/x')",
        )
        program = (
            "import os, sys\nfrom tools.confine import confine\n"
            f"os.close(os.open('{stream}', os.O_RDWR))\nassert confine()\n"
            f"os.close(os.open('{stream}', os.O_RDONLY))\n"
            "for text in sys.argv[1:]:\n"
            "    try:\n        eval(text)\n        print(text)\n"
            "    except PermissionError:\n        print('refused')\n"
        )
        tried = subprocess.run(
            [sys.executable, "-c", program, *attempts],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert tried.stdout.splitlines() == ["refused"] * len(attempts), tried.stderr


def test_nothing_of_it_is_for_others(exchange: Exchange) -> None:
    """Shared memory, journals, logs, state and configuration: files and directories."""
    paths = [TMPFS / name for name in listing(exchange.name)]
    assert len(paths) > 10
    paths += [exchange.directory, *exchange.directory.rglob("*")]
    assert any(path.suffix == ".rbj" for path in paths)
    assert any(path.suffix == ".log" for path in paths)
    wrong = [str(path) for path in paths if path.stat().st_mode & OF_OTHERS]
    assert wrong == []
    assert {path.stat().st_uid for path in paths} == {os.getuid()}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can try as another user")
def test_another_user_of_the_host_attaches_to_nothing(exchange: Exchange, tmp_path: Path) -> None:
    """Tried with another uid: no segment can be opened, to read or to write, nor a process hit."""
    program = (
        "import os, sys\n"
        "for path in sys.argv[2:]:\n"
        "    for flags in (os.O_RDONLY, os.O_RDWR):\n"
        "        try:\n"
        "            os.close(os.open(path, flags))\n"
        "            print('opened', path)\n"
        "        except PermissionError:\n"
        "            pass\n"
        "try:\n"
        "    os.kill(int(sys.argv[1]), 9)\n"
        "    print('killed')\n"
        "except PermissionError:\n"
        "    print('tried as', os.getuid())\n"
    )
    paths = [str(TMPFS / name) for name in listing(exchange.name)]
    pid = str(exchange.process("engine").pid)
    # What it must be able to open, or the attempt shows nothing.
    control = TMPFS / f"control-{os.getpid()}"
    control.write_text("for everybody")
    control.chmod(0o666)
    try:
        tried = subprocess.run(
            ["/usr/bin/env", "python3", "-I", "-c", program, pid, *paths, str(control)],
            user=NOBODY, group=NOBODY, extra_groups=[], cwd="/",
            env={"PATH": "/usr/bin:/bin:/usr/local/bin"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        control.unlink()
    assert tried.stdout.splitlines() == [f"opened {control}"] * 2 + [
        f"tried as {NOBODY}"
    ], tried.stderr


def test_no_password_is_kept_anywhere(make: Maker) -> None:
    """In no file, no journal and no log of an exchange to which clients have logged in."""
    with launched(make(ports=1)) as exchange:
        asyncio.run(asyncio.wait_for(log_in(exchange), PATIENCE_S))
        live = [TMPFS / name for name in listing(exchange.name)]
        found = [str(path) for path in live if b"SECRET" in path.read_bytes()]
    files = [path for path in exchange.directory.parent.rglob("*") if path.is_file()]
    found += [str(path) for path in files if b"SECRET" in path.read_bytes()]
    assert found == []
    assert b"ALICE" in read_day(exchange.directory / "journal").tobytes()
    assert any(b"scrypt$" in path.read_bytes() for path in files)
