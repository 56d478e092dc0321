"""Who else may run on the hot CPUs: tasks, the tick, callbacks, interrupts, workers."""

from __future__ import annotations

from typing import Final

from tuning.host import CPU_DIRECTORY, Host, Missing, Unreadable, cpu_list, parse_cpus
from tuning.readers import (
    absent,
    all_of,
    apart_masks,
    covers,
    judged,
    listed,
    lists_apart,
    masks_apart,
    none_runs,
    number,
    option,
    to,
)
from tuning.setting import Reading, Setting

IRQS: Final = "/proc/irq/[0-9]*/smp_affinity_list"
DEFAULT_IRQ: Final = "/proc/irq/default_smp_affinity"
WORKERS: Final = "/sys/devices/virtual/workqueue/cpumask"
WRITEBACK: Final = "/sys/devices/virtual/workqueue/writeback/cpumask"
WATCHDOG_CPUS: Final = "/proc/sys/kernel/watchdog_cpumask"
MIGRATION: Final = "/proc/sys/kernel/timer_migration"
CONTROLLERS: Final = "/sys/fs/cgroup/cgroup.controllers"


def _isolated(host: Host) -> Reading:
    return covers(host, host.isolated, cpu_list(host.isolated))


def _tickless(host: Host) -> Reading:
    text = host.read(f"{CPU_DIRECTORY}/nohz_full")
    return covers(host, parse_cpus(text), cpu_list(parse_cpus(text)))


def _callbacks(host: Host) -> Reading:
    if not host.options:
        raise Unreadable("/proc/cmdline says nothing")
    cpus: frozenset[int] = frozenset()
    # Tickless CPUs give their callbacks away too.
    for name in ("rcu_nocbs", "nohz_full"):
        said = host.options.get(name, "")
        cpus |= host.online if said == "all" else parse_cpus(said)
    return covers(host, cpus, cpu_list(cpus))


def _managed(host: Host) -> Reading:
    flags = host.options.get("isolcpus", "").split(",")
    return judged("managed_irq" in flags, "said" if "managed_irq" in flags else "not said")


def _interrupts(host: Host) -> Reading:
    """Where they may go; where the kernel says so, where they do go is what counts."""
    paths = []
    for path in host.glob(IRQS):
        effective = path.replace("smp_affinity_list", "effective_affinity_list")
        # An interrupt that nobody uses has none.
        if not host.has(effective):
            paths.append(path)
        elif host.text(effective):
            paths.append(effective)
    return all_of(host, paths, lambda text: not parse_cpus(text) & host.hot, "interrupt")


def _threads(host: Host) -> Reading:
    if not host.sees_all_tasks:
        raise Missing("the kernel's threads, which a container does not see")
    # A thread that is bound to one CPU belongs to it.
    wrong = [
        task.name
        for task in host.tasks
        if task.parent == 2 and len(task.cpus) > 1 and task.cpus & host.hot
    ]
    return judged(not wrong, listed(wrong) or "none may run there")


def _services(host: Host) -> Reading:
    if not host.sees_all_tasks:
        raise Missing("the host's process 1, which a container does not see")
    cpus = next((task.cpus for task in host.tasks if task.pid == 1), frozenset())
    return judged(not cpus & host.hot, f"process 1 may use {cpu_list(cpus)}")


def _migration_wanted(host: Host) -> int:
    """Timers of hot CPUs must go where the tick is, once those have none."""
    return 1 if host.has(f"{CPU_DIRECTORY}/nohz_full") else 0


def _migration(host: Host) -> Reading:
    value = host.number(MIGRATION)
    return judged(value == _migration_wanted(host), str(value))


def _partitions(host: Host) -> Reading:
    if not host.has("/sys/fs/cgroup"):
        raise Missing("/sys/fs/cgroup")
    if not host.has(CONTROLLERS):
        return judged(False, "cgroup v1, or a mixture")
    controllers = host.read(CONTROLLERS).split()
    return judged(
        "cpuset" in controllers,
        "v2 " + ("with" if "cpuset" in controllers else "without") + " cpuset",
    )


