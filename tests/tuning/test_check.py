"""Every setting: a planted wrong value is found, and nothing else is; a tuned host is good."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tuning.machine import (
    CPU,
    FLAGS,
    LIMITS,
    MOUNTS,
    NET,
    OPTIONS,
    changed,
    host,
    plant,
    right,
    task,
)
from tools import tune
from tuning.checks import SETTINGS, check
from tuning.host import Host, cpu_list, cpu_mask, natural, parse_cpus, parse_mask
from tuning.setting import Finding, Outcome

ROOT = Path(__file__).resolve().parents[2]
VM, KERNEL, NETWORK = "/proc/sys/vm", "/proc/sys/kernel", "/proc/sys/net/core"
THP = "/sys/kernel/mm/transparent_hugepage"
HUGE = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages"
Changes = dict[str, str | bytes | None]

# Setting: what is planted, what its finding says.
WRONG: dict[str, tuple[Changes, str]] = {
    "smt": (
        {
            f"{CPU}/smt/active": "1",
            f"{CPU}/smt/control": "on",
            f"{CPU}/cpu3/topology/thread_siblings_list": "3,7",
        },
        "hot CPUs 3 share",
    ),
    "cpus_online": ({f"{CPU}/offline": "8", f"{CPU}/smt/control": "on"}, "8 offline"),
    "thermal_throttling": (
        {f"{CPU}/cpu3/thermal_throttle/core_throttle_count": "17"},
        "cpu3 17 times",
    ),
    "memory_errors": ({"/sys/devices/system/edac/mc/mc0/ce_count": "3"}, "mc0: 3 corrected"),
    "edac_poll": ({"/sys/module/edac_core/parameters/edac_mc_poll_msec": "1000"}, "1000 ms"),
    "machine_checks": (
        {"/sys/devices/system/machinecheck/machinecheck5/check_interval": "12c"},
        "machinecheck5 12c s",
    ),
    "clocksource": (
        {"/sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet"},
        "hpet",
    ),
    "tsc_constant": (
        {"/proc/cpuinfo": FLAGS.replace(" nonstop_tsc", "")},
        "without nonstop_tsc",
    ),
    "tsc_watchdog": ({"/proc/cmdline": OPTIONS.replace("tsc=reliable ", "")}, "not said"),
    "steal": (
        {
            "/proc/cpuinfo": f"{FLAGS} hypervisor\n",
            "/proc/stat": "cpu  100 0 100 9000 0 0 0 46 0 0\n",
        },
        "0.50 % of the time",
    ),
    "governor": ({f"{CPU}/cpu2/cpufreq/scaling_governor": "powersave"}, "cpu2 powersave of 2"),
    "frequency_driver": ({f"{CPU}/cpu0/cpufreq/scaling_driver": "acpi-cpufreq"}, "acpi-cpufreq"),
    "frequency_min": ({f"{CPU}/cpu3/cpufreq/scaling_min_freq": "800000"}, "cpu3 800 of 3600 MHz"),
    "turbo": ({f"{CPU}/intel_pstate/no_turbo": "0"}, "on"),
    "energy_preference": (
        {f"{CPU}/cpu2/cpufreq/energy_performance_preference": "balance_power"},
        "cpu2 balance_power",
    ),
    "energy_bias": ({f"{CPU}/cpu2/power/energy_perf_bias": "6"}, "cpu2 6"),
    "idle_states": ({f"{CPU}/cpu3/cpuidle/state1/disable": "0"}, "cpu3 state1 0"),
    "resume_latency": ({f"{CPU}/cpu2/power/pm_qos_resume_latency_us": "0"}, "cpu2 0"),
    "cpu_dma_latency": (
        {"/dev/cpu_dma_latency": (2_000_000_000).to_bytes(4, "little")},
        "2,000,000,000 µs",
    ),
    "isolcpus": ({f"{CPU}/isolated": "3"}, "3 (not 2)"),
    "managed_irq": (
        {"/proc/cmdline": OPTIONS.replace("managed_irq,", "")},
        "not said",
    ),
    "nohz_full": ({f"{CPU}/nohz_full": "2"}, "2 (not 3)"),
    "rcu_nocbs": (
        {"/proc/cmdline": OPTIONS.replace("nohz_full=2-3 rcu_nocbs=2-3", "rcu_nocbs=2")},
        "2 (not 3)",
    ),
    "rcu_nocb_poll": ({"/proc/cmdline": OPTIONS.replace("rcu_nocb_poll ", "")}, "not said"),
    "irqaffinity": ({"/proc/irq/default_smp_affinity": "ff"}, "ff"),
    "irqs": ({"/proc/irq/25/smp_affinity_list": "0-7"}, "irq 25 0-7 of 2"),
    "irqbalance": ({**task(400, "irqbalance", 1, "0-1")}, "irqbalance runs"),
    "workqueues": ({"/sys/devices/virtual/workqueue/cpumask": "ff"}, "ff"),
    "writeback": ({"/sys/devices/virtual/workqueue/writeback/cpumask": "04"}, "04"),
    "kernel_threads": ({**task(22, "kcompactd0", 2, "0-3")}, "kcompactd0"),
    "systemd_affinity": ({**task(1, "systemd", 0, "0-7")}, "process 1 may use 0-7"),
    "cgroup_cpuset": ({"/sys/fs/cgroup/cgroup.controllers": "cpu memory"}, "v2 without cpuset"),
    "timer_migration": ({f"{KERNEL}/timer_migration": "0"}, "0"),
    "watchdog_cpus": ({f"{KERNEL}/watchdog_cpumask": "0-7"}, "0-7"),
    "nmi_watchdog": ({f"{KERNEL}/nmi_watchdog": "1"}, "1"),
    "skew_tick": (
        {"/proc/cmdline": OPTIONS.replace("skew_tick=1 ", "skew_tick=0 ")},
        "skew_tick=0",
    ),
    "preemption": (
        {"/sys/kernel/debug/sched/preempt": "none [voluntary] full"},
        "voluntary",
    ),
    "rt_runtime": ({f"{KERNEL}/sched_rt_runtime_us": "950000"}, "950,000 µs"),
    "cpu_quota": ({"/sys/fs/cgroup/ringbus.slice/cpu.max": "150000 100000"}, "150000 100000 µs"),
    "autogroup": ({f"{KERNEL}/sched_autogroup_enabled": "1"}, "1"),
    "numa_balancing": ({f"{KERNEL}/numa_balancing": "1"}, "1"),
    "split_locks": ({f"{KERNEL}/split_lock_mitigate": "1"}, "1"),
    "kfence": ({"/sys/module/kfence/parameters/sample_interval": "100"}, "100"),
    "schedstats": ({f"{KERNEL}/sched_schedstats": "1"}, "1"),
    "delay_accounting": ({f"{KERNEL}/task_delayacct": "1"}, "1"),
    "bpf_stats": ({f"{KERNEL}/bpf_stats_enabled": "1"}, "1"),
    "perf_sampling": ({f"{KERNEL}/perf_cpu_time_max_percent": "25"}, "25"),
    "serial_console": ({f"{KERNEL}/printk": "7\t4\t1\t7"}, "level 7 on ttyS0"),
    "swap": ({"/proc/swaps": "Filename\tType\n/dev/sda2\tpartition\n"}, "/dev/sda2"),
    "swappiness": ({f"{VM}/swappiness": "60"}, "60"),
    "dirty_ratio": ({f"{VM}/dirty_ratio": "20"}, "20"),
    "dirty_background_ratio": ({f"{VM}/dirty_background_ratio": "10"}, "10"),
    "stat_interval": ({f"{VM}/stat_interval": "1"}, "1"),
    "thp": ({f"{THP}/enabled": "[always] madvise never"}, "always"),
    "thp_defrag": ({f"{THP}/defrag": "[always] defer madvise never"}, "always"),
    "khugepaged": ({f"{THP}/khugepaged/defrag": "1"}, "1"),
    "shm_size": ({"/proc/self/mounts": MOUNTS.replace("8388608k", "65536k")}, "64 MiB"),
    "shm_huge": ({"/proc/self/mounts": MOUNTS.replace(",huge=advise", "")}, "huge=never"),
    "huge_pages": ({HUGE: "0"}, "0 on node0"),
    "hugetlbfs": ({"/proc/self/mounts": MOUNTS.splitlines()[0]}, "not mounted"),
    "zone_reclaim": ({f"{VM}/zone_reclaim_mode": "1"}, "1"),
    "ksm": ({"/sys/kernel/mm/ksm/run": "1"}, "1"),
    "compaction": ({f"{VM}/compaction_proactiveness": "20"}, "20"),
    "watermark_boost": ({f"{VM}/watermark_boost_factor": "15000"}, "15000"),
    "min_free": ({f"{VM}/min_free_kbytes": "5632"}, "5632"),
    "nic_queues": (
        {f"{NET}/queues/rx-{n}/rps_cpus": "0" for n in range(8)},
        "eth0 has 8 for 6 housekeeping CPUs",
    ),
    "nic_coalescing": ({}, "eth0 20 µs"),
    "busy_poll": ({f"{NETWORK}/busy_poll": "0"}, "0"),
    "busy_read": ({f"{NETWORK}/busy_read": "0"}, "0"),
    "rps": ({f"{NET}/queues/rx-1/rps_cpus": "08"}, "eth0 rx-1 08"),
    "xps": ({f"{NET}/queues/tx-1/xps_cpus": "0f"}, "eth0 tx-1 0f"),
    "rps_flows": ({f"{NETWORK}/rps_sock_flow_entries": "32768"}, "32768"),
    "receive_buffer": ({f"{NETWORK}/rmem_max": "212992"}, "212992"),
    "slow_start": ({"/proc/sys/net/ipv4/tcp_slow_start_after_idle": "1"}, "1"),
    "connection_tracking": ({"/proc/sys/net/netfilter/nf_conntrack_max": "262144"}, "loaded"),
    "nic_node": ({f"{NET}/device/numa_node": "1"}, "eth0 is on node 1, hot CPUs on [0]"),
    "nic_power": ({f"{NET}/device/power/control": "auto"}, "eth0 auto"),
    "pcie_power": (
        {"/sys/module/pcie_aspm/parameters/policy": "[default] performance"},
        "default",
    ),
    "clock_sync": ({"/proc/300/status": None, "/proc/300/comm": None}, "nobody"),
    "background": ({**task(500, "packagekitd", 1, "0")}, "packagekitd runs"),
    "power_daemons": ({**task(501, "power-profiles-daemon"[:15], 1, "0")}, "power-profiles-daemon"),
    "audit": ({**task(502, "auditd", 1, "0")}, "auditd runs"),
    "maintenance_timers": (
        {"/etc/systemd/system/timers.target.wants/apt-daily.timer": ""},
        "apt-daily",
    ),
    "locked_memory": (
        {"/proc/self/limits": LIMITS.format(files="1048576", locked="65536", priority="99")},
        "65536",
    ),
    "realtime_priority": (
        {"/proc/self/limits": LIMITS.format(files="1048576", locked="unlimited", priority="0")},
        "0",
    ),
    "open_files": (
        {"/proc/self/limits": LIMITS.format(files="4096", locked="unlimited", priority="99")},
        "4096",
    ),
    "timer_slack": ({"/proc/self/timerslack_ns": "50000"}, "50000"),
    "malloc": ({"/proc/self/environ": "MALLOC_TOP_PAD_=1\0"}, "MALLOC_TRIM_THRESHOLD_ not said"),
}
RECORDED = ("mitigations", "microcode", "virtual")
# What the tuned server has nothing of.
BARE_METAL = {"steal"}


def found(findings: list[Finding]) -> dict[str, Finding]:
    return {one.setting.name: one for one in findings}


def names(findings: list[Finding], outcome: Outcome) -> list[str]:
    return [one.setting.name for one in findings if one.outcome == outcome]


def test_every_setting_is_in_the_table() -> None:
    assert len(SETTINGS) >= 40
    assert set(WRONG) | set(RECORDED) == set(SETTINGS)


def test_every_setting_says_all_that_an_operator_asks() -> None:
    """Where it is read, what is good, why, how to undo it, and what it risks."""
    for name, setting in SETTINGS.items():
        for text in (setting.where, setting.good, setting.why, setting.danger, setting.undoing):
            assert text, name


def test_a_tuned_host_is_good(tmp_path: Path) -> None:
    findings = check(host(plant(tmp_path)))
    assert names(findings, Outcome.WRONG) == []
    assert names(findings, Outcome.UNREADABLE) == []
    assert tuple(names(findings, Outcome.RECORDED)) == RECORDED
    assert set(names(findings, Outcome.ABSENT)) == BARE_METAL


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plant(tmp_path_factory.mktemp("server"))


@pytest.mark.parametrize("name", WRONG)
def test_a_planted_wrong_value_is_found(name: str, server: Path) -> None:
    changes, text = WRONG[name]
    with changed(server, changes):
        machine = host(server, 20 if name == "nic_coalescing" else 0)
        findings = check(machine)
        assert names(findings, Outcome.WRONG) == [name]
        assert text in found(findings)[name].reading.found
        assert SETTINGS[name].ways(machine)
    assert names(check(host(server)), Outcome.WRONG) == []


def test_all_wrong_at_once_are_all_found(tmp_path: Path) -> None:
    """Those that a virtual machine hides or that need the same file are left to the others."""
    changes: Changes = {}
    planted = []
    for name, (files, _) in WRONG.items():
        if name != "steal" and not changes.keys() & files.keys():
            changes |= files
            planted.append(name)
    wrong = names(check(host(plant(tmp_path, changes))), Outcome.WRONG)
    assert len(planted) >= 75
    assert set(planted) - {"nic_coalescing"} <= set(wrong)


def test_a_virtual_machine_in_a_container(tmp_path: Path) -> None:
    """What only the host of both can set is said not to apply."""
    gone: Changes = {name: None for name in plant_names("cpufreq", "thermal", "machinecheck")}
    gone |= {f"{CPU}/intel_pstate/no_turbo": None, "/proc/cpuinfo": f"{FLAGS} hypervisor\n"}
    gone |= {"/proc/2/comm": None, "/proc/2/status": None, "/.dockerenv": ""}
    machine = host(plant(tmp_path, gone))
    assert machine.container == "docker"
    findings = found(check(machine))
    for name in ("governor", "turbo", "thermal_throttling", "machine_checks"):
        assert findings[name].outcome == Outcome.ABSENT
        assert findings[name].reading.found == "the host of this virtual machine decides"
    for name in ("irqbalance", "kernel_threads", "systemd_affinity", "clock_sync", "audit"):
        assert findings[name].outcome == Outcome.ABSENT
        assert "a container does not see" in findings[name].reading.found
    assert findings["virtual"].reading.found == "docker in virtual machine"


def plant_names(*parts: str) -> list[str]:
    return [name for name in right() if any(part in name for part in parts)]


def test_what_cannot_be_understood_is_said(tmp_path: Path) -> None:
    """A directory in a file's place stands for whatever a user may not read: root may all."""
    changes: Changes = {f"{VM}/swappiness": "often", "/proc/irq/25/smp_affinity_list": "a-b"}
    changes |= {f"{VM}/dirty_ratio": None, f"{VM}/dirty_ratio/x": ""}
    findings = found(check(host(plant(tmp_path, changes))))
    for name in ("swappiness", "irqs", "dirty_ratio"):
        assert findings[name].outcome == Outcome.UNREADABLE
    assert "'often', which is no number" in findings["swappiness"].reading.found


