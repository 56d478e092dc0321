"""In the guest: the units of `ringbus systemd`, installed, started, watched and stopped."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.leftovers import leftovers
from tests.host.support import PATIENCE_S, ringbus, run, two_that_spin
from tests.tools.conftest import write_exchange
from tools.state import find
from tuning.apply import RECORD
from tuning.host import Host, parse_cpus

UNITS = Path("/etc/systemd/system")
GROUPS = Path("/sys/fs/cgroup")
NAME = "served"
# The units' own limits are for CPUs that are not emulated.
PATIENT = f"""[Service]
TimeoutStartSec={PATIENCE_S}
TimeoutStopSec={PATIENCE_S}
TimeoutAbortSec=60
WatchdogSec=90
"""


@dataclass(frozen=True, slots=True)
class Service:
    """An exchange that systemd knows; its slice has the service's name."""

    topology: Path
    unit: str = f"ringbus-{NAME}"

    def said(self, name: str) -> str:
        """A property, in systemd's words."""
        done = run("systemctl", "show", "--value", "--property", name, self.unit)
        return done.stdout.strip()

    def wait_until(self, state: str) -> None:
        """Raises: AssertionError: systemd does not say so in time."""
        deadline = time.monotonic() + PATIENCE_S
        while self.said("ActiveState") != state:
            assert time.monotonic() < deadline, run("journalctl", "-u", self.unit).stdout
            time.sleep(1)

    def left(self) -> list[str]:
        """What is still there of it."""
        return list(leftovers(NAME, self.topology.parent, self.topology.parent / "none", set()))


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Installed as the guide says; engine and port never sleep, the journal does."""
    directory = Path("/srv/served")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    path = write_exchange(directory, NAME, ports=1)
    two_that_spin(path)
    done = ringbus("systemd", str(path), "--output", str(UNITS))
    assert done.returncode == 0
    files = done.stdout.split()
    for file in files:
        print(f"# {file}\n{Path(file).read_text()}")
    patient = UNITS / f"ringbus-{NAME}.service.d" / "patient.conf"
    patient.parent.mkdir()
    patient.write_text(PATIENT)
    assert run("systemctl", "daemon-reload").returncode == 0
    yield Service(path)
    run("systemctl", "disable", "--now", f"ringbus-{NAME}", "ringbus-tune")
    shutil.rmtree(patient.parent)
    for file in files:
        Path(file).unlink()
    run("systemctl", "daemon-reload")
    assert not Path(RECORD).exists()


def test_systemd_finds_nothing_wrong_with_them(service: Service) -> None:
    files = sorted(str(path) for path in UNITS.glob("ringbus-[st]*e"))
    assert len(files) == 3
    done = run("systemd-analyze", "verify", "--man=no", *files)
    assert done.returncode == 0
    assert "ringbus-" not in done.stderr


def test_it_starts_where_its_slice_lets_it(service: Service) -> None:
    run("systemctl", "enable", "--now", service.unit)
    run(
        "journalctl",
        "--no-pager",
        "-o",
        "short-monotonic",
        "-u",
        service.unit,
        "-u",
        "ringbus-tune",
    )
    assert service.said("ActiveState") == "active"
    state = find(NAME)
    assert state is not None
    assert service.said("MainPID") == str(state.launcher.pid)
    group = GROUPS / service.said("ControlGroup").lstrip("/")
    assert group.parts[-3:-1] == ("ringbus.slice", f"{service.unit}.slice")
    allowed = parse_cpus((group.parent / "cpuset.cpus").read_text())
    assert parse_cpus((group.parent / "cpuset.cpus.effective").read_text()) <= allowed
    for core in state.cores.values():
        assert os.sched_getaffinity(core.process.pid) <= allowed
    engine = state.cores["engine"].process.pid
    assert len(os.sched_getaffinity(engine)) == 1
    limits = Path(f"/proc/{state.launcher.pid}/limits").read_text()
    print(limits)
    assert "Max locked memory         unlimited            unlimited" in limits
    assert "Max realtime priority     10                   10" in limits
    assert Path(f"/proc/{engine}/oom_score_adj").read_text().strip() == "-900"
    assert ringbus("status", NAME).returncode in (0, 2)


def test_what_is_tuned_with_it(service: Service) -> None:
    """Its unit has written down what was before."""
    assert run("systemctl", "is-active", "ringbus-tune").stdout.strip() == "active"
    assert Path(RECORD).exists()
    assert Host().read("/proc/sys/vm/stat_interval") == "120"


def test_it_stops_and_leaves_nothing(service: Service) -> None:
    assert run("systemctl", "stop", service.unit).returncode == 0
    assert service.said("ActiveState") == "inactive"
    assert service.said("Result") == "success"
    assert service.left() == []
    assert not (GROUPS / f"ringbus.{NAME}").exists()


def test_one_that_hangs_is_ended_by_the_watchdog(service: Service) -> None:
    """A launcher that is stopped says nothing; systemd kills it, its cores go with it."""
    shutil.rmtree(service.topology.parent / "out")
    assert run("systemctl", "start", service.unit).returncode == 0
    state = find(NAME)
    assert state is not None
    state.launcher.send(signal.SIGSTOP)
    service.wait_until("failed")
    assert service.said("Result") == "watchdog"
    assert service.left() == []
    run("journalctl", "--no-pager", "-o", "cat", "-n", "20", "-u", service.unit)
    assert run("systemctl", "reset-failed", service.unit).returncode == 0


def test_undone_with_the_unit(service: Service) -> None:
    assert run("systemctl", "stop", "ringbus-tune").returncode == 0
    assert not Path(RECORD).exists()
    assert Host().read("/proc/sys/vm/stat_interval") == "1"
