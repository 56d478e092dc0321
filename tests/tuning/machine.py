"""Machines of planted files: a tuned two-socket server, and what may be wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tuning.host import Host, cpu_list, parse_cpus

CPU = "/sys/devices/system/cpu"
NET = "/sys/class/net/eth0"
LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max open files            1024                 {files:<20} files
Max locked memory         8388608              {locked:<20} bytes
Max realtime priority     0                    {priority:<20}
"""
FLAGS = "flags\t\t: fpu tsc constant_tsc nonstop_tsc"
MOUNTS = (
    "tmpfs /dev/shm tmpfs rw,size=8388608k,huge=advise 0 0\n"
    "none /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n"
)
OPTIONS = (
    "BOOT_IMAGE=/vmlinuz isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3 "
    "rcu_nocb_poll irqaffinity=0-1,4-7 skew_tick=1 tsc=reliable preempt=full console=ttyS0"
)
# Two sockets of four cores each, a NUMA node a socket; 2 and 3 are hot.
NODES = {0: "0-3", 1: "4-7"}
RIGHT: dict[str, str | bytes] = {
    f"{CPU}/online": "0-7",
    f"{CPU}/offline": "",
    f"{CPU}/isolated": "2-3",
    f"{CPU}/nohz_full": "2-3",
    f"{CPU}/smt/active": "0",
    f"{CPU}/smt/control": "off",
    f"{CPU}/vulnerabilities/meltdown": "Not affected",
    f"{CPU}/vulnerabilities/retbleed": "Mitigation: untrained return thunk",
    f"{CPU}/cpu0/microcode/version": "0xa0011d1",
    f"{CPU}/intel_pstate/no_turbo": "1",
    f"{CPU}/intel_pstate/min_perf_pct": "100",
    f"{CPU}/intel_pstate/status": "active",
    "/dev/cpu_dma_latency": b"\0\0\0\0",
    "/sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc",
    "/sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet acpi_pm",
    "/sys/devices/system/edac/mc/mc0/ce_count": "0",
    "/sys/devices/system/edac/mc/mc0/ue_count": "0",
    "/sys/module/edac_core/parameters/edac_mc_poll_msec": "60000",
    "/sys/module/kfence/parameters/sample_interval": "0",
    "/sys/module/pcie_aspm/parameters/policy": "default [performance] powersave",
    "/sys/devices/virtual/workqueue/cpumask": "f3",
    "/sys/devices/virtual/workqueue/writeback/cpumask": "f3",
    "/sys/kernel/debug/sched/preempt": "none voluntary [full] lazy",
    "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
    "/sys/kernel/mm/transparent_hugepage/defrag": "always defer defer+madvise [madvise] never",
    "/sys/kernel/mm/transparent_hugepage/khugepaged/defrag": "0",
    "/sys/kernel/mm/ksm/run": "0",
    "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids",
    "/sys/fs/cgroup/cpuset.cpus.isolated": "",
    "/sys/fs/cgroup/ringbus.slice/cpu.max": "max 100000",
    f"{NET}/device/numa_node": "0",
    f"{NET}/device/power/control": "on",
    f"{NET}/queues/rx-0/rps_cpus": "00",
    f"{NET}/queues/rx-1/rps_cpus": "00",
    f"{NET}/queues/tx-0/xps_cpus": "f3",
    f"{NET}/queues/tx-1/xps_cpus": "0c",
    "/proc/cmdline": OPTIONS,
    "/proc/cpuinfo": f"processor\t: 0\n{FLAGS}\n",
    "/proc/version": "Linux version 6.12.1 (gcc) #1 SMP PREEMPT_DYNAMIC Debian",
    "/proc/stat": "cpu  100 0 100 9000 0 0 0 0 0 0\n",
    "/proc/swaps": "Filename\tType\tSize\tUsed\tPriority\n",
    "/proc/meminfo": "MemTotal:       65536000 kB\n",
    "/proc/irq/default_smp_affinity": "f3",
    "/proc/irq/24/smp_affinity_list": "0-1",
    "/proc/irq/24/effective_affinity_list": "0",
    "/proc/irq/25/smp_affinity_list": "4-7",
    "/proc/sys/kernel/osrelease": "6.12.1",
    "/proc/sys/kernel/timer_migration": "1",
    "/proc/sys/kernel/watchdog": "1",
    "/proc/sys/kernel/watchdog_cpumask": "0-1,4-7",
    "/proc/sys/kernel/nmi_watchdog": "0",
    "/proc/sys/kernel/sched_rt_runtime_us": "-1",
    "/proc/sys/kernel/sched_autogroup_enabled": "0",
    "/proc/sys/kernel/numa_balancing": "0",
    "/proc/sys/kernel/split_lock_mitigate": "0",
    "/proc/sys/kernel/sched_schedstats": "0",
    "/proc/sys/kernel/task_delayacct": "0",
    "/proc/sys/kernel/bpf_stats_enabled": "0",
    "/proc/sys/kernel/perf_cpu_time_max_percent": "1",
    "/proc/sys/kernel/printk": "3\t4\t1\t7",
    "/proc/sys/vm/swappiness": "1",
    "/proc/sys/vm/dirty_ratio": "10",
    "/proc/sys/vm/dirty_background_ratio": "3",
    "/proc/sys/vm/stat_interval": "120",
    "/proc/sys/vm/zone_reclaim_mode": "0",
    "/proc/sys/vm/compaction_proactiveness": "0",
    "/proc/sys/vm/watermark_boost_factor": "0",
    "/proc/sys/vm/min_free_kbytes": "131072",
    "/proc/sys/net/core/busy_poll": "50",
    "/proc/sys/net/core/busy_read": "50",
    "/proc/sys/net/core/rps_sock_flow_entries": "0",
    "/proc/sys/net/core/rmem_max": "16777216",
    "/proc/sys/net/ipv4/tcp_slow_start_after_idle": "0",
    "/proc/self/limits": LIMITS.format(files="1048576", locked="unlimited", priority="99"),
    "/proc/self/cgroup": "0::/ringbus.slice/core.service",
    "/proc/self/mounts": MOUNTS,
    "/proc/self/timerslack_ns": "1",
    "/proc/self/environ": "HOME=/x\0MALLOC_TRIM_THRESHOLD_=1073741824\0MALLOC_TOP_PAD_=16777216\0",
    "/etc/systemd/system/timers.target.wants/logrotate.timer": "",
}
# pid: name, parent, CPUs.
TASKS = {
    1: ("systemd", 0, "0-1,4-7"),
    2: ("kthreadd", 0, "0-1,4-7"),
    20: ("kswapd0", 2, "0-1"),
    21: ("ksoftirqd/2", 2, "2"),
    300: ("chronyd", 1, "0-1,4-7"),
}


