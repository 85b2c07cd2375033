"""Pools of Poisson trains: the number of their spikes in a step, from one random word.

With n trains and the probability p of a spike of each, the number is binomial. A word w, uniform
in 0..2**32 - 1, is inverted: the number is that of the thresholds ``t_k = round(2**32 *
P(number <= k))`` with ``w >= t_k``. So the distribution function is off by 2**-33 at most. There is
one comparison for every k at which the distribution function, so rounded, is neither 0 nor 1.
"""

from __future__ import annotations

import math
from decimal import MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal, localcontext

import numpy as np

from neurohw.errors import LoweringError
from neurohw.network import PooledPoisson
from neurohw.program import F64, Builder, Int, Value

__all__ = ["binomial_thresholds", "count_moving", "count_steady"]

MOST = 512
"""Comparisons per step, at most: about 1,500 spikes per step of one pool."""
_LEVEL, _HIT, _ONE = Int(34), Int(1, False), 1 << 32
_SMALLEST = -900.0  # log2 of the smallest P(no spike) from which the others are computed


def binomial_thresholds(trains: int, bound: int) -> list[int]:
    """``round(2**32 * P(number <= k))``, halves to even, for k = 0, 1... until it is 2**32.

    Parameters
    ----------
    trains, bound : int
        Trains, and the probability of a spike of each in units of 2**-32, 0 to 2**32.
    """
    if bound >= _ONE:
        return [0] * trains
    out: list[int] = []
    with localcontext(Context(prec=60, Emin=MIN_EMIN, rounding=ROUND_HALF_EVEN)):
        p = Decimal(bound) / _ONE
        odds, chance = p / (1 - p), (1 - p) ** trains
        total = chance
        for k in range(trains):
            level = int((total * _ONE).to_integral_value())
            if level >= _ONE:
                break
            out.append(level)
            chance = chance * (trains - k) / (k + 1) * odds
            total += chance
    return out


def count_steady(b: Builder, driver: PooledPoisson, bound: np.ndarray) -> Value:
    """The number of spikes, for a probability that is always the same."""
    distinct, place = np.unique(bound, return_inverse=True)
    tables = [binomial_thresholds(driver.trains, int(x)) for x in distinct]
    longest = max(map(len, tables))
    levels = np.array([t + [_ONE] * (longest - len(t)) for t in tables], np.int64)
    sure = int(np.sum(np.all(levels == 0, axis=0)))
    _refuse(b, driver, longest - sure)
    found = [
        b.value_or_param(f"level{k}", _LEVEL, levels[:, k][place].reshape(np.shape(bound)))
        for k in range(sure, longest)
    ]
    return _count(b, sure, found)


def count_moving(b: Builder, driver: PooledPoisson, bound: Value, high: np.ndarray) -> Value:
    """The number of spikes, for a probability that is computed in every step.

    The thresholds follow from ``P(0) = (1 - p)**n``, by multiplication, and ``P(k + 1) = P(k) (n -
    k) / (k + 1) p / (1 - p)`` in binary64, which adds less than 2**-35 to their error.

    Parameters
    ----------
    bound : Value
        The probability in units of 2**-32.
    high : array
        The largest that it becomes.
    """
    n, most = driver.trains, int(np.max(high))
    number = len(binomial_thresholds(n, most))
    _refuse(b, driver, number)
    least = max(1 - most / _ONE, 2.0**-32)
    if n * math.log2(least) < _SMALLEST:
        _refuse(b, driver, MOST + 1)
    one, unit = b.const(1.0, F64), b.const(2.0**-32, F64)
    up = b.op("max", _LEVEL, bound, b.const(0, _HIT))
    p = b.mul(b.cast(up, F64), unit, F64)
    q = b.op("max", F64, b.sub(one, p, F64), unit)
    odds = b.op("div", F64, p, q)
    chance = _power(b, q, n)
    total, levels = chance, []
    scale = b.const(2.0**32, F64)
    for k in range(number):
        level = b.mul(total, scale, F64)
        levels.append(b.cast(level, _LEVEL, rounding="half_even", overflow="saturate"))
        if k + 1 < number:
            ratio = b.mul(odds, b.const((n - k) / (k + 1), F64), F64)
            chance = b.mul(chance, ratio, F64)
            total = b.add(total, chance, F64)
    return _count(b, 0, levels)


def _power(b: Builder, x: Value, n: int) -> Value:
    """``x**n`` by squaring."""
    out: Value | None = None
    while n:
        if n & 1:
            out = x if out is None else b.mul(out, x, F64)
        n >>= 1
        if n:
            x = b.mul(x, x, F64)
    assert out is not None
    return out


def _count(b: Builder, sure: int, levels: list[Value]) -> Value:
    """How many levels the word reaches, and ``sure`` that it always does."""
    count = Int(max(1, (sure + len(levels)).bit_length()), False)
    total = b.const(sure, count)
    word = b.word("pooled") if levels else None
    for k, level in enumerate(levels):
        assert word is not None
        hit = b.compare("ge", word, level)
        if k or sure:
            total = b.add(total, b.cast(hit, _HIT), count)
        else:
            total = b.cast(hit, count)
    return total


def _refuse(b: Builder, driver: PooledPoisson, comparisons: int) -> None:
    if comparisons > MOST:
        raise LoweringError(
            "too many spikes per step in one pool",
            where=f"{b.name}.trains",
            got=driver.trains,
            allowed=f"what {MOST} comparisons with a random word can tell apart",
            fix="use a shorter step, or several pools",
            origin=driver.origin.place,
        )
