"""`[control]`: who may command an exchange, and how it is known whether orders there are meant."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tools import rules

# Kinds of command, as operators call them.
COMMAND_KINDS: Final = (
    *("bust", "cancel", "close-day", "collar", "correct", "fat-finger", "halt", "kill", "limit"),
    *("reference", "restrict", "resume", "self-trade", "state"),
)
LIVE: Final = "live"
# The first letter of a live exchange's session, as ports/entrance.c has it.
LIVE_SESSION: Final = "L"


@dataclass(frozen=True, slots=True)
class ControlSection:
    """`[control]`: who may command; tools/README.md.

    With `approvals` 2 every command but those of the kinds `alone` waits for a second author, up to
    `wait_seconds`, and up to `waiting` of them at a time.
    """

    approvals: int = field(default=1, metadata={"rule": rules.whole(1, 2)})
    alone: tuple[str, ...] = field(
        default=("kill", "cancel", "halt"), metadata={"rule": rules.choices(*COMMAND_KINDS)}
    )
    wait_seconds: int = field(default=300, metadata={"rule": rules.whole(1, 86_400)})
    waiting: int = field(default=16, metadata={"rule": rules.whole(1, 256)})
    same_user: str = field(default="refused", metadata={"rule": rules.choice("refused", "allowed")})


def session_fault(environment: str, session: str) -> tuple[str, str] | None:
    """What is wrong with a session's name, and the cure: a client tells by it where it is."""
    if session.startswith(LIVE_SESSION) == (environment == LIVE):
        return None
    return (
        f'found "{session}" of an exchange whose environment is "{environment}"',
        f'the name of a session begins with "{LIVE_SESSION}" where it is "{LIVE}", and only there, '
        f'as in "{LIVE_SESSION}20260105"',
    )
