"""Draws: Philox4x32-10 of every lane, and the normal numbers made of its words.

A lane is one element of one trial. All arrays are C-contiguous.
"""

from __future__ import annotations

import numpy as np
from numpy import int32 as i4
from numpy import int64 as i8

from neurohw_native.jit import jit

__all__ = ["FEW", "few_normals", "few_words", "fill_normal", "fill_word", "lanes", "one_normal"]
__all__ += ["one_word"]

FEW = 8
"""Lanes are computed in so many, where only some of a block need it."""
ALONE = 4  # fewer lanes are drawn one by one

_32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)


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
    """Both halves of each word; a sign is a word of zeros or of ones. All in 32 bits."""
    for l in range(len(x)):
        v = i4(x[l])
        m, s = i4(table[i8(v & 0x7FFF)]), i4(i4(v << 16) >> 31)
        low[l] = i4(i4(m ^ s) - s)
        m, s = i4(table[i8((v >> 16) & 0x7FFF)]), i4(v >> 31)
        high[l] = i4(i4(m ^ s) - s)


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
def _few_words(out, el, tr, t, shift, site, a, b):
    """A word per lane, of the block ``t >> shift`` of its own step; see :func:`_fill_word`."""
    for l in range(len(out)):
        x0, x1, x2, x3 = np.uint64(el[l]), np.uint64(tr[l]), np.uint64(t[l] >> shift), site
        for r in range(10):
            p, q = (x0 & _LOW) * _M0, (x2 & _LOW) * _M1
            x0 = (q >> _32) ^ x1 ^ np.uint64(np.uint32(a + np.uint32(r) * _W0))
            x2 = (p >> _32) ^ x3 ^ np.uint64(np.uint32(b + np.uint32(r) * _W1))
            x1, x3 = q, p
        k = (t[l] >> (shift - 2)) & 3
        low, high = x0 if k & 1 == 0 else x1, x2 if k & 1 == 0 else x3
        out[l] = np.uint32(low if k & 2 == 0 else high)


@jit
def few_words(out, el, tr, t, n, site, a, b):
    """The words of the first ``n`` lanes in steps ``t`` of their own; others may change as well.

    Arrays are longer than ``n`` by what is missing to a multiple of ``FEW``.
    """
    if n < ALONE:
        for l in range(n):
            out[l] = one_word(el[l], tr[l], t[l], site, a, b)
    else:
        m = (n + FEW - 1) // FEW * FEW
        _few_words(out[:m], el, tr, t, 2, np.uint64(site), a, b)


@jit
def few_normals(out, el, tr, t, n, site, a, b, table):
    """The normals of the first ``n`` lanes in steps ``t`` of their own."""
    for l in range(n):
        out[l] = one_normal(el[l], tr[l], t[l], site, a, b, table)


@jit
def lanes(trials, b0, B, e0, w, padded):
    """Element and trial number of each lane, uint32 ``[padded]``; the last ones belong to none."""
    el, tr = np.zeros(padded, np.uint32), np.zeros(padded, np.uint32)
    for b in range(B):
        for i in range(w):
            el[b * w + i] = np.uint32(e0 + i)
            tr[b * w + i] = np.uint32(trials[b0 + b])
    return el, tr
