"""What shared memory is made of: really got where this host allows it, said in words where not."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ringbus import backing as backing_module
from ringbus.backing import HUGE, TMPFS, Backing, Mapped, mapped, nodes_with_memory, process_memory
from ringbus.ring import BackingWarning, Ring
from ringbus.segment import Segment, listing, segment_name
from ringbus.status import BackingError
from tests.ringbus.support import HUGETLB, ROOT, huge_pages, in_own_mounts, limit_locking

pytestmark = pytest.mark.xdist_group("huge pages")

CHILDREN = "tests.ringbus.children"
ADVISE = f"mount -t tmpfs -o huge=advise,size=64m tmpfs {TMPFS}"
NEVER = f"mount -t tmpfs -o huge=never,size=64m tmpfs {TMPFS}"
SETS_APART = f"mount -t hugetlbfs -o pagesize=2M none {HUGETLB}"
SIZE = 2 * HUGE + 4096


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_pages_of_4_kib_unless_said_otherwise(exchange: str) -> None:
    with Segment.create(segment_name(exchange, "part"), SIZE) as made:
        got = mapped(made.path)
        assert got is not None
        assert (got.mapped_bytes, got.present_bytes, got.page_bytes) == (SIZE, SIZE, 4096)
        assert got.locked_bytes == 0
        assert made.unmet == ()


def test_transparent_pages_really_are(exchange: str) -> None:
    """On a tmpfs of this test's own, whose mount allows them: maker and reader map 2 MiB each."""
    done = in_own_mounts(ADVISE, CHILDREN, "backing_make", "transparent", str(SIZE), "", exchange)
    lines = said(done)
    if "in pieces" in lines[0]:
        pytest.skip(lines[0])
    assert lines[0] == "unmet ()"
    assert lines[1].startswith(f"made {TMPFS} {3 * HUGE} 2 MiB pages")
    assert lines[2].startswith(f"seen hello {TMPFS} {3 * HUGE} 2 MiB pages")
    assert lines[3].endswith("left []")


def test_transparent_pages_that_the_mount_does_not_allow(exchange: str) -> None:
    shmem = Path("/sys/kernel/mm/transparent_hugepage/shmem_enabled")
    if not shmem.exists() or "[never]" not in shmem.read_text():
        pytest.skip(f"{shmem} says more than the mount does")
    done = in_own_mounts(
        NEVER, CHILDREN, "backing_make", "transparent", str(SIZE), "required", exchange
    )
    refused, cleaned = said(done)
    assert refused.startswith("BackingError pages = 'transparent'")
    assert f"`mount -o remount,huge=advise {TMPFS}`" in refused
    assert cleaned == "listed [] unlinked False left []"


def test_a_wish_is_not_a_condition(exchange: str) -> None:
    done = in_own_mounts(NEVER, CHILDREN, "backing_make", "transparent", str(SIZE), "", exchange)
    unmet, made, seen, cleaned = said(done)
    assert "mount -o remount,huge=advise" in unmet
    assert made.startswith(f"made {TMPFS} {SIZE} 4 KiB pages")
    assert seen.startswith("seen hello")
    assert "unlinked True left []" in cleaned


def test_explicit_pages_really_are(exchange: str) -> None:
    """Set-apart pages under a name: another process finds, maps and reads them."""
    with huge_pages(3):
        done = in_own_mounts(
            SETS_APART, CHILDREN, "backing_make", "explicit", str(SIZE), "required", exchange
        )
    unmet, made, seen, cleaned = said(done)
    assert unmet == "unmet ()"
    assert made.startswith(f"made {HUGETLB} {3 * HUGE} 2 MiB pages")
    assert seen.startswith(f"seen hello {HUGETLB} {3 * HUGE} 2 MiB pages")
    assert cleaned == f"listed ['ringbus.{exchange}.part'] unlinked True left []"


def test_too_few_explicit_pages(exchange: str) -> None:
    done = in_own_mounts(
        SETS_APART, CHILDREN, "backing_make", "explicit", str(1 << 40), "required", exchange
    )
    refused, cleaned = said(done)
    assert refused.startswith(
        "BackingError pages = 'explicit': 524288 pages of 2 MiB are needed, and of the "
    )
    assert "hugepages-2048kB/nr_hugepages` as root" in refused
    assert cleaned.endswith("left []")


