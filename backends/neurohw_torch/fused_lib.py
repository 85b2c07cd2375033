"""Triton functions that every fused kernel is made of: draws, exponentials, delivery of spikes.

This file is read twice at most: with ``JIT`` compiling for a GPU, and with ``JIT`` interpreting on
the CPU (:mod:`neurohw_torch.fused_load` sets it). All arithmetic is spelled out in operations that
IEEE 754 rounds correctly, and compiled without contraction, so both give the same bits.

Only builtins of ``triton.language`` are used: those of its functions that are themselves kernels
(``tl.zeros``, ``tl.cumsum``) would have to be interpreted as well.
"""

from __future__ import annotations

import triton
from triton import language as tl

__all__ = ["compact", "deliver_dense", "deliver_one", "deliver_product", "deliver_sparse"]
__all__ += ["deliver_sparse_atomic", "exp64", "expm1_64", "log64", "normal", "philox", "round_even"]

JIT = globals().get("JIT", triton.jit)


# draws -------------------------------------------------------------------------------------------


@JIT
def philox(c0, c1, c2, c3, k0, k1):
    """Philox4x32-10 (Salmon et al. 2011), all uint32."""
    for _ in tl.static_range(10):
        p = c0.to(tl.uint64) * 0xD2511F53
        q = c2.to(tl.uint64) * 0xCD9E8D57
        c0 = (q >> 32).to(tl.uint32) ^ c1 ^ k0
        c1 = q.to(tl.uint32)
        c2 = (p >> 32).to(tl.uint32) ^ c3 ^ k1
        c3 = p.to(tl.uint32)
        k0 = (k0.to(tl.uint64) + 0x9E3779B9).to(tl.uint32)
        k1 = (k1.to(tl.uint64) + 0xBB67AE85).to(tl.uint32)
    return c0, c1, c2, c3


@JIT
def normal(word, up, table, on):
    """The normal of one half of a word: the low half if ``up`` is 0, the high half if it is 16.

    Looked up only in the lanes that are ``on``; 32 different entries take 32 times as long as one.
    """
    half = ((word >> up) & 0xFFFF).to(tl.int32)
    size = tl.load(table + (half & 0x7FFF), mask=on, other=0).to(tl.int32) & 0xFFFF
    return tl.where(half > 0x7FFF, -size, size)


# functions of floats: within 4 ulp, in float64 ----------------------------------------------------


@JIT
def round_even(x):
    """The nearest integer, halves to even, of a float64: adding 2**52 rounds."""
    a = tl.abs(x)
    y = (a + 4503599627370496.0) - 4503599627370496.0
    y = tl.where(a < 4503599627370496.0, y, a)
    return tl.where(x < 0.0, -y, y)


@JIT
def _power(k):
    """2**k for int32 k in -1022..1023."""
    return ((k.to(tl.int64) + 1023) << 52).to(tl.float64, bitcast=True)


@JIT
def _reduced(x):
    """(k, expm1(r)) with x = k ln 2 + r, |r| <= ln 2 / 2; the Taylor series of r**14 / 14! < 1e-17.

    The upper part of ln 2 has 32 bits, so that its product with k is exact; what the subtraction
    of the lower part loses is added at the end.
    """
    k = round_even(x * 1.4426950408889634)
    high = x - k * 0.6931471803691238
    low = k * 1.9082149292705877e-10
    r = high - low
    lost = (high - r) - low
    q = r * 1.6059043836821613e-10 + 2.08767569878681e-09
    q = q * r + 2.505210838544172e-08
    q = q * r + 2.755731922398589e-07
    q = q * r + 2.7557319223985893e-06
    q = q * r + 2.48015873015873e-05
    q = q * r + 0.0001984126984126984
    q = q * r + 0.001388888888888889
    q = q * r + 0.008333333333333333
    q = q * r + 0.041666666666666664
    q = q * r + 0.16666666666666666
    q = q * r + 0.5
    return k.to(tl.int32), r + (r * r * q + lost)


