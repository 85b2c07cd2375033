"""Which equations the neurons of a target can compute, and the refusal of those they cannot."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from neurohw.errors import LoweringError
from neurohw.network import Neuron

from .algebra import constant, leaf, operations
from .part import Part

__all__ = ["refuse_equations"]


def refuse_equations(part: Part) -> None:
    """Refuse, with the reason, a model that the target's neurons cannot compute."""
    name, neuron, wires, target = part.name, part.neuron, part.wires, part.target
    able = target.neuron.functions
    if able == "all":
        return
    lacking = _beyond_products(neuron)
    if able == "products":
        if not lacking:
            return
        raise LoweringError(
            f"neurons of {target.name} add and multiply, and that is all: "
            f"no {' and no '.join(lacking)}",
            where=name,
            got=type(neuron).__name__,
            allowed="models whose equations are polynomials in their states",
            fix="use target float64 or float32",
            origin=neuron.origin.place,
        )
    opened = next((w for w in wires if w.reversal is not None), None)
    if opened is not None:
        raise LoweringError(
            f"{target.name} has no conductance synapses: its neurons cannot multiply g by V",
            where=opened.where,
            got="a conductance",
            allowed="Delta or Exponential synapses",
            fix="use target loihi2, float64 or float32",
            origin=opened.origin,
        )
    raise LoweringError(
        f"{target.name} has only neurons whose equation is linear",
        where=name,
        got=type(neuron).__name__,
        allowed="LIF, IF, or a model of one state that is linear in V",
        fix="use target float64 or float32" if lacking else "use target loihi2, float64 or float32",
        origin=neuron.origin.place,
    )


def _beyond_products(neuron: Neuron) -> list[str]:
    """What the equations of a model take that sums and products of states do not give."""
    x = SimpleNamespace(**{s: leaf(s) for s in neuron.states}, I=leaf("I"))
    p = SimpleNamespace(**{k: constant(v) if isinstance(v, float | np.ndarray) else v
                           for k, v in neuron.values.items()})  # fmt: skip
    parts = [*neuron.derivatives(x, p).values(), neuron.threshold(x, p),
             *neuron.after_spike(x, p).values()]  # fmt: skip
    taken = set[str]().union(*(operations(constant(e)) for e in parts))
    words = {"exp": "exp", "expm1": "exp", "log": "log", "sqrt": "sqrt",
             "div": "division by a state"}  # fmt: skip
    return sorted({words[op] for op in taken if op in words})
