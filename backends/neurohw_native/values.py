"""What edges carry besides spikes: rings of values, and their weighted sums.

A ring of a value holds in slot ``s`` the values of all elements of each trial of the block:
``[slots, B, size]``, flat. For the other names, and for delivery, see ``spikes``.
"""

from __future__ import annotations

import numpy as np

from neurohw_native.jit import jit
from neurohw_native.records import copy

__all__ = ["values_dense", "values_keep", "values_load", "values_one", "values_sparse"]
__all__ += ["values_store"]


@jit
def values_keep(x, b0, B, w, e0, size, slot, ring):
    """Enter the values ``x`` of a step."""
    for b in range(B):
        o = (slot * B + b) * size + e0
        copy(x[b * w : b * w + w], ring[o : o + w])


@jit
def values_load(history, b0, B, w, e0, size, depth, slots, t0, ring):
    """Fill the ring from ``history[T, depth, size]``, the newest step first."""
    for k in range(depth):
        slot = (t0 + slots - 1 - k) % slots
        for b in range(B):
            h, o = ((b0 + b) * depth + k) * size + e0, (slot * B + b) * size + e0
            copy(history[h : h + w], ring[o : o + w])


@jit
def values_store(history, b0, B, w, e0, size, depth, slots, t1, ring):
    """Write the ring back after the last step, ``t1 - 1``."""
    for k in range(depth):
        slot = (t1 + slots - 1 - k) % slots
        for b in range(B):
            h, o = ((b0 + b) * depth + k) * size + e0, (slot * B + b) * size + e0
            copy(ring[o : o + w], history[h : h + w])


@jit
def values_one(ring, steps, t, slots, B, size, w, e0, nt, data, total):
    """One-to-one weights."""
    for i in range(steps):
        slot = (t + i + slots) % slots
        for b in range(B):
            o = (slot * B + b) * size + e0
            _multiply_add(total[i, b * w : b * w + w], ring[o : o + w], data[e0 : e0 + w])


@jit
def _multiply_add(t, x, d):
    for i in range(len(t)):
        t[i] += x[i] * d[i]


@jit
def values_dense(ring, steps, t, slots, B, size, w, e0, nt, data, total):
    """Rows of ``data[source, target]`` of all sources whose value is not 0."""
    for i in range(steps):
        slot = (t + i + slots) % slots
        for b in range(B):
            to, o = total[i, b * w : b * w + w], (slot * B + b) * size
            for s in range(size):
                x = ring[o + s]
                if x != 0:
                    _scale_add(to, x, data[s * nt + e0 : s * nt + e0 + w])


@jit
def _scale_add(t, x, d):
    for i in range(len(t)):
        t[i] += x * d[i]


@jit
def values_sparse(ring, steps, t, slots, B, size, part, w, e0, stride, ptr, indices, data, total):
    """Compressed rows, by source."""
    for i in range(steps):
        slot, to = (t + i + slots) % slots, total[i]
        for b in range(B):
            base, o = b * w - e0, (slot * B + b) * size
            for s in range(size):
                x = ring[o + s]
                if x != 0:
                    r = s * stride + part
                    for k in range(np.uint64(ptr[r]), np.uint64(ptr[r + 1])):
                        to[np.uint64(base + np.int64(indices[k]))] += x * data[k]
