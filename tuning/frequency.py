"""How fast the CPUs run, and how deeply they sleep: the clock's speed must not follow the load."""

from __future__ import annotations

from typing import Final

from tuning.host import CPU_DIRECTORY, Host, Missing
from tuning.readers import absent, all_of, among, chosen, each_hot, hot_paths, judged, to_hot
from tuning.setting import Reading, Setting, Write

FREQUENCY: Final = f"{CPU_DIRECTORY}/{{cpu}}/cpufreq"
NO_TURBO: Final = f"{CPU_DIRECTORY}/intel_pstate/no_turbo"
BOOST: Final = f"{CPU_DIRECTORY}/cpufreq/boost"
MIN_PERCENT: Final = f"{CPU_DIRECTORY}/intel_pstate/min_perf_pct"
DMA_LATENCY: Final = "/dev/cpu_dma_latency"
# What leaving an idle state may take at most, µs; polling and C1 are below.
EXIT_US_MAX: Final = 2
DRIVERS: Final = ("intel_pstate", "intel_cpufreq", "amd-pstate", "amd-pstate-epp")


def _turbo(host: Host) -> Reading:
    if host.has(NO_TURBO):
        off = host.number(NO_TURBO)
        return judged(off == 1, "off" if off == 1 else "on")
    on = host.number(BOOST)
    return judged(on == 0, "on" if on else "off")


def _turbo_off(host: Host) -> tuple[Write, ...]:
    if host.has(NO_TURBO):
        return (Write(NO_TURBO, "1"),)
    return (Write(BOOST, "0"),) if host.has(BOOST) else ()


def _lowest(host: Host) -> Reading:
    highest = "scaling_max_freq"
    paths = hot_paths(host, f"{FREQUENCY}/scaling_min_freq")
    if not paths:
        raise Missing("cpufreq")
    wrong = []
    for path in paths:
        low, high = host.number(path), host.number(path.replace("scaling_min_freq", highest))
        if low < high:
            wrong.append(f"{path.split('/')[5]} {low // 1000} of {high // 1000} MHz")
    return judged(not wrong, ", ".join(wrong[:3]) or "lowest is highest")


def _lowest_is_highest(host: Host) -> tuple[Write, ...]:
    out = [Write(MIN_PERCENT, "100")] if host.has(MIN_PERCENT) else []
    for path in hot_paths(host, f"{FREQUENCY}/scaling_min_freq"):
        out.append(Write(path, host.text(path.replace("scaling_min_freq", "scaling_max_freq"))))
    return tuple(out)


def _deep_states(host: Host) -> list[str]:
    """`disable` files of the idle states that take long to leave."""
    out = []
    for path in hot_paths(host, f"{CPU_DIRECTORY}/{{cpu}}/cpuidle/state[0-9]*"):
        if host.number(f"{path}/latency") > EXIT_US_MAX:
            out.append(f"{path}/disable")
    return out


def _idle_states(host: Host) -> Reading:
    if not hot_paths(host, f"{CPU_DIRECTORY}/{{cpu}}/cpuidle/state[0-9]*"):
        raise Missing("idle state that the kernel could choose")
    deep = _deep_states(host)
    if not deep:
        return judged(True, f"none takes more than {EXIT_US_MAX} µs to leave")
    return all_of(host, deep, among("1"), "idle state")


def _dma_latency(host: Host) -> Reading:
    value = int.from_bytes(host.read_bytes(DMA_LATENCY)[:4], "little", signed=True)
    return judged(0 <= value <= EXIT_US_MAX, f"{value:,} µs")


def _driver(host: Host) -> Reading:
    path = f"{CPU_DIRECTORY}/cpu{min(host.online)}/cpufreq/scaling_driver"
    value = host.read(path)
    return judged(value in DRIVERS, value)


def _energy(host: Host) -> Reading:
    if chosen(host.text(f"{CPU_DIRECTORY}/intel_pstate/status")) == "passive":
        return absent("the P-state driver is passive: the governor decides")
    return each_hot(f"{FREQUENCY}/energy_performance_preference", among("performance", "0"))(host)


