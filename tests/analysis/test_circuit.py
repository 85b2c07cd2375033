"""Balance of excitation and inhibition, and connectivity: against NumPy and scipy.sparse."""

from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np
import pytest
import scipy.sparse

from neurohw.analysis import balance, balance_of, connectivity
from neurohw.errors import NeurohwError, ProgramError
from neurohw.lowering import lower
from neurohw.network import LIF, Delta, Network, Poisson
from neurohw.program import F64, Dense, Edge, OneToOne, Probe, Probes, Sparse
from neurohw.recording import Recording


def traces(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    e = rng.gamma(4, 1e-9, (500, 2, 3))
    return e, 0.5 * e + rng.gamma(4, 1e-9, (500, 2, 3))


def recording(**variables: np.ndarray) -> Recording:
    declared = tuple(Probe("n", k, scale=2.0, unit="V" if k == "v" else "S") for k in variables)
    raw = {f"n.{k}": x / 2 for k, x in variables.items()}
    probes = Probes(0, 500, np.arange(2), traces=raw)
    return Recording("b", "float64", "none", 1e-3, 0, "h", probes, declared, {"n": 3})


def test_balance_is_numpys():
    e, i = traces()
    b = balance_of(e, i, unit="S")
    for k in range(2):
        for n in range(3):
            want = np.corrcoef(e[:, k, n], i[:, k, n])[0, 1]
            assert b.correlation[k, n] == pytest.approx(want, abs=1e-14)
    np.testing.assert_allclose(b.ratio, e.mean(axis=0) / i.mean(axis=0), rtol=1e-15)
    assert b.mean_correlation == pytest.approx(b.correlation.mean(), rel=1e-15)
    assert b.mean_ratio == pytest.approx(e.mean() / i.mean(), rel=1e-14)


def test_currents_follow_from_conductances():
    e, i = traces()
    v = np.random.default_rng(1).uniform(-70e-3, -50e-3, e.shape)
    r = recording(g_E=e, g_I=i, v=v)
    b = balance(r, "n", reversal=(0.0, -80e-3))
    want = balance_of(e * (0.0 - v), i * (v + 80e-3))
    assert b.unit == "A" and (b.excitatory > 0).all() and (b.inhibitory > 0).all()
    np.testing.assert_allclose(b.correlation, want.correlation, rtol=1e-12)
    plain = balance(r, "n", start=0.1, stop=0.2)
    assert plain.unit == "S"
    np.testing.assert_allclose(plain.excitatory, e[100:200].mean(axis=0), rtol=1e-14)
    late = balance(dataclasses.replace(r, latency={"n": 7}), "n", stop=0.1)
    np.testing.assert_allclose(late.inhibitory, i[7:107].mean(axis=0), rtol=1e-14)


def test_a_constant_trace_has_no_correlation():
    e, i = traces()
    i[:] = 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        b = balance_of(e, i)
        nothing = balance_of(e, 0 * i)
    assert np.isnan(b.correlation).all() and math.isnan(b.mean_correlation)
    assert np.isinf(nothing.ratio).all()


def test_what_cannot_be_balanced():
    e, i = traces()
    with pytest.raises(NeurohwError, match="shapes"):
        balance_of(e, i[1:])
    with pytest.raises(ProgramError, match=r"no trace recorded.*g_I.*n\.g_E"):
        balance(recording(g_E=e), "n")
    with pytest.raises(NeurohwError, match="balance"):
        balance(recording(g_E=e, g_I=i), "n", start=9.0)


# connectivity ------------------------------------------------------------------------------------


def random_weights(targets: int, sources: int, density: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(
        rng.random((targets, sources)) < density, rng.uniform(1, 9, (targets, sources)), 0
    )


def network(weight, delay="1 ms") -> Network:
    net = Network("wired")
    net.driver("in", Poisson(size=30, rate="10 Hz"))
    kind = dict(C="0.5 nF", tau="20 ms", E_L="-70 mV", V_th="-50 mV")
    net.population("n", LIF(size=20, **kind))
    net.connect("in", "n", Delta(weight=weight), delay=delay)
    net.connect("n", "n", Delta(weight="0.1 mV"), delay="1 ms",
                connectivity="all_to_all")  # fmt: skip
    return net


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize("delay", ["1 ms", "several"])
def test_degrees_are_those_of_the_matrix(layout, delay):
    w = random_weights(20, 30, 0.3) * 1e-3
    given = scipy.sparse.csr_matrix(w) if layout == "sparse" else w
    every = np.random.default_rng(2).integers(1, 4, w.shape) * 1e-3
    net = network(given, every if delay == "several" else delay)
    program = lower(net, "float64", dt=1e-3).program
    assert (sum(e.source == "in" for e in program.edges) > 1) == (delay == "several")
    for circuit in (net, program):
        c = connectivity(circuit, "in", "n")
        assert np.array_equal(c.in_degree, (w != 0).sum(axis=1))
        assert np.array_equal(c.out_degree, (w != 0).sum(axis=0))
        assert c.density == (w != 0).sum() / 600
        again = scipy.sparse.coo_matrix((c.weight, (c.target, c.source)), w.shape).toarray()
        np.testing.assert_allclose(again, w, rtol=1e-12)
    full = connectivity(net, "n", "n")
    assert full.density == 1 and (full.in_degree == 20).all()


def test_weights_that_a_chip_rounds_to_zero_are_no_synapses():
    w = random_weights(20, 30, 0.3)
    w[w > 0] = 1.0
    w[0, 0], w[0, 1] = 1e-9, 2.0
    net = network(w * 1e-3)
    assert connectivity(net, "in", "n").in_degree[0] == (w[0] != 0).sum()
    chip = connectivity(lower(net, "loihi1", dt=1e-3).program, "in", "n")
    assert chip.in_degree[0] == (w[0] != 0).sum() - 1


def test_one_to_one_and_parts():
    net = Network("relay")
    net.driver("in", Poisson(size=4, rate="10 Hz"))
    net.spike_driver("out", "in")
    program = lower(net, "float64", dt=1e-3).program
    for circuit in (net, net.connections[0], program, program.edges[0], list(program.edges)):
        c = connectivity(circuit)
        assert c.in_degree.tolist() == c.out_degree.tolist() == [1, 1, 1, 1]
        assert c.density == 0.25


def test_a_stored_zero_is_no_synapse():
    some = np.array([1.0, 0.0, -3.0])
    forms = (
        OneToOne(F64, some),
        Sparse(F64, np.array([0, 1, 2, 3]), np.arange(3), some, 3),
        Dense(F64, np.diag(some)),
    )
    for weights in forms:
        c = connectivity(Edge("a", "b", "in", weights, 1))
        assert c.in_degree.tolist() == c.out_degree.tolist() == [1, 0, 1]
        assert c.weight.tolist() == [1, -3] and c.target.tolist() == c.source.tolist() == [0, 2]


def test_parallel_synapses_are_counted_and_their_pair_once():
    net = network(1e-3)
    net.connect("in", "n", Delta(weight=-1e-3), delay="2 ms")
    c = connectivity(net, "in", "n")
    assert (c.in_degree == 60).all() and c.density == 1


def test_what_is_not_connected():
    net = network(1e-3)
    with pytest.raises(NeurohwError, match="in -> n, n -> n"):
        connectivity(net, "n", "in")
    with pytest.raises(NeurohwError, match="one pair"):
        connectivity(net)
