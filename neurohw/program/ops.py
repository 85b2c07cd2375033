"""The operations of a program: one row each says what is legal.

``docs/program.md`` gives the meaning in prose, ``neurohw.reference`` gives it in NumPy. A row here
holds the number of arguments, the attributes, and the rule that relates argument types to the
result type. Integer operations compute the exact integer first; only then does the overflow mode
bring it into the range of the result type. The mode ``exact`` is a proof obligation: ``verify``
shows by interval arithmetic that the range is never left, and rejects the node otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from neurohw.program.types import Bool, DType, Float, Int

__all__ = ["OPS", "OVERFLOW", "ROUNDING", "OpSpec"]

OVERFLOW = ("exact", "wrap", "saturate", "trap")
ROUNDING = ("floor", "toward_zero", "half_even", "half_away", "stochastic")

_Rule = Callable[[Sequence[DType], DType, dict[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class OpSpec:
    """One operation.

    Attributes
    ----------
    name : str
        As printed.
    arity : tuple of int
        Allowed numbers of arguments.
    attrs : dict
        Attribute name -> allowed values (a tuple), or a type.
    rule : callable
        ``rule(argument types, result type, attrs) -> bool``.
    types : str
        The rule in words, for error messages and the documentation.
    """

    name: str
    arity: tuple[int, ...]
    attrs: dict[str, Any]
    rule: _Rule
    types: str


def _is_int(t: DType) -> bool:
    return isinstance(t, Int)


def _same_float(args: Sequence[DType], out: DType) -> bool:
    return isinstance(out, Float) and all(a == out for a in args)


def _arith(args: Sequence[DType], out: DType, attrs: dict[str, Any]) -> bool:
    return _same_float(args, out) or (_is_int(out) and all(map(_is_int, args)))


def _float_only(args: Sequence[DType], out: DType, attrs: dict[str, Any]) -> bool:
    return _same_float(args, out)


def _compare(args: Sequence[DType], out: DType, attrs: dict[str, Any]) -> bool:
    a, b = args
    return isinstance(out, Bool) and ((_is_int(a) and _is_int(b)) or a == b)


def _logic(args: Sequence[DType], out: DType, attrs: dict[str, Any]) -> bool:
    return isinstance(out, Bool) and all(isinstance(a, Bool) for a in args)


def _select(args: Sequence[DType], out: DType, attrs: dict[str, Any]) -> bool:
    return isinstance(args[0], Bool) and args[1] == out and args[2] == out


def _shift(args: Sequence[DType], out: DType, attrs: dict[str, Any]) -> bool:
    if not (_is_int(out) and _is_int(args[0]) and 0 <= attrs.get("by", -1) <= 62):
        return False
    if attrs.get("rounding") == "stochastic":
        return len(args) == 2 and args[1] == Int(32, False) and attrs["by"] <= 32
    return len(args) == 1


def _cast(args: Sequence[DType], out: DType, attrs: dict[str, Any]) -> bool:
    if isinstance(args[0], Float) and _is_int(out):
        return attrs.get("rounding") in ROUNDING[:4] and attrs.get("overflow") == "saturate"
    return not isinstance(out, Bool)


def _leaf(*allowed: DType) -> _Rule:
    return lambda args, out, attrs: not allowed or out in allowed


_OV = {"overflow": OVERFLOW}
_ROWS = (
    # leaves ------------------------------------------------------------------------------------
    OpSpec("const", (0,), {"value": object}, _leaf(), "any"),
    OpSpec("param", (0,), {"name": str}, _leaf(), "the parameter's type"),
    OpSpec("state", (0,), {"name": str}, _leaf(), "the state's type"),
    OpSpec("input", (0,), {"name": str}, _leaf(), "the port's type"),
    OpSpec("external", (0,), {"name": str}, _leaf(), "the external input's type"),
    OpSpec("word", (0,), {"site": str}, _leaf(Int(32, False)), "u32"),
    OpSpec("normal", (0,), {"site": str}, _leaf(Int(17)), "i17"),
    # integers and floats -----------------------------------------------------------------------
    *(
        OpSpec(name, (n,), _OV, _arith, "all int (any widths), or all the same float")
        for name, n in (("add", 2), ("sub", 2), ("mul", 2), ("neg", 1), ("abs", 1))
    ),
    *(
        OpSpec(name, (2,), _OV, _arith, "all int (any widths), or all the same float")
        for name in ("min", "max")
    ),
    OpSpec("shl", (1,), {"by": int, **_OV}, _shift, "int; by 0..62"),
    OpSpec(
        "shr",
        (1, 2),
        {"by": int, "rounding": ROUNDING, **_OV},
        _shift,
        "int; by 0..62; stochastic takes a second argument u32 and by <= 32",
    ),
    # floats only -------------------------------------------------------------------------------
    OpSpec("div", (2,), {}, _float_only, "all the same float"),
    *(
        OpSpec(name, (1,), {}, _float_only, "the same float")
        for name in ("sqrt", "exp", "expm1", "log")
    ),
    # comparisons, logic, choice ----------------------------------------------------------------
    *(
        OpSpec(name, (2,), {}, _compare, "two ints, or two of the same type; gives bool")
        for name in ("eq", "ne", "lt", "le", "gt", "ge")
    ),
    *(OpSpec(name, (2,), {}, _logic, "bool") for name in ("and", "or", "xor")),
    OpSpec("not", (1,), {}, _logic, "bool"),
    OpSpec("select", (3,), {}, _select, "bool, then two of the result's type"),
    # conversion --------------------------------------------------------------------------------
    OpSpec(
        "cast",
        (1,),
        {"rounding": ROUNDING, **_OV},
        _cast,
        "to int or float; float to int needs a rounding and overflow = saturate",
    ),
)

OPS: dict[str, OpSpec] = {row.name: row for row in _ROWS}
