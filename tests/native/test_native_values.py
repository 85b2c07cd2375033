"""Edges that carry values, and convolutions: to the bit, alone and in teams."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from neurohw.program import (
    BOOL,
    F32,
    Builder,
    Conv,
    DType,
    Edge,
    Int,
    Probe,
    Program,
    freeze,
)
from neurohw.testing.values import arranged
from neurohw_native import schedule

N = 40


def net(value: DType, weight: DType, port: DType, mode: str, seed: int) -> Program:
    """A sends ``x`` from outside and ``y``, of the step before, to B; B sends its sum to C."""
    rng = np.random.default_rng(seed)

    def full(rows: int) -> np.ndarray:
        if isinstance(weight, Int):
            return rng.integers(weight.lo, weight.hi, (rows, N), endpoint=True)
        return rng.normal(0, 1, (rows, N))

    a, b, c = Builder("A", N), Builder("B", N), Builder("C", N)
    x = a.name_value(a.external("x", value), "x")
    y = a.state("y", value)
    a.write("y", x)
    a.name_value(y, "y")
    got = b.name_value(b.port("in", port, mode), "in")
    b.state("total", port)
    b.write("total", got)
    edges = [
        Edge("A", "B", "in", arranged(rng, kind, weight, full(N)), d, v)
        for kind in ("dense", "sparse", "one")
        for d, v in ((0, "x"), (2, "x"), (1, "y"))
    ]
    probes = [Probe("B", "in"), Probe("A", "y")]
    populations = [b, a]
    if port == F32:  # the integers would grow out of their range
        c.name_value(c.port("in", port), "heard")
        edges.append(Edge("B", "C", "in", arranged(rng, "sparse", weight, full(N)), 3, "in"))
        probes.append(Probe("C", "heard"))
        populations.append(c)
    pops = tuple(x.build() for x in populations)
    return Program("net", populations=pops, edges=tuple(edges), trials=3, probes=tuple(probes))


CASES = [
    (Int(8), Int(8), Int(64), "exact"),
    (Int(8), Int(4), Int(32), "exact"),
    (Int(33, False), Int(9), Int(20), "wrap"),
    (Int(12), Int(30), Int(31, False), "saturate"),
    (F32, F32, F32, "exact"),
]


def inputs(value: DType, steps: int, trials: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(9)
    shape = (steps, trials, N)
    if isinstance(value, Int):
        x = rng.integers(value.lo, value.hi, shape, endpoint=True)
    else:
        x = rng.normal(0, 1, shape).astype(np.float32)
    return {"A.x": np.where(rng.random(shape) < 0.3, 0, x)}


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}-{c[1]}-{c[2]}-{c[3]}")
def test_weighted_values(kit, case) -> None:
    """Also floats to the bit: native adds sources in order, as the reference does."""
    p = net(*case, seed=1)
    kit.equal(p, 12, inputs=inputs(case[0], 12, 3))
    kit.equal(p, 5, t0=3, trials=[1, 2], inputs=inputs(case[0], 5, 2))


@pytest.mark.parametrize("case", [CASES[0], CASES[4]], ids=lambda c: str(c[0]))
def test_weighted_values_in_a_team(kit, case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "TRIAL", 8)
    monkeypatch.setattr(schedule, "MEETING", -1.0)
    monkeypatch.setattr(schedule, "LONG", 0.0)
    monkeypatch.setattr(numba, "get_num_threads", lambda: 2)
    p = net(*case, seed=2)
    kit.equal(p, 40, trials=[1], inputs=inputs(case[0], 40, 1))


def test_convolution_of_spikes(kit) -> None:
    rng = np.random.default_rng(2)
    kernel = freeze(rng.normal(0, 1, (4, 1, 3, 3)).astype(np.float32), F32)
    w = Conv(F32, kernel, (2, 6, 5), stride=(2, 1), padding=(1, 0), dilation=(1, 1), groups=2)
    a, b = Builder("A", 60), Builder("B", w.shape[0])
    a.spike(a.external("x", BOOL))
    b.name_value(b.port("in", F32), "in")
    edges = (Edge("A", "B", "in", w, 1),)
    p = Program("conv", populations=(a.build(), b.build()), edges=edges, probes=(Probe("B", "in"),))
    kit.equal(p, 20, inputs={"A.x": rng.random((20, 60)) < 0.3})
