"""Who is connected to whom: degrees, density and weights of a network or a lowered program."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurohw.errors import NeurohwError
from neurohw.program import Conv, Dense, Edge, OneToOne, Program

__all__ = ["Connectivity", "connectivity"]


@dataclass(frozen=True, eq=False)
class Connectivity:
    """Synapses from one population to another.

    A synapse is an entry that is not zero: a weight that a chip rounds to zero is none.

    Attributes
    ----------
    in_degree : int64 [targets]
        Synapses that end at each target.
    out_degree : int64 [sources]
        Synapses that leave each source.
    density : float
        Pairs (source, target) with a synapse over all pairs, a neuron with itself included.
    target, source : int64 [synapses]
        The ends of each, ascending in (target, source).
    weight : float64 [synapses]
        SI units in a network (V, A, S, or 1 for an event), raw numbers in a program.
    """

    in_degree: np.ndarray
    out_degree: np.ndarray
    density: float
    target: np.ndarray
    source: np.ndarray
    weight: np.ndarray


def connectivity(circuit: Any, source: str = "", target: str = "") -> Connectivity:
    """Statistics of all synapses from one population to another, whatever their delays.

    Parameters
    ----------
    circuit : Network, Program, connection, edge, or iterable of connections or edges
        Where the synapses are.
    source, target : str
        Names of the two populations; they may be left out where all synapses join the same two.

    Raises
    ------
    NeurohwError
        If nothing connects the two, or more than two populations are joined.
    """
    parts = [
        c
        for c in _parts(circuit)
        if source in ("", str(c.source)) and target in ("", str(c.target))
    ]
    ends = {(c.source, c.target) for c in parts}
    if len(ends) != 1:
        known = sorted({f"{c.source} -> {c.target}" for c in _parts(circuit)})
        raise NeurohwError(
            "not the connections of one pair of populations",
            where="connectivity",
            got=f"{source} -> {target}",
            allowed=", ".join(known) or "nothing is connected",
        )
    shapes = {tuple(c.weights.shape if isinstance(c, Edge) else c.shape) for c in parts}
    ((targets, sources),) = shapes
    found = [_synapses(c) for c in parts]
    post, pre, weight = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((pre, post))
    post, pre, weight = post[order], pre[order], weight[order]
    pairs = len(np.unique(post * sources + pre))
    return Connectivity(
        np.bincount(post, minlength=targets),
        np.bincount(pre, minlength=sources),
        pairs / (targets * sources),
        post,
        pre,
        weight,
    )


def _parts(circuit: Any) -> list[Any]:
    """Connections of a network (which this room may not import) or edges of a program."""
    if isinstance(circuit, Program):
        return list(circuit.edges)
    if hasattr(circuit, "connections"):
        return list(circuit.connections)
    return list(circuit) if isinstance(circuit, Iterable) else [circuit]


def _synapses(c: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets, sources and weights of the entries that are not zero."""
    if not isinstance(c, Edge):
        post, pre, weight = c.edges()[:3]
    elif isinstance(c.weights, Dense):
        post, pre = np.nonzero(c.weights.data)
        weight = c.weights.data[post, pre]
    elif isinstance(c.weights, OneToOne):
        post = pre = np.arange(len(c.weights.data))
        weight = c.weights.data
    else:
        w = c.weights.to_sparse() if isinstance(c.weights, Conv) else c.weights
        pre = np.repeat(np.arange(len(w.indptr) - 1), np.diff(w.indptr))
        post, weight = w.indices, w.data
    some = np.asarray(weight) != 0
    post, pre = (np.asarray(x, np.int64)[some] for x in (post, pre))
    return post, pre, np.asarray(weight, np.float64)[some]
