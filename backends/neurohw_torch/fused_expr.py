"""Nodes as lines of Triton, computing what the reference computes.

Types are never left to promotion: every argument is converted to the kind in which the exact
result is computed, and every constant that is not small is a typed block.
"""

from __future__ import annotations

from collections.abc import Sequence

from neurohw.program import Bool, Float, Int, Interval, Node
from neurohw.program.analysis import fits32, kind_of

__all__ = ["TYPES", "Var", "fit", "full", "operation", "to"]

Var = tuple[str, str]
"""A name, and the kind of its value."""
TYPES = {"b": "tl.int1", "i4": "tl.int32", "i8": "tl.int64", "f4": "tl.float32", "f8": "tl.float64"}

_COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_BINARY = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_LOGIC = {"and": "&", "or": "|", "xor": "^"}


def full(kind: str, value: float | int) -> str:
    """A constant of a kind."""
    return f"tl.full([BLOCK], {value!r}, {TYPES[kind]})"


def to(x: Var, kind: str) -> str:
    """A value in another kind."""
    return x[0] if x[1] == kind else f"{x[0]}.to({TYPES[kind]})"


def fit(x: Var, exact: Interval, out: Int, mode: str) -> tuple[list[str], Var]:
    """Lines that bring ``x``, which lies within ``exact``, into the range of ``out``."""
    name, kind = x
    if exact[0] >= out.lo and exact[1] <= out.hi:
        return [], x
    if mode == "saturate":
        lines = [f"{name} = tl.maximum({name}, {full(kind, out.lo)})"] if exact[0] < out.lo else []
        if exact[1] > out.hi:
            lines.append(f"{name} = tl.minimum({name}, {full(kind, out.hi)})")
        return lines, x
    if not out.signed:  # a negative number may become one that needs 64 bits
        if out.hi >= 2**31:
            return [f"{name} = {to(x, 'i8')} & {full('i8', out.hi)}"], (name, "i8")
        return [f"{name} = {name} & {full(kind, out.hi)}"], x
    by = (32 if kind == "i4" else 64) - out.bits
    return ([f"{name} = ({name} << {by}) >> {by}"] if by > 0 else []), x


def _shift_right(x: str, kind: str, by: int, rounding: str, random: Var | None) -> list[str]:
    top = 31 if kind == "i4" else 63
    if by == 0:
        return []
    if rounding == "floor":
        return [f"{x} = {x} >> {min(by, top)}"]
    mask, half = (1 << by) - 1, 1 << (by - 1)
    if rounding == "stochastic":
        assert random is not None
        add = f"({to(random, 'i8')} & {full('i8', mask)}).to({TYPES[kind]})"
    else:
        add = {
            "toward_zero": f"(({x} >> {top}) & {full(kind, mask)})",
            "half_away": f"({full(kind, half)} + ({x} >> {top}))",
            "half_even": f"({full(kind, half - 1)} + (({x} >> {by}) & 1))",
        }[rounding]
    return [f"{x} = ({x} + {add}) >> {by}"]


def _shift_kind(node: Node, exact: Interval, arg: Interval) -> str:
    """The kind that holds the argument, the result and all that is met on the way."""
    by, rounding = int(node.attrs["by"]), node.attrs.get("rounding")
    if node.op == "shl" or rounding == "floor" or by == 0:
        narrow = fits32(exact, arg) and (node.op == "shr" or by < 32)
    else:
        up = (1 << by) - 1 if rounding in ("stochastic", "toward_zero") else 1 << (by - 1)
        narrow = by < 32 and fits32(exact, arg, (arg[0] - 1, arg[1] + up), (0, up))
        if rounding == "toward_zero":  # only a negative number is raised
            narrow = by < 32 and fits32(exact, arg, (0, up))
    return "i4" if narrow else "i8"


def _integer(
    x: str, node: Node, args: Sequence[Var], exact: Interval, spans: Sequence[Interval | None]
) -> tuple[list[str], str]:
    """Lines that give ``x`` the exact result, and its kind."""
    if node.op in ("shl", "shr"):
        assert spans[0] is not None
        kind, by = _shift_kind(node, exact, spans[0]), int(node.attrs["by"])
        if node.op == "shl":
            return [f"{x} = {to(args[0], kind)} << {by}"], kind
        random = args[1] if len(args) > 1 else None
        lines = _shift_right(x, kind, by, str(node.attrs["rounding"]), random)
        return [f"{x} = {to(args[0], kind)}", *lines], kind
    kind = "i4" if fits32(exact) and all(k in ("b", "i4") for _, k in args) else "i8"
    given = [to(a, kind) for a in args]
    if node.op in _BINARY:
        return [f"{x} = {given[0]} {_BINARY[node.op]} {given[1]}"], kind
    if node.op in ("min", "max"):
        return [f"{x} = tl.{node.op}imum({given[0]}, {given[1]})"], kind
    if node.op == "cast":
        return [f"{x} = {given[0]}"], kind
    if node.op == "neg":
        return [f"{x} = -{given[0]}"], kind
    assert node.op == "abs"
    return [f"{x} = tl.abs({given[0]})"], kind


