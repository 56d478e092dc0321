"""How settings are read and judged; each function makes the reader of one setting."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from tuning.host import Host, Missing, Unreadable, cpu_list, cpu_mask, parse_cpus, parse_mask
from tuning.setting import Outcome, Reading, Write

Reader = Callable[[Host], Reading]
Change = Callable[[Host], tuple[Write, ...]]
NAMED_MAX: Final = 4


def judged(is_good: bool, found: str) -> Reading:
    """Good or wrong."""
    return Reading(Outcome.GOOD if is_good else Outcome.WRONG, found)


def recorded(found: str) -> Reading:
    """Neither."""
    return Reading(Outcome.RECORDED, found)


def absent(found: str) -> Reading:
    """It does not apply."""
    return Reading(Outcome.ABSENT, found)


def chosen(text: str) -> str:
    """What a file says; of `always [madvise] never`, the word in brackets."""
    match = re.search(r"\[([^\]]+)\]", text)
    return match[1] if match else text.strip()


def number(path: str, low: int, high: int | None = None) -> Reader:
    """A whole number from `low` to `high`, or as high as one likes."""

    def read(host: Host) -> Reading:
        value = host.number(path)
        return judged(value >= low and (high is None or value <= high), str(value))

    return read


def word(path: str, *good: str) -> Reader:
    """One of some words."""

    def read(host: Host) -> Reading:
        value = chosen(host.read(path))
        return judged(value in good, value or "empty")

    return read


def option(name: str, *good: str) -> Reader:
    """An option of the kernel command line: one of some values, or said at all."""

    def read(host: Host) -> Reading:
        if not host.options:
            raise Unreadable("/proc/cmdline says nothing")
        value = host.options.get(name)
        said = "not said" if value is None else f"{name}={value}" if value else name
        return judged(value is not None and (not good or value in good), said)

    return read


def listed(wrong: Sequence[str]) -> str:
    """The first few of some things."""
    more = f" and {len(wrong) - NAMED_MAX} more" if len(wrong) > NAMED_MAX else ""
    return ", ".join(wrong[:NAMED_MAX]) + more


def all_of(host: Host, paths: Sequence[str], is_good: Callable[[str], bool], what: str) -> Reading:
    """Whether all files say what is good; names the first few that do not.

    Raises: Missing: there are none; Unreadable.
    """
    if not paths:
        raise Missing(f"there is no {what}")
    values = {path: chosen(host.read(path)) for path in paths}
    wrong = [
        f"{tag(path)} {value or 'empty'}" for path, value in values.items() if not is_good(value)
    ]
    if wrong:
        return judged(False, f"{listed(wrong)} of {len(values)}" if len(values) > 1 else wrong[0])
    distinct = list(dict.fromkeys(values.values()))
    return judged(True, f"{listed(distinct)} on all {len(values)}")


def tag(path: str) -> str:
    """The part of a path that tells it from its like: cpu3, irq 24, eth0 rx-1."""
    if path.startswith("/proc/irq/"):
        return f"irq {path.split('/')[3]}"
    if path.startswith("/sys/class/net/"):
        parts = path.split("/")
        return " ".join([parts[4], *(part for part in parts[5:] if re.match(r"[rt]x-", part))])
    parts = [part for part in path.split("/") if re.search(r"\d", part) and "kB" not in part]
    return " ".join(parts) or path.rpartition("/")[2]


def hot_paths(host: Host, pattern: str) -> list[str]:
    """The files of the hot CPUs, {cpu} in the pattern, that are there."""
    paths = [pattern.replace("{cpu}", f"cpu{cpu}") for cpu in sorted(host.hot)]
    return [found for path in paths for found in host.glob(path)]


def each_hot(pattern: str, is_good: Callable[[str], bool]) -> Reader:
    """One file a hot CPU."""
    return lambda host: all_of(host, hot_paths(host, pattern), is_good, pattern)


def each(pattern: str, is_good: Callable[[str], bool]) -> Reader:
    """Every file of a pattern."""
    return lambda host: all_of(host, host.glob(pattern), is_good, pattern)


def among(*good: str) -> Callable[[str], bool]:
    """Whether a value is one of some."""
    return lambda value: value in good


def covers(host: Host, cpus: frozenset[int], said: str) -> Reading:
    """Whether some CPUs are all that are hot."""
    left = host.hot - cpus
    found = said or "none"
    return judged(not left and bool(host.hot), f"{found} (not {cpu_list(left)})" if left else found)


def apart_masks(pattern: str) -> Reader:
    """No mask in a file of the pattern names a hot CPU."""

    def read(host: Host) -> Reading:
        paths = host.glob(pattern)
        return all_of(host, paths, lambda text: not parse_mask(text) & host.hot, pattern)

    return read


def running(host: Host, names: Sequence[str]) -> list[str]:
    """Which of some programs run. Raises: Missing: a container does not see them."""
    if not host.sees_all_tasks:
        raise Missing("the host's processes, which a container does not see")
    # The kernel keeps fifteen letters of a name.
    there = {task.name for task in host.tasks}
    return [name for name in names if name[:15] in there]


def none_runs(*names: str) -> Reader:
    """None of some programs runs."""

    def read(host: Host) -> Reading:
        found = running(host, names)
        return judged(not found, f"{listed(found)} runs" if found else "does not run")

    return read


def limit(name: str, least: int) -> Reader:
    """The hard limit of this process for a resource, at least `least`; see proc(5), limits."""

    def read(host: Host) -> Reading:
        for line in host.read("/proc/self/limits").splitlines():
            if line.startswith(name):
                hard = line.removeprefix(name).split()[1]
                return judged(hard == "unlimited" or int(hard) >= least, hard)
        raise Unreadable(f"/proc/self/limits does not say {name}")

    return read


def to(path: str, value: str) -> Change:
    """Write one file, if it is there."""
    return lambda host: (Write(path, value),) if host.has(path) else ()


def to_each(pattern: str, value: str) -> Change:
    """Write every file of a pattern."""
    return lambda host: tuple(Write(path, value) for path in host.glob(pattern))


def to_hot(pattern: str, value: str) -> Change:
    """Write the file of every hot CPU."""
    return lambda host: tuple(Write(path, value) for path in hot_paths(host, pattern))


def masks_apart(pattern: str) -> Change:
    """Leave only housekeeping CPUs in every mask of the pattern that names another."""
    return lambda host: _moved(host, pattern, parse_mask, cpu_mask)


def lists_apart(pattern: str) -> Change:
    """The same of lists."""
    return lambda host: _moved(host, pattern, parse_cpus, cpu_list)


def _moved(
    host: Host,
    pattern: str,
    parse: Callable[[str], frozenset[int]],
    show: Callable[[frozenset[int]], str],
) -> tuple[Write, ...]:
    out = []
    for path in host.glob(pattern):
        cpus = parse(host.text(path, "0"))
        if cpus & host.hot:
            out.append(Write(path, show((cpus - host.hot) or host.housekeeping)))
    return tuple(out)
