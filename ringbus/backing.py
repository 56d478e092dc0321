"""What shared memory is made of: pages of which size, on which NUMA node, locked or not.

What is wanted is said in a Backing; what a process has got is what the kernel says of its mappings
in /proc (proc(5): smaps, numa_maps), and only that is believed.

    4k            the pages that there always are
    transparent   2 MiB pages that the kernel puts together in tmpfs, if its mount allows them
    explicit      2 MiB pages that were set apart (vm.nr_hugepages), in a mounted hugetlbfs
    explicit-1g   the same of 1 GiB
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from ringbus._ringbus import ffi, lib
from ringbus.status import BackingError, SystemCallError, check

Pages = Literal["4k", "transparent", "explicit", "explicit-1g"]
SMALL: Final = 4096
HUGE: Final = 2 << 20
GIANT: Final = 1 << 30
# In what a segment of such pages is counted, and whether they are hugetlbfs's.
UNITS: Final[dict[str, tuple[int, bool]]] = {
    "4k": (SMALL, False),
    "transparent": (HUGE, False),
    "explicit": (HUGE, True),
    "explicit-1g": (GIANT, True),
}
TMPFS: Final = Path("/dev/shm")
MOUNTS: Final = Path("/proc/self/mounts")
HUGE_SETTINGS: Final = Path("/sys/kernel/mm")
NODES: Final = Path("/sys/devices/system/node/has_memory")
# Huge pages that several or one process has mapped, by their kinds.
HUGE_KEYS: Final = (
    *("AnonHugePages", "ShmemPmdMapped", "FilePmdMapped"),
    *("Shared_Hugetlb", "Private_Hugetlb"),
)


@dataclass(frozen=True, slots=True)
class Backing:
    """What a segment is to be made of.

    Args: pages: see above; numa_node: None for wherever the kernel likes; prefault: fill the page
    tables when it is mapped; lock: keep it in memory as long as it is mapped; required: refuse to
    do without (BackingError), or else go on with less and say so in the segment's `unmet`.
    """

    pages: Pages = "4k"
    numa_node: int | None = None
    prefault: bool = True
    lock: bool = False
    required: bool = True

    @property
    def unit(self) -> int:
        """Bytes of which a segment has a whole number."""
        return UNITS[self.pages][0]

    @property
    def in_tmpfs(self) -> bool:
        """Whether it takes of /dev/shm; otherwise of the pages that were set apart."""
        return not UNITS[self.pages][1]

    def without(self, wish: str) -> Backing:
        """The same without the wish that could not be met: pages, numa_node or lock."""
        plain = Backing()
        if wish == "pages":
            return replace(self, pages=plain.pages)
        if wish == "numa_node":
            return replace(self, numa_node=plain.numa_node)
        return replace(self, lock=plain.lock)

    def directory(self) -> Path:
        """Where such segments lie. Raises: BackingError: no such hugetlbfs can be written."""
        if self.in_tmpfs:
            return TMPFS
        for directory, page_bytes in hugetlb_mounts():
            if page_bytes == self.unit and os.access(directory, os.W_OK | os.X_OK):
                return directory
        raise BackingError(
            f"pages = {self.pages!r}: no hugetlbfs of {size(self.unit)} pages is mounted where "
            f"this user may write: `mkdir -p /dev/hugepages && mount -t hugetlbfs "
            f"-o pagesize={self.unit >> 20}M,mode=1777 none /dev/hugepages` as root",
            "pages",
        )

    @contextlib.contextmanager
    def on_node(self) -> Iterator[None]:
        """Pages made within are of the node. Raises: BackingError: there is no such node."""
        if self.numa_node is None:
            yield
            return
        nodes = nodes_with_memory()
        if self.numa_node not in nodes:
            raise BackingError(
                f"numa_node = {self.numa_node}: this host has no such node; those with memory are "
                f"{', '.join(map(str, nodes))}",
                "numa_node",
            )
        before = ffi.new("rb_node_policy *")
        try:
            check(lib.rb_segment_bind(self.numa_node, before), f"numa_node = {self.numa_node}")
        except SystemCallError as error:
            raise BackingError(
                f"{error}: a container needs CAP_SYS_NICE for it", "numa_node"
            ) from None
        try:
            yield
        finally:
            check(lib.rb_segment_unbind(before), "NUMA policy")

    def verify(self, path: Path) -> None:
        """See what this process has got of a segment. Raises: BackingError: less than wanted."""
        if self.unit == SMALL and self.numa_node is None:
            return
        got = mapped(path)
        if got is None:
            return
        if self.unit != SMALL and got.huge_bytes < got.mapped_bytes:
            raise BackingError(f"pages = {self.pages!r}: {_why_not_huge(got)}", "pages")
        if self.numa_node is not None and got.nodes and got.nodes != (self.numa_node,):
            raise BackingError(
                f"numa_node = {self.numa_node}: pages lie on {', '.join(map(str, got.nodes))}",
                "numa_node",
            )


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a process has mapped, in bytes: all, what is in its page tables, in huge pages, locked.

    `page_bytes` is the size of a page that the kernel counts in; `nodes` are those on which pages
    lie, empty where the kernel does not say.
    """

    mapped_bytes: int
    present_bytes: int
    huge_bytes: int
    locked_bytes: int
    page_bytes: int
    nodes: tuple[int, ...]

    @property
    def words(self) -> str:
        """In a few words, for a human."""
        page = self.page_bytes if self.page_bytes > SMALL else HUGE
        if self.huge_bytes == 0:
            said = f"{size(SMALL)} pages"
        elif self.huge_bytes >= self.mapped_bytes:
            said = f"{size(page)} pages"
        else:
            said = f"{size(page)} pages for {size(self.huge_bytes)} of {size(self.mapped_bytes)}"
        if self.nodes:
            said += f", node {'+'.join(map(str, self.nodes))}"
        if self.locked_bytes > 0:
            part = "" if self.locked_bytes >= self.mapped_bytes else f" {size(self.locked_bytes)}"
            said += f", locked{part}"
        return said


