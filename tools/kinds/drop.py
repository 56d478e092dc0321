"""`kind = "drop"`: drop copies, of any sessions, as OUCH 5.0 messages or as FIX reports.

Who may hear whom stands in the participants' file (`hears`); a drop copy is a session like others,
with a login of its own, and its logins are on the stream.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tools import rules

FIX = "fix"


@dataclass(frozen=True, slots=True)
class Options:
    """`users`: drop copies that may log in here, all if none is named; `comp_id`: ours, in FIX.

    `messages`: on the lists of all of them together, 8 bytes each; `backlog`: how many one may be
    behind.
    """

    protocol: str = field(default="ouch", metadata={"rule": rules.choice("ouch", FIX)})
    host: str = field(default="127.0.0.1", metadata=rules.local(rules.address))
    tcp: int = field(default=0, metadata=rules.local(rules.whole(0, 65535)))
    users: tuple[str, ...] = field(
        default=(), metadata={"rule": rules.texts(r"[A-Z0-9]{1,6}", "users of the participants")}
    )
    comp_id: str = field(
        default="", metadata={"rule": rules.text(r"[!-~]{1,20}", "1 to 20 printable characters")}
    )
    connections: int = field(default=64, metadata=rules.local(rules.whole(1, 4096)))
    messages: int = field(default=1 << 24, metadata=rules.local(rules.whole(1024, 1 << 32)))
    backlog: int = field(default=65536, metadata=rules.local(rules.whole(1, (1 << 32) - 1)))
