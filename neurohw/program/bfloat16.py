"""bfloat16: float32 numbers of which 8 bits of significand are left, and how a program says so.

There is no such type: a rounded number is a float32 like others, and the rounding is nodes that
every engine can evaluate (``rounded``). An engine that has a better way finds them by
``source_of``, and learns by ``exact_products`` that all factors of an edge are such numbers: then
every product is a float32 as it is, and only the additions round (docs/program.md, section 8).
"""

from __future__ import annotations

from functools import cache

import numpy as np

from neurohw.program.builder import Builder, Value
from neurohw.program.program import Edge, Node, Population, Program
from neurohw.program.types import F32, F64, Int

__all__ = ["SMALLEST", "exact_products", "is_bfloat16", "round_bfloat16", "rounded", "short"]
__all__ += ["source_of"]

BITS = 8
"""Of the significand, the leading one included."""
SMALLEST = 2.0**-126
"""Smallest number above 0 with so many bits; below it the spacing stays 2**-133."""
_SPLIT = 2.0 ** (53 - BITS) + 1
_ALIGN = 1.5 * 2.0 ** (52 - 133)
"""A float64 whose last place is 2**-133, with room to add and to subtract."""
_TOP = 2.0**128


def round_bfloat16(x: np.ndarray) -> np.ndarray:
    """The nearest bfloat16 numbers, halves to even, as float64 of the shape of ``x``.

    Any float64 is rounded once. Beyond the largest number the result is infinite.
    """
    x = np.asarray(x, np.float64)
    _, exponent = np.frexp(x)
    last = np.maximum(exponent, -125) - BITS
    y = np.ldexp(np.rint(np.ldexp(x, -last)), last)
    return np.where(np.abs(y) < _TOP, y, np.copysign(np.inf, y)) if y.size else y


def is_bfloat16(x: np.ndarray) -> bool:
    """Whether all numbers of a float32 array are bfloat16 numbers."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return not np.any(bits & np.uint32(0xFFFF))


def rounded(b: Builder, x: Value) -> Value:
    """Nodes that round a float32 to bfloat16, to nearest, halves to even; a zero comes out as +0.

    In float64, where the 24 bits of ``x`` leave room: ``c = x (2**45 + 1)`` is rounded to a
    multiple of the place that 8 bits end at, so that ``c - (c - x)`` is the result (Dekker, Numer.
    Math. 18:224, 1971). ``c - x`` is ``2**45 x`` again: it differs from it by less than half a
    unit, or by half a unit where ``2**45 x`` is even. Below 2**-126 the place is fixed, and adding
    a constant rounds there. The limits at 2**128 keep infinity from becoming NaN.
    """

    def const(value: float) -> Value:
        return b.const(value, F64)

    wide = b.op("min", F64, b.cast(x, F64), const(_TOP))
    wide = b.op("max", F64, wide, const(-_TOP))
    c = b.mul(wide, const(_SPLIT), F64)
    many = b.sub(c, b.sub(c, wide, F64), F64)
    few = b.sub(b.add(wide, const(_ALIGN), F64), const(_ALIGN), F64)
    small = b.compare("lt", b.op("abs", F64, wide), const(SMALLEST))
    return b.cast(b.select(small, few, many), F32)


@cache
def _pattern() -> tuple[Node, ...]:
    b = Builder("pattern", 1)
    rounded(b, b.external("x", F32))
    return b.build().nodes


def source_of(q: Population, i: int) -> int | None:
    """The node that node ``i`` of a population is the rounding of, or None if it is not one."""
    pattern = _pattern()
    found: dict[int, int] = {}
    todo = [(len(pattern) - 1, i)]
    while todo:
        k, j = todo.pop()
        want, node = pattern[k], q.nodes[j]
        if k in found:
            if found[k] != j and want.args:  # a constant may be there twice
                return None
            continue
        found[k] = j
        if want.op == "external":
            if node.dtype != F32:
                return None
            continue
        same = (want.op, want.dtype, want.attrs) == (node.op, node.dtype, node.attrs)
        if not same or len(want.args) != len(node.args):
            return None
        todo += zip(want.args, node.args, strict=True)
    return found[0]


def exact_products(program: Program, e: Edge) -> bool:
    """Whether all factors of an edge that carries a value are bfloat16 numbers.

    Of the value that is shown by its nodes: a rounding, or an integer up to 2**8.
    """
    if e.weights.dtype != F32 or not is_bfloat16(e.weights.data):
        return False
    if not e.value:
        return True
    q = program.population(e.source)
    i = q.value(e.value)
    if source_of(q, i) is not None:
        return True
    sent = q.nodes[q.nodes[i].args[0]].dtype if q.nodes[i].op == "cast" else F32
    return isinstance(sent, Int) and short(sent)


def short(dtype: Int) -> bool:
    """Whether every integer of a type is a bfloat16 number."""
    return max(-dtype.lo, dtype.hi) <= 2**BITS
