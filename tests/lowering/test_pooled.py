"""Pooled Poisson trains: thresholds and draws against SciPy, conductances against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import neurohw as nh
from neurohw.errors import LoweringError, NetworkError, ProgramError, UnitError
from neurohw.lowering.pooled import binomial_thresholds
from neurohw.program import F32, F64, Int, OneToOne
from neurohw.reference import ReferenceBackend

DT = 1e-4
ONE = 2**32


@pytest.mark.parametrize(
    "n,p",
    [(1, 0.0), (1, 1.0), (1, 0.3), (3, 1.0), (100, 0.001), (50, 0.002), (1000, 0.02), (7, 0.9),
     (4000, 0.1), (2**20, 1e-6)],
)  # fmt: skip
def test_thresholds_are_the_rounded_distribution_function(n: int, p: float) -> None:
    bound = round(p * ONE)
    levels = np.array(binomial_thresholds(n, bound))
    cdf = stats.binom.cdf(np.arange(len(levels)), n, bound / ONE)
    # half a unit by rounding, and what SciPy's own 1e-12 or so may be off
    assert np.all(np.abs(levels - cdf * ONE) <= 0.5 + 1e-2)
    assert np.all(np.diff(levels) >= 0) and len(levels) <= n
    if len(levels) < n:  # nothing but what rounds to zero is left out
        assert stats.binom.sf(len(levels), n, bound / ONE) * ONE <= 0.5 + 1e-2


def pool(size: int, trains: int, rate, target: str = "float64", **run):
    net = nh.Network("pool")
    net.driver("x", nh.PooledPoisson(size=size, trains=trains, rate=rate))
    net.population("n", nh.IF(size=size, C="1 nF", V_th="1 kV"))
    net.connect("x", "n", nh.Delta(weight="1 mV"), connectivity="one_to_one")
    net.probe("x", "count")
    net.probe("n", "v")
    return nh.run(net, target=target, backend="reference", dt=DT, **run)


def chi_square(counts: np.ndarray, p: np.ndarray) -> float:
    """Probability of a larger chi-square; rare numbers (< 10 expected) join the last other."""
    found = np.bincount(counts.ravel(), minlength=len(p)).astype(float)
    assert len(found) == len(p)
    expected = p * found.sum()
    keep = expected >= 10
    a, e = found[keep], expected[keep]
    a[-1] += found[~keep].sum()
    e[-1] += expected[~keep].sum()
    return float(stats.chisquare(a, e).pvalue)


@pytest.mark.parametrize("n,rate", [(100, 10.0), (50, 200.0), (3, 5000.0), (2000, 40.0)])
def test_counts_are_binomial(n: int, rate: float) -> None:
    """A right sample fails once in 10^6 tests; neighbours in time and element are independent."""
    got = pool(400, n, rate, steps=500, seed=n).raw("x", "count")[:, 0]
    p = round(rate * DT * ONE) / ONE
    assert chi_square(got, stats.binom.pmf(np.arange(n + 1), n, p)) > 1e-6
    for a, b in ((got[1:], got[:-1]), (got[:, 1:], got[:, :-1])):
        z = np.corrcoef(a.ravel(), b.ravel())[0, 1] * math.sqrt(a.size)
        assert abs(z) < 5.5  # 4e-8 for a normal number


def test_it_is_distributed_as_the_sum_of_trains() -> None:
    """Against 60 explicit trains for each of 50 neurons, by their mean and variance."""
    net = nh.Network("explicit")
    net.driver("x", nh.Poisson(size=60 * 50, rate="100 Hz"))
    net.population("n", nh.IF(size=50, C="1 nF", V_th="1 kV"))
    net.connect("x", "n", nh.Delta(weight=np.kron(np.eye(50), np.ones((1, 60))) * 1e-3))
    net.probe("n", "v")
    rec = nh.run(net, backend="native", dt=DT, steps=2000, seed=1)
    v = np.concatenate([np.zeros((1, 50)), rec.raw("n")[:, 0]])
    explicit = np.rint(np.diff(v, axis=0) * 1e3)
    pooled = pool(50, 60, "100 Hz", steps=2000, seed=2).raw("x", "count")[:, 0]
    m, n = 60 * 0.01, explicit.size
    var = 60 * 0.01 * 0.99
    for sample in (explicit, pooled):
        assert abs(sample.mean() - m) < 5 * math.sqrt(var / n)
        kurtosis = 3 + (1 - 6 * 0.01 * 0.99) / var
        assert abs(sample.var() - var) < 5 * var * math.sqrt((kurtosis - 1) / n)


def test_rates_of_their_own_and_a_silent_pool() -> None:
    rates = np.array([0.0, 10.0, 10000.0, 500.0])
    got = pool(4, 20, rates, steps=3000, seed=4).raw("x", "count")[:, 0]
    assert not got[:, 0].any() and np.all(got[:, 2] == 20)
    for k in (1, 3):
        p = round(rates[k] * DT * ONE) / ONE
        assert chi_square(got[:, k], stats.binom.pmf(np.arange(21), 20, p)) > 1e-6


@pytest.mark.parametrize("n", [1, 40, 200])
def test_a_rate_that_moves(n: int) -> None:
    """The thresholds of each step are those of the step's own probability, to one unit."""
    from neurohw.program import Probe

    net = nh.Network("moving")
    rate = nh.Sine(mean="200 Hz", amplitude="300 Hz", frequency="20 Hz")
    net.driver("x", nh.PooledPoisson(size=2, trains=n, rate=rate))
    net.population("n", nh.IF(size=2, C="1 nF", V_th="1 kV"))
    net.connect("x", "n", nh.Delta(weight="1 mV"), connectivity="one_to_one")
    p = nh.lower(net, "float64", dt=DT, seed=3).program
    x = p.population("x")
    nodes = list(x.nodes)
    levels = [i for i, q in enumerate(nodes) if q.op == "cast" and q.attrs.get("rounding")]
    import dataclasses

    for k, i in enumerate(levels):
        nodes[i] = dataclasses.replace(nodes[i], name=f"level{k}")
    p = dataclasses.replace(
        p,
        populations=(dataclasses.replace(x, nodes=tuple(nodes)), *p.populations[1:]),
        probes=tuple(Probe("x", f"level{k}") for k in range(len(levels))),
    )
    rec = nh.run_program(p, ReferenceBackend(), 500)
    bound = np.clip(rec.raw("x", "level0")[:, 0, 0], 0, ONE)
    assert bound.min() == 0 and bound.max() > 0.049 * ONE
    for k in range(1, len(levels)):
        want = stats.binom.cdf(k - 1, n, bound / ONE) * ONE
        assert np.all(np.abs(rec.raw("x", f"level{k}")[:, 0, 0] - want) <= 1)
    assert len(levels) - 1 == len(binomial_thresholds(n, round(0.05 * ONE)))