def _float(node: Node, args: Sequence[Var], kind: str) -> str:
    a, b = args[0][0], args[-1][0]
    if node.op == "div" and kind == "f4":
        return f"tl.div_rn({a}, {b})"
    if node.op in _BINARY:
        return f"{a} {_BINARY[node.op]} {b}"
    if node.op in ("min", "max"):
        op = "<" if node.op == "min" else ">"
        return f"tl.where(({a} {op} {b}) | ({a} != {a}), {a}, {b})"
    if node.op == "neg":  # Triton's minus is 0 - x, which loses the sign of a zero
        return f"{a} * {full(kind, -1.0)}"
    if node.op == "abs":
        return f"tl.abs({a})"
    if node.op == "cast":
        return to(args[0], kind)
    if node.op == "sqrt":
        return f"tl.sqrt_rn({a})" if kind == "f4" else f"tl.sqrt({a})"
    call = {"exp": "exp64", "expm1": "expm1_64", "log": "log64"}[node.op]
    return f"{call}({a}.to(tl.float64)).to(tl.float32)" if kind == "f4" else f"{call}({a})"


def _float_to_int(x: str, a: Var, out: Int, rounding: str) -> list[str]:
    """Round, saturate; NaN gives 0. A float32 becomes a float64, which changes nothing."""
    kind = kind_of(out, (out.lo, out.hi))
    lines = [f"{x}r = {to(a, 'f8')}", f"{x}r = tl.where({x}r == {x}r, {x}r, {full('f8', 0.0)})"]
    if rounding == "floor":
        lines.append(f"{x}r = tl.floor({x}r)")
    elif rounding == "half_even":
        lines.append(f"{x}r = round_even({x}r)")
    else:
        lines.append(f"{x}w = tl.where({x}r < 0.0, tl.ceil({x}r), tl.floor({x}r))")
        if rounding == "half_away":  # without adding 0.5, which could round
            lines += [
                f"{x}d = {x}r - {x}w",
                f"{x}w = tl.where({x}d >= 0.5, {x}w + 1.0, {x}w)",
                f"{x}w = tl.where({x}d <= -0.5, {x}w - 1.0, {x}w)",
            ]
        lines.append(f"{x}r = {x}w")
    return [
        *lines,
        f"{x}h = {x}r >= {full('f8', float(out.hi + 1))}",
        f"{x}l = {x}r < {full('f8', float(out.lo))}",
        f"{x} = tl.where({x}h | {x}l, {full('f8', 0.0)}, {x}r).to({TYPES[kind]})",
        f"{x} = tl.where({x}h, {full(kind, out.hi)}, {x})",
        f"{x} = tl.where({x}l, {full(kind, out.lo)}, {x})",
    ]


def operation(
    x: str,
    node: Node,
    args: Sequence[Var],
    exact: Interval | None,
    spans: Sequence[Interval | None],
    span: Interval | None,
) -> tuple[list[str], Var, Var | None]:
    """Lines that compute a node that is not a leaf.

    Parameters
    ----------
    exact, spans, span : intervals
        Of the exact result, of the arguments, and of the result after its overflow mode.

    Returns the lines, where the value is, and where the exact result is (integers).
    """
    out = node.dtype
    kind = kind_of(out, span)
    if node.op in _COMPARE:
        kinds = {k for _, k in args}
        common = (
            "i4" if kinds <= {"b", "i4"} else "i8" if kinds <= {"b", "i4", "i8"} else args[0][1]
        )
        a, b = (to(v, common) for v in args)
        return [f"{x} = {a} {_COMPARE[node.op]} {b}"], (x, "b"), None
    if node.op in _LOGIC:
        return [f"{x} = {args[0][0]} {_LOGIC[node.op]} {args[1][0]}"], (x, "b"), None
    if node.op == "not":
        return [f"{x} = {args[0][0]} == 0"], (x, "b"), None
    if node.op == "select":
        if isinstance(out, Bool):
            c, a, b = (v for v, _ in args)
            return [f"{x} = ({c} & {a}) | (({c} == 0) & {b})"], (x, "b"), None
        a, b = (to(v, kind) for v in args[1:])
        return [f"{x} = tl.where({args[0][0]}, {a}, {b})"], (x, kind), None
    if isinstance(out, Float):
        return [f"{x} = {_float(node, args, kind)}"], (x, kind), None
    assert isinstance(out, Int) and exact is not None
    if node.op == "cast" and args[0][1] in ("f4", "f8"):
        return _float_to_int(x, args[0], out, str(node.attrs["rounding"])), (x, kind), None
    lines, held = _integer(f"{x}e", node, args, exact, spans)
    more, fitted = fit((x, held), exact, out, str(node.attrs.get("overflow", "exact")))
    lines += [f"{x} = {x}e", *more]
    if fitted[1] != kind:
        lines.append(f"{x} = {to(fitted, kind)}")
    return lines, (x, kind), (f"{x}e", held)
