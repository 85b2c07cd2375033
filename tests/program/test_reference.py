"""The reference against closed facts: fractions, big integers, and what a step means."""

from __future__ import annotations

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
    Edge,
    Int,
    Probe,
    Program,
    Watch,
    freeze,
    initial_state,
)
from neurohw.reference import ReferenceRun, cast, fit, shift_right

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
