"""How a drop port says whose the next messages are: the text of its debug packets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_TEXT: Final = re.compile(r"whose (\S{1,6}) account (\d{1,5}) firm (\S{0,8})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Whose:
    """A client whose messages are copied."""

    user: str
    account: int
    firm: str

    @property
    def text(self) -> str:
        """As a port says it."""
        return f"whose {self.user} account {self.account} firm {self.firm}"

    @classmethod
    def read(cls, text: str) -> Whose | None:
        """From a debug packet; None: it says something else."""
        match = _TEXT.fullmatch(text)
        return None if match is None else cls(match[1], int(match[2]), match[3])
