"""Directed cases of what edges carry, and what the directed cases are made with."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurohw.program import (
    BOOL,
    F32,
    F64,
    Builder,
    Conv,
    Dense,
    DType,
    Edge,
    Int,
    OneToOne,
    Population,
    Probe,
    Program,
    Sparse,
    freeze,
)
from neurohw.program.bfloat16 import round_bfloat16, rounded
from neurohw.testing.cases import Case

__all__ = ["case", "edge_cases", "ramp", "source"]

I8, I16, U3 = Int(8), Int(16), Int(3, False)
SEED = 0x9E3779B97F4A7C15  # both halves of the key matter


def case(label: str, *populations: Population, steps: int = 24, **kw: Any) -> Case:
    edges, watches = kw.pop("edges", ()), kw.pop("watches", ())
    probes = kw.pop("probes", None)
    if probes is None:
        probes = [Probe(q.name, n.name) for q in populations for n in q.nodes if n.name]
        probes += [Probe(q.name, "spikes") for q in populations if q.spike is not None]
    run = {k: kw.pop(k) for k in ("inputs", "t0", "cut") if k in kw}
    p = Program(label, seed=SEED, populations=populations, edges=tuple(edges),
                probes=tuple(probes), watches=tuple(watches), **kw)  # fmt: skip
    return Case(f"directed:{label}", p, steps, **run)


def ramp(b: Builder, dtype: DType, step: Any, start: Any = 0) -> Any:
    """A state that grows by ``step``; returns its old value."""
    x = b.state("x", dtype, start)
    b.write("x", b.add(x, b.const(step, dtype), dtype, overflow="wrap"))
    return x


def source(size: int) -> Population:
    b = Builder("A", size)
    rows = [(t, t % size) for t in range(1, 20, 3)] + [(2, size - 1)]
    b.spike(b.external("spikes", BOOL, sorted(rows)))
    return b.build()


def values() -> Case:
    """Integers of both signs over every kind of weights, beside spikes, to 64 bits."""
    a = Builder("A", 3)
    x = ramp(a, I16, 9001, [-5, 12345, 2**15 - 3])
    a.name_value(x, "x")
    narrow = a.name_value(a.cast(x, U3, overflow="wrap"), "narrow")
    a.spike(a.compare("gt", narrow, a.const(3, U3)))
    b = Builder("B", 3)
    syn = b.name_value(b.port("syn", Int(40)), "syn")
    rest = ("wrapped", I8, "wrap"), ("clipped", I16, "saturate"), ("wide", Int(64), "exact")
    for port, dtype, mode in rest:
        b.name_value(b.port(port, dtype, mode), port)
    total = b.state("total", Int(12), 0)
    b.write("total", b.cast(b.add(total, syn, Int(41)), Int(12), overflow="wrap"), name="total")
    full = freeze([[1, -2, 4], [8, -16, 32], [-64, 65, 127]], I8)
    sparse = Sparse(I8, freeze([0, 2, 2, 3], Int(64)), freeze([0, 2, 1], Int(64)),
                    freeze([3, -5, 7], I8), 3)  # fmt: skip
    one = OneToOne(I8, freeze([9, -11, 13], I8))
    huge = Dense(Int(48), freeze(np.array(full, np.int64) * (2**38 + 12345), Int(48)))
    edges = [
        Edge("A", "B", "syn", Dense(I8, full), 0, "x"), Edge("A", "B", "syn", sparse, 1, "x"),
        Edge("A", "B", "syn", one, 5, "x"), Edge("A", "B", "syn", Dense(I8, full), 2, "narrow"),
        Edge("A", "B", "syn", Dense(I8, full), 1), Edge("B", "B", "syn", one, 3, "total"),
        Edge("A", "B", "wrapped", sparse, 0, "x"), Edge("A", "B", "clipped", one, 62, "x"),
        Edge("A", "B", "clipped", Dense(I8, full), 0), Edge("A", "B", "wide", huge, 1, "x"),
    ]  # fmt: skip
    return case("values", b.build(), a.build(), edges=edges, steps=80, cut=3, trials=2)


def float_values(dtype: Any = F64, size: int = 48) -> Case:
    """Sums of many products, in whatever order, with cancellation."""
    rng = np.random.default_rng(size)
    a, b = Builder("A", size), Builder("B", 5)
    x = a.state("x", dtype, rng.normal(0, 1, (2, size)))
    a.write("x", a.mul(x, a.const(0.9375, dtype), dtype), name="x")
    b.name_value(b.port("syn", dtype), "syn")
    b.name_value(b.port("alone", dtype), "alone")
    full = rng.normal(0, 1, (5, size))
    full[:, 1::2] *= -1
    mask = rng.random((size, 5)) < 0.3
    indptr = freeze(np.concatenate([[0], mask.sum(1).cumsum()]), Int(64))
    indices = freeze(np.nonzero(mask)[1], Int(64))
    sparse = Sparse(dtype, indptr, indices, freeze(full.T[mask], dtype), 5)
    only = np.zeros((5, size))
    only[range(5), range(5)] = rng.normal(0, 1, 5)  # one product: nothing is left to choose
    edges = [Edge("A", "B", "syn", Dense(dtype, freeze(full, dtype)), 0, "x"),
             Edge("A", "B", "syn", sparse, 2, "x"),
             Edge("A", "B", "alone", Dense(dtype, freeze(only, dtype)), 1, "x")]  # fmt: skip
    return case(f"float_values_{dtype}", a.build(), b.build(), edges=edges, trials=2, steps=12)


def convolution(dtype: Any = I16) -> Case:
    """Kernels with strides, padding, holes and groups, over spikes and over values."""
    rng, real = np.random.default_rng(5), not isinstance(dtype, Int)
    a, b, c = Builder("A", 2 * 4 * 3), Builder("B", 4 * 2 * 2), Builder("C", 2 * 2 * 1)
    x = a.external("x", I8)
    a.name_value(a.cast(x, dtype), "sent")
    a.spike(a.compare("gt", x, a.const(20, I8)))
    for q in (b, c):
        for port in ("spikes_in", "values_in"):
            q.name_value(q.port(port, dtype if real else Int(30)), port)

    def conv(shape: tuple[int, ...], **how: Any) -> Conv:
        data = rng.normal(0, 1, shape) if real else rng.integers(-99, 100, shape)
        return Conv(dtype, freeze(data, dtype), (2, 4, 3), **how)

    wide = conv((4, 1, 3, 2), stride=(2, 2), padding=(1, 1), dilation=(1, 2), groups=2)
    ones = freeze(np.ones((2, 1, 2, 2), float if real else int), dtype)
    pool = Conv(dtype, ones, (2, 4, 3), stride=(2, 2), groups=2)
    mixed = conv((4, 2, 3, 2))
    edges = [
        Edge("A", to, f"{'values' if v else 'spikes'}_in", w, d, v)
        for to, w in (("B", wide), ("B", mixed), ("C", pool))
        for d, v in ((0 if w is wide else 2, ""), (1 if w is wide else 0, "sent"))
    ]  # fmt: skip
    inputs = {"A.x": rng.integers(-50, 50, (10, 2, 24)).astype(np.int32)}
    return case(f"convolution_{dtype}", a.build(), b.build(), c.build(), edges=edges, trials=2,
                 inputs=inputs, steps=10)  # fmt: skip


def bfloat16(size: int = 24) -> Case:
    """Numbers from outside that are rounded to bfloat16 before they are weighted.

    A sends ordinary ones; B's are ties, subnormal numbers, what becomes infinite, and go nowhere.
    """
    rng = np.random.default_rng(6)
    a, b, c = Builder("A", size), Builder("B", size), Builder("C", 5)
    for q in (a, b):
        q.name_value(rounded(q, q.external("x", F32)), "y")
    c.name_value(c.port("syn", F32), "syn")
    full = round_bfloat16(rng.normal(0, 1, (5, size)))
    full[:, 1::2] *= -1
    edges = [Edge("A", "C", "syn", Dense(F32, freeze(full, F32)), d, "y") for d in (0, 2)]
    x = rng.normal(0, 1, (8, 2, size)).astype(np.float32)
    bits = rng.integers(0, 2**16, (8, 2, size), dtype=np.uint32) << 16
    bits[:4] &= 0x80FF0000  # of the smallest exponents
    bits[4] = bits[4] & 0x80FF0000 | 0x7F000000  # and of the largest
    bits |= rng.choice(np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32), bits.shape)
    special = bits.view(np.float32)
    inputs = {"A.x": x, "B.x": np.where(np.isnan(special), x, special)}
    return case("bfloat16", a.build(), b.build(), c.build(), edges=edges, trials=2, inputs=inputs,
                 steps=8)  # fmt: skip


def edge_cases() -> tuple[Case, ...]:
    """Edges that carry values, and convolutions."""
    return (
        values(), float_values(F64), float_values(F32),
        convolution(), convolution(F64), convolution(F32), bfloat16(),
    )  # fmt: skip
