"""What all tests share: Hypothesis without deadlines, names whose memory goes with the test."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from ringbus.segment import listing, unlink

# A deadline measures the host's other work, not the code.
settings.register_profile("ringbus", deadline=None, print_blob=True)
settings.load_profile("ringbus")

numbers = itertools.count(1)


@pytest.fixture
def exchange() -> Iterator[str]:
    """A name for shared memory that nobody else uses; its segments are removed behind the test."""
    name = f"t{os.getpid()}-{next(numbers)}"
    yield name
    for segment in listing(name):
        unlink(segment)