SETTINGS: Final = (
    Setting(
        name="governor",
        where=f"{FREQUENCY}/scaling_governor",
        good="performance on every hot CPU",
        why="Any other governor lowers the clock of a CPU that waits, and takes milliseconds to "
        "raise it when work comes.",
        danger="power and heat: the CPUs always run at their highest clock",
        read=each_hot(f"{FREQUENCY}/scaling_governor", among("performance")),
        change=to_hot(f"{FREQUENCY}/scaling_governor", "performance"),
        default="powersave or schedutil",
        metal=True,
    ),
    Setting(
        name="frequency_driver",
        where=f"{CPU_DIRECTORY}/cpu0/cpufreq/scaling_driver",
        good="intel_pstate, intel_cpufreq or amd-pstate",
        why="acpi-cpufreq knows a few steps of the clock that the firmware made up, and may not "
        "reach the highest.",
        danger="none known; amd_pstate needs CPPC, which the firmware may have switched off",
        read=_driver,
        how="firmware: CPPC on, control of power by the operating system; AMD: amd_pstate=active "
        "on the kernel command line",
        undo="set it back there",
        metal=True,
    ),
    Setting(
        name="frequency_min",
        where=f"{FREQUENCY}/scaling_min_freq",
        good="the same as scaling_max_freq",
        why="Between the two the clock follows the load; the same, there is nothing to follow.",
        danger="power and heat",
        read=_lowest,
        change=_lowest_is_highest,
        default="cpuinfo_min_freq",
        metal=True,
    ),
    Setting(
        name="turbo",
        where=f"{NO_TURBO} or {BOOST}",
        good="off",
        why="With turbo the clock depends on how many cores are busy and how warm they are, and "
        "each change stops the core for some microseconds: faster at the median, wider in the "
        "tail.",
        danger="10 to 40 % slower at the median; leave it on where the median is what counts",
        read=_turbo,
        change=_turbo_off,
        default="no_turbo 0, boost 1",
        metal=True,
    ),
    Setting(
        name="energy_preference",
        where=f"{FREQUENCY}/energy_performance_preference",
        good="performance",
        why="Where the CPU chooses its clock itself, this tells it how eagerly.",
        danger="power and heat",
        read=_energy,
        change=to_hot(f"{FREQUENCY}/energy_performance_preference", "performance"),
        default="balance_performance",
        metal=True,
    ),
    Setting(
        name="energy_bias",
        where=f"{CPU_DIRECTORY}/{{cpu}}/power/energy_perf_bias",
        good="0 (performance)",
        why="Intel's older hint: above 0 the CPU saves energy in what the system does not see, "
        "such as links between sockets.",
        danger="power and heat",
        read=each_hot(f"{CPU_DIRECTORY}/{{cpu}}/power/energy_perf_bias", among("0")),
        change=to_hot(f"{CPU_DIRECTORY}/{{cpu}}/power/energy_perf_bias", "0"),
        default="6",
        metal=True,
    ),
    Setting(
        name="idle_states",
        where=f"{CPU_DIRECTORY}/{{cpu}}/cpuidle/state*/disable",
        good=f"1 for every state that takes more than {EXIT_US_MAX} µs to leave",
        why="A CPU that sleeps deeply wakes up after 10 to 200 µs, with cold caches.",
        danger="power and heat; a core that sleeps lightly leaves less turbo to the others",
        read=_idle_states,
        change=lambda host: tuple(Write(path, "1") for path in _deep_states(host)),
        kernel="intel_idle.max_cstate=1 processor.max_cstate=1",
        default="0",
    ),
    Setting(
        name="resume_latency",
        where=f"{CPU_DIRECTORY}/{{cpu}}/power/pm_qos_resume_latency_us",
        good="n/a (none is accepted; 0 would mean that any is)",
        why="Says the same to the idle governor for one CPU: it then only polls.",
        danger="power and heat; the SMT sibling shares its core with a loop",
        read=each_hot(f"{CPU_DIRECTORY}/{{cpu}}/power/pm_qos_resume_latency_us", among("n/a", "1")),
        change=to_hot(f"{CPU_DIRECTORY}/{{cpu}}/power/pm_qos_resume_latency_us", "n/a"),
        default="0",
    ),
    Setting(
        name="cpu_dma_latency",
        where=DMA_LATENCY,
        good=f"0 to {EXIT_US_MAX} µs asked for by some process",
        why="The same for the whole host, as long as somebody keeps the device open: "
        "2,000,000,000 means that nobody does.",
        danger="power and heat of all CPUs",
        read=_dma_latency,
        how="a process that writes four zero bytes to it and keeps it open: tuned's "
        "force_latency=0",
        undo="end that process",
    ),
)
