"""One operation of a program as a function of tensors.

Integers are computed in int32 where the intervals of ``verify`` show that the arguments, the
exact result and the result all fit, else in int64, where every legal program fits; the choice can
therefore not change a bit. Shifts are written so that no intermediate value leaves that width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import torch
from torch import Tensor

from neurohw.program import Bool, DType, Float, Int, Interval, Node

__all__ = ["Fn", "bounds", "exact", "fit", "from_float", "tensor_type", "to_bfloat16", "width"]

Fn = Callable[..., Tensor]

_I32: Interval = (-(2**31), 2**31 - 1)


def tensor_type(dtype: DType) -> torch.dtype:
    """Type in which values are kept between steps: the storage type of the program's type."""
    if isinstance(dtype, Bool):
        return torch.bool
    if isinstance(dtype, Float):
        return torch.float32 if dtype.bits == 32 else torch.float64
    return width([(dtype.lo, dtype.hi)])


def width(spans: Sequence[Interval]) -> torch.dtype:
    """The narrower integer type that holds all of these intervals."""
    narrow = all(_I32[0] <= lo and hi <= _I32[1] for lo, hi in spans)
    return torch.int32 if narrow else torch.int64


def bounds(node: Node, spans: Sequence[Interval]) -> Interval:
    """An interval that holds the exact result and all that is met on the way to it."""
    by = int(node.attrs.get("by", 0))
    if node.op == "shr":
        lo, hi = spans[0]
        return (lo, hi) if node.attrs["rounding"] == "floor" else (lo, max(hi, 0) + (1 << by) - 1)
    if node.op == "abs":
        top = max(abs(x) for x in spans[0])
        return min(0, spans[0][0]), top
    corner = {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "neg": lambda a: -a,
        "shl": lambda a: a << by,
    }.get(node.op)
    if corner is None:  # min, max, cast
        return min(s[0] for s in spans), max(s[1] for s in spans)
    ends = [corner(*xs) for xs in product(*spans)]
    return min(ends), max(ends)


def _unary(host: np.ufunc, device: Fn) -> Fn:
    """NumPy's function on the CPU, on the tensor's own memory; torch's elsewhere.

    On x86 torch hands these functions to MKL, whose square root of a float64 is not always the
    nearest one: 0.7071067811865475 for 0.5, in torch 2.13.
    """

    def unary(x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return device(x)
        with np.errstate(all="ignore"):
            return torch.from_numpy(np.asarray(host(x.numpy())))

    return unary


_PLAIN: dict[str, Fn] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "neg": torch.neg,
    "abs": torch.abs,
    "min": torch.minimum,
    "max": torch.maximum,
    "div": torch.div,
    "sqrt": _unary(np.sqrt, torch.sqrt),
    "exp": _unary(np.exp, torch.exp),
    "expm1": _unary(np.expm1, torch.expm1),
    "log": _unary(np.log, torch.log),
    "eq": torch.eq,
    "ne": torch.ne,
    "lt": torch.lt,
    "le": torch.le,
    "gt": torch.gt,
    "ge": torch.ge,
    "and": torch.bitwise_and,
    "or": torch.bitwise_or,
    "xor": torch.bitwise_xor,
    "not": torch.bitwise_not,
    "select": torch.where,
}


def exact(node: Node, dtype: torch.dtype) -> Fn:
    """The result before the overflow mode; ``dtype`` is the type of the arguments."""
    if node.op == "shl":
        by = int(node.attrs["by"])
        return lambda x: x << by
    if node.op == "shr":
        return _shift_right(int(node.attrs["by"]), node.attrs["rounding"], dtype)
    return _PLAIN[node.op]


def _shift_right(by: int, rounding: str, dtype: torch.dtype) -> Fn:
    top = torch.iinfo(dtype).bits - 1
    if by == 0:
        return lambda x, *random: x
    if rounding == "floor":
        return lambda x: x >> min(by, top)  # a shift by the width or more is not defined
    mask = (1 << by) - 1
    half = 1 << (by - 1)
    if rounding == "toward_zero":
        return lambda x: (x + ((x >> top) & mask)) >> by
    if rounding == "half_away":
        return lambda x: (x + half + (x >> top)) >> by
    if rounding == "half_even":  # a tie goes up if the floor is odd
        return lambda x: (x + (half - 1) + ((x >> by) & 1)) >> by
    return lambda x, random: (x + (random & mask).to(dtype)) >> by


def fit(dtype: Int, mode: str, span: Interval, compute: torch.dtype) -> Fn | None:
    """Bring exact results within ``span`` into the range of ``dtype``; None: they are."""
    if span[0] >= dtype.lo and span[1] <= dtype.hi:
        return None
    bits = torch.iinfo(compute).bits
    if mode == "saturate":
        info = torch.iinfo(compute)
        lo, hi = max(dtype.lo, info.min), min(dtype.hi, info.max)
        return lambda x: x.clamp(lo, hi)
    if not dtype.signed:
        return lambda x: x & dtype.hi
    up = bits - dtype.bits
    return (lambda x: (x << up) >> up) if up > 0 else None


def to_bfloat16(x: Tensor) -> Tensor:
    """What ``bfloat16.rounded`` makes of float32 numbers: the upper half of their bits, rounded.

    Not torch's own conversion, which on some CPUs takes subnormal numbers for zero.
    """
    bits = x.contiguous().view(torch.int32)
    upper = (bits + (0x7FFF + ((bits >> 16) & 1))) & -0x10000
    return torch.where(x.isnan(), x, upper.view(torch.float32) + 0.0)  # -0 becomes +0


def from_float(dtype: Int, rounding: str, out: torch.dtype) -> Fn:
    """Round floats to integers and saturate; NaN gives 0."""
    top, low = math.ldexp(1.0, dtype.bits - int(dtype.signed)), float(dtype.lo)

    def half_away(x: Tensor) -> Tensor:
        whole = x.trunc()
        return torch.where((x - whole).abs() >= 0.5, whole + x.sign(), whole)

    turn: Fn = {
        "floor": torch.floor,
        "toward_zero": torch.trunc,
        "half_even": torch.round,
        "half_away": half_away,
    }[rounding]

    def convert(x: Tensor) -> Tensor:
        r = turn(x.nan_to_num(nan=0.0))
        above, below = r >= top, r < low
        inside = r.masked_fill(above | below, 0.0).to(out)
        return inside.masked_fill(above, dtype.hi).masked_fill(below, dtype.lo)

    return convert
