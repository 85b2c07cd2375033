"""Fixed parts of every kernel: draws, delivery of spikes, rings, events, the ledger.

All arrays are C-contiguous. ``b`` is a trial within a block of ``B`` trials, ``w`` the number of
elements per trial in the block, ``l = b * w + element`` a lane, ``n = B * w`` their number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numba.core.compiler import Compiler

Array = np.ndarray

_32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)


class NoAlias(Compiler):
    """Compile with the promise that array arguments do not overlap: loops then vectorise."""

    def define_pipelines(self) -> Any:
        self.state.flags.noalias = True
        return super().define_pipelines()


def jit(function: Callable[..., Any], cache: bool = True) -> Any:
    """``njit`` without the GIL, IEEE arithmetic, no aliasing; cached on disk where that works."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "pipeline_class": NoAlias}
    if cache:
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # no directory that numba could write to
            pass
    return njit(**options)(function)


# draws -------------------------------------------------------------------------------------------


@jit
def _fill_word(r0, r1, r2, r3, el, tr, block, site, a, b):
    """Philox4x32-10 of each lane. All in one body, or LLVM would not vectorise the loop.

    Words live in the low halves of 64 bits, and what gathers above them is never cleared: a
    multiplication of low halves is one instruction that does not look at the high ones.
    """
    for l in range(len(el)):
        x0, x1, x2, x3 = np.uint64(el[l]), np.uint64(tr[l]), np.uint64(block), np.uint64(site)
        for r in range(10):
            p, q = (x0 & _LOW) * _M0, (x2 & _LOW) * _M1
            x0 = (q >> _32) ^ x1 ^ np.uint64(np.uint32(a + np.uint32(r) * _W0))
            x2 = (p >> _32) ^ x3 ^ np.uint64(np.uint32(b + np.uint32(r) * _W1))
            x1, x3 = q, p
        r0[l] = np.uint32(x0)
        r1[l] = np.uint32(x1)
        r2[l] = np.uint32(x2)
        r3[l] = np.uint32(x3)


@jit
def fill_word(out, el, tr, t, site, a, b):
    """The four words per lane of the block of step ``t``: uint32 ``out[4, n]``."""
    _fill_word(out[0], out[1], out[2], out[3], el, tr, np.uint32(t >> 2), site, a, b)


@jit
def _normals(low, high, x, table):
    for l in range(len(x)):
        v = np.int64(x[l])
        m, s = table[v & 0x7FFF], -((v >> 15) & 1)
        low[l] = np.int32((m ^ s) - s)
        m, s = table[(v >> 16) & 0x7FFF], -(v >> 31)
        high[l] = np.int32((m ^ s) - s)


@jit
def fill_normal(out, words, el, tr, t, site, a, b, table):
    """The eight normals per lane of the block of step ``t``: int32 ``out[8, n]``."""
    _fill_word(words[0], words[1], words[2], words[3], el, tr, np.uint32(t >> 3), site, a, b)
    for j in range(4):
        _normals(out[2 * j], out[2 * j + 1], words[j], table)


@jit
def one_word(el, tr, t, site, a, b):
    """The word of one lane in step ``t``."""
    x0, x1, x2, x3 = np.uint32(el), np.uint32(tr), np.uint32(t >> 2), np.uint32(site)
    for r in range(10):
        p, q = np.uint64(x0) * _M0, np.uint64(x2) * _M1
        x0 = np.uint32(np.uint32(q >> _32) ^ x1 ^ np.uint32(a + np.uint32(r) * _W0))
        x2 = np.uint32(np.uint32(p >> _32) ^ x3 ^ np.uint32(b + np.uint32(r) * _W1))
        x1, x3 = np.uint32(q), np.uint32(p)
    k = t & 3
    return x0 if k == 0 else x1 if k == 1 else x2 if k == 2 else x3


