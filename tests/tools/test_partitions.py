"""Which way CPUs are kept, what `plan` and `up` say of it, and real processes in a planted tree."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.conftest import Maker
from tests.tuning.cgroups import ONLINE, Cgroups
from tools import plan as plan_command
from tools.configuration import Configuration
from tools.exchange import Exchange, start_detached
from tools.launcher import Launcher
from tools.partitions import Keeping, Way, keeping
from tools.state import find, remove
from tools.topology import ConfigurationError, load_topology
from tuning.host import Host, parse_cpus
from tuning.partition import CGROUPS, why_not

ROOT = Path(__file__).resolve().parents[2]
CPU = max(os.sched_getaffinity(0))
REAL = os.environ.get("RINGBUS_PARTITION")


def hot(make: Maker, extra: str = "") -> Path:
    """The engine never sleeps, on a CPU of its own; the edge does, anywhere."""
    path = make(extra=extra)
    engine = f'name = "engine"\ncpu = {CPU}\nwait = "yield"'
    path.write_text(path.read_text().replace('name = "engine"', engine))
    return path


def kept(path: Path, host: Host) -> Keeping:
    return keeping(load_topology(path), host)


@pytest.fixture
def host(tmp_path: Path) -> Cgroups:
    return Cgroups(tmp_path / "host")


def test_which_way_it_will_be_and_why(make: Maker, host: Cgroups, tmp_path: Path) -> None:
    path = hot(make)
    name = load_topology(path).name
    found = kept(path, host)
    assert (found.way, found.cpus) == (Way.PARTITION, frozenset({CPU}))
    assert found.why == f"/sys/fs/cgroup/ringbus.{name} takes CPU {CPU} from the scheduler"
    bare = Host(tmp_path / "bare")
    found = kept(path, bare)
    assert found.way == Way.AFFINITY
    assert "it has no cgroup v2 tree" in found.words
    found = kept(make(), host)
    assert found.words == "nothing to keep: no core that never sleeps has a CPU of its own"
    found = kept(hot(make, '[host]\npartition = "never"'), host)
    assert found.words == "plain affinity: [host] partition says never"
    required = hot(make, '[host]\npartition = "required"')
    assert kept(required, host).way == Way.PARTITION
    with pytest.raises(ConfigurationError) as refused:
        kept(required, bare)
    assert "[host] partition" in str(refused.value)
    assert "it has no cgroup v2 tree" in str(refused.value)
    isolated = bare.path("/sys/devices/system/cpu/isolated")
    isolated.parent.mkdir(parents=True)
    isolated.write_text(f"0-{CPU}\n")
    found = kept(required, Host(bare.root))
    assert found.words == f"isolated by the host: the scheduler leaves CPU {CPU} alone as it is"


def test_plan_says_it(make: Maker, host: Cgroups, capsys: pytest.CaptureFixture[str]) -> None:
    path = hot(make)
    assert plan_command.main([str(path), "--root", str(host.root)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"hot CPUs: cpuset partition: {CGROUPS}/ringbus.{path.stem} takes CPU {CPU}" in said
    assert plan_command.main([str(path)]) == 0
    here = " ".join(capsys.readouterr().out.split())
    assert re.search("hot CPUs: (plain affinity|isolated|cpuset partition)", here)


@pytest.mark.xdist_group("processes")
def test_real_cores_run_in_it_and_it_goes_with_them(make: Maker, host: Cgroups) -> None:
    said: list[str] = []
    configuration = Configuration.load(hot(make))
    group = f"{CGROUPS}/ringbus.{configuration.topology.name}"
    with Launcher(configuration, say=said.append, host=host) as launcher:
        state = launcher.start()
        assert state.partition == str(host.path(group))
        # Only who never sleeps.
        assert host.read(f"{group}/cgroup.procs") == str(state.cores["engine"].process.pid)
        assert host.effective() == ONLINE - {CPU}
        # The planted kernel does not know when a process ends.
        Host.write(host, f"{group}/cgroup.procs", "")
    assert any("takes CPU" in text for text in said)
    assert not host.has(group)
    assert host.effective() == ONLINE


@pytest.mark.xdist_group("processes")
def test_without_one_it_starts_pinned_or_not_at_all(make: Maker, host: Cgroups) -> None:
    host.write(f"{CGROUPS}/cgroup.subtree_control", "+cpuset")
    host.add_group("system.slice", f"{CPU}")
    said: list[str] = []
    with Launcher(Configuration.load(hot(make)), say=said.append, host=host) as launcher:
        state = launcher.start()
        assert state.partition == ""
        assert os.sched_getaffinity(state.cores["engine"].process.pid) == {CPU}
    reason = "Cpu list in cpuset.cpus not exclusive"
    assert f"warning: no cpuset partition for CPUs {CPU}: {reason}; pinned only" in said
    required = Configuration.load(hot(make, '[host]\npartition = "required"'))
    with (
        Launcher(required, say=said.append, host=host) as launcher,
        pytest.raises(ConfigurationError, match=reason),
    ):
        launcher.start()
    assert find(required.topology.name) is None
    assert host.effective() == ONLINE


def up_and_killed(path: Path, host: Cgroups) -> str:
    """SIGKILL: the kernel keeps the partition, and its CPU would be nobody's any more."""
    program = (
        "import sys; from pathlib import Path; from tests.tuning.cgroups import Cgroups\n"
        "from tools.configuration import Configuration; from tools.launcher import Launcher\n"
        "host = Cgroups(Path(sys.argv[2]))\n"
        "launcher = Launcher(Configuration.load(sys.argv[1]), print, host=host)\n"
        "launcher.start(); print('up', flush=True); input()\n"
    )
    command = [sys.executable, "-c", program, str(path), str(host.root)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert "up\n" in iter(process.stdout.readline, "")
        process.send_signal(signal.SIGKILL)
    name = load_topology(path).name
    group = f"{CGROUPS}/ringbus.{name}"
    assert host.effective(f"ringbus.{name}") == {CPU}
    # The planted kernel does not know when a process ends.
    Host.write(host, f"{group}/cgroup.procs", "")
    return group


@pytest.mark.xdist_group("processes")
def test_what_a_killed_launcher_left_goes_at_the_next_up(make: Maker, host: Cgroups) -> None:
    path = hot(make)
    group = up_and_killed(path, host)
    remove(load_topology(path).name)
    assert host.has(group)
    with Launcher(
        Configuration.load(path), say=lambda text: None, host=host, replaces=True
    ) as next:
        assert next.start().partition == str(host.path(group))
        Host.write(host, f"{group}/cgroup.procs", "")
    assert not host.has(group)


@pytest.mark.xdist_group("processes")
def test_what_a_killed_launcher_left_goes_when_it_is_taken_down(make: Maker, host: Cgroups) -> None:
    """By a program as by `ringbus down`."""
    path = hot(make)
    group = up_and_killed(path, host)
    Exchange.running(load_topology(path).name).down(host)
    assert not host.has(group)
    assert host.effective() == ONLINE


@pytest.mark.skipif(REAL is None, reason="make test-partition sets RINGBUS_PARTITION")
def test_the_kernel_does_what_the_planted_one_does(make: Maker) -> None:
    """Up, its launcher killed, up again, down: a real partition each time, and then none."""
    host = Host()
    assert why_not(host) == ""
    path = hot(make, '[host]\npartition = "required"')
    group = f"{CGROUPS}/ringbus.{load_topology(path).name}"
    before = host.read(f"{CGROUPS}/cpuset.cpus.effective")

    def look(exchange: Exchange) -> None:
        assert exchange.state.partition == group
        assert host.read(f"{group}/cpuset.cpus.partition") == "isolated"
        assert host.read(f"{group}/cpuset.cpus.effective") == str(CPU)
        assert CPU not in parse_cpus(host.read(f"{CGROUPS}/cpuset.cpus.effective"))
        engine = exchange.process("engine").pid
        assert host.read(f"{group}/cgroup.procs") == str(engine)
        assert os.sched_getaffinity(engine) == {CPU}
        assert CPU not in os.sched_getaffinity(exchange.process("edge").pid)

    exchange = start_detached(path)
    look(exchange)
    exchange.state.launcher.send(signal.SIGKILL)
    exchange.down()
    assert not host.has(group)
    exchange = start_detached(path, replaces=True)
    look(exchange)
    exchange.down()
    assert not host.has(group)
    assert host.read(f"{CGROUPS}/cpuset.cpus.effective") == before
