"""Ports that are summed before the run: to the bit, split or not, whatever the delays."""

from __future__ import annotations

import numpy as np
import pytest

import neurohw_native
from neurohw.program import (
    BOOL,
    F32,
    F64,
    Builder,
    Dense,
    DType,
    Edge,
    Int,
    Probe,
    Program,
    concat,
    freeze,
    initial_state,
)
from neurohw.program.bfloat16 import rounded
from neurohw.reference import ReferenceRun
from neurohw_native import products


def net(weight: DType, port: DType, delays: tuple[int, ...], n: int = 150, m: int = 70) -> Program:
    """A spike source S, heard by T over dense weights; T also hears its own past."""
    rng = np.random.default_rng(n)
    source = Builder("S", n)
    source.spike(source.external("x", BOOL))
    b = Builder("T", m)
    got = b.name_value(b.port("in", port), "in")
    v = b.state("v", port)
    b.write("v", got)
    b.name_value(v, "v")
    full = [
        rng.integers(weight.lo, weight.hi, (m, n), endpoint=True)
        if isinstance(weight, Int)
        else rng.normal(0, 1, (m, n))
        for _ in delays
    ]
    edges = tuple(
        Edge("S", "T", "in", Dense(weight, freeze(w, weight)), d)
        for w, d in zip(full, delays, strict=True)
    )
    probes = (Probe("T", "in"), Probe("S", "spikes"))
    return Program(
        "p", trials=3, populations=(b.build(), source.build()), edges=edges, probes=probes
    )


