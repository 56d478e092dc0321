"""Memory: nothing is paged out, put together, shared or moved while the exchange runs."""

from __future__ import annotations

import re
from typing import Final

from tuning.host import Host, Missing
from tuning.readers import absent, judged, listed, number, to, word
from tuning.setting import Reading, Setting, Write

VM: Final = "/proc/sys/vm"
THP: Final = "/sys/kernel/mm/transparent_hugepage"
KSM: Final = "/sys/kernel/mm/ksm/run"
POOL: Final = "hugepages/hugepages-2048kB/nr_hugepages"
NODE_POOLS: Final = f"/sys/devices/system/node/node[0-9]*/{POOL}"
POOLS: Final = f"/sys/kernel/mm/{POOL}"
SHM: Final = "/dev/shm"
SHM_BYTES_MIN: Final = 1 << 30
# Of 2 MiB: the memory of a medium exchange, on each node that has hot CPUs.
PAGES_MIN: Final = 512
UNITS: Final = {"": 0, "k": 10, "m": 20, "g": 30}


def _swap(host: Host) -> Reading:
    areas = [line.split()[0] for line in host.read("/proc/swaps").splitlines()[1:]]
    return judged(not areas, listed(areas) or "none")


def _shm_options(host: Host) -> str:
    found = [options for directory, _, options in host.mounts if directory == SHM]
    if not found:
        raise Missing(f"mount of {SHM}")
    return found[-1]


