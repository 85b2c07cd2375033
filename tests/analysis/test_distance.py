"""Distances of spike trains: against elephant, and what their definitions say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neurohw.analysis import latency_shift, van_rossum, victor_purpura
from neurohw.errors import NeurohwError

pytestmark = pytest.mark.filterwarnings("ignore:The 'copy' argument in Quantity")  # elephant's


@pytest.fixture(scope="module")
def two(kit):
    """Two recordings of 2 trials of 4 neurons: jittered, unrelated, one side silent, both."""
    rng = np.random.default_rng(3)
    x = kit.bernoulli(40.0, (3000, 2, 4), seed=5)
    y = np.zeros_like(x)
    steps, trials, neurons = np.nonzero(x[:, :, :1])
    moved = np.clip(steps + rng.integers(-9, 10, len(steps)), 0, 2999)
    y[moved, trials, neurons] = True
    y[:, :, 1] = kit.bernoulli(25.0, (3000, 2), seed=6)
    x[:, :, 3] = False
    return kit.make(x), kit.make(y)


@pytest.mark.parametrize("cost", [0.0, 10.0, 1000.0, 1e6])
def test_victor_purpura_is_elephants(kit, two, cost):
    dissimilarity = kit.elephant("spike_train_dissimilarity")
    import quantities as pq

    got, (a, b) = victor_purpura(*two, cost=cost), (kit.as_neo(t) for t in two)
    for at in np.ndindex(got.shape):
        pair = [a[at[0]][at[1]], b[at[0]][at[1]]]
        want = dissimilarity.victor_purpura_distance(pair, cost / pq.s)[0, 1]
        assert got[at] == pytest.approx(want, rel=1e-9, abs=1e-9)
    assert got[:, 2].max() > 0 or cost == 0
    assert not got[:, 3].any()


@pytest.mark.parametrize("tau", [1e-3, 2e-2, 1.0])
def test_van_rossum_is_elephants(kit, two, tau):
    dissimilarity = kit.elephant("spike_train_dissimilarity")
    import quantities as pq

    got, (a, b) = van_rossum(*two, tau=tau), (kit.as_neo(t) for t in two)
    for at in np.ndindex(got.shape):
        pair = [a[at[0]][at[1]], b[at[0]][at[1]]]
        want = dissimilarity.van_rossum_distance(pair, time_constant=tau * pq.s)[0, 1]
        assert got[at] == pytest.approx(want, rel=1e-6, abs=1e-6)


def test_one_spike_more_is_a_distance_of_1(kit):
    dense = np.zeros((100, 1, 1), bool)
    none = kit.make(dense)
    dense = dense.copy()
    dense[30] = True
    one = kit.make(dense)
    assert van_rossum(none, one, tau=0.01)[0, 0] == 1.0
    assert victor_purpura(none, one, cost=5.0)[0, 0] == 1.0
    later = np.roll(dense, 20, axis=0)
    apart = 20 * kit.DT
    assert victor_purpura(one, kit.make(later), cost=5.0)[0, 0] == pytest.approx(5 * apart)
    want = math.sqrt(2 * (1 - math.exp(-apart / 0.01)))
    assert van_rossum(one, kit.make(later), tau=0.01)[0, 0] == pytest.approx(want, rel=1e-12)


def test_latency_shift(kit):
    x, y = np.zeros((100, 1, 4), bool), np.zeros((100, 1, 4), bool)
    x[[10, 50], 0, 0], y[[13, 50], 0, 0] = True, True
    x[20, 0, 1], y[15, 0, 1] = True, True
    x[20, 0, 2] = True
    found = latency_shift(kit.make(x), kit.make(y))
    np.testing.assert_allclose(found.shift[0, :2], [3 * kit.DT, -5 * kit.DT], rtol=1e-12)
    assert np.isnan(found.shift[0, 2:]).all()
    assert (found.lost, found.gained) == (1, 0)
    assert found.median == pytest.approx(-kit.DT)
    assert found.largest == pytest.approx(5 * kit.DT)
    silent = latency_shift(kit.make(0 * x), kit.make(0 * y))
    assert math.isnan(silent.median) and math.isnan(silent.largest)


def test_equal_trains_are_0_apart(some):
    assert not victor_purpura(some, some, cost=100.0).any()
    assert not van_rossum(some, some, tau=0.01).any()
    assert latency_shift(some, some).largest == 0


def test_errors(kit, some):
    with pytest.raises(NeurohwError, match="cost; got -1; allowed: at least 0 per second"):
        victor_purpura(some, some, cost=-1)
    with pytest.raises(NeurohwError, match="tau; got 0; allowed: above 0 s"):
        van_rossum(some, some, tau=0)
    fewer = kit.make(np.zeros((10_000, 4, 3), bool))
    with pytest.raises(NeurohwError, match="not the same neurons; got '5 and 3 of them'"):
        van_rossum(some, fewer, tau=0.1)
