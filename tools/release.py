"""A release's record: which build made which recorded days once more, and who says so.

The record is JSON under a seal. Without a key the seal is a SHA-256 of the rest: it shows damage
and careless edits, not forgery, since whoever can write the file can seal it. With a key, of which
only those who sign and the account that starts the exchange have a copy, it is an HMAC-SHA256:
nobody else can make a record that `ringbus up` takes. Not chosen: a public-key signature, which
would need a library or a program of others at every start, for a difference only where those who
start exchanges are not trusted to sign.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from ringbus.messages import SCHEMA_HASH
from tools.private import write_private
from tools.topology import Topology

KEY_BYTES_MIN: Final = 32
RECORD_BYTES_MAX: Final = 1 << 20
VERSION: Final = 1


class ReleaseError(Exception):
    """There is no valid record for this build; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class DayResult:
    """One recorded day that this build made once more: all of its messages, and their SHA-256."""

    directory: str
    messages: int
    digest: str
    book: str


@dataclass(frozen=True, slots=True)
class Release:
    """What was signed; `build` and `schema` are fingerprints in hexadecimal digits."""

    build: str
    schema: str
    author: str
    signed_at: str
    days: tuple[DayResult, ...]

    def write(self, path: Path, key: bytes | None) -> None:
        """Seal it and replace the file."""
        document: dict[str, object] = {"version": VERSION, **dataclasses.asdict(self)}
        document["seal"] = _seal(document, key)
        write_private(path, json.dumps(document, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path, key: bytes | None) -> Release:
        """Read a file and check its seal. Raises: ReleaseError: it is not such a record."""
        try:
            if path.stat().st_size > RECORD_BYTES_MAX:
                raise ReleaseError(f"{path}: is too large for a release's record")
            document = cast(dict[str, object], json.loads(path.read_text(encoding="utf-8")))
            said = str(document.pop("seal"))
            days = cast("list[dict[str, object]]", document["days"])
            release = cls(
                str(document["build"]),
                str(document["schema"]),
                str(document["author"]),
                str(document["signed_at"]),
                tuple(
                    DayResult(
                        str(day["directory"]),
                        int(cast(int, day["messages"])),
                        str(day["digest"]),
                        str(day["book"]),
                    )
                    for day in days
                ),
            )
        except OSError as error:
            raise ReleaseError(f"{path}: {error.strerror}; {MAKE_ONE}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ReleaseError(f"{path}: is no release's record; {MAKE_ONE}") from None
        if not hmac.compare_digest(said.encode(), _seal(document, key).encode()):
            how = "with this key" if key else "without a key"
            raise ReleaseError(f"{path}: its seal does not fit {how}; {MAKE_ONE}")
        return release


MAKE_ONE: Final = "`ringbus verify-release DIR... --record FILE` makes one"


def _seal(document: dict[str, object], key: bytes | None) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    if key is None:
        return "sha256:" + hashlib.sha256(text).hexdigest()
    return "hmac-sha256:" + hmac.new(key, text, hashlib.sha256).hexdigest()


def read_key(path: Path) -> bytes:
    """The key in a file that only its owner can read.

    Raises: ReleaseError: others can, or it is too short.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            key = file.read(RECORD_BYTES_MAX).strip()
    except OSError as error:
        raise ReleaseError(f"{path}: {error.strerror}; name the file of the release key") from None
    if mode & 0o077:
        raise ReleaseError(f"{path}: others than its owner can read the key: chmod 600")
    if len(key) < KEY_BYTES_MIN:
        raise ReleaseError(f"{path}: a key has {KEY_BYTES_MIN} bytes or more")
    return key


def require(topology: Topology, build: str) -> Release | None:
    """What the topology requires of a build before it may start; None if it requires nothing.

    Raises: ReleaseError: there is no record, or it is of another build or schema.
    """
    exchange = topology.exchange
    if not exchange.require_release:
        return None
    here = topology.path.parent
    path = here / exchange.require_release
    key = read_key(here / exchange.release_key) if exchange.release_key else None
    release = Release.read(path, key)
    for what, said, own in (
        ("build", release.build, build),
        ("schema", release.schema, f"{SCHEMA_HASH:016x}"),
    ):
        if said != own:
            raise ReleaseError(
                f"{path}: signed for {what} {said} by {release.author}, and this is {own}; "
                f"install that one, or have this one verified: {MAKE_ONE}"
            )
    if not release.days:
        raise ReleaseError(f"{path}: no day was replayed for it; {MAKE_ONE}")
    return release


def commit() -> str:
    """The commit that this code is of, with "-dirty" if it was changed; "" where nobody knows."""
    root = Path(__file__).resolve().parent.parent
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
