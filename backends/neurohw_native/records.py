"""What goes into a block and comes out: values by lane, traces, moments, events, the ledger."""

from __future__ import annotations

import numpy as np

from neurohw_native.jit import inlined, jit

__all__ = ["append", "give", "grow", "moments", "place", "record", "spread", "spread_all"]
__all__ += ["take", "tally", "watch_all"]


# values by lane ----------------------------------------------------------------------------------


@jit
def copy(src, dst):
    """An index that is a sum might be negative for all numba knows; one that counts is not."""
    for i in range(len(dst)):
        dst[i] = src[i]


@jit
def take(src, dst, b0, B, size, e0, w):
    """Fetch a state: ``dst[b * w + i] = src[b0 + b, e0 + i]`` of flat rows of ``size``."""
    for b in range(B):
        o = (b0 + b) * size + e0
        copy(src[o : o + w], dst[b * w : b * w + w])


@jit
def give(src, dst, b0, B, size, e0, w):
    """Put a state back."""
    for b in range(B):
        o = (b0 + b) * size + e0
        copy(src[b * w : b * w + w], dst[o : o + w])


@jit
def spread(src, dst, base, per_trial, per_element, B, w):
    """``dst[b * w + i] = src[base + b * per_trial + i * per_element]``."""
    for b in range(B):
        o = base + b * per_trial
        if per_element == 1:
            copy(src[o : o + w], dst[b * w : b * w + w])
        else:
            dst[b * w : b * w + w] = src[o]


@jit
def spread_all(src, dst, table, first, b0, e0, B, w):
    """Spread parameters over the lanes; rows of ``table`` are (start, per trial, per element)."""
    for m in range(len(dst)):
        start, pt, pe = table[first + m, 0], table[first + m, 1], table[first + m, 2]
        spread(src, dst[m], start + b0 * pt + e0 * pe, pt, pe, B, w)


# traces and moments ------------------------------------------------------------------------------
# Rows of ``table`` are (tap, period, next step to sample, start in ``out``, samples so far, size of
# the population, entries of a sample).


@jit
def record(taps, out, table, first, last, t, b0, B, e0, w):
    """Copy taps to their traces."""
    for m in range(first, last):
        row = table[m]
        if row[2] == t:
            give(taps[row[0]], out[row[3] + row[4] * row[6] :], b0, B, row[5], e0, w)
            row[2] += row[1]
            row[4] += 1


@jit
def moments(taps, out, table, first, last, t, before, B, e0, w):
    """Merge the block's trials into mean and sum of squared deviations over trials.

    A sample is ``size`` means and ``size`` sums; they hold ``before`` trials already (Chan, Golub
    and LeVeque 1979). The deviations are from the block's own mean, so that nothing cancels.
    """
    total, square = np.empty(w), np.empty(w)
    share = np.float64(B) / (before + B)
    for m in range(first, last):
        row = table[m]
        if row[2] != t:
            continue
        x, o = taps[row[0]], row[3] + row[4] * row[6] + e0
        mean, m2 = out[o : o + w], out[o + row[5] : o + row[5] + w]
        total[:], square[:] = 0.0, 0.0
        for b in range(B):
            _total(x[b * w : b * w + w], total)
        for i in range(w):
            total[i] /= B
        for b in range(B):
            _square(x[b * w : b * w + w], total, square)
        if before == 0:
            mean[:], m2[:] = total, square
        else:
            _merge(mean, m2, total, square, share, before * share)
        row[2] += row[1]
        row[4] += 1


@jit
def _total(x, total):
    for i in range(len(x)):
        total[i] += np.float64(x[i])


@jit
def _square(x, mean, square):
    for i in range(len(x)):
        d = np.float64(x[i]) - mean[i]
        square[i] += d * d


@jit
def _merge(mean, m2, total, square, share, both):
    for i in range(len(mean)):
        d = total[i] - mean[i]
        mean[i] += d * share
        m2[i] += square[i] + d * d * both


# events ------------------------------------------------------------------------------------------


@jit
def grow(a, n):
    """A longer copy of ``a``, with room for ``n`` entries and more; see ``scratch.Memory``."""
    out = np.empty(max(2 * len(a), n), a.dtype)
    out[: len(a)] = a
    return out


@inlined
def append(fired, n, lane, m):
    """Note the ``n`` lanes that fired in a step; return the number of events."""
    for j in range(n):
        lane[m + j] = fired[j]
    return m + n


# ``end[k]`` is the number of events up to step k of a call, that step included. In a step lanes
# ascend, so the events of a trial follow each other: these are counted, and put in place, at once.


@inlined
def _run(lane, j, e, w):
    """The trial, within the block, of event ``j``, and the end of its events before ``e``."""
    b = np.int64(lane[j]) if w == 1 else np.int64(np.uint32(lane[j]) // np.uint32(w))
    last = (b + 1) * w
    if lane[e - 1] < last:
        return b, e
    i = j + 1
    while lane[i] < last:
        i += 1
    return b, i


@jit
def tally(lane, end, w, count):
    """Count events by trial, or by trial and step: ``count`` is ``[trials, 1 or steps]``."""
    trials, steps = count.shape
    if trials == 1 and steps == 1:
        count[0, 0] += len(lane)
        return
    j = np.int64(0)
    for k in range(len(end)):
        e = np.int64(end[k])
        while j < e:
            b, i = _run(lane, j, e, w)
            count[b, k if steps > 1 else 0] += i - j
            j = i


@jit
def place(lane, end, w, start, trials, t, e0, trial, step, element):
    """Put events where ``start``, of the shape of ``count``, says, and move it on.

    ``trials`` are the numbers of the block's trials, ``t`` is the call's first step, ``e0`` the
    element of lane 0.
    """
    steps = start.shape[1]
    j = np.int64(0)
    for k in range(len(end)):
        e = np.int64(end[k])
        while j < e:
            b, i = _run(lane, j, e, w)
            c = k if steps > 1 else 0
            o = start[b, c]
            start[b, c] = o + i - j
            _fill(trial[o : o + i - j], trials[b])
            _fill(step[o : o + i - j], t + k)
            _shift(lane[j:i], e0 - b * w, element[o : o + i - j])
            j = i


@inlined
def _fill(dst, x):
    for i in range(len(dst)):
        dst[i] = x


@inlined
def _shift(src, by, dst):
    for i in range(len(dst)):
        dst[i] = src[i] + by


# the ledger --------------------------------------------------------------------------------------


@jit
def watch(x, lo, hi, row, t):
    """Update ``row`` = (count, first step or -1, its lane, lowest, highest) with values ``x``."""
    if len(x) == 0:
        return
    low, high = x[0], x[0]
    for l in range(len(x)):
        low = x[l] if x[l] < low else low
        high = x[l] if x[l] > high else high
    row[3], row[4] = min(row[3], np.int64(low)), max(row[4], np.int64(high))
    if low < lo or high > hi:
        for l in range(len(x)):
            if x[l] < lo or x[l] > hi:
                if row[0] == 0:
                    row[1], row[2] = t, l
                row[0] += 1


@jit
def watch_all(taps, n, limits, ledger, first, last, t):
    """Update rows of the ledger from the first ``n`` lanes; ``limits``: (tap, lowest, highest)."""
    for m in range(first, last):
        watch(taps[limits[m, 0]][:n], limits[m, 1], limits[m, 2], ledger[m], t)