def _total_bytes(host: Host) -> int:
    for line in host.read("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) << 10
    raise Missing("MemTotal in /proc/meminfo")


def _shm_size(host: Host) -> Reading:
    said = re.search(r"\bsize=(\d+)([kmg%]?)", _shm_options(host))
    if said is None:
        return judged(True, "half of the memory, as nothing else is said")
    count, unit = int(said[1]), said[2]
    size = _total_bytes(host) * count // 100 if unit == "%" else count << UNITS[unit]
    return judged(size >= SHM_BYTES_MIN, f"{size >> 20:,} MiB")


def _shm_huge(host: Host) -> Reading:
    said = re.search(r"\bhuge=(\w+)", _shm_options(host))
    value = said[1] if said else "never"
    return judged(value in ("advise", "within_size", "always"), f"huge={value}")


def _pools(host: Host) -> dict[str, int]:
    """Huge pages that are set apart, by the file that says so: of the nodes with hot CPUs."""
    hot = [node for node, cpus in host.nodes.items() if cpus & host.hot]
    paths = [f"/sys/devices/system/node/node{node}/{POOL}" for node in hot]
    paths = [path for path in paths if host.has(path)] or [POOLS]
    return {path: host.number(path) for path in paths}


def _pages(host: Host) -> Reading:
    pools = _pools(host)
    wrong = []
    for path, count in pools.items():
        node = re.search(r"node\d+", path)
        wrong += [f"{count} on {node[0] if node else 'the host'}"] if count < PAGES_MIN else []
    return judged(not wrong, listed(wrong) or f"{sum(pools.values()):,} of 2 MiB")


def _more_pages(host: Host) -> tuple[Write, ...]:
    try:
        pools = _pools(host)
    except Missing:
        return ()
    return tuple(Write(path, str(PAGES_MIN)) for path, count in pools.items() if count < PAGES_MIN)


def _hugetlbfs(host: Host) -> Reading:
    mounts = [directory for directory, kind, _ in host.mounts if kind == "hugetlbfs"]
    return judged(bool(mounts), listed(mounts) or "not mounted")


def _zone_reclaim(host: Host) -> Reading:
    if len(host.nodes) < 2:
        return absent("one NUMA node")
    return number(f"{VM}/zone_reclaim_mode", 0, 0)(host)


SETTINGS: Final = (
    Setting(
        name="swap",
        where="/proc/swaps",
        good="none",
        why="A page that comes back from a disk costs milliseconds; locked memory stays, but not "
        "what a tool or a library maps later.",
        danger="without swap the kernel ends a process where it would have paged",
        read=_swap,
        how="swapoff -a; take it out of /etc/fstab",
        undo="swapon -a",
    ),
    Setting(
        name="swappiness",
        where=f"{VM}/swappiness",
        good="0 or 1",
        why="Above it the kernel pages out memory that was not used of late, to cache files.",
        danger="none without swap",
        read=number(f"{VM}/swappiness", 0, 1),
        change=to(f"{VM}/swappiness", "1"),
        default="60",
    ),
    Setting(
        name="dirty_ratio",
        where=f"{VM}/dirty_ratio",
        good="10 or less (0: dirty_bytes says it)",
        why="When so much of the memory is unwritten, whoever writes is made to write it out "
        "himself: the journal stands still for it.",
        danger="bursts of writing are spread less",
        read=number(f"{VM}/dirty_ratio", 0, 10),
        change=to(f"{VM}/dirty_ratio", "10"),
        default="20",
    ),
    Setting(
        name="dirty_background_ratio",
        where=f"{VM}/dirty_background_ratio",
        good="3 or less (0: dirty_background_bytes says it)",
        why="Writing out begins here, early, so that a sync never finds gigabytes before it.",
        danger="more writes of what is overwritten soon",
        read=number(f"{VM}/dirty_background_ratio", 0, 3),
        change=to(f"{VM}/dirty_background_ratio", "3"),
        default="10",
    ),
    Setting(
        name="stat_interval",
        where=f"{VM}/stat_interval",
        good="10 s or more",
        why="Each CPU adds up its memory counters so often, the hot ones too.",
        danger="free and vmstat are as old",
        read=number(f"{VM}/stat_interval", 10),
        change=to(f"{VM}/stat_interval", "120"),
        default="1",
    ),
    Setting(
        name="thp",
        where=f"{THP}/enabled",
        good="madvise or never",
        why="always lets the kernel clear 2 MiB at a first touch and put pages together behind "
        "every program's back; ringbus asks for what it wants.",
        danger="other programs may be slower without huge pages",
        read=word(f"{THP}/enabled", "madvise", "never"),
        change=to(f"{THP}/enabled", "madvise"),
        kernel="transparent_hugepage=madvise",
        default="always or madvise",
    ),
    Setting(
        name="thp_defrag",
        where=f"{THP}/defrag",
        good="madvise, defer+madvise, defer or never",
        why="always moves other pages about, at a first touch, until a huge one is free.",
        danger="fewer huge pages on a host that is up for long",
        read=word(f"{THP}/defrag", "madvise", "defer+madvise", "defer", "never"),
        change=to(f"{THP}/defrag", "madvise"),
        default="madvise",
    ),
    Setting(
        name="khugepaged",
        where=f"{THP}/khugepaged/defrag",
        good="0",
        why="khugepaged copies pages together under a lock that faults of the same process wait "
        "for.",
        danger="fewer huge pages on a host that is up for long",
        read=number(f"{THP}/khugepaged/defrag", 0, 0),
        change=to(f"{THP}/khugepaged/defrag", "0"),
        default="1",
    ),
    Setting(
        name="shm_size",
        where=f"/proc/self/mounts, {SHM}",
        good=f"{SHM_BYTES_MIN >> 20:,} MiB or more",
        why="All rings and pages of counters of an exchange lie there.",
        danger="what lies there takes of the memory",
        read=_shm_size,
        how=f"mount -o remount,size=8g {SHM}; the same option in /etc/fstab",
        undo=f"mount -o remount,size=50% {SHM}",
    ),
    Setting(
        name="shm_huge",
        where=f"/proc/self/mounts, {SHM}",
        good="huge=advise, within_size or always",
        why='Without it [memory] pages = "transparent" gets pages of 4 KiB: a miss of the TLB '
        "every 64 messages.",
        danger="none with advise",
        read=_shm_huge,
        how=f"mount -o remount,huge=advise {SHM}; the same option in /etc/fstab",
        undo=f"mount -o remount,huge=never {SHM}",
    ),
    Setting(
        name="huge_pages",
        where=NODE_POOLS,
        good=f"{PAGES_MIN} pages of 2 MiB or more, on each node that has hot CPUs",
        why="Pages that are set apart are there when they are wanted; later the memory is in "
        "pieces.",
        danger="nobody else can use that memory",
        read=_pages,
        change=_more_pages,
        kernel=f"hugepagesz=2M hugepages={PAGES_MIN}",
        default="0",
    ),
    Setting(
        name="hugetlbfs",
        where="/proc/self/mounts",
        good="mounted",
        why='[memory] pages = "explicit" takes its pages from there.',
        danger="none",
        read=_hugetlbfs,
        how="mkdir -p /dev/hugepages; mount -t hugetlbfs -o pagesize=2M,mode=1777 none "
        "/dev/hugepages",
        undo="umount /dev/hugepages",
    ),
    Setting(
        name="zone_reclaim",
        where=f"{VM}/zone_reclaim_mode",
        good="0",
        why="Otherwise a node that is full throws its caches away before it asks another one.",
        danger="memory of the other node is slower to reach",
        read=_zone_reclaim,
        change=to(f"{VM}/zone_reclaim_mode", "0"),
        default="0",
    ),
    Setting(
        name="ksm",
        where=KSM,
        good="0",
        why="Looks through memory for equal pages and shares them: a fault and a copy for who "
        "writes to one.",
        danger="virtual machines of this host take more memory",
        read=number(KSM, 0, 0),
        change=to(KSM, "0"),
        default="0",
    ),
    Setting(
        name="compaction",
        where=f"{VM}/compaction_proactiveness",
        good="0",
        why="Moves pages together in the background, under locks and with interrupts to all "
        "CPUs.",
        danger="huge pages are rarer later: set them apart at the start",
        read=number(f"{VM}/compaction_proactiveness", 0, 0),
        change=to(f"{VM}/compaction_proactiveness", "0"),
        default="20",
    ),
    Setting(
        name="watermark_boost",
        where=f"{VM}/watermark_boost_factor",
        good="0",
        why="After an allocation had to break up a large block, memory is reclaimed in advance.",
        danger="memory gets into pieces sooner",
        read=number(f"{VM}/watermark_boost_factor", 0, 0),
        change=to(f"{VM}/watermark_boost_factor", "0"),
        default="15000",
    ),
    Setting(
        name="min_free",
        where=f"{VM}/min_free_kbytes",
        good="64 MiB or more",
        why="Below it whoever allocates has to reclaim memory himself.",
        danger="so much memory is never used",
        read=number(f"{VM}/min_free_kbytes", 65536),
        change=to(f"{VM}/min_free_kbytes", "131072"),
        default="11 to 67584, by the size of the memory",
    ),
)