def test_numbers_follow_a_rate_that_moves() -> None:
    got = pool(300, 30, nh.Step(amplitude="400 Hz", start="10 ms"), steps=300, seed=9)
    count = got.raw("x", "count")[:, 0]
    assert not count[:100].any()
    assert chi_square(count[100:], stats.binom.pmf(np.arange(31), 30, 0.04)) > 1e-6


@pytest.mark.parametrize("method", ["euler", "exponential"])
def test_conductance_is_shot_noise(method: str) -> None:
    """Stationary mean and variance of g' = decay g + w Binomial(n, p)."""
    n, rate, tau, w, size = 100, 10.0, 2e-3, 2.4e-9, 3000
    net = nh.Network("shot")
    net.driver("E", nh.PooledPoisson(size=size, trains=n, rate=rate))
    net.population("N", nh.LIF(size=size, C="200 pF", tau="10 ms", E_L="-70 mV", V_th=1.0))
    synapse = nh.Conductance(weight=w, tau=tau, E_rev="0 mV", receptor="E")
    net.connect("E", "N", synapse, connectivity="one_to_one")
    net.probe("N", "g_E", every="20 ms")
    rec = nh.run(net, backend="reference", dt=DT, duration="81 ms", seed=5, method=method)
    g = rec.raw("N", "g_E")[3:].ravel()  # after 30 time constants, 10 apart
    p = rate * DT
    decay = 1 - DT / tau if method == "euler" else math.exp(-DT / tau)
    mean, variance = w * n * p / (1 - decay), w * w * n * p * (1 - p) / (1 - decay**2)
    excess = 1 / (n * rate * tau)
    assert abs(g.mean() - mean) < 5 * math.sqrt(variance / g.size)
    assert abs(g.var() - variance) < 5 * variance * math.sqrt((2 + excess) / g.size)


