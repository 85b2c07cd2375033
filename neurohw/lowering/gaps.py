"""Poisson trains by their intervals: draw the gap to the next spike, count it down.

Where a source spikes in a step with probability p, q = 1 - p, the number G of steps before the next
spike is geometric: P(G = g) = p q**g. Let d_k be the octal digits of G. Since q**G is the product
of the r_k**d_k with r_k = q**(8**k), **the digits are independent**, and P(d_k = m) = r_k**m (1 -
r_k) / (1 - r_(k + 1)), m = 0..7; the product of these normalisers over k telescopes to p.

A digit is a random word w, uniform in 0..2**32 - 1, inverted as in ``pooled``: it is the number of
the thresholds ``t_m = round(2**32 * P(d_k < m))``, m = 1..7, with ``w >= t_m``. So the distribution
function of each digit is off by 2**-33 at most. Digits that are 0 in all but 2**-33 of the gaps are
left out: about log8(23 / p) are drawn.

**Errors.** A threshold that is off by e moves e of the probability of its digit, so with n
thresholds in all the gap's distribution is within (n + 1) 2**-33 of the geometric one in total
variation. The mean gap is off by less than 2 * 8**K * 2**-33 with K digits, and 8**(K - 1) < 23 /
p, so the rate is off by less than 5e-8 of itself.

**The countdown.** A state holds the steps that are left until the next spike. In each step it is
counted down, or, if the last step had a spike, drawn anew; there is a spike if it is now 0. It is 0
at first, as if step -1 had had a spike, which a process without memory does not remember: the first
spike comes in step g with probability p q**g. A source of rate 0 begins at -1 and never comes back.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from neurohw.program import Builder, Int, Value

__all__ = ["chance_of_gaps", "digit_thresholds", "lower_intervals"]

_DIGIT, _ONE = 8, 1 << 32
_LEVEL, _STEP = Int(34), Int(2)
_POINT = 128  # bits after the binary point in which powers of q are computed
_SILENT = -1
_LEAST = 32  # bits of the countdown


def digit_thresholds(bound: int) -> list[list[int]]:
    """``round(2**32 * P(digit < m))`` for m = 1, 2... until it is 2**32, for each octal digit.

    Parameters
    ----------
    bound : int
        The probability of a spike in a step, in units of 2**-32, 0 to 2**32.

    Returns
    -------
    list of list of int
        The lowest digit first; none where the gap is always 0, or (``bound`` 0) there is no spike.
    """
    one = 1 << _POINT
    power, out = one - (bound << (_POINT - 32)), []  # power is exact here; below, to 2**-90
    while 0 < power < one:
        below = [one]
        for _ in range(_DIGIT):
            below.append(below[-1] * power >> _POINT)
        whole = one - below[_DIGIT]
        levels = [((one - x) * 2 * _ONE + whole) // (2 * whole) for x in below[1:_DIGIT]]
        if levels[0] >= _ONE:
            break
        out.append([x for x in levels if x < _ONE])
        power = below[_DIGIT]
    return out


def chance_of_gaps(bound: np.ndarray) -> np.ndarray:
    """Spikes per step that the gaps of ``bound`` give: 1 / (1 + their mean)."""
    distinct, place = np.unique(bound, return_inverse=True)
    found = [1 / (1 + _mean(digit_thresholds(int(x)))) if x else 0.0 for x in distinct]
    return np.array(found, np.float64)[place].reshape(np.shape(bound))


def _mean(tables: list[list[int]]) -> Fraction:
    """The mean of the gap that these thresholds give."""
    total = sum((_ONE - x) * _DIGIT**k for k, levels in enumerate(tables) for x in levels)
    return Fraction(total, _ONE)


def lower_intervals(b: Builder, bound: np.ndarray) -> None:
    """The whole step of sources that spike with probability ``bound`` in units of 2**-32."""
    distinct, place = np.unique(bound, return_inverse=True)
    tables = [digit_thresholds(int(x)) for x in distinct]
    digits = max(map(len, tables))
    longest = [max(len(t[k]) if k < len(t) else 0 for t in tables) for k in range(digits)]
    most = sum(n * _DIGIT**k for k, n in enumerate(longest))
    count = Int(max(_LEAST, most.bit_length() + 1))
    zero = b.const(0, count)
    gap = zero
    for k, n in enumerate(longest):
        word, unit = b.word(f"gap{k}"), b.const(_DIGIT**k, count)
        filled = [(t[k] if k < len(t) else []) for t in tables]
        levels = np.array([t + [_ONE] * (n - len(t)) for t in filled], np.int64)
        for m in range(n):
            data = levels[:, m][place].reshape(np.shape(bound))
            level = b.value_or_param(f"level{k}_{m + 1}", _LEVEL, data)
            gap = b.add(gap, _where(b, word, level, unit, zero), count)
    wait = b.state("wait", count, np.where(bound == 0, _SILENT, 0))
    down = b.sub(wait, b.const(1, _STEP), count, overflow="saturate")
    now = b.select(b.compare("eq", wait, zero), gap, down)
    b.write("wait", now)
    b.spike(b.compare("eq", now, zero))


def _where(b: Builder, word: Value, level: Value, unit: Value, zero: Value) -> Value:
    """``unit`` where the word reaches the level."""
    return b.select(b.compare("ge", word, level), unit, zero)
