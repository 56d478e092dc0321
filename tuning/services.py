"""What else runs on the host, what it may use, and who keeps its clock."""

from __future__ import annotations

from typing import Final

from tuning.host import Host, Missing
from tuning.readers import judged, limit, listed, none_runs, number, running
from tuning.setting import Reading, Setting

CLOCKS: Final = ("chronyd", "ptp4l", "phc2sys", "ntpd", "systemd-timesyncd")
BACKGROUND: Final = (
    *("packagekitd", "unattended-upgrades", "snapd", "fwupd", "udisksd", "updatedb"),
    *("cupsd", "avahi-daemon", "bluetoothd", "ModemManager", "tracker-miner-fs"),
)
POWER: Final = ("power-profiles-daemon", "thermald", "tlp", "auto-cpufreq")
TIMERS: Final = (
    *("apt-daily", "apt-daily-upgrade", "man-db", "fstrim", "updatedb", "plocate-updatedb"),
    *("fwupd-refresh", "e2scrub_all", "mdcheck_start", "dnf-makecache"),
)
WANTS: Final = "/etc/systemd/system/timers.target.wants"
MALLOC: Final = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")
LOCKED_BYTES_MIN: Final = 4 << 30
FILES_MIN: Final = 65536


def _clock(host: Host) -> Reading:
    found = running(host, CLOCKS)
    return judged(bool(found), listed(found) or "nobody")


def _timers(host: Host) -> Reading:
    if not host.has("/etc/systemd/system"):
        raise Missing("systemd")
    # Their links may lead outside of a tree that was planted.
    there = [path.rpartition("/")[2].removesuffix(".timer") for path in _links(host)]
    wrong = [name for name in TIMERS if name in there]
    return judged(not wrong, listed(wrong) or "none of those known")


def _links(host: Host) -> list[str]:
    directory = host.path(WANTS)
    return sorted(str(path) for path in directory.iterdir()) if directory.is_dir() else []


def _malloc(host: Host) -> Reading:
    variables = dict(
        text.partition("=")[::2]
        for text in host.read_bytes("/proc/self/environ").decode(errors="replace").split("\0")
    )
    tunables = variables.get("GLIBC_TUNABLES", "")
    lacking = [
        name
        for name in MALLOC
        if name not in variables and f"malloc.{name[7:].rstrip('_').lower()}" not in tunables
    ]
    return judged(not lacking, f"{listed(lacking)} not said" if lacking else "memory is kept")


SETTINGS: Final = (
    Setting(
        name="clock_sync",
        where="/proc/*/comm",
        good="chronyd, or ptp4l with phc2sys",
        why="Stamps of the stream are read by others; and a clock that nobody disciplines is one "
        "day set by hand, all at once.",
        danger="none; let it slew, not step (chrony: makestep 1 3)",
        read=_clock,
        how="apt-get install chrony; with a card that stamps packets: linuxptp",
        undo="apt-get purge chrony",
    ),
    Setting(
        name="background",
        where="/proc/*/comm",
        good=f"none of {', '.join(BACKGROUND[:4])} … runs",
        why="They wake up unasked, read the disk and throw others out of the shared cache.",
        danger="what they did must be done by hand: updates in a maintenance window",
        read=none_runs(*BACKGROUND),
        how="systemctl disable --now SERVICE",
        undo="systemctl enable --now SERVICE",
    ),
    Setting(
        name="power_daemons",
        where="/proc/*/comm",
        good=f"none of {', '.join(POWER)} runs",
        why="They set governor and energy preference back to what they think best.",
        danger="thermald protects badly cooled machines",
        read=none_runs(*POWER),
        how="systemctl disable --now SERVICE",
        undo="systemctl enable --now SERVICE",
    ),
    Setting(
        name="audit",
        where="/proc/*/comm",
        good="auditd does not run",
        why="Rules of the audit system are looked at by every system call.",
        danger="a regulator or a policy of the house may ask for it",
        read=none_runs("auditd"),
        kernel="audit=0",
        how="systemctl disable --now auditd",
        undo="systemctl enable --now auditd",
    ),
    Setting(
        name="maintenance_timers",
        where=WANTS,
        good=f"none of {', '.join(TIMERS[:4])} … is enabled",
        why="They index, trim and update at hours of their own choosing.",
        danger="run them by hand outside of the day",
        read=_timers,
        how="systemctl disable --now NAME.timer",
        undo="systemctl enable --now NAME.timer",
    ),
    Setting(
        name="locked_memory",
        where="/proc/self/limits, Max locked memory",
        good="4 GiB or more, or unlimited",
        why="[memory] lock = true keeps everything in memory; without it a page may be taken "
        "away.",
        danger="memory that is locked cannot be paged out",
        read=limit("Max locked memory", LOCKED_BYTES_MIN),
        how="systemd: LimitMEMLOCK=infinity; a shell: /etc/security/limits.d, memlock unlimited",
        undo="take it out there",
    ),
    Setting(
        name="realtime_priority",
        where="/proc/self/limits, Max realtime priority",
        good="1 or more",
        why="A core of a real-time class is not preempted by an ordinary task that strays there.",
        danger="see rt_runtime",
        read=limit("Max realtime priority", 1),
        how="systemd: LimitRTPRIO=10; a shell: /etc/security/limits.d, rtprio 10",
        undo="take it out there",
    ),
    Setting(
        name="open_files",
        where="/proc/self/limits, Max open files",
        good=f"{FILES_MIN:,} or more",
        why="Each client is an open file; at the limit a port refuses the next one.",
        danger="none",
        read=limit("Max open files", FILES_MIN),
        how="systemd: LimitNOFILE=1048576; a shell: /etc/security/limits.d, nofile 1048576",
        undo="take it out there",
    ),
    Setting(
        name="timer_slack",
        where="/proc/self/timerslack_ns",
        good="1000 ns or less",
        why="A parked core that waits for a time is woken up so much later, to save wake-ups.",
        danger="a little more power",
        read=number("/proc/self/timerslack_ns", 1, 1000),
        how="systemd: TimerSlackNSec=1",
        undo="take it out there",
    ),
    Setting(
        name="malloc",
        where="/proc/self/environ",
        good=" and ".join(f"{name}=…" for name in MALLOC),
        why="Otherwise free() gives memory back to the kernel, and the next malloc() faults it "
        "in again, page by page: the applications in Python feel it.",
        danger="a process never gets smaller",
        read=_malloc,
        how="MALLOC_TRIM_THRESHOLD_=1073741824 MALLOC_TOP_PAD_=16777216 in the environment",
        undo="take them out of it",
    ),
)
