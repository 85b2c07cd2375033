"""Convolutions on torch: against the reference, and the definition against torch's own."""

from __future__ import annotations

import numpy as np
import pytest

from neurohw.program import (
    F32,
    F64,
    Builder,
    Conv,
    DType,
    Edge,
    Int,
    Probe,
    Program,
    freeze,
    initial_state,
)

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
INPUT = (4, 6, 7)
HOW = [
    {},
    {"stride": (2, 3), "padding": (1, 2), "groups": 2},
    {"dilation": (2, 1), "padding": (2, 0), "groups": 4},
]


def net(dtype: DType, w: Conv) -> Program:
    a, b = Builder("A", w.shape[1]), Builder("B", w.shape[0])
    x = a.name_value(a.external("x", dtype), "x")
    a.spike(a.compare("gt", x, a.const(0, dtype)))
    port = dtype if not isinstance(dtype, Int) else Int(62)
    b.name_value(b.port("spikes_in", port), "spikes_in")
    b.name_value(b.port("values_in", port), "values_in")
    edges = (Edge("A", "B", "spikes_in", w, 1), Edge("A", "B", "values_in", w, 0, "x"))
    return Program("net", populations=(a.build(), b.build()), edges=edges, trials=3,
                   probes=(Probe("B", "spikes_in"), Probe("B", "values_in")))  # fmt: skip


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("bits", [(8, 8), (20, 34)])
def test_integers(check, how, bits: tuple[int, int]) -> None:
    """Also where one product of float64 does not hold the sums; and pooling is one of them."""
    rng, value, weight = np.random.default_rng(1), Int(bits[0]), Int(bits[1])
    shape = (8, 4 // how.get("groups", 1), 3, 2)
    data = rng.integers(weight.lo, weight.hi, shape, endpoint=True)
    w = Conv(weight, freeze(data, weight), INPUT, **how)
    x = rng.integers(value.lo, value.hi, (5, 3, w.shape[1]), endpoint=True)
    _, got = check(net(value, w), 5, {"A.x": x}, splits=(2,))
    if bits == (8, 8):
        names = {"stride", "padding", "dilation", "groups"} & how.keys()
        image = torch.from_numpy(x.astype(np.float64).reshape(-1, *INPUT))
        own = torch.nn.functional.conv2d(
            image, torch.from_numpy(data.astype(np.float64)), **{k: how[k] for k in names}
        )
        assert w.output_shape == tuple(own.shape[1:])
        assert np.array_equal(own.numpy().reshape(5, 3, -1), got.traces["B.values_in"])


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_floats(run_torch, how, dtype) -> None:
    """Spikes add up in the reference's order; values within the bound, against exact sums."""
    from neurohw.reference import ReferenceRun

    rng = np.random.default_rng(2)
    data = rng.normal(0, 1, (8, 4 // how.get("groups", 1), 3, 2))
    w = Conv(dtype, freeze(data, dtype), INPUT, **how)
    x = rng.normal(0, 1, (5, 3, w.shape[1])).astype(dtype.storage)
    p = net(dtype, w)
    _, want = ReferenceRun(p)(initial_state(p), {"A.x": x}, 0, 5)
    s = w.to_sparse()
    full = np.zeros(w.shape)
    full[s.indices, np.repeat(np.arange(w.shape[1]), np.diff(s.indptr))] = s.data
    exact = x.astype(np.longdouble) @ full.T.astype(np.longdouble)
    n, u = w.data[0].size, np.finfo(dtype.storage).eps / 2
    bound = n * u / (1 - n * u) * (np.abs(x).astype(np.float64) @ np.abs(full).T)
    for mode in (True, False):
        _, got = run_torch(p, initial_state(p), {"A.x": x}, 0, 5, event_driven=mode)
        np.testing.assert_array_equal(want.traces["B.spikes_in"], got.traces["B.spikes_in"])
        assert np.all(np.abs(got.traces["B.values_in"] - exact) <= bound)
    assert np.all(np.abs(want.traces["B.values_in"] - exact) <= bound)
