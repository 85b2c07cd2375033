"""Lines of source for one lane of a population: what its step and what its spikes are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from neurohw.program import Node
from neurohw.program.analysis import kind_of, storage_kind
from neurohw_native.expr import Var, operation
from neurohw_native.plan import Kernel, PopPlan

__all__ = ["NUMPY", "Made", "evaluate", "load", "param_rows", "scalar_param", "site", "store"]

NUMPY = {
    "b": "np.uint8",
    "i4": "np.int32",
    "i8": "np.int64",
    "f4": "np.float32",
    "f8": "np.float64",
    "u4": "np.uint32",
}


@dataclass(frozen=True)
class Made:
    """What goes forward with a population: functions, and lines of the block that drives them.

    ``loop`` is run in each pass; ``begin`` before the first, ``end`` after the last, when the
    states have not been put back.
    """

    source: str
    loop: list[str]
    begin: list[str] = field(default_factory=list)
    end: list[str] = field(default_factory=list)


def scalar_param(plan: PopPlan, name: str) -> bool:
    return next(x for x in plan.pop.params if x.name == name).data.ndim == 0


def param_rows(plan: PopPlan) -> dict[str, tuple[str, int]]:
    """Parameters that are no scalars -> how they are held, and the row among those held so."""
    found: dict[str, tuple[str, int]] = {}
    for i in plan.leaves("param"):
        name, kind = str(plan.pop.nodes[i].attrs["name"]), storage_kind(plan.pop.nodes[i].dtype)
        if not scalar_param(plan, name):
            found[name] = kind, sum(k == kind for k, _ in found.values())
    return found


def load(kind: str, element: str) -> str:
    return f"{element} != 0" if kind == "b" else f"{kind}({element})"


def store(element: str, var: Var, kind: str) -> str:
    """A line that puts a value into an array whose elements are of ``kind``."""
    x, held = var
    return f"{element} = {'np.uint8' if held == 'b' else kind}({x})"


def site(k: Kernel, name: str) -> str:
    """Where the kernel finds the number of a site that is drawn from at one more place."""
    k.sites.append(name)
    return f"sites[{len(k.sites) - 1}]"


def _number(k: Kernel, plan: PopPlan, i: int, kind: str) -> str:
    """A constant or scalar parameter. 0 and 1 shape the code: they cost no register."""
    node = plan.pop.nodes[i]
    value = node.attrs.get("value")
    if node.op == "const" and value in (-1, 0, 1) and str(value) != "-0.0":
        return f"i4({int(value)}) != 0" if kind == "b" else f"{kind}({int(value)})"
    name, where = {"f4": ("cf", k.singles), "f8": ("cd", k.doubles)}.get(kind, ("ci", k.ints))
    where.append((plan.pop.name, i))
    element = f"{name}[{len(where) - 1}]"
    return load(kind, element)


def evaluate(
    k: Kernel,
    plan: PopPlan,
    nodes: Iterable[int],
    leaf: Callable[[Node, str, str], str],
    wide: Callable[[int], str] = lambda i: "",
) -> tuple[list[str], list[str], dict[int, Var]]:
    """Lines that compute ``nodes``, in ascending order, and what holds each of them.

    Parameters
    ----------
    leaf : function
        Expression of a leaf that differs between lanes, of its node, name or site, and kind.
    wide : function
        Array element where the exact result of a node is to be stored as well, or "".

    Returns
    -------
    tuple
        Lines to be run once, lines to be run for each lane, and the variables.
    """
    once: list[str] = []
    lines: list[str] = []
    values: dict[int, Var] = {}
    for i in nodes:
        node, x = plan.pop.nodes[i], f"n{i}"
        kind = kind_of(node.dtype, plan.spans[i])
        name = str(node.attrs.get("name", node.attrs.get("site", "")))
        if node.op == "const" or (node.op == "param" and scalar_param(plan, name)):
            once.append(f"{x} = {_number(k, plan, i, kind)}")
        elif not node.args:
            lines.append(f"{x} = {leaf(node, name, kind)}")
        else:
            lines += operation(
                x,
                node,
                [values[a] for a in node.args],
                plan.exact[i],
                [plan.spans[a] for a in node.args],
                plan.spans[i],
                wide(i),
            )[0]
        values[i] = (x, kind)
    return once, lines, values
