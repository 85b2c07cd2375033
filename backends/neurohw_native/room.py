"""Arrays that a kernel works in, compiled once for all kernels.

``np.zeros`` in generated code would be compiled anew in each: a fifth of the time that a kernel
takes to compile.
"""

from __future__ import annotations

import numpy as np

from neurohw_native.jit import jit

__all__ = ["empty", "empty2", "zeros", "zeros2", "zeros3"]


@jit
def empty(n, kind):
    """``[n]`` of a dtype; what it holds is not said."""
    return np.empty(n, kind)


@jit
def empty2(rows, n, kind):
    """``[rows, n]`` of a dtype; what it holds is not said."""
    return np.empty((rows, n), kind)


@jit
def zeros(n, kind):
    """``[n]`` zeros of a dtype."""
    return np.zeros(n, kind)


@jit
def zeros2(rows, n, kind):
    """``[rows, n]`` zeros of a dtype."""
    return np.zeros((rows, n), kind)


@jit
def zeros3(rows, m, n, kind):
    """``[rows, m, n]`` zeros of a dtype."""
    return np.zeros((rows, m, n), kind)
