"""Leaky spiking networks in floats, whose trajectories do not amplify errors (for T2)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from hypothesis import strategies as st

from neurohw.program import (
    F32,
    F64,
    Dense,
    Edge,
    Float,
    Probe,
    Program,
    Weights,
    freeze,
    verify,
)
from neurohw.testing.cases import Case
from neurohw.testing.sketch import Sketch

__all__ = ["float_programs"]

Draw = Any


@st.composite
def float_programs(draw: Draw, *, max_steps: int = 80) -> Case:
    """Leaky networks in floats, spiking for most draws; errors decay, so T2 applies.

    ``v' = select(spike, v_reset, v * decay + drive + port)`` and a trace ``exp(-x) `` that moves
    the threshold: exact operations, sums of weights in any order, and a transcendental.
    """
    dtype = draw(st.sampled_from([F32, F64]))
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    trials, names = draw(st.integers(1, 3)), [f"N{i}" for i in range(len(sizes))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    populations, edges = [], []
    for name, size in zip(names, sizes, strict=True):
        s = Sketch(name, size, {"syn": None})
        v = s.state("v", dtype, rng.uniform(0, 1, (trials, size)))
        h = s.state("h", dtype, 0.0)
        current = s.port("syn", dtype)
        decay = s.const(float(rng.uniform(0.7, 0.98)), dtype)
        drive = s.param("drive", dtype, rng.uniform(0.02, 0.4, (trials, size)))
        noise = s.mul(s.cast(s.normal("noise"), dtype), s.const(2.0**-13 * 0.1, dtype), dtype)
        total = s.add(s.add(s.add(s.mul(v, decay, dtype), drive, dtype), current, dtype), noise,
                      dtype)  # fmt: skip
        lift = s.sub(s.const(2.0, dtype), s.op("exp", dtype, s.op("neg", dtype, h)), dtype)
        fired = s.compare("ge", total, lift)
        s.write("v", s.select(fired, s.const(0.0, dtype), total), name="v")
        jump = s.select(fired, s.const(0.2, dtype), s.const(0.0, dtype))
        s.write("h", s.add(s.mul(h, decay, dtype), jump, dtype))
        s.spike(fired)
        populations.append(s.build())
    for j, target in enumerate(names):
        for i in draw(st.lists(st.integers(0, len(names) - 1), max_size=2)):
            delay = draw(st.integers(0 if i < j else 1, 12))
            edges.append(Edge(names[i], target, "syn", _small(draw, dtype, sizes[i], sizes[j]),
                              delay))  # fmt: skip
    probes = tuple(Probe(n, what) for n in names for what in ("spikes", "v"))
    p = Program("leaky", "float", seed=draw(st.integers(0, 2**64 - 1)), trials=trials,
                populations=tuple(populations), edges=tuple(edges), probes=probes)  # fmt: skip
    verify(p)
    if draw(st.booleans()):
        p = dataclasses.replace(p, edges=tuple(map(_graded, p.edges)))
        verify(p)
    return Case("float_programs", p, draw(st.integers(2, max_steps)))


def _graded(e: Edge) -> Edge:
    """Carry the potential, weakly enough that it decays."""
    w = e.weights
    data = freeze(w.data * np.asarray(1 / 64, w.data.dtype), w.dtype)
    return dataclasses.replace(e, weights=dataclasses.replace(w, data=data), value="v")


def _small(draw: Draw, dtype: Float, source: int, target: int) -> Weights:
    """Weights small enough that the network does not ring."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    data = rng.normal(0, 0.3 / source, (target, source)).astype(dtype.storage)
    return Dense(dtype, freeze(data, dtype))
