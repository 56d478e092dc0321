"""What is set while the host runs: made good, taken back to the byte, after any kill too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tuning.machine import CPU, everything, host, plant
from tests.tuning.test_check import WRONG, Changes, names
from tools import tune
from tuning import apply, generate
from tuning.checks import SETTINGS, check
from tuning.host import Host
from tuning.readers import chosen
from tuning.setting import Outcome, nothing

VM = "/proc/sys/vm"
ROOT = Path(__file__).resolve().parents[2]
AT_RUN_TIME = [name for name in WRONG if SETTINGS[name].change is not nothing]
THP = "/sys/kernel/mm/transparent_hugepage/enabled"


def wrong_tree(root: Path) -> Path:
    """Everything that can be set while it runs is wrong, as plain values: no brackets to choose."""
    changes: Changes = {}
    for name in AT_RUN_TIME:
        changes |= WRONG[name][0]
    changes |= {f"{CPU}/cpu3/topology/thread_siblings_list": "3", THP: "always"}
    changes["/sys/kernel/mm/transparent_hugepage/defrag"] = "always"
    changes["/sys/module/pcie_aspm/parameters/policy"] = "default"
    changes[f"{CPU}/offline"], changes[f"{CPU}/smt/control"] = "", "off"
    changes["/proc/sys/kernel/printk"] = "7 4 1 7"
    return plant(root, changes)


def arguments(word: str, root: Path, *more: str) -> list[str]:
    return [word, "--root", str(root), "--cpus", "2-3", *more]


@pytest.mark.parametrize("name", AT_RUN_TIME)
def test_each_setting_is_made_good_and_taken_back(name: str, tmp_path: Path) -> None:
    root = plant(tmp_path / "host", WRONG[name][0])
    record = tmp_path / "record"
    before = everything(root)
    steps = apply.plan(host(root), [SETTINGS[name]])
    # A file that knows a few words shows the chosen one in brackets, which a plain file does not.
    assert steps
    assert apply.apply(host(root), steps, record) == []
    assert check(host(root), [name])[0].outcome == Outcome.GOOD or name == "smt"
    said: list[str] = []
    assert apply.undo(host(root), record, say=said.append) == []
    assert len(said) == len(steps)
    assert not record.exists()
    after = everything(root)
    for path, content in before.items():
        assert (
            chosen(content.decode(errors="replace")).split()
            == after[path].decode(errors="replace").split()
            or content == after[path]
        )


def test_all_at_once_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = wrong_tree(tmp_path)
    before = everything(root)
    assert len(names(check(host(root)), Outcome.WRONG)) >= 40
    assert tune.main(arguments("apply", root, "--dry-run")) == 0
    assert "60 -> 1" in capsys.readouterr().out
    assert everything(root) == before
    assert tune.main(arguments("apply", root)) == 0
    left = names(check(host(root)), Outcome.WRONG)
    assert not set(left) & set(AT_RUN_TIME) - {"smt"}
    # Once more: nothing is left to do, and the old values are still those of the first time.
    assert tune.main(arguments("apply", root)) == 0
    assert tune.main(["undo", "--root", str(root)]) == 0
    after = everything(root)
    assert {path: after[path].split() for path in before} == {
        path: content.split() for path, content in before.items()
    }
    assert set(after) == set(before)
    assert tune.main(["undo", "--root", str(root)]) == 0
    assert "nothing to take back" in capsys.readouterr().out


KILLED = """
import os, signal, sys
from pathlib import Path
from tuning.host import Host
from tools import tune

write, left = Host.write, [int(sys.argv[1])]

def dies(self, name, value):
    left[0] -= 1
    if left[0] == 0 and sys.argv[2] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, name, value)
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)

Host.write = dies
tune.main(sys.argv[3:])
"""


def killed(at: int, when: str, *words: str) -> None:
    """Run `ringbus tune` in a process that is killed before or after its n-th write."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(at), when, *words],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 9, 25])
def test_a_kill_in_the_middle_is_undone(at: int, when: str, tmp_path: Path) -> None:
    """Of applying, then of undoing; the second undo takes everything back."""
    root = wrong_tree(tmp_path)
    before = everything(root)
    killed(at, when, *arguments("apply", root))
    changed = [path for path, text in everything(root).items() if before.get(path) != text]
    assert len(changed) == (at if when == "after" else at - 1) + 1  # and the record
    if at > 2:
        killed(2, when, "undo", "--root", str(root))
    assert tune.main(["undo", "--root", str(root)]) == 0
    after = everything(root)
    assert {path: text.split() for path, text in after.items()} == {
        path: text.split() for path, text in before.items()
    }


def test_a_record_that_was_torn(tmp_path: Path) -> None:
    """The last line was not whole when the power went: its write was not made."""
    root, record = plant(tmp_path / "host", {f"{VM}/swappiness": "60"}), tmp_path / "record"
    steps = apply.plan(host(root), [SETTINGS["swappiness"]])
    apply.apply(host(root), steps, record)
    with record.open("a") as file:
        file.write('{"setting": "ksm", "pa')
    assert apply.recorded(record) == steps
    (root / f"{VM}/ksm".lstrip("/")).write_text("1")
    apply.apply(host(root), [apply.Step("dirty_ratio", f"{VM}/dirty_ratio", "10", "5")], record)
    assert len(apply.recorded(record)) == 2
    assert apply.undo(host(root), record, say=lambda text: None) == []
    assert host(root).number(f"{VM}/swappiness") == 60
    assert host(root).number(f"{VM}/dirty_ratio") == 10


