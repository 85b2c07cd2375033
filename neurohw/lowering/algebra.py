"""Symbols for the equations of a model: folded, differentiated, then emitted as nodes.

An expression is a constant (a float64 array), a leaf (a value of the step), or an operation. What
is constant is computed at once, in binary64; what is not becomes nodes when an emitter asks for it:
``emitter`` for floats, ``programmable_words`` for integers. ``x * 1``, ``x + 0`` and the like
vanish, so the nodes of a step are those one would write by hand. :func:`slope` differentiates,
which is how lowering finds out that a membrane is linear, and the rate at which a variable relaxes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurohw.network import maths
from neurohw.program import Value

__all__ = [
    "COMPARE",
    "Const",
    "Expr",
    "Leaf",
    "Op",
    "constant",
    "leaf",
    "named",
    "operations",
    "show",
    "slope",
]

Array = Any
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "sqrt": np.sqrt,
    "min": np.minimum,
    "max": np.maximum,
    "select": np.where,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
COMPARE = ("eq", "ne", "lt", "le", "gt", "ge")
_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_LONGEST = 60
_NAMES = {"minimum": "min", "maximum": "max", "where": "select"}


class Expr:
    """Arithmetic on symbols; ``+ - * / -x`` and comparisons as usual."""

    __array_ufunc__ = None  # an array on the left leaves the operation to us
    __hash__ = object.__hash__

    def __add__(self, o: Any) -> Expr:
        return _op("add", self, o)

    def __radd__(self, o: Any) -> Expr:
        return _op("add", o, self)

    def __sub__(self, o: Any) -> Expr:
        return _op("sub", self, o)

    def __rsub__(self, o: Any) -> Expr:
        return _op("sub", o, self)

    def __mul__(self, o: Any) -> Expr:
        return _op("mul", self, o)

    def __rmul__(self, o: Any) -> Expr:
        return _op("mul", o, self)

    def __truediv__(self, o: Any) -> Expr:
        return _op("div", self, o)

    def __rtruediv__(self, o: Any) -> Expr:
        return _op("div", o, self)

    def __neg__(self) -> Expr:
        return _op("neg", self)

    def __pow__(self, power: int) -> Expr:
        if not (isinstance(power, int) and power >= 1):
            raise TypeError("a power is a positive integer; for others use exp and log")
        out = self
        for _ in range(power - 1):
            out = out * self
        return out

    def __eq__(self, o: Any) -> Any:
        return _op("eq", self, o)

    def __ne__(self, o: Any) -> Any:
        return _op("ne", self, o)

    def __lt__(self, o: Any) -> Expr:
        return _op("lt", self, o)

    def __le__(self, o: Any) -> Expr:
        return _op("le", self, o)

    def __gt__(self, o: Any) -> Expr:
        return _op("gt", self, o)

    def __ge__(self, o: Any) -> Expr:
        return _op("ge", self, o)

    def __bool__(self) -> bool:
        raise TypeError("a model cannot branch on a state; use maths.where")

    def apply_function(self, name: str, *args: Any) -> Expr:
        """How ``neurohw.network.maths`` reaches a symbol."""
        return _op(_NAMES.get(name, name), *args)


@dataclass(frozen=True, eq=False)
class Const(Expr):
    """A number, or an array over neurons or over trials and neurons; ``text`` says what it is."""

    data: Array
    text: str = ""


@dataclass(frozen=True, eq=False)
class Leaf(Expr):
    """A value of the step, or a mere symbol (``value`` None) to differentiate by.

    ``unit`` is what one unit of the value stands for: 1, or of an integer some quantity in SI.
    """

    name: str
    value: Value | None = None
    unit: float = 1.0


@dataclass(frozen=True, eq=False)
class Op(Expr):
    """An operation on other expressions."""

    op: str
    args: tuple[Expr, ...]


def constant(x: Any, text: str = "") -> Expr:
    """A symbol as it is, or a number as a constant."""
    if isinstance(x, Expr):
        return x
    array = np.asarray(x)
    return Const(array if array.dtype == bool else array.astype(np.float64), text)


def leaf(name: str, value: Value | None = None, unit: float = 1.0) -> Leaf:
    """A symbol."""
    return Leaf(name, value, unit)


def named(e: Any, text: str) -> Expr:
    """The same; if it is a constant, reports call it ``text``."""
    e = constant(e)
    return Const(e.data, text) if isinstance(e, Const) else e


def show(e: Expr) -> str:
    """An expression as one would write it."""
    if isinstance(e, Leaf):
        return e.name
    if isinstance(e, Const):
        return e.text or (f"{float(e.data):g}" if e.data.ndim == 0 else "array")
    assert isinstance(e, Op)
    return _written(e.op, *map(show, e.args))


def _written(op: str, *parts: str) -> str:
    if op == "neg":
        return f"-{parts[0]}"
    if op not in _SIGNS:
        return f"{op}({', '.join(parts)})"
    a, b = parts
    if op == "mul" and a.startswith("1 / "):
        a, b = b, a
    if op == "mul" and b.startswith("1 / "):
        op, b = "div", b[4:]
    loose = op in ("mul", "div")
    a = f"({a})" if loose and (" + " in a or " - " in a) else a
    b = f"({b})" if (loose and " " in b) or (op == "sub" and (" + " in b or " - " in b)) else b
    return f"{a} {_SIGNS[op]} {b}"


def operations(e: Expr, seen: dict[int, Expr] | None = None) -> set[str]:
    """The operations that an expression takes, each by its name."""
    seen = {} if seen is None else seen
    if not isinstance(e, Op) or id(e) in seen:
        return set()
    seen[id(e)] = e
    return {e.op}.union(*(operations(a, seen) for a in e.args))


def _is(x: Expr, number: float) -> bool:
    return isinstance(x, Const) and bool(np.all(x.data == number))


def _op(op: str, *raw: Any) -> Expr:
    args = tuple(map(constant, raw))
    if all(isinstance(a, Const) for a in args):
        with np.errstate(all="ignore"):
            data = np.asarray(_FUNCTIONS[op](*(a.data for a in args)))  # type: ignore[attr-defined]
        told = any(a.text for a in args)  # type: ignore[attr-defined]
        text = _written(op, *map(show, args)) if told else ""
        return Const(data, text if len(text) <= _LONGEST else "")
    a, b = args[0], args[-1]
    if op == "add":
        if _is(a, 0):
            return b
        if _is(b, 0):
            return a
    elif op == "sub" and _is(b, 0):
        return a
    elif op == "mul":
        if _is(a, 0) or _is(b, 0):
            return Const(np.float64(0))
        if _is(a, 1):
            return b
        if _is(b, 1):
            return a
        if isinstance(b, Const):
            a, b = b, a
        if isinstance(a, Const) and isinstance(b, Op) and b.op == "mul":
            inner, rest = b.args  # two constant factors are one
            if isinstance(inner, Const):
                return _op("mul", _op("mul", a, inner), rest)
        args = (a, b)
    elif op == "div":
        if _is(a, 0):
            return Const(np.float64(0))
        if isinstance(b, Const):  # one multiplication instead of a division
            return _op("mul", a, Const(1 / b.data, b.text and _written("div", "1", b.text)))
    elif op == "select" and isinstance(a, Const) and a.data.ndim == 0:
        return args[1] if a.data else args[2]
    return Op(op, args)


def slope(e: Expr, by: Leaf, seen: dict[int, Expr] | None = None) -> Expr:
    """The partial derivative of an expression by a leaf; other leaves stand still."""
    seen = {} if seen is None else seen
    if id(e) in seen:
        return seen[id(e)]
    zero = Const(np.float64(0))
    if isinstance(e, Leaf):
        out: Expr = Const(np.float64(1)) if e is by else zero
    elif not isinstance(e, Op) or e.op in COMPARE:
        out = zero
    else:
        parts = [slope(a, by, seen) for a in e.args]
        out = zero if all(_is(d, 0) for d in parts) else _rule(e, parts)
    seen[id(e)] = out
    return out


def _rule(e: Op, d: list[Expr]) -> Expr:
    a, b = e.args[0], e.args[-1]
    match e.op:
        case "add":
            return d[0] + d[1]
        case "sub":
            return d[0] - d[1]
        case "mul":
            return d[0] * b + a * d[1]
        case "div":
            return d[0] / b - e * d[1] / b
        case "neg":
            return -d[0]
        case "exp":
            return e * d[0]
        case "expm1":
            return (e + 1.0) * d[0]
        case "log":
            return d[0] / a
        case "sqrt":
            return d[0] / (e * 2.0)
        case "min":
            return maths.where(a <= b, d[0], d[1])
        case "max":
            return maths.where(a >= b, d[0], d[1])
        case "select":
            return maths.where(a, d[1], d[2])
    raise NotImplementedError(e.op)
