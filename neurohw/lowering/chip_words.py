"""Pieces of a chip's step: decays by a shift, several spikes in one step, weights by sign."""

from __future__ import annotations

import dataclasses

import numpy as np

from neurohw.program import Builder, Int, Value, Weights, freeze

__all__ = ["SHIFT_BITS", "by_sign", "count_spikes", "lost_by_shift", "ones"]

Array = np.ndarray
SHIFT_BITS = 15
"""A decay by ``x >> k`` is held as ``2**(15 - k)``, so that k may differ between neurons."""


def lost_by_shift(b: Builder, x: Value, share: Array | int, label: str, dtype: Int) -> Value:
    """What a decay takes from ``x``: ``x * share >> 15`` (floor), and one unit where that is 0."""
    part = b.value_or_param(label, Int(17), np.asarray(share))
    lost = b.shr(b.mul(x, part, Int(48)), SHIFT_BITS, dtype, rounding="floor")
    zero = b.const(0, dtype)
    up, down = b.const(1, dtype), b.const(-1, dtype)
    sign = b.select(b.compare("gt", x, zero), up, b.select(b.compare("lt", x, zero), down, zero))
    return b.select(b.compare("eq", lost, zero), sign, lost)


def count_spikes(
    b: Builder, v: Value, level: Value, most: int, blocked: Value | None
) -> tuple[Value, Value]:
    """(number of spikes, ``v`` less as many thresholds): a long division, bit by bit.

    Parameters
    ----------
    v, level : Value
        Membrane and threshold, ``level > 0``.
    most : int
        ``2**k - 1``.
    blocked : Value or None
        Where nothing may spike.
    """
    assert isinstance(v.dtype, Int) and isinstance(level.dtype, Int)
    whole = Int(most.bit_length(), False)
    left, number = v, b.const(0, whole)
    for k in reversed(range(most.bit_length())):
        step = level if k == 0 else b.shl(level, k, Int(level.dtype.bits + k))
        goes = b.compare("ge", left, step)
        if blocked is not None:
            goes = b.logic("and", goes, b.logic("not", blocked))
        less = b.sub(left, step, v.dtype, overflow="saturate")  # exact where it is used
        left = b.select(goes, less, left)
        more = b.add(number, b.const(1 << k, whole), whole, overflow="saturate")
        number = b.select(goes, more, number)
    return number, left


def by_sign(w: Weights) -> tuple[Weights | None, Weights | None]:
    """Weights above and below 0, each of the same kind; None where there are none."""
    above, below = bool(np.any(w.data > 0)), bool(np.any(w.data < 0))
    if not (above and below):
        return (None, w) if below else (w, None)
    zero = w.data.dtype.type(0)
    parts = (np.maximum(w.data, zero), np.minimum(w.data, zero))
    up, down = (dataclasses.replace(w, data=freeze(x, w.dtype)) for x in parts)
    return up, down


def ones(w: Weights) -> Weights:
    """1 for each weight that is not 0: what counts spikes instead of weighting them."""
    word = Int(2)
    return dataclasses.replace(w, dtype=word, data=freeze((w.data != 0).astype(np.int64), word))