def test_what_somebody_else_has_changed_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = plant(tmp_path, {f"{VM}/swappiness": "60", f"{VM}/stat_interval": "1"})
    assert tune.main(arguments("apply", root, "swappiness", "stat_interval")) == 0
    (root / f"{VM}/swappiness".lstrip("/")).write_text("10\n")
    assert tune.main(["undo", "--root", str(root)]) == 1
    assert "says '10' now" in capsys.readouterr().err
    assert host(root).number(f"{VM}/swappiness") == 10
    assert host(root).number(f"{VM}/stat_interval") == 1
    assert tune.main(["undo", "--force", "--root", str(root)]) == 0
    assert host(root).number(f"{VM}/swappiness") == 60


@pytest.mark.parametrize(("comes_to", "status"), [("2", 1), ("0", 0)])
def test_what_the_kernel_refuses_is_said(
    comes_to: str,
    status: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An interrupt that the kernel manages cannot be moved; the others are.

    It is a failure where it comes to a hot CPU: the timer, on every PC, does not.
    """
    root = plant(
        tmp_path,
        {
            "/proc/irq/24/smp_affinity_list": "0-7",
            "/proc/irq/24/effective_affinity_list": comes_to,
            "/proc/irq/25/smp_affinity_list": "0-7",
        },
    )
    write = Host.write

    def refuses(self: Host, name: str, value: str) -> None:
        if "/24/" in name:
            raise OSError(5, os.strerror(5))
        write(self, name, value)

    monkeypatch.setattr(Host, "write", refuses)
    assert tune.main(arguments("apply", root, "irqs")) == status
    assert "smp_affinity_list: Input/output error" in capsys.readouterr().err
    assert host(root).read("/proc/irq/25/smp_affinity_list") == "0-1,4-7"
    monkeypatch.undo()
    assert tune.main(["undo", "--root", str(root)]) == 0
    assert host(root).read("/proc/irq/25/smp_affinity_list") == "0-7"


def test_masks_are_the_same_however_they_are_written() -> None:
    assert apply.same("f3", "00000000,000000f3")
    assert not apply.same("0,2", "2")
    assert not apply.same("", "0")
    assert apply.same("n/a", "n/a")


def test_generated_files_say_what_needs_a_restart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes: Changes = {"/proc/cmdline": "quiet", f"{CPU}/isolated": "", f"{CPU}/nohz_full": ""}
    changes |= {f"{VM}/swappiness": "60"}
    root = plant(tmp_path, changes)
    assert tune.main(arguments("generate", root, "grub")) == 0
    grub = capsys.readouterr().out
    for option in ("isolcpus=managed_irq,domain,2-3", "nohz_full=2-3", "skew_tick=1"):
        assert grub.count(option) == 1
    assert "numa_balancing" not in grub  # it is right
    sysctl = generate.sysctls(host(root), list(SETTINGS.values()))
    assert "vm.swappiness = 1\n" in sysctl
    # Right now, and to stay so.
    assert "kernel.numa_balancing = 0\n" in sysctl
    tuned = generate.tuned(host(root), list(SETTINGS.values()))
    assert "cmdline_ringbus=" in tuned
    assert f"{CPU}/cpu2/cpufreq/scaling_governor=performance\n" in tuned
    systemd = generate.manager(host(root), [])
    assert "CPUAffinity=0-1,4-7\n" in systemd


def test_a_generated_shell_file_is_one(tmp_path: Path) -> None:
    """update-grub reads it as a shell does."""
    root = plant(tmp_path, {"/proc/cmdline": "quiet"})
    text = generate.grub(host(root), list(SETTINGS.values()))
    done = subprocess.run(
        [
            "sh",
            "-eu",
            "-c",
            f'GRUB_CMDLINE_LINUX_DEFAULT=quiet\n{text}echo "$GRUB_CMDLINE_LINUX_DEFAULT"',
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("quiet ")
    assert "rcu_nocbs=2-3" in done.stdout.split()


REAL = Path("/proc/sys/kernel/perf_cpu_time_max_percent")


@pytest.mark.skipif(not os.access(REAL, os.W_OK), reason="no rights to set the kernel's values")
def test_a_real_setting_of_this_machine(tmp_path: Path) -> None:
    """One that nobody feels; it is put back whatever happens."""
    before = REAL.read_text()
    record = str(tmp_path / "record")
    try:
        REAL.write_text("25\n")
        assert tune.main(["apply", "perf_sampling", "--record", record]) == 0
        assert REAL.read_text() == "1\n"
        assert tune.main(["undo", "--record", record]) == 0
        assert REAL.read_text() == "25\n"
    except OSError:
        pytest.skip("its /proc is read-only")
    finally:
        if REAL.read_text() != before:
            REAL.write_text(before)
