"""Messages whose bytes follow from their number, rings of private memory, child processes."""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ringbus._ringbus import ffi, lib
from ringbus.idle import bells_bytes, create_bells
from ringbus.journal import Journal
from ringbus.lane import create_lane, lane_bytes
from ringbus.memory import Block, Memory
from ringbus.messages import MESSAGE
from ringbus.multicast import Writer, create_multicast, multicast_bytes, readers_bytes
from ringbus.replay import Replay
from ringbus.segment import Segment, segment_name
from ringbus.status import check

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
# Bounds a wait for something that must come; reached only by a failing test.
PATIENCE_S = 60


def numbered(first: int, count: int) -> NDArray[np.void]:
    """Messages first..first+count-1: their number in `time_ns`, and a body that follows from it."""
    out: NDArray[np.void] = np.zeros(count, MESSAGE)
    numbers = np.arange(first, first + count, dtype=np.uint64)
    out["time_ns"] = numbers
    out.view(np.uint64).reshape(count, 8)[:, 4:] = body(numbers)
    return out


def body(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The four words of the body of each number."""
    out: NDArray[np.uint64] = np.repeat(numbers[:, None] * GOLDEN, 4, axis=1)
    out += np.arange(4, dtype=np.uint64)
    return out


def numbers_of(messages: NDArray[np.void]) -> list[int]:
    """Numbers of messages made by `numbered`; fails if one is torn."""
    numbers = np.ascontiguousarray(messages["time_ns"])
    words = np.ascontiguousarray(messages).view(np.uint64).reshape(len(messages), 8)
    assert np.array_equal(words[:, 4:], body(numbers)), "a message is torn"
    return [int(number) for number in numbers.tolist()]


def run_of(first: int, last: int) -> list[int]:
    """first..last, as a list."""
    return list(range(first, last + 1))


def make_lane(capacity: int) -> Block:
    """A lane in private memory."""
    block = Block(lane_bytes(capacity))
    create_lane(block, capacity, "lane")
    return block


def make_bells(name: str = "bells") -> Block:
    """Bells in private memory."""
    block = Block(bells_bytes())
    create_bells(block, name)
    return block


def make_doorbell() -> Block:
    """A doorbell in private memory."""
    block = Block(int(lib.rb_doorbell_bytes()))
    check(lib.rb_doorbell_init(block.address, block.size, b"doorbell"), "doorbell")
    return block


def make_ring(capacity: int) -> tuple[Block, Block]:
    """A multicast ring and its readers in private memory."""
    ring, readers = Block(multicast_bytes(capacity)), Block(readers_bytes())
    create_multicast(ring, readers, capacity, "stream")
    return ring, readers


def make_shared_ring(exchange: str, capacity: int) -> tuple[Segment, Segment]:
    """The same as named segments."""
    ring = Segment.create(segment_name(exchange, "stream"), multicast_bytes(capacity))
    readers = Segment.create(segment_name(exchange, "stream.readers"), readers_bytes())
    create_multicast(ring, readers, capacity, exchange)
    return ring, readers


def patch(memory: Memory, offset: int, data: bytes) -> None:
    """Overwrite bytes of a structure."""
    ffi.memmove(ffi.cast("char *", memory.address) + offset, data, len(data))


def word(memory: Memory, offset: int) -> int:
    """One 64-bit word of a structure."""
    return int(ffi.cast("uint64_t *", ffi.cast("char *", memory.address) + offset)[0])


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Give the CPU away until `condition` holds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        os.sched_yield()
        assert time.monotonic() < end, f"never came: {what}"


class Recorded:
    """A stream with its journal, stepped by the test.

    The journal's gate is claimed before the first message, as the launcher does it.
    """

    def __init__(self, directory: Path, capacity: int = 64, segment_messages: int = 1024) -> None:
        self.directory = directory
        self.segment_messages = segment_messages
        self.ring, self.readers = make_ring(capacity)
        self.journal = self.attach()
        self.writer = Writer(self.ring, self.readers)

    def attach(self, name: str = "journal") -> Journal:
        """A journal over the files and the ring as they are: what a restarted process does."""
        return Journal(self.directory, self.ring, self.readers, self.segment_messages, name)

    def write(self, count: int) -> None:
        """Publish and journal `count` more messages."""
        last = self.writer.next + count - 1
        while self.writer.next <= last:
            first = self.writer.next
            self.writer.publish(numbered(first, last - first + 1))
            self.journal.step()

    def replay(self, start: int = 1, live: bool = True) -> Replay:
        """A reader of files and ring, or of files only."""
        ring = self.ring if live else None
        return Replay(ring, self.directory, start, self.segment_messages)

    def path(self, index: int) -> Path:
        """A segment file."""
        return self.directory / f"stream-{index:08d}.rbj"

    def damage(self, sequence: int, data: bytes, offset: int = 40) -> None:
        """Overwrite bytes of a message in its file."""
        index, place = divmod(sequence - 1, self.segment_messages)
        with self.path(index).open("r+b") as file:
            file.seek(4096 + place * 64 + offset)
            file.write(data)


def drain(replay: Replay, limit: int = 4096) -> list[int]:
    """All that a reader gets until nothing is new: numbers, each checked."""
    out: list[int] = []
    for _ in itertools.count():
        got = replay.poll(limit)
        if len(got) == 0:
            break
        assert np.array_equal(got["sequence"], got["time_ns"])
        out += numbers_of(got)
    return out


class Child:
    """A process that runs a function of tests.ringbus.children and says lines."""

    def __init__(self, function: str, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.ringbus.children", function, *map(str, arguments)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """The next line that it says; fails with its errors if it says none."""
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        if not text:
            _, errors = self.process.communicate(timeout=30)
            raise AssertionError(f"the child ended with {self.process.returncode}: {errors}")
        return text.strip()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(timeout=30)

    def end(self) -> int:
        """Its exit status, < 0 is a signal."""
        self.process.communicate(timeout=30)
        return int(self.process.returncode)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *unused: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=30)


# Nothing is mounted there but in the tests' own mount namespaces.
HUGETLB = Path("/mnt")


def in_own_mounts(mounts: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program of this project where only it sees the mounts; skip where that is refused.

    Args: mounts: shell commands; command: what follows `python -m`.
    """
    refused = 77
    script = f'( {mounts} ) || exit {refused}; exec "$@"'
    program = ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, "-m", *command]
    try:
        done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    except FileNotFoundError:
        pytest.skip("unshare(1) is not installed")
    if done.returncode == refused or done.stderr.startswith("unshare: "):
        pytest.skip(f"no mounts of one's own here: {done.stderr.strip()}")
    return done


@contextmanager
def huge_pages(count: int) -> Iterator[None]:
    """At least `count` huge pages that can be had; skip where they cannot."""
    pool = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
    setting = pool / "nr_overcommit_hugepages"
    with ExitStack() as stack:
        try:
            # One setting for the machine, and tests run side by side: each waits for its turn.
            file = stack.enter_context(setting.open())
            fcntl.flock(file, fcntl.LOCK_EX)
            before = int(setting.read_text())
            # Given only as long as somebody uses them.
            setting.write_text(str(before + count))
        except OSError as error:
            pytest.skip(f"no huge pages can be allowed here: {error}")
        stack.callback(setting.write_text, str(before))
        yield


def limit_locking() -> None:
    """In a child before it starts: no right to lock more than 64 KiB."""
    cap_bset_drop, cap_ipc_lock = 24, 14
    ctypes.CDLL(None).prctl(cap_bset_drop, cap_ipc_lock, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 16, 1 << 16))
