"""In the guest, with the guide's command line: `auto` finds isolated CPUs, and nobody else does."""

from __future__ import annotations

import os
from pathlib import Path

from tests.host.support import HOT, SPINS, ringbus, two_that_spin
from tests.tools.conftest import Maker
from tools.exchange import launched
from tools.status import look
from tuning.host import Host, parse_cpus

ISOLATED = parse_cpus(HOT)


def two(make: Maker) -> Path:
    """Two that spin, and all memory on their node."""
    return two_that_spin(make(ports=1, extra="[memory]\nnuma_node = 1\nlock = true"))


def strangers(own: set[int]) -> dict[str, int]:
    """Programs, not threads of the kernel's, whose last turn was on an isolated CPU."""
    out = {}
    for task in Path("/proc").glob("[0-9]*/task/[0-9]*"):
        try:
            line = (task / "stat").read_text()
            if int(task.parts[2]) in own or not (task / "cmdline").read_text():
                continue
        except OSError:
            continue
        cpu = int(line.rpartition(")")[2].split()[36])
        if cpu in ISOLATED:
            out[f"{task.parts[2]} {line.partition('(')[2].partition(')')[0]}"] = cpu
    return out


def test_the_kernel_isolates_them() -> None:
    host = Host()
    assert host.isolated == ISOLATED
    assert host.hot == ISOLATED
    assert parse_cpus(host.read("/sys/devices/system/cpu/nohz_full")) == ISOLATED
    assert not ISOLATED & os.sched_getaffinity(0)


def test_who_sits_where(make: Maker) -> None:
    path = two(make)
    done = ringbus("plan", str(path))
    assert done.returncode == 0
    assert f"isolated by the host: the scheduler leaves CPUs {HOT} alone as it is" in " ".join(
        done.stdout.split()
    )
    with launched(path) as exchange:
        engine, port = exchange.process("engine").pid, exchange.process("port").pid
        assert os.sched_getaffinity(engine) | os.sched_getaffinity(port) == ISOLATED
        assert not os.sched_getaffinity(exchange.process("edge").pid) & ISOLATED
        assert exchange.state.partition == ""
        assert ringbus("status", exchange.name).returncode in (0, 2)
        status = look(exchange.name, 0)
        assert status is not None
        assert status.stream_memory is not None
        assert status.stream_memory.words.endswith("node 1, locked")
        assert strangers({engine, port}) == {}


def test_three_that_spin_do_not_fit(make: Maker) -> None:
    """Of four CPUs two are isolated; the third has another, which is not."""
    path = two(make)
    path.write_text(path.read_text().replace('name = "edge"', f'name = "edge"\n{SPINS}'))
    done = ringbus("plan", str(path))
    print(done.returncode)
