"""Many synapses: their order by source, and what they cost in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import neurohw as nh
from neurohw.lowering import lower
from neurohw.lowering.transpose import by_source
from neurohw.network import CSR, Delta, Exponential
from neurohw.network.connectivity import fixed_in_degree, pairwise_bernoulli
from neurohw.program import Sparse, parse, verify

LIF: dict[str, Any] = {"C": "200 pF", "tau": "20 ms", "E_L": "-60 mV", "V_th": "-50 mV"}


def network(weight: CSR, **delay: Any) -> nh.Network:
    net = nh.Network("net")
    for name, size in zip("TS", weight.shape, strict=True):
        net.population(name, nh.LIF(size=size, **LIF))
    net.connect("S", "T", Exponential(weight=weight, tau="5 ms"), **(delay or {"delay": "1 ms"}))
    return net


def sparse(net: nh.Network, target: str = "float32") -> list[Sparse]:
    weights = [e.weights for e in lower(net, target, dt=1e-4).program.edges]
    assert all(isinstance(w, Sparse) for w in weights)
    return weights  # type: ignore[return-value]


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize(
    ("targets", "sources", "p"),
    [(300, 200, 0.1), (3000, 5000, 0.02), (40_000, 3, 0.9), (5, 70_000, 0.5), (900, 2049, 0.1)],
)
def test_order_by_source(targets: int, sources: int, p: float, ordered: bool) -> None:
    """Small and large (more than one block of sources, and a last block of one)."""
    w = pairwise_bernoulli(targets, sources, p, weight=1.0, seed=1)
    numbers = np.arange(w.indices.size)
    wanted = scipy.sparse.csr_matrix((numbers, w.indices, w.indptr), w.shape).tocsc()
    indptr, indices, order = by_source(w, ordered=ordered)
    assert (indptr.dtype, indices.dtype) == (np.int64, np.int32)
    assert np.array_equal(indptr, wanted.indptr)
    assert np.array_equal(indices, wanted.indices)
    assert order is None or np.array_equal(order, wanted.data)
    assert order is not None or not ordered


def test_one_weight_is_kept_once() -> None:
    """From the user's call to the program, through its text, and on every kind of target."""
    w = fixed_in_degree(40, 30, 20, weight=2e-12, seed=1)
    assert w.data.strides == (0,)
    net = network(w)
    for target in ("float32", "float64", "loihi1"):
        (held,) = sparse(net, target)
        assert held.data.strides == (0,) and held.data.shape == held.indices.shape
        program = lower(net, target, dt=1e-4).program
        again = parse(program.text)
        assert again == program and again.hash == program.hash
        (copy,) = (e.weights for e in again.edges)
        assert isinstance(copy, Sparse)
        assert np.array_equal(copy.data, held.data) and copy.indices.dtype == np.int32
    spread = CSR(w.shape, w.indptr, w.indices, np.array(w.data))
    (one,), (many,) = sparse(net), sparse(network(spread))
    assert many.data.strides != (0,) and np.array_equal(one.data, many.data)
    assert (
        lower(net, "loihi1", dt=1e-4).program == lower(network(spread), "loihi1", dt=1e-4).program
    )


def test_weights_of_zero_are_no_synapses() -> None:
    w = fixed_in_degree(40, 30, 20, weight=0.0, seed=1)
    assert not lower(network(w), "float32", dt=1e-4).program.edges
    data = np.array(w.data)
    data[::3] = 1e-12
    (held,) = sparse(network(CSR(w.shape, w.indptr, w.indices, data)))
    dense = CSR(w.shape, w.indptr, w.indices, data).toarray()
    rows = np.repeat(np.arange(30), np.diff(held.indptr))
    assert np.array_equal(np.nonzero(dense.T), (rows, held.indices))


def test_delays_of_their_own() -> None:
    """Every synapse arrives once, at the delay that was asked for it."""
    w = pairwise_bernoulli(300, 400, 0.6, weight=np.arange(1.0, 401.0) * 1e-12, seed=1)
    steps = np.arange(w.indices.size) % 5 + 1
    program = lower(network(w, delay_steps=steps), "float64", dt=1e-4).program
    found = np.zeros(w.shape)
    for e in program.edges:
        held = e.weights
        assert isinstance(held, Sparse)
        found[held.indices, np.repeat(np.arange(400), np.diff(held.indptr))] += e.delay
    assert len(program.edges) == 5
    assert np.array_equal(found[w.rows, w.indices], steps)
    assert found.sum() == steps.sum()


@contextmanager
def bytes_per(synapses: int, most: float) -> Iterator[None]:
    """What is allocated inside never exceeds ``most`` bytes per synapse."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak / synapses < most


def test_memory_goes_with_synapses_at_few_bytes_each() -> None:
    """Room for indices of 4 bytes, and while they are sorted for two more columns of 4."""
    n, k = 20_000, 100
    lower(network(fixed_in_degree(9000, 9000, 10, weight=1e-12, seed=1)), "float32", dt=1e-4)
    with bytes_per(n * k, 5):
        w = fixed_in_degree(n, n, k, weight=1e-12, seed=1)
    with bytes_per(n * k, 5):
        p = pairwise_bernoulli(n, n, k / n, weight=1e-12, seed=1)
    with bytes_per(n * k, 1):
        net = network(w)
        network(p)
    with bytes_per(n * k, 13.5):
        program = lower(net, "float32", dt=1e-4).program
    program.__dict__.pop("_facts")
    with bytes_per(n * k, 12):  # blocks of 2**20 numbers, whatever the size of the network
        verify(program)


def test_a_matrix_that_is_sound_is_taken_as_it_is() -> None:
    w = fixed_in_degree(40, 30, 20, weight=1e-3, seed=1)
    held = Delta(weight=w).weight
    assert isinstance(held, CSR) and held.indices is w.indices and held.indptr is w.indptr
    for bad in (
        CSR(w.shape, w.indptr, w.indices[::-1], w.data),
        CSR(w.shape, w.indptr, np.zeros_like(w.indices), w.data),
        CSR(w.shape, w.indptr, w.indices + 25, w.data),
        CSR(w.shape, w.indptr[1:], w.indices, w.data),
        CSR(w.shape, w.indptr, w.indices, np.where(w.indices == 3, np.nan, 1.0)),
    ):
        assert not bad.sound
    writable = np.array(w.indices)
    own = Delta(weight=CSR(w.shape, w.indptr, writable, w.data)).weight
    writable[:] = 0
    assert own == held
