"""Connections of a network as wires: one delay and one time constant each, weights still physical.

A connection whose synapses have different delays becomes several wires.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurohw.network import CSR, Conductance, Conv2D, Delta, Event, Graded
from neurohw.network.choices import index_type
from neurohw.network.parts import Connection
from neurohw.program import Conv, Dense, DType, Float, OneToOne, Sparse, Weights, freeze
from neurohw.program.rows import repeated

from .timing import to_steps
from .transpose import by_source

__all__ = ["Wire", "single", "wires_of"]

Array = np.ndarray
Builder = Callable[[DType, Array], Weights]


@dataclass(frozen=True)
class Wire:
    """Weights between two populations with one delay.

    Attributes
    ----------
    where : str
        Name of the connection, with the delay if it has several.
    tau : float or None
        Time constant of the synaptic current or conductance in s; None for a jump of V, a current
        that follows V of the source at once, or an event.
    reversal : float or None
        Reversal potential in V of a conductance; None for anything else.
    variable : str
        Name under which a conductance is recorded.
    delay, asked : int, float
        In steps, and in seconds as asked.
    data : float64 array
        Weights in A (with tau), S (with reversal, or graded), V or 1: ``[targets, sources]``, the
        entries of a
        sparse matrix or of a convolution by source and target, or one per element. One weight for
        all is not written out (see ``single``).
    index : int array
        Target element of each entry of ``data``; broadcasts against it.
    build : callable
        ``build(dtype, data) -> Weights`` of the same pattern; ``data`` may be one number for all.
    origin : str
        ``file:line`` of the delay.
    sends : str
        What the source sends: spikes (empty), the ``count`` of a pool, an analog ``value``, or
        its V (``v``, or ``v_sent`` where that is not V in volts), which makes the synapse graded.
    trains : int
        How many trains of spikes each source stands for.
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
    build: Builder
    origin: str
    sends: str = ""
    trains: int = 1

    def carries(self, port: DType) -> str:
        """Value of the source that an edge to a port carries, empty for spikes."""
        number = isinstance(port, Float) and self.sends == "count"
        return f"{self.sends}_{port}" if number else self.sends

    def of_target(self, values: Array) -> Array:
        """The value of each weight's target; one number where all targets have the same."""
        one = single(values)
        return one[self.index] if one.ndim else one

    @property
    def graded(self) -> bool:
        """Whether a current follows V of the source."""
        return self.sends in ("v", "v_sent")

    @property
    def unit(self) -> str:
        """Unit of the weights of a synapse."""
        if self.graded or self.reversal is not None:
            return "S"
        return "V" if self.tau is None else "A"


def single(data: Array) -> Array:
    """The one number that an array repeats without holding it more than once, or the array."""
    return data[(0,) * data.ndim] if repeated(data) else data


def _filled(kind: Any, shape: tuple[int, ...]) -> Builder:
    def build(dtype: DType, data: Array) -> Weights:
        return kind(dtype, freeze(np.broadcast_to(data, shape), dtype))

    return build


def _sparse(indptr: Array, indices: Array, targets: int) -> Builder:
    indptr.flags.writeable = indices.flags.writeable = False

    def build(dtype: DType, data: Array) -> Weights:
        held = np.broadcast_to(freeze(data, dtype), indices.shape)
        return Sparse(dtype, indptr, indices, held, targets)

    return build


def _entries(c: Connection, delay: Any) -> tuple[CSR, Any]:
    """The synapses whose weight is not zero, by target, and their delays: one, or one each."""
    m = c.weight
    if isinstance(m, CSR) and m.data.size and np.all(single(m.data)):
        return m, delay
    targets, sources, weights, delays = c.edges()
    indptr = np.searchsorted(targets, np.arange(c.shape[0] + 1))
    return CSR(c.shape, indptr, sources, weights), delay if np.ndim(delay) == 0 else delays


def _conv(w: Conv2D, targets: Array, sources: Array, places: Array) -> Builder:
    """A builder from one number per synapse; they are a kernel still unless targets differ."""
    indptr = np.searchsorted(sources, np.arange(w.shape[1] + 1))
    sparse = _sparse(indptr, targets.astype(index_type(w.shape[0])), w.shape[0])

    def build(dtype: DType, data: Array) -> Weights:
        kernel = np.zeros(w.data.size, data.dtype)
        kernel[places] = data
        if not np.array_equal(kernel[places], data):
            return sparse(dtype, data)
        shaped = freeze(kernel.reshape(w.data.shape), dtype)
        return Conv(dtype, shaped, w.input_shape, w.stride, w.padding, w.dilation, w.groups)

    return build


def wires_of(c: Connection, dt: float, source: Any = None) -> list[Wire]:
    """The wires of one connection; delays are rounded to whole steps.

    ``source`` is the model of the source, if it is a driver.
    """
    tau = None if isinstance(c.synapse, Delta | Event) else c.synapse.tau
    sends = "v" if isinstance(c.synapse, Graded) else getattr(source, "sends", "")
    opened = c.synapse if isinstance(c.synapse, Conductance) else None
    reversal, variable = (opened.E_rev, opened.variable) if opened else (None, "")
    in_steps = c.delay_steps is not None
    delay = c.delay_steps if in_steps else c.delay
    assert delay is not None

    def wire(where: str, one: Any, data: Array, index: Array, build: Builder) -> Wire:
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
            sends,
            getattr(source, "trains", 1),
        )

    if isinstance(c.weight, Conv2D):
        targets, sources, places = c.weight.entries()
        data = c.weight.data.ravel()[places]
        return [wire(c.name, delay, data, targets, _conv(c.weight, targets, sources, places))]
    if np.ndim(delay) == 0 and c.connectivity != "sparse":
        weight, index = np.asarray(c.weight, np.float64), np.arange(c.shape[0])
        if c.connectivity == "one_to_one":
            data, kind = np.broadcast_to(weight, index.shape), OneToOne
        else:
            data, index, kind = np.broadcast_to(weight, c.shape), index[:, None], Dense
        return [wire(c.name, delay, data, index, _filled(kind, data.shape))]
    m, delays = _entries(c, delay)
    if not m.data.size:
        return []
    indptr, indices, order = by_source(m, ordered=not repeated(m.data) or np.ndim(delays) > 0)
    data = m.data if order is None or repeated(m.data) else m.data[order]
    if np.ndim(delays) == 0:
        return [wire(c.name, delays, data, indices, _sparse(indptr, indices, c.shape[0]))]
    delays = delays[order]
    steps = delays if in_steps else np.rint(delays / dt).astype(np.int64)
    several = np.unique(steps)
    out = []
    for d in several:
        here = np.flatnonzero(steps == d)
        where = c.name if len(several) == 1 else f"{c.name}[{d} steps]"
        worst = delays[here][np.argmax(np.abs(delays[here] - (d if in_steps else d * dt)))]
        build = _sparse(np.searchsorted(here, indptr), indices[here], c.shape[0])
        out.append(wire(where, worst, data[here], indices[here], build))
    return out
