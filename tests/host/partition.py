"""In the guest: a cpuset partition beside systemd, whose tree of control groups it lies in."""

from __future__ import annotations

import os
from pathlib import Path

from tests.host.support import run
from tests.tools.conftest import Maker
from tests.tools.test_partitions import hot
from tools.exchange import launched
from tuning.host import Host, parse_cpus
from tuning.partition import CGROUPS


def user_processes() -> list[int]:
    """All but the kernel's own threads."""
    out = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cmdline").read_text():
                out.append(int(path.name))
        except OSError:
            continue
    return out


def test_systemd_leaves_it_alone(make: Maker) -> None:
    """What systemd does to its own groups meanwhile, and that it is the exchange's alone."""
    host = Host()
    with launched(hot(make, '[host]\npartition = "required"')) as exchange:
        group = exchange.state.partition
        engine = exchange.process("engine").pid
        (cpu,) = parse_cpus(host.read(f"{group}/cpuset.cpus.effective"))
        for words in (
            "systemctl daemon-reload",
            "systemd-run --wait true",
            f"systemd-run --wait --property AllowedCPUs=0-{cpu - 1} true",
            f"systemctl set-property --runtime cron.service AllowedCPUs=0-{cpu - 1}",
            "systemctl revert cron.service",
            "systemctl daemon-reexec",
            "systemctl restart cron.service",
            "systemd-run --wait --slice other.slice true",
        ):
            assert run(*words.split()).returncode == 0
            assert "cpuset" in host.read(f"{CGROUPS}/cgroup.subtree_control").split(), words
            assert host.read(f"{group}/cpuset.cpus.partition") == "isolated", words
            assert host.read(f"{group}/cgroup.procs") == str(engine), words
            assert os.sched_getaffinity(engine) == {cpu}, words
        there = [pid for pid in user_processes() if cpu in os.sched_getaffinity(pid)]
        assert there == [engine]
