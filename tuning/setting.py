"""One setting that costs latency: where it is read, what is good, why, how to set and undo it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tuning.host import Host, cpu_list


class Outcome(StrEnum):
    """What was found of a setting."""

    GOOD = "good"
    WRONG = "wrong"  # it costs latency
    RECORDED = "recorded"  # worth knowing, and nobody's fault
    UNREADABLE = "unreadable"  # this user may not look
    ABSENT = "absent"  # it does not apply to this host


@dataclass(frozen=True, slots=True)
class Reading:
    """What a setting's reader found, in the host's own words."""

    outcome: Outcome
    found: str


@dataclass(frozen=True, slots=True)
class Write:
    """A value that a file of the host is to have."""

    path: str
    value: str

    @property
    def sysctl(self) -> str:
        """The same as a name of sysctl(8), empty if it is none."""
        if not self.path.startswith("/proc/sys/"):
            return ""
        return self.path.removeprefix("/proc/sys/").replace("/", ".")

    @property
    def command(self) -> str:
        """What does it from a root shell."""
        if self.sysctl:
            return f"sysctl -w {self.sysctl}={self.value}"
        return f"echo {self.value} > {self.path}"


def nothing(host: Host) -> tuple[Write, ...]:
    """The change of a setting that cannot be set while the host runs."""
    return ()


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    `read` finds what it is; `change` says which files make it good while the host runs; `kernel` is
    its part of the kernel command line, with {hot} and {housekeeping} for lists of CPUs; `how` is
    whatever else sets it; `default` is what undoing goes back to where nobody noted the old value.
    `metal`: in a virtual machine only its host can decide.
    """

    name: str
    where: str
    good: str
    why: str
    danger: str
    read: Callable[[Host], Reading]
    change: Callable[[Host], tuple[Write, ...]] = nothing
    kernel: str = ""
    how: str = ""
    undo: str = ""
    default: str = ""
    metal: bool = False

    def kernel_option(self, host: Host) -> str:
        """Its part of the kernel command line on that host."""
        if "{" in self.kernel and not host.hot:
            return ""
        return self.kernel.format(hot=cpu_list(host.hot), housekeeping=cpu_list(host.housekeeping))

    def ways(self, host: Host) -> tuple[str, ...]:
        """How to set it there, each a command or a sentence."""
        writes = self.change(host)
        out = [write.command for write in writes[:2]]
        if len(writes) > 2:
            out.append(f"… and {len(writes) - 2} more (`ringbus tune apply --dry-run {self.name}`)")
        if option := self.kernel_option(host):
            out.append(f"kernel command line: {option}")
        if self.how:
            out.append(self.how.replace("HOUSEKEEPING", cpu_list(host.housekeeping)))
        return tuple(out)

    @property
    def undoing(self) -> str:
        """How to take it back."""
        out = []
        if self.change is not nothing:
            back = f", or write {self.default} there" if self.default else ""
            out.append(f"`ringbus tune undo`{back}")
        if self.kernel:
            out.append("take it off the kernel command line, update-grub, restart")
        if self.undo:
            out.append(self.undo)
        return "; ".join(out)


@dataclass(frozen=True, slots=True)
class Finding:
    """A setting and what was found of it on one host."""

    setting: Setting
    theme: str
    reading: Reading

    @property
    def outcome(self) -> Outcome:
        """What was found, in a word."""
        return self.reading.outcome