def size(count: int) -> str:
    """Bytes as people read them: 288 KiB, 4.5 MiB, 1 GiB."""
    for unit, scale in (("GiB", 30), ("MiB", 20)):
        if count >= 1 << scale:
            return f"{count / (1 << scale):.1f}".removesuffix(".0") + f" {unit}"
    return f"{count >> 10} KiB"


def nodes_with_memory() -> tuple[int, ...]:
    """NUMA nodes of this host that have memory; node 0 where the kernel knows of none."""
    try:
        text = NODES.read_text(encoding="ascii").strip()
    except OSError:
        return (0,)
    out: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        out += range(int(first), int(last or first) + 1)
    return tuple(out)


def hugetlb_mounts() -> list[tuple[Path, int]]:
    """Every mounted hugetlbfs and the bytes of its pages."""
    out = []
    for line in MOUNTS.read_text(encoding="utf-8").splitlines():
        _, directory, kind, options, *_ = line.split(" ")
        if kind != "hugetlbfs":
            continue
        said = re.search(r"\bpagesize=(\d+)([KMG])", options)
        page = int(said[1]) << {"K": 10, "M": 20, "G": 30}[said[2]] if said else HUGE
        # Blanks in a mount's name are written as octal numbers.
        name = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), directory)
        out.append((Path(name), page))
    return out


def too_few_pages(backing: Backing, wanted_bytes: int) -> BackingError:
    """The error when the set-apart pages do not suffice."""
    node = backing.numa_node
    # Pages of another node are of no use to one that is bound.
    settings = HUGE_SETTINGS if node is None else NODES.parent / f"node{node}"
    place = "" if node is None else f" on node {node}"
    pool = settings / f"hugepages/hugepages-{backing.unit >> 10}kB"
    free, there = (_number(pool / name) for name in ("free_hugepages", "nr_hugepages"))
    return BackingError(
        f"pages = {backing.pages!r}: {-(-wanted_bytes // backing.unit)} pages of "
        f"{size(backing.unit)} are needed, and of the {there} that are set apart{place} {free} are "
        "free: "
        f"`echo N > {pool}/nr_hugepages` as root (at boot: hugepagesz= and hugepages=)",
        "pages",
    )


