"""Correlograms and pairwise correlations: against elephant, NumPy and known processes."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import neurohw.analysis.correlation as room
from neurohw.analysis import Trains, cross_correlogram, pairwise_correlation, trains
from neurohw.errors import NeurohwError

pytestmark = pytest.mark.filterwarnings("ignore:The 'copy' argument in Quantity")  # elephant's


def binned_by_elephant(kit, t: Trains, width: int, trial: int, neuron: int):
    conversion = kit.elephant("conversion")
    import quantities as pq

    row = kit.as_neo(t)[trial][neuron]
    bins = t.steps // width
    return conversion.BinnedSpikeTrain(row, bin_size=width * kit.DT * pq.s, n_bins=bins)


def dense_counts(t: Trains, width: int) -> np.ndarray:
    """[T, N, bins]"""
    out = np.zeros((*t.shape, t.steps))
    out[t.trial, t.neuron, t.step] = 1
    bins = t.steps // width
    return out[:, :, : bins * width].reshape(*t.shape, bins, width).sum(axis=3)


@pytest.mark.parametrize("correct", [False, True])
@pytest.mark.parametrize("width", [1, 50])
def test_the_correlogram_is_elephants(kit, some, width, correct):
    correlation = kit.elephant("spike_train_correlation")
    lags = 2000 // width
    one = trains(some, neurons=3)
    for i in (0, 3):
        other = trains(some, neurons=i)
        for k in (0, 2):
            got = [only(x, k) for x in (one, other)]
            c = cross_correlogram(
                *got, bin_width=width * kit.DT, max_lag=2000 * kit.DT, border_correction=correct
            )
            x, y = (binned_by_elephant(kit, some, width, k, n) for n in (3, i))
            kind = dict(window=[-lags, lags], border_correction=correct, method="memory")
            plain, lag = correlation.cross_correlation_histogram(x, y, window=[-lags, lags])
            unit, _ = correlation.cross_correlation_histogram(
                x, y, cross_correlation_coefficient=True, **kind
            )
            assert np.array_equal(c.count, plain.magnitude[:, 0])
            assert np.array_equal(np.rint(c.lag / (width * kit.DT)), lag)
            # both are (count - mean) / spread, of terms up to count / spread
            scale = np.abs(c.count).max() / spread(some, width, k, (3, i))
            np.testing.assert_allclose(
                c.coefficient, unit.magnitude[:, 0], rtol=0, atol=16 * kit.EPS * (1 + scale)
            )
            assert c.self_pairs == (len(got[0]) if i == 3 else 0)


def only(t: Trains, trial: int) -> Trains:
    from dataclasses import replace

    keep = t.trial == trial
    columns = {"neuron": t.neuron[keep], "step": t.step[keep], "trial": np.zeros(keep.sum(), int)}
    return replace(t, trials=t.trials[trial : trial + 1], **columns)


def spread(t: Trains, width: int, trial: int, neurons: tuple[int, int]) -> float:
    c = dense_counts(t, width)[trial]
    x, y = (c[i] - c[i].mean() for i in neurons)
    return math.sqrt((x @ x) * (y @ y))


def test_the_second_follows_the_first_at_positive_lags(kit):
    dense = kit.bernoulli(50, (5000, 3, 1))
    later = np.roll(dense, 30, axis=0)
    later[:30] = False
    c = cross_correlogram(kit.make(dense), kit.make(later), bin_width=1e-3, max_lag=10e-3)
    assert c.lag[np.argmax(c.count)] == pytest.approx(3e-3)
    assert len(c.lag) == 21 and c.bin_width == pytest.approx(1e-3)


def test_trials_and_neurons_are_summed(kit, some, monkeypatch):
    """By definition, in plain NumPy; and in blocks of any size."""
    a, b = trains(some, neurons=[0, 3]), trains(some, neurons=[1, 4])
    c = cross_correlogram(a, b, bin_width=2e-3, max_lag=0.9)
    x, y = (dense_counts(t, 20).sum(axis=1) for t in (a, b))
    bins = x.shape[1]
    lags = range(-450, 451)
    count = []
    for k in lags:
        before, after = max(-k, 0), max(k, 0)
        count.append((x[:, before : bins - after] * y[:, after : bins - before]).sum())
    assert c.count.tolist() == count
    fair = np.array(count) * bins / (bins - np.abs(lags))
    np.testing.assert_allclose(c.rate, fair / (x.sum() * 2e-3 * 2), rtol=8 * kit.EPS)
    dx, dy = (v - v.mean(axis=1, keepdims=True) for v in (x, y))
    at_zero = (dx * dy).sum() / math.sqrt((dx**2).sum() * (dy**2).sum())
    assert c.coefficient[450] == pytest.approx(at_zero, abs=1e-12)
    monkeypatch.setattr(room, "_BLOCK", 1)
    assert np.array_equal(room._by_transform(a, b, 20, 450), c.count)


@pytest.mark.parametrize("rate", [20.0, 2000.0])
@pytest.mark.parametrize(("width", "lags"), [(1, 3), (1, 700), (7, 50), (100, 9)])
def test_both_ways_to_count_agree(kit, rate, width, lags, monkeypatch):
    """Few pairs are counted one by one, many by transforms; the numbers are whole and equal."""
    a, b = (kit.make(kit.bernoulli(rate, (1000, 7, 2), seed=s)) for s in (1, 2))
    used = []
    for name in ("_by_pairs", "_by_transform"):
        way = getattr(room, name)
        monkeypatch.setattr(room, name, lambda *x, w=way, n=name: used.append(n) or w(*x))
    c = cross_correlogram(a, b, bin_width=width * kit.DT, max_lag=width * lags * kit.DT)
    assert used[0] == ("_by_transform" if rate > 1000 and lags > 3 else "_by_pairs")
    assert np.array_equal(room._by_transform(a, b, width, lags), c.count)
    x, y = (dense_counts(t, width).sum(axis=1) for t in (a, b))
    direct = sum(np.correlate(j, i, "full") for i, j in zip(x, y, strict=True))
    middle = x.shape[1] - 1
    assert np.array_equal(direct[middle - lags : middle + lags + 1], c.count)
    if rate > 1000:  # steps that fill no bin are in no sum either
        dx, dy = (z - z.mean(axis=1, keepdims=True) for z in (x, y))
        at_zero = (dx * dy).sum() / math.sqrt((dx**2).sum() * (dy**2).sum())
        assert c.coefficient[lags] == pytest.approx(at_zero, abs=1e-12)


def test_the_rate_after_an_independent_spike_is_the_rate(kit):
    dense = kit.bernoulli([40.0, 90.0], (20_000, 100, 2))
    t = kit.make(dense)
    c = cross_correlogram(trains(t, neurons=0), trains(t, neurons=1), bin_width=1e-2, max_lag=5e-2)
    expected = c.count.mean()
    assert (np.abs(c.rate - 90) < 5 * 90 / math.sqrt(expected)).all()
    # its coefficient is that of white noise: 1 / sqrt(samples)
    assert (np.abs(c.coefficient) < 5 / math.sqrt(100 * 200)).all()


def test_pairwise_is_elephants_and_numpys(kit, some):
    conversion = kit.elephant("conversion")
    correlation = kit.elephant("spike_train_correlation")
    import quantities as pq

    one = only(some, 1)
    found = pairwise_correlation(one, bin_width=5e-3, matrix=True)
    row = [x for i, x in enumerate(kit.as_neo(some)[1]) if i != 2]
    want = correlation.correlation_coefficient(
        conversion.BinnedSpikeTrain(row, bin_size=5e-3 * pq.s, n_bins=200)
    )
    assert found.neurons.tolist() == [0, 1, 3, 4] and found.pairs == 6
    assert found.bin_width == pytest.approx(5e-3)
    np.testing.assert_allclose(found.matrix, want, rtol=0, atol=32 * kit.EPS)
    upper = want[np.triu_indices(4, 1)]
    np.testing.assert_allclose(found.values, upper, rtol=0, atol=32 * kit.EPS)
    assert found.mean == pytest.approx(upper.mean(), abs=64 * kit.EPS)


@pytest.mark.parametrize("rate", [20.0, 3000.0])
@pytest.mark.parametrize("bin_width", [1e-4, 7e-4, 5e-3])
def test_the_mean_needs_no_matrix(kit, rate, bin_width, monkeypatch):
    dense = kit.bernoulli(rate, (3000, 4, 30))
    dense |= kit.bernoulli(50, (3000, 4, 1), seed=2)  # shared by all
    t = kit.make(dense)
    found = pairwise_correlation(t, bin_width=bin_width)
    c = dense_counts(t, round(bin_width / kit.DT))
    want = np.corrcoef(c.transpose(1, 0, 2).reshape(30, -1))
    pairs = want[np.triu_indices(30, 1)]
    # a sum of 30 by samples products, relative to a power of at most 30^2
    assert found.mean == pytest.approx(pairs.mean(), abs=30 * math.sqrt(c[:, 0].size) * kit.EPS)
    assert found.pairs == 435 and found.matrix is None
    with pytest.raises(NeurohwError, match="matrix=True"):
        found.values
    monkeypatch.setattr(room, "_BLOCK", 1000)
    full = pairwise_correlation(t, bin_width=bin_width, matrix=True)
    np.testing.assert_allclose(full.matrix, want, rtol=0, atol=64 * kit.EPS)


def test_a_known_correlation_is_found(kit):
    """Copies of one train, each spike kept with probability c: correlation c (for small r dt)."""
    c, rate, n = 0.2, 50.0, 40
    rng = np.random.default_rng(5)
    mother = kit.bernoulli(rate / c, (10_000, 40, 1))
    t = kit.make(mother & (rng.random((10_000, 40, n)) < c))
    p = rate * kit.DT
    want = (p * c - p**2) / (p - p**2)
    found = pairwise_correlation(t, bin_width=kit.DT).mean
    samples = mother.sum()  # the coefficient rests on so many spikes of the mother
    assert abs(found - want) < 5 / math.sqrt(samples)
    wide = pairwise_correlation(t, bin_width=10e-3).mean
    assert abs(wide - want) < 5 * math.sqrt(2 / 4000)  # of 4000 bins; synchrony is exact


def test_constant_counts_have_no_correlation(kit):
    dense = np.zeros((100, 2, 3), np.bool_)
    dense[::10, :, 0] = dense[::20, :, 1] = dense[5::20, :, 2] = True  # 1 in every 10 steps
    found = pairwise_correlation(kit.make(dense), bin_width=1e-3, matrix=True)
    assert found.neurons.tolist() == [1, 2] and found.pairs == 1
    assert found.mean == pytest.approx(1, abs=16 * kit.EPS) == found.matrix[0, 1]
    a, b = (trains(kit.make(dense), neurons=i) for i in (0, 1))
    assert np.isnan(cross_correlogram(a, b, bin_width=1e-3, max_lag=2e-3).coefficient).all()


def test_next_to_nothing(sparse):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = pairwise_correlation(sparse, bin_width=1e-3, matrix=True)
        c = cross_correlogram(sparse, sparse, bin_width=1e-3, max_lag=2e-3)
    assert math.isnan(found.mean) and found.pairs == 0
    assert len(found.neurons) == len(sparse) == len(found.matrix) == c.count[2] == c.self_pairs
    assert np.isnan(c.coefficient).all() == (len(sparse) == 0)
    assert np.isnan(c.rate).all() == (len(sparse) == 0)


def test_what_cannot_be_correlated(kit, some):
    other = kit.make(np.zeros((10_000, 3, 5), np.bool_))
    with pytest.raises(NeurohwError, match="not the same trials"):
        cross_correlogram(some, other, bin_width=1e-3, max_lag=1e-2)
    other = kit.make(np.zeros((10_000, 4, 5), np.bool_), dt=2e-4)
    with pytest.raises(NeurohwError, match="not the same dt"):
        cross_correlogram(some, other, bin_width=1e-3, max_lag=1e-2)
    with pytest.raises(NeurohwError, match="lags as long as the run"):
        cross_correlogram(some, some, bin_width=1e-3, max_lag=1.0)
