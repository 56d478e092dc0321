"""`ringbus verify-release`: days in parallel, the first wrong byte, records and their seals."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ringbus.journal import read_day
from ringbus.messages import SCHEMA_HASH, Template
from tests.tools.conftest import Maker
from tests.tools.days import record
from tests.tools.releases import KEY, key_file, signed
from tests.tools.test_launcher import ringbus
from tests.tools.test_replay import change, copied
from tools.build import build_hash
from tools.configuration import Configuration
from tools.launcher import Launcher, LaunchError
from tools.release import Release, ReleaseError, read_key
from tools.topology import ConfigurationError

SIGNED = ("--author", "ann", "--record")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("day"))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return key_file(tmp_path)


def test_identical_days_are_signed(day: Path, key: Path, tmp_path: Path) -> None:
    """R99: build, schema, each day's messages and digest, who and when."""
    days = [tmp_path / f"day{n}" for n in range(3)]
    for one in days:
        shutil.copytree(day, one)
    file = tmp_path / "release.json"
    done = ringbus("verify-release", *days, "--key", key, "--jobs", "2", *SIGNED, file)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("identical  ") == 3
    release = Release.read(file, KEY)
    assert (release.build, release.schema) == (f"{build_hash():016x}", f"{SCHEMA_HASH:016x}")
    assert release.author == "ann"
    stream = read_day(day)
    digest = hashlib.sha256(stream.tobytes()).hexdigest()
    assert [(one.directory, one.messages, one.digest) for one in release.days] == [
        (str(one), len(stream), digest) for one in days
    ]
    assert file.stat().st_mode & 0o777 == 0o600


def test_one_wrong_byte_in_one_day_refuses_the_build(day: Path, tmp_path: Path) -> None:
    """Both messages are shown, and nothing is signed, whatever the other days are."""
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    copied(day, wrong)
    stream = read_day(day)
    sequence = int(stream["sequence"][stream["template_id"] == Template.EXECUTED][50])
    change(wrong, sequence, 40)
    file = tmp_path / "release.json"
    done = ringbus("verify-release", day, wrong, day, *SIGNED, file)
    assert done.returncode == 1
    assert f"{wrong}: message {sequence} differs" in done.stderr
    assert "recorded:" in done.stderr
    assert "regenerated:" in done.stderr
    assert done.stderr.count("EXECUTED") == 2
    assert not file.exists()


def test_what_cannot_be_tried_is_said(day: Path, tmp_path: Path) -> None:
    done = ringbus("verify-release", tmp_path / "none")
    assert (done.returncode, "no journal there" in done.stderr) == (1, True)
    done = ringbus("verify-release", day, "--record", tmp_path / "file")
    assert (done.returncode, "--author" in done.stderr) == (2, True)
    done = ringbus("verify-release", day, "--jobs", "0")
    assert done.returncode == 2


def test_a_worker_that_is_killed_signs_nothing(day: Path, tmp_path: Path) -> None:
    """The day that it had was not replayed."""
    program = (
        "import os, signal, sys, tools.verify_release as v\n"
        "start = v._start\n"
        "def dying(*arguments):\n"
        "    worker = start(*arguments)\n"
        "    os.kill(worker.process.pid, signal.SIGKILL)\n"
        "    return worker\n"
        "v._start = dying\n"
        "sys.exit(v.main(sys.argv[1:]))\n"
    )
    file = tmp_path / "release.json"
    command = [sys.executable, "-c", program, str(day), *SIGNED, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "ended without a word" in done.stderr) == (1, True)
    assert not file.exists()


def test_a_seal_shows_what_was_changed(tmp_path: Path) -> None:
    for key in (None, KEY):
        file = tmp_path / "release.json"
        release = signed(file, key)
        assert Release.read(file, key) == release
        with pytest.raises(ReleaseError, match="seal does not fit"):
            Release.read(file, KEY if key is None else None)
        with pytest.raises(ReleaseError, match="seal does not fit"):
            Release.read(file, b"another key that is long enough.")
        document = json.loads(file.read_text())
        for name in ("build", "author", "days"):
            other = {**document, name: "x" if name != "days" else []}
            file.write_text(json.dumps(other))
            with pytest.raises(ReleaseError, match="seal does not fit"):
                Release.read(file, key)
        for text in ("", "{}", "[1]", '{"seal": 1}', '"x"'):
            file.write_text(text)
            with pytest.raises(ReleaseError, match="no release's record"):
                Release.read(file, key)
    with pytest.raises(ReleaseError, match="No such file"):
        Release.read(tmp_path / "none", None)
    file.write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(ReleaseError, match="too large"):
        Release.read(file, None)


def test_a_key_is_its_owners_alone(tmp_path: Path, key: Path) -> None:
    assert read_key(key) == KEY
    key.chmod(0o640)
    with pytest.raises(ReleaseError, match="chmod 600"):
        read_key(key)
    key.chmod(0o600)
    key.write_bytes(b"short")
    with pytest.raises(ReleaseError, match="32 bytes"):
        read_key(key)
    with pytest.raises(ReleaseError, match="No such file"):
        read_key(tmp_path / "none")


@pytest.mark.parametrize(
    ("change_it", "problem"),
    [
        (lambda one: None, ""),
        (lambda one: one.unlink(), "No such file"),
        (lambda one: _other(one, build="0" * 16), "signed for build 0000000000000000"),
        (lambda one: _other(one, schema="1" * 16), "signed for schema 1111111111111111"),
        (lambda one: _other(one, days=()), "no day was replayed"),
        (lambda one: one.write_text(one.read_text().replace("ann", "eve")), "seal does not fit"),
    ],
    ids=["as it is", "gone", "another build", "another schema", "no day", "changed"],
)
def test_an_exchange_starts_with_the_signed_build_only(
    make: Maker, tmp_path: Path, key: Path, change_it: object, problem: str
) -> None:
    assert callable(change_it)
    file = tmp_path / "release.json"
    signed(file)
    change_it(file)
    path = make()
    required = 'shards = 2\nrequire_release = "release.json"\nrelease_key = "key"'
    path.write_text(path.read_text().replace("shards = 2", required))
    said: list[str] = []
    launcher = Launcher(Configuration.load(path), say=said.append)
    try:
        if problem:
            with pytest.raises(LaunchError, match=problem):
                launcher.start()
        else:
            assert launcher.start().ready
            assert any("was signed by ann" in text for text in said)
    finally:
        launcher.stop()


def _other(file: Path, **fields: object) -> None:
    dataclasses.replace(Release.read(file, KEY), **fields).write(file, KEY)  # type: ignore[arg-type]


def test_a_live_exchange_requires_one(make: Maker) -> None:
    path = make()
    text = path.read_text().replace('session = "2', 'session = "L2')
    for more, missing in (
        ("", "require_release"),
        ('\nrequire_release = "r"', "release_key"),
    ):
        path.write_text(text.replace("shards = 2", f'shards = 2\nenvironment = "live"{more}'))
        with pytest.raises(ConfigurationError, match=missing):
            Configuration.load(path)
