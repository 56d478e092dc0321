"""`require` in a topology: no exchange starts on a host that is not tuned so."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ringbus.segment import listing
from tests.tools.conftest import Maker
from tests.tuning.machine import CPU, plant
from tools.configuration import Configuration
from tools.state import find
from tools.topology import ConfigurationError, load_topology
from tools.untuned import check_host
from tuning.host import Host

ROOT = Path(__file__).resolve().parents[2]
REQUIRE = '[host]\nrequire = ["nohz_full", "governor", "swap"]'


def test_a_tuned_host_will_do(make: Maker, tmp_path: Path) -> None:
    topology = load_topology(make(extra=REQUIRE))
    assert topology.host.require == ("nohz_full", "governor", "swap")
    assert check_host(topology, Host(plant(tmp_path / "host"), [2, 3])) == ()


def test_what_is_wrong_is_named_with_its_cure(make: Maker, tmp_path: Path) -> None:
    topology = load_topology(make(extra=REQUIRE))
    changes: dict[str, str | bytes | None] = {
        f"{CPU}/nohz_full": "3",
        f"{CPU}/cpu2/cpufreq/scaling_governor": "powersave",
    }
    host = Host(plant(tmp_path / "host", changes), [2, 3])
    with pytest.raises(ConfigurationError) as refused:
        check_host(topology, host)
    for text in (
        f"{topology.path}:",
        "nohz_full: 3 (not 2)",
        "nohz_full: kernel command line: nohz_full=2-3",
        "governor: cpu2 powersave of 2",
        f"echo performance > {CPU}/cpu2/cpufreq/scaling_governor",
    ):
        assert text in str(refused.value)
    assert "swap" not in str(refused.value)


def test_what_cannot_be_read_is_no_proof(make: Maker, tmp_path: Path) -> None:
    topology = load_topology(make(extra='[host]\nrequire = ["swappiness"]'))
    host = Host(plant(tmp_path / "host", {"/proc/sys/vm/swappiness": "often"}))
    with pytest.raises(ConfigurationError, match="which is no number"):
        check_host(topology, host)


def test_what_does_not_apply_is_said(make: Maker, tmp_path: Path) -> None:
    topology = load_topology(make(extra='[host]\nrequire = ["steal"]'))
    (said,) = check_host(topology, Host(plant(tmp_path / "host")))
    assert "steal does not apply to this host: bare metal" in said


def test_a_setting_that_there_is_not(make: Maker) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_topology(make(extra='[host]\nrequire = ["governer"]'))
    assert 'did you mean "governor"?' in str(refused.value)
    assert "[host]" in str(refused.value)


def test_a_saved_configuration_requires_the_same(make: Maker, tmp_path: Path) -> None:
    configuration = Configuration.load(make(extra=REQUIRE))
    configuration.save(tmp_path / "saved.json")
    restored = Configuration.restore(tmp_path / "saved.json").topology
    assert restored.host == configuration.topology.host


def few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 4096))


@pytest.mark.xdist_group("processes")
def test_up_refuses_and_leaves_nothing(make: Maker) -> None:
    """R108: on the real machine, where a limit is planted that is too low."""
    path = make(extra='[host]\nrequire = ["open_files"]')
    done = subprocess.run(
        [sys.executable, "-m", "tools.cli", "up", str(path)],
        cwd=ROOT,
        preexec_fn=few_files,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "this host is not tuned: open_files: 4096 (good: 65,536 or more)" in done.stderr
    assert "LimitNOFILE" in done.stderr
    assert find(path.stem) is None
    assert listing(path.stem) == []
