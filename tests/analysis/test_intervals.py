"""Intervals, CV, LV and bursts: against elephant, definitions in plain Python, closed forms."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurohw.analysis import bursts, cv, interval_distribution, intervals, lv, trains
from neurohw.errors import NeurohwError

pytestmark = pytest.mark.filterwarnings("ignore:The 'copy' argument in Quantity")  # elephant's


def test_intervals_are_elephants(kit, some):
    statistics = kit.elephant("statistics")
    found = intervals(some)
    for k, row in enumerate(kit.as_neo(some)):
        for i, train in enumerate(row):
            mine = found.value[(found.trial == k) & (found.neuron == i)]
            want = statistics.isi(train).magnitude if len(train) else np.zeros(0)
            # theirs is a difference of two times of up to 1 s
            np.testing.assert_allclose(mine, want, rtol=0, atol=2 * kit.EPS)


@pytest.mark.parametrize("ddof", [0, 1])
def test_cv_is_elephants(kit, some, ddof):
    statistics = kit.elephant("statistics")
    found = cv(some, ddof=ddof)
    want = np.full(some.shape, np.nan)
    steps = intervals(some)
    for k in range(some.shape[0]):
        for i in range(some.shape[1]):
            mine = steps.value[(steps.trial == k) & (steps.neuron == i)]
            if len(mine) > 1:
                want[k, i] = statistics.cv(mine, ddof=ddof)
    n = len(some)
    np.testing.assert_allclose(found.per_train, want, rtol=4 * n * kit.EPS, equal_nan=True)
    assert found.trains == (~np.isnan(want)).sum() == 16  # one of five neurons is silent
    assert found.mean == pytest.approx(np.nanmean(want), rel=4 * n * kit.EPS)
    pooled = statistics.cv(steps.value, ddof=ddof)
    assert found.pooled == pytest.approx(pooled, rel=4 * n * kit.EPS)
    each = [steps.value[steps.neuron == i] for i in (0, 1, 3, 4)]
    np.testing.assert_allclose(
        found.per_neuron[[0, 1, 3, 4]], [statistics.cv(x, ddof=ddof) for x in each],
        rtol=4 * n * kit.EPS,
    )  # fmt: skip


def test_lv_is_elephants(kit, some):
    statistics = kit.elephant("statistics")
    found = lv(some)
    steps = intervals(some)
    for k in range(some.shape[0]):
        for i in range(some.shape[1]):
            mine = steps.value[(steps.trial == k) & (steps.neuron == i)]
            if len(mine) > 1:
                tol = 8 * len(mine) * kit.EPS
                assert found.per_train[k, i] == pytest.approx(statistics.lv(mine), rel=tol)
            else:
                assert math.isnan(found.per_train[k, i])


def test_a_bernoulli_train_has_the_cv_of_theory(kit):
    """Geometric intervals: CV = sqrt(1 - r dt)."""
    rate = 1000.0
    found = cv(kit.make(kit.bernoulli(rate, (10_000, 200, 1))))
    assert abs(found.mean - math.sqrt(1 - rate * kit.DT)) < 5 * found.sem
    assert found.sem < 0.005


def test_a_slow_change_of_rate_raises_cv_and_not_lv(kit):
    rate = np.where(np.arange(10_000) < 5000, 50, 500)[:, None, None]
    t = kit.make(kit.bernoulli(rate, (10_000, 50, 1)))
    assert cv(t).mean > 1.4
    assert abs(lv(t).mean - 1) < 0.1


def test_regular_trains_have_none(kit):
    dense = np.zeros((1000, 2, 2), np.bool_)
    dense[::25] = True
    for found in (cv(kit.make(dense)), lv(kit.make(dense))):
        assert (found.per_train == 0).all() and (found.mean, found.pooled, found.sem) == (0, 0, 0)


def test_the_interval_distribution(kit, some):
    h = interval_distribution(some, bin_width=1e-3)
    gaps = np.rint(intervals(some).value / kit.DT).astype(int)
    assert h.count.sum() == len(gaps)
    assert h.count[3] == ((gaps >= 30) & (gaps < 40)).sum()  # edges are exact
    short = interval_distribution(some, bin_width=1e-3, longest=20e-3)
    assert np.array_equal(short.count, h.count[:20]) and short.edges[-1] == pytest.approx(20e-3)


def test_next_to_nothing(sparse):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = cv(sparse), lv(sparse)
        b = bursts(sparse)
        h = interval_distribution(sparse, bin_width=1e-3)
    assert len(intervals(sparse).value) == 0 and h.count.tolist() == [0]
    assert np.isnan(h.density).all()
    for x in found:
        assert np.isnan(x.per_train).all() and x.trains == 0
        assert math.isnan(x.mean) and math.isnan(x.pooled) and math.isnan(x.sem)
    assert b.rate == 0 and not b.count.any() and math.isnan(b.short) and math.isnan(b.size)
    assert b.fraction == 0 if len(sparse) else math.isnan(b.fraction)


def test_one_interval_is_no_variation(kit):
    dense = np.zeros((100, 1, 1), np.bool_)
    dense[[10, 40]] = True
    assert np.isnan(cv(kit.make(dense), ddof=0).per_train).all()
    assert np.isnan(lv(kit.make(dense)).per_train).all()


# bursts ------------------------------------------------------------------------------------------


def slow_bursts(times: list[int], limit: int, least: int) -> list[list[int]]:
    """The definition, spike by spike."""
    runs: list[list[int]] = []
    for t in times:
        if runs and t - runs[-1][-1] < limit:
            runs[-1].append(t)
        else:
            runs.append([t])
    return [r for r in runs if len(r) >= least]


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.sampled_from([1, 5, 50, 200]),
       st.integers(1, 3))  # fmt: skip
def test_bursts_are_what_the_definition_says(seed, least, limit, trials):
    from neurohw.analysis import trains_of
    from neurohw.program import Events

    rng = np.random.default_rng(seed)
    dense = rng.random((400, trials, 2)) < rng.choice([0.001, 0.02, 0.2])
    e = Events.from_dense(dense, np.arange(trials), 0)
    t = trains_of(e, dt=1e-4, steps=400, size=2, trials=trials)
    found = bursts(t, limit=limit * 1e-4, least=least)
    sizes = []
    for k in range(trials):
        for i in range(2):
            runs = slow_bursts(np.flatnonzero(dense[:, k, i]).tolist(), limit, least)
            assert found.count[k, i] == len(runs)
            assert found.spikes_in_bursts[k, i] == sum(map(len, runs))
            sizes += map(len, runs)
    assert np.array_equal(found.spikes, dense.sum(axis=0))
    assert found.rate == pytest.approx(len(sizes) / (trials * 2 * 0.04))
    if sizes:
        assert found.size == pytest.approx(np.mean(sizes))
        assert found.fraction == pytest.approx(sum(sizes) / dense.sum())


def test_bursts_of_a_bernoulli_train_are_those_of_theory(kit):
    """Intervals are independent, and short with q = 1 - (1 - p)^(limit/dt - 1)."""
    p = 100 * kit.DT
    t = kit.make(kit.bernoulli(100, (20_000, 300, 1)))
    q = 1 - (1 - p) ** (50 - 1)
    two, three = bursts(t, least=2), bursts(t, least=3)
    # Trains end, so their first and last spike lack a neighbour: 1 spike in 200, at most q of them.
    for found, want in ((two, 1 - (1 - q) ** 2), (three, 1 - (1 - q) ** 2 - 2 * q * (1 - q) ** 2)):
        assert abs(found.fraction - want) < 5 * found.fraction_sem + 2 * q / 200
        assert found.fraction_sem < 0.01
    assert abs(two.short - q) < 5 * math.sqrt(q * (1 - q) / len(t))
    # a burst starts at a spike with a long interval before and a short one after
    assert abs(two.rate - 100 * q * (1 - q)) < 5 * two.rate_sem + q / 2


def test_the_error_of_the_fraction_is_its_spread_over_repetitions(kit):
    found = [
        bursts(kit.make(kit.bernoulli(60, (3000, 20, 1), seed=s)), limit=5e-3) for s in range(300)
    ]
    spread = np.std([b.fraction for b in found], ddof=1)
    told = math.sqrt(np.mean([b.fraction_sem**2 for b in found]))
    # sd of a sample sd of n values is 1 / sqrt(2 n); first order in 1 / 20 trials
    assert abs(told / spread - 1) < 5 / math.sqrt(2 * 300) + 1 / 20


def test_bursts_refuse_what_is_no_limit(some):
    for bad in (dict(limit=0.0), dict(limit=math.nan), dict(least=1)):
        with pytest.raises(NeurohwError, match="limit or least"):
            bursts(some, **bad)


def test_trials_do_not_touch(kit):
    dense = np.zeros((10, 2, 1), np.bool_)
    dense[9, 0], dense[0, 1] = True, True
    t = kit.make(dense)
    assert len(intervals(t).value) == 0 and bursts(t, limit=1.0).count.sum() == 0
    assert len(trains(t, start=5e-4)) == 1
