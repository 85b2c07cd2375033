"""Small programs, each made so that one kind of mistake must show, whatever chance says."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurohw.lowering.chip import ChipInput, ChipLIF, ChipNoise, chip_population
from neurohw.lowering.common import Period
from neurohw.program import (
    F32,
    F64,
    Builder,
    Dense,
    Edge,
    Int,
    OneToOne,
    Probe,
    Sparse,
    Watch,
    freeze,
)
from neurohw.targets import Target
from neurohw.testing.cases import Case
from neurohw.testing.chip import EDGE, LAVA, LOIHI, starting
from neurohw.testing.directed_chips import chip_cases
from neurohw.testing.directed_edges import case, edge_cases, ramp, source

__all__ = ["directed_cases"]

I8, I16, I24, I32, I63, U3 = Int(8), Int(16), Int(24), Int(32), Int(63), Int(3, False)


def delays() -> Case:
    b = Builder("B", 3)
    port = b.port("syn", I16)
    total = b.state("total", Int(40), 0)
    b.name_value(port, "syn")
    b.write("total", b.add(total, port, Int(40), overflow="wrap"))
    b.spike(b.compare("gt", port, b.const(6, I16)))
    full = freeze([[1, 2, 4], [8, 16, 32], [64, 65, 66]], I8)
    sparse = Sparse(I8, freeze([0, 2, 2, 3], Int(64)), freeze([0, 2, 1], Int(64)),
                    freeze([3, 5, 7], I8), 3)  # fmt: skip
    edges = [
        Edge("A", "B", "syn", Dense(I8, full), 0), Edge("A", "B", "syn", sparse, 1),
        Edge("A", "B", "syn", OneToOne(I8, freeze([9, 11, 13], I8)), 5),
        Edge("B", "B", "syn", Dense(I8, full[::-1].copy()), 3),
        Edge("A", "B", "syn", OneToOne(I8, freeze([1, 1, 2], I8)), 62),
    ]  # fmt: skip
    return case("delays", b.build(), source(3), edges=edges, steps=80, cut=5)


def threshold() -> Case:
    b = Builder("A", 2)
    x = ramp(b, I24, 1, [-3, 2**23 - 5])
    for op in ("eq", "ne", "lt", "le", "gt", "ge"):
        b.name_value(b.compare(op, x, b.const(3, I8)), op)
    b.spike(b.compare("gt", x, b.const(5, I8)))
    return case("threshold", b.build(), steps=12)


def rounding() -> Case:
    b = Builder("A", 4)
    x = ramp(b, Int(40), 3, [-20, -(2**23) - 7, 2**31 - 9, -(2**39)])
    word = b.word("round")
    for mode in ("floor", "toward_zero", "half_even", "half_away"):
        b.name_value(b.shr(x, 3, Int(40), rounding=mode), mode)
        b.name_value(b.shr(x, 1, Int(40), rounding=mode), f"{mode}_by_1")
    b.name_value(b.op("shr", Int(41), x, word, by=3, rounding="stochastic"), "stochastic")
    f = b.mul(b.cast(x, F64), b.const(0.125, F64), F64)
    for mode in ("floor", "toward_zero", "half_even", "half_away"):
        b.name_value(b.cast(f, I24, rounding=mode, overflow="saturate"), f"cast_{mode}")
        x32 = b.cast(f, F32)
        b.name_value(b.cast(x32, I32, rounding=mode, overflow="saturate"), f"cast32_{mode}")
    return case("rounding", b.build(), steps=12)


def fixed_rounding() -> Case:
    b = Builder("A", 4)
    x = ramp(b, Int(40), 3, [-20, -(2**23) - 7, 2**31 - 9, -(2**39)])
    for mode in ("floor", "toward_zero", "half_even", "half_away"):
        b.name_value(b.shr(x, 3, Int(40), rounding=mode), mode)
        b.name_value(b.shr(x, 1, Int(40), rounding=mode), f"{mode}_by_1")
    b.name_value(b.op("shr", Int(41), x, b.word("round"), by=3, rounding="stochastic"), "random")
    return case("fixed_rounding", b.build(), steps=12)


def overflow() -> Case:
    b = Builder("B", 3)
    port, clipped = b.port("wrapped", I8, "wrap"), b.port("clipped", I8, "saturate")
    u, v = b.state("u", I24, 2**23 - 200), b.state("v", I24, -(2**23) + 200)
    w = b.state("w", I63, 2**62 - 500)
    k = b.state("k", U3, 5)
    b.write("u", b.add(u, b.const(70, I8), I24, overflow="wrap"), name="u")
    b.write("v", b.sub(v, b.const(70, I8), I24, overflow="saturate"), name="v")
    b.write("w", b.add(w, b.const(100, I8), I63, overflow="wrap"), name="w")
    b.write("k", b.add(k, b.const(1, U3), U3, overflow="saturate"), name="k")
    b.name_value(b.op("neg", U3, k, overflow="wrap"), "minus_k")
    b.name_value(b.mul(u, v, Int(33), overflow="wrap"), "product")
    b.name_value(b.shl(u, 20, Int(47), overflow="wrap"), "shifted")
    b.name_value(b.cast(v, Int(17), overflow="wrap"), "narrow")
    b.name_value(port, "wrapped")
    b.name_value(clipped, "clipped")
    big = Dense(I32, freeze([[100, 100, 7], [-90, -90, 8], [2**31 - 1, 2**31 - 1, 2]], I32))
    edges = [Edge("A", "B", port, big, d) for port in ("wrapped", "clipped") for d in (0, 1)]
    watches = [Watch("B", "u", -(2**23), 2**23 - 100), Watch("B", "w", 0, 2**62 - 1, "wide")]
    return case("overflow", source(3), b.build(), edges=edges, watches=watches)


def draws(t0: int = 0, size: int = 5, trials: int = 3) -> Case:
    b = Builder("A", size)
    b.name_value(b.word("w"), "word")
    b.name_value(b.normal("n"), "normal")
    b.spike(b.compare("lt", b.word("s"), b.const(2**30, Int(32, False))))
    return case(f"draws_at_{t0}_of_{size}", b.build(), trials=trials, t0=t0, steps=19, cut=6)


def order() -> Case:
    b = Builder("B", 2)
    x, y = b.state("x", I8, 1), b.state("y", I8, 2)
    b.name_value(x, "x")
    b.write("x", y)
    b.write("y", x)
    port = b.port("syn", I8)
    b.spike(b.compare("gt", port, b.const(0, I8)))
    c = Builder("C", 2)
    c.name_value(c.port("syn", I8), "syn")
    one = OneToOne(I8, freeze([1, 2], I8))
    edges = [Edge("B", "C", "syn", one, 0), Edge("A", "B", "syn", one, 0)]
    return case("order", c.build(), b.build(), source(2), edges=edges)


def trials() -> Case:
    b = Builder("A", 3)
    x = b.state("x", I24, [[1], [2], [3], [4]])
    gain = b.param("gain", I8, [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]])
    row, column = b.param("row", I8, [1, 0, 1]), b.param("column", I8, [[0], [3], [5], [9]])
    s = b.add(b.add(x, gain, I24, overflow="wrap"), b.add(row, column, I8), I24, overflow="wrap")
    b.write("x", s, name="x")
    b.spike(b.compare("gt", b.add(s, b.external("in", I8), I32), b.const(60, I8)))
    inputs = {"A.in": np.arange(24 * 4 * 3).reshape(24, 4, 3) % 100}
    return case("trials", b.build(), trials=4, inputs=inputs)


def probes() -> Case:
    b = Builder("A", 2)
    x = b.name_value(ramp(b, I24, 7, [-50, 2**22]), "x")
    y = b.name_value(b.add(x, b.normal("n"), Int(25)), "y")
    b.spike(b.compare("gt", y, b.const(0, I8)))
    kept = [Probe("A", "x", 3, 2), Probe("A", "y", 1, 5), Probe("A", "spikes", 2, 3),
            Probe("A", "y", 2, 1, "moments"), Probe("A", "x", 4, 0, "moments")]  # fmt: skip
    watches = [Watch("A", "x", -30, 60), Watch("A", "y", -(2**24), 2**24 - 1, "never")]
    return case("probes", b.build(), trials=4, probes=kept, watches=watches, cut=7)


def trap() -> Case:
    b = Builder("A", 2)
    x = b.state("x", I8, [100, 90])
    b.write("x", b.add(x, b.const(3, I8), I8, overflow="trap"))
    return case("trap", b.build(), steps=16)


def chip(label: str = "chip", target: Target = LAVA, exponent: int = 0, **fields: Any) -> Case:
    data = freeze([[-200, 254, -256], [100, 30, -90], [254, -100, 8]], I16)
    inputs = tuple(ChipInput("A", Dense(I16, data), d, exponent) for d in (1, 3))
    given = {"keep_u": 3686, "keep_v": 3968, "threshold": 300 << 6, "bias": 70 << 6, **fields}
    q, edges, watches = chip_population(ChipLIF(name="A", size=3, **given, inputs=inputs), target)
    return case(label, q, edges=edges, watches=watches, trials=2, steps=60)


def chip_edges(target: Target) -> Case:
    """``u`` and ``v`` reach both ends of their words, to the unit, and are pushed over them."""
    u = np.array([EDGE - 64, EDGE - 1, 64 - EDGE, 1 - EDGE])  # a weight of 1 is worth 64
    full = Dense(I16, freeze(np.diag([1, 2, -1, -2]), I16))
    c = ChipLIF(name="A", size=4, keep_u=4096, keep_v=4096, threshold=EDGE - np.array([1, 2, 1, 2]),
                bias=np.array([1, -1, -1, 1]), inputs=(ChipInput("S", full, 0),))  # fmt: skip
    q, edges, watches = chip_population(c, target)
    inputs = {"S.spikes": np.arange(24)[:, None] % np.array([2, 3, 2, 3]) == 1}
    s = Builder("S", 4)
    s.spike(s.external("spikes"))
    return case(f"chip_edges_{target.name}", s.build(), starting(q, u=u, v=-u), edges=edges,
                 watches=watches, inputs=inputs)  # fmt: skip


def float_sums(dtype: Any = F64) -> Case:
    b = Builder("B", 3)
    b.name_value(b.port("syn", dtype), "syn")
    scale = 1.0 if dtype == F64 else 0.25
    data = np.array([[1.0, 2.0**-30, 3.0], [0.1, 0.2, 0.3], [1e6, 1e-6, 1e-3]]) * scale
    edges = [Edge("A", "B", "syn", Dense(dtype, freeze(data, dtype)), d) for d in (0, 1, 2)]
    return case(f"float_sums_{dtype}", source(3), b.build(), edges=edges)


def contraction(dtype: Any = F32) -> Case:
    """``a * a - c`` with ``c`` the rounded square: 0 exactly, unless the two are contracted."""
    b = Builder("A", 4)
    a = b.state("a", dtype, [1.1, -3.3, 1e-3, 12345.678])
    square = b.state("square", dtype, 0.0)
    b.name_value(b.sub(b.mul(a, a, dtype), square, dtype), "residue")
    grown = b.mul(a, b.const(1.0009765625, dtype), dtype)
    b.write("a", grown)
    b.write("square", b.mul(grown, grown, dtype))
    return case(f"contraction_{dtype}", b.build())


def functions(dtype: Any = F32) -> Case:
    """exp, expm1, log, sqrt and div over many magnitudes of both signs."""
    b = Builder("A", 16)
    start = np.concatenate([np.geomspace(1e-6, 60.0, 8), -np.geomspace(1e-6, 60.0, 8)])
    x = b.state("x", dtype, start)
    b.write("x", b.mul(x, b.const(0.98, dtype), dtype), name="x")
    size = b.op("abs", dtype, x)
    for op in ("exp", "expm1"):
        b.name_value(b.op(op, dtype, x), op)
    for op in ("log", "sqrt"):
        b.name_value(b.op(op, dtype, size), op)
    b.name_value(b.op("div", dtype, b.const(1.0, dtype), x), "inverse")
    return case(f"functions_{dtype}", b.build())


def leaky() -> Case:
    """Spiking floats for T2, none of which comes near its threshold without crossing it."""
    b = Builder("A", 4)
    v = b.state("v", F64, 0.0)
    drive = b.param("drive", F64, [0.11, 0.13, 0.17, 0.19])
    new = b.add(b.mul(v, b.const(0.9, F64), F64), drive, F64)
    fired = b.compare("gt", new, b.const(1.0, F64))
    b.write("v", b.select(fired, b.const(0.0, F64), new), name="v")
    b.spike(fired)
    return case("leaky", b.build(), steps=80)


def directed_cases() -> tuple[Case, ...]:
    """All directed cases; the first of a kind that fails names the mistake."""
    late = (2**20 + 1, 2**31 - 9, 2**32 - 9, 2**34 - 19)
    return (
        delays(), threshold(), rounding(), fixed_rounding(), overflow(), order(), trials(),
        probes(), trap(), draws(), *(draws(t) for t in late), draws(3, 300, 2), chip(),
        chip("chip_noisy", period=Period(np.array(4 << 23), np.array(2 << 10), 0, 63),
             noise=(ChipNoise("additive", np.array(40000), 19),
                    ChipNoise("multiplicative", np.array(40000), 36))),
        chip("chip_loihi1", LOIHI, period=Period(np.array(4), None, 0, 62),
             noise=(ChipNoise("uniform8", exponent=9), ChipNoise("uniform8", exponent=4))),
        chip("chip_overflowing", exponent=7, keep_u=4096, keep_v=4096),
        chip_edges(LAVA), chip_edges(LOIHI), *chip_cases(),
        *edge_cases(),
        float_sums(F64), float_sums(F32), contraction(F32), contraction(F64),
        functions(F32), functions(F64), leaky(),
    )  # fmt: skip
