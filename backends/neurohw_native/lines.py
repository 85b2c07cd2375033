"""Lines of source for one lane of a population: what its step and what its spikes are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from neurohw.program import Node
from neurohw.program.analysis import kind_of
from neurohw_native.expr import Var, operation
from neurohw_native.plan import Kernel, PopPlan

__all__ = ["evaluate", "load", "scalar_param", "site", "store"]

def scalar_param(plan: PopPlan, name: str) -> bool:
    return next(x for x in plan.pop.params if x.name == name).data.ndim == 0


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
