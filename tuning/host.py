"""A host as its files tell: /proc, /sys and a little of /etc and /run, under a root directory.

Everything that tuning knows of a machine it reads here, so that a tree of planted files is a
machine too: a two-socket server for a test on a laptop, or a copy of another host's files.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

CPU_DIRECTORY: Final = "/sys/devices/system/cpu"
# A NIC's interrupt coalescing by interface, µs; None where it does not say.
Coalescing = Callable[[str], "int | None"]
COMMAND_SECONDS: Final = 60


class Missing(Exception):
    """There is no such file: this kernel, or this kind of host, does not have the setting."""


class Unreadable(Exception):
    """The file is there, and this user may not read it, or it says what nobody understands."""


@dataclass(frozen=True, slots=True)
class Task:
    """A process or kernel thread: its name, its parent and the CPUs that it may use."""

    pid: int
    name: str
    parent: int
    cpus: frozenset[int]


def parse_cpus(text: str) -> frozenset[int]:
    """CPUs of a list such as 0-3,8 or 0-7:2/4 (of every 4, the first 2). Raises: ValueError."""
    out: set[int] = set()
    text = text.strip()
    if text in ("", "(null)"):
        return frozenset()
    for part in text.split(","):
        span, _, groups = part.partition(":")
        first, dash, last = span.partition("-")
        low, high = int(first), int(last if dash else first)
        used, _, size = groups.partition("/")
        take, every = (int(used), int(size)) if groups else (1, 1)
        if high < low or every < 1:
            raise ValueError(f"not a list of CPUs: {text!r}")
        out.update(cpu for cpu in range(low, high + 1) if (cpu - low) % every < take)
    return frozenset(out)


def parse_mask(text: str) -> frozenset[int]:
    """CPUs of a mask such as 00000000,000000ff. Raises: ValueError."""
    bits = int(text.strip().replace(",", ""), 16)
    return frozenset(n for n in range(bits.bit_length()) if bits >> n & 1)


def cpu_list(cpus: Iterable[int]) -> str:
    """CPUs as the kernel writes them: 0-3,8."""
    out: list[str] = []
    ordered = sorted(cpus)
    start = 0
    for n, cpu in enumerate(ordered):
        if n + 1 == len(ordered) or ordered[n + 1] != cpu + 1:
            first = ordered[start]
            out.append(str(first) if first == cpu else f"{first}-{cpu}")
            start = n + 1
    return ",".join(out)


def cpu_mask(cpus: Iterable[int]) -> str:
    """CPUs as a mask of the kernel's: 32 bits a word, words by commas."""
    bits = sum(1 << cpu for cpu in cpus)
    words = [f"{bits & 0xFFFFFFFF:x}"]
    while bits := bits >> 32:
        words[-1] = words[-1].zfill(8)
        words.append(f"{bits & 0xFFFFFFFF:x}")
    return ",".join(reversed(words))