def _number(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _setting(path: Path) -> str:
    """The chosen one of `always [madvise] never`, or nothing."""
    try:
        chosen = re.search(r"\[(\w+)\]", path.read_text(encoding="ascii"))
    except OSError:
        return ""
    return chosen[1] if chosen else ""


def _why_not_huge(got: Mapped) -> str:
    """Why tmpfs gave small pages, and what to do about it."""
    setting = _setting(HUGE_SETTINGS / "transparent_hugepage/shmem_enabled")
    lines = MOUNTS.read_text(encoding="utf-8").splitlines()
    # What was mounted last on a directory is what is seen there.
    mounted = [fields for fields in map(str.split, lines) if fields[1] == str(TMPFS)]
    allowed = bool(mounted) and re.search(r"\bhuge=(always|within_size|advise)", mounted[-1][3])
    if setting == "":
        return "this kernel was built without transparent huge pages in shared memory"
    if setting == "deny":
        return f"{HUGE_SETTINGS}/transparent_hugepage/shmem_enabled says deny: write `never` there"
    if not allowed and setting != "force":
        return (
            f"{TMPFS} is mounted without huge pages: `mount -o remount,huge=advise {TMPFS}` as root"
            " (at boot: the same option in /etc/fstab)"
        )
    return (
        f"the kernel found huge pages for {size(got.huge_bytes)} of {size(got.mapped_bytes)}; "
        "memory is in pieces: `echo 1 > /proc/sys/vm/compact_memory` as root, or explicit pages"
    )


def lock(address: object, bytes_: int, what: str) -> None:
    """Keep a mapping in memory. Raises: BackingError: the limit does not allow it."""
    try:
        check(lib.rb_segment_lock(address, bytes_), what)
    except SystemCallError as error:
        raise _not_locked(f"{what} of {size(bytes_)}", error) from None


def lock_all() -> None:
    """Keep all that this process has mapped in memory. Raises: BackingError: as lock."""
    try:
        check(lib.rb_segment_lock_all(), "all memory of the process")
    except SystemCallError as error:
        mapped = process_memory().mapped_bytes
        raise _not_locked(f"all memory of the process, {size(mapped)} now", error) from None


def _not_locked(what: str, error: SystemCallError) -> BackingError:
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    said = "unlimited" if limit == resource.RLIM_INFINITY else size(limit)
    return BackingError(
        f"lock = true: {what} ({str(error).rpartition(': ')[2]}); RLIMIT_MEMLOCK is {said}: raise "
        "it with `ulimit -l`, memlock in /etc/security/limits.conf, LimitMEMLOCK= of a systemd "
        "unit, or give CAP_IPC_LOCK",
        "lock",
    )


def mapped(path: Path, pid: int | str = "self") -> Mapped | None:
    """What a process has got of a segment; None: it has not mapped it, or may not be asked."""
    name = rf" {re.escape(str(path))}( \(deleted\))?"
    entry = re.compile(rf"^([0-9a-f]+)-\S+ .*{name}\n((?:\w+:.*\n)+)", re.M)
    found = list(entry.finditer(_ask(pid, "smaps")))
    if not found:
        return None
    starts = tuple(f"{one[1]} " for one in found)
    lines = [line for line in _ask(pid, "numa_maps").splitlines() if line.startswith(starts)]
    nodes = sorted({int(n) for line in lines for n in re.findall(r" N(\d+)=", line)})
    every = [_counts(one[3]) for one in found]
    # smaps shares what is locked out among all who have mapped it; the flag is this process's own.
    locked = sum(
        counts["Size"]
        for counts, one in zip(every, found, strict=True)
        if re.search(r"^VmFlags:.* lo\b", one[3], re.M)
    )
    return Mapped(
        mapped_bytes=sum(counts["Size"] for counts in every),
        present_bytes=sum(_present(counts) for counts in every),
        huge_bytes=sum(_huge(counts) for counts in every),
        locked_bytes=locked,
        page_bytes=every[0]["KernelPageSize"],
        nodes=tuple(nodes),
    )


def process_memory(pid: int | str = "self") -> Mapped:
    """All that a process has in memory; of nothing, if it may not be asked."""
    counts = _counts(_ask(pid, "smaps_rollup"))
    locked = _counts(_ask(pid, "status")).get("VmLck", 0)
    present = _present(counts)
    return Mapped(present, present, _huge(counts), locked, SMALL, ())


def _counts(text: str) -> dict[str, int]:
    """Every `Key: N kB` of a text, in bytes."""
    return {key: int(n) << 10 for key, n in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.M)}


def _huge(counts: dict[str, int]) -> int:
    return sum(counts.get(key, 0) for key in HUGE_KEYS)


def _present(counts: dict[str, int]) -> int:
    # Pages of hugetlbfs are counted apart.
    apart = counts.get("Shared_Hugetlb", 0) + counts.get("Private_Hugetlb", 0)
    return counts.get("Rss", 0) + apart


def _ask(pid: int | str, file: str) -> str:
    try:
        return Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
