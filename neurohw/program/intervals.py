"""Bounds of integers: what a node, or a sum of weights, can be at most."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurohw.errors import ProgramError
from neurohw.program.program import Node, Weights
from neurohw.program.rows import signed_sums
from neurohw.program.types import DType, Float

__all__ = [
    "Interval",
    "after_overflow",
    "exact_interval",
    "fits",
    "range_of",
    "type_range",
    "weight_sums",
]

Interval = tuple[int, int]
_I64: Interval = (-(2**63), 2**63 - 1)


def weight_sums(w: Weights, value: Interval = (0, 1)) -> Interval:
    """Smallest and largest sum any target can receive from one edge in one step.

    Parameters
    ----------
    value : (int, int)
        What each source can send, at least and at most; a spike is 1 and no spike 0. Sources may
        also send 0, so no partial sum, in whatever order, lies outside the result.
    """
    negative, positive = signed_sums(w)
    if not negative.size:
        return 0, 0
    if value == (0, 1):
        return int(negative.min()), int(positive.max())
    low, high = min(value[0], 0), max(value[1], 0)
    negative, positive = negative.astype(object), positive.astype(object)
    return (
        int((positive * low + negative * high).min()),
        int((positive * high + negative * low).max()),
    )


def fits(span: Interval, where: str, what: str) -> None:
    if span[0] < _I64[0] or span[1] > _I64[1]:
        raise ProgramError(
            f"{what} may exceed 64 bits", where=where, got=span, allowed="narrower arguments"
        )


def after_overflow(span: Interval, out: DType, mode: Any, where: str) -> Interval:
    if isinstance(out, Float):
        raise ProgramError("float", where=where)
    fits(span, where, "exact result")
    if span[0] >= out.lo and span[1] <= out.hi:
        return span
    if mode == "exact":
        raise ProgramError(
            f"the result may leave {out}, and the overflow mode is exact",
            where=where,
            got=span,
            allowed="wrap, saturate or trap",
        )
    if mode == "saturate":
        return min(max(span[0], out.lo), out.hi), min(max(span[1], out.lo), out.hi)
    return out.lo, out.hi


def exact_interval(
    node: Node, types: list[DType], args: list[Interval | None], where: str = ""
) -> Interval:
    """Interval of the exact integer result, before the overflow mode."""
    if node.op == "word":
        return 0, 2**32 - 1
    if node.op == "normal":
        return -(2**16) + 1, 2**16 - 1
    if node.op == "cast":
        if isinstance(types[0], Float):
            return node.dtype.lo, node.dtype.hi  # type: ignore[union-attr]
        return _known(args[0])
    if node.op == "select":
        (b, c) = _known(args[1]), _known(args[2])
        return min(b[0], c[0]), max(b[1], c[1])
    a = _known(args[0])
    by = int(node.attrs.get("by", 0))
    if node.op == "shl":
        return a[0] << by, a[1] << by
    if node.op == "shr":
        return _shr_interval(a, by, str(node.attrs.get("rounding")), where)
    if node.op == "neg":
        return -a[1], -a[0]
    if node.op == "abs":
        return (0 if a[0] <= 0 <= a[1] else min(abs(a[0]), abs(a[1]))), max(abs(a[0]), abs(a[1]))
    b = _known(args[1])
    if node.op == "add":
        return a[0] + b[0], a[1] + b[1]
    if node.op == "sub":
        return a[0] - b[1], a[1] - b[0]
    if node.op == "mul":
        ends = [x * y for x in a for y in b]
        return min(ends), max(ends)
    if node.op == "min":
        return min(a[0], b[0]), min(a[1], b[1])
    return max(a[0], b[0]), max(a[1], b[1])


def _known(span: Interval | None) -> Interval:
    if span is None:
        raise ProgramError("integer operation on a float")
    return span


def _shr_interval(a: Interval, by: int, rounding: str, where: str) -> Interval:
    half = (1 << by) >> 1
    if rounding == "toward_zero":
        return tuple(-(-x >> by) if x < 0 else x >> by for x in a)  # type: ignore[return-value]
    if rounding == "floor":
        return a[0] >> by, a[1] >> by
    if rounding == "stochastic":
        top = a[1] + (1 << by) - 1
        fits((a[0], top), where, "sum before stochastic rounding")
        return a[0] >> by, top >> by
    fits((a[0] - half, a[1] + half), where, "sum before rounding")
    return -((half - a[0]) >> by), (a[1] + half) >> by


def range_of(data: np.ndarray, dtype: DType) -> Interval | None:
    if isinstance(dtype, Float):
        return None
    if data.size == 0:
        return (0, 0)
    return int(data.min()), int(data.max())


def type_range(t: DType) -> Interval | None:
    return None if isinstance(t, Float) else (t.lo, t.hi)
