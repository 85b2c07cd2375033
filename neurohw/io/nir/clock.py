"""Time in a NIR graph: the step that its numbers were made for, and what a circle waits for.

NIR describes continuous time and holds no step. Exporters of discrete simulators write numbers
that make one step of theirs come out, and so the step can be found again: a neuron that a spike
moves by its weight has ``r = tau / dt`` (snnTorch, SpikingJelly), and ``w_in = tau_syn / dt``
where there is a synaptic current.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from neurohw.io.nir.graph import Graph
from neurohw.network.order import sources_first

__all__ = ["METADATA", "backward", "recovered_dt"]

METADATA = "neurohw"
"""Key of the metadata that neurohw writes, on graphs and on nodes; never required."""
_NEAR = 1e-4  # float32 quotients, and step lengths written as 1e-4
_SHARE = 0.5  # of a time constant, at most: r = 1 would make every tau a step


def recovered_dt(graph: Graph) -> tuple[float, str] | None:
    """(step in s, where it comes from), or None where nothing tells.

    From the metadata that neurohw writes, else from the one quotient that every neuron shares, if
    it is at most half of every time constant and has two significant digits, as steps that people
    choose have. Without these two conditions any file with ``r = 1`` would have a step.
    """
    noted = graph.metadata.get(METADATA)
    if isinstance(noted, Mapping) and isinstance(noted.get("dt"), float) and noted["dt"] > 0:
        return float(noted["dt"]), "metadata of the file"
    found: list[np.ndarray] = []
    shortest = np.inf
    said = []
    for _, node in graph.walk():
        pairs = {"LI": ("tau", "r"), "LIF": ("tau", "r"), "CubaLI": ("tau_mem", "r"),
                 "CubaLIF": ("tau_mem", "r"), "IF": ("", "r"), "I": ("", "r")}  # fmt: skip
        if node.kind not in pairs:
            continue
        above, below = pairs[node.kind]
        # an integrator that a spike moves by its weight has r = 1 / dt
        top = node[above] if above else np.ones_like(node[below])
        shortest = min(shortest, float(top.min())) if above else shortest
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append((top / node[below]).ravel())
            said.append(f"{above or '1'} / r")
            if node.kind in ("CubaLI", "CubaLIF") and not np.all(node["w_in"] == 1):
                found.append((node["tau_syn"] / node["w_in"]).ravel())
                said.append("tau_syn / w_in")
    if not found:
        return None
    values = np.concatenate(found)
    dt = float(np.median(values))
    if not (np.isfinite(dt) and 0 < dt <= _SHARE * min(shortest, 1.0)):
        return None
    digits = float(f"{dt:.2g}")  # what was written before float32 took its share
    if not np.all(np.abs(values - digits) <= _NEAR * digits):
        return None
    return digits, f"{' and '.join(dict.fromkeys(said))} of every neuron"


def backward(names: Collection[str], arcs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """The arcs of circles that wait one step: those that lead back in the order of the graph."""
    arcs = set(arcs)
    order = sources_first(names, arcs)
    return {(a, b) for a, b in arcs if order[a] >= order[b]}
