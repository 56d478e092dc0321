"""Whole exchanges in real processes, as in tests/tools."""

from tests.tools.conftest import make

__all__ = ["make"]
