"""Rates, histograms, Fano factors, f-I curves: against elephant, NumPy and closed forms."""

from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np
import pytest

from neurohw.analysis import (
    counts,
    fano_factor,
    fi_curve,
    psth,
    rate_distribution,
    rates,
    spiking_fraction,
    trains,
)
from neurohw.backend import compile_program, simulate
from neurohw.errors import NeurohwError
from neurohw.lowering import lower
from neurohw.network import LIF, Network
from neurohw.program import Probe
from neurohw.recording import Recording
from neurohw.reference import ReferenceBackend

pytestmark = pytest.mark.filterwarnings("ignore:The 'copy' argument in Quantity")  # elephant's


def test_rates_are_elephants(kit, some):
    statistics = kit.elephant("statistics")
    trains_ = kit.as_neo(some)
    each = [[float(statistics.mean_firing_rate(x).rescale("Hz")) for x in row] for row in trains_]
    r = rates(some)
    tol = dict(rtol=4 * some.shape[1] * kit.EPS)
    np.testing.assert_allclose(r.per_trial, np.mean(each, axis=1), **tol)
    np.testing.assert_allclose(r.per_neuron, np.mean(each, axis=0), **tol)
    assert r.mean == pytest.approx(np.mean(each), rel=tol["rtol"])
    assert r.duration == pytest.approx(1.0)


def test_the_standard_error_is_scipys(some):
    from scipy.stats import sem

    r = rates(some)
    assert r.sem == pytest.approx(sem(r.per_trial), rel=1e-14)
    np.testing.assert_allclose(r.per_neuron_sem, sem(counts(some)) / r.duration, rtol=1e-14)


@pytest.mark.parametrize("width", [1, 7, 100, 10_000])
def test_the_psth_is_elephants(kit, some, width):
    statistics = kit.elephant("statistics")
    import quantities as pq
    from scipy.stats import sem

    bins = some.steps // width
    found = psth(some, bin_width=width * kit.DT)
    by_trial = np.zeros((some.shape[0], bins))
    for k, row in enumerate(kit.as_neo(some)):
        size = width * kit.DT * pq.s
        h = statistics.time_histogram(row, size, t_stop=bins * size, output="counts")
        by_trial[k] = h.magnitude[:bins, 0]
    to_rate = 1 / (some.shape[1] * width * kit.DT)
    np.testing.assert_allclose(found.rate, by_trial.mean(axis=0) * to_rate, rtol=8 * kit.EPS)
    # n * sum(c^2) - (sum c)^2 is exact here; a spread of zero is zero
    np.testing.assert_allclose(found.sem, sem(by_trial) * to_rate, rtol=1e-13, atol=1e-12)
    assert found.bin_width == pytest.approx(width * kit.DT)
    np.testing.assert_allclose(found.edges, np.arange(bins + 1) * width * kit.DT, rtol=4 * kit.EPS)


def test_bins_start_with_the_part_that_was_chosen(kit, some):
    part = trains(some, start=0.25)
    assert psth(part, bin_width=0.01).edges[0] == pytest.approx(0.25)
    whole = psth(some, bin_width=0.01)
    np.testing.assert_array_equal(psth(part, bin_width=0.01).rate, whole.rate[25:])


def test_the_fraction_of_trials(kit):
    dense = kit.bernoulli(2000, (30, 64, 3))
    time, fraction = spiking_fraction(kit.make(dense))
    np.testing.assert_array_equal(fraction, dense.mean(axis=1))
    np.testing.assert_array_equal(time, np.arange(30) * kit.DT)


def test_the_rate_distribution_is_numpys(some):
    h = rate_distribution(some, bins=[0, 50, 100, 400])
    assert h.count.tolist() == [2, 2, 1]
    assert (h.density * np.diff(h.edges)).sum() == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize("window", [None, 0.1, 0.0333])
def test_the_fano_factor_is_elephants(kit, some, window):
    statistics = kit.elephant("statistics")
    found = fano_factor(some, window=window, ddof=0)
    windows, n = found.factor.shape
    width = round(found.window / kit.DT)
    want = np.empty((windows, n))
    for w in range(windows):
        for i in range(n):
            part = trains(some, start=w * width * kit.DT, stop=(w + 1) * width * kit.DT, neurons=i)
            want[w, i] = statistics.fanofactor([row[0] for row in kit.as_neo(part)])
    np.testing.assert_allclose(found.factor, want, rtol=1e-13, atol=1e-13, equal_nan=True)
    assert np.isnan(found.factor[:, 2]).all()  # a silent neuron
    assert found.mean == pytest.approx(np.nanmean(want), rel=1e-13)