def test_which_cpus_are_hot(tmp_path: Path) -> None:
    """Those that are given; else isolated ones; else all but the first core."""
    root = plant(tmp_path)
    assert Host(root, [5]).hot == {5}
    assert Host(root).hot == {2, 3}
    (root / f"{CPU}/isolated".lstrip("/")).write_text("\n")
    (root / f"{CPU}/cpu0/topology/thread_siblings_list".lstrip("/")).write_text("0,4\n")
    assert Host(root).hot == {1, 2, 3, 5, 6, 7}
    (root / "sys/fs/cgroup/cpuset.cpus.isolated").write_text("6-7\n")
    assert Host(root).hot == {6, 7}
    assert Host(root).housekeeping == {0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("0-3,8", {0, 1, 2, 3, 8}), ("", set()), ("(null)", set()), ("0-7:1/4", {0, 4}), ("5", {5})],
)
def test_lists_of_cpus(text: str, cpus: set[int]) -> None:
    assert parse_cpus(text) == cpus
    assert parse_cpus(cpu_list(cpus)) == cpus
    assert parse_mask(cpu_mask(cpus)) == cpus


def test_masks_are_written_as_the_kernel_does() -> None:
    assert cpu_mask({0, 1, 33}) == "2,00000003"
    assert parse_mask("2,00000003") == {0, 1, 33}
    assert sorted(["cpu10", "cpu9", "cpu0"], key=natural) == ["cpu0", "cpu9", "cpu10"]
    for wrong in ("3-1", "x", "1-"):
        with pytest.raises(ValueError):
            parse_cpus(wrong)


