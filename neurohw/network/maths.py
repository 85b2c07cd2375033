"""Functions for the equations of a model; they take numbers, arrays or lowering's symbols."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["exp", "expm1", "exprel", "log", "maximum", "minimum", "sqrt", "where"]


def _call(name: str, *args: Any) -> Any:
    """NumPy's function of this name; a symbol among the arguments knows how to apply it."""
    symbol = next((a for a in args if hasattr(a, "apply_function")), None)
    if symbol is not None:
        return symbol.apply_function(name, *args)
    return getattr(np, name)(*args)


def exp(x: Any) -> Any:
    """e to the power of x."""
    return _call("exp", x)


def expm1(x: Any) -> Any:
    """``exp(x) - 1``, accurate near 0."""
    return _call("expm1", x)


def log(x: Any) -> Any:
    """Natural logarithm."""
    return _call("log", x)


def sqrt(x: Any) -> Any:
    """Square root."""
    return _call("sqrt", x)


def minimum(x: Any, y: Any) -> Any:
    """The smaller of two."""
    return _call("minimum", x, y)


def maximum(x: Any, y: Any) -> Any:
    """The larger of two."""
    return _call("maximum", x, y)


def where(condition: Any, x: Any, y: Any) -> Any:
    """``x`` where the condition holds, else ``y``; both are computed."""
    return _call("where", condition, x, y)


def exprel(x: Any) -> Any:
    """``(exp(x) - 1) / x``, which is 1 at 0: the hole in the rates of Hodgkin and Huxley."""
    hole = x == 0
    return where(hole, 1.0, expm1(x) / where(hole, 1.0, x))
