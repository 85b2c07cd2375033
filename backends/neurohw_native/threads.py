"""Work shared out among threads that stay: to start one takes as long as hundreds of steps."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

__all__ = ["PAYS", "share"]

PAYS = 3e-4  # seconds of work from which on it pays to wake another thread

X = TypeVar("X")
Y = TypeVar("Y")
_pool: ThreadPoolExecutor | None = None
_lock = threading.Lock()


def _helpers() -> ThreadPoolExecutor:
    """The threads of this process that wait for work."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(os.cpu_count(), "neurohw")
        return _pool


def _forget() -> None:
    """A forked process has no threads but the one that forked it."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def share(
    work: Callable[[X], Y],
    items: Sequence[X],
    threads: int,
    stop: threading.Event | None = None,
) -> list[Y]:
    """``[work(x) for x in items]``, by up to ``threads`` threads, of which the caller is one.

    Each takes an item when it is done with one. Where one fails, or the caller is interrupted,
    ``stop`` is set, no other item is begun, and what was raised first is raised when all have
    ended.
    """
    if threads <= 1 or len(items) <= 1:
        return [work(x) for x in items]
    out: list[Y | None] = [None] * len(items)
    left, lock = iter(range(len(items))), threading.Lock()
    stop = stop or threading.Event()

    def take() -> int | None:
        with lock:
            return None if stop.is_set() else next(left, None)

    def loop() -> None:
        try:
            while (i := take()) is not None:
                out[i] = work(items[i])
        except BaseException:
            stop.set()
            raise

    futures = [_helpers().submit(loop) for _ in range(min(threads, len(items)) - 1)]
    try:
        loop()
        futures = [f for f in futures if not f.cancel()]  # all is begun, so these need not
        wait(futures)
    except BaseException:
        stop.set()
        wait([f for f in futures if not f.cancel()])
        raise
    for f in futures:
        f.result()
    return out  # type: ignore[return-value]
