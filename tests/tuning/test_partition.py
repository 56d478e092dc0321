"""CPUs are taken from the scheduler and given back, whatever goes wrong in between."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tuning.cgroups import ONLINE, Cgroups
from tuning.host import Host
from tuning.partition import (
    CGROUPS,
    ENABLED,
    HOLDER,
    MEMORY,
    SYSTEMD,
    PartitionError,
    join,
    make,
    path_of,
    remove,
    why_not,
)  # fmt: skip

ROOT = Path(__file__).resolve().parents[2]
HOT = frozenset({2, 3})


@pytest.fixture
def host(tmp_path: Path) -> Cgroups:
    return Cgroups(tmp_path)


def test_a_partition_takes_its_cpus_and_gives_them_back(host: Cgroups) -> None:
    path = make(host, "site", HOT)
    assert path == path_of("site") == "/sys/fs/cgroup/ringbus.site"
    assert host.read(f"{path}/cpuset.cpus.partition") == "isolated"
    assert host.effective("ringbus.site") == HOT
    assert host.effective() == ONLINE - HOT
    assert Host(host.root).isolated == HOT
    join(host, path, 4711)
    assert host.read(f"{path}/cgroup.procs") == "4711"
    host.write(f"{path}/cgroup.procs", "")
    assert remove(host, "site")
    assert not host.has(path)
    assert host.effective() == ONLINE
    assert not remove(host, "site")
    # The controller stays: others may have begun to use it.
    assert "cpuset" in host.read(ENABLED).split()


def test_systemd_does_not_take_it_away(host: Cgroups) -> None:
    """Its daemon-reload turns off a controller that no unit wants; seen on a real host."""
    host.path(SYSTEMD).mkdir(parents=True)
    host.path(MEMORY).write_text("0-1\n")
    make(host, "site", HOT)
    assert host.units == {HOLDER: "AllowedMemoryNodes=0-1, started"}
    host.command("systemctl", "daemon-reload")
    assert host.read(f"{path_of('site')}/cpuset.cpus.partition") == "isolated"
    assert host.effective() == ONLINE - HOT
    # Where it was not asked, it does: what the planted one is for.
    host.units.clear()
    host.command("systemctl", "daemon-reload")
    assert host.effective() == ONLINE
    assert not host.has(f"{path_of('site')}/cpuset.cpus.partition")


def test_a_systemd_that_refuses_leaves_nothing(host: Cgroups) -> None:
    """A partition that would be gone at its next daemon-reload is none."""
    host.path(SYSTEMD).mkdir(parents=True)
    host.refuses["systemctl"] = errno.EIO
    with pytest.raises(PartitionError, match="^systemctl: Input/output error$"):
        make(host, "site", HOT)
    assert not host.has(path_of("site"))


def test_a_program_that_fails_says_why(tmp_path: Path) -> None:
    Host().command("true")
    with pytest.raises(OSError, match="not-there"):
        Host().command("not-there")
    with pytest.raises(OSError, match="ringbus-no-file"):
        Host().command("cat", "/ringbus-no-file")
    Host(tmp_path).command("false")


def test_two_exchanges_have_one_each(host: Cgroups) -> None:
    make(host, "site", HOT)
    make(host, "other", {5})
    assert host.effective() == ONLINE - HOT - {5}
    with pytest.raises(PartitionError, match="Cpu list in cpuset.cpus not exclusive"):
        make(host, "third", {3, 4})
    assert not host.has(path_of("third"))
    remove(host, "site")
    assert host.effective() == ONLINE - {5}


def test_what_the_kernel_finds_invalid_is_an_error_in_its_words(host: Cgroups) -> None:
    host.write(ENABLED, "+cpuset")
    host.add_group("system.slice", "3-4")
    with pytest.raises(PartitionError, match="^Cpu list in cpuset.cpus not exclusive$"):
        make(host, "site", HOT)
    with pytest.raises(PartitionError, match="^Parent unable to distribute cpu downstream$"):
        make(Cgroups(host.root / "other"), "site", ONLINE)
    for root in (host.root, host.root / "other"):
        assert not Host(root).has(path_of("site"))


@pytest.mark.parametrize(
    ("file", "number", "said"),
    [
        ("cgroup.subtree_control", errno.EBUSY, "cgroup.subtree_control: Device or resource busy"),
        ("cpuset.cpus", errno.EINVAL, "cpuset.cpus: Invalid argument"),
        # Before Linux 6.1 there is no such word.
        ("cpuset.cpus.partition", errno.EINVAL, "cpuset.cpus.partition: Invalid argument"),
    ],
)
def test_what_the_kernel_refuses_leaves_nothing(
    host: Cgroups, file: str, number: int, said: str
) -> None:
    host.refuses[file] = number
    with pytest.raises(PartitionError, match=said):
        make(host, "site", HOT)
    assert not host.has(path_of("site"))
    assert host.effective() == ONLINE


def test_cpus_that_are_only_partly_there(host: Cgroups) -> None:
    with pytest.raises(PartitionError, match="of CPUs 3,9 it got 3"):
        make(host, "site", {3, 9})
    assert not host.has(path_of("site"))


def test_why_there_can_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_not(Host(tmp_path / "bare")) == "it has no cgroup v2 tree (v1 has no partitions)"
    without = Cgroups(tmp_path / "without", "cpu memory")
    assert why_not(without) == "its cgroup v2 tree has no cpuset controller"
    whole = Cgroups(tmp_path / "whole")
    assert why_not(whole) == ""
    monkeypatch.setattr(Host, "may_write", lambda self, name: False)
    assert why_not(whole) == f"this user may not write {CGROUPS}"
    with pytest.raises(PartitionError, match="may not write"):
        make(whole, "site", HOT)


def test_what_a_killed_process_left_is_taken_over_or_removed(host: Cgroups) -> None:
    """SIGKILL of whoever made it: the kernel keeps it, and the next one does not stumble."""
    program = (
        "import sys; from pathlib import Path; from tests.tuning.cgroups import Cgroups\n"
        "from tuning.partition import make\n"
        "make(Cgroups(Path(sys.argv[1])), 'site', {2, 3}); print(flush=True); input()\n"
    )
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(host.root)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"\n"
            process.send_signal(signal.SIGKILL)
        assert host.effective() == ONLINE - HOT
    assert remove(host, "site")
    assert host.effective() == ONLINE


def test_nobody_is_thrown_out(host: Cgroups) -> None:
    path = make(host, "site", HOT)
    join(host, path, 4711)
    for act in (lambda: remove(host, "site"), lambda: make(host, "site", HOT)):
        with pytest.raises(PartitionError, match="processes 4711 still run there"):
            act()
    assert host.effective("ringbus.site") == HOT
