"""The deployment guide: its commands run, its pictures and its example are there and right."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.tuning.machine import host, plant, two_sockets
from tools import cli, plan
from tools.placement import place
from tools.topology import load_topology
from tuning import generate
from tuning.checks import SETTINGS
from tuning.host import Host
from tuning.machine import Machine

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "tuning" / "README.md"
SITE = ROOT / "tuning" / "site.toml"
MAKEFILE = ROOT / "Makefile"
# Those that have pages.
FOLDERS = (".", "engine", "ringbus", "ports", "tools", "tuning", "tests/bench", "tests/control")


# What they may end with here: a host that is not tuned, a plan that is too large, nothing up.
MAY_REFUSE = ("tune check", "plan", "systemd", "status")
# Long, and with tests of their own.
SHORTER = {"60": "0.05"}
ELSEWHERE = ("bench",)


def unprivileged() -> list[list[str]]:
    """The commands of the guide that want no root, as words; what goes to root is only printed."""
    out = []
    for block in re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        for line in block.splitlines():
            before_root = line.partition("| sudo")[0]
            if before_root.startswith("ringbus "):
                words = before_root.replace("$HOT", "0").partition(">")[0].split()[1:]
                out.append([SHORTER.get(word, word) for word in words])
    return out


def test_the_commands_that_want_no_root_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On whatever host this is: they end well, or refuse in words; nothing is set."""
    for name in ("tuning", "tools"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    ran = unprivileged()
    assert len(ran) >= 17
    for words in ran:
        if words[0] in ELSEWHERE:
            continue
        status = cli.main(words)
        said = capsys.readouterr()
        may_refuse = " ".join(words).startswith(MAY_REFUSE)
        assert status in ((0, 1) if may_refuse else (0,)), (words, said.err)
        assert status == 0 or said.out + said.err
    assert (tmp_path / "before" / "jitter.json").exists()


def test_every_step_says_how_it_is_undone() -> None:
    """Its commands are what a person can take back, or change nothing."""
    steps = re.split(r"^## \d+\. ", GUIDE.read_text(), flags=re.MULTILINE)[1:]
    assert len(steps) >= 11
    for step in steps[:-2]:
        assert re.search(r"Undo:|to undo|way back", step.partition("\n## ")[0]), step[:40]


def test_the_links_and_pictures_of_the_guide_are_there() -> None:
    links = re.findall(r"\]\(([^)]+)\)", GUIDE.read_text())
    assert len([link for link in links if link.endswith(".svg")]) >= 3
    for link in links:
        path = GUIDE.parent / link
        assert path.exists(), link
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")


def test_every_picture_of_the_pages_has_a_make_target() -> None:
    makefile = MAKEFILE.read_text()
    pages = [page for folder in FOLDERS for page in (ROOT / folder).glob("*.md")]
    found = {
        (page.parent / link).resolve().relative_to(ROOT)
        for page in pages
        for link in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text())
    }
    assert len(found) >= 7
    for picture in found:
        assert re.search(
            rf"^\t.*\s{re.escape(str(picture))}(\s|$)", makefile, re.MULTILINE
        ), picture


def test_the_picture_of_the_plan_is_what_its_target_makes(tmp_path: Path) -> None:
    command = re.search(r"^picture-plan:.*\n(?:\t.*\n)*", MAKEFILE.read_text(), re.MULTILINE)
    assert command is not None
    (isolated,) = re.findall(r'isolated="([^"]+)"', command[0])
    server, svg = two_sockets(tmp_path / "server", isolated=isolated), tmp_path / "plan.svg"
    assert plan.main([str(SITE), "--root", str(server), "--svg", str(svg)]) == 0
    assert svg.read_text() == (GUIDE.parent / "pictures" / "plan.svg").read_text()


def test_the_list_of_settings_is_that_of_the_program(tmp_path: Path) -> None:
    text = generate.reference(host(plant(tmp_path)), list(SETTINGS.values()))
    assert (GUIDE.parent / "settings.md").read_text() == text


def test_the_example_fits_a_server_and_no_laptop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Host(two_sockets(tmp_path / "server", isolated="1-7,17-23"))
    allowed = frozenset(range(32))
    found = place(load_topology(SITE, allowed, server), Machine.of(server, allowed))
    found.refuse()
    assert found.hot == set(range(1, 8))
    assert plan.main([str(SITE), "--root", str(server.root), "--cpus", "0-1"]) == 1
    assert "7 cores never sleep" in " ".join(capsys.readouterr().out.split())