def test_the_fano_factor_over_windows(some, kit):
    found = fano_factor(some, window=0.05, over="windows")
    dense = np.zeros((10_000, *some.shape))
    dense[some.step, some.trial, some.neuron] = 1
    c = dense.reshape(20, 500, *some.shape).sum(axis=1)
    with np.errstate(invalid="ignore"):
        want = c.var(axis=0, ddof=1) / c.mean(axis=0)
    np.testing.assert_allclose(found.factor, want, rtol=1e-13, equal_nan=True)
    # counts of n steps with probability p: binomial, so F = 1 - p
    f = found.factor[:, 3]
    spread = math.sqrt(2 / 19 / len(f))  # sd of the mean of chi-squared / 19
    assert abs(f.mean() - (1 - 300 * kit.DT)) < 5 * spread


def test_the_fano_factor_refuses_another_word(some):
    with pytest.raises(NeurohwError, match=r"over.*trials, windows"):
        fano_factor(some, over="neurons")


@pytest.mark.parametrize("width", [0.0, -1e-3, 1.5e-4, 2.0, math.nan, math.inf])
def test_a_bin_that_does_not_fit(some, width):
    with pytest.raises(NeurohwError, match=r"bin_width.*multiples of 0.0001 s up to 1 s"):
        psth(some, bin_width=width)


def test_next_to_nothing(sparse):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        r, p = rates(sparse), psth(sparse, bin_width=1e-3)
        f = fano_factor(sparse)
        curve = fi_curve(sparse, current=np.array([1.0, 2.0]))
        h = rate_distribution(sparse, bins=3)
    n = len(sparse)
    assert r.mean == pytest.approx(n / (sparse.shape[0] * 2 * 5e-3))
    assert p.rate.sum() * 1e-3 * 2 * sparse.shape[0] == pytest.approx(n)
    assert h.count.sum() == 2 and np.isnan(curve.from_intervals).all()
    if sparse.shape[0] == 1:
        assert math.isnan(r.sem) and np.isnan(p.sem).all() and math.isnan(f.mean)
        assert np.isnan(curve.sem).all()
    else:
        assert r.sem == pytest.approx(r.mean if n else 0)  # one spike in one of 3 trials
        assert math.isnan(f.mean) if n == 0 else f.mean == pytest.approx(1)


# f-I curve ---------------------------------------------------------------------------------------


def test_the_f_i_curve_meets_its_closed_form():
    """T = tau ln(RI / (RI - theta)), up to the step in which the threshold is passed."""
    dt, tau, C, theta = 1e-5, 20e-3, 0.5e-9, 20e-3
    current = np.array([0.45e-9, 0.6e-9, 0.6e-9, 1.2e-9, 3e-9])
    net = Network("fi")
    net.population("n", LIF(C=C, tau=tau, E_L=-0.07, V_th=-0.05, size=len(current), I_bias=current))
    program = lower(net, "float64", dt=dt, method="exponential", trials=2).program
    program = dataclasses.replace(program, probes=(Probe("n", "spikes"),))
    out = simulate(compile_program(ReferenceBackend(), program), program, 20_000)[1]
    curve = fi_curve(Recording.of(program, out, backend="reference"), "n", current=current)
    assert curve.current.tolist() == [0.45e-9, 0.6e-9, 1.2e-9, 3e-9]
    drive = curve.current * tau / C
    assert np.isnan(curve.from_intervals[0]) and curve.rate[0] == 0  # below rheobase
    period = tau * np.log(drive[1:] / (drive[1:] - theta))
    late = 1 / curve.from_intervals[1:] - period
    assert ((late > -1e-9 * dt) & (late < dt)).all(), late
    # a count is the duration over the period, rounded down
    assert (np.abs(curve.rate[1:] * 0.2 - 0.2 * curve.from_intervals[1:]) <= 1).all()
    assert (curve.sem == 0).all()


def test_one_current_per_neuron(some):
    with pytest.raises(NeurohwError, match=r"one current per neuron.*\(5,\)"):
        fi_curve(some, current=np.ones(3))
