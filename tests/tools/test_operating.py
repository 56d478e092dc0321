"""What tools/README.md says that is printed is printed, command by command, by a real exchange."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.conftest import Maker
from tests.tools.test_command import order
from tests.tools.test_console import CONSOLE, TWO
from tests.tools.test_trading_day import GTC, ask
from tools.exchange import launched

FILES = ("new.toml", "tomorrow.toml", "today.html")
PAGE = Path(__file__).resolve().parents[2] / "tools" / "README.md"


def blocks() -> list[tuple[str, str]]:
    """Commands of the page and what is printed below each."""
    shown = "\n".join(re.findall(r"```console\n(.*?)\n```", PAGE.read_text(), re.DOTALL))
    parts = re.split(r"^\$ ", shown, flags=re.MULTILINE)[1:]
    return [(part.partition("\n")[0], part.partition("\n")[2].strip("\n")) for part in parts]


def plain(text: str) -> str:
    """Without what differs from run to run: times, numbers, fingerprints, widths of columns."""
    text = re.sub(r"\b([0-9a-f]{64}|[0-9a-f]{16})\b", "FINGERPRINT", text)
    text = re.sub(r"\d[\d,:.]*", "0", text)
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


@pytest.mark.xdist_group("processes")
def test_every_command_of_the_page(make: Maker, tmp_path: Path) -> None:
    """R103: an example of each, and what the stream says then."""
    path = make(ports=1, extra=TWO + CONSOLE)
    new = path.read_text().replace("orders = 1024\np", "orders = 4096\np")
    (tmp_path / "new.toml").write_text(new)
    tomorrow = path.read_text().replace('"20230711"', '"20230712"')
    (tmp_path / "tomorrow.toml").write_text(tomorrow)
    with launched(path) as exchange:
        order(exchange, 1)
        for command, printed in blocks():
            if command.startswith("ringbus report"):
                # What goes to the next day.
                ask("BOB", exchange, {**GTC, "symbol": "S2"})
            line = [sys.executable, "-m", "tools.cli", *shlex.split(command)[1:]]
            line = [exchange.name if one == "demo" else one for one in line]
            line = [str(tmp_path / one) if one in FILES else one for one in line]
            done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
            said = (done.stdout + done.stderr).replace(exchange.name, "demo")
            assert plain(said) == plain(printed), command
