"""The network: whose CPU a packet interrupts, and how long the card or the kernel sits on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tuning.host import Host, Missing, Unreadable, parse_mask
from tuning.readers import (
    absent,
    all_of,
    among,
    apart_masks,
    each,
    judged,
    listed,
    number,
    to,
    to_each,
    word,
)
from tuning.setting import Reading, Setting

CORE: Final = "/proc/sys/net/core"
IPV4: Final = "/proc/sys/net/ipv4"
RPS: Final = "/sys/class/net/*/queues/rx-[0-9]*/rps_cpus"
XPS: Final = "/sys/class/net/*/queues/tx-[0-9]*/xps_cpus"
ASPM: Final = "/sys/module/pcie_aspm/parameters/policy"
NIC_POWER: Final = "/sys/class/net/*/device/power/control"
CONNTRACK: Final = "/proc/sys/net/netfilter/nf_conntrack_max"
COALESCE_US_MAX: Final = 0


def by_interface(check: Callable[[Host, str], str]) -> Callable[[Host], Reading]:
    """A reader that asks `check` of each interface what is wrong with it; empty: nothing."""

    def read(host: Host) -> Reading:
        if not host.interfaces:
            raise Missing("network card")
        wrong = [f"{name} {said}" for name in host.interfaces if (said := check(host, name))]
        return judged(not wrong, listed(wrong) or listed(host.interfaces))

    return read


def _queues(host: Host, name: str) -> str:
    count = len(host.glob(f"/sys/class/net/{name}/queues/rx-[0-9]*"))
    most = max(1, len(host.housekeeping))
    return f"has {count} for {most} housekeeping CPUs" if count > most else ""


def _coalescing(host: Host) -> Reading:
    asked = {name: host.coalescing(name) for name in host.interfaces}
    known = {name: us for name, us in asked.items() if us is not None}
    if not known:
        raise Missing("network card that says how long it waits")
    wrong = [f"{name} {us} µs" for name, us in known.items() if us > COALESCE_US_MAX]
    return judged(not wrong, listed(wrong) or "at once")


def _mixed(host: Host) -> Reading:
    def unmixed(text: str) -> bool:
        cpus = parse_mask(text)
        return not (cpus & host.hot and cpus & host.housekeeping)

    paths = host.glob(XPS)
    if len(paths) < 2:
        return absent("one queue to send by")
    return all_of(host, paths, unmixed, XPS)


def _node(host: Host, name: str) -> str:
    try:
        node = host.number(f"/sys/class/net/{name}/device/numa_node")
    except (Missing, Unreadable):
        return ""
    hot = [n for n, cpus in host.nodes.items() if cpus & host.hot]
    return f"is on node {node}, hot CPUs on {hot}" if node >= 0 and node not in hot else ""


def _near(host: Host) -> Reading:
    if len(host.nodes) < 2:
        return absent("one NUMA node")
    return by_interface(_node)(host)


def _conntrack(host: Host) -> Reading:
    there = host.has(CONNTRACK)
    return judged(not there, "loaded" if there else "not loaded")


SETTINGS: Final = (
    Setting(
        name="nic_queues",
        where="/sys/class/net/*/queues",
        good="no more receive queues than housekeeping CPUs",
        why="Each queue has an interrupt of its own: what is more than that ends up on hot CPUs.",
        danger="one CPU takes more packets; the card restarts its queues for a moment",
        read=by_interface(_queues),
        how="ethtool -L INTERFACE combined N",
        undo="ethtool -L INTERFACE combined OLD (ethtool -l shows it)",
    ),
    Setting(
        name="nic_coalescing",
        where="ethtool -c INTERFACE",
        good="rx-usecs 0, adaptive-rx off",
        why="The card waits so long before it says that a packet has come, in hope of another "
        "one.",
        danger="an interrupt a packet: a flood takes a whole housekeeping CPU",
        read=_coalescing,
        how="ethtool -C INTERFACE adaptive-rx off rx-usecs 0 tx-usecs 0",
        undo="ethtool -C INTERFACE adaptive-rx on (or the old values)",
    ),
    Setting(
        name="busy_poll",
        where=f"{CORE}/busy_poll",
        good="50 µs or so",
        why="epoll then asks the card itself before it sleeps, instead of waiting for the "
        "interrupt.",
        danger="a waiting core spins so long in the kernel",
        read=number(f"{CORE}/busy_poll", 1),
        change=to(f"{CORE}/busy_poll", "50"),
        default="0",
    ),
    Setting(
        name="busy_read",
        where=f"{CORE}/busy_read",
        good="50 µs or so",
        why="The same of a read on one socket.",
        danger="the same",
        read=number(f"{CORE}/busy_read", 1),
        change=to(f"{CORE}/busy_read", "50"),
        default="0",
    ),
    Setting(
        name="rps",
        where=RPS,
        good="no hot CPU",
        why="The kernel hands packets on to these CPUs, by an interrupt between CPUs.",
        danger="none",
        read=apart_masks(RPS),
        change=to_each(RPS, "0"),
        default="0",
    ),
    Setting(
        name="xps",
        where=XPS,
        good="no queue for hot and housekeeping CPUs together",
        why="Whoever sends takes the queue's lock; a hot CPU should find nobody there.",
        danger="none",
        read=_mixed,
        how="echo MASK > /sys/class/net/INTERFACE/queues/tx-N/xps_cpus",
        undo="echo 0 there",
    ),
    Setting(
        name="rps_flows",
        where=f"{CORE}/rps_sock_flow_entries",
        good="0",
        why="Otherwise packets follow their reader to the hot CPU, with the work on them.",
        danger="none",
        read=number(f"{CORE}/rps_sock_flow_entries", 0, 0),
        change=to(f"{CORE}/rps_sock_flow_entries", "0"),
        default="0",
    ),
    Setting(
        name="receive_buffer",
        where=f"{CORE}/rmem_max",
        good="8 MiB or more",
        why="Market data comes in bursts: what does not fit into the socket's buffer is lost.",
        danger="so much memory a socket that asks for it",
        read=number(f"{CORE}/rmem_max", 8 << 20),
        change=to(f"{CORE}/rmem_max", "16777216"),
        default="212992",
    ),
    Setting(
        name="slow_start",
        where=f"{IPV4}/tcp_slow_start_after_idle",
        good="0",
        why="A client that was silent for a while starts slowly again: an answer of many packets "
        "takes several round trips.",
        danger="a burst into a network that has become narrower",
        read=number(f"{IPV4}/tcp_slow_start_after_idle", 0, 0),
        change=to(f"{IPV4}/tcp_slow_start_after_idle", "0"),
        default="1",
    ),
    Setting(
        name="connection_tracking",
        where=CONNTRACK,
        good="not loaded",
        why="Each packet is looked up in a table, under a lock.",
        danger="rules of the firewall that know connections do not work: write them without "
        "state",
        read=_conntrack,
        how="nft flush ruleset; rmmod nf_conntrack; or `notrack` for the ports of the exchange",
        undo="modprobe nf_conntrack; load the rules again",
    ),
    Setting(
        name="nic_node",
        where="/sys/class/net/*/device/numa_node",
        good="that of the hot CPUs",
        why="A packet that crosses the sockets is 100 to 200 ns later, and so is each write to "
        "the card.",
        danger="none",
        read=_near,
        how="put the card into a slot of that socket, or choose hot CPUs of its node",
        undo="nothing was changed",
    ),
    Setting(
        name="nic_power",
        where=NIC_POWER,
        good="on",
        why="auto lets the card fall asleep when it is idle.",
        danger="power",
        read=each(NIC_POWER, among("on")),
        change=to_each(NIC_POWER, "on"),
        default="auto",
    ),
    Setting(
        name="pcie_power",
        where=ASPM,
        good="performance",
        why="A PCI Express link that sleeps takes 1 to 100 µs to wake up.",
        danger="power",
        read=word(ASPM, "performance"),
        change=to(ASPM, "performance"),
        kernel="pcie_aspm.policy=performance",
        default="default",
        metal=True,
    ),
)
