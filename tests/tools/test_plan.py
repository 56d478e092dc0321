"""Who sits where: on a planted server of two sockets and 32 threads, and on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.tools.conftest import Maker
from tests.tuning.machine import two_sockets
from tools import plan as plan_command
from tools.configuration import Configuration
from tools.costs import costs
from tools.placement import Plan, explain, place, placed
from tools.state import find
from tools.topology import ConfigurationError, load_topology
from tuning.host import Host
from tuning.machine import Machine, cpuset

ROOT = Path(__file__).resolve().parents[2]
ALL = frozenset(range(32))
# Agents by core: six that never sleep, three that do.
HOT = {"seq": "sequencer", "s0": "shard.0", "s1": "shard.1", "pub": "publisher"}
COOL = {"jrn": "journal", "p0": "port.0", "fairy": "fairy.0"}
Planner = Callable[..., Plan]


def text(directory: Path, cores: str, extra: str = "") -> Path:
    (directory / "instruments.csv").write_text(
        "symbol,tick,lot,price_min,price_max,quantity_max\nA,0.01,1,0.01,1999.99,1000000\n"
    )
    (directory / "participants.csv").write_text("user,session,account,firm,secret\n")
    path = directory / "plan.toml"
    path.write_text(
        '[exchange]\nname = "planned"\nsession = "20230711"\ndirectory = "out"\n'
        'instruments = "instruments.csv"\nparticipants = "participants.csv"\nshards = 2\n'
        f'{extra}\n[[port]]\nname = "port.0"\n'
        '[[application]]\nname = "fairy.0"\nkind = "fairy"\n' + cores
    )
    return path


def core(name: str, agents: str, cpu: object = '"auto"', wait: str = "spin") -> str:
    return f'[[core]]\nname = "{name}"\nagents = ["{agents}"]\ncpu = {cpu}\nwait = "{wait}"\n'


def usual(cpu: object = '"auto"', **cpus: object) -> str:
    """Every agent a core of its own; the engine's never sleep."""
    return "".join(
        [
            *(core(name, agent, cpus.get(name, cpu)) for name, agent in HOT.items()),
            *(core(name, agent, cpus.get(name, cpu), "park") for name, agent in COOL.items()),
        ]
    )


@pytest.fixture
def plan(tmp_path: Path) -> Planner:
    def plan(cores: str, extra: str = "", allowed: frozenset[int] = ALL, **machine: object) -> Plan:
        host = Host(two_sockets(tmp_path / "host", **machine))  # type: ignore[arg-type]
        topology = load_topology(text(tmp_path, cores, extra), ALL | {99}, host)
        return place(topology, Machine.of(host, allowed))

    return plan


def sits(plan: Plan) -> dict[str, int | None]:
    return {seat.core.name: seat.cpu for seat in plan.seats}


def test_hot_cores_get_isolated_cpus_in_the_order_of_the_flow(plan: Planner) -> None:
    """Isolated ones, one a physical core, one cache, one node; the rest share what is left."""
    found = plan(usual(), isolated="4-7,20-23")
    assert {name: sits(found)[name] for name in HOT} == {"seq": 4, "s0": 5, "s1": 6, "pub": 7}
    # Neither isolated CPUs nor siblings of hot ones are for housekeeping.
    assert found.housekeeping == ALL - frozenset({4, 5, 6, 7, 20, 21, 22, 23})
    assert {sits(found)[name] for name in COOL} <= found.housekeeping
    assert found.problems == ()
    assert found.hot == {4, 5, 6, 7}
    assert found.topology.core("s1").cpu == 6
    said = list(explain(found))
    assert said[0] == "core seq: CPU 4: isolated, node 0"
    assert said[1] == "core s0: CPU 5: isolated, node 0, one cache with seq"
    assert said[-1].endswith("housekeeping: Python")


def test_the_memorys_node_is_that_of_the_hot_cores(plan: Planner) -> None:
    found = plan(usual(), "[memory]\nnuma_node = 1", isolated="2-3,8-15,24-31")
    assert {sits(found)[name] for name in HOT} == {8, 9, 10, 11}
    assert "isolated, the memory's node 1" in next(iter(explain(found)))
    # A node that has too few is not held to.
    found = plan(usual(), "[memory]\nnuma_node = 1", isolated="2-3,10-11")
    assert sits(found)["seq"] == 10
    assert sits(found)["s1"] == 2
    assert "on node 0: far" in list(explain(found))[2]


def test_without_isolated_cpus_the_first_core_is_kept(plan: Planner) -> None:
    found = plan(usual())
    assert [sits(found)[name] for name in HOT] == [1, 2, 3, 4]
    assert {0, 16} <= found.housekeeping
    assert not found.housekeeping & {17, 18, 19, 20}
    assert found.problems == ()


