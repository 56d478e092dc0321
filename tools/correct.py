"""`ringbus correct`: gives a trade another price; tools/bust.py says how."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tools.bust import run


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 done, 1 not."""
    return run("correct", argv)


if __name__ == "__main__":
    sys.exit(main())
