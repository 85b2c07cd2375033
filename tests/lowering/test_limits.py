"""A network that needs more than a chip holds is refused, and told by what."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import neurohw as nh
from neurohw.errors import LoweringError
from neurohw.lowering import lower
from neurohw.network import SpikeArray


def net(target: str, inputs: int, size: int, weight: object = 1.0) -> nh.Network:
    """Sources, all connected to one layer of neurons that the target has."""
    n = nh.Network("big")
    n.driver("x", SpikeArray(size=inputs))
    leak = {"C": 1e-3, "g_L": 0.0} if target == "odin" else {"tau": "20 ms", "R": 1.0}
    reset = "subtract" if target == "xylo" else "to"
    n.population("cells", nh.LIF(size=size, **leak, V_th=10.0, reset=reset))
    synapse = (
        nh.Exponential(weight=weight, tau="10 ms") if target == "xylo" else nh.Delta(weight=weight)
    )
    n.connect("x", "cells", synapse)
    return n


@pytest.mark.parametrize(
    "target,inputs,size,text",
    [
        (
            "xylo",
            16,
            1009,
            r"one xylo: too many neurons; got 1009; allowed: up to 1008 \(1000 ",
        ),
        ("xylo", 17, 10, r"big: .*too many inputs; got 17; allowed: up to 16 "),
        ("odin", 257, 4, r"cells\[0\]: .*too many synapses of one neuron; got 257"),
        ("loihi1", 1, 131073, r"too many neurons; got 131073; allowed: up to 131072 \(128 cores"),
    ],
)
def test_what_does_not_fit(target: str, inputs: int, size: int, text: str) -> None:
    with pytest.raises(LoweringError, match=text):
        lower(net(target, inputs, size), target, dt=1e-3)


@pytest.mark.parametrize("target,inputs,size", [("xylo", 16, 1008), ("odin", 256, 256)])
def test_what_just_fits(target: str, inputs: int, size: int) -> None:
    assert lower(net(target, inputs, size), target, dt=1e-3).program


def test_only_synapses_that_are_there_are_counted() -> None:
    weight = sp.csr_array(np.eye(3, 300))
    assert lower(net("odin", 300, 3, weight), "odin", dt=1e-3).program
    with pytest.raises(LoweringError, match=r"cells\[1\].*got 257"):
        dense = np.zeros((3, 300))
        dense[1, :257] = 1.0
        lower(net("odin", 300, 3, dense), "odin", dt=1e-3)
