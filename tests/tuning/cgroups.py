"""A cgroup v2 tree of planted files that behaves as the kernel's documentation says of cpusets.

What is written to a file here has the effects that it has there: a group's files come with the
group, a partition takes its CPUs from its parent, one that cannot be is invalid and says why, and
nobody removes a group in which somebody runs. Where systemd is, it takes a controller that no unit
of its wants away from everybody.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tuning.host import Host, cpu_list, parse_cpus
from tuning.partition import CGROUPS, ENABLED

ONLINE = frozenset(range(8))


class Cgroups(Host):
    """A host of eight CPUs; `refuses` are names of files whose writes are an error."""

    def __init__(self, root: Path, controllers: str = "cpuset cpu io memory pids") -> None:
        super().__init__(root)
        self.refuses: dict[str, int] = {}
        self.units: dict[str, str] = {}
        top = self.path(CGROUPS)
        if top.exists():
            return
        top.mkdir(parents=True)
        for name, text in {
            "cgroup.controllers": controllers,
            "cgroup.subtree_control": "cpu memory",
            "cgroup.procs": "1",
            "cpuset.cpus.effective": cpu_list(ONLINE),
            "cpuset.cpus.isolated": "",
        }.items():
            (top / name).write_text(f"{text}\n")
        online = self.path("/sys/devices/system/cpu/online")
        online.parent.mkdir(parents=True)
        online.write_text(f"{cpu_list(ONLINE)}\n")

    def add_group(self, name: str, cpus: str) -> None:
        """Somebody else's group, with CPUs of its own."""
        path = f"{CGROUPS}/{name}"
        self.make_directory(path)
        self.write(f"{path}/cpuset.cpus", cpus)

    def write(self, name: str, value: str) -> None:
        if number := self.refuses.get(Path(name).name):
            raise OSError(number, os.strerror(number), name)
        if name == ENABLED:
            words = set(self.read(name).split())
            value = " ".join(sorted(words | {value.removeprefix("+")}))
        if Path(name).name == "cpuset.cpus.partition":
            if value not in ("member", "root", "isolated"):
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), name)
            reason = self._invalid(Path(name).parent) if value != "member" else ""
            value += f" invalid ({reason})" if reason else ""
        super().write(name, value)
        self._settle()

    def make_directory(self, name: str) -> None:
        super().make_directory(name)
        files = {"cgroup.procs": ""}
        if "cpuset" in self.read(ENABLED).split():
            files |= {"cpuset.cpus": "", "cpuset.cpus.partition": "member"}
            files |= {"cpuset.cpus.effective": ""}
        for file, text in files.items():
            (self.path(name) / file).write_text(f"{text}\n")
        self._settle()

    def remove_directory(self, name: str) -> None:
        path = self.path(name)
        if (path / "cgroup.procs").read_text().split():
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), name)
        for file in path.iterdir():
            file.unlink()
        super().remove_directory(name)
        self._settle()

    def command(self, *words: str) -> None:
        if number := self.refuses.get(words[0]):
            raise OSError(number, os.strerror(number), words[0])
        match words:
            case "systemctl", "set-property", "--runtime", unit, wish:
                self.units[unit] = wish
            case "systemctl", "start", unit if unit in self.units:
                self.units[unit] += ", started"
            case "systemctl", "daemon-reload":
                if not any(wish.endswith("started") for wish in self.units.values()):
                    self._lose_cpuset()
            case _:
                raise AssertionError(words)

    def _lose_cpuset(self) -> None:
        words = set(self.read(ENABLED).split()) - {"cpuset"}
        self.path(ENABLED).write_text(f"{' '.join(sorted(words))}\n")
        for file in self.path(CGROUPS).glob("*/cpuset.*"):
            file.unlink()
        self._settle()

    def effective(self, group: str = "") -> frozenset[int]:
        """The CPUs that the tasks of a group may use; of the root, if none is named."""
        return parse_cpus(self.read(f"{CGROUPS}/{group}/cpuset.cpus.effective"))

    def _invalid(self, group: Path) -> str:
        """Why a group can be no partition, in the kernel's words."""
        cpus = parse_cpus(self.read(f"{group}/cpuset.cpus"))
        if not cpus:
            return "cpuset.cpus and cpuset.cpus.exclusive are empty"
        for other in self.path(CGROUPS).glob("*/cpuset.cpus"):
            if other.parent.name != group.name and parse_cpus(other.read_text()) & cpus:
                return "Cpu list in cpuset.cpus not exclusive"
        if not self.effective() - cpus:
            return "Parent unable to distribute cpu downstream"
        return ""

    def _settle(self) -> None:
        """What every group has: partitions their own, all others what is left."""
        left = set(ONLINE)
        isolated: set[int] = set()
        groups = sorted(path.parent for path in self.path(CGROUPS).glob("*/cpuset.cpus"))
        for group in groups:
            if (group / "cpuset.cpus.partition").read_text().strip() in ("root", "isolated"):
                cpus = parse_cpus((group / "cpuset.cpus").read_text()) & ONLINE
                left -= cpus
                if (group / "cpuset.cpus.partition").read_text().strip() == "isolated":
                    isolated |= cpus
        for group in groups:
            cpus = parse_cpus((group / "cpuset.cpus").read_text()) & ONLINE
            if (group / "cpuset.cpus.partition").read_text().strip() not in ("root", "isolated"):
                cpus = frozenset(cpus & left or left)
            (group / "cpuset.cpus.effective").write_text(f"{cpu_list(cpus)}\n")
        top = self.path(CGROUPS)
        (top / "cpuset.cpus.effective").write_text(f"{cpu_list(left)}\n")
        (top / "cpuset.cpus.isolated").write_text(f"{cpu_list(isolated)}\n")
