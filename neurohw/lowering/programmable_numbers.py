"""Words: integers with an exponent and a constant factor, and the numbers behind them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurohw.program import Value
from neurohw.program.intervals import Interval

from .algebra import Const, Expr, Op, constant

__all__ = ["ONE", "Word", "largest", "mantissa_of", "shown", "size_of", "terms", "times", "width"]

ONE = Const(np.float64(1))


@dataclass(frozen=True)
class Word:
    """An integer value of the step; it stands for ``n * 2**exponent * factor``, or minus that.

    Attributes
    ----------
    node : Value
    span : (int, int)
        Smallest and largest n.
    exponent : int
    factor : Const
        A number, or one per neuron.
    text : str
        The expression, for reports.
    minus : bool
    """

    node: Value
    span: Interval
    exponent: int
    factor: Const
    text: str
    minus: bool = False

    @property
    def finest(self) -> int:
        """Exponent below which there is nothing to tell."""
        return self.exponent + math.frexp(largest(self.factor.data))[1] - 1

    @property
    def magnitude(self) -> float:
        """The largest quantity it can stand for."""
        return math.ldexp(size_of(self.span) * largest(self.factor.data), self.exponent)


def times(c: Const, x: Word) -> Word:
    """A word times a constant."""
    if c is ONE or x.factor is ONE:
        factor = x.factor if c is ONE else c
    else:
        factor = constant(c * x.factor)
    assert isinstance(factor, Const)
    return replace(x, factor=factor)


def terms(e: Expr, minus: bool = False) -> Iterator[tuple[Expr, bool]]:
    """The terms of a sum, each with whether it is subtracted."""
    if isinstance(e, Op) and e.op in ("add", "sub"):
        yield from terms(e.args[0], minus)
        yield from terms(e.args[1], minus != (e.op == "sub"))
    elif isinstance(e, Op) and e.op == "neg":
        yield from terms(e.args[0], not minus)
    else:
        yield e, minus


def mantissa_of(f: np.ndarray, bits: int) -> tuple[np.ndarray, int]:
    """(mantissa, shift) with f = mantissa * 2**-shift as near as a word can be, in least terms."""
    shift = bits - 1 - math.frexp(largest(f))[1]
    mantissa = np.rint(np.ldexp(f, shift)).astype(np.int64)
    if largest(mantissa) == 2 ** (bits - 1):
        shift -= 1
        mantissa = np.rint(np.ldexp(f, shift)).astype(np.int64)
    common = int(np.bitwise_or.reduce(np.abs(mantissa), axis=None))
    zeros = (common & -common).bit_length() - 1
    return mantissa >> zeros, shift - zeros


def largest(data: Any) -> float:
    return float(np.max(np.abs(data)))


def size_of(span: Interval) -> int:
    return max(-span[0], span[1])


def width(span: Interval) -> int:
    """Bits of the narrowest signed integer that holds it."""
    return max((~x if x < 0 else x).bit_length() for x in span) + 1


def shown(data: np.ndarray) -> str:
    low, high = int(data.min()), int(data.max())
    return str(low) if low == high else f"{low}..{high}"
