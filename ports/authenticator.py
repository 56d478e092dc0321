"""Passwords: what is kept of them, and the helper that verifies logins beside a client port.

A secret in the participants' file is `scrypt$n$r$p$salt$hash`, salt and hash in hexadecimal.
Verifying one takes tens of milliseconds on purpose: the port's agent does not wait for it.
"""

from __future__ import annotations

import hashlib
import hmac

# An exception to the rule against randomness: salts, and the key below, must not be guessed.
import secrets
import select
from collections.abc import Mapping
from typing import Protocol

from ringbus.status import UsageError

SCHEME = "scrypt"
COST = 1 << 14
BLOCK = 8
PARALLEL = 1
SALT_BYTES = 16
HASH_BYTES = 32
# Bounds of what a secret in a file may ask for: 64 MiB and about a second.
COST_MAX = 1 << 16
BLOCK_MAX = 8
PARALLEL_MAX = 4
# What a password can be on the wire: SoupBinTCP has 10 characters and knows no lower case.
PASSWORD_MAX = 10
BATCH = 64


def hash_secret(password: str, salt: bytes | None = None, cost: int = COST) -> str:
    """What to write into the participants' file for a password.

    Args: password: 1..10 printable ASCII characters, upper and lower case are the same; salt: by
    default fresh; cost: scrypt's n, a power of two.
    Raises: UsageError: such a password cannot be sent.
    """
    if not 1 <= len(password) <= PASSWORD_MAX or not password.isascii():
        raise UsageError(f"a password has 1 to {PASSWORD_MAX} ASCII characters")
    if not password.isprintable() or password != password.strip():
        raise UsageError("a password has no control characters and no blanks at its ends")
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    digest = _derive(password, salt, cost, BLOCK, PARALLEL)
    return f"{SCHEME}${cost}${BLOCK}${PARALLEL}${salt.hex()}${digest.hex()}"


def verify(secret: str, password: str) -> bool:
    """Whether the password is the secret's. Raises: UsageError: the secret is not one."""
    cost, block, parallel, salt, digest = _parse(secret)
    return hmac.compare_digest(_derive(password, salt, cost, block, parallel), digest)


def _derive(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    return hashlib.scrypt(
        password.upper().encode("ascii", "replace"),
        salt=salt,
        n=cost,
        r=block,
        p=parallel,
        maxmem=(256 * cost + 4096) * block * parallel,
        dklen=HASH_BYTES,
    )


def _parse(secret: str) -> tuple[int, int, int, bytes, bytes]:
    fields = secret.split("$")
    try:
        scheme, cost, block, parallel = fields[0], int(fields[1]), int(fields[2]), int(fields[3])
        salt, digest = bytes.fromhex(fields[4]), bytes.fromhex(fields[5])
    except (IndexError, ValueError):
        raise UsageError("a secret is scrypt$n$r$p$salt$hash: `ringbus secret` makes one") from None
    if scheme != SCHEME or len(fields) != 6 or len(digest) != HASH_BYTES or not salt:
        raise UsageError("a secret is scrypt$n$r$p$salt$hash: `ringbus secret` makes one")
    if not 2 <= cost <= COST_MAX or cost & (cost - 1):
        raise UsageError(f"a secret's n is a power of two from 2 to {COST_MAX}")
    if not 1 <= block <= BLOCK_MAX or not 1 <= parallel <= PARALLEL_MAX:
        raise UsageError(f"a secret's r is 1..{BLOCK_MAX} and its p 1..{PARALLEL_MAX}")
    return cost, block, parallel, salt, digest


class LoginQueue(Protocol):
    """The side of a client port that an authenticator sees."""

    def next_login(self) -> tuple[int, int, str, str] | None:
        """Connection, generation, user and password of the next login."""

    def answer_login(self, connection: int, generation: int, good: bool) -> bool:
        """Say whether it was good; False: no room now."""

    @property
    def login_fd(self) -> int:
        """Readable when a login waits."""

    def hush_logins(self) -> None:
        """Make `login_fd` unreadable."""

    def wake_logins(self) -> None:
        """Make `login_fd` readable."""


class Authenticator:
    """Verifies the logins of one port: `step` by a test, `run` in a thread of its owner.

    Args: port: whose logins; participants: secret by user (upper case).
    Raises: UsageError: a secret is not one.
    Thread: one, other than the port's, but for `stop`.

    A password that was right once is remembered under a key of this process, so that a client that
    comes back does not wait again.
    """

    def __init__(self, port: LoginQueue, participants: Mapping[str, str]) -> None:
        self._port = port
        self._secrets = {user.upper(): secret for user, secret in participants.items()}
        for secret in self._secrets.values():
            _parse(secret)
        # Verified for a user that nobody is, so that the time does not tell who exists.
        self._nobody = hash_secret("NOBODY", cost=COST)
        self._key = secrets.token_bytes(32)
        self._known: dict[str, bytes] = {}
        self._pending: tuple[int, int, bool] | None = None
        self._stopping = False

    def step(self, limit: int = BATCH) -> int:
        """Verify up to `limit` logins; returns how many were answered."""
        for done in range(limit):
            if self._pending is None:
                login = self._port.next_login()
                if login is None:
                    return done
                connection, generation, user, password = login
                self._pending = (connection, generation, self.is_good(user, password))
            if not self._port.answer_login(*self._pending):
                return done
            self._pending = None
        return limit

    def is_good(self, user: str, password: str) -> bool:
        """Whether the user may log in with the password."""
        secret = self._secrets.get(user)
        if secret is None:
            verify(self._nobody, password)
            return False
        digest = hashlib.blake2b(
            password.upper().encode("ascii", "replace"), key=self._key, person=user[:16].encode()
        ).digest()
        known = self._known.get(user)
        if known is not None and hmac.compare_digest(known, digest):
            return True
        good = verify(secret, password)
        if good:
            self._known[user] = digest
        return good

    def run(self) -> None:
        """Verify what comes until `stop`; sleeps in between."""
        poll = select.poll()
        poll.register(self._port.login_fd, select.POLLIN)
        while not self._stopping:
            poll.poll(None if self._pending is None else 1)
            self._port.hush_logins()
            # What was committed before the signal that was just taken away is found here.
            while not self._stopping and self.step() > 0:
                pass

    def stop(self) -> None:
        """End `run`, from any thread."""
        self._stopping = True
        self._port.wake_logins()
