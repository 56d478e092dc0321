"""What several test modules of the engine are given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.pair import Pair


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Pair() as made:
        yield made
