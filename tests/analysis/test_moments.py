"""Mean and variance over trials: against exact arithmetic, and however they are streamed."""

from __future__ import annotations

import dataclasses
import statistics
from fractions import Fraction

import numpy as np
import pytest

from neurohw.analysis import mean_variance, stream_moments, trial_moments
from neurohw.backend import compile_program, simulate
from neurohw.errors import NeurohwError, ProgramError
from neurohw.lowering import lower
from neurohw.network import LIF, AdditiveNoise, Network
from neurohw.program import Moments, Probe
from neurohw.recording import Recording
from neurohw.reference import ReferenceBackend


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (-0.07, 1e-3), (1e6, 1.0)])
@pytest.mark.parametrize("cuts", [[], [1], [1, 2, 3], [0, 0, 100], [33, 66], range(1, 100)])
def test_eqs_4_and_5_in_exact_arithmetic(kit, mean, sd, cuts):
    n = 100
    x = np.random.default_rng(3).normal(mean, sd, (2, n, 3))
    count, got, variance = mean_variance(stream_moments(np.split(x, list(cuts), axis=1)))
    assert count == n
    for s in range(2):
        for i in range(3):
            exact = [Fraction(v) for v in x[s, :, i].tolist()]
            want, var = statistics.mean(exact), statistics.variance(exact)  # N - 1
            # the mean is rounded at every part, and each rounding enters twice a deviation
            slack = kit.EPS * (abs(mean) + sd)
            assert abs(got[s, i] - want) < 4 * n * slack
            assert abs(variance[s, i] / var - 1) < 4 * n * (kit.EPS + slack / sd)


def test_one_trial_has_no_variance():
    count, mean, variance = mean_variance(Moments.of(np.ones((4, 1, 2))))
    assert count == 1 and (mean == 1).all() and np.isnan(variance).all()
    with pytest.raises(NeurohwError, match="no trial"):
        stream_moments([np.ones((4, 0, 2))])
    with pytest.raises(NeurohwError, match="no trial"):
        mean_variance([])


def record(trials: list[int], *, seed: int = 3, target: str = "float64", keep: str = "both"):
    net = Network("noisy")
    lif = LIF(C="0.5 nF", tau="20 ms", E_L="-70 mV", V_th="-50 mV", size=2, I_bias="0.1 nA")
    net.population("n", lif, noise=[AdditiveNoise(sigma="4 pA*s**0.5")])
    net.probe("n", "v")
    p = lower(net, target, dt=1e-3, seed=seed, trials=10).program
    (v,) = (x for x in p.probes if x.value == "v")
    kinds = {"trace": (v,), "moments": (dataclasses.replace(v, reduce="moments"),)}
    kinds["both"] = kinds["trace"] + kinds["moments"]
    p = dataclasses.replace(p, probes=kinds[keep])
    out = simulate(compile_program(ReferenceBackend(), p), p, 40, trials=trials)[1]
    return Recording.of(p, out, backend="reference")


@pytest.mark.parametrize("target", ["float64", "loihi1"])
@pytest.mark.parametrize("keep", ["trace", "moments"])
def test_parts_of_a_run_are_the_run(kit, target, keep):
    whole = record(list(range(10)), target=target)
    v = whole.trace("n", "v").values
    parts = [record(k, target=target, keep=keep) for k in ([0, 1, 2], [3], [4, 5, 6, 7, 8, 9])]
    m = trial_moments(parts, "n", "v")
    assert (m.count, m.unit, m.mean.shape) == (10, "V", (40, 2))
    np.testing.assert_allclose(m.time, np.arange(40) * 1e-3, rtol=1e-15)
    np.testing.assert_allclose(m.mean, v.mean(axis=1), rtol=40 * kit.EPS)
    # v is about -70 mV, and its spread a millivolt: a deviation has lost as much as v / spread
    want = v.var(axis=1, ddof=1)
    np.testing.assert_allclose(m.variance, want, rtol=0, atol=40 * 0.07 * kit.EPS * 0.02)
    assert (want > 0).all()
    np.testing.assert_allclose(m.std, v.std(axis=1, ddof=1), rtol=1e-9)
    np.testing.assert_allclose(m.sem, m.std / np.sqrt(10), rtol=1e-15)


def test_several_seeds_are_more_trials():
    a, b = record([0, 1], seed=1), record([0, 1], seed=2)
    m = trial_moments([a, b], "n")
    v = np.concatenate([a.trace("n").values, b.trace("n").values], axis=1)
    assert m.count == 4
    np.testing.assert_allclose(m.variance, v.var(axis=1, ddof=1), rtol=1e-9)


def test_no_trial_counts_twice():
    with pytest.raises(NeurohwError, match=r"occurs twice.*4"):
        trial_moments([record([3, 4]), record([4, 5])], "n")


def test_what_was_not_recorded_or_sampled_alike():
    a = record([0])
    with pytest.raises(ProgramError, match="no trace recorded"):
        trial_moments(a, "n", "w")
    fewer = dataclasses.replace(a.declared[0], every=2)
    assert isinstance(fewer, Probe)
    other = dataclasses.replace(record([1], keep="trace"), declared=(fewer,))
    with pytest.raises(NeurohwError, match="not sampled alike"):
        trial_moments([record([0], keep="trace"), other], "n")


def test_a_retimed_population_is_sampled_in_network_time():
    late = dataclasses.replace(record([0, 1, 2]), latency={"n": 3})
    m, plain = trial_moments(late, "n"), trial_moments(record([0, 1, 2]), "n")
    assert np.array_equal(m.mean, plain.mean[3:]) and m.time[0] == 0 and len(m.time) == 37
