"""Edges that carry values, on torch: integers to the bit, floats within the stated bound."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from neurohw.backend import simulate
from neurohw.program import (
    F32,
    F64,
    Builder,
    Dense,
    DType,
    Edge,
    Int,
    OneToOne,
    Probe,
    Program,
    Weights,
    freeze,
    initial_state,
)
from neurohw.program.bfloat16 import round_bfloat16, rounded
from neurohw.reference import ReferenceRun
from neurohw.testing.values import arranged

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def net(
    value: DType, port: DType, weights: list[tuple[Weights, int]], mode: str = "exact"
) -> Program:
    """A sends ``x`` from outside, and ``y`` of the step before, which is known one step late."""
    size = weights[0][0].shape[1]
    a, b = Builder("A", size), Builder("B", weights[0][0].shape[0])
    x = a.name_value(a.external("x", value), "x")
    y = a.state("y", value)
    a.write("y", x)
    a.name_value(y, "y")
    got = b.name_value(b.port("in", port, mode), "in")
    total = b.state("total", port)
    b.write("total", got)
    b.name_value(total, "total")
    edges = [Edge("A", "B", "in", w, d, v) for (w, d) in weights for v in ("x", "y")]
    return Program("net", populations=(b.build(), a.build()), edges=tuple(edges), trials=2,
                   probes=(Probe("B", "in"), Probe("B", "total"), Probe("A", "y")))  # fmt: skip


@pytest.mark.parametrize(
    "value,weight",
    [(Int(8), Int(8)), (Int(33, False), Int(9)), (Int(12), Int(42)), (Int(26), Int(28)),
     (Int(1, False), Int(57))],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("delay", [0, 3])
def test_integers_to_the_last_bit(check, value: Int, weight: Int, delay: int) -> None:
    """Products and sums past what one float64 product holds, up to 2**62, of both signs."""
    rng = np.random.default_rng(weight.bits)
    full = rng.integers(weight.lo, weight.hi, (11, 11), endpoint=True)
    full[0] = weight.lo  # the largest sum that there can be
    weights = [(arranged(rng, kind, weight, full), delay) for kind in ("dense", "sparse", "one")]
    x = rng.integers(value.lo, value.hi, (9, 2, 11), endpoint=True)
    x[4] = value.lo if value.signed else value.hi
    for port, mode in ((Int(64), "exact"), (Int(20), "wrap"), (Int(31, False), "saturate")):
        check(net(value, port, weights, mode), 9, {"A.x": x}, splits=(2, 3))


@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_floats_within_the_bound(run_torch, dtype) -> None:
    """Against sums in twice the precision: |error| <= gamma_n sum |w x|."""
    rng = np.random.default_rng(3)
    n, info = 300, np.finfo(dtype.storage)
    w = Dense(dtype, freeze(rng.normal(0, 1, (40, n)), dtype))
    s = arranged(rng, "sparse", dtype, rng.normal(0, 1, (40, n)))
    x = rng.normal(0, 1, (6, 2, n)).astype(dtype.storage)
    p = net(dtype, dtype, [(w, 0), (s, 2)])
    full = np.zeros((40, n))
    full[s.indices, np.repeat(np.arange(n), np.diff(s.indptr))] = s.data
    past = lambda k: np.concatenate([np.zeros((k, 2, n)), x[: 6 - k]])  # noqa: E731
    terms = [(w.data, past(0)), (w.data, past(1)), (full, past(2)), (full, past(3))]
    exact = sum(np.float128(v) @ np.float128(m).T for m, v in terms)
    size = sum(np.abs(v) @ np.abs(np.float64(m)).T for m, v in terms)
    unit = 4 * n * info.eps / 2
    bound = unit / (1 - unit) * size
    for mode in (True, False):
        _, got = run_torch(p, initial_state(p), {"A.x": x}, 0, 6, event_driven=mode)
        _, again = run_torch(p, initial_state(p), {"A.x": x}, 0, 6, event_driven=mode)
        error = np.abs(got.traces["B.in"].astype(np.longdouble) - exact)
        assert np.all(error <= bound)
        assert error.max() > 0
        np.testing.assert_array_equal(got.traces["B.in"], again.traces["B.in"])


def test_a_single_product_is_exact(check) -> None:
    w = OneToOne(F32, freeze(np.random.default_rng(0).normal(0, 1, 9), F32))
    x = np.random.default_rng(1).normal(0, 1, (5, 2, 9)).astype(np.float32)
    p = net(F32, F32, [(w, 0)])
    p = dataclasses.replace(p, edges=p.edges[:1])
    check(p, 5, {"A.x": x})


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_the_users_precision_for_training_does_not_matter(precision: str) -> None:
    from neurohw_torch.values import full_precision

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        with full_precision():
            assert torch.backends.cuda.matmul.fp32_precision == "ieee"
            assert torch.backends.mkldnn.matmul.fp32_precision == "ieee"
        assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision(before)


def test_values_known_ahead_are_weighted_for_many_steps_at_once(monkeypatch) -> None:
    """One product for all steps of a block where only inputs and draws are behind a value."""
    from neurohw_torch import backend, values

    calls = []
    plain = values._Matrix.add

    def counted(self, total, x, w):
        calls.append(tuple(x.shape))
        plain(self, total, x, w)

    monkeypatch.setattr(values._Matrix, "add", counted)
    w = Dense(F32, freeze(np.ones((3, 4)), F32))
    p = net(F32, F32, [(w, 0)])
    x = np.random.default_rng(2).integers(-9, 9, (16, 2, 4)).astype(np.float32)
    _, got = simulate(backend("cpu").compile(p), p, 16, inputs={"A.x": x})
    _, want = simulate(ReferenceRun(p), p, 16, inputs={"A.x": x})
    np.testing.assert_array_equal(got.traces["B.in"], want.traces["B.in"])
    assert calls[0] == (32, 4) and calls[1:] == [(2, 4)] * 16


@pytest.mark.parametrize("shape", [(), (4,), (3, 1), (3, 4)], ids=str)
def test_parameters_and_constants_are_carried_in_any_shape(check, shape) -> None:
    """A value that is the same for all elements, trials or steps is stored so, and spread here."""
    a, b = Builder("A", 4), Builder("B", 2)
    param = a.param("p", F64, np.arange(1.0, 1 + np.prod(shape, dtype=int)).reshape(shape))
    a.name_value(param, "p")
    a.name_value(a.const(3.0, F64), "c")
    x = b.port("in", F64)
    b.name_value(x, "x")
    w = Dense(F64, freeze(np.arange(8.0).reshape(2, 4), F64))
    edges = [Edge("A", "B", "in", w, d, v) for d in (0, 1) for v in ("p", "c")]
    p = Program("p", populations=(a.build(), b.build()), edges=tuple(edges), trials=3,
                probes=(Probe("B", "x"),))  # fmt: skip
    check(p, 5)


def short_net(scale: float = 1.0) -> tuple[Program, np.ndarray, np.ndarray]:
    """Values and weights that are rounded to bfloat16, over dense weights at delay 0 and 1."""
    rng, n = np.random.default_rng(9), 60
    a, b = Builder("A", n), Builder("B", 5)
    a.name_value(rounded(a, a.external("x", F32)), "y")
    b.name_value(b.port("in", F32), "in")
    w = round_bfloat16(rng.normal(0, 1, (5, n))) * scale
    edges = tuple(Edge("A", "B", "in", Dense(F32, freeze(w, F32)), d, "y") for d in (0, 1))
    p = Program("p", populations=(a.build(), b.build()), edges=edges, trials=2,
                probes=(Probe("B", "in"), Probe("A", "y")))  # fmt: skip
    return p, w, rng.normal(0, 1, (12, 2, n)).astype(np.float32)


@pytest.mark.parametrize("forced", [False, True])
def test_products_of_bfloat16_are_within_the_bound_of_float32(forced: bool, monkeypatch) -> None:
    """docs/program.md 8, where the CPU's own bfloat16 products are asked for, and where not."""
    from neurohw_torch import backend, values

    precisions = []
    plain = values._Matrix.add

    def noted(self, total, x, w):
        precisions.append(torch.backends.mkldnn.matmul.fp32_precision)
        plain(self, total, x, w)

    monkeypatch.setattr(values._Matrix, "add", noted)
    monkeypatch.setattr(values, "offers_bfloat16", lambda device: forced)
    p, w, x = short_net()
    x[:, 0, 0] = 0.0
    before = torch.backends.mkldnn.matmul.fp32_precision
    _, got = simulate(backend("cpu").compile(p), p, 12, inputs={"A.x": x})
    assert torch.backends.mkldnn.matmul.fp32_precision == before
    assert set(precisions) == {"bf16" if forced else "ieee"}
    y = torch.from_numpy(x).to(torch.bfloat16).double().numpy()
    np.testing.assert_array_equal(got.traces["A.y"], y)
    late = np.concatenate([np.zeros_like(y[:1]), y[:-1]])
    exact, size = (f(y) @ f(w).T + f(late) @ f(w).T for f in (np.asarray, np.abs))
    unit = 2 * w.shape[1] * 2.0**-24
    assert (np.abs(got.traces["B.in"] - exact) <= unit / (1 - unit) * size).all()
    # small numbers, which such products take for zero, and factors of more bits: never
    precisions.clear()
    x[3, 1, 7] = 2.0**-60
    other = dataclasses.replace(p, edges=p.edges[:1])  # what came before were zeros
    simulate(backend("cpu").compile(other), other, 1, inputs={"A.x": x[3:4]})
    other = dataclasses.replace(p, edges=short_net(2.0**-60)[0].edges)
    simulate(backend("cpu").compile(other), other, 1, inputs={"A.x": x[:1]})
    full = Dense(F32, freeze(w * 1.1, F32))
    other = dataclasses.replace(p, edges=(dataclasses.replace(p.edges[0], weights=full),))
    simulate(backend("cpu").compile(other), other, 1, inputs={"A.x": x[:1]})
    assert set(precisions) == {"ieee"}


def test_a_device_offers_products_of_bfloat16_by_its_instructions(monkeypatch) -> None:
    from neurohw_torch.values import offers_bfloat16

    found: dict[str, bool] = {}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    assert not offers_bfloat16(torch.device("cpu"))
    for name in ("avx512_bf16", "amx_bf16"):
        found.clear()
        found[name] = True
        assert offers_bfloat16(torch.device("cpu")) and not offers_bfloat16(torch.device("cuda"))


def test_the_rounding_is_one_instruction_and_gives_what_its_nodes_give(check) -> None:
    upper = np.arange(0, 2**16, 7, dtype=np.uint32) << 16
    low = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
    x = (upper[:, None] | low).reshape(-1).view(np.float32)
    b = Builder("A", len(x))
    b.name_value(rounded(b, b.external("x", F32)), "y")
    p = Program("p", populations=(b.build(),), probes=(Probe("A", "y"),))
    check(p, 2, {"A.x": np.stack([x, x[::-1]])})
    from neurohw_torch import backend

    assert sum(map(len, backend("cpu").compile(p).plans[0].code)) == 1