def test_this_machine_can_be_checked(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever it is and whoever asks: each setting is found or it is said why not."""
    status = tune.main(["check", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert len(said["findings"]) == len(SETTINGS)
    assert sum(said["counts"].values()) == len(SETTINGS)
    assert status == (1 if said["counts"].get("wrong") else 0)
    assert all(one["found"] for one in said["findings"])


# Once with rights, so that everything is imported: the program's own files may be root's only.
AS_NOBODY = """
import contextlib, io, os, sys
from tools import tune
with contextlib.redirect_stdout(io.StringIO()):
    tune.main(["check", "--json"])
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
sys.exit(tune.main(["check", "--json"]))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="is somebody without rights already")
def test_this_machine_can_be_checked_without_root() -> None:
    """What may not be read is said; nothing is missing."""
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY], cwd=ROOT, capture_output=True, text=True, check=False
    )
    said = json.loads(done.stdout)
    assert done.returncode == (1 if said["counts"].get("wrong") else 0)
    assert len(said["findings"]) == len(SETTINGS)
    device = next(one for one in said["findings"] if one["name"] == "cpu_dma_latency")
    if Path("/dev/cpu_dma_latency").exists():
        assert device["outcome"] == "unreadable"
        assert device["found"] == "/dev/cpu_dma_latency: Permission denied"


def test_the_exit_status_tells_a_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = plant(tmp_path, {f"{VM}/swappiness": "60"})
    assert tune.main(["check", "ksm", "--root", str(root)]) == 0
    assert tune.main(["check", "ksm", "swappiness", "--root", str(root)]) == 1
    assert "sysctl -w vm.swappiness=1" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        tune.main(["check", "swapiness"])
    assert ended.value.code == 2
    assert 'did you mean "swappiness"?' in capsys.readouterr().err


def test_json_has_what_a_fleet_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = plant(tmp_path, {"/proc/irq/24/effective_affinity_list": "2"})
    assert tune.main(["check", "irqs", "--json", "--root", str(root)]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["hot"] == "2-3"
    (finding,) = said["findings"]
    assert finding["outcome"] == "wrong"
    assert finding["found"] == "irq 24 2 of 2"
    assert "kernel command line: irqaffinity=0-1,4-7" in finding["how"]


def test_one_setting_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune.main(["explain", "nohz_full", "--root", str(plant(tmp_path))]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for text in ("interrupted 100 to 1,000 times a second", "nohz_full=2-3", "undo", "danger"):
        assert text in said