@pytest.mark.parametrize("target", ["float64", "float32", "snntorch", "lava", "loihi1", "loihi2"])
def test_a_graded_spike_is_so_many_spikes(target: str) -> None:
    """One pool of n trains lowers, and runs, as the n spikes that it stands for."""

    def build(driver, weight, **how):
        net = nh.Network("same")
        net.driver("x", driver)
        cell = nh.LIF(size=3, C="200 pF", tau="20 ms", E_L="0 V", V_th="15 mV")
        net.population("n", cell)
        net.connect("x", "n", nh.Delta(weight=weight), delay="0.3 ms", **how)
        net.probe("n", "v")
        return net

    pooled = build(nh.PooledPoisson(size=3, trains=40, rate="50 Hz"), "1 mV",
                   connectivity="one_to_one")  # fmt: skip
    pooled.probe("x", "count")
    a = nh.run(pooled, target=target, backend="reference", dt=DT, steps=400, seed=6)
    count = a.raw("x", "count")[:, 0]
    trains = np.arange(120)[None, None] % 40 < count[:, :, None].repeat(40, 1).reshape(400, 1, 120)
    explicit = build(nh.SpikeArray(size=120), np.kron(np.eye(3), np.ones((1, 40))) * 1e-3)
    b = nh.run(explicit, target=target, backend="reference", dt=DT, steps=400, seed=6,
               inputs={"x": trains})  # fmt: skip
    assert count.max() > 1 and len(a.spikes("n")) > 3
    assert np.array_equal(a.spikes("n").step, b.spikes("n").step)
    if target in ("float64", "float32", "snntorch"):  # 40 roundings instead of one
        eps = 2.0**-52 if target == "float64" else 2.0**-23
        assert np.all(np.abs(a.raw("n") - b.raw("n")) <= 400 * 40 * eps * 0.03)
    else:
        assert np.array_equal(a.raw("n"), b.raw("n"))


def test_what_the_edges_carry() -> None:
    """Floats for float ports, integers for chips and relays; only what is needed is computed."""
    net = nh.Network("kinds")
    net.driver("x", nh.PooledPoisson(size=2, trains=9, rate="50 Hz"))
    net.spike_driver("r", source="x")
    assert {n.name for n in nh.lower(net, "float32", dt=DT).program.populations[0].nodes} == {
        "", "count"}  # fmt: skip
    net.population("n", nh.LIF(size=2, C="200 pF", tau="20 ms", E_L="0 V", V_th="15 mV"))
    synapse = nh.Conductance(weight="1 nS", tau="5 ms", E_rev="60 mV")
    net.connect("x", "n", synapse, connectivity="one_to_one")
    for target, value, kind in (
        ("float64", "count_f64", F64), ("float32", "count_f32", F32), ("loihi2", "count", Int)
    ):  # fmt: skip
        p = nh.lower(net, target, dt=DT).program
        edges = {e.target: e for e in p.edges}
        assert edges["r"].value == "count" and edges["n"].value == value
        assert isinstance(edges["n"].weights, OneToOne)
        assert isinstance(edges["n"].weights.dtype, type(kind) if kind is not Int else Int)
    assert p.population("x").spike is None


def test_refusals() -> None:
    with pytest.raises(LoweringError, match=r"x.trains: too many spikes per step in one pool"):
        pool(1, 2**20, "100 Hz", steps=1)
    with pytest.raises(LoweringError, match="more than one spike per step"):
        pool(1, 2, "20 kHz", steps=1)
    with pytest.raises(LoweringError, match="too many spikes per step"):
        pool(1, 2**16, nh.Step(amplitude="100 Hz"), steps=1)
    with pytest.raises(NetworkError, match="trains: out of range"):
        nh.PooledPoisson(trains=0, rate="1 Hz")
    with pytest.raises(NetworkError, match="trains: out of range"):
        nh.PooledPoisson(trains=2**17, rate=nh.Step(amplitude="1 Hz"))
    with pytest.raises(UnitError, match="rate: wrong unit"):
        nh.PooledPoisson(trains=2, rate="1 V")
    net = nh.Network("n")
    net.driver("x", nh.PooledPoisson(trains=2, rate="1 Hz"))
    with pytest.raises(NetworkError, match=r"variables: unknown value.*allowed: count"):
        net.probe("x", "spikes")
    rec = pool(2, 3, "1 Hz", steps=2)
    with pytest.raises(ProgramError, match="no spikes recorded"):
        rec.spikes("x")


def test_toml() -> None:
    net = nh.Network("t")
    net.driver("a", nh.PooledPoisson(size=3, trains=100, rate=[1.0, 2.0, 3.0]))
    sine = nh.Sine(mean="50 Hz", amplitude="20 Hz", frequency="3 Hz")
    net.driver("b", nh.PooledPoisson(trains=7, rate=sine))
    net.driver("c", nh.AnalogInput(size=5))
    net.probe("a", "count")
    net.probe("c", "value")
    again, _ = nh.loads(nh.dumps(net))
    assert again == net and 'kind = "pooled_poisson"' in nh.dumps(net)
    with pytest.raises(NetworkError, match=r"<toml>:\d: .*trains: missing key"):
        nh.loads('[[driver]]\nname = "a"\nkind = "pooled_poisson"\nrate = "1 Hz"\n')
