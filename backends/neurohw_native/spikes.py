"""Spikes within a kernel: which lanes fired, the ring that remembers it, and delivery.

A kernel works on a block: ``B`` trials, and of each population the elements ``e0 .. e0 + w - 1``;
lane ``b * w + i`` is element ``e0 + i`` of the block's trial ``b``. Usually a block holds all
elements of a trial. Where there are fewer trials than threads, the elements are cut into ``parts``,
a block for each, which share the rings: part ``j`` of a population begins at element ``cut[j]``.

A ring has a slot for each of the last ``slots`` steps. In slot ``s``, trial ``b`` and part ``j``
``count[(s * B + b) * parts + j]`` elements fired; they are listed, ascending, in ``index`` from
``(s * B + b) * size + cut[j]`` on.
"""

from __future__ import annotations

import numpy as np
from numpy import int64 as i8
from numpy import uint64 as u8

from neurohw_native.jit import bit_count, inlined, jit, set_flags, trailing_zeros

__all__ = ["SLACK", "deliver_bytes", "deliver_dense", "deliver_one", "deliver_same"]
__all__ += ["deliver_sparse", "eights", "fired", "ring_load", "ring_store", "spiking"]

SLACK = 4  # entries past the last lane that ``spiking`` may write to
_ALL = u8(2**64 - 1)


@inlined
def eights(flags):
    """Bytes, eight at a time."""
    return flags.view(u8)


@inlined
def spiking(groups, first, last, n, lane, c):
    """Append to the ``c`` lanes listed those of ``first .. last - 1`` whose flag is set, ascending.

    ``groups`` are the flags, bytes of 0 or 1, in eights; ``first`` is a multiple of 64, and from
    ``last`` up to such a multiple no flag is set, or none that matters: those from ``n`` on do not.
    Return the number listed. ``lane`` has room for all lanes and ``SLACK`` more: a processor can
    hardly foresee how many bits are set, so lanes are written four at a time, and what they are
    too many is written over.
    """
    for h in range(u8(first) >> u8(3), (u8(last) + u8(63)) >> u8(6) << u8(3), u8(8)):
        bits, here = set_flags(groups, i8(h)), i8(u8(8) * h)
        if bits == 0:
            continue
        if here + 64 > n:
            if here >= n:
                break
            bits &= _ALL >> u8(here + 64 - n)
        at = c
        c += bit_count(bits)
        while at < c:
            for j in range(4):
                lane[at + j] = here + trailing_zeros(bits)
                bits &= bits - u8(1)
            at += 4
    return c


@jit
def fired(lane, number, m, t, slots, B, w, e0, size, part, parts, count, index):
    """Enter the lanes ``lane[k, :number[k]]`` that fired in ``m`` steps from ``t`` on."""
    for k in range(m):
        slot, n, y = (t + k) % slots, number[k], lane[k]
        if B == 1:
            o = slot * size + e0
            for j in range(n):
                index[o + j] = np.int32(e0 + y[j])
            count[slot * parts + part] = n
            continue
        for b in range(B):
            count[(slot * B + b) * parts + part] = 0
        for j in range(n):
            b = y[j] // np.int32(w)
            r = (slot * B + b) * parts + part
            c = count[r]
            index[(slot * B + b) * size + e0 + c] = np.int32(e0 + y[j] - b * w)
            count[r] = c + 1


@jit
def ring_load(history, b0, B, w, e0, size, depth, slots, part, parts, t0, count, index):
    """Fill the ring from uint8 ``history[T, depth, size]``, the newest step first."""
    for k in range(depth):
        slot = (t0 + slots - 1 - k) % slots  # of step t0 - 1 - k; slots > depth
        for b in range(B):
            h, c = ((b0 + b) * depth + k) * size + e0, 0
            o = (slot * B + b) * size + e0
            for i in range(w):
                if history[h + i] != 0:
                    index[o + c] = np.int32(e0 + i)
                    c += 1
            count[(slot * B + b) * parts + part] = c


@jit
def ring_store(history, b0, B, w, e0, size, depth, slots, part, parts, t1, count, index):
    """Write the ring back after the last step, ``t1 - 1``."""
    for k in range(depth):
        slot = (t1 + slots - 1 - k) % slots
        for b in range(B):
            h, o = ((b0 + b) * depth + k) * size, (slot * B + b) * size + e0
            for i in range(w):
                history[h + e0 + i] = 0
            for j in range(count[(slot * B + b) * parts + part]):
                history[h + index[o + j]] = 1


# Delivery adds what fired in ``steps`` steps from ``t`` on to the rows of ``total``, the sums of
# the port in the block's own lanes, in as many steps: for each trial the sources ascending, one
# after the other, which for floats is part of the meaning. ``t`` may be negative, but not below
# -``slots``. ``size`` is the source's, ``cut`` its parts; ``w``, ``e0`` and ``nt``, its size, are
# the target's.


