"""`kind = "fix"`: a port for FIX 4.2 and 4.4 clients, whose CompIDs are their users' names."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools import rules


@dataclass(frozen=True, slots=True)
class Options:
    """`comp_id`: ours, the exchange's session if it is not named; `users`: all if none is named."""

    host: str = field(default="127.0.0.1", metadata=rules.local(rules.address))
    tcp: int = field(default=0, metadata=rules.local(rules.whole(0, 65535)))
    comp_id: str = field(
        default="", metadata={"rule": rules.text(r"[!-~]{1,20}", "1 to 20 printable characters")}
    )
    users: tuple[str, ...] = field(
        default=(), metadata={"rule": rules.texts(r"[A-Z0-9]{1,6}", "users of the participants")}
    )
    passwords: bool = field(default=True, metadata={"rule": rules.flag})
    connections: int = field(default=256, metadata=rules.local(rules.whole(1, 4096)))
    backlog: int = field(default=65536, metadata=rules.local(rules.whole(1, (1 << 32) - 1)))
