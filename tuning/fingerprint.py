"""What a figure was measured on: the host in one JSON document, stored with every recording."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from tuning.checks import check
from tuning.host import Host, cpu_list
from tuning.setting import Finding


def fingerprint(host: Host, findings: Sequence[Finding] | None = None) -> dict[str, object]:
    """Hardware, kernel and every setting of a host, as JSON takes it."""
    findings = check(host) if findings is None else findings
    return {
        "cpu": _cpu_model(host),
        "cpus": cpu_list(host.online),
        "hot": cpu_list(host.hot),
        "isolated": cpu_list(host.isolated),
        "nodes": {str(node): cpu_list(cpus) for node, cpus in host.nodes.items()},
        "memory_kib": _memory_kib(host),
        "virtual": host.virtual,
        "container": host.container,
        "kernel": host.text("/proc/sys/kernel/osrelease"),
        "kernel_build": host.text("/proc/sys/kernel/version"),
        "kernel_options": host.text("/proc/cmdline"),
        "load": host.text("/proc/loadavg"),
        "python": platform.python_version(),
        "settings": {
            one.setting.name: {"outcome": one.outcome.value, "found": one.reading.found}
            for one in findings
        },
    }


def store(document: dict[str, object], path: Path) -> None:
    """Write a document as JSON, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)


def _cpu_model(host: Host) -> str:
    for line in host.text("/proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "CPU implementer"):
            return value.strip()
    return platform.machine()


def _memory_kib(host: Host) -> int:
    for line in host.text("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1])
    return 0
