"""Recognise snnTorch's neurons in a program: the steps that lowering to ``snntorch`` emits.

``RLeaky`` is there for one thing: it resets to zero after its input was added, ``Leaky`` before
(target ``snntorch-recurrent``). What it hears of itself is an edge, like all else it hears.

A population's step is a graph of nodes; ``Leaky`` and ``Synaptic`` are each a handful of trees over
its states, its port and numbers. A population is one of them if its spike and all its state writes
are those trees, node for node; then snnTorch's module computes the same operations on the same
float32 values in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from neurohw.program import BOOL, F32, F64, Bool, Float, Int, Population

__all__ = ["Cell", "is_driver", "match", "why_not"]

Tree = str | tuple
"""A number called so, or (operation, argument trees...); leaves are ("state" | "input", name)."""

_V: Tree = ("state", "v")
_FIRED: Tree = ("gt", _V, "threshold")
_U: Tree = ("add", ("mul", ("state", "u"), "alpha"), ("input", "current"))


@dataclass(frozen=True)
class Cell:
    """A population that is a snnTorch module.

    Attributes
    ----------
    kind : {"Leaky", "RLeaky", "Synaptic"}
    reset : {"subtract", "zero", "none"}
        As snnTorch calls them.
    numbers : dict
        beta, threshold, alpha (Synaptic) and bias (the others, where there is one): float32 arrays
        of shape (), (size,), (trials, 1) or (trials, size).
    states : tuple of str
        States in the order in which the module takes and returns them.
    """

    kind: str
    reset: str
    numbers: dict[str, np.ndarray]
    states: tuple[str, ...]


def _leaky() -> Iterator[tuple[str, str, dict[str, Tree]]]:
    jump: Tree = ("input", "jump")
    for port, given in (("jump", jump), ("jump", ("add", jump, "bias")), ("", "bias"), ("", None)):
        for reset in ("subtract", "zero", "none"):
            old = ("select", _FIRED, "to", _V) if reset == "zero" else _V
            v: Tree = ("mul", old, "beta")
            v = v if given is None else ("add", v, given)
            if reset == "subtract":
                v = ("sub", v, ("select", _FIRED, "step", "none"))
            yield reset, port, {"v": v}


def _rleaky() -> Iterator[tuple[str, str, dict[str, Tree]]]:
    for reset, port, writes in _leaky():
        if reset == "none":
            yield "zero", port, {"v": ("select", _FIRED, "to", writes["v"])}


def _synaptic() -> Iterator[tuple[str, str, dict[str, Tree]]]:
    v: Tree = ("add", ("mul", _V, "beta"), _U)
    yield "subtract", "current", {"u": _U, "v": ("sub", v, ("select", _FIRED, "step", "none"))}
    yield "zero", "current", {"u": _U, "v": ("select", _FIRED, "to", v)}
    yield "none", "current", {"u": _U, "v": v}


def match(q: Population) -> Cell | None:
    """The module that ``q`` is, or None."""
    if q.spike is None or q.externals:
        return None
    states, ports = {s.name for s in q.states}, {p.name for p in q.ports}
    for kind, trees in (
        ("Leaky", _leaky()),
        ("RLeaky", _rleaky()),
        ("Synaptic", _synaptic()),
    ):
        for reset, port, writes in trees:
            if states != set(writes) or set(q.writes) != states or ports != {port} - {""}:
                continue
            numbers: dict[str, np.ndarray] = {}
            wanted = [(q.writes[s], tree) for s, tree in writes.items()]
            wanted.append((q.spike, ("gt", writes["v"], "threshold")))
            if all(_is(q, i, tree, numbers) for i, tree in wanted) and _consistent(numbers):
                return Cell(kind, reset, numbers, tuple(writes))
    return None


def _is(q: Population, index: int, tree: Tree, numbers: dict[str, np.ndarray]) -> bool:
    """Whether node ``index`` is ``tree``; fills in the numbers."""
    node = q.nodes[index]
    if isinstance(tree, str):
        if node.op == "const":
            data = np.asarray(node.attrs["value"], np.float32)
        elif node.op == "param":
            data = next(p.data for p in q.params if p.name == node.attrs["name"])
        else:
            return False
        return node.dtype == F32 and np.array_equal(numbers.setdefault(tree, data), data)
    op, *args = tree
    if node.op != op or node.dtype != (BOOL if op == "gt" else F32):
        return False
    if op in ("state", "input"):
        return node.attrs["name"] == args[0]
    pairs = zip(node.args, args, strict=True)
    return all(_is(q, i, arg, numbers) for i, arg in pairs)


def _consistent(numbers: dict[str, np.ndarray]) -> bool:
    """A reset is by the threshold, or to zero; a decay lies where snnTorch does not clip it."""
    step, threshold = numbers.pop("step", None), numbers["threshold"]
    zeros = [numbers.pop(k, np.zeros(())) for k in ("to", "none")]
    decays = [numbers[k] for k in ("alpha", "beta") if k in numbers]
    return (
        (step is None or bool(np.all(step == threshold)))
        and not any(np.any(z) for z in zeros)
        and all(bool(np.all((d >= 0) & (d <= 1))) for d in decays)
    )


def is_driver(q: Population) -> bool:
    """Whether ``q`` only emits spikes: nothing arrives, and it counts and compares at most.

    A fixed-point neuron without inputs also has no ports and no floats; it multiplies.
    """
    values = (*q.nodes, *q.params, *q.states, *q.externals)
    if q.ports or any(isinstance(x.dtype, Float) for x in values):
        return False
    return not {n.op for n in q.nodes} & {"mul", "shl", "shr", "normal"}


def why_not(q: Population) -> str:
    """Why ``q`` is neither a module nor a driver, in a few words."""
    kinds = {n.dtype for n in q.nodes} | {p.dtype for p in q.ports}
    if {n.op for n in q.nodes} & {"word", "normal"}:
        return "snnTorch has no noise"
    if any(s.name == "refractory" for s in q.states):
        return "snnTorch has no refractory period"
    if F64 in kinds:
        return "64-bit floats; snnTorch computes in 32"
    if any(isinstance(k, Int) for k in kinds):
        return "integers; snnTorch computes in float32"
    if all(isinstance(k, Bool) for k in kinds):
        return "no neurons"
    return "its step is not that of Leaky or Synaptic; lower onto target snntorch"
