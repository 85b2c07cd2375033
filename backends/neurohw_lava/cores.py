"""Keep the processes of a Lava network on one core."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

__all__ = ["one_core"]


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Start processes on one core: they run in turns, and changing cores costs half the time.

    Children inherit it; the calling thread has its former cores back afterwards. On a machine
    that is busy already it would only bind them to a busy core, so then nothing is done.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    if os.getloadavg()[0] >= len(allowed):
        yield
        return
    try:
        os.sched_setaffinity(0, {sorted(allowed)[os.getpid() % len(allowed)]})
        yield
    finally:
        os.sched_setaffinity(0, allowed)
