"""Connections of a network as wires: one delay and one time constant each, weights still physical.

A connection whose synapses have different delays becomes several wires.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurohw.network import Conductance, Exponential
from neurohw.network.parts import Connection
from neurohw.program import Dense, DType, OneToOne, Sparse, Weights, freeze

from .timing import to_steps

__all__ = ["Wire", "wires_of"]

Array = np.ndarray


@dataclass(frozen=True)
class Wire:
    """Weights between two populations with one delay.

    Attributes
    ----------
    where : str
        Name of the connection, with the delay if it has several.
    tau : float or None
        Time constant of the synaptic current or conductance in s; None for a jump of V or an event.
    reversal : float or None
        Reversal potential in V of a conductance; None for anything else.
    variable : str
        Name under which a conductance is recorded.
    delay, asked : int, float
        In steps, and in seconds as asked.
    data : float64 array
        Weights in A (with tau), S (with reversal), V or 1: ``[targets, sources]``, the entries of a
        sparse matrix, or one per element.
    index : int array
        Target element of each entry of ``data``; broadcasts against it.
    build : callable
        ``build(dtype, data) -> Weights`` of the same pattern.
    origin : str
        ``file:line`` of the delay.
    """

    where: str
    source: str
    target: str
    tau: float | None
    reversal: float | None
    variable: str
    delay: int
    asked: float
    data: Array
    index: Array
    build: Callable[[DType, Array], Weights]
    origin: str

    @property
    def unit(self) -> str:
        """Unit of the weights of a synapse."""
        return "V" if self.tau is None else "A" if self.reversal is None else "S"


def _dense(dtype: DType, data: Array) -> Weights:
    return Dense(dtype, freeze(data, dtype))


def _one(dtype: DType, data: Array) -> Weights:
    return OneToOne(dtype, freeze(data, dtype))


def _sparse(
    targets: Array, sources: Array, shape: tuple[int, int]
) -> tuple[Array, Callable[[DType, Array], Weights]]:
    """Order of the entries by (source, target), and a builder of that pattern."""
    order = np.lexsort((targets, sources))
    indptr = np.zeros(shape[1] + 1, np.int64)
    np.cumsum(np.bincount(sources, minlength=shape[1]), out=indptr[1:])
    indices = targets[order].astype(np.int64)

    def build(dtype: DType, data: Array) -> Weights:
        return Sparse(dtype, indptr, indices, freeze(data, dtype), shape[0])

    return order, build


def wires_of(c: Connection, dt: float) -> list[Wire]:
    """The wires of one connection; delays are rounded to whole steps."""
    tau = c.synapse.tau if isinstance(c.synapse, Exponential | Conductance) else None
    opened = c.synapse if isinstance(c.synapse, Conductance) else None
    reversal, variable = (opened.E_rev, opened.variable) if opened else (None, "")
    in_steps = c.delay_steps is not None
    delay = c.delay_steps if in_steps else c.delay
    assert delay is not None

    def wire(
        where: str, one: Any, data: Array, index: Array, build: Callable[[DType, Array], Weights]
    ) -> Wire:
        steps = int(one) if in_steps else to_steps(float(one), dt)
        asked = float(one) * dt if in_steps else float(one)
        return Wire(
            where,
            c.source,
            c.target,
            tau,
            reversal,
            variable,
            steps,
            asked,
            data,
            index,
            build,
            c.at("delay"),
        )

    if np.ndim(delay) == 0 and c.connectivity != "sparse":
        weight = np.asarray(c.weight, np.float64)
        if c.connectivity == "one_to_one":
            index = np.arange(c.shape[0])
            data = np.broadcast_to(weight, index.shape)
            return [wire(c.name, delay, data, index, _one)]
        index = np.arange(c.shape[0])[:, None]
        return [
            wire(
                c.name,
                delay,
                np.broadcast_to(weight, c.shape),
                index,
                _dense,
            )
        ]
    targets, sources, weights, delays = c.edges()
    steps = delays if in_steps else np.rint(delays / dt).astype(np.int64)
    out = []
    several = np.unique(steps)
    for d in several:
        here = np.flatnonzero(steps == d)
        order, build = _sparse(targets[here], sources[here], c.shape)
        here = here[order]
        where = c.name if len(several) == 1 else f"{c.name}[{d} steps]"
        worst = delays[here][np.argmax(np.abs(delays[here] - (d if in_steps else d * dt)))]
        out.append(wire(where, worst, weights[here], targets[here], build))
    return out
