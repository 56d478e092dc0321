"""Passwords are hashed, and who knows them is remembered."""

from __future__ import annotations

import pytest

from ports.authenticator import Authenticator, hash_secret, verify
from ringbus.status import UsageError
from tests.ports.venue import SECRET


def test_secrets() -> None:
    secret = hash_secret("Secret", b"0123456789abcdef", cost=16)
    assert secret == hash_secret("SECRET", b"0123456789abcdef", cost=16)
    assert secret.startswith("scrypt$16$8$1$30313233343536373839616263646566$")
    assert verify(secret, "secret")
    assert not verify(secret, "SECRET1")
    assert hash_secret("A", cost=2) != hash_secret("A", cost=2)
    for bad in ("", "plain", "scrypt$16$8$1$00", secret + "$", secret.replace("$16$", "$17$")):
        with pytest.raises(UsageError):
            verify(bad, "SECRET")
    for password in ("", "x" * 11, "é", "a\n", " a"):
        with pytest.raises(UsageError):
            hash_secret(password, cost=2)


def test_the_authenticator_remembers_what_was_right() -> None:
    class NoPort:
        login_fd = -1

        def next_login(self) -> None:
            return None

        def answer_login(self, connection: int, generation: int, good: bool) -> bool:
            return True

        def hush_logins(self) -> None:
            """Nothing."""

        def wake_logins(self) -> None:
            """Nothing."""

    authenticator = Authenticator(NoPort(), {"alice": SECRET})
    for _ in range(2):
        assert authenticator.is_good("ALICE", "SECRET")
        assert not authenticator.is_good("ALICE", "SECRETS")
        assert not authenticator.is_good("BOB", "SECRET")
    with pytest.raises(UsageError):
        Authenticator(NoPort(), {"ALICE": "secret"})
