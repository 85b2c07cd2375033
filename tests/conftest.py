"""Fixtures for every room."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

# how long an example takes says more about the machine than about the code
settings.register_profile("here", deadline=None)
settings.load_profile("here")


@pytest.fixture
def hears_interrupt() -> Iterator[None]:
    """Children started during the test hear Ctrl-C.

    A shell's background job ignores it, and so would all that pytest starts from there.
    """
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)
