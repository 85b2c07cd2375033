"""Uniform choices from a stream of 64-bit words, the same on every machine and for ever.

Only the raw stream of NumPy's Philox is used, which does not change between versions of NumPy, and
integer arithmetic or single IEEE operations on it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["Choices", "Ints", "index_type"]

Ints = NDArray[np.signedinteger]
_TABLE = 4096
_BLOCK = 1 << 13  # words at a time, so that intermediate results stay in the cache


def index_type(n: int) -> type[np.int32 | np.int64]:
    """The type that numbers 0..n - 1 are kept in: int32 where they fit."""
    return np.int32 if n <= 1 << 31 else np.int64


class Choices:
    """A stream of its own for every seed, 0 to 2**64 - 1, and what is drawn from it in turn."""

    def __init__(self, seed: int) -> None:
        self.stream = np.random.Philox(key=seed)

    def below(self, n: int, size: int) -> Ints:
        """Uniform integers 0..n - 1: floor(w n / 2**64) of 64-bit words w, exact in halves.

        The probability of a number is 1 / n to within 2**-64.
        """
        out = np.empty(size, index_type(n))
        low, high = np.uint64(n & 0xFFFFFFFF), np.uint64(n >> 32)
        half, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
        for first in range(0, size, _BLOCK):
            part = out[first : first + _BLOCK]
            w = self.stream.random_raw(part.size)
            top = w >> half
            w &= mask
            upper = w * low
            upper >>= half
            upper += top * low
            if high:
                w *= high
                w += upper & mask
                w >>= half
                upper >>= half
                upper += w
                upper += top * high
            else:
                upper >>= half
            part[:] = upper
        return out

    def distinct(self, rows: int, n: int, k: int) -> Ints:
        """k different numbers of 0..n - 1 in each row, ascending; all sets are equally likely.

        Numbers that occur twice in a row are drawn again until none does, which is to draw one by
        one and to ignore what is there already. Where k is more than half of n, those that stay
        out are drawn.
        """
        if 2 * k > n:
            keep = np.ones((rows, n), bool)
            np.put_along_axis(keep, self.distinct(rows, n, n - k), False, axis=1)
            return np.nonzero(keep)[1].astype(index_type(n)).reshape(rows, k)
        found = self.below(n, rows * k).reshape(rows, k)
        found.sort(axis=1)
        again = np.flatnonzero((found[:, 1:] == found[:, :-1]).any(axis=1))
        while again.size:
            part = found[again]
            twice = np.zeros(part.shape, bool)
            np.equal(part[:, 1:], part[:, :-1], out=twice[:, 1:])
            new = self.below(n, int(np.count_nonzero(twice)))
            if rows == 1:  # one long row is not sorted anew
                new.sort()
                part = part[~twice]
                part = np.insert(part, np.searchsorted(part, new), new)[None]
            else:
                part[twice] = new
                part.sort(axis=1)
            found[again] = part
            again = again[(part[:, 1:] == part[:, :-1]).any(axis=1)]
        return found

    def successes(self, p: float, total: int) -> Iterator[Ints]:
        """Which of `total` trials of probability p succeed, ascending, by their waiting times.

        They come in several arrays. A waiting time is at most g with probability 1 - (1 - p)**g,
        looked up in a table; beyond the table's end it starts anew, since a Bernoulli process has
        no memory.
        """
        if p == 0:
            return
        fail = np.multiply.accumulate(np.full(_TABLE, 1 - p))
        at = 0
        while at < total:
            left = (total - at) * max(p, 1 / _TABLE)
            words = self.stream.random_raw(int(min(left + 6 * left**0.5 + 16, _BLOCK)))
            u = ((words >> np.uint64(11)) + np.uint64(1)) * 2.0**-53
            longer = _failures(fail, p, u)
            here = np.minimum(longer + 1, _TABLE)
            np.cumsum(here, out=here)
            here += at
            at = int(here[-1])
            here = here[longer < _TABLE]
            if at > total:
                here = here[: np.searchsorted(here, total, side="right")]
            yield here - 1


def _failures(fail: NDArray[np.float64], p: float, u: NDArray[np.floating]) -> Ints:
    """How many numbers of a table that falls as (1 - p)**j, j = 1, 2.., are u or more.

    The logarithm says where to look, and whether that is right the table itself.
    """
    with np.errstate(divide="ignore", over="ignore"):
        guess = np.log(u) / np.log1p(-p)
    found = np.minimum(guess, _TABLE).astype(np.int64)
    edge = np.concatenate(([np.inf], fail, [-np.inf]))
    wrong = np.flatnonzero((edge[found] < u) | (edge[found + 1] >= u))
    found[wrong] = np.searchsorted(-fail, -u[wrong], side="right")
    return found
