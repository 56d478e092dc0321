"""Exchanges for the checks in the guest."""

from __future__ import annotations

from tests.tools.conftest import make

__all__ = ["make"]