class Host:
    """One machine.

    Args: root: where its /proc and /sys are; hot: the CPUs that latency matters on, found out
    unless given (see `hot`); coalescing: asks a NIC, which no file tells.
    Thread: one. Facts are read once and kept; `read` always looks.
    """

    def __init__(
        self,
        root: Path = Path("/"),
        hot: Iterable[int] | None = None,
        coalescing: Coalescing = lambda interface: None,
    ) -> None:
        self.root = root
        self.coalescing = coalescing
        self._hot = None if hot is None else frozenset(hot)

    def path(self, name: str) -> Path:
        """Where a file of the host is here."""
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str:
        """Text of a file without blanks at its ends. Raises: Missing, Unreadable."""
        return self.read_bytes(name).decode(errors="replace").strip()

    def read_bytes(self, name: str) -> bytes:
        """Bytes of a file. Raises: Missing, Unreadable."""
        try:
            return self.path(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise Missing(f"there is no {name}") from None
        except OSError as error:
            raise Unreadable(f"{name}: {error.strerror}") from None

    def text(self, name: str, default: str = "") -> str:
        """Text of a file, or `default` where it cannot be read."""
        try:
            return self.read(name)
        except (Missing, Unreadable):
            return default

    def number(self, name: str) -> int:
        """A file that is one whole number. Raises: Missing, Unreadable."""
        text = self.read(name)
        try:
            return int(text.split()[0])
        except (IndexError, ValueError):
            raise Unreadable(f"{name} says {text!r}, which is no number") from None

    def has(self, name: str) -> bool:
        """Whether there is such a file or directory."""
        return self.path(name).exists()

    def glob(self, pattern: str) -> list[str]:
        """Names of all files of a pattern, by the numbers in them."""
        found = self.root.glob(pattern.lstrip("/"))
        return sorted((f"/{path.relative_to(self.root)}" for path in found), key=natural)

    def write(self, name: str, value: str) -> None:
        """Write a setting. Raises: OSError."""
        # Not created: a setting is there, or is none of this host's.
        descriptor = os.open(self.path(name), os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            os.write(descriptor, f"{value}\n".encode())
        finally:
            os.close(descriptor)

    def may_write(self, name: str) -> bool:
        """Whether this user may write a file."""
        return os.access(self.path(name), os.W_OK)

    def make_directory(self, name: str) -> None:
        """Make a control group. Raises: OSError."""
        self.path(name).mkdir(mode=0o755)

    def remove_directory(self, name: str) -> None:
        """Remove a control group. Raises: OSError."""
        self.path(name).rmdir()

    def command(self, *words: str) -> None:
        """Run a program that sets what no file does; files that are planted have none.

        Raises: OSError: it fails, in its own words.
        """
        if self.root != Path("/"):
            return
        import subprocess  # 5 ms of the start of every core, which reads its host and runs nothing.

        try:
            done = subprocess.run(
                words, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise OSError(errno.ETIMEDOUT, str(error), words[0]) from None
        if done.returncode:
            raise OSError(errno.EIO, done.stderr.strip() or f"status {done.returncode}", words[0])

    @cached_property
    def options(self) -> dict[str, str]:
        """The kernel command line: option by name; of one said twice, the last."""
        words = self.text("/proc/cmdline").split()
        return {name: value for name, _, value in (word.partition("=") for word in words)}

    @cached_property
    def online(self) -> frozenset[int]:
        """The CPUs that run."""
        return self.cpus(f"{CPU_DIRECTORY}/online") or frozenset((0,))

    @cached_property
    def isolated(self) -> frozenset[int]:
        """CPUs that the scheduler leaves alone: by the command line, or by a cpuset partition."""
        return self.cpus(f"{CPU_DIRECTORY}/isolated") | self.cpus(
            "/sys/fs/cgroup/cpuset.cpus.isolated"
        )

    @cached_property
    def hot(self) -> frozenset[int]:
        """CPUs that latency matters on: those given, else isolated, else all but the first core."""
        if self._hot is not None:
            return self._hot
        if self.isolated:
            return self.isolated & self.online
        first = min(self.online)
        return self.online - self.siblings(first) - {first}

    @cached_property
    def housekeeping(self) -> frozenset[int]:
        """All other CPUs: for interrupts, the kernel's own work, Python and the launcher."""
        return self.online - self.hot

    @cached_property
    def virtual(self) -> str:
        """The kind of a virtual machine, empty on bare metal."""
        flags = self.text("/proc/cpuinfo")
        if "hypervisor" not in flags and not self.has("/sys/hypervisor/type"):
            return ""
        kind = self.text("/sys/hypervisor/type") or self.text("/sys/class/dmi/id/product_name")
        return kind or "virtual machine"

    @cached_property
    def container(self) -> str:
        """The kind of a container, empty outside of one."""
        if said := self.text("/run/systemd/container"):
            return said
        for name, kind in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman")):
            if self.has(name):
                return kind
        return ""

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """Everything that runs here, as far as this user and this container may see."""
        return tuple(task for task in map(self._task, self.glob("/proc/[0-9]*")) if task)

    @cached_property
    def sees_all_tasks(self) -> bool:
        """Whether the kernel's own threads are seen: not from within a container."""
        return self.text("/proc/2/comm") == "kthreadd"

    @cached_property
    def mounts(self) -> tuple[tuple[str, str, str], ...]:
        """Directory, kind and options of every mount; of two on one directory the last is seen."""
        lines = self.text("/proc/self/mounts").splitlines()
        return tuple((f[1], f[2], f[3]) for f in map(str.split, lines) if len(f) >= 4)

    @cached_property
    def nodes(self) -> dict[int, frozenset[int]]:
        """NUMA nodes and their CPUs; one node with all of them where the kernel knows none."""
        out = {}
        for path in self.glob("/sys/devices/system/node/node[0-9]*"):
            out[int(path.rpartition("node")[2])] = self.cpus(f"{path}/cpulist")
        return out or {0: self.online}

    @cached_property
    def interfaces(self) -> tuple[str, ...]:
        """Network interfaces that are hardware, or a virtual machine's idea of it."""
        paths = self.glob("/sys/class/net/*/device")
        return tuple(path.split("/")[4] for path in paths)

    def siblings(self, cpu: int) -> frozenset[int]:
        """CPUs of the same physical core, itself among them."""
        return self.cpus(f"{CPU_DIRECTORY}/cpu{cpu}/topology/thread_siblings_list") or frozenset(
            (cpu,)
        )

    def cpus(self, name: str) -> frozenset[int]:
        """The CPUs that a file lists; none if it cannot be read."""
        try:
            return parse_cpus(self.text(name))
        except ValueError:
            return frozenset()

    def _task(self, path: str) -> Task | None:
        fields = {}
        for line in self.text(f"{path}/status").splitlines():
            key, _, value = line.partition(":")
            fields[key] = value.strip()
        if "Name" not in fields:
            return None  # it has ended meanwhile
        return Task(
            int(path.rpartition("/")[2]),
            fields["Name"],
            int(fields.get("PPid", "0")),
            parse_cpus(fields.get("Cpus_allowed_list", "")),
        )


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """A key that sorts cpu2 before cpu10."""
    out, digits, letters = [], "", ""
    for letter in [*name, ""]:
        if letter.isdigit():
            if letters:
                out.append((0, letters))
            digits, letters = digits + letter, ""
        else:
            if digits:
                out.append((1, digits.zfill(12)))
            digits, letters = "", letters + letter
    if letters:
        out.append((0, letters))
    return tuple(out)