SETTINGS: Final = (
    Setting(
        name="isolcpus",
        where=f"{CPU_DIRECTORY}/isolated, /sys/fs/cgroup/cpuset.cpus.isolated",
        good="every hot CPU",
        why="The scheduler puts tasks on any CPU that it balances over; on these only what is "
        "pinned there runs.",
        danger="what is pinned to several isolated CPUs runs on the first of them only",
        read=_isolated,
        kernel="isolcpus=managed_irq,domain,{hot}",
        how="or at run time a cgroup v2 partition: `ringbus up` makes one where it may",
    ),
    Setting(
        name="managed_irq",
        where="/proc/cmdline",
        good="managed_irq among the flags of isolcpus=",
        why="Interrupts of NVMe and some NICs are spread over all CPUs by the kernel, and only "
        "this keeps them off.",
        danger="none known",
        read=_managed,
        kernel="isolcpus=managed_irq,domain,{hot}",
    ),
    Setting(
        name="nohz_full",
        where=f"{CPU_DIRECTORY}/nohz_full",
        good="every hot CPU",
        why="Without it every CPU is interrupted 100 to 1,000 times a second by the tick, 1 to 5 "
        "µs each.",
        danger="system calls cost more there; one housekeeping CPU must keep the tick",
        read=_tickless,
        kernel="nohz_full={hot}",
    ),
    Setting(
        name="rcu_nocbs",
        where="/proc/cmdline",
        good="every hot CPU, by rcu_nocbs= or nohz_full=",
        why="Callbacks that free the kernel's memory otherwise run where they were asked for.",
        danger="rcuo threads need a housekeeping CPU that has time for them",
        read=_callbacks,
        kernel="rcu_nocbs={hot}",
    ),
    Setting(
        name="rcu_nocb_poll",
        where="/proc/cmdline",
        good="said",
        why="The threads that run those callbacks look for them, so that no hot CPU has to wake "
        "one.",
        danger="the threads wake up often on the housekeeping CPUs",
        read=option("rcu_nocb_poll"),
        kernel="rcu_nocb_poll",
    ),
    Setting(
        name="irqaffinity",
        where=DEFAULT_IRQ,
        good="no hot CPU",
        why="A new interrupt, such as that of a device that is plugged in, goes where this says.",
        danger="none",
        read=apart_masks(DEFAULT_IRQ),
        change=masks_apart(DEFAULT_IRQ),
        kernel="irqaffinity={housekeeping}",
        default="all CPUs",
    ),
    Setting(
        name="irqs",
        where="/proc/irq/*/effective_affinity_list, smp_affinity_list",
        good="no hot CPU, for each of them",
        why="An interrupt takes 2 to 20 µs of whoever is running, and throws it out of the "
        "caches.",
        danger="some cannot be moved (timers, managed ones): they are said to be left",
        read=_interrupts,
        change=lists_apart(IRQS),
        kernel="irqaffinity={housekeeping}",
        default="all CPUs",
    ),
    Setting(
        name="irqbalance",
        where="/proc/*/comm",
        good="does not run",
        why="It moves interrupts every ten seconds to where it thinks best, over what was set.",
        danger="with many busy devices one housekeeping CPU may get too many interrupts",
        read=none_runs("irqbalance"),
        how="systemctl disable --now irqbalance",
        undo="systemctl enable --now irqbalance",
    ),
    Setting(
        name="workqueues",
        where=WORKERS,
        good="no hot CPU",
        why="Deferred work of drivers and file systems otherwise runs on the CPU that caused it.",
        danger="none",
        read=apart_masks(WORKERS),
        change=masks_apart(WORKERS),
        default="all CPUs",
    ),
    Setting(
        name="writeback",
        where=WRITEBACK,
        good="no hot CPU",
        why="Writing dirty pages to disk takes a CPU for milliseconds.",
        danger="none",
        read=apart_masks(WRITEBACK),
        change=masks_apart(WRITEBACK),
        default="all CPUs",
    ),
    Setting(
        name="kernel_threads",
        where="/proc/*/status, Cpus_allowed_list",
        good="no thread of several CPUs may use a hot one",
        why="kswapd, kcompactd, ksoftirqd's helpers and drivers' threads take what they get.",
        danger="none; those bound to one CPU cannot be moved and have nothing to do there",
        read=_threads,
        kernel="nohz_full={hot}",
        how="for p in $(pgrep -P 2); do taskset -acp HOUSEKEEPING $p; done",
        undo="taskset -acp 0-N PID, or restart",
    ),
    Setting(
        name="systemd_affinity",
        where="/proc/1/status, Cpus_allowed_list",
        good="no hot CPU for process 1, hence for every service",
        why="What is started later inherits its CPUs: a cron job on a hot CPU is a gap of "
        "seconds.",
        danger="a service that pins itself to a hot CPU must be allowed to",
        read=_services,
        how="/etc/systemd/system.conf.d/ringbus.conf: [Manager] CPUAffinity=HOUSEKEEPING, "
        "restart",
        undo="remove the file, restart",
    ),
    Setting(
        name="cgroup_cpuset",
        where=CONTROLLERS,
        good="cgroup v2 with cpuset",
        why="Only v2 has partitions that take CPUs from the scheduler at run time.",
        danger="tools that know v1 only (cset shield) stop working",
        read=_partitions,
        kernel="systemd.unified_cgroup_hierarchy=1",
    ),
    Setting(
        name="timer_migration",
        where=MIGRATION,
        good="1 where the kernel knows nohz_full, else 0",
        why="Timers of idle CPUs are moved to busy ones. A hot CPU is always busy: without "
        "nohz_full it gets them all, with it they go to the housekeeping CPUs.",
        danger="none known",
        read=_migration,
        change=lambda host: to(MIGRATION, str(_migration_wanted(host)))(host),
        default="1",
    ),
    Setting(
        name="watchdog_cpus",
        where=WATCHDOG_CPUS,
        good="no hot CPU",
        why="The watchdog wakes a thread of the highest priority on each of its CPUs every 4 s.",
        danger="a hot CPU that hangs in the kernel is not reported",
        read=lambda host: _watched(host),
        change=lists_apart(WATCHDOG_CPUS),
        default="all CPUs",
    ),
    Setting(
        name="nmi_watchdog",
        where="/proc/sys/kernel/nmi_watchdog",
        good="0",
        why="It takes a performance counter and an interrupt that cannot be masked, every 10 s.",
        danger="a CPU that hangs with interrupts off is not reported",
        read=number("/proc/sys/kernel/nmi_watchdog", 0, 0),
        change=to("/proc/sys/kernel/nmi_watchdog", "0"),
        kernel="nmi_watchdog=0",
        default="1",
    ),
    Setting(
        name="skew_tick",
        where="/proc/cmdline",
        good="1",
        why="Without it the ticks of all CPUs come at the same moment and wait for each other's "
        "locks.",
        danger="a little more power",
        read=option("skew_tick", "1"),
        kernel="skew_tick=1",
    ),
)


def _watched(host: Host) -> Reading:
    if host.text("/proc/sys/kernel/watchdog") == "0":
        return absent("the watchdog is off")
    cpus = parse_cpus(host.read(WATCHDOG_CPUS))
    return judged(not cpus & host.hot, cpu_list(cpus) or "none")