def test_no_two_hot_cores_are_siblings(plan: Planner) -> None:
    """Two that the file pins are so without a refusal; auto finds others as long as there are."""
    found = plan(usual(seq=5), isolated="5-7,21-23")
    assert sits(found)["seq"] == 5
    assert sits(found)["s0"] == 6
    assert sits(found)["s1"] == 7
    # 21 to 23 are isolated too, and siblings of the three.
    assert sits(found)["pub"] not in {21, 22, 23}
    found = plan(usual(seq=5, s0=21))
    assert any("CPU 5 and" in note and "CPU 21" in note for note in found.notes)
    found.refuse()


def test_what_does_not_fit_is_refused_by_name(plan: Planner) -> None:
    found = plan(usual(), allowed=frozenset({0, 16, 1, 17, 2, 18}))
    with pytest.raises(ConfigurationError) as refused:
        found.refuse()
    assert "has only a sibling of CPU 1 left" in str(refused.value)
    assert '[host] allow = ["siblings"]' in str(refused.value)
    found = plan(usual(), '[host]\nallow = ["siblings"]', frozenset({0, 16, 1, 17, 2, 18}))
    found.refuse()
    assert {sits(found)[name] for name in HOT} == {1, 2, 17, 18}
    found = plan(usual(), '[host]\nallow = ["siblings"]', frozenset({0, 1, 17}))
    with pytest.raises(ConfigurationError) as refused:
        found.refuse()
    assert "4 cores never sleep, and 2 CPUs are fit for them" in str(refused.value)
    found = plan(usual(), '[host]\nallow = ["siblings", "sharing"]', frozenset({0, 1, 17}))
    found.refuse()
    assert sorted(str(sits(found)[name]) for name in HOT) == ["1", "1", "17", "17"]


def test_too_little_memory_on_the_node(plan: Planner) -> None:
    found = plan(usual(), "[memory]\nnuma_node = 1", free_mib=2)
    with pytest.raises(ConfigurationError, match=r"\[memory\] numa_node: .*node 1 has 2 MiB free"):
        found.refuse()
    plan(usual(), '[memory]\nnuma_node = 1\n[host]\nallow = ["memory"]', free_mib=2).refuse()
    plan(usual(), "[memory]\nnuma_node = 1").refuse()


def test_what_spins_anywhere_needs_a_cpu_all_the_same(plan: Planner) -> None:
    """Nobody said which CPU: there must be one for each, or it is refused by name."""
    cores = usual('"any"')
    found = plan(cores, allowed=frozenset({0, 1, 2, 3}))
    found.refuse()
    assert placed(found.topology, found.machine) == found.topology
    found = plan(cores, allowed=frozenset({0, 1, 2}))
    with pytest.raises(ConfigurationError) as refused:
        placed(found.topology, found.machine)
    assert '4 cores spin, and there are 3 CPUs: "pub" would share one' in str(refused.value)
    assert '[host] allow = ["sharing"]' in str(refused.value)
    plan(cores, '[host]\nallow = ["sharing"]', frozenset({0, 1, 2})).refuse()
    # One that yields gives its CPU to whoever wants it; one that is adaptive sleeps.
    for wait in ("yield", "adaptive"):
        plan(cores.replace('"spin"', f'"{wait}"'), allowed=frozenset({0, 1, 2})).refuse()


def test_cores_with_a_cpu_of_their_own_cost_nothing(plan: Planner) -> None:
    """Spinning, the way of an order wakes nobody; an adaptive core is none that never sleeps."""
    everybody = {**HOT, **COOL}
    spinning = "".join(core(name, agent) for name, agent in everybody.items())
    assert list(costs(plan(spinning))) == []
    adaptive = plan(spinning.replace('"spin"', '"adaptive"'))
    assert adaptive.hot == frozenset()
    assert any("7 that sleep have to be woken" in said for said in costs(adaptive))


@pytest.mark.parametrize(
    ("cores", "machine", "said"),
    [
        (usual(s0=9), {"offline": "9,25"}, "CPU 9 is offline"),
        (usual(s0=40), {}, "CPU 40 is not there"),
        (usual(s0=9), {"mine": "0-7"}, "CPU 9 is outside of this process's cpuset"),
        (usual(s0=9, s1=9), {}, '"s1" and "s0" both spin on CPU 9'),
    ],
)
def test_impossible_places_are_refused(
    cores: str, machine: dict[str, str], said: str, tmp_path: Path
) -> None:
    host = Host(two_sockets(tmp_path / "host", **machine))  # type: ignore[arg-type]
    allowed = cpuset(host) & host.online
    with pytest.raises(ConfigurationError) as refused:
        load_topology(text(tmp_path, cores), allowed, host)
    assert said in str(refused.value)


