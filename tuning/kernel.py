"""What the kernel does for itself: preemption, limits on real-time work, accounting, debugging."""

from __future__ import annotations

import re
from typing import Final

from tuning.host import Host, Unreadable
from tuning.readers import absent, chosen, judged, number, to
from tuning.setting import Reading, Setting

PREEMPT: Final = "/sys/kernel/debug/sched/preempt"
KFENCE: Final = "/sys/module/kfence/parameters/sample_interval"
SYSCTL: Final = "/proc/sys/kernel"


def _preemption(host: Host) -> Reading:
    version = host.read("/proc/version")
    if "PREEMPT_RT" in version:
        return judged(True, "PREEMPT_RT")
    if "PREEMPT_DYNAMIC" not in version:
        full = re.search(r"\bPREEMPT\b", version) is not None
        return judged(full, "full" if full else "voluntary or none, built in")
    model = chosen(host.text(PREEMPT)) or host.options.get("preempt", "")
    if not model:
        raise Unreadable(f"it is chosen at the start, and {PREEMPT} is not to be read here")
    return judged(model in ("full", "lazy"), model)


def _console(host: Host) -> Reading:
    consoles = [option for option in host.text("/proc/cmdline").split() if "console=ttyS" in option]
    level = host.number(f"{SYSCTL}/printk")
    if not consoles:
        return absent("no serial console")
    return judged(level <= 4, f"level {level} on {consoles[0].removeprefix('console=')}")


def _tunables(host: Host) -> Reading:
    value = host.number(f"{SYSCTL}/sched_rt_runtime_us")
    return judged(value == -1, "no limit" if value == -1 else f"{value:,} µs")


def _quota(host: Host) -> Reading:
    """The tightest quota of the control groups that this process is in."""
    quotas = []
    for line in host.read("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        v1 = "cpu" in controllers.split(",")
        while v1 or controllers == "":
            place = path.rstrip("/")
            if v1:
                text = host.text(f"/sys/fs/cgroup/cpu{place}/cpu.cfs_quota_us", "-1")
                quotas += [] if text == "-1" else [f"{int(text):,} µs a period"]
            else:
                text = host.text(f"/sys/fs/cgroup{place}/cpu.max", "max")
                quotas += [] if text.startswith("max") else [f"{text} µs"]
            if place == "":
                break
            path = place.rpartition("/")[0]
    return judged(not quotas, quotas[0] if quotas else "none")


SETTINGS: Final = (
    Setting(
        name="preemption",
        where=f"/proc/version, {PREEMPT}",
        good="full, lazy or PREEMPT_RT",
        why="Of others, a process that was woken waits until what runs in the kernel gives way: "
        "up to milliseconds for a parked core, nothing for one that spins alone.",
        danger="a few per cent of throughput; PREEMPT_RT has slower interrupts",
        read=_preemption,
        kernel="preempt=full",
    ),
    Setting(
        name="rt_runtime",
        where=f"{SYSCTL}/sched_rt_runtime_us",
        good="-1: no limit",
        why="A real-time task that spins is stopped for 50 ms of every second otherwise.",
        danger="a real-time task that never ends leaves its CPU to nobody, a root shell included",
        read=_tunables,
        change=to(f"{SYSCTL}/sched_rt_runtime_us", "-1"),
        default="950000",
    ),
    Setting(
        name="cpu_quota",
        where="/proc/self/cgroup, cpu.max",
        good="max, in each group above this process",
        why="Who has used up its quota stands still for the rest of the period, up to 100 ms.",
        danger="none to this host; a shared one has it for its other users",
        read=_quota,
        how="systemctl set-property SLICE CPUQuota=; a container: no --cpus, but --cpuset-cpus",
        undo="systemctl set-property SLICE CPUQuota=N%",
    ),
    Setting(
        name="autogroup",
        where=f"{SYSCTL}/sched_autogroup_enabled",
        good="0",
        why="Groups by terminal share CPU time evenly, whatever the priorities within them are.",
        danger="a desktop feels slower under load",
        read=number(f"{SYSCTL}/sched_autogroup_enabled", 0, 0),
        change=to(f"{SYSCTL}/sched_autogroup_enabled", "0"),
        kernel="noautogroup",
        default="1",
    ),
    Setting(
        name="numa_balancing",
        where=f"{SYSCTL}/numa_balancing",
        good="0",
        why="To learn who uses which page the kernel takes pages out of the tables: a fault of 1 "
        "to 5 µs for each, and more where it moves them.",
        danger="programs that were not placed may stay far from their memory",
        read=number(f"{SYSCTL}/numa_balancing", 0, 0),
        change=to(f"{SYSCTL}/numa_balancing", "0"),
        kernel="numa_balancing=disable",
        default="1",
    ),
    Setting(
        name="split_locks",
        where=f"{SYSCTL}/split_lock_mitigate",
        good="0",
        why="Whoever locks over the border of two cache lines is punished with 10 ms and a lock "
        "that all others wait for.",
        danger="a program that does so slows the whole host down, unpunished",
        read=number(f"{SYSCTL}/split_lock_mitigate", 0, 0),
        change=to(f"{SYSCTL}/split_lock_mitigate", "0"),
        default="1",
    ),
    Setting(
        name="kfence",
        where=KFENCE,
        good="0: off",
        why="Every 100 ms the next allocation in the kernel is watched; some kernels rewrite "
        "code for it, which interrupts every CPU.",
        danger="bugs of the kernel's memory are not caught",
        read=number(KFENCE, 0, 0),
        change=to(KFENCE, "0"),
        kernel="kfence.sample_interval=0",
        default="100",
    ),
    Setting(
        name="schedstats",
        where=f"{SYSCTL}/sched_schedstats",
        good="0",
        why="Counts every wait at every change of task.",
        danger="tools that read schedstat show nothing",
        read=number(f"{SYSCTL}/sched_schedstats", 0, 0),
        change=to(f"{SYSCTL}/sched_schedstats", "0"),
        default="0",
    ),
    Setting(
        name="delay_accounting",
        where=f"{SYSCTL}/task_delayacct",
        good="0",
        why="Two readings of the clock at every wait.",
        danger="iotop shows no waits",
        read=number(f"{SYSCTL}/task_delayacct", 0, 0),
        change=to(f"{SYSCTL}/task_delayacct", "0"),
        default="0",
    ),
    Setting(
        name="bpf_stats",
        where=f"{SYSCTL}/bpf_stats_enabled",
        good="0",
        why="Two readings of the clock at every run of a BPF program, each packet's filter "
        "included.",
        danger="bpftool shows no times",
        read=number(f"{SYSCTL}/bpf_stats_enabled", 0, 0),
        change=to(f"{SYSCTL}/bpf_stats_enabled", "0"),
        default="0",
    ),
    Setting(
        name="perf_sampling",
        where=f"{SYSCTL}/perf_cpu_time_max_percent",
        good="1 % or less",
        why="How much of a CPU sampling may take; 25 % unless set.",
        danger="a profile has fewer samples",
        read=number(f"{SYSCTL}/perf_cpu_time_max_percent", 1, 1),
        change=to(f"{SYSCTL}/perf_cpu_time_max_percent", "1"),
        default="25",
    ),
    Setting(
        name="serial_console",
        where=f"{SYSCTL}/printk, /proc/cmdline",
        good="level 4 or lower, where there is a serial console",
        why="A line of 80 letters takes 7 ms at 115,200 baud, and whoever logs it may wait for "
        "it.",
        danger="warnings are in the log only",
        read=_console,
        change=to(f"{SYSCTL}/printk", "3 4 1 7"),
        default="7 4 1 7",
    ),
)