@jit
def one_normal(el, tr, t, site, a, b, table):
    """The normal of one lane in step ``t``: of half ``t & 7`` of a block, the low ones first."""
    # one_word takes its block from the step: the block of t is that of step (t >> 3) * 4
    word = one_word(el, tr, ((t >> 3) << 2) + ((t & 7) >> 1), site, a, b)
    half = np.int64(word >> np.uint32(16)) if t & 1 else np.int64(word & np.uint32(0xFFFF))
    m, s = np.int64(table[half & 0x7FFF]), -(half >> 15)
    return np.int32((m ^ s) - s)


@jit
def lanes(trials, b0, B, e0, w):
    """Element and trial number of each lane, uint32."""
    el, tr = np.empty(B * w, np.uint32), np.empty(B * w, np.uint32)
    for b in range(B):
        for i in range(w):
            el[b * w + i] = np.uint32(e0 + i)
            tr[b * w + i] = np.uint32(trials[b0 + b])
    return el, tr


# values from outside -----------------------------------------------------------------------------


@jit
def spread(src, dst, base, per_trial, per_element, B, w):
    """``dst[b, i] = src[base + b * per_trial + i * per_element]``."""
    for b in range(B):
        o = base + b * per_trial
        if per_element == 1:
            for i in range(w):
                dst[b * w + i] = src[o + i]
        else:
            for i in range(w):
                dst[b * w + i] = src[o]


@jit
def spread_all(src, dst, table, first, b0, e0, B, w):
    """Spread parameters over the lanes; rows of ``table`` are (start, per trial, per element)."""
    for m in range(len(dst)):
        start, pt, pe = table[first + m, 0], table[first + m, 1], table[first + m, 2]
        spread(src, dst[m], start + b0 * pt + e0 * pe, pt, pe, B, w)


# spikes ------------------------------------------------------------------------------------------
# A ring holds for each slot (a step modulo the depth + 1) and trial the elements that fired:
# count[slot * B + b] of them from index[(slot * B + b) * w] on, ascending.


@jit
def fired(flags, groups, B, w, slot, count, index):
    """Enter the spikes of a step, uint8 ``flags`` (``groups``: the same in eights)."""
    for b in range(B):
        count[slot * B + b] = 0
    for g in range(len(groups)):
        if groups[g] != 0:
            for l in range(8 * g, 8 * g + 8):
                if flags[l] != 0:
                    b = l // w
                    c = count[slot * B + b]
                    index[(slot * B + b) * w + c] = l - b * w
                    count[slot * B + b] = c + 1


@jit
def ring_load(history, b0, B, w, depth, t0, count, index):
    """Fill the ring from uint8 ``history[T, depth, w]``."""
    for k in range(depth):
        slot = (t0 + depth - k) % (depth + 1)  # of step t0 - 1 - k
        for b in range(B):
            o, c = ((b0 + b) * depth + k) * w, 0
            for i in range(w):
                if history[o + i] != 0:
                    index[(slot * B + b) * w + c] = i
                    c += 1
            count[slot * B + b] = c


@jit
def ring_store(history, b0, B, w, depth, t1, count, index):
    """Write the ring back after the last step, ``t1 - 1``."""
    for k in range(depth):
        slot = (t1 + depth - k) % (depth + 1)
        for b in range(B):
            o, r = ((b0 + b) * depth + k) * w, (slot * B + b) * w
            for i in range(w):
                history[o + i] = 0
            for j in range(count[slot * B + b]):
                history[o + index[r + j]] = 1


@jit
def deliver_dense(count, index, slot, B, ns, nt, data, total):
    """Add the rows of ``data[source, target]`` of all sources that fired, in their order."""
    for b in range(B):
        r = slot * B + b
        for j in range(count[r]):
            o = np.int64(index[r * ns + j]) * nt
            for i in range(nt):
                total[b * nt + i] += data[o + i]


@jit
def deliver_sparse(count, index, slot, B, ns, nt, indptr, indices, data, total):
    """The same over compressed rows."""
    for b in range(B):
        r, o = slot * B + b, b * nt
        for j in range(count[r]):
            s = index[r * ns + j]
            for k in range(indptr[s], indptr[s + 1]):
                total[o + indices[k]] += data[k]


@jit
def deliver_one(count, index, slot, B, ns, nt, data, total):
    """The same for one-to-one weights."""
    for b in range(B):
        r = slot * B + b
        for j in range(count[r]):
            s = index[r * ns + j]
            total[b * nt + s] += data[s]


