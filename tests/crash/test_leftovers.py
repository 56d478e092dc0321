"""The soak's judge: whatever an exchange could leave is found, and nothing of anybody else's."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from ringbus.backing import TMPFS
from tests.crash.leftovers import leftovers, listeners, processes


def test_each_kind_is_found(tmp_path: Path) -> None:
    name = f"left{os.getpid()}"
    temporary, out = tmp_path / "temporary", tmp_path / "out"
    for directory in (temporary, out, out / "journal.b.1", out / "logs"):
        directory.mkdir()
    (out / "unfinished").touch()
    assert list(leftovers(name, tmp_path, temporary, set())) == []
    memory = TMPFS / f"ringbus.{name}.stream"
    memory.touch()
    (temporary / "abc").touch()
    (out / "state.json").touch()
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell,
        subprocess.Popen(
            [sys.executable, "-c", "input()", str(tmp_path / "t.toml")], stdin=subprocess.PIPE
        ) as process,
    ):
        try:
            bell.bind(f"\0ringbus.{name}.bell.3")
            port = listener.getsockname()[1]
            heard = {one for one in listeners() if one[0] == port}
            assert len(heard) == 1
            found = list(leftovers(name, tmp_path, temporary, heard))
            assert found == [
                f"memory {memory}",
                f"process {process.pid}",
                f"socket @ringbus.{name}.bell.3",
                f"port {port}",
                f"temporary file {temporary / 'abc'}",
                f"file {out / 'state.json'}",
            ]
            # Of another exchange, nothing.
            assert list(leftovers("other", tmp_path / "other", tmp_path / "none", set())) == []
        finally:
            memory.unlink()
            process.kill()
            process.wait()
    assert processes(tmp_path) == []
    # The same port, taken by somebody else since, is none of ours.
    with socket.create_server(("127.0.0.1", 0)):
        assert not heard & listeners()