@jit
def deliver_dense(count, index, steps, t, slots, B, size, cut, parts, w, e0, nt, data, total):
    """Rows of ``data[source, target]``, four at a time, so that sums stay in registers.

    The row after the last source's is zero: it fills up the fours, and adding it changes nothing.
    """
    for i in range(steps):
        slot = (t + i + slots) % slots
        for b in range(B):
            to = total[i, b * w : b * w + w]
            for p in range(parts):
                r, o = (slot * B + b) * parts + p, (slot * B + b) * size + cut[p]
                m = count[r]
                for j in range(0, m, 4):
                    _add_four(
                        to,
                        _row(index, o, j, m, size, data, nt, e0, w),
                        _row(index, o, j + 1, m, size, data, nt, e0, w),
                        _row(index, o, j + 2, m, size, data, nt, e0, w),
                        _row(index, o, j + 3, m, size, data, nt, e0, w),
                    )


@inlined
def _row(index, o, j, m, size, data, nt, e0, w):
    s = np.int64(index[o + j]) if j < m else np.int64(size)
    return data[s * nt + e0 : s * nt + e0 + w]


@jit
def _add_four(t, x0, x1, x2, x3):
    for i in range(len(t)):
        t[i] = (((t[i] + x0[i]) + x1[i]) + x2[i]) + x3[i]


@jit
def deliver_bytes(count, index, steps, t, slots, B, size, cut, parts, w, e0, nt, data, half, total):
    """The same for int8 weights, eight rows at a time into 16 bits, which hold 256 rows.

    ``half``, int16 ``[>= w]``, is zero before and after.
    """
    h = half[:w]
    for i in range(steps):
        slot = (t + i + slots) % slots
        for b in range(B):
            to, rows = total[i, b * w : b * w + w], 0
            for p in range(parts):
                r, o = (slot * B + b) * parts + p, (slot * B + b) * size + cut[p]
                m = count[r]
                for j in range(0, m, 8):
                    if rows == 256:
                        _flush(to, h)
                        rows = 0
                    _add_eight(
                        h,
                        _row(index, o, j, m, size, data, nt, e0, w),
                        _row(index, o, j + 1, m, size, data, nt, e0, w),
                        _row(index, o, j + 2, m, size, data, nt, e0, w),
                        _row(index, o, j + 3, m, size, data, nt, e0, w),
                        _row(index, o, j + 4, m, size, data, nt, e0, w),
                        _row(index, o, j + 5, m, size, data, nt, e0, w),
                        _row(index, o, j + 6, m, size, data, nt, e0, w),
                        _row(index, o, j + 7, m, size, data, nt, e0, w),
                    )
                    rows += 8
            if rows:
                _flush(to, h)


@jit
def _add_eight(h, x0, x1, x2, x3, x4, x5, x6, x7):
    for i in range(len(h)):
        h[i] = np.int16(h[i] + x0[i] + x1[i] + x2[i] + x3[i] + x4[i] + x5[i] + x6[i] + x7[i])


@jit
def _flush(t, h):
    for i in range(len(t)):
        t[i] += h[i]
        h[i] = 0


@jit
def deliver_sparse(
    count, index, steps, t, slots, B, size, cut, parts, part, w, e0, stride, ptr, indices, data,
    total,
):  # fmt: skip
    """Compressed rows: what ``part`` takes of source s lies between
    ``ptr[s * stride + part]`` and the entry after it."""
    for i in range(steps):
        slot, to = (t + i + slots) % slots, total[i]
        for b in range(B):
            base = b * w - e0
            for p in range(parts):
                r, o = (slot * B + b) * parts + p, (slot * B + b) * size + cut[p]
                for j in range(count[r]):
                    s = i8(index[o + j]) * stride + part
                    for k in range(u8(ptr[s]), u8(ptr[s + 1])):
                        to[u8(base + i8(indices[k]))] += data[k]


@jit
def deliver_same(
    count, index, steps, t, slots, B, size, cut, parts, part, w, e0, stride, ptr, indices, data,
    total,
):  # fmt: skip
    """The same where all weights are equal: ``data`` holds the one weight."""
    x = data[0]
    for i in range(steps):
        slot, to = (t + i + slots) % slots, total[i]
        for b in range(B):
            base = b * w - e0
            for p in range(parts):
                r, o = (slot * B + b) * parts + p, (slot * B + b) * size + cut[p]
                for j in range(count[r]):
                    s = i8(index[o + j]) * stride + part
                    for k in range(u8(ptr[s]), u8(ptr[s + 1])):
                        to[u8(base + i8(indices[k]))] += x


@jit
def deliver_one(count, index, steps, t, slots, B, size, cut, parts, w, e0, nt, data, total):
    """One-to-one weights."""
    for i in range(steps):
        slot, to = (t + i + slots) % slots, total[i]
        for b in range(B):
            for p in range(parts):
                r, o = (slot * B + b) * parts + p, (slot * B + b) * size + cut[p]
                for j in range(count[r]):
                    s = i8(index[o + j])
                    if s >= e0 and s < e0 + w:
                        to[b * w + s - e0] += data[s]


@jit
def divide(ptr, indices, cut, out):
    """Where the rows of compressed weights cross the parts' borders.

    ``out[s, j]`` becomes the first entry of row ``s`` whose target is not below ``cut[j]``.
    """
    for s in range(len(ptr) - 1):
        k = ptr[s]
        for j in range(len(cut)):
            lo, hi = k, ptr[s + 1]
            while lo < hi:
                m = (lo + hi) >> 1
                if np.int64(indices[m]) < cut[j]:
                    lo = m + 1
                else:
                    hi = m
            out[s, j] = lo
            k = lo
