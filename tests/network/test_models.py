"""Neurons, drivers, noise and synapses: derived values, ranges, equality, errors with origin."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from neurohw.errors import NetworkError, UnitError
from neurohw.network import (
    CSR,
    LIF,
    AdditiveNoise,
    Delta,
    Event,
    Exponential,
    Mismatch,
    MultiplicativeNoise,
    Poisson,
    Regular,
    Relay,
    RunSpec,
    SpikeArray,
    SpikeTimes,
)

HERE = Path(__file__).name
POSITIVE = st.floats(1e-3, 1e3)


@pytest.mark.parametrize(
    "given_",
    [
        {"C": "0.5 nF", "tau": "30 ms"}, {"C": "0.5 nF", "R": "60 Mohm"},
        {"tau": "30 ms", "R": "60 Mohm"}, {"C": "0.5 nF", "g_L": 0.5e-9 / 0.03},
        {"tau": "30 ms", "g_L": 0.5e-9 / 0.03},
        {"C": "0.5 nF", "tau": "30 ms", "R": "60 Mohm", "g_L": 0.5e-9 / 0.03},
    ],
)  # fmt: skip
def test_any_two_make_a_membrane(given_: dict[str, object]) -> None:
    lif = LIF(V_th="-50 mV", E_L="-70 mV", **given_)
    assert np.allclose([lif.C, lif.tau, lif.R, lif.g_L], [5e-10, 0.03, 6e7, 0.5e-9 / 0.03], 1e-12)
    assert lif.V_reset == lif.V_init == lif.E_L == -0.07
    assert lif.given == tuple(k for k in ("C", "g_L", "tau", "R") if k in given_)
    if "tau" in given_:
        assert lif.tau == 0.03


@given(POSITIVE, POSITIVE)
def test_replace_keeps_what_was_given(capacity: float, tau: float) -> None:
    lif = LIF(C=capacity, tau=tau, V_th=1)
    assert lif.replace() == lif
    assert lif.replace(V_th=2).g_L == lif.g_L
    assert lif.replace(tau=2 * tau).g_L == capacity / (2 * tau)


def test_perfect_integrator() -> None:
    lif = LIF(C="1 nF", g_L=0, V_th=1)
    assert (lif.tau, lif.R) == (math.inf, math.inf)
    assert lif.replace() == lif
    mixed = LIF(size=2, C="1 nF", g_L=["0 S", "1 nS"], V_th=1)
    assert np.array_equal(mixed.tau, [math.inf, 1.0])


def test_arrays_are_read_only_copies() -> None:
    thresholds = np.array([0.01, 0.02])
    lif = LIF(size=2, C=1, tau=1, V_th=thresholds)
    thresholds[:] = 0
    assert np.array_equal(lif.V_th, [0.01, 0.02])
    for array in (lif.V_th, LIF(size=2, C=[1, 2], tau=1, V_th=1).g_L):
        assert isinstance(array, np.ndarray)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_equality() -> None:
    lif = LIF(size=3, C=1, tau=1, V_th=1)
    assert lif == LIF(size=3, C=1, tau="1000 ms", V_th=[1, 1, 1])
    assert lif != LIF(size=2, C=1, tau=1, V_th=1)
    assert lif != LIF(size=3, C=1, tau=1, V_th=[1, 1, 2])
    assert lif != Relay(3)
    assert Relay(3) == Relay(3) != Relay(4)
    assert Regular(rate="50 Hz") == Regular(period="20 ms")
    assert SpikeTimes(times=[[0.2, 0.1]]) == SpikeTimes(times=[["100 ms", "200 ms"]])
    assert SpikeArray(size=2) == SpikeArray(size=2, events=([], []))
    assert SpikeArray(size=2) != SpikeArray(size=2, events=([1], [1]))
    with pytest.raises(TypeError, match="unhashable"):
        hash(lif)


def test_derived_fields_of_others() -> None:
    assert Regular(rate=[0, 50], size=2).period.tolist() == [math.inf, 0.02]  # type: ignore[union-attr]
    assert Regular(period="8 ms").rate == 125.0
    events = SpikeArray(size=3, events=([5, 1, 1], [0, 2, 1])).events
    assert events is not None
    assert [part.tolist() for part in events] == [[1, 1, 5], [1, 2, 0]]
    assert Mismatch(parameter="C", cv="20 %", distribution="lognormal").log_sigma == pytest.approx(
        math.sqrt(math.log(1.04))
    )
    assert AdditiveNoise(sigma="1 pA*ms**0.5").sigma == pytest.approx(1e-12 * math.sqrt(1e-3))
    assert MultiplicativeNoise(sigma="1 nS", convention="per_step").sigma == 1e-9
    assert SpikeTimes(times=[[], ["1 ms"]]).size == 2


RUN = {"dt": "0.1 ms"}


def test_runspec() -> None:
    assert (RunSpec().steps, RunSpec().duration) == (10000, 1.0)
    assert RunSpec(dt="0.1 ms", duration="0.3 s").steps == 3000
    assert RunSpec(steps=3, dt="0.1 ms").duration == 0.0003
    assert RunSpec(steps=3, dt="0.1 ms") == RunSpec(duration="0.3 ms", dt="0.1 ms")
    assert RunSpec(targets="loihi1", backends=["native"]).targets == ("loihi1",)


def test_csr() -> None:
    dense = np.array([[0, 2.0, 0], [1, 0, 3]])
    csr = Delta(weight=scipy.sparse.coo_matrix(dense)).weight
    assert isinstance(csr, CSR)
    assert csr.shape == (2, 3)
    assert csr.indptr.tolist() == [0, 1, 3]
    assert csr.indices.tolist() == [1, 0, 2]
    assert np.array_equal(csr.toarray(), dense)
    table = {"rows": [1, 0, 1], "columns": [2, 1, 0], "values": ["3 V", "2 V", "1 V"]}
    assert Delta(weight={**table, "shape": [2, 3]}).weight == csr
    twice = scipy.sparse.coo_matrix(([1.0, 2.0], ([0, 0], [1, 1])), shape=(1, 2))
    assert np.array_equal(Delta(weight=twice).weight.toarray(), [[0, 3]])  # type: ignore[union-attr]


LIMIT = "allowed: two of C, g_L, tau and R, but not just g_L and R"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: LIF(V_th=1, C=1),
         f"LIF: the membrane is not determined; got C; {LIMIT}; add C or tau"),
        (lambda: LIF(V_th=1, C="1 mV", tau=1),
         "LIF.C: wrong unit; got '1 mV'; allowed: a quantity in"
         " F, such as '500 pF', or a bare SI number"),
        (lambda: LIF(V_th=1, C=1, tau=0),
         "LIF.tau: out of range; got 0 s; allowed: greater than 0 s"),
        (lambda: LIF(V_th=1, C=-1, tau=1),
         "LIF.C: out of range; got -1 F; allowed: greater than 0 F"),
        (lambda: LIF(V_th=1, C=1, tau=1, R=2),
         "LIF.tau: inconsistent: C and R and tau contradict each"
         " other; got tau = 1 s; allowed: tau = 2 s; leave one of them out"),
        (lambda: LIF(V_th=1, g_L=0, tau=1),
         "LIF.g_L: no leak needs a capacitance; got 0 S; give C"),
        (lambda: LIF(V_th=0, C=1, tau=1),
         "LIF.V_th: must be above V_reset; got 0 V; allowed: greater"
         " than V_reset = 0 V; V_reset defaults to E_L, which defaults to 0 V"),
        (lambda: LIF(size=2, V_th=[1, -1], E_L=-0.5, C=1, tau=1),
         "LIF.V_th: must be above V_reset at"
         " index 1; got -1 V; allowed: greater than V_reset = -500 mV"),
        (lambda: LIF(size=2, V_th=[1, 2, 3], C=1, tau=1), "LIF.V_th: wrong shape; got shape (3,);"
         " allowed: one value, or one per neuron: shape (2,)"),
        (lambda: LIF(size=2, V_th=1, C=1, tau=1, t_ref=[0, -1]),
         "LIF.t_ref: out of range at index 1;"
         " got -1 s; allowed: at least 0 s"),
        (lambda: LIF(V_th=1, C=1, tau=1, t_ref_sigma="-1 ms"), "LIF.t_ref_sigma: out of range;"
         " got -1 ms; allowed: at least 0 s"),
        (lambda: LIF(V_th=1, C=1, tau=1, reset="subtrac"),
         "LIF.reset: unknown value; got 'subtrac';"  # type: ignore[arg-type]
         " allowed: to | subtract | none; did you mean 'subtract'?"),
        (lambda: LIF(V_th=1, C=1, tau=1, size=2.0),
         "LIF.size: must be an integer; got 2.0"),  # type: ignore[arg-type]
        (lambda: Relay(0), "Relay.size: out of range; got 0; allowed: at least 1"),
        (lambda: Regular(),
         "Regular: give rate or period; got neither; allowed: exactly one of them"),
        (lambda: Regular(rate=1, period=1),
         "Regular.period: give rate or period; got both; allowed:"
         " exactly one of them"),
        (lambda: Poisson(rate="-1 Hz"),
         "Poisson.rate: out of range; got -1 Hz; allowed: at least 0 Hz"),
        (lambda: SpikeTimes(times=[[0.1], [-1]]), "SpikeTimes.times: negative time of source 1;"
         " got -1 s; allowed: >= 0 s"),
        (lambda: SpikeTimes(times=[[1]], size=2),
         "SpikeTimes.times: wrong length; got 1; allowed: one"
         " list per source: 2"),
        (lambda: SpikeTimes(times=[["1 mV"]]),
         "SpikeTimes.times[0]: wrong unit; got '1 mV'; allowed: a"
         " quantity in s, such as '30 ms', or a bare SI number"),
        (lambda: SpikeArray(size=2, events=([1], [2])), "SpikeArray.events: no such source; got 2;"
         " allowed: 0 to 1"),
        (lambda: SpikeArray(size=2, events=([1, 1], [1, 1])),
         "SpikeArray.events: an event occurs twice;"
         " got step 1, source 1; remove one"),
        (lambda: SpikeArray(events=([0.5], [0])),
         "SpikeArray.events: must be integers; got an array of"
         " float64"),
        (lambda: AdditiveNoise(sigma="1 pA"),
         "AdditiveNoise.sigma: wrong unit; got '1 pA'; allowed: a"
         " quantity in A*s**0.5, such as '0.2 pA*ms**0.5', or a bare SI number"),
        (lambda: AdditiveNoise(sigma=1, convention="pink"),
         "AdditiveNoise.convention: unknown value;"  # type: ignore[arg-type]
         " got 'pink'; allowed: white | per_step"),
        (lambda: MultiplicativeNoise(sigma=-1), "MultiplicativeNoise.sigma: out of range;"
         " got -1 S*s**0.5; allowed: at least 0 S*s**0.5"),
        (lambda: Mismatch(parameter="C", cv=0.6),
         "Mismatch.cv: too wide for a normal spread; got 0.6;"
         " allowed: < 0.5; use distribution='lognormal'"),
        (lambda: Delta(weight=[[1.0, math.nan]]),
         "Delta.weight: not finite at index (0, 1); got nan;"
         " allowed: finite quantities in V"),
        (lambda: Delta(weight=scipy.sparse.csr_array([[0, 0], [0, math.inf]])), "Delta.weight: not"
         " finite at index (1, 1); got inf"),
        (lambda: Delta(weight=np.ones((1, 1, 1))),
         "Delta.weight: wrong shape; got 3 axes; allowed: a"
         " matrix [target, source] at most"),
        (lambda: Delta(weight={"rows": [0]}),
         "Delta.weight: not a sparse matrix; got rows; allowed:"
         " rows, columns, values, shape"),
        (lambda: Exponential(weight=1, tau=[1, 2]),
         "Exponential.tau: must be one value; got shape (2,)"),
        (lambda: Event(weight=2),
         "Event.weight: an event has no strength; got 2.0; allowed: 0 or 1"),
        (lambda: RunSpec(dt="0.1 ms", duration="1.05 ms"), "RunSpec.duration: not a whole number of"
         " steps of 100 us; got 1.05 ms; allowed: for example 1 ms"),
        (lambda: RunSpec(steps=1, duration=1), "RunSpec.steps: give duration or steps; got both"),
        (lambda: RunSpec(seed=-1),
         "RunSpec.seed: out of range; got -1; allowed: at least 0 and at most"
         " 18446744073709551615"),
    ],
)  # fmt: skip
def test_errors(make: object, text: str) -> None:
    assert callable(make)
    with pytest.raises(NetworkError) as caught:
        make()
    message = str(caught.value)
    place, _, rest = message.partition(": ")
    assert rest == text
    file, _, line = place.rpartition(":")
    assert Path(file).name == HERE
    assert make.__code__.co_firstlineno <= int(line) <= make.__code__.co_firstlineno + 1
    assert isinstance(caught.value, UnitError) == ("unit" in text or "finite" in text)