@JIT
def exp64(x):
    """exp of a float64: below -746 it is 0, above 710 infinite."""
    y = tl.where(x > 710.0, 710.0, x)
    y = tl.where((y > -746.0) & (x == x), y, tl.where(x == x, -746.0, 0.0))
    k, p = _reduced(y)
    first = k >> 1  # in two factors: 2**k alone may be subnormal or too large
    y = ((1.0 + p) * _power(first)) * _power(k - first)
    return tl.where(x == x, y, x)


@JIT
def expm1_64(x):
    """exp(x) - 1 of a float64, without cancellation."""
    y = tl.where(x > 40.0, 0.0, x)
    y = tl.where((y > -40.0) & (x == x), y, tl.where(x == x, -40.0, 0.0))
    k, p = _reduced(y)
    scale = _power(k)
    y = scale * p + (scale - 1.0)
    y = tl.where(k == 0, p, y)
    y = tl.where(x > 40.0, exp64(x), y)
    return tl.where(x == x, y, x)


@JIT
def log64(x):
    """Natural logarithm of a float64.

    With x = 2**k (1 + f) and s = f / (2 + f), log(1 + f) = f - f**2/2 + s (f**2/2 + R(s**2)), as
    in fdlibm; R is the series of the inverse hyperbolic tangent, whose rest is below 1e-18.
    """
    tiny = x < 2.2250738585072014e-308
    y = tl.where(tiny, x * 18014398509481984.0, x)  # 2**54
    bits = y.to(tl.int64, bitcast=True)
    k = ((bits >> 52) & 0x7FF).to(tl.int32) - 1023
    m = ((bits & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000).to(tl.float64, bitcast=True)
    large = m > 1.4142135623730951
    m = tl.where(large, m * 0.5, m)
    k = tl.where(large, k + 1, k)
    k = tl.where(tiny, k - 54, k).to(tl.float64)
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    r = z * 0.08695652173913043 + 0.09523809523809523
    r = r * z + 0.10526315789473684
    r = r * z + 0.11764705882352941
    r = r * z + 0.13333333333333333
    r = r * z + 0.15384615384615385
    r = r * z + 0.18181818181818182
    r = r * z + 0.2222222222222222
    r = r * z + 0.2857142857142857
    r = r * z + 0.4
    r = r * z + 0.6666666666666666
    half = 0.5 * f * f
    y = k * 0.6931471803691238 - ((half - (s * (half + r * z) + k * 1.9082149292705877e-10)) - f)
    y = tl.where(x == float("inf"), x, y)
    y = tl.where(x == 0.0, float("-inf"), y)
    return tl.where((x < 0.0) | (x != x), float("nan"), y)


# spikes ------------------------------------------------------------------------------------------
#
# Spikes are bytes [rows, sources], ports are sums [rows, targets]; a row is a (step, trial).
# ``source_row`` and ``target_row`` say where the rows begin; the grid says how many there are.


@JIT(do_not_specialize=["row"])
def compact(spikes, running, events, counts, row, sources, BLOCK: tl.constexpr):
    """Write the sources that fired in a row in ascending order, and how many they are.

    ``running`` [rows, sources] are the sums of the row's spikes up to each source.
    """
    r = tl.program_id(0)
    j = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    on = j < sources
    base = (row + r).to(tl.int64) * sources
    fired = tl.load(spikes + base + j, mask=on, other=0) != 0
    place = tl.load(running + r.to(tl.int64) * sources + j, mask=on, other=0)
    tl.store(events + base + (place - 1), j, mask=on & fired)
    tl.store(counts + row + r + j * 0, place, mask=j == sources - 1)


@JIT(do_not_specialize=["source_row", "target_row"])
def deliver_one(spikes, weights, out, source_row, target_row, size, BLOCK: tl.constexpr):
    """One to one: ``out += weight`` where the source has fired."""
    j = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    r = tl.program_id(0)
    on = j < size
    fired = tl.load(spikes + (source_row + r).to(tl.int64) * size + j, mask=on, other=0) != 0
    place = out + (target_row + r).to(tl.int64) * size + j
    total = tl.load(place, mask=on & fired)
    w = tl.load(weights + j, mask=on & fired).to(total.dtype)
    tl.store(place, total + w, mask=on & fired)


@JIT(do_not_specialize=["source_row", "target_row"])
def deliver_dense(
    events, counts, weights, out, source_row, target_row, sources, targets, BLOCK: tl.constexpr
):
    """Dense weights ``[source, target]``, one fired source after the other, ascending."""
    j = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    r = tl.program_id(0)
    on = j < targets
    place = out + (target_row + r).to(tl.int64) * targets + j
    first = events + (source_row + r).to(tl.int64) * sources
    total = tl.load(place, mask=on)
    for i in range(tl.load(counts + source_row + r)):
        source = tl.load(first + i).to(tl.int64)
        total += tl.load(weights + source * targets + j, mask=on).to(total.dtype)
    tl.store(place, total, mask=on)


@JIT(do_not_specialize=["source_row", "target_row", "rows", "up"])
def deliver_product(
    spikes, weights, out, source_row, target_row, rows, sources, targets, up,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEEP: tl.constexpr,
):  # fmt: skip
    """Dense weights ``[target, source]`` in int8, times 2**up: an exact matrix product."""
    r = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    c = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    left = spikes + (source_row + r).to(tl.int64)[:, None] * sources
    right = weights + c.to(tl.int64)[None, :] * sources
    total = tl.full([ROWS, COLUMNS], 0, tl.int32)
    for start in range(0, sources, DEEP):
        k = start + tl.arange(0, DEEP)
        a = tl.load(left + k[None, :], mask=(r < rows)[:, None] & (k < sources)[None, :], other=0)
        b = tl.load(
            right + k[:, None], mask=(c < targets)[None, :] & (k < sources)[:, None], other=0
        )
        total = tl.dot(a, b, total, out_dtype=tl.int32)
    place = out + (target_row + r).to(tl.int64)[:, None] * targets + c[None, :]
    on = (r < rows)[:, None] & (c < targets)[None, :]
    old = tl.load(place, mask=on, other=0)
    tl.store(place, old + (total.to(old.dtype) << up.to(old.dtype)), mask=on)


@JIT(do_not_specialize=["source_row", "target_row"])
def deliver_sparse_atomic(
    events, counts, indptr, indices, weights, out, source_row, target_row, sources, targets,
    WORKERS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Sparse integer weights: the events of a row are dealt out to workers, in any order."""
    r = tl.program_id(0)
    first = events + (source_row + r).to(tl.int64) * sources
    row = out + (target_row + r).to(tl.int64) * targets
    for i in range(tl.program_id(1), tl.load(counts + source_row + r), WORKERS):
        source = tl.load(first + i)
        end = tl.load(indptr + source + 1)
        for start in range(tl.load(indptr + source), end, BLOCK):
            k = start + tl.arange(0, BLOCK)
            on = k < end
            w = tl.load(weights + k, mask=on, other=0).to(out.dtype.element_ty)
            tl.atomic_add(row + tl.load(indices + k, mask=on, other=0), w, mask=on, sem="relaxed")


@JIT(do_not_specialize=["source_row", "target_row"])
def deliver_sparse(
    events, counts, cuts, indices, weights, out, source_row, target_row, sources, targets, parts,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Sparse weights in ascending order of sources: a program owns a part of a row's targets.

    ``cuts`` [sources, parts + 1] say where each source's targets of each part begin. The targets
    of one source are distinct; the barrier keeps two sources from meeting at a target.
    """
    r = tl.program_id(0)
    part = tl.program_id(1)
    first = events + (source_row + r).to(tl.int64) * sources
    row = out + (target_row + r).to(tl.int64) * targets
    for i in range(tl.load(counts + source_row + r)):
        cut = cuts + tl.load(first + i).to(tl.int64) * (parts + 1) + part
        end = tl.load(cut + 1)
        for start in range(tl.load(cut), end, BLOCK):
            k = start + tl.arange(0, BLOCK)
            on = k < end
            place = row + tl.load(indices + k, mask=on, other=0)
            total = tl.load(place, mask=on)
            tl.store(place, total + tl.load(weights + k, mask=on).to(total.dtype), mask=on)
        tl.debug_barrier()