CASES = [(Int(8), Int(32)), (Int(13), Int(40)), (Int(20), Int(32)), (F32, F32), (F64, F64)]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small matrices too."""
    monkeypatch.setattr(products, "LARGE", 0)


@pytest.mark.parametrize("weight,port", CASES, ids=lambda x: str(x))
@pytest.mark.parametrize("delays", [(0,), (3,), (1, 40, 0)], ids=str)
def test_sums_of_spikes(kit, weight: DType, port: DType, delays: tuple[int, ...]) -> None:
    p, rng = net(weight, port, delays), np.random.default_rng(5)
    assert neurohw_native.backend().compile(p).products
    for shape in ((60, 150), (60, 3, 150)):
        kit.equal(p, 60, inputs={"S.x": rng.random(shape) < 0.2})
    kit.equal(p, 9, t0=4, trials=[0, 2], inputs={"S.x": rng.random((9, 2, 150)) < 0.9})


def test_all_rows_at_once_fit_16_bits(kit) -> None:
    """600 rows of the largest int8, of either sign: more than one piece of 256."""
    for number in (127, -128):
        p = net(Int(8), Int(32), (0,), n=600, m=5)
        w = Dense(Int(8), freeze(np.full((5, 600), number), Int(8)))
        p = Program("p", populations=p.populations, edges=(Edge("S", "T", "in", w, 0),),
                    probes=(Probe("T", "in"),))  # fmt: skip
        x = np.ones((4, 600), bool)
        x[1:, 300:] = False
        kit.equal(p, 4, inputs={"S.x": x})


@pytest.mark.parametrize("delays", [(0,), (5,), (2, 7)], ids=str)
def test_split_runs_join(delays: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    from neurohw_native import run as module

    p, rng = net(F32, F32, delays), np.random.default_rng(6)
    x = rng.random((50, 3, 150)) < 0.2
    state = initial_state(p)
    a, want = ReferenceRun(p)(state, {"S.x": x}, 0, 50)
    for limit in (1 << 28, 1):  # the second: 8 steps to a span
        monkeypatch.setattr(module, "SUM_BYTES", limit)
        run = neurohw_native.backend().compile(p)
        now, parts = state, []
        for t0, t1 in ((0, 3), (3, 4), (4, 50)):
            now, got = run(now, {"S.x": x[t0:t1]}, t0, t1 - t0)
            parts.append(got)
        got = concat(concat(parts[0], parts[1]), parts[2])
        np.testing.assert_array_equal(got.traces["T.in"], want.traces["T.in"])
        for k in a.history:
            np.testing.assert_array_equal(now.history[k], a.history[k])


def test_a_port_that_hears_more_is_not_summed_ahead(kit) -> None:
    p = net(F32, F32, (1,))
    loop = Builder("L", 70)
    loop.spike(loop.compare("gt", loop.state("u", F32), loop.const(-1.0, F32)))
    w = np.random.default_rng(8).normal(0, 1, (70, 70))
    edges = (*p.edges, Edge("L", "T", "in", Dense(F32, freeze(w, F32)), 1))
    pops = (*p.populations, loop.build())
    p = Program("p", populations=pops, edges=edges, probes=(Probe("T", "in"),))
    assert not neurohw_native.backend().compile(p).products
    kit.equal(p, 20, inputs={"S.x": np.random.default_rng(1).random((20, 150)) < 0.2})


def test_values_are_one_matrix_product() -> None:
    """Against float64: |error| <= gamma_n sum |w x|, docs/program.md 8."""
    n, m, steps = 120, 30, 25
    rng = np.random.default_rng(3)
    a, b = Builder("A", n), Builder("B", m)
    a.name_value(a.external("x", F32), "x")
    b.name_value(b.port("in", F32), "in")
    w = [freeze(rng.normal(0, 1, (m, n)), F32) for _ in range(2)]
    edges = tuple(Edge("A", "B", "in", Dense(F32, w[d // 3]), d, "x") for d in (0, 3))
    p = Program("v", trials=2, populations=(a.build(), b.build()), edges=edges,
                probes=(Probe("B", "in"),))  # fmt: skip
    run = neurohw_native.backend().compile(p)
    assert run.products
    x = rng.normal(0, 1, (steps, 2, n)).astype(np.float32)
    got = run(initial_state(p), {"A.x": x}, 0, steps)[1].traces["B.in"]
    late = np.concatenate([np.zeros((3, 2, n)), x[:-3]]).astype(np.float64)
    exact = x.astype(np.float64) @ w[0].T + late @ w[1].T
    size = np.abs(x).astype(np.float64) @ np.abs(w[0]).T + np.abs(late) @ np.abs(w[1]).T
    unit = 2 * n * 2.0**-24
    assert (np.abs(got - exact) <= unit / (1 - unit) * size).all()


@pytest.mark.parametrize("delays", [(0,), (3, 0)], ids=str)
def test_numbers_that_are_rounded_to_bfloat16_are_summed_ahead_as_well(
    kit, delays: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small integer weights and few bits: sums are exact, so all is equal, the history too."""
    from neurohw_native import run as module

    n, steps = 40, 20
    a, b = Builder("A", n), Builder("B", 6)
    a.name_value(rounded(a, a.external("x", F32)), "y")
    b.name_value(b.port("in", F32), "in")
    w = np.random.default_rng(2).integers(-4, 5, (6, n)).astype(np.float32)
    edges = tuple(Edge("A", "B", "in", Dense(F32, freeze(w, F32)), d, "y") for d in delays)
    p = Program("v", trials=2, populations=(a.build(), b.build()), edges=edges,
                probes=(Probe("B", "in"),))  # fmt: skip
    assert neurohw_native.backend().compile(p).products
    x = np.random.default_rng(3).uniform(-1, 1, (steps, 2, n)).astype(np.float32)
    x[:4, :, :7] = [-0.0, 2.0**-134, -(2.0**-134), 2.0**-133 * 1.5, 1 + 2.0**-8, -1e-45, 0.0]
    x[4:6] *= np.float32(2.0**-130)  # subnormal results; alone in their step, and exact
    for limit in (1 << 28, 1):
        monkeypatch.setattr(module, "SUM_BYTES", limit)
        kit.equal(p, steps, inputs={"A.x": x})
        kit.equal(p, steps, inputs={"A.x": x[:, :1]})


def test_what_is_rounded_ahead_is_what_the_nodes_give() -> None:
    """Every upper half, with ties, infinities and NaN; no zero has a sign."""
    from neurohw_native.outside import _shortened

    upper = np.arange(2**16, dtype=np.uint32) << 16
    low = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
    x = (upper[:, None] | low).reshape(-1).view(np.float32)
    b = Builder("A", len(x))
    b.name_value(rounded(b, b.external("x", F32)), "y")
    p = Program("p", populations=(b.build(),), probes=(Probe("A", "y"),))
    state, given = initial_state(p), {"A.x": x[None]}
    want = ReferenceRun(p)(state, given, 0, 1)[1].traces["A.y"][0, 0]
    inside = neurohw_native.backend().compile(p)(state, given, 0, 1)[1].traces["A.y"][0, 0]
    for got in (inside, _shortened(x)):
        np.testing.assert_array_equal(got, want)
        assert not np.signbit(got[got == 0]).any()
