"""In the guest: memory of one NUMA node, and pages of 2 MiB that were really set apart there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ringbus.backing import Backing, mapped, nodes_with_memory
from ringbus.segment import Segment, segment_name
from tests.tools.conftest import Maker
from tools.exchange import launched
from tools.status import look

NODES = (0, 1)
PAGES = 384


def pool(node: int, file: str) -> Path:
    """Of the 2 MiB pages of a node."""
    return Path(f"/sys/devices/system/node/node{node}/hugepages/hugepages-2048kB/{file}")


def free(node: int) -> int:
    """Pages that are set apart there and in nobody's hands."""
    return int(pool(node, "free_hugepages").read_text())


def test_memory_lies_where_it_is_bound(exchange: str) -> None:
    """Whoever makes it, on whichever node that runs."""
    assert nodes_with_memory() == NODES
    for node in NODES:
        for cpu in (0, 3):
            name = segment_name(exchange, f"part-{node}-{cpu}")
            program = (
                "import sys; from ringbus.segment import Segment\n"
                "from ringbus.backing import Backing\n"
                "Segment.create(sys.argv[1], 8 << 20, backing=Backing(numa_node=int(sys.argv[2])))"
            )
            subprocess.run(
                ["taskset", "-c", str(cpu), "python", "-c", program, name, str(node)], check=True
            )
            with Segment.attach(name) as seen:
                got = mapped(seen.path)
                assert got is not None
                assert (got.nodes, got.present_bytes) == ((node,), seen.size)


def test_pages_of_a_node_that_has_none_left(exchange: str) -> None:
    """They are set apart on the other one: not taken from there."""
    pool(0, "nr_hugepages").write_text("8")
    pool(1, "nr_hugepages").write_text("0")
    assert (free(0), free(1)) == (8, 0)
    name = segment_name(exchange, "part")
    with pytest.raises(Exception, match="2 MiB") as refused:
        Segment.create(name, 4 << 20, backing=Backing("explicit", numa_node=1))
    print(refused.value)
    assert free(0) == 8


@pytest.mark.parametrize("node", NODES)
def test_an_exchange_on_pages_of_one_node(make: Maker, node: int) -> None:
    """vm.nr_hugepages shares them out among the nodes; what is mapped is of the one asked for."""
    subprocess.run(["sysctl", f"vm.nr_hugepages={2 * PAGES}"], check=True)
    assert [free(one) for one in NODES] == [PAGES, PAGES]
    wish = f'[memory]\npages = "explicit"\nnuma_node = {node}\nlock = true'
    with launched(make(ports=1, extra=wish)) as exchange:
        status = look(exchange.name, 0)
        assert status is not None
        assert status.stream_memory is not None
        print(status.stream_memory.words, [free(one) for one in NODES])
        assert status.stream_memory.words == f"2 MiB pages, node {node}, locked"
        assert free(node) < PAGES
        assert free(1 - node) == PAGES
    assert [free(one) for one in NODES] == [PAGES, PAGES]


def test_transparent_pages_of_a_node(make: Maker) -> None:
    """After the guide's remount; where the node is short of whole 2 MiB it is said, not hidden."""
    subprocess.run(["sysctl", "vm.nr_hugepages=0"], check=True)
    subprocess.run(["mount", "-o", "remount,huge=advise,size=50%", "/dev/shm"], check=True)
    try:
        wish = '[memory]\npages = "transparent"\nnuma_node = 1'
        with launched(make(ports=1, extra=wish)) as exchange:
            status = look(exchange.name, 0)
            assert status is not None
            assert status.stream_memory is not None
            assert status.stream_memory.words == "2 MiB pages, node 1"
    finally:
        subprocess.run(["mount", "-o", "remount,huge=never", "/dev/shm"], check=True)
