"""How a population decides to spike, read off its step: which value meets which threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurohw.program import Population, Program, per_trial

__all__ = ["SpikeRule", "cone", "deciding_compares", "spike_rule"]

_COMPARES = ("lt", "le", "gt", "ge", "eq", "ne")
_SWAPPED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
_POTENTIALS = ("v_pre", "v")


@dataclass(frozen=True)
class SpikeRule:
    """``value op threshold`` decides.

    Attributes
    ----------
    op : str
        ``gt``, ``ge``, ``lt`` or ``le``, with the value on the left.
    value : str
        Name of the value compared, empty if it has none.
    after : str
        Name of a value that equals it in every step without a spike, or empty.
    node, threshold : int
        Indices of the two nodes.
    """

    op: str
    value: str
    after: str
    node: int
    threshold: int

    def level(self, program: Program, population: str, trial: int, neuron: int) -> float | None:
        """The threshold of a neuron, raw; None if it is computed."""
        q = program.population(population)
        node = q.nodes[self.threshold]
        if node.op == "const":
            return node.attrs["value"]
        if node.op == "param":
            data = next(p.data for p in q.params if p.name == node.attrs["name"])
            return per_trial(data, np.array([trial]), q.size)[0, neuron].item()
        return None


def deciding_compares(q: Population, index: int) -> list[int]:
    """Comparisons from which the bool node ``index`` follows by logic and selects."""
    node = q.nodes[index]
    if node.op in _COMPARES:
        return [index]
    return sorted({c for a in node.args for c in deciding_compares(q, a)})


def cone(q: Population, index: int) -> set[int]:
    """The node ``index`` and all it is computed from in this step."""
    todo, seen = [index], set()
    while todo:
        i = todo.pop()
        if i not in seen:
            seen.add(i)
            todo += q.nodes[i].args
    return seen


def spike_rule(q: Population) -> SpikeRule | None:
    """The comparison of a potential, by name ``v_pre`` or ``v``, that decides on a spike."""
    if q.spike is None:
        return None
    for i in deciding_compares(q, q.spike):
        op, (x, y) = q.nodes[i].op, q.nodes[i].args
        if q.nodes[x].name not in _POTENTIALS and q.nodes[y].name in _POTENTIALS:
            op, x, y = _SWAPPED.get(op, op), y, x
        if q.nodes[x].name in _POTENTIALS and op in _SWAPPED:
            return SpikeRule(op, q.nodes[x].name, _unreset(q, x), x, y)
    return None


def _unreset(q: Population, value: int) -> str:
    """Name of the value that is ``select(spike, reset, value)``, or empty."""
    for node in q.nodes:
        if node.op == "select" and node.name and node.args[0] == q.spike and node.args[2] == value:
            return node.name
    return ""
