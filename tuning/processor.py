"""The CPUs themselves: what shares a core, what the hardware had to do, what time is made of."""

from __future__ import annotations

from typing import Final

from tuning.host import CPU_DIRECTORY, Host, Missing, cpu_list
from tuning.readers import absent, judged, listed, option, recorded, tag, to, to_each
from tuning.setting import Reading, Setting, Write

CLOCK: Final = "/sys/devices/system/clocksource/clocksource0"
CHECKS: Final = "/sys/devices/system/machinecheck/machinecheck[0-9]*/check_interval"
EDAC_POLL: Final = "/sys/module/edac_core/parameters/edac_mc_poll_msec"
VULNERABILITIES: Final = f"{CPU_DIRECTORY}/vulnerabilities/*"


def _smt(host: Host) -> Reading:
    active = host.read(f"{CPU_DIRECTORY}/smt/active")
    if active == "0":
        return judged(True, "off, or none there")
    shared = [cpu for cpu in sorted(host.hot) if len(host.siblings(cpu)) > 1]
    found = f"on, hot CPUs {cpu_list(shared)} share their cores" if shared else "on, elsewhere"
    return judged(not shared, found)


def _smt_off(host: Host) -> tuple[Write, ...]:
    control = f"{CPU_DIRECTORY}/smt/control"
    return (Write(control, "off"),) if host.text(control) == "on" else ()


def _offline(host: Host) -> Reading:
    offline = host.cpus(f"{CPU_DIRECTORY}/offline")
    # Siblings that `smt` has taken away are counted as offline.
    if not offline or host.text(f"{CPU_DIRECTORY}/smt/control") in ("off", "forceoff"):
        return judged(True, f"all {len(host.online)} are online, or off as siblings")
    return judged(False, f"{cpu_list(offline)} offline")


def _mitigations(host: Host) -> Reading:
    paths = host.glob(VULNERABILITIES)
    if not paths:
        raise Missing(VULNERABILITIES)
    states = {path.rpartition("/")[2]: host.text(path) for path in paths}
    mitigated = [name for name, state in states.items() if state.startswith("Mitigation")]
    open_to = [name for name, state in states.items() if state.startswith("Vulnerable")]
    said = host.options.get("mitigations", "not said")
    return recorded(f"{len(mitigated)} mitigated, {len(open_to)} vulnerable; mitigations={said}")


def _throttling(host: Host) -> Reading:
    paths = host.glob(f"{CPU_DIRECTORY}/cpu[0-9]*/thermal_throttle/*_throttle_count")
    if not paths:
        raise Missing("count of thermal throttling")
    counts = {path: host.number(path) for path in paths}
    wrong = [f"{path.split('/')[5]} {count:,} times" for path, count in counts.items() if count]
    return judged(not wrong, listed(wrong) or "never since the start")


def _errors(host: Host) -> Reading:
    paths = host.glob("/sys/devices/system/edac/mc/mc[0-9]*/[cu]e_count")
    if not paths:
        raise Missing("memory controller that counts errors (EDAC)")
    kinds = {"ce_count": "corrected", "ue_count": "uncorrected"}
    wrong = []
    for path in paths:
        if count := host.number(path):
            wrong.append(f"{tag(path)}: {count:,} {kinds[path.rpartition('/')[2]]}")
    return judged(not wrong, listed(wrong) or "no errors since the start")


def _clocksource(host: Host) -> Reading:
    current = host.read(f"{CLOCK}/current_clocksource")
    if "tsc" not in host.text(f"{CLOCK}/available_clocksource").split():
        return absent(f"{current}; there is no tsc here")
    return judged(current == "tsc", current)


def _tsc(host: Host) -> Reading:
    flags = next(
        (
            line.split()
            for line in host.read("/proc/cpuinfo").splitlines()
            if line.startswith("flags")
        ),
        None,
    )
    if flags is None:
        return absent("no x86 CPU")
    lacking = [flag for flag in ("constant_tsc", "nonstop_tsc") if flag not in flags]
    return judged(
        not lacking, f"without {' and '.join(lacking)}" if lacking else "constant, never stops"
    )


def _microcode(host: Host) -> Reading:
    return recorded(host.read(f"{CPU_DIRECTORY}/cpu0/microcode/version"))


def _virtual(host: Host) -> Reading:
    said = [kind for kind in (host.virtual, host.container) if kind]
    return recorded(" in ".join(reversed(said)) if said else "bare metal")


def _steal(host: Host) -> Reading:
    if not host.virtual:
        return absent("bare metal: nobody takes the CPUs away")
    line = host.read("/proc/stat").splitlines()[0].split()
    ticks = [int(field) for field in line[1:9]]
    part = ticks[7] / max(1, sum(ticks))
    return judged(part < 0.0001, f"{100 * part:.2f} % of the time since the start")