def task(pid: int, name: str, parent: int, cpus: str) -> dict[str, str]:
    """The files of a process."""
    status = f"Name:\t{name}\nPPid:\t{parent}\nCpus_allowed_list:\t{cpus}\n"
    return {f"/proc/{pid}/status": status, f"/proc/{pid}/comm": name[:15]}


def per_cpu(cpu: int) -> dict[str, str]:
    """What each CPU has files for."""
    base = f"{CPU}/cpu{cpu}"
    return {
        f"{base}/topology/thread_siblings_list": str(cpu),
        f"{base}/cpufreq/scaling_driver": "intel_pstate",
        f"{base}/cpufreq/scaling_governor": "performance",
        f"{base}/cpufreq/scaling_min_freq": "3600000",
        f"{base}/cpufreq/scaling_max_freq": "3600000",
        f"{base}/cpufreq/energy_performance_preference": "performance",
        f"{base}/power/energy_perf_bias": "0",
        f"{base}/power/pm_qos_resume_latency_us": "n/a",
        f"{base}/cpuidle/state0/latency": "0",
        f"{base}/cpuidle/state0/disable": "0",
        f"{base}/cpuidle/state1/latency": "133",
        f"{base}/cpuidle/state1/disable": "1",
        f"{base}/thermal_throttle/core_throttle_count": "0",
        f"/sys/devices/system/machinecheck/machinecheck{cpu}/check_interval": "0",
    }


