"""Random connectivity: exact counts, distributions against scipy, reproducible, large."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

import neurohw as nh
from neurohw.errors import NetworkError, UnitError
from neurohw.network import CSR, LIF, Delta, Exponential, Network, Poisson
from neurohw.network.choices import Choices, _failures
from neurohw.network.connectivity import fixed_in_degree, fixed_total_number, pairwise_bernoulli

HERE = Path(__file__).name
RULES = [
    (fixed_in_degree, 7),
    (pairwise_bernoulli, 0.2),
    (fixed_total_number, 300),
]


def canonical(w: CSR) -> bool:
    """Whether rows are in order, entries ascend and lie inside, and nothing can be written."""
    inside = w.indices.size == 0 or (w.indices.min() >= 0 and w.indices.max() < w.shape[1])
    ascending = np.all((np.diff(w.rows) > 0) | (np.diff(w.indices) > 0))
    whole = w.indptr[0] == 0 and w.indptr[-1] == w.indices.size == w.data.size
    frozen = not any(a.flags.writeable for a in (w.indptr, w.indices, w.data))
    types = (w.indptr.dtype, w.indices.dtype, w.data.dtype) == (np.int64, np.int32, np.float64)
    return bool(inside and ascending and whole and frozen and types)


@pytest.mark.parametrize("k", [0, 1, 19, 20, 21, 38, 39, 40])
@pytest.mark.parametrize("loops", [True, False])
def test_in_degree_is_exact(k: int, loops: bool) -> None:
    if k == 40 and not loops:
        with pytest.raises(NetworkError, match=r"fixed_in_degree\.k: out of range; got 40; "
                                               "allowed: at least 0 and at most 39"):  # fmt: skip
            fixed_in_degree(40, 40, k, weight=1.0, seed=3, self_connections=loops)
        return
    w = fixed_in_degree(40, 40, k, weight=0.5, seed=3, self_connections=loops)
    assert canonical(w)
    assert np.array_equal(np.diff(w.indptr), np.full(40, k))
    assert np.array_equal(w.data, np.full(40 * k, 0.5))
    assert loops or not np.any(w.rows == w.indices)


@pytest.mark.parametrize("n", [0, 1, 700, 900, 1199, 1200])
def test_total_number_is_exact(n: int) -> None:
    w = fixed_total_number(30, 40, n, weight=1.0, seed=5)
    assert canonical(w)
    assert w.indices.size == n


@pytest.mark.parametrize(("rule", "much"), RULES)
def test_no_neuron_drives_itself_where_asked(rule: Any, much: Any) -> None:
    w = rule(60, 60, much, weight=1.0, seed=1, self_connections=False)
    assert canonical(w)
    assert w.indices.size
    assert not np.any(w.rows == w.indices)
    assert np.any((v := rule(60, 60, much, weight=1.0, seed=1)).rows == v.indices)
    with pytest.raises(NetworkError, match=r"self_connections: two populations; got shape"):
        rule(60, 50, much, weight=1.0, seed=1, self_connections=False)


def test_edges_of_the_range() -> None:
    assert pairwise_bernoulli(5, 6, 0.0, weight=1.0, seed=1).indices.size == 0
    assert np.array_equal(pairwise_bernoulli(5, 6, 1.0, weight=2.0, seed=1).toarray(),
                          np.full((5, 6), 2.0))  # fmt: skip
    off = np.ones((5, 5)) - np.eye(5)
    full = pairwise_bernoulli(5, 5, 1.0, weight=1.0, seed=1, self_connections=False)
    assert np.array_equal(full.toarray(), off)
    for rule, much in ((fixed_in_degree, 0), (pairwise_bernoulli, 1.0), (fixed_total_number, 0)):
        w = rule(1, 1, much, weight=1.0, seed=1, self_connections=False)
        assert canonical(w)
        assert w.indices.size == 0
    with pytest.raises(NetworkError, match=r"k: out of range; got 1; allowed: .* at most 0"):
        fixed_in_degree(1, 1, 1, weight=1.0, seed=1, self_connections=False, unique=False)


# distributions: every p-value has one chance in 10^5 to fail, with seeds that never change --------


def test_every_source_is_as_likely_and_targets_are_independent() -> None:
    w = fixed_in_degree(3000, 100, 30, weight=1.0, seed=11)
    # a column sum is Binomial(3000, 0.3), columns are anticorrelated by -1/99
    out = np.bincount(w.indices, minlength=100)
    chi2 = np.sum((out - 900.0) ** 2) / (3000 * 0.3 * 0.7) * 99 / 100
    assert 1e-5 < scipy.stats.chi2.cdf(chi2, 99) < 1 - 1e-5
    # overlap of two rows is hypergeometric
    dense = w.toarray()
    overlap = np.sum(dense[::2] * dense[1::2], axis=1)
    law = scipy.stats.hypergeom(100, 30, 30)
    edges = [0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 31]
    counts = np.histogram(overlap, bins=edges)[0]
    expected = 1500 * np.diff(law.cdf(np.array(edges) - 1))
    assert scipy.stats.chisquare(counts, expected).pvalue > 1e-5


@pytest.mark.parametrize("k", [2, 4])
def test_all_sets_are_equally_likely(k: int) -> None:
    """Both branches: k below and above half of the sources."""
    w = fixed_in_degree(30000, 6, k, weight=1.0, seed=12)
    sets = {s: i for i, s in enumerate(itertools.combinations(range(6), k))}
    found = np.bincount([sets[tuple(row)] for row in w.indices.reshape(-1, k).tolist()])
    assert found.size == len(sets) == 15
    assert scipy.stats.chisquare(found).pvalue > 1e-5


@pytest.mark.parametrize("p", [0.003, 0.1, 0.9])
def test_bernoulli_in_degrees_are_binomial(p: float) -> None:
    w = pairwise_bernoulli(4000, 500, p, weight=1.0, seed=13)
    assert canonical(w)
    law = scipy.stats.binom(500, p)
    edges = np.unique(law.ppf(np.linspace(0.05, 0.95, 12)))
    bins = np.concatenate(([-0.5], edges + 0.5, [500.5]))
    counts = np.histogram(np.diff(w.indptr), bins=bins)[0]
    expected = 4000 * np.diff(law.cdf(bins))
    assert scipy.stats.chisquare(counts, expected).pvalue > 1e-5
    total = scipy.stats.binomtest(w.indices.size, 4000 * 500, p)
    assert total.pvalue > 1e-5
    # independent from pair to pair: the gaps between successes are geometric
    flat = w.rows * 500 + w.indices
    gaps = np.minimum(np.diff(flat), int(4 / p))
    law = scipy.stats.geom(p)
    ends = np.unique(np.concatenate(([0], law.ppf(np.linspace(0.1, 0.9, 9)), [int(4 / p)])))
    counts = np.histogram(gaps, bins=ends + 0.5)[0]
    expected = np.diff(law.cdf(ends))
    expected[-1] += 1 - expected.sum()
    assert scipy.stats.chisquare(counts, expected * gaps.size).pvalue > 1e-5


def test_rare_successes_are_not_lost_beyond_the_table() -> None:
    """Waiting times of 10^6 trials, hundreds of tables long."""
    found = np.concatenate(list(Choices(7).successes(1e-6, 2 * 10**9)))
    assert scipy.stats.poisson(2000).cdf(found.size) == pytest.approx(0.5, abs=0.5 - 1e-5)
    gaps = np.diff(found)
    assert scipy.stats.kstest(gaps, scipy.stats.expon(scale=1e6).cdf).pvalue > 1e-5
    assert found.max() < 2 * 10**9


@pytest.mark.parametrize("p", [1e-17, 1e-12, 1e-6, 1e-3, 0.3, 0.999, 1.0])
def test_waiting_times_are_the_table_s(p: float) -> None:
    """The logarithm only guesses: at and beside every entry, the table decides."""
    fail = np.multiply.accumulate(np.full(4096, 1 - p))
    u = np.concatenate([fail, np.nextafter(fail, 0), np.nextafter(fail, 1), [1.0, 2.0**-53]])
    u = u[(u > 0) & (u <= 1)]
    assert np.array_equal(_failures(fail, p, u), (fail >= u[:, None]).sum(axis=1))


def test_total_number_is_uniform_over_pairs() -> None:
    counts = np.zeros((7, 7))
    for seed in range(2000):
        counts += fixed_total_number(7, 7, 10, weight=1.0, seed=seed, self_connections=False
                                     ).toarray()  # fmt: skip
    off = counts[~np.eye(7, dtype=bool)]
    assert counts.trace() == 0
    p = 10 / 42
    chi2 = np.sum((off - 2000 * p) ** 2) / (2000 * p * (1 - p)) * 41 / 42
    assert 1e-5 < scipy.stats.chi2.cdf(chi2, 41) < 1 - 1e-5


def test_the_multiplication_is_that_of_128_bits() -> None:
    words = np.random.Philox(key=9).random_raw(200)
    for n in (1, 2, 3, 10**5, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 10**10 + 7, 2**62):
        exact = [int(w) * n >> 64 for w in words]
        assert Choices(9).below(n, 200).tolist() == exact


# sources that may repeat -------------------------------------------------------------------------


def test_repeated_sources_add_up() -> None:
    w = fixed_in_degree(2000, 10, 8, weight=0.5, seed=4, unique=False)
    assert canonical(w)
    per_row = np.add.reduceat(w.data, w.indptr[:-1])
    assert np.array_equal(per_row, np.full(2000, 4.0))  # halves add without rounding
    many = np.bincount((w.data / 0.5).astype(int), minlength=9)
    law = scipy.stats.binom(8, 0.1)  # of one pair; pairs of a row exclude one another a little
    zero = 2000 * 10 - w.data.size
    expected = 20000 * law.pmf(np.arange(4))
    spread = np.sqrt(expected)
    assert np.all(np.abs(np.array([zero, *many[1:4]]) - expected) < 5 * spread)
    t = fixed_total_number(4, 4, 100, weight=1.0, seed=4, unique=False, self_connections=False)
    assert canonical(t)
    assert (t.data.sum(), np.trace(t.toarray())) == (100.0, 0.0)
    a = fixed_in_degree(50, 50, 80, weight=1.0, seed=4, unique=False, self_connections=False)
    assert not np.any(a.rows == a.indices)
    assert np.array_equal(np.add.reduceat(a.data, a.indptr[:-1]), np.full(50, 80.0))


# weights -----------------------------------------------------------------------------------------


def test_weights_by_source_target_and_pair() -> None:
    sign = np.array([1.0, 1.0, -4.0])
    w = fixed_in_degree(9, 3, 2, weight=sign, seed=2)
    assert np.array_equal(w.data, sign[w.indices])
    column = np.arange(9.0)[:, None]
    assert np.array_equal(fixed_in_degree(9, 3, 2, weight=column, seed=2).data, w.rows)
    matrix = np.arange(27.0).reshape(9, 3)
    v = fixed_in_degree(9, 3, 2, weight=matrix, seed=2)
    assert np.array_equal(v.data, matrix[v.rows, v.indices])
    assert v.same_pattern(w)
    for bad in (np.ones(9), np.ones((3, 9)), np.ones((1, 9, 3))):
        with pytest.raises(NetworkError, match=r"weight: wrong shape; got shape \("):
            fixed_in_degree(9, 3, 2, weight=bad, seed=2)


@pytest.mark.parametrize(("distribution", "cv"), [("normal", 0.3), ("lognormal", 0.3),
                                                  ("lognormal", 1.5)])  # fmt: skip
def test_spread_of_weights(distribution: str, cv: float) -> None:
    plain = fixed_in_degree(2000, 2000, 100, weight=-2e-3, seed=6)
    w = fixed_in_degree(2000, 2000, 100, weight=-2e-3, seed=6, cv=cv, distribution=distribution)
    assert w.same_pattern(plain)
    factor = w.data / -2e-3
    assert factor.min() > 0
    if distribution == "normal":
        law: Any = scipy.stats.norm(1, cv)  # P(factor below 0.01) = 5e-4, put at 0.01
        assert factor.min() == pytest.approx(0.01, rel=1e-12)
        clipped = np.count_nonzero(factor < 0.0101)
        assert scipy.stats.binomtest(clipped, factor.size, law.cdf(0.0101)).pvalue > 1e-5
        factor = factor[factor > 0.0101]
        law = scipy.stats.truncnorm((0.0101 - 1) / cv, np.inf, 1, cv)
    else:
        s = math.sqrt(math.log1p(cv**2))
        law = scipy.stats.lognorm(s, scale=math.exp(-(s**2) / 2))
        assert law.mean() == pytest.approx(1, rel=1e-12)
        assert law.std() == pytest.approx(cv, rel=1e-12)
    assert scipy.stats.kstest(factor, law.cdf).pvalue > 1e-5
    other = fixed_in_degree(2000, 2000, 100, weight=-2e-3, seed=7, cv=cv, distribution=distribution)
    assert not np.array_equal(other.data, w.data)


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"weight": "1 ms"}, UnitError, "weight: not a weight; got '1 ms'; allowed: a finite "
         "quantity in V, A or S, such as '0.1 mV', or a bare SI number"),
        ({"weight": math.nan}, UnitError, "weight: not a weight; got nan"),
        ({"cv": 0.5}, NetworkError, "cv: too wide for a normal spread; got 0.5; allowed: < 0.5; "
         "use distribution='lognormal'"),
        ({"cv": -0.1}, NetworkError, "cv: out of range"),
        ({"distribution": "gamma"}, NetworkError, "distribution: unknown value; got 'gamma'"),
        ({"seed": -1}, NetworkError, "seed: out of range"),
        ({"seed": 2**64}, NetworkError, "seed: out of range"),
        ({"seed": 1.5}, NetworkError, "seed: must be an integer"),
        ({"n_target": 0}, NetworkError, "n_target: out of range; got 0; allowed: at least 1"),
        ({"n_source": 3}, NetworkError, "k: out of range; got 4; allowed: at least 0 and at most "
         "3"),
    ],
)  # fmt: skip
def test_errors(options: dict[str, Any], kind: type[Exception], text: str) -> None:
    given: dict[str, Any] = {"n_target": 5, "n_source": 5, "k": 4, "weight": 1.0, "seed": 1}
    with pytest.raises(kind, match=f"{HERE}:\\d+: fixed_in_degree." + re.escape(text)):
        fixed_in_degree(**{**given, **options})
    with pytest.raises(NetworkError, match=r"p: not a probability; got 1\.5; allowed: 0 to 1"):
        pairwise_bernoulli(5, 5, 1.5, weight=1.0, seed=1)
    with pytest.raises(NetworkError, match=r"n: out of range; got 26"):
        fixed_total_number(5, 5, 26, weight=1.0, seed=1)


# reproducible ------------------------------------------------------------------------------------

KNOWN = {
    "fixed_in_degree": "89f14d144b5cc0a5",
    "pairwise_bernoulli": "9eb2e6b8ee4602be",
    "fixed_total_number": "d0a1edabc9c36b2e",
}


@pytest.mark.parametrize(("rule", "much"), RULES)
def test_the_pattern_is_a_function_of_the_seed(rule: Any, much: Any) -> None:
    """The digests were written down once; a change of any draw on any machine shows."""
    w = rule(50, 40, much, weight=1.0, seed=2024)
    assert w == rule(50, 40, much, weight=1.0, seed=2024)
    assert not w.same_pattern(rule(50, 40, much, weight=1.0, seed=2025))
    data = w.indptr.astype("<i8").tobytes() + w.indices.astype("<i8").tobytes()
    assert hashlib.sha256(data).hexdigest()[:16] == KNOWN[rule.__name__]


@pytest.mark.slow
def test_large() -> None:
    """10^5 neurons with 1000 inputs each: time and memory go with the number of synapses."""
    w = fixed_in_degree(10**5, 10**5, 1000, weight=1e-4, seed=1, self_connections=False)
    assert np.array_equal(w.indptr, 1000 * np.arange(10**5 + 1))
    for first in range(0, 10**5, 10**4):
        rows = w.indices[1000 * first : 1000 * (first + 10**4)].reshape(-1, 1000)
        assert np.all(np.diff(rows, axis=1) > 0)
        assert not np.any(rows == np.arange(first, first + 10**4)[:, None])
    out = np.bincount(w.indices, minlength=10**5)
    z = (np.var(out) / (1000 * 0.99) - 1) / math.sqrt(2 / 10**5)
    assert abs(z) < 5


def test_in_a_network() -> None:
    net = Network()
    net.driver("d", Poisson(size=30, rate="10 Hz"))
    net.population("n", LIF(size=20, C="1 nF", tau="20 ms", V_th="20 mV"))
    w = nh.fixed_in_degree(20, 30, 3, weight=nh.to_si("0.1 mV", "V"), seed=1)
    wire = net.connect("d", "n", Delta(weight=w), delay="1 ms")
    assert wire.connectivity == "sparse"
    assert wire.weight == w
    assert w.data[0] == 1e-4
    net.connect("n", "n", Exponential(weight=nh.pairwise_bernoulli(
        20, 20, 0.1, weight=1e-10, seed=2, self_connections=False), tau="5 ms"))  # fmt: skip
    assert nh.loads(nh.dumps(net))[0] == net


def test_a_weight_with_a_unit_fits_only_its_synapse() -> None:
    with_unit = fixed_in_degree(4, 4, 2, weight="0.1 mV", seed=1)
    bare = fixed_in_degree(4, 4, 2, weight=0.1e-3, seed=1)
    assert with_unit.unit == "V" and Delta(weight=with_unit) == Delta(weight=bare)
    with pytest.raises(UnitError, match=r"Exponential\.weight: wrong unit; .*V.*; allowed: .*A"):
        Exponential(weight=with_unit, tau="1 ms")
