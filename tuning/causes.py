"""What the kernel counts of those who take a CPU away: interrupts, softirqs, theft by the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tuning.host import Host

# Milliseconds of a tick of /proc/stat: USER_HZ is 100 on every Linux.
TICK_MS: Final = 10
STEAL: Final = 8  # the column of /proc/stat, its name being the first


@dataclass(frozen=True, slots=True)
class Counts:
    """The counters of one CPU: by interrupt, by softirq; `steal_ms` by the host's CPU clock."""

    interrupts: dict[str, int]
    softirqs: dict[str, int]
    steal_ms: int

    def since(self, before: Counts) -> Counts:
        """What was counted between two looks; what did not move is left out."""
        return Counts(
            _moved(self.interrupts, before.interrupts),
            _moved(self.softirqs, before.softirqs),
            self.steal_ms - before.steal_ms,
        )


def counts(host: Host) -> dict[int, Counts]:
    """The counters of every CPU; those that cannot be read are empty."""
    interrupts = _table(host.text("/proc/interrupts"), named=True)
    softirqs = _table(host.text("/proc/softirqs"), named=False)
    steal = _steal(host.text("/proc/stat"))
    return {
        cpu: Counts(interrupts.get(cpu, {}), softirqs.get(cpu, {}), steal.get(cpu, 0))
        for cpu in sorted(host.online)
    }


def _table(text: str, named: bool) -> dict[int, dict[str, int]]:
    """A table with a column a CPU, as /proc/interrupts is; `named`: what follows is a name."""
    lines = text.splitlines()
    if not lines:
        return {}
    cpus = [int(word.removeprefix("CPU")) for word in lines[0].split()]
    out: dict[int, dict[str, int]] = {cpu: {} for cpu in cpus}
    for line in lines[1:]:
        words = line.split()
        values = words[1 : 1 + len(cpus)]
        # Totals of the whole host, such as ERR, have one column.
        if len(values) < len(cpus) or not all(value.isdigit() for value in values):
            continue
        name = words[0].rstrip(":")
        rest = words[1 + len(cpus) :]
        if named and rest:
            # A device's line ends with its name, the kernel's own with what it is for.
            name = f"{name} {rest[-1] if name.isdigit() else ' '.join(rest).lower()}"
        for cpu, value in zip(cpus, values, strict=True):
            out[cpu][name] = int(value)
    return out


def _steal(text: str) -> dict[int, int]:
    out = {}
    for line in text.splitlines():
        words = line.split()
        if words and words[0].startswith("cpu") and words[0] != "cpu" and len(words) > STEAL:
            out[int(words[0][3:])] = int(words[STEAL]) * TICK_MS
    return out


def _moved(now: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    moved = {name: count - before.get(name, 0) for name, count in now.items()}
    ordered = sorted(moved.items(), key=lambda item: -item[1])
    return {name: count for name, count in ordered if count > 0}