def test_pages_of_another_node_are_not_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Seen on a host of two nodes: eight were free, and none of them where they were wanted."""
    for node, pages in ((0, "8"), (1, "0")):
        pool = tmp_path / f"node{node}" / "hugepages" / "hugepages-2048kB"
        pool.mkdir(parents=True)
        for name in ("nr_hugepages", "free_hugepages"):
            (pool / name).write_text(pages)
    monkeypatch.setattr(backing_module, "NODES", tmp_path / "has_memory")
    error = backing_module.too_few_pages(Backing("explicit", numa_node=1), 2 * HUGE)
    said = "2 pages of 2 MiB are needed, and of the 0 that are set apart on node 1 0 are free"
    assert said in str(error)
    assert f"{tmp_path}/node1/hugepages/hugepages-2048kB/nr_hugepages" in str(error)


def test_no_hugetlbfs(exchange: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("none /sys sysfs rw 0 0\nnone /nowhere hugetlbfs rw,pagesize=2M 0 0\n")
    monkeypatch.setattr(backing_module, "MOUNTS", mounts)
    with pytest.raises(BackingError, match=r"no hugetlbfs of 2 MiB pages.*`mkdir -p .*&& mount"):
        Segment.create(segment_name(exchange, "part"), SIZE, backing=Backing("explicit"))
    with pytest.raises(BackingError, match=r"no hugetlbfs of 1 GiB pages.*pagesize=1024M"):
        Segment.create(segment_name(exchange, "part"), SIZE, backing=Backing("explicit-1g"))
    assert listing(exchange) == []


def test_a_ring_on_explicit_pages(exchange: str) -> None:
    with huge_pages(1):
        done = in_own_mounts(SETS_APART, CHILDREN, "backing_ring", exchange)
    second, gap, memory, twice, removed = said(done)
    assert "has a publisher already" in second
    assert "records 1..4 were overwritten" in gap
    assert memory.startswith("2 MiB pages")
    assert "exists already" in twice
    assert removed == "True"


def test_a_node_that_there_is(exchange: str) -> None:
    node = nodes_with_memory()[0]
    try:
        made = Segment.create(segment_name(exchange, "part"), SIZE, backing=Backing(numa_node=node))
    except BackingError as error:
        pytest.skip(str(error))
    with made:
        got = mapped(made.path)
        assert got is not None
        # Empty where the kernel was built without NUMA.
        assert got.nodes in ((node,), ())


@pytest.mark.parametrize("node", [99, 5000])
def test_a_node_that_there_is_not(exchange: str, node: int) -> None:
    name = segment_name(exchange, "part")
    with pytest.raises(BackingError, match=rf"numa_node = {node}: this host has no such node"):
        Segment.create(name, SIZE, backing=Backing(numa_node=node))
    assert listing(exchange) == []
    with Segment.create(name, SIZE, backing=Backing(numa_node=node, required=False)) as made:
        assert len(made.unmet) == 1


def test_locked_memory_is_locked(exchange: str) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if 0 <= soft < 4 * HUGE:
        pytest.skip(f"RLIMIT_MEMLOCK is {soft}")
    with Ring.create(exchange, "u8", 1024, backing=Backing(lock=True)) as ring:
        own = ring.memory
        assert own is not None
        assert own.locked_bytes == own.mapped_bytes > 0
        # It is the mapping that is locked: who attaches decides for itself.
        with Ring.attach(exchange) as other:
            both = other.memory
            assert both is not None
            assert both.locked_bytes == own.locked_bytes
            assert both.mapped_bytes == 2 * own.mapped_bytes


def run_limited(*words: str) -> list[str]:
    program = [sys.executable, "-W", "default", "-m", CHILDREN, *words]
    done = subprocess.run(
        program, cwd=ROOT, capture_output=True, text=True, preexec_fn=limit_locking, check=True
    )
    return (done.stdout + done.stderr).splitlines()


def test_a_limit_on_locking_is_said(exchange: str) -> None:
    one, every = run_limited("backing_lock", exchange, "required")
    assert one.startswith(f"BackingError lock = true: shared memory ringbus.{exchange}.ring of 4.5")
    assert "RLIMIT_MEMLOCK is 64 KiB" in one
    assert "LimitMEMLOCK=" in one
    assert every.startswith("BackingError lock = true: all memory of the process")
    assert listing(exchange) == []


def test_a_wish_to_lock_is_a_warning(exchange: str) -> None:
    lines = run_limited("backing_lock", exchange, "")
    assert lines[0].startswith("4 KiB pages")
    assert "locked" not in lines[0]
    assert sum("BackingWarning: lock = true" in line for line in lines) == 1


def test_a_wish_of_a_ring_is_a_warning(exchange: str) -> None:
    wish = Backing(numa_node=99, required=False)
    with pytest.warns(BackingWarning, match="no such node"):
        Ring.create(exchange, "u8", 8, backing=wish).close()


def test_without_prefault_page_tables_fill_as_they_are_used(exchange: str) -> None:
    name = segment_name(exchange, "part")
    Segment.create(name, SIZE).close()
    with Segment.attach(name, backing=Backing(prefault=False)) as seen:
        got = mapped(seen.path)
        assert got is not None
        assert (got.mapped_bytes, got.present_bytes) == (SIZE, 0)
    with Segment.attach(name) as seen:
        got = mapped(seen.path)
        assert got is not None
        assert got.present_bytes == SIZE


@pytest.mark.parametrize(
    ("got", "words"),
    [
        (Mapped(8 << 20, 8 << 20, 0, 0, 4096, ()), "4 KiB pages"),
        (Mapped(8 << 20, 8 << 20, 8 << 20, 0, 4096, (0,)), "2 MiB pages, node 0"),
        (Mapped(8 << 20, 8 << 20, 6 << 20, 0, 4096, (0, 1)),
         "2 MiB pages for 6 MiB of 8 MiB, node 0+1"),
        (Mapped(1 << 30, 1 << 30, 1 << 30, 0, 1 << 30, ()), "1 GiB pages"),
        (Mapped(1 << 20, 1 << 20, 0, 1 << 20, 4096, ()), "4 KiB pages, locked"),
        (Mapped(1 << 20, 1 << 20, 0, 288 << 10, 4096, ()), "4 KiB pages, locked 288 KiB"),
    ],
)  # fmt: skip
def test_what_was_got_in_words(got: Mapped, words: str) -> None:
    assert got.words == words


def test_what_nobody_has_mapped(exchange: str) -> None:
    assert mapped(TMPFS / segment_name(exchange, "part")) is None
    assert mapped(TMPFS, 1 << 30) is None
    assert process_memory(1 << 30).present_bytes == 0
    assert process_memory().present_bytes > 1 << 20


@pytest.mark.parametrize(
    ("setting", "mounted", "words"),
    [
        (None, "rw,huge=advise", "built without transparent huge pages"),
        ("always [deny]", "rw,huge=advise", "says deny"),
        ("[never] deny", "rw", "mounted without huge pages"),
        ("[never] deny", "rw,huge=within_size", "memory is in pieces"),
        ("never [force]", "rw", "memory is in pieces"),
    ],
)
def test_why_pages_are_not_huge(
    setting: str | None,
    mounted: str,
    words: str,
    exchange: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """What the host says is simulated; that the pages are not huge is not."""
    mounts, directory = tmp_path / "mounts", tmp_path / "transparent_hugepage"
    mounts.write_text(f"tmpfs {TMPFS} tmpfs rw,huge=always 0 0\nx {TMPFS} tmpfs {mounted} 0 0\n")
    directory.mkdir()
    if setting is not None:
        (directory / "shmem_enabled").write_text(setting)
    monkeypatch.setattr(backing_module, "MOUNTS", mounts)
    monkeypatch.setattr(backing_module, "HUGE_SETTINGS", tmp_path)
    with Segment.create(segment_name(exchange, "part"), HUGE) as made:
        got = mapped(made.path)
        if got is None or got.huge_bytes:
            pytest.skip("huge pages came without being asked for")
        with pytest.raises(BackingError, match=words):
            Backing("transparent").verify(made.path)


def test_mounts_and_nodes_as_the_kernel_writes_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mounts, nodes = tmp_path / "mounts", tmp_path / "nodes"
    mounts.write_text(
        "a /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n"
        "b /mnt/with\\040blank hugetlbfs rw,pagesize=1024M 0 0\nc /old hugetlbfs rw 0 0\n"
    )
    nodes.write_text("0-1,3\n")
    monkeypatch.setattr(backing_module, "MOUNTS", mounts)
    monkeypatch.setattr(backing_module, "NODES", nodes)
    assert backing_module.hugetlb_mounts() == [
        (Path("/dev/hugepages"), HUGE),
        (Path("/mnt/with blank"), 1 << 30),
        (Path("/old"), HUGE),
    ]
    assert nodes_with_memory() == (0, 1, 3)
    nodes.unlink()
    assert nodes_with_memory() == (0,)
