"""Nodes as Python expressions that numba compiles to what the reference computes.

Numba widens int32 arithmetic to int64; every intermediate that is known to fit is narrowed again
at once, so that LLVM can work in 32 bits.
"""

from __future__ import annotations

from collections.abc import Sequence

from neurohw.program import Bool, Float, Int, Interval, Node
from neurohw.program.analysis import fits32, kind_of

__all__ = ["Var", "fit", "operation"]

Var = tuple[str, str]
"""An expression without side effects (a name), and its kind."""

_COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_BINARY = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_LOGIC = {"and": "&", "or": "|", "xor": "!="}


def fit(x: str, kind: str, exact: Interval, out: Int, mode: str) -> list[str]:
    """Lines that bring ``x`` (of ``kind``, within ``exact``) into the range of ``out``."""
    if exact[0] >= out.lo and exact[1] <= out.hi:
        return []
    if mode == "saturate":
        lo, hi = f"{kind}({out.lo})", f"{kind}({out.hi})"
        lines = [f"{x} = choose({x} < {lo}, {lo}, {x})"] if exact[0] < out.lo else []
        return lines + ([f"{x} = choose({x} > {hi}, {hi}, {x})"] if exact[1] > out.hi else [])
    if not out.signed:  # a negative number may become one that needs 64 bits
        return [f"{x} = {kind if out.hi < 2**31 else 'i8'}({x} & {out.hi})"]
    by = (32 if kind == "i4" else 64) - out.bits
    return [f"{x} = {kind}({kind}({x} << {by}) >> {by})"]


def _shift_right(x: str, kind: str, by: int, rounding: str, random: str) -> list[str]:
    if rounding == "floor" or by == 0:
        return [f"{x} = {kind}({x} >> {by})"]
    mask, half = (1 << by) - 1, 1 << (by - 1)
    add = {
        "toward_zero": f"(({x} >> 63) & {mask})",
        "half_away": f"{half} + ({x} >> 63)",
        "half_even": f"{half - 1} + (({x} >> {by}) & 1)",
        "stochastic": f"({random} & {mask})",
    }[rounding]
    return [f"{x} = {kind}({x} + {add})", f"{x} = {kind}({x} >> {by})"]


def _shift_kind(node: Node, exact: Interval, arg: Interval) -> str:
    by, rounding = int(node.attrs["by"]), node.attrs.get("rounding")
    up = (1 << by) - 1 if rounding in ("stochastic", "toward_zero") else (1 << by) >> 1
    if node.op == "shl" or rounding == "floor":
        return "i4" if fits32(exact, arg) else "i8"
    if rounding == "toward_zero":
        arg = arg[0], max(arg[1], up)
        up = 0
    return "i4" if fits32(exact, arg, (arg[0], arg[1] + up), (0, up)) else "i8"


def _integer(
    x: str, node: Node, args: Sequence[Var], exact: Interval, spans: Sequence[Interval | None]
) -> tuple[list[str], str]:
    """Lines that give ``x`` the exact result, and its kind."""
    a = args[0][0]
    if node.op in ("shl", "shr"):
        kind = _shift_kind(node, exact, spans[0])  # type: ignore[arg-type]
        by = int(node.attrs["by"])
        if node.op == "shl":
            return [f"{x} = {kind}(i8({a}) << {by})"], kind
        random = args[1][0] if len(args) > 1 else ""
        return [
            f"{x} = {kind}({a})",
            *_shift_right(x, kind, by, str(node.attrs["rounding"]), random),
        ], kind
    kind = "i4" if fits32(exact) and all(k in ("b", "i4") for _, k in args) else "i8"
    if node.op in _BINARY:
        return [f"{x} = {kind}({a} {_BINARY[node.op]} {args[1][0]})"], kind
    if node.op in ("min", "max"):
        b, op = args[1][0], "<" if node.op == "min" else ">"
        return [f"{x} = choose({a} {op} {b}, {kind}({a}), {kind}({b}))"], kind
    if node.op == "cast" and args[0][1] == "b":
        return [f"{x} = choose({a}, {kind}(1), {kind}(0))"], kind
    if node.op == "cast":
        return [f"{x} = {kind}({a})"], kind
    if node.op == "neg":
        return [f"{x} = {kind}(-i8({a}))"], kind
    return [f"{x} = choose({a} < 0, {kind}(-i8({a})), {kind}({a}))"], kind