# records -----------------------------------------------------------------------------------------


@jit
def grow(a, n):
    """A longer copy of ``a``, with room for ``n`` entries and more."""
    out = np.empty(max(2 * len(a), n), a.dtype)
    out[: len(a)] = a
    return out


@jit
def append(flags, groups, k, lane, row, m):
    """Note the lanes that fired in the block's ``k``-th step; return the new number of events."""
    for g in range(len(groups)):
        if groups[g] != 0:
            for l in range(8 * g, 8 * g + 8):
                if flags[l] != 0:
                    lane[m], row[m] = l, k
                    m += 1
    return m


@jit
def events(lane, row, m, trials, b0, B, e0, w, t0):
    """Sort by (trial, step, element); they come in the order (step, trial, element)."""
    start = np.zeros(B + 1, np.int64)
    for j in range(m):
        start[lane[j] // w + 1] += 1
    for b in range(B):
        start[b + 1] += start[b]
    trial, step, element = np.empty(m, np.int64), np.empty(m, np.int64), np.empty(m, np.int64)
    for j in range(m):
        b = lane[j] // w
        o = start[b]
        start[b] += 1
        trial[o], step[o], element[o] = trials[b0 + b], t0 + row[j], e0 + lane[j] - b * w
    return trial, step, element


@jit
def due(row, t):
    """Whether a probe with ``row`` = (tap, period, offset, ...) samples in step ``t``."""
    return t >= row[2] and (t - row[2]) % row[1] == 0


@jit
def record(taps, out, table, first, last, t, z):
    """Copy taps to their traces.

    Rows of ``table`` are (tap, period, offset, start in ``out``, samples so far, sample size);
    the block's lanes begin at ``z`` in a sample.
    """
    for m in range(first, last):
        row = table[m]
        if due(row, t):
            x, o = taps[row[0]], row[3] + row[4] * row[5] + z
            for i in range(len(x)):
                out[o + i] = x[i]
            row[4] += 1


@jit
def watch(x, lo, hi, row, t):
    """Update ``row`` = (count, first step or -1, its lane, lowest, highest) with values ``x``."""
    low, high = np.int64(x[0]), np.int64(x[0])
    for l in range(len(x)):
        v = np.int64(x[l])
        low, high = min(low, v), max(high, v)
    row[3], row[4] = min(row[3], low), max(row[4], high)
    if low < lo or high > hi:
        for l in range(len(x)):
            if x[l] < lo or x[l] > hi:
                if row[0] == 0:
                    row[1], row[2] = t, l
                row[0] += 1


@jit
def watch_all(taps, limits, ledger, first, last, t):
    """Update rows of the ledger; rows of ``limits`` are (tap, lowest, highest)."""
    for m in range(first, last):
        watch(taps[limits[m, 0]], limits[m, 1], limits[m, 2], ledger[m], t)


# moments -----------------------------------------------------------------------------------------


@jit
def moments(x, mean, m2, first, last):
    """Mean and sum of squared deviations over trials of samples ``first..last - 1``.

    ``x`` is ``[samples, trials, size]``. Trials are taken in groups of 64, two passes each, and the
    groups merged (Chan, Golub and LeVeque 1979): one pass over memory, and an error that grows with
    the number of groups and not of trials.
    """
    trials, size = x.shape[1], x.shape[2]
    total, square = np.empty(size), np.empty(size)
    for s in range(first, last):
        mean[s], m2[s] = 0.0, 0.0
        for start in range(0, trials, 64):
            group = x[s, start : min(start + 64, trials)]
            n = np.float64(len(group))
            total[:], square[:] = 0.0, 0.0
            for row in group:
                for e in range(size):
                    total[e] += row[e]
            for e in range(size):
                total[e] /= n
            for row in group:
                for e in range(size):
                    d = row[e] - total[e]
                    square[e] += d * d
            share = n / (start + n)
            for e in range(size):
                d = total[e] - mean[s, e]
                mean[s, e] += d * share
                m2[s, e] += square[e] + d * d * (start * share)
