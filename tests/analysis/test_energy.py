"""Synaptic events against counting them one by one."""

from __future__ import annotations

import numpy as np
import pytest

import neurohw as nh
from neurohw.analysis import work_of
from neurohw.lowering import lower
from neurohw.network import SpikeArray, conv2d
from neurohw.run import run_program, with_spikes
from neurohw.targets import load_target

STEPS = 50


def layers() -> dict[str, tuple[int, nh.Delta | object, np.ndarray]]:
    """Name -> (size of the layer, synapse from 2 x 5 x 4 sources, dense 0/1 matrix of synapses)."""
    rng = np.random.default_rng(0)
    kernel = rng.integers(-1, 2, (4, 1, 3, 2)) * 0.5
    w = conv2d(kernel, input_shape=(2, 5, 4), stride=(2, 1), padding=1, groups=2)
    targets, sources, places = w.entries()
    image = np.zeros(w.shape)
    np.add.at(image, (targets, sources), (kernel.ravel()[places] != 0).astype(float))
    full = rng.integers(-1, 2, (7, 40)).astype(float)
    import scipy.sparse as sp

    sparse = sp.random_array((6, 40), density=0.2, rng=1, format="csr")
    sparse.data[:] = 0.5  # none of them rounds to 0 on a chip
    return {
        "image": (w.shape[0], w, image),
        "dense": (7, full, full != 0),
        "sparse": (6, sparse, sparse.toarray() != 0),
        "one": (40, np.ones(40), np.eye(40)),
    }


@pytest.mark.parametrize("kind", ["image", "dense", "sparse", "one"])
@pytest.mark.parametrize("target", ["float64", "loihi1"])
def test_events_are_those_counted_one_by_one(kind: str, target: str) -> None:
    size, weight, synapses = layers()[kind]
    net = nh.Network("work")
    net.driver("eye", SpikeArray(size=40))
    net.population("cells", nh.LIF(size=size, tau="20 ms", R=1.0, V_th=1e3))
    net.connect("eye", "cells", nh.Delta(weight=weight),
                connectivity="one_to_one" if kind == "one" else None)  # fmt: skip
    given = np.random.default_rng(2).random((STEPS, 3, 40)) < 0.2
    program = with_spikes(lower(net, target, dt=1e-3, trials=3).program)
    rec = run_program(program, "reference", STEPS, inputs={"eye": given})
    found = work_of(program, rec)
    assert found.synaptic_events == int((given.sum(axis=(0, 1)) @ synapses.T).sum())
    assert found.updates == size * STEPS * 3 and found.uncounted == ()


def test_energies_are_of_chips_and_name_their_source() -> None:
    for name in ("loihi1", "odin", "truenorth"):
        energy = load_target(name).energy
        assert 1e-12 < energy.synapse < 1e-10 and energy.source
    assert load_target("float64").energy.synapse == 0
    assert load_target("brian2-loihi").energy.synapse == 0