SETTINGS: Final = (
    Setting(
        name="smt",
        where=f"{CPU_DIRECTORY}/smt/active, cpu*/topology/thread_siblings_list",
        good="off, or no hot CPU that has a sibling online",
        why="Two siblings share one core's execution units and first caches: what one does, the "
        "other waits for.",
        danger="half of the CPUs go away; what is pinned to them moves",
        read=_smt,
        change=_smt_off,
        kernel="nosmt",
        default="on",
    ),
    Setting(
        name="cpus_online",
        where=f"{CPU_DIRECTORY}/offline",
        good="every CPU online, but for siblings",
        why="A CPU that goes or comes stops all others for milliseconds, and moves interrupts.",
        danger="none",
        read=_offline,
        how="echo 1 > /sys/devices/system/cpu/cpuN/online, before the exchange starts",
        undo="echo 0 there",
    ),
    Setting(
        name="mitigations",
        where=VULNERABILITIES,
        good="recorded, not judged: the operator's decision",
        why="Mitigations make system calls, interrupts and indirect branches slower; figures "
        "with and without them do not compare.",
        danger="without them a program on this host may read another's memory",
        read=_mitigations,
        how="kernel command line: mitigations=off, only where all code on the host is trusted",
        undo="take it off the kernel command line, restart",
    ),
    Setting(
        name="microcode",
        where=f"{CPU_DIRECTORY}/cpu0/microcode/version",
        good="recorded, not judged",
        why="A new microcode can change what an instruction costs.",
        danger="none",
        read=_microcode,
        how="packages intel-microcode, amd64-microcode",
        undo="install the package's former version",
        metal=True,
    ),
    Setting(
        name="thermal_throttling",
        where=f"{CPU_DIRECTORY}/cpu*/thermal_throttle/*_throttle_count",
        good="0",
        why="A CPU that was too hot ran at a fraction of its clock for a while.",
        danger="none",
        read=_throttling,
        how="cooling, firmware's fan and power limits; it counts from the start of the host",
        undo="nothing was changed",
        metal=True,
    ),
    Setting(
        name="memory_errors",
        where="/sys/devices/system/edac/mc/mc*/ce_count, ue_count",
        good="0",
        why="Each corrected error is an interrupt of the firmware or the kernel, and a module "
        "that has many is about to fail.",
        danger="none",
        read=_errors,
        how="replace the memory module",
        undo="nothing was changed",
        metal=True,
    ),
    Setting(
        name="edac_poll",
        where=EDAC_POLL,
        good="60000 ms or more",
        why="Looking for memory errors every second takes the memory controller's registers over "
        "a slow bus.",
        danger="errors are seen a minute later",
        read=lambda host: judged(host.number(EDAC_POLL) >= 60000, f"{host.number(EDAC_POLL)} ms"),
        change=to(EDAC_POLL, "60000"),
        default="1000",
        metal=True,
    ),
    Setting(
        name="machine_checks",
        where=CHECKS,
        good="0: nobody polls",
        why="Every five minutes a timer on each CPU, the hot ones too, reads all banks of the "
        "machine-check registers.",
        danger="corrected errors of banks without an interrupt are no longer counted",
        read=lambda host: _no_polling(host),
        change=to_each(CHECKS, "0"),
        kernel="mce=ignore_ce",
        default="300",
        metal=True,
    ),
    Setting(
        name="clocksource",
        where=f"{CLOCK}/current_clocksource",
        good="tsc",
        why="Other clocks are read over a bus or by a system call: 0.2 to 5 µs instead of 20 ns.",
        danger="none where the CPU's counter is constant (tsc_constant)",
        read=_clocksource,
        change=to(f"{CLOCK}/current_clocksource", "tsc"),
        kernel="clocksource=tsc",
        default="what available_clocksource says first",
    ),
    Setting(
        name="tsc_constant",
        where="/proc/cpuinfo",
        good="constant_tsc and nonstop_tsc",
        why="A counter that follows the clock or stops when the CPU sleeps measures no time.",
        danger="none",
        read=_tsc,
        how="another CPU",
        undo="nothing was changed",
    ),
    Setting(
        name="tsc_watchdog",
        where="/proc/cmdline",
        good="tsc=reliable or tsc=nowatchdog",
        why="Twice a second the kernel compares the counter with another clock, on each CPU in "
        "turn, and may give the counter up when a CPU was late.",
        danger="a counter that is wrong is not noticed any more",
        read=option("tsc", "reliable", "nowatchdog"),
        kernel="tsc=reliable",
        metal=True,
    ),
    Setting(
        name="virtual",
        where="/proc/cpuinfo, /sys/class/dmi, /run/systemd/container",
        good="recorded, not judged: bare metal for an exchange",
        why="The host of a virtual machine takes its CPUs away whenever it likes.",
        danger="none",
        read=_virtual,
        how="bare metal",
        undo="nothing was changed",
    ),
    Setting(
        name="steal",
        where="/proc/stat",
        good="less than 0.01 % of the time",
        why="Time in which a virtual CPU was ready and its host ran something else.",
        danger="none",
        read=_steal,
        how="ask the host's operator for CPUs of your own",
        undo="nothing was changed",
    ),
)


def _no_polling(host: Host) -> Reading:
    paths = host.glob(CHECKS)
    if not paths:
        raise Missing(CHECKS)
    wrong = [f"{tag(path)} {host.read(path)} s" for path in paths if host.read(path) != "0"]
    return judged(not wrong, listed(wrong) or "nobody polls")
