"""In the guest: `ringbus tune check`, `apply`, `undo`, and then every file is as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.host.support import HOT, ringbus, run
from tuning.apply import RECORD, same
from tuning.checks import SETTINGS
from tuning.host import Host
from tuning.readers import chosen

# What a host lets be set: whatever in them is not as it was, somebody has forgotten.
TREES = (
    "/proc/sys/kernel", "/proc/sys/vm", "/proc/sys/net", "/proc/irq", "/sys/kernel/mm",
    "/sys/devices/virtual/workqueue", "/sys/class/net/eth0/queues", "/sys/module",
    "/sys/devices/system", "/sys/block/vda/queue",
)  # fmt: skip


def check(*words: str, user: str = "root") -> dict[str, dict[str, Any]]:
    """What `check` found, by setting."""
    done = ringbus("tune", "check", "--json", *words, user=user, shown=False)
    assert done.returncode in (0, 1), done.stderr
    return {one["name"]: one for one in json.loads(done.stdout)["findings"]}


def snapshot() -> dict[str, str]:
    """What every file that can be set says; of a list, what the kernel has chosen."""
    out = {}
    for tree in TREES:
        for path in Path(tree).rglob("*"):
            if path.is_symlink() or not path.is_file() or path.stat().st_mode & 0o600 != 0o600:
                continue
            try:
                out[str(path)] = chosen(" ".join(path.read_text().split()))
            except (OSError, UnicodeDecodeError):
                continue
    return out


def test_root_and_a_user_find_the_same() -> None:
    root, user = check("--all"), check("--all", user="trader")
    assert len(root) == len(SETTINGS)
    for name, one in root.items():
        print(f"{one['outcome']:12} {name}: {one['found']}")
    unread = {name: one["found"] for name, one in root.items() if one["outcome"] == "unreadable"}
    assert not unread
    for name, one in user.items():
        if one["outcome"] != root[name]["outcome"]:
            print(f"a user: {one['outcome']:12} {name}: {one['found']}")
            assert one["outcome"] == "unreadable" or name in ("locked_memory", "open_files")


def test_what_is_applied_is_good_and_is_taken_back() -> None:
    # It moves interrupts by itself: step 6 of the guide comes before step 7.
    assert run("systemctl", "stop", "irqbalance").returncode == 0
    steady = snapshot()
    planned = ringbus("tune", "apply", "--dry-run", "--cpus", HOT).stdout.splitlines()
    assert len(planned) > 10
    before = snapshot()
    moving = {path for path, text in before.items() if steady.get(path) != text}

    done = ringbus("tune", "apply", "--profile", "latency", "--cpus", HOT)
    refused = {line.split(": ")[1] for line in done.stderr.splitlines()}
    # Only interrupts, and only those of which each CPU has its own.
    assert {line.split(":")[0] for line in done.stderr.splitlines()} <= {"irqs"}
    steps = [json.loads(line) for line in Path(RECORD).read_text().splitlines()]
    assert len(steps) == len(planned) - 1
    host = Host()
    for step in steps:
        now = chosen(" ".join(host.read(step["path"]).split()))
        assert same(now, step["new"]) or step["path"] in refused, (step, now)
    settings = {step["setting"] for step in steps}
    whole = settings - {step["setting"] for step in steps if step["path"] in refused}
    found = check("--cpus", HOT, *sorted(whole))
    wrong = {name: one["found"] for name, one in found.items() if one["outcome"] == "wrong"}
    assert not wrong

    written = {step["path"] for step in steps}
    applied = snapshot()
    others = {
        path: (before.get(path), text)
        for path, text in applied.items()
        if before.get(path) != text and path not in written | moving
    }
    print("changed with them:", others)

    done = ringbus("tune", "undo")
    assert done.returncode == 0
    assert not Path(RECORD).exists()
    after = snapshot()
    left = {
        path: (text, after.get(path))
        for path, text in before.items()
        if not same(text, after.get(path, "")) and path not in moving
    }
    assert not left


@pytest.mark.parametrize("file", ["grub", "systemd", "sysctl", "tuned"])
def test_what_is_generated(file: str) -> None:
    done = ringbus("tune", "generate", file, "--cpus", HOT)
    assert done.returncode == 0
    assert done.stdout
