"""What most tests of a client port have: an exchange with its clients, in one thread."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ports.exchange import Exchange


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange() as made:
        yield made
