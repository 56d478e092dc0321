"""The exchange as a service: units that systemd takes, and what it is told meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.conftest import Maker
from tests.tools.test_plan import ALL, text, usual
from tests.tuning.machine import two_sockets
from tools import systemd
from tools.notify import Notifier
from tools.placement import place
from tools.systemd import units
from tools.topology import load_topology
from tuning.host import Host
from tuning.machine import Machine

ROOT = Path(__file__).resolve().parents[2]


def test_the_units_of_a_large_server(tmp_path: Path) -> None:
    """The slice has the CPUs of the plan; the service may lock memory and open files."""
    host = Host(two_sockets(tmp_path / "host", isolated="4-7,20-23"))
    plan = place(load_topology(text(tmp_path, usual()), ALL, host), Machine.of(host, ALL))
    found = units(plan)
    names = ["ringbus-tune.service", "ringbus-planned.slice", "ringbus-planned.service"]
    assert list(found) == names
    assert "tune apply --cpus 4-7\n" in found["ringbus-tune.service"]
    # Not the siblings of hot CPUs.
    assert "AllowedCPUs=0-19,24-31\n" in found["ringbus-planned.slice"]
    service = found["ringbus-planned.service"].splitlines()
    for line in (
        "Type=notify",
        "Slice=ringbus-planned.slice",
        "LimitMEMLOCK=infinity",
        "LimitRTPRIO=10",
        "WatchdogSec=10",
        f"ExecStart={sys.executable} -m tools.cli up {tmp_path}/plan.toml",
    ):
        assert line in service


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_units(
    make: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "units").mkdir()
    assert systemd.main([str(make()), "--output", str(tmp_path / "units")]) == 0
    files = capsys.readouterr().out.split()
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    # What it has against the host's own units is not ours.
    assert "ringbus-" not in done.stderr
    # That it would say so of a wrong one is part of the test.
    service = Path(files[2])
    service.write_text(service.read_text().replace("Type=notify", "Type=notifies"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "notifies" in done.stderr


@pytest.mark.xdist_group("processes")
def test_systemd_is_told(make: Maker, tmp_path: Path) -> None:
    """R108: a real exchange says when it is up, that it lives, and that it goes down."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemds:
        systemds.bind(address)
        systemds.settimeout(60)
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.cli", "up", str(make())],
            cwd=ROOT,
            env={**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "100000"},
            stdout=subprocess.DEVNULL,
        )
        try:
            assert systemds.recv(100) == b"READY=1"
            assert systemds.recv(100) == b"WATCHDOG=1"
            assert systemds.recv(100) == b"WATCHDOG=1"
            process.send_signal(signal.SIGTERM)
            said = b""
            while said != b"STOPPING=1":
                said = systemds.recv(100)
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()


def test_nobody_is_told_where_there_is_no_systemd(tmp_path: Path) -> None:
    times = iter([0.0, 0.1, 1.1])
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "2000000"}):
        notifier = Notifier(lambda: next(times), environment)
        notifier.ready()
        notifier.beat()
    notifier.beat()
    notifier.beat()
    assert next(times, None) is None
