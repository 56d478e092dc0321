"""Refuses to start an exchange on a host that is not tuned as its topology requires."""

from __future__ import annotations

from pathlib import Path

from tools.topology import Topology
from tuning.checks import check
from tuning.host import Host
from tuning.nic import coalescing
from tuning.setting import Outcome


def host_of(topology: Topology) -> Host:
    """This machine; hot are the CPUs of the topology's cores that never sleep."""
    return Host(Path("/"), topology.hot_cpus, coalescing)


def check_host(topology: Topology, host: Host) -> tuple[str, ...]:
    """See whether every required setting is good.

    Returns: what is required and does not apply to this host, and why not.
    Raises: ConfigurationError: one is wrong, or cannot be read; it names all of them and the cures.
    """
    if not topology.host.require:
        return ()
    wrong, cures, absent = [], [], []
    for one in check(host, topology.host.require):
        name = one.setting.name
        if one.outcome in (Outcome.WRONG, Outcome.UNREADABLE):
            wrong.append(f"{name}: {one.reading.found} (good: {one.setting.good})")
            cures += [f"{name}: {way}" for way in one.setting.ways(host)[:2]]
        elif one.outcome == Outcome.ABSENT:
            absent.append(f"{name} does not apply to this host: {one.reading.found}")
    if wrong:
        raise topology.source.error(
            ("host", 0, "require"),
            "this host is not tuned: " + "; ".join(wrong),
            "; ".join([*cures, "`ringbus tune explain SETTING` says why"]),
        )
    return tuple(absent)
