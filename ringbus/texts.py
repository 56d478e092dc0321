"""Who says a command and why: the Text lines behind it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ringbus.messages import INSTRUMENT_NONE, MESSAGE, TEXT, Template

PIECE_BYTES: Final = 28


def texts(author: str, user: int | None, reason: str) -> NDArray[np.void]:
    """The lines behind a command, one for each 28 bytes of UTF-8: shape (n,), dtype MESSAGE.

    Args: user: number of the local user who says it; None: it is no person.
    """
    said = f"{author}\n{'' if user is None else user}\n{reason}".encode()
    pieces = [said[at : at + PIECE_BYTES] for at in range(0, len(said), PIECE_BYTES)]
    lines: NDArray[np.void] = np.zeros(len(pieces), TEXT)
    lines["template_id"], lines["instrument"] = Template.TEXT, INSTRUMENT_NONE
    lines["text"] = pieces
    return lines.view(MESSAGE)


def said_in(pieces: list[bytes]) -> tuple[str, str, str]:
    """Author, user ("": no person) and reason, of the texts of those lines."""
    said = b"".join(pieces).decode("utf-8", "replace").split("\n", 2)
    author, user, reason = [*said, "", ""][:3]
    return author, user, reason
