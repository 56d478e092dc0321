"""What client ports take of the host is known, said and checked before anything starts."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.conftest import Maker
from tools.configuration import Configuration
from tools.edge import check_memory, free_memory, port_needs
from tools.exchange import launched
from tools.open_files import check_files, files_needed
from tools.topology import ConfigurationError, load_topology

MEMORY_KEYS = {"connections": 64000, "client_orders": 1 << 22, "client_messages": 1 << 30}


def line_of(path: Path, text: str) -> int:
    """Number of the line that begins so."""
    lines = path.read_text().splitlines()
    return next(n for n, line in enumerate(lines, 1) if line.startswith(text))


def test_a_start_says_what_each_port_takes(make: Maker) -> None:
    """Memory is bounded for each session and in all, and the bounds are printed."""
    with launched(make(ports=2)) as exchange:
        log = (exchange.directory / "logs" / "launcher.log").read_text()
        needs = port_needs(exchange.configuration)
    assert [need.name for need in needs] == ["port.0", "port.1"]
    for need in needs:
        assert f"{need}\n" in log
        assert need.connections == 16
        assert need.sessions == 2
        assert f"for 16 connections ({need.size.connection_bytes:,} bytes each" in str(need)


@pytest.mark.parametrize("key", MEMORY_KEYS)
def test_memory_that_is_not_there_is_named_with_the_key_that_takes_most(
    make: Maker, key: str
) -> None:
    path = make(ports=2)
    line = line_of(path, f"{key} =")
    text = path.read_text().splitlines()
    text[line - 1] = f"{key} = {MEMORY_KEYS[key]}"
    path.write_text("\n".join(text))
    configuration = Configuration.load(path)
    total = sum(need.bytes for need in port_needs(configuration))
    assert len(check_memory(configuration, total)) == 2
    with pytest.raises(ConfigurationError) as caught:
        check_memory(configuration, total - 1)
    assert str(caught.value).startswith(f"{path}:{line}: [limits] {key}: the client ports take")
    assert f"{total - 1:,} are free; lower it" in str(caught.value)


def test_this_host_has_memory() -> None:
    assert 1 << 20 < free_memory() < 1 << 50


def test_open_files_that_are_not_allowed_are_an_error_before_anything_starts(make: Maker) -> None:
    """Each connection is one; both ports are on one core."""
    path = make(ports=2)
    path.write_text(path.read_text().replace("connections = 16", "connections = 2000"))
    topology = load_topology(path)
    assert files_needed(topology, topology.core("edge")) == 4256
    assert files_needed(topology, topology.core("engine")) == 0
    drop = '[[application]]\nname = "drop.0"\nkind = "drop"\nconnections = 3000\n'
    path.write_text(path.read_text() + drop + '[[core]]\nname = "drops"\nagents = ["drop.0"]\n')
    with_drop = load_topology(path)
    assert files_needed(with_drop, with_drop.core("drops")) == 3256
    check_files(topology)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))

    up = subprocess.run(
        [sys.executable, "-m", "tools.cli", "up", "--detach", path],
        capture_output=True, text=True, timeout=60, check=False, preexec_fn=limit,
    )  # fmt: skip
    assert up.returncode == 1
    line = line_of(path, "connections =")
    assert f'{path}:{line}: [limits] connections: core "edge" needs 4,256 open files' in up.stderr
    assert "1,024 are allowed; lower it, spread the ports over more cores" in up.stderr


def test_a_core_raises_its_own_limit_where_it_may(make: Maker) -> None:
    """A login shell's 1,024 is enough to start with."""
    path = make(ports=1)
    path.write_text(path.read_text().replace("connections = 16", "connections = 2000"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        with launched(path) as exchange:
            pid = exchange.process("edge").pid
            limits = Path(f"/proc/{pid}/limits").read_text()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    (row,) = (one.split() for one in limits.splitlines() if one.startswith("Max open files"))
    assert int(row[3]) == 2256
