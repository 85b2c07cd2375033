"""Matrix products by our own threads, each of which calls BLAS for a part of the rows.

A thread that OpenBLAS started waits for more in a busy loop for tens of milliseconds after a
product, on a core that the kernels want. So while we multiply it is told to use one thread.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from neurohw_native.threads import PAYS, share

__all__ = ["multiply_by"]

Array = np.ndarray
PACE = 1e11  # operations that a thread does in a second, about
NAMES = (
    "scipy_openblas_%s_num_threads64_",
    "openblas_%s_num_threads64_",
    "openblas_%s_num_threads",
)
_lock = threading.Lock()
_users = 0
_before = 0


@cache
def _control() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """How to get and to set the number of threads of the BLAS that NumPy calls, where one can."""
    try:
        library: Any = ctypes.CDLL(np._core._multiarray_umath.__file__)  # type: ignore[attr-defined]
    except (AttributeError, OSError):
        return None
    for name in NAMES:
        try:
            get, put = (getattr(library, name % x) for x in ("get", "set"))
        except AttributeError:
            continue
        get.restype, put.restype, put.argtypes = ctypes.c_int, None, [ctypes.c_int]
        return get, put
    return None


@contextmanager
def _alone() -> Iterator[None]:
    """Within, BLAS starts no threads. Whoever comes first remembers how it was."""
    global _users, _before
    control = _control()
    assert control is not None
    get, put = control
    with _lock:
        if not _users:
            _before = get()
            put(1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                put(_before)


def multiply_by(x: Array, weights: Array, out: Array, fresh: bool, threads: int) -> None:
    """``out += x @ weights.T``, or ``=`` if ``fresh``; ``[rows, n]``, ``[m, n]``, ``[rows, m]``."""

    def part(rows: slice) -> None:
        if fresh:
            np.matmul(x[rows], weights.T, out=out[rows])
        else:
            out[rows] += x[rows] @ weights.T

    if _control() is None:
        part(slice(None))
        return
    if 2.0 * len(x) * weights.size < PACE * PAYS:
        threads = 1
    size = max(1, -(-len(x) // threads))
    with _alone():
        share(part, [slice(i, i + size) for i in range(0, len(x), size)], threads)
