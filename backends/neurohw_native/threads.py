"""Work shared out among threads that stay: to start one takes as long as hundreds of steps."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["PAYS", "apart", "share", "workers"]

PAYS = 3e-4  # seconds of work from which on it pays to wake another thread

X = TypeVar("X")
Y = TypeVar("Y")
_pool: ThreadPoolExecutor | None = None
_lock = threading.Lock()
_team = threading.Lock()


def _helpers() -> ThreadPoolExecutor:
    """The threads of this process that wait for work."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(os.cpu_count(), "neurohw")
        return _pool


@contextmanager
def workers(count: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of which ``count`` threads are free: they may wait for one another.

    It is that of the process, or while somebody has that, one of its own.
    """
    if count < (os.cpu_count() or 1) and _team.acquire(blocking=False):
        try:
            yield _helpers()
        finally:
            _team.release()
    else:
        with ThreadPoolExecutor(count) as pool:
            yield pool


@contextmanager
def apart(part: int, parts: int) -> Iterator[None]:
    """Keep this thread on processors of its own for a while, where the system lets it.

    Threads that meet at every step are slower by an order of magnitude while two of them share a
    processor, and it takes the system tens of milliseconds to see that.
    """
    known = getattr(os, "sched_getaffinity", None)
    allowed = sorted(known(0)) if known else []
    if parts == 1 or len(allowed) < parts:
        yield
        return
    os.sched_setaffinity(0, allowed[part::parts])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _forget() -> None:
    """A forked process has no threads but the one that forked it."""
    global _pool, _lock, _team
    _pool, _lock, _team = None, threading.Lock(), threading.Lock()


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
