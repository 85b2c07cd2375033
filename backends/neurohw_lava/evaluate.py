"""Evaluate the step of a population: one NumPy function per node, made once.

A second implementation of what ``docs/program.md`` says, on purpose: it shares no code with the
reference. Integers are held as int64 (``verify`` has shown that every exact result fits), floats
in their own type. Arrays may have any leading axes that broadcast, so the same functions serve
one step, ``[T, size]``, and many steps at once, ``[steps, T, size]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurohw.program import DType, Float, Int, Node, Population

__all__ = ["Leaves", "Step", "fit", "work_type"]

Array = np.ndarray
Leaves = Mapping[tuple[str, str], Array]
"""(op, name or site) -> value, for the ops param, state, input, external, word and normal."""

LEAVES = ("param", "state", "input", "external", "word", "normal")


def work_type(dtype: DType) -> np.dtype:
    """NumPy type of a value during a step."""
    return np.dtype(np.int64) if isinstance(dtype, Int) else dtype.storage


# integers ----------------------------------------------------------------------------------------


def fit(x: Array, dtype: Int, mode: str) -> Array:
    """Bring exact results into the range of ``dtype``; ``trap`` counts elsewhere and wraps."""
    if mode == "saturate":
        return np.minimum(np.maximum(x, np.int64(dtype.lo)), np.int64(dtype.hi))
    if mode == "exact" or dtype.bits == 64:
        return x
    if not dtype.signed:
        return x & np.int64(dtype.hi)
    spare = np.int64(64 - dtype.bits)
    return (x << spare) >> spare  # the sign bit of the narrow type moves to the top and back


def _shifted(x: Array, by: int, rounding: str, random: Array | None) -> Array:
    """``x / 2**by``, rounded, from its floor and its remainder."""
    if by == 0:
        return x
    floor, mask = x >> np.int64(by), np.int64((1 << by) - 1)
    if rounding == "floor":
        return floor
    rest, half = x & mask, np.int64(1 << (by - 1))
    if rounding == "toward_zero":
        return floor + ((x < 0) & (rest != 0))
    if rounding == "half_even":
        return floor + ((rest > half) | ((rest == half) & ((floor & 1) == 1)))
    if rounding == "half_away":
        return floor + ((rest > half) | ((rest == half) & (x >= 0)))
    assert random is not None  # stochastic: up if rest + random carries
    return floor + ((rest + (random & mask)) >> np.int64(by))


# casts -------------------------------------------------------------------------------------------


def _half_away(x: Array) -> Array:
    whole = np.trunc(x)
    return whole + np.copysign(np.abs(x - whole) >= 0.5, x)


_ROUND: dict[str, Callable[[Array], Array]] = {
    "floor": np.floor,
    "toward_zero": np.trunc,
    "half_even": np.rint,
    "half_away": _half_away,
}


def _to_int(x: Array, out: Int, rounding: str) -> Array:
    """From float, saturating; a NaN becomes 0."""
    r = _ROUND[rounding](np.where(np.isnan(x), x.dtype.type(0), x))
    above, below = r >= 2.0 ** (out.bits - out.signed), r < float(out.lo)
    whole = np.where(above | below, x.dtype.type(0), r).astype(np.int64)
    return np.where(above, np.int64(out.hi), np.where(below, np.int64(out.lo), whole))


# nodes -------------------------------------------------------------------------------------------

_UFUNC: dict[str, Callable[..., Array]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "neg": np.negative, "abs": np.absolute,
    "min": np.minimum, "max": np.maximum, "div": np.divide, "sqrt": np.sqrt, "exp": np.exp,
    "expm1": np.expm1, "log": np.log, "eq": np.equal, "ne": np.not_equal, "lt": np.less,
    "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "and": np.logical_and,
    "or": np.logical_or, "xor": np.logical_xor, "not": np.logical_not, "select": np.where,
}  # fmt: skip


@dataclass(frozen=True)
class _Op:
    """What to call with the arguments' values, and what to do with an integer result."""

    args: tuple[int, ...]
    call: Callable[..., Array]
    leaf: tuple[str, str] | None = None
    fits: tuple[Int, str] | None = None


def _call(node: Node, source: DType | None) -> Callable[..., Array]:
    """The exact operation of a node that is not a leaf."""
    if node.op == "shl":
        left = np.int64(node.attrs["by"])
        return lambda x: np.left_shift(x, left)
    if node.op == "shr":
        by, rounding = int(node.attrs["by"]), str(node.attrs["rounding"])
        return lambda x, random=None: _shifted(x, by, rounding, random)
    if node.op == "cast":
        out = node.dtype
        if isinstance(source, Float) and isinstance(out, Int):
            how = str(node.attrs["rounding"])
            return lambda x: _to_int(np.asarray(x), out, how)
        kind = work_type(out)
        return lambda x: np.asarray(x).astype(kind)
    return _UFUNC[node.op]


def _op(q: Population, node: Node) -> _Op:
    if node.op == "const":
        value = np.asarray(node.attrs["value"], work_type(node.dtype))
        return _Op((), lambda: value)
    if node.op in LEAVES:
        key = (node.op, str(node.attrs.get("name") or node.attrs.get("site")))
        return _Op((), lambda: None, leaf=key)  # type: ignore[return-value,arg-type]
    source = q.nodes[node.args[0]].dtype
    saturated = node.op == "cast" and isinstance(source, Float)
    fits = None
    if isinstance(node.dtype, Int) and node.op != "select" and not saturated:
        mode = str(node.attrs.get("overflow", "exact"))
        fits = None if mode == "exact" else (node.dtype, mode)
    return _Op(node.args, _call(node, source), fits=fits)


class Step:
    """The nodes of one population, ready to be evaluated."""

    def __init__(self, q: Population) -> None:
        self.q = q
        self._ops = [_op(q, node) for node in q.nodes]

    def __call__(self, leaves: Leaves) -> tuple[list[Array], dict[int, Array]]:
        """Values of all nodes, and the exact results of those whose overflow mode is ``trap``.

        Values have a shape that broadcasts to that of the leaves; constants are 0-dimensional.
        """
        values: list[Any] = []
        wide: dict[int, Array] = {}
        with np.errstate(all="ignore"):
            for i, op in enumerate(self._ops):
                if op.leaf is not None:
                    values.append(leaves[op.leaf])
                    continue
                value = op.call(*[values[a] for a in op.args])
                if op.fits is not None:
                    dtype, mode = op.fits
                    if mode == "trap":
                        wide[i] = value
                    value = fit(value, dtype, mode)
                values.append(value)
        return values, wide
