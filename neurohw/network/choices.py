"""Uniform choices from a stream of 64-bit words, the same on every machine and for ever.

Only the raw stream of NumPy's Philox is used, which does not change between versions of NumPy, and
integer arithmetic or single IEEE operations on it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Choices", "Ints"]

Ints = NDArray[np.int64]
_TABLE = 4096


class Choices:
    """A stream of its own for every seed, 0 to 2**64 - 1, and what is drawn from it in turn."""

    def __init__(self, seed: int) -> None:
        self.stream = np.random.Philox(key=seed)

    def below(self, n: int, size: int) -> Ints:
        """Uniform integers 0..n - 1: floor(w n / 2**64) of 64-bit words w, exact in halves.

        The probability of a number is 1 / n to within 2**-64.
        """
        w, half, mask = self.stream.random_raw(size), np.uint64(32), np.uint64(0xFFFFFFFF)
        low, high = np.uint64(n & 0xFFFFFFFF), np.uint64(n >> 32)
        top = w >> half
        w &= mask
        upper = top * low + (w * low >> half)
        if not high:
            return (upper >> half).astype(np.int64)
        carry = (w * high + (upper & mask)) >> half
        return (top * high + (upper >> half) + carry).astype(np.int64)

    def distinct(self, rows: int, n: int, k: int) -> Ints:
        """k different numbers of 0..n - 1 in each row, ascending; all sets are equally likely.

        Numbers that occur twice in a row are drawn again until none does, which is to draw one by
        one and to ignore what is there already. Where k is more than half of n, those that stay
        out are drawn.
        """
        if 2 * k > n:
            keep = np.ones((rows, n), bool)
            np.put_along_axis(keep, self.distinct(rows, n, n - k), False, axis=1)
            return np.nonzero(keep)[1].reshape(rows, k)
        found = np.sort(self.below(n, rows * k).reshape(rows, k), axis=1)
        again = np.arange(rows)
        while again.size:
            part = found[again]
            twice = np.zeros(part.shape, bool)
            twice[:, 1:] = part[:, 1:] == part[:, :-1]
            bad = twice.any(axis=1)
            again, part, twice = again[bad], part[bad], twice[bad]
            part[twice] = self.below(n, int(np.count_nonzero(twice)))
            found[again] = np.sort(part, axis=1)
        return found

    def successes(self, p: float, total: int) -> Ints:
        """Which of `total` trials of probability p succeed, ascending, by their waiting times.

        A waiting time is at most g with probability 1 - (1 - p)**g, looked up in a table; beyond
        the table's end it starts anew, since a Bernoulli process has no memory.
        """
        if p == 0 or total == 0:
            return np.empty(0, np.int64)
        fail = np.multiply.accumulate(np.full(_TABLE, 1 - p))
        ends, at = [np.empty(0, np.int64)], 0
        while at < total:
            left = (total - at) * max(p, 1 / _TABLE)
            size = int(min(left + 6 * left**0.5 + 16, 1 << 22))
            u = ((self.stream.random_raw(size) >> np.uint64(11)) + np.uint64(1)) * 2.0**-53
            longer = np.searchsorted(-fail, -u, side="right")  # failures in a row
            here = at + np.cumsum(np.minimum(longer + 1, _TABLE))
            ends.append(here[(longer < _TABLE) & (here <= total)] - 1)
            at = int(here[-1])
        return np.concatenate(ends)
