"""What a CPU takes away is seen, counted and drawn; a cache line goes there and back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from ringbus.histogram import BYTES, Histogram
from ringbus.status import UsageError, check
from tests.tuning.machine import plant
from tools import tune
from tools.noise import draw_jitter, draw_lines
from tuning._tuning import ffi, lib
from tuning.causes import Counts, counts
from tuning.fingerprint import fingerprint
from tuning.host import Host
from tuning.jitter import GAP, CpuJitter, Spinner, line, matrix, measure

ROOT = Path(__file__).resolve().parents[2]
CPUS = sorted(os.sched_getaffinity(0))
STOPPED_SECONDS = 0.05
SPINS = """
import sys
from tuning.jitter import measure
print("spinning", flush=True)
(one,) = measure([int(sys.argv[1])], 1.5, 1000)
print(one.histogram.max, one.total, one.switched, int(one.gaps["length_ns"].max()))
"""
INTERRUPTS = """\
           CPU0       CPU1
 24:         10          5  IR-PCI-MSIX-0000:01:00.0  0-edge  eth0-rx-0
LOC:       1000        200  Local timer interrupts
ERR:          3
"""
SOFTIRQS = """\
                    CPU0       CPU1
          HI:          0          1
       TIMER:        500         70
"""


def test_a_loop_that_was_stopped_has_a_gap() -> None:
    """The process is stopped by a signal: the gap is no shorter than the stop was."""
    command = [sys.executable, "-c", SPINS, str(CPUS[0])]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "spinning\n"
        deadline = time.monotonic() + 30
        # Whether it spins already nobody can tell from outside: one stop after the other.
        while process.poll() is None and time.monotonic() < deadline:
            os.kill(process.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            time.sleep(STOPPED_SECONDS)
            os.kill(process.pid, signal.SIGCONT)
            time.sleep(STOPPED_SECONDS)
        longest, total, switched, kept = map(int, process.stdout.read().split())
        assert process.wait(10) == 0
    assert longest >= STOPPED_SECONDS * 1e9
    assert kept == longest
    assert 1 <= switched <= total


def test_every_cpu_is_watched_at_once() -> None:
    results = measure(CPUS, 0.2, 500)
    assert [one.cpu for one in results] == CPUS
    for one in results:
        assert one.histogram.total == one.total
        assert one.total == len(one.gaps) or len(one.gaps) == 20_000
        assert one.gaps["length_ns"].sum() <= one.lost_ns + one.total
        # The rate of the counter is known to a part in a thousand.
        assert one.gaps["length_ns"].min(initial=500) >= 499
        assert one.switched_ns <= one.lost_ns <= one.spun_ns
        assert one.gaps["switched"].sum() <= one.switched
        assert one.readings > 0
        # From the first reading on, and no gap keeps it from ending: the kernel gives it its turn.
        assert one.spun_ns >= 0.19e9
        assert 0 <= one.lost <= 1


def test_a_spinner_can_be_stopped() -> None:
    spinner = Spinner(CPUS[0], 3600.0, 1000)
    spinner.stop()
    before = os.sched_getaffinity(0)
    try:
        spinner.run()
    finally:
        os.sched_setaffinity(0, before)
    assert spinner.result(Counts({}, {}, 0)).spun_ns < 3600e9


def test_arguments_are_checked() -> None:
    for seconds, threshold_ns in ((0.0, 1000), (1.0, 0)):
        with pytest.raises(UsageError):
            measure(CPUS, seconds, threshold_ns)
    with pytest.raises(UsageError):
        check(lib.tun_spin(ffi.NULL, ffi.NULL, ffi.NULL), "nothing")
    with pytest.raises(OSError):
        measure([4095], 0.1)


def test_more_gaps_than_there_is_room_for_are_counted() -> None:
    spinner = ffi.new("tun_spinner *")
    spinner.duration_ns, spinner.threshold_ns, spinner.gaps_max = 50_000_000, 1, 3
    words, gaps = np.zeros(BYTES // 8, np.uint64), np.zeros(3, GAP)
    into = ffi.cast("tun_gap *", ffi.from_buffer(gaps))
    check(lib.tun_spin(spinner, ffi.from_buffer(words), into), "spinning")
    assert spinner.gaps_kept == 3
    assert spinner.gaps_total > 1000
    assert words[0] == spinner.gaps_total


@pytest.mark.skipif(len(CPUS) < 2, reason="one CPU")
def test_a_line_goes_there_and_back() -> None:
    times = line(CPUS[0], CPUS[1], 500)
    assert times.shape == (500,)
    assert times.min() > 1
    table = matrix(CPUS[:2], 200, 1)
    assert table[0, 1] == table[1, 0] > 1
    assert np.isnan(table[0, 0])


def test_an_end_that_is_dead_is_not_waited_for() -> None:
    word, times = ffi.new("uint64_t *"), ffi.new("double[10]")
    assert lib.tun_line_answer(word, 10, 1_000_000) == 0
    assert lib.tun_line_ask(word, 10, 1_000_000, times) == 0
    # Answered once, then never again.
    word[0] = 2
    assert lib.tun_line_answer(word, 10, 1_000_000) == 0


def test_what_the_kernel_counts(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {
        "/proc/interrupts": INTERRUPTS,
        "/proc/softirqs": SOFTIRQS,
        "/proc/stat": "cpu  1 2\ncpu0 1 0 1 9 0 0 0 4 0 0\ncpu1 1 0 1 9 0 0 0 0 0 0\n",
    }
    root = plant(tmp_path, files)
    before = counts(Host(root))
    assert before[0].steal_ms == 40
    assert before[1].interrupts == {"24 eth0-rx-0": 5, "LOC local timer interrupts": 200}
    (root / "proc/interrupts").write_text(
        INTERRUPTS.replace("1000", "1250").replace(" 10 ", " 12 ")
    )
    (root / "proc/stat").write_text("cpu  1\ncpu0 1 0 1 9 0 0 0 6 0 0\n")
    moved = counts(Host(root))[0].since(before[0])
    assert moved == Counts({"LOC local timer interrupts": 250, "24 eth0-rx-0": 2}, {}, 20)


def made(cpu: int, lengths: list[int]) -> CpuJitter:
    """One CPU's results, as if it had had such gaps, every other one another task's."""
    gaps = np.array([(n * 1_000_000, ns, n % 2) for n, ns in enumerate(lengths)], GAP)
    histogram, lost_ns = Histogram(), sum(lengths)
    for length in lengths:
        histogram.record(length)
    none = Counts({}, {}, 0)
    return CpuJitter(cpu, histogram, gaps, len(lengths), 0, lost_ns, 0, 0, 10**9, 10**8, none)


def words_of(path: Path) -> str:
    root = ElementTree.parse(path).getroot()
    assert root.tag.endswith("svg")
    return " ".join(element.text or "" for element in root.iter() if element.tag.endswith("text"))


def test_both_pictures(tmp_path: Path) -> None:
    """Every CPU has its row, every pair its number; the same again, byte by byte."""
    results = [made(0, [2000, 40_000]), made(5, [])]
    for name in ("a.svg", "b.svg"):
        draw_jitter(results, 1000, tmp_path / name)
    said = words_of(tmp_path / "a.svg")
    assert "CPU 0" in said
    assert "CPU 5" in said
    assert "2 gaps" in said
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    times = np.array([[np.nan, 91.0, np.nan], [91.0, np.nan, 415.0], [np.nan, 415.0, np.nan]])
    draw_lines([0, 1, 8], times, tmp_path / "lines.svg")
    said = words_of(tmp_path / "lines.svg")
    assert said.count("415") >= 2
    assert "91 to 415" in said
    draw_lines([0, 1, 8], times, tmp_path / "lines.png")
    assert (tmp_path / "lines.png").read_bytes().startswith(b"\x89PNG")


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table, a file for a machine with the host in it, a picture."""
    cpus = ",".join(map(str, CPUS[:2]))
    words = ["--cpus", cpus, "--output", str(tmp_path)]
    assert tune.main(["jitter", "--seconds", "0.1", *words]) == 0
    assert "interrupts" in capsys.readouterr().out
    said = json.loads((tmp_path / "jitter.json").read_text())
    assert [one["cpu"] for one in said["cpus"]] == CPUS[:2]
    assert said["host"]["settings"]["swap"]["outcome"] in ("good", "wrong", "unreadable")
    assert "gaps" in words_of(tmp_path / "jitter.svg")
    if len(CPUS) > 1:
        assert tune.main(["lines", "--trips", "100", "--json", *words]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown == json.loads((tmp_path / "lines.json").read_text()) | {"host": shown["host"]}
        assert shown["round_trip_ns"][0][1] == shown["round_trip_ns"][1][0] > 0


def test_a_fingerprint_is_of_the_host(tmp_path: Path) -> None:
    said = fingerprint(Host(plant(tmp_path)))
    assert said["hot"] == "2-3"
    assert said["nodes"] == {"0": "0-3", "1": "4-7"}
    assert said["memory_kib"] == 65536000
    assert json.loads(json.dumps(said)) == said
