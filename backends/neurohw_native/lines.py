"""Lines of source that both the step and what happens in few lanes are made of."""

from __future__ import annotations

from neurohw.program.analysis import kind_of, storage_kind
from neurohw_native.plan import Kernel, PopPlan

__all__ = ["NUMPY", "hoist", "load", "param_rows", "scalar_param"]

NUMPY = {
    "b": "np.uint8",
    "i4": "np.int32",
    "i8": "np.int64",
    "f4": "np.float32",
    "f8": "np.float64",
    "u4": "np.uint32",
}


def hoist(k: Kernel, plan: PopPlan, i: int) -> str:
    """Expression of a constant or scalar parameter, loaded once per call of a step."""
    node = plan.pop.nodes[i]
    kind = kind_of(node.dtype, plan.spans[i])
    name, where = {"f4": ("cf", k.singles), "f8": ("cd", k.doubles)}.get(kind, ("ci", k.ints))
    where.append((plan.pop.name, i))
    load = f"{name}[{len(where) - 1}]"
    return f"{load} != 0" if kind == "b" else f"{kind}({load})"


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


def load(kind: str, array: str, index: str = "i") -> str:
    return f"{array}[{index}] != 0" if kind == "b" else f"{kind}({array}[{index}])"
