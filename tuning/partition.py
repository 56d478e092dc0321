"""A cpuset partition: CPUs that the scheduler gives to nobody but who is put there, while it lasts.

It is a control group (v2) below the root of the tree, so that its parent is a partition itself:

    /sys/fs/cgroup/cgroup.subtree_control      +cpuset, and left so
    /sys/fs/cgroup/ringbus.NAME/cpuset.cpus                     the CPUs
                                cpuset.cpus.partition           isolated; read back: the kernel
                                                                takes any, and says if it is not
                                cgroup.procs                    who may run there

The kernel keeps none of it over a restart of the host, and all of it over a kill of whoever made
it: `remove` is for both ends. But systemd thinks the tree its own: at its next daemon-reload it
takes the controller away again if no unit of its wants that, and every partition with it, without
a word (Debian 12's 252, in the guest of `make test-host`). So one unit, a slice in which nobody
runs, says that it wants a memory node; CPUs it does not name, and so is in no partition's way.

Source: cgroup-v2.rst of the kernel's documentation, Linux 6.1 and later.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from typing import Final

from tuning.host import Host, Missing, Unreadable, cpu_list, parse_cpus

CGROUPS: Final = "/sys/fs/cgroup"
CONTROLLERS: Final = f"{CGROUPS}/cgroup.controllers"
ENABLED: Final = f"{CGROUPS}/cgroup.subtree_control"
MEMORY: Final = f"{CGROUPS}/cpuset.mems.effective"
SYSTEMD: Final = "/run/systemd/system"
# It stays until the host is started again, as the controller does.
HOLDER: Final = "ringbus.cpusets.slice"
ISOLATED: Final = "isolated"
MEMBER: Final = "member"


class PartitionError(Exception):
    """There is no such partition; the text says why, in the kernel's words where it has some."""


def path_of(name: str) -> str:
    """The control group of an exchange."""
    return f"{CGROUPS}/ringbus.{name}"


def why_not(host: Host) -> str:
    """Why no partition can be made on that host by this user; empty if one can."""
    if not host.has(CONTROLLERS):
        return "it has no cgroup v2 tree (v1 has no partitions)"
    if "cpuset" not in host.text(CONTROLLERS).split():
        return "its cgroup v2 tree has no cpuset controller"
    if not host.may_write(ENABLED):
        return f"this user may not write {CGROUPS}"
    return ""


def make(host: Host, name: str, cpus: Iterable[int]) -> str:
    """Take CPUs from the scheduler for an exchange; returns the control group.

    What a killed launcher left under that name goes first.
    Raises: PartitionError: the kernel does not; nothing is left then.
    """
    wanted, path = frozenset(cpus), path_of(name)
    if why := why_not(host):
        raise PartitionError(why)
    remove(host, name)
    try:
        _hold_controller(host)
        if "cpuset" not in host.text(ENABLED).split():
            host.write(ENABLED, "+cpuset")
        host.make_directory(path)
        host.write(f"{path}/cpuset.cpus", cpu_list(wanted))
        host.write(f"{path}/cpuset.cpus.partition", ISOLATED)
        _verify(host, path, wanted)
    except OSError as error:
        remove(host, name)
        raise PartitionError(f"{error.filename or path}: {error.strerror}") from None
    except PartitionError:
        remove(host, name)
        raise
    return path


def _hold_controller(host: Host) -> None:
    """Give systemd a reason of its own to leave the controller on. Raises: OSError."""
    if host.has(SYSTEMD):
        nodes = host.text(MEMORY, "0")
        host.command(
            "systemctl", "set-property", "--runtime", HOLDER, f"AllowedMemoryNodes={nodes}"
        )
        host.command("systemctl", "start", HOLDER)


def _verify(host: Host, path: str, wanted: frozenset[int]) -> None:
    """Raises: PartitionError: it is not what was written."""
    try:
        said = host.read(f"{path}/cpuset.cpus.partition")
        got = parse_cpus(host.read(f"{path}/cpuset.cpus.effective"))
    except (Missing, Unreadable) as error:
        raise PartitionError(str(error)) from None
    if said != ISOLATED:
        reason = re.search(r"\((.*)\)", said)
        raise PartitionError(reason[1] if reason else f"the kernel says {said!r}")
    if got != wanted:
        raise PartitionError(f"of CPUs {cpu_list(wanted)} it got {cpu_list(got) or 'none'}")


def join(host: Host, path: str, pid: int) -> None:
    """Let a process run there, and those that it starts. Raises: OSError."""
    host.write(f"{path}/cgroup.procs", str(pid))


def remove(host: Host, name: str) -> bool:
    """Give the CPUs back; False: there was no such partition.

    Raises: PartitionError: somebody still runs there, or this user may not.
    """
    path = path_of(name)
    if not host.has(path):
        return False
    if pids := host.text(f"{path}/cgroup.procs").split():
        raise PartitionError(f"{path}: processes {', '.join(pids)} still run there")
    # The CPUs go back first; a kernel that has no partitions does without.
    with contextlib.suppress(OSError):
        host.write(f"{path}/cpuset.cpus.partition", MEMBER)
    try:
        host.remove_directory(path)
    except OSError as error:
        raise PartitionError(f"{error.filename or path}: {error.strerror}") from None
    return True
