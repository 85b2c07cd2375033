"""Rounding to bfloat16 against torch, bit for bit; sums of exact products against exact sums."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest

from neurohw.program import (
    F32,
    F64,
    Builder,
    Dense,
    Edge,
    Int,
    OneToOne,
    Population,
    Probe,
    Program,
    freeze,
    initial_state,
)
from neurohw.program.bfloat16 import (
    exact_products,
    is_bfloat16,
    round_bfloat16,
    rounded,
    source_of,
)
from neurohw.reference import ReferenceRun

LOW = (0, 1, 0x1234, 0x7FFF, 0x8000, 0x8001, 0xCDEF, 0xFFFF)


def patterns() -> np.ndarray:
    """Every upper half of a float32, with lower halves around the ties."""
    upper = np.arange(2**16, dtype=np.uint32) << 16
    return (upper[:, None] | np.array(LOW, np.uint32)).reshape(-1).view(np.float32)


def rounding(size: int) -> Population:
    b = Builder("A", size)
    b.name_value(rounded(b, b.external("x", F32)), "y")
    return b.build()


def by_torch(x: np.ndarray) -> np.ndarray:
    torch = pytest.importorskip("torch")
    return torch.from_numpy(x).to(torch.bfloat16).to(torch.float32).numpy()


def test_the_nodes_round_as_torch_does() -> None:
    """All exponents, subnormal numbers, infinities and NaN; a zero comes out as +0."""
    x = patterns()
    p = Program("p", populations=(rounding(len(x)),), probes=(Probe("A", "y"),))
    got = ReferenceRun(p)(initial_state(p), {"A.x": x[None]}, 0, 1)[1].traces["A.y"][0, 0]
    want = by_torch(x) + np.float32(0)
    nan = np.isnan(x)
    assert np.isnan(got[nan]).all() and np.isnan(want[nan]).all()
    np.testing.assert_array_equal(got[~nan].view(np.uint32), want[~nan].view(np.uint32))
    assert np.isinf(want[np.isfinite(x)]).any() and (np.abs(want[want != 0]) < 2.0**-126).any()


def nearest(x: float) -> float:
    """The nearest multiple of the last place, halves to even, in rational numbers."""
    exact = Fraction(x)
    place = Fraction(2) ** (max(math.frexp(x)[1], -125) - 8)
    return float(round(exact / place) * place)


def test_weights_are_rounded_once() -> None:
    x = patterns()
    x = x[np.isfinite(x)]
    got = round_bfloat16(x)
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, by_torch(x).astype(np.float64))
    rng = np.random.default_rng(0)
    wide = np.ldexp(rng.normal(0, 1, 4000), rng.integers(-160, 127, 4000))
    tie = 1 + 2.0**-8 + np.array([0, 2.0**-40, -(2.0**-40)])  # float32 makes ties of all three
    wide = np.concatenate([wide, tie, -tie, [0.0, 2.0**-134, 2.0**-134 * 1.001]])
    assert [nearest(v) for v in wide] == round_bfloat16(wide).tolist()
    assert round_bfloat16(tie).tolist() == [1.0, 1 + 2.0**-7, 1.0]
    assert round_bfloat16(np.zeros((0, 3))).shape == (0, 3)
    assert is_bfloat16(by_torch(x)) and not is_bfloat16(x)


def test_a_rounding_is_found_by_its_nodes_and_nothing_else() -> None:
    b = Builder("A", 3)
    x, y = b.external("x", F32), b.external("y", F32)
    both = [rounded(b, v) for v in (x, y, x)]
    half = b.mul(both[0], b.const(0.5, F32), F32)
    q = b.build()
    assert [source_of(q, v.index) for v in both] == [x.index, y.index, x.index]
    assert source_of(q, half.index) is None and source_of(q, x.index) is None
    last = both[1].index
    for i in range(both[0].index + 1, last):  # any other node, argument or number
        node = q.nodes[i]
        if node.op == "const":
            other = dataclasses.replace(node, attrs={"value": node.attrs["value"] * 2})
        elif len(set(node.args)) > 1:
            other = dataclasses.replace(node, args=node.args[::-1])
        else:
            other = dataclasses.replace(node, op="neg")
        changed = dataclasses.replace(q, nodes=(*q.nodes[:i], other, *q.nodes[i + 1 :]))
        assert source_of(changed, last) is None, node


def test_which_edges_have_exact_products() -> None:
    a, b = Builder("A", 2), Builder("B", 2)
    x = a.external("x", F32)
    a.name_value(x, "raw")
    a.name_value(rounded(a, x), "short")
    for bits, signed in ((9, True), (8, False), (10, True)):
        name = f"i{bits}"
        a.name_value(a.cast(a.external(name, Int(bits, signed)), F32), name)
    a.spike(a.compare("gt", x, a.const(0.0, F32)))
    b.name_value(b.port("in", F32), "in")
    good = Dense(F32, freeze([[0.5, 1.0], [-1.0078125, 0.0]], F32))
    bad = OneToOne(F32, freeze([0.5, 0.1], F32))

    def asked(w: Dense | OneToOne, value: str) -> bool:
        e = Edge("A", "B", "in", w, 0, value)
        return exact_products(Program("p", populations=(a.build(), b.build()), edges=(e,)), e)

    assert [asked(good, v) for v in ("short", "i9", "i8", "")] == [True] * 4
    assert [asked(good, v) for v in ("raw", "i10")] == [False] * 2
    assert [asked(bad, v) for v in ("short", "")] == [False] * 2
    wide = Dense(F64, freeze([[0.5, 1.0], [1.0, 0.0]], F64))
    assert not asked(wide, "")


def fused(a: np.float32, x: np.float32, y: np.float32) -> np.float32:
    """``a + x y`` rounded once: the product is exact, and float64 holds what is near a tie."""
    return np.float32(np.longdouble(a) + np.longdouble(x) * np.longdouble(y))


@pytest.mark.parametrize("n", [6, 17, 300])
def test_sums_of_exact_products_are_within_the_bound_of_any_order(n: int) -> None:
    """docs/program.md 8; only additions round, so n - 1 of them are enough."""
    rng = np.random.default_rng(n)
    w, x = (by_torch(rng.normal(0, 1, (40, n)).astype(np.float32)) for _ in range(2))
    products = w * x
    wide = w.astype(np.float64) * x.astype(np.float64)
    np.testing.assert_array_equal(products.astype(np.float64), wide)
    unit = (n - 1) * 2.0**-24
    seen = 0.0
    for row, exact, ws, xs in zip(products, wide, w, x, strict=True):
        total, size = math.fsum(exact), math.fsum(np.abs(exact))
        bound = unit / (1 - unit) * size
        sums = [np.add.accumulate(order)[-1] for order in (row, row[::-1], np.sort(row))]
        sums.append(np.add.reduce(row))  # pairwise
        by_fma = np.float32(0)
        for a, b in zip(ws, xs, strict=True):
            by_fma = fused(by_fma, a, b)
        for got in (*sums, by_fma):
            assert abs(float(got) - total) <= bound
            seen = max(seen, abs(float(got) - total) / bound)
    assert seen > 0  # they do round
    # what is not allowed: factors that had more than 8 bits, rounded now
    full = rng.normal(0, 1, (40, n)).astype(np.float32)
    off = by_torch(full).astype(np.float64) - full
    lost = np.abs((off * x).sum(axis=1))
    assert (lost > n * 2.0**-23 * np.abs(full * x).sum(axis=1)).any()
