"""`make test-host`: what tuning does to a host, tried on one with systemd and cgroup v2.

It is a Debian guest of four CPUs on two NUMA nodes, made from Debian's packages (image.sh). It runs
what guest.sh is told to, says it on its console, and is thrown away; only what its disk is made
from stays. Started twice: as Debian comes, and with the kernel command line that the deployment
guide has made of it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build" / "host"
# Program and Debian's package of it.
NEEDED = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "debootstrap": "debootstrap",
    "mke2fs": "e2fsprogs",
    "unshare": "util-linux",
    "git": "git",
}
# By start of the guest; each is a file beside this one.
STARTS = (
    ("partition", "tune", "memory", "service", "guide"),
    ("isolation", "guide"),
)
PARTS = tuple(dict.fromkeys(part for parts in STARTS for part in parts))
SAYS = "ringbus-host: "
# As update-grub writes it. The check of the timer panics where emulation is too slow for it, and
# a panic is to be an end.
FIRST_LINE = (
    "root=/dev/vda ro console=ttyS0 net.ifnames=0 quiet systemd.show_status=0 "
    "no_timer_check panic=-1"
)
MEMORY_MIB = 2048  # a node
# Of one start. An emulated CPU is twenty to fifty times slower.
LIMIT_SECONDS = 7200


@dataclass(frozen=True, slots=True)
class Ended:
    """What a start of the guest came to: its status, and the command line of the next, if any."""

    status: int
    next_line: str


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status."""
    options = _parser().parse_args(argv)
    if lacking := missing(shutil.which, os.geteuid()):
        print("\n".join(lacking), file=sys.stderr)
        return 1
    directory = BUILD / options.suite
    made = subprocess.run(["bash", HERE / "image.sh", options.suite, directory], check=False)
    return made.returncode or run(directory, options.accel, options.parts)


def missing(which: Callable[[str], str | None], user: int) -> list[str]:
    """What this machine lacks, by name, and how to get it."""
    out = [
        f"missing: {program}: apt-get install {package}"
        for program, package in NEEDED.items()
        if which(program) is None
    ]
    return out + ["missing: root: debootstrap and chroot want it"] * (user != 0)


def run(directory: Path, accel: str, parts: Sequence[str]) -> int:
    """Start the guest once or twice; its disk is written to a layer of its own, which goes."""
    layer = directory / f"layer.{os.getpid()}.qcow2"
    disk = ["-f", "qcow2", "-F", "raw", "-b", str(directory / "disk.img")]
    subprocess.run(["qemu-img", "create", "-q", *disk, layer], check=True)
    status, line = 0, FIRST_LINE
    try:
        for start in STARTS:
            chosen = [part for part in start if part in parts]
            if not chosen:
                continue
            ended = start_guest(directory, layer, accel, f"{line} ringbus.parts={','.join(chosen)}")
            status |= ended.status
            if not ended.next_line:
                break
            line = ended.next_line
    finally:
        layer.unlink()
    return status


def start_guest(directory: Path, layer: Path, accel: str, line: str) -> Ended:
    """From power on to power off, its console on standard output."""
    command = ["timeout", "--kill-after=10", str(LIMIT_SECONDS), *machine(directory, layer, accel)]
    status, next_line = None, ""
    with subprocess.Popen(
        [*command, "-append", line],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for text in process.stdout:
            said = text.rstrip()
            print(said, flush=True)
            if said.startswith(f"{SAYS}status "):
                status = int(said.split()[-1])
            if said.startswith(f"{SAYS}next "):
                next_line = said.removeprefix(f"{SAYS}next ")
    if process.returncode or status is None:
        print(f"the guest did not end as it should: status {process.returncode}", file=sys.stderr)
        return Ended(1, next_line)
    return Ended(status, next_line)


def machine(directory: Path, layer: Path, accel: str) -> list[str]:
    """The command of the machine, but for its kernel's command line."""
    node = [
        word
        for n in (0, 1)
        for word in (
            "-object", f"memory-backend-ram,id=memory{n},size={MEMORY_MIB}M",
            "-numa", f"node,nodeid={n},cpus={2 * n}-{2 * n + 1},memdev=memory{n}",
        )
    ]  # fmt: skip
    return [
        *("qemu-system-x86_64", "-accel", accel, "-machine", "q35"),
        *("-cpu", "host" if accel == "kvm" else "max", "-smp", "4,sockets=2,cores=2,threads=1"),
        *("-m", f"{2 * MEMORY_MIB}M", *node),
        *("-kernel", str(directory / "vmlinuz"), "-initrd", str(directory / "initrd.img")),
        *("-drive", f"file={layer},if=virtio,format=qcow2,cache=unsafe"),
        # A card and its driver, and nothing beyond.
        *("-nic", "user,model=virtio-net-pci,restrict=on"),
        *("-vga", "none", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot"),
    ]


def _parts(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := [part for part in chosen if part not in PARTS]:
        raise argparse.ArgumentTypeError(f"no part {unknown[0]!r}: {', '.join(PARTS)}")
    # Its command line is what the guide makes.
    return [*chosen, "guide"] if "isolation" in chosen else chosen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.host", description=__doc__)
    parser.add_argument("--suite", default="bookworm", help="of Debian; bookworm unless given")
    parser.add_argument("--accel", default="tcg", choices=("tcg", "kvm"), help="of qemu")
    parser.add_argument("--parts", type=_parts, default=list(PARTS), metavar="NAMES")
    return parser


if __name__ == "__main__":
    sys.exit(main())
