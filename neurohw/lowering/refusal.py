"""What the neurons of a target cannot compute, and weights that they cannot hold: refusals."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from neurohw.errors import LoweringError
from neurohw.network import CSR, Conv2D, Network, Neuron, Relay
from neurohw.network.parts import Connection
from neurohw.program import Conv, Dense, Edge, OneToOne, Weights
from neurohw.targets import Target

from .algebra import constant, leaf, operations
from .neuron import Membrane
from .part import Part
from .wires import Wire

__all__ = ["refuse_bias", "refuse_equations", "refuse_graded", "refuse_signs", "refuse_size"]
__all__ += ["refuse_weights"]


def refuse_size(network: Network, target: Target) -> None:
    """Refuse a network that needs more than one chip holds."""
    most, neurons = (
        target.limits,
        [p for p in network.populations if not isinstance(p.model, Relay)],
    )
    for what, got, allowed in (
        ("neurons", sum(p.size for p in neurons), most.neurons),
        ("inputs", sum(d.size for d in network.drivers), most.inputs),
    ):
        if allowed and got > allowed:
            raise LoweringError(
                f"the network does not fit on one {target.name}: too many {what}",
                where=network.name,
                got=got,
                allowed=f"up to {allowed} ({most.source})",
                fix="split the network, or leave layers out",
            )
    if not most.fan_in:
        return
    for p in neurons:
        into = [_fan_in(c) for c in network.connections if c.target == p.name]
        heard = np.sum([np.broadcast_to(n, (p.size,)) for n in into], axis=0) if into else 0
        if np.max(heard) > most.fan_in:
            raise LoweringError(
                f"the network does not fit on one {target.name}: too many synapses of one neuron",
                where=f"{p.name}[{int(np.argmax(heard))}]",
                got=int(np.max(heard)),
                allowed=f"up to {most.fan_in} ({most.source})",
                fix="use fewer inputs, or split the population",
                origin=p.origin.place,
            )


def _fan_in(c: Connection) -> np.ndarray | int:
    """Synapses of each target neuron; of a convolution, those of a neuron away from the edge."""
    weight = c.weight
    if isinstance(weight, CSR):
        return np.diff(weight.indptr)
    if isinstance(weight, Conv2D):
        return int(np.prod(weight.data.shape[1:]))
    if c.connectivity == "one_to_one":
        return 1
    return np.count_nonzero(weight, axis=1) if np.ndim(weight) == 2 else c.shape[1]


def refuse_graded(part: Part, simple: bool) -> None:
    """Refuse currents that follow V of other neurons where neurons hear spikes alone.

    ``simple``: the neuron is linear in V, and has no conductances.
    """
    found = next((w for w in part.wires if w.graded), None)
    if found is None or (simple and part.target.offers.graded):
        return
    what = "graded synapses need neurons that are linear in V, without conductances"
    if not part.target.offers.graded:
        what = f"{part.target.name} has no graded synapses: neurons send spikes"
    raise LoweringError(
        what,
        where=found.where,
        got="a graded synapse",
        allowed="Delta or Exponential synapses",
        fix="use target float64 or float32" if simple else "",
        origin=found.origin,
    )


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


def refuse_bias(part: Part, m: Membrane) -> None:
    """Refuse a constant current of a sign that the target has not."""
    if part.target.bias.sign == "negative" and np.any(m.bias > 0):
        raise LoweringError(
            f"{part.target.name} has a leak that takes away, and no other constant current",
            where=f"{part.name}.I_bias",
            got=f"{float(np.max(m.bias)):g} V per step",
            allowed="at most 0",
            fix="use a driver that spikes regularly",
            origin=part.neuron.origin.place,
        )


def refuse_weights(part: Part, held: list[tuple[Wire, np.ndarray]]) -> None:
    """Refuse neurons with more different weights than the target has; ``held`` by connection."""
    most = part.target.weight.distinct
    if not (most and held):
        return
    spread = [np.broadcast_arrays(w.index, np.broadcast_to(x, w.data.shape)) for w, x in held]
    pairs = np.stack([np.concatenate([x[k].ravel() for x in spread]) for k in (0, 1)])
    pairs = np.unique(pairs[:, pairs[1] != 0], axis=1)
    number = np.bincount(pairs[0].astype(np.int64), minlength=1)
    if np.max(number) > most:
        i = int(np.argmax(number))
        raise LoweringError(
            f"{part.target.name} has {most} different weights per neuron",
            where=f"{part.name}[{i}]",
            got=f"{int(number[i])} once they are rounded",
            allowed=f"at most {most}",
            fix=f"use weights of at most {most} values for each neuron",
            origin=part.neuron.origin.place,
        )


def refuse_signs(edges: list[Edge], target: Target) -> None:
    """Refuse sources that excite some neurons and inhibit others, where the target has none."""
    if not target.weight.one_sign_per_source:
        return
    seen: dict[str, list[np.ndarray]] = {}
    for e in edges:
        if e.port.startswith("events"):
            continue
        signs = _signs(e.weights)
        old = seen.setdefault(e.source, [np.zeros_like(x) for x in signs])
        seen[e.source] = [a | b for a, b in zip(old, signs, strict=True)]
    for source, (up, down) in seen.items():
        if np.any(up & down):
            raise LoweringError(
                f"{target.name} has one sign for all weights of a source",
                where=f"{source}[{int(np.argmax(up & down))}]",
                got="weights of both signs",
                allowed="weights of one sign",
                fix="use two sources, one that excites and one that inhibits",
            )


def _signs(w: Weights) -> tuple[np.ndarray, np.ndarray]:
    """Which sources have weights above 0, and below."""
    if isinstance(w, OneToOne):
        return w.data > 0, w.data < 0
    if isinstance(w, Dense):
        return np.any(w.data > 0, axis=0), np.any(w.data < 0, axis=0)
    s = w.to_sparse() if isinstance(w, Conv) else w
    source = np.repeat(np.arange(s.shape[1]), np.diff(s.indptr))
    up, down = (np.bincount(source[x], minlength=s.shape[1]) > 0 for x in (s.data > 0, s.data < 0))
    return up, down
