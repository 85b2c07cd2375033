"""Population rate and power spectrum: against elephant, scipy and a Poisson process."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import neurohw.analysis.spectrum as room
from neurohw.analysis import population_rate, power_spectrum, psth
from neurohw.errors import NeurohwError


def test_the_population_rate(some):
    time, rate = population_rate(some, bin_width=7e-4)
    assert rate.shape == (4, 1428) and time[3] == pytest.approx(2.1e-3)
    kept = np.bincount(some.trial[some.step < 1428 * 7], minlength=4)
    np.testing.assert_allclose(rate.sum(axis=1) * 7e-4 * 5, kept, rtol=1e-12)
    np.testing.assert_allclose(rate.mean(axis=0), psth(some, bin_width=7e-4).rate, rtol=1e-12)


@pytest.mark.parametrize(("segment", "overlap"), [(None, 0.5), (0.25, 0.5), (0.2, 0.0), (1.0, 0.9)])
def test_the_spectrum_is_elephants(kit, some, segment, overlap):
    spectral = kit.elephant("spectral")
    found = power_spectrum(some, bin_width=1e-3, segment=segment, overlap=overlap)
    _, rate = population_rate(some, bin_width=1e-3)
    length = {} if segment is None else {"len_segment": round(segment / 1e-3)}
    f, p = spectral.welch_psd(rate, fs=1000.0, overlap=overlap, **length)
    np.testing.assert_allclose(found.frequency, f, rtol=4 * kit.EPS)
    np.testing.assert_allclose(found.power, p.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.sem, p.std(axis=0, ddof=1) / 2, rtol=1e-12)
    assert found.frequency[1] == pytest.approx(1 / found.segment)


def test_blocks_do_not_matter(some, monkeypatch):
    whole = power_spectrum(some, bin_width=1e-3)
    monkeypatch.setattr(room, "_BLOCK", 1)
    parts = power_spectrum(some, bin_width=1e-3)
    np.testing.assert_allclose(parts.power, whole.power, rtol=1e-13)
    np.testing.assert_allclose(parts.sem, whole.sem, rtol=1e-12)


def test_a_poisson_process_is_white(kit):
    """One-sided density 2 r (1 - r dt) / N above 0 for N independent Bernoulli trains."""
    r, n = 100.0, 5
    t = kit.make(kit.bernoulli(r, (10_000, 200, n)))
    s = power_spectrum(t, bin_width=kit.DT, segment=0.05)
    want = 2 * r * (1 - r * kit.DT) / n
    inner = slice(2, -1)  # the window and the removed mean reach one bin; the last has half
    z = (s.power[inner] - want) / s.sem[inner]
    assert np.abs(z).max() < 5.5  # 247 frequencies
    assert abs(s.power[inner].mean() / want - 1) < 0.01


def test_an_oscillation_is_where_it_is(kit):
    time = np.arange(20_000) * kit.DT
    rate = 50 * (1 + np.cos(2 * np.pi * 40 * time))[:, None, None]
    s = power_spectrum(kit.make(kit.bernoulli(rate, (20_000, 5, 50))), bin_width=1e-3, segment=0.5)
    assert s.frequency[np.argmax(s.power)] == pytest.approx(40)


def test_next_to_nothing(sparse):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        s = power_spectrum(sparse, bin_width=1e-4, segment=1e-3)
    assert np.isfinite(s.power).all() and (s.power > 0).any() == (len(sparse) > 0)
    assert np.isnan(s.sem).all() == (sparse.shape[0] == 1)


@pytest.mark.parametrize("bad", [dict(segment=2.0), dict(overlap=1.0), dict(segment=1e-3)])
def test_what_does_not_fit(some, bad):
    with pytest.raises(NeurohwError, match=r"segment|overlap"):
        power_spectrum(some, bin_width=1e-3, **bad)
    assert not math.isnan(power_spectrum(some, bin_width=1e-3).power[0])