def test_spinning_cores_may_share_when_told(plan: Planner) -> None:
    cores = usual(s0=9, s1=9)
    with pytest.raises(ConfigurationError):
        plan(cores)
    found = plan(cores, '[host]\nallow = ["sharing"]')
    found.refuse()
    assert sits(found)["s0"] == sits(found)["s1"] == 9


def test_the_cpuset_is_found_wherever_it_is(tmp_path: Path) -> None:
    root = two_sockets(tmp_path, mine="2-5")
    assert cpuset(Host(root)) == {2, 3, 4, 5}
    (root / "proc/self/cgroup").write_text("0::/exchange.slice/a/b\n")
    assert cpuset(Host(root)) == {2, 3, 4, 5}
    (root / "proc/self/cgroup").write_text("4:cpuset:/docker\n0::/\n")
    (root / "sys/fs/cgroup/cpuset/docker").mkdir(parents=True)
    (root / "sys/fs/cgroup/cpuset/docker/cpuset.effective_cpus").write_text("7\n")
    assert cpuset(Host(root)) == {7}
    (root / "proc/self/cgroup").write_text("")
    assert cpuset(Host(root)) == ALL


def test_more_cores_than_cpus_say_what_it_costs(plan: Planner) -> None:
    """Parked they all fit, and it is said; spinning they are refused."""
    names = {**HOT, **COOL}
    parked = "".join(core(name, agent, '"auto"', "park") for name, agent in names.items())
    two = frozenset({0, 1})
    found = plan(parked, allowed=two)
    found.refuse()
    assert {sits(found)[name] for name in names} == {0, 1}
    said = list(costs(found))
    assert said[0] == "4 cores share CPU 0: seq, s1, jrn, fairy"
    assert said[1] == "3 cores share CPU 1: s0, pub, p0"
    assert "a switch of processes" in said[2]
    assert said[3].startswith("an order through port.0 changes cores 5 times (p0 → seq → s0 → pub")
    assert "7 that sleep have to be woken" in said[3]
    assert said[3].endswith("280 µs more than with cores that spin")
    with pytest.raises(ConfigurationError, match="never sleep"):
        plan(parked.replace('"park"', '"spin"'), allowed=two).refuse()


def test_the_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every CPU is in it, and who sits there; the file is an SVG without the net."""
    path, root = text(tmp_path, usual()), two_sockets(tmp_path / "host", isolated="4-7,20-23")
    svg = tmp_path / "plan.svg"
    assert plan_command.main([str(path), "--root", str(root), "--svg", str(svg)]) == 0
    said = capsys.readouterr().out
    for part in ("socket 0, node 0", "socket 1, node 1", "cache 16384K", "● seq", "○ "):
        assert part in said
    assert "20 left idle: sibling" in said
    for cpu in range(32):
        assert f"{cpu:>3} " in said
    assert "core seq: CPU 4: isolated, node 0" in said
    ElementTree.parse(svg)
    assert "font-face" not in svg.read_text()


def test_a_refused_plan_is_drawn_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, root = text(tmp_path, usual()), two_sockets(tmp_path / "host")
    assert plan_command.main([str(path), "--root", str(root), "--cpus", "0-2"]) == 1
    out, err = capsys.readouterr()
    assert "socket 0" in out
    assert "refused: 4 cores never sleep" in " ".join(out.split())
    assert "plan.toml:" in err


@pytest.mark.xdist_group("processes")
def test_up_does_as_the_plan_says(make: Maker) -> None:
    """On this machine, whatever it is: auto is pinned, and the launcher keeps off hot CPUs."""
    path = make()
    engine = path.read_text().replace("agents", 'cpu = "auto"\nagents')
    path.write_text(engine.replace('name = "engine"', 'name = "engine"\nwait = "yield"'))
    topology = Configuration.load(path).topology
    cpus = [one.pinned for one in topology.cores]
    assert all(cpu in os.sched_getaffinity(0) for cpu in cpus)
    command = [sys.executable, "-m", "tools.cli"]
    try:
        up = [*command, "up", str(path), "--detach"]
        subprocess.run(up, cwd=ROOT, capture_output=True, check=True, timeout=60)
        state = find(topology.name)
        assert state is not None
        for section, cpu in zip(topology.cores, cpus, strict=True):
            assert os.sched_getaffinity(state.cores[section.name].process.pid) == {cpu}
        launcher = os.sched_getaffinity(state.launcher.pid)
        if len(os.sched_getaffinity(0)) > 1:
            assert cpus[0] not in launcher
        assert launcher
    finally:
        subprocess.run([*command, "down", topology.name], cwd=ROOT, check=False)