def right() -> dict[str, str | bytes]:
    """Every file of the tuned server."""
    files = dict(RIGHT)
    for pid, (name, parent, cpus) in TASKS.items():
        files |= task(pid, name, parent, cpus)
    for cpu in range(8):
        files |= per_cpu(cpu)
    for node, cpus in NODES.items():
        base = f"/sys/devices/system/node/node{node}"
        files[f"{base}/cpulist"] = cpus
        files[f"{base}/hugepages/hugepages-2048kB/nr_hugepages"] = "512"
    return files


def plant(root: Path, changes: Mapping[str, str | bytes | None] | None = None) -> Path:
    """Write the tuned server below `root`, with some files changed, or left out where None."""
    files: dict[str, str | bytes | None] = {**right(), **(changes or {})}
    for name, content in files.items():
        if content is not None:
            path = root / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            ends = content if isinstance(content, bytes) else f"{content}\n".encode()
            path.write_bytes(ends)
    return root


@contextmanager
def changed(root: Path, changes: Mapping[str, str | bytes | None]) -> Iterator[None]:
    """Have some files of a planted server changed for a while: planting it anew takes longer."""
    was = {name: root / name.lstrip("/") for name in changes}
    before = {name: path.read_bytes() if path.exists() else None for name, path in was.items()}
    try:
        for name, content in changes.items():
            put(was[name], content.encode() if isinstance(content, str) else content)
        yield
    finally:
        for name, content in before.items():
            put(was[name], content)


def put(path: Path, content: bytes | None) -> None:
    """Write a file; None: remove it, and the directories that are empty then."""
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return
    path.unlink(missing_ok=True)
    for directory in path.parents:
        if any(directory.iterdir()):
            return
        directory.rmdir()


def everything(root: Path) -> dict[str, bytes]:
    """Every file and what it says."""
    out = {}
    for directory, _, names in os.walk(root):
        for name in names:
            path = Path(directory) / name
            out[str(path.relative_to(root))] = path.read_bytes()
    return out


def host(root: Path, coalescing_us: int | None = 0) -> Host:
    """The machine below `root`; 2 and 3 are hot; its card holds packets back for so long."""
    return Host(root, [2, 3], coalescing=lambda interface: coalescing_us)


def two_sockets(
    root: Path, isolated: str = "", offline: str = "", mine: str = "0-31", free_mib: int = 65536
) -> Path:
    """A large server: two sockets of eight cores of two threads, two caches a socket.

    CPUs 0-7 and 16-23 are socket 0, n and n + 16 siblings; this process may use `mine`.
    """
    gone = parse_cpus(offline)
    files = {
        f"{CPU}/online": cpu_list(frozenset(range(32)) - gone),
        f"{CPU}/offline": offline,
        f"{CPU}/isolated": isolated,
        f"{CPU}/smt/active": "1",
        "/proc/self/cgroup": "0::/exchange.slice",
        "/sys/fs/cgroup/exchange.slice/cpuset.cpus.effective": mine,
    }
    for cpu in range(32):
        core, base = cpu % 16, f"{CPU}/cpu{cpu}"
        near = range(core - core % 4, core - core % 4 + 4)
        files |= {
            f"{base}/topology/physical_package_id": str(core // 8),
            f"{base}/topology/thread_siblings_list": f"{core},{core + 16}",
            f"{base}/cache/index2/shared_cpu_list": f"{core},{core + 16}",
            f"{base}/cache/index3/shared_cpu_list": cpu_list({*near, *(n + 16 for n in near)}),
            f"{base}/cache/index3/size": "16384K",
        }
    for node in range(2):
        base = f"/sys/devices/system/node/node{node}"
        files[f"{base}/cpulist"] = f"{8 * node}-{8 * node + 7},{8 * node + 16}-{8 * node + 23}"
        files[f"{base}/meminfo"] = f"Node {node} MemFree:  {free_mib << 10} kB"
    for name, content in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    return root