def _float(node: Node, args: Sequence[Var], kind: str) -> str:
    a, b = args[0], args[-1][0]
    if node.op in _BINARY:
        return f"{a[0]} {_BINARY[node.op]} {b}"
    if node.op in ("min", "max"):
        op = "<" if node.op == "min" else ">"
        return f"choose(({a[0]} {op} {b}) | ({a[0]} != {a[0]}), {a[0]}, {b})"
    if node.op == "neg":
        return f"-{a[0]}"
    if node.op == "abs":
        return f"abs({a[0]})"
    if node.op == "cast":
        return f"choose({a[0]}, {kind}(1), {kind}(0))" if a[1] == "b" else f"{kind}({a[0]})"
    return f"np.sqrt({a[0]})" if node.op == "sqrt" else f"{node.op}_{kind}({a[0]})"


def _float_to_int(x: str, a: Var, out: Int, rounding: str) -> list[str]:
    f = a[1]
    kind = kind_of(out, (out.lo, out.hi))
    lo = "-9223372036854775807 - 1" if out.lo == -(2**63) else str(out.lo)
    lines = [f"{x}r = choose({a[0]} == {a[0]}, {a[0]}, {f}(0))"]
    if rounding == "half_away":
        lines += [
            f"{x}w = np.trunc({x}r)",
            f"{x}d = {x}r - {x}w",
            f"{x}r = choose({x}d >= {f}(0.5), {x}w + {f}(1), {x}w)",
            f"{x}r = choose({x}d <= {f}(-0.5), {x}w - {f}(1), {x}r)",
        ]
    else:
        name = {"floor": "floor", "toward_zero": "trunc", "half_even": "rint"}[rounding]
        lines.append(f"{x}r = np.{name}({x}r)")
    return [
        *lines,
        f"{x}h = {x}r >= {f}({float(out.hi + 1)!r})",
        f"{x}l = {x}r < {f}({float(out.lo)!r})",
        f"{x}r = choose({x}h | {x}l, {f}(0), {x}r)",
        f"{x} = {kind}({x}r)",
        f"{x} = choose({x}h, {kind}({out.hi}), {x})",
        f"{x} = choose({x}l, {kind}({lo}), {x})",
    ]


def operation(
    x: str,
    node: Node,
    args: Sequence[Var],
    exact: Interval | None,
    spans: Sequence[Interval | None],
    span: Interval | None,
    wide: str,
) -> tuple[list[str], Var]:
    """Lines that compute a node that is not a leaf into ``x``.

    Parameters
    ----------
    exact, spans, span : intervals
        Of the exact result, of the arguments, and of the result after its overflow mode.
    wide : str
        Where the exact result is to be stored as well (an array element), or "".
    """
    out = node.dtype
    kind = kind_of(out, span)
    if node.op in _COMPARE:
        a, b = (f"i4({v})" if k == "b" else v for v, k in args)
        return [f"{x} = {a} {_COMPARE[node.op]} {b}"], (x, "b")
    if node.op in _LOGIC:
        return [f"{x} = {args[0][0]} {_LOGIC[node.op]} {args[1][0]}"], (x, "b")
    if node.op == "not":
        return [f"{x} = not {args[0][0]}"], (x, "b")
    if node.op == "select":
        c, a, b = (v for v, _ in args)
        wrap = "" if isinstance(out, Bool) else kind
        return [f"{x} = choose({c}, {wrap}({a}), {wrap}({b}))"], (x, kind)
    if isinstance(out, Float):
        return [f"{x} = {_float(node, args, kind)}"], (x, kind)
    assert isinstance(out, Int) and exact is not None
    if node.op == "cast" and args[0][1] in ("f4", "f8"):
        lines = _float_to_int(x, args[0], out, str(node.attrs["rounding"]))
        return lines, (x, kind)
    lines, held = _integer(f"{x}e", node, args, exact, spans)
    if wide:
        lines.append(f"{wide} = {x}e")
    lines += fit(f"{x}e", held, exact, out, str(node.attrs.get("overflow", "exact")))
    return [*lines, f"{x} = {kind}({x}e)"], (x, kind)
