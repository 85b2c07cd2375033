"""The reference against closed facts: fractions, big integers, and what a step means."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neurohw.backend import simulate
from neurohw.errors import OverflowTrap
from neurohw.program import (
    BOOL,
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
    Watch,
    Weights,
    freeze,
    initial_state,
    parse,
)
from neurohw.reference import ReferenceRun, cast, fit, shift_right
from neurohw.testing.values import arranged

I64 = st.integers(-(2**63), 2**63 - 1)
NEAR = st.sampled_from([s * 2**k + d for k in (1, 5, 23, 31, 62) for s in (-1, 1)
                        for d in (-1, 0, 1)])  # fmt: skip


def rounded(x: Fraction, mode: str) -> int:
    if mode == "floor":
        return math.floor(x)
    if mode == "toward_zero":
        return math.trunc(x)
    if mode == "half_even":
        return round(x)
    size = math.floor(abs(x) + Fraction(1, 2))  # an integer all the way: copysign would be a float
    return size if x >= 0 else -size


MODES = ["floor", "toward_zero", "half_even", "half_away"]


@given(I64 | NEAR, st.integers(0, 62), st.sampled_from(MODES))
@example(x=2**53 + 1, by=0, mode="half_away")
def test_shift_right_is_exact_division(x: int, by: int, mode: str) -> None:
    half = (1 << by) >> 1
    if mode.startswith("half") and not -(2**63) <= x - half <= x + half < 2**63:
        return  # verify refuses it
    got = shift_right(np.array([x]), by, mode)
    assert got.dtype == np.int64
    assert got.tolist() == [rounded(Fraction(x, 1 << by), mode)]


@pytest.mark.parametrize("mode", ["floor", "toward_zero"])
def test_shift_right_of_the_smallest_number(mode: str) -> None:
    assert shift_right(np.array([-(2**63)]), 3, mode).tolist() == [-(2**60)]


@given(st.integers(-(2**40), 2**40), st.integers(0, 8))
def test_stochastic_rounding_is_unbiased(x: int, by: int) -> None:
    words = np.arange(1 << by) + (7 << by)  # every value of the bits that matter, once
    got = shift_right(np.full(1 << by, x), by, "stochastic", words)
    assert Fraction(int(got.sum()), 1 << by) == Fraction(x, 1 << by)
    assert set(got.tolist()) <= {x >> by, (x >> by) + 1}


@given(I64 | NEAR, st.integers(1, 64), st.booleans())
def test_fit_is_big_integer_arithmetic(x: int, bits: int, signed: bool) -> None:
    if bits == 64 and not signed:
        return
    t = Int(bits, signed)
    wrapped = (x - t.lo) % (1 << bits) + t.lo
    for mode in ("wrap", "trap"):
        assert fit(np.array([x]), t, mode).tolist() == [wrapped]
    assert fit(np.array([x]), t, "saturate").tolist() == [min(max(x, t.lo), t.hi)]
    if t.lo <= x <= t.hi:
        assert fit(np.array([x]), t, "exact").tolist() == [x]


@given(st.floats(width=64) | st.sampled_from([2.0**31, 2.0**62, 2.0**63, 0.5, 1.5, -2.5]),
       st.integers(1, 64), st.sampled_from(MODES), st.sampled_from([F32, F64]))  # fmt: skip
def test_cast_to_int_saturates_at_the_exact_bounds(x, bits, mode, source) -> None:
    t = Int(bits)
    with np.errstate(over="ignore"):
        value = np.array([x], source.storage)
    got = cast(value, source, t, {"rounding": mode, "overflow": "saturate"}).tolist()[0]
    v = float(value[0])
    if math.isnan(v):
        assert got == 0
    elif math.isinf(v):
        assert got == (t.hi if v > 0 else t.lo)
    else:
        assert got == min(max(rounded(Fraction(v), mode), t.lo), t.hi)


@given(I64 | NEAR, st.sampled_from([F32, F64]))
def test_cast_of_int_rounds_once(x: int, dtype) -> None:
    got = cast(np.array([x]), Int(64), dtype, {})
    assert got.dtype == dtype.storage
    below, above = np.nextafter(got, -np.inf), np.nextafter(got, np.inf)
    error = abs(Fraction(float(got[0])) - x)
    assert all(error <= abs(Fraction(float(y[0])) - x) for y in (below, above))


# the step ----------------------------------------------------------------------------------------


def relay(delay: int) -> Program:
    """A spike of A in step 3 reaches B in step 3 + delay."""
    a, b = Builder("A", 1), Builder("B", 1)
    a.spike(a.external("x", BOOL, [[3, 0]]))
    b.name_value(b.port("syn", Int(8)), "syn")
    w = Dense(Int(8), freeze([[5]], Int(8)))
    return Program(
        "P",
        populations=(b.build(), a.build()),
        edges=(Edge("A", "B", "syn", w, delay),),
        probes=(Probe("B", "syn"),),
    )


@pytest.mark.parametrize("delay", [0, 1, 2, 7])
def test_a_spike_arrives_after_its_delay(delay: int) -> None:
    p = relay(delay)
    _, probes = simulate(ReferenceRun(p), p, 15)
    assert np.flatnonzero(probes.traces["B.syn"]).tolist() == [3 + delay]
    assert probes.traces["B.syn"].dtype == np.int32


def sending(delay: int, weights: Weights, dtype: DType, overflow: str = "exact") -> Program:
    """A sends ``x`` from outside to B, which also hears a spike of the first source."""
    a, b = Builder("A", weights.shape[1]), Builder("B", weights.shape[0])
    x = a.external("x", dtype)
    a.name_value(x, "x")
    a.spike(a.compare("gt", x, a.const(0, dtype)))
    port = Int(40) if isinstance(dtype, Int) else dtype
    b.name_value(b.port("syn", port, overflow), "syn")
    return Program(
        "P",
        populations=(b.build(), a.build()),
        edges=(Edge("A", "B", "syn", weights, delay, "x"),),
        probes=(Probe("B", "syn"),),
    )


@pytest.mark.parametrize("delay", [0, 1, 3])
@pytest.mark.parametrize("kind", ["dense", "sparse", "one"])
@pytest.mark.parametrize("dtype", [Int(17), F32, F64], ids=str)
def test_values_are_weighted_sums_of_their_step(delay: int, kind: str, dtype: DType) -> None:
    """Against fractions; small integers and halves, so that floats are exact as well."""
    rng = np.random.default_rng(delay)
    full = rng.integers(-9, 10, (4, 4)) * (1 if isinstance(dtype, Int) else 0.5)
    w = arranged(rng, kind, dtype, full)
    x = rng.integers(-(2**16), 2**16, (8, 2, 4)).astype(dtype.storage)
    p = dataclasses.replace(sending(delay, w, dtype), trials=2)
    assert parse(p.text) == p and parse(p.text).edges[0].value == "x"
    state, probes = simulate(ReferenceRun(p), p, 8, inputs={"A.x": x}, chunk=3)
    matrix = np.zeros((4, 4), object)
    if isinstance(w, OneToOne):
        np.fill_diagonal(matrix, w.data.tolist())
    elif isinstance(w, Dense):
        matrix[:] = w.data.tolist()
    else:
        matrix[w.indices, np.repeat(np.arange(4), np.diff(w.indptr))] = w.data.tolist()
    for t in range(8):
        sent = x[t - delay].tolist() if t >= delay else np.zeros((2, 4), int).tolist()
        want = [[sum(a * b for a, b in zip(row, s, strict=True)) for row in matrix] for s in sent]
        assert probes.traces["B.syn"][t].tolist() == want
    assert state.history["A.x"].dtype == dtype.storage
    assert np.array_equal(state.history["A.x"], x[::-1][:delay].transpose(1, 0, 2))
    assert state.history["A"].shape == (2, 0, 4)


def test_a_sum_of_values_overflows_once() -> None:
    w = Dense(Int(8), freeze([[100, 100, -100]], Int(8)))
    p = sending(0, w, Int(8))
    b = Builder("B", 1)
    b.name_value(b.port("syn", Int(8), "wrap"), "syn")
    p = dataclasses.replace(p, populations=(b.build(), p.populations[1]))
    _, probes = simulate(ReferenceRun(p), p, 1, inputs={"A.x": np.array([[3, 4, 5]])})
    assert probes.traces["B.syn"].tolist() == [[[200 - 256]]]


def test_states_are_read_before_they_are_written() -> None:
    b = Builder("A", 1)
    x, y = b.state("x", Int(8), 1), b.state("y", Int(8), 2)
    b.write("x", y)
    b.write("y", x)
    p = Program("P", populations=(b.build(),))
    state, _ = simulate(ReferenceRun(p), p, 3)
    assert (state.values["A.x"].item(), state.values["A.y"].item()) == (2, 1)


def counting(overflow: str = "wrap", **kw) -> Program:
    b = Builder("A", 2)
    x = b.state("x", Int(8), [100, 120])
    b.write("x", b.add(x, b.const(3, Int(8)), Int(8), overflow=overflow), name="x")
    return Program("P", populations=(b.build(),), **kw)


def test_traps_name_the_earliest_overflow() -> None:
    p = counting("trap")
    with pytest.raises(OverflowTrap, match=r"P\.A\.%2: integer overflow; got .step 2, trial 0, el"):
        simulate(ReferenceRun(p), p, 20)
    simulate(ReferenceRun(p), p, 2)


def test_the_ledger_counts_and_remembers() -> None:
    p = counting(watches=(Watch("A", "x", -128, 125),), trials=2)
    _, probes = simulate(ReferenceRun(p), p, 5, chunk=2)
    # element 1: 123, 126, -127, ...; element 0: 103, 106, 109, 112, 115; in each of 2 trials
    row = probes.ledger["A.x"]
    assert (row.count, row.first, row.low, row.high) == (2, (1, 0, 1), -127, 126)


def test_moments_are_over_trials() -> None:
    b = Builder("A", 1)
    b.name_value(b.param("p", F64, [[1.0], [2.0], [6.0]]), "p")
    p = Program("P", trials=3, populations=(b.build(),), probes=(Probe("A", "p", 1, 0, "moments"),))
    _, probes = simulate(ReferenceRun(p), p, 2)
    m = probes.moments["A.p:moments"]
    assert (m.count, m.mean.tolist(), m.m2.tolist()) == (3, [[3.0], [3.0]], [[14.0], [14.0]])


def test_probes_sample_by_period_and_offset() -> None:
    p = counting(probes=(Probe("A", "x", 3, 2),))
    _, probes = ReferenceRun(p)(initial_state(p), None, 0, 9)
    assert probes.traces["A.x"][:, 0, 0].tolist() == [109, 118, 127]
